"""Van den Berg-Vos 2000: area over long, amplitude over short segments; a long arm nerve's amplitude."""

import pytest

from gateway.domain.criteria import Grade, Graded
from gateway.domain.recording import NO_RESPONSE
from tests.factories import grade_of, pair

SET = "utrecht-2000"
DEFINITE, PROBABLE, NONE = Grade.DEFINITE_BLOCK, Grade.PROBABLE_BLOCK, Grade.NONE
ARM = [
    ("median", ("wrist", "elbow")),
    ("ulnar", ("wrist", "below_elbow")),
    ("radial", ("forearm", "elbow")),
    ("musculocutaneous", ("axilla", "erb")),
]
LEG = [("fibular", ("ankle", "below_fibular_head")), ("tibial", ("ankle", "popliteal_fossa"))]


@pytest.mark.parametrize(
    ("amplitude", "area", "arm", "leg"),
    [
        (0.0, 50.0, DEFINITE, DEFINITE),
        (0.0, 49.95, DEFINITE, DEFINITE),
        (0.0, 49.94, NONE, NONE),
        (30.0, 0.0, PROBABLE, NONE),
        (29.95, 0.0, PROBABLE, NONE),
        (29.94, 0.0, NONE, NONE),
        (90.0, 49.94, PROBABLE, NONE),
        (90.0, 50.0, DEFINITE, DEFINITE),
    ],
)
@pytest.mark.parametrize("duration", [0.0, 80.0, None])  # not asked for
def test_long_segments_of_every_nerve(amplitude, area, arm, leg, duration) -> None:
    changes = {"amplitude": amplitude, "area": area, "duration": duration}

    assert {grade_of(SET, pair(*where, **changes)).grade for where in ARM} == {arm}
    assert {grade_of(SET, pair(*where, **changes)).grade for where in LEG} == {leg}


@pytest.mark.parametrize(
    ("amplitude", "area", "expected"),
    [(30.0, 0.0, DEFINITE), (29.95, None, DEFINITE), (29.94, 0.0, NONE), (0.0, 90.0, NONE)],
)
@pytest.mark.parametrize(("nerve", "site"), [("median", "wrist"), ("fibular", "ankle")])
def test_short_segments_go_by_amplitude(amplitude, area, expected, nerve, site) -> None:
    short = pair(nerve, (site, site), amplitude=amplitude, area=area, far={"site_position_mm": 100.0})

    assert grade_of(SET, short).grade is expected


@pytest.mark.parametrize(("distal_mv", "grade"), [(1.0, DEFINITE), (0.99, Grade.NOT_ASSESSABLE)])
def test_the_floor_is_one_millivolt_and_no_norm(distal_mv, grade) -> None:
    for where in (*ARM, *LEG):
        assert grade_of(SET, pair(*where, distal_mv=distal_mv, area=60.0)).grade is grade


def test_missing_and_absent() -> None:
    leg = LEG[0]

    assert grade_of(SET, pair(*leg, area=None)) == Graded(Grade.NOT_ASSESSABLE, ("area_missing",))
    absent = grade_of(SET, pair(*leg, far={"measured": NO_RESPONSE}))
    assert absent == Graded(DEFINITE, ("no_proximal_response",))
    nothing = grade_of(SET, pair(*leg, near={"measured": NO_RESPONSE}))
    assert nothing == Graded(Grade.NOT_ASSESSABLE, ("no_distal_response",))
