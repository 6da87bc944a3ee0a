"""One MQTT message of each kind, of a patient who does not exist: always the same.

Those who build a screen try it with them before there is a cart, and the AsyncAPI document shows them. They
tell one story: the wrist, a block at the elbow, somebody has seen the alert, the elbow once more without it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec
import numpy as np

from gateway.domain.recording import Modality, MotorMarks, Recording, Side, Stimulus, Waveform
from gateway.domain.study import Device, Study, StudyHeader
from gateway.pipeline.stages import Reference, assessment, examine
from gateway.protocols.alerts import Alerts, Seen, acknowledged
from gateway.protocols.mqtt_profile import CHANNELS
from gateway.protocols.screens import Acknowledge, Replay, replay_end
from gateway.protocols.telemetry import (
    STATUS_TOPIC,
    TelemetryEvent,
    alert_events,
    clearing_alerts,
    envelope,
    status,
    study_events,
    timestamp,
    will,
)

_CODE: Final = "SAMPLE22"
_BOOT: Final = "5f0c7f6e-7d0e-4a52-9f0a-0d7f3c1e2b4a"
_BEGAN: Final = datetime(2026, 11, 2, 9, 16, tzinfo=UTC)
_HEADER: Final = StudyHeader(
    study_id="SAMPLE-1",
    performed_at="2026-11-02T10:15:00+01:00",
    device=Device(manufacturer="emg-gateway", model="sample"),
    simulated=True,
)
_BY: Final = Seen(by="Nurse 2", screen="lab2-1", time=timestamp(_BEGAN + timedelta(seconds=9)))
_SHAPE: Final = np.interp(
    np.arange(-2.0, 20.0, 0.25), [0.0, 3.4, 6.0, 9.4, 12.0, 16.0], [0, 0, 90, 0, -25, 0]
)


def _median(site: str, distance_mm: float, latency_ms: float, *amounts: float) -> Recording:
    amplitude_mv, area_mv_ms, duration_ms = amounts
    return Recording(
        modality=Modality.MOTOR,
        nerve="median",
        side=Side.RIGHT,
        recording_site="apb",
        stimulation_site=site,
        recorded_at="2026-11-02T10:16:03+01:00",
        skin_temperature_c=33.1,
        stimulus=Stimulus(intensity_ma=38.0, duration_ms=0.2, supramaximal=True),
        distance_mm=distance_mm,
        measured=MotorMarks(
            onset_latency_ms=latency_ms,
            amplitude_mv=amplitude_mv,
            negative_area_mv_ms=area_mv_ms,
            negative_duration_ms=duration_ms,
        ),
        waveform=Waveform(
            sampling_rate_hz=4_000.0,
            start_ms=-2.0,
            microvolts_per_count=100.0,
            samples=np.round(np.roll(_SHAPE, 16 if site == "elbow" else 0) * amplitude_mv / 9.0).astype(
                np.int32
            ),
        ),
    )


_WRIST: Final = _median("wrist", 70.0, 3.4, 9.0, 28.0, 6.0)
_BLOCKED: Final = _median("elbow", 220.0, 7.4, 3.0, 9.5, 6.4)
_AGAIN: Final = _median("elbow", 220.0, 7.3, 8.6, 27.0, 6.3)
_STORY: Final = ((_WRIST,), (_WRIST, _BLOCKED), (_WRIST, _AGAIN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A message as it goes over the broker; `topic` stands below the prefix."""

    message: str
    topic: str
    payload: bytes
    about: str


def event_samples(reference: Reference) -> dict[str, Sample]:
    """A message of each kind by its name, in the order they would follow one another."""
    events, alert_id = _story(reference)
    last = len(events)
    (emptied,) = clearing_alerts([alert_id])
    return {
        "status": _status("online", seq=1, last=0, about="the gateway is there"),
        **dict(_told(events)),
        "cleared": Sample(message="cleared", topic=emptied.topic, payload=b"", about="the alert is over"),
        **dict(_asked(alert_id, last)),
        "status_offline": _status("offline", seq=61, last=last, about="the gateway was stopped"),
        "will": Sample(message="will", topic=STATUS_TOPIC, payload=will(_BOOT), about="the gateway was lost"),
    }


def _story(reference: Reference) -> tuple[list[TelemetryEvent], str]:
    """The events, and the name of the alert."""
    before, events = None, list[TelemetryEvent]()
    alerts: Alerts = {}
    for recordings in _STORY:
        after = assessment(examine(Study(header=_HEADER, recordings=recordings), reference), reference)
        arrived = next(entry for entry in after.recordings if entry.recording is recordings[-1])
        told, alerts = study_events(before, after, arrived, _CODE, alerts)
        before, seen = after, {name: acknowledged(alert, _BY) for name, alert in alerts.items()}
        events += [*told, *alert_events(alerts, seen, simulated=True)]
        alerts = seen
    return events, next(iter(alerts))


# Which of the events of a kind is shown, and what it tells.
_SHOWN: Final[Mapping[str, tuple[str, int, str]]] = {
    "recording": ("recording", 0, "the wrist was stimulated"),
    "segment": ("segment", 0, "from wrist to elbow, with a block"),
    "guidance": ("guidance", 1, "what is still to record"),
    "assessment": ("assessment", 1, "all that is known, the block as well"),
    "alert": ("alert", 0, "the block is found"),
    "alert_seen": ("alert", 1, "somebody has acknowledged it"),
    "alert_over": ("alert", 2, "it is gone, and was seen"),
}


def _told(events: Sequence[TelemetryEvent]) -> Iterator[tuple[str, Sample]]:
    for name, (kind, which, about) in _SHOWN.items():
        of_kind = [entry for entry in enumerate(events, start=1) if kind in entry[1].topic.split("/")]
        seq, event = of_kind[which]
        payload = envelope(event, seq, _BOOT, _BEGAN + timedelta(seconds=seq))
        yield name, Sample(message=kind, topic=event.topic, payload=payload, about=about)


def _asked(alert_id: str, last: int) -> Iterator[tuple[str, Sample]]:
    replay = Replay(request_id="lab2-1-7", since=3)
    asked = {
        "ack": (Acknowledge(alert_id=alert_id, by=_BY.by, screen=_BY.screen), "a person presses the button"),
        "replay": (replay, "what came after event 3?"),
    }
    for name, (command, about) in asked.items():
        topic = CHANNELS[f"cmd_{name}"].topic()
        yield name, Sample(message=name, topic=topic, payload=msgspec.json.encode(command), about=about)
    end = replay_end(replay, last, 1)
    yield (
        "replay_end",
        Sample(message="replay_end", topic=replay.topic, payload=end, about="there is no more"),
    )


def _status(state: Literal["online", "offline"], *, seq: int, last: int, about: str) -> Sample:
    time = _BEGAN + timedelta(seconds=seq - 1)
    payload = status(state, boot_id=_BOOT, seq=seq, time=time, last_event_seq=last)
    return Sample(message="status", topic=STATUS_TOPIC, payload=payload, about=about)
