"""When a file in a drop folder is complete: listings and times in, settled files out; pure.

Nobody says that a copy has ended: a share sends no events, and the writer's lock is seen on some of them
only. So a file counts as complete when it has not changed between two looks that lie far enough apart, and
as damaged when it cannot be read although it has not changed for much longer.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    """A file as a look at its folder found it; files sort in the order in which they are taken."""

    mtime_ns: int
    name: str
    size: int


@dataclass(slots=True)
class _Watched:
    file: Seen
    since: float
    not_before: float


class Settling:
    """What is known about the files of one folder; times are seconds of one clock that never goes back."""

    def __init__(self, *, settle_s: float, patience_s: float) -> None:
        self._settle_s = settle_s
        self._patience_s = patience_s
        self._watched: dict[str, _Watched] = {}

    def look(self, files: Iterable[Seen], began: float, ended: float) -> list[Seen]:
        """The files that are due, oldest first, after a look that lasted from `began` to `ended`.

        An empty file is due only when it has stayed so for `patience_s`: until then it is being made. While
        others still arrive all wait, for `patience_s` at most: what is copied together belongs together.
        """
        before = self._watched
        self._watched = {}
        for file in files:
            known = before.get(file.name)
            if known is None or known.file != file:
                known = _Watched(file, ended, ended + (self._settle_s if file.size else self._patience_s))
            self._watched[file.name] = known
        due = [known for known in self._watched.values() if began >= known.not_before]
        arriving = any(began < known.since + self._settle_s for known in self._watched.values())
        if arriving and not any(began >= known.since + self._patience_s for known in due):
            return []
        return sorted(known.file for known in due)

    def postpone(self, file: Seen, until: float = math.inf) -> None:
        """`file` is not due again before `until`, unless it changes."""
        known = self._watched.get(file.name)
        if known is not None and known.file == file:
            known.not_before = until

    def forget(self, file: Seen) -> None:
        """`file` is gone: what comes next under its name is another one."""
        self._watched.pop(file.name, None)

    def gives_up(self, file: Seen, now: float) -> bool:
        """Whether `file`, which is not readable, was the same for `patience_s`; else it is due again then."""
        known = self._watched.get(file.name)
        if known is None or known.file != file:
            return False
        known.not_before = known.since + self._patience_s
        return now >= known.not_before
