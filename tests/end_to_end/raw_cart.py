"""A cart that sends what it is told, right or wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from drivers.simulator.line import Line
from gateway.protocols.lis_frames import CR, EOT, Frame, encode_frame
from gateway.protocols.lis_link import Send
from gateway.protocols.lis_sender import Delivered, Sender
from tests.end_to_end.conftest import DEADLINE_S, House

HEADER = r"H|\^&|||Maker^Model^7|||||||T|LIS2-A2|20261102101500+0100"
PATIENT = "P|1||P-1||Doe^Jane||19710305|F"
ORDER = "O|1|S-1||^^^NCS"
END = "L|1|N"


@asynccontextmanager
async def raw_cart(house: House) -> AsyncIterator["RawCart"]:
    """A cart whose plug is in while the block runs; the gateway of `house` listens."""
    seen = house.log.count(" line_opened ")
    cart = RawCart(Line(house.link))
    try:
        await house.until(lambda: house.log.count(" line_opened ") > seen, "the line to be opened")
        yield cart
    finally:
        cart.unplug()


class RawCart:
    """The cart's end of the line."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._plugged = True

    def unplug(self) -> None:
        """Pull the plug, if it is in."""
        if self._plugged:
            self.line.close()
        self._plugged = False

    async def ask(self, data: bytes) -> bytes:
        """Send `data`; what the host answers."""
        await self.line.write(data)
        async with asyncio.timeout(DEADLINE_S):
            return await self.line.read()

    async def send(self, records: Iterable[str]) -> None:
        """Send one message as LIS01-A2 wants it."""
        sender = Sender(records)
        events = sender.start()
        while not any(isinstance(event, Delivered) for event in events):
            for event in events:
                assert isinstance(event, Send), event
                await self.line.write(event.data)
            async with asyncio.timeout(DEADLINE_S):
                events = sender.receive(await self.line.read())
        await self.line.write(EOT)


def frame(record: str, number: int = 1) -> bytes:
    """A record in a frame of its own."""
    return encode_frame(Frame(number, record.encode() + CR, last=True))


def examination(*recordings: Sequence[str]) -> list[str]:
    """The records of one message that ends the examination."""
    return [HEADER, PATIENT, ORDER, *(record for each in recordings for record in each), END]


def recording(key: str, amplitude: str = "9.0|mV") -> tuple[str, ...]:
    """The records of one motor recording."""
    return f"M|1|STIM|{key}|38.0^mA|0.2^ms|Y|33.1^Cel|70^mm|2^10000", f"R|1|^^^{key}^CMAP-AMP|{amplitude}"
