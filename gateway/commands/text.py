"""Assessments as a person reads them: tables in the field's order, signal quality, findings, what is missing.

A technical warning comes before the verdicts that rest on the signal.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.commands.terminal import printable
from gateway.domain.assessment import Assessment, quality_object, segment_object
from gateway.domain.criteria import BLOCKS
from gateway.domain.quality import Quality
from gateway.domain.recording import MotorMarks, NoResponse, Recording, SensoryMarks
from gateway.domain.sensory import SensoryResult
from gateway.domain.sites import Evoked

NOTICE = "PRELIMINARY: electrodiagnostic support, to be reviewed by a physician"


def assessment_text(assessment: Assessment) -> str:
    """The whole assessment as lines of text."""
    header = assessment.header
    return "\n".join(
        [
            f"Study {printable(header.study_id)}, {header.performed_at}"
            + ("  SIMULATED DATA" if header.simulated else ""),
            f"Graded by {assessment.grading}, norms {assessment.norms}. {NOTICE}",
            "",
            *_table(_MOTOR, (_motor_row(entry) for entry in assessment.recordings if _is_motor(entry))),
            "",
            *_table(_SENSORY, (_sensory_row(entry) for entry in assessment.sensory)),
            "",
            *_quality_lines(assessment.recordings),
            *(segment_line(segment_object(entry)) for entry in assessment.findings),
            "",
            f"MMN support: {assessment.mmn.support} ({', '.join(assessment.mmn.reasons)})",
            *(f"  still to record: {action} - {action.why}" for action in assessment.guidance),
            *(f"  caveat: {entry}" for entry in assessment.mmn.caveats),
        ]
    )


def _quality_lines(recordings: Sequence[Evoked]) -> Iterator[str]:
    """What is wrong with the signals, a line an entry; nothing where nothing is."""
    entries = [(_site(evoked.recording), entry) for evoked in recordings for entry in evoked.quality]
    if entries:
        yield "Signal quality"
        yield from (f"! {site}: {_quality(entry)}" for site, entry in entries)
        yield ""


def _quality(entry: Quality) -> str:
    shown = quality_object(entry)
    number = "" if shown["value"] is None else f": {shown['value']:g} {shown['unit'] or ''}".rstrip()
    return f"{shown['what']}{number} - {shown['advice']}"


def segment_line(segment: Mapping[str, Any]) -> str:
    """One entry of `segments` in one line: what was found, by which numbers."""
    reasons = f"  ({', '.join(segment['reasons'])})" if segment["reasons"] else ""
    mark = "▲" if segment["finding"] in BLOCKS else " "
    site = f"{segment['side']} {segment['nerve']} {segment['recording_site']}"
    numbers = (
        f"amplitude {_change(segment['amplitude_reduction_percent'], -1)}, "
        f"area {_change(segment['area_reduction_percent'], -1)}, "
        f"duration {_change(segment['duration_increase_percent'], 1)}"
    )
    sites = f"{segment['distal_site']} to {segment['proximal_site']}"
    return f"{mark} {site}, {sites}: {segment['finding'].replace('_', ' ')}; {numbers}{reasons}"


def _change(percent: float | None, sign: int) -> str:
    return "not known" if percent is None else f"{sign * percent + 0.0:+.1f} %"


_MOTOR = ("Nerve / site", "Lat ms", "Amp mV", "Dur ms", "Area mV.ms", "Dist mm", "Temp C")
_SENSORY = ("Sensory nerve", "Lat ms", "Peak ms", "Amp uV", "CV m/s", "Result")


def _is_motor(entry: Evoked) -> bool:
    return entry.recording.modality == "motor"


def _motor_row(entry: Evoked) -> Sequence[str]:
    recording, graded = entry.recording, entry.graded
    marks = graded if isinstance(graded, MotorMarks) else MotorMarks()
    amplitude = "none" if isinstance(graded, NoResponse) else _number(marks.amplitude_mv, 2)
    return (
        _site(recording),
        _number(marks.onset_latency_ms, 2),
        amplitude,
        _number(marks.negative_duration_ms, 2),
        _number(marks.negative_area_mv_ms, 2),
        _number(recording.distance_mm, 0),
        _number(recording.skin_temperature_c, 1),
    )


def _sensory_row(entry: SensoryResult) -> Sequence[str]:
    recording, graded = entry.evoked.recording, entry.evoked.graded
    marks = graded if isinstance(graded, SensoryMarks) else SensoryMarks()
    amplitude = "none" if isinstance(graded, NoResponse) else _number(marks.amplitude_uv, 1)
    below = "▼" if "amplitude_low" in entry.reasons else ""
    return (
        _site(recording),
        _number(marks.onset_latency_ms, 2),
        _number(marks.peak_latency_ms, 2),
        amplitude + below,
        _number(entry.velocity_m_s, 1),
        entry.result.replace("_", " "),
    )


def _site(recording: Recording) -> str:
    position = "" if recording.site_position_mm is None else f"@{recording.site_position_mm:g}mm"
    nerve = f"{recording.side} {recording.nerve} {recording.recording_site}"
    return f"{nerve} {recording.stimulation_site}{position}"


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
            ]
        )
        for line in lines
    ]
