"""Every scenario is what its truth says, for every seed, and its study is one a cart could have recorded."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulator import SIMULATOR, VirtualPatient
from drivers.simulator.examination import examine
from drivers.simulator.scenarios import SCENARIOS
from gateway.domain.markers import mark
from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    Recording,
    Response,
    SensoryMarks,
    Side,
)
from gateway.domain.segments import motor_sites
from gateway.domain.sites import evoked
from gateway.domain.study import Study
from gateway.errors import UsageError
from gateway.ports import Simulator
from tests.factories import marker_settings, reference

PERFORMED_AT = "2026-11-02T10:15:00+01:00"
NAMES = [scenario.name for scenario in SCENARIOS]
SEEDS = range(15)
NORMS = reference().norms


@dataclass(frozen=True, slots=True)
class Cmap:
    """The noise-free marks of a CMAP, none of them missing."""

    latency_ms: float
    amplitude_mv: float
    area_mv_ms: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Change:
    """Proximal against distal, in percent and m/s."""

    amplitude_lost: float
    area_lost: float
    duration_gained: float
    velocity_m_s: float


class Truth:
    """The noise-free responses of one examination."""

    def __init__(self, scenario: str, seed: int, *recording_sites: str) -> None:
        (patient,) = (one for one in SCENARIOS if one.name == scenario)
        protocol = tuple(
            stimulation
            for stimulation in patient.protocol
            if not recording_sites or stimulation.recording_site in recording_sites
        )
        examination = examine(replace(patient, protocol=protocol), seed=seed, performed_at=PERFORMED_AT)
        self.recordings = examination.study.recordings
        self._truth = {
            (r.recording_site, r.nerve, r.stimulation_site): response
            for r, response in zip(self.recordings, examination.truth, strict=True)
        }

    def response(self, recording_site: str, nerve: str, site: str) -> Response:
        return self._truth[recording_site, nerve, site]

    def cmap(self, recording_site: str, nerve: str, site: str) -> Cmap:
        marks = self.response(recording_site, nerve, site)
        assert isinstance(marks, MotorMarks)
        values = (
            marks.onset_latency_ms,
            marks.amplitude_mv,
            marks.negative_area_mv_ms,
            marks.negative_duration_ms,
        )
        return Cmap(*(value for value in values if value is not None))

    def snap(self, recording_site: str, nerve: str, site: str) -> tuple[float, float]:
        """Peak latency in ms and amplitude in uV."""
        marks = self.response(recording_site, nerve, site)
        assert isinstance(marks, SensoryMarks)
        assert marks.peak_latency_ms is not None
        assert marks.amplitude_uv is not None
        return marks.peak_latency_ms, marks.amplitude_uv

    def change(self, recording_site: str, nerve: str, distal: str, proximal: str) -> Change:
        far, near = (self.cmap(recording_site, nerve, site) for site in (distal, proximal))
        (way_mm,) = (
            r.distance_mm
            for r in self.recordings
            if (r.recording_site, r.nerve, r.stimulation_site) == (recording_site, nerve, proximal)
        )
        assert way_mm is not None
        return Change(
            amplitude_lost=100 * (1 - near.amplitude_mv / far.amplitude_mv),
            area_lost=100 * (1 - near.area_mv_ms / far.area_mv_ms),
            duration_gained=100 * (near.duration_ms / far.duration_ms - 1),
            velocity_m_s=way_mm / (near.latency_ms - far.latency_ms),
        )

    def segments(self) -> list[tuple[str, str, str, str]]:
        """Recording site, nerve, distal and proximal site of all neighbouring motor stimulations."""
        motor = [r for r in self.recordings if r.modality is Modality.MOTOR]
        return [
            (a.recording_site, a.nerve, a.stimulation_site, b.stimulation_site)
            for a, b in itertools.pairwise(motor)
            if (a.recording_site, a.nerve) == (b.recording_site, b.nerve)
        ]


def assert_motor_normal(truth: Truth, *nerves: str) -> None:
    for row in NORMS.motor:
        if row.nerve not in nerves:
            continue
        distal = "ankle" if row.nerve in ("fibular", "tibial") else "wrist"
        cmap = truth.cmap(row.muscle, row.nerve, distal)
        assert row.amplitude_mv is not None
        assert row.onset_latency_ms is not None
        assert cmap.amplitude_mv > row.amplitude_mv
        assert cmap.latency_ms < row.onset_latency_ms
        limits = {(limit.distal, limit.proximal): limit.limit_m_s for limit in row.velocities}
        for muscle, nerve, below, above in truth.segments():
            if nerve == row.nerve:
                change = truth.change(muscle, nerve, below, above)
                assert change.velocity_m_s > limits.get((below, above), 0.0)
                assert change.amplitude_lost < 15
                assert change.area_lost < 5
                assert change.duration_gained < 25


def assert_sensory_normal(truth: Truth, *recording_sites: str) -> None:
    for recording in truth.recordings:
        if recording.recording_site not in recording_sites:
            continue
        site = recording.stimulation_site
        row = NORMS.sensory_norm(recording.nerve, site, recording.recording_site)
        assert row is not None
        assert row.peak_latency_ms is not None
        assert recording.distance_mm == row.distance_mm
        peak_ms, amplitude_uv = truth.snap(recording.recording_site, recording.nerve, site)
        assert amplitude_uv > row.amplitude_uv
        assert peak_ms < row.peak_latency_ms


ALL_NERVES = ("median", "ulnar", "fibular", "tibial")
ALL_SNAPS = ("digit_2", "digit_5", "snuffbox", "ankle")


@pytest.mark.parametrize("seed", SEEDS)
def test_normal_is_within_every_limit(seed: int) -> None:
    truth = Truth("normal", seed)
    assert_motor_normal(truth, *ALL_NERVES)
    assert_sensory_normal(truth, *ALL_SNAPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_block_forearm_loses_area_without_dispersion_and_nothing_else(seed: int) -> None:
    truth = Truth("block-forearm", seed)
    block = truth.change("apb", "median", "wrist", "elbow")
    assert 60 < block.amplitude_lost < 80
    assert 60 < block.area_lost < 80
    assert block.duration_gained < 15
    assert truth.cmap("apb", "median", "wrist").amplitude_mv > 8
    assert abs(truth.change("apb", "median", "elbow", "axilla").amplitude_lost) < 10
    assert_motor_normal(truth, "ulnar", "fibular", "tibial")
    assert_sensory_normal(truth, *ALL_SNAPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_dispersion_loses_half_the_amplitude_and_keeps_the_area(seed: int) -> None:
    change = Truth("dispersion", seed, "apb").change("apb", "median", "wrist", "elbow")
    assert change.amplitude_lost > 50
    assert change.area_lost < 30
    assert change.duration_gained > 60


@pytest.mark.parametrize("seed", SEEDS)
def test_cts_is_slow_at_the_wrist_and_nowhere_else(seed: int) -> None:
    truth = Truth("cts", seed)
    wrist = truth.cmap("apb", "median", "wrist")
    assert 5.0 < wrist.latency_ms < 6.5
    assert 4.1 < wrist.amplitude_mv < 7.0
    peak_ms, amplitude_uv = truth.snap("digit_2", "median", "wrist")
    assert 4.4 < peak_ms < 5.5
    assert 11 < amplitude_uv < 18
    for below, above in (("wrist", "elbow"), ("elbow", "axilla")):
        change = truth.change("apb", "median", below, above)
        assert change.velocity_m_s > 49
        assert change.amplitude_lost < 15
    assert_motor_normal(truth, "ulnar", "fibular", "tibial")
    assert_sensory_normal(truth, "digit_5", "snuffbox", "ankle")


@pytest.mark.parametrize("seed", SEEDS)
def test_ulnar_elbow_blocks_and_slows_across_the_elbow_only(seed: int) -> None:
    truth = Truth("ulnar-elbow", seed, "adm", "digit_5")
    across = truth.change("adm", "ulnar", "below_elbow", "above_elbow")
    assert across.amplitude_lost > 50
    assert across.area_lost > 50
    assert across.duration_gained < 30
    assert across.velocity_m_s < 43
    for below, above in (("wrist", "below_elbow"), ("above_elbow", "axilla")):
        change = truth.change("adm", "ulnar", below, above)
        assert change.amplitude_lost < 15
        assert change.velocity_m_s > 52
    _, amplitude_uv = truth.snap("digit_5", "ulnar", "wrist")
    assert 3 < amplitude_uv < 10


@pytest.mark.parametrize("seed", SEEDS)
def test_als_low_cmap_is_below_one_millivolt_and_only_seems_to_drop(seed: int) -> None:
    truth = Truth("als-low-cmap", seed)
    for muscle, nerve, proximal in (("apb", "median", "elbow"), ("adm", "ulnar", "below_elbow")):
        distal = truth.cmap(muscle, nerve, "wrist")
        assert 0.1 < distal.amplitude_mv < 1.0
        change = truth.change(muscle, nerve, "wrist", proximal)
        assert change.amplitude_lost > 0
        assert change.area_lost < 15
    assert_sensory_normal(truth, *ALL_SNAPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_martin_gruber_is_found_by_stimulating_the_median_nerve(seed: int) -> None:
    truth = Truth("martin-gruber", seed, "adm", "apb")
    drop = truth.change("adm", "ulnar", "wrist", "below_elbow")
    assert drop.amplitude_lost > 50
    assert drop.area_lost > 50
    assert drop.duration_gained < 30
    assert drop.velocity_m_s > 52
    wrist, below_elbow = (truth.cmap("adm", "ulnar", site) for site in ("wrist", "below_elbow"))
    assert truth.response("adm", "median", "wrist") is NO_RESPONSE
    gain_mv = truth.cmap("adm", "median", "elbow").amplitude_mv
    assert gain_mv > 1.0
    assert gain_mv > 0.8 * (wrist.amplitude_mv - below_elbow.amplitude_mv)
    assert truth.change("apb", "median", "wrist", "elbow").amplitude_lost < 15


@pytest.mark.parametrize("seed", SEEDS)
def test_submaximal_seems_blocked_at_the_site_that_says_so(seed: int) -> None:
    truth = Truth("submaximal", seed, "apb")
    assert truth.change("apb", "median", "wrist", "elbow").amplitude_lost > 50
    assert truth.change("apb", "median", "wrist", "axilla").amplitude_lost < 15
    flags = {r.stimulation_site: r.stimulus.supramaximal for r in truth.recordings}
    assert flags == {"wrist": True, "elbow": False, "axilla": True}
    currents = {r.stimulation_site: r.stimulus.intensity_ma or 0.0 for r in truth.recordings}
    assert currents["elbow"] < currents["wrist"]


@pytest.mark.parametrize("seed", SEEDS)
def test_cold_limb_is_slow_and_long_and_otherwise_normal(seed: int) -> None:
    truth, warm = Truth("cold-limb", seed), Truth("normal", seed, "apb", "adm")
    assert {r.skin_temperature_c for r in truth.recordings} == {27.0, 31.5}
    for muscle, nerve, above in (("apb", "median", "elbow"), ("adm", "ulnar", "below_elbow")):
        change = truth.change(muscle, nerve, "wrist", above)
        assert change.velocity_m_s < warm.change(muscle, nerve, "wrist", above).velocity_m_s - 10
        assert change.amplitude_lost < 15
        cold_cmap, warm_cmap = (t.cmap(muscle, nerve, "wrist") for t in (truth, warm))
        assert cold_cmap.latency_ms > warm_cmap.latency_ms + 0.8
        assert cold_cmap.duration_ms > 1.15 * warm_cmap.duration_ms
        assert cold_cmap.amplitude_mv > warm_cmap.amplitude_mv
    assert_motor_normal(truth, "fibular", "tibial")
    assert_sensory_normal(truth, "ankle")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "als-low-cmap"])
def test_the_gateway_reads_the_noisy_curve_as_the_cart_reads_the_clean_one(name: str) -> None:
    for recording in study(name).recordings:
        assert recording.waveform is not None
        marking = mark(recording.waveform, recording.modality, marker_settings())
        assert {entry.name for entry in marking.quality} <= {"low_signal_to_noise"}  # a SNAP of 6 uV
        assert_agree(recording, marking.response)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "als-low-cmap"])
def test_one_nerve_at_a_time_is_no_costimulation(name: str) -> None:
    for seed in range(31):
        motor = [evoked(r, marker_settings()) for r in study(name, seed).recordings if r.modality == "motor"]
        for _, nerve in itertools.groupby(motor, key=lambda entry: entry.recording.nerve):
            for sites in motor_sites(nerve, reference().anatomy, reference().thresholds).values():
                assert not any(entry.flagged("costimulation_suspected") for entry in sites), seed


def assert_agree(recording: Recording, ours: Response | None) -> None:
    theirs = recording.measured
    assert isinstance(theirs, (MotorMarks, SensoryMarks)) == isinstance(ours, (MotorMarks, SensoryMarks))
    for quantity, within in (
        ("onset_latency_ms", 0.3),
        ("amplitude_mv", 0.2),
        ("amplitude_uv", 1.5),
        ("negative_area_mv_ms", 1.5),
        ("negative_duration_ms", 0.5),
    ):
        marked, known = getattr(ours, quantity, None), getattr(theirs, quantity, None)
        if marked is not None and known is not None:
            assert marked == pytest.approx(known, abs=within), f"{recording.name} {quantity}"


def study(name: str, seed: int = 7, performed_at: str = PERFORMED_AT) -> Study:
    return SIMULATOR.study(name, seed=seed, performed_at=performed_at)


@pytest.mark.parametrize("name", NAMES)
def test_a_study_says_that_it_is_simulated_and_names_nobody(name: str) -> None:
    header = study(name).header
    assert header.simulated
    assert header.study_id == f"SIM-{name}-7-20261102101500"
    assert (header.patient.id, header.patient.family, header.patient.given) == (
        "SIM-7",
        "SIMULATED",
        "Patient",
    )
    assert f"{header.device.manufacturer} {header.device.model}" == "emg-gateway virtual patient"
    assert header.performed_at == PERFORMED_AT


@pytest.mark.parametrize("name", NAMES)
def test_a_study_holds_recordings_that_the_anatomy_knows_and_everything_a_cart_stores(name: str) -> None:
    examined = study(name)
    assert examined.ended
    for recording in examined.recordings:
        assert reference().anatomy.check(recording) == recording
        assert recording.side is Side.RIGHT
        assert recording.measured is not None
        assert recording.waveform is not None
        assert recording.distance_mm is not None
        assert recording.filter_hz is not None
        assert (recording.stimulus.intensity_ma or 0) > 5


def test_stimulations_are_twenty_seconds_apart_by_the_device_s_clock() -> None:
    times = [recording.recorded_at for recording in study("normal").recordings]
    assert times[:3] == [
        "2026-11-02T10:15:00+01:00",
        "2026-11-02T10:15:20+01:00",
        "2026-11-02T10:15:40+01:00",
    ]
    assert len(set(times)) == len(times)


def test_a_distance_runs_to_the_next_more_distal_site() -> None:
    ulnar = [r for r in study("normal").recordings if (r.nerve, r.recording_site) == ("ulnar", "adm")]
    assert [(r.stimulation_site, r.distance_mm) for r in ulnar] == [
        ("wrist", 80),
        ("below_elbow", 210),
        ("above_elbow", 100),
        ("axilla", 110),
    ]


@given(seed=st.integers(0, 2**63), name=st.sampled_from(NAMES))
def test_the_same_seed_gives_the_same_study(seed: int, name: str) -> None:
    (patient,) = (one for one in SCENARIOS if one.name == name)
    short = replace(patient, protocol=patient.protocol[-1:])
    once, again = (examine(short, seed=seed, performed_at=PERFORMED_AT) for _ in range(2))
    assert once == again
    assert len(once.study.header.study_id) <= 64


def test_another_seed_gives_another_person_with_the_same_disease() -> None:
    one, other = (study("block-forearm", seed).recordings for seed in (1, 2))
    assert one[0].measured != other[0].measured
    assert one[0].waveform != other[0].waveform


# Latency in ms, amplitude in mV, index of the highest sample.
KNOWN = ((3.46, 9.637, 389), (7.27, 2.753, 580))


def test_a_known_examination_stays_what_it_was() -> None:
    """To the precision of a printed mark: numpy may round the last bit of a sine as it likes."""
    for recording, expected in zip(study("block-forearm").recordings[:2], KNOWN, strict=True):
        assert isinstance(recording.measured, MotorMarks)
        assert recording.waveform is not None
        peak = int(np.argmax(recording.waveform.samples))
        seen = (recording.measured.onset_latency_ms, recording.measured.amplitude_mv, peak)
        assert seen == pytest.approx(expected, abs=0.021)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("block-foream", "unknown scenario 'block-foream'; did you mean 'block-forearm'?"),
        ("xyz", f"unknown scenario 'xyz'; known: {', '.join(NAMES)}"),
    ],
)
def test_an_unknown_scenario_is_answered_with_the_nearest_name(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        study(name)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("seed", "performed_at", "what"),
    [
        (-1, PERFORMED_AT, "seed -1: must be 0 or more"),
        (1, "yesterday", "must be RFC 3339"),
        (1, "2026-11-02T10:15:00", "must say its time zone"),
    ],
)
def test_a_seed_or_time_that_cannot_be_is_refused(seed: int, performed_at: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        study("normal", seed, performed_at)


def test_the_simulator_lists_its_scenarios_with_one_line_each() -> None:
    lines = listed(VirtualPatient())
    assert list(lines)[: len(NAMES)] == [
        "normal",
        "block-forearm",
        "dispersion",
        "cts",
        "ulnar-elbow",
        "als-low-cmap",
        "martin-gruber",
        "submaximal",
        "cold-limb",
    ]
    assert all(0 < len(line) < 110 and "\n" not in line for line in lines.values())


def listed(simulator: Simulator) -> dict[str, str]:
    return {scenario.name: scenario.truth for scenario in simulator.scenarios} | dict(simulator.faults)
