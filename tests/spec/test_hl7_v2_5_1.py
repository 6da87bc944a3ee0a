"""HL7 2.5.1 and MLLP release 1, clause by clause, on what this product sends and takes."""

from datetime import UTC, datetime

import pytest

from gateway.domain.recording import NO_RESPONSE, Recording
from gateway.domain.study import Patient
from gateway.errors import DataError
from gateway.pipeline.stages import assessment, examine
from gateway.protocols import er7
from gateway.protocols.acknowledgement import (
    COMMIT,
    COMMIT_AND_APPLICATION,
    ORIGINAL,
    AckCode,
    Asked,
    Verdict,
    acknowledge,
    parse,
    verdict,
)
from gateway.protocols.mllp import NEED_DATA, MllpReader, frame
from gateway.protocols.numbering import Numbering
from gateway.protocols.oru import MessageHeader, encode
from tests.factories import motor, motor_marks, reference, sensory, study

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
BLOCKED = motor_marks(
    onset_latency_ms=6.7, amplitude_mv=3.0, negative_area_mv_ms=9.5, negative_duration_ms=6.6
)


def oru(*recordings: Recording, control_id: str = "C-1", asked: Asked = ORIGINAL, **changes: object) -> bytes:
    examined = examine(study(*recordings, **changes), reference())
    return encode(
        assessment(examined, reference()),
        study_code="7K3FABCD",
        control_id=control_id,
        sender=MessageHeader(sending_application="EMG-GATEWAY", asked=asked),
        created=NOW,
        numbering=Numbering(),
        anatomy=reference().anatomy,
    )


MESSAGE = er7.parse(oru(motor("wrist"), motor("below_elbow", BLOCKED), sensory()))


def test_2_5_3_a_field_that_is_not_known_is_empty_and_never_the_null_value():
    assert b'""' not in oru(motor("wrist"), patient=Patient(id="P-1"))


def test_2_5_4_the_recommended_delimiters_are_sent():
    assert oru(motor("wrist")).startswith(b"MSH|^~\\&|")


def test_2_6_every_segment_ends_in_cr_and_nothing_else():
    raw = oru(motor("wrist"))
    assert raw.endswith(b"\r")
    assert b"\n" not in raw
    assert b"\r\r" not in raw


def test_2_6_empty_fields_at_the_end_of_a_segment_are_left_out():
    assert not any(line.endswith("|") for line in oru(motor("wrist")).decode().split("\r"))


@pytest.mark.parametrize(
    ("char", "sequence"), [("|", "\\F\\"), ("^", "\\S\\"), ("&", "\\T\\"), ("~", "\\R\\"), ("\\", "\\E\\")]
)
def test_2_7_delimiters_in_text_are_escaped(char, sequence):
    raw = oru(motor("wrist"), patient=Patient(id=f"a{char}b", family="Canary"))
    assert f"|a{sequence}b|" in raw.decode()


def test_2_7_5_characters_that_cannot_be_sent_are_hexadecimal_data():
    raw = oru(motor("wrist"), patient=Patient(id="a\rOBX|9", family="Canary"))
    assert b"|a\\X0D\\OBX\\F\\9|" in raw


def test_2_9_2_the_original_mode_is_used():
    assert (MESSAGE.header.text(15), MESSAGE.header.text(16)) == ("", "")


@pytest.mark.parametrize(
    ("code", "meaning"),
    [("AA", Verdict.DELIVERED), ("AE", Verdict.TRY_AGAIN), ("AR", Verdict.REJECTED)],
)
def test_2_9_2_the_receiver_accepts_errs_or_rejects(code, meaning):
    answer = parse(acknowledge(MESSAGE, AckCode(code), created=NOW))
    assert verdict(answer, control_id="C-1") is meaning


@pytest.mark.parametrize(
    ("code", "meaning"),
    [("CA", Verdict.DELIVERED), ("CE", Verdict.TRY_AGAIN), ("CR", Verdict.REJECTED)],
)
def test_2_9_3_a_commit_accept_releases_a_sender_that_asked_for_no_more(code, meaning):
    answer = parse(acknowledge(MESSAGE, AckCode(code), created=NOW))
    assert verdict(answer, control_id="C-1", msh_16="NE") is meaning


@pytest.mark.parametrize(
    ("asked", "sent"),
    [(ORIGINAL, ("", "")), (COMMIT, ("AL", "NE")), (COMMIT_AND_APPLICATION, ("AL", "AL"))],
)
def test_2_9_3_the_enhanced_mode_is_asked_for_in_msh_15_and_msh_16(asked, sent):
    header = er7.parse(oru(motor("wrist"), asked=asked)).header
    assert (header.text(15), header.text(16)) == sent


def test_2_9_3_2_a_commit_does_not_release_a_sender_that_awaits_the_application():
    answer = parse(acknowledge(MESSAGE, AckCode.CA, created=NOW))
    assert verdict(answer, control_id="C-1", msh_16="AL") is Verdict.COMMITTED


