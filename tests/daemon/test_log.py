import logging
import os
from collections.abc import Callable, Iterator

import pytest

from gateway.daemon import log
from gateway.errors import DataError, StorageError

EVENT = "line_opened"
logger = logging.getLogger("gateway")

Said = Callable[[Callable[[], None]], str]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # so that those of pytest are not closed
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    """What journald gets, which has no time in it, when an event happens."""

    def lines(happens: Callable[[], None]) -> str:
        monkeypatch.setenv("JOURNAL_STREAM", "8:1")
        log.configure(logging.DEBUG)
        happens()
        return capsys.readouterr().err

    return lines


def test_an_event_is_a_line_with_its_fields_behind_it(said: Said) -> None:
    fields = {"driver": "room-1", "attempt": 2}
    line = said(lambda: logger.info(EVENT, extra={"fields": fields}))
    assert line == "<6>line_opened driver=room-1 attempt=2\n"


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, 7),
        (logging.INFO, 6),
        (logging.WARNING, 4),
        (logging.ERROR, 3),
        (logging.CRITICAL, 2),
        (25, 6),
    ],
)
def test_journald_gets_the_priority(said: Said, level: int, priority: int) -> None:
    assert said(lambda: logger.log(level, EVENT)) == f"<{priority}>line_opened\n"


def test_elsewhere_a_line_has_its_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    log.configure()
    logger.warning(EVENT)
    logger.debug("detail")
    time, _, rest = capsys.readouterr().err.partition(" ")
    assert len(time) == len("09:15:00")
    assert rest == "warning line_opened\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        (7, "7"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "x"', "\"say 'x'\""),
        ("Zürich", "Zürich"),
        ("one\ntwo", r"one\ntwo"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\udcff", r"\udcff"),
        (StorageError("the disk is full"), '"the disk is full"'),
    ],
)
def test_a_value_stays_in_its_place(said: Said, value: object, shown: str) -> None:
    line = said(lambda: logger.info(EVENT, extra={"fields": {"reason": value}}))
    assert line == f"<6>line_opened reason={shown}\n"


def test_of_a_librarys_many_lines_the_first_is_kept(said: Said) -> None:
    message = "Task exception was never retrieved\nfuture: <Task exception=ValueError('Canary')>"
    assert said(lambda: logging.getLogger("asyncio").error(message)) == f"<3>{message.splitlines()[0]}\n"


def chained() -> None:
    """An error of ours that comes from one that quotes what it read."""
    try:
        try:
            int("Canary")
        except ValueError as error:
            raise DataError("not a number", "patient.height_cm") from error
    except DataError:
        logger.exception("task_failed", extra={"fields": {"task": "driver room-1"}})


def met_on_the_way() -> None:
    """An error that came up while another was being handled."""
    try:
        try:
            int("Canary")
        except ValueError:
            os.environ["Canary"]  # noqa: SIM112
    except KeyError:
        logger.exception("task_failed")


def test_a_trace_says_what_happened_and_where(said: Said) -> None:
    line = said(chained)
    ours = "DataError: patient.height_cm: not a number | test_log.py:"
    assert line.startswith(f'<3>task_failed task="driver room-1" trace="{ours}')
    assert " chained | from ValueError | test_log.py:" in line
    assert "from ValueError | test_log.py:" in said(met_on_the_way)


@pytest.mark.parametrize("happens", [chained, met_on_the_way])
def test_a_trace_never_says_what_the_data_was(said: Said, happens: Callable[[], None]) -> None:
    line = said(happens)
    assert "Canary" not in line
    assert line.count("\n") == 1


def test_without_an_exception_there_is_no_trace(said: Said) -> None:
    assert said(lambda: logger.error(EVENT, exc_info=True)) == "<3>line_opened\n"  # noqa: LOG014
