"""A file is handed out when it has stopped changing: never before, and always then."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.settling import Seen, Settling

SETTLE_S, PATIENCE_S = 1.0, 60.0


@dataclass(frozen=True)
class Look:
    """A look at the folder: what it found, and when it began and ended."""

    files: tuple[Seen, ...]
    began: float
    ended: float


files = st.builds(Seen, st.integers(0, 3), st.sampled_from(["a", "b", "c"]), st.integers(0, 2))
listings = st.lists(files, unique_by=lambda file: file.name, max_size=3).map(tuple)


@st.composite
def looks(draw: st.DrawFn) -> list[Look]:
    """A history of looks, each some time after the one before; a folder often looks as it did."""
    found: list[Look] = []
    now = draw(st.floats(0, 1e6))
    for _ in range(draw(st.integers(1, 20))):
        same = found and draw(st.booleans())
        began = now + draw(st.sampled_from([0.0, 0.3, 0.5, 1.0, 2.5, 59.0, 61.0]))
        now = began + draw(st.sampled_from([0.0, 0.2, 3.0]))
        found.append(Look(found[-1].files if same else draw(listings), began, now))
    return found


def settling() -> Settling:
    return Settling(settle_s=SETTLE_S, patience_s=PATIENCE_S)


def unchanged_s(file: Seen, history: list[Look]) -> float:
    """How long `file` was seen to stay the same, up to the beginning of the last look."""
    last = history[-1].began
    first = last
    for look in reversed(history):
        if file not in look.files:
            break
        first = look.ended
    return last - first


@given(looks())
def test_no_file_is_handed_out_before_it_has_stayed_the_same(history: list[Look]) -> None:
    watch = settling()
    for number, look in enumerate(history, start=1):
        for file in watch.look(look.files, look.began, look.ended):
            needed = SETTLE_S if file.size else PATIENCE_S
            assert unchanged_s(file, history[:number]) >= needed - 1e-6


@given(looks())
def test_every_file_is_handed_out_once_it_stays_the_same(history: list[Look]) -> None:
    watch = settling()
    for look in history:
        watch.look(look.files, look.began, look.ended)
    last = history[-1]

    settled = watch.look(last.files, last.ended + SETTLE_S, last.ended + SETTLE_S)
    at_last = watch.look(last.files, last.ended + PATIENCE_S, last.ended + PATIENCE_S)

    assert set(settled) >= {file for file in last.files if file.size}
    assert set(at_last) == set(last.files)


@given(st.lists(files, unique_by=lambda file: file.name))
def test_files_are_handed_out_by_age_then_by_name(found: list[Seen]) -> None:
    watch = settling()
    watch.look(found, 0, 0)
    due = watch.look(found, PATIENCE_S, PATIENCE_S)
    assert due == sorted(found, key=lambda file: (file.mtime_ns, file.name))


def test_what_is_copied_together_comes_out_together_and_nobody_waits_for_ever() -> None:
    watch = settling()
    arrived = [Seen(mtime_ns=number, name=f"{number}", size=1) for number in range(200)]
    due: list[Seen] = []
    for number in range(200):  # one more each half second, the last at 99.5 s
        now = number / 2
        due = watch.look(arrived[: number + 1], now, now)
        if due:
            break
    assert now == PATIENCE_S
    assert due == arrived[: 2 * int(PATIENCE_S - SETTLE_S) + 1]


FILE = Seen(mtime_ns=5, name="a", size=7)


def watched(file: Seen = FILE) -> Settling:
    watch = settling()
    assert watch.look([file], 0.0, 0.0) == []
    assert watch.look([file], 1.0, 1.0) == [file]
    return watch


@pytest.mark.parametrize("changed", [{"size": 8}, {"mtime_ns": 6}])
def test_a_file_that_changes_starts_anew(changed: dict[str, int]) -> None:
    watch, later = watched(), replace(FILE, **changed)
    assert watch.look([later], 2.0, 2.0) == []
    assert watch.look([later], 2.9, 2.9) == []
    assert watch.look([later], 3.0, 3.0) == [later]


def test_what_is_put_off_comes_again_then_or_when_it_has_changed() -> None:
    watch, later = watched(), replace(FILE, size=8)
    watch.postpone(FILE, 10.0)
    assert watch.look([FILE], 9.0, 9.0) == []
    assert watch.look([FILE], 10.0, 10.0) == [FILE]
    watch.postpone(FILE)
    assert watch.look([FILE], 1e9, 1e9) == []
    watch.look([later], 1e9, 1e9)
    assert watch.look([later], 2e9, 2e9) == [later]


def test_what_is_said_about_a_file_that_has_changed_since_does_not_count() -> None:
    watch, later = watched(), replace(FILE, size=8)
    watch.look([later], 2.0, 2.0)
    watch.postpone(FILE)
    assert not watch.gives_up(FILE, 1e9)
    assert watch.look([later], 3.0, 3.0) == [later]


def test_a_name_that_is_used_again_is_another_file() -> None:
    watch = watched()
    watch.postpone(FILE)
    watch.forget(FILE)
    watch.forget(FILE)
    assert watch.look([FILE], 2.0, 2.0) == []
    assert watch.look([FILE], 3.0, 3.0) == [FILE]


def test_a_file_that_cannot_be_read_is_given_up_when_patience_is_over() -> None:
    watch = watched()
    assert not watch.gives_up(FILE, 1.5)
    assert watch.look([FILE], 59.9, 59.9) == []
    assert watch.look([FILE], 60.0, 60.0) == [FILE]
    assert watch.gives_up(FILE, 60.1)


def test_a_file_that_is_gone_is_forgotten() -> None:
    watch = watched()
    watch.look([], 2.0, 2.0)
    assert not watch.gives_up(FILE, 1e9)
    assert watch.look([FILE], 3.0, 3.0) == []
