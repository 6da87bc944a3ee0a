"""How far a number may be off: standard errors, and the 95 % intervals made of them.

Errors of two sweeps are independent of one another; first-order propagation (delta method) throughout.
"""

import math
from typing import Final

# Half a 95 % interval in standard errors: the 97.5 % point of the normal distribution.
_NORMAL_97_5: Final = 1.96


def half_width(standard_error: float) -> float:
    """Half of the 95 % interval, in the unit of `standard_error`."""
    return _NORMAL_97_5 * standard_error


def quotient_error(part: float, part_error: float, whole: float, whole_error: float) -> float:
    """The standard error of R = part / whole: |R| sqrt((sp / part)^2 + (sw / whole)^2).

    Written so that a part of 0 has one too; `whole` is not 0.
    """
    return math.hypot(part_error, part / whole * whole_error) / abs(whole)
