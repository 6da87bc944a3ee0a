"""Real file operations below a folder, each told before it happens: a test can die there, or let it fail."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

STEPS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.scandir"})
Step = Callable[[str, Path], None]

_listening: list[tuple[Path, Step]] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if not _listening or event not in STEPS or not isinstance(arguments[0], str | os.PathLike):
        return
    path = Path(arguments[0])
    for folder, step in _listening:
        if path.is_relative_to(folder):
            step(event, path)


sys.addaudithook(_audit)  # it stays for the life of the process, and does nothing while nobody listens


@contextlib.contextmanager
def before_each_step(folder: Path, step: Step) -> Iterator[None]:
    """Call `step` with the kind and the path of each operation below `folder`, before it happens."""
    _listening.append((folder, step))
    try:
        yield
    finally:
        _listening.remove((folder, step))


def failing(event: str, number: int, name: str = "") -> Step:
    """A step that fails with this error of the operating system: each one of this kind (at `name`)."""

    def step(happening: str, path: Path) -> None:
        if happening == event and name in ("", path.name):
            raise OSError(number, os.strerror(number))

    return step
