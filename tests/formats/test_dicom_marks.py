"""What the machine itself marked on a curve."""

import pytest

from gateway.domain.recording import NO_RESPONSE, Modality, MotorMarks, Recording, SensoryMarks, Side
from gateway.errors import DataError
from gateway.formats import Reading
from gateway.formats.dicom.reading import read
from tests.dicom_files import ADM, ULNAR, channel, emg, file, group, said, ulnar
from tests.factories import reference

READING = Reading(anatomy=reference().anatomy)


def only(*groups, annotations) -> Recording:
    (recording,) = read(file(emg(*groups, annotations=annotations)), READING).study.recordings
    return recording


def test_reads_the_marks_of_a_motor_recording():
    marks = [
        said("CMAP-LAT", number="2.9", unit="ms"),
        said("CMAP-AMP", number="9000", unit="uV"),
        said("CMAP-PPA", number="12", unit="mV"),
        said("CMAP-AREA", number="28", unit="mV.ms"),
        said("CMAP-DUR", number="6", unit="ms"),
        said("CMAP-TDUR", number="9", unit="ms"),
        said("CMAP-PLAT", number="5.1", unit="ms"),
    ]
    found = only(annotations=[*ulnar(), *marks])
    assert found.measured == MotorMarks(
        onset_latency_ms=2.9,
        peak_latency_ms=5.1,
        amplitude_mv=9.0,
        peak_to_peak_mv=12.0,
        negative_area_mv_ms=28.0,
        negative_duration_ms=6.0,
        total_duration_ms=9.0,
    )


def test_reads_the_marks_of_a_sensory_recording():
    annotations = [
        said("STIM-SITE", text="wrist"),
        said("REC-SITE", text="digit_5"),
        said("SNAP-LAT", number="2.4", unit="ms"),
        said("SNAP-AMP", number="0.022", unit="mV"),
    ]
    found = only(group(channel(ULNAR["left"])), annotations=annotations)
    assert found.measured == SensoryMarks(onset_latency_ms=2.4, amplitude_uv=22.0)
    assert (found.modality, found.side) == (Modality.SENSORY, Side.LEFT)


@pytest.mark.parametrize(
    ("source", "mark"),
    [
        (ULNAR["right"], said("CMAP-AMP", number="9", unit="mV")),
        (ADM["right"], said("SNAP-LAT", number="2", unit="ms")),
    ],
)
def test_refuses_a_mark_of_the_other_modality(source, mark):
    annotations = [*ulnar(), said("REC-SITE", text="digit_5"), mark]
    with pytest.raises(DataError, match=r"^WaveformAnnotationSequence\[3\]: \S+ is not measured in a"):
        only(group(channel(source)), annotations=annotations)


@pytest.mark.parametrize("unit", [None, "1"])
def test_reads_that_there_was_no_response(unit):
    found = only(annotations=[*ulnar(), said("NORESP", number="1", unit=unit)])
    assert found.measured is NO_RESPONSE


def test_refuses_marks_of_an_absent_response():
    marks = [said("NORESP", number="1"), said("CMAP-AMP", number="9", unit="mV", channels=[1, 1])]
    with pytest.raises(
        DataError, match=r"WaveformAnnotationSequence\[2\]: marks of a response that is absent"
    ):
        only(annotations=[*ulnar(), *marks])
