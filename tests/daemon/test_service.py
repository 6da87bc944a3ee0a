import asyncio
import json
import logging
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from drivers.simulator import SIMULATOR
from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DATABASE, Settings, parse
from gateway.daemon.service import checked, serve
from gateway.domain.study import ExamEnded, Fact
from gateway.errors import ConfigError, StorageError
from gateway.sinks.broker import demo_broker
from gateway.sinks.receiver import ANSWERS, Received, Receiver
from gateway.sinks.tls import TlsFiles, server_context
from gateway.store.database import open_database
from gateway.store.journal import Journal, JournaledFact
from gateway.store.ledger import ledger
from gateway.store.visit import visit
from tests.certificates import authority
from tests.end_to_end.conftest import PERFORMED_AT, House, listening
from tests.factories import header, median

DEADLINE_S = 30.0


def settings(folder: Path, *sections: str) -> Settings:
    return parse("\n".join([f'[gateway]\nstate_dir = "{folder / "state"}"', *sections]), "gateway.toml")


def hl7(port: int, **keys: str) -> str:
    more = "".join(f'\n{key} = "{value}"' for key, value in ({"validate": "never"} | keys).items())
    return f'[[hl7]]\nname = "engine"\nurl = "mllp://127.0.0.1:{port}"{more}'


def mqtt(url: str, **keys: str | float) -> str:
    more = "".join(f"\n{key} = {json.dumps(value)}" for key, value in keys.items())
    return f'[mqtt]\nurl = "{url}"{more}'


@asynccontextmanager
async def gateway(wanted: Settings) -> AsyncIterator[None]:
    """A gateway that takes input while the block runs, and is stopped in order behind it."""
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(serve(wanted, stop, ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE_S)
    waiting.cancel()
    try:
        if not running.done():
            yield
    finally:
        stop.set()
        await asyncio.wait_for(running, DEADLINE_S)
    assert ready.is_set()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110  # what is waited for has no other way to tell
            await asyncio.sleep(0.01)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("gateway")]


async def journaled(folder: Path, *facts: Fact) -> Path:
    """The database of a gateway that was killed when it had journaled `facts` and done nothing else."""

    async def nobody(_facts: Sequence[JournaledFact]) -> None:
        """It was killed."""

    path = folder / "state" / DATABASE
    async with open_database(path) as database:
        journal = await Journal.open(database, SystemClock(), "boot-0")
        await journal.intake("room-1", "cart-a", nobody).deliver(header(), facts)
    return path


async def test_a_gateway_with_nothing_to_do_is_ready_and_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with gateway(settings(tmp_path)):
        assert events(caplog) == ["ready"]

    assert events(caplog) == ["ready", "stopping", "stopped"]
    assert (tmp_path / "state" / DATABASE).exists()


async def test_it_can_be_started_again_on_what_it_left(tmp_path: Path) -> None:
    for _ in range(2):
        async with gateway(settings(tmp_path)):
            pass


async def test_what_was_left_is_worked_off_before_it_takes_input(tmp_path: Path) -> None:
    path = await journaled(tmp_path, median("wrist"), ExamEnded(by="device"))

    async with Receiver() as receiver, gateway(settings(tmp_path, hl7(receiver.port))):
        assert [row["sink"] for row in ledger(path)] == ["engine"]
        received = await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)
        await until(lambda: ledger(path)[0]["state"] == "delivered")

    assert received.message is not None
    assert received.message.header.text(10) == ledger(path)[0]["control_id"]


async def test_an_engine_is_spoken_to_in_tls_and_told_who_we_are(tmp_path: Path) -> None:
    await journaled(tmp_path, median("wrist"), ExamEnded(by="device"))
    house = authority("house")
    server, own = house.certificate("engine"), house.certificate("gateway")
    asking = server_context(TlsFiles(ca_file=house.ca, cert_file=server[0], key_file=server[1]))

    async with Receiver(tls=asking) as receiver:
        tls = f'[hl7.tls]\nca_file = "{house.ca}"\ncert_file = "{own[0]}"\nkey_file = "{own[1]}"'
        engine = hl7(receiver.port).replace("mllp://", "mllps://")
        async with gateway(settings(tmp_path, engine, tls)):
            received = await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)

    assert received.message is not None


