"""`studies amend` and `exclude`: a wrong side, nerve or site chosen on the cart, or a bad sweep, put right.

A correction is journaled with the user who made it and never overwrites what the cart sent. It names its
reason out of a list: what an operator would write in words of his own could name the patient.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, get_args

import click

from gateway.commands.desk import CONFIG, ID, Desk, desk, noted
from gateway.commands.recordings import digits
from gateway.commands.statements import number, one_of
from gateway.domain.anatomy import Anatomy
from gateway.domain.corrections import (
    AmendedName,
    AmendReason,
    Changes,
    ExcludeReason,
    RecordingAmended,
    RecordingExcluded,
    amended,
    differing,
)
from gateway.domain.recording import Recording, Side
from gateway.errors import DataError, UsageError, did_you_mean
from gateway.store.visit import VisitedStudy

_IDENTITY: Final = re.compile(r"[0-9a-f]{6,64}")
_KEYS: Final[Mapping[AmendedName, Callable[[str], str | float | None]]] = {
    "nerve": str,
    "side": one_of({side.value: side for side in Side}),
    "recording_site": str,
    "stimulation_site": str,
    "site_position_mm": number,
    "distance_mm": number,
    "distance_to_recording_mm": number,
}
_LENGTHS: Final[tuple[AmendedName, ...]] = ("distance_mm", "distance_to_recording_mm")
_PLACE: Final = frozenset({"nerve", "recording_site", "stimulation_site", "site_position_mm"})
_RECORDING: Final = click.argument("named", metavar="RECORDING")


@click.command("amend")
@ID
@_RECORDING
@click.argument("words", nargs=-1, metavar="KEY=VALUE...")
@click.option("--reason", type=click.Choice(get_args(AmendReason)), help="What was wrong.")
@click.option("--withdraw", is_flag=True, help="It stands as the cart sent it after all.")
@CONFIG
def amend(
    wanted: str, named: str, words: Sequence[str], reason: AmendReason | None, config: Path, *, withdraw: bool
) -> None:
    """Say where a RECORDING was made in truth; what was amended before stays so.

    \b
    nerve=median                side=left
    stimulation_site=elbow      recording_site=apb
    site_position_mm=120        (inching; unknown: not inching)
    distance_mm=210             distance_to_recording_mm=unknown
    """  # noqa: D301  # click wants the character, not the escape
    if withdraw == bool(words) or withdraw == (reason is not None):
        raise UsageError(
            f"say KEY=VALUE... with --reason {'|'.join(get_args(AmendReason))}, or only --withdraw"
        )
    with desk(config) as here:
        found = here.visit.study(wanted)
        recording = _named(found, named)
        changes = {} if withdraw else _changes(words, recording, found, here)
        fact = RecordingAmended(
            identity=recording.identity or "", changes=changes, reason=reason if changes else None
        )
        new = here.state(found.code, [fact])
    click.echo(f"{found.code}: {noted(new)}: {amended(recording, changes).name}")
    for line in _left(recording, changes):
        click.echo(f"{found.code}: {line}")


def _named(found: VisitedStudy, named: str) -> Recording:
    """The recording of the study whose identity begins so; UsageError where it is not exactly one."""
    shown = f"'emg-gateway studies recordings {found.code}' shows them"
    start = named.lower()
    if not _IDENTITY.fullmatch(start):
        raise UsageError(f"{found.code}: name a recording by 6 or more digits of its identity; {shown}")
    recordings = found.study.recordings
    fitting = [entry for entry in recordings if (entry.identity or "").startswith(start)]
    if not fitting:
        raise UsageError(f"{found.code}: no recording of this identity; {shown}")
    if len(fitting) > 1:
        short = digits(recordings)
        places = ((entry.identity or "", found.study.corrected(entry).name) for entry in fitting)
        choices = ", ".join(f"{identity[:short]} ({name})" for identity, name in places)
        raise UsageError(f"{found.code}: more than one recording begins so, write more digits: {choices}")
    return fitting[0]


def _changes(words: Sequence[str], recording: Recording, found: VisitedStudy, here: Desk) -> Changes:
    """All that is wrong with the recording, by what was said before and by `words`."""
    before = found.study.amended.get(recording.identity or "")
    try:
        changes = {**(before.changes if before else {}), **_parsed(words)}
        return differing(recording, _checked(recording, changes, here.reference.anatomy))
    except DataError as error:
        raise UsageError(f"{error}; nothing was stored") from error


def _parsed(words: Sequence[str]) -> Changes:
    changes: dict[AmendedName, str | float | None] = {}
    for word in words:
        key, _, text = word.partition("=")
        name = next((known for known in _KEYS if known == key), None)
        if name is None:
            raise DataError(f"no such key{did_you_mean(key, _KEYS)}; there are: {', '.join(_KEYS)}", key)
        if name in changes:
            raise DataError("given twice", name)
        try:
            changes[name] = _KEYS[name](text)
        except DataError as error:
            raise error.within(name) from error
    return changes


def _checked(recording: Recording, changes: Changes, anatomy: Anatomy) -> Changes:
    """The changes, a nerve by the anatomy's name; DataError where no such recording can exist."""
    checked = anatomy.check(amended(recording, changes))
    return {**changes, "nerve": checked.nerve}


def _left(recording: Recording, changes: Changes) -> Iterator[str]:
    """A line for each distance that was measured to another site, perhaps."""
    if not _PLACE.isdisjoint(changes):
        for name in _LENGTHS:
            value = getattr(recording, name)
            if value is not None and name not in changes:
                yield f"{name} stays {value:g}; if it is another now: {name}=NUMBER, or {name}=unknown"


@click.command("exclude")
@ID
@_RECORDING
@click.option("--reason", type=click.Choice(get_args(ExcludeReason)), help="Why it must not count.")
@click.option("--withdraw", is_flag=True, help="It counts after all.")
@CONFIG
def exclude(wanted: str, named: str, reason: ExcludeReason | None, config: Path, *, withdraw: bool) -> None:
    """Say that a RECORDING must not count: a bad sweep, one made twice or of somebody else."""
    if (reason is not None) == withdraw:
        raise UsageError(f"say why with --reason {'|'.join(get_args(ExcludeReason))}, or --withdraw")
    with desk(config) as here:
        found = here.visit.study(wanted)
        recording = _named(found, named)
        new = here.state(found.code, [RecordingExcluded(identity=recording.identity or "", reason=reason)])
    counts = "counts" if withdraw else "does not count"
    click.echo(f"{found.code}: {noted(new)}: {found.study.corrected(recording).name} {counts}")
