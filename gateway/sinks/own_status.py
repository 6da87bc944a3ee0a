"""Listens to the gateway's own status topic: nobody else may speak there.

Two gateways with the same site and cart have the same client identifier: the broker ends the one's connection
when the other comes, and so on for ever, and a screen sees the events of both under the same numbers.
"""

from typing import Final

import msgspec

# A status has 150 bytes; a boot_id that is longer than ours is none.
_LARGEST: Final = 1024
_LONGEST: Final = 64


class _Status(msgspec.Struct):
    state: str
    boot_id: str


class OwnStatus:
    """Whose heartbeats are heard on the topic of the gateway `boot_id`."""

    def __init__(self, boot_id: str) -> None:
        self._boot_id = boot_id
        self._found_kept = 0
        self._told: set[str] = set()

    def another(self, payload: bytes, *, kept: bool) -> str | None:
        """The boot of another gateway that speaks there, once; `kept`: the broker had it from earlier.

        What is kept at the first connection is the word of the run before, and of a broker that fell back to
        an old state once; then it is ours. That of somebody who speaks after us comes again and again.
        """
        try:
            status = msgspec.json.decode(payload[:_LARGEST], type=_Status)
        except (msgspec.DecodeError, RecursionError):
            return None
        if len(status.boot_id) > _LONGEST:
            return None
        ours = status.boot_id == self._boot_id
        if kept:
            self._found_kept = 0 if ours else self._found_kept + 1
        if ours:
            return None
        sure = self._found_kept > 1 if kept else status.state == "online"
        if not sure or status.boot_id in self._told:
            return None
        self._told = {status.boot_id}
        return status.boot_id
