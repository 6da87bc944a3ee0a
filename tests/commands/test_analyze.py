import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.commands.main import run
from gateway.daemon.reference import shipped_data
from gateway.domain.recording import NO_RESPONSE
from gateway.domain.study import Patient, Study
from gateway.formats import lis, study_json
from gateway.formats.dicom.writing import Encoding
from gateway.formats.dicom.writing import write as write_dicom
from tests.factories import cmap, median, motor, motor_marks, reference, sensory, study
from tests.schemas import schema

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
Capture = pytest.CaptureFixture[str]
VALID = Draft202012Validator(schema("assessment"))
WEAK = motor_marks(amplitude_mv=3.0, negative_area_mv_ms=9.5)
NO_MARTIN_GRUBER = tuple(median(site, NO_RESPONSE, recording_site="adm") for site in ("wrist", "elbow"))


@pytest.fixture
def block(tmp_path: Path) -> Path:
    """A study with a block of the ulnar nerve in the forearm, without an anastomosis."""
    path = tmp_path / "block.study.json"
    return written(path, motor("wrist"), motor("below_elbow", WEAK), *NO_MARTIN_GRUBER, sensory())


def written(path: Path, *recordings: Any, **header: Any) -> Path:
    path.write_bytes(study_json.encode(study(*recordings, **header)))
    return path


def documents(capsys: Capture) -> tuple[list[dict[str, Any]], list[str]]:
    """What was printed, one document a line, and the lines on standard error."""
    out, err = capsys.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    for document in found:
        VALID.validate(document)
    return found, err.splitlines()


def analyzed(capsys: Capture, *arguments: str | Path) -> dict[str, Any]:
    assert run(["analyze", *map(str, arguments)]) == 0
    (document,), errors = documents(capsys)
    assert errors == []
    return document


def ulnar(document: dict[str, Any]) -> dict[str, Any]:
    (segment,) = [entry for entry in document["segments"] if entry["nerve"] == "ulnar"]
    return segment


def test_a_study_gives_its_assessment_as_one_line_of_json(capsys: Capture, block: Path) -> None:
    document = analyzed(capsys, block)
    segment = ulnar(document)
    assert document["study_id"] == "S-1"
    assert document["status"] == "preliminary"
    assert document["simulated"] is False
    assert segment["finding"] == "definite_block"
    assert segment["grades"] == {
        "efns-pns-mmn-2010": "definite_block",
        "aan-1991": "probable_block",
        "amplitude-50": "block",
        "ean-pns-cidp-2021": "block",
        "efns-pns-cidp-2010": "definite_block",
        "ghosh-2005": "block",
        "pfeiffer-2000-d": "block",
        "utrecht-2000": "definite_block",
    }


