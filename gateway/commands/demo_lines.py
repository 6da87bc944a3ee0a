"""What the demo prints: the events as a lab screen gets them, then the result."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import aiomqtt
import click

from gateway.commands.text import NOTICE, segment_line
from gateway.domain.criteria import BLOCKS, Grade
from gateway.errors import Temporary

TOPICS: Final = "emg/v1/demo/cart-a"
_SHOWN: Final = BLOCKS | {Grade.INDETERMINATE}


async def listen(client: aiomqtt.Client) -> tuple[str, dict[str, Any]]:
    """Print what the lab screens get until the gateway signs off; the last assessment and its topic.

    Temporary when there was none. What the broker has kept from an earlier gateway does not count.
    """
    last: tuple[str, dict[str, Any]] | None = None
    started = False
    while True:
        message = await anext(client.messages)
        topic, payload = str(message.topic), json.loads(bytes(message.payload or b"") or b"{}")
        kind = topic.removeprefix(f"{TOPICS}/").split("/")[-1 if "/study/" in topic else 0]
        if message.retain or not payload:
            continue
        if kind == "status":
            if started and payload["state"] == "offline":
                break
            started = started or payload["state"] == "online"
        elif kind == "assessment":
            last = topic, payload["data"]
        elif kind in EVENT_LINES:
            click.echo(f"{datetime.now(UTC).astimezone():%H:%M:%S}  {EVENT_LINES[kind](payload['data'])}")
    if last is None:
        raise Temporary("no assessment came back through the broker")
    return last


def recording_line(data: dict[str, Any]) -> str:
    """A stimulation in one line: where it was, and how large the answer."""
    marks = data["marks"] or {}
    amplitude = marks.get("amplitude_mv", marks.get("amplitude_uv"))
    unit = "mV" if "amplitude_mv" in marks else "uV"
    name = f"{data['side']} {data['nerve']} {data['recording_site']} {data['stimulation_site']}"
    shown = "no response" if amplitude is None else f"{amplitude:7.2f} {unit}"
    return f"  {name:<44} {shown}"


def guidance_line(data: dict[str, Any]) -> str:
    """What is still to record, each with its place."""
    wanted = ", ".join(_action(action) for action in data["actions"])
    return f"  still to record: {wanted or 'nothing'}"


def _action(action: dict[str, Any]) -> str:
    parts = (action[name] for name in ("code", "nerve", "side", "stimulation_site", "recording_site"))
    return " ".join(part for part in parts if part)


EVENT_LINES: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "recording": recording_line,
    "segment": segment_line,
    "guidance": guidance_line,
    "alert": lambda data: f"! alert {data['phase']}: {data['text']}",
}


def result_lines(assessment: dict[str, Any]) -> Iterator[str]:
    """An assessment's findings and what they amount to."""
    found = [entry for entry in assessment["segments"] if entry["finding"] in _SHOWN]
    yield ""
    yield f"{NOTICE}. Graded by {assessment['grading']}."
    yield from (segment_line(entry) for entry in found)
    if not any(entry["finding"] in BLOCKS for entry in found):
        yield "  no conduction block found"
    mmn = assessment["mmn"]
    yield f"  MMN support: {mmn['support'].replace('_', ' ')} ({', '.join(mmn['reasons'])})"
    if mmn["missing"]:
        yield f"  still to record: {', '.join(mmn['missing'])}"
