"""Van Schaik 2010: E1 area >= 50 % and duration <= 30 %; E2 area >= 30 % in long arm segments, or longer."""

import pytest

from gateway.domain.criteria import Grade, Graded
from gateway.domain.recording import NO_RESPONSE
from tests.factories import EVERY_SET, grade_of, graded_under, pair

SET = "efns-pns-mmn-2010"
DEFINITE, PROBABLE, NONE = Grade.DEFINITE_BLOCK, Grade.PROBABLE_BLOCK, Grade.NONE
MEDIAN, ULNAR, FIBULAR = (
    ("median", ("wrist", "elbow")),
    ("ulnar", ("wrist", "below_elbow")),
    ("fibular", ("ankle", "below_fibular_head")),
)
SHORT = {"far": {"site_position_mm": 100.0}}


@pytest.mark.parametrize(
    ("area", "duration", "arm", "leg_or_short"),
    [
        (50.0, 30.0, DEFINITE, DEFINITE),  # E1, both on the limit
        (49.95, 30.04, DEFINITE, DEFINITE),  # rounds to 50.0 and 30.0
        (49.94, 30.0, PROBABLE, NONE),  # 49.9: E2a for long arm segments only
        (50.0, 30.05, PROBABLE, PROBABLE),  # E2b: 30.1
        (90.0, 200.0, PROBABLE, PROBABLE),
        (49.94, 30.05, NONE, NONE),
        (100.0, -60.0, DEFINITE, DEFINITE),  # shorter is not longer
        (30.0, 30.0, PROBABLE, NONE),
        (29.95, 30.0, PROBABLE, NONE),
        (29.94, 30.0, NONE, NONE),
        (30.0, 30.05, NONE, NONE),
        (0.0, 0.0, NONE, NONE),
    ],
)
def test_the_rules_on_both_sides_of_their_limits(area, duration, arm, leg_or_short) -> None:
    changes = {"area": area, "duration": duration}

    for nerve, sites in (MEDIAN, ULNAR, ("median", ("wrist", "axilla")), ("median", ("wrist", "erb"))):
        assert grade_of(SET, pair(nerve, sites, **changes)).grade is arm
    assert grade_of(SET, pair(*FIBULAR, **changes)).grade is leg_or_short
    assert grade_of(SET, pair("median", ("wrist", "wrist"), **SHORT, **changes)).grade is leg_or_short


@pytest.mark.parametrize("amplitude", [-15.0, 0.0, 95.0])
def test_amplitude_does_not_count(amplitude) -> None:
    assert grade_of(SET, pair(*MEDIAN, amplitude=amplitude, area=20.0)).grade is NONE
    assert grade_of(SET, pair(*MEDIAN, amplitude=amplitude, area=60.0)).grade is DEFINITE


@pytest.mark.parametrize(
    ("nerve", "sites"),
    [
        ("radial", ("forearm", "elbow")),
        ("musculocutaneous", ("axilla", "erb")),
        ("tibial", ("ankle", "popliteal_fossa")),
    ],
)
@pytest.mark.parametrize("changes", [{"area": 100.0}, {"area": 40.0}, {"area": None}, {"distal_mv": 0.1}])
def test_other_nerves_are_not_listed_whatever_their_numbers(nerve, sites, changes) -> None:
    assert grade_of(SET, pair(nerve, sites, **changes)) == Graded(Grade.NOT_LISTED)


@pytest.mark.parametrize(
    ("where", "distal_mv", "passes"),
    [
        (MEDIAN, 1.0, False),  # above 1 mV, not 1 mV; 20 % of 4.1 mV is 0.82
        (MEDIAN, 1.01, True),
        (FIBULAR, 1.0, False),  # 20 % of 1.3 mV is 0.26
        (FIBULAR, 1.01, True),
        (ULNAR, 1.01, False),  # 20 % of 7.9 mV is 1.58
        (ULNAR, 1.58, False),
        (ULNAR, 1.5839, False),  # 20.049 % rounds to 20.0
        (ULNAR, 1.58395, True),  # 20.05 % rounds to 20.1
        (ULNAR, 1.59, True),
    ],
)
@pytest.mark.parametrize(("area", "block"), [(60.0, DEFINITE), (0.0, NONE)])
def test_the_distal_floor(where, distal_mv, passes, area, block) -> None:
    expected = Graded(block) if passes else Graded(Grade.NOT_ASSESSABLE, ("below_distal_floor",))

    assert grade_of(SET, pair(*where, distal_mv=distal_mv, area=area)) == expected


def test_the_floor_stands_for_probable_block_too_and_cannot_be_computed_without_a_norm() -> None:
    assert grade_of(SET, pair(*MEDIAN, distal_mv=1.0, area=40.0)).grade is Grade.NOT_ASSESSABLE
    assert grade_of(SET, pair(*ULNAR, muscle="fdi", area=60.0)) == Graded(
        Grade.NOT_ASSESSABLE, ("norm_missing",)
    )


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"area": None, "amplitude": 80.0}, ("area_missing",)),
        ({"duration": None, "area": 80.0}, ("duration_missing",)),
        ({"duration": None, "area": 35.0}, ("duration_missing",)),
        ({"duration": None, "area": None}, ("area_missing", "duration_missing")),
    ],
)
def test_missing_quantities_are_told_apart_from_none(changes, reasons) -> None:
    assert grade_of(SET, pair(*MEDIAN, **changes)) == Graded(Grade.NOT_ASSESSABLE, reasons)


