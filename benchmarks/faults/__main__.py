"""`python -m benchmarks.faults`: kill the gateway and its networks, and print what became of everything.

With `--write` the table goes into a document, between its two comment lines.
"""

import argparse
import asyncio
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.faults import cables, disk, kills, networks, peers
from benchmarks.faults.stalls import Stalls
from benchmarks.page import put
from benchmarks.table import Goal, Row, text
from tests.checkout import ROOT

PROGRAM: Final = "benchmarks.faults"
STALL: Final = Goal(most=20.0)
IDLE: Final = "idle loop beside"
_QUANTILE: Final = 0.999

Section = Callable[[argparse.Namespace, Path], Awaitable[tuple[list[Row], Stalls | None]]]


async def _kills(asked: argparse.Namespace, folder: Path) -> tuple[list[Row], Stalls | None]:
    return await kills.run(folder, asked.kills, asked.seed, asked.every)


async def _hl7(asked: argparse.Namespace, folder: Path) -> tuple[list[Row], Stalls | None]:
    rows = await networks.hl7(folder, asked.trials // 2, asked.seed)
    return rows, Stalls.read(folder / networks.STALLS)


async def _mqtt(asked: argparse.Namespace, folder: Path) -> tuple[list[Row], Stalls | None]:
    rows = await networks.mqtt(folder, asked.trials - asked.trials // 2, asked.seed)
    return rows, Stalls.read(folder / networks.STALLS)


async def _cables(asked: argparse.Namespace, folder: Path) -> tuple[list[Row], Stalls | None]:
    return await cables.run(folder, asked.pulls, asked.seed)


async def _disk(asked: argparse.Namespace, folder: Path) -> tuple[list[Row], Stalls | None]:
    return await disk.run(folder, asked.full)


async def _peers(asked: argparse.Namespace, folder: Path) -> tuple[list[Row], Stalls | None]:
    return await peers.run(folder, asked.peer_trials, asked.seed), None


SECTIONS: Final[dict[str, Section]] = {
    "kills": _kills,
    "hl7": _hl7,
    "mqtt": _mqtt,
    "cables": _cables,
    "disk": _disk,
    "peers": _peers,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Go through the sections, print, and write what was asked for."""
    asked = _parser().parse_args(arguments)
    for name in ("gateway", "mqtt"):  # faults are what they would tell of; "mqtt" is the screens' library
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    with tempfile.TemporaryDirectory(prefix="faults-") as place:
        idle = Path(place) / "idle"
        command = [sys.executable, "-m", "benchmarks.faults.stalls", idle]
        with subprocess.Popen(command, cwd=ROOT) as beside:  # noqa: S603
            try:
                rows, stalls = _through(asked, Path(place))
            finally:
                beside.kill()
        rows += _stall_rows({**stalls, IDLE: Stalls.read(idle)})
    heading = f"Seed {asked.seed}: {', '.join(asked.only)}"
    table = f"{heading}\n\n{text(rows)}"
    print(table)
    if asked.write is not None:
        put(asked.write, PROGRAM, f"```text\n{table}\n```")


def _through(asked: argparse.Namespace, place: Path) -> tuple[list[Row], dict[str, Stalls]]:
    rows: list[Row] = []
    stalls: dict[str, Stalls] = {}
    for name in asked.only:
        began = time.monotonic()
        folder = place / name
        folder.mkdir()
        found, late = asyncio.run(SECTIONS[name](asked, folder))
        took_s = time.monotonic() - began
        rows += [*found, Row(group=found[-1].group, name="took", figure=took_s, unit="s")]
        if late is not None:
            stalls[name] = late
        print(text(found), file=sys.stderr, flush=True)
    return rows, stalls


def _stall_rows(stalls: dict[str, Stalls]) -> list[Row]:
    """Lateness of timers, and what of it the loop's own thread computed: the rest is the machine's."""
    group = f"Timers of the event loop, late at most ({100 * _QUANTILE:g} % of them)"
    rows = []
    for name, found in stalls.items():
        goal = None if name == IDLE else STALL
        figures = {
            f"{name} ({found.late.timers:,})": (found.late.quantile_ms(_QUANTILE), goal),
            f"{name}, own computing": (found.computed.quantile_ms(_QUANTILE), goal),
            f"{name}, the latest of all": (found.late.quantile_ms(1.0), None),
        }
        rows += [
            Row(group=group, name=what, figure=figure, unit="ms", decimals=2, goal=limit)
            for what, (figure, limit) in figures.items()
        ]
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (default: 1)")
    parser.add_argument("--kills", type=int, default=1000, help="at random times (default: 1000)")
    parser.add_argument("--every", type=int, default=1, help="kill at one of so many steps (default: 1)")
    parser.add_argument("--trials", type=int, default=10_000, help="network faults (default: 10000)")
    parser.add_argument("--pulls", type=int, default=480, help="cables pulled (default: 480)")
    parser.add_argument("--full", type=float, default=60.0, help="seconds the disk is full (default: 60)")
    parser.add_argument("--peer-trials", type=int, default=64, help="faults for each peer (default: 64)")
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="these sections (default: all)"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the block in FILE")
    return parser


if __name__ == "__main__":
    main()
