import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from gateway.commands.hl7_validation import validate
from gateway.domain.assessment import Assessment
from gateway.domain.recording import NO_RESPONSE, Recording, SensoryMarks, Side, Stimulus
from gateway.domain.study import Order, Patient
from gateway.errors import DataError
from gateway.pipeline.stages import assessment, examine
from gateway.protocols import er7
from gateway.protocols.er7 import Segment
from gateway.protocols.numbering import Numbering
from gateway.protocols.observations import CODES
from gateway.protocols.oru import MessageHeader, encode, refusal
from tests.factories import (
    cmap,
    header,
    median,
    median_sensory,
    motor,
    motor_marks,
    reference,
    sensory,
    study,
    waveform,
)

CREATED = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SENDER = MessageHeader(sending_application="EMG-GATEWAY", receiving_application="HIS")
BLOCKED = motor_marks(
    onset_latency_ms=6.7, amplitude_mv=3.0, negative_area_mv_ms=9.5, negative_duration_ms=6.6
)


def assessed(*recordings: Recording, **changes: Any) -> Assessment:
    return assessment(examine(study(*recordings, **changes), reference()), reference())


def encoded(found: Assessment, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "study_code": "7K3FABCD",
        "control_id": "7K3FABCD-1",
        "sender": SENDER,
        "created": CREATED,
        "numbering": Numbering(),
        "anatomy": reference().anatomy,
    }
    return encode(found, **values | changes)


def numbered(found: Assessment, given: Numbering | None = None) -> Numbering:
    return (given or Numbering()).extended(found, reference().anatomy)


def observations(message: bytes) -> dict[tuple[str, str], Segment]:
    """Every OBX by code and OBX-4; a pair that occurs twice is a defect of its own."""
    found: dict[tuple[str, str], Segment] = {}
    for entry in er7.parse(message).all("OBX"):
        key = entry.text(3), entry.text(4)
        assert key not in found
        found[key] = entry
    return found


FOREARM = (
    motor("wrist", distance_mm=70.0, skin_temperature_c=33.1),
    motor("below_elbow", BLOCKED, distance_mm=220.0, recorded_at="2026-11-02T10:16:03+01:00"),
    sensory(),
)
# Nothing evoked over the ulnar muscle from the median nerve: no anastomosis.
NO_MARTIN_GRUBER = tuple(median(site, NO_RESPONSE, recording_site="adm") for site in ("wrist", "elbow"))
DOUBTFUL = assessed(*FOREARM)
BLOCK = assessed(
    median("wrist", distance_mm=70.0, skin_temperature_c=33.1),
    median("elbow", BLOCKED, distance_mm=220.0, recorded_at="2026-11-02T10:16:03+01:00"),
    median_sensory(),
)
SETS = [entry.id for entry in reference().criteria]

CURVE = cmap(onset_ms=2.9)


