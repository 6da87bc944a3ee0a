"""What imitates multifocal motor neuropathy and must not support it, and what does support it."""

from typing import Any

import pytest

from gateway.daemon.reference import load_reference
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, SensoryMarks, Side, Stimulus
from gateway.domain.study import ClinicalFacts
from gateway.domain.support import Support
from gateway.pipeline.stages import examine
from tests.factories import EVERY_SET, examined, median_sensory, motor, pair, sensory, study

EFNS = "efns-pns-mmn-2010"
SUPPORTS = {Support.DEFINITE, Support.PROBABLE, Support.POSSIBLE}
# What would make the most of any block.
IN_FAVOUR: dict[str, Any] = {
    "anti_gm1_igm": "positive",
    "csf_protein_g_l": 0.6,
    "plexus_mri_abnormal": True,
    "ivig_response": True,
    "symptom_onset_days": 400,
}
BLOCK = {"amplitude": 65.0, "area": 65.0}
UNKNOWN, SUBMAXIMAL = ({"stimulus": Stimulus(intensity_ma=60.0, supramaximal=flag)} for flag in (None, False))


def normal_sensory(side: Side = Side.RIGHT) -> list[Recording]:
    """Normal SNAPs of every nerve that goes with a motor nerve."""
    rows = [
        ("median", "digit_2", "wrist", 3.2),
        ("ulnar", "digit_5", "wrist", 3.2),
        ("superficial_radial", "snuffbox", "forearm", 2.4),
        ("lateral_antebrachial_cutaneous", "forearm", "elbow", 2.2),
        ("sural", "ankle", "calf", 3.9),
    ]
    return [
        sensory(
            SensoryMarks(amplitude_uv=25.0, peak_latency_ms=peak),
            nerve=nerve,
            side=side,
            recording_site=recorded,
            stimulation_site=stimulated,
            distance_mm=None,
        )
        for nerve, recorded, stimulated, peak in rows
    ]


def inched(nerve: str, site: str, *positions: float | None) -> list[Recording]:
    """Short steps that all fall."""
    steps = []
    for index, position in enumerate(positions):
        near, far = pair(nerve, (site, site), **BLOCK, far={"site_position_mm": position})
        steps.append(far if index else near)
    return steps


def thenar(site: str, amplitude_mv: float) -> Recording:
    """The median nerve over an ulnar muscle."""
    marks = MotorMarks(onset_latency_ms=4.0, amplitude_mv=amplitude_mv, negative_area_mv_ms=9.0)
    return motor(site, marks, nerve="median")


CARPAL_TUNNEL = [
    pair("median", ("palm", "wrist"), **BLOCK),
    pair("median", ("palm", "elbow"), **BLOCK),
    inched("median", "palm", None, 30.0),
]
AT_THE_ELBOW = [
    pair("ulnar", ("below_elbow", "above_elbow"), **BLOCK),
    pair("ulnar", ("wrist", "above_elbow"), **BLOCK),
    pair("ulnar", ("below_elbow", "axilla"), **BLOCK),
    pair("ulnar", ("wrist", "axilla"), **BLOCK),
    pair("ulnar", ("below_elbow", "above_elbow"), far={"measured": NO_RESPONSE}),
    inched("ulnar", "below_elbow", None, 290.0),
]
SPIRAL_GROOVE = [
    pair("radial", ("below_spiral_groove", "above_spiral_groove"), **BLOCK),
    pair("radial", ("elbow", "above_spiral_groove"), **BLOCK),
    pair("radial", ("elbow", "axilla"), **BLOCK),
]
FIBULAR_HEAD = [
    pair("fibular", ("below_fibular_head", "above_fibular_head"), **BLOCK),
    pair("fibular", ("below_fibular_head", "above_fibular_head"), muscle="ta", **BLOCK),
    pair("fibular", ("ankle", "above_fibular_head"), **BLOCK),
]
ULNAR_FOREARM = pair("ulnar", ("wrist", "below_elbow"), **BLOCK)
MARTIN_GRUBER = [
    ULNAR_FOREARM,
    pair("ulnar", ("wrist", "below_elbow"), muscle="fdi", **BLOCK),
    pair("ulnar", ("wrist", "wrist"), **BLOCK, far={"site_position_mm": 120.0}),
    (*ULNAR_FOREARM, thenar("wrist", 0.5), thenar("elbow", 6.5)),  # demonstrated
    (*ULNAR_FOREARM, thenar("wrist", 0.5), thenar("elbow", 3.0)),  # in between
    (*ULNAR_FOREARM, thenar("elbow", 0.5)),
]
SUBMAXIMALLY = [
    pair(nerve, sites, **BLOCK, far=SUBMAXIMAL)
    for nerve, sites in (
        ("median", ("wrist", "elbow")),
        ("median", ("elbow", "axilla")),
        ("radial", ("forearm", "elbow")),
        ("fibular", ("ankle", "below_fibular_head")),
    )
]
ERB = [
    pair(nerve, sites, amplitude=40.0, area=40.0, far=UNKNOWN)
    for nerve, sites in (
        ("median", ("axilla", "erb")),
        ("median", ("wrist", "erb")),
        ("ulnar", ("axilla", "erb")),
        ("musculocutaneous", ("axilla", "erb")),
    )
] + [pair("median", ("axilla", "erb"), far=UNKNOWN | {"measured": NO_RESPONSE})]
TIBIAL = [pair("tibial", ("ankle", "popliteal_fossa"), amplitude=60.0, area=fall) for fall in (45.0, 60.0)]


