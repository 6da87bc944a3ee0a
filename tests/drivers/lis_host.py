"""A host at the other end of a pseudo-terminal that does what LIS01-A2 asks of it, and remembers."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.domain.recording import Recording
from gateway.domain.study import Fact
from gateway.protocols.lis_frames import ACK
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
)
from gateway.protocols.lis_records import Assembler, Delivery, Result
from tests.factories import reference


class Opened:
    """A descriptor of the host's end, read through the event loop."""

    def __init__(self, path: str, heard: Callable[[bytes], None]) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._heard = heard
        asyncio.get_running_loop().add_reader(self.descriptor, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self.descriptor, 4096)
        except OSError:  # the cart pulled the plug
            data = b""
        if data:
            self._heard(data)
        else:
            self.close()

    def write(self, data: bytes) -> None:
        assert os.write(self.descriptor, data) == len(data)

    def close(self) -> None:
        if self.descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1


@dataclass
class Host:
    """The host; `time_scale` shortens its waits, `unplug_after` frames it loses its line for a moment."""

    time_scale: float = 1.0
    unplug_after: int | None = None
    receiver: Receiver = field(default_factory=Receiver)
    events: list[ReceiverEvent] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    acknowledgements: int = 0
    results: list[Result] = field(default_factory=list)
    path: str = ""

    def __post_init__(self) -> None:
        self._assembler = Assembler(check=reference().anatomy.check)
        self._record = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    async def plug_in(self, path: str) -> None:
        self.path = path
        self._end = Opened(path, self._heard)

    def unplug(self) -> None:
        self._end.close()
        if self._timer is not None:
            self._timer.cancel()

    def _heard(self, data: bytes) -> None:
        self.raw += data
        self._take(self.receiver.receive(data))

    def _take(self, events: list[ReceiverEvent]) -> None:
        for event in events:
            self.events.append(event)
            self._act(event)
        self._restart_timer()

    def _act(self, event: ReceiverEvent) -> None:
        match event:
            case Send(data):
                self._answer(data)
            case FrameAccepted(text, last):
                self._store(text, last=last)
                if self.unplug_after == self.count(FrameAccepted):
                    self._replug()
                    return
                self._answer(self.receiver.acknowledge())
                self._take(self.receiver.receive(b""))
            case MessageEnded() | MessageInterrupted() if not self._record:
                self.results += self._assembler.end_of_message()
            case MessageEnded() | MessageInterrupted() | MessageAborted() | TimedOut():
                self._record.clear()
                self.results += self._assembler.drop_open("the cart gave up")
            case FrameRefused():
                pass

    def _answer(self, data: bytes) -> None:
        self.acknowledgements += data == ACK
        self._end.write(data)

    def _store(self, text: bytes, *, last: bool) -> None:
        self._record += text
        if last:
            self.results += self._assembler.feed(bytes(self._record).removesuffix(b"\r"))
            self._record.clear()

    def _replug(self) -> None:
        """Pull the plug before the frame is answered, and put it back a moment later."""
        self.unplug()
        self.receiver = Receiver()
        self._record.clear()
        self.results += self._assembler.drop_open("the line was lost")
        asyncio.get_running_loop().call_later(0.05, self._plug_back)

    def _plug_back(self) -> None:
        self._end = Opened(self.path, self._heard)

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        timer = self.receiver.timer
        if timer is not None:
            self._timer = asyncio.get_running_loop().call_later(timer.seconds * self.time_scale, self._late)

    def _late(self) -> None:
        self._take(self.receiver.timed_out())

    def count(self, kind: type[ReceiverEvent]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def facts(self) -> list[Fact]:
        """What was delivered, a recording that was sent again counted once, as the journal does."""
        facts: list[Fact] = []
        for result in self.results:
            if isinstance(result, Delivery) and result.fact not in facts:
                facts.append(result.fact)
        return facts

    @property
    def recordings(self) -> list[Recording]:
        return [fact for fact in self.facts if isinstance(fact, Recording)]
