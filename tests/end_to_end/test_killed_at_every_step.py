"""The gateway is killed at each step between a cart and an engine, one after the other, then at pairs.

The steps are those of an examination that nothing disturbs; `mortal_gateway` says what counts as one.
"""

import random
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.end_to_end.examinations import FILES, InAFolder, OverALine
from tests.end_to_end.lives import Examination, Gateways, some_at_once, survive

SEED = 20261102
TWICE = 24
START = ["os.mkdir state", "open state/gateway.db", "COMMIT PRAGMA user_version"]
FRAMES = sum(map(len, OverALine.FRAMES))
# How often an examination does what, at least: fewer steps would prove less than this says.
OVER_A_LINE = Counter(START) + Counter(
    {
        "open cart": 1,
        "COMMIT INSERT session": 2,
        "COMMIT INSERT entry": FRAMES + 4,  # and how each of the two sessions began and ended
        "COMMIT INSERT fact": 2,
        "COMMIT UPDATE fact": 4,  # two recordings, a header, the end
        "COMMIT UPDATE session": 2,
        "ACK": FRAMES + 2,  # and of each enquiry
        "MESSAGE": 1,
        "MESSAGE answered": 1,
        "COMMIT UPDATE outbox 1": 1,
    }
)
IN_A_FOLDER = Counter(START) + Counter(
    {
        "COMMIT INSERT session": 2,
        "COMMIT INSERT entry": 2,
        "COMMIT INSERT fact": 2,
        "COMMIT UPDATE fact": 4,  # two recordings, two headers
        "COMMIT UPDATE session": 2,
        "os.mkdir inbox/done": 1,
        "os.mkdir inbox/failed": 1,
        **{f"{event} inbox/{name}": 1 for event in ("open", "os.rename") for name in FILES},
        "open inbox/done/.IM2.dcm.notice.part": 1,
        "os.rename inbox/done/.IM2.dcm.notice.part": 1,
        "open inbox/failed/.IM3.dcm.reason.part": 1,
        "os.rename inbox/failed/.IM3.dcm.reason.part": 1,
    }
)

Begin = Callable[[Path], Examination]


async def undisturbed(begin: Begin, folder: Path, gateways: Gateways) -> list[str]:
    """The steps of two examinations that both make, in order: what only one makes is chance."""
    (once,) = await survive(begin(folder / "once"), gateways, [])
    (again,) = await survive(begin(folder / "again"), gateways, [])
    return [step for step in once if step in again]


def kinds(steps: list[str], moment: str) -> Counter[str]:
    """How often what is done; `moment`: of what is told before and after, the one to count."""
    other = {"before": "after", "after": "before"}[moment]
    whole = [step for step in steps if not step.startswith(f"{other} ")]
    return Counter(step.removeprefix(f"{moment} ").rpartition(" #")[0] for step in whole)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("begin", "expected"), [(OverALine, OVER_A_LINE), (InAFolder, IN_A_FOLDER)])
async def test_whatever_the_step_nothing_is_lost_and_nothing_is_there_twice(
    tmp_path: Path, begin: Begin, expected: Counter[str]
) -> None:
    with Gateways() as gateways:
        steps = await undisturbed(begin, tmp_path, gateways)
        assert kinds(steps, "before") >= expected
        assert kinds(steps, "after") >= expected

        async def killed_at(number: int) -> str:
            first, _ = await survive(begin(tmp_path / f"step-{number}"), gateways, [steps[number]])
            return first[-1]

        died_at = await some_at_once(killed_at, range(len(steps)))
    assert sorted(died_at) == sorted(steps)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("begin", [OverALine, InAFolder])
async def test_nor_when_the_next_gateway_is_killed_at_a_step_of_its_own(tmp_path: Path, begin: Begin) -> None:
    folders = (tmp_path / f"pair-{number}" for number in count())
    chance = random.Random(SEED)  # noqa: S311
    with Gateways() as gateways:
        steps = await undisturbed(begin, tmp_path, gateways)
        # The later the first is killed, the less is left for the second to do.
        firsts = sorted(chance.sample(range(len(steps)), TWICE))
        pairs = [(steps[first], str(chance.randint(1, len(steps) - first))) for first in firsts]

        async def killed_at_both(pair: tuple[str, str]) -> bool:
            first, second, _ = await survive(begin(next(folders)), gateways, pair)
            return first[-1] == pair[0] and len(second) == int(pair[1])

        both = await some_at_once(killed_at_both, pairs)
    assert sum(both) >= TWICE / 2


async def test_what_is_held_of_a_recording_goes_when_all_of_it_is_read_back(tmp_path: Path) -> None:
    """The first gateway leaves a piece; the second acknowledges the whole, and dies before it is a fact."""
    whole = f"after ACK #{1 + len(OverALine.FRAMES[0])}"
    with Gateways() as gateways:
        lives = await survive(OverALine(tmp_path / "piece"), gateways, ["after ACK #10", whole])
    assert [steps[-1] for steps in lives[:-1]] == ["after ACK #10", whole]
