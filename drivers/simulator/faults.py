"""What can go wrong between a cart and its host, on purpose and always at the same place.

Behind a fault of the line the cart obeys LIS01-A2, behind a fault of its files it goes on to the next; its
data gets across in the end, and the host has to cope with everything on the way.
"""

from typing import Final

from gateway.protocols.lis_frames import ACK, ENQ, EOT, LF, NAK, STX

FAULTS: Final = {
    "bad-checksum": "every fourth frame arrives with a wrong checksum the first time",
    "duplicate-frame": "the acknowledgement of every fourth frame is lost, so the frame is sent again",
    "lost-eot": "no EOT ever arrives: the next message begins with ENQ, the last one just ends",
    "half-frame": "the fourth frame stops half-way; after a silence the message is sent again",
    "noise": "rubbish before every frame and every ENQ",
    "silence": "the cart goes quiet after the third frame, then sends the message again",
}
FILE_FAULTS: Final = {
    "in_place": "every file grows slowly under its own name",
    "half": "every file stops half-way for a while, under its own name, then goes on",
    "duplicate": "every file comes again under another name",
    "truncated": "before every file comes one that holds only the first half of it",
}
_STRUCK: Final = 4
# Bytes as an open input picks them up; none of them is a control character of the protocol.
_RUBBISH: Final = b"\x00\xff~U\xaa\x7f\x00\xf0"


class Wire:
    """The wire with at most one fault in it; with none it changes nothing."""

    def __init__(self, fault: str | None = None) -> None:
        self._fault: Final = fault
        self._frames = 0
        self._sent = b""
        self._quiet = False
        self._lose_acknowledgement = False

    def carry(self, data: bytes) -> bytes:
        """What arrives of a frame or control character that the cart sends."""
        new_frame = data.startswith(STX) and data != self._sent
        self._frames += new_frame
        self._sent = data
        struck = new_frame and self._frames % _STRUCK == 0
        match self._fault:
            case "bad-checksum" if struck:
                return data[:-4] + (b"00" if data[-4:-2] != b"00" else b"FF") + data[-2:]
            case "duplicate-frame":
                self._lose_acknowledgement = struck
            case "lost-eot" if data == EOT:
                return b""
            case "half-frame" if struck and self._frames == _STRUCK:
                return data[: len(data) // 2]
            case "noise" if data == ENQ or data.endswith(LF):
                return _RUBBISH + data
            case "silence":
                self._quiet = data != ENQ and (self._quiet or self._frames == _STRUCK)
                return b"" if self._quiet else data
        return data

    def hear(self, answer: bytes) -> bytes:
        """What arrives of the host's answer."""
        if self._lose_acknowledgement and answer.startswith(ACK):
            self._lose_acknowledgement = False
            return NAK + answer[1:]
        return answer
