"""The AAEM sets: unverified, off by default; each limit as it was recalled, a little on either side of it."""

import pytest

from gateway.domain.criteria import Grade, Graded
from tests.factories import grade_of, graded_under, pair, reference

SETS = ("aaem-1999", "aaem-mmn-2003")
DEFINITE, PROBABLE, NONE = Grade.DEFINITE_BLOCK, Grade.PROBABLE_BLOCK, Grade.NONE
ARM = [
    ("median", ("wrist", "elbow")),
    ("median", ("elbow", "axilla")),
    ("ulnar", ("wrist", "below_elbow")),
    ("ulnar", ("above_elbow", "axilla")),
]
LEG = [("fibular", ("ankle", "below_fibular_head")), ("tibial", ("ankle", "popliteal_fossa"))]


@pytest.mark.parametrize("set_id", SETS)
@pytest.mark.parametrize(
    ("amplitude", "area", "duration", "expected"),
    [  # in the arm; in the leg every limit is 10 points higher
        (50.1, 0.0, 30.0, DEFINITE),
        (50.0, 0.0, 30.0, PROBABLE),
        (40.1, 0.0, 30.0, PROBABLE),
        (39.9, 0.0, 30.0, NONE),
        (0.0, 40.1, 30.0, DEFINITE),
        (0.0, 39.9, 30.0, PROBABLE),
        (0.0, 30.1, 30.0, PROBABLE),
        (0.0, 29.9, 30.0, NONE),
        (50.1, 0.0, 31.0, PROBABLE),
        (49.9, 0.0, 31.0, NONE),
        (0.0, 40.1, 60.0, PROBABLE),
        (0.0, 39.9, 60.0, NONE),
        (80.0, 80.0, 60.1, NONE),
    ],
)
def test_the_limits_as_recalled(set_id, amplitude, area, duration, expected) -> None:
    for more, segments in ((0.0, ARM), (10.0, LEG)):
        falls = {"amplitude": amplitude and amplitude + more, "area": area and area + more}
        found = {grade_of(set_id, pair(*where, duration=duration, **falls)).grade for where in segments}
        assert found == {expected}


@pytest.mark.parametrize("set_id", SETS)
@pytest.mark.parametrize(
    ("nerve", "sites"),
    [
        ("radial", ("forearm", "elbow")),
        ("median", ("axilla", "erb")),
        ("musculocutaneous", ("axilla", "erb")),
    ],
)
def test_rows_that_nobody_recalls_are_not_listed(set_id, nerve, sites) -> None:
    assert grade_of(set_id, pair(nerve, sites, area=90.0)) == Graded(Grade.NOT_LISTED)


@pytest.mark.parametrize("set_id", SETS)
def test_they_are_off_and_say_why(set_id) -> None:
    assert set_id not in {entry.id for entry in reference().criteria}
    assert graded_under(set_id).grading_set.status == "unverified"
    assert "unverified" in (graded_under(set_id).grading_set.remark or "")
