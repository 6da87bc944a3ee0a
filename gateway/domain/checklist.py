"""The minimal set of a complete examination, and how far this one has come.

The set is data (`config/examination.toml`). A response that is absent was recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from gateway.domain.actions import Site
from gateway.domain.norms import Status
from gateway.domain.plausibility import check_some
from gateway.domain.recording import Modality, Recording, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class MotorItem:
    """A motor study: every one of these sites, on each of these sides."""

    nerve: str
    muscle: str
    sides: tuple[Side, ...]
    sites: tuple[str, ...]

    def __post_init__(self) -> None:
        check_some(self.sides, "side", "sides")
        check_some(self.sites, "site", "sites")


@dataclass(frozen=True, slots=True, kw_only=True)
class SensoryItem:
    """A sensory study, at any site pair, on each of these sides."""

    nerve: str
    sides: tuple[Side, ...]

    def __post_init__(self) -> None:
        check_some(self.sides, "side", "sides")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExaminationPlan:
    """What a complete examination records at least, and who says so; loaded once, equal to itself only."""

    source: str
    status: Status
    motor: tuple[MotorItem, ...] = ()
    sensory: tuple[SensoryItem, ...] = ()


class Step(NamedTuple):
    """One recording of the plan."""

    site: Site
    done: bool


def checklist(plan: ExaminationPlan, recordings: Iterable[Recording]) -> tuple[Step, ...]:
    """Every recording of the plan, and whether it was made (no response counts as made)."""
    made = {_place(entry) for entry in recordings if entry.site_position_mm is None}
    return tuple(done if place in made else missing for place, done, missing in _steps(plan))


@lru_cache(maxsize=4)
def _steps(plan: ExaminationPlan) -> tuple[tuple[tuple[str | None, ...], Step, Step], ...]:
    """What a recording of each site of the plan is known by, its step when it is done and while it is not."""
    motor = (
        Site(nerve=item.nerve, side=side, stimulation_site=site, recording_site=item.muscle)
        for item in plan.motor
        for side in item.sides
        for site in item.sites
    )
    sensory = (
        Site(modality=Modality.SENSORY, nerve=item.nerve, side=side)
        for item in plan.sensory
        for side in item.sides
    )
    return tuple((_key(site), Step(site, True), Step(site, False)) for site in (*motor, *sensory))


def _key(site: Site) -> tuple[str | None, ...]:
    return site.nerve, site.side, site.stimulation_site, site.recording_site


def _place(recording: Recording) -> tuple[str | None, ...]:
    """What a recording is known by; a SNAP counts at any site pair."""
    if recording.modality is Modality.SENSORY:
        return recording.nerve, recording.side, None, None
    return recording.nerve, recording.side, recording.stimulation_site, recording.recording_site