def test_a_whole_message():
    segments = er7.parse(encoded(BLOCK)).segments
    shown = [entry for entry in segments if entry.name in ("OBR", "OBX")]
    assert [f"{e.name} {e.text(3)} {e.text(4)} {e.text(5)}".rstrip() for e in shown] == [
        "OBR 7K3FABCD.0 NCS-SUMMARY",
        "OBX MMN-SUPPORT 0.1 definite",
        "OBX SENS-NORMAL 0.1 Y",
        "OBX CRITERIA 0.1.1 efns-pns-mmn-2010",
        "OBX CRITERIA 0.1.2 aan-1991",
        "OBX CRITERIA 0.1.3 amplitude-50",
        "OBX CRITERIA 0.1.4 ean-pns-cidp-2021",
        "OBX CRITERIA 0.1.5 efns-pns-cidp-2010",
        "OBX CRITERIA 0.1.6 ghosh-2005",
        "OBX CRITERIA 0.1.7 pfeiffer-2000-d",
        "OBX CRITERIA 0.1.8 utrecht-2000",
        "OBX NORMS 0.1 aanem-2016",
        "OBR 7K3FABCD.1 NCS-MOTOR",
        "OBX NERVE 1.0 7:122",
        "OBX SIDE 1.0 right",
        "OBX REC-SITE 1.0 7:742",
        "OBX STIM-SITE 1.1 wrist",
        "OBX STIM-CURRENT 1.1 38",
        "OBX STIM-WIDTH 1.1 0.2",
        "OBX DISTANCE 1.1 70",
        "OBX SKIN-TEMP 1.1 33.1",
        "OBX CMAP-LAT 1.1 2.9",
        "OBX CMAP-AMP 1.1 9",
        "OBX CMAP-AREA 1.1 28",
        "OBX CMAP-DUR 1.1 6",
        "OBX STIM-SITE 1.2 elbow",
        "OBX STIM-CURRENT 1.2 38",
        "OBX STIM-WIDTH 1.2 0.2",
        "OBX DISTANCE 1.2 220",
        "OBX CMAP-LAT 1.2 6.7",
        "OBX CMAP-AMP 1.2 3",
        "OBX CMAP-AREA 1.2 9.5",
        "OBX CMAP-DUR 1.2 6.6",
        "OBX SEGMENT 1.101 wrist-elbow",
        "OBX MCV 1.101 57.9",
        "OBX AMP-RATIO 1.101 0.333",
        "OBX AMP-RED 1.101 66.7",
        "OBX AREA-RED 1.101 66.1",
        "OBX DUR-INC 1.101 10",
        "OBX CB-FINDING 1.101 definite_block",
        "OBX CB-GRADE 1.101.1 definite_block",
        "OBX CB-GRADE 1.101.2 probable_block",
        "OBX CB-GRADE 1.101.3 block",
        "OBX CB-GRADE 1.101.4 block",
        "OBX CB-GRADE 1.101.5 definite_block",
        "OBX CB-GRADE 1.101.6 block",
        "OBX CB-GRADE 1.101.7 block",
        "OBX CB-GRADE 1.101.8 definite_block",
        "OBR 7K3FABCD.2 NCS-SENSORY",
        "OBX NERVE 2.0 7:122",
        "OBX SIDE 2.0 right",
        "OBX REC-SITE 2.0 digit_2",
        "OBX STIM-SITE 2.1 wrist",
        "OBX DISTANCE 2.1 140",
        "OBX SNAP-LAT 2.1 2.4",
        "OBX SNAP-PLAT 2.1 3.1",
        "OBX SNAP-AMP 2.1 22",
        "OBX SCV 2.1 58.3",
        "OBX SENS-RESULT 2.1 normal",
    ]


def test_two_passes_give_the_same_bytes():
    again = assessed(*(entry.recording for entry in BLOCK.recordings))
    assert encoded(BLOCK) == encoded(again)
    assert encoded(BLOCK, numbering=numbered(BLOCK)) == encoded(BLOCK)


NO_DISTAL = assessed(median("wrist", NO_RESPONSE), median("elbow", NO_RESPONSE))
MANY = assessed(
    motor("wrist"),
    motor("above_elbow", BLOCKED),
    *(motor("wrist", site_position_mm=position) for position in (120.0, 140.5)),
    median("wrist", None, side=Side.LEFT),
    median("elbow", BLOCKED, side=Side.LEFT),
    sensory(SensoryMarks(onset_latency_ms=4.0, peak_latency_ms=4.6, amplitude_uv=3.0)),
    sensory(NO_RESPONSE, side=Side.LEFT),
    sensory(nerve="sural", recording_site="ankle", stimulation_site="calf"),
    simulated=True,
    order=Order(placer="O-1", accession="A-1"),
)
FIRST = ("1.1", "1.101")
LOW, LATE = (
    motor_marks(amplitude_mv=3.0, onset_latency_ms=5.0),
    motor_marks(amplitude_mv=2.9, onset_latency_ms=12.0),
)
SLOW = (motor("wrist", LOW, distance_mm=80.0), motor("below_elbow", LATE, distance_mm=210.0))

OUTSIDE = assessed(*SLOW)
UNMARKABLE = assessed(motor("wrist", None, measured=None, waveform=waveform([5] * 20)), patient=Patient())


@pytest.mark.parametrize("found", [BLOCK, DOUBTFUL, NO_DISTAL, MANY, UNMARKABLE, OUTSIDE, assessed()])
def test_hl7apy_finds_nothing_wrong_at_its_strict_level(found):
    assert validate(encoded(found)) == []


