"""A criteria set as the remarks behind its observation: source, what it is about, floor and rules."""

from collections.abc import Iterator

from gateway.domain.criteria import CriteriaSet, Rule
from gateway.domain.criteria_words import condition, floors, listed, scope
from gateway.protocols.observations import words


def criteria_remarks(entry: CriteriaSet) -> tuple[str, ...]:
    """What a reader has to know of a set, a remark each, in the order of its definition."""
    return (
        f"{entry.source}; version {entry.version}; {entry.status}",
        *([entry.remark] if entry.remark else ()),
        *_listed(entry),
        *_floor(entry),
        *(_rule(rule) for rule in entry.rules),
    )


def _listed(entry: CriteriaSet) -> Iterator[str]:
    """The nerves and segments a set is about, where it is not about all."""
    nerves, segments = listed(entry)
    if nerves != "all":
        yield f"nerves: {nerves}"
    if segments:
        yield f"segments: {segments}"


def _floor(entry: CriteriaSet) -> Iterator[str]:
    """What the distal response must be; a status of its own is said."""
    for text, limit in floors(entry):
        yield text if limit.status == entry.status else f"{text}; {limit.status}"


def _rule(rule: Rule) -> str:
    """A rule as its thresholds read: `definite block: area reduction >= 50 %, …`."""
    return f"{words(rule.grade)}: {', '.join([*scope(rule), *map(condition, rule.conditions)])}"
