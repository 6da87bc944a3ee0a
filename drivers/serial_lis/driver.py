"""The serial LIS driver at work: the only file of it that awaits.

A frame is on disk before the cart gets its ACK, and is answered with NAK when the disk refuses; its facts
follow at once, and nothing more is read until they are delivered. A session that a crash or a stop left
without an end is finished from the journal before the line is opened.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from drivers.serial_lis.protocol import Entry, Kind
from drivers.serial_lis.translate import Conversation, replay
from gateway.errors import DataError, StorageError, Unavailable
from gateway.ports import Clock, Intake
from gateway.protocols.lis_link import (
    FrameAccepted,
    FrameRefused,
    MessageAborted,
    MessageEnded,
    Receiver,
    ReceiverEvent,
    Send,
    TimedOut,
    Timer,
)
from gateway.protocols.lis_records import Delivery, Rejected, Result
from gateway.transport import Stream, StreamSettings, open_stream

logger = logging.getLogger(__name__)

OpenLine = Callable[[StreamSettings], AbstractAsyncContextManager[Stream]]


class SerialLisDriver:
    """One line to a cart; `converse` makes the conversation of a session."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        line: StreamSettings,
        converse: Callable[[], Conversation],
        open_line: OpenLine = open_stream,
    ) -> None:
        self.name = name
        self._clock = clock
        self._line = line
        self._converse = converse
        self._open_line = open_line

    async def run(self, intake: Intake) -> None:
        """Finish what the journal holds, then take what the cart sends; Unavailable when the line is gone."""
        sessions = _Sessions(self.name, self._clock, intake, self._converse)
        await sessions.finish_interrupted()
        async with self._open_line(self._line) as stream:
            logger.info("line_opened", extra={"fields": {"driver": self.name, "url": self._line.url}})
            await _Link(self.name, stream, sessions).serve()


class _Sessions:
    """The journal's side: entries on disk, facts delivered, one session at a time."""

    def __init__(
        self, driver: str, clock: Clock, intake: Intake, converse: Callable[[], Conversation]
    ) -> None:
        self._driver = driver
        self._clock = clock
        self._intake = intake
        self._converse = converse
        self._open: tuple[int, Conversation] | None = None

    async def finish_interrupted(self) -> None:
        """Turn what was acknowledged but has no end into facts."""
        for session in await self._intake.unfinished():
            fields = {"driver": self._driver, "session": session.id, "entries": len(session.entries)}
            try:
                results = replay(session.entries, self._converse())
            except DataError as error:
                # Written by a later version, perhaps: it is kept for that.
                logger.error("session_unreadable", extra={"fields": fields | {"reason": error}})  # noqa: TRY400
                continue
            await self.deliver(results)
            await self._intake.close(session.id)
            logger.info("session_replayed", extra={"fields": fields})

    async def store(self, entry: Entry) -> Sequence[Result]:
        """Put a frame on disk, in a new session if none is open; returns what follows from it."""
        if self._open is None:
            session, conversation = await self._intake.open(), self._converse()
            started = Entry(Kind.STARTED, self._clock.now().isoformat().encode())
            await self._intake.accept(session, started.encode())
            conversation.take(started)
            self._open = session, conversation
        session, conversation = self._open
        await self._intake.accept(session, entry.encode())
        return conversation.take(entry)

    async def end(self, kind: Kind) -> None:
        """Journal how the session ended, if one is open, and deliver what that completes."""
        if self._open is None:
            return
        session, conversation = self._open
        await self._intake.accept(session, Entry(kind).encode())
        self._open = None
        await self.deliver(conversation.take(Entry(kind)))
        await self._intake.close(session)

    async def deliver(self, results: Sequence[Result]) -> None:
        """Journal the facts, study by study; say what was not taken."""
        for result in results:
            if isinstance(result, Rejected):
                fields = {"driver": self._driver, "place": result.place, "reason": result.reason}
                logger.warning("record_rejected", extra={"fields": fields})
        deliveries = [result for result in results if isinstance(result, Delivery)]
        for header, group in itertools.groupby(deliveries, key=lambda delivery: delivery.header):
            await self._intake.deliver(header, [delivery.fact for delivery in group])


class _Link:
    """The line's side: the receiver, its timer, and the order of store, answer, deliver."""

    def __init__(self, driver: str, stream: Stream, sessions: _Sessions) -> None:
        self._driver = driver
        self._stream = stream
        self._sessions = sessions
        self._receiver = Receiver()
        self._timer: Timer | None = None
        self._deadline: float | None = None

    async def serve(self) -> None:
        """Take what the cart sends, until the line is gone: then what is open is dropped."""
        try:
            while True:
                data = await self._read()
                events = self._receiver.timed_out() if data is None else self._receiver.receive(data)
                while events:
                    for event in events:
                        await self._handle(event)
                    events = self._receiver.receive(b"")
        except Unavailable:
            await self._sessions.end(Kind.LINE_LOST)
            raise

    async def _read(self) -> bytes | None:
        """What has arrived; None when the receiver's timer expired first."""
        timer = self._receiver.timer
        if timer is not self._timer:
            now = asyncio.get_running_loop().time()
            self._timer, self._deadline = timer, None if timer is None else now + timer.seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._stream.read()
        except TimeoutError:
            return None

    async def _handle(self, event: ReceiverEvent) -> None:
        if isinstance(event, Send):
            await self._stream.write(event.data)
        elif isinstance(event, FrameAccepted):
            await self._take(Entry(Kind.LAST if event.last else Kind.INTERMEDIATE, event.text))
        elif isinstance(event, FrameRefused):
            self._warn("frame_refused", event.reason)
        else:
            await self._end(event)

    async def _end(self, event: MessageEnded | MessageAborted | TimedOut) -> None:
        if isinstance(event, MessageEnded):
            await self._sessions.end(Kind.ENDED)
        elif isinstance(event, MessageAborted):
            self._warn("transfer_ended_early", "the sender gave up")
            await self._sessions.end(Kind.ABORTED)
        else:
            self._warn("transfer_ended_early", "the line fell silent")
            await self._sessions.end(Kind.TIMED_OUT)

    async def _take(self, entry: Entry) -> None:
        try:
            results = await self._sessions.store(entry)
        except StorageError as error:
            self._warn("frame_not_stored", str(error))
            await self._stream.write(self._receiver.refuse())
            return
        try:
            await self._stream.write(self._receiver.acknowledge())
        finally:  # the facts are true whether or not the answer gets through
            await self._sessions.deliver(results)

    def _warn(self, event: str, reason: str) -> None:
        logger.warning(event, extra={"fields": {"driver": self._driver, "reason": reason}})
