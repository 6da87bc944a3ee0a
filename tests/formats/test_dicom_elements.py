"""Values of attributes, as bytes of a data set."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.formats.dicom.attributes import ATTRIBUTES
from gateway.formats.dicom.elements import TAGS, DataSet


def holding(keyword: str, raw: bytes, order: str = "<") -> DataSet:
    return DataSet("", None, order, {TAGS[keyword]: memoryview(raw)})


def refusal(read: Callable[[], object]) -> str | None:
    """The place that is refused, None when all is well."""
    try:
        read()
    except DataError as error:
        return error.place
    return None


def test_every_attribute_of_the_table_has_a_tag():
    assert all(isinstance(TAGS[attribute.keyword], int) for attribute in ATTRIBUTES)
    assert TAGS["TriggerTimeOffset"] == 0x00181069


@pytest.mark.parametrize(("order", "values"), [("<", (1, 256)), (">", (256, 1))])
def test_integers_are_in_the_order_of_the_data_set(order, values):
    found = holding("ReferencedWaveformChannels", b"\1\0\0\1", order)
    assert found.integers("ReferencedWaveformChannels", "H") == values


def test_refuses_half_an_integer():
    with pytest.raises(DataError, match=r"^NumberOfWaveformSamples: is not made of whole integers"):
        holding("NumberOfWaveformSamples", b"\1\0\0\0\0\0").integer("NumberOfWaveformSamples", "L")


def test_refuses_a_text_longer_than_any():
    assert holding("PatientID", b"1" * 4096).text("PatientID") == "1" * 4096
    with pytest.raises(DataError, match=r"^PatientID: has more than 4096 bytes"):
        holding("PatientID", b"1" * 4097).text("PatientID")


def test_a_missing_value_is_none_or_empty():
    empty = DataSet("WaveformSequence[0]", DataSet("", None, "<"), "<")
    assert (empty.text("StudyID"), empty.number("PatientSize"), empty.exact("PatientSize")) == (
        "",
        None,
        None,
    )
    assert (empty.integer("InstanceNumber", "H"), empty.items("WaveformSequence")) == (None, ())
    assert empty.code("ChannelSourceSequence") is None
    with pytest.raises(DataError, match=r"^WaveformSequence\[0\].PatientSize: is missing$"):
        empty.needed("PatientSize", empty.number("PatientSize"))


@pytest.mark.parametrize(
    ("raw", "value"), [(b"0.1", "1/10"), (b" 5E-1 ", "1/2"), (b"-.5", "-1/2"), (b"5.", "5")]
)
def test_a_decimal_string_is_exact(raw, value):
    assert holding("ChannelBaseline", raw).exact("ChannelBaseline") == Fraction(value)


@given(st.binary(max_size=20), st.sampled_from(["text", "texts", "number", "exact"]))
def test_any_bytes_are_a_value_or_a_data_error(raw, method):
    holder = holding("PatientSize", raw)
    assert refusal(lambda: getattr(holder, method)("PatientSize")) in (None, "PatientSize")


@given(st.binary(max_size=20), st.binary(max_size=30))
def test_any_character_set_and_bytes_are_text_or_a_data_error(declared, raw):
    holder = holding("PatientName", raw)
    holder.elements[TAGS["SpecificCharacterSet"]] = memoryview(declared)
    assert refusal(lambda: holder.text("PatientName")) in (None, "PatientName")


@pytest.mark.parametrize("names", [b"\\" * 65_534, b"ISO_IR 100" + b"\\ISO 2022 IR 6" * 40])
def test_more_character_sets_than_there_are_are_refused_and_not_gone_through(names):
    found = DataSet(
        "",
        None,
        "<",
        {TAGS["SpecificCharacterSet"]: memoryview(names), TAGS["PatientName"]: memoryview(b"\xe9")},
    )
    assert refusal(lambda: found.text("PatientName")) in ("SpecificCharacterSet", "PatientName")
