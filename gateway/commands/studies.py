"""`studies`: what the gateway has in its store, and what only a person can tell about it.

Symptom onset, upper motor neuron signs, antibodies, a forgotten temperature: no cart sends them. They are
journaled as facts with the user who stated them, beside a gateway that may be running; it takes them up
within a second, at its next start otherwise.
"""

import os
import pwd
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, get_args

import click
import msgspec

from gateway.commands.analyze import assessed
from gateway.commands.main import failed
from gateway.commands.statements import statements
from gateway.commands.terminal import printable
from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DATABASE, DEFAULT_PATH, AnalysisSection, load
from gateway.daemon.reference import load_reference
from gateway.domain.study import (
    ActionDeclined,
    DeclineReason,
    DetailStated,
    ExamEnded,
    Fact,
    Statement,
    Study,
    completed,
)
from gateway.errors import DataError, UsageError
from gateway.pipeline.stages import Reference, examine
from gateway.store.visit import StudyEntry, Visit, VisitedStudy, visit

_CONFIG: Final = click.option(
    "--config", type=click.Path(path_type=Path), default=DEFAULT_PATH, show_default=True
)
_ID: Final = click.argument("wanted", metavar="ID")


@click.group("studies")
def command() -> None:
    """List and show the studies in the store, and state what no cart sends.

    ID is a study's code, or the device's study id where only one study has it.
    """


@dataclass(frozen=True, slots=True)
class _Desk:
    """The store of a configuration, and what its studies are judged by."""

    visit: Visit
    analysis: AnalysisSection

    @property
    def reference(self) -> Reference:
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
def _desk(config: Path) -> Iterator[_Desk]:
    settings = load(config)
    with visit(Path(settings.gateway.state_dir) / DATABASE) as opened:
        yield _Desk(opened, settings.analysis)


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


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_CONFIG
def list_(config: Path, *, as_json: bool) -> None:
    """List the studies, the newest first: no patient is named."""
    with _desk(config) as desk:
        entries = desk.visit.studies()
    today = SystemClock().now().astimezone()
    for entry in entries:
        click.echo(msgspec.json.encode(asdict(entry)).decode() if as_json else _line(entry, today))


def _line(entry: StudyEntry, today: datetime) -> str:
    ended = "open" if entry.ended_at is None else f"ended {_when(entry.ended_at, today)}"
    count = f"{entry.recordings} recording{'' if entry.recordings == 1 else 's'}"
    started = _when(entry.started_at, today)
    return printable(f"{entry.code}  {started}  {entry.cart}  {count:>13}  {ended:<22}  {entry.study_id}")


def _when(text: str, today: datetime) -> str:
    """A time of the journal by the clock on the wall, and the word for today's."""
    moment = datetime.fromisoformat(text).astimezone()
    day = "today     " if moment.date() == today.date() else f"{moment:%Y-%m-%d}"
    return f"{day} {moment:%H:%M}"


@command.command("show")
@_ID
@click.option(
    "--format", "form", type=click.Choice(["json", "text"]), help="Default: text on a terminal, else json."
)
@click.option("--explain", is_flag=True, help="With how each finding was derived.")
@_CONFIG
def show(wanted: str, form: Literal["json", "text"] | None, explain: bool, config: Path) -> int:
    """Print the assessment as it stands, from everything the store has of the study."""
    with _desk(config) as desk:
        found = desk.visit.study(wanted)
        reference = desk.reference
    as_text = form == "text" or (form is None and (explain or sys.stdout.isatty()))
    click.echo(assessed(found.study, reference, as_text=as_text, explain=explain))
    code = 0
    for entry in found.unreadable:
        code = failed(f"{found.code}: fact {entry.id} is left out: {entry.reason}", DataError.exit_code)
    return code


