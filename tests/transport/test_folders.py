"""A real folder that is watched: what arrives comes out whole, once, in order, whatever the folder does."""

import asyncio
import errno
import fcntl
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import Unavailable
from gateway.transport import Arrival, Folder, FolderSettings, watch_folder
from tests.transport.file_steps import before_each_step, failing

SETTLE_S, PATIENCE_S, MAX_BYTES = 1.0, 60.0, 1000


class Enough(Exception):
    """The folder was looked at as often as the test wants."""


class Ticking:
    """A clock that goes on by `step_s` each time it is read, and stops the watcher after `reads`."""

    def __init__(self, step_s: float = 0.5) -> None:
        self.step_s = step_s
        self.reads = 0
        self.now = 1000.0

    def __call__(self) -> float:
        if self.reads <= 0:
            raise Enough
        self.reads -= 1
        self.now += self.step_s
        return self.now


class Inbox:
    """A folder, its watcher and the watcher's clock."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.path = path
        self.clock = Ticking()
        self.settings = FolderSettings(
            path=path, max_bytes=MAX_BYTES, poll_s=0.0, settle_s=SETTLE_S, patience_s=PATIENCE_S
        )
        self.folder: Folder = watch_folder(self.settings, driver="inbox", monotonic=self.clock)

    def put(self, name: str, data: bytes = b"data", mtime_s: int = 1) -> None:
        (self.path / name).write_bytes(data)
        os.utime(self.path / name, (mtime_s, mtime_s))

    async def next(self, reads: int = 20) -> Arrival:
        self.clock.reads = reads
        return await self.folder.arrival()

    async def nothing(self, reads: int = 20) -> None:
        with pytest.raises(Enough):
            await self.next(reads)

    async def taken(self, reads: int = 20) -> list[tuple[str, bytes]]:
        """What arrives within so many readings of the clock; each is done with."""
        self.clock.reads = reads
        arrived = []
        try:
            while True:
                arrival = await self.folder.arrival()
                arrived.append((arrival.file.name, arrival.data))
                await self.folder.done(arrival)
        except Enough:
            return arrived

    @property
    def tree(self) -> dict[str, bytes]:
        return {
            str(p.relative_to(self.path)): p.read_bytes()
            for p in sorted(self.path.rglob("*"))
            if p.is_file() and not p.is_symlink()
        }


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox")


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, object]]:
    """The fields of each event of this name."""
    return [record.__dict__["fields"] for record in caplog.records if record.message == event]


async def test_what_arrives_comes_out_and_goes_to_done(inbox: Inbox) -> None:
    inbox.put("a.dcm", b"content")
    assert await inbox.taken() == [("a.dcm", b"content")]
    assert inbox.tree == {"done/a.dcm": b"content"}
    assert (inbox.path / "failed").is_dir()


async def test_what_lay_there_comes_out_by_age_then_by_name(inbox: Inbox) -> None:
    for name, age in (("c", 1), ("b", 3), ("a", 3), ("d", 2)):
        inbox.put(name, mtime_s=age)
    assert [name for name, _ in await inbox.taken()] == ["c", "d", "a", "b"]


async def test_what_is_found_together_comes_out_in_the_order_of_its_content(inbox: Inbox) -> None:
    inbox.folder = watch_folder(
        inbox.settings, driver="inbox", order=lambda data: data.decode(), monotonic=inbox.clock
    )
    for name, content in (("a", b"3"), ("b", b"1"), ("c", b"2"), ("d", b"x" * (MAX_BYTES + 1))):
        inbox.put(name, content)
    fifo = inbox.path / "e"
    os.mkfifo(fifo)
    assert [name for name, _ in await inbox.taken()] == ["b", "c", "a"]
    assert "failed/d" in inbox.tree


async def test_a_batch_that_is_still_being_copied_is_sorted_when_it_is_whole(inbox: Inbox) -> None:
    inbox.folder = watch_folder(
        inbox.settings, driver="inbox", order=lambda data: data.decode(), monotonic=inbox.clock
    )
    for name, content in (("a", b"3"), ("b", b"2"), ("c", b"1")):
        inbox.put(name, content)
        await inbox.nothing(reads=3)
    assert [name for name, _ in await inbox.taken()] == ["c", "b", "a"]


async def test_a_file_that_could_not_be_taken_is_the_next_one_again(inbox: Inbox) -> None:
    for name in ("a", "b"):
        inbox.put(name)
    first = await inbox.next()
    inbox.folder.later(first)
    assert [name for name, _ in await inbox.taken()] == ["a", "b"]


async def test_what_cannot_be_opened_to_be_sorted_is_told_when_its_turn_comes(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.folder = watch_folder(
        inbox.settings, driver="inbox", order=lambda data: data.decode(), monotonic=inbox.clock
    )
    for name in ("a", "b"):
        inbox.put(name)
    locked = before_each_step(inbox.path, failing("open", errno.EACCES, "a"))
    with locked, caplog.at_level(logging.WARNING):
        assert [name for name, _ in await inbox.taken()] == ["b"]
    assert len(told(caplog, "file_locked")) == 1
    assert [name for name, _ in await inbox.taken()] == ["a"]


async def test_thousands_are_taken_in_order_with_few_looks(inbox: Inbox) -> None:
    for number in range(2000):
        inbox.put(f"{number * 7919 % 2000:04}", str(number).encode(), mtime_s=number // 10)
    listings: list[Path] = []

    def count(event: str, path: Path) -> None:
        if event == "os.scandir":
            listings.append(path)

    with before_each_step(inbox.path, count):
        arrived = await inbox.taken(reads=2020)

    assert arrived == [(name, str(number).encode()) for name, number in in_order()]
    assert len(listings) < 20
    assert len(inbox.tree) == 2000


def in_order() -> list[tuple[str, int]]:
    """Names and numbers of the thousands: ten of an age, by name among them."""
    numbered = [(f"{number * 7919 % 2000:04}", number) for number in range(2000)]
    return sorted(numbered, key=lambda entry: (entry[1] // 10, entry[0]))


async def test_a_file_that_grows_comes_out_when_it_has_stopped(inbox: Inbox) -> None:
    for size in range(1, 10):
        inbox.put("a.dcm", b"x" * size)
        await inbox.nothing(reads=2)
    assert await inbox.taken() == [("a.dcm", b"x" * 9)]


async def test_a_file_that_is_written_while_it_is_opened_is_left_until_it_has_stopped(inbox: Inbox) -> None:
    inbox.put("a.dcm", b"first")
    late = [b"first, and then", b"first, and then more"]

    def write(event: str, path: Path) -> None:
        if event == "open" and path.name == "a.dcm" and late:
            content = late.pop(0)
            descriptor = os.open(path.with_name(".new"), os.O_WRONLY | os.O_CREAT)
            os.write(descriptor, content)
            os.close(descriptor)
            path.with_name(".new").rename(path)

    with before_each_step(inbox.path, write):
        assert await inbox.taken(reads=40) == [("a.dcm", b"first, and then more")]


async def test_what_is_no_file_to_take_stays_and_is_not_touched(inbox: Inbox) -> None:
    secret = inbox.path.parent / "secret"
    secret.write_bytes(b"not to be read")
    (inbox.path / "link.dcm").symlink_to(secret)
    os.mkfifo(inbox.path / "fifo.dcm")
    (inbox.path / "sub").mkdir()
    (inbox.path / "sub" / "a.dcm").write_bytes(b"not looked for")
    inbox.put(".hidden")
    inbox.put("a.dcm.part")
    before = inbox.tree

    await inbox.nothing(reads=300)

    assert inbox.tree == before
    assert {p.name for p in inbox.path.iterdir()} >= {"link.dcm", "fifo.dcm", "sub"}


async def test_a_renamed_temporary_file_is_one_file(inbox: Inbox) -> None:
    inbox.put("a.dcm.tmp")
    await inbox.nothing()
    (inbox.path / "a.dcm.tmp").rename(inbox.path / "a.dcm")
    assert await inbox.taken() == [("a.dcm", b"data")]


async def test_a_file_that_a_program_takes_away_is_forgotten(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.put("a.dcm")

    def take_away(event: str, path: Path) -> None:
        if event == "open" and path.name == "a.dcm":
            path.unlink()

    with before_each_step(inbox.path, take_away):
        await inbox.nothing()
    assert told(caplog, "file_locked") == []


# What cannot be taken


async def test_a_file_that_stays_empty_is_damaged(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    inbox.put("a.dcm", b"")
    await inbox.nothing(reads=int(PATIENCE_S))
    assert inbox.tree == {"a.dcm": b""}
    await inbox.nothing(reads=int(2 * PATIENCE_S))
    assert set(inbox.tree) == {"failed/a.dcm", "failed/a.dcm.reason"}
    (fields,) = told(caplog, "file_failed")
    assert (fields["path"], fields["reason"]) == (inbox.path / "failed", "the file is empty")
    reason = f"the file is empty\nin the log: file={fields['file']}\n"
    assert inbox.tree["failed/a.dcm.reason"] == reason.encode()


async def test_a_file_that_is_filled_in_time_is_taken(inbox: Inbox) -> None:
    inbox.put("a.dcm", b"")
    await inbox.nothing(reads=100)
    inbox.put("a.dcm", b"there it is")
    assert await inbox.taken() == [("a.dcm", b"there it is")]


async def test_a_file_that_is_too_large_fails_without_being_opened(inbox: Inbox) -> None:
    inbox.put("a.dcm", b"x" * MAX_BYTES)
    inbox.put("b.dcm", b"x" * (MAX_BYTES + 1))
    opened: list[str] = []

    def note(event: str, path: Path) -> None:
        if event == "open":
            opened.append(path.name)

    with before_each_step(inbox.path, note):
        assert [name for name, _ in await inbox.taken()] == ["a.dcm"]
    assert "b.dcm" not in opened
    assert inbox.tree["failed/b.dcm.reason"].startswith(
        b"the file is larger than 1000 bytes ([limits] document_bytes)\nin the log: file="
    )


async def test_a_damaged_file_is_tried_again_before_it_fails(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.put("a.dcm", b"half")
    await inbox.folder.damaged(await inbox.next(), "element 3: cut off")
    assert inbox.tree == {"a.dcm": b"half"}
    assert told(caplog, "file_failed") == []

    again = await inbox.next(reads=200)
    await inbox.folder.damaged(again, "element 3: cut off")

    reason = f"element 3: cut off\nin the log: file={again.digest}\n"
    assert inbox.tree == {"failed/a.dcm": b"half", "failed/a.dcm.reason": reason.encode()}
    assert told(caplog, "file_failed") == [
        {
            "driver": "inbox",
            "file": again.digest,
            "path": inbox.path / "failed",
            "reason": "element 3: cut off",
        }
    ]


async def test_what_nothing_can_mend_fails_at_once(inbox: Inbox) -> None:
    inbox.put("a.dcm", b"half")
    await inbox.folder.damaged(await inbox.next(), "no DICOM file", final=True)
    assert set(inbox.tree) == {"failed/a.dcm", "failed/a.dcm.reason"}


async def test_a_copy_that_paused_is_tried_from_the_start(inbox: Inbox) -> None:
    inbox.put("a.dcm", b"half")
    await inbox.folder.damaged(await inbox.next(), "cut off")
    await inbox.nothing(reads=100)
    inbox.put("a.dcm", b"the whole")
    assert await inbox.taken(reads=8) == [("a.dcm", b"the whole")]


async def test_what_is_put_off_comes_again_at_the_next_look(inbox: Inbox) -> None:
    inbox.put("a.dcm")
    inbox.folder.later(await inbox.next())
    assert await inbox.taken(reads=4) == [("a.dcm", b"data")]


async def test_a_file_nobody_answers_for_does_not_stand_in_the_way(inbox: Inbox) -> None:
    """Whoever took it broke on it."""
    inbox.put("a.dcm", mtime_s=1)
    inbox.put("b.dcm", mtime_s=2)
    assert (await inbox.next()).file.name == "a.dcm"
    assert await inbox.taken() == [("b.dcm", b"data")]
    assert await inbox.taken(reads=200) == [("a.dcm", b"data")]


@pytest.fixture
def lease_breaks_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGIO, before)


@pytest.mark.usefixtures("lease_breaks_ignored")
async def test_a_file_its_writer_has_locked_is_taken_when_it_is_let_go(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A lease, as Samba takes one for a client that has the file to itself."""
    inbox.put("a.dcm", mtime_s=1)
    inbox.put("b.dcm", mtime_s=2)
    with (inbox.path / "a.dcm").open("rb") as writer:
        fcntl.fcntl(writer, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        assert await inbox.taken(reads=40) == [("b.dcm", b"data")]
        fcntl.fcntl(writer, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    assert [fields["driver"] for fields in told(caplog, "file_locked")] == ["inbox"]
    assert await inbox.taken() == [("a.dcm", b"data")]


async def test_a_file_that_is_locked_again_later_is_said_again(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.put("a.dcm")
    with before_each_step(inbox.path, failing("open", errno.ETXTBSY, "a.dcm")):
        await inbox.nothing()
        os.utime(inbox.path / "a.dcm", (9, 9))
        await inbox.nothing()
    assert told(caplog, "file_locked") == [{"driver": "inbox", "reason": "Text file busy"}] * 2


# Moves that are refused


async def test_a_file_that_cannot_be_moved_is_not_taken_twice_and_moved_later(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.put("a.dcm", mtime_s=1)
    inbox.put("b.dcm", mtime_s=2)
    with before_each_step(inbox.path, failing("os.rename", errno.EROFS)):
        assert [name for name, _ in await inbox.taken(reads=400)] == ["a.dcm", "b.dcm"]
    assert inbox.tree == {"a.dcm": b"data", "b.dcm": b"data"}
    assert told(caplog, "files_not_moved") == [{"driver": "inbox", "reason": "Read-only file system"}]

    assert await inbox.taken(reads=int(3 * PATIENCE_S)) == []

    assert inbox.tree == {"done/a.dcm": b"data", "done/b.dcm": b"data"}


async def test_a_file_that_stays_locked_keeps_no_other_move_waiting(inbox: Inbox) -> None:
    for name, age in (("a", 1), ("b", 2), ("c", 3)):
        inbox.put(name, mtime_s=age)
    with before_each_step(inbox.path, failing("os.rename", errno.EROFS)):
        assert len(await inbox.taken()) == 3
    with before_each_step(inbox.path, failing("os.rename", errno.ETXTBSY, "a")):
        assert await inbox.taken(reads=int(5 * PATIENCE_S)) == []
    assert set(inbox.tree) == {"a", "done/b", "done/c"}


async def test_a_file_that_cannot_be_moved_and_changes_is_taken_anew(inbox: Inbox) -> None:
    inbox.put("a.dcm", b"one")
    with before_each_step(inbox.path, failing("os.rename", errno.EACCES)):
        assert await inbox.taken() == [("a.dcm", b"one")]
        inbox.put("a.dcm", b"another")
        assert await inbox.taken() == [("a.dcm", b"another")]


async def test_a_folder_where_nothing_may_be_made_is_watched_all_the_same(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.put("a.dcm")
    with before_each_step(inbox.path, failing("os.mkdir", errno.EACCES)):
        assert await inbox.taken(reads=40) == [("a.dcm", b"data")]
    assert told(caplog, "files_not_moved") == [{"driver": "inbox", "reason": "Permission denied"}]


async def test_a_file_that_is_gone_before_it_is_moved_is_forgotten(inbox: Inbox) -> None:
    inbox.put("a.dcm")
    arrival = await inbox.next()
    (inbox.path / "a.dcm").unlink()
    await inbox.folder.done(arrival)
    inbox.put("a.dcm")
    assert await inbox.taken() == [("a.dcm", b"data")]


# The folder itself


async def unavailable(inbox: Inbox) -> str:
    with pytest.raises(Unavailable) as caught:
        await inbox.next()
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_folder_that_is_away_is_named_and_watched_again_when_it_is_back(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    inbox.put("a.dcm")
    await inbox.nothing(reads=2)
    away = inbox.path.rename(inbox.path.with_name("away"))
    assert await unavailable(inbox) == (
        f"{inbox.path}: No such file or directory; is the share mounted, and may this user read it?"
    )
    assert not inbox.path.exists()

    away.rename(inbox.path)

    assert await inbox.taken() == [("a.dcm", b"data")]
    assert told(caplog, "folder_opened") == [{"driver": "inbox", "path": inbox.path}] * 2


async def test_a_file_in_the_place_of_the_folder_is_named(inbox: Inbox) -> None:
    inbox.path.rmdir()
    inbox.path.write_bytes(b"")
    assert "Not a directory" in await unavailable(inbox)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EHOSTDOWN, errno.ENOTCONN, errno.EACCES, errno.EIO])
async def test_a_share_that_does_not_answer_when_it_is_listed_is_away(inbox: Inbox, number: int) -> None:
    with before_each_step(inbox.path, failing("os.scandir", number)):
        assert os.strerror(number) in await unavailable(inbox)


@pytest.mark.parametrize("event", ["open", "os.rename"])
async def test_a_share_that_goes_away_in_the_middle_keeps_its_files(inbox: Inbox, event: str) -> None:
    inbox.put("a.dcm")
    with before_each_step(inbox.path, failing(event, errno.EHOSTDOWN, "a.dcm")), pytest.raises(Unavailable):
        await inbox.folder.done(await inbox.next())
    assert inbox.tree == {"a.dcm": b"data"}
    assert await inbox.taken(reads=200) == [("a.dcm", b"data")]


# After a crash


async def test_a_file_is_found_again_by_its_name_and_content(inbox: Inbox) -> None:
    inbox.put("a.dcm", b"content")
    found = await inbox.folder.find("a.dcm", b"content")
    assert found is not None
    await inbox.folder.done(found, ["channel 2: left out"])
    assert inbox.tree == {"done/a.dcm": b"content", "done/a.dcm.notice": b"channel 2: left out\n"}


@pytest.mark.parametrize("there", [None, b"CONTENT", b"content, and more"])
async def test_a_file_that_is_gone_or_another_is_not(inbox: Inbox, there: bytes | None) -> None:
    if there is not None:
        inbox.put("a.dcm", there)
    assert await inbox.folder.find("a.dcm", b"content") is None


async def test_what_took_the_place_of_a_file_is_not_it(inbox: Inbox) -> None:
    (inbox.path / "a.dcm").mkdir()
    assert await inbox.folder.find("a.dcm", b"content") is None


async def test_a_share_that_is_away_when_a_file_is_looked_for_is_named(inbox: Inbox) -> None:
    inbox.put("a.dcm", b"content")
    with (
        before_each_step(inbox.path, failing("open", errno.ESTALE, "a.dcm")),
        pytest.raises(Unavailable, match="Stale file handle"),
    ):
        await inbox.folder.find("a.dcm", b"content")


async def test_no_name_of_a_file_is_ever_told(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name, data in (("CANARY.dcm", b"CANARY"), ("CANARY-0", b""), ("CANARY-9", b"x" * 2 * MAX_BYTES)):
        inbox.put(name, data)
    with before_each_step(inbox.path, failing("open", errno.EACCES)):
        assert await inbox.taken(reads=200) == []
    with before_each_step(inbox.path, failing("os.rename", errno.EACCES)):
        assert len(await inbox.taken(reads=200)) == 1
    with before_each_step(inbox.path, failing("os.scandir", errno.ESTALE)):
        assert "CANARY" not in await unavailable(inbox)
    logged = [f"{record.getMessage()} {record.__dict__.get('fields')}" for record in caplog.records]
    assert len(logged) > 3
    assert "CANARY" not in "".join(logged)


async def test_a_watch_that_is_cancelled_leaves_everything_in_its_place(inbox: Inbox) -> None:
    inbox.put("a.dcm")
    inbox.clock.reads, inbox.clock.step_s = 10**9, 0.0
    watching = asyncio.create_task(inbox.folder.arrival())
    await asyncio.sleep(0)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert inbox.tree == {"a.dcm": b"data"}
