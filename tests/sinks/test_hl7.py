import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from gateway.errors import ConfigError, StorageError
from gateway.protocols import acknowledgement, er7
from gateway.protocols.acknowledgement import AckCode, RetryRule, acknowledge
from gateway.protocols.er7 import Message
from gateway.protocols.mllp import frame
from gateway.sinks.backoff import Backoff
from gateway.sinks.hl7 import HL7Settings, HL7Sink
from gateway.sinks.mllp_address import MllpAddress, mllp_address
from gateway.sinks.receiver import ANSWERS, Answer, Received, Receiver, Reply

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class LateClock(SystemClock):
    """A clock on which every look is half an hour after the one before."""

    def __init__(self) -> None:
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return 1800.0 * self.looks


@dataclass(frozen=True)
class Row:
    id: int
    payload: bytes
    control_id: str
    attempts: int = 0
    refusals: int = 0
    state: str = "pending"
    told: str = ""


class MemoryOutbox:
    """One sink's outbox, in memory; `until` waits for what a test expects of it."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.told: list[str] = []
        self._stored = asyncio.Event()
        self._changed = asyncio.Condition()

    def store(self, control_id: str | None = None, payload: bytes | None = None) -> str:
        number = len(self.rows) + 1
        name = f"C-{number}" if control_id is None else control_id
        self.rows.append(Row(number, message(name) if payload is None else payload, name))
        self._stored.set()
        return name

    async def pending(self, sink: str, limit: int = 1) -> Sequence[Row]:
        assert sink == "engine"
        return [row for row in self.rows if row.state == "pending"][:limit]

    async def wait(self, sink: str) -> None:
        assert sink == "engine"
        await self._stored.wait()
        self._stored.clear()

    async def delivered(self, item_id: int, answer: str) -> None:
        await self._settle(item_id, "delivered", answer)

    async def attempted(self, item_id: int, error: str, *, refused: bool = False) -> None:
        await self._settle(item_id, "pending", error, refusals=refused)

    async def parked(self, item_id: int, error: str) -> None:
        await self._settle(item_id, "parked", error)

    async def dead(self, item_id: int, reason: str) -> None:
        await self._settle(item_id, "dead", reason)

    async def _settle(self, item_id: int, state: str, told: str, refusals: int = 0) -> None:
        row = self.rows[item_id - 1]
        assert row.state == "pending"
        self.told.append(told)
        counts = {"attempts": row.attempts + 1, "refusals": row.refusals + refusals}
        self.rows[item_id - 1] = replace(row, state=state, told=told, **counts)
        async with self._changed:
            self._changed.notify_all()

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.rows]

    async def until(self, *states: str) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.states == list(states))


class FullDiskOutbox(MemoryOutbox):
    async def delivered(self, item_id: int, answer: str) -> None:
        raise StorageError(f"row {item_id}, {answer}: the disk is full")


def message(control_id: str, asked: str = "|") -> bytes:
    header = f"MSH|^~\\&|EMG||HIS||20261102||ORU^R01^ORU_R01|{control_id}|P|2.5.1|||{asked}"
    return f"{header}\rPID|1||P-1||Canary\r".encode()


def answer_to(received: Message, code: str = "AA", control_id: str | None = None, text: str = "") -> bytes:
    """A framed acknowledgement; of another message where `control_id` says so."""
    raw = acknowledge(received, AckCode(code), created=NOW, text=text)
    own = f"|{received.header.text(10)}".encode()
    return frame(raw if control_id is None else raw.replace(b"MSA|AA" + own, f"MSA|AA|{control_id}".encode()))


def in_turn(*answers: Answer) -> Answer:
    """Answers one after the other; the last one for ever."""
    turns: Iterator[Answer] = iter(answers)
    current = [answers[-1]]

    def next_answer(received: Message) -> Reply:
        return next(turns, current[0])(received)

    return next_answer


def saying(*pieces: Callable[[Message], bytes], close: bool = False) -> Answer:
    return lambda received: Reply(pieces=tuple(piece(received) for piece in pieces), close=close)


PATIENT = HL7Settings(
    name="engine",
    address=MllpAddress("127.0.0.1", 0),
    ack_timeout_s=20,
    reconnect=Backoff(first_s=0.002, cap_s=0.01),
    retry=RetryRule(first_s=0.001, cap_s=0.004),
)
HASTY = replace(PATIENT, ack_timeout_s=0.1)
ONE_EACH = replace(PATIENT, connection="per_message")


def at(port: int, settings: HL7Settings = PATIENT) -> HL7Settings:
    return replace(settings, address=MllpAddress("127.0.0.1", port))


@contextlib.asynccontextmanager
async def delivering(
    outbox: MemoryOutbox,
    port: int,
    settings: HL7Settings = PATIENT,
    check: Callable[[bytes], Awaitable[str | None]] | None = None,
) -> AsyncIterator[HL7Sink]:
    sink = HL7Sink(at(port, settings), outbox, SystemClock(), check)
    running = asyncio.create_task(sink.run())
    try:
        yield sink
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        assert not sink.connected


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


class Events(logging.Handler):
    """What the sink logs, to be waited for."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: asyncio.Queue[logging.LogRecord] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.put_nowait(record)


