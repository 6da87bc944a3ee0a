from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.corrections import RecordingAmended, RecordingExcluded
from gateway.domain.recording import Recording, Side
from gateway.domain.study import (
    ActionDeclined,
    ClinicalFacts,
    ClinicalStated,
    DetailStated,
    ExamEnded,
    Fact,
    Patient,
    StudyOpened,
)
from gateway.ports import Session
from gateway.store.database import Database, open_database
from gateway.store.journal import DriverIntake, Journal, JournaledFact
from gateway.store.studies import Studies
from tests.factories import header, motor, motor_marks
from tests.fakes import FakeClock

WRIST, ELBOW = motor("wrist"), motor("below_elbow")
END = ExamEnded(by="device")
SIGNS = ClinicalStated(clinical=ClinicalFacts(umn_signs=True))
COLD = DetailStated(name="skin_temperature_c", value=28.0, nerve="ulnar", side=Side.RIGHT)
WARM = DetailStated(name="skin_temperature_c", value=33.0, nerve="ulnar", side=Side.RIGHT)
DECLINED = ActionDeclined(action="record_sensory:ulnar:right", reason="amputation")


class Desk:
    """A journal, the intake of one driver, and the facts it delivered."""

    def __init__(self, database: Database, journal: Journal, clock: FakeClock) -> None:
        self.database, self.journal, self.clock = database, journal, clock
        self.delivered: list[JournaledFact] = []
        self.intake = self.driver("room-1")

    def driver(self, name: str) -> DriverIntake:
        return self.journal.intake(name, "cart-a", self.take)

    async def take(self, facts: Sequence[JournaledFact]) -> None:
        self.delivered += facts

    @property
    def facts(self) -> list[Fact]:
        return [entry.fact for entry in self.delivered]

    async def mark_processed(self) -> None:
        await self.database.write(lambda c: c.execute("UPDATE fact SET processed = 1"))


@asynccontextmanager
async def desk(path: Path) -> AsyncIterator[Desk]:
    clock = FakeClock()
    async with open_database(path / "gateway.db") as database:
        yield Desk(database, await Journal.open(database, clock, "boot-1"), clock)


async def test_accepted_input_is_there_after_a_restart_until_its_facts_are(tmp_path: Path) -> None:
    async with desk(tmp_path) as first:
        session = await first.intake.open()
        await first.intake.accept(session, b"one")
        await first.intake.accept(session, b"two")
        await first.driver("other").open()

    async with desk(tmp_path) as second:
        assert await second.intake.unfinished() == [Session(session, (b"one", b"two"))]
        await second.intake.close(session)
        assert await second.intake.unfinished() == []


async def test_facts_are_delivered_once_in_order_behind_their_header(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [WRIST, ELBOW, END])

        assert here.facts == [StudyOpened(header()), WRIST, ELBOW, END]
        assert len({entry.code for entry in here.delivered}) == 1


async def test_the_same_recording_sent_again_is_the_same_recording(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [WRIST])
        await here.intake.deliver(header(), [WRIST, ELBOW])

        assert here.facts == [StudyOpened(header()), WRIST, ELBOW]


async def test_another_value_is_another_recording(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        again = motor("wrist", motor_marks(amplitude_mv=8.8))
        await here.intake.deliver(header(), [WRIST, again])

        assert here.facts[1:] == [WRIST, again]


async def test_an_examination_ends_once_until_something_re_opens_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [END])
        await here.intake.deliver(header(), [WRIST, END])
        await here.intake.deliver(header(), [WRIST, END])
        await here.intake.deliver(header(), [ELBOW, END])

        assert here.facts == [StudyOpened(header()), WRIST, END, ELBOW, END]


async def test_a_changed_header_is_a_fact_even_when_it_changes_back(tmp_path: Path) -> None:
    changed = header(study_id="S-1", patient=Patient(id="P-1", family="Other"))

    async with desk(tmp_path) as here:
        for entry in (header(), changed, header(), header()):
            await here.intake.deliver(entry, [])

        assert here.facts == [StudyOpened(header()), StudyOpened(changed), StudyOpened(header())]