def test_a_corrected_message_is_well_formed_too():
    later = assessed(*(e.recording for e in MANY.recordings), motor("below_elbow"), simulated=True)
    message = encoded(later, numbering=numbered(MANY))
    assert validate(message) == []
    assert {entry.text(11) for entry in er7.parse(message).all("OBX")} == {"P", "X", "D"}


@pytest.mark.parametrize("found", [BLOCK, NO_DISTAL, MANY, UNMARKABLE])
def test_nothing_is_ever_final(found):
    message = er7.parse(encoded(found))
    assert {entry.text(25) for entry in message.all("OBR")} == {"P"}
    assert {entry.text(11) for entry in message.all("OBX")} <= {"P", "X"}


@pytest.mark.parametrize("found", [BLOCK, NO_DISTAL, MANY, UNMARKABLE])
def test_everything_sent_stands_in_the_table_of_codes(found):
    for entry in er7.parse(encoded(found)).all("OBX"):
        code = CODES[entry.text(3)]
        assert (entry.text(2), entry.text(6)) == (code.type, code.unit)
        assert (entry.raw(5) == "") == (entry.text(11) == "X")
        assert entry.text(4).count(".") == (2 if code.repeats else 1)


def test_the_word_diagnosis_is_never_sent():
    assert b"diagnosis" not in encoded(MANY).lower()


def test_the_header_says_who_sends_what():
    found = er7.parse(encoded(BLOCK)).header
    sent = [found.raw(number) for number in range(2, 19)]
    assert sent == [
        *("^~\\&", "EMG-GATEWAY", "", "HIS", "", "20261102093000+0000", "", "ORU^R01^ORU_R01"),
        *("7K3FABCD-1", "P", "2.5.1", "", "", "", "", "", "UNICODE UTF-8"),
    ]


@pytest.mark.parametrize(
    ("simulated", "configured", "sent"),
    [
        (False, None, "P"),
        (True, None, "T"),
        (False, "T", "T"),
        (False, "P", "P"),
        (True, "P", "T"),
        (True, "T", "T"),
    ],
)
def test_simulated_data_is_never_sent_as_production(simulated, configured, sent):
    found = assessed(motor("wrist"), simulated=simulated)
    sender = replace(SENDER, processing_id=configured)
    assert er7.parse(encoded(found, sender=sender)).header.text(11) == sent


def test_a_destination_fixed_to_production_refuses_simulated_data():
    production = replace(SENDER, processing_id="P")
    assert refusal(header(simulated=True), production)
    assert refusal(header(simulated=False), production) is None
    assert refusal(header(simulated=True), SENDER) is None


@pytest.mark.parametrize("control_id", ["", "x" * 21])
def test_a_control_id_fits_its_field(control_id):
    with pytest.raises(DataError, match="MSH-10"):
        encoded(BLOCK, control_id=control_id)


@pytest.mark.parametrize(
    ("patient", "pid"),
    [
        (
            Patient(id="P-1", family="Canary", given="Test", birth_date="1971-03-05", sex="F"),
            "PID|1||P-1||Canary^Test||19710305|F",
        ),
        (Patient(id="P-1"), "PID|1||P-1||^^^^^^U"),
        (Patient(id="P-1", given="Test", birth_date="5 March"), "PID|1||P-1||^Test"),
    ],
)
def test_what_is_not_known_of_the_patient_is_left_empty(patient, pid):
    found = er7.parse(encoded(assessed(motor("wrist"), patient=patient)))
    assert [entry.er7 for entry in found.all("PID")] == [pid]


def test_a_patient_of_whom_nothing_is_known_has_no_segment():
    assert er7.parse(encoded(UNMARKABLE)).first("PID") is None


def test_every_order_names_the_placer_the_study_and_the_device_s_own_id():
    orders = er7.parse(encoded(MANY)).all("OBR")
    assert [entry.text(1) for entry in orders] == [str(number) for number in range(1, len(orders) + 1)]
    for entry in orders:
        assert (entry.text(2), entry.text(7), entry.text(20), entry.text(24)) == (
            "O-1",
            "20261102101500+0100",
            "S-1",
            "EN",
        )


