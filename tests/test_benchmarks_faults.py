"""The faults happen, what becomes of everything is counted, and the counts can be bad."""

import argparse
import asyncio
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.faults import __main__ as command
from benchmarks.faults import engines, stories
from benchmarks.faults.line import LOOPBACK, Fault, FaultyLine
from benchmarks.faults.peers import comparison
from benchmarks.faults.stalls import Stalls, watch
from benchmarks.faults.trials import Lane, deck, unheard
from benchmarks.faults.wires import Mllp, Mqtt
from benchmarks.faults.workshop import workshop
from benchmarks.page import END, begin
from benchmarks.table import NONE_OF_THEM, Row
from gateway.protocols.mllp import frame
from gateway.sinks.receiver import Receiver
from tests.checkout import ROOT

STATUS = "emg/v1/lab1/cart-a/status"
EVENT = "emg/v1/lab1/cart-a/study/AAAAAAAA/segment"
MESSAGE = frame(b"MSH|^~\\&|EMG|LAB|HIS|HOSP|20261102091500||ORU^R01^ORU_R01|M-1|T|2.5.1\rOBR|1\r")


def asked(**changes: object) -> argparse.Namespace:
    small = {"seed": 3, "every": 12, "kills": 2, "trials": 10, "pulls": 2, "full": 2.0, "peer_trials": 1}
    return argparse.Namespace(**small | changes)


def bad(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.goal is NONE_OF_THEM and not row.met]


def figure(rows: list[Row], name: str) -> float:
    (found,) = {row.figure for row in rows if row.name == name}
    assert found is not None
    return found


async def section(name: str, folder: Path, **changes: object) -> list[Row]:
    rows, stalls = await command.SECTIONS[name](asked(**changes), folder)
    assert stalls is not None
    assert stalls.late.timers > 0
    assert bad(rows) == []
    return rows


@pytest.mark.parametrize("name", ["hl7", "mqtt"])
async def test_faults_on_a_network_lose_nothing_and_match_nothing_wrongly(tmp_path: Path, name: str) -> None:
    rows = await section(name, tmp_path)
    assert figure(rows, "trials") == 5
    assert figure(rows, "cut before the answer arrives (1)") <= 5.0


async def test_kills_at_steps_and_at_random_lose_nothing(tmp_path: Path) -> None:
    rows = await section("kills", tmp_path)
    steps = figure(rows, "steps of the examination")
    kills = [row.figure for row in rows if row.name == "kills"]
    assert steps > 150
    assert kills[0] > 0.9 * steps / 12  # what only some examinations do may not come
    assert kills[1] == 2


async def test_a_cable_that_is_put_back_is_heard(tmp_path: Path) -> None:
    rows = await section("cables", tmp_path, seed=0)
    assert figure(rows, "pulls") == 2
    assert [row.met for row in rows if row.name.startswith("away for 0")] == [True]


async def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path) -> None:
    rows, _ = await command.SECTIONS["disk"](asked(), tmp_path)
    if rows[0].name.startswith("not run"):
        pytest.skip(rows[0].name)
    assert bad(rows) == []
    assert figure(rows, "frames refused meanwhile") > 0


async def test_a_message_that_is_settled_and_never_arrived_is_counted() -> None:
    class Liar:
        settled = 1

    async with FaultyLine(Mllp(), (LOOPBACK, 1)) as line:
        lane = Lane("liar", line, Liar(), results=lambda _: None, arrived=lambda _: False, sent=1)  # type: ignore[arg-type,return-value]
        assert lane.unheard == 1


@pytest.mark.parametrize("fault", stories.HL7[:4], ids=lambda fault: fault.name)
async def test_a_fault_strikes_the_message_it_is_armed_for_and_no_other(fault: Fault) -> None:
    async with Receiver() as receiver, FaultyLine(Mllp(), (LOOPBACK, receiver.port)) as line:
        line.arm(fault)
        reader, writer = await asyncio.open_connection(LOOPBACK, line.port)
        writer.write(MESSAGE)
        with pytest.raises(TimeoutError if "half-open" in fault.name else asyncio.IncompleteReadError):
            async with asyncio.timeout(0.5):
                await _answer(reader)
        writer.close()
        reader, writer = await asyncio.open_connection(LOOPBACK, line.port)
        writer.write(MESSAGE)
        assert b"MSA|AA|M-1" in await _answer(reader)
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\x1c\r")
    except ConnectionError as error:
        raise asyncio.IncompleteReadError(b"", None) from error


