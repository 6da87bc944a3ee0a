"""Rounding as a person does it: half up, on the decimal that is printed, before any limit is compared.

An increase of exactly 30 % can be 29.999… in binary; a grade must not hang on that. What counts is the value
in decimals: `Decimal(repr(x))`. Most values are far from a tie, and there binary floats round to the same:
n is the value in units of the last place, below 1e9. Every operand and every operation of a formula here is
off by at most half a unit in the last place, 1.2e-16 of n, and there are six of them at most: together less
than 1e-6. So who is further than 1e-6 from a tie in binary is on the same side of it in decimals; and a whole
number by a power of ten, both exact, is the float nearest to that decimal. Closer to a tie, decimals decide.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

PERCENT_DECIMALS = 1
RATIO_DECIMALS = 3
MILLISECOND_DECIMALS = 2
MILLIVOLT_DECIMALS = 3
MICROVOLT_DECIMALS = 1
AREA_DECIMALS = 2
VELOCITY_DECIMALS = 1

_SURE_BELOW: Final = 1e9
_SURE_WITHIN: Final = 0.5 - 1e-6
_UNITS: Final = tuple(int(10**decimals) for decimals in range(10))


def half_up(value: float | Decimal, decimals: int) -> float:
    """`value` rounded half up to `decimals` places; 0 has no sign."""
    if isinstance(value, float):
        sure = _far_from_tie(value, decimals)
        if sure is not None:
            return sure
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    return float(exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)) + 0.0


def _far_from_tie(value: float, decimals: int) -> float | None:
    """`value` rounded, where decimals could not say otherwise."""
    unit = _UNITS[decimals]
    units = abs(value) * unit
    if not units < _SURE_BELOW:
        return None
    whole = int(units + 0.5)
    if abs(units - whole) >= _SURE_WITHIN:
        return None
    return whole / unit if value >= 0 else 0.0 - whole / unit


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
