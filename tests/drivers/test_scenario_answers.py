"""What the rules answer for every virtual patient.

`ANSWERS` is plain data. Each row names the segment that decides the scenario, its finding under the default
grading set, what `amplitude-50` says of it, every sensory result that is not normal, and the support. Every
other eligible segment has the finding `none`, or is not listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

import gateway
from drivers.simulator import SIMULATOR
from gateway.domain.assessment import document
from gateway.domain.study import Study
from gateway.pipeline.stages import assessment, examine
from tests.factories import reference

PERFORMED_AT = "2026-11-02T10:15:00+01:00"
SEEDS = (7, 11, 42)

FOREARM = "median apb wrist-elbow"
ULNAR_FOREARM = "ulnar adm wrist-below_elbow"
ULNAR_ELBOW = "ulnar adm below_elbow-above_elbow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One row: what is said of a scenario now, and what a gate will say of it."""

    segment: str
    finding: str
    by_amplitude: str
    reasons: tuple[str, ...] = ()
    sensory: Mapping[str, str] = field(default_factory=dict)
    sensory_normal: bool = True
    support: str


ANSWERS = {
    "normal": Answer(segment=FOREARM, finding="none", by_amplitude="none", support="none"),
    "block-forearm": Answer(
        segment=FOREARM, finding="definite_block", by_amplitude="block", support="definite"
    ),
    "dispersion": Answer(
        segment=FOREARM,
        finding="none",
        by_amplitude="block",  # it knows no duration
        reasons=("temporal_dispersion",),
        support="none",
    ),
    "cts": Answer(
        segment=FOREARM,
        finding="none",
        by_amplitude="none",
        sensory={"median": "abnormal_at_entrapment"},
        sensory_normal=False,
        support="none",
    ),
    "ulnar-elbow": Answer(
        segment=ULNAR_ELBOW,
        finding="excluded_site",
        by_amplitude="excluded_site",
        reasons=("compression_site",),
        sensory={"ulnar": "abnormal_at_entrapment"},
        sensory_normal=False,
        support="none",
    ),
    "als-low-cmap": Answer(
        segment=FOREARM,
        finding="not_assessable",
        by_amplitude="not_assessable",
        reasons=("below_distal_floor", "temporal_dispersion"),
        support="none",
    ),
    "martin-gruber": Answer(
        segment=ULNAR_FOREARM,
        finding="indeterminate",
        by_amplitude="block",
        reasons=("martin_gruber_demonstrated",),
        support="none",
    ),
    "submaximal": Answer(
        segment=FOREARM,
        finding="indeterminate",
        by_amplitude="block",
        reasons=("submaximal",),
        support="none",
    ),
    "cold-limb": Answer(
        segment=FOREARM,
        finding="not_assessable",
        by_amplitude="none",
        reasons=("temperature_low",),
        sensory=dict.fromkeys(("median", "ulnar", "superficial_radial"), "not_assessable"),
        sensory_normal=True,  # the sural nerve, in a warm leg
        support="none",
    ),
}
# Under the default set these say nothing of a block; als-low-cmap has no segment of the hand that can.
_SILENT = ("none", "not_listed", "excluded_site", "not_assessable")

CASES = [pytest.param(name, seed, id=f"{name}-{seed}") for name in ANSWERS for seed in SEEDS]


def examination(scenario: str, seed: int) -> Study:
    return SIMULATOR.study(scenario, seed=seed, performed_at=PERFORMED_AT)


def assessed(study: Study) -> dict[str, Any]:
    found = assessment(examine(study, reference()), reference())
    return dict(document(found, study_id=study.header.study_id, gateway_version=gateway.__version__))


def segments(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        f"{e['nerve']} {e['recording_site']} {e['distal_site']}-{e['proximal_site']}": e
        for e in found["segments"]
    }


def test_every_scenario_has_its_answer() -> None:
    assert list(ANSWERS) == [scenario.name for scenario in SIMULATOR.scenarios]


@pytest.mark.parametrize(("scenario", "seed"), CASES)
def test_the_rules_give_the_answer_for_every_seed(scenario: str, seed: int) -> None:
    wanted, found = ANSWERS[scenario], assessed(examination(scenario, seed))
    by_name = segments(found)
    deciding = by_name.pop(wanted.segment)

    assert deciding["finding"] == wanted.finding
    assert deciding["grades"]["amplitude-50"] == wanted.by_amplitude
    assert tuple(deciding["reasons"]) == wanted.reasons
    assert {entry["nerve"]: entry["result"] for entry in found["sensory"] if entry["result"] != "normal"} == (
        wanted.sensory
    )
    assert found["sensory_normal"] is wanted.sensory_normal
    assert found["mmn"]["support"] == wanted.support
    assert {name: e["finding"] for name, e in by_name.items() if e["finding"] not in _SILENT} == {}
