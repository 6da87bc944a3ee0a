"""The HL7 statement says what the tables say; the shipped copy and samples are the printed ones."""

import pytest

from gateway.commands.hl7_statement import statement
from gateway.commands.main import run
from gateway.pipeline.samples import KINDS, samples
from gateway.protocols.acknowledgement import AckCode
from gateway.protocols.observations import CODES
from gateway.protocols.oru import MessageHeader
from gateway.protocols.oru_profile import PROFILE
from tests.checkout import ROOT
from tests.factories import reference

FOLDER = ROOT / "docs" / "conformance"


def rows() -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in statement().splitlines() if line.startswith("| ")]


def test_the_shipped_statement_is_the_printed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["conformance", "hl7"]) == 0
    hint = "regenerate it: ./emg conformance hl7 > docs/conformance/hl7.md"
    assert (FOLDER / "hl7.md").read_text("utf-8") == capsys.readouterr().out, hint


def test_the_shipped_samples_are_the_printed_ones() -> None:
    expected = samples(MessageHeader(sending_application="EMG-GATEWAY"), reference())
    shipped = {path.stem: path.read_bytes() for path in (FOLDER / "samples").iterdir()}
    hint = "regenerate them: ./emg hl7 sample --output docs/conformance/samples"
    assert shipped == expected, hint


def test_every_field_has_its_row() -> None:
    named = {row[0] for row in rows()}
    assert {f"{segment.name}-{field.number}" for segment in PROFILE for field in segment.fields} <= named


def test_every_code_has_its_row() -> None:
    named = {row[0] for row in rows()}
    assert {f"`{code}`" for code in (*CODES, *AckCode)} <= named
    assert {f"[{kind}](samples/{kind}.hl7)" for kind in KINDS} <= named


def test_every_row_has_the_cells_of_its_table() -> None:
    width = 0
    for line in statement().splitlines():
        cells = line.count(" | ")
        if not line.startswith("| "):
            width = 0
            continue
        width = width or cells
        assert cells == width, line


def test_a_standard_commit_is_not_taken_for_an_application_s_answer() -> None:
    (row,) = [row for row in rows() if row[0] == "`CA`"]
    assert row[1:3] == ["done", "done"]
    assert row[3].startswith("the application's answer is waited for")
