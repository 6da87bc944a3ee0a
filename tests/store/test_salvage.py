"""What can be read of a damaged store goes on; the damaged one stays as it was."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import DataError, NoInput, StorageError, Unavailable
from gateway.store.database import open_database
from gateway.store.salvage import salvage
from tests.disks import Whole, full, overwrite, small_disk
from tests.laboratory import PREFIX, laboratory

PAGE = 4096
NAME = "gateway.db"


async def store(folder: Path, studies: int = 12) -> Path:
    async with laboratory(folder) as here:
        for number in range(studies):
            await here.examine(f"S-{number}", recordings=6, delivered=number < studies - 1)
    return folder / NAME


def pages(path: Path, table: str, kind: int) -> list[int]:
    """Where the pages of that kind begin that only this table has rows on."""
    with closing(sqlite3.connect(path)) as connection:
        count = path.stat().st_size // PAGE
        content = path.read_bytes()
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    below, found = [root], []
    while below:
        number = below.pop()
        page = content[(number - 1) * PAGE : number * PAGE]
        if page[0] == kind:
            found.append((number - 1) * PAGE)
        if page[0] == 0x05:  # interior of a table: the pages below it
            cells = int.from_bytes(page[3:5], "big")
            places = [int.from_bytes(page[12 + 2 * n : 14 + 2 * n], "big") for n in range(cells)]
            below += [int.from_bytes(page[at : at + 4], "big") for at in places]
            below.append(int.from_bytes(page[8:12], "big"))
    assert all(0 <= place < count * PAGE for place in found)
    return sorted(found)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def facts(path: Path) -> set[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT id, study, kind, identity, body, checksum FROM fact"))


async def test_a_leaf_that_is_lost_takes_its_own_rows_and_no_others(tmp_path: Path) -> None:
    path = await store(tmp_path)
    before = facts(path)
    bad = pages(path, "fact", 0x0D)
    overwrite(path, bad[len(bad) // 2], b"\xaa" * PAGE)
    damaged = path.read_bytes()

    found = salvage(path)

    assert found is not None
    assert not found.complete
    lost = next(entry for entry in found.tables if entry.table == "fact").lost
    assert 0 < len(before - facts(path)) <= lost <= 4
    assert facts(path) <= before
    assert found.damaged.read_bytes() == damaged
    assert found.damaged.name.startswith("gateway.db.damaged-")


async def test_what_waits_goes_out_afterwards_under_the_same_number(tmp_path: Path) -> None:
    path = await store(tmp_path)
    async with laboratory(tmp_path) as here:
        before = await here.outbox.pending("engine", 10)
        last = await here.outbox.last_seq(PREFIX)
        key = await here.rows("SELECT key FROM installation")
    overwrite(path, pages(path, "entry", 0x0D)[0], b"\xaa" * PAGE)
    with pytest.raises(DataError):
        async with open_database(path):
            pass

    assert salvage(path) is not None

    async with laboratory(tmp_path) as here:
        assert await here.outbox.pending("engine", 10) == before
        assert await here.outbox.last_seq(PREFIX) == last
        assert await here.rows("SELECT key FROM installation") == key
        await here.examine("S-new")


async def test_only_an_index_is_bad_then_nothing_is_lost(tmp_path: Path) -> None:
    path = await store(tmp_path)
    before = facts(path)
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'fact_study'"
        root = connection.execute(query).fetchone()[0]
    overwrite(path, (root - 1) * PAGE, b"\xaa" * PAGE)

    found = salvage(path)

    assert found is not None
    assert found.complete
    assert facts(path) == before


async def test_what_only_the_log_had_is_taken_along(tmp_path: Path) -> None:
    image = tmp_path / "killed"
    image.mkdir()
    async with laboratory(tmp_path / "alive") as here:
        await here.examine("S-1")
        await here.database.checkpoint()
        await here.examine("S-2")
        for end in ("", "-wal"):
            shutil.copy(f"{here.path}{end}", image)
        before = set(await here.rows("SELECT id, study, kind, identity, body, checksum FROM fact"))
        entry = await here.rows("SELECT rootpage FROM sqlite_master WHERE name = 'decision_message'")
    overwrite(image / NAME, (entry[0][0] - 1) * PAGE, b"\xaa" * PAGE)

    assert salvage(image / NAME) is not None
    assert facts(image / NAME) == before


async def test_where_the_numbers_of_the_events_are_lost_old_ones_are_not_taken_for_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = await store(tmp_path)
    async with laboratory(tmp_path) as here:
        await here.outbox.thin(10, here.clock.now())
        oldest, last = await here.outbox.oldest(PREFIX), await here.outbox.last_seq(PREFIX)
    overwrite(path, pages(path, "sequence", 0x0D)[0], b"\xaa" * 100)

    salvage(path)

    async with laboratory(tmp_path) as here:
        assert (await here.outbox.oldest(PREFIX), await here.outbox.last_seq(PREFIX)) == (oldest, last)
        assert await here.outbox.after(PREFIX, 0, last, 9999) != []
    assert "outbox_row_damaged" not in caplog.messages


async def test_a_sound_store_is_left_alone(tmp_path: Path) -> None:
    path = await store(tmp_path, studies=1)
    before = path.read_bytes()

    assert salvage(path) is None
    assert path.read_bytes() == before
    assert names(tmp_path) == [NAME, "gateway.lock"]


async def test_nothing_is_done_while_a_gateway_runs(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        with pytest.raises(Unavailable, match="stop that one first"):
            salvage(here.path)


async def test_what_cannot_be_read_at_all_names_the_copies(tmp_path: Path) -> None:
    path = await store(tmp_path, studies=1)
    overwrite(path, 0, b"\xaa" * PAGE)
    path.with_name("gateway.db.before-0006").write_bytes(b"")
    before = path.read_bytes()

    with pytest.raises(DataError, match=r"nothing can be read: .* \(gateway\.db\.before-0006\)"):
        salvage(path)

    assert path.read_bytes() == before


async def test_without_room_for_a_second_one_nothing_is_changed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 3) as disk:
        path = await store(disk, studies=4)
        overwrite(path, pages(path, "entry", 0x0D)[0], b"\xaa" * PAGE)
        before = path.read_bytes()
        with (
            full(disk),
            pytest.raises(StorageError, match="free space for a second one, nothing was changed"),
        ):
            salvage(path)

        assert path.read_bytes() == before
        assert names(disk) == [NAME, "gateway.lock"]


async def test_without_the_key_there_is_no_store(tmp_path: Path) -> None:
    path = await store(tmp_path, studies=1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM installation")
        connection.commit()

    with pytest.raises(DataError, match="the key behind the study codes is gone"):
        salvage(path)


def test_a_store_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoInput):
        salvage(tmp_path / NAME)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Whole]:
    path = asyncio.run(store(tmp_path_factory.mktemp("sound"), studies=2))
    return path, Whole(path.read_bytes())


# Where in the file: a part of its length, which differs from run to run.
PLACES = st.integers(0, 999_999)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(overwritten=st.lists(st.tuples(PLACES, st.binary(min_size=1, max_size=600)), min_size=1, max_size=4))
async def test_whatever_is_overwritten_what_comes_out_can_be_started_or_it_is_refused(
    sound: tuple[Path, Whole], overwritten: list[tuple[int, bytes]]
) -> None:
    path, whole = sound
    damaged = bytearray(whole)
    for place, noise in overwritten:
        at = place * len(whole) // 1_000_000
        damaged[at : at + len(noise)] = noise
    path.write_bytes(bytes(damaged[: len(whole)]))

    try:
        found = salvage(path)
    except DataError as error:
        assert "put back " in str(error)  # noqa: PT017  # it is one of two good ends
        return
    if found is not None:
        async with laboratory(path.parent) as here:
            await here.examine("S-new", recordings=1)
        for file in path.parent.glob("*damaged*"):
            file.unlink()
