"""Signs of demyelination: each item on both sides of its limit, and what several amount to."""

from dataclasses import replace

import pytest

from gateway.domain.differential import Demyelination, Item
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, SensoryMarks, Side
from gateway.pipeline.stages import examine
from tests.factories import median_sensory, motor, reference, sensory, study

EAN, EFNS = "ean-pns-cidp-2021", "efns-pns-cidp-2010"
NERVES = {"median": "apb", "ulnar": "adm", "fibular": "edb", "tibial": "ah"}
SITES = {
    "median": ("wrist", "elbow"),
    "ulnar": ("wrist", "below_elbow"),
    "fibular": ("ankle", "below_fibular_head"),
    "tibial": ("ankle", "popliteal_fossa"),
}
# aanem-2016 (recalled): distal latency, velocity
LATENCY = {"median": 4.5, "ulnar": 3.7, "fibular": 6.5, "tibial": 6.1}
VELOCITY = {"median": 49, "ulnar": 52, "fibular": 38, "tibial": 39}


def nerve(
    name: str,
    *,
    latency_ms: float = 3.0,
    velocity: float = 60.0,
    amplitude: float = 9.0,
    duration: float = 6.0,
    total: float | None = None,
    low_hz: float | None = 2.0,
    side: Side = Side.RIGHT,
    temperature: float | None = 33.0,
    distance_mm: float | None = 80.0,
    **changes: object,
) -> list[Recording]:
    """Two sites of a nerve, healthy but for what is said."""
    at = {
        "nerve": name,
        "recording_site": NERVES[name],
        "side": side,
        "skin_temperature_c": temperature,
        "filter_hz": None if low_hz is None else (low_hz, 10000.0),
    }
    near = MotorMarks(
        onset_latency_ms=latency_ms,
        amplitude_mv=9.0,
        negative_area_mv_ms=30.0,
        negative_duration_ms=6.0,
        total_duration_ms=total,
    )
    far = MotorMarks(
        onset_latency_ms=latency_ms + 240.0 / velocity,
        amplitude_mv=amplitude,
        negative_area_mv_ms=28.0,
        negative_duration_ms=duration,
    )
    distal, proximal = SITES[name]
    return [
        motor(distal, near, distance_mm=distance_mm, **at),
        motor(proximal, far, distance_mm=240.0, **(at | changes)),
    ]


def found(*recordings: Recording, criteria: str = EAN) -> dict[str, tuple[str, ...]]:
    (entry,) = [
        e for e in examine(study(*recordings), reference()).differentials if e.criteria.id == criteria
    ]
    items = {
        str(item): tuple(f"{n}:{s}" for n, s in nerves) for item, nerves in entry.items.items() if nerves
    }
    return items | {"support": (str(entry.support),)}


def support(*recordings: Recording, criteria: str = EAN) -> str:
    return found(*recordings, criteria=criteria)["support"][0]


def test_a_healthy_study_shows_nothing() -> None:
    assert found(*nerve("median"), *nerve("ulnar")) == {"support": ("none",)}


@pytest.mark.parametrize("name", ["ulnar", "fibular", "tibial"])
@pytest.mark.parametrize(("factor", "met"), [(1.5, True), (1.498, False)])
def test_a_distal_latency_half_above_the_limit_counts(name: str, factor: float, met: bool) -> None:
    items = found(*nerve(name, latency_ms=round(LATENCY[name] * factor, 4)))

    assert ("distal_latency" in items) is met


@pytest.mark.parametrize("distance_mm", [69.9, 90.1, None])
def test_a_latency_from_another_distance_is_not_judged(distance_mm: float | None) -> None:
    assert found(*nerve("ulnar", latency_ms=9.0, distance_mm=distance_mm)) == {"support": ("none",)}


@pytest.mark.parametrize(
    ("snap", "met"),
    [
        (median_sensory(skin_temperature_c=33.0), True),
        (median_sensory(SensoryMarks(amplitude_uv=20.0, peak_latency_ms=4.5)), False),
        (sensory(), False),
    ],
)
def test_a_median_latency_counts_only_where_there_is_no_carpal_tunnel(snap: Recording, met: bool) -> None:
    assert ("distal_latency" in found(*nerve("median", latency_ms=7.0), snap)) is met


@pytest.mark.parametrize("name", list(NERVES))
@pytest.mark.parametrize(("factor", "met"), [(0.7, True), (0.705, False)])
def test_a_velocity_thirty_percent_below_the_limit_counts(name: str, factor: float, met: bool) -> None:
    assert ("velocity" in found(*nerve(name, velocity=VELOCITY[name] * factor))) is met


@pytest.mark.parametrize(
    ("name", "duration", "met"),
    [("ulnar", 7.8, False), ("ulnar", 7.81, True), ("tibial", 11.99, False), ("tibial", 12.0, True)],
)
def test_dispersion_counts_above_thirty_percent_tibial_from_a_hundred(name, duration, met) -> None:
    assert ("dispersion" in found(*nerve(name, duration=duration))) is met


@pytest.mark.parametrize("criteria", [EAN, EFNS])
@pytest.mark.parametrize(
    ("distal_mv", "met"),
    [(1.58, True), (1.57, False), (None, True)],  # 20 % of 7.9 mV, rounded
)
def test_a_small_distal_response_has_no_dispersion(distal_mv: float | None, met: bool, criteria: str) -> None:
    near, far = nerve("ulnar", duration=9.0)
    marks = MotorMarks(onset_latency_ms=3.0, amplitude_mv=distal_mv, negative_duration_ms=6.0)

    assert ("dispersion" in found(replace(near, measured=marks), far, criteria=criteria)) is met