def test_nerve_and_muscle_are_coded_with_their_side():
    left = observations(encoded(assessed(median("wrist", side=Side.LEFT))))
    assert left["NERVE", "1.0"].raw(5) == "7:121^median nerve, left^MDC^median^median nerve^99EMGGW"
    assert left["REC-SITE", "1.0"].raw(5).startswith("7:741^abductor pollicis brevis, left^MDC^apb^")
    right = observations(encoded(assessed(median("wrist"))))
    assert right["NERVE", "1.0"].text(5) == "7:122"
    assert right["SIDE", "1.0"].raw(5) == "right^right^99EMGGW"


def test_a_recording_site_without_a_standard_code_has_ours():
    assert observations(encoded(assessed(sensory())))["REC-SITE", "1.0"].raw(5) == "digit_5^digit 5^99EMGGW"


def test_a_nerve_without_a_standard_code_has_ours():
    anatomy = reference().anatomy
    uncoded = replace(anatomy.nerves["ulnar"], mdc=None)
    anatomy = replace(anatomy, nerves={**anatomy.nerves, "ulnar": uncoded})
    found = observations(encoded(assessed(motor("wrist")), anatomy=anatomy))
    assert found["NERVE", "1.0"].raw(5) == "ulnar^ulnar nerve^99EMGGW"


def test_amplitudes_carry_loinc_as_the_alternate():
    found = observations(encoded(BLOCK))
    assert found["CMAP-AMP", "1.1"].raw(3).split("^")[3::2] == ["98713-1", "LN"]
    assert found["SNAP-AMP", "2.1"].raw(3).split("^")[3::2] == ["98698-4", "LN"]
    assert found["CMAP-LAT", "1.1"].raw(3).count("^") == 2


def test_an_absent_response_is_said_and_is_no_number():
    found = observations(encoded(NO_DISTAL))
    assert found["NORESP", "1.1"].text(5) == "1"
    assert (found["CMAP-AMP", "1.1"].text(5), found["CMAP-AMP", "1.1"].text(11)) == ("", "X")
    assert found["AMP-RED", "1.101"].text(11) == "X"
    assert found["CB-FINDING", "1.101"].text(5) == "not_assessable"


def test_a_curve_that_cannot_be_marked_is_no_absent_response():
    found = observations(encoded(UNMARKABLE))
    assert ("NORESP", "1.1") not in found
    assert found["CMAP-AMP", "1.1"].text(11) == "X"


@pytest.mark.parametrize(
    ("marks", "code", "limit", "flag"),
    [
        (SensoryMarks(peak_latency_ms=3.1, amplitude_uv=22.0), "SNAP-AMP", ">=10", "N"),
        (SensoryMarks(peak_latency_ms=3.1, amplitude_uv=9.9), "SNAP-AMP", ">=10", "L"),
        (SensoryMarks(peak_latency_ms=4.0, amplitude_uv=22.0), "SNAP-PLAT", "<=4", "N"),
        (SensoryMarks(peak_latency_ms=4.1, amplitude_uv=22.0), "SNAP-PLAT", "<=4", "H"),
        (SensoryMarks(onset_latency_ms=2.4, amplitude_uv=22.0), "SNAP-LAT", "", ""),
    ],
)
def test_sensory_values_stand_against_the_limits_that_were_applied(marks, code, limit, flag):
    found = observations(encoded(assessed(sensory(marks))))[code, "1.1"]
    assert (found.text(7), found.text(8)) == (limit, flag)


