"""Rounding as a person does it: half up, on the decimal that is printed, before any limit is compared.

An increase of exactly 30 % can be 29.999… in binary; a grade must not hang on that.
"""

from decimal import ROUND_HALF_UP, Decimal

PERCENT_DECIMALS = 1
RATIO_DECIMALS = 3
MILLISECOND_DECIMALS = 2
MILLIVOLT_DECIMALS = 3
MICROVOLT_DECIMALS = 1
AREA_DECIMALS = 2
VELOCITY_DECIMALS = 1


# So many units of the last place at most, and so far from a tie, a float needs no decimals to be rounded.
_SURE_BELOW = 1e9
_SURE_WITHIN = 0.5 - 1e-6


def half_up(value: float | Decimal, decimals: int) -> float:
    """`value` rounded half up to `decimals` places."""
    if isinstance(value, float):
        unit: int = 10**decimals
        units = value * unit
        if 0.0 < units < _SURE_BELOW:
            whole = int(units + 0.5)
            if abs(units - whole) < _SURE_WITHIN:
                return whole / unit
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    return float(exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP))


def reduction_percent(reference: float, value: float) -> float:
    """100 * (reference - value) / reference, computed in decimals, rounded half up to one place."""
    whole = Decimal(repr(float(reference)))
    return half_up(100 * (whole - Decimal(repr(float(value)))) / whole, PERCENT_DECIMALS)


def quotient(part: float, whole: float, decimals: int) -> float:
    """Part by whole, computed in decimals, rounded half up."""
    return half_up(Decimal(repr(float(part))) / Decimal(repr(float(whole))), decimals)


def scaled(value: float, power: int) -> float:
    """`value` times 10**power, in decimals: 0.0224 mV is 22.4 uV, not 22.400000000000002."""
    return float(Decimal(repr(float(value))).scaleb(power))
