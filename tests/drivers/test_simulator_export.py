"""The cart's export into a real folder, seen from who looks into it."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from drivers.simulator import SIMULATOR, Export, VirtualPatient
from drivers.simulator.faults import FILE_FAULTS
from gateway.domain.anatomy import Anatomy
from gateway.domain.study import Study
from gateway.errors import CannotCreate, UsageError
from gateway.formats import Document, Format, Reading, study_json
from tests.factories import motor, reference, study

STUDY = study(motor("wrist"), motor("below_elbow"), motor("axilla"))


@dataclass(frozen=True)
class OneEach:
    """A format whose files hold a recording each, as DICOM's do."""

    name: Final = "one-each"
    suffix: Final = ".json"
    folds: Final = True

    def sniff(self, start: bytes) -> bool:
        return study_json.FORMAT.sniff(start)

    def read(self, data: bytes, reading: Reading) -> Document:
        return study_json.FORMAT.read(data, reading)

    def write(self, study: Study, _anatomy: Anatomy) -> Sequence[bytes]:
        return [study_json.encode(replace(study, recordings=(entry,))) for entry in study.recordings]


async def export(
    into: Path, fault: str | None = None, speed: float = 0.0, form: Format | None = None
) -> None:
    await Export(time_scale=0.01).write(
        STUDY, into, form=form or OneEach(), anatomy=reference().anatomy, speed=speed, fault=fault
    )


def in_order(folder: Path) -> list[Path]:
    """The files, the oldest first."""
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in in_order(folder)]


def read(path: Path) -> Study:
    return OneEach().read(path.read_bytes(), Reading(anatomy=reference().anatomy)).study


async def test_a_recording_is_a_file_in_order_and_marked_simulated(tmp_path: Path) -> None:
    await export(tmp_path, speed=1000.0)
    found = [read(path) for path in in_order(tmp_path)]
    assert [entry for one in found for entry in one.recordings] == list(STUDY.recordings)
    assert all(one.header.simulated for one in found)


async def test_a_study_document_is_one_file(tmp_path: Path) -> None:
    await export(tmp_path, form=study_json.FORMAT)
    (path,) = in_order(tmp_path)
    assert path.name.endswith(".study.json")
    assert read(path).recordings == STUDY.recordings


async def test_a_name_says_nothing_about_the_patient_and_comes_from_the_content(tmp_path: Path) -> None:
    await export(tmp_path)
    names = set(sizes(tmp_path))
    assert all(re.fullmatch(r"[0-9a-f]{16}-[0-9]{3}\.json", name) for name in names)
    await export(tmp_path)
    assert set(sizes(tmp_path)) == names


async def test_speed_sets_the_pace_between_stimulations(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await export(tmp_path, speed=400.0)
    assert loop.time() - begun >= 2 * 20 / 400.0


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


async def looked_at(folder: Path, writing: Callable[[], "asyncio.Task[None]"]) -> list[dict[str, int]]:
    """What the folder held, each time it was looked at while `writing` went on."""
    task = writing()
    seen = []
    while not task.done():
        seen.append(sizes(folder))
        await asyncio.sleep(0)
    await task
    return [*seen, sizes(folder)]


@pytest.mark.parametrize(
    ("fault", "at_least", "at_most"), [(None, 1, 1), ("half", 2, 2), ("in_place", 5, 10)]
)
async def test_a_file_appears_complete_or_grows_under_its_own_name(
    tmp_path: Path, fault: str | None, at_least: int, at_most: int
) -> None:
    seen = await looked_at(tmp_path, lambda: asyncio.create_task(export(tmp_path, fault)))
    whole = seen[-1]
    assert len(whole) == 3
    for name, size in whole.items():
        grown = {moment[name] for moment in seen if moment.get(name)}
        assert at_least <= len(grown) <= at_most
        assert size in grown
    assert set().union(*seen) == set(whole)


async def test_a_duplicate_is_the_same_under_another_name(tmp_path: Path) -> None:
    await export(tmp_path, "duplicate")
    found = contents(tmp_path)
    assert len(found) == 6
    assert all(found.count(content) == 2 for content in found)


async def test_a_truncated_file_comes_before_the_whole_one(tmp_path: Path) -> None:
    await export(tmp_path, "truncated", speed=4000.0)
    found = contents(tmp_path)
    assert len(found) == 6
    for cut, whole in zip(found[::2], found[1::2], strict=True):
        assert cut == whole[: len(whole) // 2]


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotCreate, match="inbox: no such folder; create it first"):
        await export(tmp_path / "inbox")


@pytest.mark.parametrize("fault", [None, *FILE_FAULTS])
async def test_a_name_that_is_taken_by_a_folder_is_named(tmp_path: Path, fault: str | None) -> None:
    await export(tmp_path, fault)
    for path in in_order(tmp_path):
        path.unlink()
        path.mkdir()
    with pytest.raises(CannotCreate, match="Is a directory"):
        await export(tmp_path, fault)
    assert all(path.is_dir() for path in in_order(tmp_path))


async def test_a_cart_that_is_stopped_leaves_no_half_file_behind(tmp_path: Path) -> None:
    writing = asyncio.create_task(export(tmp_path, speed=0.001))
    while not sizes(tmp_path):  # noqa: ASYNC110  # a file system tells nobody
        await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert [read(path).recordings for path in in_order(tmp_path)] == [STUDY.recordings[:1]]


async def test_a_fault_or_a_speed_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown fault 'halv'; did you mean 'half'"):
        await export(tmp_path, "halv")
    with pytest.raises(UsageError, match=r"speed -1\.0"):
        await export(tmp_path, speed=-1.0)
    assert sizes(tmp_path) == {}


async def test_the_simulator_exports_and_lists_its_faults(tmp_path: Path) -> None:
    await SIMULATOR.export(STUDY, tmp_path, form=study_json.FORMAT, anatomy=reference().anatomy)
    assert len(sizes(tmp_path)) == 1
    assert list(VirtualPatient().file_faults) == ["in_place", "half", "duplicate", "truncated"]
