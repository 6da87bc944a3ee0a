import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.uncertainty import half_width, quotient_error

values = st.floats(min_value=0.05, max_value=30.0)
errors = st.floats(min_value=0.0, max_value=1.0)


def test_half_a_95_percent_interval_is_1_96_standard_errors() -> None:
    assert half_width(2.0) == 3.92


@given(part=values, part_error=errors, whole=values, whole_error=errors)
def test_the_error_of_a_quotient_is_that_of_the_textbook(
    part: float, part_error: float, whole: float, whole_error: float
) -> None:
    expected = part / whole * math.sqrt((part_error / part) ** 2 + (whole_error / whole) ** 2)

    assert quotient_error(part, part_error, whole, whole_error) == pytest.approx(expected)


def test_nothing_over_something_has_an_error_too() -> None:
    assert quotient_error(0.0, 0.1, 5.0, 0.2) == pytest.approx(0.02)
