"""How to reach the broker that `[mqtt]` names: address, credentials, TLS; nothing is connected here."""

from pathlib import Path
from typing import Final

from gateway.daemon.config import MqttSection, TlsSection
from gateway.daemon.credentials import secret
from gateway.daemon.engines import tls_files
from gateway.errors import ConfigError
from gateway.sinks.mqtt_connection import MqttSettings, broker_address
from gateway.sinks.tls import client_context

EMBEDDED: Final = "embedded"


def broker_settings(section: MqttSection) -> MqttSettings:
    """The settings of a connection; ConfigError names the key or the file that cannot be used."""
    host, port, tls = broker_address(section.url)
    if section.tls is not None and not tls:
        raise ConfigError("[mqtt.tls] is there, but url says mqtt://; write mqtts://host:port")
    path = section.password_file
    return MqttSettings(
        host=host,
        port=port,
        username=section.username,
        password=None if path is None else secret(Path(path), "password"),
        tls=client_context(tls_files(section.tls or TlsSection())) if tls else None,
    )
