import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.protocols import er7
from gateway.protocols.acknowledgement import (
    POLICY,
    AckCode,
    Acknowledgement,
    RetryRule,
    Verdict,
    acknowledge,
    commit_asked_by,
    parse,
    verdict,
)

NOW = datetime(2026, 11, 2, 10, 15, tzinfo=UTC)
HEADER = b"MSH|^~\\&|HIS|WARD|EMG|LAB|20261102101500||ACK^R01^ACK|A1|P|2.5.1\r"
SENT = er7.parse(b"MSH|^~\\&|EMG|LAB^1.2.3^ISO|HIS|WARD|20261102101500||ORU^R01^ORU_R01|C-1|T|2.5.1")


def answer(code: AckCode, control_id: str = "C-1") -> Acknowledgement:
    return Acknowledgement(code=code, control_id=control_id)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (AckCode.AA, Verdict.DELIVERED),
        (AckCode.CA, Verdict.DELIVERED),
        (AckCode.AE, Verdict.TRY_AGAIN),
        (AckCode.CE, Verdict.TRY_AGAIN),
        (AckCode.AR, Verdict.REJECTED),
        (AckCode.CR, Verdict.REJECTED),
    ],
)
def test_the_code_decides_for_our_own_message(code, expected):
    assert verdict(answer(code), control_id="C-1") is expected
    assert verdict(answer(code), control_id="C-1", msh_16="NE") is expected


@pytest.mark.parametrize("code", AckCode)
@pytest.mark.parametrize("control_id", ["C-2", "", "c-1", "C-1 ", "C-11"])
def test_no_code_counts_for_another_message(code, control_id):
    assert verdict(answer(code, control_id), control_id="C-1") is Verdict.FOREIGN


def test_a_message_without_control_id_is_never_acknowledged():
    assert verdict(answer(AckCode.AA, ""), control_id="") is Verdict.FOREIGN


def test_a_commit_does_not_complete_a_message_that_awaits_the_application():
    assert verdict(answer(AckCode.CA), control_id="C-1", msh_16="AL") is Verdict.COMMITTED


@pytest.mark.parametrize("code", [code for code in AckCode if code is not AckCode.CA])
def test_every_other_code_means_the_same_in_every_mode(code):
    meanings = {verdict(answer(code), control_id="C-1", msh_16=asked) for asked in POLICY}
    assert len(meanings) == 1


@pytest.mark.parametrize(("msh_15", "committed"), [("AL", True), ("SU", True), ("", False), ("NE", False)])
def test_an_application_acknowledgement_may_ask_for_a_commit_of_its_own(msh_15, committed):
    block = acknowledge(SENT, AckCode.AA, created=NOW).replace(
        b"||||||UNICODE", f"|||{msh_15}|||UNICODE".encode()
    )
    commit = commit_asked_by(block, created=NOW)
    assert (commit is not None) is committed
    if commit is not None:
        assert parse(commit) == Acknowledgement(code=AckCode.CA, control_id="AC-1")


def test_tries_are_spaced_by_doubling_up_to_half_a_minute_and_end_after_ten():
    rule = RetryRule()
    delays = [rule.delay_s(tried, since_first_s=0) for tried in range(1, 11)]
    assert delays == [1, 2, 4, 8, 16, 30, 30, 30, 30, None]


def test_tries_end_after_an_hour():
    assert RetryRule().delay_s(2, since_first_s=3599.9) == 2
    assert RetryRule().delay_s(2, since_first_s=3600) is None


@pytest.mark.parametrize("code", AckCode)
def test_every_code_is_read(code):
    assert parse(HEADER + f"MSA|{code}|C-1|all\n well".encode()) == Acknowledgement(
        code=code, control_id="C-1", text="all well"
    )


@pytest.mark.parametrize(
    ("err", "text"),
    [
        (b"ERR||PID^1^3|101^Required field missing^HL70357|E||||Patient unknown", "Patient unknown"),
        (b"ERR|||101^Required field missing^HL70357|E", "Required field missing"),
        (b"ERR|||101|E|||seen at PID-3", "seen at PID-3"),
        (b"ERR|||101\rERR|||102", "101; 102"),
        (b"ERR|PID^1^3", ""),
    ],
)
def test_the_reason_may_stand_in_the_error_segment(err, text):
    assert parse(HEADER + b"MSA|AR|C-1\r" + err).text == text


def test_a_bad_letter_in_the_text_does_not_hide_the_answer():
    received = parse(HEADER + "MSA|AE|C-1|Ungültig".encode("iso-8859-1"))
    assert (received.code, received.control_id) == (AckCode.AE, "C-1")


def test_a_long_text_is_cut():
    assert len(parse(HEADER + b"MSA|AE|C-1|" + b"x" * 9000).text) == 500


@pytest.mark.parametrize(
    ("block", "place"),
    [
        (b"", "MSH"),
        (b"\x06", "MLLP"),
        (b"\x15", "MLLP"),
        (HEADER, "MSA"),
        (HEADER + b"MSA|OK|C-1", "MSA-1"),
        (HEADER + b"MSA||C-1", "MSA-1"),
        (b"MSH|^~|x\rMSA|AA|C-1", "MSH-2"),
    ],
)
def test_what_is_no_acknowledgement_is_a_data_error(block, place):
    with pytest.raises(DataError) as error:
        parse(block)
    assert error.value.place == place


@given(st.binary())
def test_noise_is_an_acknowledgement_or_a_data_error(noise):
    for block in (noise, HEADER + noise, HEADER + b"MSA|" + noise):
        with contextlib.suppress(DataError):
            assert parse(block).code in AckCode


@pytest.mark.parametrize("code", AckCode)
def test_what_a_receiver_sends_is_read_as_sent(code):
    raw = acknowledge(SENT, code, created=NOW, text="a|b\rc")
    header = er7.parse(raw).header
    assert parse(raw) == Acknowledgement(code=code, control_id="C-1", text="a|b c")
    assert [header.raw(n) for n in (3, 4, 5, 6)] == ["HIS", "WARD", "EMG", "LAB^1.2.3^ISO"]
    assert [header.raw(n) for n in (9, 10, 11, 12)] == ["ACK^R01^ACK", "AC-1", "T", "2.5.1"]


def test_what_is_no_message_is_refused_without_a_control_id():
    raw = acknowledge(None, AckCode.AR, created=NOW, text="no HL7")
    assert parse(raw) == Acknowledgement(code=AckCode.AR, control_id="", text="no HL7")
    assert er7.parse(raw).header.raw(9) == "ACK"


@pytest.mark.parametrize(("text", "shown"), [("", "AE"), ("later", "AE: later")])
def test_the_ledger_shows_the_code_and_the_words(text, shown):
    assert str(Acknowledgement(code=AckCode.AE, control_id="C-1", text=text)) == shown
