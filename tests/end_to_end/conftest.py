"""Whole processes: the daemon and a cart as users start them, a real broker, a real receiver."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.domain.study import Study
from gateway.formats import study_json
from gateway.sinks.broker import BrokerAddress, demo_broker
from gateway.store.ledger import ledger

PERFORMED_AT = "2026-11-02T09:15:00+00:00"
DEADLINE_S = 60.0


@dataclass
class House:
    """A folder with a configuration, and the processes that run in it."""

    folder: Path
    broker: str | None = None
    engine: str | None = None
    driver: str = ""
    folder_driver: str = ""
    gateway: str = ""
    mqtt: str = ""
    validate: str = "never"  # a second or two of a process at each first start
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def link(self) -> Path:
        return self.folder / "cart"

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    @property
    def config(self) -> Path:
        return self.folder / "gateway.toml"

    @property
    def log(self) -> str:
        return (self.folder / "gateway.log").read_text("utf-8")

    def write_config(self) -> None:
        lines = [f'[gateway]\nstate_dir = "{self.folder / "state"}"\n{self.gateway}']
        lines.append(
            f'[[drivers]]\nname = "room-1"\ntype = "serial_lis"\nurl = "serial://{self.link}"\n{self.driver}'
        )
        if self.folder_driver:
            self.inbox.mkdir(exist_ok=True)
            lines.append(f'[[drivers]]\nname = "inbox"\npath = "{self.inbox}"\n{self.folder_driver}')
        if self.broker:
            lines.append(f'[mqtt]\nurl = "mqtt://{self.broker}"\n{self.mqtt}')
        if self.engine:
            lines.append(f'[[hl7]]\nname = "engine"\nurl = "mllp://{self.engine}"\nack_timeout_s = 0.5')
            lines.append(f'validate = "{self.validate}"')
        self.config.write_text("\n".join(lines))

    async def start(self, *arguments: str, log: str = "command.log") -> asyncio.subprocess.Process:
        """Start `emg-gateway ARGUMENTS`; both its streams go to a file."""
        with (self.folder / log).open("ab") as stream:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", *arguments, stdout=stream, stderr=stream
            )
        self.processes.append(process)
        return process

    async def daemon(self) -> asyncio.subprocess.Process:
        """Start the daemon and wait until it takes input."""
        self.write_config()
        seen = self.log.count(" ready ") if (self.folder / "gateway.log").exists() else 0
        process = await self.start("run", "--config", str(self.config), log="gateway.log")
        await self.until(lambda: self.log.count(" ready ") > seen, "the daemon to be ready")
        return process

    async def play(self, study: Study, *options: str) -> int:
        """Play `study` with the cart; its exit code."""
        document = self.folder / "study.json"
        document.write_bytes(study_json.encode(study))
        cart = await self.start("simulate", str(document), "--link", str(self.link), *options)
        async with asyncio.timeout(DEADLINE_S):
            return await cart.wait()

    def rows(self, sink: str = "engine") -> list[dict[str, Any]]:
        """The ledger of one sink."""
        return [row for row in ledger(self.folder / "state" / "gateway.db") if row["sink"] == sink]

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until `holds()`, looking again as the processes go on."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not holds():  # noqa: ASYNC110  # another process does not set our events
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"waited in vain for {what}; log:\n{self.log}")

    async def stop(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGKILL)
                await process.wait()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    whole = House(tmp_path)
    yield whole
    await whole.stop()


@pytest.fixture
async def broker() -> AsyncIterator[BrokerAddress]:
    async with demo_broker() as address:
        yield address


@contextlib.asynccontextmanager
async def listening(host: str, port: int, topics: str = "emg/#") -> AsyncIterator[list[aiomqtt.Message]]:
    """Everything the broker sends below `topics` while the block runs."""
    seen: list[aiomqtt.Message] = []

    async def listen() -> None:
        async for message in client.messages:
            seen.append(message)  # noqa: PERF401  # the list is read while it grows

    async with aiomqtt.Client(host, port, protocol=aiomqtt.ProtocolVersion.V311) as client:
        await client.subscribe(topics, qos=1)
        task = asyncio.create_task(listen())
        try:
            yield seen
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
