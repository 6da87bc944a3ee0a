import pytest

from gateway.domain.actions import Action
from gateway.domain.criteria import Grade
from gateway.domain.findings import Finding
from gateway.domain.recording import NO_RESPONSE, Recording, Side, Stimulus
from gateway.domain.segments import motor_sites, segments
from tests.factories import compared, judged, marked, median, motor, motor_marks, reference

REFERENCE = reference()
SHIPPED = (REFERENCE.anatomy, REFERENCE.thresholds)


def found(distal: Recording, proximal: Recording) -> Finding:
    return judged(compared(distal, proximal))


def test_the_grading_set_makes_the_finding_and_the_others_stand_beside_it() -> None:
    far = motor_marks(amplitude_mv=4.0, negative_area_mv_ms=20.0, onset_latency_ms=7.0)

    entry = found(median("wrist"), median("elbow", far))

    assert entry.grades["efns-pns-mmn-2010"] is Grade.NONE
    assert entry.grades["amplitude-50"] is Grade.BLOCK
    assert list(entry.grades) == [criteria.id for criteria in REFERENCE.criteria]
    assert entry.finding is Grade.NONE


@pytest.mark.parametrize(
    ("supramaximal", "expected", "reasons", "actions"),
    [
        (True, Grade.DEFINITE_BLOCK, ("no_proximal_response",), []),
        (
            False,
            Grade.INDETERMINATE,
            ("no_proximal_response", "submaximal"),
            ["repeat_supramaximal:median:right:elbow:apb"],
        ),
        (
            None,
            Grade.INDETERMINATE,
            ("no_proximal_response",),
            ["repeat_supramaximal:median:right:elbow:apb"],
        ),
    ],
)
def test_nothing_proximal_counts_only_when_the_stimulus_was_supramaximal(
    supramaximal, expected, reasons, actions
) -> None:
    stimulus = Stimulus(intensity_ma=60.0, supramaximal=supramaximal)

    entry = found(median("wrist"), median("elbow", NO_RESPONSE, stimulus=stimulus))

    assert entry.finding is expected
    assert entry.reasons == reasons
    assert [str(action) for action in entry.actions] == actions


def test_a_contaminated_segment_asks_for_the_sites_at_the_edges_of_the_compression_site() -> None:
    entry = found(motor("wrist"), motor("axilla"))

    assert entry.finding is Grade.EXCLUDED_SITE
    assert entry.reasons == ("contaminated_segment",)
    assert [str(action) for action in entry.actions] == [
        "record_site:ulnar:right:below_elbow:adm",
        "record_site:ulnar:right:above_elbow:adm",
    ]


def test_dispersion_is_a_reason_beside_the_finding() -> None:
    far = motor_marks(negative_area_mv_ms=27.0, negative_duration_ms=9.0)

    entry = found(median("wrist"), median("elbow", far))

    assert entry.finding is Grade.NONE
    assert entry.reasons == ("temporal_dispersion",)


@pytest.mark.parametrize("site", ["wrist", "elbow"])
def test_electrode_drift_asks_to_check_the_electrodes_where_it_was(site: str) -> None:
    weak = motor_marks(amplitude_mv=5.0)
    series = [median("wrist"), median("elbow"), median(site, weak), median(site)]
    sites = motor_sites([marked(recording) for recording in series], *SHIPPED)["apb"]

    (segment,) = segments(sites, *SHIPPED)
    entry = judged(segment)

    assert [str(action) for action in entry.actions] == [f"check_electrodes:median:right:{site}:apb"]


def test_a_larger_proximal_response_is_no_block_whatever_its_area() -> None:
    distal = motor_marks(amplitude_mv=10.0, negative_area_mv_ms=30.0)
    far = motor_marks(amplitude_mv=13.0, negative_area_mv_ms=10.0)

    entry = found(median("wrist", distal), median("elbow", far))

    assert entry.grades["efns-pns-mmn-2010"] is Grade.DEFINITE_BLOCK
    assert (entry.finding, entry.reasons) == (Grade.NONE, ("proximal_larger",))


BLOCKED = motor_marks(amplitude_mv=3.0, negative_area_mv_ms=9.0)


@pytest.mark.parametrize(
    ("marks", "expected"), [(BLOCKED, Grade.INDETERMINATE), (None, Grade.NOT_ASSESSABLE)]
)
@pytest.mark.parametrize(
    ("near", "far", "differ"),
    [
        ({"filter_hz": (2.0, 10000.0)}, {"filter_hz": (20.0, 10000.0)}, True),
        ({"notch_hz": 50.0}, {"notch_hz": 60.0}, True),
        ({"montage_id": "A"}, {"montage_id": "B"}, True),
        ({"filter_hz": (2.0, 10000.0)}, {"filter_hz": (2.0, 10000.0)}, False),
        ({"filter_hz": (2.0, 10000.0)}, {}, False),
        ({"gain_uv_per_div": 2000.0}, {"gain_uv_per_div": 5000.0}, False),
    ],
)
def test_recordings_with_other_filters_or_electrodes_are_not_compared(
    near, far, differ, marks, expected
) -> None:
    entry = found(median("wrist", **near), median("elbow", marks, **far))

    assert (entry.finding is expected) is differ
    assert ("filter_mismatch" in entry.reasons) is differ
    assert [a.code for a in entry.actions] == (["repeat_same_filters"] if differ else [])


@pytest.mark.parametrize(
    ("sites", "text"),
    [
        ({}, "warm_limb:ulnar:left"),
        ({"stimulation_site": "wrist"}, "warm_limb:ulnar:left:wrist"),
        ({"stimulation_site": "wrist", "recording_site": "adm"}, "warm_limb:ulnar:left:wrist:adm"),
        ({"recording_site": "adm"}, "warm_limb:ulnar:left"),
    ],
)
def test_an_action_is_written_with_as_many_parts_as_are_known(sites: dict[str, str], text: str) -> None:
    assert str(Action(code="warm_limb", nerve="ulnar", side=Side.LEFT, why="", **sites)) == text
