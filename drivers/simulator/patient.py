"""The virtual patient: nerves with their fibres drawn once, so that every stimulation meets the same ones.

Stimulating a site starts an impulse in every fibre that the current reaches. Each impulse arrives after its
own time: terminal delay + length of the way / its own velocity + what the lesions on the way add. Blocked
and lost fibres contribute nothing. The response is the sum of what arrives: the truth is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.simulator.fibres import Floats, Mask, chosen
from drivers.simulator.nerve import Carries, Innervation, Limb, Stretch

# The skin temperatures that the normal body is stated for; above the limits of 32 C (hand) and 30 C (foot).
WARM_C: Final[dict[Limb, float]] = {"arm": 33.5, "leg": 31.5}
# Per degree: velocity falls by about 2 m/s at 57 m/s, distal motor latency grows by 0.2 ms (Kim, Ann Clin
# Neurophysiol 2006;8:125-134): over 80 mm velocity explains 0.06 ms of it, terminal delay the rest.
_SLOWER_PER_C: Final = 0.035
_LATER_PER_C: Final = 0.06
# Potentials grow longer in the cold (Bolton, Sawa, Carter, JNNP 1981;44:407-413) and, less surely, higher
# (Todnem et al., JNNP 1989;52:497-501 found no relation). Both slopes are modelling choices.
_LONGER_PER_C: Final = 0.035
_HIGHER_PER_C: Final = 0.015
# A technologist goes 20 to 30 % beyond the plateau.
_BEYOND_PLATEAU: Final = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Stimulation:
    """One stimulation: the electrode that records, the nerve and site stimulated, and how strongly.

    `current_ma` None: supramaximal, as a technologist finds it. A stated current is what a technologist who
    stopped too early has left it at.
    """

    recording_site: str
    nerve: str
    site: str
    current_ma: float | None = None


class Patient:
    """One person, the same for the same `seed`. Temperatures are those of the skin."""

    def __init__(
        self,
        innervations: Sequence[Innervation],
        *,
        seed: int,
        arm_c: float = WARM_C["arm"],
        leg_c: float = WARM_C["leg"],
    ) -> None:
        self._skin_c: Final[dict[Limb, float]] = {"arm": arm_c, "leg": leg_c}
        self._endings: Final = {
            one.recording_site: _Ending(one, _generator(seed, place))
            for place, one in enumerate(innervations)
        }

    def innervation(self, recording_site: str) -> Innervation:
        """What lies under the electrode at `recording_site`; KeyError if nothing does."""
        return self._endings[recording_site].innervation

    def skin_c(self, recording_site: str) -> float:
        """The skin temperature of the limb, in degrees Celsius."""
        return self._skin_c[self.innervation(recording_site).limb]

    def current_ma(self, stimulation: Stimulation) -> float:
        """The stimulating current: as stated, or beyond the plateau of the site."""
        if stimulation.current_ma is not None:
            return stimulation.current_ma
        path = self.innervation(stimulation.recording_site).path(stimulation.nerve)
        return float(round(path.up_to(stimulation.site)[-1].plateau_ma * _BEYOND_PLATEAU))

    def response_uv(self, stimulation: Stimulation, times_ms: Floats) -> Floats:
        """The noise-free response at `times_ms` after the stimulus, in microvolts, clinical negative up."""
        ending = self._endings[stimulation.recording_site]
        innervation = ending.innervation
        way = innervation.path(stimulation.nerve).up_to(stimulation.site)
        colder = WARM_C[innervation.limb] - self._skin_c[innervation.limb]
        answers = ending.answers(stimulation.nerve, way, self.current_ma(stimulation))
        arrival_ms = ending.arrival_ms(stimulation.nerve, way, colder)[answers]
        size_uv = ending.fibres.size_uv[answers] * innervation.sprouting * (1.0 + _HIGHER_PER_C * colder)
        potential = innervation.pool.potential
        return potential.summed(arrival_ms, size_uv, times_ms, stretched=1.0 + _LONGER_PER_C * colder)


class _Ending:
    """The fibres under one electrode, and what each lesion of its nerves does to each of them."""

    def __init__(self, innervation: Innervation, rng: np.random.Generator) -> None:
        self.innervation: Final = innervation
        self.fibres: Final = innervation.pool.draw(rng)
        count = self.fibres.count
        self._alive: Final = ~chosen(innervation.axon_loss, count, rng)
        crossing = chosen(innervation.crossing, count, rng)
        self._carried: Final[dict[Carries, Mask]] = {
            Carries.ALL: np.ones(count, dtype=np.bool_),
            Carries.STAYING: ~crossing,
            Carries.CROSSING: crossing,
            Carries.NONE: np.zeros(count, dtype=np.bool_),
        }
        self._passes: Final[dict[tuple[str, str], Mask]] = {}
        self._loses_ms: Final[dict[tuple[str, str], Floats]] = {}
        for path in innervation.paths:
            for stretch in path.stretches:
                place, lesion = (path.nerve, stretch.site), stretch.lesion
                self._passes[place] = ~chosen(lesion.block, count, rng)
                self._loses_ms[place] = lesion.slowing_ms + lesion.dispersion_ms * rng.random(count)

    def answers(self, nerve: str, way: Sequence[Stretch], current_ma: float) -> Mask:
        """The fibres that a stimulus at the upper end of `way` excites and whose impulse gets through."""
        stimulated = way[-1]
        answers = self._alive & self._carried[stimulated.carries]
        answers &= self.fibres.threshold * stimulated.threshold_ma <= current_ma
        for stretch in way:
            answers &= self._passes[nerve, stretch.site]
        return answers

    def arrival_ms(self, nerve: str, way: Sequence[Stretch], colder: float) -> Floats:
        """When each fibre's impulse from the upper end of `way` arrives, in a limb `colder` than warm."""
        velocity = self.fibres.velocity_m_s * (1.0 - _SLOWER_PER_C * colder)
        arrival = self.fibres.terminal_ms * (1.0 + _LATER_PER_C * colder)
        for stretch in way:
            arrival = arrival + stretch.length_mm / velocity + self._loses_ms[nerve, stretch.site]
        return arrival


def _generator(seed: int, place: int) -> np.random.Generator:
    """A generator of its own for each electrode: what one nerve draws does not move the others."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(place,))))
