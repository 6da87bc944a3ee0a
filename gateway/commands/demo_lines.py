"""What the demo prints: the events as a lab screen gets them, then the result."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import aiomqtt
import click

from gateway.commands.text import NOTICE, segment_line
from gateway.domain.criteria import BLOCKS, Grade
from gateway.domain.wording import action, plain, reasons, site, subject
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
    over = f"{data['side']} {plain(data['nerve'])} {site(data['recording_site'])}"
    name = f"{over}, {site(data['stimulation_site'])}"
    shown = "no response" if amplitude is None else f"{amplitude:7.2f} {unit}"
    return f"  {name:<44} {shown}"


def guidance_line(data: dict[str, Any]) -> str:
    """What would settle what is in doubt, each with its place."""
    names = ("code", "nerve", "side", "stimulation_site", "recording_site")
    wanted = [":".join(filter(None, map(entry.get, names))) for entry in data["actions"]]
    return _still_to_record(wanted) if wanted else "  still to record: nothing that would change the grade"


def _still_to_record(wanted: Iterable[str]) -> str:
    asked = (code.partition(":") for code in wanted)
    return f"  still to record: {'; '.join(f'{action(code)} ({subject(about)})' for code, _, about in asked)}"


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
    yield f"  MMN support: {plain(mmn['support'])} - {reasons(mmn['reasons'])}"
    if mmn["missing"]:
        yield _still_to_record(mmn["missing"])
