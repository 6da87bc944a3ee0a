"""`python -m benchmarks.assessment`: from marks to the assessment, twelve motor segments and eight SNAPs.

Both from nothing (`whole study`: as `analyze` does) and what one more recording costs (`one recording`: as
the daemon does). Marking takes no part: every response was marked by the cart.
"""

import gc
import statistics
import time
from collections.abc import Callable
from typing import Final

from gateway.daemon.reference import load_reference
from gateway.domain.recording import Modality, MotorMarks, Recording, SensoryMarks, Side, Stimulus
from gateway.domain.study import Study, StudyHeader
from gateway.pipeline.stages import assessment, examine, take

_ROUNDS: Final = 300
_GOAL_MS: Final = 1.0
_MOTOR: Final = (
    ("median", "apb", ("wrist", "elbow", "axilla")),
    ("ulnar", "adm", ("wrist", "below_elbow", "above_elbow", "axilla")),
)
_LEG: Final = ("fibular", "edb", ("ankle", "below_fibular_head", "above_fibular_head"))
_SENSORY: Final = (
    ("median", "wrist", "digit_2"),
    ("ulnar", "wrist", "digit_5"),
    ("superficial_radial", "forearm", "snuffbox"),
    ("sural", "calf", "ankle"),
)


def study() -> Study:
    """Both arms and a leg: twelve segments, one of them blocked; eight SNAPs."""
    nerves = [(side, *nerve) for side in Side for nerve in _MOTOR] + [(Side.RIGHT, *_LEG)]
    motor = [
        _cmap(side, nerve, muscle, site, place)
        for side, nerve, muscle, sites in nerves
        for place, site in enumerate(sites)
    ]
    snaps = [_snap(side, *sensory) for side in Side for sensory in _SENSORY]
    header = StudyHeader(study_id="benchmark", performed_at="2026-11-02T10:15:00+01:00")
    return Study(header=header, recordings=(*motor, *snaps))


def _cmap(side: Side, nerve: str, muscle: str, site: str, place: int) -> Recording:
    share = 0.4 if (nerve, side, place) == ("median", Side.RIGHT, 1) else 1.0 - 0.03 * place
    return Recording(
        modality=Modality.MOTOR,
        nerve=nerve,
        side=side,
        recording_site=muscle,
        stimulation_site=site,
        distance_mm=80.0 if place == 0 else 180.0,
        skin_temperature_c=33.0,
        filter_hz=(2.0, 10_000.0),
        stimulus=Stimulus(intensity_ma=38.0, supramaximal=True),
        measured=MotorMarks(
            onset_latency_ms=3.1 + 3.3 * place,
            amplitude_mv=round(9.3 * share, 3),
            negative_area_mv_ms=round(28.4 * share, 2),
            negative_duration_ms=round(5.9 + 0.1 * place, 2),
        ),
    )


def _snap(side: Side, nerve: str, stimulation: str, recording: str) -> Recording:
    return Recording(
        modality=Modality.SENSORY,
        nerve=nerve,
        side=side,
        recording_site=recording,
        stimulation_site=stimulation,
        distance_mm=140.0,
        skin_temperature_c=33.0,
        measured=SensoryMarks(onset_latency_ms=2.2, peak_latency_ms=2.7, amplitude_uv=23.4),
    )


def _median_ms(work: Callable[[], object]) -> tuple[float, float]:
    times = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times), min(times)


def main() -> None:
    """Print the figures beside the goal."""
    reference, whole = load_reference(), study()
    examination = examine(whole, reference)
    before = examine(Study(header=whole.header, recordings=whole.recordings[:-1]), reference)
    segments, snaps = len(examination.findings), len(examination.sensory)
    sets = len(reference.criteria)
    print(f"{segments} segments under {sets} criteria sets, {snaps} sensory results; {_ROUNDS} rounds")
    gc.collect()
    gc.disable()  # its pauses are the collector's, not ours
    for name, work in (
        ("whole study", lambda: assessment(examine(whole, reference), reference)),
        ("one recording more", lambda: take(before, whole.recordings[-1], reference)),
    ):
        median, best = _median_ms(work)
        verdict = "met" if median <= _GOAL_MS else "missed"
        print(
            f"{name:<20} median {median:6.3f} ms, best {best:6.3f} ms   at most {_GOAL_MS:g} ms   {verdict}"
        )


if __name__ == "__main__":
    main()
