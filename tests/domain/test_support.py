"""Electrodiagnostic support, category by category, in the order of precedence."""

from dataclasses import replace

import pytest

from gateway.daemon.reference import load_reference
from gateway.domain.quality import Quality
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, SensoryMarks, Side
from gateway.domain.study import ClinicalFacts
from gateway.domain.support import Support, caveats
from gateway.pipeline.stages import Examination, examine
from tests.factories import (
    circumstances,
    header,
    median,
    median_sensory,
    motor,
    motor_marks,
    pair,
    reference,
    sensory,
    study,
)

LOW = SensoryMarks(amplitude_uv=3.0, peak_latency_ms=3.1)


def arm(area: float, side: Side = Side.RIGHT) -> list[Recording]:
    """A median forearm study whose area falls to `area` of 28 mV.ms."""
    far = motor_marks(negative_area_mv_ms=area, onset_latency_ms=7.0)
    return [median("wrist", side=side), median("elbow", far, side=side)]


DEFINITE, PROBABLE, NONE = 10.0, 17.0, 27.0
SUPPORTIVE = ClinicalFacts(anti_gm1_igm="positive", csf_protein_g_l=0.6)


def support(*recordings: Recording, clinical: ClinicalFacts | None = None) -> Examination:
    return examine(study(*recordings, clinical=clinical or ClinicalFacts()), reference())


@pytest.mark.parametrize(
    ("recordings", "clinical", "expected", "reasons"),
    [
        (
            [*arm(DEFINITE), median_sensory()],
            ClinicalFacts(),
            Support.DEFINITE,
            ("definite_block:median:right",),
        ),
        (
            [*arm(DEFINITE), median_sensory()],
            ClinicalFacts(umn_signs=True),
            Support.AGAINST,
            ("upper_motor_neuron_signs",),
        ),
        (
            [*arm(DEFINITE), median_sensory(LOW)],
            ClinicalFacts(),
            Support.AGAINST,
            ("sensory_abnormal:median:right",),
        ),
        (
            [*arm(DEFINITE), median_sensory(NO_RESPONSE)],
            ClinicalFacts(),
            Support.AGAINST,
            ("sensory_absent:median:right",),
        ),
        (arm(DEFINITE), ClinicalFacts(), Support.NOT_ASSESSABLE, ("sensory_not_recorded:median:right",)),
        (
            [*arm(DEFINITE), sensory()],
            ClinicalFacts(),
            Support.NOT_ASSESSABLE,
            ("sensory_not_recorded:median:right",),
        ),
        (
            [*arm(PROBABLE), median_sensory()],
            ClinicalFacts(),
            Support.POSSIBLE,
            ("probable_block:median:right",),
        ),
        (
            [*arm(PROBABLE), median_sensory()],
            ClinicalFacts(anti_gm1_igm="positive"),
            Support.POSSIBLE,
            ("probable_block:median:right", "anti_gm1_igm_positive"),
        ),
        (
            [*arm(PROBABLE), median_sensory()],
            SUPPORTIVE,
            Support.PROBABLE,
            ("probable_block:median:right", "anti_gm1_igm_positive", "csf_protein_raised"),
        ),
        (
            [*arm(PROBABLE), *arm(PROBABLE, Side.LEFT), median_sensory(), median_sensory(side=Side.LEFT)],
            ClinicalFacts(),
            Support.PROBABLE,
            ("probable_block:median:left", "probable_block:median:right"),
        ),
        ([*arm(NONE), median_sensory(LOW)], ClinicalFacts(umn_signs=True), Support.NONE, ("no_block_found",)),
        ([median_sensory()], ClinicalFacts(), Support.NOT_ASSESSABLE, ("no_assessable_segment",)),
        ([], ClinicalFacts(), Support.NOT_ASSESSABLE, ("no_assessable_segment",)),
    ],
)
def test_support_follows_the_categories(recordings, clinical, expected, reasons) -> None:
    found = support(*recordings, clinical=clinical).mmn

    assert (found.support, found.reasons) == (expected, reasons)


def test_a_nerve_of_which_nothing_could_be_judged_is_not_called_free() -> None:
    small = pair("fibular", ("ankle", "below_fibular_head"), area=5.0, distal_mv=0.5)

    found = support(*arm(NONE), *small, median_sensory()).mmn

    assert (found.support, found.reasons) == (Support.NONE, ("no_block_found", "not_judged:fibular:right"))


