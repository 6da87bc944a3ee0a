import base64
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.serial_lis.protocol import Entry, Kind
from drivers.serial_lis.translate import Conversation
from fuzz.seeds import seeds
from fuzz.targets import lis_file, lis_records
from gateway.domain.recording import MotorMarks, Recording, SensoryMarks
from gateway.domain.study import ExamEnded, Study
from gateway.errors import DataError
from gateway.formats.study_json import decode_recording, recording_object
from gateway.protocols.lis_profile import MAX_PARTS
from gateway.protocols.lis_records import MOST_REFUSALS, MOST_STUDIES, Assembler, Delivery, Rejected, Result
from gateway.protocols.lis_records import encode_study as encode
from gateway.protocols.lis_syntax import Delimiters, Record, number, rfc3339
from tests.factories import header, motor, motor_marks, reference, sensory, waveform
from tests.hostile.damage import damaged
from tests.hostile.effort import calls, grows_no_faster, kept, peak

KEY = "MOTOR^ulnar^right^adm^wrist"
HEAD = (r"H|\^&|||Acme^Cart^7|||||||P|LIS2-A2|20261102101500+0100", "P|1||P-1", "O|1|S-1")
STIM = f"M|1|STIM|{KEY}|38.0^mA"
AMP = f"R|1|^^^{KEY}^CMAP-AMP|9.0|mV"
RECORDINGS = (
    motor("wrist", waveform=waveform(range(300))),
    motor("below_elbow", motor_marks(amplitude_mv=3.0)),
    sensory(),
)
RECORDS = encode(Study(header=header(), recordings=RECORDINGS))
SLACK = 64 * 1024  # what an interpreter keeps for itself


def assembler(max_samples: int = 1000) -> Assembler:
    return Assembler(check=reference().anatomy.check, timezone=UTC, max_samples=max_samples)


def feed(to: Assembler, records: Iterable[str]) -> list[Result]:
    return [result for record in records for result in to.feed(record.encode())]


def recordings(results: Iterable[Result]) -> list[Recording]:
    facts = [result.fact for result in results if isinstance(result, Delivery)]
    return [fact for fact in facts if isinstance(fact, Recording)]


def rejections(results: Iterable[Result]) -> list[str]:
    return [result.reason for result in results if isinstance(result, Rejected)]


def wave(part: str = "1^1", samples: int = 2, key: str = KEY) -> str:
    data = base64.b64encode(bytes(2 * samples)).decode()
    return f"M|2|WAVE|{key}|48000|-2.0|0.5|int16le-base64|{part}|{data}"


@given(st.binary(max_size=400) | damaged(list(seeds("lis_records"))))
def test_records_of_any_kind_give_facts_that_can_be_kept_or_refusals(data: bytes) -> None:
    lis_records(data)


@given(st.binary(max_size=400) | damaged(list(seeds("lis_file"))))
def test_a_file_of_any_kind_gives_a_study_that_can_be_kept_or_our_error(data: bytes) -> None:
    lis_file(data)


# A message cut off


@pytest.mark.parametrize("count", range(len(RECORDS)))
def test_a_message_cut_off_gives_the_recordings_before_the_cut(count: int) -> None:
    to = assembler()
    found = recordings(feed(to, RECORDS[:count]) + to.drop_open("the line was lost"))
    assert found == list(RECORDINGS[: len(found)])


@pytest.mark.parametrize("count", range(len(RECORDS)))
def test_a_message_the_gateway_cut_off_gives_less_and_nothing_else(count: int) -> None:
    to = assembler()
    found = recordings(feed(to, RECORDS[:count]) + to.interrupted())
    for piece, whole in zip(found, RECORDINGS, strict=False):
        assert known(piece).items() <= known(whole).items()
        assert piece.waveform in (None, whole.waveform)


def known(recording: Recording) -> dict[str, float]:
    assert isinstance(recording.measured, (MotorMarks, SensoryMarks))
    return {name: value for name, value in asdict(recording.measured).items() if value is not None}


# Numbers nobody means


@pytest.mark.parametrize(
    "part", ["99999^99999", "1^99999", f"1^{MAX_PARTS + 1}", "0^0", "-1^1", "1e9^1e9", "^"]
)
def test_a_waveform_of_so_many_parts_is_refused(part: str) -> None:
    results = feed(assembler(), [*HEAD, wave(part)])
    assert rejections(results) == [
        f"M-9: not part^parts, 1 to {MAX_PARTS}; the right motor recording is not taken"
    ]


def test_a_waveform_longer_than_a_sweep_can_be_is_refused_in_one_part_and_in_many() -> None:
    at_once = feed(assembler(), [*HEAD, wave(samples=1001)])
    in_parts = feed(assembler(), [*HEAD, *(wave(f"{part}^11", 100) for part in range(1, 12))])
    told = ["M-10: a waveform of more than 1000 samples; the right motor recording is not taken"]
    assert rejections(at_once) == rejections(in_parts) == told
    assert len(recordings(feed(assembler(), [*HEAD, wave(samples=1000)]))) == 1


