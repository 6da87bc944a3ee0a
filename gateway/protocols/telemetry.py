"""What lab screens are told over MQTT: topics below `emg/v1/{site}/{cart}` and their JSON payloads.

`study_events` says which events follow when an examination changes, `envelope` gives one its number. A study
goes by an opaque code; no identifier, operator or other free text of the cart gets into a payload.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np

from gateway import __version__
from gateway.domain.anatomy import SitePoint
from gateway.domain.assessment import (
    Assessment,
    JsonObject,
    action_object,
    document,
    recording_object,
    segment_object,
)
from gateway.domain.findings import Finding
from gateway.domain.recording import Waveform
from gateway.domain.sites import Evoked
from gateway.errors import ConfigError, DataError
from gateway.protocols.alerts import Alert, Alerts, alert_object, judged
from gateway.protocols.mqtt_profile import CHANNELS, PARAMETERS, PREFIX

STATUS_TOPIC: Final = CHANNELS["status"].topic()

# No wildcard, no blank, no empty level: a broker that refuses a topic would be asked again for ever.
_TOPIC: Final = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_SHORTEST_KEY: Final = 16
_CODE_BYTES: Final = 5  # 40 bits are exactly 8 base32 characters
# Two points for each pixel column of a trace a quarter of a screen wide.
_DISPLAY_POINTS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryEvent:
    """One MQTT message to come; `topic` stands below the prefix.

    `data` None clears a retained topic: an empty payload, which takes no number.
    """

    topic: str
    data: JsonObject | None
    retain: bool
    simulated: bool

    def __post_init__(self) -> None:
        if not _TOPIC.fullmatch(self.topic):
            raise DataError("only letters, digits, _ . - and / between levels", f"topic {self.topic[:80]!r}")


def prefix(site: str, cart: str) -> str:
    """The prefix of a cart's topics; ConfigError where a name does not fit into a topic."""
    for key, name in (("site", site), ("cart", cart)):
        if not re.fullmatch(PARAMETERS[key][0], name):
            raise ConfigError(f"{key} = {name[:80]!r}: use 1 to 32 of a-z, 0-9, _ and -")
    return PREFIX.format(site=site, cart=cart)


def boot_of(boot_id: str, prefix: str) -> str:
    """The `boot_id` of a cart: of this start of the gateway, and of no other cart."""
    return f"{boot_id}-{prefix.rpartition('/')[2]}"


def study_code(key: bytes, driver: str, study_id: str, patient_id: str) -> str:
    """The opaque name of a study: 8 base32 characters that nobody without `key` can trace back."""
    if len(key) < _SHORTEST_KEY:
        raise ConfigError(f"the installation's key has {len(key)} bytes; it needs at least {_SHORTEST_KEY}")
    parts = (part.encode("utf-8", "surrogatepass") for part in (driver, study_id, patient_id))
    joined = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    digest = hmac.digest(key, joined, hashlib.sha256)
    return base64.b32encode(digest[:_CODE_BYTES]).decode("ascii")


