"""The steps of a derivation: what was read, computed, compared, asked and concluded, as data and as text.

A step never decides anything: it repeats what the functions that graded were given and what they answered.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Final, Literal

from gateway.domain.criteria import Comparison
from gateway.domain.norms import Status
from gateway.domain.recording import MarkedBy
from gateway.domain.wording import reason

_HELD: Final = {True: "holds", False: "does not hold", None: "cannot be told"}
# As every report prints them.
_DECIMALS: Final = {"%": 1, "": 3, "mV": 2, "uV": 1, "ms": 2, "m/s": 1, "C": 1}
_WHOSE: Final = {"device": "machine", "gateway": "gateway"}

JsonStep = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """Where a set, a row or a number comes from, and how sure that is."""

    what: str
    source: str
    status: Status

    @property
    def text(self) -> str:
        """`what (status): source`."""
        return f"{self.what} ({self.status}): {self.source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One quantity at one site; None: not marked, `absent`: nothing was evoked."""

    where: str
    value: float | None
    absent: bool = False
    marked_by: MarkedBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """An input: one quantity at the sites that are compared, and whose marks they are."""

    quantity: str
    unit: str
    marks: tuple[Mark, ...]

    @property
    def text(self) -> str:
        """`amplitude: wrist 9.00 mV (machine), below elbow no response (gateway)`."""
        return f"{self.quantity}: {', '.join(self._mark(mark) for mark in self.marks)}"

    def _mark(self, mark: Mark) -> str:
        if mark.absent:
            return f"{mark.where} no response ({_WHOSE[mark.marked_by]})"
        if mark.value is None:
            return f"{mark.where} not known"
        return f"{mark.where} {number(mark.value, 2)} {self.unit} ({_WHOSE[mark.marked_by]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A value and the formula with the numbers put in; None: not computed, `formula` says why."""

    quantity: str
    value: float | None
    unit: str
    formula: str

    @property
    def text(self) -> str:
        """`area reduction = 100 (28.00 - 9.50) / 28.00 = 66.1 %`."""
        return f"{self.quantity} = {self.formula}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A rounded value against a limit; `holds` None: the value is not known.

    `uncertain_by`: half of its 95 % interval, in its unit, where that reaches the limit.
    """

    quantity: str
    value: float | None
    unit: str
    op: Comparison
    limit: float
    holds: bool | None
    cited: Cited | None = None
    uncertain_by: float | None = None

    @property
    def text(self) -> str:
        """`area reduction 66.1 % >= 50 %: holds`, with its source where it has one of its own."""
        unit = f" {self.unit}" if self.unit else ""
        decimals = _DECIMALS.get(self.unit, 0)
        value = "not known" if self.value is None else f"{number(self.value, decimals)}{unit}"
        near = "" if self.uncertain_by is None else f" (+- {self.uncertain_by:.3g}{unit}: on the limit)"
        source = f" [{self.cited.text}]" if self.cited else ""
        compared = f"{value}{near} {self.op} {number(self.limit)}{unit}"
        return f"{self.quantity} {compared}: {_HELD[self.holds]}{source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """One rule of the grading set that is about this segment; `gave`: the grade is from here."""

    number: int
    grade: str
    about: str
    conditions: tuple[Compared, ...]
    gave: bool

    @property
    def text(self) -> str:
        """`rule 1, definite block: area reduction …; duration increase … -> gives the grade`."""
        about = f" ({self.about})" if self.about else ""
        gives = " -> gives the grade" if self.gave else ""
        conditions = "; ".join(condition.text for condition in self.conditions)
        return f"rule {self.number}, {self.grade}{about}: {conditions}{gives}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """One gate: `reason` is what it answered, None where it was passed; `facts` what it looked at."""

    gate: str
    reason: str | None
    facts: str
    cited: tuple[Cited, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the gate let the grade through."""
        return self.reason is None

    @property
    def text(self) -> str:
        """`gate supramaximal stimulus: passed: stated supramaximal at below elbow`."""
        result = "passed" if self.reason is None else f"not passed, {reason(self.reason)}"
        sources = "".join(f" [{cited.text}]" for cited in self.cited)
        return f"gate {self.gate}: {result}: {self.facts}{sources}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What is so, and needs no number: a set that does not list the nerve, a site of compression."""

    topic: str
    words: str
    cited: Cited | None = None

    @property
    def text(self) -> str:
        """`topic: words`, with its source where it has one."""
        source = f" [{self.cited.text}]" if self.cited else ""
        return f"{self.topic}: {self.words}{source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """What follows: a grade, a finding or a result, with the published reasons."""

    what: Literal["grade", "finding", "result"]
    value: str
    words: str
    reasons: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """`finding: definite block`."""
        return f"{self.what}: {self.words}"


Step = Cited | Marked | Computed | Compared | Ruled | Gated | Stated | Concluded


def lines(steps: Iterable[Step]) -> tuple[str, ...]:
    """A line of text for each step."""
    return tuple(step.text for step in steps)


def step_object(step: Step) -> JsonStep:
    """A step as a JSON object: its kind, its fields and its text."""
    answered = {"passed": step.passed} if isinstance(step, Gated) else {}
    return {"step": type(step).__name__.lower(), **asdict(step), **answered, "text": step.text}


def number(value: float, least_decimals: int = 0) -> str:
    """A number with all the decimals it was computed with, and at least so many."""
    exact = Decimal(repr(float(value)))
    exponent = exact.normalize().as_tuple().exponent
    decimals = max(least_decimals, -exponent if isinstance(exponent, int) else 0)
    return f"{exact:.{decimals}f}"
