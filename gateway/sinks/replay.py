"""Events once more for a screen that missed some: as they were, in order, beside those that happen now.

One request after the other, one event in flight, and no more a second than a small screen and its queue at
the broker can take, so that what happens now is not held up. A request lives as long as the connection it
came over: a screen that gets no end of it asks again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.errors import Unavailable
from gateway.ports import Outbox
from gateway.protocols.screens import Replay, replay_end

_WAITING: Final = 8
_BATCH: Final = 20
# mosquitto queues 1,000 messages for a slow screen and drops the rest (max_queued_messages).
_EVENTS_PER_S: Final = 200.0

Publish = Callable[[str, bytes], Awaitable[None]]


class Replays:
    """The replays that are asked for over one connection; `publish` waits for the broker's acknowledgement.

    `last_event_seq` gives the number of the newest event that was sent: what follows it arrives by itself.
    """

    def __init__(
        self, outbox: Outbox, prefix: str, *, publish: Publish, last_event_seq: Callable[[], int]
    ) -> None:
        self._outbox = outbox
        self._prefix = prefix
        self._publish = publish
        self._last_event_seq = last_event_seq
        self._waiting: asyncio.Queue[Replay] = asyncio.Queue(_WAITING)

    def offer(self, wanted: Replay) -> None:
        """Take a request for later; Unavailable while too many wait."""
        try:
            self._waiting.put_nowait(wanted)
        except asyncio.QueueFull as error:
            raise Unavailable("too many replays at a time; ask again later") from error

    async def run(self) -> None:
        """Answer one request after the other, for ever."""
        while True:
            await self._answer(await self._waiting.get())

    async def _answer(self, wanted: Replay) -> None:
        until = self._last_event_seq()
        oldest = await self._outbox.oldest(self._prefix)
        at = wanted.since
        while events := await self._outbox.after(self._prefix, at, until, _BATCH):
            began = asyncio.get_running_loop().time()
            for event in events:
                await self._publish(wanted.topic, event.payload)
                at = event.seq or until
            pause_s = began + len(events) / _EVENTS_PER_S - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, pause_s))
        await self._publish(wanted.topic, replay_end(wanted, until, oldest))
