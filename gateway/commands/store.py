"""`store`: what the store holds, whether it is whole, and what to do where it is not."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import click

from gateway.commands.desk import CONFIG
from gateway.commands.main import failed
from gateway.commands.terminal import printable
from gateway.daemon.config import DATABASE, load
from gateway.errors import DataError, NoInput
from gateway.store.faults import unusable
from gateway.store.inspection import Inspection, inspect
from gateway.store.salvage import Salvage, salvage


@click.group("store")
def command() -> None:
    """See whether the store is whole and what it holds; salvage one that is damaged."""


@command.command("check")
@CONFIG
def check(config: Path) -> int:
    """Compare everything in the store with its checksums and indexes; a gateway may be running."""
    path = _path(config)
    with _named(path):
        found = inspect(path)
    for line in _lines(found, path):
        click.echo(printable(line))
    for where in found.unreadable:
        failed(f"{path}: {where}: damaged on the disk; it stays there, everything else is used", 0)
    return DataError.exit_code if found.unreadable else 0


@command.command("salvage")
@CONFIG
def rescue(config: Path) -> int:
    """Put what can still be read of a damaged store in its place; the damaged one is renamed."""
    path = _path(config)
    with _named(path):
        found = salvage(path)
    if found is None:
        click.echo(f"{path}: its structure is whole; 'emg-gateway store check' looks at each row")
        return 0
    for line in _told(found):
        click.echo(printable(line))
    return 0 if found.complete else DataError.exit_code


def _path(config: Path) -> Path:
    path = Path(load(config).gateway.state_dir) / DATABASE
    if not path.exists():
        raise NoInput(f"{path}: not there; has the gateway run with this configuration?")
    return path


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise unusable(path, error) from error


def _lines(found: Inspection, path: Path) -> Iterator[str]:
    free = shutil.disk_usage(path.parent).free
    yield f"{path}: {_mb(found.held_bytes)} held, {_mb(free)} free on its disk"
    curves = f"{found.recordings} recordings, the curves of {found.thinned} thinned out"
    yield f"{found.studies} studies, {curves}"
    yield f"{found.sessions} sessions of raw input, {found.sessions_thinned} of them thinned out"
    yield "whole" if not found.unreadable else f"{len(found.unreadable)} damaged"


def _told(found: Salvage) -> Iterator[str]:
    for entry in found.tables:
        lost = f", up to {entry.lost} lost" if entry.lost else ""
        yield f"{entry.table}: {entry.kept} kept{lost}"
    yield f"the damaged one is {found.damaged}"
    if found.complete:
        yield "nothing was lost; start the gateway"
    else:
        yield "start the gateway, then have the carts send the latest examinations again: nothing is doubled"


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
