"""The AsyncAPI document and the samples are what is shipped, and the standard's own schema takes them."""

import copy
import json
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from gateway.commands.main import run
from gateway.commands.mqtt_statement import schemas, statement
from gateway.domain.criteria import Grade
from gateway.errors import DataError
from gateway.pipeline.event_samples import event_samples
from gateway.protocols.alerts import Phase, State
from gateway.protocols.mqtt_profile import CHANNELS, MESSAGES, PARAMETERS
from gateway.protocols.screens import COMMAND_TOPICS, command
from tests.checkout import ROOT
from tests.factories import reference
from tests.interop.asyncapi import asyncapi_schema
from tests.mqtt_schemas import message_of, validator

Capture = pytest.CaptureFixture[str]
DOCUMENT: dict[str, Any] = json.loads(statement())
SAMPLES = event_samples(reference())

# --- what is shipped -------------------------------------------------------------------------------------


def test_the_shipped_document_is_the_printed_one(capsys: Capture) -> None:
    assert run(["conformance", "mqtt"]) == 0
    hint = "regenerate it: ./emg conformance mqtt > docs/conformance/mqtt.json"
    assert (ROOT / "docs/conformance/mqtt.json").read_text("utf-8") == capsys.readouterr().out, hint


def test_the_shipped_samples_are_the_written_ones(tmp_path: Path) -> None:
    assert run(["mqtt", "sample", "--output", str(tmp_path)]) == 0
    shipped, written = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (ROOT / "docs/samples/mqtt", tmp_path)
    )
    assert shipped == written, "regenerate them: ./emg mqtt sample --output docs/samples/mqtt"


def test_there_is_a_sample_of_every_message_and_each_is_what_it_says() -> None:
    assert {sample.message for sample in SAMPLES.values()} == set(MESSAGES)
    for sample in SAMPLES.values():
        assert message_of(sample.topic, sample.payload) == sample.message


def test_the_samples_tell_the_life_of_an_alert() -> None:
    told = [json.loads(SAMPLES[name].payload)["data"] for name in ("alert", "alert_seen", "alert_over")]
    assert [(alert["state"], alert["phase"]) for alert in told] == [
        ("active", "start"),
        ("active", "update"),
        ("inactive", "end"),
    ]
    assert all(json.loads(s.payload)["simulated"] for s in SAMPLES.values() if b'"data"' in s.payload)


def test_a_sample_is_printed_below_its_topic(capsys: Capture) -> None:
    assert run(["mqtt", "sample", "ack"]) == 0
    topic, payload = capsys.readouterr().out.splitlines()
    assert (topic, json.loads(payload)) == ("cmd/ack", json.loads(SAMPLES["ack"].payload))


