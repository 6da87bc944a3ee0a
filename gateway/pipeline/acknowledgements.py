"""What screens acknowledge, on its way from the broker to the journal.

The sink only leaves it here: a connection that is lost while the disk is busy must not lose it half-way, and
a flood from the broker must not fill the memory. In the journal it is a fact like any other and takes its
place in the order; what screens hear of it is the alert, changed.
"""

import asyncio
import logging
from typing import Final

from gateway.errors import DataError, Unavailable
from gateway.protocols.screens import Acknowledge
from gateway.store.journal import Deliver, Journal

logger = logging.getLogger(__name__)

# People press buttons: more at a time than this is no person.
_WAITING: Final = 64


class Acknowledgements:
    """The door for the screens of one cart; `deliver` is awaited with the facts that are new."""

    def __init__(self, cart: str, journal: Journal, deliver: Deliver) -> None:
        self._cart = cart
        self._journal = journal
        self._deliver = deliver
        self._waiting: asyncio.Queue[Acknowledge] = asyncio.Queue(_WAITING)

    def offer(self, wanted: Acknowledge) -> None:
        """Leave it to be journaled; Unavailable while too many wait."""
        try:
            self._waiting.put_nowait(wanted)
        except asyncio.QueueFull as error:
            raise Unavailable("more acknowledgements at a time than people make") from error

    async def run(self) -> None:
        """Journal what is offered, in order, for ever."""
        while True:
            wanted = await self._waiting.get()
            try:
                await self._deliver(await self._journal.acknowledge(self._cart, wanted))
            except DataError as error:
                fields = {"cart": self._cart, "reason": str(error)}
                logger.warning("acknowledgement_refused", extra={"fields": fields})
