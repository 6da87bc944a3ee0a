"""`studies patient`: a study that the cart filed under the wrong patient, put right.

What was sent is taken back from the wrong patient and goes out anew under the right one. The patient's data
come on standard input or the command line and go to the journal; nothing of them is ever printed.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final

import click

from gateway.commands.desk import CONFIG, ID, desk, noted
from gateway.commands.statements import number, one_of
from gateway.domain.statements import check
from gateway.domain.study import Patient, PatientStated
from gateway.errors import DataError, UsageError, did_you_mean

_NOBODY: Final = Patient()
_KEYS: Final[Mapping[str, Callable[[str], str | float | None]]] = {
    **{entry.name: str for entry in fields(Patient)},
    "sex": one_of({sex: sex for sex in "FMOU"}),
    "height_cm": number,
    "weight_kg": number,
}


@click.command("patient")
@ID
@click.argument("words", nargs=-1, metavar="[KEY=VALUE...|-]")
@click.option("--unknown", is_flag=True, help="Another's; nobody knows yet whose.")
@click.option("--withdraw", is_flag=True, help="It is the patient's whom the cart named after all.")
@CONFIG
def patient(wanted: str, words: tuple[str, ...], config: Path, *, unknown: bool, withdraw: bool) -> None:
    """Say that the study is another patient's: what the hospital was sent for the wrong one is taken back.

    \b
    id=P-2 family=Muster given=Anna birth_date=1971-03-05
    sex=F|M|O|U height_cm=170 weight_kg=65
    (-: a KEY=VALUE on each line of standard input, which no other user sees)
    """  # noqa: D301  # click wants the character, not the escape
    if (bool(words), unknown, withdraw).count(True) != 1:
        raise UsageError("say whose it is with id=..., or --unknown, or --withdraw")
    stated = None if withdraw else _NOBODY if unknown else _parsed(words)
    with desk(config) as here:
        found = here.visit.study(wanted)
        new = here.state(found.code, [PatientStated(patient=stated)])
    click.echo(f"{found.code}: {noted(new)}")
    if unknown:
        click.echo(f"{found.code}: no hospital is sent anything of it until it is said whose it is")


def _parsed(words: Iterable[str]) -> Patient:
    lines = sys.stdin.read().splitlines() if tuple(words) == ("-",) else words
    try:
        stated = _patient(line for line in lines if line.strip())
        check(PatientStated(patient=stated))
    except DataError as error:
        raise UsageError(f"{error}; nothing was stored") from error
    return stated


def _patient(lines: Iterable[str]) -> Patient:
    values: dict[str, str | float | None] = {}
    for line in lines:
        name, _, text = line.partition("=")
        if name not in _KEYS:
            raise DataError(f"no such key{did_you_mean(name, _KEYS)}; there are: {', '.join(_KEYS)}")
        if name in values:
            raise DataError("given twice", name)
        try:
            values[name] = _KEYS[name](text.strip()) or None
        except DataError as error:
            raise error.within(name) from error
    if values.get("id") is None:
        raise DataError("a patient has an id; where nobody knows whose it is: --unknown", "id")
    return Patient(**values)  # type: ignore[arg-type]  # each value by its own reader
