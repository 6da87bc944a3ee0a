"""From the marks at two sites to their changes: who marked what, the formulas with the numbers put in."""

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.domain.criteria import Measure, measures
from gateway.domain.derivation.gates import threshold
from gateway.domain.derivation.steps import Compared, Computed, Mark, Marked, number
from gateway.domain.gates import Circumstances
from gateway.domain.recording import MarkedBy, NoResponse
from gateway.domain.segments import Segment
from gateway.domain.sites import Evoked
from gateway.domain.wording import QUANTITIES, site

# What each measure is computed from: the quantity of both marks, its unit, and how its formula reads.
_REDUCTION: Final = "100 ({near} - {far}) / {near}"
_INCREASE: Final = "100 ({far} - {near}) / {near}"
_FORMULAS: Final[dict[Measure, tuple[str, str, str]]] = {
    "amplitude_ratio": ("amplitude_mv", "", "{far} / {near}"),
    "amplitude_reduction_percent": ("amplitude_mv", "%", _REDUCTION),
    "peak_to_peak_reduction_percent": ("peak_to_peak_mv", "%", _REDUCTION),
    "area_reduction_percent": ("negative_area_mv_ms", "%", _REDUCTION),
    "duration_increase_percent": ("negative_duration_ms", "%", _INCREASE),
}
_MARK_UNITS: Final = {
    "amplitude_mv": "mV",
    "peak_to_peak_mv": "mV",
    "negative_area_mv_ms": "mV.ms",
    "negative_duration_ms": "ms",
}


def inputs(segment: Segment, asked: Iterable[Measure]) -> Iterator[Marked]:
    """The marks that the measures asked for are computed from."""
    quantities = dict.fromkeys(_FORMULAS[measure][0] for measure in asked if measure in _FORMULAS)
    for quantity in quantities:
        marks = tuple(mark(end, quantity) for end in (segment.distal, segment.proximal))
        yield Marked(quantity=QUANTITIES[quantity], unit=_MARK_UNITS[quantity], marks=marks)


def mark(entry: Evoked, quantity: str) -> Mark:
    """One graded quantity of a recording."""
    return Mark(
        where=place(entry),
        value=getattr(entry.graded, quantity, None),
        absent=isinstance(entry.graded, NoResponse),
        marked_by=whose(entry, quantity),
    )


def place(entry: Evoked) -> str:
    """The stimulation site of a recording, with its position where it was inching."""
    position = entry.recording.site_position_mm
    name = site(entry.recording.stimulation_site)
    return name if position is None else f"{name} at {number(position)} mm"


def whose(entry: Evoked, quantity: str) -> MarkedBy:
    """Who marked a graded quantity."""
    return "gateway" if quantity in entry.filled else entry.marked_by


def changes(segment: Segment, asked: Iterable[Measure]) -> Iterator[Computed]:
    """Each change with its formula."""
    return (_computed(segment, measure) for measure in asked if measure in _FORMULAS)


def _computed(segment: Segment, measure: Measure) -> Computed:
    quantity, unit, formula = _FORMULAS[measure]
    value = measures(segment)[measure]
    return Computed(
        quantity=QUANTITIES[measure],
        value=value,
        unit=unit,
        formula=_put_in(segment, quantity, formula, _shown(value, unit)),
    )


def _put_in(segment: Segment, quantity: str, formula: str, value: str) -> str:
    near, far = (getattr(end.motor, quantity, None) for end in (segment.distal, segment.proximal))
    if near and far is not None:
        return f"{formula.format(near=number(near, 2), far=number(far, 2))} = {value}"
    if quantity == "peak_to_peak_mv" and segment.proximal.motor and segment.distal.motor:
        return f"that of the negative peak, not recorded at both sites: {value}"
    if "no_proximal_response" in segment.notes:
        return f"no proximal response: {value}"
    return value


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "not known"
    return f"{value:.1f} %" if unit else f"{value:.3f}"


def remarks(segment: Segment, about: Circumstances) -> Iterator[Compared]:
    """The comparisons that hold for every set."""
    limits = about.thresholds
    if segment.duration_increase_percent is not None:
        yield Compared(
            quantity="temporal dispersion: duration increase",
            value=segment.duration_increase_percent,
            unit="%",
            op=">",
            limit=limits.dispersion_percent.value,
            holds=segment.temporal_dispersion,
            cited=threshold(limits.dispersion_percent),
        )
    if segment.amplitude_reduction_percent is not None:
        yield Compared(
            quantity="proximal response larger: amplitude reduction",
            value=segment.amplitude_reduction_percent,
            unit="%",
            op="<",
            limit=0.0 - limits.proximal_larger_percent.value,
            holds="proximal_larger" in segment.notes,
            cited=threshold(limits.proximal_larger_percent),
        )
