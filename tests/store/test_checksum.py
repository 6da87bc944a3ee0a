from hypothesis import given
from hypothesis import strategies as st

from gateway.store.checksum import checksum

PART = st.none() | st.text(max_size=20) | st.binary(max_size=20)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_bit_that_flips_shows(body: bytes, data: st.DataObject) -> None:
    at, bit = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(body)
    changed[at] ^= 1 << bit

    assert checksum("code", bytes(changed)) != checksum("code", body)


@given(PART)
def test_what_stands_in_one_part_is_not_the_same_in_the_next(part: str | bytes | None) -> None:
    if part is not None:
        assert checksum(part, None) != checksum(None, part)
    assert checksum("ab", "c") != checksum("a", "bc")
    assert checksum(None) != checksum("")
    assert 0 <= checksum(part) < 2**32
