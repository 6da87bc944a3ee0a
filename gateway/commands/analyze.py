"""`analyze`: any supported file in, the Assessment out."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click
import msgspec

import gateway
from gateway.commands.documents import StudyFold, read_document
from gateway.commands.main import failed
from gateway.commands.text import assessment_text, explained
from gateway.daemon.config import AnalysisSection, load
from gateway.daemon.reference import UnknownId, load_reference
from gateway.domain.assessment import JsonObject, document
from gateway.domain.derivation import sensory_derivation, step_object
from gateway.domain.limits import Limits
from gateway.domain.study import Study
from gateway.errors import DataError, NoInput, UsageError
from gateway.formats import Polarity, Reading
from gateway.pipeline.stages import Examination, Judging, Reference, assessment, examine


@click.command("analyze")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--criteria", multiple=True, metavar="ID", help="Replaces the list of sets; the first one grades."
)
@click.option("--norms", metavar="ID", help="The norm table.")
@click.option(
    "--polarity",
    type=click.Choice(["true", "negative_up"]),
    default="true",
    show_default=True,
    help="The sign of DICOM and EDF files; no effect on Study documents and LIS, whose sign is fixed.",
)
@click.option(
    "--format", "form", type=click.Choice(["json", "text"]), help="Default: text on a terminal, else json."
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="Take sets, norms and data from this configuration."
)
@click.option(
    "--explain",
    is_flag=True,
    help="Show how every finding came about: numbers, limits, sources. Implies text.",
)
def command(
    files: Sequence[Path],
    criteria: Sequence[str],
    norms: str | None,
    polarity: Polarity,
    form: Literal["json", "text"] | None,
    config: Path | None,
    *,
    explain: bool,
) -> int:
    """Assess FILEs and print one document a study; a bad file is one line on standard error."""
    settings = load(config) if config else None
    reference = _reference(criteria, norms, settings.analysis if settings else None)
    limits = settings.limits if settings else Limits()
    fold, code = _read(files, Reading(anatomy=reference.anatomy, limits=limits, polarity=polarity))
    as_text = form == "text" or (form is None and (explain or sys.stdout.isatty()))
    for study in fold.studies:
        click.echo(_assessed(study, reference, as_text=as_text, explain=explain))
    return code


def _read(files: Sequence[Path], reading: Reading) -> tuple[StudyFold, int]:
    """What could be read, and the exit code; what could not be is told, a line a file."""
    fold, worst = StudyFold(), 0
    for path in files:
        try:
            file = read_document(path, reading)
            fold.add(file)
        except (DataError, NoInput) as error:
            code = failed(str(error), error.exit_code)
            worst = code if len(files) == 1 else DataError.exit_code
            continue
        for notice in file.document.notices:
            worst = failed(f"{path}: {notice}", DataError.exit_code)
    return fold, worst


def _reference(criteria: Sequence[str], norms: str | None, analysis: AnalysisSection | None) -> Reference:
    chosen = list(criteria) or (analysis.criteria if analysis else None)
    grading = criteria[0] if criteria else (analysis.grading if analysis else None)
    try:
        return load_reference(
            criteria=chosen,
            grading=grading,
            norms=norms or (analysis.norms if analysis else None),
            data_dir=Path(analysis.data_dir) if analysis and analysis.data_dir else None,
        )
    except UnknownId as error:
        raise UsageError(str(error)) from error


def _assessed(study: Study, reference: Reference, *, as_text: bool, explain: bool) -> str:
    """The assessment of a study, as text or as a document in one line."""
    if as_text:
        return assessment_text(examine(study, reference), reference, explain=explain)
    return msgspec.json.encode(assessment_object(study, reference, explain=explain)).decode()


def assessment_object(study: Study, reference: Reference, *, explain: bool = False) -> JsonObject:
    """The assessment of a study as a document; `explain`: with how each finding was derived."""
    examination = examine(study, reference)
    result = assessment(examination, reference)
    found = document(result, study_id=study.header.study_id, gateway_version=gateway.__version__)
    if explain:
        _explain(found, examination, Judging.of(examination, reference))
    return found


def _explain(found: dict[str, Any], examination: Examination, judging: Judging) -> None:
    """Add to each segment and sensory result of a document how it came about."""
    derivations = [explained(entry, judging) for entry in examination.findings]
    sensory = [sensory_derivation(one, judging.norms, judging.about) for one in examination.sensory]
    for name, steps in (("segments", derivations), ("sensory", sensory)):
        found[name] = [
            {**entry, "derivation": [step_object(step) for step in derivation]}
            for entry, derivation in zip(found[name], steps, strict=True)
        ]
