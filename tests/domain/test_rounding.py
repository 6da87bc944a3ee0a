"""Rounding: half up on the decimal that is printed; the way without decimals has the same results."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.rounding import half_up, quotient, reduction_percent

places = st.integers(0, 6)
# What a cart prints, up to four decimals, and any other number a float can be.
printed = st.integers(-10_000_000, 10_000_000).map(lambda units: units / 10_000)
numbers = printed | st.floats(-1e12, 1e12)
above_zero = st.integers(1, 1_000_000).map(lambda units: units / 1000) | st.floats(1e-6, 1e6)


def in_decimals(value: Decimal, decimals: int) -> float:
    return float(value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP))


def exact(value: float) -> Decimal:
    return Decimal(repr(value))


@given(numbers, places)
@example(29.95, 1)
@example(0.125, 2)
@example(2.675, 2)  # in binary below the tie
@example(1.0049999999999999, 2)
@example(-0.05, 1)
@example(1e9, 0)
def test_half_up_is_that_of_decimals(value: float, decimals: int) -> None:
    assert half_up(value, decimals) == in_decimals(exact(value), decimals)


@given(st.integers(-10_000_000, 10_000_000), places)
def test_a_tie_goes_away_from_zero(units: int, decimals: int) -> None:
    tie = Decimal(2 * units + (1 if units >= 0 else -1)).scaleb(-decimals) / 2

    assert half_up(float(tie), decimals) == in_decimals(exact(float(tie)), decimals)


@given(above_zero, numbers)
@example(3.0, 3.9)  # 30 %, in binary 29.999999999999996
@example(8.0, 3.996)  # 50.05 %
@example(8.0, 4.004)  # 49.95 %
@example(1e-6, 1e6)
def test_a_reduction_is_that_of_decimals(reference: float, value: float) -> None:
    whole, part = exact(reference), exact(value)

    assert reduction_percent(reference, value) == in_decimals(100 * (whole - part) / whole, 1)


@given(numbers, above_zero, places)
@example(1.5, 1000.0, 3)
@example(4.0995, 1.0, 3)
def test_a_quotient_is_that_of_decimals(part: float, whole: float, decimals: int) -> None:
    assert quotient(part, whole, decimals) == in_decimals(exact(part) / exact(whole), decimals)


@pytest.mark.parametrize("value", [-0.0, -0.04, -0.0499999])
def test_nothing_is_not_a_negative_nothing(value: float) -> None:
    assert str(half_up(value, 1)) == "0.0"
    assert str(reduction_percent(1000.0, 1000.0 - 10 * value)) == "0.0"


@pytest.mark.parametrize(
    ("value", "decimals", "rounded"), [(2.345, 2, 2.35), (0.25, 1, 0.3), (-0.25, 1, -0.3), (29.949, 1, 29.9)]
)
def test_half_up_rounds_as_a_person_does(value: float, decimals: int, rounded: float) -> None:
    assert half_up(value, decimals) == rounded