@pytest.mark.parametrize(
    ("recordings", "flags"),
    [
        (
            (motor("wrist", distance_mm=80.0), motor("below_elbow", BLOCKED, distance_mm=220.0)),
            {"CMAP-AMP": (">=7.9", "N"), "CMAP-LAT": ("<=3.7", "N"), "MCV": (">=52", "N")},
        ),
        (SLOW, {"CMAP-AMP": (">=7.9", "L"), "CMAP-LAT": ("<=3.7", "H"), "MCV": (">=52", "L")}),
        (
            tuple(replace(entry, skin_temperature_c=29.0) for entry in SLOW),
            {"CMAP-AMP": (">=7.9", "L"), "CMAP-LAT": ("", ""), "MCV": ("", "")},
        ),
        ((motor("wrist", LOW, distance_mm=120.0),), {"CMAP-AMP": (">=7.9", "L"), "CMAP-LAT": ("", "")}),
    ],
)
def test_motor_values_stand_against_the_limits_that_were_applied(recordings, flags):
    found = observations(encoded(assessed(*recordings)))
    told = {code: (found[code, s].text(7), found[code, s].text(8)) for code, s in found if s in FIRST}
    assert {code: told[code] for code in flags} == flags


def test_what_no_limit_is_for_is_not_called_normal():
    found = observations(encoded(OUTSIDE))
    unjudged = [found[key] for key in (("CMAP-AMP", "1.2"), ("CMAP-LAT", "1.2"), ("CMAP-DUR", "1.1"))]
    assert {(entry.text(7), entry.text(8)) for entry in unjudged} == {("", "")}


def test_no_response_is_abnormal_where_the_amplitude_has_a_limit():
    nothing = motor("wrist", NO_RESPONSE), motor("below_elbow", NO_RESPONSE)
    found = observations(encoded(assessed(*nothing)))
    assert [found["NORESP", s].text(8) for s in ("1.1", "1.2")] == ["A", ""]
    assert (found["CMAP-AMP", "1.1"].text(8), found["CMAP-AMP", "1.1"].text(11)) == ("", "X")


def test_flags_follow_the_finding():
    found = observations(encoded(MANY))
    results = {key: (entry.text(5), entry.text(8)) for key, entry in found.items()}
    assert results["SENS-NORMAL", "0.1"] == ("N", "A")
    assert {results[key] for key in results if key[0] == "SENS-RESULT"} == {
        ("abnormal", "A"),
        ("absent", "A"),
        ("normal", "N"),
    }
    assert ("excluded_site", "") in {results[key] for key in results if key[0] == "CB-FINDING"}
    assert {v for k, v in results.items() if k[0] == "MMN-SUPPORT"} == {("not_assessable", "")}


def test_sensory_conduction_that_was_not_tested_is_unknown():
    entry = observations(encoded(NO_DISTAL))["SENS-NORMAL", "0.1"]
    assert (entry.text(5), entry.text(8)) == ("U", "")


def test_every_grade_names_its_set():
    found = observations(encoded(BLOCK))
    sets = [found["CB-GRADE", f"1.101.{k}"].raw(17) for k in range(1, len(SETS) + 1)]
    assert sets == [f"{name}^^99EMGGW" for name in SETS]


def test_a_block_in_doubt_is_no_abnormal_result():
    found, message = observations(encoded(DOUBTFUL)), encoded(DOUBTFUL)
    finding, grade = found["CB-FINDING", "1.101"], found["CB-GRADE", "1.101.1"]
    assert (finding.text(5), finding.text(8)) == ("indeterminate", "")
    assert (grade.text(5), grade.text(8)) == ("definite_block", "")
    assert notes(message, "CB-FINDING") == ["Reasons: martin_gruber_not_excluded"]
    assert found["MMN-SUPPORT", "0.1"].text(8) == ""
    stands = observations(encoded(assessed(*FOREARM, *NO_MARTIN_GRUBER)))
    finding, grade = stands["CB-FINDING", "2.101"], stands["CB-GRADE", "2.101.1"]
    assert (finding.text(5), finding.text(8)) == ("definite_block", "A")
    assert (grade.text(5), grade.text(8)) == ("definite_block", "A")


def test_a_cold_limb_is_no_normal_result():
    cold = (motor(site, skin_temperature_c=29.0) for site in ("wrist", "below_elbow"))
    found = observations(encoded(assessed(*cold)))
    assert found["CB-FINDING", "1.101"].text(5) == "not_assessable"
    assert {found["CB-GRADE", f"1.101.{k}"].text(8) for k in range(1, len(SETS) + 1)} == {""}


