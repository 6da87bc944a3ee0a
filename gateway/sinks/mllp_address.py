"""Where an HL7 receiver listens: `mllp://host:port`, or `mllps://` where the connection is TLS."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.errors import ConfigError

DEFAULT_PORT: Final = 2575  # registered for HL7 with IANA
_SCHEMES: Final = {"mllp": False, "mllps": True}


@dataclass(frozen=True, slots=True)
class MllpAddress:
    """A receiver's host and port, and whether it is spoken to in TLS."""

    host: str
    port: int
    secure: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def mllp_address(url: str) -> MllpAddress:
    """What `mllp://host:port` or `mllps://host:port` names; ConfigError for any other URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")  # the form a name is looked up in
    except ValueError as error:
        raise ConfigError(f"{error}; write mllp://host:port or mllps://host:port") from error
    beyond = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in _SCHEMES or not host or port == 0 or beyond:
        raise ConfigError(f"{url[:80]!r}: write mllp://host:port or mllps://host:port")
    return MllpAddress(host, port or DEFAULT_PORT, _SCHEMES[parts.scheme])
