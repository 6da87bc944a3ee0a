"""What becomes of the channels of an object; the parts have tests of their own."""

from pathlib import Path
from typing import Any

import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.limits import Limits
from gateway.domain.recording import Stimulus
from gateway.errors import DataError
from gateway.formats import Document, Format, Reading
from gateway.formats.dicom import FORMAT
from tests.dicom_files import (
    BIG_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    ULNAR,
    WAVE,
    channel,
    emg,
    file,
    group,
    said,
    ulnar,
)
from tests.factories import cmap, motor, reference, study

ANATOMY = reference().anatomy
ECG = Path(pydicom.data.__file__).parent / "test_files" / "waveform_ecg.dcm"  # comes with pydicom


def read(data: bytes, **changes: Any) -> Document:
    return FORMAT.read(data, Reading(anatomy=ANATOMY, **changes))


def test_is_a_format():
    taken: Format = FORMAT
    data = file()
    assert (taken.name, taken.suffix, taken.folds) == ("dicom", ".dcm", True)
    assert taken.sniff(data[:512])
    assert not taken.sniff(data[:131])
    assert not taken.sniff(b"DICM")


def test_reads_what_it_writes():
    written = study(motor("wrist", waveform=cmap()), study_id="1.2.3")
    (data,) = FORMAT.write(written, ANATOMY)
    assert read(data).study == written


def test_reads_a_recording():
    document = read(file())
    (recording,) = document.study.recordings
    assert recording.name == "motor ulnar right adm wrist"
    assert recording.waveform is not None
    assert recording.waveform.samples.tolist() == [-sample for sample in WAVE]
    assert recording.waveform.start_ms == -2.0
    assert recording.waveform.sampling_rate_hz == 20000
    assert recording.measured is None
    assert document.notices == ()


def test_refuses_a_file_beyond_the_limit():
    data = file()
    read(data, limits=Limits(document_bytes=len(data)))
    with pytest.raises(DataError, match=f"larger than {len(data) - 1} bytes"):
        read(data, limits=Limits(document_bytes=len(data) - 1))


