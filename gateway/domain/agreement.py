"""The machine's own marks against ours: where they differ by more than both may be off.

Both are kept and the machine's are graded. A difference is reported when it is larger than the two 95 %
intervals together: |machine - ours| > sqrt((1.96 s)^2 + m^2), s the standard error of ours, m the half
width granted to the machine's.
"""

import math
from collections.abc import Iterator
from typing import Final

from gateway.domain.markers import MarkerSettings, Marking
from gateway.domain.quality import Quality
from gateway.domain.recording import Marks, NoResponse, Response
from gateway.domain.uncertainty import half_width

# Keeps the binary noise of a difference of two decimals out of its number.
_DECIMALS: Final = 6


def disagreements(device: Response, marking: Marking, settings: MarkerSettings) -> tuple[Quality, ...]:
    """Where the machine's word `device` and our `marking` differ, with machine minus ours as the number.

    Nothing where either does not say: a sweep that cannot be marked, a machine that sent no mark.
    """
    ours = marking.response
    if ours is None or (not isinstance(device, NoResponse) and not marked(device)):
        return ()
    if isinstance(device, NoResponse) or isinstance(ours, NoResponse):
        return () if device is ours else (Quality("marks_disagree", subject="response"),)
    return tuple(_differing(device, ours, marking, settings))


def marked(marks: Marks) -> tuple[str, ...]:
    """The quantities that have a value."""
    return tuple(name for name in marks.__slots__ if getattr(marks, name) is not None)


def _differing(device: Marks, ours: Marks, marking: Marking, settings: MarkerSettings) -> Iterator[Quality]:
    own = marked(ours)
    for name in marked(device):
        if name not in own:
            continue
        theirs = getattr(device, name)
        difference = theirs - getattr(ours, name)
        allowed = math.hypot(
            half_width(marking.errors.get(name, 0.0)), _machine_half_width(name, theirs, settings)
        )
        if abs(difference) > allowed:
            yield Quality("marks_disagree", round(difference, _DECIMALS), subject=name)


def _machine_half_width(name: str, value: float, settings: MarkerSettings) -> float:
    """How far a machine's mark may be off, in its own unit: ms for a latency, else a part of the value."""
    if name.endswith("latency_ms"):
        return settings.disagreement_ms
    return settings.disagreement_percent / 100 * value
