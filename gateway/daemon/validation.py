"""No kind of message that breaks HL7's structures reaches an engine: hl7apy looks at them, beside the daemon.

At the start a sample of each kind goes to a process that says what is wrong and ends; until it has, no
message goes out. A kind that fails is dead letters from then on, and the log says so. What passed once is not
looked at again at the next start: a sample that is byte for byte the same, by the same versions.
`validate = "always"` has every message looked at before it goes. There is never more than one such process;
one that hangs is killed.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

import gateway
from gateway.daemon.config import Hl7Section
from gateway.daemon.engines import destination
from gateway.errors import Temporary, Unavailable
from gateway.pipeline.samples import kinds_of, samples
from gateway.pipeline.stages import Reference
from gateway.protocols.mllp import frame

logger = logging.getLogger(__name__)

PASSED: Final = (
    "hl7-passed"  # in the state directory: a line for each sample that hl7apy found nothing wrong with
)
_COMMAND: Final = (sys.executable, "-m", "gateway", "hl7", "validate", "--json", "-")
# A second or two where nothing else runs; a message of 400 kB a few seconds.
_DEADLINE_S: Final = 30.0
_NICENESS: Final = 5  # results come first
_DEVIATIONS: Final = frozenset({"Missing required child PID.PID_3"})  # stated: no patient id is invented
_CHECKED: Final = (0, 65)  # how the process ends when it has looked at everything

_TOLD_TO_STOP: Final = (-signal.SIGTERM, -signal.SIGINT)

Check = Callable[[bytes], Awaitable[str | None]]


class _Problem(msgspec.Struct):
    message: int
    problem: str


class Validation:
    """What every destination may be sent."""

    def __init__(
        self,
        engines: Sequence[Hl7Section],
        reference: Reference,
        state: Path,
        *,
        command: Sequence[str] = _COMMAND,
        deadline_s: float = _DEADLINE_S,
    ) -> None:
        self._engines = [entry for entry in engines if entry.validate != "never"]
        self._reference = reference
        self._passed = state / PASSED
        self._command = command
        self._deadline_s = deadline_s
        self._failed: dict[str, dict[str, str]] = {}
        self._sampled = asyncio.Event()
        self._alone = asyncio.Lock()

    def check(self, engine: Hl7Section) -> Check | None:
        """What says why a message must not go to this destination, or None where it may.

        None where nothing is to be looked at.
        """
        if engine.validate == "never":
            return None
        return lambda message: self._reason(engine, message)

    async def run(self) -> None:
        """Look at a sample of each kind for each destination, once; then wait to be cancelled."""
        if self._engines and not self._sampled.is_set():
            await self._look_at_samples()
            self._sampled.set()
        await asyncio.Event().wait()

    async def _look_at_samples(self) -> None:
        passed = await asyncio.to_thread(self._read_passed)
        written = {entry.name: await self._samples(entry) for entry in self._engines}
        every = dict.fromkeys(message for found in written.values() for message in found.values())
        new = [message for message in every if _digest(message) not in passed]
        try:
            problems = await self._problems(new) if new else {}
        except Unavailable as error:
            logger.error("hl7_kinds_not_checked", extra={"fields": {"reason": error}})  # noqa: TRY400
            return
        for name, found in written.items():
            self._failed[name] = {kind: problems[raw] for kind, raw in found.items() if raw in problems}
            for kind, problem in self._failed[name].items():
                fields = {"sink": name, "kind": kind, "reason": problem}
                logger.error("hl7_kind_invalid", extra={"fields": fields})
        if new:
            await asyncio.to_thread(self._write_passed, [raw for raw in every if raw not in problems])

    async def _samples(self, engine: Hl7Section) -> Mapping[str, bytes]:
        return await asyncio.to_thread(samples, destination(engine).header, self._reference)

    async def _reason(self, engine: Hl7Section, message: bytes) -> str | None:
        await self._sampled.wait()
        failed = self._failed.get(engine.name, {})
        for kind in kinds_of(message) if failed else ():
            if kind in failed:
                return f"messages of its kind ({kind}) break HL7's structures: {failed[kind]}"
        if engine.validate == "startup":
            return None
        try:
            return (await self._problems([message])).get(message)
        except Unavailable as error:
            return f"it could not be checked: {error}"

    async def _problems(self, messages: Sequence[bytes]) -> dict[bytes, str]:
        """The first thing wrong with each of `messages`; Unavailable when that cannot be found out."""
        async with self._alone:
            try:
                output = await _output(self._command, b"".join(map(frame, messages)), self._deadline_s)
                lines = [msgspec.json.decode(line, type=_Problem) for line in output.splitlines()]
                told = [entry for entry in lines if entry.problem not in _DEVIATIONS]
                return {messages[entry.message - 1]: entry.problem for entry in reversed(told)}
            except (OSError, msgspec.DecodeError, IndexError) as error:
                raise Unavailable(f"the process that checks messages: {type(error).__name__}") from error

    def _read_passed(self) -> frozenset[str]:
        try:
            return frozenset(self._passed.read_text("ascii").split())
        except (OSError, UnicodeDecodeError):
            return frozenset()

    def _write_passed(self, messages: Sequence[bytes]) -> None:
        with contextlib.suppress(OSError):  # then they are looked at again next time
            self._passed.write_text("".join(f"{_digest(message)}\n" for message in messages), "ascii")


async def _output(command: Sequence[str], data: bytes, deadline_s: float) -> bytes:
    """What `command` prints when it is given `data`; Unavailable when it hangs or breaks down.

    Temporary when it was told to stop, as a service manager tells all of a service: it is to be tried again.
    """
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=nothing)
    try:
        with contextlib.suppress(OSError):  # it has ended, or the service may not (systemd's @resources)
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        async with asyncio.timeout(deadline_s):
            output, _ = await process.communicate(data)
    except TimeoutError as error:
        raise Unavailable(f"not done within {deadline_s:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode in _TOLD_TO_STOP:
        raise Temporary("the process that checks messages was told to stop")
    if process.returncode not in _CHECKED:
        raise Unavailable(f"ended with {process.returncode}")
    return output


def _digest(message: bytes) -> str:
    by = f"{gateway.__version__} {version('hl7apy')}\n".encode()
    return hashlib.sha256(by + message).hexdigest()
