import json
import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.daemon.reference import load_reference
from gateway.domain.criteria import BLOCKS, Grade, Measure, measures
from gateway.domain.derivation import (
    Step,
    disagreement,
    lines,
    segment_derivation,
    sensory_derivation,
    step_object,
)
from gateway.domain.derivation.gates import ACCOUNTS
from gateway.domain.derivation.norms import norm_row
from gateway.domain.derivation.steps import Compared, Computed, Concluded, Gated, Ruled, number
from gateway.domain.findings import Finding
from gateway.domain.gates import GATES
from gateway.domain.norms import SensoryNorm, Stratum
from gateway.domain.quality import Quality
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, SensoryMarks, Side, Stimulus
from gateway.domain.rounding import half_up
from gateway.domain.study import ClinicalFacts, Study
from gateway.domain.wording import QUANTITIES
from gateway.pipeline.stages import Examination, Judging, examine
from tests.factories import (
    circumstances,
    cmap,
    compared,
    judged,
    median,
    median_sensory,
    motor,
    motor_marks,
    reference,
    sensory,
    study,
    waveform,
)

UNKNOWN = Stimulus()
WEAK = motor_marks(amplitude_mv=3.0, negative_area_mv_ms=9.5)
GROWN = motor_marks(amplitude_mv=3.3, negative_area_mv_ms=10.4)


def examination(*recordings: Recording, **header: Any) -> tuple[Examination, Judging]:
    found = examine(study(*recordings, **header), reference())
    return found, Judging.of(found, reference())


def derived(entry: Finding, judging: Judging, grading: str | None = None) -> tuple[Step, ...]:
    asked = judging.reference
    return segment_derivation(entry, asked.criteria, grading or asked.grading, judging.norms, judging.about)


def steps(*recordings: Recording, last: bool = False, **header: Any) -> tuple[Step, ...]:
    """The derivation of the first (or the last) finding of these recordings."""
    found, judging = examination(*recordings, **header)
    return derived(found.findings[-1 if last else 0], judging)


def told(*recordings: Recording, **header: Any) -> list[str]:
    return list(lines(steps(*recordings, **header)))


def starting(found: Sequence[str], start: str) -> str:
    (line,) = [line for line in found if line.startswith(start)]
    return line


def test_a_block_is_derived_from_its_marks_to_its_finding() -> None:
    warm: dict[str, Any] = {"skin_temperature_c": 33.1}
    found = told(median("wrist", **warm), median("elbow", WEAK, **warm))
    engineering = "engineering setting, no published authority"
    floor = "[floor (verified): Van Schaik et al. 2010, definite motor conduction block]"
    assert found[:15] == [
        "amplitude: wrist 9.00 mV (machine), elbow 3.00 mV (machine)",
        "area: wrist 28.00 mV.ms (machine), elbow 9.50 mV.ms (machine)",
        "duration: wrist 6.00 ms (machine), elbow 6.00 ms (machine)",
        "amplitude reduction = 100 (9.00 - 3.00) / 9.00 = 66.7 %",
        "area reduction = 100 (28.00 - 9.50) / 28.00 = 66.1 %",
        "duration increase = 100 (6.00 - 6.00) / 6.00 = 0.0 %",
        (
            "temporal dispersion: duration increase 0.0 % > 30 %: does not hold"
            " [threshold (verified): EFNS/PNS 2010 (Van Schaik et al., J Peripher Nerv Syst 2010;15:295-301):"
            " duration increase of definite block at most 30 %]"
        ),
        (
            "proximal response larger: amplitude reduction 66.7 % < -20 %: does not hold"
            f" [threshold (unverified): {engineering} (20 to 25 % are in use)]"
        ),
        (
            "criteria set efns-pns-mmn-2010, version 2010 (verified): Van Schaik et al., J Peripher Nerv Syst"
            " 2010;15:295-301"
        ),
        f"floor: distal amplitude 9.00 mV > 1 mV: holds {floor}",
        "norm table aanem-2016, row median over APB (recalled): Chen et al., Muscle Nerve 2016;54:371-377",
        "distal amplitude of the lower limit = 100 x 9.00 / 4.1 = 219.5 %",
        f"floor: of the lower limit 219.5 % > 20 %: holds {floor}",
        (
            "rule 1, definite block: area reduction 66.1 % >= 50 %: holds;"
            " duration increase 0.0 % <= 30 %: holds -> gives the grade"
        ),
        (
            "rule 2, probable block (upper limb, long segment): area reduction 66.1 % >= 30 %: holds;"
            " duration increase 0.0 % <= 30 %: holds"
        ),
    ]
    assert found[16:26] == [
        "grade: definite block",
        "gate supramaximal stimulus: passed: stated supramaximal at elbow",
        "gate proof where nerves lie deep: passed: stated by the operator",
        "gate proximal response: passed: there is a proximal response",
        "gate Martin-Gruber anastomosis: passed: not the forearm of the ulnar nerve",
        "gate stimulation of another nerve: passed: no sign of it in the shapes",
        "gate response in one piece: passed: one negative phase, as far as is known",
        starting(
            found,
            "gate acute onset: passed: onset of symptoms not known, which is a caveat, acute below 14 days [",
        ),
        (
            "gate same filters and electrodes: passed: filters not known at both ends,"
            " notch filter not known at both ends, electrode montage not known at both ends"
        ),
        (
            "skin temperature, wrist, 33.1 C >= 32 C: holds"
            " [threshold (verified): AMA Guides: upper limb at least 32 C]"
        ),
    ]
    assert found[27] == "finding: definite block"


