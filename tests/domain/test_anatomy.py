import pytest

from gateway.domain.anatomy import Muscle, SitePoint, Standing
from gateway.errors import DataError
from tests.factories import motor, reference, sensory

ANATOMY = reference().anatomy


def points(distal: str, proximal: str) -> tuple[SitePoint, SitePoint]:
    return SitePoint(site=distal), SitePoint(site=proximal)


@pytest.mark.parametrize(
    ("nerve", "distal", "proximal"),
    [
        ("median", "palm", "wrist"),
        ("ulnar", "below_elbow", "above_elbow"),
        ("fibular", "below_fibular_head", "above_fibular_head"),
        ("radial", "below_spiral_groove", "above_spiral_groove"),
    ],
)
def test_common_compression_sites_never_count(nerve: str, distal: str, proximal: str) -> None:
    assert ANATOMY.course(nerve, *points(distal, proximal)).standing is Standing.COMPRESSION_SITE


@pytest.mark.parametrize(
    ("nerve", "distal", "proximal", "missing"),
    [
        ("ulnar", "wrist", "above_elbow", ("below_elbow",)),
        ("ulnar", "wrist", "axilla", ("below_elbow", "above_elbow")),
        ("ulnar", "below_elbow", "axilla", ("above_elbow",)),
        ("fibular", "ankle", "above_fibular_head", ("below_fibular_head",)),
        ("median", "palm", "elbow", ("wrist",)),
        ("radial", "elbow", "above_spiral_groove", ("below_spiral_groove",)),
        ("radial", "elbow", "axilla", ("below_spiral_groove", "above_spiral_groove")),
    ],
)
def test_a_longer_pair_that_contains_a_compression_site_is_contaminated(
    nerve: str, distal: str, proximal: str, missing: tuple[str, ...]
) -> None:
    pair = points(distal, proximal)

    assert ANATOMY.course(nerve, *pair).standing is Standing.CONTAMINATED
    assert ANATOMY.course(nerve, *pair).missing_sites == missing


@pytest.mark.parametrize(
    ("nerve", "distal", "proximal"),
    [
        ("median", "wrist", "elbow"),
        ("ulnar", "wrist", "below_elbow"),
        ("ulnar", "above_elbow", "axilla"),
        ("radial", "forearm", "elbow"),
        ("tibial", "ankle", "popliteal_fossa"),
        ("median", "wrist", "erb"),
    ],
)
def test_a_segment_that_only_touches_a_compression_site_lies_outside_it(
    nerve: str, distal: str, proximal: str
) -> None:
    assert ANATOMY.course(nerve, *points(distal, proximal)).standing is Standing.ELIGIBLE


@pytest.mark.parametrize(
    ("distal", "proximal", "standing"),
    [
        (
            SitePoint(site="below_elbow", position_mm=280),
            SitePoint(site="below_elbow", position_mm=300),
            "compression_site",
        ),
        (SitePoint(site="below_elbow"), SitePoint(site="below_elbow", position_mm=300), "compression_site"),
        (SitePoint(site="wrist", position_mm=100), SitePoint(site="wrist", position_mm=125), "eligible"),
        (
            SitePoint(site="wrist", position_mm=230),
            SitePoint(site="below_elbow", position_mm=270),
            "contaminated_segment",
        ),
        (SitePoint(site="wrist", position_mm=230), SitePoint(site="below_elbow"), "eligible"),
        (SitePoint(site="erb"), SitePoint(site="erb", position_mm=900), "eligible"),
    ],
)
def test_inching_inherits_from_the_named_segment_it_lies_in(
    distal: SitePoint, proximal: SitePoint, standing: str
) -> None:
    assert ANATOMY.course("ulnar", distal, proximal).standing == standing


def test_inching_points_sort_between_the_named_sites() -> None:
    wanted = [
        SitePoint(site="wrist"),
        SitePoint(site="wrist", position_mm=100),
        SitePoint(site="wrist", position_mm=125),
        SitePoint(site="below_elbow"),
    ]

    assert sorted({*wanted}, key=lambda point: ANATOMY.order("ulnar", point)) == wanted


def test_peroneal_is_the_fibular_nerve() -> None:
    recording = motor("ankle", nerve="peroneal", recording_site="edb")

    assert ANATOMY.check(recording).nerve == "fibular"


@pytest.mark.parametrize(
    ("recording", "place", "word"),
    [
        (motor("wrist", nerve="ulna"), "nerve", "unknown nerve; did you mean 'ulnar'?; known: median"),
        (motor("knee"), "stimulation_site", "unknown stimulation site; known: wrist"),
        (motor("wrist", recording_site="tongue"), "recording_site", "unknown recording site; known: apb"),
        (motor("calf", nerve="sural"), "nerve", "no motor stimulation sites"),
        (sensory(stimulation_site="knee"), "stimulation_site", "unknown stimulation site; known: wrist"),
        (sensory(recording_site="apb"), "recording_site", "unknown recording site; known: digit_2"),
    ],
)
def test_a_recording_that_cannot_exist_is_refused_with_its_place(recording, place: str, word: str) -> None:
    with pytest.raises(DataError) as caught:
        ANATOMY.check(recording)

    assert word in str(caught.value)

    assert caught.value.place == place


def test_every_code_is_one_of_a_side_neutral_triple() -> None:
    codes = [entry.mdc for entry in (*ANATOMY.nerves.values(), *ANATOMY.muscles.values()) if entry.mdc]

    assert all(int(code.removeprefix("7:")) % 4 == 0 for code in codes)
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("wrist", "wrist"),
        ("Below elbow", "below_elbow"),
        ("ABOVE-ELBOW", "above_elbow"),
        ("be", "below_elbow"),
        ("Erb's Point", "erb"),
        ("Pop Fossa", "popliteal_fossa"),
        ("Digit V", "digit_5"),
        ("snuffbox", "snuffbox"),
        ("knee", None),
        ("", None),
    ],
)
def test_a_site_is_known_by_its_usual_spellings(text: str, site: str | None) -> None:
    assert ANATOMY.site_named(text) == site


def test_a_laboratory_s_own_spelling_wins() -> None:
    assert ANATOMY.site_named("Handgelenk", {"handgelenk": "wrist"}) == "wrist"
    assert ANATOMY.site_named("BE", {"be": "elbow"}) == "elbow"


def test_every_alias_and_branch_names_something_we_know() -> None:
    assert set(ANATOMY.site_aliases.values()) <= set(ANATOMY.sites)
    assert {branch.nerve for branch in ANATOMY.branches} <= set(ANATOMY.nerves)
    codes = [entry.mdc for entry in (*ANATOMY.nerves.values(), *ANATOMY.muscles.values(), *ANATOMY.branches)]
    known = [code for code in codes if code is not None]
    assert len(set(known)) == len(known)


def test_a_code_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match="not an MDC code"):
        Muscle(text="tongue", mdc="756")
