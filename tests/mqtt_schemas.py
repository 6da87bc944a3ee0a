"""MQTT messages against their published schemas."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry

from gateway.commands.mqtt_statement import schemas
from gateway.protocols.mqtt_profile import CHANNELS, PARAMETERS, Channel


@cache
def _registry() -> "Registry[Any]":
    return Registry().with_contents(schemas().items())


@cache
def validator(message: str) -> Draft202012Validator:
    """For the messages of this name."""
    return Draft202012Validator({"$ref": f"emg-gateway/mqtt/{message}/1"}, registry=_registry())


def channel_of(below: str) -> Channel:
    """The channel of a topic below the prefix; AssertionError where the table has none."""
    found = [channel for channel in CHANNELS.values() if re.fullmatch(_form(channel), below)]
    assert len(found) == 1, f"{below} belongs to {found}"
    return found[0]


def _form(channel: Channel) -> str:
    parts = re.split(r"{(\w+)}", channel.below)
    return "".join(PARAMETERS[part][0] if odd % 2 else re.escape(part) for odd, part in enumerate(parts))


def message_of(below: str, payload: bytes) -> str:
    """Which message this is, by everything that is published of it; AssertionError where it is none."""
    whole = json.loads(payload) if payload else ""
    channel = channel_of(below)
    fitting = [name for name in channel.messages if _fits(name, below, whole)]
    assert len(fitting) == 1, f"{below} {payload[:300]!r} is {fitting} of {channel.messages}: " + "; ".join(
        _why(channel, whole)
    )
    return fitting[0]


def _fits(name: str, below: str, whole: Any) -> bool:
    if not validator(name).is_valid(whole):
        return False
    if not isinstance(whole, dict) or "topic" not in whole:
        return True
    # An envelope says itself what it holds: also where it comes as part of a replay.
    return name in channel_of(whole["topic"]).messages and (
        below.startswith("replay/") or whole["topic"] == below
    )


def _why(channel: Channel, whole: Any) -> Iterator[str]:
    for name in channel.messages:
        for error in validator(name).iter_errors(whole):
            yield f"{name}: {error.json_path}: {error.message[:200]}"
