"""The cart's end of a pseudo-terminal, its link, and the faults on the wire."""

import asyncio
import os
from pathlib import Path

import pytest

from drivers.simulator.faults import FAULTS, Wire
from drivers.simulator.line import HungUp, Line
from gateway.errors import CannotCreate
from gateway.protocols.lis_frames import ACK, ENQ, EOT, NAK, Frame, encode_frame
from tests.drivers.lis_host import Opened


def test_a_file_in_the_place_of_the_link_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "cart"
    link.write_text("precious")
    with pytest.raises(CannotCreate, match=r"cart: File exists; name another path for the link"):
        Line(link)
    assert link.read_text() == "precious"


def test_a_link_that_another_cart_has_taken_over_is_left_to_it(tmp_path: Path) -> None:
    link = tmp_path / "cart"
    first, second = Line(link), Line(link)
    first.close()
    assert link.readlink() == Path(second.path)
    second.close()
    assert not link.is_symlink()


async def test_a_line_sends_more_than_fits_and_closes_when_it_is_read() -> None:
    line, sent, heard = Line(), bytes(range(1, 251)) * 400, bytearray()
    end = Opened(line.path, heard.extend)
    await line.write(sent)
    await line.taken(within_s=10.0)
    assert heard == sent
    line.close()
    end.close()


async def test_a_line_that_nobody_reads_closes_all_the_same() -> None:
    line = Line()
    descriptor = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    await line.write(b"never read")
    await line.taken(within_s=0.15)
    line.close()
    os.close(descriptor)


async def test_a_hang_up_is_seen_by_who_reads_and_by_who_writes() -> None:
    line = Line()
    descriptor = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    reading = asyncio.create_task(line.read())
    writing = asyncio.create_task(line.write(bytes(100_000)))
    asyncio.get_running_loop().call_later(0.01, os.close, descriptor)
    for waiting in (reading, writing):
        with pytest.raises(HungUp):
            await waiting
    with pytest.raises(HungUp):
        await line.write(b"too late")
    line.close()


async def test_what_came_before_is_forgotten_on_demand() -> None:
    line = Line()
    end = Opened(line.path, lambda _data: None)
    end.write(b"stale")
    line.discard()
    end.write(b"fresh")
    assert await line.read() == b"fresh"
    line.close()
    end.close()


def transmission() -> list[bytes]:
    frames = [encode_frame(Frame(number % 8, b"text", True)) for number in range(1, 10)]
    return [ENQ, *frames, EOT, ENQ, *frames, EOT]


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_a_fault_strikes_at_the_same_place_every_time(fault: str | None) -> None:
    once, again = ([wire.carry(data) for data in transmission()] for wire in (Wire(fault), Wire(fault)))
    assert once == again
    struck = fault not in (None, "duplicate-frame")
    assert (once != transmission()) == struck


def test_a_lost_acknowledgement_is_lost_once() -> None:
    wire = Wire("duplicate-frame")
    frames = transmission()[1:5]
    answers = []
    for frame in (*frames, frames[-1]):
        wire.carry(frame)
        answers.append(wire.hear(ACK))
    assert answers == [ACK, ACK, ACK, NAK, ACK]


def test_a_wrong_checksum_is_wrong_even_where_it_was_zero() -> None:
    frames = [encode_frame(Frame(1, bytes([letter]), True)) for letter in range(ord(" "), 256)]
    zero = next(frame for frame in frames if frame[-4:-2] == b"00")
    wire = Wire("bad-checksum")
    damaged = [wire.carry(frame) for frame in (*frames[:3], zero)]
    assert damaged[3][-4:-2] == b"FF"
