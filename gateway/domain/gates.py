"""Gates: what makes a block doubtful although the numbers say block.

Each gate is a question about one segment in its examination; the answer is the reason it is published
under. Any of them turns a block into `indeterminate`. A cold limb and other filters or electrodes also take
away the right to say that there is none. What nobody recorded, and no gate needs, is a caveat.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from gateway.domain.anatomy import Anatomy
from gateway.domain.martin_gruber import Crossover, MedianOverUlnar, concerns, crossover
from gateway.domain.segments import Segment
from gateway.domain.study import ClinicalFacts
from gateway.domain.thresholds import Thresholds

# Deep nerves: nobody believes a small response there without proof that all fibres were stimulated.
_TO_BE_PROVEN: Final[Mapping[str, str]] = {"erb": "erb_unproven", "popliteal_fossa": "supramaximal_unproven"}
# What has to be the same at both ends of a segment.
SET_UP: Final = ("filter_hz", "notch_hz", "montage_id")
_SET_UP_OF: Final = attrgetter(*SET_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What gates look at beside the segment."""

    anatomy: Anatomy
    thresholds: Thresholds
    clinical: ClinicalFacts
    median_over_ulnar: MedianOverUlnar


Gate = Callable[[Segment, Circumstances], str | None]


def submaximal(segment: Segment, _: Circumstances) -> str | None:
    """Whether the proximal stimulus is known not to have reached all fibres."""
    return "submaximal" if segment.proximal.submaximal else None


def unproven(segment: Segment, _: Circumstances) -> str | None:
    """Whether the proximal stimulus of a deep nerve was not stated to have reached all fibres."""
    if segment.proximal.recording.stimulus.supramaximal is not None:
        return None
    return _TO_BE_PROVEN.get(segment.course.ends[1])


def proximal_response(segment: Segment, _: Circumstances) -> str | None:
    """Whether nothing answered a proximal stimulus that is not stated to be supramaximal."""
    unproven = not segment.proximal.recording.stimulus.supramaximal
    return "no_proximal_response" if unproven and "no_proximal_response" in segment.notes else None


def anastomosis(segment: Segment, about: Circumstances) -> str | None:
    """Whether median fibres that reach this muscle may imitate the block."""
    if not concerns(segment):
        return None
    known = crossover(segment, about.median_over_ulnar, about.thresholds)
    return None if known is Crossover.EXCLUDED else str(known)


def costimulation(segment: Segment, _: Circumstances) -> str | None:
    """Whether another nerve may have been stimulated too at the distal site."""
    return "costimulation_suspected" if segment.distal.flagged("costimulation_suspected") else None


def dispersed_complex(segment: Segment, about: Circumstances) -> str | None:
    """Whether the proximal response has fallen apart: its first phase is compared, not what came later.

    Dispersion alone does that (Rhee, England, Sumner 1990, recalled), and no fibre need be blocked. Where
    the machine's marks show the dispersion in the first phase already, the sets judge it.
    """
    increase, most = segment.total_duration_increase_percent, about.thresholds.dispersion_percent.value
    apart = segment.proximal.several_phases and increase is not None and increase > most
    judged = segment.temporal_dispersion and not segment.proximal.flagged("dispersed")
    return "dispersed_complex" if apart and not judged else None


def acute_onset(_: Segment, about: Circumstances) -> str | None:
    """Whether the symptoms are so young that a cut axon may still conduct beyond the lesion."""
    days = about.clinical.symptom_onset_days
    return "acute_onset" if days is not None and days < about.thresholds.acute_onset_days.value else None


def filter_mismatch(segment: Segment, _: Circumstances) -> str | None:
    """Whether filters or electrodes are known at both ends and are not the same."""
    near, far = _SET_UP_OF(segment.distal.recording), _SET_UP_OF(segment.proximal.recording)
    if near == far:
        return None
    return "filter_mismatch" if any(map(_differ, near, far)) else None


# In the order reasons are published. Source of order and effect: the published rules of this product.
GATES: Final[tuple[Gate, ...]] = (
    submaximal,
    unproven,
    proximal_response,
    anastomosis,
    costimulation,
    dispersed_complex,
    acute_onset,
    filter_mismatch,
)


def closed(segment: Segment, about: Circumstances, asked: Sequence[Gate] = GATES) -> tuple[str, ...]:
    """The reasons for which a block of this segment is doubtful, in order; empty: it stands."""
    return tuple(reason for gate in asked if (reason := gate(segment, about)))


def unknown(segment: Segment, about: Circumstances) -> Iterator[str]:
    """What to keep in mind of a segment that was judged: what nobody recorded or what is not the same."""
    where = f"{segment.nerve}:{segment.side}"
    for entry in (segment.distal, segment.proximal):
        end = entry.recording
        site = f"{where}:{end.stimulation_site}:{end.recording_site}"
        if end.stimulus.supramaximal is None:
            asked = (submaximal, unproven, proximal_response) if entry is segment.proximal else ()
            if not closed(segment, about, asked):
                yield f"supramaximal_unknown:{site}"
        if entry.flagged("uncertain_response"):
            yield f"uncertain_response:{site}"
    yield from (f"{caveat}:{where}" for caveat in _set_up_unknown(segment))


def _set_up_unknown(segment: Segment) -> Iterator[str]:
    distal, proximal = segment.distal.recording, segment.proximal.recording
    for name, caveat in _UNKNOWN_AT_EITHER.items():
        if getattr(distal, name) is None or getattr(proximal, name) is None:
            yield caveat
    for name, caveat in _UNKNOWN_AT_ONE.items():
        if (getattr(distal, name) is None) is not (getattr(proximal, name) is None):
            yield caveat
    if _differ(distal.gain_uv_per_div, proximal.gain_uv_per_div):
        yield "gain_differs"


# What a cart usually records is missed at either end, the rest where it was recorded at one end only.
_UNKNOWN_AT_EITHER: Final = {
    "skin_temperature_c": "temperature_unknown",
    "filter_hz": "filter_unknown",
    "montage_id": "montage_unknown",
}
_UNKNOWN_AT_ONE: Final = {"notch_hz": "notch_unknown", "gain_uv_per_div": "gain_unknown"}


def _differ(near: object, far: object) -> bool:
    """Whether two things are known and not the same."""
    return near is not None and far is not None and near != far
