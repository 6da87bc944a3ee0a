import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.commands.desk import operator
from gateway.commands.main import run
from gateway.daemon.config import DATABASE
from gateway.protocols.telemetry import TelemetryEvent
from gateway.store.database import open_database
from gateway.store.journal import Journal, JournaledFact
from gateway.store.outbox import Message, Outbox, Results
from tests.factories import header
from tests.fakes import FakeClock

Capture = pytest.CaptureFixture[str]
PREFIX = "emg/v1/lab1/cart-a"


async def ignore(_facts: Sequence[JournaledFact]) -> None:
    """Nobody works on the facts of this file."""


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """A gateway that has delivered one message, failed to deliver another, and has an event left."""
    clock = FakeClock()
    event = TelemetryEvent(topic="study/x/segment", data={}, retain=False, simulated=False)
    async with open_database(tmp_path / DATABASE) as database:
        journal = await Journal.open(database, clock, "boot-1")
        await journal.intake("room-1", "cart-a", ignore).deliver(header(), [])
        ((code,),) = await database.write(lambda c: c.execute("SELECT code FROM study").fetchall())
        outbox = Outbox(database, clock, "boot-1")
        messages = tuple(Message(sink="engine", control_id=f"M-{n}", payload=b"MSH") for n in range(2))
        results = Results(
            code=code,
            fact_id=None,
            numbering={},
            alerts={},
            clear_at=None,
            events_sink=PREFIX,
            events=(event,),
            messages=messages,
        )
        await outbox.store(results)
        first, second = await outbox.pending("engine", 2)
        await outbox.delivered(first.id, "AA")
        await outbox.dead(second.id, "AR: unknown\x1b[31m patient")
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\nstate_dir = "{tmp_path}"\n', "utf-8")
    return path


def rows(capsys: Capture, *arguments: str | Path) -> list[str]:
    assert run(["ledger", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def test_every_result_is_a_line_with_what_came_back(capsys: Capture, config: Path) -> None:
    found = [line.split(maxsplit=3) for line in rows(capsys, "--config", config)]
    assert [(when, sink, " ".join(rest.split())) for when, _, sink, rest in found] == [
        ("2026-11-02T09:15:00+00:00", PREFIX, "pending study/x/segment"),
        ("2026-11-02T09:15:00+00:00", "engine", "delivered M-0 AA"),
        ("2026-11-02T09:15:00+00:00", "engine", r"dead M-1 AR: unknown\x1b[31m patient"),
    ]


def test_as_json_a_result_is_an_object_a_line(capsys: Capture, config: Path) -> None:
    found = [json.loads(line) for line in rows(capsys, "--config", config, "--json")]
    assert [entry["state"] for entry in found] == ["pending", "delivered", "dead"]
    assert found[1]["answer"] == "AA"


async def test_as_json_a_receivers_words_give_a_terminal_no_orders(capsys: Capture, config: Path) -> None:
    async with open_database(config.parent / DATABASE) as database:
        await database.write(lambda c: c.execute("UPDATE outbox SET answer = 'AA: \u009b31mred'").rowcount)
    lines = rows(capsys, "--config", config, "--json")
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert json.loads(lines[1])["answer"] == "AA: \u009b31mred"


def test_what_somebody_decided_stands_with_its_reason(capsys: Capture, config: Path) -> None:
    decided = ["discard", "M-1", "--reason", "sent by fax", "--config", str(config)]
    assert run(["outbox", *decided]) == 0
    capsys.readouterr()
    last = rows(capsys, "--config", config)[-1]
    assert " discarded M-1  AR: " in last
    assert f"; discarded by {operator()}: sent by fax" in last
    assert json.loads(rows(capsys, "--config", config, "--json")[-1])["decision"].endswith(": sent by fax")


def test_a_study_can_be_asked_for_by_its_code_or_its_id(capsys: Capture, config: Path) -> None:
    everything = rows(capsys, "--config", config)
    code = everything[0].split()[1]
    assert rows(capsys, "--config", config, "--study", "S-1") == everything
    assert rows(capsys, "--config", config, "--study", code.lower()) == everything


def test_a_study_that_is_not_there_is_said(capsys: Capture, config: Path) -> None:
    assert run(["ledger", "--study", "S-2", "--config", str(config)]) == 64
    advice = "no study of this code or id; 'emg-gateway studies list' shows them"
    assert capsys.readouterr() == ("", f"emg-gateway: {advice}\n")


async def test_a_study_of_which_nothing_was_sent_yet_has_no_lines(capsys: Capture, config: Path) -> None:
    async with open_database(config.parent / DATABASE) as database:
        journal = await Journal.open(database, FakeClock(), "boot-1")
        await journal.intake("room-1", "cart-a", ignore).deliver(header(study_id="S-2"), [])
    assert rows(capsys, "--config", config, "--study", "S-2") == []


def test_a_gateway_that_never_ran_has_no_ledger(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(f'[gateway]\nstate_dir = "{tmp_path}/state"\n', "utf-8")
    assert run(["ledger", "--config", str(tmp_path / "gateway.toml")]) == 66
    assert f"{tmp_path}/state/{DATABASE}: not there; " in capsys.readouterr().err


def test_a_file_that_is_no_database_is_named(capsys: Capture, config: Path) -> None:
    (config.parent / DATABASE).write_bytes(b"no database" * 1000)
    assert run(["ledger", "--config", str(config)]) == 74
    path = config.parent / DATABASE
    advice = "what was already stored is kept; stop the gateway and run 'emg-gateway store salvage'"
    assert capsys.readouterr() == ("", f"emg-gateway: {path}: file is not a database; {advice}\n")