@pytest.fixture
def events() -> Iterator[Events]:
    handler = Events()
    logger = logging.getLogger("gateway.sinks.hl7")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def arrived(receiver: Receiver) -> list[str]:
    """The control ids received so far, in order."""
    found = []
    while not receiver.messages.empty():
        found.append(control_id(receiver.messages.get_nowait()))
    return found


def control_id(received: Received) -> str:
    return er7.parse(received.block).header.text(10)


async def test_an_accepted_message_leaves_the_outbox(outbox, receiver):
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    assert outbox.rows[0].told == "AA"
    assert (await receiver.messages.get()).block == outbox.rows[0].payload


async def test_messages_go_in_order_over_one_connection(outbox, receiver):
    expected = [outbox.store() for _ in range(5)]
    async with delivering(outbox, receiver.port) as sink:
        await outbox.until(*["delivered"] * 5)
        expected += [outbox.store() for _ in range(5)]
        await outbox.until(*["delivered"] * 10)
        assert receiver.connections == 1
        assert sink.connected
    assert arrived(receiver) == expected


async def test_never_more_than_one_message_is_in_flight(outbox, receiver):
    for _ in range(3):
        outbox.store()
    receiver.answer = ANSWERS["nothing"]
    async with delivering(outbox, receiver.port):
        first = await receiver.messages.get()
        assert control_id(first) == "C-1"
        assert outbox.states == ["pending"] * 3
    assert arrived(receiver) == []


async def test_a_commit_accept_completes_as_we_ask_for_nothing_more(outbox, receiver):
    receiver.answer = saying(lambda m: answer_to(m, "CA"))
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    assert outbox.rows[0].told == "CA"


async def test_enhanced_mode_a_commit_completes_where_no_more_was_asked_for(outbox, receiver):
    outbox.store("C-1", message("C-1", asked="AL|NE"))
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    assert outbox.rows[0].told == "CA"


async def test_enhanced_mode_the_application_answers_after_the_commit(outbox, receiver):
    outbox.store("C-1", message("C-1", asked="AL|AL"))
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    assert outbox.rows[0].told == "AA"
    assert arrived(receiver) == ["C-1"]


@pytest.mark.parametrize(("answer", "state"), [("AE", "parked"), ("AR", "dead")])
async def test_enhanced_mode_after_the_commit_the_application_decides(outbox, receiver, answer, state):
    receiver.answer = ANSWERS[answer]
    outbox.store("C-1", message("C-1", asked="AL|AL"))
    async with delivering(outbox, receiver.port):
        await outbox.until(state)
    assert outbox.rows[0].told == answer


async def test_enhanced_mode_an_application_that_answers_without_a_commit_has_it(outbox, receiver):
    receiver.answer = saying(answer_to)
    outbox.store("C-1", message("C-1", asked="AL|AL"))
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")


async def test_enhanced_mode_a_commit_alone_is_not_delivered_and_the_same_bytes_come_again(outbox, receiver):
    receiver.answer = in_turn(ANSWERS["CA"], ANSWERS["AA"])
    outbox.store("C-1", message("C-1", asked="AL|AL"))
    async with delivering(outbox, receiver.port, HASTY):
        await outbox.until("delivered")
    first, second = (receiver.messages.get_nowait() for _ in range(2))
    assert first.block == second.block
    assert outbox.told == ["no application acknowledgement within 0.1 s", "AA"]


