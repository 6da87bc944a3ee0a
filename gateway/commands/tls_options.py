"""`--cert`, `--key` and `--ca`: TLS for a command that connects or listens."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from gateway.sinks.tls import TlsFiles

T = TypeVar("T")
_PEM: Final = click.Path(path_type=Path)


def tls_options(own: str, trusted: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """The three options as the one argument `tls`; `own` and `trusted` begin their help."""

    def decorate(run: Callable[..., T]) -> Callable[..., T]:
        @click.option("--cert", type=_PEM, metavar="FILE", help=f"{own} this certificate (PEM).")
        @click.option("--key", type=_PEM, metavar="FILE", help="Its private key; else in the same file.")
        @click.option("--ca", type=_PEM, metavar="FILE", help=f"{trusted} this CA (PEM).")
        @functools.wraps(run)
        def with_tls(cert: Path | None, key: Path | None, ca: Path | None, **others: Any) -> T:
            return run(tls=TlsFiles(ca_file=ca, cert_file=cert, key_file=key), **others)

        return with_tls

    return decorate
