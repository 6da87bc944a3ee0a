"""`outbox`, as an engineer uses it beside a gateway."""

import json
from pathlib import Path

import pytest

from gateway.commands.main import run
from gateway.store.visit import visit
from tests.store.test_decisions import REFUSED, refuse_events, set_aside, store
from tests.store.test_outbox import PREFIX, desk

Capture = pytest.CaptureFixture[str]
ENGINES = "".join(f'[[hl7]]\nname = "{name}"\nurl = "mllp://127.0.0.1"\n' for name in ("engine", "archive"))


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """A gateway with two messages that were refused, and one on its way."""
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\nstate_dir = "{tmp_path}"\n{ENGINES}', "utf-8")
    async with desk(tmp_path) as here:
        await set_aside(here, "C-1", "C-2")
        await store(here, "C-3")
    return path


def said(capsys: Capture, config: Path, *words: str, code: int = 0) -> list[str]:
    assert run(["outbox", *words, "--config", str(config)]) == code
    out, err = capsys.readouterr()
    if code == 64:
        assert (out, err.count("\n")) == ("", 1)
        return [err]
    assert err == ""
    return out.splitlines()


def test_what_was_set_aside_is_listed_with_what_its_receiver_said(capsys: Capture, config: Path) -> None:
    first, second, engine, archive = said(capsys, config, "list")
    assert first.split(maxsplit=7)[2:] == ["engine", "dead", "C-1", "1", "try", REFUSED]
    assert second.split()[4] == "C-2"
    assert engine == "engine: 1 pending, 0 parked, 2 dead"
    assert archive == "archive: 0 pending, 0 parked, 0 dead"


def test_any_state_and_one_destination_can_be_asked_for(capsys: Capture, config: Path) -> None:
    (only, engine) = said(capsys, config, "list", "--state", "pending", "--to", "engine")
    assert only.split()[3:] == ["pending", "C-3", "0", "tries"]
    assert engine.startswith("engine: ")
    assert said(capsys, config, "list", "--to", "archive") == ["archive: 0 pending, 0 parked, 0 dead"]


def test_as_json_a_message_or_destination_is_an_object_a_line(capsys: Capture, config: Path) -> None:
    said(capsys, config, "pause", "engine")
    message, _, engine, archive = map(json.loads, said(capsys, config, "list", "--json"))
    assert (message["control_id"], message["state"], message["reason"]) == ("C-1", "dead", REFUSED)
    assert (engine["sink"], engine["dead"], "paused_since" in engine) == ("engine", 2, True)
    assert "paused_since" not in archive


async def test_events_that_a_broker_refused_are_listed_and_decided_about_too(
    capsys: Capture, config: Path
) -> None:
    async with desk(config.parent) as here:
        await refuse_events(here, "study/x/assessment", "study/x/guidance")
    first, second, prefix = said(capsys, config, "list", "--to", PREFIX)
    assert first.split(maxsplit=7)[2:7] == [PREFIX, "dead", "1", "1", "try"]
    assert first.endswith("  study/x/assessment  the broker does not take it")
    assert second.split()[4] == "2"
    assert prefix == f"{PREFIX}: 0 pending, 0 parked, 2 dead"
    event = json.loads(said(capsys, config, "list", "--json", "--to", PREFIX)[0])
    assert (event["seq"], event["topic"], "control_id" in event) == (1, "study/x/assessment", False)
    assert said(capsys, config, "retry", "1") == [f"1 {PREFIX}: pending again"]
    assert said(capsys, config, "discard", "2", "--to", PREFIX, "--reason", "too large") == [
        f"2 {PREFIX}: discarded"
    ]
    assert said(capsys, config, "list")[-1] == f"{PREFIX}: 1 pending, 0 parked, 0 dead"


