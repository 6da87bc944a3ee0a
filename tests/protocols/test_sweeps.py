"""Sweeps over HL7: what arrives is the curve, within a tenth of the cart's own step, however long it was."""

from dataclasses import replace

import hl7
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.hl7_validation import validate
from gateway.domain.assessment import Assessment
from gateway.domain.recording import Recording, Waveform
from gateway.domain.thinning import thinned
from gateway.pipeline.stages import assessment, examine
from gateway.protocols import er7
from gateway.protocols.numbering import Numbering
from gateway.protocols.oru import MessageHeader, encode
from gateway.protocols.sweeps import MAX_SAMPLES, Sweep
from tests.factories import cmap, motor, reference, study, waveform
from tests.spec.test_hl7_v2_5_1 import NOW

steps = st.floats(1e-6, 1000.0) | st.sampled_from([1.0, 0.5, 0.1, 0.30517578125, 10.0])
counts = st.lists(st.integers(-(2**15), 2**15), min_size=2, max_size=40)


def assessed(*recordings: Recording) -> Assessment:
    return assessment(examine(study(*recordings), reference()), reference())


def oru(
    *recordings: Recording,
    waveforms: bool = True,
    numbering: Numbering | None = None,
    earlier: Assessment | None = None,
) -> bytes:
    return encode(
        assessed(*recordings),
        study_code="7K3FABCD",
        control_id="C-1",
        sender=MessageHeader(waveforms=waveforms),
        created=NOW,
        numbering=numbering or Numbering(),
        anatomy=reference().anatomy,
        earlier=earlier,
    )


def observed(raw: bytes, code: str) -> list[er7.Segment]:
    return [entry for entry in er7.parse(raw).all("OBX") if entry.text(3) == code]


@given(counts, steps)
def test_every_count_can_be_read_back(samples: list[int], step: float) -> None:
    sweep = Sweep(waveform(samples, uv=step))
    read = [float(value) for value in sweep.values]
    if step > 1e-5:  # a picovolt is the last decimal
        assert [round(value / step) for value in read] == samples
    assert all(
        abs(value - count * step) <= max(step / 10, 1e-6) for value, count in zip(read, samples, strict=True)
    )


@given(st.integers(2, 50_000))
def test_no_sweep_has_more_values_than_the_bound_and_its_times_stay(size: int) -> None:
    whole = waveform(np.arange(size), start_ms=-2.0)
    sweep = Sweep(whole)
    values = [float(value) for value in sweep.values]
    assert len(values) <= MAX_SAMPLES
    times = sweep.start_ms + np.arange(len(values)) * 1000.0 / sweep.rate_hz
    # a straight line of one microvolt a sample stays that line
    assert np.allclose(times, whole.start_ms + np.array(values) * 1000.0 / whole.sampling_rate_hz, atol=0.01)


def test_what_is_too_fast_for_the_new_rate_does_not_become_a_slow_wave() -> None:
    sweep = Sweep(waveform([500, -500] * 2000))
    assert sweep.step == 4
    assert set(sweep.values) == {"0.0"}


@pytest.mark.parametrize(("step", "value"), [(1.0, "7"), (10.0, "70"), (0.5, "3.5"), (0.30517578125, "2.14")])
def test_no_value_has_more_digits_than_the_cart_could_tell_apart(step: float, value: str) -> None:
    assert Sweep(waveform([7, 0], uv=step)).values[0] == value


def test_a_sweep_stands_under_its_site_with_its_unit_rate_and_start() -> None:
    raw = oru(motor("wrist", waveform=waveform([0, 5, -5, 0])))
    (curve,), (rate,), (start,) = (observed(raw, c) for c in ("WAVEFORM", "WAVE-RATE", "WAVE-START"))
    assert curve.er7.split("|")[2:7] == [
        "NA",
        "WAVEFORM^Sweep, negative up^99EMGGW",
        "1.1",
        "0^5^-5^0",
        "uV^microvolt^UCUM",
    ]
    assert (rate.raw(5), rate.text(6), start.raw(5), start.text(6)) == ("20000", "Hz", "-2", "ms")
    assert {entry.text(4) for entry in (curve, rate, start)} == {"1.1"}
    assert {entry.text(11) for entry in (curve, rate, start)} == {"P"}


def test_a_long_sweep_says_that_it_was_thinned() -> None:
    raw = oru(motor("wrist", waveform=waveform(np.arange(4800))))
    notes = [note.text(3) for note in er7.parse(raw).all("NTE")]
    assert "Each value is the mean of 5 samples" in notes
    (rate,) = observed(raw, "WAVE-RATE")
    assert rate.raw(5) == "4000"


def test_who_does_not_ask_for_waveforms_is_sent_none_also_when_they_are_withdrawn() -> None:
    with_sweep = motor("wrist", waveform=waveform([0, 5, -5, 0]))
    assert observed(oru(with_sweep, waveforms=False), "WAVEFORM") == []
    numbers = Numbering().extended(assessed(with_sweep), reference().anatomy)
    without = motor("wrist")
    assert [obx.text(11) for obx in observed(oru(without, numbering=numbers), "WAVEFORM")] == ["D"]
    assert observed(oru(without, numbering=numbers, waveforms=False), "WAVEFORM") == []


def test_hl7apy_and_python_hl7_read_a_whole_sweep() -> None:
    curve: Waveform = waveform(np.arange(-500, 500), uv=0.1)
    raw = oru(motor("wrist", waveform=curve))
    assert validate(raw) == []
    (obx,) = [entry for entry in hl7.parse(raw.decode()).segments("OBX") if str(entry[3][0][0]) == "WAVEFORM"]
    read = [float(str(component)) for component in obx[5][0]]
    assert np.allclose(read, curve.microvolts)


def test_a_numeric_array_with_a_word_in_it_is_no_numeric_array() -> None:
    raw = oru(motor("wrist", waveform=waveform([0, 5, -5, 0])))
    assert validate(raw.replace(b"|0^5^-5^0|", b"|0^5^x^0|")) == ["OBX WAVEFORM 1.1: OBX-5 is not a number"]
    assert validate(raw.replace(b"|0^5^-5^0|", b"|0^5~-5^0|")) == []


def test_a_curve_that_was_given_up_for_space_is_not_taken_back() -> None:
    whole = replace(motor("wrist", waveform=cmap(onset_ms=2.9)), identity="first")
    numbers = Numbering().extended(assessed(whole), reference().anatomy)
    gone = thinned(whole, reference().markers)
    corrected = replace(gone, distance_mm=80.0)
    raw = oru(corrected, numbering=numbers, earlier=assessed(gone))
    assert [observed(raw, code) for code in ("WAVEFORM", "WAVE-RATE", "WAVE-START")] == [[], [], []]
    assert [obx.text(5) for obx in observed(raw, "DISTANCE")] == ["80"]


@pytest.mark.parametrize("earlier", ["another recording", "nothing"])
def test_the_curve_of_a_recording_that_counts_no_more_is_taken_back_also_when_others_are_gone(
    earlier: str,
) -> None:
    first = replace(motor("wrist", waveform=cmap(onset_ms=2.9)), identity="first")
    second = replace(motor("wrist", waveform=cmap(onset_ms=3.4)), identity="second")
    numbers = Numbering().extended(assessed(first), reference().anatomy)
    before = assessed(thinned(first, reference().markers)) if earlier == "another recording" else None
    raw = oru(thinned(second, reference().markers), numbering=numbers, earlier=before)
    codes = ("WAVEFORM", "WAVE-RATE", "WAVE-START")
    assert [obx.text(11) for code in codes for obx in observed(raw, code)] == ["D"] * 3
