"""The serial LIS driver at work: the only file of it that awaits.

A frame is on disk before the cart gets its ACK, and is answered with NAK when the disk refuses; its facts
follow at once, and nothing more is read until they are delivered. A session that a crash or a stop left
without an end is finished from the journal before the line is opened; `sessions` says how.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from drivers.serial_lis.log import LineLog
from drivers.serial_lis.protocol import Entry, Kind
from drivers.serial_lis.sessions import Sessions
from drivers.serial_lis.translate import Conversation
from gateway.errors import StorageError, Unavailable
from gateway.ports import Clock, Intake
from gateway.protocols.lis_link import (
    FrameAccepted,
    FrameRefused,
    MessageAborted,
    MessageEnded,
    MessageInterrupted,
    Receiver,
    ReceiverEvent,
    Send,
    TimedOut,
    Timer,
)
from gateway.transport import Stream, StreamSettings, open_stream

logger = logging.getLogger(__name__)

# A cart whose transfer broke off begins it again within this: LIS01-A2 has it wait 10 to 20 s, people longer.
_RESEND_S: Final = 60.0

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
        self._log = LineLog(name, clock, logger)
        self._sessions: Sessions | None = None

    async def run(self, intake: Intake) -> None:
        """Finish what the journal holds, then take what the cart sends; Unavailable when the line is gone."""
        sessions = Sessions(self.name, self._clock, intake, self._converse, self._log)
        if self._sessions is not None:
            sessions.take_over(self._sessions)
        self._sessions = sessions
        await sessions.finish_interrupted()
        async with self._open_line(self._line) as stream:
            logger.info("line_opened", extra={"fields": {"driver": self.name, "url": self._line.url}})
            await _Link(stream, sessions, self._log).serve()


class _Link:
    """The line's side: the receiver, its timer, and the order of store, answer, deliver."""

    def __init__(self, stream: Stream, sessions: Sessions, log: LineLog) -> None:
        self._stream = stream
        self._sessions = sessions
        self._log = log
        self._receiver = Receiver()
        self._timer: Timer | None = None
        self._deadline: float | None = None

    async def serve(self) -> None:
        """Take what the cart sends, until the line is gone: then what is open is dropped."""
        try:
            while True:
                data = await self._read()
                if data is None and self._timer is None:
                    await self._sessions.release()
                    continue
                events = self._receiver.timed_out() if data is None else self._receiver.receive(data)
                while events:
                    for event in events:
                        await self._handle(event)
                    events = self._receiver.receive(b"")
        except Unavailable:
            await self._sessions.end(Kind.LINE_LOST)
            raise

    async def _read(self) -> bytes | None:
        """What has arrived; None when the receiver's timer, or the wait for a resend, expired first."""
        timer = self._receiver.timer
        now = asyncio.get_running_loop().time()
        if timer is not self._timer:
            self._timer, self._deadline = timer, None if timer is None else now + timer.seconds
        wait_s = _RESEND_S if timer is None and self._sessions.holding else None
        try:
            async with asyncio.timeout_at(self._deadline if wait_s is None else now + wait_s):
                return await self._stream.read()
        except TimeoutError:
            return None

    async def _handle(self, event: ReceiverEvent) -> None:
        if isinstance(event, Send):
            await self._stream.write(event.data)
        elif isinstance(event, FrameAccepted):
            await self._take(Entry(Kind.LAST if event.last else Kind.INTERMEDIATE, event.text))
        elif isinstance(event, FrameRefused):
            self._log.tell("frame_refused", reason=event.reason)
        else:
            await self._end(event)

    async def _end(self, event: MessageEnded | MessageInterrupted | MessageAborted | TimedOut) -> None:
        if isinstance(event, MessageEnded):
            await self._sessions.end(Kind.ENDED)
        elif isinstance(event, MessageInterrupted):
            await self._sessions.interrupt()
        elif isinstance(event, MessageAborted):
            self._log.tell("transfer_ended_early", reason="the sender gave up")
            await self._drop(Kind.ABORTED)
        else:
            self._log.tell("transfer_ended_early", reason="the line fell silent")
            await self._drop(Kind.TIMED_OUT)

    async def _drop(self, kind: Kind) -> None:
        """End a session that comes again: while the disk refuses that is kept, and the line stays open."""
        try:
            await self._sessions.end(kind)
        except StorageError as error:
            self._log.tell("end_not_stored", reason=str(error))

    async def _take(self, entry: Entry) -> None:
        try:
            results = await self._sessions.store(entry)
        except StorageError as error:
            self._log.tell("frame_not_stored", reason=str(error))
            await self._stream.write(self._receiver.refuse())
            return
        try:
            await self._stream.write(self._receiver.acknowledge())
        finally:  # the facts are true whether or not the answer gets through
            await self._sessions.deliver(results)
