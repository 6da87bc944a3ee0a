"""Disks that are small, full or read-only: real file systems, where this machine lets us mount one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own on `folder`; skips loudly where nobody may mount one."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"NO SMALL DISK: mounting needs root and CAP_SYS_ADMIN ({mounted.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """No byte is left on the disk of `folder` while the block runs."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for block in (1_000_000, 4096, 1):
            try:
                while file.write(b"\0" * block):
                    pass
            except OSError:
                continue
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The disk of `folder` cannot be written while the block runs."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)


def overwrite(path: Path, at: int, content: bytes) -> None:
    """Put `content` into the file, past everybody who has it open."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)
        os.fsync(file.fileno())


class Whole(bytes):
    """The bytes of a file, too many to be printed when a test fails."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"