def test_the_other_sets_say_what_and_by_what() -> None:
    found = [
        line for line in told(median("wrist"), median("elbow", WEAK)) if line.startswith("another set: ")
    ]
    assert len(found) == len(reference().criteria) - 1
    assert (
        "another set: block (amplitude reduction 66.7 % >= 50 %: holds)"
        " [criteria set amplitude-50, version 1 (given): product owner]"
    ) in found
    assert not any("another set" in line for line in told(motor("below_elbow"), motor("above_elbow")))


def test_every_gate_has_its_account() -> None:
    assert list(ACCOUNTS) == list(GATES)


# The gates: what each looked at, where it was passed and where it was not.

OVER_ADM: dict[str, Any] = {"recording_site": "adm"}


def mv(amplitude_mv: float) -> MotorMarks:
    return motor_marks(amplitude_mv=amplitude_mv)


def lasting(whole_ms: float) -> MotorMarks:
    return motor_marks(total_duration_ms=whole_ms)


def filtered(high_hz: float) -> dict[str, Any]:
    return {"filter_hz": (2, high_hz), "notch_hz": 50.0}


@pytest.mark.parametrize(
    ("recordings", "clinical", "account"),
    [
        (
            (median("wrist"), median("elbow", WEAK, stimulus=Stimulus(supramaximal=False))),
            {},
            (
                "supramaximal stimulus: not passed, proximal stimulus not supramaximal:"
                " stated not supramaximal at elbow"
            ),
        ),
        (
            (
                median("wrist"),
                median("elbow", WEAK, stimulus=Stimulus(intensity_ma=30)),
                median("elbow", GROWN, stimulus=Stimulus(intensity_ma=40)),
            ),
            {},
            (
                "supramaximal stimulus: not passed, proximal stimulus not supramaximal: not stated whether"
                " supramaximal at elbow, the response still grew at the last step of current"
            ),
        ),
        (
            (median("axilla"), median("erb", WEAK, stimulus=UNKNOWN)),
            {},
            (
                "proof where nerves lie deep: not passed, stimulus at Erb's point not proven supramaximal:"
                " the nerve lies deep here, and nobody stated that the stimulus was supramaximal"
            ),
        ),
        (
            (median("wrist"), median("elbow", NO_RESPONSE)),
            {},
            "proximal response: passed: no proximal response, stimulus stated supramaximal",
        ),
        (
            (median("wrist"), median("elbow", NO_RESPONSE, stimulus=UNKNOWN)),
            {},
            (
                "proximal response: not passed, no proximal response:"
                " no proximal response, stimulus not stated supramaximal"
            ),
        ),
        (
            (motor("wrist"), motor("below_elbow", WEAK)),
            {},
            (
                "Martin-Gruber anastomosis: not passed, Martin-Gruber anastomosis not excluded:"
                " median nerve not stimulated at wrist and elbow over right ADM"
            ),
        ),
        (
            (
                *(median("wrist", mv(0.4), **OVER_ADM), median("elbow", mv(4.6), **OVER_ADM)),
                *(motor("wrist"), motor("below_elbow", WEAK)),
            ),
            {},
            (
                "Martin-Gruber anastomosis: not passed, Martin-Gruber anastomosis demonstrated:"
                " median elbow over wrist gains 4.20 mV, the ulnar nerve loses 6.00 mV, 70.0 % of it gained;"
                " shown from 1 mV and 60 % of the loss, excluded below 20 %"
                " [threshold (unverified): engineering setting, no published authority]"
            ),
        ),
        (
            (
                *(median("wrist", mv(0.4), **OVER_ADM), median("elbow", mv(0.5), **OVER_ADM)),
                *(motor("wrist"), motor("below_elbow", WEAK)),
            ),
            {},
            (
                "Martin-Gruber anastomosis: passed: median elbow over wrist gains 0.10 mV,"
                " the ulnar nerve loses 6.00 mV, 1.7 % of it gained;"
                " shown from 1 mV and 60 % of the loss, excluded below 20 %"
                " [threshold (unverified): engineering setting, no published authority]"
            ),
        ),
        (
            (
                median("wrist", mv(0.4), **OVER_ADM),
                median("elbow", mv(0.5), **OVER_ADM, stimulus=Stimulus(supramaximal=False)),
                *(motor("wrist"), motor("below_elbow", WEAK)),
            ),
            {},
            (
                "Martin-Gruber anastomosis: not passed, Martin-Gruber anastomosis not excluded:"
                " median elbow over wrist gains 0.10 mV, the ulnar nerve loses 6.00 mV, 1.7 % of it gained;"
                " shown from 1 mV and 60 % of the loss, excluded below 20 %;"
                " the stimulus at the elbow was too weak to tell"
            ),
        ),
        (
            (median("wrist", lasting(6.0)), median("elbow", replace(WEAK, total_duration_ms=9.0))),
            {},
            (
                "response in one piece: not passed,"
                " proximal response in several phases, of which only the first is compared:"
                " several negative phases, together 50.0 % longer than distally; apart above 30 %"
                " [threshold (verified): EFNS/PNS 2010"
            ),
        ),
        (
            (median("wrist", lasting(8.0)), median("elbow", replace(WEAK, total_duration_ms=9.0))),
            {},
            (
                "response in one piece: passed:"
                " several negative phases, together 12.5 % longer than distally;"
                " apart above 30 %"
            ),
        ),
        (
            (median("wrist"), median("elbow", replace(WEAK, total_duration_ms=9.0))),
            {},
            (
                "response in one piece: passed:"
                " several negative phases, but not known how long the distal response lasts in all"
            ),
        ),
        (
            (median("wrist"), median("elbow", WEAK)),
            {"symptom_onset_days": 4},
            (
                "acute onset: not passed, onset so recent that an axonal lesion may look like a block:"
                " onset 4 days ago, acute below 14 days"
            ),
        ),
        (
            (median("wrist", **filtered(10_000)), median("elbow", WEAK, **filtered(3000))),
            {},
            (
                "same filters and electrodes: not passed, filters or electrodes differ between the sites:"
                " filters differ, notch filter the same, electrode montage not known at both ends"
            ),
        ),
    ],
)
def test_a_gate_tells_what_it_looked_at(
    recordings: tuple[Recording, ...], clinical: dict[str, Any], account: str
) -> None:
    found = lines(steps(*recordings, last=True, clinical=ClinicalFacts(**clinical)))
    assert any(line.startswith(f"gate {account}") for line in found), found


