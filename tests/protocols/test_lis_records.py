import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.limits import Limits
from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    Recording,
    SensoryMarks,
    Side,
    Stimulus,
    Waveform,
)
from gateway.domain.study import ClinicalFacts, Device, ExamEnded, Order, Patient, Study, StudyHeader
from gateway.errors import DataError
from gateway.protocols.lis_encoding import PART_SAMPLES
from gateway.protocols.lis_records import Assembler, Delivery, Rejected, Result, encode_study
from gateway.protocols.lis_sweep import Sweep

HEAD = (
    r"H|\^&|||Acme^Cart^7|||||||P|LIS2-A2|20261102101500",
    "P|1||P-1||Doe^Jane||19710305|F",
    "O|1|S-1||^^^NCS",
)
WRIST = "MOTOR^ulnar^right^adm^wrist"
STIM = f"M|1|STIM|{WRIST}|38.0^mA|0.2^ms|Y|33.1^Cel|70^mm|2^10000"
AMP = f"R|1|^^^{WRIST}^CMAP-AMP|9.0|mV||N||P||||20261102101503"
LAT = f"R|2|^^^{WRIST}^CMAP-LAT|2.9|ms"
ELBOW = "R|3|^^^MOTOR^ulnar^right^adm^below_elbow^CMAP-AMP|8.5|mV"
NORMAL_WRIST = Recording(
    modality=Modality.MOTOR,
    nerve="ulnar",
    side=Side.RIGHT,
    recording_site="adm",
    stimulation_site="wrist",
    distance_mm=70.0,
    recorded_at="2026-11-02T10:15:03+00:00",
    skin_temperature_c=33.1,
    stimulus=Stimulus(intensity_ma=38.0, duration_ms=0.2, supramaximal=True),
    filter_hz=(2.0, 10000.0),
    measured=MotorMarks(amplitude_mv=9.0, onset_latency_ms=2.9),
)


def wave(samples: list[int], part: str = "1^1", rest: str = "48000|-2.0|0.5|int16le-base64") -> str:
    data = base64.b64encode(np.array(samples, "<i2").tobytes()).decode()
    return f"M|2|WAVE|{WRIST}|{rest}|{part}|{data}"


def assembler(
    check: Callable[[Recording], Recording] = lambda recording: recording, **more: Any
) -> Assembler:
    return Assembler(check=check, **{"timezone": UTC} | more)


def feed(to: Assembler, *records: str | bytes) -> list[Result]:
    raws = [record.encode() if isinstance(record, str) else record for record in records]
    return [result for raw in raws for result in to.feed(raw)]


def message(*records: str, **more: Any) -> list[Result]:
    """The results of a whole session: HEAD, `records`, EOT."""
    to = assembler(**more)
    return feed(to, *HEAD, *records) + to.end_of_message()


def recordings(results: list[Result]) -> list[Recording]:
    facts = [result.fact for result in results if isinstance(result, Delivery)]
    return [fact for fact in facts if isinstance(fact, Recording)]


def sites(results: list[Result]) -> list[str]:
    return [recording.stimulation_site for recording in recordings(results)]


def rejections(results: list[Result]) -> list[Rejected]:
    return [result for result in results if isinstance(result, Rejected)]


# what a message says


def test_the_message_of_the_profile():
    results = feed(assembler(), *HEAD, STIM, AMP, LAT, wave([0, 1, -1]), "L|1|N")
    header = StudyHeader(
        study_id="S-1",
        performed_at="2026-11-02T10:15:00+00:00",
        patient=Patient(id="P-1", family="Doe", given="Jane", birth_date="1971-03-05", sex="F"),
        device=Device(manufacturer="Acme", model="Cart", serial="7"),
    )
    waveform = Waveform(
        sampling_rate_hz=48000.0,
        start_ms=-2.0,
        microvolts_per_count=0.5,
        samples=np.array([0, 1, -1], np.int32),
    )
    assert results == [
        Delivery(header, replace(NORMAL_WRIST, waveform=waveform)),
        Delivery(header, ExamEnded(by="device")),
    ]


