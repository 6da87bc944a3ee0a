"""What lab screens may ask over MQTT, `cmd/ack` and `cmd/replay`, and how a replay ends.

Anybody who may publish there can send anything: a payload is limited before it is read, and what is wrong
with it is said without any of it. Names of people and screens are words: letters, digits, blanks, `.`, `_`,
`@` and `-`, nothing that a page or a terminal would obey.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from gateway.errors import DataError
from gateway.protocols.mqtt_profile import CHANNELS, PARAMETERS

COMMAND_TOPICS: Final = tuple(entry.topic() for entry in CHANNELS.values() if entry.sender == "screen")
# Ten times what an honest command needs.
MAX_BYTES: Final = 2048

_WORDS: Final = re.compile(r"\w(?:[\w .@-]{0,62}[\w.])?")
_ALERT_ID: Final = re.compile(PARAMETERS["alert_id"][0])
_REQUEST_ID: Final = re.compile(PARAMETERS["request_id"][0])
# The largest number that every JSON reader keeps: JavaScript's Number.MAX_SAFE_INTEGER.
_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """Somebody (`by`) at a screen has seen an alert."""

    alert_id: str
    by: str
    screen: str

    def __post_init__(self) -> None:
        _check("alert_id", self.alert_id, _ALERT_ID, "not the name of an alert")
        for name, word in (("by", self.by), ("screen", self.screen)):
            _check(name, word, _WORDS, "use 1 to 64 letters, digits, blanks, . _ @ -")

    @property
    def code(self) -> str:
        """The study the alert belongs to."""
        return self.alert_id.partition("-")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A screen wants the events after number `since` again, below a topic that bears its `request_id`."""

    request_id: str
    since: _Seq

    def __post_init__(self) -> None:
        _check("request_id", self.request_id, _REQUEST_ID, "use 1 to 64 of a-z A-Z 0-9 _ -")

    @property
    def topic(self) -> str:
        """Where the answer goes, below the prefix."""
        return CHANNELS["replay"].topic(request_id=self.request_id)


def _check(name: str, value: str, form: re.Pattern[str], reason: str) -> None:
    if not form.fullmatch(value):
        raise DataError(reason, name)


_COMMANDS: Final[Mapping[str, type[Acknowledge | Replay]]] = {
    "cmd/ack": Acknowledge,
    "cmd/replay": Replay,
}


def command(topic: str, payload: bytes) -> Acknowledge | Replay:
    """What a screen asks for with `payload` on `topic` (below the prefix); keys we do not know are ignored.

    DataError when it is no command; it repeats nothing of the payload.
    """
    if topic not in _COMMANDS:
        raise DataError("no command of this version", "topic")
    if len(payload) > MAX_BYTES:
        raise DataError(f"longer than {MAX_BYTES} bytes", topic)
    try:
        return msgspec.json.decode(payload, type=_COMMANDS[topic])
    except DataError as error:
        raise error.within(topic) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError("not a JSON object with the keys and values it needs", topic) from error


def replay_end(request: Replay, last_event_seq: int, oldest: int) -> bytes:
    """What follows the last event of a replay; names the `oldest` kept where more was asked for."""
    whole: dict[str, object] = {
        "request_id": request.request_id,
        "done": True,
        "last_event_seq": last_event_seq,
    }
    return msgspec.json.encode(whole | ({"oldest": oldest} if oldest > request.since + 1 else {}))
