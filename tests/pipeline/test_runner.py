"""The runner over a real store: whatever interrupts it, what follows from a fact is stored once, in order."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.recording import Side
from gateway.domain.study import (
    ClinicalFacts,
    ClinicalStated,
    DetailStated,
    ExamEnded,
    Fact,
    Patient,
    Statement,
    StudyHeader,
    StudyOpened,
)
from gateway.pipeline.publication import Destination, Publication
from gateway.pipeline.runner import Runner
from gateway.pipeline.stages import Reference
from gateway.protocols.oru import MessageHeader
from gateway.store.database import Database, open_database
from gateway.store.journal import Journal
from gateway.store.outbox import Outbox, Results
from gateway.store.studies import StoredStudy, Studies
from gateway.store.visit import visit
from tests.factories import header, median, median_sensory, motor, motor_marks, reference, sensory
from tests.fakes import FakeClock

HOUR_S = 3600.0
SILENCE_S = 1200.0
PUBLICATION = Publication(
    site="lab1",
    clear_after=timedelta(seconds=HOUR_S),
    destinations=(Destination(sink="engine", header=MessageHeader(), interim=True),),
)
WRIST = median("wrist", distance_mm=70.0)
BLOCKED = median(
    "elbow",
    motor_marks(onset_latency_ms=7.0, amplitude_mv=3.0, negative_area_mv_ms=9.5, negative_duration_ms=6.6),
    distance_mm=220.0,
)
SNAP = median_sensory()
END = ExamEnded(by="device")
SIGNS = ClinicalStated(clinical=ClinicalFacts(umn_signs=True))
COLD = DetailStated(name="skin_temperature_c", value=28.0, nerve="median", side=Side.RIGHT)
EXAMINATION: tuple[Fact, ...] = (WRIST, BLOCKED, SNAP, motor("wrist"), END)


class Crash(Exception):
    """The process ends here."""


class FragileOutbox(Outbox):
    """An outbox that notes the facts it stores; the process ends before or after storing some of them."""

    order: list[int | None]
    crash_before = 0
    crash_after = 0

    async def store(self, results: Results) -> None:
        if results.fact_id == self.crash_before:
            raise Crash
        await super().store(results)
        self.order.append(results.fact_id)
        if results.fact_id == self.crash_after:
            raise Crash


class CountingStudies(Studies):
    """Studies that count how often one was read back from the journal."""

    loads = 0

    async def load(self, code: str, *, also: int = 0) -> StoredStudy:
        self.loads += 1
        return await super().load(code, also=also)


@dataclass
class Desk:
    """A gateway from the journal to the outbox, on one database."""

    database: Database
    journal: Journal
    outbox: FragileOutbox
    studies: CountingStudies
    runner: Runner
    clock: FakeClock

    async def take(
        self, *facts: Fact, of: StudyHeader | None = None, driver: str = "room-1", cart: str = "cart-a"
    ) -> None:
        """Let a driver deliver `facts`."""
        await self.journal.intake(driver, cart, self.runner.deliver).deliver(of or header(), facts)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The pipeline runs, and has worked off everything when the block is left in order."""
        task = asyncio.create_task(self.runner.run())
        try:
            await _first(self.runner.recovered.wait(), task)
            yield
            await _first(self.runner.drain(), task)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return await self.database.write(lambda c: [tuple(row) for row in c.execute(query)])

    async def stored(self) -> list[tuple[Any, ...]]:
        """Everything that went to the outbox, in order."""
        return await self.rows("SELECT sink, control_id, seq, topic, retain, payload, state FROM outbox")

    async def messages(self) -> list[str]:
        rows = await self.rows("SELECT control_id FROM outbox WHERE control_id IS NOT NULL ORDER BY id")
        return [control_id.split("-")[1] for (control_id,) in rows]

    async def facts(self) -> list[tuple[str, int]]:
        return await self.rows("SELECT kind, processed FROM fact ORDER BY id")

    async def ends(self) -> list[str]:
        return [body.decode() for (body,) in await self.rows("SELECT body FROM fact WHERE kind = 'ended'")]

    async def due(self) -> list[str]:
        return list(await self.studies.to_clear(self.clock.now()))