def test_the_records_of_a_recording_come_in_any_order():
    assert recordings(message(LAT, STIM, AMP)) == recordings(message(STIM, AMP, LAT)) == [NORMAL_WRIST]


def test_a_recording_ends_at_another_key_and_at_the_end_of_the_message():
    assert sites(message(AMP, ELBOW)) == ["wrist", "below_elbow"]


@pytest.mark.parametrize("again", [[STIM, AMP], [AMP], [LAT, AMP]])
def test_a_repeat_of_the_site_is_another_recording(again: list[str]):
    assert sites(message(STIM, AMP, LAT, *again)) == ["wrist", "wrist"]


def test_a_recording_is_complete_at_its_last_waveform_part():
    to = assembler()
    assert feed(to, *HEAD, AMP, wave([1, 2], "1^2")) == []
    (delivery,) = feed(to, wave([3], "2^2"))
    assert isinstance(delivery, Delivery)
    assert isinstance(delivery.fact, Recording)
    assert delivery.fact.waveform is not None
    assert delivery.fact.waveform.samples.tolist() == [1, 2, 3]


def test_l_completes_the_recording_and_ends_the_examination():
    facts = [result.fact for result in message(AMP, "L|1|N") if isinstance(result, Delivery)]
    assert [type(fact) for fact in facts] == [Recording, ExamEnded]


def test_l_ends_nothing_on_carts_that_send_it_after_every_stimulation():
    assert message(AMP, "L|1|N", terminator_ends_exam=False) == message(AMP)


def test_without_l_the_examination_stays_open():
    assert len(message(AMP)) == 1


def test_l_ends_every_study_of_the_message():
    results = message(AMP, "P|2||P-2", "O|1|S-2", ELBOW, "L|1|N")
    assert [result.header.study_id for result in results if isinstance(result, Delivery)] == [
        "S-1",
        "S-2",
        "S-1",
        "S-2",
    ]


def test_messages_follow_one_another_in_one_session():
    results = message(AMP, "L|1|N", *HEAD, ELBOW)
    assert sites(results) == ["wrist", "below_elbow"]


@pytest.mark.parametrize(
    ("processing_id", "simulated"), [("P", False), ("", False), ("T", True), ("Q", True)]
)
def test_what_is_no_patient_is_simulated(processing_id: str, *, simulated: bool):
    head = HEAD[0].replace("|P|LIS2", f"|{processing_id}|LIS2")
    (result,) = feed(assembler(), head, *HEAD[1:], AMP, ELBOW)
    assert isinstance(result, Delivery)
    assert result.header.simulated is simulated


def test_no_response_is_no_zero():
    (recording,) = recordings(message(STIM, f"R|1|^^^{WRIST}^NORESP|1"))
    assert recording.measured is NO_RESPONSE


def test_sensory_quantities():
    key = "SENSORY^ulnar^right^digit_5^wrist"
    (recording,) = recordings(message(f"R|1|^^^{key}^SNAP-AMP|0.022|mV", f"R|2|^^^{key}^SNAP-PLAT|3.1|ms"))
    assert recording.measured == SensoryMarks(amplitude_uv=22.0, peak_latency_ms=3.1)


def test_the_operator_is_that_of_the_result_record():
    (recording,) = recordings(message(f"R|1|^^^{WRIST}^CMAP-AMP|9.0|mV||N||P||tech 4^x"))
    assert recording.operator == "tech 4"


def test_a_waveform_alone_is_a_recording():
    (recording,) = recordings(message(wave([0, 1])))
    assert recording.measured is None


def test_times_without_a_zone_are_in_the_drivers():
    (recording,) = recordings(message(AMP, timezone=timezone(timedelta(hours=1))))
    assert recording.recorded_at == "2026-11-02T10:15:03+01:00"


def test_comments_are_passed_over():
    assert recordings(message(STIM, "C|1|I|well^relaxed", AMP, LAT)) == [NORMAL_WRIST]


