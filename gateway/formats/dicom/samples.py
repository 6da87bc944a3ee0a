"""The samples of a multiplex group, and the sweep of each of its channels.

PS3.3 C.10.9 and PS3.5 8.3: component points are interleaved, in the byte order of the transfer syntax; the
value of one is stored x sensitivity x correction factor + baseline, in the sensitivity's unit. That scale is
computed exactly, so 0.0005 mV and 0.5 uV are the same. A sweep has no offset: a baseline becomes counts.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.domain.limits import Limits
from gateway.domain.recording import Waveform
from gateway.errors import DataError
from gateway.formats import Polarity
from gateway.formats.dicom.elements import DataSet
from gateway.formats.dicom.profile import MICROVOLTS_POWER, SAMPLE_BYTES, UCUM

Samples = NDArray[np.signedinteger]

# How much finer than a stored count ours may be, so that a baseline is a whole number of them.
_REFINEMENTS: Final = (1, 10, 100, 1000)
_INT32: Final = np.iinfo(np.int32)
_COARSEST_UV: Final = 10**6  # beyond any amplifier, as for every waveform
# How far two statements of one moment may be apart, in sample periods: a sample position is a whole number,
# and a decimal string has 16 characters.
_SAME_TRIGGER: Final = 1.01
_SAME_SKEW: Final = 0.1
_NO_SAMPLES: Final = "every sample is padding: the channel is left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What the channels of a multiplex group share; `stored` is samples by channels."""

    sampling_rate_hz: float
    start_ms: float
    stored: Samples
    padding: int | None

    @property
    def period_ms(self) -> float:
        """The time between two samples."""
        return 1000 / self.sampling_rate_hz


class NoSamples(DataError):
    """A channel holds nothing but padding."""


def read_group(group: DataSet, limits: Limits) -> Group:
    """The samples and times of a multiplex group; DataError when it contradicts itself."""
    rate_hz = group.needed("SamplingFrequency", group.number("SamplingFrequency"))
    if rate_hz == 0 or 1000 / rate_hz == float("inf"):
        raise group.error("SamplingFrequency", "must be above zero")
    sample = _sample_type(group)
    return Group(
        sampling_rate_hz=rate_hz,
        start_ms=_start_ms(group, 1000 / rate_hz),
        stored=_stored(group, sample, limits),
        padding=_padding(group, sample),
    )


def read_waveform(channel: DataSet, number: int, group: Group, polarity: Polarity) -> Waveform:
    """The sweep of channel `number` (from 0); NoSamples when it is all padding."""
    stored, cut = _without_padding(channel, group.stored[:, number], group.padding)
    _check_bits(channel, stored)
    scale, baseline = _scale(channel)
    samples, finer = _counts(channel, stored, baseline / scale, -1 if polarity == "true" else 1)
    start_ms = group.start_ms + _skew_ms(channel, group) + cut * group.period_ms
    with channel.refused():
        return Waveform(
            sampling_rate_hz=group.sampling_rate_hz,
            start_ms=start_ms,
            microvolts_per_count=float(scale / finer),
            samples=samples,
        )


def _sample_type(group: DataSet) -> np.dtype[np.signedinteger]:
    size = SAMPLE_BYTES.get(group.text("WaveformSampleInterpretation"))
    if size is None:
        raise group.error("WaveformSampleInterpretation", f"must be one of {', '.join(SAMPLE_BYTES)}")
    bits = 8 * size
    if group.integer("WaveformBitsAllocated", "H") != bits:
        raise group.error("WaveformBitsAllocated", f"must be {bits} with this WaveformSampleInterpretation")
    return np.dtype(f"{group.order}i{size}")


def _stored(group: DataSet, sample: np.dtype[np.signedinteger], limits: Limits) -> Samples:
    channels = group.integer("NumberOfWaveformChannels", "H")
    if channels != len(group.items("ChannelDefinitionSequence")) or not channels:
        reason = "must be 1 or more, and the number of items of ChannelDefinitionSequence"
        raise group.error("NumberOfWaveformChannels", reason)
    samples = group.needed("NumberOfWaveformSamples", group.integer("NumberOfWaveformSamples", "L"))
    if not 2 <= samples <= limits.sweep_samples:
        raise group.error("NumberOfWaveformSamples", f"must be 2 to {limits.sweep_samples}")
    data = group.raw("WaveformData")
    declared = channels * samples * sample.itemsize
    if len(data) != declared:
        raise group.error("WaveformData", f"has {len(data)} bytes, declared are {declared}")
    return np.frombuffer(data, dtype=sample).reshape(samples, channels)


def _padding(group: DataSet, sample: np.dtype[np.signedinteger]) -> int | None:
    raw = group.raw("WaveformPaddingValue")
    if not raw:
        return None
    if len(raw) != sample.itemsize:
        raise group.error("WaveformPaddingValue", f"must have {sample.itemsize} bytes, as a sample")
    return int(np.frombuffer(raw, dtype=sample)[0])


