"""Many serial carts at once: 24 lines at 115,200 baud, all sending sweeps without a pause.

The carts run in a process of their own and write each frame at the pace of the line. Measured are how long a
cart waits for its answer, how late the host's event loop gets to what is due, and the host's CPU; beside it
the bare line (add_reader, nothing kept) under the same load.
"""

import asyncio
import json
import os
import sys
import time
import tty
from pathlib import Path
from typing import Any

from benchmarks.intake.intakes import NoDisk, journal_on_disk
from benchmarks.intake.lines import bare, driven, examination
from gateway.protocols.lis_link import Send
from gateway.protocols.lis_records import encode_study
from gateway.protocols.lis_sender import Aborted, Delivered, Sender

CARTS = 24
BAUD = 115_200
SECONDS = 10
PIECE = 256  # octets written at a time: a usual frame, 22 ms of the line
TICK_S = 0.005
LATE_S = 0.02


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def one_cart(master: int, waits: list[float], until: float) -> int:
    """Send sweeps until the time is over; how many octets went out."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(master, "rb", 0, closefd=False)
    )
    records, sent = encode_study(examination(1), ends_exam=False), 0
    while loop.time() < until:
        sender = Sender(records)
        events = sender.start()
        while not any(isinstance(event, (Aborted, Delivered)) for event in events):
            for event in events:
                if isinstance(event, Send):
                    await paced(master, event.data)
                    sent += len(event.data)
            started = loop.time()
            answer = await reader.read(64)
            waits.append(loop.time() - started)
            events = sender.receive(answer)
        for event in events:
            if isinstance(event, Send):
                await paced(master, event.data)
            if isinstance(event, Aborted):
                sys.exit("a cart did not get its sweep through")
    return sent


async def paced(master: int, data: bytes) -> None:
    """Write at the line's pace, 10 bits an octet."""
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        await asyncio.sleep(len(piece) * 10 / BAUD)
        os.write(master, piece)


async def carts() -> None:
    """All carts; prints the paths of their lines, and at the end what they saw."""
    masters = []
    for _ in range(CARTS):
        master, slave = os.openpty()
        tty.setraw(slave)
        masters.append(master)
        print(os.ttyname(slave), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)  # the host has opened them
    waits: list[float] = []
    until = asyncio.get_running_loop().time() + SECONDS
    sent = await asyncio.gather(*(one_cart(master, waits, until) for master in masters))
    print(json.dumps({"waits": waits, "sent": sum(sent)}), flush=True)


async def lateness(found: list[float]) -> None:
    """How late a timer fires on this loop, again and again."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK_S
        await asyncio.sleep(TICK_S)
        found.append(loop.time() - due)


async def measured(name: str) -> dict[str, Any]:
    """One kind of host against all carts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.intake.carts", "--carts"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    assert process.stdin is not None  # noqa: S101  # asked for
    assert process.stdout is not None  # noqa: S101
    links = [Path((await process.stdout.readline()).decode().strip()) for _ in range(CARTS)]
    late: list[float] = []
    async with journal_on_disk() as disk:
        hosts = {
            "bare": bare,
            "driver": lambda link: driven(link, NoDisk()),
            "journal": lambda link: driven(link, disk),
        }
        tasks = [asyncio.ensure_future(hosts[name](link)) for link in links]
        tasks.append(asyncio.ensure_future(lateness(late)))
        await asyncio.sleep(1)
        started, cpu = time.perf_counter(), time.process_time()
        late.clear()
        process.stdin.write(b"\n")
        line = await process.stdout.readline()
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
        await process.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {"late": late, "cpu": cpu_seconds / seconds, "seconds": seconds, **json.loads(line)}


async def main() -> None:
    """Each host once."""
    print(f"{CARTS} carts at {BAUD} baud for {SECONDS} s")
    for name in ("bare", "driver", "journal"):
        found = await measured(name)
        waits, late = [1000 * wait for wait in found["waits"]], [1000 * each for each in found["late"]]
        print(
            f"{name:8} {found['sent'] / found['seconds'] / 1000:6.1f} kB/s, CPU {100 * found['cpu']:5.1f} %,"
            f" answer p50 {percentile(waits, 0.5):6.2f} p99 {percentile(waits, 0.99):6.2f}"
            f" max {max(waits):6.1f} ms,"
            f" timers late p99 {percentile(late, 0.99):5.2f} max {max(late):5.1f} ms,"
            f" {sum(each > 1000 * LATE_S for each in late)} of {len(late)} over {1000 * LATE_S:.0f} ms"
        )


if __name__ == "__main__":
    asyncio.run(carts() if "--carts" in sys.argv else main())
