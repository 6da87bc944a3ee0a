"""Samples, scale and time of a sweep."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.domain.limits import Limits
from gateway.domain.recording import Waveform
from gateway.errors import DataError
from gateway.formats import Reading
from gateway.formats.dicom.reading import read
from tests.dicom_files import BIG_ENDIAN, EXPLICIT, channel, code, emg, file, group
from tests.factories import reference

ANATOMY = reference().anatomy
MOST, LEAST = 2**31 - 1, -(2**31)
CHANNEL = "WaveformSequence[0].ChannelDefinitionSequence[0]"


def sweep(made, *, syntax=EXPLICIT, **changes) -> Waveform:
    """The one waveform of an object with this group, stored counts not turned over unless asked for."""
    reading = Reading(anatomy=ANATOMY, **{"polarity": "negative_up"} | changes)
    (recording,) = read(file(emg(made), syntax=syntax), reading).study.recordings
    assert recording.waveform is not None
    return recording.waveform


def scaled(stored, *, interpretation="SS", **values) -> Waveform:
    return sweep(group(channel(**values), stored=[stored], interpretation=interpretation))


def refused(made, place, reason, **changes):
    with pytest.raises(DataError) as error:
        sweep(made, **changes)
    assert error.value.place == place
    assert reason in error.value.reason


def test_true_potential_is_turned_over():
    assert sweep(group(stored=[[1, -2, 3]]), polarity="true").samples.tolist() == [-1, 2, -3]
    assert sweep(group(stored=[[1, -2, 3]]), polarity="negative_up").samples.tolist() == [1, -2, 3]


def test_refuses_a_count_that_has_no_opposite():
    made = group(stored=[[LEAST, 0]], interpretation="SL")
    assert sweep(made).samples.tolist() == [LEAST, 0]
    refused(made, CHANNEL, "do not fit into 32 bits", polarity="true")


def test_big_endian_samples_are_swapped():
    made = group(stored=[[1, 256, -2]], order=">")
    assert sweep(made, syntax=BIG_ENDIAN).samples.tolist() == [1, 256, -2]


@pytest.mark.parametrize(
    ("sensitivity", "unit", "microvolts"),
    [
        ("0.5", "uV", 0.5),
        ("0.0005", "mV", 0.5),
        ("5.0E-7", "V", 0.5),
        ("500", "nV", 0.5),
        ("0.1", "uV", 0.1),
        ("0.0001", "mV", 0.1),
        ("0.305175781", "uV", 0.305175781),
        ("0.000305175781", "mV", 0.305175781),
        ("1", "V", 1e6),
    ],
)
def test_the_unit_does_not_change_the_scale(sensitivity, unit, microvolts):
    assert scaled([1, 2], ChannelSensitivity=sensitivity, unit=unit).microvolts_per_count == microvolts


def test_the_correction_factor_multiplies():
    found = scaled([1, 2], ChannelSensitivity="0.1", ChannelSensitivityCorrectionFactor="3")
    assert found.microvolts_per_count == 0.3  # not 0.30000000000000004
    assert found.samples.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("changes", "keyword", "reason"),
    [
        ({"ChannelSensitivity": None}, "ChannelSensitivity", "is missing"),
        ({"ChannelSensitivity": ""}, "ChannelSensitivity", "is missing"),
        ({"ChannelSensitivity": "0"}, "ChannelSensitivity", "above zero"),
        ({"ChannelSensitivity": "-1"}, "ChannelSensitivity", "above zero"),
        ({"ChannelSensitivity": "1000001"}, "ChannelSensitivity", "at most 1000000 uV"),
        ({"ChannelSensitivity": "1E999"}, "ChannelSensitivity", "out of range"),
        ({"ChannelSensitivity": "1,5"}, "ChannelSensitivity", "with a decimal point"),
        ({"ChannelSensitivity": "NaN"}, "ChannelSensitivity", "not a decimal number"),
        ({"ChannelSensitivity": "1\\2"}, "ChannelSensitivity", "not a decimal number"),
        ({"ChannelSensitivityCorrectionFactor": "0"}, "ChannelSensitivity", "above zero"),
        ({"ChannelSensitivityCorrectionFactor": "-1"}, "ChannelSensitivity", "above zero"),
        ({"ChannelBaseline": "x"}, "ChannelBaseline", "not a decimal number"),
        ({"unit": None}, "ChannelSensitivityUnitsSequence", "is missing"),
        ({"unit": "mm[Hg]"}, "ChannelSensitivityUnitsSequence", "one of nV, uV, mV, V (UCUM)"),
        ({"unit": "UV"}, "ChannelSensitivityUnitsSequence", "one of nV"),
        (
            {"ChannelSensitivityUnitsSequence": [code("uV", "DCM")]},
            "ChannelSensitivityUnitsSequence",
            "one of nV",
        ),
        (
            {"ChannelSensitivityUnitsSequence": [code("uV", "UCUM"), code("mV", "UCUM")]},
            "ChannelSensitivityUnitsSequence",
            "more than one item",
        ),
    ],
)
def test_refuses_a_scale_that_is_not_certain(changes, keyword, reason):
    refused(group(channel(**changes)), f"{CHANNEL}.{keyword}", reason)


@pytest.mark.parametrize("sensitivity", ["1E-330", "1E-400"])
def test_refuses_a_scale_too_small_for_a_number(sensitivity):
    refused(group(channel(ChannelSensitivity=sensitivity)), f"{CHANNEL}: microvolts_per_count", "above zero")


@pytest.mark.parametrize(
    ("stored", "sensitivity", "baseline", "microvolts", "counts"),
    [
        ([1, 2], "0.5", "10", 0.5, [21, 22]),
        ([1, 2], "0.5", "-10", 0.5, [-19, -18]),
        ([1, 2], "0.5", "0.05", 0.05, [11, 21]),
        ([1, 2], "0.5", "0.005", 0.005, [101, 201]),
        ([1, 2], "0.5", "0.0005", 0.0005, [1001, 2001]),
        ([1, 2], "3", "1", 0.003, [1333, 2333]),  # a third of a count is whole in none
        ([MOST // 10 - 1, 2], "0.5", "0.05", 0.05, [MOST // 10 * 10 - 9, 21]),
        ([MOST // 10 + 1, 2], "0.5", "0.05", 0.5, [MOST // 10 + 1, 2]),  # no room for tenths
        ([MOST // 100, 2], "3", "1", 0.03, [MOST // 100 * 100 + 33, 233]),  # no room for thousandths
    ],
)
def test_a_baseline_becomes_counts(stored, sensitivity, baseline, microvolts, counts):
    found = scaled(stored, interpretation="SL", ChannelSensitivity=sensitivity, ChannelBaseline=baseline)
    assert (found.microvolts_per_count, found.samples.tolist()) == (pytest.approx(microvolts), counts)


def test_a_baseline_is_turned_over_with_the_samples():
    made = group(channel(ChannelBaseline="5"), stored=[[1, 2]])
    assert sweep(made, polarity="true").samples.tolist() == [-6, -7]


def test_refuses_a_baseline_that_32_bits_do_not_hold():
    refused(group(channel(ChannelBaseline="3E9")), CHANNEL, "do not fit into 32 bits")


@given(
    st.lists(st.integers(LEAST, MOST), min_size=2, max_size=5),
    st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=4000),
    st.sampled_from(["true", "negative_up"]),
)
def test_microvolts_are_within_half_a_count(stored, baseline, polarity):
    text = f"{float(baseline):.9g}"
    sign = -1 if polarity == "true" else 1
    expected = [sign * (sample + float(text)) for sample in stored]
    assume(max(expected) < MOST - 1)
    assume(min(expected) > LEAST + 1)
    made = group(channel(ChannelBaseline=text), stored=[stored], interpretation="SL")
    assert sweep(made, polarity=polarity).microvolts == pytest.approx(expected, abs=0.5000001, rel=0)


@pytest.mark.parametrize(
    ("changes", "keyword", "reason"),
    [
        ({"WaveformSampleInterpretation": "UB"}, "WaveformSampleInterpretation", "one of SS, SL"),
        ({"WaveformSampleInterpretation": "US"}, "WaveformSampleInterpretation", "one of SS, SL"),
        ({"WaveformSampleInterpretation": None}, "WaveformSampleInterpretation", "one of SS, SL"),
        ({"WaveformBitsAllocated": 32}, "WaveformBitsAllocated", "must be 16"),
        ({"WaveformBitsAllocated": None}, "WaveformBitsAllocated", "must be 16"),
        ({"WaveformBitsAllocated": [16, 16]}, "WaveformBitsAllocated", "more than one value"),
        ({"NumberOfWaveformChannels": 2}, "NumberOfWaveformChannels", "number of items"),
        ({"NumberOfWaveformChannels": 0}, "NumberOfWaveformChannels", "number of items"),
        ({"NumberOfWaveformChannels": None}, "NumberOfWaveformChannels", "number of items"),
        (
            {"NumberOfWaveformChannels": 0, "ChannelDefinitionSequence": [], "WaveformData": b""},
            "NumberOfWaveformChannels",
            "1 or more",
        ),
        ({"NumberOfWaveformSamples": 1}, "NumberOfWaveformSamples", "2 to 1000000"),
        ({"NumberOfWaveformSamples": 2**32 - 1}, "NumberOfWaveformSamples", "2 to 1000000"),
        ({"NumberOfWaveformSamples": None}, "NumberOfWaveformSamples", "is missing"),
        ({"NumberOfWaveformSamples": 5}, "WaveformData", "has 12 bytes, declared are 10"),
        ({"NumberOfWaveformSamples": 7}, "WaveformData", "has 12 bytes, declared are 14"),
        ({"WaveformData": None}, "WaveformData", "has 0 bytes"),
        ({"SamplingFrequency": None}, "SamplingFrequency", "is missing"),
        ({"SamplingFrequency": "0"}, "SamplingFrequency", "above zero"),
        ({"SamplingFrequency": "4.9E-324"}, "SamplingFrequency", "above zero"),
        ({"SamplingFrequency": "-1"}, "SamplingFrequency", "out of range"),
    ],
)
def test_refuses_what_contradicts_the_samples(changes, keyword, reason):
    refused(group(**changes), f"WaveformSequence[0].{keyword}", reason)


def test_refuses_more_samples_than_a_sweep_has():
    made = group(stored=[range(11)])
    assert sweep(made, limits=Limits(sweep_samples=11)).samples.size == 11
    refused(made, "WaveformSequence[0].NumberOfWaveformSamples", "2 to 10", limits=Limits(sweep_samples=10))


def test_refuses_a_rate_beyond_any_amplifier():
    refused(group(SamplingFrequency="1E8"), f"{CHANNEL}: sampling_rate_hz", "at most")


@pytest.mark.parametrize("interpretation", ["SS", "SL"])
@pytest.mark.parametrize(("syntax", "order"), [(EXPLICIT, "<"), (BIG_ENDIAN, ">")])
@pytest.mark.parametrize(
    ("stored", "start_ms", "left"),
    [
        ([300, 300, 1, 2], -1.9, [1, 2]),
        ([1, 2, 300], -2.0, [1, 2]),
        ([300, 1, 2, 3, 300, 300], -1.95, [1, 2, 3]),
        ([1, 2, 3], -2.0, [1, 2, 3]),
    ],
)
def test_padding_is_cut_off(stored, start_ms, left, syntax, order, interpretation):
    made = group(stored=[stored], padding=300, order=order, interpretation=interpretation)
    found = sweep(made, syntax=syntax)
    assert found.samples.tolist() == left
    assert found.start_ms == pytest.approx(start_ms)


def test_padding_between_samples_is_refused():
    refused(group(stored=[[1, 9, 2]], padding=9), CHANNEL, "padding between samples")


def test_one_sample_is_no_sweep():
    refused(group(stored=[[9, 9, 2]], padding=9), f"{CHANNEL}: samples", "at least two samples")


def test_a_padding_value_is_as_wide_as_a_sample():
    refused(
        group(WaveformPaddingValue=bytes(4)), "WaveformSequence[0].WaveformPaddingValue", "must have 2 bytes"
    )


@pytest.mark.parametrize(
    ("offset", "position", "start_ms"),
    [
        ("-2.5", None, -2.5),
        ("1.25", None, 1.25),
        (None, 1, 0.0),
        (None, 41, -2.0),
        ("-2", 41, -2.0),
        ("-2.04", 41, -2.04),
        ("-2", 42, -2.0),
    ],
)
def test_the_trigger_is_the_stimulus(offset, position, start_ms):
    assert sweep(group(TriggerTimeOffset=offset, TriggerSamplePosition=position)).start_ms == start_ms


@pytest.mark.parametrize(
    ("offset", "position", "keyword", "reason"),
    [
        (None, None, "TriggerTimeOffset", "is missing, and TriggerSamplePosition too"),
        (None, 0, "TriggerSamplePosition", "must be 1 or more"),
        ("-2", 43, "TriggerTimeOffset", "contradicts TriggerSamplePosition"),
        ("-2", 1, "TriggerTimeOffset", "contradicts TriggerSamplePosition"),
        ("soon", None, "TriggerTimeOffset", "not a decimal number"),
    ],
)
def test_refuses_a_sweep_without_a_stimulus(offset, position, keyword, reason):
    made = group(TriggerTimeOffset=offset, TriggerSamplePosition=position)
    refused(made, f"WaveformSequence[0].{keyword}", reason)


def test_refuses_a_start_that_is_far_away():
    refused(group(TriggerTimeOffset="-20000"), f"{CHANNEL}: start_ms", "must be within")
    made = group(TriggerTimeOffset=None, TriggerSamplePosition=2**32 - 1, SamplingFrequency="0.001")
    refused(made, f"{CHANNEL}: start_ms", "must be within")


@pytest.mark.parametrize(
    ("time", "samples", "start_ms"),
    [
        ("0.000025", None, -1.975),
        (None, "0.5", -1.975),
        (None, "-2", -2.1),
        ("0.000025", "0.5", -1.975),
        ("0.000026", "0.5", -1.974),
        (None, None, -2.0),
    ],
)
def test_a_skew_moves_the_start(time, samples, start_ms):
    found = sweep(group(channel(ChannelTimeSkew=time, ChannelSampleSkew=samples)))
    assert found.start_ms == pytest.approx(start_ms)


def test_refuses_skews_that_contradict_each_other():
    made = group(channel(ChannelTimeSkew="0.000025", ChannelSampleSkew="0"))
    refused(made, f"{CHANNEL}.ChannelTimeSkew", "contradicts ChannelSampleSkew")


@given(st.integers(1, 5), st.integers(2, 40), st.randoms())
def test_channels_are_interleaved(channels, samples, random):
    stored = [[random.randrange(-(2**15) + 1, 2**15) for _ in range(samples)] for _ in range(channels)]
    made = emg(group(*(channel() for _ in range(channels)), stored=stored))
    found = read(file(made), Reading(anatomy=ANATOMY, polarity="negative_up")).study.recordings
    assert [recording.waveform and recording.waveform.samples.tolist() for recording in found] == stored


@pytest.mark.parametrize("bits", [1, 12, 15])
def test_refuses_samples_that_do_not_fit_the_bits_they_are_said_to_have(bits: int) -> None:
    """A 12 bit converter whose sign was not extended stores -1 as 4095."""
    made = group(channel(WaveformBitsStored=bits), stored=[[0, 2**bits - 1]])
    with pytest.raises(DataError, match="WaveformBitsStored: is less than the samples"):
        sweep(made)


@pytest.mark.parametrize(("bits", "most"), [(12, 2047), (16, 32767)])
def test_takes_samples_up_to_the_bits_they_have(bits: int, most: int) -> None:
    made = group(channel(WaveformBitsStored=bits), stored=[[-most - 1, most]])
    assert sweep(made, polarity="negative_up").samples.tolist() == [-most - 1, most]


def test_refuses_more_bits_than_there_are() -> None:
    with pytest.raises(DataError, match="WaveformBitsStored: must be WaveformBitsAllocated at most"):
        sweep(group(channel(WaveformBitsStored=32)))
