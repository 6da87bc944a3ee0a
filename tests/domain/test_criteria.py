"""One row a rule, and one on each side of each limit."""

import pytest

from gateway.domain.criteria import Grade, Graded, grade
from gateway.domain.recording import NO_RESPONSE, MotorMarks, Recording
from tests.factories import compared, median, motor, motor_marks, reference

REFERENCE = reference()
SETS = {entry.id: entry for entry in REFERENCE.criteria}
EFNS, AMPLITUDE = "efns-pns-mmn-2010", "amplitude-50"


def graded(set_id: str, distal: Recording, proximal: Recording) -> Graded:
    segment = compared(distal, proximal)
    return grade(segment, SETS[set_id], REFERENCE.norms, REFERENCE.anatomy)


def proximal(area: float, duration: float, amplitude: float = 5.0) -> MotorMarks:
    """Against 10 mV, 100 mV.ms and 10 ms at the wrist, so that reductions read off."""
    return MotorMarks(
        onset_latency_ms=8.0, amplitude_mv=amplitude, negative_area_mv_ms=area, negative_duration_ms=duration
    )


DISTAL = MotorMarks(
    onset_latency_ms=3.5, amplitude_mv=10.0, negative_area_mv_ms=100.0, negative_duration_ms=10.0
)


@pytest.mark.parametrize(
    ("area", "duration", "expected"),
    [
        (50.0, 13.0, Grade.DEFINITE_BLOCK),  # E1: area -50.0 %, duration +30.0 %
        (50.0, 13.01, Grade.PROBABLE_BLOCK),  # E2b: the area of definite block, longer
        (50.1, 13.0, Grade.PROBABLE_BLOCK),  # E2a: -49.9 %
        (50.04, 13.0, Grade.DEFINITE_BLOCK),  # rounds to 50.0 before it is compared
        (50.1, 13.01, Grade.NONE),  # -49.9 % with dispersion
        (70.0, 13.0, Grade.PROBABLE_BLOCK),  # E2a: -30.0 %
        (70.1, 13.0, Grade.NONE),  # -29.9 %
        (0.0, 9.0, Grade.DEFINITE_BLOCK),
        (100.0, 10.0, Grade.NONE),
    ],
)
def test_efns_area_rules_in_an_arm_nerve(area: float, duration: float, expected: Grade) -> None:
    assert graded(EFNS, median("wrist", DISTAL), median("elbow", proximal(area, duration))).grade is expected


@pytest.mark.parametrize(
    ("area", "duration", "expected"),
    [(50.0, 13.0, Grade.DEFINITE_BLOCK), (60.0, 13.0, Grade.NONE), (50.0, 14.0, Grade.PROBABLE_BLOCK)],
)
def test_efns_thirty_percent_is_for_arm_nerves_only(area: float, duration: float, expected: Grade) -> None:
    leg = {"nerve": "fibular", "recording_site": "edb"}

    found = graded(
        EFNS, motor("ankle", DISTAL, **leg), motor("below_fibular_head", proximal(area, duration), **leg)
    )

    assert found.grade is expected


@pytest.mark.parametrize(("area", "expected"), [(50.0, Grade.DEFINITE_BLOCK), (60.0, Grade.NONE)])
def test_efns_thirty_percent_is_for_long_segments_only(area: float, expected: Grade) -> None:
    inching = median("wrist", proximal(area, 10.0), site_position_mm=100.0)

    assert graded(EFNS, median("wrist", DISTAL), inching).grade is expected


@pytest.mark.parametrize(
    ("nerve", "muscle", "sites"),
    [
        ("tibial", "ah", ("ankle", "popliteal_fossa")),
        ("radial", "eip", ("forearm", "elbow")),
        ("musculocutaneous", "biceps", ("axilla", "erb")),
    ],
)
def test_efns_lists_median_ulnar_and_fibular_only(nerve: str, muscle: str, sites: tuple[str, str]) -> None:
    where = {"nerve": nerve, "recording_site": muscle}

    found = graded(EFNS, motor(sites[0], DISTAL, **where), motor(sites[1], proximal(10.0, 10.0), **where))

    assert found == Graded(Grade.NOT_LISTED)


@pytest.mark.parametrize(
    ("amplitude", "expected"),
    [(5.0, Grade.BLOCK), (5.004, Grade.BLOCK), (5.01, Grade.NONE), (11.0, Grade.NONE)],
)
def test_amplitude_50_counts_from_fifty_percent(amplitude: float, expected: Grade) -> None:
    found = graded(AMPLITUDE, median("wrist", DISTAL), median("elbow", proximal(90.0, 10.0, amplitude)))

    assert found.grade is expected


