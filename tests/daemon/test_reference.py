import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gateway
from gateway.daemon.reference import UnknownId, load_reference, shipped_data
from gateway.domain.anatomy import Anatomy
from gateway.errors import ConfigError, did_you_mean

SET = """\
id = "house-rule"
title = "A rule of the house"
source = "the house"
status = "unverified"
version = "1"
nerves = ["median"]
[[rules]]
grade = "block"
conditions = [{ quantity = "area_reduction_percent", op = ">=", limit = 60.0 }]
"""
NORMS = """\
id = "aanem-2016"
title = "Our own"
source = "this laboratory"
technique = "ours"
[[motor]]
nerve = "median"
muscle = "apb"
status = "given"
amplitude_mv = 5.0
velocities = [{ distal = "wrist", proximal = "elbow", limit_m_s = 50 }]
"""
UNKNOWN_IN_NORMS = "'a\\nb': unknown key; known: id, title, source, technique, use_unverified, motor, sensory"
STATUSES = {"given", "verified", "recalled", "unverified"}


def own(folder: Path, kind: str, text: str, name: str = "own.toml") -> Path:
    """A laboratory's own directory with one file in it."""
    (folder / kind).mkdir(exist_ok=True)
    (folder / kind / name).write_text(text, "utf-8")
    return folder


def refused(folder: Path, **asked: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_reference(data_dir=folder, **asked)
    return str(caught.value).replace(f"{folder}/", "")


def shipped(kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (path.name, tomllib.loads(path.read_text("utf-8"))) for path in (shipped_data() / kind).glob("*.toml")
    ]


def test_by_default_the_usual_set_grades_and_every_verified_one_is_shown() -> None:
    found = load_reference()
    assert found.grading == "efns-pns-mmn-2010"
    assert found.criteria[0].id == found.grading
    assert "amplitude-50" in [entry.id for entry in found.criteria]
    assert found.norms.id == "aanem-2016"


def test_the_sets_come_in_the_order_they_were_asked_for_and_once() -> None:
    asked = ["amplitude-50", "efns-pns-mmn-2010", "amplitude-50"]
    found = load_reference(criteria=asked, grading="efns-pns-mmn-2010", norms="preston-shapiro")
    assert [entry.id for entry in found.criteria] == ["amplitude-50", "efns-pns-mmn-2010"]
    assert found.norms.id == "preston-shapiro"


@pytest.mark.parametrize("asked", [[], ["amplitude-50"]])
def test_the_set_that_grades_is_there_also_when_the_list_lacks_it(asked: list[str]) -> None:
    found = load_reference(criteria=asked)
    assert [entry.id for entry in found.criteria] == ["efns-pns-mmn-2010", *asked]


def test_an_unverified_set_is_used_only_when_it_is_named(tmp_path: Path) -> None:
    folder = own(tmp_path, "criteria", SET)
    assert "house-rule" not in [entry.id for entry in load_reference(data_dir=folder).criteria]
    found = load_reference(data_dir=folder, grading="house-rule", criteria=["house-rule"])
    assert [entry.id for entry in found.criteria] == ["house-rule"]
    assert found.grading == "house-rule"


def test_a_laboratorys_file_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    found = load_reference(data_dir=own(tmp_path, "norms", NORMS)).norms
    assert (found.id, found.source) == ("aanem-2016", "this laboratory")
    assert [(row.nerve, row.amplitude_mv) for row in found.motor] == [("median", 5.0)]


def test_a_laboratorys_anatomy_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    text = (shipped_data() / "anatomy" / "standard.toml").read_text("utf-8")
    own(tmp_path, "anatomy", text.replace('aliases = ["peroneal"]', 'aliases = ["peroneal", "N. fibularis"]'))
    assert "N. fibularis" in load_reference(data_dir=tmp_path).anatomy.nerves["fibular"].aliases


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert refused(tmp_path / "typo") == f"[analysis] data_dir {tmp_path}/typo: no such directory"


def test_two_own_files_with_one_id_are_an_error(tmp_path: Path) -> None:
    own(tmp_path, "norms", NORMS)
    own(tmp_path, "norms", NORMS, "zzz.toml")
    assert refused(tmp_path).startswith("norms/zzz.toml: another file in ")


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("norms", NORMS.replace("technique", "tecnique"), "tecnique: unknown key; did you mean 'technique'?"),
        (
            "norms",
            NORMS + "amplitude = 5\n",
            "motor[0].amplitude: unknown key; did you mean 'amplitude_mv'?",
        ),
        (
            "norms",
            NORMS.replace("limit_m_s", "limit"),
            "motor[0].velocities[0].limit: unknown key; did you mean 'limit_m_s'?",
        ),
        (
            "norms",
            NORMS.replace("= 50", "= 50, above = 1"),
            "motor[0].velocities[0].above: unknown key; known: distal, proximal, limit_m_s",
        ),
        ("norms", '"a\\nb" = 1\n' + NORMS, UNKNOWN_IN_NORMS),
        ("norms", NORMS.replace('title = "Our own"\n', ""), "Object missing required field `title`"),
        ("norms", NORMS.replace('muscle = "apb"\n', ""), "motor[0]: Object missing required field `muscle`"),
        (
            "norms",
            NORMS.replace("= 5.0", '= "5"'),
            "motor[0].amplitude_mv: Expected `float | null`, got `str`",
        ),
        (
            "criteria",
            SET.replace('version = "1"', 'versoin = "1"'),
            "versoin: unknown key; did you mean 'version'?",
        ),
        (
            "criteria",
            SET.replace('"unverified"', '"sure"'),
            "status: unknown word; known: given, recalled, unverified, verified",
        ),
        (
            "criteria",
            SET.replace('"block"', '"none"'),
            "rules[0].grade: unknown word; known: block, definite_block, probable_block",
        ),
        ("criteria", SET.replace('["median"]', '"al"'), "nerves: unknown word; did you mean 'all'?"),
    ],
)
def test_what_nobody_knows_is_named_with_the_file_and_the_place(
    tmp_path: Path, kind: str, text: str, told: str
) -> None:
    assert refused(own(tmp_path, kind, text)) == f"{kind}/own.toml: {told}"


