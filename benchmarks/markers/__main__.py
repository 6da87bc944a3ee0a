"""`python -m benchmarks.markers`: print how well curves are marked, beside what is asked of the marker.

With `--write` the table goes into a document, between its two comment lines, and the picture beside it.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.markers.cost import Load
from benchmarks.markers.evaluation import Evaluation, Plan, drawing, evaluate
from benchmarks.page import put
from benchmarks.table import document, text

PROGRAM: Final = "benchmarks.markers"


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate, print, and write what was asked for."""
    asked = _parser().parse_args(arguments)
    first, count = asked.seeds
    plan = Plan(
        seeds=range(first, first + count),
        strangers=asked.strangers,
        workers=asked.workers,
        load=Load() if asked.cost else None,
    )
    evaluation = evaluate(plan)
    heading = f"Seeds {first:,} to {first + count - 1:,}"
    table = f"{heading}\n\n{text(evaluation.rows)}"
    print(document(evaluation.rows, plan.seeds) if asked.json else table)
    if asked.write is not None:
        write(asked.write, table, evaluation)


def write(target: Path, table: str, evaluation: Evaluation) -> None:
    """Replace the block of figures in `target` and the picture of the same name; leave the rest alone."""
    image = target.with_suffix(".svg")
    put(target, PROGRAM, f"```text\n{table}\n```\n\n![Curves with their marks]({image.name})")
    image.write_text(drawing(evaluation), "utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=__doc__)
    parser.add_argument(
        "--seeds",
        nargs=2,
        type=int,
        default=(0, 10_000),
        metavar=("FIRST", "COUNT"),
        help="sweeps of each kind (default: 0 10000); a fifth as many examinations",
    )
    parser.add_argument("--strangers", action="store_true", help="the second simulator as well")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="replace the block in FILE, and its picture"
    )
    parser.add_argument("--no-cost", dest="cost", action="store_false", help="leave out the cost")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all)")
    return parser


if __name__ == "__main__":
    main()
