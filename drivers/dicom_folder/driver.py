"""The drop folder at work: the only file of this driver that awaits.

A file goes to the journal, name and bytes; then its facts are delivered; then it is moved to `done/`; then
its session is closed. A crash in between leaves a session that is finished at the next start, from the
journal, whether or not the file is still there. What cannot be read never reaches the journal.
"""

import asyncio
import logging

from drivers.dicom_folder.protocol import Entry
from drivers.dicom_folder.translate import Delivery, Foreign, Translate
from gateway.errors import DataError, StorageError
from gateway.ports import Intake, Session
from gateway.transport import Arrival, Folder

logger = logging.getLogger(__name__)


class FolderDriver:
    """One drop folder; `translate` makes facts of a file's content."""

    def __init__(self, name: str, folder: Folder, translate: Translate) -> None:
        self.name = name
        self._folder = folder
        self._translate = translate

    async def run(self, intake: Intake) -> None:
        """Finish what the journal holds, then take what arrives.

        Unavailable when the folder is away, StorageError when the disk refuses; the file stays where it is.
        """
        for session in await intake.unfinished():
            await self._finish(session, intake)
        while True:
            arrival = await self._folder.arrival()
            try:
                delivery = await asyncio.to_thread(self._translate, arrival.data)
            except DataError as error:
                await self._folder.damaged(arrival, str(error), final=isinstance(error, Foreign))
            else:
                await self._take(arrival, delivery, intake)

    async def _take(self, arrival: Arrival, delivery: Delivery, intake: Intake) -> None:
        try:
            session = await intake.open()
            await intake.accept(session, Entry(arrival.file.name, arrival.data).encode())
            await intake.deliver(delivery.header, delivery.facts)
        except StorageError:
            self._folder.later(arrival)
            raise
        await self._folder.done(arrival, delivery.notices)
        await intake.close(session)
        logger.info("file_taken", extra={"fields": {"driver": self.name, "file": arrival.digest}})

    async def _finish(self, session: Session, intake: Intake) -> None:
        """Deliver what a session left over holds, and move its file if it is still there."""
        try:
            for entry in map(Entry.decode, session.entries):  # none, where the crash came before the first
                delivery = await asyncio.to_thread(self._translate, entry.data)
                await intake.deliver(delivery.header, delivery.facts)
                arrival = await self._folder.find(entry.name, entry.data)
                if arrival is not None:
                    await self._folder.done(arrival, delivery.notices)
        except DataError:
            # Written by a later version, or read by other settings then: it is kept for those.
            fields = {"driver": self.name, "session": session.id}
            logger.error("session_unreadable", extra={"fields": fields})  # noqa: TRY400
            return
        await intake.close(session.id)