@pytest.mark.parametrize(
    ("set_id", "nerve", "amplitude", "reasons"),
    [
        (AMPLITUDE, "median", 1.0, ()),
        (AMPLITUDE, "median", 0.99, ("below_distal_floor",)),
        (EFNS, "median", 1.0, ("below_distal_floor",)),  # more than 1 mV, not 1 mV
        (EFNS, "median", 1.01, ()),  # 20 % of 4.1 mV is 0.82
        (EFNS, "ulnar", 1.58, ("below_distal_floor",)),  # 20.0 % of 7.9 mV: not more than
        (EFNS, "ulnar", 1.59, ()),
    ],
)
def test_the_distal_response_must_pass_the_floor_of_the_set(
    set_id: str, nerve: str, amplitude: float, reasons: tuple[str, ...]
) -> None:
    marks = MotorMarks(
        onset_latency_ms=3.0, amplitude_mv=amplitude, negative_area_mv_ms=3.0, negative_duration_ms=6.0
    )
    build = median if nerve == "median" else motor
    far = "elbow" if nerve == "median" else "below_elbow"

    found = graded(set_id, build("wrist", marks), build(far, proximal(0.5, 6.0, 0.2)))

    assert found.reasons == reasons
    assert (found.grade is Grade.NOT_ASSESSABLE) is bool(reasons)


def test_without_a_norm_the_floor_cannot_be_computed() -> None:
    fdi = {"recording_site": "fdi"}

    found = graded(EFNS, motor("wrist", DISTAL, **fdi), motor("below_elbow", proximal(10.0, 10.0), **fdi))

    assert found == Graded(Grade.NOT_ASSESSABLE, ("norm_missing",))


@pytest.mark.parametrize(
    ("missing", "reasons"),
    [
        ({"negative_area_mv_ms": None}, ("area_missing",)),
        ({"negative_duration_ms": None}, ("duration_missing",)),
        ({"negative_area_mv_ms": None, "negative_duration_ms": None}, ("area_missing", "duration_missing")),
    ],
)
def test_a_missing_quantity_is_not_a_negative_result(
    missing: dict[str, None], reasons: tuple[str, ...]
) -> None:
    far = median("elbow", motor_marks(amplitude_mv=3.0, **missing))

    assert graded(EFNS, median("wrist"), far) == Graded(Grade.NOT_ASSESSABLE, reasons)
    assert graded(AMPLITUDE, median("wrist"), far) == Graded(Grade.BLOCK)


def test_no_amplitude_no_grade() -> None:
    found = graded(AMPLITUDE, median("wrist", MotorMarks(onset_latency_ms=3.0)), median("elbow"))
    proximal_missing = graded(AMPLITUDE, median("wrist"), median("elbow", MotorMarks(onset_latency_ms=7.0)))

    assert found == Graded(Grade.NOT_ASSESSABLE, ("amplitude_missing",))
    assert proximal_missing == Graded(Grade.NOT_ASSESSABLE, ("amplitude_missing",))


@pytest.mark.parametrize(
    ("distal", "proximal_site", "reason"),
    [("below_elbow", "above_elbow", "compression_site"), ("wrist", "above_elbow", "contaminated_segment")],
)
def test_no_numbers_make_a_block_at_an_excluded_site(distal: str, proximal_site: str, reason: str) -> None:
    pair = motor(distal, DISTAL), motor(proximal_site, proximal(1.0, 10.0, 0.1))

    for set_id in SETS:
        assert graded(set_id, *pair) == Graded(Grade.EXCLUDED_SITE, (reason,))


def test_no_distal_response_is_not_assessable() -> None:
    found = graded(EFNS, median("wrist", NO_RESPONSE), median("elbow"))

    assert found == Graded(Grade.NOT_ASSESSABLE, ("no_distal_response",))


@pytest.mark.parametrize(("set_id", "expected"), [(EFNS, Grade.DEFINITE_BLOCK), (AMPLITUDE, Grade.BLOCK)])
def test_no_proximal_response_is_the_highest_grade_of_the_set(set_id: str, expected: Grade) -> None:
    found = graded(set_id, median("wrist"), median("elbow", NO_RESPONSE))

    assert found == Graded(expected, ("no_proximal_response",))


def test_every_set_names_its_source_and_its_floor_s() -> None:
    assert {entry.id: entry.status for entry in REFERENCE.criteria} == {
        EFNS: "verified",
        "aan-1991": "verified",
        AMPLITUDE: "given",
        "ean-pns-cidp-2021": "recalled",
        "efns-pns-cidp-2010": "verified",
        "ghosh-2005": "verified",
        "pfeiffer-2000-d": "verified",
        "utrecht-2000": "verified",
    }
    assert all(entry.source for entry in REFERENCE.criteria)
    floors = [
        limit for e in REFERENCE.criteria for limit in (e.floor.amplitude_mv, e.floor.percent_of_lower_limit)
    ]
    assert all(limit.source for limit in floors if limit)
