"""Which curves are worth a look: the best, the typical, and the worst by onset and by area."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.markers.figures import ACCURACIES, Accuracy
from benchmarks.markers.outcomes import Outcome
from benchmarks.markers.truth import Floats
from gateway.domain.recording import Modality

_FEW: Final = 5
_WORST: Final = 10
# The two that the worst are chosen by.
_LOOKED_AT: Final = ("onset latency", "negative area")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Curves that belong together, by their seeds, under one heading."""

    title: str
    seeds: tuple[int, ...]


def strips(outcomes: Sequence[Outcome]) -> tuple[Strip, ...]:
    """Best and typical five by onset and area, each in parts of its goal; worst ten by each of the two.

    A mark that is missing is worse than any that is wrong.
    """
    looked_at = [one for one in ACCURACIES[Modality.MOTOR] if one.title in _LOOKED_AT]
    sizes = {accuracy.title: _in_goals(outcomes, accuracy) for accuracy in looked_at}
    order = np.argsort(np.max(list(sizes.values()), axis=0), kind="stable")
    middle = len(order) // 2
    chosen = {f"Best {_FEW}": order[:_FEW], f"Typical {_FEW}": order[middle : middle + _FEW]}
    for title, size in sizes.items():
        chosen[f"Worst {_WORST} by {title}"] = np.argsort(-size, kind="stable")[:_WORST]
    return tuple(
        Strip(title=title, seeds=tuple(outcomes[place].seed for place in places))
        for title, places in chosen.items()
    )


def _in_goals(outcomes: Sequence[Outcome], accuracy: Accuracy) -> Floats:
    """The error of each outcome in parts of what is asked of 95 % of them; infinite where not marked."""
    name = accuracy.quantity
    asked = 1.0 if accuracy.p95 is None else accuracy.p95.most
    found = [
        abs(one.error[name]) * (100.0 / one.truth[name] if accuracy.relative else 1.0)
        if name in one.error
        else np.inf
        for one in outcomes
    ]
    return np.array(found, dtype=np.float64) / asked
