from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.daemon.reference import load_reference, shipped_data
from gateway.domain.norms import MotorNorm, NormTable, Person, SensoryNorm, Stratum, person_of
from gateway.domain.study import Patient, StudyHeader
from gateway.errors import ConfigError, DataError
from tests.factories import header, reference

NOBODY = Person()
AANEM = reference().norms
ON = replace(AANEM, use_unverified=True)


def born(birth_date: str | None, performed_at: str = "2026-11-02T10:15:00+01:00") -> StudyHeader:
    return header(patient=Patient(birth_date=birth_date), performed_at=performed_at)


@pytest.mark.parametrize(
    ("birth_date", "performed_at", "age"),
    [
        ("1971-11-02", "2026-11-02T00:00:00+01:00", 55),
        ("1971-11-03", "2026-11-02T23:59:59Z", 54),
        ("1971-12-01", "2026-11-02T10:15:00Z", 54),
        ("2026-11-02", "2026-11-02T10:15:00Z", 0),
        ("2004-02-29", "2026-02-28T10:15:00Z", 21),
        ("2004-02-29", "2026-03-01T10:15:00Z", 22),
        ("1971-03-05", "2016-12-31T23:59:60Z", 45),
    ],
)
def test_age_is_in_completed_years_on_the_day_of_the_examination(birth_date, performed_at, age) -> None:
    assert person_of(born(birth_date, performed_at)).age_years == age


@pytest.mark.parametrize(
    ("birth_date", "performed_at"),
    [
        (None, "2026-11-02T10:15:00Z"),
        ("", "2026-11-02T10:15:00Z"),
        ("unknown", "2026-11-02T10:15:00Z"),
        ("1971-13-05", "2026-11-02T10:15:00Z"),
        ("2026-11-03", "2026-11-02T10:15:00Z"),
        ("1971-03-05", "yesterday"),
    ],
)
def test_an_age_nobody_can_tell_is_not_known(birth_date, performed_at) -> None:
    assert person_of(born(birth_date, performed_at)).age_years is None


@pytest.mark.parametrize(
    ("height", "weight", "bmi"),
    [
        (168.0, 62.0, 22.0),
        (200.0, 95.8, 24.0),  # 23.95
        (200.0, 95.796, 23.9),  # 23.949
        (None, 62.0, None),
        (168.0, None, None),
    ],
)
def test_body_mass_index_has_one_decimal(height, weight, bmi) -> None:
    found = person_of(header(patient=Patient(height_cm=height, weight_kg=weight)))

    assert (found.height_cm, found.bmi) == (height, bmi)


@pytest.mark.parametrize("height", [0.0, -168.0, 1.68, 1680.0, float("nan"), float("inf")])
def test_a_slip_of_the_unit_is_no_height(height: float) -> None:
    found = person_of(header(patient=Patient(height_cm=height, weight_kg=62.0)))

    assert (found.height_cm, found.bmi) == (None, None)


@pytest.mark.parametrize("weight", [0.0, -62.0, 62_000.0, float("nan"), float("inf")])
def test_a_slip_of_the_unit_is_no_weight(weight: float) -> None:
    assert person_of(header(patient=Patient(height_cm=168.0, weight_kg=weight))).bmi is None


@pytest.mark.parametrize(("sex", "known"), [("F", "F"), ("M", "M"), ("O", None), ("U", None), (None, None)])
def test_strata_know_two_sexes(sex, known) -> None:
    assert person_of(header(patient=Patient(sex=sex))).sex == known


NUMBERS = st.none() | st.floats() | st.integers()


@given(st.none() | st.text(), st.text(), NUMBERS, NUMBERS)
def test_no_header_breaks_it(birth_date, performed_at, height, weight) -> None:
    patient = Patient(birth_date=birth_date, height_cm=height, weight_kg=weight)

    found = person_of(header(patient=patient, performed_at=performed_at))

    assert found.bmi is None or found.bmi > 0
    assert found.age_years is None or found.age_years >= 0


@given(st.dates(max_value=date(9998, 12, 30)))
def test_a_year_is_completed_on_the_birthday_and_not_before(day: date) -> None:
    birthday = date(day.year + 1, 3, 1) if (day.month, day.day) == (2, 29) else day.replace(year=day.year + 1)
    performed = [f"{when}T12:00:00Z" for when in (birthday - timedelta(days=1), birthday)]

    assert [person_of(born(day.isoformat(), when)).age_years for when in performed] == [0, 1]


