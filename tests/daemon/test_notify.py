import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.daemon.notify import notify


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The service manager's end of the socket, at a path or under an abstract name."""
    name = f"{tmp_path}/notify"
    named, bound = (name, name) if request.param == "path" else (f"@{name}", f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", named)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(bound)
        listener.setblocking(False)
        yield listener


def test_the_service_manager_is_told_in_one_datagram(manager: socket.socket) -> None:
    assert notify("READY=1", "STATUS=running: 2 drivers")
    assert manager.recv(1000) == b"READY=1\nSTATUS=running: 2 drivers"


def test_every_word_is_a_datagram_of_its_own(manager: socket.socket) -> None:
    assert notify("READY=1")
    assert notify("STOPPING=1")
    assert [manager.recv(1000), manager.recv(1000)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize("address", ["", "/no/such/socket", "@no-such-socket", "/" + "x" * 200])
def test_where_nobody_listens_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify("READY=1")


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