def test_a_mark_says_who_made_it():
    recording = motor("wrist", motor_marks(negative_area_mv_ms=None), waveform=CURVE)
    found = observations(encoded(assessed(recording)))
    assert found["CMAP-AMP", "1.1"].text(17) == "device"
    assert found["CMAP-AREA", "1.1"].text(17) == "gateway"


def test_times_of_recording_stand_with_the_values():
    found = observations(encoded(BLOCK))
    assert found["CMAP-AMP", "1.2"].text(14) == "20261102101603+0100"
    assert found["CMAP-AMP", "1.1"].text(14) == ""


def test_inching_sites_are_told_apart_by_their_position():
    inched = (motor("wrist", site_position_mm=position) for position in (120.0, 140.5))
    found = observations(encoded(assessed(motor("wrist"), *inched, motor("above_elbow"))))
    sites = [entry.text(5) for (code, _), entry in found.items() if code == "STIM-SITE"]
    assert sites == ["wrist", "wrist@120mm", "wrist@140.5mm", "above_elbow"]
    assert found["SEGMENT", "1.102"].text(5) == "wrist@120mm-wrist@140.5mm"


def notes(message: bytes, code: str) -> list[str]:
    """The notes behind each OBX of `code`."""
    found, wanted = [], False
    for entry in er7.parse(message).segments:
        if entry.name == "NTE" and wanted:
            found.append(entry.text(3))
        else:
            wanted = entry.name == "OBX" and entry.text(3) == code
    return found


def test_reasons_thresholds_and_caveats_stand_behind_what_they_explain():
    message = encoded(MANY)
    assert "Reasons: contaminated_segment" in notes(message, "CB-FINDING")
    assert "Reasons: amplitude_low, peak_latency_long" in notes(message, "SENS-RESULT")
    assert "Quality: response_absent" in notes(message, "STIM-SITE")
    assert any(note.startswith("Caveats: ") for note in notes(message, "MMN-SUPPORT"))
    assert any(note.startswith("Missing: ") for note in notes(message, "MMN-SUPPORT"))
    criteria = notes(message, "CRITERIA")
    assert "definite block: area reduction >= 50 %, duration increase <= 30 %" in criteria
    assert "distal amplitude > 20 % of the lower limit of normal" in criteria
    assert criteria.count("Findings follow this set") == 1


LONGEST_TEXT = 199  # HL7 2.5.1, 2.A.13: CWE.2


@pytest.mark.parametrize("found", [BLOCK, DOUBTFUL, NO_DISTAL, MANY, UNMARKABLE])
def test_no_text_is_longer_than_its_component(found):
    for entry in er7.parse(encoded(found)).all("OBX"):
        texts = [entry.text(number, component=2) for number in (3, 5, 17)]
        assert max(map(len, texts)) <= LONGEST_TEXT


def test_guidance_is_an_observation_for_each_action():
    found = observations(encoded(assessed(motor("wrist"), motor("below_elbow", BLOCKED))))
    actions = [found["ACTION", f"0.1.{k}"] for k in (1, 2)]
    assert [action.text(5) for action in actions] == [
        "exclude_martin_gruber:ulnar:right",
        "record_sensory:ulnar:right",
    ]
    assert [action.text(5, component=2) for action in actions] == [
        "median fibres may reach this muscle: stimulate the median nerve at wrist and elbow over it",
        "a block of the ulnar nerve counts only beside normal conduction in its sensory fibres",
    ]


def test_guidance_names_the_recordings_that_settle_it():
    assert notes(encoded(DOUBTFUL), "ACTION") == [
        "Recordings: motor:median:right:wrist:adm, motor:median:right:elbow:adm"
    ]
    assert "Recordings: sensory:median:right" in notes(
        encoded(assessed(median("wrist"), median("elbow", BLOCKED))), "ACTION"
    )


def test_numbers_stay_when_more_is_recorded():
    first = numbered(DOUBTFUL)
    more = assessed(
        median("wrist"),
        *FOREARM,
        motor("axilla"),
        motor("above_elbow"),
    )
    before, after = observations(encoded(DOUBTFUL)), observations(encoded(more, numbering=first))
    assert before.keys() <= after.keys()
    for key, entry in before.items():
        assert after[key].raw(3) == entry.raw(3)
    assert [after["STIM-SITE", f"1.{s}"].text(5) for s in (1, 2, 3, 4)] == [
        "wrist",
        "below_elbow",
        "above_elbow",
        "axilla",
    ]
    assert after["NERVE", "3.0"].text(5) == "7:122"


