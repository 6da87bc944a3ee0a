import contextlib
import json
import string
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.daemon.reference import load_reference
from gateway.domain.actions import Action, Site
from gateway.domain.assessment import Assessment, JsonObject
from gateway.domain.criteria import Condition, CriteriaSet, Grade, Graded, Measure, Rule
from gateway.domain.findings import Finding
from gateway.domain.motor_limits import MotorLimits
from gateway.domain.quality import Quality
from gateway.domain.recording import NO_RESPONSE, Modality, MotorMarks, Recording, Side, Waveform
from gateway.domain.segments import Segment, point
from gateway.domain.sites import Evoked
from gateway.domain.study import ClinicalFacts, Device, Order, Patient, StudyHeader
from gateway.domain.support import MmnSupport, Support
from gateway.errors import ConfigError, DataError
from gateway.protocols.alerts import (
    TRANSITIONS,
    Alert,
    Phase,
    Seen,
    State,
    Trigger,
    acknowledged,
    alert_from,
    alert_object,
    leaving,
    stored_alert,
)
from gateway.protocols.telemetry import (
    TelemetryEvent,
    clearing,
    display_waveform,
    envelope,
    prefix,
    status,
    study_code,
    study_events,
    timestamp,
    will,
)

KEY = bytes(range(32))
CODE = "7K3FABCD"
CANARY = "Zzyzx-Kanarienvogel"
NOON = datetime(2026, 11, 2, 12, 0, 0, 123_456, tzinfo=UTC)
ALERT_ID = f"{CODE}-ulnar-right-adm-wrist-below_elbow"
HEADER = StudyHeader(study_id="S-1", performed_at="2026-11-02T10:15:00+01:00")


def curve(samples: list[int]) -> Waveform:
    return Waveform(
        sampling_rate_hz=48_000, start_ms=-2.0, microvolts_per_count=0.5, samples=np.array(samples, np.int32)
    )


def site(name: str, amplitude_mv: float | None = 9.0, *, position_mm: float | None = None) -> Evoked:
    marks = NO_RESPONSE if amplitude_mv is None else MotorMarks(amplitude_mv=amplitude_mv)
    recording = Recording(
        modality=Modality.MOTOR,
        nerve="ulnar",
        side=Side.RIGHT,
        recording_site="adm",
        stimulation_site=name,
        site_position_mm=position_mm,
        measured=marks,
    )
    return Evoked(recording=recording, graded=marks, marked_by="device")


def finding(
    grade: Grade,
    *,
    by_amplitude: Grade = Grade.NONE,
    reasons: tuple[str, ...] = (),
    rule: Rule | None = None,
    **segment: object,
) -> Finding:
    whole: dict[str, object] = {
        "nerve": "ulnar",
        "side": Side.RIGHT,
        "recording_site": "adm",
        "distal": site("wrist"),
        "proximal": site("below_elbow", 3.0),
        "amplitude_reduction_percent": 66.7,
        "area_reduction_percent": 66.1,
    }
    whole |= segment
    ends = [point(whole[end].recording) for end in ("distal", "proximal")]  # type: ignore[attr-defined]
    course = load_reference().anatomy.course("ulnar", *ends)
    return Finding(
        segment=Segment(**whole, distal_point=ends[0], proximal_point=ends[1], course=course),  # type: ignore[arg-type]
        grades={"efns-pns-mmn-2010": grade, "amplitude-50": by_amplitude},
        chosen=Graded(grade, rule=rule),
        finding=grade,
        gates=(),
        reasons=reasons,
        actions=(),
    )


def asking(quantity: Measure) -> Rule:
    duration = Condition(quantity="duration_increase_percent", op="<=", limit=30.0)
    if quantity == "amplitude_ratio":
        fall = Condition(quantity=quantity, op="<=", limit=0.5)
    else:
        fall = Condition(quantity=quantity, op=">=", limit=50.0)
    return Rule(grade="block", conditions=(duration, fall))


