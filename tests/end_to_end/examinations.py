"""Short examinations, over a line and in a folder: they go on whoever is killed, and see what is lost."""

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from drivers.simulator import Cart
from drivers.simulator.cart import messages
from gateway.domain.recording import Recording
from gateway.formats import Reading, dicom
from gateway.formats.study_json import decode_recording
from gateway.protocols.lis_frames import CR, USUAL_TEXT, cut
from gateway.sinks.receiver import Receiver
from gateway.store.ledger import ledger
from tests.end_to_end.mortal_gateway import CONFIG, LOG
from tests.factories import cmap, motor, reference, study

GOOD, PARTLY, DAMAGED = "IM1.dcm", "IM2.dcm", "IM3.dcm"
_WRIST, _ELBOW = dicom.FORMAT.write(
    study(motor("wrist", waveform=cmap()), motor("below_elbow", waveform=cmap(amplitude_uv=4000.0))),
    reference().anatomy,
)
FILES = {
    GOOD: _WRIST,
    PARTLY: _ELBOW.replace(b"19710305", b"19711305"),  # there is no such month
    DAMAGED: _WRIST[: len(_WRIST) // 2],
}
RECORDINGS = [
    recording
    for name in (GOOD, PARTLY)
    for recording in dicom.FORMAT.read(FILES[name], Reading(anatomy=reference().anatomy)).study.recordings
]

_DATABASE = "state/gateway.db"
_RECORDINGS = "SELECT body FROM fact WHERE kind = 'recording' ORDER BY id"
_FRAMES = "SELECT substr(body, 2) FROM entry WHERE substr(body, 1, 1) IN (x'49', x'58') ORDER BY id"  # I, X


class Journaled:
    """The database of an examination's gateway."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _DATABASE

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def number(self, query: str) -> int:
        return int(self.rows(query)[0][0])

    def settled(self, recordings: int) -> bool:
        """Whether at least so many recordings are journaled, and nothing is left to be done."""
        return (
            self.number("SELECT count(*) FROM fact WHERE kind = 'recording'") >= recordings
            and not self.number("SELECT count(*) FROM session WHERE NOT closed")
            and not self.number("SELECT count(*) FROM fact WHERE NOT processed")
        )

    def recordings(self) -> list[Recording]:
        return [decode_recording(body) for (body,) in self.rows(_RECORDINGS)]

    def kinds(self) -> dict[str, int]:
        """How many facts there are of each other kind."""
        return dict(self.rows("SELECT kind, count(*) FROM fact WHERE kind <> 'recording' GROUP BY kind"))

    def left(self, query: str) -> list[tuple[Any, ...]]:
        """The rows a dead gateway left, read from a copy: its successor finds what it left, as it left it."""
        with tempfile.TemporaryDirectory(dir=self.path.parents[1]) as copy:
            for suffix in ("", "-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(f"{self.path}{suffix}", copy)
            with contextlib.closing(sqlite3.connect(Path(copy) / self.path.name)) as connection:
                tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
                return connection.execute(query).fetchall() if tables else []


def no_errors(folder: Path) -> None:
    log = (folder / LOG).read_text("utf-8")
    assert not [line for line in log.splitlines() if line.split()[1] == "error"]


class OverALine:
    """A cart on a pseudo-terminal and a receiver of HL7 messages, which live through all of it."""

    STUDY = study(motor("wrist", waveform=cmap()), motor("below_elbow"))
    # SET_UP_S must stay longer than opening a port takes on a busy machine.
    CART = Cart(time_scale=0.2, patience_s=20.0)
    FRAMES = tuple(
        tuple(text for record in message for text, _ in cut(record.encode() + CR, USUAL_TEXT))
        for message in messages(STUDY)
    )

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._journal = Journaled(folder)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.folder.mkdir()
        async with contextlib.AsyncExitStack() as stack:
            self._receiver = await stack.enter_async_context(Receiver())
            link, linked = self.folder / "cart", asyncio.Event()

            async def opened(_: str) -> None:
                linked.set()

            self._playing = asyncio.create_task(self.CART.play(self.STUDY, link=link, opened=opened))
            stack.push_async_callback(self._pull_the_plug)
            await linked.wait()
            (self.folder / CONFIG).write_text(self.config(link))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def config(self, link: Path) -> str:
        """The configuration, as TOML."""
        return (
            f'[gateway]\nstate_dir = "{self.folder}/state"\n'
            f'[[drivers]]\nname = "room-1"\ntype = "serial_lis"\nurl = "serial://{link}"\n'
            f'[[hl7]]\nname = "engine"\nurl = "mllp://127.0.0.1:{self._receiver.port}"\n'
            'validate = "never"\n'
        )

    async def _pull_the_plug(self) -> None:
        self._playing.cancel()
        await asyncio.gather(self._playing, return_exceptions=True)

    def complete(self) -> bool:
        if not self._playing.done():
            return False
        self._playing.result()
        states = [row["state"] for row in ledger(self._journal.path)]
        return self._journal.settled(len(self.STUDY.recordings)) and set(states) == {"delivered"}

    def check_dead(self, lives: Sequence[list[str]]) -> None:
        """Every frame that was acknowledged is on disk, in order."""
        if len(lives) > 1:
            return  # the cart began a message anew
        found = [text for (text,) in self._journal.left(_FRAMES)]
        first, second = self.FRAMES
        acknowledged = sum(step.startswith("after ACK") for step in lives[0])
        enquiries = (acknowledged > 0) + (acknowledged > 1 + len(first))
        assert found == [*first, *second][: len(found)]
        assert len(found) >= acknowledged - enquiries

    def check_complete(self) -> None:
        assert self._journal.recordings() == list(self.STUDY.recordings)
        assert self._journal.kinds() == {"opened": 1, "ended": 1}
        assert len([row for row in ledger(self._journal.path) if row["sink"] == "engine"]) == 1
        messages = self._receiver.messages
        assert len({messages.get_nowait().block for _ in range(messages.qsize())}) == 1
        no_errors(self.folder)


class InAFolder:
    """Files a cart has exported: one is good, one can be used in part, one is damaged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self._journal = Journaled(folder)

    async def __aenter__(self) -> Self:
        self.inbox.mkdir(parents=True)
        for name, content in FILES.items():
            (self.inbox / name).write_bytes(content)
        (self.folder / CONFIG).write_text(
            f'[gateway]\nstate_dir = "{self.folder}/state"\n'
            f'[[drivers]]\nname = "inbox"\ntype = "dicom_folder"\npath = "{self.inbox}"\n'
            "poll_s = 0.01\nsettle_s = 0.02\npatience_s = 0.05\n"
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Files end by themselves."""

    def complete(self) -> bool:
        there = {self.inbox / "done" / GOOD, self.inbox / "done" / PARTLY}
        failed = self.inbox / "failed" / DAMAGED
        return all(path.exists() for path in (*there, failed)) and self._journal.settled(len(RECORDINGS))

    def check_dead(self, _: Sequence[list[str]]) -> None:
        """Every file is there, whole, in one place; of those in `done` all that was in them is journaled."""
        for name, content in FILES.items():
            assert [path.read_bytes() for path in self.inbox.rglob(name)] == [content]
        done = [name for name in (GOOD, PARTLY) if (self.inbox / "done" / name).exists()]
        journaled = [decode_recording(body) for (body,) in self._journal.left(_RECORDINGS)]
        assert journaled == RECORDINGS[: len(journaled)]
        assert len(journaled) >= len(done)

    def check_complete(self) -> None:
        found = {str(path.relative_to(self.inbox)) for path in self.inbox.rglob("*") if path.is_file()}
        assert found == {
            f"done/{GOOD}",
            f"done/{PARTLY}",
            f"done/{PARTLY}.notice",
            f"failed/{DAMAGED}",
            f"failed/{DAMAGED}.reason",
        }
        self.check_dead([])
        assert len(RECORDINGS) == 2
        assert self._journal.recordings() == RECORDINGS
        assert self._journal.kinds() == {"opened": 2}  # the second header lacks the birth date
        no_errors(self.folder)
