"""Mistakes a laboratory makes in its own files: each is refused, in one line, with file and place."""

import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.daemon.reference import load_reference, shipped_data
from gateway.errors import ConfigError

SHIPPED = shipped_data()
ULNAR = "wrist, below_elbow, above_elbow, axilla, erb"
# The name of the file, what stands in it, what is written instead, and what is told.
Mistake = tuple[str, str, str, str]

MMN = "criteria/efns-pns-mmn-2010.toml"
FIRST = '{ quantity = "area_reduction_percent", op = ">=", limit = 50.0 }'
SHORT = '{ quantity = "duration_increase_percent", op = "<=", limit = 30.0 }'
RULE = '[[rules]]\ngrade = "definite_block"\n'
NERVES = 'nerves = ["median", "ulnar", "fibular"]'
FIFTY = "criteria/amplitude-50.toml"
FIFTY_TEXT = (SHIPPED / FIFTY).read_text("utf-8")
FIFTY_RULES = FIFTY_TEXT[FIFTY_TEXT.index("[[rules]]") :]
CRITERIA: list[Mistake] = [
    (
        MMN,
        f"{RULE}conditions = [\n  {FIRST},\n  {SHORT},\n]",
        f"{RULE}conditions = []",
        "rules[0].conditions: is empty, name at least one condition",
    ),
    (
        MMN,
        FIRST + ",\n",
        "",
        "rules[0].conditions: no fall of the response is asked for, add a reduction or a ratio",
    ),
    (
        MMN,
        FIRST,
        FIRST.replace(">=", "<="),
        "rules[0].conditions[0].op: is the wrong way round for a fall, write >= or >",
    ),
    *(
        (
            MMN,
            FIRST,
            FIRST.replace("50.0", slip),
            "rules[0].conditions[0].limit: must be above 0 and below 100",
        )
        for slip in ("-40", "0", "nan", "inf", "140", "100")
    ),
    (
        MMN,
        FIRST,
        f'{FIRST}, {{ quantity = "duration_increase_percent", op = ">", limit = 30.0 }}',
        "rules[0].conditions: contradict each other, no duration_increase_percent meets all of them",
    ),
    (
        MMN,
        FIRST,
        f'{FIRST}, {{ quantity = "duration_increase_percent", op = "<", limit = -30.0 }}',
        "rules[0].conditions[1].limit: must be above 0 and at most 500",
    ),
    (MMN, NERVES, 'nerves = ["medain"]', "nerves[0]: unknown nerve; did you mean 'median'?"),
    (
        MMN,
        NERVES,
        'nerves = ["peroneal"]',
        "nerves[0]: is another name of the fibular nerve, write 'fibular'",
    ),
    (MMN, NERVES, 'nerves = ["sural"]', "nerves[0]: the sural nerve has no motor stimulation sites"),
    (MMN, NERVES, "nerves = []", "nerves: is empty, name at least one nerve"),
    (
        MMN,
        NERVES,
        f'{NERVES}\nexcept_nerves = ["tibail"]',
        "except_nerves[0]: unknown nerve; did you mean 'tibial'?",
    ),
    (
        MMN,
        NERVES,
        f'{NERVES}\nsegments = [{{ nerve = "ulnar", distal = "wirst", proximal = "axilla" }}]',
        "segments[0].distal: unknown site of the ulnar nerve; did you mean 'wrist'?",
    ),
    (
        MMN,
        NERVES,
        f'{NERVES}\nsegments = [{{ nerve = "ulnar", distal = "axilla", proximal = "wrist" }}]',
        f"segments[0]: must run from distal to proximal: {ULNAR}",
    ),
    (
        MMN,
        NERVES,
        f'{NERVES}\nsegments = [{{ nerve = "ulnar", distal = "wrist", proximal = "forearm" }}]',
        f"segments[0].proximal: unknown site of the ulnar nerve; known: {ULNAR}",
    ),
    (
        MMN,
        NERVES,
        f'{NERVES}\nsegments = [{{ nerve = "tibial", distal = "ankle", proximal = "popliteal_fossa" }}]',
        "segments[0].nerve: unknown nerve of this set; known: median, ulnar, fibular",
    ),
    (
        MMN,
        RULE,
        f'{RULE}except_segments = [{{ distal = "wrist", proximal = "erbs" }}]\n',
        "rules[0].except_segments[0].proximal: unknown site of this set's nerves; did you mean 'erb'?",
    ),
    (
        MMN,
        RULE,
        f'{RULE}segments = [{{ distal = "erb", proximal = "wrist" }}]\n',
        "rules[0].segments[0]: no nerve of this set runs from distal to proximal like this",
    ),
    (
        MMN,
        RULE,
        f'{RULE}segments = [{{ distal = "ankle", proximal = "erb" }}]\n',
        "rules[0].segments[0]: no nerve of this set runs from distal to proximal like this",
    ),
    (
        MMN,
        RULE,
        f'{RULE}proximal_sites = ["axila"]\n',
        "rules[0].proximal_sites[0]: unknown site; did you mean 'axilla'?",
    ),
    (
        MMN,
        RULE,
        f'{RULE}except_nerves = ["tibila"]\n',
        "rules[0].except_nerves[0]: unknown nerve; did you mean 'tibial'?",
    ),
    (
        MMN,
        RULE,
        '[[rules]]\ngrade = "block"\n',
        "rules[1].grade: a set has either block, or definite_block and probable_block",
    ),
    (
        MMN,
        'amplitude_mv = { op = ">", limit = 1.0',
        'amplitude_mv = { op = "<=", limit = 1.0',
        "floor.amplitude_mv.op: is the wrong way round for a floor, write >= or >",
    ),
    (
        MMN,
        'amplitude_mv = { op = ">", limit = 1.0',
        'amplitude_mv = { op = ">", limit = -1.0',
        "floor.amplitude_mv.limit: must be above 0 and at most 50",
    ),
    (
        MMN,
        'limit = { op = ">", limit = 20.0',
        'limit = { op = ">", limit = 2000.0',
        "floor.percent_of_lower_limit.limit: must be above 0 and at most 100",
    ),
    (FIFTY, FIFTY_RULES, "", "Object missing required field `rules`"),
    (
        FIFTY,
        FIFTY_TEXT[FIFTY_TEXT.index("[floor]") :],
        "rules = []\n",
        "rules: is empty, name at least one rule",
    ),
    # Off by default, and refused all the same.
    (
        "criteria/aaem-1999.toml",
        'remark = "',
        'except_nerves = ["axilary"]\nremark = "',
        "except_nerves[0]: unknown nerve; did you mean 'axillary'?",
    ),
]