BY_AREA = asking("area_reduction_percent")
BLOCK = finding(Grade.DEFINITE_BLOCK, by_amplitude=Grade.BLOCK, rule=BY_AREA)
PROBABLE = finding(Grade.PROBABLE_BLOCK, rule=BY_AREA)
IN_DOUBT = finding(Grade.INDETERMINATE, by_amplitude=Grade.BLOCK, reasons=("submaximal",))
NONE = finding(Grade.NONE)
NO_AREA = finding(
    Grade.NOT_ASSESSABLE,
    by_amplitude=Grade.BLOCK,
    reasons=("area_missing",),
    area_reduction_percent=None,
)
ACTION = Action(
    code="exclude_martin_gruber",
    nerve="ulnar",
    side=Side.RIGHT,
    why="median fibres may reach this muscle",
    recordings=(Site(nerve="median", side=Side.RIGHT, stimulation_site="wrist", recording_site="adm"),),
)
SHIPPED = load_reference()


def assessment(
    *findings: Finding,
    header: StudyHeader = HEADER,
    recordings: tuple[Evoked, ...] = (),
    guidance: tuple[Action, ...] = (),
) -> Assessment:
    return Assessment(
        header=header,
        grading="efns-pns-mmn-2010",
        norms="aanem-2016",
        criteria=(
            CriteriaSet(
                id="amplitude-50",
                title="",
                source="",
                status="given",
                version="1",
                nerves="all",
                rules=(BY_AREA,),
            ),
        ),
        recordings=recordings,
        findings=findings,
        motor_limits=MotorLimits(norms=SHIPPED.norms, anatomy=SHIPPED.anatomy, thresholds=SHIPPED.thresholds),
        sensory=(),
        sensory_normal=None,
        mmn=MmnSupport(support=Support.NONE),
        guidance=guidance,
    )


def told(events: tuple[TelemetryEvent, ...]) -> list[str]:
    return [event.topic.removeprefix(f"study/{CODE}/") for event in events]


def data(events: tuple[TelemetryEvent, ...], kind: str) -> JsonObject:
    (found,) = [event.data for event in events if event.topic.rpartition("/")[2] == kind and event.data]
    return found


def raised(*findings: Finding) -> dict[str, Alert]:
    return study_events(None, assessment(*findings), None, CODE, {})[1]


# --- names -----------------------------------------------------------------------------------------------


def test_the_prefix_is_versioned_and_names_site_and_cart() -> None:
    assert prefix("lab1", "cart-a_2") == "emg/v1/lab1/cart-a_2"


@pytest.mark.parametrize("name", ["", "Lab1", "lab 1", "lab/1", "lab+", "#", "lab1\n", "ü", "x" * 33])
def test_a_name_that_does_not_fit_into_a_topic_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="site = "):
        prefix(name, "cart-a")
    with pytest.raises(ConfigError, match="cart = "):
        prefix("lab1", name)


@pytest.mark.parametrize(
    "topic", ["", "/study", "study//x", "study/#", "a+b", "study/é", "study/x\n", "$SYS"]
)
def test_a_topic_that_a_broker_would_refuse_cannot_be_built(topic: str) -> None:
    with pytest.raises(DataError, match="topic"):
        TelemetryEvent(topic=topic, data=None, retain=True, simulated=False)