async def test_studies_differ_by_driver_study_and_patient(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [WRIST])
        await here.intake.deliver(header(patient=Patient(id="P-2")), [WRIST])
        await here.intake.deliver(header(study_id="S-2"), [WRIST])
        await here.driver("other").deliver(header(), [WRIST])

        assert len({entry.code for entry in here.delivered}) == 4


async def test_codes_stay_the_same_over_a_restart_and_differ_between_installations(tmp_path: Path) -> None:
    codes = []
    for place in ("a", "a", "b"):
        async with desk(tmp_path / place) as here:
            await here.intake.deliver(header(patient=Patient(id="P-1", family=place + str(len(codes)))), [])
            codes.append(here.delivered[0].code)

    assert codes[0] == codes[1] != codes[2]


async def test_what_was_not_processed_comes_back_in_order(tmp_path: Path) -> None:
    async with desk(tmp_path) as first:
        await first.intake.deliver(header(), [WRIST])
        await first.mark_processed()
        await first.intake.deliver(header(), [ELBOW, END])

    async with desk(tmp_path) as second:
        assert [entry.fact for entry in await second.journal.unprocessed()] == [ELBOW, END]


async def test_a_study_is_loaded_as_far_as_it_was_processed(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [WRIST])
        await here.mark_processed()
        await here.intake.deliver(header(), [ELBOW])
        code = here.delivered[0].code

        stored = await Studies(here.database).load(code)

        assert stored.study is not None
        assert stored.study.recordings == (WRIST,)
        assert stored.cart == "cart-a"


async def test_a_study_nothing_is_known_of_yet_has_no_header(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [])

        assert (await Studies(here.database).load(here.delivered[0].code)).study is None


async def test_only_studies_with_recordings_and_no_end_are_open(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(study_id="ended"), [WRIST, END])
        await here.intake.deliver(header(study_id="empty"), [])
        await here.intake.deliver(header(study_id="open"), [WRIST])

        assert await Studies(here.database).open_codes() == [here.delivered[-1].code]


async def test_an_end_can_be_added_to_a_known_study_only(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [WRIST])
        code = here.delivered[0].code

        assert [f.fact for f in await here.journal.add(code, ExamEnded(by="operator"))] == [
            ExamEnded(by="operator")
        ]
        assert await here.journal.add("UNKNOWN1", END) == []


async def test_receive_time_device_time_and_their_offset_are_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        late = replace(WRIST, recorded_at="2026-11-02T10:14:00+01:00")
        await here.intake.deliver(header(), [late, ELBOW])

        query = "SELECT device_time, device_offset_s, boot_id, received_at FROM fact WHERE kind = 'recording'"
        rows = await here.database.write(lambda c: [tuple(row) for row in c.execute(query)])

    assert rows == [
        ("2026-11-02T10:14:00+01:00", 60.0, "boot-1", "2026-11-02T09:15:00+00:00"),
        (None, None, "boot-1", "2026-11-02T09:15:00+00:00"),
    ]


async def test_a_clock_step_never_reorders_facts(tmp_path: Path) -> None:
    recordings: list[Recording] = [WRIST, ELBOW, motor("above_elbow")]
    async with desk(tmp_path) as here:
        for recording in recordings:
            await here.intake.deliver(header(), [recording])
            here.clock.step(-3600)
        await here.mark_processed()

        stored = await Studies(here.database).load(here.delivered[0].code)

    assert stored.study is not None
    assert list(stored.study.recordings) == recordings


async def test_what_is_stated_is_a_fact_until_it_is_the_latest_word_already(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [WRIST, SIGNS, COLD, DECLINED])
        await here.intake.deliver(header(), [SIGNS, COLD, DECLINED])
        await here.intake.deliver(header(), [WARM, COLD])

        assert here.facts[2:] == [SIGNS, COLD, DECLINED, WARM, COLD]
        await here.mark_processed()
        stored = await Studies(here.database).load(here.delivered[0].code)
        assert stored.study is not None
        assert stored.study.header.clinical.umn_signs is True
        assert stored.study.details == (COLD, WARM, COLD)
        assert stored.study.declined == {DECLINED.action: "amputation"}


