"""What the parts of the gateway ask of one another, as protocols; implementations share no base class."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Protocol

from gateway.domain.anatomy import Anatomy
from gateway.domain.limits import Limits
from gateway.domain.study import Fact, Study, StudyHeader
from gateway.formats import Format
from gateway.protocols.capture import Entry


class Clock(Protocol):
    """Wall-clock time, passed in so that tests own it."""

    def now(self) -> datetime:
        """The current time, UTC and aware."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; for timers and ages only."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """Raw input of one driver that was accepted but not yet turned into facts, in order of arrival."""

    id: int
    entries: tuple[bytes, ...]


class Intake(Protocol):
    """The durable front door of one driver: raw input first, facts after."""

    async def unfinished(self) -> Sequence[Session]:
        """The sessions a crash or a stop left open, oldest first."""
        ...

    async def open(self) -> int:
        """A new session; returns its id."""
        ...

    async def accept(self, session: int, entry: bytes) -> None:
        """Put `entry` on disk. When this returns the device may be acknowledged; else StorageError."""
        ...

    async def deliver(self, header: StudyHeader, facts: Sequence[Fact]) -> None:
        """Journal `facts` of the study `header` names; facts it already has are dropped."""
        ...

    async def close(self, session: int) -> None:
        """Every fact of this session is journaled: it need not be read again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """A result that waits to be delivered: an event with its topic, or a message with its control id.

    `topic` stands below the prefix; `seq` numbers the events of a prefix, None for one that clears a topic.
    `refusals` counts how often the other side asked for a later try.
    """

    id: int
    payload: bytes
    refusals: int = 0
    control_id: str = ""
    seq: int | None = None
    topic: str = ""
    retain: bool = False


class Outbox(Protocol):
    """Where results wait until the other side has them; a sink takes those stored under its name."""

    async def pending(self, sink: str, limit: int = 1) -> Sequence[OutboxItem]:
        """The oldest results `sink` still has to deliver, in order."""
        ...

    async def wait(self, sink: str) -> None:
        """Return once `sink` has something to deliver; at once when it already has."""
        ...

    async def delivered(self, item_id: int, answer: str) -> None:
        """The other side has it, and said so with `answer`."""
        ...

    async def attempted(self, item_id: int, error: str, *, refused: bool = False) -> None:
        """It was sent and not acknowledged, or `refused` for now; it stays pending."""
        ...

    async def parked(self, item_id: int, error: str) -> None:
        """The other side kept asking for a later try: set aside for a person to look at."""
        ...

    async def dead(self, item_id: int, reason: str) -> None:
        """It was refused for good."""
        ...

    async def last_seq(self, sink: str) -> int:
        """The number of the newest event before the first that is still pending; 0 when there is none."""
        ...

    async def retained(self, sink: str) -> Sequence[OutboxItem]:
        """What the broker should hold for screens that come later, in the order it was sent."""
        ...

    async def after(self, sink: str, since: int, until: int, limit: int) -> Sequence[OutboxItem]:
        """The oldest `limit` events numbered above `since` up to `until` that are still kept."""
        ...

    async def oldest(self, sink: str) -> int:
        """The number of the oldest event that is kept."""
        ...


class Driver(Protocol):
    """A way in. It runs until cancelled and raises Temporary when its line is gone."""

    @property
    def name(self) -> str:
        """The name the configuration gives it."""
        ...

    async def run(self, intake: Intake) -> None:
        """Finish what `intake.unfinished()` holds, then take what the device sends, for ever."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverContext:
    """What a driver is built with: what recordings can exist, how large input may be, and the time.

    `timezone` is that of times a device sends without one; None: this machine's, which stands beside it.
    """

    name: str
    anatomy: Anatomy
    clock: Clock
    timezone: tzinfo | None = None
    limits: Limits = Limits()  # noqa: RUF009  # frozen


class DriverPlugin(Protocol):
    """What the entry point group `emg_gateway.drivers` holds: a settings type and a factory."""

    @property
    def settings(self) -> type[Any]:
        """A msgspec Struct; its fields are the keys of `[[drivers]]` beside name, type, cart and timezone."""
        ...

    def create(self, settings: Any, context: DriverContext) -> Driver:
        """Build the driver; opens nothing yet."""
        ...


@dataclass(frozen=True, slots=True)
class Scenario:
    """A patient the simulator can be: its name, and what is true about it in one line."""

    name: str
    truth: str


class Simulator(Protocol):
    """What the entry point group `emg_gateway.simulators` holds: a virtual patient and a virtual cart."""

    @property
    def scenarios(self) -> Sequence[Scenario]:
        """The patients it knows, in the order to list them."""
        ...

    @property
    def faults(self) -> Mapping[str, str]:
        """The faults its cart can have on a line: name to one line of what happens."""
        ...

    @property
    def file_faults(self) -> Mapping[str, str]:
        """The faults its cart can have with files: name to one line of what happens."""
        ...

    def study(self, scenario: str, *, seed: int, performed_at: str) -> Study:
        """One examination of `scenario`, the same for the same seed; marked simulated."""
        ...

    async def play(
        self,
        study: Study,
        *,
        link: Path | None = None,
        speed: float = 0.0,
        fault: str | None = None,
        opened: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Play `study` over a new pseudo-terminal as a cart would.

        `link` is made to point at the terminal's slave and removed at the end. `speed` is the pace
        relative to a real examination (0: as fast as the line takes it). `opened` is
        called with the slave's path once it exists. Raises Temporary when the host does not answer for 60 s.
        """
        ...

    async def replay(
        self,
        capture: Iterable[Entry],
        *,
        link: Path | None = None,
        speed: float = 0.0,
        opened: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Play what was captured over a new pseudo-terminal, whatever the host says to it.

        As `play`, at the pace of the capture from its first chunk on. Raises Temporary when the host does not
        open the line, or does not read it, for 60 s.
        """
        ...

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
        """Write `study` into the folder `into` as a cart would: the files of `form`, one after the other.

        `speed` and `fault` (one of `file_faults`) as for `play`; nobody is waited for. Raises CannotCreate
        when the folder is not there or refuses a file.
        """
        ...
