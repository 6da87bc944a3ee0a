"""How fast a virtual examination goes."""

import math
from dataclasses import dataclass

from gateway.errors import UsageError


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace relative to a real examination; 0: without a pause. UsageError for one that cannot be."""

    speed: float

    def __post_init__(self) -> None:
        if not 0 <= self.speed < math.inf:
            raise UsageError(f"speed {self.speed}: must be 0 (as fast as the line takes it) or more")

    def takes_s(self, real_s: float) -> float:
        """How long what takes `real_s` seconds in a real examination takes here, in seconds."""
        return real_s / self.speed if self.speed else 0.0
