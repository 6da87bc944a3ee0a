"""Files in a drop folder, as the file system has them: listing, reading, moving. Everything here blocks.

Only regular files count, and never through a link: whoever may write to a share must not choose what the
gateway reads. A move never overwrites, and one that a crash interrupted is completed by the next attempt.
"""

import contextlib
import enum
import errno
import filecmp
import itertools
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from gateway.transport.settling import Seen

DONE: Final = "done"
FAILED: Final = "failed"
REASON: Final = ".reason"
NOTICE: Final = ".notice"

# What copying programs, browsers, WinSCP and office programs call a file that is not complete, or not data.
_UNFINISHED_STARTS: Final = (".", "~$")
_UNFINISHED_ENDS: Final = (".tmp", ".part", ".partial", ".filepart", ".crdownload", "~")
# Linux allows 255 bytes; the rest is for a number, `.reason` and the marks of a file that is being written.
_LONGEST_NAME: Final = 200
_LONGEST_SUFFIX: Final = 16

# `O_NONBLOCK`: opening a FIFO that took the file's place must not wait for a writer.
_READING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Trouble(enum.Enum):
    """What an error of the operating system about one file amounts to."""

    VANISHED = enum.auto()  # nothing of this name is there to be taken
    AWAY = enum.auto()  # the server or the mount does not answer
    REFUSED = enum.auto()  # the writer has it locked, or we may not: later, perhaps


_TROUBLES: Final = {
    **dict.fromkeys((errno.ENOENT, errno.ELOOP, errno.ENXIO), Trouble.VANISHED),
    **dict.fromkeys(
        (
            errno.ESTALE,
            errno.EHOSTDOWN,
            errno.EHOSTUNREACH,
            errno.ENETDOWN,
            errno.ENETUNREACH,
            errno.ENOTCONN,
            errno.ECONNREFUSED,
            errno.ECONNRESET,
            errno.ECONNABORTED,
            errno.ESHUTDOWN,
            errno.ETIMEDOUT,
            errno.EREMOTEIO,
            errno.ENODEV,
        ),
        Trouble.AWAY,
    ),
}


def trouble(error: OSError) -> Trouble:
    """What `error` amounts to; what is not known otherwise (EACCES, EBUSY, ETXTBSY, EIO …) is refused."""
    return _TROUBLES.get(error.errno or 0, Trouble.REFUSED)


@dataclass(frozen=True, slots=True)
class Beside:
    """What is written beside a file that is moved: the ending of its name, and the lines."""

    ending: str
    lines: Sequence[str]


def list_files(folder: Path) -> list[Seen]:
    """The files of `folder` that may be taken, complete or not; OSError when it cannot be listed."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _ignored(entry.name):
                continue
            with contextlib.suppress(OSError):  # gone since, or unreadable; the next look sees it again
                seen = _seen(entry.name, entry.stat(follow_symlinks=False))
                found += [seen] if seen else []
    return found


def _ignored(name: str) -> bool:
    folded = name.casefold()
    return (
        folded in (DONE, FAILED)
        or folded.startswith(_UNFINISHED_STARTS)
        or folded.endswith((*_UNFINISHED_ENDS, REASON, NOTICE))
    )


def _seen(name: str, status: os.stat_result) -> Seen | None:
    """The file, where it is a regular one."""
    return Seen(status.st_mtime_ns, name, status.st_size) if stat.S_ISREG(status.st_mode) else None


def look_up(folder: Path, name: str) -> Seen | None:
    """The regular file of this name as it is now; OSError when nothing of this name is there."""
    return _seen(name, (folder / name).lstat())


def read(folder: Path, file: Seen) -> bytes | None:
    """The content of `file`; None when it is no longer what was seen, or changes. OSError as `open`."""
    descriptor = os.open(folder / file.name, _READING)
    try:
        if _seen(file.name, os.fstat(descriptor)) != file:
            return None
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read(file.size + 1)
        return data if _seen(file.name, os.fstat(descriptor)) == file and len(data) == file.size else None
    finally:
        os.close(descriptor)


def move(folder: Path, file: Seen, into: str, beside: Beside | None) -> None:
    """Move `file` to the sub-folder `into`, after writing what stands beside it there.

    A file that has changed since it was seen stays where it is. OSError when the move is refused.
    """
    source = folder / file.name
    if look_up(folder, file.name) != file:
        return
    target_folder = make_folder(folder, into)
    apart = source.lstat().st_dev != target_folder.lstat().st_dev
    target = _place(source, target_folder, apart=apart)
    if beside is not None:
        lines = "".join(f"{' '.join(line.split())}\n" for line in beside.lines)
        with _appearing(target.with_name(target.name + beside.ending)) as stream:
            stream.write(lines.encode("utf-8", "replace"))
    if not os.path.lexists(target):
        if _renamed(source, target):
            return
        _copy(source, target)
    if look_up(folder, file.name) == file:
        source.unlink()


def make_folder(folder: Path, name: str) -> Path:
    """The sub-folder `name`, made when it is missing; OSError where it cannot be, or is a link or a file."""
    made = folder / name
    with contextlib.suppress(FileExistsError):
        made.mkdir()
    if not stat.S_ISDIR(made.lstat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(made))
    return made


def _place(source: Path, folder: Path, *, apart: bool) -> Path:
    """The first place for `source` that is free.

    On another device (`apart`) also one that holds the same bytes: a crash came between copying it there and
    removing it here.
    """
    return next(
        place
        for place in (folder / name for name in _names(source.name))
        if not os.path.lexists(place) or (apart and filecmp.cmp(source, place, shallow=False))
    )


def _names(name: str) -> Iterator[str]:
    """`name`, then `name` with a number, for ever; cut where it would be too long."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122  # a name, not a path
    if len(suffix) > _LONGEST_SUFFIX:
        stem, suffix = name, ""
    while len(os.fsencode(stem + suffix)) > _LONGEST_NAME:
        stem = stem[:-1]
    yield stem + suffix
    yield from (f"{stem}-{number}{suffix}" for number in itertools.count(2))


def _renamed(source: Path, target: Path) -> bool:
    """Whether `source` could be renamed; False when `target` is on another device."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        raise
    return True


def _copy(source: Path, target: Path) -> None:
    with open(os.open(source, _READING), "rb") as stream, _appearing(target) as copy:  # noqa: PTH123
        shutil.copyfileobj(stream, copy)


@contextlib.contextmanager
def _appearing(target: Path) -> Iterator[BinaryIO]:
    """A file that appears at `target` when it is whole and on disk, not before."""
    hidden = target.with_name(f".{target.name}.part")
    hidden.unlink(missing_ok=True)  # a crash left it
    with hidden.open("xb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())
    hidden.rename(target)
    _sync(target.parent)


def _sync(folder: Path) -> None:
    """Make the names in `folder` durable, where its file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        os.fsync(descriptor)
    os.close(descriptor)