@pytest.mark.parametrize(
    "text", ["9" * 1_000_000, "1e999", "1e-9999999", "NaN", "inf", "0x10", "1_0", "\u0661"]
)
def test_a_number_nobody_means_is_refused(text: str) -> None:
    def refused() -> None:
        with pytest.raises(DataError, match="R-4"):
            number(text, "R-4")

    assert peak(refused) < SLACK


@pytest.mark.parametrize("averages", ["1e300", "1000001", "0", "1.5"])
def test_sweeps_nobody_could_average_are_refused(averages: str) -> None:
    to = assembler()
    (told,) = rejections([*feed(to, [*HEAD, f"{STIM}{'|' * 10}{averages}", AMP]), *to.end_of_message()])
    assert "a count of sweeps" in told


def test_as_many_averages_as_can_be_are_kept() -> None:
    to = assembler()
    (found,) = recordings([*feed(to, [*HEAD, f"{STIM}{'|' * 10}1e6", AMP]), *to.end_of_message()])
    assert found.averages == 1_000_000
    assert decode_recording(msgspec.json.encode(recording_object(found))) == found


@pytest.mark.parametrize("text", ["00010101000000+1400", "99991231235959-1200", "19000101000000+1959"])
def test_a_time_at_the_edge_of_the_calendar_is_refused_or_has_an_equal(text: str) -> None:
    try:
        stamp = rfc3339(text, UTC, "H-14")
    except DataError:
        return
    assert stamp.startswith("1900")


# Words nobody means


@pytest.mark.parametrize(
    ("record", "place"),
    [
        (f"P|1||{'x' * 251}", "P-4"),
        (f"P|1||P-1||{'x' * 251}^Jane", "P-6"),
        (f"O|1|S-1{'|' * 16}{'x' * 251}", "O-19"),
        (f"O|1|S-1{'|' * 17}{'x' * 251}", "O-20"),
        (f"{STIM}{'|' * 9}{'x' * 251}", "M-14"),
        (f"{STIM}{'|' * 13}{'x' * 251}", "M-18"),
        (f"{AMP}{'|' * 6}{'x' * 251}", "R-11"),
        (AMP.replace("ulnar", "x" * 251), "R-3"),
        (STIM.replace("adm", "x" * 251), "M-4"),
    ],
)
def test_a_name_too_long_to_be_one_is_refused_with_its_place(record: str, place: str) -> None:
    (told,) = rejections(feed(assembler(), [*HEAD, record]))
    assert told.startswith(f"{place}: longer than 250 characters")


def test_a_cart_whose_name_is_too_long_to_be_one_is_not_listened_to() -> None:
    results = feed(assembler(), [HEAD[0].replace("Acme", "x" * 251), *HEAD[1:], AMP, "L|1|N"])
    assert rejections(results) == ["H-5: longer than 250 characters"]
    assert recordings(results) == []


def test_what_cannot_be_sent_is_not_sent() -> None:
    with pytest.raises(DataError, match="a name or an identifier: longer than 250 characters"):
        encode(Study(header=header(), recordings=(motor("wrist", operator="x" * 251),)))


def test_a_record_of_nothing_but_delimiters_is_not_cut_up() -> None:
    text = "R" + "|" * 1_000_000
    assert peak(lambda: Record(text, Delimiters())) < 2 * len(text)
    assert Record(text, Delimiters()).raw(64) == ""
    assert Record(text, Delimiters()).raw(65) == ""
    assert peak(lambda: Record(f"R|{'^' * 1_000_000}", Delimiters()).components(2, 9)) < 3 * len(text)


# Endless input

ENDLESS: dict[str, Callable[[int], Iterator[str]]] = {
    "H": lambda n: itertools.repeat(HEAD[0], n),
    "H and L": lambda n: itertools.islice(itertools.cycle([HEAD[0], "L|1|N"]), n),
    "P": lambda n: (f"P|1||P-{i}||{'x' * 200}" for i in range(n)),
    "O": lambda n: (f"O|1|S-{i}" for i in range(n)),
    "P and O": lambda n: (text for i in range(n) for text in (f"P|1||P-{i}", "O|1|S")),
    "unfinished recordings": lambda n: (wave("1^2", key=f"{KEY}_{i}") for i in range(n)),
    "parts": lambda n: (wave(f"{i % 500 + 1}^500", samples=1) for i in range(n)),
    "empty parts": lambda n: (wave(f"{i % 500 + 1}^500", samples=0) for i in range(n)),
    "parts of a broken waveform": lambda n: itertools.chain(
        [wave("2^3")], (wave("1^9", 99) for _ in range(n))
    ),
    "unknown quantities": lambda n: (AMP.replace("CMAP-AMP", f"X-{i}") for i in range(n)),
    "unknown nerves": lambda n: (AMP.replace("ulnar", f"u{i}") for i in range(n)),
    "no code": lambda n: itertools.repeat(AMP.replace("CMAP-AMP", ""), n),
    "clinical facts": lambda n: (f"M|1|CLIN|{i}^d" for i in range(n)),
    "comments": lambda n: itertools.repeat("C|1|I|" + "x" * 200, n),
    "garbage": lambda n: itertools.repeat("\x7f\xff", n),
}


