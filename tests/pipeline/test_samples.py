"""The sample messages are what this product sends, and tell what they are said to tell."""

from dataclasses import replace

import pytest

from gateway.commands.hl7_validation import validate
from gateway.pipeline.samples import KINDS, samples
from gateway.protocols import er7
from gateway.protocols.acknowledgement import COMMIT_AND_APPLICATION
from gateway.protocols.er7 import Message
from gateway.protocols.oru import MessageHeader
from tests.factories import reference

SENDER = MessageHeader(sending_application="EMG-GATEWAY")
FOUND = {kind: er7.parse(message) for kind, message in samples(SENDER, reference()).items()}


def values(message: Message, code: str) -> set[str]:
    return {entry.text(5) for entry in message.all("OBX") if entry.text(3) == code}


def statuses(message: Message) -> set[str]:
    return {entry.text(11) for entry in message.all("OBX")}


def test_there_is_one_of_each_kind() -> None:
    assert list(FOUND) == list(KINDS)
    assert len({message.header.text(10) for message in FOUND.values()}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_simulated_and_stays_so_for_a_destination_of_production(kind: str) -> None:
    production = samples(replace(SENDER, processing_id="P"), reference())
    assert {er7.parse(production[kind]).header.text(11), FOUND[kind].header.text(11)} == {"T"}


def test_the_final_one_shows_a_block_a_doubt_no_response_and_sensory_results() -> None:
    final = FOUND["final"]
    assert values(final, "CB-FINDING") == {"definite_block", "indeterminate"}
    assert values(final, "SENS-RESULT") == {"normal", "abnormal"}
    assert values(final, "NORESP") == {"1"}
    assert statuses(final) == {"P", "X", "D"}  # D: what the interim one still asked for


def test_what_comes_later_keeps_the_numbers_of_what_came_before() -> None:
    named = {
        kind: {(entry.text(3), entry.text(4)) for entry in message.all("OBX")}
        for kind, message in FOUND.items()
    }
    assert named["final"] <= named["corrected"]
    assert named["corrected"] <= named["withdrawn"]


def test_a_correction_takes_the_block_back() -> None:
    assert "definite_block" not in values(FOUND["corrected"], "CB-FINDING")


def test_what_was_taken_back_is_withdrawn_and_not_silently_gone() -> None:
    withdrawn = FOUND["withdrawn"]
    assert "D" in statuses(withdrawn)
    (ulnar,) = [
        e for e in withdrawn.all("OBX") if e.text(3) == "NERVE" and e.text(4) == "3.0" and e.text(11) == "D"
    ]
    assert ulnar.raw(5) == ""


def test_they_are_written_as_their_destination_wants_them() -> None:
    header = replace(SENDER, asked=COMMIT_AND_APPLICATION, character_set="8859/1")
    raw = samples(header, reference())["interim"]
    assert b"Zo\xeb" in raw
    assert (er7.parse(raw).header.text(15), er7.parse(raw).header.text(18)) == ("AL", "8859/1")


@pytest.mark.parametrize("kind", KINDS)
def test_hl7apy_finds_nothing_wrong_with_them(kind: str) -> None:
    assert validate(samples(SENDER, reference())[kind]) == []
