"""`simulate`: plays a Study document as a cart would, over a line or as files, and a capture as it was."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import BinaryIO, Final

import click

from gateway.commands.documents import read_study
from gateway.daemon.reference import load_reference
from gateway.domain.anatomy import Anatomy
from gateway.domain.study import Study
from gateway.errors import DataError, NoInput, Unavailable, UsageError, did_you_mean
from gateway.formats import SNIFFED_BYTES, Format, Reading, installed_formats
from gateway.ports import Simulator
from gateway.protocols.capture import LARGEST_LINE, Entry, decode_entries, is_capture

_GROUP: Final = "emg_gateway.simulators"
_LINE: Final = "lis"


def installed_simulator() -> Simulator:
    """The simulator that is installed."""
    for entry in entry_points(group=_GROUP):
        simulator: Simulator = entry.load()
        return simulator
    raise Unavailable("no simulator is installed; install emg-gateway with its drivers")


@click.command("simulate")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--link", type=click.Path(path_type=Path), help="Where to link the pseudo-terminal's host end.")
@click.option("--to", type=click.Path(path_type=Path), metavar="DIR", help="The folder files are written to.")
@click.option(
    "--protocol",
    default=_LINE,
    show_default=True,
    metavar="NAME",
    help="lis: over a line; a format of files (dicom, study): into the folder --to names.",
)
@click.option("--speed", type=float, default=0.0, help="1: as slow as a real examination; 0: at once.")
@click.option("--faults", metavar="NAME", help="A fault the cart has; its line and its files have their own.")
def command(
    file: Path, link: Path | None, to: Path | None, protocol: str, speed: float, faults: str | None
) -> None:
    """Play FILE, a Study document or a capture, over a pseudo-terminal; or write a Study's files into DIR.

    Over a line a study is played until everything is acknowledged, a capture until everything is read.
    """
    simulator = installed_simulator()
    if protocol != _LINE:
        form = _format(protocol)
        _refuse(f"--link: {protocol} is written as files; name their folder with --to", link)
        if to is None:
            raise UsageError(f"--protocol {protocol}: name the folder for its files with --to")
        _check_fault(faults, simulator.file_faults)
        _export(simulator, file, to, form, speed=speed, fault=faults)
        return
    _refuse("--to: lis goes over a line; for files name their format with --protocol", to)
    if _is_capture(file):
        _refuse("--faults: a capture is played as it was, with the faults it has", faults)
        _replay(simulator, file, link, speed)
        return
    _check_fault(faults, simulator.faults)
    study = _study(file, load_reference().anatomy)
    asyncio.run(simulator.play(study, link=link, speed=speed, fault=faults, opened=_say))


def _format(name: str) -> Format:
    formats = installed_formats()
    if name not in formats:
        hint = did_you_mean(name, formats) or f"; there are: {', '.join(sorted({_LINE, *formats}))}"
        raise UsageError(f"no protocol {name!r}{hint}")
    return formats[name]


def _refuse(reason: str, option: object) -> None:
    if option is not None:
        raise UsageError(reason)


def _check_fault(name: str | None, known: Mapping[str, str]) -> None:
    if name is not None and name not in known:
        raise UsageError(f"no fault {name!r}; there are: {', '.join(known)}")


def _study(file: Path, anatomy: Anatomy) -> Study:
    study = read_study(file, Reading(anatomy=anatomy))
    return replace(study, header=replace(study.header, simulated=True))


def _export(
    simulator: Simulator, file: Path, to: Path, form: Format, *, speed: float, fault: str | None
) -> None:
    if _is_capture(file):
        raise UsageError(f"{file}: a capture is played over a line; files are written of a Study document")
    anatomy = load_reference().anatomy
    study = _study(file, anatomy)
    asyncio.run(simulator.export(study, to, form=form, anatomy=anatomy, speed=speed, fault=fault))


def _replay(simulator: Simulator, file: Path, link: Path | None, speed: float) -> None:
    """Play the capture at `file` once it is known to be whole, an entry at a time: it may be large."""
    with _capture(file) as entries:
        for _ in entries:
            pass
    with _capture(file) as entries:
        asyncio.run(simulator.replay(entries, link=link, speed=speed, opened=_say))


@contextmanager
def _capture(file: Path) -> Iterator[Iterator[Entry]]:
    with _opened(file) as stream:
        try:
            yield decode_entries(iter(partial(stream.readline, LARGEST_LINE + 1), b""))
        except DataError as error:
            raise error.within(str(file)) from error


def _is_capture(file: Path) -> bool:
    if file.exists() and not file.is_file():  # a pipe could not be read again from its beginning
        return False
    with _opened(file) as stream:
        return is_capture(stream.read(SNIFFED_BYTES))


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise NoInput(f"{file}: {error.strerror}") from error


async def _say(path: str) -> None:
    click.echo(f"emg-gateway: the line is {path}", err=True)
