"""Reference limits: what a healthy nerve shows at least, or at most, in which technique, in whom.

A table is data (`config/norms/*.toml`); every row carries the status of its numbers. A row with a stratum
holds for some people only; `NormTable.for_person` fits the table to one of them. Rows of unverified numbers
are off unless the table itself switches them on. The laboratory's own table wins over the shipped one of
the same id; that is settled where tables are loaded, not here.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, TypeVar

from gateway.domain.plausibility import Range, check_number, check_numbers, check_once, check_some
from gateway.domain.rounding import half_up
from gateway.domain.study import StudyHeader
from gateway.errors import DataError

Status = Literal["given", "verified", "recalled", "unverified"]

# Lower and upper end of what anybody ever had; outside it is a slip of the unit, 1.68 for 168.
_HEIGHT_CM: Final = (20.0, 300.0)
_WEIGHT_KG: Final = (0.2, 700.0)
_BMI_DECIMALS: Final = 1

_VELOCITY_M_S: Final = Range(most=150.0)
_LATENCY_MS: Final = Range(most=100.0)
_DISTANCE_MM: Final = Range(least=20.0, most=1000.0, from_least=True)  # 8 is 8 cm
_MOTOR: Final = {
    "distance_mm": _DISTANCE_MM,
    "amplitude_mv": Range(most=50.0),
    "onset_latency_ms": _LATENCY_MS,
}
_SENSORY: Final = {
    "distance_mm": _DISTANCE_MM,
    "amplitude_uv": Range(most=1000.0),
    "onset_latency_ms": _LATENCY_MS,
    "peak_latency_ms": _LATENCY_MS,
    "velocity_m_s": _VELOCITY_M_S,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What strata ask of the examined person; None: not known. `age_years` are completed years."""

    age_years: int | None = None
    height_cm: float | None = None
    bmi: float | None = None
    sex: Literal["F", "M"] | None = None


def person_of(header: StudyHeader) -> Person:
    """The person on the day of the examination; what is missing, impossible or no date is not known."""
    patient = header.patient
    height, weight = _within(patient.height_cm, _HEIGHT_CM), _within(patient.weight_kg, _WEIGHT_KG)
    return Person(
        age_years=_age_years(_day(patient.birth_date), _day(header.performed_at)),
        height_cm=height,
        bmi=None if height is None or weight is None else _bmi(height, weight),
        sex=patient.sex if patient.sex in ("F", "M") else None,
    )


def _within(value: float | None, ends: tuple[float, float]) -> float | None:
    return value if value is not None and ends[0] <= value <= ends[1] else None


def _bmi(height_cm: float, weight_kg: float) -> float:
    height, weight = Decimal(repr(float(height_cm))), Decimal(repr(float(weight_kg)))
    return half_up(10_000 * weight / (height * height), _BMI_DECIMALS)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def _age_years(born: date | None, today: date | None) -> int | None:
    """Completed years; who was born on 29 February completes one on 1 March of a common year."""
    if born is None or today is None or born > today:
        return None
    birthday_to_come = (today.month, today.day) < (born.month, born.day)
    return today.year - born.year - birthday_to_come


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """The people a row holds for: everything given must hold.

    `age_years`: completed years, first and last both included. `height_cm` and `bmi` (kg/m2, rounded half up
    to one decimal): from the first, below the second. An open end is 0 or `inf`.
    """

    age_years: tuple[float, float] | None = None
    height_cm: tuple[float, float] | None = None
    bmi: tuple[float, float] | None = None
    sex: Literal["F", "M"] | None = None

    def __post_init__(self) -> None:
        if not any((self.age_years, self.height_cm, self.bmi, self.sex)):
            raise DataError("give at least one of age_years, height_cm, bmi, sex")
        if self.age_years and not self.age_years[0] <= self.age_years[1]:
            raise DataError("the first age must not be above the last", "age_years")
        for name, ends in (("height_cm", self.height_cm), ("bmi", self.bmi)):
            if ends and not ends[0] < ends[1]:
                raise DataError("the first number must be below the second", name)

    def holds(self, person: Person) -> bool | None:
        """Whether the person belongs to it; None where all that is known fits and something is not known."""
        answers = self._answers(person).values()
        if False in answers:
            return False
        return None if None in answers else True

    def unknown(self, person: Person) -> tuple[str, ...]:
        """What would have to be known of the person to tell: `age` `height` `bmi` `sex`."""
        return tuple(what for what, answer in self._answers(person).items() if answer is None)

    @property
    def narrowness(self) -> int:
        """How many things it asks; of two rows the one that asks more is the more specific."""
        return sum(map(bool, (self.age_years, self.height_cm, self.bmi, self.sex)))

    def _answers(self, person: Person) -> dict[str, bool | None]:
        answers: dict[str, bool | None] = {}
        if self.age_years:
            first, last = self.age_years
            answers["age"] = _between(person.age_years, first, last + 1)
        if self.height_cm:
            answers["height"] = _between(person.height_cm, *self.height_cm)
        if self.bmi:
            answers["bmi"] = _between(person.bmi, *self.bmi)
        if self.sex:
            answers["sex"] = None if person.sex is None else person.sex == self.sex
        return answers


