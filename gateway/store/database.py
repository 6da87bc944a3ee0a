"""One SQLite file, one thread that writes it, commits in groups.

WAL with `synchronous=FULL`: when `write` returns, the change is on disk. Whatever is waiting while a commit
runs goes into the next one, so a hundred writers cost little more than one. Works of a group stand or fall
alone, except where the commit itself fails. A work that contradicts the schema is a fault of ours, not the
disk's: trying it again changes nothing, so it is no StorageError.
"""

import asyncio
import contextlib
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.errors import DataError, GatewayError, StorageError, Unavailable
from gateway.store.migrations import migrate

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

# Enough to amortise an fsync (measured: 8,000 rows/s at 8 writers), small enough that nobody waits long.
_LARGEST_GROUP: Final = 256
_OUR_FAULTS: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)


@dataclass(slots=True)
class _Waiting:
    work: Work[Any]
    done: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@contextlib.asynccontextmanager
async def open_database(path: Path) -> AsyncIterator["Database"]:
    """Open (or create) the database at `path`.

    StorageError when the disk refuses, Unavailable when another gateway has it, DataError when it is newer.
    """
    with _alone(path), ThreadPoolExecutor(max_workers=1, thread_name_prefix="store") as thread:
        loop = asyncio.get_running_loop()
        connection = await loop.run_in_executor(thread, _connect, path)
        database = Database(thread, connection, path)
        try:
            yield database
        finally:
            await database.drain()
            await loop.run_in_executor(thread, connection.close)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock beside the database: two gateways on one journal would each send everything."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("ab")
    except OSError as error:
        raise StorageError(f"{path}: {error}; free space, or let this user write there") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(f"{path}: another gateway is using it; stop that one first") from error
        yield


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.touch(mode=0o600)  # it holds patients; SQLite gives its other files the same mode
        with contextlib.ExitStack() as unless_ready:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            unless_ready.callback(connection.close)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.row_factory = sqlite3.Row
            migrate(connection)
            unless_ready.pop_all()
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"{path}: {error}; free space, or let this user write there") from error
    except DataError as error:
        raise error.within(str(path)) from error
    return connection


class Database:
    """The single door to the file; build it with `open_database`."""

    def __init__(self, thread: ThreadPoolExecutor, connection: sqlite3.Connection, path: Path) -> None:
        self._thread = thread
        self._connection = connection
        self._path = path
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
        if isinstance(outcome, StorageError) or len(works) == 1:
            return [outcome] * len(works)
        return [result for work in works for result in await self._outcomes([work])]

    def _commit(self, works: Sequence[Work[Any]]) -> list[Any]:
        """In the store's thread: one transaction for all works, a savepoint for each."""
        try:
            with _transaction(self._connection):
                return [self._attempt(work) for work in works]
        except _OUR_FAULTS:
            raise
        except sqlite3.Error as error:
            raise self._refused(error) from error

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
        return StorageError(f"{self._path}: {error}; what was already stored is kept")


def _settle(done: "asyncio.Future[Any]", result: Any) -> None:
    if done.cancelled():
        return
    if isinstance(result, BaseException):
        done.set_exception(result)
    else:
        done.set_result(result)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
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
