"""Sets that know one grade: amplitude-50, Ghosh 2005, Pfeiffer 2000 criterion D, EAN/PNS CIDP 2021."""

import pytest

from gateway.domain.criteria import Grade, Graded
from gateway.domain.recording import NO_RESPONSE
from tests.factories import grade_of, pair

BLOCK, NONE = Grade.BLOCK, Grade.NONE
MEDIAN = ("median", ("wrist", "elbow"))
ULNAR = ("ulnar", ("wrist", "below_elbow"))
RADIAL = ("radial", ("forearm", "elbow"))
FIBULAR = ("fibular", ("ankle", "below_fibular_head"))
TIBIAL = ("tibial", ("ankle", "popliteal_fossa"))
UPPER_ARM = [
    ("median", ("elbow", "axilla")),
    ("median", ("axilla", "erb")),
    ("ulnar", ("above_elbow", "axilla")),
    ("radial", ("elbow", "below_spiral_groove")),
    ("musculocutaneous", ("axilla", "erb")),
]
WRIST_TO_ERB = ("median", ("wrist", "erb"))
SHORT = {"far": {"site_position_mm": 100.0}}


@pytest.mark.parametrize(
    ("amplitude", "expected"),
    [(50.0, BLOCK), (49.95, BLOCK), (49.94, NONE), (100.0, BLOCK), (0.0, NONE), (-20.0, NONE)],
)
@pytest.mark.parametrize("where", [MEDIAN, RADIAL, FIBULAR, TIBIAL, WRIST_TO_ERB, *UPPER_ARM])
def test_amplitude_50(amplitude, expected, where) -> None:
    for others in ({}, {"area": None, "duration": None}, {"area": 90.0}, {"duration": 90.0}):
        assert grade_of("amplitude-50", pair(*where, amplitude=amplitude, **others)).grade is expected


@pytest.mark.parametrize(
    ("set_id", "where", "distal_mv", "passes"),
    [
        ("amplitude-50", MEDIAN, 1.0, True),
        ("amplitude-50", MEDIAN, 0.999, False),
        ("amplitude-50", RADIAL, 1.0, True),  # needs no norm
        ("ean-pns-cidp-2021", ULNAR, 1.58, True),  # 20 % of 7.9 mV
        ("ean-pns-cidp-2021", ULNAR, 1.57605, True),  # 19.95 % rounds to 20.0
        ("ean-pns-cidp-2021", ULNAR, 1.576, False),
        ("ean-pns-cidp-2021", FIBULAR, 0.26, True),  # below 1 mV
        ("ghosh-2005", MEDIAN, 0.1, True),  # states no floor
        ("ghosh-2005", RADIAL, 0.1, True),
    ],
)
@pytest.mark.parametrize(("fall", "grade"), [(90.0, BLOCK), (0.0, NONE)])
def test_floors(set_id, where, distal_mv, passes, fall, grade) -> None:
    expected = Graded(grade) if passes else Graded(Grade.NOT_ASSESSABLE, ("below_distal_floor",))

    assert grade_of(set_id, pair(*where, distal_mv=distal_mv, amplitude=fall, area=fall)) == expected


@pytest.mark.parametrize(
    ("amplitude", "area", "up_to_the_elbow", "above"),
    [
        (0.0, 23.0, NONE, NONE),
        (0.0, 23.04, NONE, NONE),
        (0.0, 23.05, BLOCK, NONE),
        (0.0, 29.0, BLOCK, NONE),
        (0.0, 29.04, BLOCK, NONE),
        (0.0, 29.05, BLOCK, BLOCK),
        (32.0, 0.0, NONE, NONE),
        (32.05, 0.0, BLOCK, NONE),
        (33.0, 0.0, BLOCK, NONE),
        (33.04, 0.0, BLOCK, NONE),
        (33.05, 0.0, BLOCK, BLOCK),
        (32.0, 23.0, NONE, NONE),
    ],
)
@pytest.mark.parametrize("duration", [0.0, 90.0, None])  # "exclusions may be over-restrictive"
def test_ghosh_2005(amplitude, area, up_to_the_elbow, above, duration) -> None:
    changes = {"amplitude": amplitude, "area": area, "duration": duration}

    distal = {grade_of("ghosh-2005", pair(*where, **changes)).grade for where in (MEDIAN, ULNAR, RADIAL)}
    proximal = {grade_of("ghosh-2005", pair(*where, **changes)).grade for where in UPPER_ARM}
    assert (distal, proximal) == ({up_to_the_elbow}, {above})
    short = pair("median", ("wrist", "wrist"), **changes, **SHORT)
    assert grade_of("ghosh-2005", short).grade is up_to_the_elbow


