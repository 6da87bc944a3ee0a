"""The table: rows of figures, each beside its goal where it has one, as plain text and as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Final

_WIDTHS: Final = (46, 16, 22)
_SEEDS_SHOWN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Between which a figure should lie, both included."""

    least: float | None = None
    most: float

    def __str__(self) -> str:
        return f"at most {self.most:g}" if self.least is None else f"{self.least:g} to {self.most:g}"

    def met(self, figure: float) -> bool:
        """Whether the figure lies there."""
        return (self.least is None or figure >= self.least) and figure <= self.most


NONE_OF_THEM: Final = Goal(most=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure; None: there is nothing to take it from, which meets no goal.

    `seeds` are those of the sweeps that a count counts.
    """

    group: str
    name: str
    figure: float | None
    unit: str = ""
    decimals: int = 0
    goal: Goal | None = None
    seeds: tuple[int, ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.figure is not None and self.goal.met(round(self.figure, self.decimals))

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Name, figure with its unit, goal, and the word about it."""
        figure = "-" if self.figure is None else f"{self.figure:,.{self.decimals}f} {self.unit}".rstrip()
        word = {None: "", True: "met", False: "missed"}[self.met]
        return self.name, figure, "" if self.goal is None else str(self.goal), word


def text(rows: Iterable[Row]) -> str:
    """The rows under the headings of their groups."""
    lines: list[str] = []
    for group, members in groupby(rows, key=lambda row: row.group):
        lines += ["", group]
        for row in members:
            name, figure, goal, word = row.cells
            cells = f"{name:{_WIDTHS[0]}}{figure:>{_WIDTHS[1]}}   {goal:{_WIDTHS[2]}}{word}"
            lines.append(f"  {cells}".rstrip())
            if row.seeds:
                more = " ..." if len(row.seeds) > _SEEDS_SHOWN else ""
                lines.append(f"    seeds {', '.join(map(str, row.seeds[:_SEEDS_SHOWN]))}{more}")
    return "\n".join(lines[1:])


def document(rows: Sequence[Row], seeds: range) -> str:
    """The rows as JSON, with the seeds they are of."""
    entries = [asdict(row) | {"met": row.met} for row in rows]
    return json.dumps({"seeds": [seeds.start, len(seeds)], "rows": entries}, indent=1)
