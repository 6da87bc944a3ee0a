"""A capture on a real pseudo-terminal: the host gets what the cart once sent, whatever it says."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from drivers.simulator import Playback, VirtualPatient
from gateway.errors import CannotCreate, DataError, Temporary, UsageError
from gateway.protocols.capture import Chunk, Entry, Happening
from tests.drivers.lis_host import Opened

PLAYBACK = Playback(quiet_s=0.1)
CAPTURE = (
    Chunk(7.0, b"\x05"),
    Happening(7.1, "line_lost"),
    Happening(7.2, "line_back"),
    Chunk(7.5, b"\x021H"),
)
SENT = b"\x05\x021H"


class Reader:
    """A host that reads, and says something whenever it has."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.path = ""
        self._end: Opened | None = None

    async def plug_in(self, path: str) -> None:
        self.path = path
        self._end = Opened(path, self._hear)

    def _hear(self, data: bytes) -> None:
        self.heard += data
        assert self._end is not None
        self._end.write(b"\x06")

    def unplug(self) -> None:
        if self._end is not None:
            self._end.close()


async def replay(capture: Sequence[Entry], speed: float = 0.0) -> Reader:
    reader = Reader()
    try:
        await PLAYBACK.play(capture, speed=speed, opened=reader.plug_in)
    finally:
        reader.unplug()
    return reader


async def test_the_chunks_arrive_whatever_the_host_says() -> None:
    assert (await replay(CAPTURE)).heard == SENT


async def test_a_capture_of_nothing_is_played_too() -> None:
    assert (await replay([])).heard == b""


async def test_more_than_a_line_holds_arrives_whole() -> None:
    content = bytes(range(1, 251)) * 400
    assert (await replay([Chunk(0.0, content), Chunk(0.0, content)])).heard == content * 2


async def test_the_pace_is_that_of_the_capture_from_its_first_chunk_on() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await replay(CAPTURE, speed=2.0)
    assert 0.5 / 2.0 <= loop.time() - begun < 7.0 / 2.0


async def test_the_link_leads_to_the_line_while_it_plays(tmp_path: Path) -> None:
    link, reader, seen = tmp_path / "cart", Reader(), []

    async def through_the_link(path: str) -> None:
        seen.append(str(link.readlink()))
        await reader.plug_in(path)

    await VirtualPatient().replay(CAPTURE, link=link, opened=through_the_link)
    reader.unplug()
    assert seen == [reader.path]
    assert not link.is_symlink()


async def test_a_host_that_hangs_up_gets_what_broke_off_when_it_is_back() -> None:
    reader, loop = Reader(), asyncio.get_running_loop()

    def again() -> None:
        loop.create_task(reader.plug_in(reader.path))

    def capture() -> Iterator[Entry]:
        yield Chunk(0.0, b"before")
        reader.unplug()
        loop.call_later(0.05, again)
        yield Chunk(0.0, b"after")

    await PLAYBACK.play(capture(), opened=reader.plug_in)
    reader.unplug()
    assert reader.heard.endswith(b"after")


async def test_a_host_that_does_not_open_the_line_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match=r"/dev/pts/\d+: the host has not opened the line for 0.05 s; is the"):
        await Playback(patience_s=0.05).play(CAPTURE, link=tmp_path / "cart")
    assert not (tmp_path / "cart").is_symlink()


@pytest.mark.parametrize(
    "content", [b"a little", bytes(100_000)], ids=["at the end", "when nothing more fits"]
)
async def test_a_host_that_does_not_read_is_reported(content: bytes) -> None:
    descriptors: list[int] = []

    async def only_open(path: str) -> None:
        descriptors.append(os.open(path, os.O_RDWR | os.O_NOCTTY))

    with pytest.raises(Temporary, match=r"the host does not read for 0.2 s"):
        await Playback(patience_s=0.2, quiet_s=0.1).play([Chunk(0.0, content)], opened=only_open)
    os.close(descriptors[0])


async def test_a_speed_or_a_link_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"speed -1.0: must be 0"):
        await PLAYBACK.play(CAPTURE, speed=-1.0)
    with pytest.raises(CannotCreate):
        await PLAYBACK.play(CAPTURE, link=tmp_path)


async def test_what_reading_the_capture_raises_ends_it(tmp_path: Path) -> None:
    def damaged() -> Iterator[Entry]:
        yield CAPTURE[0]
        raise DataError("damaged", "line 3")

    reader = Reader()
    with pytest.raises(DataError, match="line 3"):
        await PLAYBACK.play(damaged(), link=tmp_path / "cart", opened=reader.plug_in)
    reader.unplug()
    assert not (tmp_path / "cart").is_symlink()
