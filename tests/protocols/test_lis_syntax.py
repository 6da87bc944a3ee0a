from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.protocols.lis_syntax import (
    Delimiters,
    Record,
    decimal,
    decode_text,
    iso_date,
    lis_date,
    lis_time,
    number,
    quantity,
    rfc3339,
)

ODD = Delimiters("!", "#", "$", "%")
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31), timezones=ZONES)  # noqa: DTZ001


@given(st.sampled_from([Delimiters(), ODD]), st.lists(st.text(), min_size=1))
def test_any_text_survives_as_a_component(delimiters: Delimiters, parts: list[str]):
    field = delimiters.component.join(delimiters.escaped(part) for part in parts)
    record = Record(delimiters.field.join(("X", field, "1")), delimiters)
    assert record.components(2, len(parts)) == parts
    assert all(" " <= char != "\x7f" for char in field)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("R&F&D&E&C", "R|D&C"),
        ("&S&&R&", "^\\"),
        ("&H&bold&N&", "bold"),
        ("&X0D0A&", "\r\n"),
        ("&XC3A9&", "é"),
        ("Smith & Sons", "Smith & Sons"),
        ("&Zlocal&", "&Zlocal&"),
        ("&X0&", "&X0&"),
        ("&", "&"),
    ],
)
def test_escape_sequences(text: str, meant: str):
    assert Delimiters().unescaped(text) == meant


@pytest.mark.parametrize(("header", "field"), [(r"H|\^&", "|"), (r"H|\^&|||x", "|"), ("H!#$%!", "!")])
def test_delimiters_are_those_the_header_declares(header: str, field: str):
    assert Delimiters.declared_in(header).field == field


@pytest.mark.parametrize(
    "header",
    [
        "",
        "H",
        "H|",
        r"H|\^",
        r"H|\\^&",
        "H||^&",
        "HABCD",
        "H1234",
        "H|.^&",
        "H|/^&",
        "H| ^&",
        "H|é^&",
        r"H|\^&~|",
    ],
)
def test_delimiters_that_cannot_be_meant_are_refused(header: str):
    with pytest.raises(DataError, match="H-2"):
        Delimiters.declared_in(header)


def test_a_record_is_empty_behind_its_end():
    record = Record("R| 1 ", Delimiters())
    assert (record.kind, record.text(2), record.text(9)) == ("R", "1", "")
    assert record.components(2, 3) == ["1", "", ""]


@pytest.mark.parametrize(
    ("raw", "text"), [(b"M\xc3\xbcller", "Müller"), (b"M\xfcller", "Müller"), (b"A", "A")]
)
def test_text_is_utf8_or_latin1(raw: bytes, text: str):
    assert decode_text(raw) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_exactly(value: float):
    assert number(decimal(value), "x", signed=True) == value
    assert "e" not in decimal(value)


@given(st.floats(0, 1e9))
def test_a_unit_moves_the_decimal_point_and_nothing_else(value: float):
    text = decimal(value)
    assert quantity(text, "mV", "mV", "x") == value
    assert quantity(text, "uV", "mV", "x") == float(text + "e-3")
    assert quantity(text, "V", "uV", "x") == float(text + "e6")


@pytest.mark.parametrize(
    ("text", "unit", "wanted", "value"),
    [
        ("9000", "uV", "mV", 9.0),
        ("9000000", "nV", "mV", 9.0),
        ("0.0000029", "s", "ms", 0.0029),
        ("200", "us", "ms", 0.2),
        ("14", "cm", "mm", 140.0),
        ("0.14", "m", "mm", 140.0),
        ("0.038", "A", "mA", 38.0),
        ("28.0", "mV.ms", "mV.ms", 28.0),
        ("-3.5", "Cel", "Cel", -3.5),
        ("+1.5E1", "ms", "ms", 15.0),
        (".5", "ms", "ms", 0.5),
        ("5.", "ms", "ms", 5.0),
    ],
)
def test_quantities_are_brought_to_our_unit_exactly(text: str, unit: str, wanted: str, value: float):
    assert quantity(text, unit, wanted, "x") == value


@pytest.mark.parametrize("unit", ["", "microV", "mv", "MV", "µV", "ms", "Cel", "mV "])
def test_a_unit_is_never_guessed(unit: str):
    with pytest.raises(DataError, match="x: the unit must be one of V, mV, uV, nV"):
        quantity("9.0", unit, "mV", "x")


@pytest.mark.parametrize(
    "text", ["", "nan", "NaN", "inf", "-1", "9,0", "1_0", "0x1", "1e999", "٣", "1e", "--1", "1" * 401, " 1"]
)
def test_what_is_no_decimal_number_is_refused(text: str):
    with pytest.raises(DataError, match=r"^x: "):
        number(text, "x")


def test_a_decimal_comma_is_told_apart():
    with pytest.raises(DataError, match="decimal point"):
        number("9,0", "x")


@given(MOMENTS)
def test_a_time_reads_back_with_its_zone(moment: datetime):
    assert datetime.fromisoformat(rfc3339(lis_time(moment.isoformat(), "x"), UTC, "x")) == moment


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("20261102101500", "2026-11-02T10:15:00+01:00"),
        ("202607021015", "2026-07-02T10:15:00+02:00"),
        ("20261102", "2026-11-02T00:00:00+01:00"),
        ("20261102101500.25", "2026-11-02T10:15:00.250000+01:00"),
        ("20261102101500-0330", "2026-11-02T10:15:00-03:30"),
        ("20261102101500+0000", "2026-11-02T10:15:00+00:00"),
    ],
)
def test_a_time_without_a_zone_is_in_the_drivers(text: str, stamp: str):
    assert rfc3339(text, ZoneInfo("Europe/Zurich"), "x") == stamp


def test_without_a_zone_anywhere_it_is_this_machines():
    assert rfc3339("20261102101500", None, "x") == datetime(2026, 11, 2, 10, 15).astimezone().isoformat()


@pytest.mark.parametrize(
    "text",
    ["", "2026", "20261302101500", "20260230", "20261102256100", "00000000000000", "20261102101500+9900"],
)
def test_a_time_that_does_not_exist_is_refused(text: str):
    with pytest.raises(DataError, match=r"^x: "):
        rfc3339(text, UTC, "x")


@pytest.mark.parametrize("stamp", ["", "yesterday", "2026-11-02T10:15:00"])
def test_only_a_time_with_a_zone_is_written(stamp: str):
    with pytest.raises(DataError, match=r"^x: "):
        lis_time(stamp, "x")


def test_dates():
    assert iso_date(lis_date("1971-03-05", "x"), "x") == "1971-03-05"
    assert iso_date("19650102030400", "x") == "1965-01-02"
    for text in ("", "19", "19650230"):
        with pytest.raises(DataError, match=r"^x: "):
            iso_date(text, "x")
    with pytest.raises(DataError, match=r"^x: "):
        lis_date("5.3.1971", "x")