def test_what_was_said_before_and_holds_no_longer_is_withdrawn():
    before = assessed(motor("wrist"), motor("above_elbow", BLOCKED))
    after = assessed(motor("wrist"), motor("below_elbow"), motor("above_elbow", BLOCKED))
    message = encoded(after, numbering=numbered(before))
    found = observations(message)
    assert found["CB-FINDING", "1.101"].text(11) == "D"
    assert found["CB-FINDING", "1.101"].raw(5) == ""
    assert [found["CB-GRADE", f"1.101.{k}"].raw(17) for k in (1, 3)] == [
        "efns-pns-mmn-2010^^99EMGGW",
        "amplitude-50^^99EMGGW",
    ]
    assert found["SEGMENT", "1.102"].text(5) == "wrist-below_elbow"
    assert encoded(after, numbering=numbered(after, numbered(before))) == message


def test_a_withdrawn_observation_comes_back_under_its_number():
    first = assessed(*FOREARM)
    (asked,) = [key for key in observations(encoded(first)) if key[0] == "ACTION"]
    numbers = numbered(first, None)
    settled = assessed(*FOREARM, *NO_MARTIN_GRUBER)
    assert observations(encoded(settled, numbering=numbers))[asked].text(11) == "D"
    assert observations(encoded(first, numbering=numbered(settled, numbers)))[asked].text(11) == "P"


def test_a_nerve_study_that_is_gone_is_withdrawn_whole():
    numbers = numbered(assessed(median("wrist", side=Side.LEFT)))
    message = er7.parse(encoded(assessed(median("wrist")), numbering=numbers))
    assert [entry.text(3) for entry in message.all("OBR")] == ["7K3FABCD.0", "7K3FABCD.1", "7K3FABCD.2"]
    assert {e.text(11) for e in message.all("OBX") if e.text(4).startswith("1.")} == {"D"}


def test_numbers_survive_storage():
    numbers = numbered(MANY)
    stored = json.loads(json.dumps(numbers.to_json()))
    assert Numbering.from_json(stored) == numbers
    assert encoded(MANY, numbering=Numbering.from_json(stored)) == encoded(MANY)


def test_a_study_begins_without_numbers():
    assert Numbering.from_json({}) == Numbering()


@pytest.mark.parametrize(
    "document", [{"studies": [["x"]]}, {"studies": 1}, {"unknown": []}, {"groups": [[1, 2, "attic", ""]]}]
)
def test_what_is_no_numbering_is_refused(document):
    with pytest.raises(DataError, match="numbering"):
        Numbering.from_json(document)


def test_sites_never_run_into_the_numbers_of_segments():
    inched = (motor("wrist", site_position_mm=float(position)) for position in range(100))
    assert numbered(assessed(*inched)).groups
    more = (motor("wrist", site_position_mm=float(position)) for position in range(101))
    with pytest.raises(DataError, match="more than 100 stimulation sites"):
        numbered(assessed(*more))


HOSTILE = st.text(
    st.sampled_from('|^~\\&\r\n\x0b\x1c\x00\x7f\x85\u2028Müß"FXD0E ') | st.characters(codec="utf-8"),
    max_size=30,
)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_any_text_of_the_outside_survives_and_changes_nothing_else(id_, family, given_name, study_id, placer):
    patient = Patient(id=id_ or "x", family=family or "x", given=given_name)
    changed = assessed(
        motor("wrist"), patient=patient, study_id=study_id, order=Order(placer=placer, accession=None)
    )
    raw = encoded(changed, sender=replace(SENDER, sending_facility=family))
    plain = encoded(assessed(motor("wrist")))
    assert raw.count(b"\r") == plain.count(b"\r")
    assert not set(b"\n\x0b\x1c\x00") & set(raw)
    message = er7.parse(raw)
    (pid,) = message.all("PID")
    assert [pid.text(3), pid.text(5), pid.text(5, component=2)] == [patient.id, patient.family, given_name]
    assert {(e.text(2), e.text(20)) for e in message.all("OBR")} == {(placer, study_id)}
    assert message.header.text(4) == family