async def test_a_paused_engine_gets_nothing_until_it_is_resumed_beside_the_gateway(tmp_path: Path) -> None:
    path = await journaled(tmp_path, median("wrist"), ExamEnded(by="device"))
    with visit(path) as opened:
        opened.decisions(by="anna", clock=SystemClock()).pause("engine")

    async with Receiver() as receiver, gateway(settings(tmp_path, hl7(receiver.port))):
        await until(lambda: receiver.connections == 1)
        assert [row["state"] for row in ledger(path)] == ["pending"]
        with visit(path) as opened:
            opened.decisions(by="anna", clock=SystemClock()).resume("engine")
        await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)
        await until(lambda: ledger(path)[0]["state"] == "delivered")


async def test_a_refused_message_is_sent_again_beside_the_gateway(tmp_path: Path) -> None:
    path = await journaled(tmp_path, median("wrist"), ExamEnded(by="device"))

    async with Receiver(ANSWERS["AR"]) as receiver, gateway(settings(tmp_path, hl7(receiver.port))):
        await until(lambda: [row["state"] for row in ledger(path)] == ["dead"])
        receiver.answer = ANSWERS["AA"]
        with visit(path) as opened:
            opened.decisions(by="anna", clock=SystemClock()).retry(None)
        await until(lambda: ledger(path)[0]["state"] == "delivered")

    assert [received.duplicate for received in taken(receiver)] == [False, True]


def taken(receiver: Receiver) -> list[Received]:
    return [receiver.messages.get_nowait() for _ in range(receiver.messages.qsize())]


async def test_the_screens_hear_that_it_comes_and_goes(tmp_path: Path) -> None:
    def states() -> list[str]:
        return [json.loads(message.payload)["state"] for message in seen]  # type: ignore[arg-type]

    async with demo_broker() as broker, listening(broker.host, broker.port, "emg/+/+/+/status") as seen:
        async with gateway(settings(tmp_path, mqtt(f"mqtt://{broker.host}:{broker.port}"))):
            await until(lambda: states()[:1] == ["online"])
        await until(lambda: states()[-1] == "offline")

    assert str(seen[0].topic) == "emg/v1/lab1/cart-a/status"


async def test_silence_ends_an_examination_and_its_topics_are_cleared_later(tmp_path: Path) -> None:
    path = await journaled(tmp_path, median("wrist"))
    sections = ("exam_timeout_s = 0.001", mqtt("embedded", clear_after_s=0.001))

    async with Receiver() as receiver, gateway(settings(tmp_path, *sections, hl7(receiver.port))):
        await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)
        await until(lambda: ledger(path)[-1].get("topic", "").endswith("/assessment"))

    with closing(sqlite3.connect(path)) as connection:
        ends = connection.execute("SELECT body FROM fact WHERE kind = 'ended'").fetchall()
        last = connection.execute("SELECT payload FROM outbox ORDER BY id DESC LIMIT 1").fetchone()
    assert [bytes(body) for (body,) in ends] == [b"timeout"]
    assert last == (b"",)


async def test_a_receiver_that_is_not_there_holds_nothing_up(tmp_path: Path) -> None:
    path = await journaled(tmp_path, median("wrist"), ExamEnded(by="device"))

    async with gateway(settings(tmp_path, hl7(9))):
        pass

    assert [row["state"] for row in ledger(path)] == ["pending"]


async def test_a_driver_without_its_line_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver = f'[[drivers]]\nname = "room-1"\ntype = "serial_lis"\nurl = "serial://{tmp_path}/nowhere"'

    async with gateway(settings(tmp_path, driver)):
        await until(lambda: "task_interrupted" in events(caplog))


