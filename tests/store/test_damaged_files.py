"""Torn logs, bad pages, flipped bits: all is read as before, or what is wrong is named. Never neither."""

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import DataError, GatewayError, StorageError
from gateway.store.database import open_database
from gateway.store.journal import JournaledFact, Unreadable, fact_checksum, read_facts
from gateway.store.opening import LONGEST_CHECK_S, check
from gateway.store.wal import read_log
from tests.disks import Whole, overwrite
from tests.laboratory import PREFIX, laboratory

PAGE = 4096
NAME = "gateway.db"
FACTS = (
    "SELECT fact.id, study, cart, kind, identity, fact.body, fact.checksum FROM fact"
    " JOIN study ON code = study ORDER BY fact.id"
)


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, object]]:
    return [record.fields for record in caplog.records if record.getMessage() == name]


async def killed(folder: Path, studies: int = 2) -> Path:
    """The files of a gateway that was killed: everything committed is in the log alone."""
    image = folder / "killed"
    image.mkdir()
    async with laboratory(folder / "alive") as here:
        await here.database.checkpoint()
        for number in range(studies):
            await here.examine(f"S-{number}", recordings=2, delivered=False)
        for end in ("", "-wal"):
            shutil.copy(f"{here.path}{end}", image)
        shutil.copy(here.path.with_suffix(".lock"), image)
    return image / NAME


async def closed(folder: Path, studies: int = 3, recordings: int = 4) -> Path:
    """The file of a gateway that was stopped in order."""
    async with laboratory(folder) as here:
        for number in range(studies):
            await here.examine(f"S-{number}", recordings, delivered=number < studies - 1)
    return folder / NAME