@pytest.mark.parametrize(
    "recordings",
    [
        *CARPAL_TUNNEL,
        *AT_THE_ELBOW,
        *SPIRAL_GROOVE,
        *FIBULAR_HEAD,
        *MARTIN_GRUBER,
        *SUBMAXIMALLY,
        *ERB,
        *TIBIAL,
    ],
)
@pytest.mark.parametrize("set_id", EVERY_SET)
def test_mimics_never_support_it_under_any_set(set_id, recordings) -> None:
    found = examined(*recordings, *normal_sensory(), clinical=ClinicalFacts(**IN_FAVOUR), grading=set_id)

    assert found.mmn.support not in SUPPORTS
    assert not {"definite_block", "probable_block", "block"}.intersection(
        e.finding for e in found.findings if e.segment.nerve != "tibial"
    )


@pytest.mark.parametrize("set_id", EVERY_SET)
def test_nor_do_both_sides_stimulated_too_weakly_at_erb(set_id) -> None:
    arms = [
        entry
        for side in Side
        for entry in (
            *pair("median", ("axilla", "erb"), amplitude=45.0, area=45.0, far=UNKNOWN, side=side),
            *normal_sensory(side),
        )
    ]

    found = examined(*arms, clinical=ClinicalFacts(**IN_FAVOUR), grading=set_id)

    assert found.mmn.support not in SUPPORTS


@pytest.mark.parametrize("snap", [SensoryMarks(amplitude_uv=4.0), NO_RESPONSE])
@pytest.mark.parametrize("set_id", EVERY_SET)
def test_nor_does_an_ulnar_nerve_at_the_elbow_whose_sensory_fibres_suffer_too(set_id, snap) -> None:
    elbow = pair("ulnar", ("below_elbow", "above_elbow"), **BLOCK)

    found = examined(*elbow, sensory(snap), clinical=ClinicalFacts(**IN_FAVOUR), grading=set_id)

    assert found.mmn.support is Support.NOT_ASSESSABLE  # nothing else was recorded


@pytest.mark.parametrize("set_id", EVERY_SET)
def test_nor_does_an_axonal_lesion_on_day_4(set_id) -> None:
    clinical = ClinicalFacts(**IN_FAVOUR | {"symptom_onset_days": 4})
    blocks = [
        *pair("median", ("wrist", "elbow"), **BLOCK),
        *pair("fibular", ("ankle", "below_fibular_head"), **BLOCK),
    ]

    found = examined(*blocks, *normal_sensory(), clinical=clinical, grading=set_id)

    assert found.mmn.support is Support.NONE
    assert {reason for entry in found.findings for reason in entry.reasons} == {"acute_onset"}


FALLING = {"amplitude": 60.0, "area": 60.0}
ALS = [
    *pair("median", ("wrist", "elbow"), distal_mv=0.8, **FALLING),
    *pair("median", ("wrist", "elbow"), distal_mv=0.8, side=Side.LEFT, **FALLING),
    *normal_sensory(),
    *normal_sensory(Side.LEFT),
]


