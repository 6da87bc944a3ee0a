"""From every shape there ever was to today's: everything is still there, and a copy says how it was."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from gateway.errors import DataError, StorageError
from gateway.protocols.telemetry import study_code
from gateway.store.copies import copies
from gateway.store.database import open_database
from tests.disks import full, small_disk

STEPS = sorted(s.name for s in files("gateway.store.migrations").iterdir() if s.name.endswith(".sql"))
NEWEST = len(STEPS)
OLDER = range(1, NEWEST)
HEADER = b'{"study_id":"S-1","performed_at":"2026-11-02T10:15:00+01:00"}'


def older(path: Path, schema: int, studies: int = 3) -> None:
    """A database as a gateway of that schema left it, with something in every table it had then."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for number, step in enumerate(STEPS[:schema], start=1):
            script = files("gateway.store.migrations").joinpath(step).read_text("utf-8")
            connection.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")
        connection.execute("PRAGMA journal_mode = WAL")
        (key,) = connection.execute("SELECT key FROM installation").fetchone()
        connection.execute("BEGIN")
        connection.execute("INSERT INTO sequence (prefix, last) VALUES ('emg/v1/lab1/cart-a', 3)")
        for number in range(1, studies + 1):
            _fill(connection, bytes(key), number)
        if schema >= 5:
            connection.execute("INSERT INTO pause VALUES ('engine', 'then', 'root')")
            connection.execute(
                "INSERT INTO decision (kind, sink, stated_by, decided_at)"
                " VALUES ('paused', 'engine', 'root', '')"
            )
        connection.execute("COMMIT")


def _fill(connection: sqlite3.Connection, key: bytes, number: int) -> None:
    code = study_code(key, "room-1", f"S-{number}", "P")
    connection.execute(
        "INSERT INTO study (code, driver, cart, study_id, patient_id) VALUES (?, 'room-1', 'c', ?, 'P')",
        (code, f"S-{number}"),
    )
    connection.execute("INSERT INTO session (driver, opened_at, closed) VALUES ('room-1', 'then', 1)")
    connection.execute("INSERT INTO entry (session, received_at, body) VALUES (?, 'then', x'01')", (number,))
    for kind, body in (("opened", HEADER), ("ended", b"device")):
        connection.execute(
            "INSERT INTO fact (study, kind, body, received_at, boot_id, monotonic_s, processed)"
            " VALUES (?, ?, ?, 'then', 'boot', 1.0, 1)",
            (code, kind, body),
        )
    connection.execute(
        "INSERT INTO outbox (sink, study, seq, topic, retain, payload, state, created_at)"
        " VALUES ('emg/v1/lab1/cart-a', ?, ?, 't', 1, x'02', 'delivered', 'then')",
        (code, number),
    )
    state = "pending" if number == 1 else "delivered"
    connection.execute(
        "INSERT INTO outbox (sink, study, control_id, payload, state, created_at)"
        " VALUES ('engine', ?, ?, x'03', ?, 'then')",
        (code, f"{code}-1", state),
    )


def content(path: Path) -> dict[str, list[dict[str, object]]]:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}  # noqa: S608


def schema_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("schema", OLDER)
async def test_everything_is_still_there_after_an_upgrade(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "gateway.db"
    older(path, schema)
    before = content(path)

    async with open_database(path):
        pass

    after = content(path)
    assert schema_of(path) == NEWEST
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]] if rows else []
        assert kept == rows, table


