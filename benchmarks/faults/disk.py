"""The disk fills up under gateways at work, stays full, and is given space again.

The state directories lie on a small disk of their own, a tmpfs in a namespace of its own: nothing else
notices, and no privilege is asked for. A cart that is refused sends again, as its technologist would.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.faults.line import LOOPBACK
from benchmarks.faults.stalls import Stalls
from benchmarks.faults.ward import Tally, Ward, endless
from benchmarks.table import NONE_OF_THEM, Row
from gateway.sinks.broker import BrokerAddress, demo_broker
from tests.checkout import ROOT
from tests.end_to_end.examinations import Journaled
from tests.end_to_end.lives import Gateways
from tests.end_to_end.mortal_gateway import LOG, STALLS

GROUP: Final = "The disk is full"
WARDS: Final = 4
_SIZE: Final = "48m"
_AT_WORK: Final = 100  # entries in the journal before it fills up
_DEADLINE_S: Final = 120.0
_LOOK_S: Final = 0.05
_MOUNT: Final = 'mount -t tmpfs -o size="$2" none "$1" && shift 2 && exec "$@"'


async def run(folder: Path, full_s: float) -> tuple[list[Row], Stalls | None]:
    """A disk that is full for so long: the rows, and how late timers were."""
    small, work = folder / "small", folder / "disk"
    small.mkdir()
    work.mkdir()
    async with demo_broker("mosquitto") as broker:  # here: as root of a namespace it would not start
        process = await asyncio.create_subprocess_exec(
            *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh", small, _SIZE),
            *(sys.executable, "-m", "benchmarks.faults.disk", small, work, str(full_s), str(broker.port)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
    if process.returncode:
        sys.stderr.write(errors.decode())
        reason = (errors.decode().strip().splitlines() or ["no reason given"])[-1]
        return [Row(group=GROUP, name=f"not run: {reason}", figure=None, goal=NONE_OF_THEM)], None
    said = json.loads(output)
    return _rows(Tally(**said["tally"]), said), Stalls.read(work / STALLS)


def _rows(tally: Tally, said: dict[str, float]) -> list[Row]:
    lost = tally.recordings_lost + tally.messages_lost + tally.events_lost
    return [
        Row(group=GROUP, name="gateways", figure=WARDS),
        Row(group=GROUP, name="full for", figure=said["full_s"], unit="s"),
        Row(group=GROUP, name="frames refused meanwhile", figure=said["refused"]),
        Row(group=GROUP, name="recordings, messages, events", figure=_all(tally)),
        Row(group=GROUP, name="of them lost", figure=lost, goal=NONE_OF_THEM),
        Row(group=GROUP, name="under two control ids", figure=tally.second_ids, goal=NONE_OF_THEM),
        Row(group=GROUP, name="sent again with other bytes", figure=tally.changed, goal=NONE_OF_THEM),
        Row(group=GROUP, name="pieces of recordings beside the whole", figure=tally.pieces),
        Row(group=GROUP, name="new entries after", figure=said["recovery_s"], unit="s", decimals=1),
    ]


def _all(tally: Tally) -> int:
    return tally.recordings + tally.messages + tally.events


async def _filled(small: Path, work: Path, full_s: float, port: int) -> dict[str, object]:
    """On the small disk: what the section found."""
    broker = BrokerAddress(host=LOOPBACK, port=port, kind="mosquitto")
    async with contextlib.AsyncExitStack() as stack:
        gateways = stack.enter_context(Gateways())
        wards = []
        for number in range(WARDS):
            ward = Ward(work / f"full-{number}", broker, endless, carts=2)
            await stack.enter_async_context(ward)
            (small / ward.folder.name).mkdir()
            (ward.folder / "state").symlink_to(small / ward.folder.name)
            await stack.enter_async_context(gateways.life(ward.folder))
            wards.append(ward)
        for ward in wards:
            await _until(lambda ward=ward: _entries(ward) > _AT_WORK)  # type: ignore[misc]
        before = [_refused(ward) for ward in wards]
        _fill(small / "filler")
        await asyncio.sleep(full_s)
        refused = sum(_refused(ward) for ward in wards) - sum(before)
        entries = [_entries(ward) for ward in wards]
        (small / "filler").unlink()
        recovery_s = max(
            await asyncio.gather(*(_more(ward, than) for ward, than in zip(wards, entries, strict=True)))
        )
        tally, stalls = Tally(), Stalls.read(work / STALLS)
        for ward in wards:
            ward.enough.set()
        for ward in wards:
            await _until(ward.complete)
            ward.check_complete()
            tally, stalls = tally + ward.tally, stalls + ward.stalls
        stalls.write(work / STALLS)
    return {"tally": asdict(tally), "refused": refused, "recovery_s": recovery_s, "full_s": full_s}


def _fill(filler: Path) -> None:
    """Take all that is left."""
    block = bytes(4096)
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(block)


def _entries(ward: Ward) -> int:
    return Journaled(ward.folder).number("SELECT count(*) FROM entry")


def _refused(ward: Ward) -> int:
    return (ward.folder / LOG).read_text("utf-8").count(" frame_not_stored ")


async def _more(ward: Ward, than: int) -> float:
    """How long until the journal has more entries than that, in seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await _until(lambda: _entries(ward) > than)
    return loop.time() - began


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while not holds():  # noqa: ASYNC110  # another process does not set our events
            await asyncio.sleep(_LOOK_S)


if __name__ == "__main__":
    place, beside, seconds, port = sys.argv[1:]
    print(json.dumps(asyncio.run(_filled(Path(place), Path(beside), float(seconds), int(port)))))
