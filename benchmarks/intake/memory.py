"""The daemon's memory while 10,000 files go through a drop folder, in examinations of 50 recordings each."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.intake.lines import examination
from gateway.daemon.reference import load_reference
from gateway.domain.study import Study
from gateway.formats import dicom

FILES = 10_000
BATCH = 500
PER_STUDY = 50


def resident_mib(process: int) -> float:
    """The resident set of a process, MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def batch(number: int) -> tuple[bytes, ...]:
    """Files of new examinations."""
    files: list[bytes] = []
    for study in range(BATCH // PER_STUDY):
        whole = examination(PER_STUDY)
        header = replace(whole.header, study_id=f"BENCH-{number}-{study}")
        files += dicom.FORMAT.write(
            Study(header=header, recordings=whole.recordings), load_reference().anatomy
        )
    return tuple(files)


def main() -> None:
    """Feed batch after batch; print the memory after each thousand."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as place:
        folder = Path(place)
        inbox = folder / "inbox"
        inbox.mkdir()
        config = folder / "gateway.toml"
        config.write_text(
            f'[gateway]\nstate_dir = "{folder / "state"}"\nexam_timeout_s = 5\n'
            f'[[drivers]]\nname = "inbox"\ntype = "dicom_folder"\npath = "{inbox}"\n'
            "poll_s = 0.05\nsettle_s = 0.05\n"
        )
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "gateway", "run", "--config", str(config)], stderr=log, stdout=log
            )
        try:
            started = time.perf_counter()
            for number in range(FILES // BATCH):
                for index, content in enumerate(batch(number)):
                    (inbox / f"{number:03}-{index:04}.dcm").write_bytes(content)
                while any(inbox.glob("*.dcm")):
                    time.sleep(0.1)
                done = (number + 1) * BATCH
                if done % 1000 == 0:
                    seconds = time.perf_counter() - started
                    print(f"{done:6} files {seconds:7.1f} s {resident_mib(daemon.pid):7.1f} MiB", flush=True)
            taken, failed = (len(list((inbox / name).iterdir())) for name in ("done", "failed"))
            print(f"{taken} in done/, {failed} in failed/")
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    main()
