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

from gateway.sinks.broker import find_mosquitto
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
    program = find_mosquitto()
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("mosquitto is not installed: apt-get install mosquitto")
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
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
