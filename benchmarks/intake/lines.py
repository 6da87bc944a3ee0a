"""What a sweep costs on a serial line: the bare line, the driver alone, the driver with its journal on disk.

A cart in another process sends the same sweeps over a pseudo-terminal, frame by frame, each after the answer
to the one before. Measured is the host: its own CPU time, and how fast the cart got through.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.intake.intakes import NoDisk, journal_on_disk
from drivers.serial_lis import DRIVER, Settings
from gateway.daemon.clock import SystemClock
from gateway.daemon.reference import load_reference
from gateway.domain.recording import Modality, MotorMarks, Recording, Side, Waveform
from gateway.domain.study import Study, StudyHeader
from gateway.errors import Unavailable
from gateway.formats import study_json
from gateway.ports import DriverContext, Intake
from gateway.protocols.lis_records import encode_study

SWEEPS = 120
SAMPLES = 2400  # 50 ms at 48 kHz
ROUNDS = 3
ACK, ENQ = b"\x06", b"\x05"


def examination(sweeps: int) -> Study:
    """`sweeps` different recordings of one nerve."""
    chance = np.random.default_rng(1)
    return Study(
        header=StudyHeader(study_id="BENCH", performed_at="2026-11-02T10:15:00+01:00", simulated=True),
        recordings=tuple(
            Recording(
                modality=Modality.MOTOR,
                nerve="ulnar",
                side=Side.RIGHT,
                recording_site="adm",
                stimulation_site="wrist",
                measured=MotorMarks(amplitude_mv=9.0, onset_latency_ms=2.9),
                waveform=Waveform(
                    sampling_rate_hz=48_000.0,
                    start_ms=-2.0,
                    microvolts_per_count=0.5,
                    samples=chance.integers(-9000, 9000, SAMPLES),
                ),
            )
            for _ in range(sweeps)
        ),
    )


Host = Callable[[Path], Awaitable[None]]


async def bare(link: Path) -> None:
    """The least a host can do: read when there is something, answer ENQ and the end of each frame."""
    descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    loop, gone = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        try:
            data = os.read(descriptor, 65_536)
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(descriptor)
            gone.set()
        elif data.endswith((b"\n", ENQ)):
            os.write(descriptor, ACK)

    loop.add_reader(descriptor, read)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def driven(link: Path, intake: Intake) -> None:
    """The driver of the product."""
    context = DriverContext(name="bench", anatomy=load_reference().anatomy, clock=SystemClock())
    driver = DRIVER.create(Settings(url=f"serial://{link}"), context)
    with contextlib.suppress(Unavailable):  # the cart has finished
        await driver.run(intake)


async def journaled(link: Path) -> None:
    """The driver, every frame on disk before its ACK."""
    async with journal_on_disk() as intake:
        await driven(link, intake)


HOSTS: dict[str, Host] = {
    "bare line (add_reader only)": bare,
    "driver, nothing on disk": lambda link: driven(link, NoDisk()),
    "driver, journal on disk": journaled,
}


@contextlib.asynccontextmanager
async def cart(study: Path, link: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The virtual cart in a process of its own, as users start it; its line exists when the block begins."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "simulate", str(study), "--link", str(link)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(30):
        while not link.is_symlink():  # noqa: ASYNC110, ASYNC240  # another process makes it
            await asyncio.sleep(0.01)
    try:
        yield process
    finally:
        await process.wait()


@dataclass(frozen=True, slots=True)
class Result:
    """What one host did with all sweeps."""

    seconds: float
    cpu_seconds: float


async def measured(host: Host, study: Path, link: Path) -> Result:
    """One host against one cart."""
    async with cart(study, link) as process:
        started, cpu = time.perf_counter(), time.process_time()
        taking = asyncio.ensure_future(host(link))
        async with asyncio.timeout(120):
            if await process.wait():
                sys.exit("the cart did not get its sweeps through")
        result = Result(time.perf_counter() - started, time.process_time() - cpu)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
    return result


async def main() -> None:
    """Interleaved rounds; the one in the middle of each host."""
    content = examination(SWEEPS)
    characters = sum(
        len(record)
        for entry in content.recordings
        for record in encode_study(Study(header=content.header, recordings=(entry,)))
    )
    found: dict[str, list[Result]] = {name: [] for name in HOSTS}
    with tempfile.TemporaryDirectory() as folder:
        study, link = Path(folder) / "bench.study.json", Path(folder) / "cart"
        study.write_bytes(study_json.encode(content))
        for _ in range(ROUNDS):
            for name, host in HOSTS.items():
                found[name].append(await measured(host, study, link))
    print(f"{SWEEPS} sweeps of {SAMPLES} samples, {characters / SWEEPS / 1000:.1f} kB each on the line")
    for name, results in found.items():
        middle = sorted(results, key=lambda result: result.cpu_seconds)[ROUNDS // 2]
        print(
            f"{name:28} {1000 * middle.cpu_seconds / SWEEPS:6.2f} ms CPU a sweep"
            f" {1000 * middle.seconds / SWEEPS:7.2f} ms a sweep {characters / middle.seconds / 1e6:6.2f} MB/s"
        )


if __name__ == "__main__":
    asyncio.run(main())
