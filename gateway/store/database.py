"""One SQLite file, one thread that writes it, commits in groups.

WAL with `synchronous=FULL`: when `write` returns, the change is on disk. Whatever is waiting while a commit
runs goes into the next one, so a hundred writers cost little more than one. Works of a group stand or fall
alone: where the disk refuses a group each runs again on its own, so that what only reads goes on. A work that
contradicts the schema is a fault of ours, not the disk's: trying it again changes nothing, so it is no
StorageError. A database that turns out to be damaged takes nothing new from a device any more; what can still
be read goes out.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.errors import DataError, GatewayError, StorageError
from gateway.store.checkpoints import Checkpoints
from gateway.store.faults import code, is_damage, refused
from gateway.store.opening import alone, check, connect

logger = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

# Enough to amortise an fsync (measured: 8,000 rows/s at 8 writers), small enough that nobody waits long.
_LARGEST_GROUP: Final = 256
# On such a disk nothing can be written, but what is there may be read.
_WRITES_REFUSED: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_OUR_FAULTS: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)


@dataclass(slots=True)
class _Waiting:
    work: Work[Any]
    done: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@contextlib.asynccontextmanager
async def open_database(path: Path) -> AsyncIterator["Database"]:
    """Open (or create) the database at `path`.

    StorageError when the disk refuses, Unavailable when another gateway has it, DataError when it is damaged,
    newer, or gone although there was one.
    """
    with alone(path), ThreadPoolExecutor(max_workers=1, thread_name_prefix="store") as thread:
        loop = asyncio.get_running_loop()
        connection, complete = await loop.run_in_executor(thread, connect, path)
        database = Database(thread, connection, path, checked=complete)
        try:
            yield database
        finally:
            await database.drain()
            await loop.run_in_executor(thread, connection.close)


class Database:
    """The single door to the file; build it with `open_database`."""

    def __init__(
        self, thread: ThreadPoolExecutor, connection: sqlite3.Connection, path: Path, *, checked: bool
    ) -> None:
        self._thread = thread
        self._connection = connection
        self.checked = checked  # whether its pages were compared with one another, at the start or since
        self._damage: str | None = None
        self._checkpoints = Checkpoints(connection, path)
        self.path: Final = path
        self.fault: str | None = None  # why the disk refuses just now, or for good; None: it does not
        self._waiting: list[_Waiting] = []
        self._committing: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; its result, once that is on disk. StorageError when it cannot be."""
        waiting = _Waiting(work)
        self._waiting.append(waiting)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_groups(), name="store-commit")
        return await waiting.done  # type: ignore[no-any-return]  # the future carries what work returned

    async def drain(self) -> None:
        """Wait until everything handed in is on disk or refused."""
        if self._committing is not None:
            await self._committing

    def insist_on_sound(self) -> None:
        """StorageError when the database is damaged: it must not be trusted with anything new."""
        if self._damage is not None:
            raise StorageError(self._damage)

    async def check_rest(self) -> None:
        """Finish the check that would have held up the start; reads beside everything else."""
        if self.checked:
            return
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        work = asyncio.ensure_future(asyncio.to_thread(check, connection, self.path))
        try:
            await asyncio.shield(work)
            self.checked = True
        except DataError as error:
            self.checked = True
            self._note_damage(str(error))
        finally:
            connection.interrupt()
            await asyncio.gather(work, return_exceptions=True)
            connection.close()

    async def checkpoint(self) -> int:
        """Give freed pages back to the disk, and empty the log into the database; the bytes it still has.

        A busy reader keeps it from being emptied.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._checkpoints.tidy)

    async def _commit_groups(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:_LARGEST_GROUP], self._waiting[_LARGEST_GROUP:]
            results = await self._outcomes([waiting.work for waiting in group])
            for waiting, result in zip(group, results, strict=True):
                _settle(waiting.done, result)
        self._committing = None

    async def _outcomes(self, works: Sequence[Work[Any]]) -> list[Any]:
        """The result or error of each work; where one of them is at fault each runs again, on its own."""
        job = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, works)
        outcome: list[Any] | BaseException = (await asyncio.gather(job, return_exceptions=True))[0]
        if not isinstance(outcome, BaseException):
            return outcome
        if len(works) == 1:
            return [outcome]
        return [result for work in works for result in await self._outcomes([work])]

    def _commit(self, works: Sequence[Work[Any]]) -> list[Any]:
        """In the store's thread: one transaction for all works, a savepoint for each."""
        changes = self._connection.total_changes
        try:
            with _transaction(self._connection):
                results = [self._attempt(work) for work in works]
        except _OUR_FAULTS:
            raise
        except sqlite3.Error as error:
            raise self._refused(error) from error
        refused_some = any(isinstance(result, StorageError) for result in results)
        if self._connection.total_changes > changes and not refused_some:
            self._note_recovered()
        return results

    def _attempt(self, work: Work[Any]) -> Any:
        try:
            with _savepoint(self._connection):
                return work(self._connection)
        except _OUR_FAULTS:
            raise
        except sqlite3.Error as error:
            if not self._connection.in_transaction:  # the disk took the whole transaction down
                raise
            return self._refused(error)
        except GatewayError as error:
            return error

    def _refused(self, error: sqlite3.Error) -> StorageError:
        found = refused(self.path, error)
        if is_damage(error):
            self._note_damage(str(found))
        elif code(error) in _WRITES_REFUSED and self.fault is None:
            self.fault = str(found)
            logger.error("storage_refused", extra={"fields": {"reason": found}})
        return found

    def _note_damage(self, reason: str) -> None:
        if self._damage is None:
            self._damage = self.fault = reason
            logger.error("storage_damaged", extra={"fields": {"reason": reason}})

    def _note_recovered(self) -> None:
        if self.fault is not None and self._damage is None:
            self.fault = None
            logger.warning("storage_recovered", extra={"fields": {"file": self.path}})


def _settle(done: "asyncio.Future[Any]", result: Any) -> None:
    if done.cancelled():
        return
    if isinstance(result, BaseException):
        done.set_exception(result)
    else:
        done.set_result(result)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if code(error) not in _WRITES_REFUSED:
            raise
        connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextlib.contextmanager
def _savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("SAVEPOINT work")
    kept = False
    try:
        yield
        kept = True
    finally:
        if connection.in_transaction:
            if not kept:
                connection.execute("ROLLBACK TO work")
            connection.execute("RELEASE work")