@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_a_study_code_is_eight_base32_characters_and_parts_do_not_run_together(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    code = study_code(KEY, *one)
    assert len(code) == 8
    assert set(code) <= set(string.ascii_uppercase + "234567")
    assert (code == study_code(KEY, *other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"), [(("a", "b", ""), ("a", "", "b")), (("ab", "c", "d"), ("a", "bc", "d"))]
)
def test_moving_characters_between_the_parts_of_a_code_changes_it(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert study_code(KEY, *one) != study_code(KEY, *other)


def test_a_study_code_depends_on_the_installation_and_stays_the_same() -> None:
    assert study_code(KEY, "room-1", "S-1", "P-1") == "ZVO6PFKZ"
    assert study_code(KEY[::-1], "room-1", "S-1", "P-1") != "ZVO6PFKZ"


def test_text_that_is_no_unicode_still_has_a_code() -> None:
    assert study_code(KEY, "room-1", "\ud800", "P-1") != study_code(KEY, "room-1", "?", "P-1")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs at least 16"):
        study_code(b"short", "room-1", "S-1", "P-1")


# --- payloads --------------------------------------------------------------------------------------------


def test_an_envelope_holds_number_boot_time_and_data() -> None:
    event = TelemetryEvent(topic="study/x/guidance", data={"actions": []}, retain=False, simulated=False)
    assert json.loads(envelope(event, 7, "b1", NOON)) == {
        "seq": 7,
        "boot_id": "b1",
        "time": "2026-11-02T12:00:00.123Z",
        "topic": "study/x/guidance",
        "data": {"actions": []},
    }


def test_simulated_data_says_so_beside_the_number() -> None:
    event = TelemetryEvent(topic="x", data={}, retain=False, simulated=True)
    assert json.loads(envelope(event, 1, "b1", NOON))["simulated"] is True


def test_clearing_a_topic_is_an_empty_payload() -> None:
    event = TelemetryEvent(topic="x", data=None, retain=True, simulated=True)
    assert envelope(event, 1, "b1", NOON) == b""


TEXT_DATA = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text())


@given(TEXT_DATA, st.integers(1), st.text())
def test_an_envelope_is_json_in_utf_8_whatever_it_holds(whole: JsonObject, seq: int, boot_id: str) -> None:
    event = TelemetryEvent(topic="x", data=whole, retain=False, simulated=False)
    read = json.loads(envelope(event, seq, boot_id, NOON).decode("utf-8"))
    assert (read["seq"], read["boot_id"], read["data"]) == (seq, boot_id, whole)


@given(st.datetimes(timezones=st.timezones()))
def test_times_are_utc_with_milliseconds(time: datetime) -> None:
    written = timestamp(time)
    assert len(written) == len("2026-11-02T12:00:00.123Z")
    assert timedelta(0) <= time - datetime.fromisoformat(written) < timedelta(milliseconds=1)


def test_a_time_of_another_zone_is_converted() -> None:
    assert timestamp(datetime(2026, 11, 2, 0, 30, tzinfo=timezone(timedelta(hours=1)))).startswith(
        "2026-11-01T23:30"
    )


def test_status_is_flat_and_the_will_says_only_what_is_known_beforehand() -> None:
    assert json.loads(status("online", boot_id="b1", seq=3, time=NOON, last_event_seq=9)) == {
        "state": "online",
        "boot_id": "b1",
        "seq": 3,
        "time": "2026-11-02T12:00:00.123Z",
        "last_event_seq": 9,
    }
    assert json.loads(will("b1")) == {"state": "offline", "boot_id": "b1"}


# --- what follows from one more fact ---------------------------------------------------------------------


def test_the_first_recording_brings_recording_guidance_and_assessment() -> None:
    arrived = site("wrist")
    events, alerts = study_events(None, assessment(recordings=(arrived,)), arrived, CODE, {})
    assert told(events) == ["recording", "guidance", "assessment"]
    assert data(events, "recording")["stimulation_site"] == "wrist"
    assert data(events, "guidance") == {"actions": []}
    assert [event.retain for event in events] == [False, False, True]
    assert alerts == {}


def test_the_assessment_goes_by_the_opaque_code_and_stays_preliminary() -> None:
    whole = data(study_events(None, assessment(BLOCK), None, CODE, {})[0], "assessment")
    assert (whole["study_id"], whole["status"]) == (CODE, "preliminary")


def test_a_segment_is_told_when_it_is_new_and_again_when_it_reads_otherwise() -> None:
    before = assessment(PROBABLE)
    longer = finding(Grade.NONE, distal=site("below_elbow"), proximal=site("axilla"))
    assert told(study_events(None, before, None, CODE, {})[0])[0] == "segment"
    assert told(study_events(before, before, site("axilla"), CODE, raised(PROBABLE))[0]) == [
        "recording",
        "assessment",
    ]
    events, _ = study_events(before, assessment(BLOCK, longer), None, CODE, raised(PROBABLE))
    assert told(events) == ["segment", "segment", "assessment", f"alert/{ALERT_ID}"]


def test_guidance_is_told_when_it_changes() -> None:
    before, after = assessment(), assessment(guidance=(ACTION,))
    events, _ = study_events(before, after, None, CODE, {})
    (event,) = events[:1]
    assert json.loads(envelope(event, 1, "b1", NOON))["data"] == {
        "actions": [
            {
                "code": "exclude_martin_gruber",
                "nerve": "ulnar",
                "side": "right",
                "stimulation_site": None,
                "recording_site": None,
                "why": "median fibres may reach this muscle",
                "recordings": [
                    {
                        "modality": "motor",
                        "nerve": "median",
                        "side": "right",
                        "stimulation_site": "wrist",
                        "recording_site": "adm",
                    }
                ],
            }
        ]
    }
    assert told(study_events(after, after, None, CODE, {})[0]) == []


def test_a_recording_that_is_used_carries_what_its_series_shows() -> None:
    arrived = site("wrist")
    drifting = replace(arrived, quality=(Quality("electrode_drift", -12.0),))
    other = site("below_elbow")
    events, _ = study_events(None, assessment(recordings=(other, drifting)), arrived, CODE, {})
    assert data(events, "recording")["quality"] == ("electrode_drift",)


def test_a_recording_with_a_curve_carries_it() -> None:
    arrived = site("wrist")
    with_curve = replace(arrived, recording=replace(arrived.recording, waveform=curve([0, 4, -2])))
    event = data(study_events(None, assessment(), with_curve, CODE, {})[0], "recording")
    assert event["waveform"] == {
        "sampling_rate_hz": 48_000,
        "start_ms": -2.0,
        "microvolts_per_count": 0.5,
        "samples": [0, 4, -2],
    }


def test_every_event_of_a_simulated_study_says_so() -> None:
    simulated = assessment(BLOCK, header=replace(HEADER, simulated=True))
    assert all(event.simulated for event in study_events(None, simulated, site("wrist"), CODE, {})[0])


def test_nothing_about_the_patient_or_the_operator_is_told() -> None:
    header = StudyHeader(
        study_id=CANARY,
        performed_at=CANARY,
        patient=Patient(id=CANARY, family=CANARY, given=CANARY, birth_date=CANARY, height_cm=171.25),
        device=Device(manufacturer=CANARY, model=CANARY, serial=CANARY),
        order=Order(placer=CANARY, accession=CANARY),
        clinical=ClinicalFacts(anti_gm1_igm="positive"),
        simulated=True,
    )
    arrived = site("wrist")
    recording = replace(
        arrived.recording, operator=CANARY, montage_id=CANARY, recorded_at=CANARY, waveform=curve([1, 2])
    )
    arrived = replace(arrived, recording=recording)
    after = assessment(BLOCK, NO_AREA, header=header, recordings=(arrived,), guidance=(ACTION,))
    events, alerts = study_events(None, after, arrived, CODE, {})
    events += clearing(CODE, alerts)
    payloads = [event.topic.encode() + envelope(event, 1, "b1", NOON) for event in events]
    assert len(payloads) == 8
    assert not [payload for payload in payloads if CANARY.encode() in payload or b"171.25" in payload]


def test_a_time_of_the_cart_is_told() -> None:
    arrived = site("wrist")
    arrived = replace(arrived, recording=replace(arrived.recording, recorded_at="2026-11-02T10:15:03+01:00"))
    events, _ = study_events(None, assessment(), arrived, CODE, {})
    assert data(events, "recording")["recorded_at"] == "2026-11-02T10:15:03+01:00"


# --- curves ----------------------------------------------------------------------------------------------

COUNTS = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=2, max_size=3000)


@given(COUNTS)
def test_a_curve_for_display_is_short_and_keeps_its_extremes(samples: list[int]) -> None:
    shown = display_waveform(curve(samples))["samples"]
    assert isinstance(shown, list)
    assert len(shown) <= 500
    assert (min(shown), max(shown)) == (min(samples), max(samples))


@given(st.integers(501, 5_000), st.data())
def test_a_peak_stays_within_one_interval_of_its_time(size: int, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, size - 1))
    shown = display_waveform(curve([1000 if index == at else 0 for index in range(size)]))
    peak = np.argmax(np.array(shown["samples"]))
    rate = shown["sampling_rate_hz"]
    assert isinstance(rate, float)
    assert abs(peak / rate - at / 48_000) < 2 / rate


