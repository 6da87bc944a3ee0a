"""What a DICOM file costs: bare pydicom, our reader, the folder driver, the driver with its journal on disk.

One recording a file, as a cart exports them: 2,400 samples, 20 annotations, 8 kB.
"""

import asyncio
import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom

from benchmarks.intake.intakes import NoDisk, journal_on_disk
from benchmarks.intake.lines import examination
from drivers.dicom_folder import DRIVER, Settings
from gateway.daemon.clock import SystemClock
from gateway.daemon.reference import load_reference
from gateway.formats import Reading, dicom
from gateway.ports import DriverContext, Intake

FILES = 300
ROUNDS = 3
ANATOMY = load_reference().anatomy


def bare(files: Sequence[bytes]) -> None:
    """Parse and scale, as pydicom does it: no unit, no padding, no site, no check."""
    for content in files:
        pydicom.dcmread(io.BytesIO(content)).waveform_array(0)


def read(files: Sequence[bytes]) -> None:
    """The product's reader."""
    for content in files:
        dicom.FORMAT.read(content, Reading(anatomy=ANATOMY))


async def drive(files: Sequence[bytes], intake: Intake, folder: Path) -> None:
    """Files that wait in a folder, until all of them are in `done/`."""
    for number, content in enumerate(files):
        (folder / f"{number:05}.dcm").write_bytes(content)
    settings = Settings(path=str(folder), poll_s=0.01, settle_s=0.01)
    context = DriverContext(name="bench", anatomy=ANATOMY, clock=SystemClock())
    running = asyncio.ensure_future(DRIVER.create(settings, context).run(intake))
    last = folder / "done" / f"{len(files) - 1:05}.dcm"
    while not await asyncio.to_thread(last.exists):  # noqa: ASYNC110  # the driver sets no event of ours
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def driven(files: Sequence[bytes]) -> None:
    """The driver, its facts going nowhere."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        asyncio.run(drive(files, NoDisk(), Path(folder)))


def journaled(files: Sequence[bytes]) -> None:
    """The driver and its journal."""

    async def work(folder: Path) -> None:
        async with journal_on_disk() as intake:
            await drive(files, intake, folder)

    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        asyncio.run(work(Path(folder)))


WAYS: dict[str, Callable[[Sequence[bytes]], None]] = {
    "bare pydicom (parse, scale)": bare,
    "our reader": read,
    "driver, nothing on disk": driven,
    "driver, journal on disk": journaled,
}


def main() -> None:
    """Interleaved rounds; the one in the middle of each way."""
    files = dicom.FORMAT.write(examination(FILES), ANATOMY)
    size = sum(map(len, files))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            started, cpu = time.perf_counter(), time.process_time()
            with contextlib.redirect_stderr(io.StringIO()):
                way(files)
            found[name].append((time.process_time() - cpu, time.perf_counter() - started))
    print(f"{FILES} files of {size / FILES / 1000:.1f} kB")
    for name, results in found.items():
        cpu_seconds, seconds = sorted(results)[ROUNDS // 2]
        print(
            f"{name:28} {1000 * cpu_seconds / FILES:6.2f} ms CPU a file"
            f" {1000 * seconds / FILES:6.2f} ms a file {size / seconds / 1e6:6.2f} MB/s"
        )


if __name__ == "__main__":
    main()