@pytest.mark.parametrize("schema", OLDER)
async def test_the_copy_beside_it_is_what_there_was(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "gateway.db"
    older(path, schema)
    before = content(path)

    async with open_database(path):
        pass

    (copy,) = copies(path)
    assert copy.name == f"gateway.db.before-{schema + 1:04d}"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert schema_of(copy) == schema
    assert content(copy) == before
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_copy_holds_what_only_the_log_had(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    older(path, 5)
    with closing(sqlite3.connect(path)) as still_open:
        still_open.execute("UPDATE study SET cart = 'only in the log'")
        still_open.commit()
        async with open_database(path):
            pass

    assert {row["cart"] for row in content(copies(path)[0])["study"]} == {"only in the log"}


async def test_a_new_database_needs_no_copy_and_an_upgrade_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    for _ in range(2):
        async with open_database(path):
            pass
    assert copies(path) == []

    older(tmp_path / "old.db", 5)
    for _ in range(2):
        async with open_database(tmp_path / "old.db"):
            pass
    assert [copy.name for copy in copies(tmp_path / "old.db")] == ["old.db.before-0006"]


async def test_a_copy_that_a_crash_left_half_made_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    older(path, 5)
    before = content(path)
    path.with_name("gateway.db.before-0006.partial").write_bytes(b"half a copy")

    async with open_database(path):
        pass

    assert content(copies(path)[0]) == before
    assert not path.with_name("gateway.db.before-0006.partial").exists()


async def test_of_old_copies_the_newest_three_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    for number in (2, 3, 4, 5):
        path.with_name(f"gateway.db.before-{number:04d}").write_bytes(b"")
    unlike = path.with_name("gateway.db.before-lunch")
    unlike.write_bytes(b"")
    older(path, 5)

    async with open_database(path):
        pass

    assert [copy.name[-4:] for copy in copies(path)] == ["0004", "0005", "0006"]
    assert unlike.exists()


async def test_an_upgraded_database_gives_space_back(tmp_path: Path) -> None:
    older(tmp_path / "gateway.db", 1, studies=50)

    async with open_database(tmp_path / "gateway.db") as database:
        assert await database.write(lambda c: c.execute("PRAGMA auto_vacuum").fetchone()[0]) == 2


async def test_without_room_for_the_copy_nothing_is_changed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 3) as disk:
        path = disk / "gateway.db"
        older(path, 5, studies=3000)
        before = content(path)
        with full(disk), pytest.raises(StorageError) as error:
            async with open_database(path):
                pass
        assert (schema_of(path), content(path)) == (5, before)
        left = sorted(entry.name for entry in disk.iterdir())

    assert "free space" in str(error.value) or "MB there; nothing was changed" in str(error.value)
    assert not [name for name in left if "before" in name]


async def test_without_room_to_write_it_anew_an_upgraded_store_works_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        path = disk / "gateway.db"
        older(path, 5, studies=2200)
        before = len(content(path)["fact"])
        async with open_database(path) as database:
            assert (
                await database.write(lambda c: c.execute("SELECT count(*) FROM fact").fetchone()[0]) == before
            )
        assert schema_of(path) == NEWEST

    names = [record.getMessage() for record in caplog.records]
    assert names == ["schema_changes", "database_not_compacted"]


_LITTLE_ROOM = """
import asyncio, resource, signal, sys
from pathlib import Path
from gateway.errors import StorageError
from gateway.store.database import open_database
path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
async def main():
    async with open_database(path):
        pass
try:
    asyncio.run(main())
except StorageError as error:
    print(error)
"""


def test_a_copy_that_cannot_be_finished_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    older(path, 5, studies=500)
    before = content(path)

    tried = subprocess.run(
        [sys.executable, "-c", _LITTLE_ROOM, str(path)], capture_output=True, text=True, check=True
    )

    assert "no copy could be made before the schema changes" in tried.stdout
    assert "nothing was changed" in tried.stdout
    assert (schema_of(path), content(path)) == (5, before)
    assert not list(tmp_path.glob("*before*"))


async def test_a_newer_schema_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with open_database(path) as database:
        await database.write(lambda c: c.execute(f"PRAGMA user_version = {NEWEST + 1}"))
    before = content(path)

    with pytest.raises(DataError) as error:
        async with open_database(path):
            pass

    assert f"newer gateway (schema {NEWEST + 1}, this one knows {NEWEST}); install that version" in str(
        error.value
    )
    assert (schema_of(path), content(path)) == (NEWEST + 1, before)
