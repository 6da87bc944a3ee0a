"""Lanes to an interface engine: the product's HL7 sink, a line that fails, the product's receiver."""

import asyncio
import contextlib
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator

from benchmarks.faults.line import LOOPBACK, FaultyLine
from benchmarks.faults.trials import Lane
from benchmarks.faults.wires import Mllp
from benchmarks.faults.workshop import Workshop
from gateway.daemon.clock import SystemClock
from gateway.sinks.hl7 import HL7Settings, HL7Sink
from gateway.sinks.mllp_address import MllpAddress
from gateway.sinks.receiver import Receiver


class Engine:
    """A receiver that accepts everything, and what it was sent by control id.

    Of each message only a digest is kept: thousands of them in memory would hold up the loop under trial.
    """

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.blocks: defaultdict[str, list[bytes]] = defaultdict(list)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block runs."""
        async with self.receiver:
            task = asyncio.create_task(self._remember())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _remember(self) -> None:
        while True:
            received = await self.receiver.messages.get()
            if received.message is not None:
                digest = hashlib.sha256(received.block).digest()
                self.blocks[received.message.header.text(10)].append(digest)


@contextlib.asynccontextmanager
async def lanes(shop: Workshop, engine: Engine, number: int) -> AsyncIterator[list[Lane]]:
    """So many lanes to one engine, their sinks running while the block does."""
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(engine.listening())
        found, sinks = [], []
        for index in range(number):
            line = FaultyLine(Mllp(), (LOOPBACK, engine.receiver.port))
            await stack.enter_async_context(line)
            lane = _lane(shop, engine, f"engine-{index}", line)
            settings = HL7Settings(name=lane.name, address=MllpAddress(host=LOOPBACK, port=line.port))
            sinks.append(asyncio.create_task(HL7Sink(settings, lane.door, SystemClock()).run()))
            found.append(lane)
        try:
            yield found
        finally:
            for sink in sinks:
                sink.cancel()
            await asyncio.gather(*sinks, return_exceptions=True)


def _lane(shop: Workshop, engine: Engine, name: str, line: FaultyLine) -> Lane:
    def control_id(number: int) -> str:
        return f"{name.upper()}-{number}"

    return Lane(
        name=name,
        line=line,
        door=shop.door(),
        results=lambda numbers: shop.message(name, control_id(numbers[0])),
        arrived=lambda number: control_id(number) in engine.blocks,
    )
