"""DICOM Electromyogram Waveform Storage: `FORMAT` reads and writes it; what it is stands in `profile`."""

from typing import Final

from gateway.domain.anatomy import Anatomy
from gateway.domain.study import Study
from gateway.formats import Document, Reading
from gateway.formats.dicom.reading import read
from gateway.formats.dicom.structure import PREFIX, PREFIX_AT
from gateway.formats.dicom.writing import write


class _Dicom:
    """The EMG waveform object as `gateway.formats.Format`: a study is one file or several."""

    name: Final = "dicom"
    suffix: Final = ".dcm"
    folds: Final = True

    def sniff(self, start: bytes) -> bool:
        """Whether it has the prefix of a DICOM file."""
        return start.startswith(PREFIX, PREFIX_AT)

    def read(self, data: bytes, reading: Reading) -> Document:
        """The part of a study that a file holds."""
        return read(data, reading)

    def write(self, study: Study, anatomy: Anatomy) -> tuple[bytes, ...]:
        """One file for each recording of `study`."""
        return write(study, anatomy)


FORMAT: Final = _Dicom()