@pytest.mark.parametrize(
    ("stratum", "person", "holds"),
    [
        (Stratum(age_years=(19, 39)), Person(age_years=18), False),
        (Stratum(age_years=(19, 39)), Person(age_years=19), True),
        (Stratum(age_years=(19, 39)), Person(age_years=39), True),
        (Stratum(age_years=(19, 39)), Person(age_years=40), False),
        (Stratum(age_years=(61, float("inf"))), Person(age_years=110), True),
        (Stratum(height_cm=(160, 170)), Person(height_cm=159.9), False),
        (Stratum(height_cm=(160, 170)), Person(height_cm=160.0), True),
        (Stratum(height_cm=(160, 170)), Person(height_cm=169.9), True),
        (Stratum(height_cm=(160, 170)), Person(height_cm=170.0), False),
        (Stratum(bmi=(24, float("inf"))), Person(bmi=23.9), False),
        (Stratum(bmi=(24, float("inf"))), Person(bmi=24.0), True),
        (Stratum(bmi=(0, 24)), Person(bmi=23.9), True),
        (Stratum(bmi=(0, 24)), Person(bmi=24.0), False),
        (Stratum(sex="F"), Person(sex="F"), True),
        (Stratum(sex="F"), Person(sex="M"), False),
        (Stratum(age_years=(19, 39), sex="F"), Person(age_years=30, sex="F"), True),
        (Stratum(age_years=(19, 39), sex="F"), Person(age_years=30), None),
        (Stratum(age_years=(19, 39), sex="F"), Person(age_years=50), False),
        (Stratum(age_years=(19, 39), sex="F"), NOBODY, None),
    ],
)
def test_everything_a_stratum_asks_must_hold(stratum: Stratum, person: Person, holds: bool | None) -> None:
    assert stratum.holds(person) is holds


def test_a_stratum_names_what_is_not_known() -> None:
    whole = Stratum(age_years=(19, 39), height_cm=(160, 170), bmi=(0, 24), sex="F")

    assert whole.unknown(NOBODY) == ("age", "height", "bmi", "sex")
    assert whole.unknown(Person(age_years=30, bmi=22.0)) == ("height", "sex")
    assert whole.narrowness == 4


@pytest.mark.parametrize(
    ("limits", "place"),
    [
        ({}, ""),
        ({"age_years": (40, 39)}, "age_years"),
        ({"height_cm": (170, 170)}, "height_cm"),
        ({"bmi": (24, float("nan"))}, "bmi"),
    ],
)
def test_a_stratum_of_nobody_is_refused(limits, place: str) -> None:
    with pytest.raises(DataError) as error:
        Stratum(**limits)

    assert error.value.place == place


def row(amplitude_mv: float, status="recalled", **stratum) -> MotorNorm:
    return MotorNorm(
        nerve="median",
        muscle="apb",
        status=status,
        amplitude_mv=amplitude_mv,
        stratum=Stratum(**stratum) if stratum else None,
    )


def table(*rows: MotorNorm, sensory: tuple[SensoryNorm, ...] = (), **changes) -> NormTable:
    about = {"id": "lab", "title": "lab", "source": "lab", "technique": "lab"}
    return NormTable(**about | changes, motor=rows, sensory=sensory)


def limit(norms: NormTable, person: Person) -> float | None:
    found = norms.for_person(person).motor_norm("median", "apb")
    return found and found.amplitude_mv


STRATA = table(
    row(1.0),
    row(2.0, age_years=(19, 39)),
    row(3.0, age_years=(19, 39), sex="F"),
    row(4.0, sex="F"),
    row(5.0, age_years=(40, 59), height_cm=(0, 160), sex="F"),
)


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        (NOBODY, 1.0),
        (Person(age_years=80), 1.0),
        (Person(age_years=30), 2.0),
        (Person(age_years=30, sex="M"), 2.0),
        (Person(age_years=30, sex="F"), 3.0),
        (Person(sex="F"), 4.0),
        (Person(age_years=50, sex="F"), 4.0),
        (Person(age_years=50, sex="F", height_cm=159.0), 5.0),
    ],
)
def test_the_most_specific_row_that_holds_counts(person: Person, expected: float) -> None:
    assert limit(STRATA, person) == expected


def test_of_rows_that_ask_equally_much_the_first_counts() -> None:
    overlapping = table(row(2.0, age_years=(19, 39)), row(3.0, age_years=(39, 59)), row(4.0, sex="F"))

    assert limit(overlapping, Person(age_years=39, sex="F")) == 2.0


