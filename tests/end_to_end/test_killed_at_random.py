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

KILLS = 132  # so that 100 and more strike while there is something to do
SEED = 20261102
PLACES = 10  # fewer different last steps than this, and the moments were ill chosen
WORKING = 0.65  # of what a round takes; the rest is beginning and looking, not the gateway at work
IN_TIME = 0.5  # fewer than this of those killed once with something left to do, and they prove little


@pytest.mark.timeout(300)
@pytest.mark.parametrize("begin", [OverALine, InAFolder])
async def test_whenever_the_gateway_is_killed_nothing_is_lost_and_nothing_is_there_twice(
    tmp_path: Path, begin: Callable[[Path], Examination]
) -> None:
    folders = (tmp_path / str(number) for number in count())
    chance = random.Random(SEED)  # noqa: S311
    with Gateways() as gateways:

        async def undisturbed(_: int) -> tuple[float, tuple[str, ...]]:
            began = time.monotonic()
            (steps,) = await survive(begin(next(folders)), gateways, [])
            return time.monotonic() - began, tuple(steps[-1:])

        async def last_steps(moments: Sequence[float]) -> list[tuple[str, ...]]:
            lives = await survive(begin(next(folders)), gateways, moments)
            return [tuple(steps[-1:]) for steps in lives[:-1]]

        whole = await some_at_once(undisturbed, range(AT_ONCE))
        whole_s = statistics.median(seconds for seconds, _ in whole)
        finished = {last for _, last in whole}
        moments = [chance.uniform(0.0, WORKING * whole_s) for _ in range(KILLS)]
        once, twice = moments[: KILLS // 2], moments[KILLS // 2 :]
        killed_once = list(
            chain.from_iterable(await some_at_once(last_steps, [(moment,) for moment in once]))
        )
        pairs = list(zip(twice[::2], twice[1::2], strict=True))
        killed_at = [*killed_once, *chain.from_iterable(await some_at_once(last_steps, pairs))]
    assert len(killed_at) == KILLS
    assert sum(last not in finished for last in killed_once) >= IN_TIME * len(killed_once)
    assert len(set(killed_at)) >= PLACES
