"""The sheet for sign-off says what the loaded data say."""

from dataclasses import fields
from pathlib import Path

import pytest

from gateway.commands.main import run
from gateway.domain import wording
from gateway.domain.martin_gruber import Crossover
from gateway.domain.pattern import MIMICS
from tests.checkout import ROOT
from tests.factories import reference


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["criteria", *arguments]) == 0
    return capsys.readouterr().out


def test_the_page_in_the_documentation_is_what_the_command_prints(capsys) -> None:
    assert (ROOT / "docs" / "clinical.md").read_text("utf-8") == printed(capsys)


def test_every_number_that_judges_stands_in_the_sheet_with_its_source(capsys) -> None:
    text = printed(capsys)
    loaded = reference()

    for entry in loaded.criteria:
        section = text.partition(f"### `{entry.id}`: {entry.title}")[2].partition("\n### ")[0]
        assert f"Source: {entry.source}. Status: {entry.status}" in section
        limits = [condition for rule in entry.rules for condition in rule.conditions]
        assert all(f"{limit.op} {limit.limit:g}" in section for limit in limits)
    for field in fields(loaded.thresholds):
        entry = getattr(loaded.thresholds, field.name)
        assert f"| `{field.name}` | {entry.value:g} | {entry.source} | {entry.status} |" in text
    assert text.count("| recalled | [ ] |") + text.count("| unverified | [ ] |") >= len(loaded.norms.motor)
    for criteria in loaded.differentials:
        assert f"### `{criteria.id}`: {criteria.title}" in text


def test_every_gate_and_every_mimic_stands_in_the_sheet(capsys) -> None:
    text = printed(capsys)
    gates = (
        *("submaximal", "erb_unproven", "supramaximal_unproven", "no_proximal_response"),
        *(str(known) for known in (Crossover.NOT_EXCLUDED, Crossover.DEMONSTRATED)),
        *("costimulation_suspected", "dispersed_complex", "acute_onset", "filter_mismatch"),
        "temperature_low",
    )

    rows = [line for line in text.splitlines() if line.startswith("| `") and line.endswith("| [ ] |")]
    assert all(any(f"`{gate}`" in row.split(" | ")[0] for row in rows) for gate in gates)
    assert all(f"| {wording.MIMICS[mimic]} | " in text for mimic in MIMICS)


def test_a_laboratory_s_own_criteria_norms_and_thresholds_show(tmp_path: Path, capsys) -> None:
    data = tmp_path / "data"
    (data / "criteria").mkdir(parents=True)
    (data / "norms").mkdir()
    (data / "criteria" / "own.toml").write_text(
        'id = "own"\ntitle = "Our limit"\nsource = "us"\nstatus = "given"\nversion = "1"\n'
        'nerves = ["median"]\n'
        'segments = [{ distal = "wrist", proximal = "elbow" }]\n'
        '[[rules]]\ngrade = "block"\nlength = "short"\nsegments = [{ nerve = "median", distal = "wrist",'
        ' proximal = "elbow" }]\n'
        'conditions = [{ quantity = "amplitude_reduction_percent", op = ">", limit = 41.5 }]\n'
    )
    (data / "norms" / "own.toml").write_text(
        'id = "own"\ntitle = "Our limits"\nsource = "us"\ntechnique = "ours"\nuse_unverified = true\n'
        '[[motor]]\nnerve = "median"\nmuscle = "apb"\nstatus = "given"\namplitude_mv = 4.7\n'
        'stratum = { age_years = [18, 39], height_cm = [150, 170], bmi = [24, inf], sex = "F" }\n'
        '[[sensory]]\nnerve = "sural"\nstimulation_sites = ["calf"]\nrecording_site = "ankle"\n'
        'status = "given"\ndistance_mm = 140\namplitude_uv = 5\nonset_latency_ms = 3.9\n'
        "stratum = { bmi = [0, 24] }\n"
    )
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'[analysis]\ncriteria = ["own"]\ngrading = "own"\nnorms = "own"\ndata_dir = "{data}"\n'
    )

    text = printed(capsys, "--config", str(config))

    assert "Findings follow `own`" in text
    assert (
        "| block | amplitude reduction > 41.5 % (short segment; segment median wrist-elbow) | [ ] |" in text
    )
    assert "nerves: median; segments: wrist-elbow" in text
    assert "18 to 39 years, height from 150 cm below 170 cm, BMI from 24, women" in text
    assert "| sural | calf to ankle | BMI below 24 | >= 5 | onset <= 3.9 (140) | - | given | [ ] |" in text
    assert "Rows of unverified numbers are off." not in text
