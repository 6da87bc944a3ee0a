"""EFNS/PNS CIDP 2010: amplitude, two levels. AAN 1991: area or peak to peak, one level for both rows."""

from dataclasses import replace

import pytest

from gateway.domain.criteria import Grade, Graded
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording
from tests.factories import grade_of, less, pair

CIDP, AAN = "efns-pns-cidp-2010", "aan-1991"
DEFINITE, PROBABLE, NONE = Grade.DEFINITE_BLOCK, Grade.PROBABLE_BLOCK, Grade.NONE
MEDIAN = ("median", ("wrist", "elbow"))
ULNAR = ("ulnar", ("wrist", "below_elbow"))
FIBULAR = ("fibular", ("ankle", "below_fibular_head"))
TIBIAL = ("tibial", ("ankle", "popliteal_fossa"))
WRIST_TO_ERB = ("median", ("wrist", "erb"))


@pytest.mark.parametrize(
    ("amplitude", "others", "tibial_or_to_erb"),
    [
        (50.0, DEFINITE, DEFINITE),
        (49.95, DEFINITE, DEFINITE),
        (49.94, PROBABLE, NONE),
        (30.0, PROBABLE, NONE),
        (29.95, PROBABLE, NONE),
        (29.94, NONE, NONE),
    ],
)
def test_efns_pns_cidp_2010(amplitude, others, tibial_or_to_erb) -> None:
    changes = {"amplitude": amplitude, "area": None, "duration": None}

    assert {grade_of(CIDP, pair(*w, **changes)).grade for w in (MEDIAN, ULNAR, FIBULAR)} == {others}
    assert {grade_of(CIDP, pair(*w, **changes)).grade for w in (TIBIAL, WRIST_TO_ERB)} == {tibial_or_to_erb}


@pytest.mark.parametrize(
    ("where", "distal_mv", "reasons"),
    [
        (ULNAR, 1.58, ()),
        (ULNAR, 1.576, ("below_distal_floor",)),
        (FIBULAR, 0.26, ()),
        (("radial", ("forearm", "elbow")), 9.0, ("norm_missing",)),
    ],
)
def test_the_floor_of_efns_pns_cidp_2010_is_a_fifth_of_the_lower_limit(where, distal_mv, reasons) -> None:
    found = grade_of(CIDP, pair(*where, distal_mv=distal_mv, amplitude=60.0))

    assert found == (Graded(Grade.NOT_ASSESSABLE, reasons) if reasons else Graded(DEFINITE))


@pytest.mark.parametrize(
    ("area", "duration", "expected"),
    [
        (20.0, 0.0, NONE),
        (20.04, 0.0, NONE),
        (20.05, 0.0, PROBABLE),  # row 1
        (20.05, 14.94, PROBABLE),
        (20.05, 15.0, NONE),  # neither below nor above 15 %
        (20.05, 15.05, PROBABLE),  # row 2
        (90.0, 200.0, PROBABLE),
        (20.0, 50.0, NONE),
    ],
)
@pytest.mark.parametrize("where", [MEDIAN, ULNAR, FIBULAR])
def test_aan_1991(area, duration, expected, where) -> None:
    assert grade_of(AAN, pair(*where, area=area, duration=duration)) == Graded(expected)
    assert grade_of(AAN, peak_to_peak(pair(*where, duration=duration), area)) == Graded(expected)
    assert grade_of(AAN, pair(*where, area=area, duration=duration, distal_mv=0.1)) == Graded(expected)


def peak_to_peak(recordings: tuple[Recording, Recording], fall: float) -> tuple[Recording, ...]:
    near, far = recordings
    assert isinstance(near.measured, MotorMarks)
    assert isinstance(far.measured, MotorMarks)
    return (
        replace(near, measured=replace(near.measured, peak_to_peak_mv=16.0)),
        replace(far, measured=replace(far.measured, peak_to_peak_mv=less(16.0, fall))),
    )


@pytest.mark.parametrize(
    ("nerve", "sites"),
    [
        ("median", ("elbow", "axilla")),
        ("median", ("axilla", "erb")),
        WRIST_TO_ERB,
        ("ulnar", ("above_elbow", "axilla")),
        TIBIAL,
        ("radial", ("forearm", "elbow")),
        ("musculocutaneous", ("axilla", "erb")),
    ],
)
def test_aan_1991_lists_three_segments(nerve, sites) -> None:
    assert grade_of(AAN, pair(nerve, sites, area=90.0)) == Graded(Grade.NOT_LISTED)


def test_short_steps_are_listed_as_the_segment_they_lie_in() -> None:
    def step(nerve: str, site: str) -> Grade:
        return grade_of(AAN, pair(nerve, (site, site), area=40.0, far={"site_position_mm": 120.0})).grade

    assert step("ulnar", "wrist") is PROBABLE
    assert step("ulnar", "above_elbow") is Grade.NOT_LISTED


@pytest.mark.parametrize("set_id", [CIDP, AAN])
def test_absent_and_missing(set_id) -> None:
    nothing = {"measured": NO_RESPONSE}

    found = grade_of(set_id, pair(*MEDIAN, far=nothing))
    assert found.reasons == ("no_proximal_response",)
    assert found.grade in {DEFINITE, PROBABLE}
    assert grade_of(set_id, pair(*MEDIAN, near=nothing)) == Graded(
        Grade.NOT_ASSESSABLE, ("no_distal_response",)
    )
    assert grade_of(set_id, pair(*MEDIAN, amplitude=None, area=None)).grade is Grade.NOT_ASSESSABLE
    missing = grade_of(AAN, pair(*MEDIAN, area=40.0, duration=None))
    assert missing == Graded(Grade.NOT_ASSESSABLE, ("duration_missing",))
