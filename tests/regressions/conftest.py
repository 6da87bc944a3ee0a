"""The pseudo-terminal of the tests of lines."""

from tests.transport.test_streams import cable

__all__ = ["cable"]