def test_without_an_overall_row_there_may_be_none() -> None:
    assert limit(table(row(2.0, age_years=(19, 39))), Person(age_years=50)) is None


@pytest.mark.parametrize(("use_unverified", "expected"), [(False, 1.0), (True, 2.0)])
def test_unverified_rows_count_only_where_the_table_says_so(use_unverified: bool, expected: float) -> None:
    rows = (row(1.0), row(2.0, "unverified", age_years=(19, 39)))

    assert limit(table(*rows, use_unverified=use_unverified), Person(age_years=30)) == expected


def test_an_unverified_overall_row_is_off_too() -> None:
    assert limit(table(row(1.0, "unverified")), NOBODY) is None


def snap(amplitude_uv: float, *sites: str, stratum: Stratum | None = None) -> SensoryNorm:
    return SensoryNorm(
        nerve="ulnar",
        stimulation_sites=sites,
        recording_site="digit_5",
        status="recalled",
        distance_mm=140.0,
        amplitude_uv=amplitude_uv,
        stratum=stratum,
    )


def test_sensory_rows_are_chosen_site_pair_by_site_pair() -> None:
    young = Stratum(age_years=(19, 39))
    rows = (snap(10.0, "wrist", "forearm"), snap(14.0, "wrist", stratum=young))
    norms = table(sensory=rows).for_person(Person(age_years=30))

    chosen = [norms.sensory_norm("ulnar", site, "digit_5") for site in ("wrist", "forearm", "elbow")]

    assert [found and found.amplitude_uv for found in chosen] == [14.0, 10.0, None]


def rows_of(table: NormTable) -> tuple[object, ...]:
    return (*table.motor, *table.sensory)


def test_a_table_that_was_fitted_stays_as_it_is() -> None:
    person = Person(age_years=30, sex="F")

    assert rows_of(STRATA.for_person(person).for_person(person)) == rows_of(STRATA.for_person(person))


PEOPLE = st.builds(
    Person,
    age_years=st.none() | st.integers(0, 110),
    height_cm=st.none() | st.floats(100.0, 220.0),
    bmi=st.none() | st.floats(10.0, 60.0),
    sex=st.sampled_from([None, "F", "M"]),
)


def _ends(least: int, most: int) -> st.SearchStrategy[tuple[int, int] | None]:
    ordered = st.tuples(st.integers(least, most), st.integers(1, 60)).map(lambda e: (e[0], e[0] + e[1]))
    return st.none() | ordered


LIMITS = st.fixed_dictionaries(
    {
        "age_years": _ends(0, 100),
        "height_cm": _ends(100, 200),
        "bmi": _ends(10, 40),
        "sex": st.sampled_from([None, "F", "M"]),
    }
).filter(lambda limits: any(limits.values()))


@given(PEOPLE, LIMITS)
def test_an_unverified_stratum_changes_nothing(person: Person, limits) -> None:
    more = replace(STRATA, motor=(row(9.0, "unverified", **limits), *STRATA.motor))

    assert rows_of(more.for_person(person)) == rows_of(STRATA.for_person(person))


@given(LIMITS)
def test_of_someone_unknown_only_the_overall_row_holds(limits) -> None:
    assert limit(table(row(9.0, **limits), row(1.0)), NOBODY) == 1.0


@given(PEOPLE, st.lists(LIMITS, max_size=5))
def test_the_chosen_row_holds_and_no_more_specific_one_does(person: Person, strata) -> None:
    norms = table(*(row(2.0, **limits) for limits in strata), row(1.0))

    chosen = norms.for_person(person).motor_norm("median", "apb")

    assert chosen is not None
    holding = [r.stratum.narrowness for r in norms.motor if r.stratum and r.stratum.holds(person)]
    assert (chosen.stratum.narrowness if chosen.stratum else 0) == max(holding, default=0)


@given(PEOPLE, LIMITS)
def test_a_stratum_that_may_hold_is_told_unless_it_is_chosen(person: Person, limits) -> None:
    norms = table(row(1.0), row(9.0, **limits))

    told = norms.caveats(person, {"median"})

    assert (limit(norms, person) == 9.0) == (norms.motor[1].stratum.holds(person) is True)
    assert bool(told) == (norms.motor[1].stratum.holds(person) is None)


