"""On the limit: within 3 points of a limit for a machine's marks, within the 95 % interval for ours."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.boundary import on_the_limit
from gateway.domain.criteria import grade
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording, Stimulus
from gateway.domain.segments import Segment, compare
from gateway.domain.sites import Evoked
from tests.factories import compared, examined, graded_under, marked, pair

EFNS, AMPLITUDE, GHOSH = "efns-pns-mmn-2010", "amplitude-50", "ghosh-2005"
MEDIAN = ("median", ("wrist", "elbow"))
FIBULAR = ("fibular", ("ankle", "below_fibular_head"))


def near(set_id: str, segment: Segment) -> bool:
    shipped = graded_under(set_id)
    criteria, norms, anatomy = shipped.grading_set, shipped.norms, shipped.anatomy
    chosen = grade(segment, criteria, norms, anatomy)
    return on_the_limit(segment, criteria, chosen, norms, anatomy, shipped.thresholds)


@pytest.mark.parametrize(
    ("set_id", "where", "changes", "expected"),
    [
        (AMPLITUDE, MEDIAN, {"amplitude": 50.0}, True),
        (AMPLITUDE, MEDIAN, {"amplitude": 53.0}, True),
        (AMPLITUDE, MEDIAN, {"amplitude": 53.1}, False),
        (AMPLITUDE, MEDIAN, {"amplitude": 47.0}, True),
        (AMPLITUDE, MEDIAN, {"amplitude": 46.9}, False),
        (EFNS, MEDIAN, {"area": 53.0}, True),
        (EFNS, MEDIAN, {"area": 53.1}, False),
        (EFNS, MEDIAN, {"area": 46.9}, False),
        (EFNS, MEDIAN, {"area": 33.0}, True),
        (EFNS, MEDIAN, {"area": 27.0}, True),
        (EFNS, MEDIAN, {"area": 26.9}, False),
        (EFNS, FIBULAR, {"area": 30.0}, False),  # no limit of a leg nerve
        (EFNS, FIBULAR, {"area": 47.0}, True),
        (EFNS, MEDIAN, {"area": 60.0, "duration": 33.0}, True),  # definite or probable
        (EFNS, MEDIAN, {"area": 60.0, "duration": 33.1}, False),
        (EFNS, MEDIAN, {"area": 40.0, "duration": 27.0}, True),  # probable or none
        (EFNS, MEDIAN, {"area": 10.0, "duration": 29.0}, True),  # also where the grade is none either way
        (EFNS, MEDIAN, {"area": 10.0, "duration": 33.0}, True),
        (EFNS, MEDIAN, {"area": 10.0, "duration": 33.1}, False),
        (EFNS, MEDIAN, {"area": 10.0, "duration": 26.9}, False),
        (EFNS, MEDIAN, {"area": 48.0, "duration": 5.0}, True),
        (EFNS, MEDIAN, {"area": 60.0, "duration": 29.0}, True),
        (
            EFNS,
            MEDIAN,
            {"area": 31.0, "duration": 60.0},
            True,
        ),  # near the 30 % of a rule that fails otherwise
        (EFNS, MEDIAN, {"area": 48.0, "duration": 32.0}, True),
        (EFNS, MEDIAN, {"amplitude": 50.0}, False),  # not asked for
        (GHOSH, MEDIAN, {"area": 23.0}, True),
        (GHOSH, MEDIAN, {"area": 90.0, "amplitude": 32.0}, True),  # a block by its area all the same
        (GHOSH, MEDIAN, {"area": 90.0, "amplitude": 40.0}, False),
        ("pfeiffer-2000-d", MEDIAN, {"amplitude": 47.0}, True),  # a ratio of 0.53
        ("pfeiffer-2000-d", MEDIAN, {"amplitude": 46.9}, False),
        ("pfeiffer-2000-d", MEDIAN, {"amplitude": 53.0}, True),
        ("pfeiffer-2000-d", MEDIAN, {"amplitude": 53.1}, False),
        ("pfeiffer-2000-d", MEDIAN, {"amplitude": 61.0, "distal_mv": 0.5}, True),  # 0.39
        ("pfeiffer-2000-d", MEDIAN, {"amplitude": 60.9, "distal_mv": 0.5}, False),
        ("pfeiffer-2000-d", MEDIAN, {"amplitude": 64.0}, False),  # 0.36, for small responses only
        ("aan-1991", MEDIAN, {"area": 40.0, "duration": 15.0}, True),  # neither row on it, both beside it
        ("aan-1991", MEDIAN, {"area": 40.0, "duration": 18.1}, False),
    ],
)
def test_a_machine_s_mark_is_near_within_three_points(set_id, where, changes, expected) -> None:
    assert near(set_id, compared(*pair(*where, **changes))) is expected


@pytest.mark.parametrize(
    ("where", "changes"),
    [
        (("radial", ("forearm", "elbow")), {"area": 50.0}),  # not listed
        (("ulnar", ("below_elbow", "above_elbow")), {"area": 50.0}),  # excluded
        (MEDIAN, {"area": 50.0, "distal_mv": 0.5}),  # below the floor whatever the area
        (MEDIAN, {"area": None, "duration": 10.0}),
        (("ulnar", ("wrist", "below_elbow")), {"area": 50.0, "muscle": "fdi"}),  # no norm
        (MEDIAN, {"area": 50.0, "near": {"measured": NO_RESPONSE}}),
        (MEDIAN, {"area": 50.0, "far": {"measured": NO_RESPONSE}}),
        (MEDIAN, {"area": 50.0, "near": {"measured": MotorMarks(onset_latency_ms=3.0)}}),
    ],
)
def test_what_was_compared_with_no_limit_is_on_none(where, changes: dict[str, Any]) -> None:
    assert not near(EFNS, compared(*pair(*where, **changes)))


def ours(recording: Recording, **errors: float) -> Evoked:
    """A recording that we marked, with these standard errors."""
    entry = marked(recording)
    return replace(entry, marked_by="gateway", gateway=entry.graded, errors=errors)


def between(recordings: tuple[Recording, Recording], **errors: float) -> Segment:
    shipped = graded_under(EFNS)
    return compare(*(ours(entry, **errors) for entry in recordings), shipped.anatomy, shipped.thresholds)


@pytest.mark.parametrize(("area", "expected"), [(50.6, True), (50.7, False), (49.4, True), (49.3, False)])
def test_our_own_marks_are_near_within_their_95_percent_interval(area, expected) -> None:
    # s(P/D) = sqrt(sP^2 + (P/D sD)^2) / D; with D 100, P 50 and s 0.3 both: 1.96 * 0.335 = 0.66 points
    segment = between(pair(*MEDIAN, area=area), negative_area_mv_ms=0.3, negative_duration_ms=0.001)

    assert near(EFNS, segment) is expected


def test_one_machine_s_mark_leaves_three_points() -> None:
    segment = between(pair(*MEDIAN, area=52.9), negative_area_mv_ms=0.01, negative_duration_ms=0.001)
    mixed = replace(segment, standard_errors={})

    assert (near(EFNS, segment), near(EFNS, mixed)) == (False, True)


@pytest.mark.parametrize(
    ("where", "distal_mv", "expected"),
    [
        (MEDIAN, 1.1, True),  # 1 mV, 1.96 * 0.06 mV = 0.118
        (MEDIAN, 0.9, True),
        (MEDIAN, 1.2, False),
        (("ulnar", ("wrist", "below_elbow")), 1.65, True),  # 20 % of 7.9 mV: 1.58
        (("ulnar", ("wrist", "below_elbow")), 1.75, False),
    ],
)
def test_so_is_our_distal_amplitude_near_its_floor(where, distal_mv, expected) -> None:
    errors = {"amplitude_mv": 0.06, "negative_area_mv_ms": 0.001, "negative_duration_ms": 0.001}

    assert near(EFNS, between(pair(*where, distal_mv=distal_mv, area=80.0), **errors)) is expected


def test_the_distal_amplitude_that_chooses_the_rule_is_a_limit_too() -> None:
    recordings = pair(*MEDIAN, distal_mv=1.05, amplitude=56.0)

    assert near("pfeiffer-2000-d", between(recordings, amplitude_mv=0.05))  # 0.44: a block above 1 mV only
    assert not near("pfeiffer-2000-d", between(recordings, amplitude_mv=0.0001))


def test_it_is_the_last_reason_of_a_finding_and_changes_nothing() -> None:
    recordings = pair(*MEDIAN, area=50.0, far={"stimulus": Stimulus(supramaximal=False)})

    (found,) = examined(*recordings).findings

    assert (found.finding, found.reasons) == ("indeterminate", ("submaximal", "on_the_limit"))
    assert examined(*pair(*MEDIAN, area=50.0)).findings[0].finding == "definite_block"


@pytest.mark.parametrize(
    ("distal_mv", "flagged"),
    [
        (1.33, False),  # 16.8 % of 7.9 mV
        (1.34, True),  # 17.0 %
        (1.59, True),
        (1.82, True),  # 23.0 %
        (1.83, False),
    ],
)
def test_a_machine_s_distal_amplitude_within_three_points_of_the_floor_is_on_it(distal_mv, flagged) -> None:
    segment = compared(*pair("ulnar", ("wrist", "below_elbow"), distal_mv=distal_mv))

    assert near(EFNS, segment) is flagged


@pytest.mark.parametrize(("distal_mv", "flagged"), [(0.99, False), (1.0, True), (1.01, False)])
def test_a_machine_s_distal_amplitude_is_on_a_floor_in_millivolts_where_it_is_the_floor(
    distal_mv, flagged
) -> None:
    assert near(EFNS, compared(*pair(*MEDIAN, distal_mv=distal_mv))) is flagged


def test_a_quantity_that_is_missing_leaves_the_others_near_their_limits() -> None:
    segment = compared(*pair(*MEDIAN, area=48.0, duration=None))

    assert near(EFNS, segment)
    assert not near(EFNS, compared(*pair(*MEDIAN, area=40.0, duration=None)))
