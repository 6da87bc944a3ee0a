import contextlib
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.protocols import er7
from gateway.protocols.er7 import Delimiters, Field

MSH = "MSH|^~\\&|EMG|LAB|||20261102101500||ORU^R01^ORU_R01|C-1|P|2.5.1||||||UNICODE UTF-8"
STANDARD = Delimiters()


def parsed(*lines: str, end: str = "\r") -> er7.Message:
    return er7.parse("".join(line + end for line in (MSH, *lines)).encode())


@pytest.mark.parametrize(
    ("char", "sequence"),
    [
        ("|", "\\F\\"),
        ("^", "\\S\\"),
        ("&", "\\T\\"),
        ("~", "\\R\\"),
        ("\\", "\\E\\"),
        ("\r", "\\X0D\\"),
        ("\n", "\\X0A\\"),
        ("\x00", "\\X00\\"),
        ("\x0b", "\\X0B\\"),
        ("\x1c", "\\X1C\\"),
        ("\x7f", "\\X7F\\"),
        ("\x85", "\\XC285\\"),
    ],
)
def test_delimiters_and_control_characters_are_escaped(char, sequence):
    assert er7.text(f"a{char}b") == f"a{sequence}b"
    assert STANDARD.unescaped(f"a{sequence}b") == f"a{char}b"


@pytest.mark.parametrize("text", ["\\E\\R\\", "\\F", "F\\", "\\X0D\\", "\\\\", "\\.br\\", "\\H\\x\\N\\"])
def test_text_that_looks_escaped_comes_back_as_it_was(text):
    assert STANDARD.unescaped(er7.text(text)) == text


@given(st.text())
def test_any_text_survives_escaping(text):
    field = er7.text(text)
    assert not set("|^~&\r\n\x0b\x1c") & set(field)
    assert STANDARD.unescaped(field) == text


def test_two_quotes_are_text_and_not_the_null_value():
    field = er7.text('""')
    assert field != '""'
    assert STANDARD.unescaped(field) == '""'
    assert parsed('PID|""').segments[1].text(1) == ""


def test_a_lone_surrogate_becomes_the_replacement_character():
    assert er7.text("a\ud800b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_an_empty_field(value):
    assert er7.text(value) == ""
    assert er7.components(value, value) == ""


def test_components_keep_their_places():
    assert er7.components("a", None, "b^c", "") == "a^^b\\S\\c"


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        (9.0, "9"),
        (66.7, "66.7"),
        (0.333, "0.333"),
        (-0.0, "0"),
        (1e-7, "0.0000001"),
        (1e22, "1" + 22 * "0"),
        (-3.5, "-3.5"),
    ],
)
def test_numbers_have_no_exponent(value, digits):
    assert er7.number(value) == digits


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_to_the_same_value(value):
    assert float(er7.number(value)) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_sent_as_one(value):
    with pytest.raises(DataError, match="NM: not a finite number"):
        er7.number(value)


@pytest.mark.parametrize(
    ("moment", "stamp"),
    [
        (datetime(2026, 11, 2, 10, 15, tzinfo=timezone(timedelta(hours=1))), "20261102101500+0100"),
        (datetime(2026, 11, 2, 10, 15, 3, 120_000, tzinfo=UTC), "20261102101503.120+0000"),
        (datetime(2026, 11, 2, 10, 15), "20261102101500"),  # noqa: DTZ001  # a zone nobody named is not invented
        (datetime(26, 1, 2, tzinfo=UTC), "00260102000000+0000"),
    ],
)
def test_times_carry_their_zone(moment, stamp):
    assert er7.timestamp(moment) == stamp


@pytest.mark.parametrize(
    ("text", "stamp"),
    [("2026-11-02T10:15:00Z", "20261102101500+0000"), ("yesterday", ""), ("", ""), (None, "")],
)
def test_a_time_that_is_none_is_left_empty(text, stamp):
    assert er7.timestamp_of(text) == stamp


@pytest.mark.parametrize(("text", "stamp"), [("1971-03-05", "19710305"), ("05.03.71", ""), (None, "")])
def test_a_day_that_is_none_is_left_empty(text, stamp):
    assert er7.date_of(text) == stamp


def test_fields_are_numbered_as_hl7_numbers_them():
    assert er7.segment("PID", {3: Field("P-1"), 8: Field("F"), 9: Field("")}) == "PID|||P-1|||||F"
    assert er7.segment("MSH", {3: Field("EMG"), 9: Field("ACK")}) == "MSH|^~\\&|EMG||||||ACK"
    assert er7.segment("EVN", {}) == "EVN"