@pytest.mark.parametrize(
    ("norms", "person", "nerves", "told"),
    [
        (STRATA, NOBODY, {"median"}, ("norm_stratum_unknown:age", "norm_stratum_unknown:sex",
                                      "norm_stratum_unknown:height")),
        (STRATA, Person(age_years=30), {"median"}, ("norm_stratum_unknown:sex",)),
        (STRATA, Person(age_years=50, sex="F"), {"median"}, ("norm_stratum_unknown:height",)),
        (STRATA, Person(age_years=50, sex="M"), {"median"}, ()),
        (STRATA, NOBODY, {"ulnar"}, ()),
        (AANEM, NOBODY, {"median"}, ("norm_strata_unverified:aanem-2016",)),
        (AANEM, Person(age_years=30), {"tibial"}, ("norm_strata_unverified:aanem-2016",)),
        (AANEM, Person(age_years=90), {"median", "ulnar", "fibular", "tibial"}, ()),
        (AANEM, NOBODY, {"sural"}, ()),
        (ON, Person(age_years=30, bmi=22.0), {"ulnar"}, ()),
        (ON, Person(age_years=30, sex="F"), {"median"}, ("norm_stratum_unknown:bmi",)),
    ],
)  # fmt: skip
def test_caveats_name_the_strata_left_out(norms: NormTable, person: Person, nerves, told) -> None:
    assert norms.caveats(person, nerves) == told


@pytest.mark.parametrize("name", ["aanem-2016", "preston-shapiro"])
def test_overall_rows_come_first_and_are_on(name: str) -> None:
    norms = load_reference(norms=name).norms
    overall = {(r.nerve, r.muscle) for r in norms.motor if r.stratum is None}

    for found in norms.motor:
        first = norms.motor_norm(found.nerve, found.muscle)
        assert first is not None
        assert (first.stratum, first.status) == (None, "recalled")
        assert (found.nerve, found.muscle) in overall


def test_the_strata_of_the_task_force_are_off_until_they_are_read() -> None:
    strata = [r for r in (*AANEM.motor, *AANEM.sensory) if r.stratum]

    assert strata
    assert {r.status for r in strata} == {"unverified"}
    assert not AANEM.use_unverified
    for age in range(15, 90):
        fitted = AANEM.for_person(Person(age_years=age, height_cm=165.0, bmi=22.0, sex="F"))
        assert all(r.stratum is None for r in (*fitted.motor, *fitted.sensory))


def _velocity(nerve: str, muscle: str, distal: str, proximal: str, person: Person) -> float | None:
    found = ON.for_person(person).motor_norm(nerve, muscle)
    return found and found.velocity_limit(distal, proximal)


@pytest.mark.parametrize(
    ("age", "amplitude"), [(18, 4.1), (19, 5.9), (39, 5.9), (40, 4.2), (59, 4.2), (60, 3.8), (80, 4.1)]
)
@pytest.mark.parametrize("sex", [None, "F", "M"])
def test_median_amplitude_depends_on_age(age: int, amplitude: float, sex) -> None:
    assert limit(ON, Person(age_years=age, sex=sex)) == amplitude


@pytest.mark.parametrize(
    ("age", "sex", "velocity"),
    [
        (39, "M", 49),
        (39, "F", 53),
        (40, "M", 47),
        (79, "M", 47),
        (79, "F", 51),
        (80, "F", 49),
        (39, None, 49),
    ],
)
def test_median_velocity_depends_on_age_and_sex(age: int, sex, velocity: float) -> None:
    assert _velocity("median", "apb", "wrist", "elbow", Person(age_years=age, sex=sex)) == velocity


@pytest.mark.parametrize(
    ("age", "height", "velocity"),
    [(39, 169.9, 43), (39, 170.0, 37), (40, 169.9, 39), (79, 170.0, 36), (79, None, 38), (80, 160.0, 38)],
)
def test_fibular_velocity_depends_on_age_and_height(age: int, height, velocity: float) -> None:
    person = Person(age_years=age, height_cm=height)

    assert _velocity("fibular", "edb", "ankle", "below_fibular_head", person) == velocity
    assert _velocity("fibular", "edb", "below_fibular_head", "above_fibular_head", person) == 42


@pytest.mark.parametrize(
    ("age", "height", "amplitude", "velocity"),
    [
        (29, 159.9, 5.8, 44),
        (30, 160.0, 5.3, 42),
        (49, 170.0, 5.3, 37),
        (50, 159.9, 5.3, 40),
        (60, 160.0, 1.1, 37),
        (79, 170.0, 1.1, 34),
        (30, None, 5.3, 39),
        (80, 150.0, 4.4, 39),
    ],
)
def test_tibial_limits_depend_on_age_and_height(age: int, height, amplitude: float, velocity: float) -> None:
    person = Person(age_years=age, height_cm=height)
    found = ON.for_person(person).motor_norm("tibial", "ah")

    assert found is not None
    assert found.amplitude_mv == amplitude
    assert found.velocity_limit("ankle", "popliteal_fossa") == velocity


