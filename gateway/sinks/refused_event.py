"""Finds the event that a broker will not have: it would stand before all others for ever.

MQTT 3.1.1 has no word for it. A broker that finds a packet too large hangs up, or never acknowledges it. So
does one that is restarted, whose network is cut, or that lets us publish nothing at all. Therefore an event
is only given up when it was lost alone, again and again, each time to a broker that had just acknowledged a
heartbeat (or went on to do so), and once more right after that broker took another event.
"""

from collections.abc import Sequence
from typing import Final

from gateway.ports import OutboxItem

# Each time a broker would have to be lost by chance in the milliseconds between one packet and its answer.
_TIMES: Final = 5


class RefusedEvent:
    """What was lost with the connections of one sink; at most `window` events are sent at a time."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._in_flight: dict[int, OutboxItem] = {}
        self._heartbeats = 0
        self._suspect: int | None = None
        self._times = 0
        self._took_another = False

    @property
    def suspected(self) -> bool:
        """Whether one is suspected: send one at a time, each after a heartbeat."""
        return self._suspect is not None

    def is_to_wait(self, event: OutboxItem) -> bool:
        """Whether the broker is to be asked to take another one before this."""
        return event.id == self._suspect and self._times >= _TIMES and not self._took_another

    def turn(self, pending: Sequence[OutboxItem]) -> Sequence[OutboxItem]:
        """What of the oldest events to send now, together."""
        if not self.suspected:
            return pending[: self._window]
        others = [event for event in pending if not self.is_to_wait(event)]
        return (others or pending)[:1]

    def sent(self, event: OutboxItem) -> None:
        """It is on its way."""
        self._in_flight[event.id] = event
        self._heartbeats = 0

    def acknowledged(self, event: OutboxItem) -> None:
        """The broker has it."""
        self._in_flight.pop(event.id, None)
        if self._suspect is None:
            return
        if event.id != self._suspect and self._times >= _TIMES:
            self._took_another = True
        elif event.id >= self._suspect:
            self._suspect, self._times = None, 0

    def heartbeat_acknowledged(self) -> None:
        """The broker answers something else."""
        self._heartbeats += 1

    def connection_lost(self, *, silent: bool) -> OutboxItem | None:
        """The connection was lost, or given up because an answer did not come (`silent`); who is to blame.

        None while that is not sure.
        """
        lost, self._in_flight = list(self._in_flight.values()), {}
        took_another, self._took_another = self._took_another, False
        if not lost:
            return None
        if len(lost) > 1 or lost[0].id != self._suspect:
            self._suspect, self._times = lost[0].id, 0
            return None
        # The heartbeat that was under way when the event was sent proves nothing, the next one does.
        if silent and self._heartbeats < 2:
            return None
        self._times += 1
        if self._times <= _TIMES or not took_another:
            return None
        self._suspect, self._times = None, 0
        return lost[0]
