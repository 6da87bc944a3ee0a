"""Each thread in which others lost, doubled or mixed up HL7 messages is a test here that bears its name.

`docs/hl7-threads.md` lists them, with why one cannot happen here where there is no test.
"""

import asyncio
import contextlib
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.hl7_files import messages_in
from gateway.commands.hl7_validation import validate
from gateway.domain.study import ExamEnded, Patient
from gateway.errors import DataError
from gateway.pipeline.stages import assessment, examine
from gateway.protocols import acknowledgement, er7
from gateway.protocols.acknowledgement import RetryRule
from gateway.protocols.er7 import CharacterSet, Message
from gateway.protocols.mllp import NEED_DATA, MllpReader, frame
from gateway.protocols.numbering import Numbering
from gateway.protocols.oru import MessageHeader, encode
from gateway.sinks.hl7 import HL7Sink
from gateway.sinks.mllp_address import MllpAddress
from gateway.sinks.mllp_link import connected
from gateway.sinks.receiver import ANSWERS, Receiver, Reply, late
from gateway.store.database import open_database
from gateway.store.outbox import Message as Stored
from tests.checkout import ROOT
from tests.eyes.test_every_kind import nasty
from tests.factories import median, motor, reference, study
from tests.pipeline.test_publication import END, OPENED, WRIST, Course, reports
from tests.sinks.test_hl7 import (
    HASTY,
    PATIENT,
    SystemClock,
    answer_to,
    arrived,
    at,
    control_id,
    delivering,
    events,
    in_turn,
    message,
    outbox,
    receiver,
    saying,
)
from tests.spec.test_hl7_v2_5_1 import NOW, oru
from tests.store.test_outbox import Desk, desk

__all__ = ["events", "outbox", "receiver"]  # the fixtures
DEADLINE_S = 30.0


async def store(here: Desk, *control_ids: str) -> None:
    """Results on disk, for the sink `engine`."""
    messages = tuple(Stored(sink="engine", control_id=name, payload=message(name)) for name in control_ids)
    await here.outbox.store(here.results(messages=messages))


