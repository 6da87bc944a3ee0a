"""`studies patient`: whose a study is, said by a person; nothing of the patient is ever printed."""

import io
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gateway.daemon.config import DATABASE
from gateway.store.database import open_database
from tests.commands.test_corrections import ME
from tests.commands.test_studies import Capture, code_of, folder, said, stated
from tests.schemas import schema

__all__ = ["folder"]


def test_whose_a_study_is_is_journaled_and_not_repeated(capsys: Capture, folder: Path) -> None:
    code = code_of(capsys, folder)
    words = ["id=P-2", "family=Canary", "birth_date=1971-03-05", "sex=F", "height_cm=170"]

    assert said(capsys, folder, "patient", "S-1", *words) == [f"{code}: noted"]
    assert said(capsys, folder, "patient", "S-1", *words) == [
        f"{code}: nothing new, the study says so already"
    ]
    assert stated(folder) == [("patient", ME)]
    assert said(capsys, folder, "patient", "S-1", "--withdraw") == [f"{code}: noted"]


def test_the_patient_can_come_on_standard_input(
    capsys: Capture, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("id=P-2\nfamily=Canary\n\n"))
    code = code_of(capsys, folder)
    assert said(capsys, folder, "patient", "S-1", "-") == [f"{code}: noted"]


def test_a_study_of_nobody_known_is_said_to_go_nowhere(capsys: Capture, folder: Path) -> None:
    code = code_of(capsys, folder)
    first, second = said(capsys, folder, "patient", "S-1", "--unknown")
    assert first == f"{code}: noted"
    assert "no hospital is sent anything" in second


@pytest.mark.parametrize(
    ("words", "patient", "listed"),
    [
        (["--unknown"], "nobody's", "refiled: another patient's, not known whose"),
        (["id=P-2", "family=Canary"], "another's", "refiled: another patient's"),
        (["--withdraw"], "cart's", "refiled: the patient's whom the cart named after all"),
    ],
)
def test_that_a_study_was_refiled_is_listed_and_shown_and_nobody_is_named(
    capsys: Capture, folder: Path, words: list[str], patient: str, listed: str
) -> None:
    said(capsys, folder, "patient", "S-1", "id=P-9", "family=Canary")
    said(capsys, folder, "patient", "S-1", *words)
    (line,) = said(capsys, folder, "list")
    assert line.endswith(f"  S-1  {listed}")
    assert json.loads(said(capsys, folder, "list", "--json")[0])["patient"] == patient
    text = said(capsys, folder, "show", "S-1", "--format", "text")
    assert text[-3].startswith("Refiled: ")
    assert text[-3].endswith(f" {code_of(capsys, folder)}-3.n")
    assert re.fullmatch(rf"\* today ..:.. by {ME}: {listed.removeprefix('refiled: ')}", text[-1])
    document = json.loads(said(capsys, folder, "show", "S-1")[0])
    Draft202012Validator(schema("assessment")).validate(document)
    assert [entry["patient"] for entry in document["refiled"]] == ["another's", patient]
    assert document["filing"] == 3
    assert not {"Canary", "P-9", "P-2"} & set(re.findall(r"[\w-]+", " ".join((line, *text, str(document)))))


async def test_one_who_cannot_be_read_may_be_anybody(capsys: Capture, folder: Path) -> None:
    said(capsys, folder, "patient", "S-1", "id=P-9")
    async with open_database(folder / DATABASE) as database:
        await database.write(
            lambda c: c.execute("UPDATE fact SET body = x'7b' WHERE kind = 'patient'").rowcount
        )
    assert said(capsys, folder, "list")[0].endswith("not known whose")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "say whose it is"),
        (["id=P-2", "--unknown"], "say whose it is"),
        (["--withdraw", "--unknown"], "say whose it is"),
        (["family=Canary"], "id: a patient has an id"),
        (["id=", "family=Canary"], "id: a patient has an id"),
        (["id=P-2", "famly=Canary"], "no such key; did you mean 'family'?"),
        (["Canary"], "no such key; there are: id, family"),
        (["id=P-2", "id=P-3"], "id: given twice"),
        (["id=P-2", "sex=X"], "sex: must be one of F, M, O, U"),
        (["id=P-2", "birth_date=5.3.71"], "birth_date: must be a day"),
        (["id=P-2", "height_cm=tall"], "height_cm: write a number"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nobody_is_named(
    capsys: Capture, folder: Path, words: list[str], told: str
) -> None:
    (line,) = said(capsys, folder, "patient", "S-1", *words, code=64)
    assert told in line
    assert "Canary" not in line
    assert stated(folder) == []
