from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.criteria import Between, Comparison, Condition, CriteriaSet, Floor, Limit, Measure, Rule
from gateway.errors import DataError

FALL = Condition(quantity="area_reduction_percent", op=">=", limit=50.0)
WRIST = Between(nerve="median", distal="wrist", proximal="elbow")
ELBOW = Between(nerve="median", distal="elbow", proximal="axilla")
UP = {">=", ">"}


def rule(grade: Any, **where: Any) -> Rule:
    return Rule(grade=grade, conditions=(FALL,), **where)


def own(*rules: Rule) -> CriteriaSet:
    about = {"id": "own", "title": "Our own", "source": "us", "version": "1"}
    return CriteriaSet(**about, status="given", nerves="all", rules=rules)


@pytest.mark.parametrize("quantity", get_args(Measure))
@pytest.mark.parametrize("op", get_args(Comparison))
def test_a_fall_is_asked_for_one_way_round_only(quantity: Measure, op: Comparison) -> None:
    wrong = op in UP if quantity == "amplitude_ratio" else "reduction" in quantity and op not in UP
    if wrong:
        with pytest.raises(DataError, match=r"^op: is the wrong way round for a fall"):
            Condition(quantity=quantity, op=op, limit=0.5)
    else:
        assert Condition(quantity=quantity, op=op, limit=0.5).op == op


@given(st.lists(st.tuples(st.sampled_from(get_args(Comparison)), st.integers(1, 9)), min_size=1, max_size=4))
def test_conditions_contradict_each_other_when_no_number_meets_them(
    asked: list[tuple[Comparison, int]],
) -> None:
    durations = [Condition(quantity="duration_increase_percent", op=op, limit=limit) for op, limit in asked]
    halves = [half / 2 for half in range(21)]
    if any(all(entry.holds(value) for entry in durations) for value in halves):
        assert Rule(grade="block", conditions=(FALL, *durations))
    else:
        with pytest.raises(DataError, match=r"^conditions: contradict each other"):
            Rule(grade="block", conditions=(FALL, *durations))


@pytest.mark.parametrize("op", ["<=", "<"])
@pytest.mark.parametrize("name", ["amplitude_mv", "percent_of_lower_limit"])
def test_a_floor_is_passed_from_above(op: Comparison, name: str) -> None:
    with pytest.raises(DataError, match=rf"^{name}\.op: is the wrong way round for a floor, write >= or >$"):
        Floor(**{name: Limit(op=op, limit=1.0, source="us", status="given")})


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ({"limb": "upper"}, {"limb": "lower"}),
        ({"length": "long"}, {"length": "short"}),
        ({"proximal_sites": ("elbow",)}, {"proximal_sites": ("axilla", "erb")}),
        ({"segments": (WRIST,)}, {"segments": (ELBOW,)}),
        ({"segments": (WRIST,)}, {"segments": (Between(nerve="ulnar", distal="wrist", proximal="elbow"),)}),
    ],
)
def test_a_weaker_grade_may_stand_above_a_stronger_one_of_other_segments(
    above: dict[str, Any], below: dict[str, Any]
) -> None:
    assert own(rule("probable_block", **above), rule("definite_block", **below))


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ({}, {}),
        ({"limb": "upper"}, {}),
        ({"length": "long"}, {"length": "long"}),
        ({"proximal_sites": ("elbow",)}, {"proximal_sites": ("elbow", "erb")}),
        ({"segments": (WRIST,)}, {"segments": (ELBOW, Between(distal="wrist", proximal="elbow"))}),
    ],
)
def test_a_weaker_grade_never_hides_a_stronger_one(above: dict[str, Any], below: dict[str, Any]) -> None:
    assert own(rule("definite_block", **below), rule("probable_block", **above))
    with pytest.raises(DataError, match=r"^rules\[1\]\.grade: definite_block must stand above"):
        own(rule("probable_block", **above), rule("definite_block", **below))


@pytest.mark.parametrize("other", ["probable_block", "definite_block"])
def test_a_set_has_one_level_or_two(other: str) -> None:
    for pair in (("block", other), (other, "block")):
        with pytest.raises(DataError, match=r"^rules\[1\]\.grade: a set has either block, or"):
            own(*map(rule, pair))