OWN = "norms/preston-shapiro.toml"
MEDIAN = (
    '[[motor]]\nnerve = "median"\nmuscle = "apb"\nstatus = "recalled"\ndistance_mm = 70\namplitude_mv = 4.0\n'
)
FOREARM = '{ distal = "forearm", proximal = "elbow", limit_m_s = 49 }'
SURAL = '[[sensory]]\nnerve = "sural"\nstimulation_sites = ["calf"]\nrecording_site = "ankle"\n'
ROW = 'status = "given"\ndistance_mm = 140\namplitude_uv = 6\n\n'
NORMS: list[Mistake] = [
    *(
        (OWN, MEDIAN, MEDIAN.replace("4.0", slip), "motor[0].amplitude_mv: must be above 0 and at most 50")
        for slip in ("nan", "-4.0", "0", "4000")
    ),
    *(
        (OWN, MEDIAN, MEDIAN.replace("70", slip), "motor[0].distance_mm: must be 20 or more and at most 1000")
        for slip in ("nan", "-70", "0", "7")
    ),
    (
        OWN,
        "onset_latency_ms = 4.4",
        "onset_latency_ms = 0",
        "motor[0].onset_latency_ms: must be above 0 and at most 100",
    ),
    (
        OWN,
        'proximal = "elbow", limit_m_s = 49 }]\n\n[[motor]]\nnerve = "ulnar"',
        'proximal = "elbow", limit_m_s = -49 }]\n\n[[motor]]\nnerve = "ulnar"',
        "motor[0].velocities[0].limit_m_s: must be above 0 and at most 150",
    ),
    (
        OWN,
        MEDIAN,
        MEDIAN.replace("median", "medain"),
        "motor[0].nerve: unknown nerve; did you mean 'median'?",
    ),
    (OWN, MEDIAN, MEDIAN.replace("apb", "abp"), "motor[0].muscle: unknown muscle; did you mean 'apb'?"),
    (OWN, MEDIAN, MEDIAN.replace("apb", "adm"), "motor[0].muscle: the median nerve supplies: apb"),
    (
        OWN,
        '{ distal = "forearm", proximal = "elbow"',
        '{ distal = "forearm", proximal = "above_elbow"',
        ("motor[3].velocities[0].proximal: unknown site of the radial nerve; did you mean 'elbow'?"),
    ),
    (
        OWN,
        'distal = "forearm", proximal = "elbow"',
        'distal = "elbow", proximal = "forearm"',
        (
            "motor[3].velocities[0]: must run from distal to proximal: "
            "forearm, elbow, below_spiral_groove, above_spiral_groove, axilla, erb"
        ),
    ),
    (
        OWN,
        f"[{FOREARM}]",
        f"[{FOREARM}, {FOREARM}]",
        "motor[3].velocities[1]: same segment as velocities[0], keep one",
    ),
    (OWN, MEDIAN, f"{MEDIAN}\n{MEDIAN}", "motor[1]: same nerve, muscle and stratum as motor[0], keep one"),
    (
        OWN,
        SURAL,
        SURAL.replace("sural", "surral"),
        "sensory[7].nerve: unknown nerve; did you mean 'sural'?",
    ),
    (
        OWN,
        SURAL,
        SURAL.replace("calf", "clf"),
        "sensory[7].stimulation_sites[0]: unknown site; did you mean 'calf'?",
    ),
    (
        OWN,
        SURAL,
        SURAL.replace("ankle", "anklet"),
        "sensory[7].recording_site: unknown site; did you mean 'ankle'?",
    ),
    (
        OWN,
        SURAL,
        SURAL.replace('["calf"]', "[]"),
        "sensory[7].stimulation_sites: is empty, name at least one site",
    ),
    (
        OWN,
        SURAL,
        f"{SURAL}{ROW}{SURAL}",
        "sensory[8]: same nerve, sites and stratum as sensory[7], keep one",
    ),
    (
        OWN,
        "stratum = { age_years = [61, inf] }",
        "stratum = { age_years = [61, 60] }",
        "sensory[2].stratum.age_years: the first age must not be above the last",
    ),
]