async def _first(wanted: Any, task: "asyncio.Task[None]") -> None:
    """Wait for `wanted`; if the pipeline ends first, with its error."""
    waiting = asyncio.ensure_future(wanted)
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        await task


@asynccontextmanager
async def desk(
    path: Path,
    clock: FakeClock | None = None,
    *,
    judged_by: Reference | None = None,
    publication: Publication = PUBLICATION,
) -> AsyncIterator[Desk]:
    clock = clock or FakeClock()
    async with open_database(path / "gateway.db") as database:
        # The same installation each time, so that results of two runs can be compared.
        await database.write(lambda c: c.execute("UPDATE installation SET key = ?", (b"k" * 32,)).rowcount)
        journal = await Journal.open(database, clock, "boot-1")
        outbox, studies = FragileOutbox(database, clock, "boot-1"), CountingStudies(database)
        outbox.order = []
        runner = Runner(judged_by or reference(), publication, journal, studies, outbox, clock)
        await runner.recover()
        yield Desk(database, journal, outbox, studies, runner, clock)


def events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    return [record.fields for record in caplog.records if record.getMessage() == name]  # type: ignore[attr-defined]


async def undisturbed(path: Path, *facts: Fact) -> list[tuple[Any, ...]]:
    async with desk(path) as here:
        async with here.running():
            await here.take(*facts)
        return await here.stored()


