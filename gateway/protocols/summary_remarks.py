"""What a reader of the summary has to know beside its values: remarks (NTE) on the grade of support.

Codes as in the Assessment document, one remark a kind, none where there is nothing to say: a report system
that reads HL7 alone loses none of them, and no code has to be invented.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gateway.domain.assessment import Assessment
from gateway.domain.differential import Differential, Item
from gateway.domain.pattern import Mimic, Pattern
from gateway.domain.study import NerveKey

_NOTICE: Final = "Preliminary electrodiagnostic support, computed and not yet reviewed by a physician"
REMARKS: Final[Mapping[str, str]] = {  # by their first word, in the order they are sent
    "Reasons": "why the grade is what it is",
    "Pattern": "nerves with a block that counts, how many in arms and legs, whether the other side has one",
    "Mimics": "what else could explain the study, each with what speaks for it",
    "Demyelination": "lists of criteria for CIDP of which more than block is met, how far, by which nerves",
    "Missing": "recordings that would settle what is in doubt",
    "Complete examination": "how many recordings of the minimal set were made",
    "Caveats": "what to keep in mind: numbers recalled, facts not known, actions declined",
}
_SIDES: Final = {True: "asymmetric", False: "both sides alike", None: "other side not compared"}


def summary_remarks(assessment: Assessment) -> Iterator[str]:
    """The notice, then reasons, pattern, what else could explain it, what is missing, and the caveats."""
    mmn = assessment.mmn
    yield _NOTICE
    yield from listed("Reasons", mmn.reasons)
    yield from _pattern(assessment.pattern)
    yield from listed("Mimics", map(_mimic, assessment.mimics))
    yield from listed("Demyelination", map(_differential, filter(_beyond_block, assessment.differentials)))
    yield from listed("Missing", mmn.missing)
    made = sum(step.done for step in assessment.checklist)
    if assessment.checklist:
        yield f"Complete examination: {made} of {len(assessment.checklist)} recordings made"
    yield from listed("Caveats", mmn.caveats)


def listed(label: str, entries: Iterable[str]) -> tuple[str, ...]:
    """One remark that lists `entries`; none where there are none."""
    shown = ", ".join(entries)
    return (f"{label}: {shown}",) if shown else ()


def _pattern(found: Pattern) -> Iterator[str]:
    if found.blocked:
        limbs = f"upper limb {found.upper_limb}, lower limb {found.lower_limb}"
        yield f"Pattern: blocked {', '.join(map(_name, found.blocked))}; {limbs}; {_SIDES[found.asymmetric]}"


def _mimic(entry: Mimic) -> str:
    return f"{entry.name} ({', '.join(entry.reasons)})"


def _beyond_block(entry: Differential) -> bool:
    """Whether more speaks for demyelination than the block itself, which is no sign of CIDP."""
    return any(nerves for item, nerves in entry.items.items() if item is not Item.BLOCK)


def _differential(entry: Differential) -> str:
    items = (f"{item} {' '.join(map(_name, nerves))}" for item, nerves in entry.items.items() if nerves)
    return f"{entry.criteria.id} {entry.support} ({'; '.join(items)})"


def _name(nerve: NerveKey) -> str:
    return ":".join(nerve)