async def test_it_stops_while_the_disk_keeps_it_from_getting_ready(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = await journaled(tmp_path, median("wrist"))
    refusal = "BEFORE UPDATE OF processed ON fact BEGIN INSERT INTO nowhere VALUES (1); END"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TRIGGER refusal {refusal}")
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(serve(settings(tmp_path), stop, ready.set))
    await until(lambda: "results_not_stored" in events(caplog))

    stop.set()

    await asyncio.wait_for(running, DEADLINE_S)
    assert not ready.is_set()


async def test_a_state_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a directory")

    with pytest.raises(StorageError, match="state"):
        await serve(settings(tmp_path), asyncio.Event())


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(0o600)
    return path


async def test_a_password_that_everyone_can_read_is_refused(tmp_path: Path, password: Path) -> None:
    password.chmod(0o604)  # noqa: ASYNC240

    with pytest.raises(ConfigError, match="password; chmod o-r"):
        await serve(
            settings(tmp_path, mqtt("mqtt://127.0.0.1", password_file=str(password))), asyncio.Event()
        )
    assert not (tmp_path / "state").exists()


def test_a_password_that_is_not_there_is_named(tmp_path: Path, password: Path) -> None:
    password.unlink()

    with pytest.raises(ConfigError, match=f"{password}: No such file"):
        checked(settings(tmp_path, mqtt("mqtt://127.0.0.1", password_file=str(password))))


def test_a_password_of_this_user_s_own_is_taken(tmp_path: Path, password: Path) -> None:
    wanted = settings(tmp_path, mqtt("mqtt://127.0.0.1", username="emg", password_file=str(password)))

    assert checked(wanted).grading == "efns-pns-mmn-2010"


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ('[[hl7]]\nname = "engine"\nurl = "mllp://127.0.0.1"\n[hl7.tls]', "engine: .* write mllps://"),
        (
            '[[hl7]]\nname = "engine"\nurl = "mllps://127.0.0.1"\n[hl7.tls]\nca_file = "/none"',
            "engine: /none: No such file",
        ),
        ('[[hl7]]\nname = "engine"\nurl = "http://127.0.0.1"', "mllp://host:port"),
        ('[mqtt]\nurl = "127.0.0.1"', "mqtt://host:port"),
        ('[analysis]\ngrading = "efns"', "efns"),
        ('[analysis]\nnorms = "aanem"', "aanem-2016"),
        (
            '[[drivers]]\nname = "room-1"\ntype = "serial_lis"\nurl = "ftp://cart"',
            r"\[\[drivers\]\] room-1: ",
        ),
    ],
)
async def test_what_cannot_be_used_is_said_before_anything_is_opened(
    tmp_path: Path, section: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        await serve(settings(tmp_path, section), asyncio.Event())

    assert not (tmp_path / "state").exists()


def test_the_embedded_broker_needs_no_address(tmp_path: Path) -> None:
    checked(settings(tmp_path, mqtt("embedded")))


async def test_the_embedded_broker_lives_as_long_as_the_gateway(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async with gateway(settings(tmp_path, mqtt("embedded"))):
        await until(lambda: "mqtt_connected" in events(caplog))


async def test_a_changed_configuration_is_taken_over_and_a_broken_one_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    study = SIMULATOR.study("normal", seed=7, performed_at=PERFORMED_AT)
    try:
        daemon = await house.daemon()
        await house.until(lambda: "task_interrupted" in house.log, "the driver to look for its line")
        for number, broken in enumerate(["[gateway\n", '[gateway]\nsite = "LAB 1"', hl7_over_tls()], start=1):
            house.config.write_text(broken)
            daemon.send_signal(signal.SIGHUP)
            await house.until(lambda n=number: house.log.count("reload_refused") == n, "the refusal")
        assert house.log.count(" ready ") == 1  # what runs goes on undisturbed

        async with Receiver() as receiver:
            house.engine = f"127.0.0.1:{receiver.port}"
            house.write_config()
            daemon.send_signal(signal.SIGHUP)
            await house.until(lambda: house.log.count(" ready ") == 2, "the new configuration")
            assert await house.play(study) == 0
            await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)
            daemon.send_signal(signal.SIGTERM)
            assert await daemon.wait() == 0
    finally:
        await house.stop()

    assert house.log.count(" reloaded ") == 1
    assert 'reason="' in house.log
    assert "[gateway]" in house.log


def hl7_over_tls() -> str:
    """TLS that cannot be had: nobody wrote the file."""
    return '[[hl7]]\nname = "engine"\nurl = "mllps://127.0.0.1"\n[hl7.tls]\nca_file = "/none"'