def test_a_short_curve_is_shown_as_it_is() -> None:
    assert display_waveform(curve(list(range(500))))["samples"] == list(range(500))


def test_least_and_greatest_keep_their_order() -> None:
    falling = display_waveform(curve(list(range(5000, 0, -1))))["samples"]
    assert isinstance(falling, list)
    assert all(one > other for one, other in pairwise(falling))


# --- alerts ----------------------------------------------------------------------------------------------


WHERE = "right ulnar nerve, wrist to below elbow, recorded at adm"
LEAST = finding(Grade.BLOCK, rule=asking("amplitude_reduction_percent"))
BY_PEAKS = finding(
    Grade.BLOCK, rule=asking("peak_to_peak_reduction_percent"), peak_to_peak_reduction_percent=64.0
)
BY_RATIO = finding(Grade.BLOCK, rule=asking("amplitude_ratio"), amplitude_ratio=0.333)
ABSENT = finding(Grade.DEFINITE_BLOCK, notes=("no_proximal_response",))


@pytest.mark.parametrize(
    ("found", "words", "measure"),
    [
        (BLOCK, "Definite conduction block (efns-pns-mmn-2010)", "area reduced by 66.1 %"),
        (PROBABLE, "Probable conduction block (efns-pns-mmn-2010)", "area reduced by 66.1 %"),
        (LEAST, "Conduction block (efns-pns-mmn-2010)", "amplitude reduced by 66.7 %"),
        (BY_PEAKS, "Conduction block (efns-pns-mmn-2010)", "peak-to-peak amplitude reduced by 64.0 %"),
        (BY_RATIO, "Conduction block (efns-pns-mmn-2010)", "amplitude ratio 0.333"),
        (ABSENT, "Definite conduction block (efns-pns-mmn-2010)", "no proximal response"),
        (
            NO_AREA,
            "Amplitude reduced by 66.7 % (amplitude-50)",
            "efns-pns-mmn-2010 cannot judge without the area",
        ),
    ],
)
def test_a_block_raises_an_alert(found: Finding, words: str, measure: str) -> None:
    events, alerts = study_events(None, assessment(found), None, CODE, {})
    assert events[-1].topic == f"alert/{ALERT_ID}"
    assert events[-1].retain
    assert events[-1].data == alert_object(alerts[ALERT_ID])
    assert (alerts[ALERT_ID].state, alerts[ALERT_ID].phase) == (State.ACTIVE, Phase.START)
    assert alerts[ALERT_ID].text == f"{words}: {WHERE}; {measure}"


