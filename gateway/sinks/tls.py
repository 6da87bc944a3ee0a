"""TLS for what crosses a machine: contexts from files, and its errors in words that say what to do.

TLS 1.2 or newer, and a client always checks the name. A server that is given a CA asks its clients for a
certificate of that CA (mutual TLS). Files are read when a context is made: renewed ones count after a
reload.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: whom to trust (None: the system's CAs), and who we are (None: we do not say)."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None  # None: the key stands in cert_file


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """What a client checks a server by; ConfigError names the file that cannot be used."""
    if files.key_file is not None and files.cert_file is None:
        raise ConfigError(f"{files.key_file}: a key without cert_file; name its certificate too")
    return _context(ssl.PROTOCOL_TLS_CLIENT, files)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """What a server shows to its clients; ConfigError names the file that cannot be used."""
    if files.cert_file is None:
        raise ConfigError("a TLS server needs cert_file and key_file")
    context = _context(ssl.PROTOCOL_TLS_SERVER, files)
    if files.ca_file is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _context(protocol: int, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.ca_file is not None:
        _trust(context, files.ca_file)
    elif protocol == ssl.PROTOCOL_TLS_CLIENT:
        context.load_default_certs()
    if files.cert_file is not None:
        _identify(context, files.cert_file, files.key_file)
    return context


def _trust(context: ssl.SSLContext, path: Path) -> None:
    _check_readable(path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ConfigError(f"{path}: holds no CA certificate in PEM") from error


def _identify(context: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> None:
    _check_readable(cert_file)
    key = key_file or cert_file
    _check_readable(key)
    if key.stat().st_mode & 0o004:
        raise ConfigError(f"{key}: everyone on this machine can read the private key; chmod o-r it")
    try:
        context.load_cert_chain(cert_file, key_file, password="")  # never ask at the terminal
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"{key}: is not the key of the certificate in {cert_file}") from error
        raise ConfigError(
            f"{cert_file}, {key}: no certificate and key in PEM, the key without a password"
        ) from error


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


_ADVICE: Final[Mapping[str, str]] = {  # OpenSSL's reason to what it means here
    "WRONG_VERSION_NUMBER": "it does not speak TLS; switch TLS on there",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks no TLS 1.2 or newer",
    "UNSUPPORTED_PROTOCOL": "it speaks no TLS 1.2 or newer",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it asks for a client certificate; set cert_file and key_file",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust our certificate; its CA list must hold our issuer",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "it refuses the handshake; it may ask for a client certificate: set cert_file and key_file"
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it says our certificate has expired; renew cert_file",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses our certificate",
}


def told(error: OSError) -> str:
    """Why a connection failed, in one line; for TLS with what to do about it."""
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is refused: {error.verify_message.rstrip('.')}; check ca_file and the name"
            )
        case ssl.SSLError():
            return f"TLS: {_ADVICE.get(error.reason or '') or (error.reason or 'failed').lower()}"
        case ConnectionError() if not error.strerror:
            return (
                "it hung up during the TLS handshake; it may ask for a client certificate:"
                " set cert_file and key_file"
            )
        case _:
            return error.strerror or str(error) or "no answer"