@pytest.mark.parametrize(
    ("data", "reason"), [(b"id = \n", "Invalid value"), (b'id = "\xff"\n', "can't decode byte 0xff")]
)
def test_what_is_no_toml_is_named_with_the_file(tmp_path: Path, data: bytes, reason: str) -> None:
    (own(tmp_path, "norms", "") / "norms" / "own.toml").write_bytes(data)
    told = refused(tmp_path)
    assert told.startswith("norms/own.toml: ")
    assert reason in told


def test_what_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "norms" / "own.toml").mkdir(parents=True)
    assert refused(tmp_path) == "norms/own.toml: Is a directory"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"criteria": ["amplitude50"]}, "no criteria set 'amplitude50'; did you mean 'amplitude-50'?"),
        (
            {"grading": "zzz"},
            (
                "no criteria set 'zzz'; there are: aaem-1999, aaem-mmn-2003, aan-1991, amplitude-50, "
                "ean-pns-cidp-2021, efns-pns-cidp-2010, efns-pns-mmn-2010, ghosh-2005, pfeiffer-2000-d, "
                "utrecht-2000"
            ),
        ),
        ({"norms": "aanem"}, "no norm table 'aanem'; did you mean 'aanem-2016'?"),
        ({"norms": "zzz"}, "no norm table 'zzz'; there are: aanem-2016, preston-shapiro"),
    ],
)
def test_an_unknown_id_is_answered_with_those_there_are(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(UnknownId, match=f"^{re.escape(told)}$"):
        load_reference(**asked)


def test_nothing_is_suggested_for_a_word_like_no_other() -> None:
    assert did_you_mean("xyz", ["gateway"]) == ""


def test_an_installed_package_brings_its_data_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_config").mkdir()
    monkeypatch.setattr(gateway, "__file__", str(tmp_path / "__init__.py"))
    assert shipped_data() == tmp_path / "_config"


@pytest.mark.parametrize(("name", "table"), shipped("norms"))
def test_every_shipped_norm_has_a_source_and_a_status(name: str, table: dict[str, Any]) -> None:
    assert table["id"] == name.removesuffix(".toml")
    assert table["source"]
    assert table["technique"]
    assert {row["status"] for row in table["motor"] + table["sensory"]} <= STATUSES


@pytest.mark.parametrize(("name", "table"), shipped("criteria"))
def test_every_shipped_criterion_has_a_source_and_a_status(name: str, table: dict[str, Any]) -> None:
    assert table["id"] == name.removesuffix(".toml")
    assert table["version"]
    for numbers in (table, *table.get("floor", {}).values()):
        assert numbers["source"]
        assert numbers["status"] in STATUSES


def test_the_shipped_anatomy_has_a_source_for_its_order_its_codes_and_every_exclusion() -> None:
    (_, table) = shipped("anatomy")[0]
    assert table["source"]
    for nerve in table["nerves"].values():
        assert all(entry["source"] and entry["why"] for entry in nerve.get("excluded", ()))


def test_the_marker_settings_say_what_authority_they_have() -> None:
    text = (shipped_data() / "markers.toml").read_text("utf-8")
    assert "engineering settings of this product" in text
    unexplained = [line for line in text.splitlines() if "=" in line.partition("#")[0] and "#" not in line]
    assert unexplained == []


def unknown_names(anatomy: Anatomy) -> Iterator[str]:
    """The nerves, muscles and sites of the shipped tables that the shipped anatomy does not know."""
    for name, table in shipped("criteria"):
        nerves = [] if table["nerves"] == "all" else table["nerves"]
        yield from (f"{name}: {nerve}" for nerve in nerves if nerve not in anatomy.nerves)
    for name, table in shipped("norms"):
        for row in table["motor"]:
            sites = [site for limit in row["velocities"] for site in (limit["distal"], limit["proximal"])]
            known = row["nerve"] in anatomy.nerves and row["muscle"] in anatomy.muscles
            if not known or not set(sites) <= set(anatomy.nerves[row["nerve"]].sites):
                yield f"{name}: {row}"
        for row in table["sensory"]:
            stimulated = set(row["stimulation_sites"]) <= set(anatomy.sensory_stimulation_sites)
            if not stimulated or row["recording_site"] not in anatomy.sensory_recording_sites:
                yield f"{name}: {row}"


def test_the_shipped_tables_speak_of_what_the_anatomy_knows() -> None:
    assert list(unknown_names(load_reference().anatomy)) == []


def test_a_code_that_is_none_is_refused_with_its_file(tmp_path: Path) -> None:
    text = (shipped_data() / "anatomy" / "standard.toml").read_text("utf-8").replace('"7:740"', '"seven"')
    assert refused(own(tmp_path, "anatomy", text)) == (
        "anatomy/own.toml: muscles.apb.mdc: not an MDC code, write it as 7:132"
    )
