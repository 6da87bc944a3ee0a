"""A stimulation site off the course of a nerve is read and written by every format like any other."""

import pytest

from gateway.domain.recording import Recording
from gateway.formats import Reading, installed_formats
from tests.factories import cmap, motor, reference, study

MALLEOLUS: Recording = motor(
    "lateral_malleolus", nerve="fibular", recording_site="edb", measured=None, waveform=cmap()
)


@pytest.mark.parametrize("name", ["study", "lis", "dicom"])
def test_it_comes_back_as_it_was_written(name: str) -> None:
    entry, anatomy = installed_formats()[name], reference().anatomy

    written = entry.write(study(MALLEOLUS), anatomy)
    read = [entry.read(data, Reading(anatomy=anatomy)) for data in written]

    found = [recording for document in read for recording in document.study.recordings]
    assert [(one.nerve, one.recording_site, one.stimulation_site) for one in found] == [
        ("fibular", "edb", "lateral_malleolus")
    ]