@pytest.mark.parametrize("where", [MEDIAN, ULNAR, FIBULAR])
def test_absent_responses(where) -> None:
    nothing = {"measured": NO_RESPONSE}

    proximal = grade_of(SET, pair(*where, far=nothing))
    assert proximal == Graded(DEFINITE, ("no_proximal_response",))
    not_assessable = Graded(Grade.NOT_ASSESSABLE, ("no_distal_response",))
    assert grade_of(SET, pair(*where, near=nothing)) == not_assessable
    assert grade_of(SET, pair(*where, near=nothing, far=nothing)) == not_assessable


def test_an_absent_proximal_response_does_not_pass_the_floor_by_itself() -> None:
    found = grade_of(SET, pair(*MEDIAN, distal_mv=0.9, far={"measured": NO_RESPONSE}))

    assert found == Graded(Grade.NOT_ASSESSABLE, ("below_distal_floor",))


@pytest.mark.parametrize("set_id", EVERY_SET)
@pytest.mark.parametrize(
    ("nerve", "sites", "near", "far", "reason"),
    [
        ("median", ("palm", "wrist"), None, None, "compression_site"),
        ("ulnar", ("below_elbow", "above_elbow"), None, None, "compression_site"),
        ("fibular", ("below_fibular_head", "above_fibular_head"), None, None, "compression_site"),
        ("radial", ("below_spiral_groove", "above_spiral_groove"), None, None, "compression_site"),
        ("ulnar", ("below_elbow", "below_elbow"), 270.0, 290.0, "compression_site"),
        ("ulnar", ("below_elbow", "below_elbow"), None, 290.0, "compression_site"),
        ("ulnar", ("below_elbow", "above_elbow"), 330.0, None, "compression_site"),
        ("median", ("palm", "palm"), 30.0, 50.0, "compression_site"),
        ("ulnar", ("wrist", "above_elbow"), None, None, "contaminated_segment"),
        ("ulnar", ("wrist", "axilla"), None, None, "contaminated_segment"),
        ("ulnar", ("below_elbow", "axilla"), None, None, "contaminated_segment"),
        ("ulnar", ("wrist", "erb"), None, None, "contaminated_segment"),
        ("fibular", ("ankle", "above_fibular_head"), None, None, "contaminated_segment"),
        ("median", ("palm", "elbow"), None, None, "contaminated_segment"),
        ("radial", ("elbow", "above_spiral_groove"), None, None, "contaminated_segment"),
        ("radial", ("elbow", "axilla"), None, None, "contaminated_segment"),
        ("ulnar", ("wrist", "below_elbow"), 230.0, 270.0, "contaminated_segment"),
        ("fibular", ("ankle", "below_fibular_head"), 300.0, 350.0, "contaminated_segment"),
    ],
)
def test_an_excluded_site_comes_before_listing_floor_and_numbers(
    set_id, nerve, sites, near, far, reason
) -> None:
    ends = {"near": {"site_position_mm": near}, "far": {"site_position_mm": far}}

    for changes in ({"amplitude": 95.0, "area": 95.0}, {"area": None}, {"distal_mv": 0.1}):
        found = grade_of(set_id, pair(nerve, sites, **changes, **ends))
        assert found == Graded(Grade.EXCLUDED_SITE, (reason,))


@pytest.mark.parametrize(
    ("nerve", "sites", "near", "far"),
    [
        ("ulnar", ("wrist", "below_elbow"), 230.0, None),
        ("ulnar", ("wrist", "wrist"), 230.0, 250.0),
        ("ulnar", ("above_elbow", "axilla"), None, None),
        ("ulnar", ("above_elbow", "above_elbow"), None, 400.0),
        ("median", ("elbow", "axilla"), None, None),
        ("median", ("axilla", "erb"), None, None),
    ],
)
def test_a_site_on_the_edge_of_an_excluded_segment_lies_outside_it(nerve, sites, near, far) -> None:
    ends = {"near": {"site_position_mm": near}, "far": {"site_position_mm": far}}

    assert grade_of(SET, pair(nerve, sites, area=60.0, **ends)).grade is DEFINITE


@pytest.mark.parametrize(
    ("nerve", "muscle", "site"),
    [("ulnar", "adm", "erb"), ("axillary", "deltoid", "erb"), ("femoral", "rf", "inguinal")],
)
@pytest.mark.parametrize("set_id", EVERY_SET)
def test_a_point_beyond_the_last_named_site_can_be_graded(set_id, nerve, muscle, site) -> None:
    beyond = pair(nerve, (site, site), muscle=muscle, area=60.0, far={"site_position_mm": 900.0})

    assert grade_of(set_id, beyond).grade is not Grade.EXCLUDED_SITE


def test_it_grades_by_default() -> None:
    assert graded_under(SET).grading_set.status == "verified"