def _between(value: float | None, least: float, below: float) -> bool | None:
    return None if value is None else least <= value < below


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityLimit:
    """The lowest normal conduction velocity of one segment, m/s."""

    distal: str
    proximal: str
    limit_m_s: float

    def __post_init__(self) -> None:
        check_number(self.limit_m_s, _VELOCITY_M_S, "limit_m_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class MotorNorm:
    """Limits of one nerve recorded over one muscle; latency holds at `distance_mm` from the electrode."""

    nerve: str
    muscle: str
    status: Status
    stratum: Stratum | None = None
    distance_mm: float | None = None
    amplitude_mv: float | None = None
    onset_latency_ms: float | None = None
    velocities: tuple[VelocityLimit, ...] = ()

    def __post_init__(self) -> None:
        check_numbers(self, _MOTOR)
        check_once([[(entry.distal, entry.proximal)] for entry in self.velocities], "segment", "velocities")

    def velocity_limit(self, distal: str, proximal: str) -> float | None:
        """The lowest normal velocity between two sites, m/s; None when the row has none."""
        for entry in self.velocities:
            if entry.distal == distal and entry.proximal == proximal:
                return entry.limit_m_s
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensoryNorm:
    """Limits of one sensory nerve for the site pair and distance named."""

    nerve: str
    stimulation_sites: tuple[str, ...]
    recording_site: str
    status: Status
    distance_mm: float
    amplitude_uv: float
    stratum: Stratum | None = None
    onset_latency_ms: float | None = None
    peak_latency_ms: float | None = None
    velocity_m_s: float | None = None

    def __post_init__(self) -> None:
        check_some(self.stimulation_sites, "site", "stimulation_sites")
        check_numbers(self, _SENSORY)


_Row = TypeVar("_Row", MotorNorm, SensoryNorm)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NormTable:
    """One published or local table of limits, bound to its technique; equal to itself only.

    `use_unverified`: rows of status `unverified` count too, which only the laboratory may decide. Rows are
    asked for in a table that was fitted to a person.
    """

    id: str
    title: str
    source: str
    technique: str
    use_unverified: bool = False
    motor: tuple[MotorNorm, ...] = ()
    sensory: tuple[SensoryNorm, ...] = ()

    def for_person(self, person: Person) -> "NormTable":
        """The table with the rows that are on and hold for this person, the most specific first.

        Where what a stratum asks is not known of the person it does not hold. Of rows that ask equally much
        the first in the table stays first.
        """
        return _for_person(self, person)

    def _on(self, row: MotorNorm | SensoryNorm) -> bool:
        return self.use_unverified or row.status != "unverified"

    def caveats(self, person: Person, nerves: Collection[str]) -> tuple[str, ...]:
        """What to keep in mind about the strata of these nerves that the person belongs, or may belong, to.

        `norm_strata_unverified:<table>`: there are some, but of unverified numbers, so they are off.
        `norm_stratum_unknown:<what>`: one that is on was not chosen because `what` is not known. Asked of
        the table as it was loaded, not of one fitted to a person.
        """
        rows: tuple[MotorNorm | SensoryNorm, ...] = (*self.motor, *self.sensory)
        strata = [(row.stratum, self._on(row)) for row in rows if row.stratum and row.nerve in nerves]
        off = any(not on and stratum.holds(person) is not False for stratum, on in strata)
        possible = (stratum for stratum, on in strata if on and stratum.holds(person) is not False)
        unknown = dict.fromkeys(what for stratum in possible for what in stratum.unknown(person))
        unverified = (f"norm_strata_unverified:{self.id}",) if off else ()
        return (*unverified, *(f"norm_stratum_unknown:{what}" for what in unknown))

    def motor_norm(self, nerve: str, muscle: str) -> MotorNorm | None:
        """The row of a nerve over a muscle; None when the table has none."""
        return _motor_norm(self, nerve, muscle)

    def sensory_norm(self, nerve: str, stimulation_site: str, recording_site: str) -> SensoryNorm | None:
        """The row of a sensory nerve for this site pair and direction; None when the table has none."""
        return _sensory_norm(self, nerve, stimulation_site, recording_site)


# A table does not change: what is asked of it for every recording of every study is looked up once.
@lru_cache(maxsize=64)
def _for_person(table: NormTable, person: Person) -> NormTable:
    return replace(
        table,
        motor=_fitted(table.motor, person, use_unverified=table.use_unverified),
        sensory=_fitted(table.sensory, person, use_unverified=table.use_unverified),
    )


def _fitted(rows: Iterable[_Row], person: Person, *, use_unverified: bool) -> tuple[_Row, ...]:
    on = (row for row in rows if use_unverified or row.status != "unverified")
    hold = [row for row in on if row.stratum is None or row.stratum.holds(person)]
    return tuple(sorted(hold, key=lambda row: -row.stratum.narrowness if row.stratum else 0))


@lru_cache(maxsize=1024)
def _motor_norm(table: NormTable, nerve: str, muscle: str) -> MotorNorm | None:
    rows = (row for row in table.motor if row.nerve == nerve and row.muscle == muscle)
    return next(rows, None)


@lru_cache(maxsize=1024)
def _sensory_norm(table: NormTable, nerve: str, stimulated: str, recorded: str) -> SensoryNorm | None:
    own = (row for row in table.sensory if row.nerve == nerve and row.recording_site == recorded)
    return next((row for row in own if stimulated in row.stimulation_sites), None)
