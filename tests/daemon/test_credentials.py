from pathlib import Path

import pytest

from gateway.daemon.broker import broker_settings
from gateway.daemon.config import MqttSection, TlsSection
from gateway.daemon.credentials import secret
from gateway.errors import ConfigError
from tests.certificates import authority


def test_the_files_of_the_broker_s_tls_are_read_at_the_start(tmp_path: Path) -> None:
    certificate, key = authority().certificate("emg-gateway")
    files = TlsSection(ca_file=str(authority().ca), cert_file=str(certificate), key_file=str(key))

    assert broker_settings(MqttSection(url="mqtts://broker.lab", tls=files)).tls is not None
    with pytest.raises(ConfigError, match=f"^{tmp_path}/none: No such file or directory$"):
        broker_settings(MqttSection(url="mqtts://broker.lab", tls=TlsSection(ca_file=f"{tmp_path}/none")))


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (b"x", 0o644, "everyone on this machine can read the password; chmod o-r it"),
        (b"\xff", 0o600, "not UTF-8 text"),
        (None, 0o600, "No such file or directory"),
    ],
)
def test_a_secret_that_is_none_is_refused(
    tmp_path: Path, content: bytes | None, mode: int, told: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(ConfigError, match=f"^{path}: {told}$"):
        secret(path, "password")


def test_a_secret_is_read_without_the_end_of_its_line(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("Gänsehaut\n")
    path.chmod(0o640)
    assert secret(path, "password") == "Gänsehaut"


def test_certificates_without_tls_are_a_mistake() -> None:
    section = MqttSection(url="mqtt://127.0.0.1", tls=TlsSection())
    with pytest.raises(ConfigError, match=r"\[mqtt.tls\] is there, but url says mqtt://"):
        broker_settings(section)


def test_tls_needs_no_more_than_the_url() -> None:
    found = broker_settings(MqttSection(url="mqtts://broker.lab"))
    assert (found.host, found.port) == ("broker.lab", 8883)
    assert found.tls is not None
    assert broker_settings(MqttSection(url="mqtt://broker.lab")).tls is None
