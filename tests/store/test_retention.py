"""When space runs short: raw input first, then curves, of what is over and delivered; never a result."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.assessment import document
from gateway.domain.recording import Recording
from gateway.domain.study import ExamEnded
from gateway.pipeline.stages import assessment, examine
from gateway.store.retention import Retention, RetentionPolicy
from tests.factories import marker_settings, motor, reference
from tests.laboratory import PREFIX, Laboratory, curve, laboratory

PLENTY = 10**15
NOW_OR_NEVER = 1  # byte: whatever may go has to


def retention(here: Laboratory, **limits: object) -> Retention:
    policy = RetentionPolicy(**{"quota_bytes": PLENTY, "min_free_bytes": 0} | limits)
    return Retention(here.database, policy, marker_settings(), here.clock)


async def held(here: Laboratory) -> int:
    return (await retention(here).usage()).held_bytes


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, object]]:
    return [record.fields for record in caplog.records if record.getMessage() == name]


async def test_with_room_enough_nothing_is_given_up(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        await retention(here).apply()

        assert (await here.whole(), await here.raw()) == (["S-1"], [1])


async def test_raw_input_goes_before_any_curve_and_the_oldest_first(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        for study in ("S-1", "S-2", "S-3"):
            await here.examine(study, recordings=30)
            here.clock.advance(60)
        most, states = await held(here), set()
        for percent in range(99, 0, -1):
            await retention(here, quota_bytes=most * percent // 100).apply()
            states.add((tuple(await here.raw()), tuple(await here.whole())))

    everything = ("S-1", "S-2", "S-3")
    assert states == {
        *(((tuple(range(first, 4))), everything) for first in (2, 3)),
        *(((), everything[first:]) for first in (0, 1, 2, 3)),
    }


async def test_results_facts_and_the_ledger_stay_as_they_were(tmp_path: Path) -> None:
    kept = (
        "SELECT id, study, kind, identity, received_at, processed FROM fact",
        "SELECT * FROM outbox",
        "SELECT * FROM study",
        "SELECT id, body FROM fact WHERE kind <> 'recording'",
    )
    async with laboratory(tmp_path) as here:
        await here.examine("S-1", recordings=30)
        before = [await here.rows(query) for query in kept]

        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert [await here.rows(query) for query in kept] == before
        assert (await here.whole(), await here.raw()) == ([], [])


@pytest.mark.parametrize("state", ["pending", "parked", "dead"])
async def test_nothing_goes_of_an_examination_with_a_message_that_is_not_through(
    tmp_path: Path, state: str
) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        await here.rows(f"UPDATE outbox SET state = '{state}' WHERE sink = 'engine'")  # noqa: S608
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert (await here.whole(), await here.raw()) == (["S-1"], [1])

        await here.rows("UPDATE outbox SET state = 'discarded' WHERE sink = 'engine'")
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert (await here.whole(), await here.raw()) == ([], [])


async def test_an_event_that_the_broker_refused_holds_nothing_back(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1", delivered=False)
        first, *_ = await here.outbox.pending(PREFIX)
        await here.outbox.dead(first.id, "the broker hangs up on it")
        await here.deliver()
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert (await here.whole(), await here.raw()) == ([], [])


async def test_nothing_goes_of_an_examination_that_is_not_over(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.record("S-1", [curve(1), curve(2)])
        await here.deliver()
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert (await here.whole(), await here.raw()) == (["S-1"], [1])


async def test_nothing_goes_of_an_examination_that_a_late_recording_opened_again(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        await here.record("S-1", [curve(77)])
        await here.deliver()
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert (await here.whole(), await here.raw()) == (["S-1"], [1, 2])


async def test_nothing_goes_of_an_examination_with_a_fact_that_is_not_worked_off(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.record("S-1", [curve(1), ExamEnded(by="device")], processed=False)
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert (await here.whole(), await here.raw()) == (["S-1"], [1])


async def test_raw_input_of_an_open_session_stays(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:

        async def nobody(_facts: object) -> None:
            """No facts yet."""

        intake = here.journal.intake("room-1", "cart-a", nobody)
        await intake.accept(await intake.open(), b"half a message")
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert [session.entries for session in await intake.unfinished()] == [(b"half a message",)]


async def test_a_session_that_brought_several_examinations_waits_for_all_of_them(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:

        async def nobody(_facts: object) -> None:
            """Another process will work them off."""

        await here.examine("S-1")
        intake = here.journal.intake("room-1", "cart-a", nobody)
        session = await intake.open()
        await intake.accept(session, b"both")
        for study, facts in (("S-1", [curve(50), ExamEnded(by="device")]), ("S-2", [curve(51)])):
            await here.record(study, facts)
        await intake.close(session)
        await here.deliver()
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert session in await here.raw()


async def test_what_is_sent_again_after_thinning_is_still_the_same(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        again = [curve(seed) for seed in range(4)]
        await here.examine("S-1", recordings=4)
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()
        assert await here.whole() == []
        before = await here.rows("SELECT id, identity, body FROM fact")

        await here.record("S-1", [*again, ExamEnded(by="device")])

        assert await here.rows("SELECT id, identity, body FROM fact") == before


async def test_a_thinned_study_reads_as_before_and_says_that_curves_are_gone(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1", recordings=6)
        before = (await here.studies.load(here.codes["S-1"])).study
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()
        after = (await here.studies.load(here.codes["S-1"])).study

    assert before is not None
    assert after is not None
    assert all(entry.waveform is None and entry.thinned for entry in after.recordings)
    assert [e.identity for e in after.recordings] == [e.identity for e in before.recordings]
    said = [
        document(assessment(examine(study, reference()), reference()), study_id="S", gateway_version="1")
        for study in (before, after)
    ]
    assert [entry.pop("curve_thinned_out") for entry in said[1]["recordings"]] == [True, True]
    assert said[0] == said[1]


async def test_the_file_becomes_smaller(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        for number in range(8):
            await here.examine(f"S-{number}", recordings=30)
        await here.database.checkpoint()
        before = here.path.stat().st_size
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()
        await here.database.checkpoint()

        assert here.path.stat().st_size < before * 0.7
        assert here.path.with_name("gateway.db-wal").stat().st_size == 0


async def test_older_than_the_days_goes_whether_or_not_there_is_room(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-old")
        here.clock.advance(86_400)
        await here.examine("S-new")
        await retention(here, keep_curves=timedelta(hours=12)).apply()

        assert (await here.whole(), await here.raw()) == (["S-new"], [2])


async def test_a_disk_that_others_fill_is_a_reason_too(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1")
        keeper = retention(here, min_free_bytes=PLENTY)
        await keeper.apply()

        assert await here.whole() == []
        assert keeper.alarm is not None
        assert "min_free_mb" in keeper.alarm


async def test_where_it_does_not_suffice_it_is_told_once_and_no_result_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with laboratory(tmp_path) as here:
        await here.examine("S-1", delivered=False)
        keeper = retention(here, quota_bytes=NOW_OR_NEVER)
        await keeper.apply()
        await keeper.apply()

        (told,) = events(caplog, "store_over_limit")
        assert "quota_mb" in str(told["reason"])
        assert "emg-gateway outbox list" in str(told["advice"])
        assert len(await here.outbox.pending("engine", 10)) == 1


async def test_an_alarm_is_over_when_there_is_room_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1", recordings=60, delivered=False)
        for number in range(2, 5):
            await here.examine(f"S-{number}", recordings=60, delivered=False)
        keeper = retention(here, quota_bytes=await held(here) - 20_000)
        await keeper.apply()
        assert keeper.alarm is not None
        await here.deliver()
        await keeper.apply()

        assert keeper.alarm is None
        assert len(events(caplog, "store_within_limits")) == 1


async def test_a_recording_without_a_curve_or_damaged_is_left_as_it_is(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.record("S-1", [motor("wrist"), curve(1), ExamEnded(by="device")])
        await here.deliver()
        await here.rows("UPDATE fact SET body = x'00' WHERE id = 3")
        before = await here.rows("SELECT id, body FROM fact")
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert await here.rows("SELECT id, body FROM fact") == before
        assert await here.raw() == []


async def test_a_study_that_is_opened_again_meanwhile_is_left(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        await here.examine("S-1", recordings=3)
        write = here.database.write

        async def reopening(work: Callable[..., object]) -> object:
            found = await write(work)
            if isinstance(found, list) and found and isinstance(found[0].fact, Recording):
                here.database.write = write  # type: ignore[method-assign]
                await here.record("S-1", [curve(99)])
            return found

        here.database.write = reopening  # type: ignore[method-assign,assignment]
        await retention(here, quota_bytes=NOW_OR_NEVER).apply()

        assert await here.whole() == ["S-1"]


async def test_a_cart_is_served_while_a_large_store_is_thinned(tmp_path: Path) -> None:
    async with laboratory(tmp_path) as here:
        for number in range(6):
            await here.examine(f"S-{number}", recordings=40)
        thinning = asyncio.create_task(retention(here, quota_bytes=NOW_OR_NEVER).apply())
        served = 0
        while not thinning.done():
            await here.record("S-live", [curve(10_000 + served)])
            served += 1
        await thinning

        assert served > 10
        assert await here.whole() == ["S-live"]