async def test_a_receivers_words_give_a_terminal_no_orders(capsys: Capture, config: Path) -> None:
    async with desk(config.parent) as here:
        orders = "UPDATE outbox SET error = 'AR: \x1b[31m\nred \u009b31m' WHERE state = 'dead'"
        await here.database.write(lambda c: c.execute(orders).rowcount)
    first, *_ = said(capsys, config, "list")
    assert first.endswith(r"AR: \x1b[31m\x0ared \x9b31m")
    first, *_ = said(capsys, config, "list", "--json")
    assert first.isascii()
    assert first.isprintable()


def test_messages_go_out_again_by_name_or_all(capsys: Capture, config: Path) -> None:
    assert said(capsys, config, "retry", "C-2") == ["C-2 engine: pending again"]
    assert said(capsys, config, "retry", "--all") == ["C-1 engine: pending again"]
    assert said(capsys, config, "retry", "--all", "--to", "engine") == ["nothing is set aside"]


def test_messages_are_given_up_with_a_reason(capsys: Capture, config: Path) -> None:
    told = said(capsys, config, "discard", "C-1", "--reason", " sent by\nfax ")
    assert told == ["C-1 engine: discarded"]
    with visit(config.parent / "gateway.db") as opened:
        rows = opened._connection.execute("SELECT reason FROM decision").fetchall()  # noqa: SLF001
    assert [row["reason"] for row in rows] == ["sent by fax"]


def test_what_is_on_its_way_is_left_and_that_is_an_error(capsys: Capture, config: Path) -> None:
    told = said(capsys, config, "discard", "C-3", "--reason", "a test", code=65)
    assert told == ["C-3 engine: it is on its way; 'emg-gateway outbox pause engine' first"]


def test_a_destination_is_paused_and_resumed(capsys: Capture, config: Path) -> None:
    assert said(capsys, config, "pause", "engine") == ["engine: paused"]
    assert said(capsys, config, "pause", "engine") == ["engine: paused already"]
    assert "; paused since " in said(capsys, config, "list")[2]
    assert said(capsys, config, "resume", "engine") == ["engine: resumed"]
    assert said(capsys, config, "resume", "engine") == ["engine: it was not paused"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["retry"], "name messages by CONTROL_ID, or say --all"),
        (["retry", "C-1", "--all"], "name messages by CONTROL_ID, or say --all"),
        (["retry", "C-9"], "'emg-gateway outbox list' shows which are"),
        (["retry", "C-3"], "'emg-gateway outbox list' shows which are"),
        (["discard", "C-1"], "--reason"),
        (["discard", "C-1", "--reason", " "], "--reason: say why"),
        (["discard", "C-1", "--reason", "x" * 201], "--reason: say why"),
        (["pause", "engin"], "did you mean 'engine'?; the configuration has: engine, archive"),
        (["list", "--to", "nobody"], "no such destination; the configuration has: engine, archive"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    capsys: Capture, config: Path, words: list[str], told: str
) -> None:
    assert told in said(capsys, config, *words, code=64)[0]


def test_a_gateway_that_never_ran_has_no_outbox(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(f'[gateway]\nstate_dir = "{tmp_path}"\n', "utf-8")
    assert run(["outbox", "list", "--config", str(tmp_path / "gateway.toml")]) == 66
    assert "not there" in capsys.readouterr().err


def test_what_waits_for_an_engine_that_is_gone_is_shown_and_can_be_given_up(
    capsys: Capture, config: Path
) -> None:
    config.write_text(config.read_text("utf-8").replace('"engine"', '"new"'), "utf-8")
    assert said(capsys, config, "list")[-1] == (
        "engine: 1 pending, 0 parked, 2 dead; not in the configuration, nobody sends them"
    )
    assert said(capsys, config, "pause", "engine") == ["engine: paused"]
    for name in ("C-1", "C-2", "C-3"):
        assert said(capsys, config, "discard", name, "--reason", "no more", "--to", "engine") == [
            f"{name} engine: discarded"
        ]
    assert [line.partition(":")[0] for line in said(capsys, config, "list")] == ["new", "archive"]
    assert "no such destination" in said(capsys, config, "resume", "engine", code=64)[0]