@pytest.mark.parametrize("grade", [grade for grade in Grade if "block" not in grade])
@pytest.mark.parametrize(("by_amplitude", "reasons"), [(Grade.BLOCK, ()), (Grade.NONE, ("area_missing",))])
def test_anything_else_raises_none(grade: Grade, by_amplitude: Grade, reasons: tuple[str, ...]) -> None:
    assert raised(finding(grade, by_amplitude=by_amplitude, reasons=reasons)) == {}


def test_an_alert_is_called_after_its_segment_and_inching_positions() -> None:
    inching = finding(
        Grade.BLOCK, distal=site("wrist", position_mm=70), proximal=site("wrist", position_mm=92.5)
    )
    half = finding(Grade.BLOCK, distal=site("wrist"), proximal=site("wrist", position_mm=70))
    assert list(raised(inching, half)) == [
        f"{CODE}-ulnar-right-adm-wrist-wrist-70-92.5",
        f"{CODE}-ulnar-right-adm-wrist-wrist-70",
    ]
    assert "wrist at 70 mm to wrist at 92.5 mm" in next(iter(raised(inching).values())).text


MET, CHANGED, GONE = (PROBABLE,), (BLOCK,), (NONE,)
VANISHED: tuple[Finding, ...] = ()


Steps = list[tuple[Finding, ...]]


