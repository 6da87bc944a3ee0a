"""A drop folder at work: what has settled in it comes out file by file, and goes to `done/` or `failed/`.

The folder is looked at again and again: a share over CIFS or NFS sends no events. A folder that is away
raises Unavailable, and whoever supervises the driver starts it again; what is known about the files
outlives that. File names hold patients' names: no log and no error has one.
"""

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import Unavailable
from gateway.transport import dropped
from gateway.transport.dropped import DONE, FAILED, NOTICE, REASON, Beside, Trouble, trouble
from gateway.transport.settling import Seen, Settling

logger = logging.getLogger(__name__)

_DIGEST_LENGTH: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSettings:
    """Which folder is watched, and how patiently.

    It is looked at each `poll_s`. A file is complete after `settle_s` without a change, and damaged when it
    cannot be read after `patience_s` without one, or is larger than `max_bytes`.
    """

    path: Path
    max_bytes: int
    poll_s: float = 0.5
    settle_s: float = 2.0
    patience_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A complete file and its content; `digest` is what it is called in logs."""

    file: Seen
    data: bytes
    digest: str

    @classmethod
    def of(cls, file: Seen, data: bytes) -> "Arrival":
        """The arrival of `file` with this content."""
        return cls(file, data, digest_of(data))


def digest_of(data: bytes) -> str:
    """What a file with this content is called in logs: the beginning of its SHA-256."""
    return hashlib.sha256(data).hexdigest()[:_DIGEST_LENGTH]


@dataclass(frozen=True, slots=True)
class _Move:
    """A move that is to be made: of which file, where to, what stands beside it there."""

    file: Seen
    into: str
    beside: Beside | None


Order = Callable[[bytes], str]


def watch_folder(
    settings: FolderSettings,
    *,
    driver: str,
    order: Order | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> "Folder":
    """The drop folder of a driver; nothing is opened before the first arrival is asked for.

    `order` gives what files that are found together are sorted by, from their content: a copied batch has
    lost the order it was made in.
    """
    return Folder(settings, driver, order, monotonic)


class Folder:
    """What arrives in a folder, in order, and what becomes of it; build it with `watch_folder`."""

    def __init__(
        self, settings: FolderSettings, driver: str, order: Order | None, monotonic: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._driver = driver
        self._order = order
        self._monotonic = monotonic
        self._settling = Settling(settle_s=settings.settle_s, patience_s=settings.patience_s)
        self._due: deque[Seen] = deque()
        self._locked: set[Seen] = set()
        self._owed: dict[Seen, _Move] = {}
        self._owed_again_at = 0.0
        self._watching = False

    async def arrival(self) -> Arrival:
        """The next complete file, oldest first; Unavailable when the folder is away.

        It comes again after `patience_s`, unless the caller says before what became of it.
        """
        while True:
            while self._due:
                arrival = await self._opened(self._due.popleft())
                if arrival is not None:
                    return arrival
            await self._look()

    async def done(self, arrival: Arrival, notices: Sequence[str] = ()) -> None:
        """The file was taken: it goes to `done/`, with what could not be used of it beside it."""
        beside = Beside(NOTICE, notices) if notices else None
        await self._carry_out(_Move(arrival.file, DONE, beside))

    async def damaged(self, arrival: Arrival, reason: str, *, final: bool = False) -> None:
        """The file cannot be read: it goes to `failed/` with the reason, when it has not changed for long.

        At once where that is `final`: whatever may still arrive of it cannot mend it.
        """
        if final or self._settling.gives_up(arrival.file, self._monotonic()):
            await self._fail(arrival.file, reason, arrival.digest)

    def later(self, arrival: Arrival) -> None:
        """The file could not be taken just now: it is the next one again."""
        self._due.appendleft(arrival.file)

    async def find(self, name: str, data: bytes) -> Arrival | None:
        """The file of this name, if it still has this content; Unavailable when the folder is away."""

        def found() -> Arrival | None:
            file = dropped.look_up(self._settings.path, name)
            if file is None or file.size != len(data) or dropped.read(self._settings.path, file) != data:
                return None
            return Arrival.of(file, data)

        try:
            return await asyncio.to_thread(found)
        except OSError as error:
            self._raise_if_away(error)
            return None

    async def _look(self) -> None:
        """List the folder, `poll_s` after the last time, and make the moves that are owed."""
        if self._watching:
            await asyncio.sleep(self._settings.poll_s)
        began = self._monotonic()
        try:
            files = await asyncio.to_thread(_listed, self._settings.path)
        except OSError as error:
            raise self._gone(error) from error
        if not self._watching:
            self._watching = True
            fields = {"driver": self._driver, "path": self._settings.path}
            logger.info("folder_opened", extra={"fields": fields})
        self._due.extend(await self._in_order(self._settling.look(files, began, self._monotonic())))
        there = set(files)
        self._locked &= there
        self._owed = {file: move for file, move in self._owed.items() if file in there}
        if began >= self._owed_again_at:
            await self._settle_debts()

    async def _in_order(self, files: Sequence[Seen]) -> Sequence[Seen]:
        """Files found together, by their content; those that have no order in it first, by their times."""
        order = self._order
        if order is None or len(files) < 2:
            return files
        keys = {}
        for file in files:
            now = self._monotonic()
            # Whoever reads it may break on it: then it must not stand in the way of the others.
            self._settling.postpone(file, now + self._settings.patience_s)
            keys[file] = await asyncio.to_thread(self._key, file, order)
            self._settling.postpone(file, now)
        return sorted(files, key=lambda file: (keys[file], file))

    def _key(self, file: Seen, order: Order) -> str:
        if self._unreadable(file) is not None:
            return ""
        try:
            arrival = _arrived(self._settings.path, file)
        except OSError:  # it is told when its turn comes
            return ""
        return "" if arrival is None else order(arrival.data)

    async def _opened(self, file: Seen) -> Arrival | None:
        """The file with its content; None when it is not to be taken, or not now."""
        reason = self._unreadable(file)
        if reason is not None:
            await self._fail(file, reason)
            return None
        try:
            arrival = await asyncio.to_thread(_arrived, self._settings.path, file)
        except OSError as error:
            self._raise_if_away(error)
            if trouble(error) is Trouble.REFUSED and file not in self._locked:
                self._locked.add(file)
                self._warn("file_locked", error)
            return None
        # Whoever takes it may break on it: then it must not stand in the way of those behind it.
        self._settling.postpone(file, self._monotonic() + self._settings.patience_s)
        return arrival

    def _unreadable(self, file: Seen) -> str | None:
        """Why there is no point in opening the file, if there is none."""
        most = self._settings.max_bytes
        if file.size > most:
            return f"the file is larger than {most} bytes ([limits] document_bytes)"
        return None if file.size else "the file is empty"

    async def _fail(self, file: Seen, reason: str, called: str | None = None) -> None:
        """To `failed/`, with the reason and what the log calls the file: its name stands in no log.

        One that was not read is called by when it was written.
        """
        called = called or digest_of(f"{file.mtime_ns} {file.size}".encode())
        fields = {"driver": self._driver, "file": called, "path": self._settings.path / FAILED}
        logger.warning("file_failed", extra={"fields": fields | {"reason": reason}})
        await self._carry_out(_Move(file, FAILED, Beside(REASON, (reason, f"in the log: file={called}"))))

    async def _carry_out(self, move: _Move) -> bool:
        """Make the move, or owe it: the file is not taken again meanwhile. Whether it was made."""
        try:
            await asyncio.to_thread(dropped.move, self._settings.path, move.file, move.into, move.beside)
        except OSError as error:
            self._raise_if_away(error)
            if trouble(error) is Trouble.REFUSED:
                self._owe(move, error)
                return False
        self._owed.pop(move.file, None)
        self._settling.forget(move.file)
        return True

    def _owe(self, move: _Move, error: OSError) -> None:
        if not self._owed:
            self._warn("files_not_moved", error)
        self._owed.pop(move.file, None)  # to the end: one that stays locked must not keep the others waiting
        self._owed[move.file] = move
        self._owed_again_at = self._monotonic() + self._settings.patience_s
        self._settling.postpone(move.file)

    async def _settle_debts(self) -> None:
        made = True
        while made and self._owed:
            made = await self._carry_out(next(iter(self._owed.values())))

    def _warn(self, event: str, error: OSError) -> None:
        reason = os.strerror(error.errno or errno.EIO)
        logger.warning(event, extra={"fields": {"driver": self._driver, "reason": reason}})

    def _raise_if_away(self, error: OSError) -> None:
        if trouble(error) is Trouble.AWAY:
            raise self._gone(error) from error

    def _gone(self, error: OSError) -> Unavailable:
        self._watching = False
        reason = os.strerror(error.errno or errno.EIO)
        return Unavailable(
            f"{self._settings.path}: {reason}; is the share mounted, and may this user read it?"
        )


def _listed(folder: Path) -> list[Seen]:
    """The files of a folder, after its sub-folders were made where it lets us; OSError when it is away."""
    files = dropped.list_files(folder)
    for name in (DONE, FAILED):
        # Where that is refused the first move says so.
        with contextlib.suppress(OSError):
            dropped.make_folder(folder, name)
    return files


def _arrived(folder: Path, file: Seen) -> Arrival | None:
    data = dropped.read(folder, file)
    return None if data is None else Arrival.of(file, data)
