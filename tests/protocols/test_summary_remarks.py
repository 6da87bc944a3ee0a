"""The remarks on the grade of support: what a system that reads HL7 alone is told beside the values."""

from dataclasses import replace

from gateway.domain.recording import Recording, SensoryMarks, Side
from gateway.domain.study import ClinicalFacts
from gateway.pipeline.stages import assessment
from gateway.protocols.summary_remarks import REMARKS, summary_remarks
from tests.factories import examined, median_sensory, pair, reference, sensory

BLOCK = {"amplitude": 60.0, "area": 60.0}
MEDIAN = ("median", ("wrist", "elbow"))


def remarks(*recordings: Recording, **clinical: object) -> dict[str, str]:
    """What each remark says, by its label."""
    found = examined(*recordings, clinical=ClinicalFacts(**clinical))
    notice, *others = summary_remarks(assessment(found, reference()))
    assert notice.startswith("Preliminary")
    return dict(remark.split(": ", 1) for remark in others)


def test_the_pattern_names_nerves_limbs_and_the_other_side() -> None:
    block, other = pair(*MEDIAN, **BLOCK), pair(*MEDIAN, side=Side.LEFT)

    assert remarks(*block)["Pattern"] == (
        "blocked median:right; upper limb 1, lower limb 0; other side not compared"
    )
    assert remarks(*block, *other)["Pattern"].endswith("; asymmetric")
    both = (*block, *pair(*MEDIAN, side=Side.LEFT, **BLOCK))
    assert remarks(*both)["Pattern"] == (
        "blocked median:left, median:right; upper limb 2, lower limb 0; both sides alike"
    )


def test_mimics_come_with_what_speaks_for_them() -> None:
    slow = median_sensory(SensoryMarks(peak_latency_ms=5.0, amplitude_uv=20.0))

    found = remarks(*pair(*MEDIAN, **BLOCK), slow, umn_signs=True)

    assert found["Mimics"] == (
        "motor_neuron_disease (upper_motor_neuron_signs),"
        " entrapment (sensory_abnormal_at_entrapment:median:right)"
    )


def test_lists_for_cidp_are_named_where_an_item_beyond_block_is_met() -> None:
    assert "Demyelination" not in remarks(*pair(*MEDIAN, **BLOCK))
    assert remarks(*pair(*MEDIAN, duration=40.0, **BLOCK))["Demyelination"] == (
        "ean-pns-cidp-2021 weak (block median:right; dispersion median:right),"
        " efns-pns-cidp-2010 weak (block median:right; dispersion median:right)"
    )


def test_how_far_the_examination_has_come() -> None:
    assert remarks(*pair(*MEDIAN), sensory())["Complete examination"] == "3 of 34 recordings made"


def test_without_a_plan_nothing_is_counted() -> None:
    whole = replace(assessment(examined(*pair(*MEDIAN)), reference()), checklist=())

    assert not any(remark.startswith("Complete") for remark in summary_remarks(whole))


def test_what_has_nothing_to_say_is_not_sent_and_every_label_is_documented() -> None:
    healthy = remarks(*pair(*MEDIAN))

    assert not {"Pattern", "Mimics", "Demyelination", "Missing"} & set(healthy)
    everything = remarks(*pair(*MEDIAN, duration=40.0, **BLOCK), umn_signs=True)
    assert list(everything) == [label for label in REMARKS if label in everything]
    assert set(everything) == set(REMARKS)