def page_of(path: Path, name: str) -> int:
    """Where the root page of a table or an index begins."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        return (int(connection.execute(query, (name,)).fetchone()[0]) - 1) * PAGE


async def readings(path: Path) -> list[object]:
    """All that the gateway would do with what is there: the facts, and what goes out."""
    async with laboratory(path.parent) as here:
        found: list[object] = await here.database.write(lambda c: list(read_facts(c.execute(FACTS))))
        for sink in ("engine", PREFIX):
            found += [(item.seq, item.payload) for item in await here.outbox.pending(sink, 1000)]
        found += [(item.seq, item.payload) for item in await here.outbox.after(PREFIX, 0, 1000, 1000)]
    return found


async def test_a_log_that_is_cut_off_anywhere_gives_the_commits_before_the_cut(tmp_path: Path) -> None:
    path = await killed(tmp_path)
    log = path.with_name(f"{NAME}-wal")
    whole = log.read_bytes()
    seen = []
    for cut in range(0, len(whole), len(whole) // 40):
        image = tmp_path / f"cut-{cut}"
        shutil.copytree(path.parent, image)
        (image / log.name).write_bytes(whole[:cut])
        async with laboratory(image) as here:
            seen.append([row[0] for row in await here.rows("SELECT id FROM fact ORDER BY id")])

    assert seen == sorted(seen, key=len)
    assert all(ids == list(range(1, len(ids) + 1)) for ids in seen)
    assert (len(seen[0]), len(seen[-1])) == (0, 8)


async def test_a_torn_end_of_the_log_is_nobody_s_loss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = await killed(tmp_path)
    log = path.with_name(f"{NAME}-wal")
    overwrite(log, log.stat().st_size - 100, b"\xff" * 100)

    async with laboratory(path.parent) as here:
        assert len(await here.rows("SELECT id FROM fact")) == 8
        await here.examine("S-9")

    assert events(caplog, "journal_log_damaged") == []


@pytest.mark.parametrize("place", ["first frame", "middle", "header"])
async def test_a_log_that_lost_what_was_committed_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    path = await killed(tmp_path)
    log = path.with_name(f"{NAME}-wal")
    at = {"first frame": 100, "middle": log.stat().st_size // 2, "header": 17}[place]
    overwrite(log, at, bytes([log.read_bytes()[at] ^ 0x40]))

    async with laboratory(path.parent) as here:
        assert len(await here.rows("SELECT id FROM fact")) < 8

    (told,) = events(caplog, "journal_log_damaged")
    assert int(str(told["commits"])) > 0
    assert "send today's examinations again" in str(told["advice"])


async def test_a_sound_log_and_none_at_all_are_no_reason_to_say_anything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = await killed(tmp_path)
    log = read_log(path.with_name(f"{NAME}-wal"))
    assert log is not None
    assert log.readable
    assert log.lost(max(log.commits)) == 0
    assert read_log(tmp_path / "nowhere") is None
    (tmp_path / "short").write_bytes(b"short")
    assert read_log(tmp_path / "short") is None

    async with laboratory(path.parent) as here:
        assert len(await here.rows("SELECT id FROM fact")) == 8
    assert caplog.records == []


@pytest.mark.parametrize("where", ["header", "fact", "fact_study", "sqlite_autoindex_study_1", "entry"])
async def test_a_bad_page_keeps_it_from_starting_and_says_what_to_run(tmp_path: Path, where: str) -> None:
    path = await closed(tmp_path)
    overwrite(path, 0 if where == "header" else page_of(path, where), b"\xaa" * 512)
    before = path.read_bytes()

    with pytest.raises(DataError) as error:
        async with open_database(path):
            pass

    assert str(error.value).startswith(f"{path}: damaged: ")
    assert str(error.value).endswith("stop the gateway and run 'emg-gateway store salvage'")
    assert "\n" not in str(error.value)
    assert path.read_bytes() == before


async def test_an_index_that_contradicts_its_table_is_found(tmp_path: Path) -> None:
    path = await closed(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name ="
            " 'outbox_study') WHERE name = 'fact_study'"
        )
        connection.commit()

    with pytest.raises(DataError, match="damaged"):
        async with open_database(path):
            pass


async def test_a_key_or_a_name_that_changed_is_found(tmp_path: Path) -> None:
    path = await closed(tmp_path)
    for change in (
        "UPDATE installation SET key = zeroblob(32)",
        "UPDATE study SET patient_id = 'P-2' WHERE study_id = 'S-1'",
        "DELETE FROM installation",
    ):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            connection.execute(change)
            connection.row_factory = sqlite3.Row
            with pytest.raises(DataError, match="damaged"):
                check(connection, path, LONGEST_CHECK_S)


@pytest.mark.parametrize("state", ["missing", "empty", "blank"])
async def test_a_journal_that_is_gone_is_never_begun_anew_silently(tmp_path: Path, state: str) -> None:
    path = await closed(tmp_path)
    path.unlink()
    if state == "empty":
        path.touch()
    if state == "blank":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")

    with pytest.raises(DataError) as error:
        async with open_database(path):
            pass
    assert f"put it back, or begin anew on purpose with 'rm {path.with_suffix('.lock')}'" in str(error.value)

    path.with_suffix(".lock").unlink()
    async with open_database(path):
        pass


async def test_a_number_of_the_schema_that_is_gone_is_damage(tmp_path: Path) -> None:
    path = await closed(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 0")

    with pytest.raises(DataError, match="the number of its schema is gone"):
        async with open_database(path):
            pass


async def test_a_page_that_goes_bad_while_it_runs_refuses_the_cart_and_lets_the_rest_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = await closed(tmp_path, studies=3)
    root = page_of(path, "entry")
    async with laboratory(tmp_path) as here:
        await here.rows("PRAGMA cache_size = 1")
        overwrite(path, root, b"\xaa" * 512)
        with pytest.raises(StorageError, match="store salvage"):
            await here.rows("SELECT count(*), sum(length(body)) FROM entry")

        intake = here.journal.intake("room-1", "cart-a", _nobody)
        with pytest.raises(StorageError, match="store salvage"):
            await intake.open()
        with pytest.raises(StorageError, match="store salvage"):
            await intake.accept(1, b"frame")
        (item,) = await here.outbox.pending("engine")
        await here.outbox.delivered(item.id, "AA")
        assert await here.outbox.pending("engine") == []
        assert here.database.fault is not None

    assert len(events(caplog, "storage_damaged")) == 1
    assert events(caplog, "storage_recovered") == []


async def _nobody(_facts: Sequence[JournaledFact]) -> None:
    """Nothing comes through."""


async def test_a_message_that_the_disk_changed_is_set_aside_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with laboratory(tmp_path) as here:
        for study in ("S-1", "S-2"):
            await here.examine(study, delivered=False)
        await here.rows("UPDATE outbox SET payload = x'4D' WHERE sink = 'engine' AND control_id LIKE '%-6'")
        await here.rows("UPDATE outbox SET payload = x'4D' WHERE sink = ? AND seq = 2", PREFIX)

        assert len(await here.outbox.pending("engine", 10)) == 1
        assert 2 not in [item.seq for item in await here.outbox.after(PREFIX, 0, 99, 99)]
        assert await here.rows("SELECT state, error FROM outbox WHERE payload = x'4D' ORDER BY id") == [
            ("pending", None),
            ("dead", "damaged on the disk; nothing was sent"),
        ]
    assert len(events(caplog, "outbox_row_damaged")) == 2


async def test_a_fact_is_compared_with_what_was_written(tmp_path: Path) -> None:
    changes = {
        2: "body = x'7B7D'",  # its checksum says so
        3: "body = x'7B7D', checksum = NULL",  # of an older gateway: its identity does
        6: "kind = 'later', checksum = checksum(study, 'later', identity, body)",  # of a newer one
    }
    async with laboratory(tmp_path) as here:
        await here.examine("S-1", recordings=4)
        await here.rows("UPDATE fact SET checksum = NULL WHERE id = 4")
        await here.database.write(lambda c: c.create_function("checksum", -1, fact_checksum))
        for number, change in changes.items():
            await here.rows(f"UPDATE fact SET {change} WHERE id = {number}")  # noqa: S608
        found = await here.database.write(lambda c: read_facts(c.execute(FACTS)))

    reasons = {entry.id: entry.reason for entry in found if isinstance(entry, Unreadable)}
    assert reasons == {
        2: "damaged on the disk",
        3: "damaged on the disk",
        6: "kind: a kind of fact that this gateway does not know",
    }


@pytest.mark.parametrize(("limit", "value"), [("LONGEST_CHECK_S", -1.0), ("LARGEST_CHECK_BYTES", 1000)])
async def test_the_check_of_the_start_is_cut_short_and_finished_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    path = await closed(tmp_path, studies=20)
    monkeypatch.setattr(f"gateway.store.opening.{limit}", value)
    monkeypatch.setattr("gateway.store.opening._STEPS", 10)
    overwrite(path, page_of(path, "fact_study"), b"\xaa" * 64)

    async with open_database(path) as database:
        assert not database.checked
        await database.check_rest()

        assert database.checked
        with pytest.raises(StorageError, match="store salvage"):
            database.insist_on_sound()
        await database.check_rest()


@given(st.binary(max_size=300), st.binary(max_size=9000))
def test_whatever_stands_in_a_log_it_is_read_to_its_end(start: bytes, rest: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        log.write_bytes(start + rest)
        found = read_log(log)

    assert found is None or all(0 < number <= 400 for number in found.commits)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Whole]:
    """A store with everything in it, and its bytes."""
    path = asyncio.run(closed(tmp_path_factory.mktemp("sound"), studies=2, recordings=3))
    return path, Whole(path.read_bytes())


# Where in the file: a part of its length, which differs from run to run.
PLACES = st.integers(0, 9_999_999)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(PLACES, st.integers(1, 255)), min_size=1, max_size=3))
async def test_whatever_bits_flip_all_is_read_as_before_or_it_is_named(
    sound: tuple[Path, Whole], caplog: pytest.LogCaptureFixture, flips: list[tuple[int, int]]
) -> None:
    path, whole = sound
    path.write_bytes(whole)
    before = await readings(path)
    path.write_bytes(whole)
    damaged = bytearray(whole)
    for place, bits in flips:
        damaged[place * len(whole) // 10_000_000] ^= bits
    path.write_bytes(damaged)
    caplog.clear()

    try:
        after = await readings(path)
    except GatewayError as error:
        told = str(error)
        assert str(path) in told  # it is one of two good ends
        return
    named = bool(events(caplog, "outbox_row_damaged") or events(caplog, "storage_damaged"))
    unreadable = [entry for entry in after if isinstance(entry, Unreadable)]
    assert after == before or named or unreadable
