"""The statement says what the tables say, and the shipped copy of it is the one that is printed."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.anatomy import Muscle
from gateway.formats.dicom import profile
from gateway.formats.dicom.attributes import ATTRIBUTES, Attribute
from gateway.formats.dicom.conformance import statement
from tests.factories import reference

SHIPPED = Path(__file__).parents[2] / "docs" / "conformance" / "dicom.md"


def printed() -> str:
    return statement(reference().anatomy)


def rows(text: str) -> list[list[str]]:
    """The cells of every table row."""
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]


def test_the_shipped_statement_is_the_printed_one() -> None:
    hint = "regenerate it: ./emg conformance dicom > docs/conformance/dicom.md"
    assert SHIPPED.read_text("utf-8") == printed(), hint


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda entry: entry.keyword)
def test_every_attribute_has_its_row(attribute: Attribute) -> None:
    (row,) = [cells for cells in rows(printed()) if cells[1:2] == [f"`{attribute.keyword}`"]]
    assert re.fullmatch(r"\([0-9A-F]{4},[0-9A-F]{4}\)", row[0])
    assert row[3:] == [
        attribute.module,
        attribute.type,
        attribute.read or "-",
        attribute.written or "-",
    ]


def test_tags_and_representations_are_those_of_the_standard() -> None:
    (row,) = [cells for cells in rows(printed()) if "`TriggerTimeOffset`" in cells]
    assert row[0] == "(0018,1069)"
    assert row[2] == "DS"


@pytest.mark.parametrize("kind", [*profile.ANNOTATIONS, *profile.CONTEXT], ids=lambda kind: kind.code)
def test_every_annotation_has_its_row(kind: profile.Annotation) -> None:
    expected = [
        f"`{kind.code}`",
        kind.meaning,
        kind.kind,
        f"`{kind.unit}`" if kind.unit else "-",
        ", ".join(f"`{value}`" for value in kind.values) or "-",
    ]
    assert expected in rows(printed())


def test_muscles_and_nerves_have_the_codes_of_both_sides() -> None:
    found = rows(printed())
    assert ["`adm`", "abductor digiti minimi (hand)", "7:756", "7:757", "7:758"] in found
    assert ["`sural`", "7:232", "7:233", "7:234"] in found
    assert ["deep fibular nerve", "`fibular`", "7:220", "7:221", "7:222"] in found


def test_a_muscle_without_a_code_has_none() -> None:
    anatomy = reference().anatomy
    changed = replace(anatomy, muscles={"apl": Muscle(text="abductor pollicis longus")})
    assert ["`apl`", "abductor pollicis longus", "-", "-", "-"] in rows(statement(changed))


def test_sites_and_their_spellings_are_listed() -> None:
    found = rows(printed())
    assert ["tibial", "`ankle`, `popliteal_fossa`", "-"] in found
    assert ["fibular", "`ankle`, `below_fibular_head`, `above_fibular_head`", "`lateral_malleolus`"] in found
    assert ["`popliteal_fossa`", "`pop fossa`, `popliteal`"] in found


def test_tables_are_whole() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", printed(), flags=re.MULTILINE):
        assert len({line.count(" | ") for line in table.splitlines()}) == 1, table
    assert "None" not in printed()