@pytest.mark.parametrize(
    ("steps", "state", "phase"),
    [
        ([MET], "active", "start"),
        ([MET, CHANGED], "active", "update"),
        ([MET, GONE], "latched", "end"),
        ([MET, VANISHED], "latched", "end"),
        ([MET, (IN_DOUBT,)], "latched", "end"),
        ([MET, GONE, MET], "active", "start"),
    ],
)
def test_the_life_of_an_alert(steps: Steps, state: str, phase: str) -> None:
    alerts: dict[str, Alert] = {}
    for step in steps:
        events, alerts = study_events(assessment(), assessment(*step), None, CODE, alerts)
        assert events[-1].data == alert_object(alerts[ALERT_ID])
    assert (alerts[ALERT_ID].state, alerts[ALERT_ID].phase) == (state, phase)


@pytest.mark.parametrize("steps", [[MET, MET], [MET, GONE, GONE]])
def test_what_changes_nothing_is_not_told_again(steps: Steps) -> None:
    alerts: dict[str, Alert] = {}
    for step in steps:
        events, alerts = study_events(None, assessment(*step), None, CODE, alerts)
    assert not [event for event in events if event.topic.startswith("alert/")]


def test_every_move_of_the_table_is_one_of_alert_communication_management() -> None:
    for (state, trigger), (next_state, phase) in TRANSITIONS.items():
        assert (phase is Phase.END) == (next_state is not State.ACTIVE)
        assert (phase is Phase.START) == (trigger is Trigger.MET)
        assert state is not next_state or trigger in {Trigger.CHANGED, Trigger.ACKNOWLEDGED}
        assert state is not State.INACTIVE or trigger is Trigger.MET


def test_some_time_after_the_examination_assessment_and_alerts_are_cleared_together() -> None:
    events = clearing(CODE, raised(BLOCK))
    assert [event.topic for event in events] == [f"study/{CODE}/assessment", f"alert/{ALERT_ID}"]
    assert all(event.data is None and event.retain for event in events)


@pytest.mark.parametrize("steps", [[MET], [MET, GONE]])
def test_a_stored_alert_is_the_same_alert(steps: Steps) -> None:
    alerts: dict[str, Alert] = {}
    for step in steps:
        _, alerts = study_events(None, assessment(*step), None, CODE, alerts)
    for alert in alerts.values():
        assert alert_from(json.loads(json.dumps(stored_alert(alert)))) == alert
        told = acknowledged(alert, Seen(by="Dr. Müller", screen="lab2-1", time="2026-11-02T09:15:00.000Z"))
        assert leaving({"it": told}, NOON)["it"] != alert
        for later in leaving({"it": told}, NOON).values():
            assert alert_from(json.loads(json.dumps(stored_alert(later)))) == later


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
PARTS = st.sampled_from([field.name for field in fields(Alert)])


@given(st.dictionaries(PARTS, JSON) | JSON)
def test_anything_else_stored_is_refused(stored: JsonObject) -> None:
    with pytest.raises(DataError):
        alert_from(stored)


@given(PARTS, JSON)
def test_a_stored_alert_with_one_part_broken_is_refused_or_read(part: str, broken: None) -> None:
    stored = stored_alert(raised(BLOCK)[ALERT_ID]) | {part: broken}
    with contextlib.suppress(DataError):
        assert stored_alert(alert_from(stored))[part] == broken


@pytest.mark.parametrize(("part", "word"), [("state", "asleep"), ("phase", "escalate"), ("clear_at", "noon")])
def test_a_stored_alert_in_an_unknown_state_is_refused(part: str, word: str) -> None:
    with pytest.raises(DataError, match="unknown state, phase or time"):
        alert_from(stored_alert(raised(BLOCK)[ALERT_ID]) | {part: word})