@pytest.mark.parametrize(
    ("nerve", "site", "age", "bmi", "amplitude"),
    [
        ("median", "digit_2", 49, 23.9, 19),
        ("median", "digit_2", 49, 24.0, 13),
        ("median", "digit_2", 50, 23.9, 15),
        ("median", "digit_2", 79, 24.0, 8),
        ("median", "digit_2", 49, None, 11),
        ("ulnar", "digit_5", 19, 23.9, 14),
        ("ulnar", "digit_5", 19, 24.0, 11),
        ("ulnar", "digit_5", 50, 23.9, 10),
        ("ulnar", "digit_5", 50, 24.0, 5),
        ("ulnar", "digit_5", None, 24.0, 10),
    ],
)
def test_digital_nerves_depend_on_age_and_body_mass_index(nerve, site, age, bmi, amplitude) -> None:
    found = ON.for_person(Person(age_years=age, bmi=bmi)).sensory_norm(nerve, "wrist", site)

    assert found is not None
    assert found.amplitude_uv == amplitude


@pytest.mark.parametrize(("age", "amplitude"), [(None, 17), (60, 17), (61, 10)])
def test_preston_and_shapiro_accept_a_smaller_ulnar_snap_over_sixty(age, amplitude: float) -> None:
    norms = load_reference(norms="preston-shapiro").norms

    found = norms.for_person(Person(age_years=age)).sensory_norm("ulnar", "wrist", "digit_5")

    assert found is not None
    assert found.amplitude_uv == amplitude


def test_a_velocity_limit_belongs_to_its_segment() -> None:
    ulnar = AANEM.motor_norm("ulnar", "adm")

    assert ulnar is not None
    assert ulnar.velocity_limit("below_elbow", "above_elbow") == 43
    assert ulnar.velocity_limit("above_elbow", "axilla") is None


LAB = """
id = "lab"
title = "Our own"
source = "our files"
technique = "ours"

[[motor]]
nerve = "median"
muscle = "apb"
status = "given"
stratum = { age_years = [60, inf], height_cm = [150.5, 170], bmi = [0, 24], sex = "F" }
amplitude_mv = 3.5

[[sensory]]
nerve = "ulnar"
stimulation_sites = ["wrist"]
recording_site = "digit_5"
status = "given"
stratum = { age_years = [19, 39] }
distance_mm = 140
amplitude_uv = 12
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    (tmp_path / "norms").mkdir()
    return tmp_path / "norms" / "lab.toml"


def test_a_laboratory_s_own_table_may_have_strata(lab: Path) -> None:
    lab.write_text(LAB)

    norms = load_reference(norms="lab", data_dir=lab.parents[1]).norms

    person = Person(age_years=75, height_cm=150.5, bmi=22.0, sex="F")
    assert limit(norms, person) == 3.5
    assert limit(norms, replace(person, height_cm=150.4)) is None
    assert norms.sensory[0].stratum == Stratum(age_years=(19, 39))


def test_a_laboratory_may_switch_unverified_strata_on(lab: Path) -> None:
    shipped = (shipped_data() / "norms" / "aanem-2016.toml").read_text("utf-8")
    lab.write_text(f"use_unverified = true\n{shipped}", "utf-8")

    norms = load_reference(data_dir=lab.parents[1]).norms

    assert norms.use_unverified
    assert rows_of(norms) == rows_of(ON)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("stratum = { age = [19, 39] }", "stratum"),
        ("stratum = { age_years = [19, 39], heigth_cm = [0, 160] }", "heigth_cm"),
        ("stratum = { age_years = [39, 19] }", "age_years"),
        ("stratum = { age_years = [19] }", "age_years"),
        ('stratum = { sex = "X" }', "sex"),
        ("age_years = [19, 39]", "age_years"),
    ],
)
def test_a_stratum_that_cannot_be_is_an_error_with_the_file(lab: Path, wrong: str, named: str) -> None:
    lab.write_text(LAB.replace("stratum = { age_years = [19, 39] }", wrong))

    with pytest.raises(ConfigError, match=named) as error:
        load_reference(norms="lab", data_dir=lab.parents[1])

    assert str(lab) in str(error.value)
