"""Rounding as a person does it: half up, on the decimal that is printed, before any limit is compared.

An increase of exactly 30 % can be 29.999… in binary; a grade must not hang on that.
"""

import math
from decimal import ROUND_HALF_UP, Decimal

PERCENT_DECIMALS = 1
RATIO_DECIMALS = 3
MILLISECOND_DECIMALS = 2
MILLIVOLT_DECIMALS = 3
MICROVOLT_DECIMALS = 1
AREA_DECIMALS = 2
VELOCITY_DECIMALS = 1


# So many units of the last place at most, and so far from a tie, a float needs no decimals to be rounded: its
# error, also that of one division, is far smaller.
_SURE_BELOW = 1e9
_SURE_WITHIN = 0.5 - 1e-6
_UNITS = tuple(10**decimals for decimals in range(16))


def half_up(value: float | Decimal, decimals: int) -> float:
    """`value` rounded half up to `decimals` places."""
    sure = _far_from_tie(value, decimals) if isinstance(value, float) else None
    if sure is not None:
        return sure
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    return float(exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP))


def _far_from_tie(value: float, decimals: int) -> float | None:
    """`value` rounded, where no rounding could have another result."""
    unit = _UNITS[decimals]
    units = abs(value) * unit
    if not units < _SURE_BELOW:
        return None
    whole = int(units + 0.5)
    if not -_SURE_WITHIN < units - whole < _SURE_WITHIN:
        return None
    return math.copysign(whole / unit, value)


def reduction_percent(reference: float, value: float) -> float:
    """100 * (reference - value) / reference, as if computed in decimals, rounded half up to one place."""
    sure = _far_from_tie(100 * (reference - value) / reference, PERCENT_DECIMALS)
    if sure is not None:
        return sure
    whole = Decimal(repr(float(reference)))
    return half_up(100 * (whole - Decimal(repr(float(value)))) / whole, PERCENT_DECIMALS)


def quotient(part: float, whole: float, decimals: int) -> float:
    """Part by whole, as if computed in decimals, rounded half up."""
    sure = _far_from_tie(part / whole, decimals)
    if sure is not None:
        return sure
    return half_up(Decimal(repr(float(part))) / Decimal(repr(float(whole))), decimals)


def scaled(value: float, power: int) -> float:
    """`value` times 10**power, in decimals: 0.0224 mV is 22.4 uV, not 22.400000000000002."""
    return float(Decimal(repr(float(value))).scaleb(power))
