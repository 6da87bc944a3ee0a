"""`replay`, as an engineer uses it when an engine has lost what it acknowledged."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.commands.main import run
from tests.commands.test_outbox import ENGINES, Capture
from tests.fakes import FakeClock
from tests.store.test_decisions import recorded, store
from tests.store.test_outbox import desk

START = FakeClock().now()


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """A gateway that delivered three reports of a study, one a minute, and has a fourth on its way."""
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\nstate_dir = "{tmp_path}"\n{ENGINES}', "utf-8")
    async with desk(tmp_path) as here:
        for name in ("C-1", "C-2", "C-3"):
            await store(here, name)
            await here.outbox.delivered((await here.outbox.pending("engine"))[0].id, "AA: for Canary")
            here.clock.advance(60)
        await store(here, "C-4")
    return path


def said(capsys: Capture, config: Path, *words: str, code: int = 0, to: str = "engine") -> list[str]:
    arguments = ["replay", *words, "--to", to, "--reason", "the engine lost a day", "--config", str(config)]
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert "Canary" not in out + err
    if code == 64:
        assert (out, err.count("\n")) == ("", 1)
        return [err]
    return out.splitlines()


async def pending(config: Path) -> list[tuple[str, bytes]]:
    async with desk_again(config) as here:
        return [(item.control_id, item.payload) for item in await here.outbox.pending("engine", 9)]


def desk_again(config: Path):  # type: ignore[no-untyped-def]  # the same store
    return desk(config.parent)


async def test_nothing_is_sent_until_it_is_said(capsys: Capture, config: Path) -> None:
    (line, last) = said(capsys, config, "C-3")
    assert line.endswith("C-3                   would be sent again")
    assert last == "1 of 1 to send; nothing is sent without --send"
    assert await pending(config) == [("C-4", b"C-4")]


async def test_what_was_delivered_goes_out_again_in_its_place_under_its_control_id(
    capsys: Capture, config: Path
) -> None:
    (_, last) = said(capsys, config, "C-3", "--send")
    assert last == "1 of 1 pending again"
    assert await pending(config) == [("C-3", b"C-3"), ("C-4", b"C-4")]


async def test_who_replayed_what_and_why_stands_in_the_ledger(capsys: Capture, config: Path) -> None:
    said(capsys, config, "C-3", "--send")
    async with desk_again(config) as here:
        ((kind, sink, reason, by),) = recorded(here)
        assert (kind, sink, reason) == ("replayed", "engine", "the engine lost a day")
        (row,) = [row for row in here.ledger() if row["control_id"] == "C-3"]
        assert row["decision"] == f"replayed by {by}: the engine lost a day"


async def test_what_was_corrected_goes_only_with_its_correction(capsys: Capture, config: Path) -> None:
    (line, last) = said(capsys, config, "C-1", "--send", code=65)
    assert line.endswith("a later message of its study is delivered; replay that one, or both")
    assert last == "0 of 1 pending again"
    said(capsys, config, "C-1", "C-3", "--send")
    assert [name for name, _ in await pending(config)] == ["C-1", "C-3", "C-4"]


async def test_a_whole_study_goes_in_order(capsys: Capture, config: Path) -> None:
    said(capsys, config, "--study", "S-1", "--send")
    assert [name for name, _ in await pending(config)] == ["C-1", "C-2", "C-3", "C-4"]


@pytest.mark.parametrize(
    ("since_s", "until_s", "names"),
    [(0, 600, ["C-1", "C-2", "C-3"]), (60, 600, ["C-2", "C-3"]), (120, 121, ["C-3"]), (500, 600, [])],
)
def test_a_range_of_time_is_that_of_writing(
    capsys: Capture, config: Path, since_s: int, until_s: int, names: list[str]
) -> None:
    times = (START + timedelta(seconds=seconds) for seconds in (since_s, until_s))
    since, until = (time.astimezone(UTC).isoformat() for time in times)
    *lines, _ = said(capsys, config, "--since", since, "--until", until, code=0 if names else 65)
    assert [line.split()[2] for line in lines] == names


def test_a_time_without_a_zone_is_this_machine_s(capsys: Capture, config: Path) -> None:
    local = START.astimezone().replace(tzinfo=None)
    *lines, _ = said(capsys, config, "--since", local.isoformat())
    assert len(lines) == 3
    *lines, _ = said(capsys, config, "--until", datetime.isoformat(local), code=65)
    assert lines == []


async def test_more_than_wanted_at_once_is_none_at_all(capsys: Capture, config: Path) -> None:
    (line,) = said(capsys, config, "--study", "S-1", "--send", "--at-most", "2", code=64)
    assert "that is 3 messages; nothing is sent without --at-most 3" in line
    assert await pending(config) == [("C-4", b"C-4")]


async def test_what_is_not_kept_any_more_is_said(capsys: Capture, config: Path) -> None:
    async with desk_again(config) as here:
        await here.database.write(lambda c: c.execute("UPDATE outbox SET payload = x''").rowcount)
    (line, _) = said(capsys, config, "C-3", code=65)
    assert line.endswith("what it said is not kept any more")


@pytest.mark.parametrize(
    ("words", "to", "told"),
    [
        ([], "engine", "say which: CONTROL_ID, --study, or --since and --until"),
        (["C-4"], "engine", "not delivered there"),
        (["C-3"], "archive", "not delivered there"),
        (["C-3"], "nobody", "no such destination"),
        (["--study", "S-9"], "engine", "no study of this code or id"),
        (["--since", "yesterday"], "engine", "--since: write a time as 2026-11-02T09:30"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    capsys: Capture, config: Path, words: list[str], to: str, told: str
) -> None:
    assert told in said(capsys, config, *words, code=64, to=to)[0]


def test_a_reason_is_needed(capsys: Capture, config: Path) -> None:
    assert run(["replay", "C-3", "--to", "engine", "--reason", " ", "--config", str(config)]) == 64
    assert "--reason: say why" in capsys.readouterr().err