CHARACTER_SETS = st.sampled_from(
    [("UNICODE UTF-8", "utf-8"), ("8859/1", "latin-1"), ("8859/15", "iso8859-15")]
)


@given(HOSTILE, HOSTILE, CHARACTER_SETS)
def test_any_text_survives_in_any_character_set_or_is_seen_to_be_missing(family, placer, character_set):
    name, codec = character_set
    found = assessed(
        motor("wrist"),
        patient=Patient(id="P-1", family=family or "x"),
        order=Order(placer=placer, accession=None),
    )
    message = er7.parse(encoded(found, sender=replace(SENDER, character_set=name)))
    assert message.header.text(18) == name
    expected = Counter[str]()
    for field, text in (
        (message.all("PID")[0].text(5), family or "x"),
        (message.all("OBR")[0].text(2), placer),
    ):
        assert len(field) == len(text)
        for is_, was in zip(field, text, strict=True):
            assert is_ == was or (is_ == "?" and not was.encode(codec, "ignore"))
            expected["missing"] += is_ != was
    notes = [note.text(3) for note in message.all("NTE") if "character set" in note.text(3)]
    assert len(notes) == bool(expected["missing"])


def test_what_a_character_set_does_not_have_is_noted_once_where_the_report_begins():
    found = assessed(*FOREARM, patient=Patient(id="P-1", family="Łukasz Ő", given="Zoë"))
    raw = encoded(found, sender=replace(SENDER, character_set="8859/1"))
    kinds = [segment.name for segment in er7.parse(raw).segments]
    assert b"|?ukasz ?^Zo\xeb" in raw
    assert kinds[:4] == ["MSH", "PID", "OBR", "NTE"]
    assert b"8859/1 does not have, sent as ?: 2" in raw
    assert raw.count(b"does not have") == 1
    assert validate(raw) == []


@pytest.mark.parametrize(("character_set", "euro"), [("8859/15", b"\xa4"), ("UNICODE UTF-8", "€".encode())])
def test_what_a_character_set_has_is_sent_as_it_is(character_set, euro):
    found = assessed(*FOREARM, patient=Patient(id="P-1", family="a€"))
    raw = encoded(found, sender=replace(SENDER, character_set=character_set))
    assert b"|a" + euro + b"\r" in raw
    assert b"does not have" not in raw
    assert validate(raw) == []


@examples(max_examples=15)
@given(HOSTILE, HOSTILE)
def test_hl7apy_accepts_any_text_in_its_place(name, study_id):
    found = assessed(motor("wrist"), patient=Patient(id="P-1", family=name, given=name), study_id=study_id)
    assert validate(encoded(found)) == []


MARK = st.none() | st.just(0.0) | st.floats(0.001, 900)
MARKS = st.just(NO_RESPONSE) | st.builds(
    motor_marks, onset_latency_ms=MARK, amplitude_mv=MARK, negative_area_mv_ms=MARK, negative_duration_ms=MARK
)
RECORDINGS = st.lists(
    st.builds(
        motor,
        st.sampled_from(["wrist", "below_elbow", "above_elbow", "axilla", "erb"]),
        MARKS,
        side=st.sampled_from(Side),
        site_position_mm=st.none() | st.sampled_from([120.0, 140.0]),
        distance_mm=st.none() | st.floats(1, 500),
        stimulus=st.builds(
            Stimulus,
            intensity_ma=st.none() | st.floats(0, 100),
            supramaximal=st.sampled_from([None, True, False]),
        ),
    ),
    max_size=8,
)


@given(RECORDINGS, RECORDINGS)
@example([], [motor("erb"), motor("erb", site_position_mm=120.0)])  # beyond the last named site
def test_any_study_and_its_continuation_can_be_reported(earlier, later):
    first = assessed(*earlier)
    second = assessed(*earlier, *later)
    before = observations(encoded(first))
    after = observations(encoded(second, numbering=numbered(first)))
    assert before.keys() <= after.keys()
    assert {entry.text(11) for entry in after.values()} <= {"P", "X", "D"}