@command.command("set")
@_ID
@click.argument("words", nargs=-1, required=True, metavar="KEY=VALUE...")
@_CONFIG
def set_(wanted: str, words: Sequence[str], config: Path) -> None:
    """State what no cart sends; where one KEY=VALUE is wrong none is taken.

    \b
    symptom_onset_days=NUMBER   umn_signs=yes   plexus_mri_abnormal=no
    csf_protein_g_l=NUMBER      anti_gm1_igm=positive|negative
    ivig_response=unknown       (unknown takes any of them back)
    skin_temperature_c:ulnar:right=31.5
    distance_mm:ulnar:right:below_elbow:adm=210
    supramaximal:median:right:elbow:apb=yes
    """  # noqa: D301  # click wants the character, not the escape
    with _desk(config) as desk:
        stated = _parsed(words, desk.reference)
        found = desk.visit.study(wanted)
        new = desk.state(found.code, stated)
    click.echo(f"{found.code}: {_noted(new, len(stated))}")
    for statement in stated:
        for line in _without_effect(statement, found.study):
            click.echo(f"{found.code}: {line}")


def _parsed(words: Sequence[str], reference: Reference) -> tuple[Statement, ...]:
    try:
        return statements(words, reference.anatomy)
    except DataError as error:
        raise UsageError(f"{error}; nothing was stored") from error


def _noted(new: int, stated: int = 1) -> str:
    if not new:
        return "nothing new, the study says so already"
    return "noted" if new == stated else "noted what is new; the rest the study says already"


def _without_effect(statement: Statement, study: Study) -> Iterator[str]:
    """A line for a detail that changes nothing as the study is."""
    if not isinstance(statement, DetailStated) or statement.value is None:
        return
    named = [recording for recording in study.recordings if statement.names(recording)]
    where = f"{statement.name} {statement.nerve} {statement.side}"
    if not named:
        yield f"{where}: no such recording yet; it counts when one comes"
    elif all(completed(recording, (statement,)) is recording for recording in named):
        yield f"{where}: the cart recorded it, and that stays"


@command.command("decline")
@_ID
@click.argument("action")
@click.option("--reason", type=click.Choice(get_args(DeclineReason)), help="Why it will not be made.")
@click.option("--withdraw", is_flag=True, help="It will be made after all.")
@_CONFIG
def decline(wanted: str, action: str, reason: DeclineReason | None, config: Path, *, withdraw: bool) -> None:
    """Say that an ACTION that is asked for, such as record_sensory:ulnar:right, will not be made."""
    if (reason is not None) == withdraw:
        raise UsageError(f"say why with --reason {'|'.join(get_args(DeclineReason))}, or --withdraw")
    with _desk(config) as desk:
        found = desk.visit.study(wanted)
        _check_action(action, found, None if withdraw else desk.reference)
        new = desk.state(found.code, [ActionDeclined(action=action, reason=reason)])
    click.echo(f"{found.code}: {_noted(new)}")


def _check_action(action: str, found: VisitedStudy, reference: Reference | None) -> None:
    """UsageError where `action` is not asked for, or (without reference data) was not declined."""
    declined = list(found.study.declined)
    if reference is None:
        what, known = "declined", declined
    else:
        asked = [str(entry) for entry in examine(found.study, reference).guidance]
        what, known = "asked for", list(dict.fromkeys((*asked, *declined)))
    if action not in known:
        there = f"it is: {', '.join(known)}" if known else f"nothing is {what}"
        raise UsageError(f"{found.code}: this action is not {what}; {there}")


@command.command("end")
@_ID
@_CONFIG
def end(wanted: str, config: Path) -> None:
    """End an examination that the cart did not end; a later recording re-opens it."""
    with _desk(config) as desk:
        found = desk.visit.study(wanted)
        if not found.study.recordings:
            raise UsageError(f"{found.code}: nothing is recorded yet, there is nothing to end")
        new = desk.state(found.code, [ExamEnded(by="operator")])
    click.echo(f"{found.code}: {'ended' if new else 'it has ended already'}")
