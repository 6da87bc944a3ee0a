"""The only loop: facts come in, in the order of the journal, their results are stored, one after the other.

The queue is bounded: while it is full drivers wait, so the device does. What a crash interrupted is read
back from the journal before anything new is taken. Examinations are kept at hand while they are being
worked on; the journal can give any of them back. A fact that nothing can be made of is named in the log and
set aside until the next start; the others go on.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.recording import Recording
from gateway.domain.study import AlertAcknowledged, ExamEnded, Study, StudyOpened
from gateway.errors import DataError, Permanent, StorageError
from gateway.pipeline.publication import Publication, Said, cleared, results, seen
from gateway.pipeline.stages import Examination, Reference, examine, take
from gateway.ports import Clock
from gateway.store.journal import Journal, JournaledFact
from gateway.store.outbox import Outbox
from gateway.store.studies import Studies

logger = logging.getLogger(__name__)

_QUEUE_SIZE: Final = 256
# One cart works on one examination; a few more for carts that share a gateway and for late recordings.
_AT_HAND: Final = 32
_RETRY_S: Final = 1.0


@dataclass(slots=True)
class _AtHand:
    """An examination being worked on, what was said about it, its cart, and its newest fact."""

    examination: Examination | None
    said: Said
    cart: str
    last_fact: int


@dataclass(frozen=True, slots=True)
class _Clear:
    code: str


class Runner:
    """Takes journaled facts and stores what follows from them."""

    def __init__(
        self,
        reference: Reference,
        publication: Publication,
        journal: Journal,
        studies: Studies,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._reference = reference
        self._publication = publication
        self._journal = journal
        self._studies = studies
        self._outbox = outbox
        self._clock = clock
        self._queue: asyncio.Queue[JournaledFact | _Clear] = asyncio.Queue(_QUEUE_SIZE)
        self._delivering = asyncio.Lock()
        self._at_hand: OrderedDict[str, _AtHand] = OrderedDict()
        self._open: dict[str, float] = {}
        self._left: deque[JournaledFact] = deque()
        self.recovered: Final = asyncio.Event()

    async def deliver(self, facts: Sequence[JournaledFact]) -> None:
        """Queue journaled facts, in the order of the calls; waits while the queue is full."""
        async with self._delivering:
            for fact in facts:
                await self._queue.put(fact)

    async def recover(self) -> None:
        """Read back what a crash or a stop left; `run` works it off before anything else."""
        for code in await self._studies.open_codes():
            self._open[code] = self._clock.monotonic()
        left = await self._journal.unprocessed()
        self._left.extend(left)
        if left:
            logger.info("recovering", extra={"fields": {"facts": len(left)}})
        else:
            self.recovered.set()

    async def hear(self) -> None:
        """Queue what other processes put into the journal since the last look."""
        await self.deliver(await self._journal.from_others())

    async def run(self) -> None:
        """Work off what was left, then the queue, for ever.

        An item is taken before it is worked on: one that fails unexpectedly is not tried again until the
        gateway is started anew, and does not hold up the others.
        """
        while self._left:
            await self._work_on(self._left.popleft())
        self.recovered.set()
        while True:
            item = await self._queue.get()
            try:
                await self._work_on(item)
            finally:
                self._queue.task_done()

    async def drain(self) -> None:
        """Wait until everything delivered so far is worked off."""
        await self._queue.join()

    async def end_silent(self, silence_s: float) -> None:
        """End the examinations in which nothing arrived for `silence_s`."""
        now = self._clock.monotonic()
        for code in [code for code, last in self._open.items() if now - last >= silence_s]:
            ended = await self._journal.add(code, ExamEnded(by="timeout"))
            self._open.pop(code, None)
            if ended:  # it may have ended already, and be waiting in the queue
                logger.info("examination_timed_out", extra={"fields": {"study": code}})
            await self.deliver(ended)

    async def clear_due(self) -> None:
        """Clear the retained messages of examinations that ended, and alerts that were over, long enough."""
        for code in await self._studies.to_clear(self._clock.now()):
            await self._queue.put(_Clear(code))

    async def _work_on(self, item: JournaledFact | _Clear) -> None:
        """Store what follows from `item`, trying again while the disk refuses: order is never given up."""
        told = ""
        while True:
            try:
                await (self._clear(item.code) if isinstance(item, _Clear) else self._process(item))
            except StorageError as error:
                level = logging.DEBUG if str(error) == told else logging.ERROR
                told = str(error)
                logger.log(level, "results_not_stored", extra={"fields": {"reason": error}})
                await asyncio.sleep(_RETRY_S)
            except Permanent as error:
                fact = {"fact": item.id} if isinstance(item, JournaledFact) else {}
                fields = {"study": item.code, **fact, "reason": error}
                logger.error("fact_set_aside", extra={"fields": fields})  # noqa: TRY400
                return
            else:
                return

    async def _process(self, fact: JournaledFact) -> None:
        at_hand = await self._load(fact.code)
        if isinstance(fact.fact, AlertAcknowledged):
            await self._acknowledge(fact, fact.fact, at_hand)
        else:
            await self._examine(fact, at_hand)

    async def _acknowledge(self, fact: JournaledFact, stated: AlertAcknowledged, at_hand: _AtHand) -> None:
        examination = at_hand.examination
        found, said = seen(
            fact,
            stated,
            at_hand.said,
            publication=self._publication,
            simulated=examination is not None and examination.study.header.simulated,
            now=self._clock.now(),
        )
        await self._outbox.store(found)
        at_hand.said = said
        at_hand.last_fact = max(fact.id, at_hand.last_fact)

    async def _examine(self, fact: JournaledFact, at_hand: _AtHand) -> None:
        after = await self._after(fact, at_hand)
        found, said = results(
            fact,
            at_hand.examination,
            after,
            at_hand.said,
            reference=self._reference,
            publication=self._publication,
            now=self._clock.now(),
        )
        await self._outbox.store(found)
        self._at_hand[fact.code] = _AtHand(after, said, fact.cart, max(fact.id, at_hand.last_fact))
        if after.study.ended:
            self._open.pop(fact.code, None)
        elif isinstance(fact.fact, Recording):
            self._open[fact.code] = self._clock.monotonic()

    async def _after(self, fact: JournaledFact, at_hand: _AtHand) -> Examination:
        """The examination with `fact` in its place in the journal; DataError when it has no header yet."""
        before = at_hand.examination
        if before is None:
            if not isinstance(fact.fact, StudyOpened):
                raise DataError("its study has no header that can be read", "journal")
            return Examination(study=Study(header=fact.fact.header))
        if fact.id > at_hand.last_fact:
            return take(before, fact.fact, self._reference)
        # It was set aside when its turn was, or came from outside and was seen late, and newer ones were not:
        # the end may lie behind it already.
        stored = await self._studies.load(fact.code, also=fact.id)
        return examine(stored.study or before.study, self._reference)

    async def _clear(self, code: str) -> None:
        now = self._clock.now()
        if code not in await self._studies.to_clear(now):
            return  # cleared already, or re-opened since
        at_hand = await self._load(code)
        found, said = cleared(code, at_hand.cart, at_hand.said, self._publication, now)
        await self._outbox.store(found)
        at_hand.said = said

    async def _load(self, code: str) -> _AtHand:
        if code in self._at_hand:
            self._at_hand.move_to_end(code)
            return self._at_hand[code]
        stored = await self._studies.load(code)
        examination = None if stored.study is None else examine(stored.study, self._reference)
        at_hand = _AtHand(examination, Said.of(stored), stored.cart, stored.last_fact)
        self._at_hand[code] = at_hand
        while len(self._at_hand) > _AT_HAND:
            self._at_hand.popitem(last=False)
        return at_hand