def threshold(name: str, old: str, new: str, told: str) -> Mistake:
    return (
        "thresholds.toml",
        f"[{name}]\nvalue = {old}\n",
        f"[{name}]\nvalue = {new}\n",
        f"{name}.value: {told}",
    )


THRESHOLDS: list[Mistake] = [
    *(
        threshold("dispersion_percent", "30", slip, "must be above 0 and at most 500")
        for slip in ("nan", "-30")
    ),
    *(
        threshold("upper_limb_c", "32", slip, "must be 20 or more and at most 40")
        for slip in ("320", "3.2", "89.6", "nan", "0")
    ),
    threshold("acute_onset_days", "14", "1400", "must be above 0 and at most 365"),
    threshold("martin_gruber_excluded_percent", "20", "70", "must be below martin_gruber_gain_percent"),
    threshold("csf_protein_raised_g_l", "0.45", "4.5", "must be below csf_protein_below_g_l"),
]

EAN = "differential/ean-pns-cidp-2021.toml"
FIRST_DURATION = '{ nerve = "median", muscle = "apb", low_filter_hz = 2, limit_ms = 8.4 }'
DIFFERENTIAL: list[Mistake] = [
    (
        EAN,
        FIRST_DURATION,
        FIRST_DURATION.replace("median", "medain"),
        "durations[0].nerve: unknown nerve; did you mean 'median'?",
    ),
    (
        EAN,
        FIRST_DURATION,
        FIRST_DURATION.replace("apb", "apbb"),
        "durations[0].muscle: unknown muscle; did you mean 'apb'?",
    ),
    (
        EAN,
        FIRST_DURATION,
        FIRST_DURATION.replace("8.4", "0"),
        "durations[0].limit_ms: must be above 0 and at most 100",
    ),
    (
        EAN,
        FIRST_DURATION,
        FIRST_DURATION.replace("= 2", "= -2"),
        "durations[0].low_filter_hz: must be above 0 and at most 1000",
    ),
    (
        EAN,
        FIRST_DURATION,
        f"{FIRST_DURATION}, {FIRST_DURATION}",
        "durations[1]: same nerve, muscle and filter as durations[0], keep one",
    ),
    (
        EAN,
        "velocity_below_percent = 30",
        "velocity_below_percent = -30",
        "velocity_below_percent: must be above 0 and below 100",
    ),
    (
        EAN,
        'block_set = "ean-pns-cidp-2021"',
        'block_set = "ean-cidp-2021"',
        "block_set: unknown criteria set; did you mean 'ean-pns-cidp-2021'?",
    ),
]