@pytest.mark.parametrize("set_id", sorted({*EVERY_SET} - {"ghosh-2005", "aan-1991"}))  # they have no floor
def test_low_responses_of_motor_neuron_disease_are_below_every_floor(set_id) -> None:
    clinical = ClinicalFacts(**IN_FAVOUR)

    assert examined(*ALS, clinical=clinical, grading=set_id).mmn.support not in SUPPORTS


@pytest.mark.parametrize("set_id", EVERY_SET)
def test_upper_motor_neuron_signs_speak_against_it_under_every_set(set_id) -> None:
    clinical = ClinicalFacts(**IN_FAVOUR, umn_signs=True)
    block = [*pair("median", ("wrist", "elbow"), **BLOCK), *normal_sensory()]

    assert examined(*ALS, clinical=clinical, grading=set_id).mmn.support not in SUPPORTS
    assert examined(*block, clinical=clinical, grading=set_id).mmn.support is Support.AGAINST


@pytest.mark.parametrize("duration", [31.0, 45.0, 120.0])
@pytest.mark.parametrize("area", [20.0, 29.9, 49.9])
def test_dispersion_without_block(area, duration) -> None:
    dispersed = {"amplitude": 65.0, "area": area, "duration": duration}
    recordings = [
        *pair("median", ("wrist", "elbow"), **dispersed),
        *pair("fibular", ("ankle", "below_fibular_head"), **dispersed),
    ]

    found = examined(*recordings, *normal_sensory(), clinical=ClinicalFacts(**IN_FAVOUR))

    assert found.mmn.support is Support.NONE
    assert all(entry.segment.temporal_dispersion for entry in found.findings)


DEFINITE, PROBABLE = {"amplitude": 60.0, "area": 60.0}, {"amplitude": 35.0, "area": 35.0}
FOREARM = ("median", ("wrist", "elbow"))
SNAPS = [*normal_sensory(), *normal_sensory(Side.LEFT)]
TWO = {"anti_gm1_igm": "positive", "ivig_response": True}


@pytest.mark.parametrize(
    ("blocks", "clinical", "expected"),
    [
        (pair(*FOREARM, **DEFINITE), {}, Support.DEFINITE),
        (pair("fibular", ("ankle", "below_fibular_head"), **DEFINITE), {}, Support.DEFINITE),
        (
            [*pair(*FOREARM, **DEFINITE), *pair("ulnar", ("above_elbow", "axilla"), **DEFINITE)],
            {},
            Support.DEFINITE,
        ),
        (
            [*pair(*FOREARM, **PROBABLE), *pair("ulnar", ("above_elbow", "axilla"), **PROBABLE)],
            {},
            Support.PROBABLE,
        ),
        (
            [*pair(*FOREARM, **PROBABLE), *pair(*FOREARM, **PROBABLE, side=Side.LEFT)],
            {},
            Support.PROBABLE,
        ),
        (
            [  # dispersed blocks are probable ones, in a leg too
                *pair(*FOREARM, **PROBABLE),
                *pair("fibular", ("ankle", "below_fibular_head"), area=60.0, duration=40.0),
            ],
            {},
            Support.PROBABLE,
        ),
        ([*pair(*FOREARM, **PROBABLE)], TWO, Support.PROBABLE),
        (
            [*pair(*FOREARM, **PROBABLE)],
            {"plexus_mri_abnormal": True, "csf_protein_g_l": 0.46},
            Support.PROBABLE,
        ),
        ([*pair(*FOREARM, **PROBABLE)], {"ivig_response": True}, Support.POSSIBLE),
        ([*pair(*FOREARM, **PROBABLE)], {"ivig_response": True, "csf_protein_g_l": 1.0}, Support.POSSIBLE),
        (
            [*pair(*FOREARM, **PROBABLE)],
            {"ivig_response": True, "anti_gm1_igm": "negative"},
            Support.POSSIBLE,
        ),
        ([*pair(*FOREARM, **PROBABLE)], {}, Support.POSSIBLE),
        (pair(*FOREARM), TWO, Support.NONE),
    ],
)
def test_what_supports_it(blocks, clinical, expected) -> None:
    found = examined(*blocks, *SNAPS, clinical=ClinicalFacts(symptom_onset_days=400, **clinical))

    assert found.mmn.support is expected