async def test_enhanced_mode_commits_said_over_and_over_do_not_prolong_the_wait(outbox, receiver):
    receiver.answer = saying(*[lambda m: answer_to(m, "CA")] * 10)
    outbox.store("C-1", message("C-1", asked="AL|AL"))
    async with delivering(outbox, receiver.port, HASTY):
        for _ in range(2):
            await receiver.messages.get()
    assert outbox.told[0] == "no application acknowledgement within 0.1 s"


async def test_enhanced_mode_the_application_answer_of_another_message_does_not_count(outbox, receiver):
    receiver.answer = in_turn(
        saying(lambda m: answer_to(m, "CA"), lambda m: answer_to(m, control_id="C-0")), ANSWERS["AA"]
    )
    outbox.store("C-1", message("C-1", asked="AL|AL"))
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    assert outbox.told == ["the acknowledgement is another message's", "AA"]


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_enhanced_mode_an_application_answer_that_asks_for_a_commit_gets_one(
    outbox, receiver, hangs_up
):
    def asking(received: Message) -> bytes:
        return answer_to(received).replace(b"||||||UNICODE", b"|||AL|||UNICODE")

    receiver.answer = saying(lambda m: answer_to(m, "CA"), asking, close=hangs_up)
    outbox.store("C-1", message("C-1", asked="AL|AL"))
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
        if not hangs_up:
            await receiver.messages.get()
            commit = await receiver.messages.get()
            assert acknowledgement.parse(commit.block).code is AckCode.CA
            assert acknowledgement.parse(commit.block).control_id == "AC-1"


async def test_per_message_every_message_has_its_own_connection(outbox, receiver, events):
    expected = [outbox.store() for _ in range(3)]
    async with delivering(outbox, receiver.port, ONE_EACH) as sink:
        await outbox.until(*["delivered"] * 3)
        expected.append(outbox.store())
        await outbox.until(*["delivered"] * 4)
        assert arrived(receiver) == expected
    logged = [events.records.get_nowait() for _ in range(events.records.qsize())]
    levels = [record.levelno for record in logged if record.message == "hl7_connected"]
    assert levels == [logging.INFO, *[logging.DEBUG] * 3]
    assert not sink.connected


async def test_per_message_nobody_is_connected_to_while_there_is_nothing_to_send(outbox, receiver):
    async with delivering(outbox, receiver.port, ONE_EACH):
        outbox.store()
        await outbox.until("delivered")
        while receiver.connections:  # noqa: ASYNC110  # its end has no other way to tell
            await asyncio.sleep(0)
        assert outbox.states == ["delivered"]


async def test_per_message_a_receiver_that_asks_for_a_later_try_gets_it(outbox, receiver):
    receiver.answer = in_turn(ANSWERS["AE"], ANSWERS["close"], ANSWERS["AA"])
    expected = [outbox.store(), outbox.store()]
    async with delivering(outbox, receiver.port, ONE_EACH):
        await outbox.until("delivered", "delivered")
    assert arrived(receiver) == [expected[0]] * 3 + [expected[1]]


async def test_a_backlog_goes_out_in_order_and_no_faster_than_the_rate(outbox, receiver):
    expected = [outbox.store() for _ in range(5)]
    async with delivering(outbox, receiver.port, replace(PATIENT, messages_per_second=50)):
        started = asyncio.get_running_loop().time()
        await outbox.until(*["delivered"] * 5)
    assert asyncio.get_running_loop().time() - started >= 4 / 50
    assert arrived(receiver) == expected


async def test_a_message_under_another_control_id_than_its_own_is_never_sent(outbox, receiver):
    outbox.store("C-1", message("C-2"))
    outbox.store("C-3", message("C-3", asked="AL|ER"))
    outbox.store("C-4")
    async with delivering(outbox, receiver.port):
        await outbox.until("dead", "dead", "delivered")
    assert arrived(receiver) == ["C-4"]
    assert [row.told.partition(":")[0] for row in outbox.rows[:2]] == ["MSH-10", "MSH-16"]