def test_ghosh_2005_takes_either_quantity() -> None:
    assert grade_of("ghosh-2005", pair(*MEDIAN, area=None, amplitude=40.0)) == Graded(BLOCK)
    assert grade_of("ghosh-2005", pair(*MEDIAN, area=40.0, amplitude=None)) == Graded(BLOCK)


@pytest.mark.parametrize(
    ("distal_mv", "amplitude", "expected"),
    [
        (10.0, 50.0, NONE),  # below 0.5, not 0.5
        (10.0, 50.05, NONE),  # 0.4995 rounds to 0.500
        (10.0, 50.06, BLOCK),
        (10.0, 49.9, NONE),
        (1.01, 50.1, BLOCK),
        (1.0, 50.1, NONE),  # 0.5 holds above 1 mV
        (0.9, 60.0, NONE),
        (0.9, 64.0, NONE),  # below 0.36
        (0.9, 64.1, BLOCK),
        (0.1, 90.0, BLOCK),
    ],
)
@pytest.mark.parametrize("where", [MEDIAN, RADIAL, TIBIAL, ("median", ("axilla", "erb"))])
def test_pfeiffer_2000_d(distal_mv, amplitude, expected, where) -> None:
    changes = {"area": None, "duration": None, "distal_mv": distal_mv, "amplitude": amplitude}

    assert grade_of("pfeiffer-2000-d", pair(*where, **changes)) == Graded(expected)


@pytest.mark.parametrize(
    ("amplitude", "elsewhere", "wrist_to_erb"),
    [
        (30.0, BLOCK, NONE),
        (29.95, BLOCK, NONE),
        (29.94, NONE, NONE),
        (49.94, BLOCK, NONE),
        (49.95, BLOCK, BLOCK),
        (50.0, BLOCK, BLOCK),
    ],
)
def test_ean_pns_cidp_2021(amplitude, elsewhere, wrist_to_erb) -> None:
    set_id = "ean-pns-cidp-2021"
    changes = {"amplitude": amplitude, "area": None, "duration": None}

    assert {grade_of(set_id, pair(*w, **changes)).grade for w in (MEDIAN, ULNAR, FIBULAR)} == {elsewhere}
    assert grade_of(set_id, pair(*WRIST_TO_ERB, **changes)).grade is wrist_to_erb
    assert grade_of(set_id, pair(*TIBIAL, **changes)) == Graded(Grade.NOT_LISTED)
    assert grade_of(set_id, pair(*RADIAL, **changes)) == Graded(Grade.NOT_ASSESSABLE, ("norm_missing",))


@pytest.mark.parametrize("set_id", ["amplitude-50", "ghosh-2005", "pfeiffer-2000-d", "ean-pns-cidp-2021"])
def test_absent_and_missing(set_id) -> None:
    nothing = {"measured": NO_RESPONSE}
    unknown = {"amplitude": None, "area": None}

    assert grade_of(set_id, pair(*MEDIAN, far=nothing)) == Graded(BLOCK, ("no_proximal_response",))
    assert grade_of(set_id, pair(*MEDIAN, near=nothing)).reasons == ("no_distal_response",)
    assert "amplitude_missing" in grade_of(set_id, pair(*MEDIAN, **unknown)).reasons
    assert grade_of(set_id, pair(*MEDIAN, **unknown)).grade is Grade.NOT_ASSESSABLE


def test_a_set_without_a_floor_does_with_the_area_alone() -> None:
    area_alone = {"distal_mv": None, "amplitude": None}

    assert grade_of("ghosh-2005", pair(*MEDIAN, area=23.1, **area_alone)).grade is BLOCK
    assert grade_of("ghosh-2005", pair(*MEDIAN, area=23.0, **area_alone)) == Graded(
        Grade.NOT_ASSESSABLE, ("amplitude_missing",)
    )
    assert grade_of("aan-1991", pair(*MEDIAN, area=20.1, **area_alone)).grade is Grade.PROBABLE_BLOCK
    for set_id in ("amplitude-50", "pfeiffer-2000-d", "utrecht-2000", "efns-pns-mmn-2010"):
        found = grade_of(set_id, pair(*MEDIAN, area=60.0, **area_alone))
        assert found == Graded(Grade.NOT_ASSESSABLE, ("amplitude_missing",))