@pytest.mark.parametrize(("value", "shown"), [(0.71, " (correlation 0.71)"), (None, "")])
def test_another_shape_is_told_with_its_number(value: float | None, shown: str) -> None:
    segment = compared(median("wrist"), median("elbow", WEAK))
    distal = replace(segment.distal, quality=(Quality("notched"), Quality("costimulation_suspected", value)))
    about = circumstances()
    entry = judged(replace(segment, distal=distal), about)
    gate = next(one for one in of(entry, about) if isinstance(one, Gated) and "another nerve" in one.gate)
    assert not gate.passed
    assert gate.facts == f"the distal response is of another shape{shown}"


def of(entry: Finding, about: Any) -> tuple[Step, ...]:
    shipped = reference()
    return segment_derivation(entry, shipped.criteria, shipped.grading, shipped.norms, about)


def test_what_is_no_block_is_asked_for_filters_and_temperature_only() -> None:
    found = steps(median("wrist", skin_temperature_c=30.0), median("elbow"))
    assert [one.gate for one in found if isinstance(one, Gated)] == ["same filters and electrodes"]
    text = lines(found)
    assert "finding: not assessable, limb cold" in text
    assert starting(text, "skin temperature, wrist, 30.0 C >= 32 C: does not hold")
    assert starting(text, "skin temperature, elbow, not known >= 32 C: cannot be told")