def test_latin1_names_are_read():
    to = assembler()
    feed(to, HEAD[0], "P|1||P-1||Müller^Zoë".encode("latin-1"), HEAD[2])
    (result,) = feed(to, AMP, ELBOW)
    assert isinstance(result, Delivery)
    assert result.header.patient.family == "Müller"


def test_the_check_may_give_a_recording_its_proper_name():
    results = message(AMP, check=lambda recording: replace(recording, nerve="fibular"))
    assert [recording.nerve for recording in recordings(results)] == ["fibular"]


# what is refused

BROKEN = {
    "decimal comma": (AMP.replace("9.0", "9,0"), "R-4 CMAP-AMP: not a decimal number"),
    "nan": (AMP.replace("9.0", "nan"), "not a decimal"),
    "inf": (AMP.replace("9.0", "inf"), "not a decimal"),
    "negative": (AMP.replace("9.0", "-9.0"), "out of range"),
    "bounded": (AMP.replace("9.0", ">9"), "not a decimal"),
    "empty": (AMP.replace("9.0", ""), "not a decimal"),
    "no unit": (AMP.replace("|mV|", "||"), "the unit must be one of V, mV, uV, nV"),
    "wrong unit": (AMP.replace("|mV|", "|ms|"), "the unit must be"),
    "other modality's code": (AMP.replace("CMAP-AMP", "SNAP-AMP"), "unknown quantity"),
    "no such time": (AMP.replace("20261102101503", "20261302101503"), "R-13: there is no such"),
    "NORESP 0": (f"R|1|^^^{WRIST}^NORESP|0", "the value of NORESP is 1"),
    "current": (STIM.replace("38.0^mA", "38.0^mV"), "M-5: the unit must be one of A, mA, uA"),
    "current without unit": (STIM.replace("38.0^mA", "38.0"), "M-5: the unit"),
    "flag": (STIM.replace("|Y|", "|yes|"), "M-7: must be Y, N or U"),
    "half a filter": (STIM.replace("2^10000", "2"), "M-10: not a decimal"),
    "averages": (STIM + "|||||2.5", "M-15: not a count"),
    "time of the STIM": (STIM + "|||today", "M-13: not a date and time"),
    "encoding": (wave([1, 2]).replace("int16le", "int8"), "M-8: the encoding is not"),
    "base64": (wave([1, 2])[:-1] + "!", "M-10: not base64"),
    "beyond ASCII": (wave([1, 2])[:-1] + "é", "M-10: not base64"),
    "half a sample": (wave([1, 2]).replace("AQACAA==", "AQAC"), "M-10: half a 16-bit sample"),
    "rate": (wave([1, 2]).replace("48000", "fast"), "M-5: not a decimal"),
    "part 2 of 1": (wave([1, 2], "2^1"), "M-9: not part"),
    "part x": (wave([1, 2], "x^1"), "M-9: not part"),
    "part without parts": (wave([1, 2], "1"), "M-9: not part"),
    "a million parts": (wave([1, 2], "1^1000000"), "M-9: not part"),
    "first part missing": (wave([1, 2], "2^3"), "part 2 of 3, expected part 1"),
}


