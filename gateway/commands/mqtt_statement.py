"""The AsyncAPI 3.0 document of what goes over the broker, for tools and for those who build a screen.

Made of the table that topics go by, the schemas that are shipped and the samples, so that it says what the
gateway does. It describes the gateway: what it sends, screens receive.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urldefrag, urljoin

import gateway
from gateway.daemon.reference import load_reference
from gateway.pipeline.event_samples import Sample, event_samples
from gateway.protocols.mqtt_profile import CHANNELS, EVENTS, MESSAGES, PARAMETERS, PREFIX, QOS, Channel
from gateway.protocols.screens import MAX_BYTES
from gateway.sinks.mqtt_connection import DEFAULT_PORT, DEFAULT_TLS_PORT, MqttSettings

_BINDING: Final = "0.2.0"
# The schemas that messages are made of, by their $id: under which name the document holds them.
_SCHEMAS: Final[Mapping[str, str]] = {
    "emg-gateway/assessment/1": "assessment_document",
    "emg-gateway/mqtt/envelope/1": "envelope",
    **{f"emg-gateway/mqtt/{name}/1": name for name in MESSAGES},
}
_ABOUT: Final = f"""\
Nerve conduction results while the patient is still on the table, from emg-gateway to lab screens.

Every result is preliminary electrodiagnostic support, to be reviewed by a physician. No patient identifier is
in any topic or payload. MQTT 3.1.1, JSON in UTF-8, at least once (QoS {QOS}).

Events come in an envelope with a number, `seq`, without gaps for each cart; one may arrive twice, the same.
Where a number is missing, or `last_event_seq` of a status is above the last one seen: `cmd/replay`. Live is
what has a fresh heartbeat, never a retained message alone. A command is at most {MAX_BYTES} bytes; what is no
command is refused without an answer. `emg-gateway conformance mqtt` prints this document."""

Object = dict[str, Any]


def schemas() -> dict[str, Object]:
    """The shipped JSON Schemas (2020-12) of the messages, and of what they are made of, by `$id`."""
    folder = files("gateway.formats") / "schemas"
    names = ["envelope", *MESSAGES]
    paths = [folder / "assessment.schema.json", *(folder / "mqtt" / f"{name}.schema.json" for name in names)]
    found: list[Object] = [json.loads(path.read_text("utf-8")) for path in paths]
    return {schema["$id"]: schema for schema in found}


def statement() -> str:
    """The document of this version, as JSON."""
    samples = event_samples(load_reference())
    whole = {
        "asyncapi": "3.0.0",
        "id": "urn:emg-gateway:mqtt:1",
        "info": {
            "title": "emg-gateway over MQTT",
            "version": gateway.__version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {channel.name: _channel(channel) for channel in CHANNELS.values()},
        "operations": dict(_operation(channel) for channel in CHANNELS.values()),
        "components": {
            "messages": {name: _message(name, samples) for name in MESSAGES},
            "schemas": {_SCHEMAS[name]: _embedded(schema) for name, schema in schemas().items()},
            "parameters": {name: _parameter(name) for name in PARAMETERS},
            "securitySchemes": {
                "password": {"type": "userPassword", "description": "Everybody has a name and a password,"},
                "certificate": {"type": "X509", "description": "or a certificate of the laboratory's CA."},
            },
        },
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _servers() -> Object:
    settings = MqttSettings(host="broker.lab.example")
    ours = {
        "protocolVersion": "3.1.1",
        "bindings": {
            "mqtt": {
                "cleanSession": True,
                "keepAlive": settings.keepalive_s,
                "lastWill": {
                    "topic": f"{PREFIX}/{CHANNELS['status'].below}",
                    "qos": QOS,
                    "retain": CHANNELS["status"].retained,
                    "message": "the message `will`",
                },
                "bindingVersion": _BINDING,
            }
        },
    }
    return {
        "laboratory": {
            "host": f"{settings.host}:{DEFAULT_TLS_PORT}",
            "protocol": "secure-mqtt",
            "description": "`[mqtt] url` of the configuration; config/mosquitto is an example of a broker.",
            "security": [
                _reference("components", "securitySchemes", name) for name in ("password", "certificate")
            ],
            **ours,
        },
        "demo": {
            "host": f"127.0.0.1:{DEFAULT_PORT}",
            "protocol": "mqtt",
            "description": "A broker on the same machine; nothing but a demonstration.",
            **ours,
        },
    }


def _channel(channel: Channel) -> Object:
    return {
        "address": f"{PREFIX}/{channel.below}",
        "description": channel.about,
        "messages": {name: _reference("components", "messages", name) for name in channel.messages},
        "parameters": {name: _reference("components", "parameters", name) for name in channel.parameters},
    }


def _operation(channel: Channel) -> tuple[str, Object]:
    """What the gateway does with a channel; its name."""
    found: Object = {
        "action": "send" if channel.sender == "gateway" else "receive",
        "channel": _reference("channels", channel.name),
        "summary": channel.about,
        "messages": [_reference("channels", channel.name, "messages", name) for name in channel.messages],
        "bindings": {"mqtt": {"qos": QOS, "retain": channel.retained, "bindingVersion": _BINDING}},
    }
    if channel.name == "cmd_replay":
        answer = CHANNELS["replay"]
        found["reply"] = {
            "channel": _reference("channels", answer.name),
            "messages": [_reference("channels", answer.name, "messages", name) for name in answer.messages],
        }
    return f"{found['action']}_{channel.name}", found


def _message(name: str, samples: Mapping[str, Sample]) -> Object:
    found: Object = {"name": name, "title": MESSAGES[name]}
    if name == "cleared":
        found["contentType"] = "application/octet-stream"
    examples = (
        {
            "name": title,
            "summary": f"{sample.about} ({sample.topic})",
            "payload": json.loads(sample.payload) if sample.payload else "",
        }
        for title, sample in samples.items()
        if sample.message == name
    )
    found["payload"] = _reference("components", "schemas", name)
    if name in EVENTS:
        found["correlationId"] = {
            "description": "Its number: the same one is the same event.",
            "location": "$message.payload#/seq",
        }
    return found | {"examples": list(examples)}


def _parameter(name: str) -> Object:
    form, about = PARAMETERS[name]
    found: Object = {"description": f"{about} `{form}`"}
    if name == "request_id":
        found["location"] = "$message.payload#/request_id"
    return found


def _embedded(schema: Object) -> Object:
    """A schema within the document: what it refers to stands beside it."""
    own = {key: value for key, value in schema.items() if not key.startswith("$")}
    found: Object = _within(own, schema["$id"])
    return found


def _within(part: Any, base: str) -> Any:
    match part:
        case {"$ref": str(target), **rest}:
            name, pointer = urldefrag(urljoin(base, target))
            return {"$ref": f"#/components/schemas/{_SCHEMAS[name]}{pointer}"} | rest
        case dict():
            return {key: _within(value, base) for key, value in part.items()}
        case list():
            return [_within(value, base) for value in part]
        case _:
            return part


def _reference(*path: str) -> Object:
    return {"$ref": f"#/{'/'.join(path)}"}
