"""`studies recordings`: every recording of a study, with the name by which it can be corrected.

The name is the first digits of its identity. A recording stands where it counts; the last word of an operator
about it stands beside it, with the user and the time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from gateway.commands.desk import CONFIG, ID, desk, left_out, when
from gateway.commands.terminal import printable
from gateway.daemon.clock import SystemClock
from gateway.domain.assessment import recording_object
from gateway.domain.corrections import ExcludeReason, RecordingAmended, RecordingExcluded
from gateway.domain.recording import Modality, NoResponse, Recording
from gateway.domain.sites import Evoked
from gateway.domain.wording import CORRECTIONS, amendment
from gateway.pipeline.nerves import corrected
from gateway.pipeline.stages import Examination, examine
from gateway.store.visit import Told, VisitedStudy

_FEWEST: Final = 6  # digits; in one study of 3,000 do two of 100 recordings begin alike
_ALL: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One recording as it counts; `amended_by` and `excluded_by` hold the last word where it stands."""

    identity: str
    digits: int
    evoked: Evoked
    received_at: str
    used: bool
    excluded: ExcludeReason | None
    amended_by: Told | None
    excluded_by: Told | None


@click.command("recordings")
@ID
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@CONFIG
def recordings(wanted: str, config: Path, *, as_json: bool) -> int:
    """List every recording: its identity, when and where it was made, its amplitude, and whether it is used.

    Of a series at one site one recording is used, the others are kept; what is excluded does not count.
    """
    with desk(config) as here:
        found = here.visit.study(wanted)
        examination = examine(found.study, here.reference)
    today = SystemClock().now().astimezone()
    for entry in _entries(found, examination):
        click.echo(msgspec.json.encode(_object(entry)).decode() if as_json else _line(entry, today))
    return left_out(found)


def digits(named: Sequence[Recording]) -> int:
    """How many digits of their identities tell the recordings apart."""
    identities = {entry.identity or "" for entry in named}
    telling = (n for n in range(_FEWEST, _ALL) if len({one[:n] for one in identities}) == len(identities))
    return next(telling, _ALL)


def _entries(found: VisitedStudy, examination: Examination) -> Iterator[_Entry]:
    study, short = found.study, digits(found.study.recordings)
    used = {entry.recording.identity for entry in examination.recordings}
    words = {
        (type(told.fact), told.fact.identity): told
        for told in found.told
        if isinstance(told.fact, Recording | RecordingAmended | RecordingExcluded)
    }
    for evoked in examination.marked:
        identity, excluded = evoked.recording.identity or "", study.exclusion(evoked.recording)
        yield _Entry(
            identity=identity,
            digits=short,
            evoked=corrected(evoked, study),
            received_at=words[Recording, identity].at,
            used=identity in used,
            excluded=excluded,
            amended_by=words[RecordingAmended, identity] if study.amendment(evoked.recording) else None,
            excluded_by=words[RecordingExcluded, identity] if excluded else None,
        )


def _line(entry: _Entry, today: datetime) -> str:
    recording = entry.evoked.recording
    name = entry.identity[: entry.digits]
    at = when(recording.recorded_at or entry.received_at, today)
    states = "; ".join(_states(entry, today))
    return printable(f"{name}  {at}  {recording.name:<40}  {_amplitude(entry.evoked):>11}  {states}")


def _amplitude(evoked: Evoked) -> str:
    if isinstance(evoked.graded, NoResponse):
        return "no response"
    if evoked.amplitude is None:
        return "not marked"
    if evoked.recording.modality is Modality.MOTOR:
        return f"{evoked.amplitude:.2f} mV"
    return f"{evoked.amplitude:.1f} uV"


def _states(entry: _Entry, today: datetime) -> Iterator[str]:
    if entry.excluded:
        yield f"excluded ({CORRECTIONS[entry.excluded]}){_told(entry.excluded_by, today)}"
    else:
        yield "used" if entry.used else "kept"
    if entry.evoked.recording.thinned:
        yield "curve thinned out, its marks are kept"
    if entry.evoked.amendment:
        yield f"amended ({amendment(entry.evoked.amendment)}){_told(entry.amended_by, today)}"


def _told(told: Told | None, today: datetime) -> str:
    return f" by {told.by}, {' '.join(when(told.at, today).split())}" if told else ""


def _object(entry: _Entry) -> dict[str, Any]:
    """The recording's entry of an assessment, its identity, and what was said about it."""
    found: dict[str, Any] = {"identity": entry.identity, "received_at": entry.received_at}
    found |= recording_object(entry.evoked)
    found["state"] = "excluded" if entry.excluded else "used" if entry.used else "kept"
    if entry.amended_by:
        found["amended"] |= {"by": entry.amended_by.by, "at": entry.amended_by.at}
    if entry.excluded_by:
        by = {"by": entry.excluded_by.by, "at": entry.excluded_by.at}
        found["excluded"] = {"reason": entry.excluded} | by
    return found
