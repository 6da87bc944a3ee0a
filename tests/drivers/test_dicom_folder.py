"""The drop folder over a real folder and a real journal: every file once, whatever happens in between.

The files are Study documents where the format does not matter: the driver takes any.
"""

import errno
import logging
import re
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dicom_folder import DRIVER, Settings, build
from drivers.dicom_folder.driver import FolderDriver
from drivers.dicom_folder.protocol import Entry
from gateway.domain.limits import Limits
from gateway.domain.recording import Recording
from gateway.domain.study import ExamEnded, Fact, Patient, StudyHeader, StudyOpened
from gateway.errors import ConfigError, DataError, StorageError, Unavailable
from gateway.formats import Document, Format, Reading, dicom, study_json
from gateway.ports import DriverContext, Intake, Session
from gateway.store.database import open_database
from gateway.store.journal import FACT_COLUMNS, Journal, JournaledFact, read_facts
from tests.factories import motor, motor_marks, reference, sensory, study, waveform
from tests.fakes import FakeClock
from tests.transport.file_steps import before_each_step, failing

PATIENCE_S = 5.0
NOTICE = "channel 2: left out"
WRIST, ELBOW, SENSORY = motor("wrist"), motor("below_elbow"), sensory()
CANARY = Patient(id="CANARY-1", family="CANARY", given="CANARY", birth_date="1931-07-29")


class Killed(Exception):
    """The process dies here."""


class Enough(Exception):
    """The folder was looked at as often as the test wants."""


class Ticking:
    """A clock that goes on by half a second each time it is read, and stops the driver after `reads`."""

    def __init__(self, reads: int) -> None:
        self._left = reads
        self._now = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 2, 9, 15, tzinfo=UTC)

    def monotonic(self) -> float:
        if not self._left:
            raise Enough
        self._left -= 1
        self._now += 0.5
        return self._now


class Door:
    """The intake of a real journal; `tick` is called before and after everything that lasts."""

    def __init__(self, intake: Intake, tick: Callable[[str], None]) -> None:
        self._intake = intake
        self._tick = tick

    async def unfinished(self) -> Sequence[Session]:
        return await self._intake.unfinished()

    async def open(self) -> int:
        self._tick("open")
        session = await self._intake.open()
        self._tick("opened")
        return session

    async def accept(self, session: int, entry: bytes) -> None:
        self._tick("accept")
        await self._intake.accept(session, entry)
        self._tick("accepted")

    async def deliver(self, header: StudyHeader, facts: Sequence[Fact]) -> None:
        self._tick("deliver")
        await self._intake.deliver(header, facts)
        self._tick("delivered")

    async def close(self, session: int) -> None:
        self._tick("close")
        await self._intake.close(session)
        self._tick("closed")


@dataclass(frozen=True)
class Noting:
    """A format that cannot use everything of a file: Study documents, each with a notice."""

    documents: Format = study_json.FORMAT

    name = "noting"
    suffix = ".json"
    folds = False

    def sniff(self, start: bytes) -> bool:
        return self.documents.sniff(start)

    def read(self, data: bytes, reading: Reading) -> Document:
        return replace(self.documents.read(data, reading), notices=(NOTICE,))

    def write(self, *_: Any) -> Sequence[bytes]:
        raise NotImplementedError


