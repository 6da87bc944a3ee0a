"""Gateways to be killed: each is forked from this process, which has imported everything, and serves.

A line on standard input asks for one: the folder with its configuration, and where it is to die; the answer
is its process id. It tells every step it makes, in a file beside the configuration, before it makes it: a
file operation, a commit (before and after), an answer to the cart (before and after), a message to an engine
(before and after) and its answer, an event to the broker (before) and its acknowledgement. It kills itself
with SIGKILL at the step whose name, or whose number, it was given.
"""

import asyncio
import contextlib
import functools
import gc
import os
import signal
import sqlite3
import sys
import threading
import traceback
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy.ma  # noqa: F401  # numpy would import it in each gateway, for its first median

from benchmarks.faults.stalls import watch
from gateway.daemon import log
from gateway.daemon.config import Settings, installed_drivers, load
from gateway.daemon.service import serve
from gateway.protocols.lis_frames import ACK, EOT, NAK
from gateway.protocols.telemetry import STATUS_TOPIC
from gateway.sinks import hl7
from gateway.sinks.answers import Answered
from gateway.sinks.mllp_link import MllpLink
from gateway.sinks.mqtt_connection import BrokerConnection
from gateway.transport.streams import SerialStream
from tests.transport.file_steps import before_each_step

CONFIG = "gateway.toml"
LOG = "gateway.log"
STALLS = "stalls"  # how late the timers of its loop were, all lives together
READY = b"ready\n"  # the first line of output
ENDED = "ended"  # the last line of a life that nobody killed
# What a commit is called after; the other tables are written together with one of these.
_TABLES = frozenset({"session", "entry", "fact", "user_version"})
_ANSWERS = {ACK: "ACK", NAK: "NAK", EOT: "EOT"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """A gateway to be started in `folder`, which dies at the step `die_at` (none: not by itself)."""

    folder: str
    die_at: str = ""

    def encode(self) -> bytes:
        return msgspec.json.encode(asdict(self)) + b"\n"


class Steps:
    """The steps of one life, told one after the other whichever thread makes them."""

    def __init__(self, folder: Path, die_at: str) -> None:
        self._folder = folder
        self._die_at = die_at
        self._report = os.open(steps_file(folder, os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._lock = threading.Lock()
        self._told: Counter[str] = Counter()

    def tell(self, what: str) -> None:
        """The gateway is about to do `what`, or has just done it."""
        with self._lock:
            self._told[what] += 1
            self.write(f"{what} #{self._told[what]}")
            if self._die_at in (f"{what} #{self._told[what]}", str(self._told.total())):
                os.kill(os.getpid(), signal.SIGKILL)

    def write(self, line: str) -> None:
        os.write(self._report, f"{line}\n".encode())

    def on_file(self, event: str, path: Path) -> None:
        """The first operation of this kind on this path: how often a folder is looked at is chance."""
        what = f"{event} {path.relative_to(self._folder)}"
        if not self._told[what]:
            self.tell(what)


def steps_file(folder: Path, pid: int) -> Path:
    """Where the gateway `pid` tells its steps."""
    return folder / f"{pid}.steps"


class _Connection(sqlite3.Connection):
    """A connection that tells what it is about to commit, and what it has committed."""

    steps: ClassVar[Steps]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._written: dict[str, None] = {}
        self.set_trace_callback(self._trace)

    def _trace(self, statement: str) -> None:
        """SQLite is about to run `statement`, one of a script perhaps."""
        match statement.strip("; \n").split(maxsplit=3):
            case ["BEGIN", *_]:
                self._written.clear()
            case ["COMMIT"]:
                self._tell("before")
            case ["UPDATE", "fact", *_] if statement.endswith("id = NULL"):
                return  # what follows from the passing of time, and when that is looked at is chance
            case ["INSERT", "INTO", table, *_] if table in _TABLES:
                self._written[f"INSERT {table}"] = None
            case ["UPDATE", "outbox", "SET", rest] if rest.startswith("state"):
                self._written[f"UPDATE outbox {rest.rpartition(' ')[2]}"] = None
            case ["UPDATE" | "PRAGMA" as verb, table, *_] if table in _TABLES:
                self._written[f"{verb} {table}"] = None

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        cursor = super().execute(sql, parameters)
        if sql == "COMMIT":
            self._committed()
        return cursor

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        cursor = super().executescript(sql_script)
        self._committed()
        return cursor

    def _committed(self) -> None:
        self._tell("after")
        self._written.clear()

    def _tell(self, moment: str) -> None:
        for what in self._written:
            self.steps.tell(f"{moment} COMMIT {what}")


def _tell_all(steps: Steps) -> None:
    """Let the database, the line and the sinks tell their steps."""
    _tell_database_and_line(steps)
    _tell_engine(steps)
    _tell_broker(steps)


def _tell_database_and_line(steps: Steps) -> None:
    connect, write = sqlite3.connect, SerialStream.write
    _Connection.steps = steps

    async def told_write(stream: SerialStream, data: bytes) -> None:
        answer = _ANSWERS[data]
        steps.tell(f"before {answer}")
        await write(stream, data)
        steps.tell(f"after {answer}")

    sqlite3.connect = functools.partial(connect, factory=_Connection)  # type: ignore[assignment]
    SerialStream.write = told_write  # type: ignore[assignment,method-assign]


def _tell_engine(steps: Steps) -> None:
    send, answered = MllpLink.send, hl7.answered

    async def told_send(link: MllpLink, block: bytes) -> None:
        steps.tell("before MESSAGE")
        await send(link, block)
        steps.tell("after MESSAGE")

    async def told_answered(*arguments: Any) -> Answered:
        found = await answered(*arguments)
        steps.tell("MESSAGE answered")
        return found

    MllpLink.send = told_send  # type: ignore[method-assign]
    hl7.answered = told_answered  # type: ignore[assignment]


def _tell_broker(steps: Steps) -> None:
    publish = BrokerConnection.publish_acknowledged

    async def told_publish(broker: BrokerConnection, topic: str, payload: bytes, *, retain: bool) -> None:
        event = not topic.endswith(f"/{STATUS_TOPIC}")  # how many heartbeats there are is chance
        if event:
            steps.tell("EVENT")
        await publish(broker, topic, payload, retain=retain)
        if event:
            steps.tell("EVENT acknowledged")

    BrokerConnection.publish_acknowledged = told_publish  # type: ignore[method-assign]


def live(request: Request) -> None:
    """Be a gateway, until killed."""
    folder = Path(request.folder)
    os.dup2(os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND), sys.stderr.fileno())
    log.configure()
    settings = load(folder / CONFIG)
    steps = Steps(folder, request.die_at)
    _tell_all(steps)
    try:
        with before_each_step(folder, steps.on_file):
            asyncio.run(_watched(settings, folder / STALLS))
    finally:
        steps.write(ENDED)


async def _watched(settings: Settings, stalls: Path) -> None:
    watching = asyncio.create_task(watch(stalls))
    try:
        await serve(settings, asyncio.Event())
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def main() -> None:
    """Start a gateway for every line, until there are no more; then end those that live."""
    for entry in installed_drivers().values():
        entry.load()
    gc.freeze()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    living: set[int] = set()
    for line in sys.stdin.buffer:
        living = {pid for pid in living if os.waitpid(pid, os.WNOHANG) == (0, 0)}
        pid = os.fork()
        if not pid:
            _child(line)
        living.add(pid)
        sys.stdout.buffer.write(f"{pid}\n".encode())
        sys.stdout.buffer.flush()
    for pid in living:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _child(line: bytes) -> None:
    with contextlib.suppress(BaseException):  # nothing may return into the loop that forks
        try:
            live(msgspec.json.decode(line, type=Request))
        except BaseException:  # noqa: BLE001  # the log has it
            traceback.print_exc()
    os._exit(1)


if __name__ == "__main__":
    main()