def test_a_block_that_an_anastomosis_may_imitate_is_in_doubt(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "doubt.study.json"
    document = analyzed(capsys, written(path, motor("wrist"), motor("below_elbow", WEAK), sensory()))
    segment = ulnar(document)
    assert (segment["finding"], segment["reasons"]) == ("indeterminate", ["martin_gruber_not_excluded"])
    assert segment["grades"]["efns-pns-mmn-2010"] == "definite_block"
    assert document["mmn"]["missing"] == ["exclude_martin_gruber:ulnar:right"]


def test_no_identifier_of_the_patient_is_printed(capsys: Capture, block: Path) -> None:
    for form in ("json", "text"):
        assert run(["analyze", str(block), "--format", form]) == 0
        shown = capsys.readouterr().out
        assert not {word for word in ("P-1", "Canary", "1971") if word in shown}


def test_several_files_are_printed_in_their_order_and_each_bad_one_is_a_line(
    capsys: Capture, tmp_path: Path, block: Path
) -> None:
    other = written(tmp_path / "other.study.json", motor("wrist"), study_id="S-2")
    broken = tmp_path / "broken.study.json"
    broken.write_text('{"schema": "emg-gateway/study/1", "study": 1}', "utf-8")
    missing = tmp_path / "missing.study.json"

    assert run(["analyze", *map(str, (broken, other, missing, block))]) == 65

    rest = "simulated, patient, device, order, clinical, schema, recordings"
    found, errors = documents(capsys)
    assert [document["study_id"] for document in found] == ["S-2", "S-1"]
    assert errors == [
        f"emg-gateway: {broken}: an unknown key; known: study_id, performed_at, {rest}",
        f"emg-gateway: {missing}: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"x\\n\\u001b[31my": 1}', "an unknown key; known: study_id"),
    ],
)
def test_what_is_no_study_document_is_one_line(
    capsys: Capture, tmp_path: Path, content: bytes, place: str
) -> None:
    (tmp_path / "bad.study.json").write_bytes(content)
    assert run(["analyze", str(tmp_path / "bad.study.json")]) == 65
    found, (error,) = documents(capsys)
    assert found == []
    assert error.startswith(f"emg-gateway: {tmp_path}/bad.study.json: ")
    assert place in error


def test_a_bad_value_is_named_with_its_place_in_the_document(capsys: Capture, tmp_path: Path) -> None:
    text = study_json.encode(study(motor("wrist"), motor("below_elbow"))).decode()
    (tmp_path / "bad.study.json").write_text(text.replace('"below_elbow"', '"knee"'), "utf-8")
    assert run(["analyze", str(tmp_path / "bad.study.json")]) == 65
    assert "bad.study.json: recordings[1]: stimulation_site: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("/no/such/file", 66, "No such file or directory"),
        ("/dev", 66, "Is a directory"),
        ("/dev/zero", 65, "the document is larger than"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(
    capsys: Capture, path: str, code: int, reason: str
) -> None:
    assert run(["analyze", path]) == code
    found, (error,) = documents(capsys)
    assert found == []
    assert error.startswith(f"emg-gateway: {path}: {reason}")


def test_the_first_of_the_named_sets_grades_and_no_other_is_shown(capsys: Capture, block: Path) -> None:
    only = analyzed(capsys, block, "--criteria", "amplitude-50")
    assert only["grading"] == "amplitude-50"
    assert list(only["criteria"]) == ["amplitude-50"]
    assert ulnar(only)["finding"] == "block"

    both = analyzed(capsys, block, "--criteria", "amplitude-50", "--criteria", "efns-pns-mmn-2010")
    assert both["grading"] == "amplitude-50"
    assert list(both["criteria"]) == ["amplitude-50", "efns-pns-mmn-2010"]


def test_the_norm_table_can_be_chosen(capsys: Capture, block: Path) -> None:
    assert analyzed(capsys, block)["sensory"][0]["limits"] == {"amplitude_uv": 10.0, "peak_latency_ms": 4.0}
    document = analyzed(capsys, block, "--norms", "preston-shapiro")
    assert document["norms"] == "preston-shapiro"
    assert document["sensory"][0]["limits"]["amplitude_uv"] == 17.0


@pytest.mark.parametrize("polarity", ["true", "negative_up"])
def test_the_sign_of_a_study_document_is_fixed(capsys: Capture, block: Path, polarity: str) -> None:
    assert analyzed(capsys, block, "--polarity", polarity) == analyzed(capsys, block)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--criteria", "amplitude"], "no criteria set 'amplitude'; did you mean 'amplitude-50'?"),
        (["--norms", "aanem"], "no norm table 'aanem'; did you mean 'aanem-2016'?"),
    ],
)
def test_an_unknown_id_is_a_matter_of_the_command_line(
    capsys: Capture, block: Path, option: list[str], told: str
) -> None:
    assert run(["analyze", str(block), *option]) == 64
    assert capsys.readouterr() == ("", f"emg-gateway: {told}\n")