def timestamp(time: datetime) -> str:
    """`time` (aware) in UTC with milliseconds, as every payload writes it."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(event: TelemetryEvent, seq: int, boot_id: str, time: datetime) -> bytes:
    """The payload of an event; empty where it clears its topic.

    It names its topic (below the prefix), which a replay would not tell.
    """
    if event.data is None:
        return b""
    whole: JsonObject = {"seq": seq, "boot_id": boot_id, "time": timestamp(time), "topic": event.topic}
    if event.simulated:
        whole["simulated"] = True
    return _json(whole | {"data": event.data})


def status(
    state: Literal["online", "offline"], *, boot_id: str, seq: int, time: datetime, last_event_seq: int
) -> bytes:
    """The heartbeat; `seq` counts the heartbeats of this boot, `last_event_seq` the events sent before it."""
    return _json(
        {
            "state": state,
            "boot_id": boot_id,
            "seq": seq,
            "time": timestamp(time),
            "last_event_seq": last_event_seq,
        }
    )


def will(boot_id: str) -> bytes:
    """What the broker says in our place when the connection is lost."""
    return _json({"state": "offline", "boot_id": boot_id})


def _json(whole: JsonObject) -> bytes:
    return json.dumps(whole, allow_nan=False, separators=(",", ":")).encode("ascii")


def study_events(
    before: Assessment | None,
    after: Assessment,
    arrived: Evoked | None,
    code: str,
    alerts: Alerts,
    *,
    anew: bool = False,
) -> tuple[tuple[TelemetryEvent, ...], dict[str, Alert]]:
    """What to tell after the study `code` went from `before` to `after`, in order, and its alerts then.

    `arrived` is the recording that made the difference, if it was one; `anew`: what was said so far is wrong,
    guidance and assessment are told in any case.
    """
    said: list[tuple[str, JsonObject]] = []
    if arrived is not None:
        said.append(("recording", _arrival(arrived, after)))
    said += [("segment", entry) for entry in _regraded(before, after)]
    if anew or before is None or before.guidance != after.guidance:
        said.append(("guidance", {"actions": [action_object(action) for action in after.guidance]}))
    current = _assessment(after, code)
    if anew or before is None or arrived is not None or _assessment(before, code) != current:
        said.append(("assessment", current))
    simulated = after.header.simulated
    events = [_event(kind, data, simulated=simulated, study=code) for kind, data in said]
    alerts_then = judged(alerts, after, code)
    return (*events, *alert_events(alerts, alerts_then, simulated=simulated)), alerts_then


def _assessment(assessment: Assessment, code: str) -> JsonObject:
    whole = document(assessment, study_id=code, gateway_version=__version__)
    return whole | {"recordings": [_recording(entry) for entry in assessment.recordings]}


def _arrival(arrived: Evoked, after: Assessment) -> JsonObject:
    """The recording as the assessment has it where it is the one used there, with its curve."""
    used = (entry for entry in after.recordings if entry.recording is arrived.recording)
    waveform = arrived.recording.waveform
    curve: JsonObject = {} if waveform is None else {"waveform": display_waveform(waveform)}
    return _recording(next(used, arrived)) | curve


def _recording(entry: Evoked) -> JsonObject:
    found = recording_object(entry)
    if not _is_time(entry.recording.recorded_at):
        found.pop("recorded_at", None)
    return found


def _is_time(text: str | None) -> bool:
    """Whether a cart's time is one: anything else it writes there could name the patient."""
    try:
        datetime.fromisoformat(text or "")
    except ValueError:
        return False
    return True


def display_waveform(waveform: Waveform) -> JsonObject:
    """The curve in the form of the Study document, at most 500 samples.

    Of each interval the least and the greatest sample are kept, in the order they came: what stands out stays
    as high as it was, at most one interval away from its time.
    """
    samples, rate = waveform.samples, waveform.sampling_rate_hz
    if samples.size > _DISPLAY_POINTS:
        width = -(-2 * samples.size // _DISPLAY_POINTS)
        padded = np.pad(samples, (0, -samples.size % width), mode="edge").reshape(-1, width)
        ends = np.sort(np.stack((padded.argmin(axis=1), padded.argmax(axis=1)), axis=1), axis=1)
        samples = np.take_along_axis(padded, ends, axis=1).ravel()
        rate = 2 * rate / width
    return {
        "sampling_rate_hz": rate,
        "start_ms": waveform.start_ms,
        "microvolts_per_count": waveform.microvolts_per_count,
        "samples": samples.tolist(),
    }


_SegmentKey = tuple[str, str, str, SitePoint, SitePoint]


def _regraded(before: Assessment | None, after: Assessment) -> Iterable[JsonObject]:
    """The segments that are new or read otherwise than before."""
    known = {} if before is None else {_key(entry): segment_object(entry) for entry in before.findings}
    for entry in after.findings:
        if known.get(_key(entry)) != (now := segment_object(entry)):
            yield now


def _key(entry: Finding) -> _SegmentKey:
    found = entry.segment
    return (found.nerve, found.side, found.recording_site, found.distal_point, found.proximal_point)


def alert_events(before: Alerts, after: Alerts, *, simulated: bool) -> tuple[TelemetryEvent, ...]:
    """What to tell of the alerts that are otherwise than before, in their order."""
    return tuple(
        _event("alert", alert_object(alert), simulated=simulated, alert_id=name)
        for name, alert in after.items()
        if before.get(name) != alert
    )


def clearing(code: str, alerts: Alerts) -> tuple[TelemetryEvent, ...]:
    """Take the study's assessment and all its alerts away, some time after the examination."""
    return (_event("assessment", None, study=code), *clearing_alerts(alerts))


def clearing_alerts(names: Iterable[str]) -> tuple[TelemetryEvent, ...]:
    """Take the alerts of these names away."""
    return tuple(_event("alert", None, alert_id=name) for name in names)


def _event(kind: str, data: JsonObject | None, *, simulated: bool = False, **names: str) -> TelemetryEvent:
    channel = CHANNELS[kind]
    return TelemetryEvent(
        topic=channel.topic(**names), data=data, retain=channel.retained, simulated=simulated
    )
