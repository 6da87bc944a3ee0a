"""A mosquitto with the example configuration, on a free port, its files in a folder of the test's own."""

import asyncio
import contextlib
import getpass
import os
import re
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.sinks.broker import BrokerAddress, find_mosquitto
from tests.certificates import Authority
from tests.checkout import ROOT

EXAMPLE = ROOT / "config" / "mosquitto"
PASSWORDS = {"emg-gateway": "gateway-secret", "emg-screen": "screen-secret"}
LOOPBACK = "127.0.0.1"


@contextlib.asynccontextmanager
async def mosquitto(
    folder: Path, authority: Authority, *, certificates_only: bool = False
) -> AsyncIterator[int]:
    """Run it while the block runs; its port."""
    program = _program()
    port = _free_port()
    config = _put_in_place(folder, authority, port, certificates_only=certificates_only)
    with (folder / "mosquitto.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program, "-c", str(config), stdout=log, stderr=log)
        try:
            await _ready(process, port, authority)
            yield port
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


@contextlib.asynccontextmanager
async def plain_mosquitto(folder: Path, *options: str, port: int = 0) -> AsyncIterator[BrokerAddress]:
    """One on loopback for everybody, with these lines in its configuration."""
    program = _program()
    port = port or _free_port()
    config = folder / "plain.conf"
    lines = [f"listener {port} {LOOPBACK}", "allow_anonymous true", f"user {getpass.getuser()}", *options]
    config.write_text("\n".join(lines) + "\n", "utf-8")
    with (folder / "plain.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program, "-c", str(config), stdout=log, stderr=log)
        try:
            async with asyncio.timeout(10):
                while not await _answers(port):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(process.wait(), 0.02)
                        pytest.fail("mosquitto has ended")
            yield BrokerAddress(host=LOOPBACK, port=port, kind="mosquitto")
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _program() -> str:
    program = find_mosquitto()
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("mosquitto is not installed: apt-get install mosquitto")
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    return program


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def _put_in_place(folder: Path, authority: Authority, port: int, *, certificates_only: bool) -> Path:
    certificate, key = authority.certificate("broker")
    for name, source in {"ca.crt": authority.ca, "broker.crt": certificate, "broker.key": key}.items():
        (folder / name).write_bytes(source.read_bytes())
    (folder / "acl").write_bytes((EXAMPLE / "acl").read_bytes())
    passwords = folder / "passwords"
    passwords.write_text("".join(f"{user}:{password}\n" for user, password in PASSWORDS.items()))
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True, capture_output=True)
    text = (EXAMPLE / "mosquitto.conf").read_text("utf-8")
    text = text.replace("listener 8883", f"listener {port} {LOOPBACK}").replace(
        "/etc/mosquitto/emg", str(folder)
    )
    text = text.replace("/var/lib/mosquitto", str(folder))
    if certificates_only:
        text = re.sub("^#(require_certificate|use_identity)", r"\1", text, flags=re.MULTILINE)
    config = folder / "mosquitto.conf"
    config.write_text(f"{text}user {getpass.getuser()}\n", "utf-8")
    return config


async def _ready(process: asyncio.subprocess.Process, port: int, authority: Authority) -> None:
    """Return once it speaks TLS; there is no other word of it."""
    context = authority.believed()
    context.load_cert_chain(*authority.certificate("emg-gateway"))
    async with asyncio.timeout(10):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port, ssl=context)
            except OSError:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 0.02)
                continue
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return
    pytest.fail("mosquitto has ended")