async def test_a_statement_between_two_ends_does_not_make_the_second_one_news(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [SIGNS, END])
        await here.intake.deliver(header(), [WRIST, END, COLD, END])

        assert here.facts[1:] == [SIGNS, WRIST, END, COLD]


async def test_a_statement_does_not_open_what_has_ended(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(study_id="ended"), [WRIST, END, SIGNS])
        await here.intake.deliver(header(study_id="stated"), [SIGNS])
        await here.intake.deliver(header(study_id="open"), [WRIST, SIGNS])

        assert await Studies(here.database).open_codes() == [here.delivered[-1].code]


async def test_where_nothing_before_can_be_read_a_statement_is_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [SIGNS])
        code = here.delivered[0].code
        await here.database.write(lambda c: c.execute("UPDATE fact SET body = x'00'").rowcount)

        assert [entry.fact for entry in await here.journal.add(code, SIGNS)] == [SIGNS]


async def test_facts_of_another_process_are_heard_once_in_order(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [WRIST])
        code = here.delivered[0].code
        other = await Journal.open(here.database, here.clock, "boot-2")
        left = await other.add(code, SIGNS)
        assert [entry.id for entry in await here.journal.unprocessed()] == [1, 2, left[0].id]

        stated = [*await other.add(code, COLD), *await other.add(code, END)]
        await here.intake.deliver(header(), [ELBOW])

        assert await here.journal.from_others() == stated
        assert await here.journal.from_others() == []


async def test_a_fact_of_another_process_that_cannot_be_read_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [])
        other = await Journal.open(here.database, here.clock, "boot-2")
        await other.add(here.delivered[0].code, SIGNS)
        await here.database.write(lambda c: c.execute("UPDATE fact SET kind = 'later' WHERE id = 2").rowcount)

        assert await here.journal.from_others() == []
        assert await here.journal.from_others() == []
    assert [record.getMessage() for record in caplog.records] == ["fact_unreadable"]


async def test_a_recording_has_its_identity_when_it_is_stored_and_when_it_is_read(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [WRIST, ELBOW])
        stored = [entry.fact for entry in here.delivered if isinstance(entry.fact, Recording)]
        read = [e.fact for e in await here.journal.unprocessed() if isinstance(e.fact, Recording)]
        await here.mark_processed()
        study = (await Studies(here.database).load(here.delivered[0].code)).study

    assert study is not None
    identities = [entry.identity for entry in stored]
    assert [len(identity or "") for identity in identities] == [64, 64]
    assert len(set(identities)) == 2
    assert [entry.identity for entry in read] == identities
    assert [entry.identity for entry in study.recordings] == identities


async def test_a_correction_is_a_fact_until_it_says_nothing_new(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [WRIST, ELBOW])
        identity = getattr(here.facts[1], "identity", "")
        left = RecordingAmended(identity=identity, changes={"side": Side.LEFT}, reason="wrong_side")
        back = RecordingAmended(identity=identity, changes={}, reason=None)
        bad = RecordingExcluded(identity=identity, reason="artefact")
        for fact in (back, left, left, bad, bad, left, back, back):
            await here.take(await here.journal.add(here.delivered[0].code, fact))
        assert here.facts[3:] == [left, bad, back]

        await here.mark_processed()
        study = (await Studies(here.database).load(here.delivered[0].code)).study

    assert study is not None
    assert study.recordings == (WRIST, ELBOW)
    assert study.in_force == (ELBOW,)


async def test_a_corrected_recording_sent_again_is_the_same_recording(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.intake.deliver(header(), [WRIST])
        bad = RecordingExcluded(identity=getattr(here.facts[1], "identity", ""), reason="artefact")
        await here.journal.add(here.delivered[0].code, bad)
        await here.intake.deliver(header(), [WRIST])

        assert here.facts == [StudyOpened(header()), WRIST]
