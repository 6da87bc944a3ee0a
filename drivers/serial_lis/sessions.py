"""The journal's side of the line: entries on disk, facts delivered, one session at a time.

A session without an end (a crash, a cart that began anew) may leave a recording open. Either the cart, which
got no answer, sends it again: then what is held is a piece of that and is dropped. Or the cart believes it
delivered: then what was acknowledged counts. The next message tells; until then it is held.
"""

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Final

from drivers.serial_lis.log import LineLog
from drivers.serial_lis.protocol import Entry, Kind
from drivers.serial_lis.translate import Conversation, replay
from gateway.domain.study import ExamEnded, RecordUnusable
from gateway.errors import DataError, StorageError
from gateway.ports import Clock, Intake
from gateway.protocols.lis_records import Delivery, Rejected, Result

logger = logging.getLogger(__name__)


# More than this many unfinished sessions in a row is a cart that never ends one: the oldest counts as it is.
_MOST_HELD: Final = 16


@dataclass(frozen=True, slots=True)
class _Held:
    """What the open recording of an interrupted session amounts to; the session stays unfinished."""

    session: int
    results: Sequence[Result]

    def is_piece_of(self, delivery: Delivery) -> bool:
        """Whether `delivery` is the same recording, whole."""
        return any(
            isinstance(entry, Delivery)
            and entry.header.study_id == delivery.header.study_id
            and entry.header.patient.id == delivery.header.patient.id
            and _within(entry.fact, delivery.fact)
            for entry in self.results
        )


def _within(piece: object, whole: object) -> bool:
    """Whether everything known in `piece` stands in `whole` too."""
    if piece is None or piece == whole:
        return True
    if not is_dataclass(piece) or type(piece) is not type(whole):
        return False
    return all(_within(getattr(piece, entry.name), getattr(whole, entry.name)) for entry in fields(piece))


class Sessions:
    """The sessions of one driver, live and left over."""

    def __init__(
        self,
        driver: str,
        clock: Clock,
        intake: Intake,
        converse: Callable[[], Conversation],
        log: LineLog,
    ) -> None:
        self._driver = driver
        self._clock = clock
        self._intake = intake
        self._converse = converse
        self._log = log
        self._open: tuple[int, Conversation] | None = None
        self._ended: tuple[int, Conversation, Kind] | None = None  # and that is not on disk yet
        self._held: list[_Held] = []

    @property
    def holding(self) -> bool:
        """Whether something waits for the cart to send it again, or not."""
        return bool(self._held)

    def take_over(self, before: "Sessions") -> None:
        """Know what was kept of the line's life before this one: an end that is not on disk yet."""
        self._ended = before._ended  # noqa: SLF001

    async def finish_interrupted(self) -> None:
        """Turn what was acknowledged but has no end into facts."""
        await self._note_end()
        for session in await self._intake.unfinished():
            fields = {"driver": self._driver, "session": session.id, "entries": len(session.entries)}
            try:
                results, left = replay(session.entries, self._converse())
            except DataError as error:
                # Written by a later version, perhaps: it is kept for that.
                logger.error("session_unreadable", extra={"fields": fields | {"reason": error}})  # noqa: TRY400
                continue
            await self.deliver(results)
            logger.info("session_replayed", extra={"fields": fields})
            await self._hold(session.id, left)

    async def store(self, entry: Entry) -> Sequence[Result]:
        """Put a frame on disk, in a new session if none is open; returns what follows from it.

        StorageError when the disk refuses, and for a session that has become too long to be read back.
        """
        await self._note_end()
        if self._open is None:
            session, conversation = await self._intake.open(), self._converse()
            started = Entry(Kind.STARTED, self._clock.now().isoformat().encode())
            await self._intake.accept(session, started.encode())
            conversation.take(started)
            self._open = session, conversation
        session, conversation = self._open
        if conversation.full:
            raise StorageError("the session is too long; begin a new one with EOT, ENQ")
        await self._intake.accept(session, entry.encode())
        return conversation.take(entry)

    async def end(self, kind: Kind) -> None:
        """Journal how the session ended, if one is open, and deliver what that completes.

        StorageError when the disk refuses: the end is noted before anything else is taken.
        """
        if self._open is not None:
            self._ended, self._open = (*self._open, kind), None
        await self._note_end()

    async def _note_end(self) -> None:
        if self._ended is None:
            return
        session, conversation, kind = self._ended
        await self._intake.accept(session, Entry(kind).encode())
        self._ended = None
        await self.deliver(conversation.take(Entry(kind)))
        if kind is Kind.ENDED:
            await self.release()
        await self._intake.close(session)

    async def interrupt(self) -> None:
        """The cart began anew without an end: hold what is open, if a session is."""
        if self._open is None:
            return
        session, conversation = self._open
        await self._intake.accept(session, Entry(Kind.INTERRUPTED).encode())
        self._open = None
        await self._hold(session, conversation.interrupted())

    async def _hold(self, session: int, left: Sequence[Result]) -> None:
        if not left:
            await self._intake.close(session)
            return
        self._held.append(_Held(session, left))
        if len(self._held) > _MOST_HELD:
            await self._count(self._held[0])

    async def deliver(self, results: Sequence[Result]) -> None:
        """Journal the facts of a session, and settle with them what was held of earlier ones."""
        deliveries = [result for result in results if isinstance(result, Delivery)]
        for held in [held for held in self._held if any(map(held.is_piece_of, deliveries))]:
            await self._let_go(held)
        if any(isinstance(delivery.fact, ExamEnded) for delivery in deliveries):
            await self.release()  # before the end, which it would re-open
        await self._deliver(results)

    async def release(self) -> None:
        """The cart did not send again what is held: it counts."""
        for held in list(self._held):
            await self._count(held)

    async def _count(self, held: _Held) -> None:
        await self._deliver(held.results)
        await self._let_go(held)

    async def _let_go(self, held: _Held) -> None:
        await self._intake.close(held.session)
        self._held.remove(held)

    async def _deliver(self, results: Sequence[Result]) -> None:
        """Journal the facts, study by study; say what was not taken, in the log and to the study."""
        for result in results:
            if isinstance(result, Rejected):
                self._log.tell("record_rejected", place=result.place, reason=result.reason)
        deliveries = [delivery for result in results if (delivery := _delivery(result))]
        for header, group in itertools.groupby(deliveries, key=lambda delivery: delivery.header):
            await self._intake.deliver(header, [delivery.fact for delivery in group])


def _delivery(result: Result) -> Delivery | None:
    """The fact that follows from a result; None where no study is the worse for what was not taken."""
    if isinstance(result, Delivery):
        return result
    if result.study is None:
        return None
    return Delivery(result.study, RecordUnusable(place=result.place, reason=result.reason))
