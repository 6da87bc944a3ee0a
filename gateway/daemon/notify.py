"""Tells systemd how the service stands (sd_notify): a datagram to the socket it names, or nothing."""

import contextlib
import os
import socket


def notify(*states: str) -> bool:
    """Send `READY=1`, `STATUS=…` or the like; False when no service manager is listening."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
        sender.sendto("\n".join(states).encode(), address)
        return True
    return False
