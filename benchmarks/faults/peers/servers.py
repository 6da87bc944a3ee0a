"""What servers of HL7 messages make of more than one message on a connection."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from benchmarks.faults.line import LOOPBACK
from benchmarks.faults.wires import Mllp
from benchmarks.table import Row
from gateway.protocols import acknowledgement
from gateway.protocols.mllp import frame
from gateway.sinks.receiver import Receiver

HERE: Final = Path(__file__).parent
GROUP: Final = "Three messages on a connection: answered by their own control id"
_WAIT_S: Final = 3.0
_HEADER: Final = "MSH|^~\\&|EMG|LAB|HIS|HOSP|20261102091500||ORU^R01^ORU_R01|{}|T|2.5.1\rOBR|1\r"


def _messages() -> list[bytes]:
    return [frame(_HEADER.format(f"M-{number}").encode()) for number in range(3)]


def _ways() -> dict[str, list[list[bytes]]]:
    """What is written at once, between the waits for answers."""
    first, second, third = _messages()
    return {
        "one by one": [[first], [second], [third]],
        "all at once": [[first + second + third]],
        "frames cut anywhere": [[first + second[:20], second[20:] + third[:9], third[9:]]],
    }


async def answered_rows(node: str | None) -> list[Row]:
    """How many of three messages each server answers, in each way."""
    servers = {
        "emg-gateway": _own(),
        "hl7apy 1.3": _program([sys.executable, str(HERE / "hl7apy_server.py")]),
        "simple-hl7 3.3.0": None if node is None else _program([node, str(HERE / "simple_hl7_server.js")]),
    }
    rows = []
    for name, server in servers.items():
        if server is None:
            rows.append(Row(group=GROUP, name=f"{name}: not installed", figure=None))
            continue
        async with server as port:
            for way, steps in _ways().items():
                answered = len(await _answered(port, steps))
                rows.append(Row(group=GROUP, name=f"{name}, {way}", figure=answered, unit="of 3"))
    return rows


@contextlib.asynccontextmanager
async def _own() -> AsyncIterator[int]:
    async with Receiver() as receiver:
        yield receiver.port


@contextlib.asynccontextmanager
async def _program(command: Sequence[str]) -> AsyncIterator[int]:
    """A server that says its port in its first line."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        if process.stdout is None:
            raise ValueError("no output")
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


_Server = AbstractAsyncContextManager[int]


async def _answered(port: int, steps: Sequence[Sequence[bytes]]) -> set[str]:
    """The control ids that were acknowledged, on one connection."""
    found: set[str] = set()
    for attempt in range(50):
        with contextlib.suppress(ConnectionRefusedError):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            break
        await asyncio.sleep(0.02 * attempt)
    split = Mllp().splitter()
    with contextlib.suppress(OSError, TimeoutError):
        for written in steps:
            for piece in written:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.05)  # so that it is read by itself
            wanted = len(found) + (1 if len(steps) > 1 else 3)
            async with asyncio.timeout(_WAIT_S):
                while len(found) < wanted and (data := await reader.read(65_536)):
                    for block in split(data):
                        found.add(acknowledgement.parse(block.strip(b"\x0b\x1c\r")).control_id)
    writer.transport.abort()
    return found & {f"M-{number}" for number in range(3)}
