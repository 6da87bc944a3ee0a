"""Where a command works on studies beside the gateway: the store, what it is judged by, and who is there."""

import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from gateway.commands.main import failed
from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DATABASE, DEFAULT_PATH, AnalysisSection, load
from gateway.daemon.reference import load_reference
from gateway.domain.study import Fact
from gateway.errors import DataError
from gateway.pipeline.stages import Reference
from gateway.store.visit import Visit, VisitedStudy, visit

CONFIG: Final = click.option(
    "--config", type=click.Path(path_type=Path), default=DEFAULT_PATH, show_default=True
)
ID: Final = click.argument("wanted", metavar="ID")


@dataclass(frozen=True, slots=True)
class Desk:
    """The store of a configuration, and what its studies are judged by."""

    visit: Visit
    analysis: AnalysisSection

    @property
    def reference(self) -> Reference:
        """What the configuration judges by."""
        asked = self.analysis
        return load_reference(
            criteria=asked.criteria,
            grading=asked.grading,
            norms=asked.norms,
            data_dir=Path(asked.data_dir) if asked.data_dir else None,
        )

    def state(self, code: str, facts: Sequence[Fact]) -> int:
        """Journal `facts` of a study; how many were new."""
        return self.visit.state(code, facts, by=operator(), clock=SystemClock())


@contextmanager
def desk(config: Path) -> Iterator[Desk]:
    """The store of a configuration while the block runs; what is wrong with either is said in one line."""
    settings = load(config)
    with visit(Path(settings.gateway.state_dir) / DATABASE) as opened:
        yield Desk(opened, settings.analysis)


def operator() -> str:
    """The user of the operating system who states it; behind sudo the one who asked, as whom."""
    user = _user(os.getuid())
    asked = os.environ.get("SUDO_UID", "")
    return f"{_user(int(asked))} as {user}" if asked.isdecimal() else user


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except (KeyError, OverflowError):
        return str(number)


def when(text: str, today: datetime) -> str:
    """A time of the journal by the clock on the wall, and the word for today's."""
    moment = datetime.fromisoformat(text).astimezone()
    day = "today     " if moment.date() == today.date() else f"{moment:%Y-%m-%d}"
    return f"{day} {moment:%H:%M}"


def noted(new: int, stated: int = 1) -> str:
    """What became of `stated` facts of which `new` were."""
    if not new:
        return "nothing new, the study says so already"
    return "noted" if new == stated else "noted what is new; the rest the study says already"


def left_out(found: VisitedStudy) -> int:
    """Tell, a line each, which facts of the study could not be read; the exit code."""
    code = 0
    for entry in found.unreadable:
        code = failed(f"{found.code}: fact {entry.id} is left out: {entry.reason}", DataError.exit_code)
    return code
