import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gateway.commands.main import run
from gateway.domain.study import ExamEnded
from gateway.store.retention import Retention, RetentionPolicy
from tests.disks import overwrite
from tests.factories import marker_settings
from tests.laboratory import curve, laboratory
from tests.schemas import schema

Capture = pytest.CaptureFixture[str]


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A gateway that has worked off one study, S-1, of a curve at two sites."""
    (tmp_path / "gateway.toml").write_text(f'[gateway]\nstate_dir = "{tmp_path}"\n', "utf-8")
    async with laboratory(tmp_path) as here:
        await here.record("S-1", [curve(1), curve(2), ExamEnded(by="device")])
        await here.deliver()
    return tmp_path


async def thin(folder: Path) -> None:
    async with laboratory(folder) as here:
        policy = RetentionPolicy(quota_bytes=1, min_free_bytes=0)
        await Retention(here.database, policy, marker_settings(), here.clock).apply()


def said(capsys: Capture, folder: Path, *words: str, code: int = 0) -> list[str]:
    assert run([*words, "--config", str(folder / "gateway.toml")]) == code
    out, err = capsys.readouterr()
    return (out or err).splitlines()


def test_a_whole_store_is_said_to_be_whole(capsys: Capture, folder: Path) -> None:
    lines = said(capsys, folder, "store", "check")

    assert lines[1:] == [
        "1 studies, 2 recordings, the curves of 0 thinned out",
        "1 sessions of raw input, 0 of them thinned out",
        "whole",
    ]


async def test_what_was_thinned_out_is_counted(capsys: Capture, folder: Path) -> None:
    await thin(folder)

    assert said(capsys, folder, "store", "check")[1:3] == [
        "1 studies, 2 recordings, the curves of 2 thinned out",
        "1 sessions of raw input, 1 of them thinned out",
    ]


def test_rows_that_the_disk_changed_are_named_each(capsys: Capture, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "gateway.db")) as connection, connection:
        connection.execute("UPDATE fact SET body = x'00' WHERE id = 2")
        connection.execute("UPDATE outbox SET payload = x'00' WHERE sink = 'engine'")

    assert run(["store", "check", "--config", str(folder / "gateway.toml")]) == 65
    out, err = capsys.readouterr()

    assert out.splitlines()[-1] == "2 damaged"
    fact, message = err.splitlines()
    assert "fact 2 of study " in fact
    assert " to engine: damaged on the disk; it stays there, everything else is used" in message


@pytest.mark.parametrize("at", [0, 4096])
def test_a_damaged_structure_is_one_line_that_says_what_to_run(
    capsys: Capture, folder: Path, at: int
) -> None:
    overwrite(folder / "gateway.db", at, b"\xaa" * 2000)

    (line,) = said(capsys, folder, "store", "check", code=65)

    assert line.startswith(f"emg-gateway: {folder}/gateway.db: damaged: ")
    assert line.endswith("run 'emg-gateway store salvage'")


def test_a_sound_store_is_not_salvaged(capsys: Capture, folder: Path) -> None:
    (line,) = said(capsys, folder, "store", "salvage")

    assert "its structure is whole" in line


def test_what_is_lost_is_said_and_is_the_exit_code(capsys: Capture, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'entry'"
        root = connection.execute(query).fetchone()[0]
    overwrite(folder / "gateway.db", (root - 1) * 4096, b"\xaa" * 4096)

    lines = said(capsys, folder, "store", "salvage", code=65)

    assert "entry: 0 kept, up to 1 lost" in lines
    assert lines[-1].startswith("start the gateway, then have the carts send")
    assert said(capsys, folder, "store", "check")[-1] == "whole"


@pytest.mark.parametrize("command", ["check", "salvage"])
def test_a_store_that_is_not_there_is_said(capsys: Capture, tmp_path: Path, command: str) -> None:
    (tmp_path / "gateway.toml").write_text(f'[gateway]\nstate_dir = "{tmp_path}"\n', "utf-8")

    (line,) = said(capsys, tmp_path, "store", command, code=66)

    assert "has the gateway run with this configuration?" in line


async def test_a_thinned_study_is_shown_as_before_and_says_that_its_curves_are_gone(
    capsys: Capture, folder: Path
) -> None:
    text = said(capsys, folder, "studies", "show", "S-1", "--format", "text")
    (before,) = said(capsys, folder, "studies", "show", "S-1", "--format", "json")
    await thin(folder)

    (after,) = said(capsys, folder, "studies", "show", "S-1", "--format", "json")
    shown = json.loads(after)
    Draft202012Validator(schema("assessment")).validate(shown)
    assert [entry.pop("curve_thinned_out") for entry in shown["recordings"]] == [True, True]
    assert shown == json.loads(before)
    more = said(capsys, folder, "studies", "show", "S-1", "--format", "text")
    assert [line for line in more if line not in text] == [
        "Curves",
        "* 2 of 2 curves were thinned out for space: their marks are kept, the curve itself is gone",
    ]
    lines = said(capsys, folder, "studies", "recordings", "S-1")
    assert all(line.endswith("used; curve thinned out, its marks are kept") for line in lines)


async def test_a_thinned_study_can_be_corrected(capsys: Capture, folder: Path) -> None:
    await thin(folder)
    (first, _) = said(capsys, folder, "studies", "recordings", "S-1")

    name = first.split()[0]
    said(capsys, folder, "studies", "amend", "S-1", name, "side=left", "--reason", "wrong_side")

    (shown,) = said(capsys, folder, "studies", "show", "S-1", "--format", "json")
    recordings = json.loads(shown)["recordings"]
    assert sorted(entry["side"] for entry in recordings) == ["left", "right"]
    assert all(entry["curve_thinned_out"] and entry["marks"] for entry in recordings)


@pytest.mark.parametrize("words", [("store", "check"), ("store", "salvage"), ("ledger",), ("outbox", "list")])
def test_a_store_of_a_newer_gateway_is_named_and_left_alone(
    capsys: Capture, folder: Path, words: tuple[str, ...]
) -> None:
    with closing(sqlite3.connect(folder / "gateway.db")) as connection, connection:
        connection.execute("ALTER TABLE outbox RENAME TO sent")
        connection.execute("PRAGMA user_version = 99")
    overwrite(folder / "gateway.db", 4096 * 5, b"\xaa" * 100)
    before = (folder / "gateway.db").read_bytes()

    (line,) = said(capsys, folder, *words, code=65)

    assert f"{folder / 'gateway.db'}: written by a newer gateway (schema 99, " in line
    assert (folder / "gateway.db").read_bytes() == before


def test_an_empty_file_is_no_store_that_is_whole(capsys: Capture, folder: Path) -> None:
    (folder / "gateway.db").write_bytes(b"")

    (line,) = said(capsys, folder, "store", "salvage", code=65)

    assert "nothing can be read: it is empty; put back a copy of it" in line
