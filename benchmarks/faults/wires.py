"""MLLP and MQTT as `line` needs them: where packets end, which are messages, which answer which."""

from collections.abc import Callable

from gateway.protocols.mllp import NEED_DATA, MllpReader, frame

_PUBLISH, _PUBACK = 3, 4  # MQTT 3.1.1, table 2.1


class Mllp:
    """Blocks; every one from the client is a message, and every one from the peer answers it."""

    def splitter(self) -> Callable[[bytes], list[bytes]]:
        """Blocks with their frames."""
        reader = MllpReader()

        def split(data: bytes) -> list[bytes]:
            reader.receive(data)
            blocks = []
            while (block := reader.next_block()) is not NEED_DATA:
                blocks.append(frame(block))
            return blocks

        return split

    def is_message(self, packet: bytes) -> bool:
        """Always."""
        return bool(packet)

    def answers(self, message: bytes, packet: bytes) -> bool:
        """Always: one message is in flight."""
        return bool(message and packet)


class Mqtt:
    """Control packets of MQTT 3.1.1; the messages are events: heartbeats and replays pass."""

    def splitter(self) -> Callable[[bytes], list[bytes]]:
        """Whole control packets."""
        waiting = bytearray()

        def split(data: bytes) -> list[bytes]:
            waiting.extend(data)
            packets = []
            while (size := _size(waiting)) is not None and len(waiting) >= size:
                packets.append(bytes(waiting[:size]))
                del waiting[:size]
            return packets

        return split

    def is_message(self, packet: bytes) -> bool:
        """Whether it publishes an event."""
        if packet[0] >> 4 != _PUBLISH:
            return False
        topic = _topic(packet)
        return not topic.endswith(b"/status") and b"/replay/" not in topic

    def answers(self, message: bytes, packet: bytes) -> bool:
        """Whether it is the PUBACK with the message's packet identifier."""
        at = _body(message) + 2 + len(_topic(message))
        return packet[0] >> 4 == _PUBACK and packet[2:4] == message[at : at + 2]


def _size(packet: bytes | bytearray) -> int | None:
    """Of the packet at the beginning, its fixed header included; None where that is not there yet."""
    length = 0
    for at, byte in enumerate(packet[1:5]):
        length |= (byte & 0x7F) << (7 * at)
        if not byte & 0x80:
            return at + 2 + length
    return None


def _body(packet: bytes) -> int:
    """Where the variable header begins: behind the first byte of the length without the highest bit."""
    return next(at + 2 for at, byte in enumerate(packet[1:5]) if not byte & 0x80)


def _topic(packet: bytes) -> bytes:
    at = _body(packet)
    return packet[at + 2 : at + 2 + int.from_bytes(packet[at : at + 2], "big")]
