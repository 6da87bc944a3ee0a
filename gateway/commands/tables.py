"""Nerve conduction tables in the field's order: the sites of a nerve, beside them its segments, then SNAPs.

A value beyond the limit that applies to it is marked, the limit beside it; which limits applied, and which
could not, is told below.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gateway.commands.terminal import WIDTH, wrapped
from gateway.domain.derivation.changes import place
from gateway.domain.motor_limits import Against, MotorLimits
from gateway.domain.recording import MotorMarks, NoResponse, Recording, SensoryMarks
from gateway.domain.segments import Segment
from gateway.domain.sensory import LIMITED, SensoryResult
from gateway.domain.sites import Evoked
from gateway.domain.temperature import cold
from gateway.domain.wording import QUANTITIES, plain, site

LEGEND: Final = (
    "▲ above, ▼ below the limit in brackets; NR no response; amplitude, area, duration of the negative peak"
)
Cell = tuple[str, str]  # a value and its mark
_SITES: Final = (("Site", "Lat", "Amp", "Dur", "Area", "Temp"), ("", "ms", "mV", "ms", "mV.ms", "C"))
_SEGMENTS: Final = (("Segment", "Dist", "CV", "Amp", "Area", "Dur"), ("", "mm", "m/s", "%", "%", "%"))
_SENSORY: Final = (
    ("Sensory nerve", "Lat", "Peak", "Amp", "Dist", "CV", "Temp", "Result"),
    ("", "ms", "ms", "uV", "mm", "m/s", "C", ""),
)
_UNITS: Final = {
    "amplitude_uv": "uV",
    "onset_latency_ms": "ms",
    "peak_latency_ms": "ms",
    "velocity_m_s": "m/s",
}


def motor_tables(
    sites: Sequence[Evoked], segments: Sequence[Segment], limits: MotorLimits
) -> Iterator[tuple[str, ...]]:
    """A block of lines for each nerve, side and muscle, its sites from distal to proximal."""
    studies: dict[tuple[str, str, str], list[Evoked]] = {}
    for entry in sites:
        studies.setdefault(_study(entry.recording), []).append(entry)
    for (nerve, side, muscle), recorded in studies.items():
        own = [entry for entry in segments if _study(entry.distal.recording) == (nerve, side, muscle)]
        yield (
            f"{side.capitalize()} {plain(nerve)} motor, recorded over {site(muscle)}",
            *(f"  {line}" for line in _motor(recorded, own, limits)),
            *(line for told in _motor_limits(recorded, own, limits) for line in wrapped(told, "  ")),
        )


def _study(recording: Recording) -> tuple[str, str, str]:
    return recording.nerve, recording.side, recording.recording_site


def _motor(sites: Sequence[Evoked], segments: Sequence[Segment], limits: MotorLimits) -> list[str]:
    """Sites and segments side by side; one below the other where that is too wide."""
    first = sites[0]
    near = _table(_SITES, [_site_row(entry, limits, first=entry is first) for entry in sites])
    compared = [_first_row(first.recording), *(_segment_row(entry, limits) for entry in segments)]
    off_course = [[("", "")] * len(_SEGMENTS[0])] * (len(sites) - len(compared))
    far = _table(_SEGMENTS, [*compared, *off_course])
    width = max(map(len, near))
    beside = [f"{left.ljust(width)}   {right}".rstrip() for left, right in zip(near, far, strict=True)]
    if max(map(len, beside)) <= WIDTH - 2:
        return beside
    return [*near, *far]


def _site_row(entry: Evoked, limits: MotorLimits, *, first: bool) -> list[Cell]:
    graded = entry.graded
    marks = graded if isinstance(graded, MotorMarks) else MotorMarks()
    amplitude = "NR" if isinstance(graded, NoResponse) else _number(marks.amplitude_mv, 2)
    return [
        (place(entry), ""),
        (_number(marks.onset_latency_ms, 2), _mark(limits.latency(entry, first=first))),
        (amplitude, _mark(limits.amplitude(entry))),
        (_number(marks.negative_duration_ms, 2), ""),
        (_number(marks.negative_area_mv_ms, 2), ""),
        (_number(entry.recording.skin_temperature_c, 1), ""),
    ]


def _first_row(recording: Recording) -> list[Cell]:
    """From the muscle to the first site: a distance, nothing to compare."""
    length_mm = recording.distance_to_recording_mm or recording.distance_mm
    ends = f"{site(recording.recording_site)} - {site(recording.stimulation_site)}"
    return [(ends, ""), (_number(length_mm, 0), ""), *[("", "")] * (len(_SEGMENTS[0]) - 2)]


def _segment_row(segment: Segment, limits: MotorLimits) -> list[Cell]:
    return [
        (f"{place(segment.distal)} - {place(segment.proximal)}", ""),
        (_number(segment.length_mm, 0), ""),
        (_number(segment.conduction_velocity_m_s, 1), _mark(limits.velocity(segment))),
        (signed(segment.amplitude_reduction_percent, -1), ""),
        (signed(segment.area_reduction_percent, -1), ""),
        (signed(segment.duration_increase_percent, 1), ""),
    ]


def signed(percent: float | None, sign: int) -> str:
    """A change in percent, a loss as a fall; `-` where it is not known."""
    return "-" if percent is None else f"{sign * percent + 0.0:+.1f}"


def _motor_limits(sites: Sequence[Evoked], segments: Sequence[Segment], limits: MotorLimits) -> Iterator[str]:
    """The limits that applied to a nerve, and what was not judged because a limb was cold."""
    first = sites[0]
    recording = first.recording
    applied = []
    for entry in sites:
        latency = limits.latency(entry, first=entry is first)
        applied += [
            *_limit("latency", latency, "ms"),
            *_limit("amplitude", limits.amplitude(entry), "mV"),
        ]
    for segment in segments:
        ends = f"velocity {place(segment.distal)} - {place(segment.proximal)}"
        applied += _limit(ends, limits.velocity(segment), "m/s")
    norm = limits.norms.motor_norm(recording.nerve, recording.recording_site)
    if norm and applied:
        yield f"limits {limits.norms.id} ({norm.status}): {', '.join(applied)}"
    else:
        yield f"limits {limits.norms.id}: none applies"
    if any(cold(entry.recording, limits.anatomy, limits.thresholds) for entry in sites):
        yield "limb cold: latency and velocity not judged"


def _limit(what: str, against: Against | None, unit: str) -> list[str]:
    if against is None:
        return []
    return [f"{what} {'<=' if against.at_most else '>='} {against.limit:g} {unit}"]


def _mark(against: Against | None) -> str:
    if against is None or not against.beyond:
        return ""
    return f"{'▲' if against.at_most else '▼'}({against.limit:g})"


def sensory_table(results: Sequence[SensoryResult], norms: str) -> Iterator[str]:
    """A line for each sensory study, then the limits of `norms` that applied; nothing where there is none."""
    if not results:
        return
    yield from _table(_SENSORY, [_sensory_row(entry) for entry in results])
    for entry in results:
        applied = [
            f"{QUANTITIES[name]} {'<=' if LIMITED[name].at_most else '>='} {limit:g} {_UNITS[name]}"
            for name, limit in entry.limits.items()
        ]
        status = f" ({entry.norm.status})" if entry.norm else ""
        told = f"limits {norms}{status}, {sensory_study(entry)}: {', '.join(applied) or 'none applies'}"
        yield from wrapped(told, "  ")


def sensory_study(entry: SensoryResult) -> str:
    """A sensory study by nerve, side and sites."""
    recording = entry.evoked.recording
    sites = f"{site(recording.stimulation_site)} - {site(recording.recording_site)}"
    return f"{entry.side} {plain(entry.nerve)}, {sites}"


def _sensory_row(entry: SensoryResult) -> list[Cell]:
    graded = entry.evoked.graded
    marks = graded if isinstance(graded, SensoryMarks) else SensoryMarks()
    amplitude = "NR" if isinstance(graded, NoResponse) else _number(marks.amplitude_uv, 1)
    return [
        (sensory_study(entry), ""),
        (_number(marks.onset_latency_ms, 2), _beyond(entry, "onset_latency_ms")),
        (_number(marks.peak_latency_ms, 2), _beyond(entry, "peak_latency_ms")),
        (amplitude, _beyond(entry, "amplitude_uv")),
        (_number(entry.distance_mm, 0), ""),
        (_number(entry.velocity_m_s, 1), _beyond(entry, "velocity_m_s")),
        (_number(entry.evoked.recording.skin_temperature_c, 1), ""),
        (plain(entry.result), ""),
    ]


def _beyond(entry: SensoryResult, name: str) -> str:
    limited = LIMITED[name]
    if name not in entry.limits or limited.beyond not in entry.reasons:
        return ""
    return f"{'▲' if limited.at_most else '▼'}({entry.limits[name]:g})"


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _table(header: Sequence[Sequence[str]], rows: Iterable[Sequence[Cell]]) -> list[str]:
    """Aligned lines: the first column to the left, numbers to the right, their marks behind them."""
    lines = [[(word, "") for word in line] for line in header] + [list(row) for row in rows]
    columns = range(len(header[0]))
    values = [max(len(line[column][0]) for line in lines) for column in columns]
    marks = [max(len(line[column][1]) for line in lines) for column in columns]
    shown = []
    for line in lines:
        cells = [
            (value.rjust(values[column]) if column else value.ljust(values[0])) + mark.ljust(marks[column])
            for column, (value, mark) in enumerate(line)
        ]
        shown.append("  ".join(cells).rstrip())
    return shown