@asynccontextmanager
async def sending(here: Desk, port: int) -> AsyncIterator[None]:
    """The sink on the real outbox while the block runs."""
    running = asyncio.create_task(HL7Sink(at(port), here.outbox, SystemClock()).run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def all_sent(here: Desk) -> None:
    await asyncio.wait_for(here.outbox.drained(["engine"]), DEADLINE_S)


def free_port() -> int:
    with socket.socket() as claim:
        claim.bind(("127.0.0.1", 0))
        port: int = claim.getsockname()[1]
    return port


# Lost, late, doubled messages.


async def test_nextgenhealthcare_connect_1441_a_late_ack_is_not_the_next_message_s(outbox, receiver):
    receiver.answer = in_turn(late(0.5), ANSWERS["AA"])
    outbox.store()
    outbox.store()
    async with delivering(outbox, receiver.port, HASTY):
        await outbox.until("delivered", "delivered")
    assert arrived(receiver) == ["C-1", "C-1", "C-2"]
    assert outbox.rows[0].attempts == 2


async def test_nextgenhealthcare_connect_2070_an_answer_kept_back_is_not_the_next_message_s(outbox, receiver):
    receiver.answer = in_turn(
        ANSWERS["AA"], saying(lambda m: answer_to(m, control_id="C-1"), answer_to), ANSWERS["AA"]
    )
    outbox.store()
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered", "delivered")
    assert arrived(receiver) == ["C-1", "C-2", "C-2"]


async def test_nextgenhealthcare_connect_1314_silence_costs_one_try_a_timeout_and_never_a_second_message(
    outbox, receiver
):
    outbox.store()
    outbox.store()
    receiver.answer = ANSWERS["nothing"]
    async with delivering(outbox, receiver.port, HASTY):
        started = asyncio.get_running_loop().time()
        received = [await receiver.messages.get() for _ in range(4)]
        assert asyncio.get_running_loop().time() - started >= 3 * HASTY.ack_timeout_s
    assert {entry.block for entry in received} == {outbox.rows[0].payload}


async def test_nextgenhealthcare_connect_734_a_timeout_is_tried_again(outbox, receiver):
    receiver.answer = in_turn(ANSWERS["nothing"], ANSWERS["AA"])
    outbox.store()
    async with delivering(outbox, receiver.port, HASTY):
        await outbox.until("delivered")
    assert outbox.rows[0].attempts == 2


async def test_nextgenhealthcare_connect_1767_ae_is_tried_again_and_ar_is_final(outbox, receiver):
    receiver.answer = in_turn(ANSWERS["AE"], ANSWERS["AE"], ANSWERS["AA"], ANSWERS["AR"], ANSWERS["AA"])
    for _ in range(3):
        outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered", "dead", "delivered")
        assert receiver.connections == 1
    assert arrived(receiver) == ["C-1", "C-1", "C-1", "C-2", "C-3"]


async def test_nextgenhealthcare_connect_1889_a_half_closed_connection_is_not_written_to(outbox):
    async with HalfClosing() as peer:
        outbox.store()
        outbox.store()
        async with delivering(outbox, peer.port):
            await outbox.until("delivered", "delivered")
    assert peer.received == [[b"C-1"], [b"C-2"]]


class HalfClosing:
    """Accepts one message a connection, then closes its side and goes on reading."""

    def __init__(self) -> None:
        self.received: list[list[bytes]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine: list[bytes] = []
        self.received.append(mine)
        while block := await reader.read(65_536):
            received = er7.parse(block.strip(b"\x0b\x1c\r"))
            mine.append(received.header.text(10).encode())
            writer.write(answer_to(received))
            writer.write_eof()
        writer.close()


async def test_dhcw_integration_hub_beta_pr_362_a_rejected_message_does_not_block_the_queue(outbox, receiver):
    receiver.answer = in_turn(saying(lambda m: answer_to(m, "AR", text="unknown patient")), ANSWERS["AA"])
    outbox.store()
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("dead", "delivered")
    assert outbox.rows[0].told == "AR: unknown patient"


@pytest.mark.parametrize("code", ["AE", "CE"])
async def test_optimistiksas_oibus_pr_764_ten_tries_then_parked_while_the_next_goes_on(
    outbox, receiver, code
):
    def refuse_first(received: Message) -> Reply:
        own = received.header.text(10) == "C-1"
        return Reply(pieces=(answer_to(received, code if own else "AA"),))

    receiver.answer = refuse_first
    outbox.store()
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("parked", "delivered")
    assert arrived(receiver) == ["C-1"] * 10 + ["C-2"]


async def test_optimistiksas_oibus_pr_764_a_lost_connection_is_tried_for_ever(outbox, receiver):
    receiver.answer = in_turn(*[ANSWERS["close"]] * 15, ANSWERS["AA"])
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    assert outbox.rows[0].attempts == 16


async def test_johnpaulett_python_hl7_44_an_answer_in_single_bytes_is_one_answer(outbox, receiver):
    receiver.answer = ANSWERS["fragmented"]
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    assert arrived(receiver) == ["C-1"]


async def test_johnpaulett_python_hl7_18_a_mute_receiver_is_not_waited_for_for_ever(outbox, receiver):
    receiver.answer = ANSWERS["nothing"]
    outbox.store()
    async with delivering(outbox, receiver.port, HASTY):
        for _ in range(2):
            await receiver.messages.get()
    assert outbox.rows[0].told == "no acknowledgement within 0.1 s"


async def test_crs4_hl7apy_37_a_receiver_that_takes_one_message_a_connection_gets_them_all(outbox, receiver):
    receiver.answer = saying(answer_to, close=True)
    expected = [outbox.store() for _ in range(4)]
    async with delivering(outbox, receiver.port):
        await outbox.until(*["delivered"] * 4)
    assert arrived(receiver) == expected


async def test_oehf_ipf_106_fs_and_cr_may_come_apart(outbox, receiver):
    receiver.answer = saying(lambda m: answer_to(m)[:-2], lambda _: b"\x1c", lambda _: b"\r")
    expected = [outbox.store() for _ in range(3)]
    async with delivering(outbox, receiver.port):
        await outbox.until(*["delivered"] * 3)
    assert arrived(receiver) == expected


async def test_nextgenhealthcare_connect_249_nuls_between_answers_are_read_over(outbox, receiver):
    receiver.answer = saying(lambda m: b"\x00\x00\r\n" + answer_to(m) + b"\x00\x00")
    expected = [outbox.store() for _ in range(3)]
    async with delivering(outbox, receiver.port):
        await outbox.until(*["delivered"] * 3)
    assert arrived(receiver) == expected


async def test_apache_camel_pr_10880_an_answer_in_an_unknown_character_set_still_counts(outbox, receiver):
    receiver.answer = saying(
        lambda m: (
            answer_to(m, text="angenommen")
            .replace(b"UNICODE UTF-8", b"KLINGON")
            .replace(b"angen", b"\xe4\xfc")
        )
    )
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")


async def test_hapifhir_hapi_hl7v2_89_a_host_that_does_not_answer_is_not_waited_for_for_ever(outbox, events):
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        for _ in range(3):  # once the backlog is full, the kernel leaves the next without an answer
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(address)
        async with delivering(outbox, address[1], replace(PATIENT, connect_timeout_s=0.05)):
            failed = [await events.records.get() for _ in range(2)]
    assert {str(record.fields["reason"]) for record in failed} == {f"127.0.0.1:{address[1]}: no answer"}


async def test_nextgenhealthcare_connect_1293_after_a_lost_answer_the_same_bytes_come_again(outbox, receiver):
    receiver.answer = in_turn(ANSWERS["close"], ANSWERS["AA"])
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    first, second = (receiver.messages.get_nowait() for _ in range(2))
    assert first.block == second.block
    assert (first.duplicate, second.duplicate) == (False, True)


async def test_johnpaulett_txhl7_11_a_dead_peer_on_an_idle_connection_is_found_by_keep_alive(receiver):
    async with connected(MllpAddress("127.0.0.1", receiver.port), 10) as link:
        own = link._transport.get_extra_info("socket")  # noqa: SLF001  # nobody else shows it
        assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, interval, probes = (
            own.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
    assert idle + interval * probes <= 90


async def test_dhcw_integration_hub_beta_pr_56_a_message_nobody_takes_is_not_tried_for_ever(outbox, receiver):
    receiver.answer = ANSWERS["AE"]
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("parked")
    assert len(arrived(receiver)) == RetryRule().tries


async def test_dhcw_integration_hub_beta_pr_368_a_peer_that_hangs_up_without_a_word_has_nothing(
    outbox, receiver
):
    receiver.answer = in_turn(ANSWERS["close"], ANSWERS["AA"])
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered")
    assert arrived(receiver) == ["C-1", "C-1"]


async def test_dhcw_integration_hub_beta_pr_368_our_own_receiver_says_no_to_what_it_cannot_read(receiver):
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
    writer.write(frame(b"no HL7 at all"))
    answers = MllpReader()
    while (block := answers.next_block()) is NEED_DATA:
        answers.receive(await asyncio.wait_for(reader.read(1024), DEADLINE_S))
    writer.close()
    await writer.wait_closed()
    assert acknowledgement.parse(block).code == "AR"


async def test_thingsboard_gateway_2124_opening_the_store_again_keeps_what_waits(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await store(here, "C-1", "C-2")
    for _ in range(3):
        async with desk(tmp_path) as here:
            assert [row.control_id for row in await here.outbox.pending("engine", 9)] == ["C-1", "C-2"]


async def test_thingsboard_gateway_sqlite_duplicate_race_what_is_stored_while_sending_goes_once(
    tmp_path: Path, receiver: Receiver
) -> None:
    expected = [f"C-{number}" for number in range(60)]
    async with desk(tmp_path) as here, sending(here, receiver.port):
        for name in expected:
            await store(here, name)
        await all_sent(here)
    assert arrived(receiver) == expected


async def test_thingsboard_gateway_1507_what_waits_is_on_disk_by_default(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await store(here, "C-1")
        with contextlib.closing(here_again(here.path)) as other:
            rows = other.execute("SELECT control_id FROM outbox WHERE state = 'pending'").fetchall()
        assert [tuple(row) for row in rows] == [("C-1",)]
        assert await here.database.write(lambda c: c.execute("PRAGMA synchronous").fetchone()[0]) == 2  # FULL


def here_again(path: Path) -> sqlite3.Connection:
    """The file, as another process sees it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


async def test_thingsboard_gateway_1483_after_a_long_outage_all_goes_out_without_a_restart(
    tmp_path: Path,
) -> None:
    expected = [f"C-{number}" for number in range(300)]
    port = free_port()
    async with desk(tmp_path) as here, sending(here, port):
        await store(here, *expected)
        async with Receiver(port=port) as late_receiver:
            await all_sent(here)
            assert arrived(late_receiver) == expected


async def test_thingsboard_7060_nothing_is_dropped_however_fast_it_comes(tmp_path: Path) -> None:
    expected = [f"C-{number}" for number in range(500)]
    async with desk(tmp_path) as here:
        await asyncio.gather(*(store(here, name) for name in expected))
        assert [row.control_id for row in await here.outbox.pending("engine", 999)] == expected


async def test_influxdata_telegraf_16981_an_outage_in_the_middle_of_a_backlog_leaves_no_rest(
    tmp_path: Path,
) -> None:
    expected = [f"C-{number}" for number in range(20)]
    async with Receiver(in_turn(*[ANSWERS["AA"]] * 7, ANSWERS["close"])) as failing, desk(tmp_path) as here:
        await store(here, *expected)
        async with sending(here, failing.port), asyncio.timeout(DEADLINE_S):
            while control_id(await failing.messages.get()) != "C-7":
                pass
    async with Receiver() as recovered, desk(tmp_path) as here:
        async with sending(here, recovered.port):
            await all_sent(here)
        assert arrived(recovered) == expected[7:]
        assert {row["state"] for row in here.ledger()} == {"delivered"}


def test_cdcgov_prime_reportstream_15982_every_message_has_a_control_id_of_its_own() -> None:
    course = Course()
    course.after_all(OPENED, WRIST)
    ids = []
    for number in range(5):
        fact = median("elbow", distance_mm=200.0 + number)
        course.after(fact)
        (report,) = reports(course.after(ExamEnded(by="device")))
        ids.append(report.header.text(10))
    assert len(set(ids)) == len(ids)


def test_cdcgov_prime_reportstream_6318_the_same_content_has_the_same_control_id_after_a_crash() -> None:
    one, other = (
        [found.payload for found in Course().after_all(OPENED, WRIST, END).messages] for _ in range(2)
    )
    assert one == other


def test_cdcgov_prime_reportstream_14103_a_result_is_known_by_more_than_its_control_id() -> None:
    course = Course()
    (first,) = reports(course.after_all(OPENED, WRIST, END))
    course.after(median("elbow", distance_mm=220.0))
    (second,) = reports(course.after(END))
    assert first.header.text(10) != second.header.text(10)
    assert identities(first) <= identities(second)


def identities(report: Message) -> set[tuple[str, str, str]]:
    """What the statement says a receiver can tell a result by: OBR-3, OBX-3, OBX-4."""
    found, filler = set(), ""
    for segment in report.segments:
        filler = segment.text(3) if segment.name == "OBR" else filler
        if segment.name == "OBX":
            found.add((filler, segment.text(3), segment.text(4)))
    return found


# MLLP framing, encoding, parsing.


def test_crs4_hl7apy_139_a_message_that_still_has_its_frame_is_checked_all_the_same() -> None:
    raw = oru(motor("wrist"))
    assert messages_in(frame(raw)) == [raw]
    assert [validate(found) for found in messages_in(frame(raw))] == [[]]


@pytest.mark.parametrize("character_set", ["UNICODE UTF-8", "8859/1", "8859/15"])
def test_crs4_hl7apy_7_a_name_that_is_not_ascii_passes_in_every_character_set(
    character_set: CharacterSet,
) -> None:
    raw = nasty(character_set)["report"]
    assert validate(raw) == []
    assert er7.parse(raw).all("PID")[0].text(5).endswith("Zoë")


@given(st.text(alphabet="\\EFSTRX09|^~& ", max_size=30))
def test_johnpaulett_python_hl7_84_a_backslash_is_never_swallowed(text: str) -> None:
    segment = er7.Segment("ZZZ", (er7.text(text),), er7.Delimiters())
    assert segment.text(1) == text


async def test_wokket_hl7_mllp_codec_pr_3_two_answers_in_one_packet_are_two(outbox, receiver):
    receiver.answer = in_turn(saying(lambda m: answer_to(m) + answer_to(m, control_id="C-2")), ANSWERS["AA"])
    outbox.store()
    outbox.store()
    async with delivering(outbox, receiver.port):
        await outbox.until("delivered", "delivered")
    assert arrived(receiver) == ["C-1", "C-2"]


@pytest.mark.parametrize("character_set", ["UNICODE UTF-8", "8859/1", "8859/15"])
def test_dib0_nhapitools_28_the_frame_is_bytes_in_every_character_set(character_set: CharacterSet) -> None:
    raw = nasty(character_set)["report"]
    assert (frame(raw)[:1], frame(raw)[-2:]) == (b"\x0b", b"\x1c\r")
    assert frame(raw)[1:-2] == raw


@pytest.mark.parametrize(
    ("character_set", "sent"), [("UNICODE UTF-8", b"M\xc3\xbcller"), ("8859/1", b"M\xfcller")]
)
def test_dcm4che_arc_light_3534_a_name_is_written_in_the_character_set_that_is_declared(
    character_set: CharacterSet, sent: bytes
) -> None:
    raw = encode(
        assessment(
            examine(study(motor("wrist"), patient=Patient(id="P-1", family="Müller")), reference()),
            reference(),
        ),
        study_code="7K3FABCD",
        control_id="C-1",
        sender=MessageHeader(character_set=character_set),
        created=NOW,
        numbering=Numbering(),
        anatomy=reference().anatomy,
    )
    assert sent in raw
    assert er7.parse(raw).header.text(18) == character_set


async def test_hapifhir_hapi_hl7v2_96_a_backlog_is_bytes_on_disk_and_one_message_in_memory(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as here:
        await store(here, *(f"C-{number}" for number in range(50)))
        (only,) = await here.outbox.pending("engine")
    assert only.payload == message("C-0")


def test_dhcw_pr_249_hl7apy_is_never_loaded_into_the_daemon() -> None:
    code = "import sys, gateway.commands.run, gateway.daemon.service; sys.exit('hl7apy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nextgenhealthcare_connect_1665_a_megabyte_is_read_in_seconds_not_minutes() -> None:
    header, *rest = oru(motor("wrist")).split(b"\r")
    raw = b"\r".join([header, *rest[:3], *[b"OBX|1|ST|A^" + rb"x\F\x" * 20 + b"|1|" + b"y" * 300] * 4_000])
    assert len(raw) > 1_600_000
    started = time.perf_counter()
    assert len(er7.parse(raw).all("OBX")) >= 4_000
    assert time.perf_counter() - started < 10


# Storage and supervision.


async def test_eclipse_kura_2169_a_damaged_store_is_never_deleted_or_begun_anew(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await store(here, "C-1")
    path = tmp_path / "gateway.db"
    damaged = b"\xff" * 100 + path.read_bytes()[100:]
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=f"{re.escape(str(path))}: damaged: .*store salvage"):
        async with open_database(path):
            pass
    assert path.read_bytes() == damaged


async def test_fledge_iot_fledge_pr_245_one_bad_message_holds_up_nothing_and_is_kept_once(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answer = in_turn(ANSWERS["AR"], ANSWERS["AA"])
    async with desk(tmp_path) as here:
        await store(here, "C-1", "C-2", "C-3")
        async with sending(here, receiver.port):
            await all_sent(here)
        assert [row["state"] for row in here.ledger()] == ["dead", "delivered", "delivered"]
        assert [row["attempts"] for row in here.ledger()] == [1, 1, 1]


# The list of threads.

PAGE = ROOT / "docs" / "hl7-threads.md"


def cells() -> list[list[str]]:
    """The rows of the page: number, thread, what happened, the tests or why there is none."""
    lines = PAGE.read_text("utf-8").splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ") and line[2].isdigit()]


def named_here() -> set[str]:
    names = re.findall(r"^(?:async )?def (test_\w+)\(", Path(__file__).read_text("utf-8"), re.MULTILINE)
    return set(names) - {"test_every_thread_that_is_listed_has_a_test_here_or_says_why_not"}


def test_every_thread_that_is_listed_has_a_test_here_or_says_why_not() -> None:
    named = [name for *_, last in cells() for name in re.findall(r"`(test_\w+)`", last)]
    assert sorted(named) == sorted(named_here())
    for *_, last in cells():
        assert "`test_" in last or last.startswith("Not here: ")
    assert [int(number) for number, *_ in cells()] == [*range(1, 40), 82, 83, 84]