def test_two_segments_of_one_nerve_are_one_nerve() -> None:
    near, far = pair(*FOREARM, **PROBABLE)
    third = motor(
        "axilla",
        MotorMarks(amplitude_mv=4.2, negative_area_mv_ms=42.25, negative_duration_ms=10.0),
        nerve="median",
        recording_site="apb",
    )

    found = examined(near, far, third, *SNAPS)

    assert [str(entry.finding) for entry in found.findings] == ["probable_block", "probable_block"]
    assert found.mmn.support is Support.POSSIBLE


@pytest.mark.parametrize(
    ("snaps", "expected"),
    [
        ([median_sensory()], Support.POSSIBLE),  # of two nerves one counts
        ([median_sensory(), sensory()], Support.PROBABLE),
        ([median_sensory(), sensory(SensoryMarks(amplitude_uv=2.0, peak_latency_ms=3.1))], Support.AGAINST),
        ([median_sensory(), sensory(NO_RESPONSE)], Support.AGAINST),
        ([median_sensory(side=Side.LEFT), sensory(side=Side.LEFT)], Support.NOT_ASSESSABLE),
        ([sensory(nerve="sural", recording_site="ankle", stimulation_site="calf")], Support.NOT_ASSESSABLE),
        ([], Support.NOT_ASSESSABLE),
        ([median_sensory(recording_site="digit_3")], Support.NOT_ASSESSABLE),  # no limits for it
        ([median_sensory(recording_site="digit_3"), median_sensory()], Support.POSSIBLE),
    ],
)
def test_each_nerve_needs_its_own_sensory_nerve(snaps, expected) -> None:
    blocks = [*pair(*FOREARM, **PROBABLE), *pair("ulnar", ("above_elbow", "axilla"), **PROBABLE)]

    found = examined(*blocks, *snaps)

    assert found.mmn.support is expected
    if expected is Support.NOT_ASSESSABLE:
        assert {"record_sensory:median:right", "record_sensory:ulnar:right"} <= set(found.mmn.missing)


@pytest.mark.parametrize(
    ("second", "expected"),
    [(12.0, Support.DEFINITE), (3.0, Support.AGAINST)],
)
def test_of_two_sensory_nerves_the_worst_counts(second, expected) -> None:
    shipped = load_reference(norms="preston-shapiro")
    row = next(r for r in shipped.norms.sensory if r.nerve == "superficial_fibular")
    snaps = [
        sensory(
            SensoryMarks(amplitude_uv=amplitude, peak_latency_ms=3.0),
            nerve=r.nerve,
            recording_site=r.recording_site,
            stimulation_site=r.stimulation_sites[0],
            distance_mm=None,
        )
        for r, amplitude in (
            (next(r for r in shipped.norms.sensory if r.nerve == "sural"), 20.0),
            (row, second),
        )
    ]
    block = pair("fibular", ("ankle", "below_fibular_head"), **DEFINITE)

    assert examine(study(*block, *snaps), shipped).mmn.support is expected


def test_nothing_judged_is_not_none() -> None:
    excluded = pair("ulnar", ("below_elbow", "above_elbow"), **DEFINITE)
    below_floor = pair(*FOREARM, distal_mv=0.5, **DEFINITE)
    not_listed = pair("radial", ("forearm", "elbow"), **DEFINITE)

    for recordings in ([], excluded, below_floor, not_listed, [*excluded, *below_floor, *not_listed]):
        assert examined(*recordings, *SNAPS).mmn.support is Support.NOT_ASSESSABLE
    assert examined(*excluded, *pair(*FOREARM), *SNAPS).mmn.support is Support.NONE


def test_under_a_set_of_one_level_a_block_is_definite() -> None:
    radial = pair("radial", ("forearm", "elbow"), amplitude=55.0)

    assert examined(*radial, *SNAPS, grading="amplitude-50").mmn.support is Support.DEFINITE
    assert examined(*radial, *SNAPS, grading=EFNS).mmn.support is Support.NOT_ASSESSABLE