def configured(folder: Path, *lines: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text("\n".join(["[analysis]", *lines]), "utf-8")
    return path


def test_sets_and_norms_can_come_from_a_configuration(capsys: Capture, tmp_path: Path, block: Path) -> None:
    config = configured(
        tmp_path, 'criteria = ["amplitude-50"]', 'grading = "amplitude-50"', 'norms = "preston-shapiro"'
    )
    document = analyzed(capsys, block, "--config", config)
    assert (document["grading"], document["norms"]) == ("amplitude-50", "preston-shapiro")
    assert list(document["criteria"]) == ["amplitude-50"]

    document = analyzed(
        capsys, block, "--config", config, "--criteria", "efns-pns-mmn-2010", "--norms", "aanem-2016"
    )
    assert (document["grading"], document["norms"]) == ("efns-pns-mmn-2010", "aanem-2016")


def test_a_laboratorys_own_limits_are_used(capsys: Capture, tmp_path: Path, block: Path) -> None:
    (tmp_path / "data" / "norms").mkdir(parents=True)
    shipped = (shipped_data() / "norms" / "aanem-2016.toml").read_text("utf-8")
    own = shipped.replace("amplitude_uv = 10\n", "amplitude_uv = 25\n")
    (tmp_path / "data" / "norms" / "own.toml").write_text(own, "utf-8")
    config = configured(tmp_path, f'data_dir = "{tmp_path}/data"')

    assert analyzed(capsys, block)["sensory"][0]["result"] == "normal"
    assert analyzed(capsys, block, "--config", config)["sensory"][0]["result"] == "abnormal"


def test_a_configuration_that_cannot_be_used_is_named(capsys: Capture, tmp_path: Path, block: Path) -> None:
    assert run(["analyze", str(block), "--config", str(tmp_path / "none.toml")]) == 78
    assert f"{tmp_path}/none.toml: No such file" in capsys.readouterr().err
    assert run(["analyze", str(block), "--config", str(configured(tmp_path, "data_dir = 1"))]) == 78
    assert f"{tmp_path}/gateway.toml: [analysis].data_dir: " in capsys.readouterr().err


def test_on_a_terminal_it_is_text(capsys: Capture, monkeypatch: pytest.MonkeyPatch, block: Path) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["analyze", str(block)]) == 0
    assert capsys.readouterr().out.startswith("Study S-1, 2026-11-02T10:15:00+01:00\n")
    analyzed(capsys, block, "--format", "json")


# Files of other formats


def exported(folder: Path, whole: Study, encoding: Encoding = Encoding()) -> list[Path]:  # noqa: B008
    """The files a cart exports of a study, one a recording."""
    paths = []
    for number, content in enumerate(write_dicom(whole, reference().anatomy, encoding)):
        paths.append(folder / f"IM{number:06}")  # carts give no suffix
        paths[-1].write_bytes(content)
    return paths


@pytest.fixture
def curves() -> Study:
    """A block of the median nerve in the forearm, as curves; the study's id is a UID."""
    sweeps = (
        median("wrist", waveform=cmap(amplitude_uv=9000), measured=None),
        median("elbow", waveform=cmap(amplitude_uv=3000, onset_ms=7), measured=None),
    )
    return study(*sweeps, study_id="1.2.826.0.1.3680043.8.498.1")


def test_the_files_of_one_dicom_study_fold_in_the_order_of_the_first(
    capsys: Capture, tmp_path: Path, block: Path, curves: Study
) -> None:
    distal, proximal = exported(tmp_path, curves)

    assert run(["analyze", str(distal), str(block), str(proximal), str(distal)]) == 0

    (folded, other), errors = documents(capsys)
    assert errors == []
    assert other["study_id"] == "S-1"
    assert folded["study_id"] == curves.header.study_id
    assert [entry["stimulation_site"] for entry in folded["recordings"]] == ["wrist", "elbow"]
    assert folded["segments"][0]["finding"] == "definite_block"


def test_the_order_in_which_files_are_named_changes_nothing(
    capsys: Capture, tmp_path: Path, curves: Study
) -> None:
    distal, proximal = curves.recordings
    again = replace(distal, waveform=cmap(amplitude_uv=6000))
    timed = tuple(
        replace(entry, recorded_at=f"2026-11-02T10:{minute}:00+01:00")
        for entry, minute in ((distal, 15), (proximal, 17), (again, 20))
    )
    paths = exported(tmp_path, replace(curves, recordings=timed))

    forth, back = analyzed(capsys, *paths), analyzed(capsys, *reversed(paths))

    assert forth == back
    assert forth["recordings"][0]["marks"]["amplitude_mv"] == pytest.approx(6.0, abs=0.01)


def test_a_file_without_a_patient_id_is_of_the_study_s_patient(
    capsys: Capture, tmp_path: Path, curves: Study
) -> None:
    distal, proximal = exported(tmp_path, curves)
    nobody = replace(curves, header=replace(curves.header, patient=Patient()))
    proximal.write_bytes(write_dicom(nobody, reference().anatomy)[1])

    assert len(analyzed(capsys, distal, proximal)["recordings"]) == 2