class Lab:
    """An inbox and a journal on disk, which a driver is started on again and again."""

    def __init__(self, path: Path, document_format: Format = study_json.FORMAT, **keys: Any) -> None:
        self.path = path
        self.inbox = path / "inbox"
        self.inbox.mkdir(parents=True)
        self.keys = {"path": str(self.inbox), "poll_s": 1e-6, "patience_s": PATIENCE_S} | keys
        self.document_format = document_format
        self.limits = Limits()

    def put(self, name: str, *recordings: Recording, **changes: Any) -> bytes:
        data = study_json.encode(study(*recordings, **changes))
        (self.inbox / name).write_bytes(data)
        return data

    def driver(self, reads: int = 30) -> FolderDriver:
        context = DriverContext(
            name="inbox", anatomy=reference().anatomy, clock=Ticking(reads), limits=self.limits
        )
        return build(Settings(**self.keys), context, self.document_format)

    @asynccontextmanager
    async def door(self, tick: Callable[[str], None] = lambda _: None) -> AsyncIterator[Door]:
        async def deliver(_: object) -> None:
            """The facts are read from the journal."""

        async with open_database(self.path / "gateway.db") as database:
            journal = await Journal.open(database, FakeClock(), "boot-1")
            yield Door(journal.intake("inbox", "cart-a", deliver), tick)

    async def run(self, tick: Callable[[str], None] = lambda _: None, reads: int = 30) -> None:
        """Run a new driver until it has looked often enough."""
        async with self.door(tick) as door:
            with pytest.raises(Enough):
                await self.driver(reads).run(door)

    async def facts(self) -> list[Fact]:
        async with open_database(self.path / "gateway.db") as database:
            query = (
                f"SELECT {FACT_COLUMNS}"  # noqa: S608
                " FROM fact JOIN study ON code = study ORDER BY 1"
            )
            found = await database.write(lambda c: read_facts(c.execute(query)))
        return [entry.fact for entry in found if isinstance(entry, JournaledFact)]

    async def recordings(self) -> list[Recording]:
        return [fact for fact in await self.facts() if isinstance(fact, Recording)]

    async def unfinished(self) -> Sequence[Session]:
        async with self.door() as door:
            return await door.unfinished()

    @property
    def tree(self) -> dict[str, bytes]:
        return {
            str(p.relative_to(self.inbox)): p.read_bytes()
            for p in sorted(self.inbox.rglob("*"))
            if p.is_file()
        }


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.getMessage()} {record.__dict__.get('fields')}" for record in caplog.records]


async def test_files_become_facts_and_go_to_done(lab: Lab) -> None:
    wrist, elbow = lab.put("1", WRIST), lab.put("2", ELBOW)
    await lab.run()
    assert await lab.facts() == [StudyOpened(study().header), WRIST, ELBOW]
    assert lab.tree == {"done/1": wrist, "done/2": elbow}
    assert await lab.unfinished() == []


async def test_a_copied_batch_is_taken_in_the_order_it_was_recorded(lab: Lab) -> None:
    later = replace(WRIST, recorded_at="2026-11-02T10:20:00+01:00", operator="later")
    earlier = replace(WRIST, recorded_at="2026-11-02T09:15:00Z", operator="earlier")
    lab.put("a", later)
    lab.put("b", earlier)
    lab.put("c", ELBOW)
    (lab.inbox / "d").write_bytes(b"broken")
    await lab.run()
    assert [entry.operator for entry in await lab.recordings()] == [None, "earlier", "later"]


async def test_a_single_file_ends_its_examination(tmp_path: Path) -> None:
    lab = Lab(tmp_path, single_file=True)
    lab.put("1", WRIST, ELBOW)
    await lab.run()
    assert await lab.facts() == [StudyOpened(study().header), WRIST, ELBOW, ExamEnded(by="device")]


async def test_the_same_content_under_another_name_is_one_study(tmp_path: Path) -> None:
    lab = Lab(tmp_path, single_file=True)
    for name in ("1", "2"):
        lab.put(name, WRIST)
    await lab.run()
    lab.put("1", WRIST)
    await lab.run()
    assert await lab.facts() == [StudyOpened(study().header), WRIST, ExamEnded(by="device")]
    assert set(lab.tree) == {"done/1", "done/2", "done/1-2"}


async def test_what_could_not_be_used_is_told_beside_the_file(tmp_path: Path) -> None:
    lab = Lab(tmp_path, Noting())
    lab.put("1", WRIST)
    await lab.run()
    assert lab.tree["done/1.notice"] == f"{NOTICE}\n".encode()
    assert await lab.recordings() == [WRIST]


async def test_a_damaged_file_fails_with_the_place_and_the_others_are_taken(lab: Lab) -> None:
    damaged = lab.put("1", WRIST).replace(b'"wrist"', b'"ear"')
    (lab.inbox / "1").write_bytes(damaged)
    lab.put("2", ELBOW)
    await lab.run(reads=60)
    assert await lab.recordings() == [ELBOW]
    assert lab.tree["failed/1"] == damaged
    reason = lab.tree["failed/1.reason"].decode()
    assert reason.startswith("recordings[0]: stimulation_site: unknown stimulation site")
    assert re.fullmatch(r"[^\n]+\nin the log: file=[0-9a-f]{12}\n", reason)
    assert await lab.unfinished() == []


