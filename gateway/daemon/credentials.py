"""Passwords, keys and certificates, each in a file that the configuration names.

A secret that everyone on the machine can read is refused, and so is a key that somebody would have to unlock:
the gateway starts alone. TLS is 1.2 or newer and always checks the other side's certificate and name; there
is no switch for that.
"""

import ssl
from pathlib import Path

from gateway.errors import ConfigError


def secret(path: Path, what: str) -> str:
    """The text in the file at `path`, named `what` in the error: ConfigError when anybody could read it."""
    try:
        open_to_all = path.stat().st_mode & 0o004
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if open_to_all:
        raise ConfigError(f"{path}: everyone on this machine can read the {what}; chmod o-r it")
    return _text(path)


def client_tls(ca_file: str | None, cert_file: str | None, key_file: str | None) -> ssl.SSLContext:
    """TLS towards a server: `ca_file` (PEM) says whom to believe, without it the machine's own list.

    `cert_file` and `key_file` prove who we are, where the server asks. ConfigError names the file.
    """
    context = ssl.create_default_context() if ca_file is None else _trusting(Path(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file is not None and key_file is not None:
        _identify(context, Path(cert_file), Path(key_file))
    elif cert_file is not None or key_file is not None:
        raise ConfigError(f"{cert_file or key_file}: cert_file and key_file go together; name both or none")
    return context


def _trusting(path: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=_certificates(path))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"{path}: holds no certificate in PEM form") from error


def _certificates(path: Path) -> str:
    """The text of a file that says it holds certificates; from an empty one the machine's list follows."""
    text = _text(path)
    if "BEGIN CERTIFICATE" not in text:
        raise ConfigError(f"{path}: holds no certificate in PEM form")
    return text


def _identify(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    private = secret(key, "key")
    if "ENCRYPTED" in private:  # OpenSSL would ask for the password at a terminal
        raise ConfigError(f"{key}: the key is encrypted; the gateway needs it without a password")
    if "PRIVATE KEY" not in private:
        raise ConfigError(f"{key}: holds no private key in PEM form")
    _certificates(certificate)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        reason = (error.reason or "unknown reason").lower().replace("_", " ")
        raise ConfigError(f"{certificate}: cannot be used with {key}: {reason}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text") from error