def test_refuses_another_class():
    with pytest.raises(DataError, match="SOPClassUID: must be Electromyogram Waveform Storage"):
        read(file(emg(SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.1")))


def test_refuses_a_real_ecg():
    with pytest.raises(DataError, match="SOPClassUID: must be Electromyogram Waveform Storage"):
        read(ECG.read_bytes())


def test_every_group_and_channel_is_a_recording():
    first = group(channel(), channel(ULNAR["right"]), stored=[[1, 2, 3], [4, 5, 6]])
    second = group(channel(), stored=[[7, 8]])
    annotations = [
        said("NERVE", coded=ULNAR["right"], channels=[1, 0, 2, 1]),
        said("STIM-SITE", text="wrist", channels=[1, 0]),
        said("STIM-SITE", text="below elbow", channels=[2, 1]),
        said("REC-SITE", text="Digit V", channels=[1, 2]),
    ]
    found = read(file(emg(first, second, annotations=annotations)), polarity="negative_up").study.recordings
    assert [(entry.name, entry.waveform.samples.tolist()) for entry in found if entry.waveform] == [
        ("motor ulnar right adm wrist", [1, 2, 3]),
        ("sensory ulnar right digit_5 wrist", [4, 5, 6]),
        ("motor ulnar right adm below_elbow", [7, 8]),
    ]


def test_reads_how_it_was_stimulated_and_recorded():
    annotations = [
        *ulnar(),
        said("STIM-CURRENT", number="0.038", unit="A"),
        said("STIM-WIDTH", number="200", unit="us"),
        said("SUPRAMAX", text="Y"),
        said("DISTANCE", number="7", unit="cm"),
        said("DISTANCE-REC", number="70", unit="mm"),
        said("SITE-POSITION", number="90", unit="mm"),
        said("SKIN-TEMP", number="33.1", unit="Cel"),
        said("AVERAGES", number="8", unit="1"),
        said("GAIN", number="2", unit="mV"),
        said("MONTAGE", text="belly-tendon"),
        said("OPERATOR", text="op 7"),
    ]
    filters = {"FilterLowFrequency": "2", "FilterHighFrequency": "10000", "NotchFilterFrequency": "50"}
    (found,) = read(file(emg(group(channel(**filters)), annotations=annotations))).study.recordings
    assert found.stimulus == Stimulus(intensity_ma=38.0, duration_ms=0.2, supramaximal=True)
    assert (found.distance_mm, found.distance_to_recording_mm, found.site_position_mm) == (70.0, 70.0, 90.0)
    assert found.skin_temperature_c == 33.1
    assert (found.averages, found.gain_uv_per_div) == (8, 2000.0)
    assert (found.montage_id, found.operator) == ("belly-tendon", "op 7")
    assert (found.filter_hz, found.notch_hz) == ((2.0, 10000.0), 50.0)


@pytest.mark.parametrize(("said_so", "flag"), [("Y", True), ("N", False), ("U", None)])
def test_supramaximal_is_yes_no_or_unknown(said_so, flag):
    (found,) = read(file(emg(annotations=[*ulnar(), said("SUPRAMAX", text=said_so)]))).study.recordings
    assert found.stimulus.supramaximal is flag


@pytest.mark.parametrize("keyword", ["FilterLowFrequency", "FilterHighFrequency"])
def test_a_filter_needs_both_ends(keyword):
    (found,) = read(file(emg(group(channel(**{keyword: "20"}))))).study.recordings
    assert found.filter_hz is None


@pytest.mark.parametrize(
    ("status", "signal_status", "simulated"),
    [
        ("OK", None, False),
        ("TEST DATA", None, True),
        ("QUESTIONABLE", "questionable", False),
        ("UNZEROED", "unzeroed", False),
        ("UNZEROED\\TEST DATA", "unzeroed", True),
        (None, None, False),
    ],
)
def test_a_status_stays_with_the_recording(status, signal_status, simulated):
    found = read(file(emg(group(channel(ChannelStatus=status)))))
    assert found.study.recordings[0].signal_status == signal_status
    assert found.study.header.simulated is simulated
    assert found.notices == ()


@pytest.mark.parametrize(
    ("status", "told"),
    [("DISCONNECTED", False), ("INVALID", True), ("OK\\UNCALIBRATED", True), ("TESTDATA", True)],
)
def test_a_status_leaves_a_channel_out(status, told):
    found = read(file(emg(group(channel("7:1", ChannelStatus=status), channel()))))
    assert len(found.study.recordings) == 1
    known = "OK, TEST DATA, DISCONNECTED, QUESTIONABLE, UNZEROED"
    place = "WaveformSequence[0].ChannelDefinitionSequence[0].ChannelStatus"
    notice = f"{place}: is INVALID, UNCALIBRATED or none of {known}: the channel is left out"
    assert found.notices == ((notice,) if told else ())


def test_all_padding_leaves_a_channel_out():
    found = read(file(emg(group(channel(), channel(), stored=[[9, 9, 9], [9, 2, 3]], padding=9))))
    assert len(found.study.recordings) == 1
    place = "WaveformSequence[0].ChannelDefinitionSequence[0]"
    assert found.notices == (f"{place}: every sample is padding: the channel is left out",)


@pytest.mark.parametrize(
    ("status", "why"), [("DISCONNECTED", "no channel is connected"), ("INVALID", ".*INVALID")]
)
def test_refuses_a_file_without_a_recording(status, why):
    with pytest.raises(DataError, match=f"^WaveformSequence: no recording is left: {why}"):
        read(file(emg(group(channel(ChannelStatus=status)))))


def test_refuses_a_file_without_a_group():
    with pytest.raises(DataError, match=r"^WaveformSequence: is missing$"):
        read(file(emg(WaveformSequence=[], WaveformAnnotationSequence=[])))


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        (said("STIM-SITE", text="ankle"), "ChannelDefinitionSequence[0]: stimulation_site"),
        (said("DISTANCE", number="1e6", unit="mm"), "ChannelDefinitionSequence[0]: distance_mm"),
        (said("CMAP-AMP", number="1e6", unit="mV"), "ChannelDefinitionSequence[0]: amplitude_mv"),
    ],
)
def test_places_what_the_domain_refuses(bad, place):
    annotations = [said("NERVE", coded=ULNAR["right"]), bad]
    with pytest.raises(DataError) as refused:
        read(
            file(
                emg(
                    group(MultiplexGroupLabel="wrist" if "STIM" not in str(bad) else None),
                    annotations=annotations,
                )
            )
        )
    assert refused.value.place == f"WaveformSequence[0].{place}"


@pytest.mark.parametrize("number", ["0", "1.5"])
def test_refuses_averages_that_are_no_count(number):
    with pytest.raises(DataError, match="NumericValue: not a count of sweeps"):
        read(file(emg(annotations=[*ulnar(), said("AVERAGES", number=number)])))


@pytest.mark.parametrize(
    ("acquired", "offset", "expected"),
    [
        ("20261102101503.25+0200", None, "2026-11-02T10:15:03.250000+02:00"),
        ("20261102101503", None, "2026-11-02T10:15:03+01:00"),
        ("20261102101503", "1500", "2026-11-02T10:15:04.500000+01:00"),
        ("20261102", "1500", None),
        (None, None, None),
    ],
)
def test_a_recording_has_the_time_of_its_group(acquired, offset, expected):
    found = read(file(emg(group(MultiplexGroupTimeOffset=offset), AcquisitionDateTime=acquired)))
    assert found.study.recordings[0].recorded_at == expected


def test_several_groups_without_offsets_have_no_time():
    both = [said("NERVE", coded=ULNAR["right"], channels=[1, 0, 2, 0])]
    groups = (
        group(MultiplexGroupLabel="wrist"),
        group(MultiplexGroupLabel="axilla", MultiplexGroupTimeOffset="0"),
    )
    found = read(file(emg(*groups, annotations=both, AcquisitionDateTime="20261102101503")))
    times = [recording.recorded_at for recording in found.study.recordings]
    assert times == [None, "2026-11-02T10:15:03+01:00"]


UNITS = {"nV": (0.001, -3), "uV": (1.0, 0), "mV": (1000.0, 3), "V": (1e6, 6)}


@given(
    st.data(),
    st.sampled_from([(IMPLICIT, "<"), (EXPLICIT, "<"), (BIG_ENDIAN, ">")]),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from([("SS", 15), ("SL", 20)]),
    st.integers(1, 4),
    st.integers(-5000, 5000),
    st.sampled_from(["true", "negative_up"]),
)
def test_the_same_microvolts_in_every_encoding(data, syntax, unit, form, channels, baseline, polarity):
    sweep = st.lists(st.integers(-(2 ** form[1]), 2 ** form[1] - 1), min_size=3, max_size=3)
    stored = data.draw(st.lists(sweep, min_size=channels, max_size=channels))
    # half a microvolt a count, the baseline in tenths of a count
    sensitivity, offset = 0.5 / UNITS[unit][0], 0.05 * baseline / UNITS[unit][0]
    definition = {"ChannelSensitivity": f"{sensitivity:.9g}", "ChannelBaseline": f"{offset:.9g}"}
    made = emg(
        group(
            *(channel(unit=unit, **definition) for _ in range(channels)),
            stored=stored,
            interpretation=form[0],
            order=syntax[1],
        )
    )
    undefined = data.draw(st.booleans())
    found = read(file(made, syntax=syntax[0], undefined_length=undefined), polarity=polarity).study.recordings
    sign = -1 if polarity == "true" else 1
    for recording, sweep in zip(found, stored, strict=True):
        expected = [sign * (0.5 * sample + 0.05 * baseline) for sample in sweep]
        assert recording.waveform is not None
        assert recording.waveform.microvolts.tolist() == pytest.approx(expected, abs=1e-6)