def test_where_the_table_has_no_limit_or_the_list_asks_for_none_any_size_will_do() -> None:
    small = MotorMarks(onset_latency_ms=3.0, amplitude_mv=0.5, negative_duration_ms=6.0)
    near, far = nerve("ulnar", duration=9.0)
    fdi = [replace(entry, recording_site="fdi") for entry in (replace(near, measured=small), far)]
    without = [replace(entry, dispersion_distal_percent=None) for entry in reference().differentials]

    assert "dispersion" in found(*fdi)
    examination = examine(
        study(replace(near, measured=small), far), replace(reference(), differentials=tuple(without))
    )
    assert all(entry.items[Item.DISPERSION] for entry in examination.differentials)


def test_without_a_limit_of_its_own_the_tibial_nerve_is_as_any_other() -> None:
    assert "dispersion" in found(*nerve("tibial", duration=8.0), criteria=EFNS)


@pytest.mark.parametrize(
    ("low_hz", "total", "criteria", "met"),
    [
        (2.0, 9.61, EAN, True),
        (2.0, 9.6, EAN, False),
        (5.0, 8.61, EAN, True),
        (10.0, 8.51, EAN, True),
        (20.0, 7.81, EAN, True),
        (20.0, 7.8, EAN, False),
        (3.0, 20.0, EAN, False),  # no limit for this filter
        (None, 20.0, EAN, False),
        (None, 6.7, EFNS, True),
        (3.0, 6.69, EFNS, False),
        (2.0, None, EAN, False),
    ],
)
def test_a_long_distal_response_counts_by_the_low_filter(low_hz, total, criteria, met) -> None:
    assert ("distal_duration" in found(*nerve("ulnar", low_hz=low_hz, total=total), criteria=criteria)) is met


def test_block_counts_when_no_gate_stands_against_it() -> None:
    blocked = nerve("median", amplitude=5.0)
    doubtful = nerve("ulnar", amplitude=5.0)  # martin-gruber was not excluded

    assert found(*blocked, *doubtful)["block"] == ("median:right",)


@pytest.mark.parametrize(
    "slow", [{"latency_ms": 9.0}, {"velocity": 20.0}, {"duration": 9.0}, {"total": 12.0}], ids=str
)
def test_a_cold_limb_is_not_judged(slow: dict[str, float]) -> None:
    assert support(*nerve("ulnar", **slow)) != "none"
    assert support(*nerve("ulnar", temperature=31.9, **slow)) == "none"


def test_a_compression_site_never_counts() -> None:
    at = {"distance_mm": 100.0}
    marks = MotorMarks(onset_latency_ms=3.0, amplitude_mv=9.0, negative_duration_ms=6.0)
    slow = replace(marks, onset_latency_ms=10.0, negative_duration_ms=9.0)

    assert found(motor("below_elbow", marks, **at), motor("above_elbow", slow, **at)) == {
        "support": ("none",)
    }


def test_what_was_not_recorded_is_not_judged() -> None:
    nothing = MotorMarks(amplitude_mv=9.0)
    recordings = (motor("wrist", nothing), motor("below_elbow", nothing), motor("axilla", NO_RESPONSE))

    assert found(*recordings) == {"support": ("none",)}
    assert found(motor("wrist", NO_RESPONSE)) == {"support": ("none",)}
    radial = {"nerve": "radial", "recording_site": "edc"}
    assert found(motor("forearm", **radial), motor("elbow", **radial)) == {"support": ("none",)}


SLOW = {"velocity": 20.0}
DISPERSED = {"duration": 9.0}
LONG = {"total": 12.0}


@pytest.mark.parametrize(
    ("recordings", "expected"),
    [
        (nerve("ulnar", **SLOW), Demyelination.WEAK),
        (nerve("ulnar", **SLOW, **DISPERSED), Demyelination.WEAK),  # two items, one nerve
        ([*nerve("ulnar", **SLOW), *nerve("ulnar", side=Side.LEFT, **SLOW)], Demyelination.STRONG),
        ([*nerve("ulnar", **DISPERSED), *nerve("fibular", **DISPERSED)], Demyelination.STRONG),
        ([*nerve("ulnar", **SLOW), *nerve("fibular", **DISPERSED)], Demyelination.WEAK),
        ([*nerve("ulnar", **LONG), *nerve("fibular", **LONG)], Demyelination.WEAK),
        ([*nerve("ulnar", **LONG), *nerve("fibular", **SLOW)], Demyelination.STRONG),
        ([*nerve("median", amplitude=5.0), *nerve("fibular", **SLOW)], Demyelination.STRONG),
        (nerve("median", amplitude=5.0), Demyelination.WEAK),
    ],
)
def test_what_the_items_amount_to(recordings: list[Recording], expected: Demyelination) -> None:
    assert support(*recordings) == expected


def test_every_item_is_answered_for_every_list() -> None:
    lists = examine(study(*nerve("median")), reference()).differentials

    assert [entry.criteria.id for entry in lists] == [EAN, EFNS]
    assert all(list(entry.items) == list(Item) for entry in lists)


def test_only_the_distal_site_of_a_nerve_has_a_distal_latency_and_duration() -> None:
    marks = MotorMarks(onset_latency_ms=14.0, amplitude_mv=9.0, total_duration_ms=12.0)
    erb = motor("erb", marks, filter_hz=(2.0, 10000.0), distance_mm=80.0)

    assert found(erb) == {"support": ("none",)}
