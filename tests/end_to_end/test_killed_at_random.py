"""The gateway is killed at moments spread over the whole time an examination takes, in some rounds twice."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import chain, count
from pathlib import Path

import pytest

from tests.end_to_end.examinations import InAFolder, OverALine
from tests.end_to_end.lives import AT_ONCE, Examination, Gateways, some_at_once, survive

KILLS = 100
SEED = 20261102
PLACES = 10  # fewer different last steps than this, and the moments were ill chosen


@pytest.mark.timeout(300)
@pytest.mark.parametrize("begin", [OverALine, InAFolder])
async def test_whenever_the_gateway_is_killed_nothing_is_lost_and_nothing_is_there_twice(
    tmp_path: Path, begin: Callable[[Path], Examination]
) -> None:
    folders = (tmp_path / str(number) for number in count())
    chance = random.Random(SEED)  # noqa: S311
    with Gateways() as gateways:

        async def takes_s(_: int) -> float:
            began = time.monotonic()
            await survive(begin(next(folders)), gateways, [])
            return time.monotonic() - began

        async def last_steps(moments: Sequence[float]) -> list[tuple[str, ...]]:
            lives = await survive(begin(next(folders)), gateways, moments)
            return [tuple(steps[-1:]) for steps in lives[:-1]]

        whole_s = statistics.median(await some_at_once(takes_s, range(AT_ONCE)))
        moments = [chance.uniform(0.0, whole_s) for _ in range(KILLS)]
        once, twice = moments[: KILLS // 2], moments[KILLS // 2 :]
        rounds = [*((moment,) for moment in once), *zip(twice[::2], twice[1::2], strict=True)]
        killed_at = list(chain.from_iterable(await some_at_once(last_steps, rounds)))
    assert len(killed_at) == KILLS
    assert len(set(killed_at)) >= PLACES
