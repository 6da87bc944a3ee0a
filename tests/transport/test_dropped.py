"""Listing, reading, moving in real folders: what is no file is left alone, nothing is overwritten."""

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.dropped import (
    DONE,
    FAILED,
    NOTICE,
    REASON,
    Beside,
    Trouble,
    list_files,
    look_up,
    make_folder,
    move,
    read,
    trouble,
)
from gateway.transport.settling import Seen
from tests.transport.file_steps import before_each_step, failing

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # another device than the tests' folder, on most machines


class Killed(Exception):
    """The process dies here."""


def put(folder: Path, name: str, data: bytes = b"data") -> Seen:
    (folder / name).write_bytes(data)
    seen = look_up(folder, name)
    assert seen is not None
    return seen


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def names(folder: Path) -> set[str]:
    return {file.name for file in list_files(folder)}


# Listing


@pytest.mark.parametrize(
    "name",
    [
        ".a.dcm",
        "~$a.dcm",
        "a.dcm.tmp",
        "a.TMP",
        "a.dcm.part",
        "a.partial",
        "a.dcm.filepart",
        "a.crdownload",
        "a.dcm~",
        "a.dcm.reason",
        "a.dcm.notice",
        "done",
        "Failed",
    ],
)
def test_a_name_that_says_not_complete_or_ours_is_not_listed(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    assert list_files(tmp_path) == []


@pytest.mark.parametrize("name", ["a.dcm", "IM000001", "ä ö.dcm", "~a", "a.tmp.dcm", "part", "1.2.3", "a\nb"])
def test_any_other_name_is(tmp_path: Path, name: str) -> None:
    file = put(tmp_path, name)
    assert list_files(tmp_path) == [file]


def test_a_name_that_is_no_utf8_is_listed_and_read(tmp_path: Path) -> None:
    """As a cart leaves it that writes Latin-1 over NFS."""
    file = put(tmp_path, os.fsdecode(b"M\xfcller.dcm"))
    assert list_files(tmp_path) == [file]
    assert read(tmp_path, file) == b"data"


def test_what_is_no_regular_file_is_not_listed(tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_bytes(b"not to be read")
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        assert list_files(tmp_path) == []


def test_a_file_that_vanishes_while_it_is_listed_hides_no_other(tmp_path: Path) -> None:
    put(tmp_path, "b")
    put(tmp_path, "c")
    with os.scandir(tmp_path) as entries:
        order = [entry.name for entry in entries]
    (tmp_path / order[0]).unlink()
    (tmp_path / order[0]).symlink_to("nowhere")
    assert names(tmp_path) == {"b", "c"} - {order[0]}


# Reading


def test_a_file_is_read_as_it_was_seen(tmp_path: Path) -> None:
    assert read(tmp_path, put(tmp_path, "a", b"all of it")) == b"all of it"


def test_a_file_that_has_changed_since_is_not_read(tmp_path: Path) -> None:
    file = put(tmp_path, "a", b"short")
    put(tmp_path, "a", b"longer now")
    assert read(tmp_path, file) is None


def test_a_file_that_is_another_meanwhile_is_not_read(tmp_path: Path) -> None:
    file = put(tmp_path, "a")
    (tmp_path / "a").unlink()
    os.mkfifo(tmp_path / "a")
    assert read(tmp_path, file) is None
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    assert read(tmp_path, file) is None
    (tmp_path / "a").rmdir()
    (tmp_path / "a").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic links") as caught:
        read(tmp_path, file)
    assert trouble(caught.value) is Trouble.VANISHED


@pytest.mark.parametrize(
    ("number", "amounts_to"),
    [
        (errno.ENOENT, Trouble.VANISHED),
        (errno.ESTALE, Trouble.AWAY),
        (errno.EHOSTDOWN, Trouble.AWAY),
        (errno.ENOTCONN, Trouble.AWAY),
        (errno.EACCES, Trouble.REFUSED),
        (errno.EBUSY, Trouble.REFUSED),
        (errno.EPERM, Trouble.REFUSED),
        (errno.EIO, Trouble.REFUSED),
        (errno.ETXTBSY, Trouble.REFUSED),
        (errno.EAGAIN, Trouble.REFUSED),
        (errno.ENOSPC, Trouble.REFUSED),
        (errno.EROFS, Trouble.REFUSED),
        (None, Trouble.REFUSED),
    ],
)
def test_every_error_of_the_system_amounts_to_something(number: int | None, amounts_to: Trouble) -> None:
    error = OSError("no number") if number is None else OSError(number, os.strerror(number))
    assert trouble(error) is amounts_to


# Moving


def test_a_file_is_moved_into_a_folder_that_is_made_for_it(tmp_path: Path) -> None:
    move(tmp_path, put(tmp_path, "a.dcm"), DONE, None)
    assert tree(tmp_path) == {"done/a.dcm": b"data"}


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    for data in (b"1", b"2", b"2", b"3"):
        move(tmp_path, put(tmp_path, "a.dcm", data), DONE, None)
    assert tree(tmp_path) == {
        "done/a.dcm": b"1",
        "done/a-2.dcm": b"2",
        "done/a-3.dcm": b"2",
        "done/a-4.dcm": b"3",
    }


def test_the_number_stands_before_the_ending_and_after_a_name_without_one(tmp_path: Path) -> None:
    for name in ("IM1", "1.2.840", f"a.{'x' * 20}"):
        for _ in range(2):
            move(tmp_path, put(tmp_path, name), DONE, None)
    assert set(tree(tmp_path / DONE)) == {
        "IM1",
        "IM1-2",
        "1.2.840",
        "1.2-2.840",
        f"a.{'x' * 20}",
        f"a.{'x' * 20}-2",
    }


def test_what_stands_beside_a_file_is_there_a_line_each(tmp_path: Path) -> None:
    move(tmp_path, put(tmp_path, "a.dcm"), DONE, Beside(NOTICE, ["channel 2: left\nout", "3: é \udcff"]))
    assert tree(tmp_path) == {
        "done/a.dcm": b"data",
        "done/a.dcm.notice": "channel 2: left out\n3: é ?\n".encode(),
    }


def test_each_of_two_files_of_one_name_has_its_reason(tmp_path: Path) -> None:
    for reason in ("first", "second"):
        move(tmp_path, put(tmp_path, "a", reason.encode()), FAILED, Beside(REASON, [reason]))
    assert tree(tmp_path / FAILED) == {
        "a": b"first",
        "a.reason": b"first\n",
        "a-2": b"second",
        "a-2.reason": b"second\n",
    }


@pytest.mark.parametrize("letter", ["a", "ä", os.fsdecode(b"\xff")])
def test_the_longest_names_have_room_for_what_stands_beside_them(tmp_path: Path, letter: str) -> None:
    name = letter * ((255 - 4) // len(os.fsencode(letter))) + ".dcm"
    for data in (b"1", b"2"):
        move(tmp_path, put(tmp_path, name, data), FAILED, Beside(REASON, ["why"]))
    moved = tree(tmp_path / FAILED)
    assert sorted(moved.values()) == [b"1", b"2", b"why\n", b"why\n"]
    assert all(found.endswith((".dcm", ".dcm.reason")) for found in moved)


def test_a_file_that_has_changed_since_it_was_taken_stays(tmp_path: Path) -> None:
    file = put(tmp_path, "a", b"early")
    put(tmp_path, "a", b"the whole")
    move(tmp_path, file, DONE, Beside(NOTICE, ["said of the early one"]))
    assert tree(tmp_path) == {"a": b"the whole"}


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_target_that_is_no_folder_of_its_own_is_refused(tmp_path: Path, kind: str) -> None:
    """Who may write to the share must not send files elsewhere."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    if kind == "link":
        (inbox / DONE).symlink_to(tmp_path)
    else:
        (inbox / DONE).write_bytes(b"")
    with pytest.raises(NotADirectoryError) as caught:
        move(inbox, put(inbox, "a"), DONE, None)
    assert trouble(caught.value) is Trouble.REFUSED
    assert (inbox / "a").exists()


def test_a_link_that_waits_under_the_name_of_a_file_in_the_making_is_not_followed(tmp_path: Path) -> None:
    inbox, victim = tmp_path / "inbox", tmp_path / "victim"
    victim.write_bytes(b"precious")
    make_folder_in(inbox)
    (inbox / FAILED / ".a.reason.part").symlink_to(victim)
    (inbox / FAILED / "a.reason").symlink_to(victim)
    move(inbox, put(inbox, "a"), FAILED, Beside(REASON, ["why"]))
    assert victim.read_bytes() == b"precious"
    assert (inbox / FAILED / "a.reason").read_bytes() == b"why\n"


def make_folder_in(inbox: Path) -> None:
    inbox.mkdir()
    make_folder(inbox, FAILED)


def test_an_error_of_a_rename_is_told_and_the_file_stays(tmp_path: Path) -> None:
    file = put(tmp_path, "a")
    with (
        before_each_step(tmp_path, failing("os.rename", errno.EACCES)),
        pytest.raises(OSError, match="Permission denied"),
    ):
        move(tmp_path, file, DONE, None)
    assert tree(tmp_path) == {"a": b"data"}


# Across devices


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another device than `tmp_path`."""
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("NOT TESTED: this machine has no second file system at /dev/shm")
    folder = Path(tempfile.mkdtemp(dir=SHARED_MEMORY))
    yield folder
    shutil.rmtree(folder)


def cross(inbox: Path, elsewhere: Path, file: Seen, beside: Beside | None = None) -> None:
    """Move to a `done/` that is mounted from another device: here the path leads there."""
    move(inbox, file, os.path.relpath(elsewhere, inbox), beside)


def test_a_file_goes_to_another_device(tmp_path: Path, elsewhere: Path) -> None:
    cross(tmp_path, elsewhere, put(tmp_path, "a.dcm"), Beside(NOTICE, ["partly"]))
    assert tree(tmp_path) == {}
    assert tree(elsewhere) == {"a.dcm": b"data", "a.dcm.notice": b"partly\n"}


def test_another_file_of_that_name_on_the_other_device_is_kept(tmp_path: Path, elsewhere: Path) -> None:
    put(elsewhere, "a.dcm", b"another")
    cross(tmp_path, elsewhere, put(tmp_path, "a.dcm"))
    assert tree(elsewhere) == {"a.dcm": b"another", "a-2.dcm": b"data"}


def test_a_file_that_grows_while_it_is_copied_stays(tmp_path: Path, elsewhere: Path) -> None:
    file = put(tmp_path, "a", b"early")

    def grow(event: str, path: Path) -> None:
        if event == "open" and path == tmp_path / "a":
            os.truncate(path, 100)

    with before_each_step(tmp_path, grow):
        cross(tmp_path, elsewhere, file)
    assert (tmp_path / "a").stat().st_size == 100


@pytest.mark.parametrize("apart", [True, False])
def test_a_kill_at_any_step_of_a_move_is_mended_by_the_next(
    tmp_path: Path, elsewhere: Path, apart: bool
) -> None:
    steps = 0
    while True:
        inbox = tmp_path / str(steps)
        inbox.mkdir()
        target = Path(tempfile.mkdtemp(dir=elsewhere if apart else inbox))
        file = put(inbox, "a.dcm")
        with before_each_step(inbox, death := Dying(steps)), before_each_step(target, death):
            try:
                cross(inbox, target, file, Beside(NOTICE, ["partly"]))
            except Killed:
                killed = True
            else:
                killed = False
        if (inbox / "a.dcm").exists():
            cross(inbox, target, file, Beside(NOTICE, ["partly"]))
        assert list_files(inbox) == []
        assert tree(target) == {"a.dcm": b"data", "a.dcm.notice": b"partly\n"}
        if not killed:
            break
        steps += 1
    assert steps > (8 if apart else 4)


class Dying:
    """A process that is killed before one step more than `steps`, and stays dead."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def __call__(self, _event: str, _path: Path) -> None:
        if self._left <= 0:
            raise Killed
        self._left -= 1


def test_a_device_that_says_so_only_when_asked_gets_a_copy(tmp_path: Path) -> None:
    """Two mounts of one file system: the device is the same, a rename is refused all the same."""
    file = put(tmp_path, "a")
    with before_each_step(tmp_path, failing("os.rename", errno.EXDEV, "a")):
        move(tmp_path, file, DONE, None)
    assert tree(tmp_path) == {"done/a": b"data"}


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_any_name_can_be_moved_twice(name: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if name in (".", "..", DONE) or len(name.encode()) > 255:
            return
        for _ in range(2):
            move(folder, put(folder, name), DONE, Beside(NOTICE, ["partly"]))
        assert len(tree(folder / DONE)) == 4
        assert not (folder / name).exists()
