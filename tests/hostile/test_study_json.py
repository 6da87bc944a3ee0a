import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.seeds import seeds
from fuzz.targets import study_json
from gateway.domain.limits import Limits
from gateway.domain.study import Study
from gateway.errors import DataError
from gateway.formats import Reading
from gateway.formats.study_json import (
    FORMAT,
    decode,
    decode_header,
    decode_recording,
    encode,
    recording_object,
)
from tests.factories import header, motor, reference, study, waveform
from tests.hostile.damage import damaged, flips
from tests.hostile.effort import calls, grows_no_faster, peak

CHECK = reference().anatomy.check
SMALL = encode(study(motor("wrist", waveform=waveform([1, -2, 300]))))
CANARY = "Canary"
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def document(*, head: str = "", recording: str = "", samples: str = "[1,2]") -> bytes:
    """A Study document with more in its header, in its recording, or other samples."""
    wave = f'{{"sampling_rate_hz":1000,"start_ms":0,"microvolts_per_count":1,"samples":{samples}}}'
    sites = '"recording_site":"adm","stimulation_site":"wrist"'
    one = f'{{"modality":"motor","nerve":"ulnar","side":"right",{sites},{recording}"waveform":{wave}}}'
    return (
        f'{{"schema":"emg-gateway/study/1","study_id":"S-1","performed_at":"2026-11-02T10:15:00+01:00",{head}'
        f'"recordings":[{one}]}}'
    ).encode()


def refused(data: bytes, limits: Limits = Limits()) -> str:  # noqa: B008  # frozen
    with pytest.raises(DataError) as caught:
        decode(data, CHECK, limits)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 1000
    return told


def test_the_document_these_tests_spoil_is_good() -> None:
    assert decode(document(), CHECK).recordings[0].waveform == waveform([1, 2], rate_hz=1000, start_ms=0)


@given(st.binary(max_size=400) | damaged(list(seeds("study_json"))))
def test_whatever_comes_is_a_study_or_our_error(data: bytes) -> None:
    study_json(data)


@given(st.data())
def test_any_value_in_any_place_is_taken_or_refused(data: st.DataObject) -> None:
    content = json.loads(next(seeds("study_json")))
    here: Any = content
    while True:
        key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        if not here[key] or not isinstance(here[key], (dict, list)) or data.draw(st.booleans()):
            break
        here = here[key]
    here[key] = data.draw(ANY_JSON)
    study_json(json.dumps(content).encode("utf-8", "surrogatepass"))


def test_a_document_cut_off_anywhere_is_refused() -> None:
    for end in range(len(SMALL)):
        refused(SMALL[:end])


def test_one_flipped_bit_gives_a_study_or_our_error() -> None:
    for bad in flips(SMALL):
        study_json(bad)


# Numbers and words nobody means

DEEP = 100_000
HUGE = "9" * 1_000_000


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"[" * DEEP, "Expected `object`"),
        (b'{"a":' * DEEP, "an unknown key"),
        (document(samples="[" * DEEP + "]" * DEEP), "not valid JSON: maximum recursion depth"),
        (document(samples='{"a":' * DEEP + "1" + "}" * DEEP), "not valid JSON: maximum recursion depth"),
        (document(samples="[[1],[2]]"), "recordings[0]: waveform: samples[0]: Expected `int`"),
        (document(samples='{"a":1,"a":2}'), "recordings[0]: waveform: samples: Expected `array`"),
        (document(samples='{"a":1,"b":2}'), "recordings[0]: waveform: samples: Expected `array`"),
        (document(samples="[1,2.5]"), "samples[1]"),
        (document(samples="[1e999,1]"), "samples[0]"),
        (document(samples=f"[1,{HUGE}]"), "samples[1]"),
        (document(samples="[1,null]"), "samples[1]"),
        (document(samples="[NaN,1]"), "not valid JSON"),
        (document(samples="[1,]"), "not valid JSON"),
        (document(samples="[2147483648,1]"), "samples[0]"),
        (document(samples="[1]"), "a waveform needs at least two samples"),
        (document(samples="[]"), "a waveform needs at least two samples"),
        (document(recording='"distance_mm":1e999,'), "recordings[0].distance_mm"),
        (document(recording=f'"distance_mm":{HUGE},'), "recordings[0].distance_mm"),
        (document(recording='"distance_mm":NaN,'), "not valid JSON"),
        (document(recording='"distance_mm":Infinity,'), "not valid JSON"),
        (document(recording=f'"averages":{HUGE},'), "recordings[0].averages"),
        (document(recording='"averages":1000001,'), "recordings[0]: averages: must be"),
        (document(recording='"averages":1e3,'), "recordings[0].averages"),
        (document(head='"patient":{"height_cm":1e400},'), "patient.height_cm"),
        (document(head='"patient":{"id":"\\ud800"},'), "not valid JSON"),
        (document().replace(b"S-1", b"\\udc00"), "not valid JSON"),
        (document().replace(b"S-1", b"\xed\xa0\x80"), "not UTF-8"),
        (document().replace(b"S-1", b"x" * 65), "study_id"),
        (b"\xef\xbb\xbf" + document(), "not valid JSON"),
        (document().decode().encode("utf-16"), "not valid JSON"),
        (document() + b"x", "not valid JSON"),
        (document() * 2, "not valid JSON"),
        (document(recording='"side":"left",'), "byte "),
        (document(recording='"\\u0073ide":"left",'), "byte "),
        (document(head='"study_id":"S-2",'), "a key that its object has already"),
        (document(head='"patient":{"sex":"M","sex":"F"},'), "a key that its object has already"),
    ],
    ids=range(36),
)
def test_what_nobody_means_is_refused(data: bytes, place: str) -> None:
    assert place in refused(data)


