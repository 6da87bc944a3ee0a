"""A criteria set as the remarks behind its observation: source, what it is about, floor and rules.

Whoever has only the message can repeat every grade in it: no threshold and no restriction is left out. Sites
and segments go by the names that the message gives them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gateway.domain.criteria import Between, Condition, CriteriaSet, Measure, Rule
from gateway.protocols.observations import words

_QUANTITIES: Final[Mapping[Measure, tuple[str, str]]] = {
    "amplitude_ratio": ("amplitude ratio", ""),
    "amplitude_reduction_percent": ("amplitude reduction", " %"),
    "peak_to_peak_reduction_percent": ("peak to peak reduction", " %"),
    "area_reduction_percent": ("area reduction", " %"),
    "duration_increase_percent": ("duration increase", " %"),
    "distal_amplitude_mv": ("distal amplitude", " mV"),
}


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
    excepted = f" except {_words(entry.except_nerves)}" if entry.except_nerves else ""
    if entry.nerves != "all":
        yield f"nerves: {_words(entry.nerves)}{excepted}"
    elif excepted:
        yield f"nerves: all{excepted}"
    if entry.segments:
        yield f"segments: {_segments(entry.segments)}"


def _floor(entry: CriteriaSet) -> Iterator[str]:
    """What the distal response must be before a set applies; a status of its own is said."""
    floor = entry.floor
    limits = (floor.amplitude_mv, "mV"), (floor.percent_of_lower_limit, "% of the lower limit of normal")
    for limit, unit in limits:
        if limit:
            status = "" if limit.status == entry.status else f"; {limit.status}"
            yield f"distal amplitude {limit.op} {limit.limit:g} {unit}{status}"


def _rule(rule: Rule) -> str:
    """A rule as its thresholds read: `definite block: area reduction >= 50 %, …`."""
    return f"{words(rule.grade)}: {', '.join([*_scope(rule), *map(_condition, rule.conditions)])}"


def _scope(rule: Rule) -> Iterator[str]:
    if rule.limb:
        yield f"{rule.limb} limb"
    if rule.length:
        yield f"{rule.length} segment"
    if rule.proximal_sites:
        yield f"proximal site {' or '.join(rule.proximal_sites)}"
    if rule.segments:
        yield f"segment {' or '.join(map(_segment, rule.segments))}"
    if rule.except_segments:
        yield f"except segment {_segments(rule.except_segments)}"
    if rule.except_nerves:
        yield f"except nerve {_words(rule.except_nerves)}"


def _condition(entry: Condition) -> str:
    name, unit = _QUANTITIES[entry.quantity]
    return f"{name} {entry.op} {entry.limit:g}{unit}"


def _segment(entry: Between) -> str:
    nerve = f"{words(entry.nerve)} " if entry.nerve else ""
    return f"{nerve}{entry.distal}-{entry.proximal}"


def _segments(entries: Iterable[Between]) -> str:
    return ", ".join(map(_segment, entries))


def _words(names: Iterable[str]) -> str:
    return ", ".join(map(words, names))
