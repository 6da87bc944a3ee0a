"""The nerves of a virtual patient: paths from an electrode upward, with the lesions on the way.

A path is a chain of stretches, each ending at a site where the nerve can be stimulated. A lesion belongs to
a stretch: whatever is stimulated above it feels it, whatever is stimulated below it does not. That is all a
conduction study uses to find it.
"""

import enum
from dataclasses import dataclass
from typing import Literal

from drivers.simulator.fibres import HIGHEST_THRESHOLD, Pool
from gateway.domain.recording import Modality

Limb = Literal["arm", "leg"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """What a stretch of nerve does to its fibres; nothing, unless said otherwise.

    `block`: share of the fibres whose impulse dies here. `slowing_ms`: time every fibre loses here.
    `dispersion_ms`: time a fibre loses here at most, each its own, evenly between none and this.
    """

    block: float = 0.0
    slowing_ms: float = 0.0
    dispersion_ms: float = 0.0


class Carries(enum.Enum):
    """Which of the electrode's fibres run in a stretch; they part where two nerves anastomose."""

    ALL = "all"
    STAYING = "staying"
    CROSSING = "crossing"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The nerve up to a stimulation site, from the next more distal one (the first: from the electrode).

    `threshold_ma` is the current that excites the median fibre at the site: the deeper the nerve, the more.
    """

    site: str
    length_mm: float
    threshold_ma: float
    lesion: Lesion = Lesion()
    carries: Carries = Carries.ALL

    @property
    def plateau_ma(self) -> float:
        """The current that excites every fibre at the site: from here on the response grows no more."""
        return self.threshold_ma * HIGHEST_THRESHOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The way of one named nerve from the electrode upward."""

    nerve: str
    stretches: tuple[Stretch, ...]

    def up_to(self, site: str) -> tuple[Stretch, ...]:
        """The stretches an impulse from `site` runs through, distal first; KeyError for an unknown site."""
        sites = [stretch.site for stretch in self.stretches]
        if site not in sites:
            raise KeyError(f"{self.nerve} is not stimulated at {site}")
        return self.stretches[: sites.index(site) + 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Innervation:
    """What lies under one active electrode: a pool of fibres and the nerves that lead to it.

    `axon_loss`: share of the fibres that are gone. `sprouting`: how many times larger the motor units that
    remain have grown by taking over orphaned muscle fibres. `crossing`: share of the fibres that leave the
    first path for the second.
    """

    modality: Modality
    recording_site: str
    limb: Limb
    pool: Pool
    paths: tuple[Path, ...]
    axon_loss: float = 0.0
    sprouting: float = 1.0
    crossing: float = 0.0

    def path(self, nerve: str) -> Path:
        """The path of `nerve` to this electrode; KeyError if there is none."""
        for path in self.paths:
            if path.nerve == nerve:
                return path
        raise KeyError(f"{nerve} does not lead to {self.recording_site}")
