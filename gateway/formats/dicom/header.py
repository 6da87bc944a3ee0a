"""The header of the study an object belongs to: patient, device, order, clinical facts.

Machines fill in what PS3.3 lets be empty (types 2 and 3) carelessly. A field that cannot be read becomes
unknown, with a notice; the study and its time have to be there.
"""

import re
from collections.abc import Callable
from typing import Final, Literal, TypeVar

from gateway.domain.study import ClinicalFacts, Device, Order, Patient, StudyHeader
from gateway.errors import DataError
from gateway.formats.dicom import profile
from gateway.formats.dicom.annotations import Notes
from gateway.formats.dicom.elements import DataSet
from gateway.formats.dicom.times import Clock, read_date

_T = TypeVar("_T")

# Looser than what is written: machines put zeros before a component.
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)+", re.ASCII)
_LONGEST_UID: Final = 64  # PS3.5 9.1
# More than anybody ever had (272 cm, 635 kg): PatientSize in cm, PatientWeight in g.
_TALLEST_CM: Final = 300.0
_HEAVIEST_KG: Final = 700.0
_UNKNOWN: Final = "unknown"  # what stands in a type 1 field that nobody knows
_SEXES: Final[dict[str, Literal["F", "M", "O"] | None]] = {"F": "F", "M": "M", "O": "O", "": None}


def read_header(
    holder: DataSet, context: Notes, clock: Clock, *, simulated: bool
) -> tuple[StudyHeader, list[DataError]]:
    """The header and what in it could not be read; DataError where the study or its time is not known."""
    study_id = holder.text("StudyInstanceUID")
    if not _UID.fullmatch(study_id) or len(study_id) > _LONGEST_UID:
        raise holder.error("StudyInstanceUID", f"must be a UID of up to {_LONGEST_UID} characters")
    fields = _Fields(holder)
    header = StudyHeader(
        study_id=study_id,
        performed_at=clock.study_time(),
        patient=_patient(fields),
        device=Device(
            manufacturer=fields.known("Manufacturer"),
            model=fields.known("ManufacturerModelName"),
            serial=fields.known("DeviceSerialNumber"),
        ),
        order=Order(
            placer=fields.text("PlacerOrderNumberImagingServiceRequest"),
            accession=fields.text("AccessionNumber"),
        ),
        clinical=_clinical(context),
        simulated=simulated,
    )
    return header, fields.wrong


class _Fields:
    """The optional fields of an object, and those that could not be read."""

    def __init__(self, holder: DataSet) -> None:
        self.holder = holder
        self.wrong: list[DataError] = []

    def attempt(self, read: Callable[[], _T | None]) -> _T | None:
        """What `read` gives; None where it finds the field wrong."""
        try:
            return read()
        except DataError as error:
            self.wrong.append(error)
            return None

    def text(self, keyword: str) -> str | None:
        """A text; None where it is empty."""
        return self.attempt(lambda: self.holder.text(keyword)) or None

    def known(self, keyword: str) -> str | None:
        """A text; None where it is empty or says that it is unknown."""
        text = self.text(keyword)
        return None if text is None or text.casefold() == _UNKNOWN else text


def _patient(fields: _Fields) -> Patient:
    holder = fields.holder
    # PS3.5 6.2.1.2: alphabetic=ideographic=phonetic, each family^given^middle^prefix^suffix
    groups = (fields.text("PatientName") or "").split("=")
    family, given, *_ = (*next(filter(None, groups), "").split("^"), "", "")
    return Patient(
        id=fields.text("PatientID"),
        family=family.strip() or None,
        given=given.strip() or None,
        birth_date=fields.attempt(lambda: read_date(holder, "PatientBirthDate")),
        sex=fields.attempt(lambda: _sex(holder)),
        height_cm=fields.attempt(lambda: _size(holder, "PatientSize", _TALLEST_CM, shift=2)),
        weight_kg=fields.attempt(lambda: _size(holder, "PatientWeight", _HEAVIEST_KG)),
    )


def _size(holder: DataSet, keyword: str, most: float, *, shift: int = 0) -> float | None:
    value = holder.number(keyword, shift=shift)
    if value is not None and value > most:
        raise holder.error(keyword, "more than any person has: is the unit right?")
    return value or None


def _sex(holder: DataSet) -> Literal["F", "M", "O"] | None:
    text = holder.text("PatientSex")
    if text not in _SEXES:
        raise holder.error("PatientSex", "must be F, M or O")
    return _SEXES[text]


def _clinical(context: Notes) -> ClinicalFacts:
    def flag(annotation: profile.Annotation) -> bool | None:
        return profile.FLAGS.get(context.text(annotation) or "")

    return ClinicalFacts(
        symptom_onset_days=context.number(profile.SYMPTOM_ONSET),
        umn_signs=flag(profile.UMN_SIGNS),
        anti_gm1_igm=profile.ANTI_GM1_RESULTS.get(context.text(profile.ANTI_GM1) or ""),
        csf_protein_g_l=context.number(profile.CSF_PROTEIN),
        plexus_mri_abnormal=flag(profile.PLEXUS_MRI),
        ivig_response=flag(profile.IVIG_RESPONSE),
    )