async def test_an_examination_becomes_events_and_messages(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(*EXAMINATION)

        assert await here.messages() == ["4", "5", "6"]  # after each nerve study, and the end
        assert all(processed for _, processed in await here.facts())
        numbers = [seq for (seq,) in await here.rows("SELECT seq FROM outbox WHERE seq NOT NULL")]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_facts_are_worked_off_in_the_order_of_the_journal(tmp_path: Path) -> None:
    """Three drivers at once and more facts than the queue holds: who waits keeps their place."""
    changes = [header(performed_at=f"2026-11-02T10:15:00.{n:03}+01:00") for n in range(120)]

    async def drive(driver: str) -> None:
        intake = here.journal.intake(driver, "cart-a", here.runner.deliver)
        await intake.deliver(changes[0], [StudyOpened(change) for change in changes[1:]])
        await intake.deliver(changes[0], [])

    async with desk(tmp_path) as here:
        delivering = asyncio.gather(*(drive(f"room-{n}") for n in range(3)))
        async with here.running():
            await delivering

        assert len(here.outbox.order) == 363
        assert here.outbox.order == sorted(here.outbox.order, key=lambda number: number or 0)


async def test_while_the_queue_is_full_drivers_wait(tmp_path: Path) -> None:
    changes = [StudyOpened(header(performed_at=f"2026-11-02T10:15:00.{n:03}+01:00")) for n in range(300)]

    async with desk(tmp_path) as here:
        delivering = asyncio.create_task(here.take(*changes))
        while not await here.facts():
            pass
        await here.facts()  # as often as the store answers, the driver could have gone on
        assert not delivering.done()

        async with here.running():
            await delivering

        assert len(here.outbox.order) == 301


@pytest.mark.parametrize("after", [False, True], ids=["before its results", "after its results"])
@pytest.mark.parametrize("fact", range(1, 7))
async def test_a_crash_changes_nothing(tmp_path: Path, fact: int, after: bool) -> None:
    async with desk(tmp_path / "crashed") as here:
        here.outbox.crash_before, here.outbox.crash_after = (0, fact) if after else (fact, 0)
        with pytest.raises(Crash):
            async with here.running():
                await here.take(*EXAMINATION)

    async with desk(tmp_path / "crashed") as again:
        async with again.running():
            pass
        found = await again.stored()

    assert found == await undisturbed(tmp_path / "undisturbed", *EXAMINATION)


async def test_what_was_journaled_and_never_begun_is_worked_off_before_anything_new(tmp_path: Path) -> None:
    async with desk(tmp_path / "crashed") as here:
        await here.take(*EXAMINATION[:-1])

    async with desk(tmp_path / "crashed") as again:
        async with again.running():
            assert len(again.outbox.order) == len(EXAMINATION)
            await again.take(END)
        found = await again.stored()

    assert found == await undisturbed(tmp_path / "undisturbed", *EXAMINATION)


async def test_each_cart_has_its_own_topics(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(WRIST)
            await here.take(WRIST, driver="room-2", cart="cart-b")

        sinks = await here.rows("SELECT DISTINCT sink FROM outbox ORDER BY sink")

    assert sinks == [("emg/v1/lab1/cart-a",), ("emg/v1/lab1/cart-b",)]


async def test_silence_ends_an_examination(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(WRIST)
            await here.runner.drain()
            here.clock.advance(SILENCE_S - 1)
            await here.take(BLOCKED)
            await here.runner.drain()
            here.clock.advance(SILENCE_S - 1)
            await here.runner.end_silent(SILENCE_S)
            assert await here.ends() == []

            here.clock.advance(1)
            await here.runner.end_silent(SILENCE_S)
            await here.runner.end_silent(SILENCE_S)

        assert await here.ends() == ["timeout"]
        assert await here.messages() == ["4"]
    assert len(events(caplog, "examination_timed_out")) == 1


async def test_the_silence_goes_on_over_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    async with desk(tmp_path, clock) as here, here.running():
        await here.take(WRIST)

    async with desk(tmp_path, clock) as again:
        async with again.running():
            await again.runner.end_silent(SILENCE_S)
            assert await again.ends() == []
            clock.advance(SILENCE_S)
            await again.runner.end_silent(SILENCE_S)

        assert await again.ends() == ["timeout"]


async def test_an_examination_that_has_ended_does_not_end_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own end may be journaled, and wait in the queue, when the silence is over."""
    caplog.set_level(logging.INFO)
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(WRIST)
            await here.runner.drain()
            here.clock.advance(SILENCE_S)
            await here.take(END)
            await here.runner.end_silent(SILENCE_S)

        assert await here.ends() == ["device"]
        assert await here.messages() == ["3"]
    assert events(caplog, "examination_timed_out") == []


async def test_the_retained_messages_of_an_examination_are_cleared_some_time_after_its_end(
    tmp_path: Path,
) -> None:
    cleared = "SELECT topic FROM outbox WHERE payload = x'' ORDER BY id"
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(WRIST, BLOCKED, END)
            await here.runner.drain()
            here.clock.advance(HOUR_S - 1)
            await here.runner.clear_due()
            await here.runner.drain()
            assert await here.rows(cleared) == []

            here.clock.advance(1)
            await here.runner.clear_due()
            await here.runner.clear_due()  # before the first is worked off

        topics = [topic.split("/")[0] for (topic,) in await here.rows(cleared)]
        assert topics == ["study", "alert"]
        assert await here.due() == []


async def test_an_examination_that_was_re_opened_is_not_cleared(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(WRIST, BLOCKED, END)
            await here.runner.drain()
            here.clock.advance(HOUR_S)
            assert len(await here.due()) == 1
            await here.take(SNAP)
            await here.runner.clear_due()

        assert await here.rows("SELECT topic FROM outbox WHERE payload = x''") == []


async def test_an_examination_that_ended_anew_is_cleared_an_hour_after_that(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(WRIST, BLOCKED, END)
            await here.runner.drain()
            here.clock.advance(HOUR_S)
            await here.take(SNAP, END)
            await here.runner.clear_due()  # it is due until the facts before it are worked off
            await here.runner.drain()
            assert await here.rows("SELECT topic FROM outbox WHERE payload = x''") == []

            here.clock.advance(HOUR_S)
            await here.runner.clear_due()

        assert len(await here.rows("SELECT topic FROM outbox WHERE payload = x''")) == 2


async def test_a_disk_that_refuses_holds_results_up_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path / "full") as here:
        await here.take(*EXAMINATION)
        await here.rows("PRAGMA max_page_count = 1")
        async with here.running():
            while not events(caplog, "results_not_stored"):
                await here.rows("SELECT 1")
            await here.rows("PRAGMA max_page_count = 100000")
        found = await here.stored()

    assert found == await undisturbed(tmp_path / "undisturbed", *EXAMINATION)
    assert "full" in str(events(caplog, "results_not_stored")[0]["reason"])


async def test_a_fact_that_cannot_be_read_is_named_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path) as here:
        await here.take(*EXAMINATION)
        await here.take(WRIST, END, of=header(study_id="S-2"))
    _sql(tmp_path, "UPDATE fact SET body = x'00' WHERE id IN (3, 6)")

    async with desk(tmp_path) as again:
        async with again.running():
            pass

        assert [processed for _, processed in await again.facts()] == [1, 1, 0, 1, 1, 0, 1, 1, 1]
        assert await again.messages() == ["4", "5", "9"]
    told = events(caplog, "fact_unreadable")
    assert [entry["fact"] for entry in told] == [3, 6]
    assert told[0]["reason"] == "damaged on the disk"


async def test_a_fact_that_became_unreadable_does_not_take_its_study_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path) as here, here.running():
        await here.take(*EXAMINATION)
    _sql(tmp_path, "UPDATE fact SET body = x'73' WHERE kind = 'ended'")
    _sql(tmp_path, "UPDATE fact SET body = x'7b' WHERE id = 3")

    async with desk(tmp_path) as again:
        async with again.running():
            await again.take(sensory(), END)

        assert (await again.messages())[-2:] == ["7", "8"]
    assert [entry["fact"] for entry in events(caplog, "fact_unreadable")] == [3, 6]


async def test_a_study_whose_header_cannot_be_read_waits_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path) as here:
        await here.take(WRIST, END)
        await here.take(WRIST, END, of=header(study_id="S-2"))
    _sql(tmp_path, "UPDATE fact SET body = 'damaged' WHERE id = 1")

    async with desk(tmp_path) as again, again.running():
        assert [processed for _, processed in await again.facts()] == [0, 0, 0, 1, 1, 1]
    assert [entry["fact"] for entry in events(caplog, "fact_set_aside")] == [2, 3]

    # When the cart sends the header again its recordings find their place.
    async with desk(tmp_path) as later, later.running():
        await later.take()
    async with desk(tmp_path) as last:
        async with last.running():
            pass

        assert [processed for _, processed in await last.facts()] == [0, 1, 1, 1, 1, 1, 1]
        assert (await last.messages())[-1] == "3"


async def test_what_the_store_remembers_wrongly_stops_one_study_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path) as here, here.running():
        await here.take(WRIST)
        await here.take(WRIST, of=header(study_id="S-2"))
    _sql(tmp_path, "UPDATE study SET numbering = '{' WHERE study_id = 'S-1'")

    async with desk(tmp_path) as again:
        async with again.running():
            await again.take(END)
            await again.take(END, of=header(study_id="S-2"))
            here.clock.advance(2 * HOUR_S)

        assert await again.messages() == ["6"]
    (told,) = events(caplog, "fact_set_aside")
    assert told["fact"] == 5


async def test_what_cannot_be_cleared_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    async with desk(tmp_path, clock) as here, here.running():
        await here.take(WRIST, END)
    _sql(tmp_path, "UPDATE study SET alerts = '[]'")
    clock.advance(HOUR_S)

    async with desk(tmp_path, clock) as again:
        async with again.running():
            await again.runner.clear_due()
            await again.take(WRIST, END, of=header(study_id="S-2"))

        assert await again.messages() == ["3", "6"]
    (told,) = events(caplog, "fact_set_aside")
    assert "fact" not in told


def without(nerve: str) -> Reference:
    """Reference data in which a nerve is missing that recordings are made of: a fault nobody expects."""
    anatomy = reference().anatomy
    nerves = {name: entry for name, entry in anatomy.nerves.items() if name != nerve}
    return replace(reference(), anatomy=replace(anatomy, nerves=nerves))


async def test_after_an_unexpected_fault_the_next_run_goes_on_with_the_next_fact(tmp_path: Path) -> None:
    async with desk(tmp_path, judged_by=without("ulnar")) as here:
        await here.take(WRIST, motor("wrist"), SNAP)
        await here.take(WRIST, END, of=header(study_id="S-2"))

    async with desk(tmp_path, judged_by=without("ulnar")) as again:
        with pytest.raises(KeyError, match="ulnar"):
            await again.runner.run()
        assert not again.runner.recovered.is_set()

        async with again.running():
            pass

        assert [processed for _, processed in await again.facts()] == [1, 1, 0, 1, 1, 1, 1]
        assert await again.messages() == ["4", "7"]


async def test_a_fact_that_was_set_aside_finds_its_place_after_the_next_start(tmp_path: Path) -> None:
    """The end lies behind it already: nothing is re-opened, a corrected message goes out at once."""
    clock = FakeClock()
    async with desk(tmp_path, clock, judged_by=without("ulnar")) as here:
        with pytest.raises(KeyError, match="ulnar"):
            async with here.running():
                await here.take(WRIST, motor("wrist"))
        async with here.running():
            await here.take(BLOCKED, END)
        assert await here.messages() == ["5"]

    async with desk(tmp_path, clock) as again:
        async with again.running():
            clock.advance(SILENCE_S)
            await again.runner.end_silent(SILENCE_S)

        assert await again.messages() == ["5", "3"]
        assert await again.ends() == ["device"]
        assert len(await again.rows("SELECT clear_at FROM study WHERE clear_at NOT NULL")) == 1
        stored = await again.studies.load((await again.rows("SELECT code FROM study"))[0][0])
        assert stored.study is not None
        assert [r.nerve for r in stored.study.recordings] == ["median", "ulnar", "median"]


async def test_an_examination_that_is_no_longer_at_hand_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for all of them or not, forty interleaved examinations give the same results."""
    headers = [header(study_id=f"S-{n}", patient=Patient(id=f"P-{n}")) for n in range(40)]

    async def interleaved(name: str) -> tuple[int, list[tuple[Any, ...]]]:
        async with desk(tmp_path / name) as here:
            async with here.running():
                for fact in (WRIST, BLOCKED, END):
                    for each in headers:
                        await here.take(fact, of=each)
            return here.studies.loads, await here.stored()

    loads, found = await interleaved("usual")
    monkeypatch.setattr("gateway.pipeline.runner._AT_HAND", 40)
    loads_at_hand, wanted = await interleaved("all at hand")

    assert (loads, loads_at_hand) == (120, 40)
    assert found == wanted


async def test_what_was_queued_when_the_gateway_stopped_is_worked_off_after_the_next_start(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path / "stopped") as here:
        running = asyncio.create_task(here.runner.run())
        await here.take(*EXAMINATION)
        await here.outbox.wait("emg/v1/lab1/cart-a")
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    async with desk(tmp_path / "stopped") as again:
        async with again.running():
            pass
        found = await again.stored()

    assert found == await undisturbed(tmp_path / "undisturbed", *EXAMINATION)


def state(path: Path, *facts: Statement | ExamEnded) -> None:
    """Let an operator state `facts`, as another process does."""
    with visit(path / "gateway.db") as here:
        assert here.state(here.study("S-1").code, facts, by="anna", clock=FakeClock()) == len(facts)


SUPPORT = "SELECT payload FROM outbox WHERE topic LIKE '%/assessment' ORDER BY id"


async def supports(here: Desk) -> list[str]:
    """What the assessments on the screens said, one after the other."""
    return [json.loads(payload)["data"]["mmn"]["support"] for (payload,) in await here.rows(SUPPORT)]


async def test_what_is_stated_is_graded_at_once_and_reported_at_the_end(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(WRIST, BLOCKED, SNAP)
            await here.runner.drain()
            messages = await here.messages()
            state(tmp_path, SIGNS)
            await here.runner.hear()
            await here.runner.drain()
            assert await here.messages() == messages
            await here.take(END)

        assert (await supports(here))[-2:] == ["definite", "against"]
        assert await here.messages() == [*messages, "6"]


async def test_what_is_stated_after_the_end_sends_a_corrected_message(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(WRIST, BLOCKED, SNAP, END)
            await here.runner.drain()
            messages = await here.messages()
            state(tmp_path, SIGNS, COLD)
            await here.runner.hear()
            await here.runner.hear()

        assert await here.messages() == [*messages, "6", "7"]
        assert await here.ends() == ["device"]
        assert len(await here.rows("SELECT clear_at FROM study WHERE clear_at NOT NULL")) == 1


async def test_an_operator_can_end_an_examination(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(WRIST)
            await here.runner.drain()
            state(tmp_path, ExamEnded(by="operator"))
            await here.runner.hear()
            await here.runner.drain()
            here.clock.advance(SILENCE_S)
            await here.runner.end_silent(SILENCE_S)

        assert await here.ends() == ["operator"]
        assert await here.messages() == ["3"]


async def test_what_was_stated_while_nothing_ran_is_worked_off_at_the_start_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as here, here.running():
        await here.take(WRIST, BLOCKED, SNAP, END)
    state(tmp_path, SIGNS)

    async with desk(tmp_path) as again:
        async with again.running():
            assert again.outbox.order == [6]
            await again.runner.hear()
            state(tmp_path, COLD)
            await again.runner.hear()

        assert again.outbox.order == [6, 7]


async def test_a_detail_stated_before_its_recording_counts_when_that_comes(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        async with here.running():
            await here.take(WRIST)
            state(tmp_path, COLD)
            await here.runner.hear()
            await here.take(BLOCKED, END)

        assert all(processed for _, processed in await here.facts())
        assert await here.messages() == ["5"]


async def test_a_statement_that_is_seen_late_finds_its_place(tmp_path: Path) -> None:
    """The end lies behind it in the journal: what is stated counts, what ended stays so."""
    clock = FakeClock()
    async with desk(tmp_path / "late", clock) as here:
        async with here.running():
            await here.take(WRIST, BLOCKED, SNAP)
            await here.runner.drain()
            state(tmp_path / "late", SIGNS, ClinicalStated(clinical=ClinicalFacts(umn_signs=False)))
            state(tmp_path / "late", ExamEnded(by="operator"))
            await here.take(motor("wrist"), END)
            await here.runner.drain()
            await here.runner.hear()

        assert here.outbox.order == [1, 2, 3, 4, 8, 9, 5, 6, 7]
        late = (await here.rows(SUPPORT))[-1]
        assert len(await here.rows("SELECT clear_at FROM study WHERE clear_at NOT NULL")) == 1
        stored = await here.studies.load((await here.rows("SELECT code FROM study"))[0][0])
    assert stored.study is not None
    assert stored.study.ended

    async with desk(tmp_path / "in order", clock) as here:
        async with here.running():
            signs = (SIGNS, ClinicalStated(clinical=ClinicalFacts(umn_signs=False)))
            await here.take(WRIST, BLOCKED, SNAP, *signs, motor("wrist"), END)
        in_order = (await here.rows(SUPPORT))[-1]
    assert json.loads(*late)["data"] == json.loads(*in_order)["data"]


@pytest.mark.parametrize("after", [False, True], ids=["before its results", "after its results"])
@pytest.mark.parametrize("fact", range(6, 8))
async def test_a_crash_over_what_was_stated_changes_nothing(tmp_path: Path, fact: int, after: bool) -> None:
    facts = (WRIST, BLOCKED, SNAP, END)
    async with desk(tmp_path / "crashed") as here:
        here.outbox.crash_before, here.outbox.crash_after = (0, fact) if after else (fact, 0)
        await here.take(*facts)
        state(tmp_path / "crashed", SIGNS, COLD)
        await here.runner.hear()
        with pytest.raises(Crash):
            await here.runner.run()

    async with desk(tmp_path / "crashed") as again:
        async with again.running():
            await again.runner.hear()
        found = await again.stored()

    assert found == await undisturbed(tmp_path / "undisturbed", *facts, SIGNS, COLD)


def _sql(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "gateway.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)
