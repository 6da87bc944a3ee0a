import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.commands.main import run
from gateway.commands.run import keep_what_is_loaded
from tests.end_to_end.conftest import House

EMPTY = '[gateway]\nstate_dir = "{state}"\n'


class Quiet(House):
    """A gateway with nothing to do."""

    def write_config(self, extra: str = "") -> None:
        self.config.write_text(EMPTY.format(state=self.folder / "state") + extra, "utf-8")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Quiet]:
    whole = Quiet(tmp_path)
    yield whole
    await whole.stop()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end of the notification socket."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


async def words(manager: socket.socket, until: str) -> list[str]:
    """The first line of everything the service manager is told, up to `until`."""
    told: list[str] = []
    while until not in told:
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(manager, 1000), 30)
        told.append(data.decode().splitlines()[0])
    return told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_in_order_when_asked_to(house: Quiet, number: signal.Signals) -> None:
    daemon = await house.daemon()
    daemon.send_signal(number)
    assert await daemon.wait() == 0
    assert [line.split()[2] for line in house.log.splitlines()] == ["ready", "stopping", "stopped"]


async def test_the_service_manager_knows_how_it_stands(house: Quiet, manager: socket.socket) -> None:
    house.write_config()
    daemon = await house.start("run", "--config", str(house.config), log="gateway.log")
    assert await words(manager, "READY=1") == ["READY=1"]

    house.write_config("[gatway]\n")
    daemon.send_signal(signal.SIGHUP)
    await house.until(lambda: "reload_refused" in house.log, "the refusal")
    assert "did you mean 'gateway'" in house.log

    house.write_config()
    daemon.send_signal(signal.SIGHUP)
    assert (await words(manager, "READY=1"))[0] == "RELOADING=1"

    daemon.send_signal(signal.SIGTERM)
    assert (await words(manager, "STOPPING=1"))[-1] == "STOPPING=1"
    assert await daemon.wait() == 0


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("[gatway]\n", "unknown section [gatway]; did you mean 'gateway'?"),
        ('[mqtt]\nurl = "http://host"\n', "[mqtt] url names no broker"),
    ],
)
async def test_a_configuration_that_cannot_be_used_is_one_line(house: Quiet, extra: str, told: str) -> None:
    house.write_config(extra)
    daemon = await house.start("run", "--config", str(house.config), log="gateway.log")
    assert await daemon.wait() == 78
    assert house.log.count("\n") == 1
    assert house.log.startswith(f"emg-gateway: {house.config}: {told}")


async def test_a_state_directory_that_cannot_be_used_is_one_line(house: Quiet) -> None:
    (house.folder / "state").touch()
    house.write_config()
    daemon = await house.start("run", "--config", str(house.config), log="gateway.log")
    assert await daemon.wait() == 74
    assert house.log.startswith(f"emg-gateway: {house.folder}/state")
    assert house.log.count("\n") == 1


def test_a_configuration_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["run", "--config", str(tmp_path / "none.toml")]) == 78
    assert f"{tmp_path}/none.toml: No such file" in capsys.readouterr().err


def test_what_is_loaded_when_it_is_ready_is_not_collected_again() -> None:
    try:
        keep_what_is_loaded()
        loaded = gc.get_freeze_count()
        keep_what_is_loaded()
        assert loaded > 10_000
        assert gc.get_freeze_count() >= 0.9 * loaded
        assert len(gc.get_objects()) < 0.5 * loaded
    finally:
        gc.unfreeze()
