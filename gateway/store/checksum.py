"""The checksum of what a row says: SQLite has none, and a flipped bit in a message would be sent.

CRC-32 finds every single burst of up to 32 bits, and all but one in four thousand millions of other damage.
"""

import zlib


def checksum(*parts: str | bytes | None) -> int:
    """The CRC-32 of `parts` in this order; a part that is None is not the same as an empty one."""
    found = 0
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        length = b"-" if content is None else str(len(content)).encode()
        found = zlib.crc32(content or b"", zlib.crc32(length + b":", found))
    return found
