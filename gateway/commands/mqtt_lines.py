"""What `mqtt watch` prints: one line a message, and one where numbers are missing.

Anybody may publish what the broker allows: what is not in our form is shown as bytes, and nothing is printed
that a terminal would obey.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from gateway.commands.demo_lines import EVENT_LINES
from gateway.commands.terminal import printable

_PREFIX_LEVELS: Final = 4  # emg/v1/{site}/{cart}
_WIDEST: Final = 240
_OTHER_FORM: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)


def _assessment(data: Mapping[str, Any]) -> str:
    return f"  {data['status']}, MMN support: {data['mmn']['support']}"


_LINES: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = EVENT_LINES | {"assessment": _assessment}


class Watching:
    """Remembers, for each cart, the last number and the last status."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._status: dict[str, tuple[Any, Any]] = {}

    def lines(self, topic: str, payload: bytes, now: datetime, *, kept: bool) -> Iterator[str]:
        """What to print for a message that came `now`; `kept`: the broker held it from earlier."""
        levels = topic.split("/")
        prefix, below = "/".join(levels[:_PREFIX_LEVELS]), levels[_PREFIX_LEVELS:]
        whole = _object(payload)
        if below == ["status"] and whole is not None:
            yield from self._status_line(prefix, topic, whole, now)
            return
        if whole is not None and below[:1] in (["study"], ["alert"]) and not kept:
            yield from self._gap(prefix, whole)
        yield _line(_time(whole, now), topic, _text(below, payload, whole) + ("  (kept)" if kept else ""))

    def _status_line(self, prefix: str, topic: str, whole: dict[str, Any], now: datetime) -> Iterator[str]:
        """A line where the status is another than before: a heartbeat a second is no news."""
        status = (whole.get("state"), whole.get("boot_id"))
        if self._status.get(prefix) != status:
            self._status[prefix] = status
            yield _line(_time(whole, now), topic, f"  {whole.get('state')}")

    def _gap(self, prefix: str, whole: dict[str, Any]) -> Iterator[str]:
        seq, last = whole.get("seq"), self._last.get(prefix)
        if not isinstance(seq, int):
            return
        if last is not None and seq > last + 1:
            missing = f"event {last + 1} is" if seq == last + 2 else f"events {last + 1} to {seq - 1} are"
            yield f"--- {printable(prefix)}: {missing} missing"
        self._last[prefix] = max(seq, last or 0)


def _object(payload: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None


def _text(below: list[str], payload: bytes, whole: dict[str, Any] | None) -> str:
    if not payload:
        return "  cleared"
    if whole is None:
        return f"  {len(payload)} bytes that are no JSON object"
    if below[:1] == ["cmd"] or "done" in whole:
        return f"  {msgspec.json.encode(whole).decode()}"
    if below[:1] == ["replay"]:
        return f"  event {whole.get('seq')} again"
    kind = below[-1] if below[:1] == ["study"] else next(iter(below), "")
    try:
        return _LINES[kind](whole["data"])
    except _OTHER_FORM:
        return f"  {len(payload)} bytes in another form than this version's"


def _time(whole: dict[str, Any] | None, now: datetime) -> datetime:
    """When the gateway sent it, where it says so."""
    try:
        return datetime.fromisoformat((whole or {})["time"]).astimezone()
    except _OTHER_FORM:
        return now.astimezone()


def _line(time: datetime, topic: str, text: str) -> str:
    shown = printable(f"{time:%H:%M:%S}  {topic}  {text}")
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"