def _start_ms(group: DataSet, period_ms: float) -> float:
    """The time of the first sample after the stimulus (PS3.3 C.10.9.1.4.2, C.10.9.1.4.3)."""
    offset_ms = group.number("TriggerTimeOffset", signed=True)
    position = group.integer("TriggerSamplePosition", "L")
    if position == 0:
        raise group.error("TriggerSamplePosition", "must be 1 or more")
    start_ms = None if position is None else -(position - 1) * period_ms
    given = [value for value in (offset_ms, start_ms) if value is not None]
    if max(given, default=0) - min(given, default=0) > _SAME_TRIGGER * period_ms:
        raise group.error("TriggerTimeOffset", "contradicts TriggerSamplePosition")
    if not given:
        raise group.error("TriggerTimeOffset", "is missing, and TriggerSamplePosition too")
    return given[0]


def _skew_ms(channel: DataSet, group: Group) -> float:
    time_ms = channel.number("ChannelTimeSkew", signed=True, shift=3)
    samples = channel.number("ChannelSampleSkew", signed=True)
    skews = [
        *([] if time_ms is None else [time_ms]),
        *([] if samples is None else [samples * group.period_ms]),
    ]
    if max(skews, default=0) - min(skews, default=0) > _SAME_SKEW * group.period_ms:
        raise channel.error("ChannelTimeSkew", "contradicts ChannelSampleSkew")
    return skews[0] if skews else 0.0


def _without_padding(channel: DataSet, stored: Samples, padding: int | None) -> tuple[Samples, int]:
    """The samples without the padding at both ends, and how many were cut off before the first."""
    if padding is None:
        return stored, 0
    real = np.flatnonzero(stored != padding)
    if not real.size:
        raise NoSamples(_NO_SAMPLES, channel.place)
    first, last = int(real[0]), int(real[-1])
    if last - first + 1 != real.size:
        raise DataError("padding between samples: what the curve was there is not known", channel.place)
    return stored[first : last + 1], first


def _check_bits(channel: DataSet, stored: Samples) -> None:
    """Refuse samples that need more bits than are said to be used: their sign was not extended (C.10.9)."""
    keyword, allocated = "WaveformBitsStored", 8 * stored.itemsize
    bits = channel.integer(keyword, "H") or allocated
    if bits > allocated:
        raise channel.error(keyword, "must be WaveformBitsAllocated at most")
    most = 2 ** (bits - 1)
    if int(stored.min()) < -most or int(stored.max()) >= most:
        raise channel.error(keyword, "is less than the samples of WaveformData need: was the sign extended?")


def _scale(channel: DataSet) -> tuple[Fraction, Fraction]:
    """The microvolts of one stored count, and of the baseline."""
    keyword = "ChannelSensitivityUnitsSequence"
    unit = channel.needed(keyword, channel.code(keyword))
    if unit.scheme != UCUM or unit.value not in MICROVOLTS_POWER:
        raise channel.error(keyword, f"must be one of {', '.join(MICROVOLTS_POWER)} ({UCUM})")
    microvolts = Fraction(10) ** MICROVOLTS_POWER[unit.value]
    sensitivity = channel.needed("ChannelSensitivity", channel.exact("ChannelSensitivity"))
    correction = channel.exact("ChannelSensitivityCorrectionFactor")
    scale = sensitivity * (1 if correction is None else correction) * microvolts
    # A scale below zero would turn the curve over: whether the polarity then still holds, nobody can tell.
    if not 0 < scale <= _COARSEST_UV:
        reason = f"with its correction factor must be above zero, at most {_COARSEST_UV} uV"
        raise channel.error("ChannelSensitivity", reason)
    return scale, (channel.exact("ChannelBaseline") or 0) * microvolts


def _counts(channel: DataSet, stored: Samples, offset: Fraction, sign: int) -> tuple[NDArray[np.int32], int]:
    """Counts that include an offset (in stored counts), and how many of them make a stored one.

    The coarsest in which the offset is whole, else the finest that 32 bits hold, with the offset rounded.
    """
    ends = (int(stored.min()), int(stored.max()))
    fitting = [
        finer
        for finer in _REFINEMENTS
        if all(_INT32.min <= sign * (end * finer + round(offset * finer)) <= _INT32.max for end in ends)
    ]
    if not fitting:
        raise DataError("its samples with the baseline do not fit into 32 bits", channel.place)
    finer = next((finer for finer in fitting if (offset * finer).denominator == 1), fitting[-1])
    counts = sign * (stored.astype(np.int64) * finer + round(offset * finer))
    return counts.astype(np.int32), finer
