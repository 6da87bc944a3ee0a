"""What can be wrong with a sweep or a site, by name: each with its number and what to do about it.

A quality entry never changes a mark; it says how far to trust one. Codes are published (`quality` of a
recording), the number and the advice stand beside them (`quality_details`).
"""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a code says: the unit of its number (None: it has none or a pure one), what it is, what to do."""

    unit: str | None
    what: str
    advice: str


@dataclass(frozen=True, slots=True)
class Quality:
    """One thing that is wrong; `subject` is the quantity it is about, where a code can be about several."""

    name: str
    value: float | None = None
    subject: str | None = None

    @property
    def code(self) -> str:
        """The published code: `clipped`, `marks_disagree:amplitude_mv`."""
        return self.name if self.subject is None else f"{self.name}:{self.subject}"

    @property
    def meaning(self) -> Meaning:
        """What the code says and what to do, in the unit and the words of its subject."""
        meaning = MEANINGS[self.name]
        if self.subject is None:
            return meaning
        unit, words = _SUBJECTS[self.subject]
        return replace(meaning, unit=unit, what=f"{meaning.what} {words}")


_LOOK_AT_MARKS: Final = "look at the curve, set the marks by hand if they are wrong"

# Units are UCUM where it has one; `what` reads on with a colon and the number behind it.
MEANINGS: Final = {
    # a sweep that cannot be marked
    "too_few_samples": Meaning(
        unit="samples", what="sweep too short to be marked", advice="record a longer sweep"
    ),
    "constant_signal": Meaning(
        unit="uV", what="flat curve", advice="check the electrodes, the cable and the channel"
    ),
    "sampling_rate_unusable": Meaning(
        unit="Hz",
        what="sampling rate that cannot be right",
        advice="sample at 4 to 200 kHz, check the rate the file states",
    ),
    "sweep_ends_before_peak": Meaning(
        unit="ms",
        what="sweep ends while the response still rises, after",
        advice="lengthen the sweep, record again",
    ),
    "sweep_ends_before_response": Meaning(
        unit="ms",
        what="no response seen, but a late one could come after the sweep ends, at",
        advice="lengthen the sweep, record again",
    ),
    "impossible_response": Meaning(
        unit=None,
        what="a wave that no nerve makes",
        advice="check the scale and the sampling rate the file states",
    ),
    "too_slow": Meaning(
        unit="ms",
        what="wave too slow for what was recorded, another muscle may have answered",
        advice="lower the current, move the recording electrodes",
    ),
    "too_noisy": Meaning(
        unit="uV",
        what="no response seen, but the noise may hide one as high as",
        advice="average more sweeps, have the muscle relaxed, check the electrodes",
    ),
    "wrong_polarity": Meaning(
        unit="uV",
        what="first large deflection is positive",
        advice="check for exchanged electrodes, check the polarity setting",
    ),
    # a sweep that was marked
    "all_clipped": Meaning(
        unit="%",
        what="most of the curve lies at the limits of the converter",
        advice="lower the gain, record again",
    ),
    "clipped": Meaning(
        unit="ms", what="peak cut off by the amplifier", advice="lower the gain, record again"
    ),
    "artefact_overlaps_onset": Meaning(
        unit="uV",
        what="stimulus artefact reaches into the onset",
        advice="move the ground between stimulus and recording, turn the anode, record again",
    ),
    "uncertain_onset": Meaning(
        unit="ms",
        what="onset not sure, standard error",
        advice="look at the curve, set the onset by hand if it is wrong, average more sweeps",
    ),
    "baseline_unsteady": Meaning(
        unit="uV",
        what="unsteady baseline",
        advice="have the muscle relaxed, check the electrodes, record again",
    ),
    "mains": Meaning(
        unit="uV",
        what="mains hum",
        advice="check the ground and the impedances, keep mains cables away",
    ),
    "low_signal_to_noise": Meaning(
        unit=None,
        what="response hardly above the noise (times the noise)",
        advice="average more sweeps, check the electrodes",
    ),
    "uncertain_response": Meaning(
        unit=None,
        what="uncertain whether this is a response (times the noise)",
        advice="stimulate again, average more sweeps",
    ),
    "sweep_ends_before_return": Meaning(
        unit="ms",
        what="sweep ends before the wave is back at the baseline",
        advice="lengthen the sweep, record again",
    ),
    "initial_positivity": Meaning(
        unit="uV",
        what="wave begins with a positive dip",
        advice="move the active electrode to the motor point, think of co-stimulation or another muscle",
    ),
    "notched": Meaning(unit="%", what="notch in the negative wave, of its amplitude", advice=_LOOK_AT_MARKS),
    "dispersed": Meaning(unit="%", what="another negative phase, of the amplitude", advice=_LOOK_AT_MARKS),
    "later_wave": Meaning(
        unit="uV",
        what="a slow wave follows the response, of a muscle perhaps, as high as",
        advice="lower the current, move the recording electrodes, look at the curve",
    ),
    # a site or a pair of sites
    "submaximal_series": Meaning(
        unit="%",
        what="response still growing at the last step of current",
        advice="raise the current until the response grows no more",
    ),
    "supramaximal_contradicted": Meaning(
        unit="%",
        what="stated supramaximal, but a stronger current gave more",
        advice="raise the current until the response grows no more",
    ),
    "costimulation_suspected": Meaning(
        unit=None,
        what="another nerve may be stimulated too, shape unlike the proximal response (correlation)",
        advice="lower the current, stimulate again, compare the shapes",
    ),
    "electrode_drift": Meaning(
        unit="%",
        what="response changed at the same current",
        advice="check the electrodes, stimulate the distal site again",
    ),
    # the machine's own word against ours
    "marks_disagree": Meaning(
        unit=None, what="machine and gateway disagree on", advice="look at the curve, see which marks fit it"
    ),
    "signal_questionable": Meaning(
        unit=None, what="the machine calls the signal questionable", advice="check the channel, record again"
    ),
    "signal_unzeroed": Meaning(
        unit=None, what="the machine calls the signal not zeroed", advice="zero the channel, record again"
    ),
    "response_absent": Meaning(unit=None, what="no response", advice="raise the current before believing it"),
}

# What a code can be about: the unit of its number, and its words.
_SUBJECTS: Final = {
    "response": (None, "whether there is a response"),
    "onset_latency_ms": ("ms", "the onset latency (machine minus gateway)"),
    "peak_latency_ms": ("ms", "the peak latency (machine minus gateway)"),
    "amplitude_mv": ("mV", "the amplitude (machine minus gateway)"),
    "amplitude_uv": ("uV", "the amplitude (machine minus gateway)"),
    "peak_to_peak_mv": ("mV", "the peak-to-peak amplitude (machine minus gateway)"),
    "peak_to_peak_uv": ("uV", "the peak-to-peak amplitude (machine minus gateway)"),
    "negative_area_mv_ms": ("mV.ms", "the negative area (machine minus gateway)"),
    "negative_duration_ms": ("ms", "the negative duration (machine minus gateway)"),
    "total_duration_ms": ("ms", "the total duration (machine minus gateway)"),
}


def known_quality(entry: Quality) -> bool:
    """Whether the entry's code has a meaning."""
    return entry.name in MEANINGS and (entry.subject is None or entry.subject in _SUBJECTS)
