"""Another process beside the gateway: what it may do, what it is told, and that nobody loses anything."""

import asyncio
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from gateway.domain.recording import Side
from gateway.domain.study import ActionDeclined, ClinicalFacts, ClinicalStated, DetailStated, ExamEnded, Fact
from gateway.errors import DataError, NoInput, PermissionRefused, StorageError, UsageError
from gateway.store.database import Database, open_database
from gateway.store.journal import Journal, JournaledFact
from gateway.store.migrations import migrate
from gateway.store.visit import visit
from tests.factories import header, motor
from tests.fakes import FakeClock

WRIST = motor("wrist")
END = ExamEnded(by="operator")
SIGNS = ClinicalStated(clinical=ClinicalFacts(umn_signs=True))
NOBODY = 65534


async def ignore(_facts: Sequence[JournaledFact]) -> None:
    """Nobody works on the facts of this file."""


async def deliver(database: Database, *facts: Fact, driver: str = "room-1", study_id: str = "S-1") -> None:
    journal = await Journal.open(database, FakeClock(), "boot-1")
    await journal.intake(driver, "cart-a", ignore).deliver(header(study_id=study_id), facts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    """A running gateway with one study."""
    async with open_database(path) as opened:
        await deliver(opened, WRIST)
        yield opened


def facts(path: Path) -> list[tuple[str, str | None]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT kind, stated_by FROM fact ORDER BY id").fetchall()


def say(path: Path, *stated: Fact, by: str = "anna") -> int:
    with visit(path) as here:
        return here.state(here.study("S-1").code, stated, by=by, clock=FakeClock())


async def test_studies_are_listed_by_their_names_the_newest_first(database: Database, path: Path) -> None:
    await deliver(database, WRIST, motor("below_elbow"), END, SIGNS, study_id="S-2")
    await deliver(database, WRIST, END, motor("below_elbow"), study_id="S-3")
    await deliver(database, study_id="S-4")

    with visit(path) as here:
        found = here.studies()

    assert [(entry.study_id, entry.recordings) for entry in found] == [
        ("S-4", 0),
        ("S-3", 2),
        ("S-2", 2),
        ("S-1", 1),
    ]
    assert [entry.ended_at is None for entry in found] == [True, True, False, True]
    assert {entry.started_at for entry in found} == {"2026-11-02T09:15:00+00:00"}
    assert "Canary" not in repr(found)


async def test_a_study_is_all_of_its_facts_whether_they_are_worked_off_or_not(
    database: Database, path: Path
) -> None:
    await database.write(lambda c: c.execute("UPDATE fact SET processed = 1").rowcount)
    await deliver(database, motor("below_elbow"))

    with visit(path) as here:
        found = here.study("S-1")

    assert found.study.recordings == (WRIST, motor("below_elbow"))
    assert found.unreadable == ()


async def test_a_study_is_found_by_its_code_in_either_case(database: Database, path: Path) -> None:  # noqa: ARG001
    with visit(path) as here:
        code = here.study("S-1").code
        assert here.study(code.lower()).code == code
        with pytest.raises(UsageError, match="studies list"):
            here.study("S-9")


async def test_one_id_of_two_studies_names_none_of_them(database: Database, path: Path) -> None:
    await deliver(database, WRIST, driver="room-2")

    with visit(path) as here:
        codes = sorted(entry.code for entry in here.studies())
        with pytest.raises(UsageError, match=f"by its code: {', '.join(codes)}"):
            here.study("S-1")


async def test_what_cannot_be_read_of_a_study_is_named(database: Database, path: Path) -> None:
    await deliver(database, motor("below_elbow"))
    await database.write(lambda c: c.execute("UPDATE fact SET body = x'00' WHERE id = 2").rowcount)

    with visit(path) as here:
        found = here.study("S-1")

    assert found.study.recordings == (motor("below_elbow"),)
    assert [entry.id for entry in found.unreadable] == [2]


async def test_a_study_without_a_header_is_said(database: Database, path: Path) -> None:
    await database.write(lambda c: c.execute("UPDATE fact SET body = x'00' WHERE id = 1").rowcount)

    with visit(path) as here, pytest.raises(DataError, match="header"):
        here.study("S-1")


async def test_what_is_stated_is_on_disk_with_who_said_it(database: Database, path: Path) -> None:
    assert say(path, SIGNS, END) == 2
    assert say(path, SIGNS) == 0

    assert facts(path)[2:] == [("clinical", "anna"), ("ended", "anna")]
    await deliver(database, motor("below_elbow"))
    assert facts(path)[4:] == [("recording", None)]


async def test_all_of_it_is_stored_or_nothing(database: Database, path: Path) -> None:
    await database.write(
        lambda c: (
            c.execute(
                "CREATE TRIGGER refusal BEFORE INSERT ON fact WHEN new.kind = 'ended'"
                " BEGIN INSERT INTO nowhere VALUES (1); END"
            ).rowcount
        )
    )

    with pytest.raises(StorageError, match="nothing was stored, try again"):
        say(path, SIGNS, END)

    assert len(facts(path)) == 2


async def test_many_operators_and_the_gateway_at_once_lose_nothing(database: Database, path: Path) -> None:
    def declined(number: int) -> ActionDeclined:
        return ActionDeclined(action=f"action-{number}", reason="patient_stops")

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(4) as operators:
        stating = [loop.run_in_executor(operators, say, path, declined(n)) for n in range(24)]
        for number in range(24):
            await deliver(database, motor("wrist", skin_temperature_c=float(number)))
        assert sum(await asyncio.gather(*stating)) == 24

    with visit(path) as here:
        study = here.study("S-1").study
    assert len(study.declined) == 24
    assert len(study.recordings) == 25


async def test_two_who_say_the_same_at_once_say_it_once(database: Database, path: Path) -> None:  # noqa: ARG001
    loop = asyncio.get_running_loop()
    warm = DetailStated(name="skin_temperature_c", value=31.5, nerve="ulnar", side=Side.RIGHT)
    with ThreadPoolExecutor(4) as operators:
        counts = await asyncio.gather(
            *(loop.run_in_executor(operators, say, path, warm, SIGNS) for _ in range(8))
        )

    assert sorted(counts) == [0] * 7 + [2]


async def test_who_keeps_the_store_busy_is_waited_for_and_then_told(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **keys: connect(*args, timeout=0.01, **keys))

    def hold(connection: sqlite3.Connection) -> None:
        assert connection.in_transaction
        with pytest.raises(StorageError, match="locked; nothing was stored, try again"):
            say(path, SIGNS)

    await database.write(hold)
    assert len(facts(path)) == 2


@pytest.mark.parametrize("name", ["nowhere.db", "gateway.db/inside.db", "."])
async def test_a_store_that_is_not_there_is_not_made(database: Database, path: Path, name: str) -> None:  # noqa: ARG001
    with pytest.raises(NoInput, match="has the gateway run"), visit(path.parent / name):
        pass
    assert not (path.parent / "nowhere.db").exists()


def test_what_is_no_store_is_named(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)

    with pytest.raises(StorageError, match=re.escape(f"{path}: file is not a database")), visit(path):
        pass


@pytest.mark.parametrize(("version", "told"), [(0, "older"), (1, "older"), (99, "newer")])
def test_a_store_of_another_version_is_left_alone(path: Path, version: int, told: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")

    with pytest.raises(DataError, match=f"{path}: .*{told} gateway"), visit(path):
        pass


def test_a_store_of_the_first_version_keeps_its_facts(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        first = files("gateway.store.migrations").joinpath("0001_first.sql").read_text("utf-8")
        connection.executescript(f"{first} PRAGMA user_version = 1;")
        connection.execute(
            "INSERT INTO study (code, driver, cart, study_id, patient_id) VALUES ('C','d','c','S','P')"
        )
        connection.execute(
            "INSERT INTO fact (study, kind, body, received_at, boot_id, monotonic_s)"
            " VALUES ('C', 'ended', 'device', 'now', 'boot-0', 1.0)"
        )
        connection.commit()
        migrate(connection, path)

    assert facts(path) == [("ended", None)]


@pytest.fixture
def strange(database: Database, path: Path) -> Iterator[Path]:  # noqa: ARG001
    """A store as a user meets it whom it does not belong to: readable, not writable."""
    folder = Path(tempfile.mkdtemp(prefix="visit-"))
    shutil.copy(path, folder / "gateway.db")
    (folder / "gateway.db").chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield folder / "gateway.db"
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_user_who_may_not_write_there_is_told_as_whom_to_do_it(strange: Path) -> None:
    with pytest.raises(PermissionRefused, match=f"{strange}: .*; do this as the user the gateway runs as"):
        say(strange, SIGNS)


def test_a_user_who_may_not_even_look_is_told_so_too(strange: Path) -> None:
    os.seteuid(os.getuid())
    strange.parent.chmod(0o000)
    if os.getuid() == 0:
        os.seteuid(NOBODY)

    with pytest.raises(PermissionRefused, match="Permission denied; do this as"), visit(strange):
        pass