@pytest.mark.parametrize(
    ("content", "at_once"),
    [
        (b"%PDF-1.7\n" + b"x" * 600, True),
        (b"%PDF-1.7", False),
        (b"{" + b"x" * 600, False),
        (bytes(600), False),
    ],
)
async def test_a_file_that_begins_as_another_kind_does_fails_when_it_has_settled(
    lab: Lab, content: bytes, *, at_once: bool
) -> None:
    (lab.inbox / "1").write_bytes(content)
    await lab.run(reads=10)
    assert ("failed/1" in lab.tree) is at_once
    await lab.run(reads=60)
    assert lab.tree["failed/1"] == content


async def test_a_copy_that_paused_is_taken_when_it_is_whole(lab: Lab) -> None:
    whole = lab.put("1", WRIST)
    (lab.inbox / "1").write_bytes(whole[:-10])
    await lab.run(reads=8)
    assert lab.tree == {"1": whole[:-10]}
    (lab.inbox / "1").write_bytes(whole)
    await lab.run()
    assert lab.tree == {"done/1": whole}
    assert await lab.recordings() == [WRIST]


async def test_a_file_beyond_the_limit_fails_with_the_limit(lab: Lab) -> None:
    lab.limits = Limits(document_bytes=100)
    lab.put("1", WRIST)
    await lab.run()
    reason = lab.tree["failed/1.reason"]
    assert reason.startswith(b"the file is larger than 100 bytes ([limits] document_bytes)\n")
    assert await lab.facts() == []


async def test_a_reader_that_breaks_on_a_file_keeps_no_other_waiting(tmp_path: Path) -> None:
    """A fault of ours: the supervisor starts the same driver again."""
    lab = Lab(tmp_path, Broken())
    lab.put("1", ELBOW)
    lab.put("2", WRIST)
    driver = lab.driver(reads=12)
    async with lab.door() as door:
        with pytest.raises(ZeroDivisionError):
            await driver.run(door)
        with pytest.raises(Enough):
            await driver.run(door)
    assert await lab.recordings() == [WRIST]
    assert set(lab.tree) == {"1", "done/2"}


class Broken(Noting):
    """A format whose reader has a fault."""

    def read(self, data: bytes, reading: Reading) -> Document:
        if b"below_elbow" in data:
            raise ZeroDivisionError
        return self.documents.read(data, reading)


# The disk and the folder


@pytest.mark.parametrize("step", ["open", "accept", "deliver", "close"])
async def test_a_journal_that_refuses_leaves_the_file_and_takes_it_later(lab: Lab, step: str) -> None:
    def full(happening: str) -> None:
        if happening == step:
            raise StorageError("disk full")

    lab.put("1", WRIST)
    driver = lab.driver(reads=60)
    async with lab.door(full) as door:
        for _ in range(2):
            with pytest.raises(StorageError):
                await driver.run(door)
    async with lab.door() as door:
        with pytest.raises(Enough):
            await driver.run(door)
    assert await lab.recordings() == [WRIST]
    assert set(lab.tree) == {"done/1"}
    assert await lab.unfinished() == []


async def test_a_folder_that_is_away_is_temporary(lab: Lab) -> None:
    lab.put("1", WRIST)
    away = lab.inbox.rename(lab.path / "away")
    driver = lab.driver()
    async with lab.door() as door:
        with pytest.raises(Unavailable, match=r"inbox: No such file or directory; is the share mounted"):
            await driver.run(door)
        away.rename(lab.inbox)
        with pytest.raises(Enough):
            await driver.run(door)
    assert await lab.recordings() == [WRIST]
    assert set(lab.tree) == {"done/1"}