async def test_the_count_of_refusals_survives_a_lost_connection(outbox, receiver):
    receiver.answer = saying(lambda m: answer_to(m, "AE"), close=True)
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("parked")
    assert outbox.rows[0].attempts >= 10


async def test_a_message_refused_for_an_hour_is_parked(outbox, receiver):
    receiver.answer = ANSWERS["AE"]
    outbox.store()
    sink = HL7Sink(at(receiver.port), outbox, LateClock())
    running = asyncio.create_task(sink.run())
    await outbox.until("parked")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert outbox.rows[0].attempts == 2


async def test_a_connection_that_ends_while_a_message_rests_does_not_shorten_its_rest(outbox, receiver):
    receiver.answer = in_turn(saying(lambda m: answer_to(m, "AE"), close=True), ANSWERS["AA"])
    outbox.store()
    settings = replace(PATIENT, retry=RetryRule(first_s=0.2))
    async with delivering(outbox, receiver.port, settings):
        started = asyncio.get_running_loop().time()
        await outbox.until("delivered")
    assert asyncio.get_running_loop().time() - started >= 0.2


@pytest.mark.parametrize("answer", ["foreign", "garbage", "nothing", "close"])
async def test_anything_but_our_own_answer_means_again_on_a_new_connection(outbox, receiver, answer):
    receiver.answer = in_turn(ANSWERS[answer], ANSWERS[answer], ANSWERS["AA"])
    outbox.store()
    outbox.store()
    async with delivering(outbox, receiver.port, HASTY if answer == "nothing" else PATIENT):
        await outbox.until("delivered", "delivered")
    assert arrived(receiver) == ["C-1", "C-1", "C-1", "C-2"]


async def test_a_receiver_that_answers_everything_twice_gets_everything_and_mixes_nothing_up(
    outbox, receiver
):
    receiver.answer = ANSWERS["duplicate"]
    expected = [outbox.store() for _ in range(4)]
    async with delivering(outbox, receiver.port):
        await outbox.until(*["delivered"] * 4)
    assert list(dict.fromkeys(arrived(receiver))) == expected


async def test_an_answer_nobody_waits_for_is_dropped_before_the_next_message(outbox, receiver):
    receiver.answer = saying(lambda m: 2 * answer_to(m))
    expected = [outbox.store() for _ in range(4)]
    async with delivering(outbox, receiver.port):
        await outbox.until(*["delivered"] * 4)
    assert arrived(receiver) == expected


async def test_an_answer_of_its_own_makes_the_next_reconnection_quick_again(outbox, receiver, events):
    receiver.answer = in_turn(
        ANSWERS["close"], ANSWERS["close"], saying(answer_to, close=True), ANSWERS["AA"]
    )
    outbox.store()
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered", "delivered")
    logged = [events.records.get_nowait() for _ in range(events.records.qsize())]
    assert [r.fields["failures"] for r in logged if r.message == "hl7_connected"] == [0, 1, 2, 1]


async def test_a_trouble_that_goes_on_is_told_once_loudly(outbox, receiver, events):
    receiver.answer = in_turn(*[ANSWERS["foreign"]] * 4, ANSWERS["AA"])
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    logged = [events.records.get_nowait() for _ in range(events.records.qsize())]
    loud = [record.message for record in logged if record.levelno > logging.DEBUG]
    assert loud == ["hl7_connected", "hl7_disconnected", "hl7_connected", "hl7_delivered"]
    assert len(logged) == 10


@pytest.mark.parametrize(
    "noise",
    [
        b"\x0b" + b"x" * (1024 * 1024 + 1),
        b"x" * 70_000,
        frame(b"MSH|^~\\&|talk") * 20,
        b"\x0b\x06\x1c\r",
    ],
)
async def test_a_receiver_that_talks_nonsense_is_left_and_tried_again(outbox, receiver, noise):
    receiver.answer = in_turn(saying(lambda _: noise), ANSWERS["AA"])
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    assert arrived(receiver) == ["C-1", "C-1"]


async def test_messages_wait_for_a_receiver_that_is_not_there_yet(outbox, events):
    with socket.socket() as claim:
        claim.bind(("127.0.0.1", 0))
        port = claim.getsockname()[1]
    outbox.store()
    async with delivering(outbox, port):
        failed = [await events.records.get() for _ in range(3)]
        async with Receiver(port=port):
            await outbox.until("delivered")
    assert [record.levelno for record in failed] == [logging.WARNING, logging.DEBUG, logging.DEBUG]


