"""The pattern of the blocks, and what else could explain a study."""

from dataclasses import replace

import pytest

from gateway.domain.pattern import MIMICS, NO_PATTERN
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, SensoryMarks, Side
from gateway.domain.study import ClinicalFacts
from gateway.pipeline.stages import Examination, examine
from tests.factories import median, median_sensory, motor, motor_marks, reference, sensory, study

BLOCKED = motor_marks(amplitude_mv=3.0, negative_area_mv_ms=9.0, onset_latency_ms=7.0)
HEALTHY = motor_marks(onset_latency_ms=7.0)
LOW = MotorMarks(amplitude_mv=1.5, negative_area_mv_ms=4.5, negative_duration_ms=6.0, onset_latency_ms=3.0)
LOW_SNAP = SensoryMarks(amplitude_uv=3.0, peak_latency_ms=3.1)
CARPAL = SensoryMarks(amplitude_uv=20.0, peak_latency_ms=4.6)
EDB = {"nerve": "fibular", "recording_site": "edb"}


def arm(
    far: MotorMarks = BLOCKED, side: Side = Side.RIGHT, near: MotorMarks | None = None
) -> list[Recording]:
    return [median("wrist", near, side=side), median("elbow", far, side=side)]


def leg(far: MotorMarks = BLOCKED) -> list[Recording]:
    return [motor("ankle", **EDB), motor("below_fibular_head", far, **EDB)]


def examined(*recordings: Recording, **clinical: object) -> Examination:
    return examine(study(*recordings, clinical=ClinicalFacts(**clinical)), reference())


@pytest.mark.parametrize(
    ("recordings", "blocked", "upper", "lower", "asymmetric"),
    [
        (arm(HEALTHY), (), 0, 0, None),
        (arm(), (("median", "right"),), 1, 0, None),
        ([*arm(), *arm(HEALTHY, Side.LEFT)], (("median", "right"),), 1, 0, True),
        ([*arm(), *arm(side=Side.LEFT)], (("median", "left"), ("median", "right")), 2, 0, False),
        ([*arm(), *leg()], (("median", "right"), ("fibular", "right")), 1, 1, None),
        # the other side was not judged: too low
        ([*arm(), *arm(LOW, Side.LEFT, MotorMarks(amplitude_mv=0.5))], (("median", "right"),), 1, 0, None),
    ],
)
def test_the_pattern_says_where_the_blocks_are(recordings, blocked, upper, lower, asymmetric) -> None:
    found = examined(*recordings).pattern

    assert found.blocked == blocked
    assert (found.upper_limb, found.lower_limb, found.asymmetric) == (upper, lower, asymmetric)


def test_nothing_recorded_has_no_pattern_and_no_mimic() -> None:
    empty = examined()

    assert (empty.pattern, empty.mimics) == (NO_PATTERN, ())


ULNAR_ELBOW = [
    motor("wrist"),
    motor("below_elbow", HEALTHY),
    motor("above_elbow", motor_marks(amplitude_mv=2.0, negative_area_mv_ms=6.0, onset_latency_ms=9.0)),
]
CROSSED = [
    motor("wrist"),
    motor("below_elbow", BLOCKED),
    median("wrist", NO_RESPONSE, recording_site="adm"),
    median("elbow", motor_marks(amplitude_mv=5.5, onset_latency_ms=7.0), recording_site="adm"),
]
SLOW = [
    motor("wrist", distance_mm=80.0),
    motor("below_elbow", motor_marks(onset_latency_ms=13.0), distance_mm=240.0),
]


@pytest.mark.parametrize(
    ("recordings", "clinical", "expected"),
    [
        (
            [*arm(), median_sensory()],
            {"umn_signs": True},
            {"motor_neuron_disease": ("upper_motor_neuron_signs",)},
        ),
        (
            [*arm(LOW, near=LOW), *leg(LOW), median_sensory()],
            {},
            {},  # one low nerve only: 1.5 mV is normal for EDB
        ),
        (
            [*arm(LOW, near=LOW), motor("wrist", LOW), motor("below_elbow", LOW), median_sensory()],
            {},
            {
                "motor_neuron_disease": (
                    "low_distal_amplitude:median:right",
                    "low_distal_amplitude:ulnar:right",
                )
            },
        ),
        (
            [*arm(LOW, near=LOW), motor("wrist", LOW), motor("below_elbow", LOW), median_sensory(LOW_SNAP)],
            {},
            {},
        ),
        (
            [*arm(), median_sensory(LOW_SNAP)],
            {},
            {"multifocal_cidp": ("sensory_abnormal:median:right",)},
        ),
        (
            [*arm(), median_sensory(NO_RESPONSE)],
            {},
            {"multifocal_cidp": ("sensory_absent:median:right",)},
        ),
        (
            [*arm(HEALTHY), median_sensory(CARPAL)],
            {},
            {"entrapment": ("sensory_abnormal_at_entrapment:median:right",)},
        ),
        (
            ULNAR_ELBOW,
            {},
            {"entrapment": ("block_at_compression_site:ulnar:right:below_elbow:above_elbow",)},
        ),
        (
            [*ULNAR_ELBOW, sensory(LOW_SNAP)],
            {},
            {
                "entrapment": (
                    "sensory_abnormal_at_entrapment:ulnar:right",
                    "block_at_compression_site:ulnar:right:below_elbow:above_elbow",
                )
            },
        ),
        (
            [*arm(), median_sensory()],
            {"symptom_onset_days": 4},
            {"acute_axonal_lesion": ("acute_onset:median:right",)},
        ),
        (CROSSED, {}, {"martin_gruber_anastomosis": ("martin_gruber_demonstrated:ulnar:right",)}),
        (
            [*SLOW, *(replace(entry, side=Side.LEFT) for entry in SLOW)],
            {},
            {"cidp": ("demyelination_strong:ean-pns-cidp-2021", "demyelination_strong:efns-pns-cidp-2010")},
        ),
        (
            SLOW,  # in one nerve: the differential says so, it names no other disease
            {},
            {},
        ),
        ([*arm(), median_sensory()], {}, {}),  # block alone speaks for MMN as well
    ],
)
def test_a_mimic_is_named_with_what_speaks_for_it(recordings, clinical, expected) -> None:
    found = examined(*recordings, **clinical).mimics

    assert {mimic.name: mimic.reasons for mimic in found} == expected
    assert set(expected) <= set(MIMICS)
