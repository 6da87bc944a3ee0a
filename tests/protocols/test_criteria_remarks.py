import re

import pytest

from gateway.daemon.reference import load_reference
from gateway.domain.criteria import Between, Condition, CriteriaSet, Floor, Limit, Rule
from gateway.protocols.criteria_remarks import criteria_remarks

REFERENCE = load_reference()
OFF = load_reference(criteria=("efns-pns-mmn-2010", "aaem-1999", "aaem-mmn-2003"))
SETS = {entry.id: entry for entry in (*REFERENCE.criteria, *OFF.criteria)}
FALL = Condition(quantity="amplitude_reduction_percent", op=">=", limit=50.0)
PLAIN = Rule(grade="block", conditions=(FALL,))


def written(*rules: Rule, **changes: object) -> tuple[str, ...]:
    """The remarks of a set behind the first, which is its source; without those of the plain rule."""
    whole: dict[str, object] = {
        "id": "own",
        "title": "Our own",
        "source": "Our laboratory",
        "status": "given",
        "version": "3",
        "nerves": "all",
        "rules": rules or (PLAIN,),
    }
    source, *rest = criteria_remarks(CriteriaSet(**whole | changes))  # type: ignore[arg-type]
    assert source == "Our laboratory; version 3; given"
    return tuple(rest if rules else rest[:-1])


@pytest.mark.parametrize("entry", SETS.values(), ids=SETS)
def test_every_number_and_name_of_a_set_is_in_its_remarks(entry: CriteriaSet) -> None:
    shown = criteria_remarks(entry)
    floors = [limit for limit in (entry.floor.amplitude_mv, entry.floor.percent_of_lower_limit) if limit]
    conditions = [condition for rule in entry.rules for condition in rule.conditions]
    for one in (*floors, *conditions):
        assert any(re.search(rf"{re.escape(f'{one.op} {one.limit:g}')}\b", line) for line in shown)
    sites = [site for rule in entry.rules for site in rule.proximal_sites]
    between = [
        *entry.segments,
        *(one for rule in entry.rules for one in (*rule.segments, *rule.except_segments)),
    ]
    for name in (*sites, *(f"{one.distal}-{one.proximal}" for one in between), *entry.except_nerves):
        assert any(name in line for line in shown)
    assert entry.remark is None or entry.remark in shown


@pytest.mark.parametrize("entry", SETS.values(), ids=SETS)
def test_rules_that_differ_read_differently(entry: CriteriaSet) -> None:
    shown = criteria_remarks(entry)[-len(entry.rules) :]
    assert len(set(shown)) == len(entry.rules)


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        (Condition(quantity="area_reduction_percent", op=">", limit=23.0), "area reduction > 23 %"),
        (Condition(quantity="amplitude_ratio", op="<", limit=0.36), "amplitude ratio < 0.36"),
        (Condition(quantity="distal_amplitude_mv", op="<=", limit=1.0), "distal amplitude <= 1 mV"),
    ],
)
def test_a_limit_has_the_unit_of_its_quantity(condition: Condition, shown: str) -> None:
    beside = Condition(quantity="peak_to_peak_reduction_percent", op=">", limit=20.0)
    (told,) = written(Rule(grade="probable_block", conditions=(condition, beside)))
    assert told.startswith(f"probable block: {shown}, ")


def test_where_a_rule_applies_stands_before_its_limits() -> None:
    rule = Rule(
        grade="block",
        conditions=(FALL,),
        limb="upper",
        length="long",
        proximal_sites=("elbow", "axilla"),
        segments=(
            Between(distal="wrist", proximal="erb"),
            Between(nerve="median", distal="wrist", proximal="elbow"),
        ),
        except_segments=(Between(nerve="superficial_radial", distal="palm", proximal="wrist"),),
        except_nerves=("tibial",),
    )
    assert written(rule) == (
        (
            "block: upper limb, long segment, proximal site elbow or axilla,"
            " segment wrist-erb or median wrist-elbow, except segment superficial radial palm-wrist,"
            " except nerve tibial, amplitude reduction >= 50 %"
        ),
    )


def test_what_a_set_is_about_is_said_where_it_is_not_all() -> None:
    assert written(nerves=("median", "ulnar")) == ("nerves: median, ulnar",)
    assert written(except_nerves=("tibial",)) == ("nerves: all except tibial",)
    median = Between(nerve="median", distal="wrist", proximal="elbow")
    assert written(nerves=("median",), segments=(median,)) == (
        "nerves: median",
        "segments: median wrist-elbow",
    )
    assert written() == ()


def test_a_floor_says_its_status_where_it_is_not_that_of_the_set() -> None:
    given = Limit(op=">=", limit=20.0, source="us", status="given")
    recalled = Limit(op=">", limit=1.0, source="a paper", status="recalled")
    assert written(floor=Floor(amplitude_mv=recalled, percent_of_lower_limit=given)) == (
        "distal amplitude > 1 mV; recalled",
        "distal amplitude >= 20 % of the lower limit of normal",
    )


def test_a_remark_is_shown_as_it_is() -> None:
    assert written(remark="for the differential only") == ("for the differential only",)
