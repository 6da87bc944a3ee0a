import ssl
import subprocess
from pathlib import Path

import pytest

from gateway.daemon.broker import broker_settings
from gateway.daemon.config import MqttSection, TlsSection
from gateway.daemon.credentials import client_tls, secret
from gateway.errors import ConfigError
from tests.certificates import authority


def refused(ca: object = None, certificate: object = None, key: object = None) -> str:
    names = [None if path is None else str(path) for path in (ca, certificate, key)]
    with pytest.raises(ConfigError) as caught:
        client_tls(*names)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tls_is_new_and_checks_who_is_there() -> None:
    for context in (client_tls(None, None, None), client_tls(str(authority().ca), None, None)):
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED


def test_only_the_named_authority_is_believed() -> None:
    (found,) = client_tls(str(authority().ca), None, None).get_ca_certs()
    assert found["subject"] == ((("commonName", "Test CA"),),)


def test_a_certificate_of_ours_is_taken_with_its_key() -> None:
    certificate, key = authority().certificate("emg-gateway")
    assert client_tls(str(authority().ca), str(certificate), str(key))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    certificate, key = authority().certificate("emg-gateway")
    none = tmp_path / "none"
    told = f"{none}: No such file or directory"
    assert refused(none) == refused(None, none, key) == refused(None, certificate, none) == told


def test_a_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    certificate, key = authority().certificate("emg-gateway")
    assert refused(key) == f"{key}: holds no certificate in PEM form"
    assert refused(None, key, key) == f"{key}: holds no certificate in PEM form"
    binary = tmp_path / "ca.der"
    binary.write_bytes(b"\x30\x82\xff")
    assert refused(binary) == f"{binary}: not UTF-8 text"
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    assert refused(empty) == f"{empty}: holds no certificate in PEM form"
    assert refused(None, certificate, empty) == f"{empty}: holds no private key in PEM form"
    broken = tmp_path / "broken"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert refused(broken) == f"{broken}: holds no certificate in PEM form"


def test_the_key_of_another_certificate_is_refused() -> None:
    certificate, _ = authority().certificate("emg-gateway")
    _, key = authority().certificate("emg-screen")
    assert refused(None, certificate, key) == f"{certificate}: cannot be used with {key}: key values mismatch"


def test_a_key_that_everyone_can_read_is_refused(tmp_path: Path) -> None:
    certificate, key = authority().certificate("emg-gateway")
    open_to_all = tmp_path / "key"
    open_to_all.write_bytes(key.read_bytes())
    open_to_all.chmod(0o644)
    told = f"{open_to_all}: everyone on this machine can read the key; chmod o-r it"
    assert refused(None, certificate, open_to_all) == told


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    certificate, key = authority().certificate("emg-gateway")
    locked = tmp_path / "key"
    command = ["openssl", "pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:Canary"]
    subprocess.run(command, check=True, capture_output=True)
    locked.chmod(0o600)
    assert refused(None, certificate, locked) == (
        f"{locked}: the key is encrypted; the gateway needs it without a password"
    )


@pytest.mark.parametrize("which", [0, 1])
def test_certificate_and_key_go_together(which: int) -> None:
    files = authority().certificate("emg-gateway")
    pair = [path if number == which else None for number, path in enumerate(files)]
    assert refused(None, *pair) == f"{files[which]}: cert_file and key_file go together; name both or none"


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
