"""Passwords, each in a file that the configuration names; one that everyone can read is refused."""

from pathlib import Path

from gateway.errors import ConfigError


def secret(path: Path, what: str) -> str:
    """The text in the file at `path`, named `what` in the error: ConfigError when anybody could read it."""
    try:
        open_to_all = path.stat().st_mode & 0o004
        if open_to_all:
            raise ConfigError(f"{path}: everyone on this machine can read the {what}; chmod o-r it")
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text") from error