PLAN: list[Mistake] = [
    (
        "examination.toml",
        '[[motor]]\nnerve = "median"',
        '[[motor]]\nnerve = "medain"',
        "motor[0].nerve: unknown nerve; did you mean 'median'?",
    ),
    (
        "examination.toml",
        'muscle = "apb"',
        'muscle = "abp"',
        "motor[0].muscle: unknown muscle; did you mean 'apb'?",
    ),
    (
        "examination.toml",
        '["wrist", "elbow", "axilla", "erb"]',
        '["wrist", "elbo"]',
        "motor[0].sites[1]: unknown site of the median nerve; did you mean 'elbow'?",
    ),
    (
        "examination.toml",
        '["wrist", "elbow", "axilla", "erb"]',
        "[]",
        "motor[0].sites: is empty, name at least one site",
    ),
    (
        "examination.toml",
        'nerve = "median"\nsides = ["left", "right"]',
        'nerve = "median"\nsides = ["left", "rihgt"]',
        "sensory[0].sides[1]: unknown word; did you mean 'right'?",
    ),
    (
        "examination.toml",
        'nerve = "median"\nsides = ["left", "right"]',
        'nerve = "median"\nsides = []',
        "sensory[0].sides: is empty, name at least one side",
    ),
    (
        "examination.toml",
        'nerve = "sural"',
        'nerve = "surall"',
        "sensory[3].nerve: unknown nerve; did you mean 'sural'?",
    ),
]

STANDARD = "anatomy/standard.toml"
TUNNEL = 'distal = "below_elbow"\nproximal = "above_elbow"'
ANATOMY: list[Mistake] = [
    (
        STANDARD,
        'muscles = ["apb"]',
        'muscles = ["abp"]',
        "nerves.median.muscles[0]: unknown muscle; did you mean 'apb'?",
    ),
    (
        STANDARD,
        'sensory_nerves = ["median"]',
        'sensory_nerves = ["medain"]',
        "nerves.median.sensory_nerves[0]: unknown nerve; did you mean 'median'?",
    ),
    (
        STANDARD,
        TUNNEL,
        TUNNEL.replace("above", "abov"),
        "nerves.ulnar.excluded[0].proximal: unknown site of this nerve; did you mean 'above_elbow'?",
    ),
    (
        STANDARD,
        TUNNEL,
        'distal = "above_elbow"\nproximal = "below_elbow"',
        f"nerves.ulnar.excluded[0]: must run from distal to proximal: {ULNAR}",
    ),
    (
        STANDARD,
        TUNNEL,
        TUNNEL.replace("above_elbow", "axilla"),
        f"nerves.ulnar.excluded[0]: must be neighbours of: {ULNAR}",
    ),
    (
        STANDARD,
        'sites = ["ankle", "popliteal_fossa"]',
        'sites = ["ankle", "ankle"]',
        "nerves.tibial.sites: names a site twice",
    ),
    (
        STANDARD,
        '[nerves.sural]\nlimb = "lower"',
        '[nerves.sural]\nlimb = "lowr"',
        "nerves.sural.limb: unknown limb; did you mean 'lower'?",
    ),
    (
        STANDARD,
        'nerve = "fibular"',
        'nerve = "fibulr"',
        "branches[2].nerve: unknown nerve; did you mean 'fibular'?",
    ),
    (
        STANDARD,
        'recording_site = "digit_5"',
        'recording_site = "digit5"',
        "branches[1].recording_site: unknown site; did you mean 'digit_5'?",
    ),
    (
        STANDARD,
        '\nae = "above_elbow"',
        '\nae = "aboveelbow"',
        "site_aliases.ae: unknown site; did you mean 'above_elbow'?",
    ),
]