def test_a_message_is_read_as_it_was_written():
    message = parsed("OBX|1|NM|CMAP-AMP^Amplitude^99EMGGW|1.1|9~8|mV^millivolt^UCUM")
    assert message.header.text(1) == "|"
    assert message.header.raw(2) == "^~\\&"
    assert message.header.text(10) == "C-1"
    (obx,) = message.all("OBX")
    assert obx.text(3, component=2) == "Amplitude"
    assert obx.text(3, component=7) == ""
    assert obx.text(5) == "9"
    assert obx.text(40) == ""
    assert message.first("PID") is None
    assert obx.er7.startswith("OBX|1|NM|")
    assert message.header.er7 == MSH


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\n\r\n"])
def test_every_line_end_ends_a_segment(end):
    message = parsed("PID|1", "OBR|1", "OBX", end=end)
    assert [entry.name for entry in message.segments] == ["MSH", "PID", "OBR", "OBX"]


def test_a_line_end_inside_a_field_stays_in_it():
    message = parsed("MSA|AE|C-1|line one\nline two\nOBX", "ERR|1")
    assert message.all("MSA")[0].text(3) == "line one\nline two"
    assert [entry.name for entry in message.segments] == ["MSH", "MSA", "OBX", "ERR"]


@pytest.mark.parametrize("prefix", [b"\x00\x00", b"\r\n", b"\xef\xbb\xbf", b"\x00 \t"])
def test_what_senders_put_before_the_header_is_read_over(prefix):
    assert er7.parse(prefix + MSH.encode() + b"\r\x00").header.text(10) == "C-1"


def test_the_sender_may_choose_its_delimiters():
    message = er7.parse(b"MSH*:+?%*EMG\rPID*1**a?S?b:c?T?d?E?+e")
    (pid,) = message.all("PID")
    assert pid.text(3) == "a:b"
    assert pid.text(3, component=2) == "c%d?"


def test_the_truncation_character_of_later_versions_is_read_over():
    assert er7.parse(b"MSH|^~\\&#|EMG").header.text(3) == "EMG"


@pytest.mark.parametrize(
    "header", ["MSH", "MSH|", "MSH|^~\\", "MSH|^~\\\\&|x", "MSH|^^\\&|x", "MSHa^~\\&a", "MSH|^~\\ |x"]
)
def test_delimiters_that_cannot_be_meant_are_refused(header):
    with pytest.raises(DataError) as error:
        er7.parse(header.encode())
    assert error.value.place == "MSH-2"


@pytest.mark.parametrize("raw", [b"", b"\x00", b"PID|1", b"HTTP/1.1 200 OK"])
def test_what_has_no_header_is_no_message(raw):
    with pytest.raises(DataError, match="does not begin with MSH"):
        er7.parse(raw)


def header_in(character_set: str) -> str:
    return MSH.removesuffix("UNICODE UTF-8") + character_set


@pytest.mark.parametrize(
    ("character_set", "codec"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("8859/1", "iso-8859-1"),
        ("8859/15", "iso-8859-15"),
        ("", "utf-8"),
        ("8859/1~ISO IR87", "latin-1"),
    ],
)
def test_the_declared_character_set_is_used(character_set, codec):
    raw = f"{header_in(character_set)}\rPID|1||Müller".encode(codec)
    assert er7.parse(raw).segments[1].text(3) == "Müller"


@pytest.mark.parametrize(
    ("character_set", "reason"), [("UTF-9", "unknown character set"), ("ASCII", "not in the declared")]
)
def test_letters_that_cannot_be_read_are_refused_or_replaced(character_set, reason):
    raw = f"{header_in(character_set)}\rMSA|AA|C-1|Mü".encode("iso-8859-1")
    with pytest.raises(DataError, match=reason) as error:
        er7.parse(raw)
    assert error.value.place == "MSH-18"
    assert er7.parse(raw, errors="replace").segments[1].text(2) == "C-1"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("a\\.br\\b", "a\nb"),
        ("\\H\\loud\\N\\", "loud"),
        ("\\XFF\\", "\xff"),
        ("\\Zx\\", "\\Zx\\"),
        ("\\.sp+1\\", "\\.sp+1\\"),
        ("100 \\ 200", "100 \\ 200"),
    ],
)
def test_sequences_of_other_senders(field, text):
    assert STANDARD.unescaped(field) == text


def test_the_number_of_segments_is_bounded():
    with pytest.raises(DataError, match="more than 20000 segments"):
        er7.parse(MSH.encode() + b"\rZZZ" * 20_000)


def test_a_long_run_of_line_ends_is_read_in_linear_time():
    assert len(er7.parse(MSH.encode() + b"\r" * 200_000 + b"zzz").segments) == 1


@given(st.binary())
def test_noise_is_a_message_or_a_data_error(noise):
    for raw in (noise, b"MSH|^~\\&" + noise):
        with contextlib.suppress(DataError):
            er7.parse(raw)