@pytest.mark.parametrize("records", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_is_kept_does_not_grow_with_what_comes(records: Callable[[int], Iterator[str]]) -> None:
    def after(count: int) -> Assembler:
        to = assembler()
        for record in itertools.chain(HEAD, records(count)):
            to.feed(record.encode())
        return to

    assert kept(lambda: after(900)) < kept(lambda: after(300)) + SLACK


@pytest.mark.parametrize("records", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_is_told_does_not_grow_with_what_comes(records: Callable[[int], Iterator[str]]) -> None:
    results = feed(assembler(), itertools.chain(HEAD, records(2 * MOST_REFUSALS)))
    assert len(rejections(results)) <= MOST_REFUSALS


@pytest.mark.parametrize("records", ENDLESS.values(), ids=ENDLESS.keys())
def test_effort_grows_with_the_records(records: Callable[[int], Iterator[str]]) -> None:
    def cost(count: int) -> int:
        return calls(lambda: feed(assembler(), itertools.chain(HEAD, records(count))))

    assert grows_no_faster(cost, 60)


def test_the_last_refusal_that_is_told_says_that_others_follow() -> None:
    to = assembler()
    told = rejections(feed(to, itertools.chain(HEAD, itertools.repeat("Z", 2 * MOST_REFUSALS))))
    assert len(told) == MOST_REFUSALS
    assert [reason.endswith("; what else is refused is not told") for reason in told] == [False] * 999 + [
        True
    ]
    assert to.reject("too long") == []
    assert len(recordings([*feed(to, ["O|1|S-1", AMP]), *to.end_of_message()])) == 1


def test_more_studies_than_a_message_can_have_are_refused_and_those_before_are_ended() -> None:
    orders = [f"O|1|S-{n}" for n in range(1, MOST_STUDIES + 2)]
    results = feed(assembler(), [HEAD[0], *orders, AMP, orders[0], AMP, "L|1|N"])
    ended = [r for r in results if isinstance(r, Delivery) and isinstance(r.fact, ExamEnded)]
    assert rejections(results) == [
        f"O-3: more than {MOST_STUDIES} studies in a message",
        "no usable O record before it",
    ]
    assert len(recordings(results)) == 1
    assert len(ended) == MOST_STUDIES


# Frames without end


def conversation() -> Conversation:
    return Conversation(assembler(), max_record=10_000, max_session=100_000)


def test_a_record_that_never_ends_is_not_hoarded() -> None:
    def after(frames: int) -> Conversation:
        to = conversation()
        for _ in range(frames):
            to.take(Entry(Kind.INTERMEDIATE, b"x" * 1000))
        return to

    assert kept(lambda: after(9)) > 9_000
    assert kept(lambda: after(400)) < 10_000 + SLACK


@pytest.mark.parametrize("text", [b"", b"x" * 1000])
def test_a_session_that_never_ends_is_full(text: bytes) -> None:
    to = conversation()
    taken = 0
    while not to.full:
        to.take(Entry(Kind.LAST, text))
        taken += len(text) + 7
    assert 100_000 <= taken < 101_100


def test_effort_grows_with_the_records_in_a_frame() -> None:
    def cost(count: int) -> int:
        frame = Entry(Kind.LAST, b"\r".join(record.encode() for record in (*HEAD, *[AMP] * count)))
        return calls(lambda: Conversation(assembler()).take(frame))

    assert grows_no_faster(cost, 100)


def test_effort_grows_with_the_parts_of_a_waveform() -> None:
    def cost(count: int) -> int:
        parts = [wave(f"{part}^{count}", 1) for part in range(1, count + 1)]
        return calls(lambda: feed(assembler(), [*HEAD, *parts]))

    assert grows_no_faster(cost, 60)


def test_a_waveform_in_the_most_parts_comes_back_whole() -> None:
    samples = np.arange(MAX_PARTS, dtype="<i2")
    data = [base64.b64encode(sample.tobytes()).decode() for sample in samples]
    parts = [wave(f"{n}^{MAX_PARTS}", 0) + text for n, text in enumerate(data, start=1)]
    (found,) = recordings(feed(assembler(MAX_PARTS), [*HEAD, *parts]))
    assert found.waveform is not None
    assert found.waveform.samples.tolist() == samples.tolist()
