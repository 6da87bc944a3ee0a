"""Many sweeps at once are marked to the last bit like each alone; nothing is used that could break that."""

import ast
import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.markers import strangers, sweeps
from gateway.domain import markers
from gateway.domain.markers import Marking, mark, mark_all
from gateway.domain.recording import Modality, Waveform
from tests.domain.markers.curves import (
    LONG,
    MOTOR,
    SAMPLING,
    SENSORY,
    SETTINGS,
    artefact,
    cmap,
    hum,
    marking,
    negated,
    noise,
    numbers,
    snap,
    sweep,
    usual,
)
from tests.factories import waveform

BOTH = pytest.mark.parametrize("modality", Modality)
# What adds up in an order that depends on how much there is: products and solvers of BLAS and LAPACK, to
# which `einsum` turns only when it is told to optimize.
UNORDERED = {
    *(
        "dot",
        "matmul",
        "inner",
        "vdot",
        "outer",
        "tensordot",
        "einsum_path",
        "kron",
        "linalg",
        "matvec",
        "vecmat",
    ),
    *(
        "vecdot",
        "optimize",
        "convolve",
        "correlate",
        "polyfit",
        "lstsq",
        "solve",
        "pinv",
        "cov",
        "corrcoef",
        "matrix",
    ),
}


@cache
def pool() -> tuple[Waveform, ...]:
    """Sweeps of many kinds; most share a grid with others, as those of one examination do."""
    alike = [sweep(cmap(begin_ms=2.5 + seed / 3.0), noise(5.0, seed)) for seed in range(40)]
    shocked = [sweep(cmap(begin_ms=4.0), noise(5.0, seed), artefact(3e3)) for seed in range(5)]
    humming = [sweep(cmap(), noise(3.0, seed), hum(14.0), sampling=LONG) for seed in range(5)]
    brief = [sweep(snap(), noise(0.3, seed), modality=SENSORY) for seed in range(8)]
    silent = [sweep(noise(5.0, seed)) for seed in range(5)]
    drawn = [draw(seed).waveform for draw in (sweeps.draw_motor, strangers.draw_sensory) for seed in range(5)]
    odd = [
        negated(usual(MOTOR)),
        waveform([0, 5]),
        waveform([7] * 900),
        waveform(range(900), rate_hz=300.0),
        waveform(alike[0].samples, rate_hz=20_000.0, start_ms=SAMPLING[MOTOR].start_ms, uv=0.5),
    ]
    return (*alike, *shocked, *humming, *brief, *silent, *drawn, *odd)


@cache
def alone(modality: Modality) -> tuple[Marking, ...]:
    """Each sweep of the pool marked by itself."""
    return tuple(mark(one, modality, SETTINGS) for one in pool())


@BOTH
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_batch_in_any_order_gives_the_bits_of_each_sweep_alone(
    data: st.DataObject, modality: Modality
) -> None:
    places = data.draw(st.lists(st.integers(0, len(pool()) - 1), min_size=1, max_size=70))

    found = mark_all([pool()[place] for place in places], modality, SETTINGS)

    assert found == tuple(alone(modality)[place] for place in places)


@BOTH
def test_the_whole_pool_at_once_and_backwards_gives_the_bits_of_each_sweep_alone(modality: Modality) -> None:
    assert mark_all(pool(), modality, SETTINGS) == alone(modality)
    assert mark_all(pool()[::-1], modality, SETTINGS) == alone(modality)[::-1]


@BOTH
def test_no_sweeps_have_no_marks(modality: Modality) -> None:
    assert mark_all((), modality, SETTINGS) == ()


def test_a_sweep_is_marked_the_same_after_any_number_of_others() -> None:
    """Tables that were forgotten in between are worked out again to the same bits."""
    first = alone(MOTOR)[0]
    for seed in range(20):
        mark(sweeps.draw_motor(seed).waveform, MOTOR, SETTINGS)

    assert mark(pool()[0], MOTOR, SETTINGS) == first


def test_sweeps_of_ever_other_rates_do_not_fill_the_memory() -> None:
    """The longest sweeps on the finest grid, in noise of many levels, which all have tables of their own."""
    held: list[int] = []
    tracemalloc.start()
    for rate_hz in range(14_200, 14_224):
        samples = np.random.default_rng(rate_hz).integers(-50, 50, int(0.298 * rate_hz), dtype=np.int32)
        scales = [0.1 * 2.0**power for power in range(4)]
        mark_all(
            [waveform(samples, rate_hz=rate_hz, start_ms=-149.0, uv=scale) for scale in scales],
            SENSORY,
            SETTINGS,
        )
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()

    assert max(held) < 90e6
    assert held[-1] < 1.1 * max(held[:12])


@pytest.mark.parametrize("path", sorted(Path(markers.__file__).parent.glob("*.py")), ids=lambda one: one.name)
def test_no_sum_is_left_to_a_library_that_chooses_its_order(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {
        part
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        for part in f"{getattr(node, 'module', '')}.{alias.name}".split(".")
    }

    names |= {str(node.arg) for node in nodes if isinstance(node, ast.keyword)}

    assert not any(isinstance(node, ast.MatMult) for node in nodes)
    assert names & UNORDERED == set()


def test_snaps_before_the_wave_of_a_muscle_get_the_same_bits_in_a_batch() -> None:
    begins_ms = [3.9 + 0.05 * place for place in range(40)]
    both = [
        sweep(snap(), cmap(peak_uv=100.0, begin_ms=begin, negative_ms=7.0), noise(0.3), modality=SENSORY)
        for begin in begins_ms
    ]

    together = mark_all(both, SENSORY, SETTINGS)

    assert any("later_wave" in numbers(one) for one in together)
    assert together == tuple(marking(one, SENSORY) for one in both)
