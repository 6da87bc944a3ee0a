"""How a sensory result came about: values, the row of the table, which of its limits applied and why."""

from collections.abc import Iterator

from gateway.domain.derivation.changes import mark
from gateway.domain.derivation.gates import threshold, warmth
from gateway.domain.derivation.norms import norm_row
from gateway.domain.derivation.steps import Compared, Computed, Concluded, Marked, Stated, Step, number
from gateway.domain.gates import Circumstances
from gateway.domain.norms import NormTable, SensoryNorm
from gateway.domain.recording import SensoryMarks
from gateway.domain.sensory import LIMITED, SensoryGrade, SensoryResult, uncertain_by
from gateway.domain.wording import CAVEATS, QUANTITIES, plain, reasons, site

_UNITS = {"amplitude_uv": "uV", "onset_latency_ms": "ms", "peak_latency_ms": "ms", "velocity_m_s": "m/s"}


def sensory_derivation(entry: SensoryResult, norms: NormTable, about: Circumstances) -> tuple[Step, ...]:
    """Every step from the marks of a SNAP to its result; `norms` is the table fitted to the person."""
    return (
        *_inputs(entry),
        *_velocity(entry),
        *_row(entry, norms),
        *(_distance(entry, entry.norm, about) if entry.norm else ()),
        warmth(entry.evoked.recording, about),
        *_limits(entry),
        *_sides(entry, about),
        *_entrapment(entry),
        _concluded(entry),
    )


def _inputs(entry: SensoryResult) -> Iterator[Marked]:
    for quantity in ("amplitude_uv", "onset_latency_ms", "peak_latency_ms"):
        yield Marked(
            quantity=QUANTITIES[quantity], unit=_UNITS[quantity], marks=(mark(entry.evoked, quantity),)
        )


def _velocity(entry: SensoryResult) -> Iterator[Computed]:
    marks = entry.evoked.graded
    if entry.velocity_m_s is not None and isinstance(marks, SensoryMarks):
        length, latency = number(entry.distance_mm or 0.0), number(marks.onset_latency_ms or 0.0, 2)
        yield Computed(
            quantity="velocity",
            value=entry.velocity_m_s,
            unit="m/s",
            formula=f"{length} / {latency} = {entry.velocity_m_s:.1f} m/s",
        )


def _row(entry: SensoryResult, norms: NormTable) -> Iterator[Step]:
    recording = entry.evoked.recording
    pair = f"{site(recording.stimulation_site)} to {site(recording.recording_site)}"
    if entry.norm is None:
        yield Stated(topic="norm table", words=f"{norms.id} has no row for {plain(entry.nerve)}, {pair}")
    else:
        yield norm_row(norms, entry.norm)
        yield Stated(topic="technique", words=norms.technique)


def _distance(entry: SensoryResult, norm: SensoryNorm, about: Circumstances) -> Iterator[Step]:
    """Whether the distance is that of the table, so that a latency may be judged."""
    limit = about.thresholds.latency_distance_mm
    table = f"{number(norm.distance_mm)} mm"
    if entry.distance_mm is None:
        yield Stated(topic="distance", words=f"to the electrode not known, the table's is {table}")
        return
    off_mm = abs(entry.distance_mm - norm.distance_mm)
    yield Compared(
        quantity=f"latencies judged: distance {number(entry.distance_mm)} mm, the table's {table}, apart",
        value=off_mm,
        unit="mm",
        op="<=",
        limit=limit.value,
        holds=off_mm <= limit.value,
        cited=threshold(limit),
    )


def _limits(entry: SensoryResult) -> Iterator[Step]:
    values = {name: getattr(entry.evoked.graded, name, None) for name in LIMITED}
    values["velocity_m_s"] = entry.velocity_m_s
    for field, limited in LIMITED.items():
        caveats = [f"{limited.name}_{what}" for what in ("not_recorded", "not_judged")]
        if field in entry.limits:
            yield Compared(
                quantity=QUANTITIES[field],
                value=values[field],
                unit=_UNITS[field],
                op="<=" if limited.at_most else ">=",
                limit=entry.limits[field],
                holds=limited.beyond not in entry.reasons,
                uncertain_by=uncertain_by(entry.evoked, field, entry.limits[field]),
            )
        for caveat in caveats:
            if caveat in entry.caveats:
                yield Stated(topic="caveat", words=CAVEATS[caveat])


def _sides(entry: SensoryResult, about: Circumstances) -> Iterator[Compared]:
    if entry.side_difference_percent is not None:
        limit = about.thresholds.side_difference_percent
        yield Compared(
            quantity="other side, told but changing no result: amplitude lower by",
            value=entry.side_difference_percent,
            unit="%",
            op=">",
            limit=limit.value,
            holds=True,
            cited=threshold(limit),
        )


def _entrapment(entry: SensoryResult) -> Iterator[Stated]:
    if entry.result is SensoryGrade.ABNORMAL_AT_ENTRAPMENT:
        carpal_tunnel = "a long peak latency of the median nerve is that of the carpal tunnel"
        elbow = "the motor fibres are blocked or slow across the elbow"
        words = carpal_tunnel if entry.nerve == "median" else elbow
        yield Stated(topic="entrapment", words=f"{words} [AAEM 2003, common entrapment sites]")


def _concluded(entry: SensoryResult) -> Concluded:
    why = f", {reasons(entry.reasons)}" if entry.reasons else ""
    words = f"{plain(entry.result)}{why}"
    return Concluded(what="result", value=entry.result, words=words, reasons=entry.reasons)