def test_all_samples_are_printed_and_listed(capsys: Capture) -> None:
    assert run(["mqtt", "sample"]) == 0
    blocks = capsys.readouterr().out.strip().split("\n\n")
    assert run(["mqtt", "sample", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [block.split("\n")[0] for block in blocks] == [sample.topic for sample in SAMPLES.values()]
    assert [line.split()[:2] for line in lines] == [[name, entry.topic] for name, entry in SAMPLES.items()]


def test_a_sample_nobody_knows_and_a_folder_that_cannot_be_are_told(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert run(["mqtt", "sample", "alerts"]) == 64
    assert "did you mean 'alert'" in capsys.readouterr().err
    assert run(["mqtt", "sample", "--output", str(tmp_path / "file" / "x")]) == 73
    assert capsys.readouterr().err.count("\n") == 1


# --- the document ----------------------------------------------------------------------------------------


def official_errors(document: dict[str, Any]) -> list[str]:
    return [error.json_path for error in Draft7Validator(asyncapi_schema()).iter_errors(document)]


def test_the_document_is_asyncapi_3_by_the_standard_s_own_schema() -> None:
    assert official_errors(DOCUMENT) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d["info"].pop("version"),
        lambda d: d["operations"]["send_alert"].update(action="publish"),
        lambda d: d["operations"]["send_alert"]["bindings"]["mqtt"].update(qos=3),
        lambda d: d["servers"]["demo"].pop("protocol"),
        lambda d: d["components"]["schemas"]["alert"].update(type="alert"),
    ],
)
def test_and_that_schema_would_say_so_if_it_were_not(spoil: Callable[[dict[str, Any]], Any]) -> None:
    spoiled = copy.deepcopy(DOCUMENT)
    spoil(spoiled)
    assert official_errors(spoiled)


def references(part: Any) -> Iterator[str]:
    match part:
        case {"$ref": str(target), **rest}:
            yield target
            yield from references(rest)
        case dict():
            for value in part.values():
                yield from references(value)
        case list():
            for value in part:
                yield from references(value)


def resolved(target: str) -> Any:
    assert target.startswith("#/"), target
    found: Any = DOCUMENT
    for step in target.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_everything_it_refers_to_is_there_and_everything_there_is_referred_to() -> None:
    targets = set(references(DOCUMENT))
    assert all(resolved(target) is not None for target in targets)
    parts = {
        f"#/components/{kind}/{name}" for kind, entries in DOCUMENT["components"].items() for name in entries
    }
    assert parts <= targets


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_has_the_names_of_its_topic_its_messages_and_one_operation(name: str) -> None:
    channel, table = DOCUMENT["channels"][name], CHANNELS[name]
    assert channel["address"].startswith("emg/v1/{site}/{cart}/")
    assert set(channel["parameters"]) == {part for part in PARAMETERS if f"{{{part}}}" in channel["address"]}
    (operation,) = [
        entry for entry in DOCUMENT["operations"].values() if resolved(entry["channel"]["$ref"]) is channel
    ]
    assert operation["action"] == {"gateway": "send", "screen": "receive"}[table.sender]
    assert operation["bindings"]["mqtt"] == {"qos": 1, "retain": table.retained, "bindingVersion": "0.2.0"}
    assert [entry["$ref"].rsplit("/", 1)[1] for entry in operation["messages"]] == list(channel["messages"])


def test_every_schema_is_one_in_its_file_and_in_the_document() -> None:
    for schema in schemas().values():
        Draft202012Validator.check_schema(schema)
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("name", MESSAGES)
def test_the_examples_fit_the_schemas_within_the_document(name: str) -> None:
    """As a tool reads it: AsyncAPI's schemas are draft 07, and nothing outside the document is needed."""
    message = DOCUMENT["components"]["messages"][name]
    whole = {"$ref": message["payload"]["$ref"], "components": DOCUMENT["components"]}
    assert message["examples"]
    for example in message["examples"]:
        assert list(Draft7Validator(whole).iter_errors(example["payload"])) == []


# --- the schemas -----------------------------------------------------------------------------------------


def part(name: str, *path: str | int) -> Any:
    found: Any = schemas()[f"emg-gateway/{name}/1"]
    for step in path:
        found = found[step]
    return found


def test_the_words_of_the_schemas_are_those_of_the_code() -> None:
    def words(kind: type[StrEnum]) -> set[str]:
        return {str(word) for word in kind}

    alert = ("mqtt/alert", "allOf", 1, "properties", "data", "properties")
    assert set(part(*alert, "state", "enum")) == words(State)
    assert set(part(*alert, "phase", "enum")) == words(Phase)
    assert part(*alert, "alert_id", "pattern") == f"^{PARAMETERS['alert_id'][0]}$"
    finding = ("assessment", "properties", "segments", "items", "properties", "finding", "enum")
    assert set(part(*finding)) == words(Grade)
    for name in ("replay", "replay_end"):
        form = part(f"mqtt/{name}", "properties", "request_id", "pattern")
        assert form == f"^{PARAMETERS['request_id'][0]}$"


KEYS = ("alert_id", "by", "screen", "request_id", "since")
values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**53 - 1, 2**53, -1, 0])
    | st.text(max_size=70)
    | st.from_regex(PARAMETERS["alert_id"][0], fullmatch=True)
    | st.from_regex(PARAMETERS["request_id"][0], fullmatch=True)
)


@given(st.sampled_from(COMMAND_TOPICS), st.dictionaries(st.sampled_from(KEYS), values))
def test_what_the_gateway_takes_is_what_the_schema_describes(topic: str, whole: dict[str, Any]) -> None:
    described = validator(topic.removeprefix("cmd/")).is_valid(whole)
    assert described or not taken(topic, whole)
    # The schema cannot say which letters there are in the world; the gateway can.
    if not set(whole) & {"by", "screen"}:
        assert taken(topic, whole) == described


def taken(topic: str, whole: dict[str, Any]) -> bool:
    try:
        command(topic, json.dumps(whole).encode())
    except DataError:
        return False
    return True