async def test_the_line_gives_an_earlier_answer_instead_of_the_right_one() -> None:
    (fault,) = (each for each in stories.HL7 if each.story is stories.previous_instead)
    async with Receiver() as receiver, FaultyLine(Mllp(), (LOOPBACK, receiver.port)) as line:
        reader, writer = await asyncio.open_connection(LOOPBACK, line.port)
        writer.write(MESSAGE)
        await _answer(reader)
        line.arm(fault)
        writer.write(MESSAGE.replace(b"M-1", b"M-2"))
        assert b"MSA|AA|M-1" in await _answer(reader)
        writer.close()
        assert receiver.messages.qsize() == 1


def publish(topic: str, packet_id: int, payload: bytes) -> bytes:
    """PUBLISH with QoS 1, MQTT 3.1.1, section 3.3."""
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + packet_id.to_bytes(2, "big") + payload
    length, rest = bytearray(), len(body)
    while True:
        length.append(rest % 128 | (0x80 if rest > 127 else 0))
        rest //= 128
        if not rest:
            return b"\x32" + bytes(length) + body


def puback(packet_id: int) -> bytes:
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


@given(
    payloads=st.lists(st.binary(max_size=400), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
)
def test_packets_are_the_same_however_they_arrive(payloads: list[bytes], cuts: list[int]) -> None:
    packets = [publish(EVENT, number, payload) for number, payload in enumerate(payloads, start=1)]
    stream, split = b"".join(packets), Mqtt().splitter()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    found = [packet for begin_, end in pairwise(edges) for packet in split(stream[begin_:end])]
    assert found == packets


@given(payload=st.binary(max_size=300), packet_id=st.integers(1, 65_535))
def test_an_event_is_answered_by_the_acknowledgement_of_its_own_packet(
    payload: bytes, packet_id: int
) -> None:
    wire, event = Mqtt(), publish(EVENT, packet_id, payload)
    assert wire.is_message(event)
    assert not wire.is_message(publish(STATUS, packet_id, payload))
    assert not wire.is_message(puback(packet_id))
    assert wire.answers(event, puback(packet_id))
    assert not wire.answers(event, puback(packet_id % 65_535 + 1))


async def test_a_loop_that_is_held_up_is_seen(tmp_path: Path) -> None:
    task = asyncio.create_task(watch(tmp_path / "stalls"))
    for _ in range(10):
        await asyncio.sleep(0.01)
    time.sleep(0.06)  # noqa: ASYNC251  # this is the stall
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    found = Stalls.read(tmp_path / "stalls")
    latest, computed = found.late.quantile_ms(1.0), found.computed.quantile_ms(1.0)
    assert latest is not None
    assert computed is not None
    assert latest > 50.0 > computed  # asleep it did not compute
    assert (found + found).late.timers == 2 * found.late.timers


def test_the_same_seed_deals_the_same_faults_and_all_kinds_alike() -> None:
    kinds = len(stories.HL7)
    dealt = deck(stories.HL7, 3 * kinds, 5)
    assert dealt == deck(stories.HL7, 3 * kinds, 5)
    assert dealt != deck(stories.HL7, 3 * kinds, 6)
    assert {dealt.count(fault) for fault in stories.HL7} == {3}


async def test_what_a_sink_delivers_is_heard_and_settled(tmp_path: Path) -> None:
    engine = engines.Engine()
    async with workshop(tmp_path) as shop, engines.lanes(shop, engine, 1) as (lane,):
        await lane.send(1)
        await lane.door.until(1)
        assert await unheard([lane]) == 0


async def test_peers_face_the_same_faults_and_servers_several_messages_on_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "PYTHON", tmp_path / "nowhere")
    monkeypatch.setattr(comparison, "NODE", None)
    rows, _ = await command.SECTIONS["peers"](asked(), tmp_path)
    ours = [row.figure for row in rows if row.name.startswith("emg-gateway, ")]
    assert ours == [3, 3, 3]
    assert figure(rows, "hl7apy 1.3, all at once") < 3
    assert sum(row.name.endswith("not installed") for row in rows) == 3
    assert [row.figure for row in rows if row.name == "messages lost"] == [0, 0, 0]


def test_the_command_prints_its_table_and_writes_it_into_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "faults.md"
    page.write_text(f"before\n{begin(command.PROGRAM)}\nold\n{END}\nafter\n")
    command.main(["--only", "hl7", "--trials", "2", "--write", str(page)])
    printed = capsys.readouterr().out
    assert "idle loop beside" in printed
    assert printed.strip() in page.read_text()
    assert "old" not in page.read_text()


def test_the_shipped_page_has_its_block() -> None:
    page = (ROOT / "docs" / "faults.md").read_text("utf-8")
    assert page.index(begin(command.PROGRAM)) < page.index(END)
