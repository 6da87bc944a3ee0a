"""The header of the study: times and zones, patient, device, order, clinical facts."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.study import ClinicalFacts, Device, Order, Patient, StudyHeader
from gateway.errors import DataError
from gateway.formats import Document, Reading
from gateway.formats.dicom.reading import read
from tests.dicom_files import emg, file, group, put, said
from tests.factories import reference

READING = Reading(anatomy=reference().anatomy)

ANATOMY = reference().anatomy


def document(*, zone=None, context=(), **values) -> Document:
    return read(file(emg(context=context, **values)), Reading(anatomy=ANATOMY, timezone=zone))


def header(**changes) -> StudyHeader:
    return document(**changes).study.header


def patient(**changes) -> Patient:
    return header(**changes).patient


def refused(place, reason, **changes):
    with pytest.raises(DataError) as error:
        document(**changes)
    assert error.value.place == place
    assert reason in error.value.reason


# Identity and time


@pytest.mark.parametrize("uid", ["1.2.3", "2.25.123", "1.2.840.05.1", "1." + "2" * 62])
def test_the_study_is_its_uid(uid):
    assert header(StudyInstanceUID=uid).study_id == uid


@pytest.mark.parametrize(
    "uid", [None, "", "S-1", "1", "1..2", ".1", "1.2.", "1." + "2" * 63, "1.2\\1.3", "1.2 3"]
)
def test_refuses_a_study_without_a_uid(uid):
    refused("StudyInstanceUID", "must be a UID of up to 64 characters", StudyInstanceUID=uid)


@pytest.mark.parametrize(
    ("changes", "performed_at"),
    [
        ({}, "2026-11-02T10:15:00+01:00"),
        ({"StudyTime": "10"}, "2026-11-02T10:00:00+01:00"),
        ({"StudyTime": "1015"}, "2026-11-02T10:15:00+01:00"),
        ({"StudyTime": "101503.5"}, "2026-11-02T10:15:03.500000+01:00"),
        ({"StudyTime": "101503.123456"}, "2026-11-02T10:15:03.123456+01:00"),
        ({"TimezoneOffsetFromUTC": "-0430"}, "2026-11-02T10:15:00-04:30"),
        ({"TimezoneOffsetFromUTC": None, "zone": UTC}, "2026-11-02T10:15:00+00:00"),
        ({"TimezoneOffsetFromUTC": "", "zone": ZoneInfo("Europe/Prague")}, "2026-11-02T10:15:00+01:00"),
        ({"zone": UTC}, "2026-11-02T10:15:00+01:00"),
        ({"StudyTime": "", "AcquisitionDateTime": "20261102101503"}, "2026-11-02T10:15:03+01:00"),
        ({"StudyDate": "", "AcquisitionDateTime": "20261102101503-0500"}, "2026-11-02T10:15:03-05:00"),
    ],
)
def test_a_study_has_a_time(changes, performed_at):
    assert header(**changes).performed_at == performed_at


def test_a_time_without_a_zone_is_of_this_machine():
    there = datetime(2026, 11, 2, 10, 15).astimezone().isoformat()
    assert header(TimezoneOffsetFromUTC=None).performed_at == there


@pytest.mark.parametrize(
    ("changes", "place", "reason"),
    [
        ({"StudyDate": "20261302"}, "StudyTime", "there is no such date or time"),
        ({"StudyDate": "202611"}, "StudyDate", "not a date (YYYYMMDD)"),
        ({"StudyDate": "2026.11.02"}, "StudyDate", "not a date (YYYYMMDD)"),
        ({"StudyDate": "18261102"}, "StudyDate", "not a date (YYYYMMDD)"),
        ({"StudyTime": "10:15"}, "StudyTime", "not a date and time"),
        ({"StudyTime": "256000"}, "StudyTime", "there is no such date or time"),
        ({"StudyTime": ""}, "StudyTime", "is missing, and so are AcquisitionDateTime and ContentTime"),
        ({"StudyTime": "", "AcquisitionDateTime": "20261102"}, "StudyTime", "is missing"),
        (
            {"StudyTime": "", "AcquisitionDateTime": "2026-11-02"},
            "AcquisitionDateTime",
            "not a date and time",
        ),
        ({"AcquisitionDateTime": "20261102251503"}, "AcquisitionDateTime", "there is no such date or time"),
        ({"TimezoneOffsetFromUTC": "CET"}, "TimezoneOffsetFromUTC", "not an offset from UTC (+HHMM)"),
        ({"TimezoneOffsetFromUTC": "+9900"}, "TimezoneOffsetFromUTC", "not an offset from UTC (+HHMM)"),
    ],
)
def test_refuses_a_time_that_is_not_certain(changes, place, reason):
    refused(place, reason, **changes)


@pytest.mark.parametrize("acquired", ["2026", "202611", "20261102", "20261102+0100", ""])
def test_a_date_alone_is_no_time_of_a_recording(acquired):
    assert document(AcquisitionDateTime=acquired).study.recordings[0].recorded_at is None


@pytest.mark.parametrize("offset", ["1E300", "1E15", "3E12", "-5E12"])
def test_refuses_an_offset_out_of_the_calendar(offset):
    made = emg(group(MultiplexGroupTimeOffset=offset), AcquisitionDateTime="20261102101503")
    with pytest.raises(DataError, match="AcquisitionDateTime: there is no such date or time"):
        read(file(made), Reading(anatomy=ANATOMY))


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001  # the zone follows
    st.integers(-12 * 4, 14 * 4),
)
def test_every_moment_is_read(moment, quarters):
    there = moment.replace(tzinfo=timezone(timedelta(minutes=15 * quarters)))
    acquired = f"{there:%Y%m%d%H%M%S.%f%z}"
    found = document(AcquisitionDateTime=acquired).study.recordings[0].recorded_at
    assert datetime.fromisoformat(found) == there


# Patient, device, order


@pytest.mark.parametrize(
    ("name", "family", "given"),
    [
        ("Canary^Test", "Canary", "Test"),
        ("Canary", "Canary", None),
        ("^Test", None, "Test"),
        ("Canary^Test^Middle^Dr^Jr", "Canary", "Test"),
        (" Canary ^ Test ", "Canary", "Test"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada", "Tarou"),
        ("=山田^太郎", "山田", "太郎"),
        ("", None, None),
        ("^^^^", None, None),
        (None, None, None),
    ],
)
def test_the_patient_is_named(name, family, given):
    found = patient(PatientName=name, SpecificCharacterSet="ISO_IR 192")
    assert (found.family, found.given) == (family, given)


@pytest.mark.parametrize("character_set", ["ISO_IR 100", "ISO_IR 192", "ISO 2022 IR 100"])
def test_the_name_is_in_the_declared_character_set(character_set):
    assert patient(
        PatientName="Dvořák^Ä" if "192" in character_set else "Müller^Ä", SpecificCharacterSet=character_set
    )


def raw_name(raw: bytes, declared: str) -> Document:
    """What is read of these bytes as a name."""
    made = emg(PatientName="~" * len(raw), SpecificCharacterSet="#" * len(declared))
    made.SpecificCharacterSet = "ISO_IR 100"
    data = file(made)
    padded = declared.encode() + b" " * (len(declared) % 2)
    old = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
    data = data.replace(old, b"\x08\x00\x05\x00CS" + len(padded).to_bytes(2, "little") + padded)
    return read(data.replace(b"~" * len(raw), raw), Reading(anatomy=ANATOMY))


@pytest.mark.parametrize(
    ("declared", "raw", "family"),
    [
        ("", "Müller".encode(), "Müller"),
        ("", "Müller".encode("latin-1"), "Müller"),
        ("ISO_IR 6", "Müller".encode("latin-1"), "Müller"),
        ("ISO_IR 100", "Müller".encode("latin-1"), "Müller"),
        ("ISO-IR 100", "Müller".encode("latin-1"), "Müller"),
        ("ISO_IR_101", "Dvořák".encode("iso8859-2"), "Dvořák"),
        ("ISO_IR 192", "Dvořák".encode(), "Dvořák"),
        ("GB18030", "王".encode("gb18030"), "王"),
        ("\\ISO 2022 IR 87", b"Yamada^Tarou=" + "山田^太郎".encode("iso2022_jp"), "Yamada"),
        ("\\ISO 2022 IR 149", b"=\x1b$)C\xb1\xe8", "김"),
        ("ISO 2022 IR 6\\ISO 2022 IR 87", b"=" + "山田".encode("iso2022_jp"), "山田"),
    ],
)
def test_names_in_character_sets_of_many_places(declared, raw, family):
    found = raw_name(raw, declared)
    assert found.study.header.patient.family == family
    assert found.notices == ()


@pytest.mark.parametrize(
    ("declared", "raw"),
    [
        ("ISO_IR 192", "Müller".encode("latin-1")),
        ("ISO_IR 999", "Müller".encode("latin-1")),
        ("\\ISO 2022 IR 87", b"=\x1b$B\xff\xff"),
        ("\\ISO 2022 IR 87", b"=\x1b%Gx"),
        ("\\CANARY", b"=\x1b$B;3ED\x1b(B"),
        ("ISO_IR 192", b"\xed\xa0\x80ab"),
    ],
)
def test_a_name_that_cannot_be_decoded_is_not_known(declared, raw):
    found = raw_name(raw, declared)
    assert found.study.header.patient.family is None
    assert found.notices == ("PatientName: is not text in the declared SpecificCharacterSet",)


def test_reads_the_patient():
    found = patient(
        PatientID=" P-1 ",
        PatientBirthDate="19710305",
        PatientSex="F",
        PatientSize="1.68",
        PatientWeight="62.5",
    )
    assert found == Patient(id="P-1", birth_date="1971-03-05", sex="F", height_cm=168.0, weight_kg=62.5)


@pytest.mark.parametrize("sex", ["M", "F", "O", None])
def test_reads_the_sex(sex):
    assert patient(PatientSex=sex).sex == sex


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("PatientBirthDate", "05.03.1971", "not a date (YYYYMMDD)"),
        ("PatientBirthDate", "19710230", "there is no such date or time"),
        ("PatientSex", "W", "must be F, M or O"),
        ("PatientSize", "1,68", "not a decimal number, with a decimal point"),
        ("PatientWeight", "heavy", "not a decimal number"),
        ("PatientWeight", "-62", "the number is out of range"),
    ],
)
def test_what_is_wrong_is_not_known_and_leaves_a_notice(keyword, value, reason):
    found = document(**{keyword: value, "PatientID": "P-1"})
    assert found.study.header.patient == Patient(id="P-1")
    assert found.notices == (f"{keyword}: {reason}",)


@pytest.mark.parametrize(
    "keyword", ["PatientBirthDate", "PatientSex", "PatientSize", "PatientWeight", "PatientID"]
)
def test_what_is_empty_is_not_known(keyword):
    found = document(**{keyword: ""})
    assert (found.study.header.patient, found.notices) == (Patient(), ())


@pytest.mark.parametrize("keyword", ["PatientSize", "PatientWeight"])
def test_a_body_of_zero_is_not_known(keyword):
    assert patient(**{keyword: "0"}) == Patient()


def test_reads_the_device_and_the_order():
    found = header(
        Manufacturer="Acme",
        ManufacturerModelName="Cart 2",
        DeviceSerialNumber="0042",
        AccessionNumber="A-7",
        PlacerOrderNumberImagingServiceRequest="O-9",
    )
    assert found.device == Device(manufacturer="Acme", model="Cart 2", serial="0042")
    assert found.order == Order(placer="O-9", accession="A-7")


def test_an_unknown_device_is_not_known():
    values = {"Manufacturer": "unknown", "ManufacturerModelName": "Unknown", "DeviceSerialNumber": "UNKNOWN"}
    assert header(**values).device == Device()


# Clinical facts


def test_reads_the_clinical_facts():
    context = [
        said("SYMPTOM-ONSET", number="400", unit="d", context=True),
        said("UMN-SIGNS", text="N", context=True),
        said("ANTI-GM1", text="POS", context=True),
        said("CSF-PROTEIN", number="0.4", unit="g/L", context=True),
        said("PLEXUS-MRI", text="Y", context=True),
        said("IVIG-RESPONSE", text="U", context=True),
    ]
    assert header(context=context).clinical == ClinicalFacts(
        symptom_onset_days=400.0,
        umn_signs=False,
        anti_gm1_igm="positive",
        csf_protein_g_l=0.4,
        plexus_mri_abnormal=True,
        ivig_response=None,
    )
    negative = [said("ANTI-GM1", text="NEG", context=True)]
    assert header(context=negative).clinical == ClinicalFacts(anti_gm1_igm="negative")


def test_refuses_a_clinical_fact_that_is_not_certain():
    context = [said("CSF-PROTEIN", number="0.4", context=True)]
    refused(
        "AcquisitionContextSequence[0].MeasurementUnitsCodeSequence",
        "must be a unit of UCUM",
        context=context,
    )


@pytest.mark.parametrize(("keyword", "value"), [("PatientSize", "168"), ("PatientWeight", "62000")])
def test_a_size_that_nobody_has_is_unknown_with_a_notice(keyword, value):
    found = read(file(put(emg(), **{keyword: value})), READING)
    assert (found.study.header.patient.height_cm, found.study.header.patient.weight_kg) == (None, None)
    assert found.notices == (f"{keyword}: more than any person has: is the unit right?",)


def test_the_time_of_the_content_is_the_last_resort():
    made = put(
        emg(), StudyTime="", AcquisitionDateTime="20261102", ContentDate="20261102", ContentTime="1015"
    )
    assert read(file(made), READING).study.header.performed_at.startswith("2026-11-02T10:15:00")
