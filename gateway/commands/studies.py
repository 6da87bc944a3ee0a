"""`studies`: what the gateway has in its store, and what only a person can tell about it.

Symptom onset, upper motor neuron signs, antibodies, a forgotten temperature: no cart sends them. They are
journaled as facts with the user who stated them, beside a gateway that may be running; it takes them up
within a second, at its next start otherwise.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

import click
import msgspec

from gateway.commands.analyze import assessment_object
from gateway.commands.corrections import amend, exclude
from gateway.commands.desk import CONFIG, ID, desk, left_out, noted, when
from gateway.commands.history import WHOSE, history_object, history_text
from gateway.commands.patient import patient
from gateway.commands.recordings import recordings
from gateway.commands.statements import statements
from gateway.commands.terminal import printable
from gateway.commands.text import assessment_text
from gateway.daemon.clock import SystemClock
from gateway.domain.study import (
    ActionDeclined,
    DeclineReason,
    DetailStated,
    ExamEnded,
    Statement,
    Study,
    completed,
)
from gateway.errors import DataError, UsageError
from gateway.pipeline.stages import Reference, examine
from gateway.store.visit import StudyEntry, VisitedStudy


@click.group("studies")
def command() -> None:
    """List and show the studies in the store, state what no cart sends, correct what was recorded wrongly.

    ID is a study's code, or the device's study id where only one study has it.
    """


for _correcting in (recordings, amend, exclude, patient):
    command.add_command(_correcting)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@CONFIG
def list_(config: Path, *, as_json: bool) -> None:
    """List the studies, the newest first: no patient is named."""
    with desk(config) as here:
        entries = here.visit.studies()
    today = SystemClock().now().astimezone()
    for entry in entries:
        click.echo(msgspec.json.encode(asdict(entry)).decode() if as_json else _line(entry, today))


def _line(entry: StudyEntry, today: datetime) -> str:
    ended = "open" if entry.ended_at is None else f"ended {when(entry.ended_at, today)}"
    count = f"{entry.recordings} recording{'' if entry.recordings == 1 else 's'}"
    started = when(entry.started_at, today)
    line = f"{entry.code}  {started}  {entry.cart}  {count:>13}  {ended:<22}  {entry.study_id}"
    return printable("  ".join((line, *_remarks(entry))))


def _remarks(entry: StudyEntry) -> Iterator[str]:
    if entry.unusable:
        yield f"{entry.unusable} record{'' if entry.unusable == 1 else 's'} unusable"
    if entry.patient:
        yield f"refiled: {WHOSE[entry.patient]}"


@command.command("show")
@ID
@click.option(
    "--format", "form", type=click.Choice(["json", "text"]), help="Default: text on a terminal, else json."
)
@click.option("--explain", is_flag=True, help="With how each finding was derived.")
@CONFIG
def show(wanted: str, form: Literal["json", "text"] | None, explain: bool, config: Path) -> int:
    """Print the assessment as it stands, from everything the store has of the study.

    With what the cart sent of it that could not be used, and under how many patients it was filed: none is
    named.
    """
    with desk(config) as here:
        found = here.visit.study(wanted)
        reference = here.reference
    as_text = form == "text" or (form is None and (explain or sys.stdout.isatty()))
    if as_text:
        click.echo(assessment_text(examine(found.study, reference), reference, explain=explain))
        for line in history_text(found, SystemClock().now().astimezone()):
            click.echo(line)
    else:
        whole = assessment_object(found.study, reference, explain=explain) | history_object(found)
        click.echo(msgspec.json.encode(whole).decode())
    return left_out(found)


@command.command("set")
@ID
@click.argument("words", nargs=-1, required=True, metavar="KEY=VALUE...")
@CONFIG
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
    with desk(config) as here:
        stated = _parsed(words, here.reference)
        found = here.visit.study(wanted)
        new = here.state(found.code, stated)
    click.echo(f"{found.code}: {noted(new, len(stated))}")
    for statement in stated:
        for line in _without_effect(statement, found.study):
            click.echo(f"{found.code}: {line}")


def _parsed(words: Sequence[str], reference: Reference) -> tuple[Statement, ...]:
    try:
        return statements(words, reference.anatomy)
    except DataError as error:
        raise UsageError(f"{error}; nothing was stored") from error


def _without_effect(statement: Statement, study: Study) -> Iterator[str]:
    """A line for a detail that changes nothing as the study is."""
    if not isinstance(statement, DetailStated) or statement.value is None:
        return
    named = [recording for recording in study.in_force if statement.names(recording)]
    where = f"{statement.name} {statement.nerve} {statement.side}"
    if not named:
        yield f"{where}: no such recording yet; it counts when one comes"
    elif all(completed(recording, (statement,)) is recording for recording in named):
        yield f"{where}: the cart recorded it, and that stays"


@command.command("decline")
@ID
@click.argument("action")
@click.option("--reason", type=click.Choice(get_args(DeclineReason)), help="Why it will not be made.")
@click.option("--withdraw", is_flag=True, help="It will be made after all.")
@CONFIG
def decline(wanted: str, action: str, reason: DeclineReason | None, config: Path, *, withdraw: bool) -> None:
    """Say that an ACTION that is asked for, such as record_sensory:ulnar:right, will not be made."""
    if (reason is not None) == withdraw:
        raise UsageError(f"say why with --reason {'|'.join(get_args(DeclineReason))}, or --withdraw")
    with desk(config) as here:
        found = here.visit.study(wanted)
        _check_action(action, found, None if withdraw else here.reference)
        new = here.state(found.code, [ActionDeclined(action=action, reason=reason)])
    click.echo(f"{found.code}: {noted(new)}")


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
@ID
@CONFIG
def end(wanted: str, config: Path) -> None:
    """End an examination that the cart did not end; a later recording re-opens it."""
    with desk(config) as here:
        found = here.visit.study(wanted)
        if not found.study.recordings:
            raise UsageError(f"{found.code}: nothing is recorded yet, there is nothing to end")
        new = here.state(found.code, [ExamEnded(by="operator")])
    click.echo(f"{found.code}: {'ended' if new else 'it has ended already'}")
