"""The simulator: a virtual patient whose truth is known, and a virtual cart that plays the examination.

Read it in this order: `fibres` (what a nerve is made of), `nerve` and `patient` (how a response comes about),
`body` (the normal numbers), `amplifier` and `marks` (what a cart makes of it), `scenarios` (the patients),
`examination` (a study), then `line`, `faults` and `cart` (how it reaches the gateway), `export` (the same as
files) and `playback` (what a real cart once sent).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from drivers.simulator.cart import Cart
from drivers.simulator.examination import Examination, examine
from drivers.simulator.export import Export
from drivers.simulator.faults import FAULTS, FILE_FAULTS
from drivers.simulator.names import look_up
from drivers.simulator.playback import Playback
from drivers.simulator.scenarios import SCENARIOS
from gateway.domain.anatomy import Anatomy
from gateway.domain.study import Study
from gateway.formats import Format
from gateway.ports import Scenario
from gateway.protocols.capture import Entry

__all__ = ["SIMULATOR", "Cart", "Examination", "Export", "Playback", "VirtualPatient"]


@dataclass(frozen=True, slots=True)
class VirtualPatient:
    """The simulator that `gateway.ports.Simulator` describes."""

    cart: Cart = field(default_factory=Cart)
    playback: Playback = field(default_factory=Playback)
    files: Export = field(default_factory=Export)

    @property
    def scenarios(self) -> Sequence[Scenario]:
        """The patients it knows, in the order to list them."""
        return tuple(Scenario(name=one.name, truth=one.truth) for one in SCENARIOS)

    @property
    def faults(self) -> Mapping[str, str]:
        """The faults its cart can have on a line: name to one line of what happens."""
        return FAULTS

    @property
    def file_faults(self) -> Mapping[str, str]:
        """The faults its cart can have with files: name to one line of what happens."""
        return FILE_FAULTS

    def examination(self, scenario: str, *, seed: int, performed_at: str) -> Examination:
        """One examination with its truth. Raises UsageError for an unknown scenario, a seed or a time."""
        patients = {one.name: one for one in SCENARIOS}
        return examine(look_up("scenario", scenario, patients), seed=seed, performed_at=performed_at)

    def study(self, scenario: str, *, seed: int, performed_at: str) -> Study:
        """One examination of `scenario`, the same for the same seed; marked simulated."""
        return self.examination(scenario, seed=seed, performed_at=performed_at).study

    async def play(
        self,
        study: Study,
        *,
        link: Path | None = None,
        speed: float = 0.0,
        fault: str | None = None,
        opened: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Play `study` over a new pseudo-terminal as a cart would; see `Cart.play`."""
        await self.cart.play(study, link=link, speed=speed, fault=fault, opened=opened)

    async def replay(
        self,
        capture: Iterable[Entry],
        *,
        link: Path | None = None,
        speed: float = 0.0,
        opened: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Play what was captured over a new pseudo-terminal; see `Playback.play`."""
        await self.playback.play(capture, link=link, speed=speed, opened=opened)

    async def export(
        self,
        study: Study,
        into: Path,
        *,
        form: Format,
        anatomy: Anatomy,
        speed: float = 0.0,
        fault: str | None = None,
    ) -> None:
        """Write `study` into the folder `into` as a cart would; see `Export.write`."""
        await self.files.write(study, into, form=form, anatomy=anatomy, speed=speed, fault=fault)


SIMULATOR: Final = VirtualPatient()