# What cannot be compared, and what does not count


@pytest.mark.parametrize(
    ("recordings", "line"),
    [
        (
            (motor("below_elbow"), motor("above_elbow", WEAK)),
            ("excluded: below elbow to above elbow, cubital tunnel"
            " [AAEM consensus criteria for MMN (2003): common entrapment sites]"),
        ),
        ((motor("below_elbow"), motor("above_elbow")), "finding: site excluded"),
        (
            (median("wrist", nerve="tibial", recording_site="ah"),
             median("popliteal_fossa", WEAK, nerve="tibial", recording_site="ah")),
            "not listed: the set lists nerves median, ulnar, fibular",
        ),
        (
            (median("wrist", **OVER_ADM), median("elbow", **OVER_ADM)),
            "not listed: recorded over a muscle of another nerve, to find an anastomosis",
        ),
        (
            (median("wrist", mv(0.9)), median("elbow", WEAK)),
            "grade: not assessable, distal response too small for a comparison",
        ),
        ((median("wrist", mv(4.0)), median("elbow", mv(5.0))), "finding: no block"),
        (
            (motor("wrist", recording_site="fdi"), motor("below_elbow", WEAK, recording_site="fdi")),
            "floor: aanem-2016 has no lower limit of the amplitude",
        ),
        (
            (median("wrist", NO_RESPONSE), median("elbow", WEAK)),
            "amplitude: wrist no response (machine), elbow 3.00 mV (machine)",
        ),
        ((median("wrist", NO_RESPONSE), median("elbow", WEAK)), "amplitude reduction = not known"),
        (
            (median("wrist"), median("elbow", MotorMarks(amplitude_mv=3.0, negative_duration_ms=6.0))),
            "area: wrist 28.00 mV.ms (machine), elbow not known",
        ),
        (
            (median("wrist"), median("elbow", MotorMarks(amplitude_mv=3.0, negative_duration_ms=6.0))),
            ("rule 1, definite block: area reduction not known >= 50 %: cannot be told;"
            " duration increase 0.0 % <= 30 %: holds"),
        ),
        (
            (median("wrist"), median("elbow", NO_RESPONSE)),
            "area reduction = no proximal response: 100.0 %",
        ),
        (
            (median("wrist"), median("elbow", motor_marks(amplitude_mv=12.0, negative_area_mv_ms=9.5))),
            "finding: no block, the proximal response is larger",
        ),
        (
            (median("wrist", site_position_mm=120.0), median("elbow", WEAK)),
            "amplitude: wrist at 120 mm 9.00 mV (machine), elbow 3.00 mV (machine)",
        ),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_told(recordings: tuple[Recording, ...], line: str) -> None:
    moved = tuple(
        replace(one, stimulation_site="ankle")
        if (one.nerve, one.stimulation_site) == ("tibial", "wrist")
        else one
        for one in recordings
    )
    assert line in told(*moved)


def test_rules_are_not_told_where_the_floor_was_not_passed() -> None:
    found = steps(median("wrist", mv(0.9)), median("elbow", WEAK))
    assert not [one for one in found if isinstance(one, Ruled)]
    assert any(
        line.startswith("floor: distal amplitude 0.90 mV > 1 mV: does not hold") for line in lines(found)
    )


def test_a_fall_that_is_known_in_health_is_told_with_its_source() -> None:
    ankle, knee = (
        motor(site, marks, nerve="tibial", recording_site="ah")
        for site, marks in (("ankle", motor_marks()), ("popliteal_fossa", WEAK))
    )
    assert starting(told(ankle, knee), "in health: the nerve lies deep at the knee").endswith(
        "[Katirji, textbook chapter on nerve conduction studies]"
    )


def graded_by(grading: str, *recordings: Recording) -> tuple[str, ...]:
    whole = load_reference(criteria=[grading], grading=grading)
    found = examine(study(*recordings), whole)
    judging = Judging.of(found, whole)
    return lines(derived(found.findings[0], judging, grading))


@pytest.mark.parametrize(
    ("grading", "recordings", "line"),
    [
        (
            "aan-1991",
            (median("elbow"), median("axilla", WEAK)),
            (
                "not listed: the set lists nerves median, ulnar, fibular, segments median wrist-elbow,"
                " ulnar wrist-below_elbow, fibular ankle-below_fibular_head"
            ),
        ),
        (
            "aan-1991",
            (median("wrist"), median("elbow", WEAK)),
            "peak-to-peak reduction = that of the negative peak, not recorded at both sites: 66.7 %",
        ),
        (
            "aan-1991",
            (
                median("wrist", motor_marks(peak_to_peak_mv=15.0)),
                median("elbow", motor_marks(peak_to_peak_mv=6.0)),
            ),
            "peak-to-peak reduction = 100 (15.00 - 6.00) / 15.00 = 60.0 %",
        ),
        (
            "pfeiffer-2000-d",
            (median("wrist"), median("elbow", WEAK)),
            "amplitude ratio = 3.00 / 9.00 = 0.333",
        ),
        (
            "pfeiffer-2000-d",
            (median("wrist"), median("elbow", WEAK)),
            (
                "rule 1, block: distal amplitude 9.00 mV > 1 mV: holds; amplitude ratio 0.333 < 0.5: holds"
                " -> gives the grade"
            ),
        ),
        (
            "ghosh-2005",
            (median("wrist"), median("elbow", WEAK)),
            (
                "rule 1, block (proximal site wrist or elbow or below_elbow or above_elbow):"
                " area reduction 66.1 % > 23 %: holds -> gives the grade"
            ),
        ),
    ],
)
def test_each_set_is_told_by_its_own_quantities(
    grading: str, recordings: tuple[Recording, ...], line: str
) -> None:
    assert line in graded_by(grading, *recordings)


def test_exceptions_of_a_set_are_told() -> None:
    whole = load_reference(criteria=["ean-pns-cidp-2021"], grading="ean-pns-cidp-2021")
    (criteria,) = whole.criteria
    rule = replace(criteria.rules[0], except_nerves=("femoral",), segments=(), proximal_sites=("elbow",))
    own = replace(criteria, nerves="all", except_nerves=("median",), segments=(), rules=(rule,))
    ankle, knee = (median("wrist"), median("elbow", WEAK))
    found = examine(study(ankle, knee), replace(whole, criteria=(own,)))
    judging = Judging.of(found, replace(whole, criteria=(own,)))
    text = lines(derived(found.findings[0], judging, own.id))
    assert "not listed: the set lists nerves all except median" in text

    listed = replace(own, except_nerves=())
    found = examine(study(ankle, knee), replace(whole, criteria=(listed,)))
    judging = Judging.of(found, replace(whole, criteria=(listed,)))
    text = lines(derived(found.findings[0], judging, own.id))
    told = starting(text, "rule 1, block (proximal site elbow, except segment wrist-erb, ")
    assert "except nerve femoral" in told


def test_a_value_whose_uncertainty_reaches_a_limit_is_on_it() -> None:
    near = motor_marks(amplitude_mv=4.5, negative_area_mv_ms=14.28)
    found = told(median("wrist"), median("elbow", near))
    rule = starting(found, "rule 1, ")
    assert "area reduction 49.0 % (+- 3 %: on the limit) >= 50 %: does not hold" in rule
    assert "duration increase 0.0 % <= 30 %: holds" in rule


def test_our_own_marks_are_told_apart_from_the_machines() -> None:
    found = told(
        median("wrist", MotorMarks(amplitude_mv=9.0), waveform=cmap()),
        replace(median("elbow"), measured=None, waveform=cmap(onset_ms=7)),
    )
    assert starting(found, "amplitude: wrist 9.00 mV (machine), elbow ").endswith(" mV (gateway)")
    assert re.fullmatch(
        r"area: wrist [\d.]+ mV.ms \(gateway\), elbow [\d.]+ mV.ms \(gateway\)", starting(found, "area: ")
    )


# Whatever was recorded: the derivation repeats what was graded

AMPLITUDES = st.none() | st.decimals(0, 20, places=2).map(float)
AREAS = st.none() | st.decimals(0, 60, places=2).map(float)
DURATIONS = st.none() | st.decimals("0.01", 30, places=2).map(float)
MARKS = st.builds(
    MotorMarks,
    amplitude_mv=AMPLITUDES,
    negative_area_mv_ms=AREAS,
    negative_duration_ms=DURATIONS,
    peak_to_peak_mv=AMPLITUDES,
)
RESPONSES = MARKS | st.just(NO_RESPONSE)
STIMULI = st.builds(Stimulus, supramaximal=st.none() | st.booleans())
SITES = st.sampled_from(
    [
        ("median", "apb", "wrist", "elbow"),
        ("median", "apb", "axilla", "erb"),
        ("median", "adm", "wrist", "elbow"),
        ("ulnar", "adm", "wrist", "below_elbow"),
        ("ulnar", "adm", "below_elbow", "above_elbow"),
        ("radial", "edc", "elbow", "axilla"),
        ("tibial", "ah", "ankle", "popliteal_fossa"),
    ]
)


@st.composite
def pairs(draw: st.DrawFn) -> Study:
    nerve, muscle, *sites = draw(SITES)
    return study(
        *(
            motor(
                site,
                draw(RESPONSES),
                nerve=nerve,
                recording_site=muscle,
                stimulus=draw(STIMULI),
                skin_temperature_c=draw(st.sampled_from([None, 29.0, 33.0])),
            )
            for site in sites
        )
    )


def value_of(formula: str) -> float:
    """What a formula with its numbers put in amounts to, as a person would work it out."""
    text = formula.partition(" = ")[0].replace("100 (", "100 * (").replace(" x ", " * ")
    exact = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)", r"Decimal('\1')", text)
    return float(eval(exact, {"Decimal": Decimal}))  # noqa: S307  # numbers of our own


@given(whole=pairs(), grading=st.sampled_from([one.id for one in reference().criteria]))
def test_a_derivation_repeats_what_was_graded(whole: Study, grading: str) -> None:
    shipped = replace(reference(), grading=grading)
    found = examine(whole, shipped)
    judging = Judging.of(found, shipped)
    (entry,) = found.findings

    steps = derived(entry, judging, grading)

    concluded = {one.what: one.value for one in steps if isinstance(one, Concluded)}
    assert concluded == {"grade": entry.chosen.grade, "finding": entry.finding}
    assert [one.reason for one in steps if isinstance(one, Gated) and not one.passed] == list(entry.gates)
    gave = [one for one in steps if isinstance(one, Ruled) and one.gave]
    assert bool(gave) == (entry.chosen.grade in BLOCKS)
    if gave and "no_proximal_response" not in entry.reasons:
        assert all(condition.holds for condition in gave[0].conditions)
    assert all(line.isascii() and "diagnosis" not in line for line in lines(steps))
    assert json.loads(msgspec.json.encode([step_object(one) for one in steps]))


@given(whole=pairs())
def test_a_formula_amounts_to_its_value(whole: Study) -> None:
    found = examine(whole, reference())
    (entry,) = found.findings
    values = measures(entry.segment)
    by_words: dict[str, Measure] = {QUANTITIES[measure]: measure for measure in values}
    for one in derived(entry, Judging.of(found, reference())):
        if isinstance(one, Computed) and one.quantity in by_words:
            assert one.value == values[by_words[one.quantity]]
        if isinstance(one, Computed) and "/" in one.formula:
            decimals = 1 if one.unit else 3
            assert half_up(value_of(one.formula), decimals) == pytest.approx(one.value, abs=1e-9)
            assert one.formula.endswith(f"= {one.value:.{decimals}f} {one.unit}".rstrip())


def test_a_step_is_json_with_its_kind_its_fields_and_its_text() -> None:
    compared_step = Compared(
        quantity="area reduction", value=66.1, unit="%", op=">=", limit=50.0, holds=True, cited=None
    )
    assert step_object(compared_step) == {
        "step": "compared",
        "quantity": "area reduction",
        "value": 66.1,
        "unit": "%",
        "op": ">=",
        "limit": 50.0,
        "holds": True,
        "cited": None,
        "uncertain_by": None,
        "text": "area reduction 66.1 % >= 50 %: holds",
    }
    gate = step_object(Gated(gate="acute onset", reason=None, facts="onset 400 days ago"))
    assert (gate["step"], gate["passed"]) == ("gated", True)


@pytest.mark.parametrize(
    ("value", "decimals", "shown"),
    [(9.0, 2, "9.00"), (9.125, 2, "9.125"), (100.0, 0, "100"), (0.1, 0, "0.1"), (1e-06, 0, "0.000001")],
)
def test_a_number_keeps_the_decimals_it_was_computed_with(value: float, decimals: int, shown: str) -> None:
    assert number(value, decimals) == shown


# Sets that disagree


def calls(*recordings: Recording) -> dict[Grade, tuple[str, ...]]:
    found, judging = examination(*recordings)
    return disagreement(found.findings[0], judging.reference.criteria)


def test_sets_that_disagree_are_shown_disagreeing() -> None:
    found = calls(median("wrist"), median("elbow", motor_marks(amplitude_mv=5.8, negative_area_mv_ms=20.0)))
    assert "efns-pns-mmn-2010" in found[Grade.NONE]
    assert "ghosh-2005" in found[Grade.BLOCK]
    assert sum(map(len, found.values())) == len(reference().criteria)


def test_sets_that_agree_that_there_is_a_block_do_not_disagree_by_its_name() -> None:
    assert calls(median("wrist"), median("elbow", WEAK)) == {}
    assert calls(median("wrist"), median("elbow")) == {}
    assert calls(motor("below_elbow"), motor("above_elbow", WEAK)) == {}


def test_probable_and_definite_disagree_only_between_sets_that_know_both() -> None:
    long = motor_marks(amplitude_mv=3.0, negative_area_mv_ms=9.5, negative_duration_ms=8.4)
    found = calls(median("wrist"), median("elbow", long))
    assert "efns-pns-mmn-2010" in found[Grade.PROBABLE_BLOCK]
    assert "utrecht-2000" in found[Grade.DEFINITE_BLOCK]


# Sensory


def sensed(recording: Recording, *others: Recording) -> list[str]:
    found, judging = examination(recording, *others)
    side = recording.side
    entry = next(one for one in found.sensory if (one.nerve, one.side) == (recording.nerve, side))
    return list(lines(sensory_derivation(entry, judging.norms, judging.about)))


def test_a_sensory_result_is_derived_from_its_marks_and_the_row_of_the_table() -> None:
    engineering = "[threshold (unverified): engineering setting, no published authority]"
    assert sensed(sensory(skin_temperature_c=33.0)) == [
        "amplitude: wrist 22.00 uV (machine)",
        "onset latency: wrist 2.40 ms (machine)",
        "peak latency: wrist 3.10 ms (machine)",
        "velocity = 140 / 2.40 = 58.3 m/s",
        "norm table aanem-2016, row ulnar over digit 5 (recalled): Chen et al., Muscle Nerve 2016;54:371-377",
        "technique: surface electrodes; motor 8 cm; sensory antidromic, baseline to peak; warm limb",
        f"latencies judged: distance 140 mm, the table's 140 mm, apart 0 mm <= 10 mm: holds {engineering}",
        (
            "skin temperature, wrist, 33.0 C >= 32 C: holds"
            " [threshold (verified): AMA Guides: upper limb at least 32 C]"
        ),
        "amplitude 22.0 uV >= 10 uV: holds",
        "peak latency 3.10 ms <= 4 ms: holds",
        "result: normal",
    ]


SLOW = SensoryMarks(onset_latency_ms=3.6, peak_latency_ms=4.4, amplitude_uv=6.0)


@pytest.mark.parametrize(
    ("recording", "expected"),
    [
        (
            sensory(SLOW),
            ["amplitude 6.0 uV >= 10 uV: does not hold", "peak latency 4.40 ms <= 4 ms: does not hold",
             "result: abnormal, amplitude below its limit, peak latency above its limit"],
        ),
        (
            median_sensory(SLOW),
            [("entrapment: a long peak latency of the median nerve is that of the carpal tunnel"
             " [AAEM 2003, common entrapment sites]")],
        ),
        (
            sensory(distance_mm=110.0),
            [("latencies judged: distance 110 mm, the table's 140 mm, apart 30 mm <= 10 mm: does not hold"
             " [threshold (unverified): engineering setting, no published authority]"),
             "caveat: sensory peak latency not judged, by distance or temperature", "result: normal"],
        ),
        (
            sensory(distance_mm=None),
            ["distance: to the electrode not known, the table's is 140 mm"],
        ),
        (
            sensory(SensoryMarks(onset_latency_ms=2.4, amplitude_uv=22.0)),
            ["caveat: sensory peak latency not recorded"],
        ),
        (sensory(NO_RESPONSE), ["amplitude: wrist no response (machine)", "result: absent"]),
        (
            sensory(stimulation_site="elbow"),
            ["norm table: aanem-2016 has no row for ulnar, elbow to digit 5",
             "result: not assessable, the norm table has no limit for this study"],
        ),
    ],
)  # fmt: skip
def test_a_sensory_result_tells_its_limits(recording: Recording, expected: list[str]) -> None:
    found = sensed(recording)
    assert [line for line in expected if line not in found] == []


def test_our_own_mark_beside_a_limit_is_told_with_how_sure_it_is() -> None:
    found, judging = examination(sensory(SensoryMarks(amplitude_uv=10.3, peak_latency_ms=3.1)))
    (entry,) = found.sensory
    errors = {"amplitude_uv": 0.2, "peak_latency_ms": 0.05}
    ours = replace(entry, evoked=replace(entry.evoked, marked_by="gateway", errors=errors))

    told_of = list(lines(sensory_derivation(ours, judging.norms, judging.about)))

    assert "amplitude 10.3 uV (+- 0.392 uV: on the limit) >= 10 uV: holds" in told_of
    assert "peak latency 3.10 ms <= 4 ms: holds" in told_of


def test_the_other_side_is_told_without_changing_a_result() -> None:
    high = SensoryMarks(onset_latency_ms=2.4, peak_latency_ms=3.1, amplitude_uv=60.0)
    found = sensed(sensory(), sensory(high, side=Side.LEFT))
    assert starting(found, "other side, told but changing no result: amplitude lower by 63.3 % > 50 %: holds")
    assert found[-1] == "result: normal"


def test_an_ulnar_entrapment_is_the_motor_fibres_word() -> None:
    found = sensed(
        sensory(SLOW),
        motor("below_elbow"),
        motor("above_elbow", WEAK),
    )
    assert starting(found, "entrapment: the motor fibres are blocked or slow across the elbow")


@pytest.mark.parametrize(
    ("stratum", "group"),
    [
        (Stratum(age_years=(19, 39), sex="F"), "19 to 39 years, women"),
        (Stratum(height_cm=(0, 170)), "0 to below 170 cm"),
        (Stratum(bmi=(24, float("inf")), sex="M"), "from 24 kg/m2, men"),
    ],
)
def test_a_row_for_some_people_says_for_whom(stratum: Stratum, group: str) -> None:
    row = SensoryNorm(
        nerve="ulnar",
        stimulation_sites=("wrist",),
        recording_site="digit_5",
        status="given",
        distance_mm=140.0,
        amplitude_uv=10.0,
        stratum=stratum,
    )
    cited = norm_row(reference().norms, row)
    assert cited.what == f"norm table aanem-2016, row ulnar over digit 5, {group}"
    assert cited.status == "given"


def test_a_curve_that_cannot_be_marked_has_its_derivation_too() -> None:
    flat = replace(median("wrist"), measured=None, waveform=waveform([0] * 4))
    found = told(flat, median("elbow"))
    assert "amplitude: wrist not known, elbow 9.00 mV (machine)" in found
    assert "grade: not assessable, a curve cannot be marked" in found
