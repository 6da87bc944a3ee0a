import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.plausibility import Range, check_name, check_number, check_once
from gateway.errors import DataError


@pytest.mark.parametrize(
    ("possible", "inside", "outside", "told"),
    [
        (Range(most=50), (0.1, 50), (-1, 0, 51), "must be above 0 and at most 50"),
        (Range(most=1, below_most=True), (0.1, 0.9), (0, 1), "must be above 0 and below 1"),
        (Range(least=20, most=40, from_least=True), (20, 40), (19, 41), "must be 20 or more and at most 40"),
    ],
)
def test_a_range_has_its_ends_as_it_says(
    possible: Range, inside: tuple[float, ...], outside: tuple[float, ...], told: str
) -> None:
    for value in inside:
        check_number(value, possible, "limit")
    for value in (*outside, math.nan, math.inf, -math.inf):
        with pytest.raises(DataError, match=f"^limit: {told}$"):
            check_number(value, possible, "limit")


def test_a_number_that_is_not_given_is_no_slip() -> None:
    check_number(None, Range(most=1), "limit")


def test_a_name_like_no_other_is_answered_with_all_there_are() -> None:
    with pytest.raises(DataError, match=r"^nerves\[0\]: unknown nerve; known: median, ulnar$"):
        check_name("xyz", ("median", "ulnar"), "nerve", "nerves[0]")


@given(st.lists(st.lists(st.integers(0, 5), max_size=3), max_size=5))
def test_what_two_entries_answer_is_told_whichever_they_are(entries: list[list[int]]) -> None:
    answers = [answer for entry in entries for answer in set(entry)]
    if len(set(answers)) == len(answers):
        check_once(entries, "row", "motor")
    else:
        with pytest.raises(DataError, match=r"same row as motor\[\d\], keep one"):
            check_once(entries, "row", "motor")