def test_one_segment_that_was_judged_is_enough() -> None:
    only_height = MotorMarks(onset_latency_ms=11.0, amplitude_mv=9.0)
    forearm = pair("median", ("wrist", "elbow"), area=5.0)
    axilla = motor("axilla", only_height, nerve="median", recording_site="apb")

    found = support(*forearm, axilla, median_sensory())

    assert [str(entry.finding) for entry in found.findings] == ["none", "not_assessable"]
    assert found.mmn.reasons == ("no_block_found",)


@pytest.mark.parametrize(
    ("code", "kept"), [("artefact_overlaps_onset", True), ("baseline_unsteady", True), ("notched", False)]
)
def test_a_snap_on_a_doubtful_baseline_is_to_be_kept_in_mind(code: str, kept: bool) -> None:
    (result,) = support(median_sensory()).sensory
    unsure = replace(result, evoked=replace(result.evoked, quality=(Quality(code),)))

    found = caveats((), (), (unsure,), reference().norms, circumstances())

    assert ("signal_doubtful:median:right" in found) is kept


@pytest.mark.parametrize(
    ("protein", "counts"), [(0.45, False), (0.46, True), (0.99, True), (1.0, False), (None, False)]
)
def test_csf_protein_supports_when_raised_but_below_one_gram(protein, counts) -> None:
    clinical = ClinicalFacts(csf_protein_g_l=protein, ivig_response=True)

    found = support(*arm(PROBABLE), median_sensory(), clinical=clinical).mmn

    assert (found.support is Support.PROBABLE) is counts


def test_a_median_latency_slowed_at_the_wrist_counts_as_not_recorded() -> None:
    slow = SensoryMarks(amplitude_uv=20.0, peak_latency_ms=4.5)

    found = support(*arm(DEFINITE), median_sensory(slow)).mmn

    assert (found.support, found.missing) == (Support.NOT_ASSESSABLE, ("record_sensory:median:right",))


def test_another_nerve_s_sensory_result_does_not_matter() -> None:
    assert support(*arm(DEFINITE), median_sensory(), sensory(LOW)).mmn.support is Support.DEFINITE


def test_the_same_side_s_sensory_nerve_counts() -> None:
    found = support(*arm(DEFINITE), median_sensory(side=Side.LEFT)).mmn

    assert found.support is Support.NOT_ASSESSABLE


def test_what_is_missing_is_the_guidance_in_short() -> None:
    examination = support(*arm(DEFINITE))

    assert examination.mmn.missing == ("record_sensory:median:right",)
    assert [str(action) for action in examination.guidance] == ["record_sensory:median:right"]
    assert "sensory" in examination.guidance[0].why


def test_recalled_limits_and_what_nobody_recorded_are_caveats() -> None:
    found = support(*arm(NONE), sensory(SensoryMarks(amplitude_uv=20.0))).mmn

    assert {
        "criteria_recalled:ean-pns-cidp-2021",
        "norms_recalled:aanem-2016",
        "peak_latency_not_recorded:ulnar:right",
        "onset_unknown",
        "temperature_unknown:median:right",
        "filter_unknown:median:right",
        "montage_unknown:median:right",
    } <= set(found.caveats)
    assert len(set(found.caveats)) == len(found.caveats)


def test_an_absent_snap_has_no_latency_to_record() -> None:
    assert not [c for c in support(sensory(NO_RESPONSE)).mmn.caveats if c.startswith("latency")]


def test_the_study_s_own_header_is_kept() -> None:
    assert support(*arm(NONE)).study.header == header()


def test_a_block_where_the_response_falls_in_health_is_named_and_not_counted() -> None:
    tibial = {"nerve": "tibial", "recording_site": "ah"}
    far = motor_marks(amplitude_mv=1.8, negative_area_mv_ms=5.0, onset_latency_ms=12.0)
    utrecht = load_reference(grading="utrecht-2000")

    found = examine(study(motor("ankle", **tibial), motor("popliteal_fossa", far, **tibial)), utrecht).mmn

    assert (found.support, found.reasons) == (Support.NONE, ("block_not_counted:tibial:right",))
