"""The minimal set of a complete examination, and how far this one has come.

The set is data (`config/examination.toml`). A response that is absent was recorded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.domain.actions import Site
from gateway.domain.norms import Status
from gateway.domain.recording import Modality, Recording, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class MotorItem:
    """A motor study: every one of these sites, on each of these sides."""

    nerve: str
    muscle: str
    sides: tuple[Side, ...]
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensoryItem:
    """A sensory study, at any site pair, on each of these sides."""

    nerve: str
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminationPlan:
    """What a complete examination records at least, and who says so."""

    source: str
    status: Status
    motor: tuple[MotorItem, ...] = ()
    sensory: tuple[SensoryItem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One recording of the plan."""

    site: Site
    done: bool


def checklist(plan: ExaminationPlan, recordings: Iterable[Recording]) -> tuple[Step, ...]:
    """Every recording of the plan, and whether it was made (no response counts as made)."""
    made = {_place(entry) for entry in recordings if entry.site_position_mm is None}
    return tuple(Step(site=site, done=_key(site) in made) for site in _sites(plan))


def _sites(plan: ExaminationPlan) -> Iterator[Site]:
    for motor in plan.motor:
        for side in motor.sides:
            for site in motor.sites:
                yield Site(nerve=motor.nerve, side=side, stimulation_site=site, recording_site=motor.muscle)
    for sensory in plan.sensory:
        for side in sensory.sides:
            yield Site(modality=Modality.SENSORY, nerve=sensory.nerve, side=side)


def _key(site: Site) -> tuple[str | None, ...]:
    return site.modality, site.nerve, site.side, site.stimulation_site, site.recording_site


def _place(recording: Recording) -> tuple[str | None, ...]:
    if recording.modality is Modality.SENSORY:
        return recording.modality, recording.nerve, recording.side, None, None
    return (
        recording.modality,
        recording.nerve,
        recording.side,
        recording.stimulation_site,
        recording.recording_site,
    )