def test_2_15_8_2_msa_2_is_the_control_id_of_the_message():
    answer = parse(acknowledge(MESSAGE, AckCode.AA, created=NOW))
    assert answer.control_id == MESSAGE.header.text(10)
    assert verdict(answer, control_id="C-2") is Verdict.FOREIGN


def test_2_15_9_7_the_time_of_the_message_has_its_zone():
    assert MESSAGE.header.text(7) == "20261102093000+0000"


def test_2_15_9_9_type_event_and_structure():
    assert MESSAGE.header.raw(9) == "ORU^R01^ORU_R01"


def test_2_15_9_10_the_control_id_has_at_most_20_characters():
    assert er7.parse(oru(motor("wrist"), control_id="x" * 20)).header.text(10) == "x" * 20
    with pytest.raises(DataError):
        oru(motor("wrist"), control_id="x" * 21)


@pytest.mark.parametrize(("simulated", "expected"), [(False, "P"), (True, "T")])
def test_2_15_9_11_production_or_training(simulated, expected):
    assert er7.parse(oru(motor("wrist"), simulated=simulated)).header.text(11) == expected


def test_2_15_9_12_the_version():
    assert MESSAGE.header.text(12) == "2.5.1"


def test_2_15_9_18_the_character_set_is_named_and_true():
    raw = oru(motor("wrist"), patient=Patient(id="P-1", family="Müller-Þórsdóttir 山田"))
    assert er7.parse(raw).header.text(18) == "UNICODE UTF-8"
    assert er7.parse(raw).all("PID")[0].text(5) == "Müller-Þórsdóttir 山田"


def test_7_3_1_a_result_is_a_patient_then_orders_each_with_its_observations():
    names = [segment.name for segment in MESSAGE.segments]
    assert names[:4] == ["MSH", "PID", "OBR", "OBX"]
    assert set(names[4:]) == {"OBR", "OBX", "NTE"}


def test_7_4_1_1_set_ids_count_orders_and_observations_from_one():
    orders = [segment.text(1) for segment in MESSAGE.all("OBR")]
    assert orders == ["1", "2", "3"]
    number = 0
    for segment in MESSAGE.segments:
        number = 0 if segment.name == "OBR" else number + (segment.name == "OBX")
        if segment.name == "OBX":
            assert segment.text(1) == str(number)


def test_7_4_1_25_a_preliminary_result_waits_for_review():
    assert {order.text(25) for order in MESSAGE.all("OBR")} == {"P"}


def test_7_4_2_2_the_value_type_says_what_the_value_is():
    for entry in MESSAGE.all("OBX"):
        value = entry.raw(5)
        match entry.text(2):
            case "NM":
                assert entry.text(11) == "X" or float(value) >= 0
            case "CWE":
                assert value.count("^") in (2, 5)
            case kind:
                assert (kind, value.count("^")) == ("ST", 0)


def test_7_4_2_4_sub_ids_tell_equal_identifiers_apart():
    seen = [(entry.raw(3), entry.raw(4)) for entry in MESSAGE.all("OBX")]
    assert len(seen) == len(set(seen))


def test_7_4_2_6_units_are_ucum():
    units = {tuple(entry.raw(6).split("^")[::2]) for entry in MESSAGE.all("OBX") if entry.raw(6)}
    assert {system for _, system in units} == {"UCUM"}
    assert {unit for unit, _ in units} == {"ms", "mV", "uV", "mV.ms", "m/s", "1", "%", "mA", "mm"}


def test_7_4_2_7_limits_are_one_sided_ranges():
    assert {entry.text(7) for entry in MESSAGE.all("OBX")} == {"", ">=10", "<=4", ">=7.9"}


def test_7_4_2_11_what_cannot_be_obtained_has_no_value():
    absent = er7.parse(oru(motor("wrist", NO_RESPONSE)))
    (amplitude,) = [entry for entry in absent.all("OBX") if entry.text(3) == "CMAP-AMP"]
    assert (amplitude.raw(5), amplitude.text(11)) == ("", "X")


def test_2_15_10_a_comment_follows_what_it_is_about_and_names_its_source():
    for note in MESSAGE.all("NTE"):
        assert (note.text(2), note.text(4)) == ("L", "RE")
        assert note.text(3)


def test_mllp_a_block_is_vt_data_fs_cr():
    assert frame(b"data") == b"\x0bdata\x1c\x0d"


def test_mllp_the_framing_characters_never_stand_in_the_data():
    raw = oru(motor("wrist"), patient=Patient(id="P-1", family="a\x0bb\x1c\rc"))
    reader = MllpReader()
    reader.receive(frame(raw))
    assert reader.next_block() == raw
    assert reader.next_block() is NEED_DATA
