"""What `studies show` tells beside the assessment: what could not be used of what the cart sent, and when."""

from collections.abc import Iterator
from datetime import datetime

from gateway.commands.desk import when
from gateway.commands.terminal import printable, wrapped
from gateway.domain.assessment import JsonObject
from gateway.domain.study import RecordUnusable
from gateway.store.visit import Told, VisitedStudy


def history_object(found: VisitedStudy) -> JsonObject:
    """The keys that `studies show` adds to an assessment, each where there is something to say."""
    unusable = [
        {"at": told.at, "place": fact.place, "reason": fact.reason} for told, fact in _unusable(found)
    ]
    return {"unusable": unusable} if unusable else {}


def history_text(found: VisitedStudy, today: datetime) -> Iterator[str]:
    """The same as lines, behind an empty one."""
    unusable = list(_unusable(found))
    if unusable:
        yield from ("", "Sent by the cart and not used")
    for told, fact in unusable:
        at = " ".join(when(told.at, today).split())
        yield from wrapped(printable(f"* {at}, {fact.place}: {fact.reason}"))


def _unusable(found: VisitedStudy) -> Iterator[tuple[Told, RecordUnusable]]:
    return ((told, told.fact) for told in found.told if isinstance(told.fact, RecordUnusable))
