"""The guide to a first visit, command by command: listen to an unknown cart, look, play it to the gateway."""

import asyncio
import re
import shlex
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.simulator import SIMULATOR
from drivers.simulator.cart import messages
from drivers.simulator.line import Line
from gateway.domain.study import Study
from gateway.protocols.capture import Chunk, decode_entries
from gateway.protocols.lis_frames import CR, ENQ, EOT, Frame, cut, encode_frame
from gateway.sinks.receiver import Receiver
from tests.checkout import ROOT
from tests.end_to_end.conftest import DEADLINE_S, PERFORMED_AT, House

GUIDE = (ROOT / "docs" / "first-visit.md").read_text("utf-8")
STUDY = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def transmission(study: Study) -> Iterator[bytes]:
    """What a cart sends that waits for no answer: every message from ENQ to EOT."""
    for message in messages(study):
        texts = (piece for record in message for piece in cut(record.encode() + CR))
        yield ENQ
        for number, (text, last) in enumerate(texts, start=1):
            yield encode_frame(Frame(number % 8, text, last))
        yield EOT


@dataclass
class Visit:
    """The guide's commands, with its places moved into a folder of the test's own."""

    house: House

    @property
    def capture(self) -> Path:
        return self.house.folder / "first.jsonl"

    @property
    def port(self) -> Path:
        return self.house.folder / "ttyUSB0"

    def here(self, text: str) -> str:
        moved = {
            "/dev/ttyUSB0": str(self.port),
            "/tmp/emg-cart": str(self.house.link),  # noqa: S108  # as the guide says it
            "/tmp/first-visit": str(self.house.folder / "state"),  # noqa: S108
            "first-visit.toml": str(self.house.config),
            "first.jsonl": str(self.capture),
        }
        return re.sub("|".join(map(re.escape, moved)), lambda found: moved[found.group()], text)

    def commands(self, number: int) -> list[list[str]]:
        """The words of the commands in a block of the guide."""
        return [shlex.split(line) for line in self.here(blocks("sh")[number]).splitlines()]

    async def start(self, words: list[str], log: str) -> asyncio.subprocess.Process:
        assert words[0] == "emg-gateway"
        return await self.house.start(*words[1:], log=log)

    def told(self, log: str) -> str:
        path = self.house.folder / log
        return path.read_text("utf-8") if path.exists() else ""

    @property
    def octets(self) -> bytes:
        entries = decode_entries(self.capture.read_bytes().splitlines(keepends=True))
        return b"".join(entry.data for entry in entries if isinstance(entry, Chunk))

    async def listen(self, sent: bytes) -> None:
        """Capture a cart that sends `sent`."""
        line = Line(self.port)
        ((*words,),) = self.commands(0)
        program = await self.start(words, "capture.log")
        await self.house.until(lambda: "listening" in self.told("capture.log"), "the capture to listen")
        await line.write(sent)
        await self.house.until(lambda: len(self.octets) == len(sent), "everything to be captured")
        program.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(program.wait(), DEADLINE_S) == 0
        line.close()

    async def look(self) -> bytes:
        """What the guide's second block prints."""
        play, (look, *options) = self.commands(1)
        player = await self.start(play, "look.log")
        await self.house.until(self.house.link.is_symlink, "the line")
        printing = await asyncio.create_subprocess_exec(
            look, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        printed, _ = await asyncio.wait_for(printing.communicate(), DEADLINE_S)
        assert await asyncio.wait_for(player.wait(), DEADLINE_S) == 0
        return printed

    async def play_back(self) -> None:
        """Let the gateway listen to the capture."""
        run, play = self.commands(2)
        await self.start(run, "gateway.log")
        await self.house.until(lambda: " ready " in self.told("gateway.log"), "the gateway to be ready")
        player = await self.start(play, "play.log")
        assert await asyncio.wait_for(player.wait(), DEADLINE_S) == 0


def shown(octets: bytes) -> bytes:
    """As `cat -v` prints ASCII."""
    return b"".join(
        b"^%c" % (octet ^ 0x40) if octet < 0x20 and octet != 0x0A else b"%c" % octet for octet in octets
    )


async def test_a_cart_is_captured_looked_at_and_played_back(house: House) -> None:
    visit = Visit(house)
    sent = b"".join(transmission(STUDY))

    await visit.listen(sent)
    assert visit.octets == sent
    assert "looks like LIS01-A2" in visit.told("capture.log")
    assert await visit.look() == shown(sent)

    async with Receiver() as receiver:
        engine = f'[[hl7]]\nname = "engine"\nurl = "mllp://127.0.0.1:{receiver.port}"\n'
        house.config.write_text(visit.here(blocks("toml")[0]) + engine)
        await visit.play_back()
        received = await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)
    assert received.message is not None
    assert received.message.all("OBR")[0].text(20) == STUDY.header.study_id
    log = visit.told("gateway.log")
    assert [
        event for event in ("frame_refused", "transfer_ended_early", "record_rejected") if event in log
    ] == []


def test_the_guide_names_what_the_capture_says() -> None:
    source = (ROOT / "gateway" / "protocols" / "capture.py").read_text("utf-8")
    said = re.findall(r"`([^`]+)`", "".join(line for line in GUIDE.splitlines() if line.startswith("| `")))
    assert len(said) >= 8
    assert [words for words in said if words not in source and words != "serial_lis"] == []
