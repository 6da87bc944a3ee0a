"""The page for administrators: what it lets them type is run, what it shows of the log is what is logged."""

import logging
import re
import shlex
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

import gateway
from gateway.commands.main import run
from gateway.daemon.config import StoreSection, parse
from gateway.daemon.log import EventFormatter
from gateway.errors import DataError, GatewayError, StorageError
from gateway.store.copies import _KEPT, copies
from gateway.store.database import open_database
from gateway.store.opening import LONGEST_CHECK_S
from gateway.store.retention import Retention, RetentionPolicy
from tests.checkout import ROOT
from tests.disks import overwrite
from tests.factories import header, marker_settings, motor
from tests.laboratory import laboratory
from tests.store.test_migrations import NEWEST, older, schema_of
from tests.test_readme import blocks, pattern

PAGE = ROOT / "docs" / "storage.md"
TEXT = PAGE.read_text("utf-8")
LOGGED = [line for block in blocks(PAGE, "log") for line in block.splitlines()]


def examples() -> dict[str, tuple[str, str]]:
    """What is typed, by its last word but for options, with what comes out."""
    typed = [block.removeprefix("$ ").partition("\n") for block in blocks(PAGE, "console")]
    return {shlex.split(command)[2]: (command, output) for command, _, output in typed}


async def store(folder: Path) -> Path:
    (folder / "gateway.toml").write_text(f'[gateway]\nstate_dir = "{folder}"\n', "utf-8")

    async def ignore(_facts: object) -> None:
        """No gateway runs here."""

    async with laboratory(folder) as here:
        intake = here.journal.intake("room-1", "cart-a", ignore)
        await intake.deliver(header(), [motor("wrist"), motor("below_elbow")])
    return folder / "gateway.db"


def damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'fact_study'"
        overwrite(path, (connection.execute(query).fetchone()[0] - 1) * 4096, b"\xaa" * 512)


def type_in(folder: Path, command: str) -> None:
    subprocess.run(command, shell=True, cwd=folder, check=True)  # noqa: S602  # as it stands on the page


def is_shown(line: str) -> bool:
    return any(re.fullmatch(pattern(shown), f"{line}\n") for shown in LOGGED)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [EventFormatter(journald=True).format(record) for record in caplog.records]
    return [line.partition(">")[2] for line in lines]


@pytest.mark.parametrize("word", ["check", "salvage"])
async def test_what_the_administrator_is_told_to_type_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    path = await store(tmp_path)
    if word == "salvage":
        damage(path)
    command, output = examples()[word]
    program, *words = shlex.split(command)

    assert program == "emg-gateway"
    assert run([*words, "--config", str(tmp_path / "gateway.toml")]) == 0
    assert re.fullmatch(pattern(output), capsys.readouterr().out)


async def test_the_way_back_to_an_older_version_works(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    older(path, 5)
    async with open_database(path):
        pass
    assert schema_of(path) == NEWEST > 5
    command, _ = examples()["gateway.db"]

    type_in(tmp_path, command)

    assert schema_of(path) == 5


async def test_what_is_shown_of_the_log_is_what_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await store(tmp_path)
    async with laboratory(tmp_path) as here:
        policy = RetentionPolicy(quota_bytes=1, min_free_bytes=0)
        await Retention(here.database, policy, marker_settings(), here.clock).apply()
        (pages,) = (await here.rows("PRAGMA page_count"))[0]
        await here.rows(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError):
            await here.examine("S-2", recordings=60)
        await here.rows("PRAGMA max_page_count = 1000000")
        await here.examine("S-3")

    lines = logged(caplog)
    assert [line.split()[0] for line in lines] == [
        "store_over_limit",
        "storage_refused",
        "storage_recovered",
    ]
    assert all(is_shown(line) for line in lines), lines


async def test_what_is_shown_of_a_start_that_is_refused_is_what_is_said(tmp_path: Path) -> None:
    path = await store(tmp_path)
    damage(path)
    await told(path, DataError)
    path.unlink()
    await told(path, DataError)

    (tmp_path / "old").mkdir()
    old = tmp_path / "old" / "gateway.db"
    older(old, 5)
    (old.parent / "gateway.db.before-0006.partial").mkdir()
    await told(old, StorageError)


async def told(path: Path, kind: type[GatewayError]) -> None:
    with pytest.raises(kind) as error:
        async with open_database(path):
            pass
    line = str(error.value)
    assert is_shown(line) or is_shown(f"emg-gateway: {line}"), line


def test_the_keys_are_those_of_the_configuration() -> None:
    (example,) = blocks(PAGE, "toml")
    settings = parse(example, "page")

    assert {field.name for field in msgspec.structs.fields(StoreSection)} == set(
        re.findall(r"^(\w+) =", example, re.MULTILINE)
    )
    assert (settings.store.quota_mb, settings.store.min_free_mb) == (
        StoreSection().quota_mb,
        StoreSection().min_free_mb,
    )


def test_every_event_and_number_it_names_is_in_the_code() -> None:
    source = "\n".join(file.read_text("utf-8") for file in Path(gateway.__file__).parent.rglob("*.py"))
    events = re.findall(r"^\| .*$", TEXT, re.MULTILINE)
    named = set(re.findall(r"`((?:store|storage|journal|fact|outbox|database)_\w+)", "\n".join(events)))

    assert len(named) >= 7
    assert all(f'"{event}"' in source for event in named)
    assert f"It takes {LONGEST_CHECK_S:.0f} s at most" in TEXT
    assert _KEPT == 3
    assert "the newest three are kept" in TEXT
    assert copies(ROOT / "docs" / "gateway.db") == []
