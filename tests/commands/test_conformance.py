import pytest

from gateway.commands.main import run
from gateway.formats.dicom.conformance import statement
from tests.factories import reference

Capture = pytest.CaptureFixture[str]


def test_the_statement_is_printed(capsys: Capture) -> None:
    assert run(["conformance", "dicom"]) == 0
    assert capsys.readouterr() == (statement(reference().anatomy), "")


def test_a_standard_nobody_knows_is_a_usage_error(capsys: Capture) -> None:
    assert run(["conformance", "edf"]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "dicom" in err
