"""What `studies show` tells beside the assessment: how a study was refiled, what could not be used of it.

Nothing of a patient is told: whose it was and is stands in the store and in what the hospital was sent.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, TypeVar

from gateway.commands.desk import when
from gateway.commands.terminal import printable, wrapped
from gateway.domain.assessment import JsonObject
from gateway.domain.study import Fact, PatientStated, RecordUnusable
from gateway.protocols.oru import filler
from gateway.store.visit import Told, VisitedStudy

WHOSE: Final[Mapping[str, str]] = {
    "cart's": "the patient's whom the cart named after all",
    "another's": "another patient's",
    "nobody's": "another patient's, not known whose",
}
_Kind = TypeVar("_Kind", bound=Fact)


def history_object(found: VisitedStudy) -> JsonObject:
    """The keys that `studies show` adds to an assessment, each where there is something to say."""
    refiled = [
        {"at": told.at, "by": told.by, "patient": fact.whose} for told, fact in _of(PatientStated, found)
    ]
    unusable = [
        {"at": told.at, "place": fact.place, "reason": fact.reason}
        for told, fact in _of(RecordUnusable, found)
    ]
    return {
        **({"refiled": refiled, "filing": found.study.filing} if refiled else {}),
        **({"unusable": unusable} if unusable else {}),
    }


def history_text(found: VisitedStudy, today: datetime) -> Iterator[str]:
    """The same as lines, each block behind an empty one."""
    refiled, unusable = list(_of(PatientStated, found)), list(_of(RecordUnusable, found))
    if refiled:
        number = f"{filler(found.code, found.study.filing)}.n"
        yield from ("", f"Refiled: the report for its patient now has the order numbers (OBR-3) {number}")
    for told, word in refiled:
        yield from wrapped(printable(f"* {_at(told, today)} by {told.by}: {WHOSE[word.whose]}"))
    if unusable:
        yield from ("", "Sent by the cart and not used")
    for told, record in unusable:
        yield from wrapped(printable(f"* {_at(told, today)}, {record.place}: {record.reason}"))


def _at(told: Told, today: datetime) -> str:
    return " ".join(when(told.at, today).split())


def _of(kind: type[_Kind], found: VisitedStudy) -> Iterator[tuple[Told, _Kind]]:
    return ((told, told.fact) for told in found.told if isinstance(told.fact, kind))
