"""How long to wait before connecting again: doubling, capped, with jitter, for ever."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays between attempts, in seconds. Jitter keeps a hundred gateways from knocking at once."""

    first_s: float = 1.0
    cap_s: float = 5.0

    def delay_s(self, failures: int, draw: Callable[[], float] = random.random) -> float:
        """The wait after `failures` attempts in a row (1 or more): half to all of the doubled delay.

        `draw` gives a number from 0 to 1.
        """
        doubled = min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 60))
        return doubled * (0.5 + draw() / 2)
