"""The same faults for the clients and servers that others use, and two messages on a connection."""

from benchmarks.faults.peers.comparison import run

__all__ = ["run"]
