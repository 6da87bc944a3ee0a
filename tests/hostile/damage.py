"""Good input made bad, for property tests."""

from collections.abc import Sequence

from hypothesis import strategies as st


def damaged(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds with a few pieces of it cut out, doubled, overwritten or put elsewhere."""
    return st.builds(_damage, st.sampled_from(seeds), st.lists(_PIECE, min_size=1, max_size=5))


_PIECE = st.tuples(
    st.floats(0, 1), st.integers(0, 40), st.sampled_from(["cut", "double", "move"]) | st.binary(max_size=6)
)


def _damage(good: bytes, pieces: list[tuple[float, int, str | bytes]]) -> bytes:
    data = good
    for where, size, what in pieces:
        at = int(where * len(data))
        piece, rest = data[at : at + size], data[at + size :]
        match what:
            case "cut":
                data = data[:at] + rest
            case "double":
                data = data[:at] + piece + piece + rest
            case "move":
                data = piece + data[:at] + rest
            case bytes():
                data = data[:at] + what + data[at + len(what) :]
    return data


def flips(good: bytes) -> list[bytes]:
    """Every input that differs from `good` in one bit."""
    flipped = []
    for at in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[at] ^= 1 << bit
            flipped.append(bytes(bad))
    return flipped