async def test_a_connection_lost_while_idle_is_made_again(outbox, receiver):
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
        port = receiver.port
        await receiver.__aexit__(None, None, None)
        async with Receiver(port=port) as again:
            outbox.store()
            await outbox.until("delivered", "delivered")
            assert arrived(again) == ["C-2"]


async def test_stopping_leaves_the_message_in_the_outbox(outbox, receiver):
    receiver.answer = ANSWERS["nothing"]
    outbox.store()
    async with delivering(outbox, receiver.port):
        await receiver.messages.get()
    assert outbox.states == ["pending"]


async def test_a_full_disk_ends_the_sink(receiver):
    outbox = FullDiskOutbox()
    outbox.store()
    with pytest.raises(StorageError):
        await HL7Sink(at(receiver.port), outbox, SystemClock()).run()


@pytest.mark.parametrize(("name", "payload"), [("C-1", b"MSH|^~\\&|\x1c"), ("", b"MSH|^~\\&|")])
async def test_what_cannot_be_sent_is_set_aside_and_the_next_goes_on(outbox, receiver, name, payload):
    outbox.store(name, payload)
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("dead", "delivered")
    assert arrived(receiver) == ["C-2"]


async def test_what_must_not_be_sent_is_set_aside_with_its_reason_and_the_next_goes_on(outbox, receiver):
    async def check(payload: bytes) -> str | None:
        return "of a kind that breaks HL7" if b"|C-1|" in payload else None

    outbox.store()
    outbox.store()
    async with delivering(outbox, receiver.port, check=check):
        await outbox.until("dead", "delivered")
    assert outbox.rows[0].told == "of a kind that breaks HL7"
    assert arrived(receiver) == ["C-2"]


async def test_the_log_tells_events_and_never_the_receivers_words(outbox, receiver, caplog):
    caplog.set_level(logging.DEBUG)
    named = {"text": "no patient Canary"}
    receiver.answer = in_turn(
        saying(lambda m: answer_to(m, "AE", **named)),
        saying(lambda m: answer_to(m, "AR", **named)),
        saying(lambda m: answer_to(m, "AA", **named)),
    )
    outbox.store()
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("dead", "delivered")
    events = [record for record in caplog.records if record.name == "gateway.sinks.hl7"]
    assert [entry.message for entry in events] == [
        "hl7_connected",
        "hl7_try_again",
        "hl7_rejected",
        "hl7_delivered",
    ]
    assert {entry.fields["sink"] for entry in events} == {"engine"}
    assert "Canary" not in str([entry.__dict__ for entry in caplog.records])
    assert outbox.rows[0].told == "AR: no patient Canary"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mllp://127.0.0.1:2575", MllpAddress("127.0.0.1", 2575)),
        ("mllp://engine.hospital.example", MllpAddress("engine.hospital.example", 2575)),
        ("mllp://[::1]:6661/", MllpAddress("::1", 6661)),
        ("mllps://engine.hospital.example:2576", MllpAddress("engine.hospital.example", 2576, secure=True)),
    ],
)
def test_a_destination_is_named_by_url(url, address):
    assert mllp_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:2575",
        "http://x:1",
        "mllp://",
        "mllp://:2575",
        "mllp://x:0",
        "mllp://x:99999",
        "mllp://x:abc",
        "mllp://x:1/path",
        "mllp://x:1?a=b",
        "mllp://user@x:1",
        "mllp://[::1",
        f"mllp://{'x' * 70}:1",
    ],
)
def test_anything_else_is_a_configuration_error(url):
    with pytest.raises(ConfigError, match="mllp://host:port"):
        mllp_address(url)


@pytest.mark.parametrize(("draw", "delays"), [(1.0, [1, 2, 4, 5, 5]), (0.0, [0.5, 1, 2, 2.5, 2.5])])
def test_reconnection_begins_within_a_second_and_never_waits_more_than_five(draw, delays):
    assert [Backoff().delay_s(failures, lambda: draw) for failures in range(1, 6)] == delays
    assert Backoff().delay_s(10_000, lambda: draw) == delays[-1]
