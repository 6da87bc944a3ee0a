"""A criteria set in words: what it lists, its floor, its rules; the same wherever a person reads it.

No threshold and no restriction is left out: whoever has only these words can repeat every grade. Sites go by
the names that documents and messages give them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gateway.domain.criteria import Between, Condition, CriteriaSet, Limit, Measure, Rule
from gateway.domain.wording import QUANTITIES, plain

MEASURE_UNITS: Final[Mapping[Measure, str]] = {
    "amplitude_ratio": "",
    "amplitude_reduction_percent": "%",
    "peak_to_peak_reduction_percent": "%",
    "area_reduction_percent": "%",
    "duration_increase_percent": "%",
    "distal_amplitude_mv": "mV",
}


def listed(entry: CriteriaSet) -> tuple[str, str | None]:
    """The nerves a set is about, and its segments where it is not about all."""
    nerves = "all" if entry.nerves == "all" else _names(entry.nerves)
    without = f" except {_names(entry.except_nerves)}" if entry.except_nerves else ""
    return nerves + without, _segments(entry.segments) if entry.segments else None


def floors(entry: CriteriaSet) -> Iterator[tuple[str, Limit]]:
    """What the distal response must be before a set applies, each with its limit."""
    floor = entry.floor
    limits = (floor.amplitude_mv, "mV"), (floor.percent_of_lower_limit, "% of the lower limit of normal")
    for limit, unit in limits:
        if limit:
            yield f"distal amplitude {limit.op} {limit.limit:g} {unit}", limit


def scope(rule: Rule) -> Iterator[str]:
    """What narrows where a rule applies."""
    if rule.limb:
        yield f"{rule.limb} limb"
    if rule.length:
        yield f"{rule.length} segment"
    if rule.proximal_sites:
        yield f"proximal site {' or '.join(rule.proximal_sites)}"
    if rule.segments:
        yield f"segment {_segments(rule.segments, ' or ')}"
    if rule.except_segments:
        yield f"except segment {_segments(rule.except_segments)}"
    if rule.except_nerves:
        yield f"except nerve {_names(rule.except_nerves)}"


def condition(entry: Condition) -> str:
    """One inequality: `area reduction >= 50 %`."""
    unit = MEASURE_UNITS[entry.quantity]
    return f"{QUANTITIES[entry.quantity]} {entry.op} {entry.limit:g}{f' {unit}' if unit else ''}"


def _segments(entries: Iterable[Between], between: str = ", ") -> str:
    return between.join(
        f"{f'{plain(entry.nerve)} ' if entry.nerve else ''}{entry.distal}-{entry.proximal}"
        for entry in entries
    )


def _names(nerves: Iterable[str]) -> str:
    return ", ".join(map(plain, nerves))
