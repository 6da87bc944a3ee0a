"""Properties of whole examinations: of order, of neighbours, of scale, of sides and muscles."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.findings import Finding
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, SensoryMarks, Side, Stimulus
from gateway.domain.study import (
    ActionDeclined,
    ClinicalFacts,
    ClinicalStated,
    DetailStated,
    ExamEnded,
    Fact,
    StudyOpened,
    fold,
)
from gateway.pipeline.stages import Examination, examine, take
from tests.factories import MUSCLE, examined, header, motor, reference, sensory, study

MUSCLES = {"ulnar": ("adm", "fdi"), "radial": ("eip", "edc"), "fibular": ("edb", "ta"), "tibial": ("ah",)}
SITES = {name: nerve.sites for name, nerve in reference().anatomy.nerves.items() if len(nerve.sites) > 1}
SNAPS = {
    "median": ("digit_2", "wrist"),
    "ulnar": ("digit_5", "wrist"),
    "superficial_radial": ("snuffbox", "forearm"),
    "sural": ("ankle", "calf"),
}
sides = st.sampled_from(Side)
few = settings(max_examples=40)


def tenths(least: int, most: int) -> st.SearchStrategy[float]:
    return st.integers(least, most).map(lambda value: value / 10)


cmaps = st.builds(
    MotorMarks,
    onset_latency_ms=tenths(25, 300),
    amplitude_mv=tenths(20, 250),  # above the floor of every set
    negative_area_mv_ms=st.none() | tenths(20, 900),
    negative_duration_ms=st.none() | tenths(30, 150),
)
circumstances: dict[str, Any] = {
    "skin_temperature_c": st.sampled_from([None, 28.0, 34.0]),
    "filter_hz": st.sampled_from([None, (2.0, 10_000.0), (20.0, 10_000.0)]),
    "distance_mm": st.sampled_from([None, 200.0]),
}


@st.composite
def series(draw: st.DrawFn, nerve: str, side: Side, muscle: str, site: str) -> list[Recording]:
    """One site at one to three currents; at most one recording has its stimulus proven."""
    currents = draw(st.lists(st.sampled_from([10.0, 20.0, 30.0, 40.0]), min_size=1, max_size=3, unique=True))
    proven = draw(st.none() | st.sampled_from(currents))
    flag = draw(st.sampled_from([None, False]))
    return [
        draw(
            st.builds(
                motor,
                st.just(site),
                cmaps | st.just(NO_RESPONSE),
                nerve=st.just(nerve),
                side=st.just(side),
                recording_site=st.just(muscle),
                stimulus=st.just(
                    Stimulus(intensity_ma=current, supramaximal=True if current == proven else flag)
                ),
                **circumstances,
            )
        )
        for current in currents
    ]


@st.composite
def motor_studies(draw: st.DrawFn, *nerves: str) -> list[Recording]:
    """One nerve of one side over one muscle, at some of its sites."""
    nerve = draw(st.sampled_from(nerves or sorted(SITES)))
    side, muscle = draw(sides), draw(st.sampled_from(MUSCLES.get(nerve, (MUSCLE[nerve],))))
    sites = draw(st.lists(st.sampled_from(SITES[nerve]), min_size=2, max_size=4, unique=True))
    return [entry for site in sites for entry in draw(series(nerve, side, muscle, site))]


@st.composite
def snaps(draw: st.DrawFn) -> Recording:
    nerve = draw(st.sampled_from(sorted(SNAPS)))
    recorded, stimulated = SNAPS[nerve]
    marks = SensoryMarks(amplitude_uv=draw(tenths(10, 300)), peak_latency_ms=draw(tenths(20, 60)))
    return sensory(
        draw(st.sampled_from([marks, NO_RESPONSE])),
        nerve=nerve,
        side=draw(sides),
        recording_site=recorded,
        stimulation_site=stimulated,
    )


def _key(entry: Recording) -> tuple[Any, ...]:
    place = (entry.modality, entry.nerve, entry.side, entry.recording_site, entry.stimulation_site)
    return (*place, entry.stimulus.intensity_ma)


@st.composite
def examinations(draw: st.DrawFn) -> list[Recording]:
    """Several nerves, median over ulnar muscles among them; no site twice at the same current."""
    studies = draw(st.lists(motor_studies(), max_size=4))
    anastomosis = [
        draw(series("median", draw(sides), "adm", site))
        for site in draw(st.sampled_from([(), ("wrist", "elbow")]))
    ]
    made = [entry for group in (*studies, *anastomosis) for entry in group] + draw(
        st.lists(snaps(), max_size=4)
    )
    proven: set[tuple[Any, ...]] = set()
    kept: dict[tuple[Any, ...], Recording] = {}
    for entry in made:
        key = _key(entry)
        if key not in kept and not (entry.stimulus.supramaximal and key[:-1] in proven):
            kept[key] = entry
            if entry.stimulus.supramaximal:
                proven.add(key[:-1])
    return list(kept.values())


clinical_facts = st.builds(
    ClinicalFacts,
    symptom_onset_days=st.sampled_from([None, 4, 400]),
    umn_signs=st.sampled_from([None, False, True]),
    anti_gm1_igm=st.sampled_from([None, "positive"]),
    ivig_response=st.sampled_from([None, True]),
)


def concluded(examination: Examination) -> tuple[Any, ...]:
    """Everything that follows from the recordings."""
    return (
        examination.findings,
        examination.sensory,
        examination.mmn,
        examination.guidance,
        examination.differentials,
        examination.pattern,
        examination.mimics,
        examination.checklist,
    )


@few
@given(examinations().flatmap(lambda made: st.tuples(st.just(made), st.permutations(made))), clinical_facts)
def test_the_order_of_arrival_does_not_matter(orders, clinical) -> None:
    one, other = orders

    assert concluded(examined(*one, clinical=clinical)) == concluded(examined(*other, clinical=clinical))


def of(examination: Examination, about: Callable[[Finding], bool]) -> list[Finding]:
    return [entry for entry in examination.findings if about(entry)]


@few
@given(examinations(), motor_studies(), clinical_facts)
def test_an_unrelated_nerve_changes_no_finding_of_the_others(made, added, clinical) -> None:
    nerve, side = added[0].nerve, added[0].side
    others = [
        entry for entry in made if (entry.nerve, entry.side) != (nerve, side) or entry.modality == "sensory"
    ]

    def is_other(entry: Finding) -> bool:
        return (entry.segment.nerve, entry.segment.side) != (nerve, side)

    alone = examined(*others, clinical=clinical)
    beside = examined(*others, *added, clinical=clinical)
    assert of(beside, is_other) == list(alone.findings)


@few
@given(examinations(), st.sampled_from([2.0, 4.0]), clinical_facts)
def test_scaling_all_motor_responses_above_the_floors_changes_no_grade(made, factor, clinical) -> None:
    def scaled(entry: Recording) -> Recording:
        marks = entry.measured
        if not isinstance(marks, MotorMarks):
            return entry
        area = marks.negative_area_mv_ms
        assert marks.amplitude_mv is not None
        return replace(
            entry,
            measured=replace(
                marks,
                amplitude_mv=marks.amplitude_mv * factor,
                negative_area_mv_ms=None if area is None else area * factor,
            ),
        )

    one = examined(*made, clinical=clinical)
    other = examined(*map(scaled, made), clinical=clinical)

    assert [entry.grades for entry in one.findings] == [entry.grades for entry in other.findings]


def mirrored(entry: Recording) -> Recording:
    return replace(entry, side=Side.LEFT if entry.side is Side.RIGHT else Side.RIGHT)


def seen(findings: Sequence[Finding], side: Side) -> list[tuple[Any, ...]]:
    """Findings of one side, without its name."""
    return [
        (e.segment.nerve, e.segment.recording_site, e.grades, e.finding, e.reasons, len(e.actions))
        for e in findings
        if e.segment.side is side
    ]


@few
@given(examinations(), clinical_facts)
def test_left_and_right_never_mix(made, clinical) -> None:
    both = examined(*made, clinical=clinical).findings
    swapped = examined(*map(mirrored, made), clinical=clinical).findings

    for side, other in ((Side.LEFT, Side.RIGHT), (Side.RIGHT, Side.LEFT)):
        alone = examined(*(entry for entry in made if entry.side is side), clinical=clinical).findings
        assert seen(both, side) == seen(alone, side) == seen(swapped, other)


@few
@given(st.lists(motor_studies("ulnar", "fibular"), min_size=2, max_size=5))
def test_muscles_never_mix(studies) -> None:
    made = {_key(entry): entry for group in studies for entry in group}.values()
    found = examined(*made).findings

    for muscle in ("adm", "fdi", "edb", "ta"):
        alone = examined(*(entry for entry in made if entry.recording_site == muscle)).findings
        assert [entry for entry in found if entry.segment.recording_site == muscle] == list(alone)


details = st.builds(
    DetailStated,
    name=st.just("supramaximal"),
    value=st.sampled_from([None, True, False]),
    nerve=st.sampled_from(["median", "ulnar"]),
    side=sides,
    stimulation_site=st.sampled_from([None, "elbow", "erb"]),
) | st.builds(
    DetailStated,
    name=st.just("skin_temperature_c"),
    value=st.sampled_from([None, 28.0, 34.0]),
    nerve=st.sampled_from(["median", "tibial", "sural"]),
    side=sides,
)
statements: st.SearchStrategy[Fact] = (
    details
    | st.builds(ClinicalStated, clinical=clinical_facts, forgotten=st.sampled_from([(), ("umn_signs",)]))
    | st.builds(
        ActionDeclined,
        action=st.sampled_from(["exclude_martin_gruber:ulnar:right", "record_sensory:median:left"]),
        reason=st.sampled_from([None, "amputation"]),
    )
    | st.builds(ExamEnded, by=st.just("device"))
    | clinical_facts.map(lambda facts: StudyOpened(header(clinical=facts)))
)


@few
@given(
    st.tuples(examinations(), st.lists(statements, min_size=1, max_size=4)).flatmap(
        lambda facts: st.permutations([*facts[0], *facts[1]])
    )
)
def test_taking_facts_one_by_one_is_examining_the_whole(facts: list[Fact]) -> None:
    examination = Examination(study=study())
    for fact in facts:
        examination = take(examination, fact, reference())

    assert examination == examine(fold(StudyOpened(header()), facts), reference())