def told_of(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_reference(data_dir=folder)
    assert caught.value.exit_code == 78
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [*CRITERIA, *NORMS, *THRESHOLDS, *DIFFERENTIAL, *PLAN, *ANATOMY],
)
def test_a_mistake_is_one_line_with_its_place(
    tmp_path: Path, name: str, old: str, new: str, told: str
) -> None:
    text = (SHIPPED / name).read_text("utf-8")
    assert old in text
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.replace(old, new, 1), "utf-8")
    assert told_of(tmp_path) == f"{path}: {told}"


def test_the_weaker_grade_stands_below_the_stronger_one(tmp_path: Path) -> None:
    head, *rules = (SHIPPED / MMN).read_text("utf-8").split("[[rules]]")
    path = tmp_path / "criteria" / "own.toml"
    path.parent.mkdir()
    path.write_text("[[rules]]".join((head, rules[1], rules[0])), "utf-8")
    assert told_of(tmp_path) == f"{path}: rules[1].grade: definite_block must stand above probable_block"


def test_every_shipped_file_can_be_a_laboratorys_own(tmp_path: Path) -> None:
    for path in SHIPPED.rglob("*.toml"):
        copy = tmp_path / path.relative_to(SHIPPED)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    every = [path.stem for path in (SHIPPED / "criteria").glob("*.toml")]
    for table in (SHIPPED / "norms").glob("*.toml"):
        assert load_reference(data_dir=tmp_path, criteria=every, norms=table.stem) is not None


def numbers(document: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where the limits of a document are; the ends of a stratum may be 0 and infinite."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key != "stratum":
                yield from numbers(value, (*at, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from numbers(value, (*at, index))
    elif isinstance(document, int | float) and not isinstance(document, bool):
        yield at


LIMITS = [
    (str(path.relative_to(SHIPPED)), at)
    for path in sorted(
        (
            *(SHIPPED / "criteria").glob("*.toml"),
            *(SHIPPED / "norms").glob("*.toml"),
            *(SHIPPED / "differential").glob("*.toml"),
            SHIPPED / "thresholds.toml",
        )
    )
    for at in numbers(tomllib.loads(path.read_text("utf-8")))
]
# At exactly the distance of the table, and nowhere else.
MAY_BE_ZERO = ("latency_distance_mm", "value")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(where=st.sampled_from(LIMITS), slip=st.sampled_from((-1.0, 0.0, math.nan, 1000.0)))
def test_no_limit_survives_a_slip(
    tmp_path_factory: pytest.TempPathFactory, where: tuple[str, tuple[str | int, ...]], slip: float
) -> None:
    name, at = where
    document = inner = tomllib.loads((SHIPPED / name).read_text("utf-8"))
    for key in at[:-1]:
        inner = inner[key]  # type: ignore[index]
    inner[at[-1]] *= slip  # type: ignore[index]
    folder = tmp_path_factory.mktemp("slip")
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(tomli_w.dumps(document), "utf-8")
    if at == MAY_BE_ZERO and slip == 0:
        assert load_reference(data_dir=folder).thresholds.latency_distance_mm.value == 0
    else:
        place = re.sub(r"\.(\d+)", r"[\1]", ".".join(map(str, at)))
        assert told_of(folder).startswith(f"{path}: {place}: must be ")
