"""The cart's end of a pseudo-terminal: what a serial cable and its plug are to a real cart.

The host opens the other end by its path, or by a link that stays the same from one cart to the next. It may
close and open it again at any time, as when a plug is pulled: reading and writing then raise `HungUp`.
"""

import asyncio
import fcntl
import os
import select
import struct
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.errors import CannotCreate, Temporary

# Nothing tells the owner of a pseudo-terminal that the other end was opened or read from: one has to look.
_LOOK_S: Final = 0.02
# What was written is handed to the other end in the background, 4 KiB at a time; until then it cannot be seen
# to wait.
_HANDED_OVER_S: Final = 0.1
_READ_SIZE: Final = 4096
# A host sets its port up after it has opened it and throws away what came before that, as pyserial does.
SET_UP_S: Final = 0.2


class HungUp(Temporary):
    """The host has closed its end."""


class Line:
    """A new pseudo-terminal in raw mode, its host end at `path` and, if wanted, also at `link`.

    A symbolic link left behind at `link` is replaced; anything else there raises CannotCreate.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._master, slave = os.openpty()
        # The mode outlives this descriptor; keeping it open would hide whether the host is there.
        tty.setraw(slave)
        self.path: Final = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self._hang_up = select.poll()
        self._hang_up.register(self._master, 0)  # POLLHUP is reported unasked
        self._link: Final = link
        if link is not None:
            self._make(link)

    def _make(self, link: Path) -> None:
        try:
            if link.is_symlink():
                link.unlink()
            link.symlink_to(self.path)
        except OSError as error:
            os.close(self._master)
            raise CannotCreate(f"{link}: {error.strerror}; name another path for the link") from error

    @property
    def is_open(self) -> bool:
        """Whether the host has its end open."""
        return not self._hang_up.poll(0)

    async def opened(self) -> None:
        """Wait until the host has its end open."""
        await _until(lambda: self.is_open)

    async def read(self) -> bytes:
        """What the host has sent, at least a byte. Raises HungUp."""
        while True:
            try:
                return os.read(self._master, _READ_SIZE)
            except BlockingIOError:
                await self._readable()
            except OSError as error:  # EIO: nobody has the other end open
                raise HungUp("the host hung up") from error

    async def write(self, data: bytes) -> None:
        """Send all of `data`. Raises HungUp."""
        while data:
            if not self.is_open:
                raise HungUp("the host hung up")
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                await self._writable()

    def discard(self) -> None:
        """Forget what the host has sent so far."""
        termios.tcflush(self._master, termios.TCIFLUSH)

    async def taken(self, within_s: float, quiet_s: float = _HANDED_OVER_S) -> bool:
        """Wait until the host has read everything, so that for `quiet_s` nothing is seen to wait.

        False when something still waits after `within_s`: it is lost when the line closes. A host that locks
        the line keeps us from looking; it has `quiet_s` to read.
        """
        loop = asyncio.get_running_loop()
        late = loop.time() + within_s
        quiet = loop.time() + quiet_s
        while self.is_open and loop.time() < quiet:
            await asyncio.sleep(_LOOK_S)
            if self._unread():
                if loop.time() > late:
                    return False
                quiet = loop.time() + quiet_s
        return True

    def close(self) -> None:
        """Pull the plug and remove the link, unless it points to another cart's line by now."""
        os.close(self._master)
        if self._link is not None and self._link.is_symlink() and self._link.readlink() == Path(self.path):
            self._link.unlink()

    def _unread(self) -> int:
        """How many bytes wait for the host to read them."""
        try:
            host_end = os.open(self.path, os.O_RDONLY | os.O_NOCTTY)
        except OSError:  # pragma: no cover - a host with an exclusive lock keeps us out, unless we are root
            return 0
        try:
            (waiting,) = struct.unpack("i", fcntl.ioctl(host_end, termios.FIONREAD, bytes(4)))
        finally:
            os.close(host_end)
        return int(waiting)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._master, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._master)

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self._master, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._master)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - no event tells, see _LOOK_S
        await asyncio.sleep(_LOOK_S)