def test_the_polarity_of_dicom_files_is_what_it_is_said_to_be(
    capsys: Capture, tmp_path: Path, curves: Study
) -> None:
    paths = exported(tmp_path, curves, Encoding(polarity="negative_up"))

    right = analyzed(capsys, *paths, "--polarity", "negative_up")
    wrong = analyzed(capsys, *paths)

    assert right["segments"][0]["finding"] == "definite_block"
    assert wrong["recordings"][0]["marks"] != right["recordings"][0]["marks"]


def test_files_of_one_study_and_two_patients_are_not_folded(
    capsys: Capture, tmp_path: Path, curves: Study
) -> None:
    distal, proximal = exported(tmp_path, curves)
    stranger = replace(curves, header=replace(curves.header, patient=Patient(id="P-2")))
    proximal.write_bytes(write_dicom(stranger, reference().anatomy)[1])

    assert run(["analyze", str(distal), str(proximal)]) == 65

    (document,), (error,) = documents(capsys)
    assert len(document["recordings"]) == 1
    assert error == f"emg-gateway: {proximal}: the study of an earlier file, but another patient id"


def test_what_of_a_file_could_not_be_used_is_a_line_and_the_rest_is_judged(
    capsys: Capture, tmp_path: Path
) -> None:
    (records,) = lis.FORMAT.write(study(motor("wrist"), motor("below_elbow", WEAK)), reference().anatomy)
    path = tmp_path / "cart.lis"
    path.write_bytes(records.replace(b"CMAP-AMP|3.0|mV", b"CMAP-AMP|3.0|kg"))

    assert run(["analyze", str(path)]) == 65

    (document,), (error,) = documents(capsys)
    assert [entry["stimulation_site"] for entry in document["recordings"]] == ["wrist"]
    assert error.startswith(f"emg-gateway: {path}: record ")


def test_the_limits_of_the_configuration_hold(capsys: Capture, tmp_path: Path, block: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("[limits]\ndocument_bytes = 100\n", "utf-8")

    assert run(["analyze", "--config", str(config), str(block)]) == 65

    assert "larger than 100 bytes" in capsys.readouterr().err


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the folder with sample files of others is not there")
@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ("dicom/waveform_ecg.dcm", "SOPClassUID: must be "),
        ("astm/yumizen_result.astm", "H-2: declares fewer than four different delimiters"),
        ("edf/short_psg.edf", "not a file of a known format; known: "),
        ("xml/dpncheck_template.xml", "not a file of a known format; known: "),
    ],
)
def test_real_files_of_other_kinds_are_refused_with_the_reason(
    capsys: Capture, sample: str, reason: str
) -> None:
    assert run(["analyze", str(SAMPLES / sample)]) == 65
    found, (error,) = documents(capsys)
    assert found == []
    assert reason in error


# Explanations


def test_explain_prints_text_with_the_derivation_under_each_finding(capsys: Capture, block: Path) -> None:
    assert run(["analyze", "--explain", str(block)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("Study S-1, ")
    finding = next(n for n, line in enumerate(out) if "ulnar ADM, wrist to below elbow: " in line)
    assert out.index("      area reduction = 100 (28.00 - 9.50) / 28.00 = 66.1 %") > finding


def test_a_document_has_derivations_only_when_they_are_asked_for(capsys: Capture, block: Path) -> None:
    plain = analyzed(capsys, block)
    full = analyzed(capsys, block, "--explain", "--format", "json")

    for name in ("segments", "sensory"):
        assert [entry.pop("derivation")[-1]["step"] for entry in full[name]]
    assert full == plain


def test_a_derivation_in_a_document_is_its_steps(capsys: Capture, block: Path) -> None:
    found = analyzed(capsys, block, "--explain", "--format", "json")["segments"]
    segment = next(entry for entry in found if entry["finding"] == "definite_block")
    by_kind = {entry["step"]: entry for entry in segment["derivation"]}
    assert by_kind["ruled"].keys() >= {"grade", "conditions", "gave", "text"}
    concluded = {
        entry["what"]: entry["value"] for entry in segment["derivation"] if entry["step"] == "concluded"
    }
    assert concluded == {"grade": "definite_block", "finding": segment["finding"]}