@pytest.mark.parametrize(("record", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_record_takes_its_recording_with_it_and_no_other(record: str, reason: str):
    axilla = ELBOW.replace("below_elbow", "axilla")
    results = message(axilla, LAT, record, ELBOW, "L|1|N")
    assert sites(results) == ["axilla", "below_elbow"]
    (rejected,) = rejections(results)
    assert rejected.place.startswith("record 6 (")
    assert reason in rejected.reason
    assert rejected.reason.endswith("the right motor recording is not taken")


@pytest.mark.parametrize("code", ["MCV", "CMAP-AMPL"])
def test_a_quantity_the_profile_does_not_have_is_left_out_with_a_notice(code: str):
    results = message(STIM, AMP, LAT, f"R|3|^^^{WRIST}^{code}|57.9|m/s", "L|1|N")
    assert recordings(results) == [NORMAL_WRIST]
    (notice,) = rejections(results)
    assert notice.place == "record 7 (R|3)"


INCOMPLETE = {
    "no response and a value": ([AMP, f"R|2|^^^{WRIST}^NORESP|1"], "no response, and a measured value"),
    "a waveform part missing": ([AMP, wave([1], "1^2")], "waveform part 2 of 2 is missing"),
    "a part twice": ([wave([1], "1^3"), wave([1], "1^3")], "part 1 of 3, expected part 2"),
    "parts out of order": ([wave([1], "1^3"), wave([1], "3^3")], "part 3 of 3, expected part 2"),
    "another number of parts": ([wave([1], "1^3"), wave([1], "2^2")], "is not that of part 1"),
    "another scale": (
        [wave([1], "1^2"), wave([1], "2^2").replace("48000", "24000")],
        "is not that of part 1",
    ),
    "nothing measured": ([STIM], "neither measured values nor a waveform"),
    "one sample": ([wave([1])], "at least two samples"),
    "no sampling rate": ([wave([1, 2]).replace("48000", "0")], "above zero"),
    "impossible latency": ([LAT.replace("2.9", "2900")], "is impossible"),
    "distance 0": ([STIM.replace("70^mm", "0^mm"), AMP], "is impossible"),
    "another L": ([wave([1], "1^2"), "L|1|N", *HEAD], "waveform part 2 of 2 is missing"),
}


@pytest.mark.parametrize(("records", "reason"), INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_what_makes_no_recording_is_rejected(records: list[str], reason: str):
    results = message(*records, ELBOW)
    assert sites(results) == ["below_elbow"]
    (rejected,) = rejections(results)
    assert reason in rejected.reason


def test_the_waveform_is_limited():
    part = [0] * (Limits().sweep_samples // 2 + 1)
    (rejected,) = rejections(message(wave(part, "1^3"), wave(part, "2^3"), wave([1], "3^3"), ELBOW))
    assert "more than 1000000 samples" in rejected.reason


@pytest.mark.parametrize(
    "key",
    [
        "",
        "MOTOR",
        "EMG^ulnar^right^adm^wrist",
        "MOTOR^ulnar^both^adm^wrist",
        "MOTOR^^right^adm^wrist",
        "a^b^c^d^e",
    ],
)
def test_a_record_of_no_readable_key_takes_the_open_recording_with_it(key: str):
    results = message(AMP, LAT.replace(WRIST, key), ELBOW)
    assert sites(results) == ["below_elbow"]
    assert [rejected.place for rejected in rejections(results)] == ["record 5 (R|2)"]


def test_a_second_stim_of_no_readable_key_begins_the_next_recording():
    results = message(STIM, AMP, STIM.replace(WRIST, "MOTOR"), ELBOW, ELBOW.replace("below_elbow", "axilla"))
    assert sites(results) == ["wrist", "axilla"]


def test_an_unreadable_first_record_takes_the_recording_that_follows():
    results = message(STIM.replace(WRIST, "MOTOR"), AMP, LAT, ELBOW)
    assert sites(results) == ["below_elbow"]


def test_a_record_that_could_not_be_kept_counts_as_unreadable():
    to = assembler()
    results = feed(to, *HEAD, AMP) + to.reject("too long") + feed(to, ELBOW) + to.end_of_message()
    assert sites(results) == ["below_elbow"]
    assert rejections(results)[0].place == "record 5 (?)"


def test_what_the_check_refuses_is_rejected_with_its_place():
    def refuse(recording: Recording) -> Recording:
        if recording.stimulation_site == "wrist":
            raise DataError("unknown nerve", "nerve")
        return recording

    results = message(AMP, ELBOW, check=refuse)
    assert sites(results) == ["below_elbow"]
    assert rejections(results) == [
        Rejected("record 4 (R|1)", "the right motor recording is not taken: nerve: unknown nerve")
    ]


@pytest.mark.parametrize(
    "records",
    [
        HEAD[1:],
        ("H|ABC", *HEAD[1:]),
        (HEAD[0][:-14], *HEAD[1:]),
        (HEAD[0].replace("20261102101500", "soon"), *HEAD[1:]),
        (*HEAD, HEAD[0], *HEAD[1:]),
        HEAD[:2],
        (*HEAD[:2], "O|1|"),
        (*HEAD[:2], "O|1|" + "x" * 65),
        (*HEAD, HEAD[1]),
        ("",),
    ],
    ids=[
        "no H",
        "delimiters",
        "no time",
        "bad time",
        "second H",
        "no O",
        "no id",
        "long id",
        "P without O",
        "empty",
    ],
)
def test_nothing_is_filed_under_an_unclear_study(records: tuple[str, ...]):
    to = assembler()
    results = feed(to, *records, STIM, AMP, LAT, AMP)
    assert recordings(results) == []
    assert rejections(results) != []
    assert sites(feed(to, "L|1|N", *HEAD, ELBOW, "L|1|N")) == ["below_elbow"]


def test_an_unclear_message_is_told_once_and_ends_no_examination():
    results = message(HEAD[0], *HEAD[1:], AMP, ELBOW, "L|1|N")
    assert results == [Rejected("record 4 (H)", "a second H record; all up to L is refused")]


@pytest.mark.parametrize(
    ("records", "study"),
    [
        ((AMP.replace("9.0|mV", "9.0|V"),), "S-1"),
        ((AMP.replace("right", "up"),), "S-1"),
        ((HEAD[0],), "S-1"),
        ((AMP.replace("CMAP-AMP", "FOREIGN"),), None),
        (("Q|1",), None),
        (("O|1|", AMP), None),
    ],
)
def test_what_was_not_taken_is_known_of_the_study_that_lacks_it(records: tuple[str, ...], study: str | None):
    refused = rejections(message(*records, "L|1|N"))
    assert refused
    assert {entry.study.study_id if entry.study else None for entry in refused} == {study}


def test_what_the_cart_sends_again_is_lacking_nowhere():
    to = assembler()
    feed(to, *HEAD, STIM)
    (refused,) = rejections(to.interrupted())
    assert refused.study is None


def test_a_second_h_drops_what_is_open_and_says_so():
    results = message(AMP, HEAD[0])
    assert [rejected.place for rejected in rejections(results)] == ["record 4 (R|1)", "record 5 (H)"]


def test_unreadable_records_of_a_refused_message_are_not_told_either():
    to = assembler()
    feed(to, "P|1")
    assert to.reject("too long") == []


def test_a_message_without_a_usable_time_is_filed_under_the_gateways():
    received_at = "2026-11-02T09:15:00+00:00"
    for head, told in ((HEAD[0][:-14], 0), (HEAD[0].replace("20261102101500", "soon"), 1)):
        results = feed(assembler(received_at=received_at), head, *HEAD[1:], AMP, ELBOW)
        assert [result.header.performed_at for result in results if isinstance(result, Delivery)] == [
            received_at
        ]
        assert len(rejections(results)) == told


def test_a_wrong_birth_date_or_sex_does_not_lose_the_patient():
    results = message("P|1||P-1||Doe^Jane||05.03.1971|W||||||||168^in|62^kg", "O|1|S-1", AMP)
    (delivery,) = (result for result in results if isinstance(result, Delivery))
    assert delivery.header.patient == Patient(id="P-1", family="Doe", given="Jane", weight_kg=62.0)
    assert [rejected.reason.split(":")[0] for rejected in rejections(results)] == ["P-8", "P-9", "P-17"]


@pytest.mark.parametrize(
    "record", ["Q|1|ALL", "S|1", "M|9|TRACE|x", "M|9", "Z", "X" * 200, "|||", "R", "LOT|1", "HCT|2"]
)
def test_records_of_other_profiles_are_named_not_taken(record: str):
    results = message(ELBOW, "C|1", record)
    assert len(rejections(results)) == 1


def test_facts_that_cannot_be_read_are_left_out():
    results = message("M|1|CLIN|400^d|maybe", "M|1|CLIN|57.2^wk", AMP)
    assert len(rejections(results)) == 2
    assert len(recordings(results)) == 1


@pytest.mark.parametrize("sequence", ["1234567", "Doe", "٣", ""])
def test_a_place_shows_a_sequence_number_and_nothing_else(sequence: str):
    (rejected,) = rejections(message(f"Q|{sequence}"))
    assert rejected.place == "record 4 (Q)"


def test_no_reason_shows_who_the_patient_is():
    canary = "CANARY"
    records = [record.replace("Doe", canary) for record in HEAD]
    garbled = [
        f"P|1||{canary}||{canary}||{canary}|{canary}",
        f"O|1|{canary * 20}",
        f"M|1|STIM|{canary}|{canary}",
    ]
    results = feed(
        assembler(), *records, *garbled, f"R|{canary}|{canary}|{canary}", f"M|1|{canary}", f"{canary}|1"
    )
    assert rejections(results)
    assert canary not in str(rejections(results))


# how a message can end


def test_silence_drops_the_open_recording_and_never_a_completed_one():
    to = assembler()
    assert sites(feed(to, *HEAD, AMP, ELBOW)) == ["wrist"]
    (rejected,) = to.drop_open("the line fell silent")
    assert rejected == Rejected("record 5 (R|3)", "the right motor recording: the line fell silent")
    assert to.end_of_message() == []


@pytest.mark.parametrize("records", [(), (AMP.replace("9.0", "x"),)])
def test_silence_with_nothing_good_open_drops_nothing(records: tuple[str, ...]):
    to = assembler()
    feed(to, *HEAD, *records)
    assert to.drop_open("the line fell silent") == []


def test_an_interruption_keeps_measured_values_and_drops_half_a_waveform():
    to = assembler()
    feed(to, *HEAD, AMP, wave([1, 2], "1^2"))
    results = to.interrupted()
    (recording,) = recordings(results)
    assert (recording.measured, recording.waveform) == (MotorMarks(amplitude_mv=9.0), None)
    assert len(rejections(results)) == 1


def test_a_sweep_without_a_record_is_no_recording():
    with pytest.raises(DataError, match="which recording"):
        Sweep("record 1", UTC, 10).recording()


@pytest.mark.parametrize("records", [(wave([1, 2], "1^2"),), (AMP, wave([1, 2], "2^2")), ()])
def test_an_interruption_makes_no_recording_of_less(records: tuple[str, ...]):
    to = assembler()
    feed(to, *HEAD, *records)
    assert recordings(to.interrupted()) == []


def test_an_interruption_completes_what_is_whole():
    to = assembler()
    feed(to, *HEAD, STIM, AMP, LAT)
    assert recordings(to.interrupted()) == [NORMAL_WRIST]


# writing

ZONES = st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
STAMPS = st.datetimes(datetime(1950, 1, 1), datetime(2099, 1, 1), timezones=ZONES).map(datetime.isoformat)  # noqa: DTZ001
NAMES = st.text(min_size=1, max_size=12)
SOME_TEXT = st.none() | NAMES


def floats(at_least: float, at_most: float) -> st.SearchStrategy[float | None]:
    return st.none() | resolved(at_least, at_most)


def resolved(at_least: float, at_most: float) -> st.SearchStrategy[float]:
    """Numbers an instrument can tell from zero, or zero."""
    return st.floats(at_least, at_most).map(lambda value: value if value >= 1e-6 else 0.0)


MOTOR = st.builds(
    MotorMarks,
    onset_latency_ms=resolved(0, 1000),
    peak_latency_ms=floats(0, 1000),
    amplitude_mv=floats(0, 1000),
    peak_to_peak_mv=floats(0, 1000),
    negative_area_mv_ms=floats(0, 1e5),
    negative_duration_ms=floats(0, 1000),
    total_duration_ms=floats(0, 1000),
)
SENSORY = st.builds(
    SensoryMarks,
    onset_latency_ms=floats(0, 1000),
    peak_latency_ms=floats(0, 1000),
    amplitude_uv=resolved(0, 1e5),
    peak_to_peak_uv=floats(0, 1e5),
    negative_duration_ms=floats(0, 1000),
    total_duration_ms=floats(0, 1000),
)
WAVEFORMS = st.builds(
    Waveform,
    sampling_rate_hz=st.floats(1, 1e6),
    start_ms=st.floats(-1e3, 1e3),
    microvolts_per_count=st.floats(1e-9, 1e6),
    samples=st.lists(st.integers(-32768, 32767), min_size=2, max_size=20).map(
        lambda n: np.array(n, np.int32)
    ),
)


@st.composite
def any_recording(draw: st.DrawFn) -> Recording:
    modality = draw(st.sampled_from(Modality))
    measured = draw((MOTOR if modality is Modality.MOTOR else SENSORY) | st.just(NO_RESPONSE) | st.none())
    return Recording(
        modality=modality,
        nerve=draw(NAMES),
        side=draw(st.sampled_from(Side)),
        recording_site=draw(NAMES),
        stimulation_site=draw(NAMES),
        site_position_mm=draw(floats(0, 1e3)),
        distance_mm=draw(floats(0.1, 1e3)),
        distance_to_recording_mm=draw(floats(0.1, 1e3)),
        recorded_at=draw(st.none() | STAMPS),
        skin_temperature_c=draw(floats(0, 50)),
        stimulus=Stimulus(
            intensity_ma=draw(floats(0, 100)),
            duration_ms=draw(floats(0, 10)),
            supramaximal=draw(st.sampled_from([True, False, None])),
        ),
        filter_hz=draw(st.none() | st.tuples(st.floats(0, 999), st.floats(1000, 1e5))),
        gain_uv_per_div=draw(floats(0, 1e6)),
        notch_hz=draw(floats(0, 60)),
        averages=draw(st.none() | st.integers(1, 5000)),
        montage_id=draw(SOME_TEXT),
        operator=draw(SOME_TEXT),
        measured=measured,
        waveform=draw(WAVEFORMS if measured is None else st.none() | WAVEFORMS),
    )


HEADERS = st.builds(
    StudyHeader,
    study_id=NAMES,
    performed_at=STAMPS,
    patient=st.builds(
        Patient,
        id=SOME_TEXT,
        family=SOME_TEXT,
        given=SOME_TEXT,
        birth_date=st.none() | st.dates(datetime(1900, 1, 1).date()).filter(lambda d: d.year < 2100).map(str),  # noqa: DTZ001
        sex=st.sampled_from(["F", "M", "O", "U", None]),
        height_cm=floats(1, 300),
        weight_kg=floats(1, 500),
    ),
    device=st.builds(Device, manufacturer=SOME_TEXT, model=SOME_TEXT, serial=SOME_TEXT),
    order=st.builds(Order, placer=SOME_TEXT, accession=SOME_TEXT),
    clinical=st.builds(
        ClinicalFacts,
        symptom_onset_days=floats(0, 1e5),
        umn_signs=st.sampled_from([True, False, None]),
        anti_gm1_igm=st.sampled_from(["positive", "negative", None]),
        csf_protein_g_l=floats(0, 100),
        plexus_mri_abnormal=st.sampled_from([True, False, None]),
        ivig_response=st.sampled_from([True, False, None]),
    ),
    simulated=st.booleans(),
)
STUDIES = st.builds(
    Study, header=HEADERS, recordings=st.lists(any_recording(), max_size=5).map(tuple), ended=st.booleans()
)


@settings(max_examples=300)
@given(STUDIES)
def test_a_study_reads_back_as_it_was_written(study: Study):
    results = feed(assembler(), *encode_study(study))
    assert results == [
        *(Delivery(study.header, recording) for recording in study.recordings),
        Delivery(study.header, ExamEnded(by="device")),
    ]


@given(STUDIES, st.data())
def test_damaged_records_give_only_results(study: Study, data: st.DataObject):
    records = [bytearray(record.encode()) for record in encode_study(study)]
    for _ in range(data.draw(st.integers(1, 5))):
        record = data.draw(st.sampled_from(records))
        if record:
            at = data.draw(st.integers(0, len(record) - 1))
            record[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    to = assembler()
    results = [result for record in records for result in to.feed(bytes(record))] + to.interrupted()
    assert all(isinstance(result, (Delivery, Rejected)) for result in results)


@given(
    st.lists(
        st.binary(max_size=80) | st.sampled_from([*(h.encode() for h in HEAD), AMP.encode()]), max_size=40
    )
)
def test_garbage_gives_only_results(records: list[bytes]):
    to = assembler()
    results = [result for record in records for result in to.feed(record)] + to.end_of_message()
    assert all(isinstance(result, (Delivery, Rejected)) for result in results)


def header() -> StudyHeader:
    return StudyHeader(study_id="S-1", performed_at="2026-11-02T10:15:00+01:00")


def test_the_records_of_a_study():
    device, patient = Device(manufacturer="Acme", model="Cart"), Patient(id="P-1", family="Doe", sex="F")
    study = Study(
        header=replace(header(), device=device, patient=patient, simulated=True),
        recordings=(replace(NORMAL_WRIST, recorded_at=None),),
    )
    assert encode_study(study) == [
        r"H|\^&|||Acme^Cart|||||||T|LIS2-A2|20261102101500+0100",
        "P|1||P-1||Doe|||F",
        "O|1|S-1||^^^NCS",
        f"M|1|STIM|{WRIST}|38.0^mA|0.2^ms|Y|33.1^Cel|70.0^mm|2.0^10000.0",
        f"R|1|^^^{WRIST}^CMAP-LAT|2.9|ms||N||P",
        f"R|2|^^^{WRIST}^CMAP-AMP|9.0|mV||N||P",
        "L|1|N",
    ]
    assert encode_study(study, ends_exam=False)[-1].startswith("R|2|")


@pytest.mark.parametrize("size", [PART_SAMPLES, PART_SAMPLES + 1, 3 * PART_SAMPLES])
def test_a_long_waveform_goes_in_parts(size: int):
    waveform = Waveform(
        sampling_rate_hz=48000.0,
        start_ms=0.0,
        microvolts_per_count=1.0,
        samples=np.arange(size, dtype=np.int32),
    )
    study = Study(header=header(), recordings=(replace(NORMAL_WRIST, waveform=waveform),))
    records = encode_study(study)
    assert sum("|WAVE|" in record for record in records) == -(-size // PART_SAMPLES)
    assert recordings(feed(assembler(), *records))[0].waveform == waveform


@pytest.mark.parametrize("value", [-32769, 32768])
def test_samples_beyond_16_bits_are_refused_not_clipped(value: int):
    waveform = Waveform(
        sampling_rate_hz=48000.0,
        start_ms=0.0,
        microvolts_per_count=1.0,
        samples=np.array([0, value], np.int32),
    )
    with pytest.raises(DataError, match="adm wrist: the samples do not fit 16 bits"):
        encode_study(Study(header=header(), recordings=(replace(NORMAL_WRIST, waveform=waveform),)))


@pytest.mark.parametrize(
    "study",
    [
        Study(header=header(), recordings=(replace(NORMAL_WRIST, measured=MotorMarks()),)),
        Study(header=header(), recordings=(replace(NORMAL_WRIST, recorded_at="today"),)),
        Study(header=replace(header(), performed_at="2026-11-02")),
        Study(header=replace(header(), patient=Patient(birth_date="1971"))),
    ],
    ids=["nothing measured", "no time", "no zone", "no date"],
)
def test_what_the_profile_cannot_carry_is_refused(study: Study):
    with pytest.raises(DataError):
        encode_study(study)