async def test_a_folder_that_goes_away_after_a_file_was_taken(lab: Lab) -> None:
    lab.put("1", WRIST)
    driver = lab.driver()
    async with lab.door() as door:
        with before_each_step(lab.inbox, failing("os.rename", errno.EHOSTDOWN)), pytest.raises(Unavailable):
            await driver.run(door)
        assert len(await door.unfinished()) == 1
        with pytest.raises(Enough):
            await driver.run(door)
    assert await lab.recordings() == [WRIST]
    assert set(lab.tree) == {"done/1"}
    assert await lab.unfinished() == []


async def test_a_read_only_share_is_read_once(lab: Lab) -> None:
    lab.put("1", WRIST)
    with before_each_step(lab.inbox, failing("os.rename", errno.EROFS)):
        await lab.run(reads=60)
    assert set(lab.tree) == {"1"}
    assert await lab.unfinished() == []
    await lab.run()
    assert await lab.facts() == [StudyOpened(study().header), WRIST]
    assert set(lab.tree) == {"done/1"}


# Crashes


@dataclass
class Death:
    """The process dies before one step more than `steps`, and stays dead."""

    steps: int

    def __call__(self, *_: object) -> None:
        if self.steps <= 0:
            raise Killed
        self.steps -= 1


async def killed_after(lab: Lab, steps: int) -> bool:
    """Run the driver until it is killed; False when it came to its end before."""
    death = Death(steps)
    async with lab.door(death) as door:
        driver = lab.driver(reads=40)
        with before_each_step(lab.inbox, death):
            try:
                await driver.run(door)
            except Killed:
                return True
            except Enough:
                return False
    raise AssertionError


@pytest.mark.parametrize("single_file", [True, False])
async def test_a_kill_at_any_step_loses_nothing_and_doubles_nothing(
    tmp_path: Path, single_file: bool
) -> None:
    steps, killed = 0, True
    while killed:
        lab = Lab(tmp_path / str(steps), Noting(), single_file=single_file)
        files = {"1": lab.put("1", WRIST), "2": lab.put("2", ELBOW), "3": b"damaged"}
        (lab.inbox / "3").write_bytes(b"damaged")

        killed = await killed_after(lab, steps)
        await lab.run(reads=40)

        assert lab.tree.keys() == {
            *("done/1", "done/1.notice", "done/2", "done/2.notice", "failed/3", "failed/3.reason")
        }
        assert [lab.tree[name] for name in ("done/1", "done/2", "failed/3")] == list(files.values())
        assert await lab.recordings() == [WRIST, ELBOW]
        assert isinstance((await lab.facts())[-1], ExamEnded) == single_file
        assert await lab.unfinished() == []
        shutil.rmtree(lab.path)
        steps += 1
    assert steps > 40


async def test_a_file_that_vanished_after_it_was_accepted_is_finished_from_the_journal(lab: Lab) -> None:
    def die(happening: str) -> None:
        if happening == "accepted":
            raise Killed

    lab.put("1", WRIST)
    async with lab.door(die) as door:
        with pytest.raises(Killed):
            await lab.driver().run(door)
    (lab.inbox / "1").unlink()
    await lab.run()
    assert await lab.recordings() == [WRIST]
    assert await lab.unfinished() == []


async def test_another_file_under_the_name_of_a_finished_one_is_taken_too(lab: Lab) -> None:
    def die(happening: str) -> None:
        if happening == "accepted":
            raise Killed

    lab.put("1", WRIST)
    async with lab.door(die) as door:
        with pytest.raises(Killed):
            await lab.driver().run(door)
    elbow = lab.put("1", ELBOW)
    await lab.run()
    assert await lab.recordings() == [WRIST, ELBOW]
    assert lab.tree == {"done/1": elbow}


@pytest.mark.parametrize(
    "entry", [b"", b"?", b"F\x00\x00data", b"F\x00\x09short", Entry("1", b"{}").encode()]
)
async def test_what_cannot_be_read_back_is_kept_and_the_rest_goes_on(
    lab: Lab, caplog: pytest.LogCaptureFixture, entry: bytes
) -> None:
    async with lab.door() as door:
        session = await door.open()
        await door.accept(session, entry)
    lab.put("1", WRIST)
    await lab.run()
    assert [left.id for left in await lab.unfinished()] == [session]
    assert await lab.recordings() == [WRIST]
    assert f"session_unreadable {{'driver': 'inbox', 'session': {session}}}" in told(caplog)


names = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: not any("\ud800" <= letter <= "\udfff" for letter in name)
)


@given(names, st.binary(max_size=200))
def test_an_entry_read_back_is_the_entry(name: str, data: bytes) -> None:
    assert Entry.decode(Entry(name, data).encode()) == Entry(name, data)


@given(st.binary(max_size=20))
def test_any_bytes_are_an_entry_or_refused(raw: bytes) -> None:
    try:
        entry = Entry.decode(raw)
    except DataError as error:
        assert str(error) == "journal: an entry of unknown kind"  # noqa: PT017
    else:
        assert entry.encode() == raw


# Privacy


async def test_nothing_of_a_file_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    lab = Lab(tmp_path, Noting())
    lab.put("CANARY 1931-07-29.dcm", WRIST, patient=CANARY)
    (lab.inbox / "CANARY.dcm").write_bytes(b'{"CANARY": "1931-07-29"}')
    (lab.inbox / "CANARY-0.dcm").write_bytes(b"")
    await lab.run(reads=60)
    await lab.run()
    logged = told(caplog)
    assert {line.split()[0] for line in logged} >= {"folder_opened", "file_taken", "file_failed"}
    assert not [line for line in logged if "CANARY" in line or "1931" in line]
    assert len(list((lab.inbox / "done").iterdir())) == 2


# The plug-in


def context(**changes: Any) -> DriverContext:
    given: dict[str, Any] = {"name": "inbox", "anatomy": reference().anatomy, "clock": Ticking(40)}
    return DriverContext(**given | changes)


def test_the_settings_have_sensible_defaults_and_are_documented() -> None:
    settings = msgspec.convert({"path": "/srv/emg/inbox"}, Settings)
    assert (settings.polarity, settings.single_file) == ("true", False)
    assert (settings.poll_s, settings.settle_s, settings.patience_s) == (0.5, 2.0, 60.0)
    described = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
    assert [name for name, field in described.items() if not field.get("description")] == []


@pytest.mark.parametrize(
    "keys",
    [
        {"path": "inbox"},
        {"path": ""},
        {"path": "/srv/\0"},
        {"pth": "/srv"},
        {"polarity": "up"},
        {"single_file": "yes"},
        {"site_aliases": {"BE": 3}},
        {"poll_s": 0},
        {"settle_s": -1},
        {"patience_s": 1e9},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"path": "/srv/emg/inbox"} | keys, Settings)


@pytest.mark.parametrize(
    ("site", "told_of"),
    [
        ("below_elbo", "site_aliases: 'UE' stands for an unknown site; did you mean 'below_elbow'?"),
        ("knee", "site_aliases: 'UE' stands for an unknown site; known: palm, wrist"),
    ],
)
def test_an_alias_of_an_unknown_site_is_a_matter_of_configuration(site: str, told_of: str) -> None:
    settings = Settings(path="/srv/emg/inbox", site_aliases={"UE": site})
    with pytest.raises(ConfigError) as caught:
        DRIVER.create(settings, context())
    assert str(caught.value).startswith(told_of)


async def test_dicom_files_of_a_cart_with_words_of_its_own(tmp_path: Path) -> None:
    """Through the plug-in: the format, the aliases, the sign and the zone."""
    sweep = waveform(range(-50, 50))
    made = motor("wrist", motor_marks(), waveform=sweep)
    whole = replace(study(made), header=replace(study().header, study_id="1.2.840.1"))
    (data,) = dicom.FORMAT.write(whole, reference().anatomy)
    lab = Lab(tmp_path, site_aliases={"WRIST": "axilla"}, polarity="true")
    (lab.inbox / "IM000001").write_bytes(data)

    async with lab.door() as door:
        with pytest.raises(Enough):
            await DRIVER.create(Settings(**lab.keys), context()).run(door)

    (taken,) = await lab.recordings()
    assert taken.stimulation_site == "axilla"
    assert taken.waveform is not None
    assert taken.waveform.samples.tolist() == sweep.samples.tolist()
    assert lab.tree == {"done/IM000001": data}