def test_a_key_may_come_again_in_another_object_and_a_string_may_look_like_one() -> None:
    decode(document(head='"patient":{"id":"{\\"side\\":","given":"\\\\"},"order":{"placer":"id"},'), CHECK)
    decode(encode(study(*[motor("wrist")] * 3)), CHECK)


@pytest.mark.parametrize(
    ("stamp", "told"),
    [
        ("0001-01-01T00:00:00+14:00", "the year is not within 1900 to 2099"),
        ("9999-12-31T23:59:59-12:00", "the year is not within 1900 to 2099"),
        (f"2026-11-02T10:15:00.{'1' * 1_000_000}+01:00", "not an RFC 3339 date and time"),
    ],
)
def test_a_time_that_has_no_equal_in_another_zone_is_refused(stamp: str, told: str) -> None:
    assert (
        refused(document().replace(b"2026-11-02T10:15:00+01:00", stamp.encode())) == f"performed_at: {told}"
    )
    assert refused(document(recording=f'"recorded_at":"{stamp}",')) == f"recordings[0]: recorded_at: {told}"


# Nothing of a document is repeated


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            document(head=f'"{CANARY}":1,'),
            "an unknown key; known: study_id, performed_at, simulated, patient",
        ),
        (document(head=f'"{CANARY * 100_000}":1,'), "an unknown key; known: study_id"),
        (document(head=f'"patient":{{"{CANARY}":1}},'), "patient: an unknown key; known: id, family, given"),
        (document(head=f'"clinical":{{"anti_gm1_igm":"{CANARY}"}},'), "must be one of positive, negative"),
        (document(head=f'"patient":{{"sex":"{CANARY}"}},'), "patient.sex: must be one of F, M, O, U"),
        (document(recording=f'"signal_status":"{CANARY}",'), "must be one of questionable, unzeroed"),
        (
            document(recording=f'"measured":{{"{CANARY}":1}},'),
            "an unknown key; known: response, onset_latency_ms",
        ),
        (document().replace(b"study/1", CANARY.encode()), "schema: must be one of emg-gateway/study/1"),
        (document().replace(b"ulnar", CANARY.encode()), "nerve: unknown nerve; known: median"),
        (document().replace(b"ulnar", CANARY.encode() * 100_000), "nerve: unknown nerve; known: median"),
        (document().replace(b"adm", CANARY.encode()), "unknown recording site; known: apb"),
        (document().replace(b"2026-11-02T10:15:00+01:00", CANARY.encode()), "performed_at: not an RFC 3339"),
        (document(samples=f'["{CANARY}",1]'), "samples[0]: Expected `int`, got `str`"),
    ],
    ids=range(13),
)
def test_an_error_names_the_place_and_what_can_stand_there(data: bytes, told: str) -> None:
    error = refused(data)
    assert told in error
    assert CANARY not in error


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (lambda: decode_recording(b'{"side":"Canary"}'), "side: must be one of left, right"),
        (lambda: decode_recording(b'{"Canary":1}'), "an unknown key; known: modality, nerve"),
        (lambda: decode_header(b'{"Canary":1}'), "an unknown key; known: study_id, performed_at"),
    ],
)
def test_what_the_journal_cannot_read_is_not_repeated_either(read: Callable[[], object], told: str) -> None:
    with pytest.raises(DataError) as caught:
        read()
    assert str(caught.value).startswith(told)


# How much


def test_a_waveform_longer_than_a_sweep_can_be_is_refused_with_its_place() -> None:
    limits = Limits(sweep_samples=3)
    assert len(decode(document(samples="[1,2,3]"), CHECK, limits).recordings) == 1
    told = refused(document(samples="[1,2,3,4]"), limits)
    assert told == "recordings[0]: waveform: samples: a waveform of more than 3 samples"


def test_the_reader_keeps_to_the_limits_it_is_given() -> None:
    reading = Reading(anatomy=reference().anatomy, limits=Limits(document_bytes=10, sweep_samples=1))
    with pytest.raises(DataError, match="larger than 10 bytes"):
        FORMAT.read(document(), reading)


def test_the_journal_reads_what_was_taken_under_another_limit() -> None:
    long = motor("wrist", waveform=waveform(np.zeros(Limits().sweep_samples + 1, dtype=int)))
    assert decode_recording(msgspec.json.encode(recording_object(long))) == long


def test_an_endless_waveform_is_counted_before_it_is_read() -> None:
    data = document(samples=f"[{'1234567,' * 1_200_000}1]")
    assert "more than 1000000 samples" in refused(data)
    assert peak(lambda: refused(data)) < 2 * len(data)


def test_a_word_of_a_million_letters_is_not_compared_with_the_known_ones() -> None:
    data = document().replace(b"ulnar", b"ulnar" * 200_000)
    assert peak(lambda: refused(data)) < 4 * len(data)


def test_many_waveforms_are_read_one_after_the_other() -> None:
    one = motor("wrist", waveform=waveform(np.full(50_000, 1_234_567)))
    data = encode(Study(header=header(), recordings=(one,) * 20))
    assert peak(lambda: decode(data, CHECK)) < 2 * len(data)


@pytest.mark.parametrize("what", ["recordings", "samples", "words"])
def test_effort_grows_with_the_document(what: str) -> None:
    def cost(size: int) -> int:
        match what:
            case "recordings":
                data = encode(study(*[motor("wrist")] * size))
            case "samples":
                data = document(samples=str([0] * size))
            case _:
                words = "x\\\\" * size
                data = document(head=f'"patient":{{"family":"{words}"}},')
        return calls(lambda: decode(data, CHECK))

    assert grows_no_faster(cost, 100)
