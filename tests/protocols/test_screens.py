import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.protocols.screens import COMMAND_TOPICS, MAX_BYTES, Acknowledge, Replay, command, replay_end

ALERT = "ABCDEFGH-ulnar-right-adm-wrist-below_elbow"
ACK = {"alert_id": ALERT, "by": "Dr. Müller", "screen": "LAB2-1"}
ASKED = {"request_id": "screen-1_7", "since": 41}
WORDS = "use 1 to 64 letters, digits, blanks"


def said(document: object) -> bytes:
    return json.dumps(document).encode()


def test_an_acknowledgement_names_its_alert_and_its_study() -> None:
    wanted = command("cmd/ack", said(ACK))

    assert wanted == Acknowledge(alert_id=ALERT, by="Dr. Müller", screen="LAB2-1")
    assert isinstance(wanted, Acknowledge)
    assert wanted.code == "ABCDEFGH"


def test_a_replay_names_where_it_goes() -> None:
    wanted = command("cmd/replay", said(ASKED))

    assert wanted == Replay(request_id="screen-1_7", since=41)
    assert isinstance(wanted, Replay)
    assert wanted.topic == "replay/screen-1_7"


def test_keys_of_a_later_version_are_ignored() -> None:
    assert command("cmd/replay", said(ASKED | {"kinds": ["alert"]})) == Replay(**ASKED)


@pytest.mark.parametrize("alert_id", [f"{ALERT}-70", f"{ALERT}-70-92.5"])
def test_alerts_of_inching_can_be_acknowledged(alert_id: str) -> None:
    assert command("cmd/ack", said(ACK | {"alert_id": alert_id})) == Acknowledge(
        **ACK | {"alert_id": alert_id}
    )


@pytest.mark.parametrize("word", ["x", "Nurse 2", "o.brien@lab", "x" * 64, "Łukasz", "Dr. K."])
def test_people_and_screens_have_names(word: str) -> None:
    assert command("cmd/ack", said(ACK | {"by": word, "screen": word}))


@pytest.mark.parametrize(
    "word",
    [
        "",
        " ",
        " x",
        "x ",
        "Canary<b>x</b>",
        "Canary\nx",
        "Canary\x1b[31m",
        "Canary\u202etxt.exe",
        "Canary" * 1000,
        "x" * 65,
        "Canary&amp;",
        "'Canary'",
        '"Canary"',
        "Canary\x00",
    ],
)
@pytest.mark.parametrize("key", ["by", "screen"])
def test_what_could_do_harm_is_no_name_and_is_not_repeated(key: str, word: str) -> None:
    with pytest.raises(DataError) as caught:
        command("cmd/ack", said(ACK | {key: word}))
    assert "Canary" not in str(caught.value)
    assert len(str(caught.value)) < 100


NO_KEYS = "not a JSON object with the keys and values it needs"


@pytest.mark.parametrize(
    ("topic", "payload", "told"),
    [
        ("cmd/ack", b"", NO_KEYS),
        ("cmd/ack", b"null", NO_KEYS),
        ("cmd/ack", b"Canary", NO_KEYS),
        ("cmd/ack", b"\xff\xfe", NO_KEYS),
        ("cmd/ack", b"[" * MAX_BYTES, NO_KEYS),
        ("cmd/ack", b'{"x":' + b"[" * (MAX_BYTES - 5), NO_KEYS),
        ("cmd/ack", said(ACK) + b" " * MAX_BYTES, "longer than 2048 bytes"),
        ("cmd/ack", said({"alert_id": ALERT}), NO_KEYS),
        ("cmd/ack", said(ACK | {"by": 7}), NO_KEYS),
        ("cmd/ack", said(ACK | {"by": None}), NO_KEYS),
        ("cmd/ack", b'{"alert_id":"x","by":"\\ud800","screen":"x"}', NO_KEYS),
        ("cmd/ack", said(ACK | {"alert_id": f"{ALERT}/#"}), "cmd/ack: alert_id: not the name of an alert"),
        ("cmd/ack", said(ACK | {"alert_id": "Canary"}), "cmd/ack: alert_id: not the name of an alert"),
        ("cmd/replay", said(ASKED | {"since": -1}), NO_KEYS),
        ("cmd/replay", said(ASKED | {"since": True}), NO_KEYS),
        ("cmd/replay", said(ASKED | {"since": "7"}), NO_KEYS),
        ("cmd/replay", said(ASKED | {"since": 2**53}), NO_KEYS),
        ("cmd/replay", said(ASKED | {"request_id": "Canary/x"}), "cmd/replay: request_id: use 1 to 64 of"),
        ("cmd/replay", said(ASKED | {"request_id": "+"}), "request_id"),
        ("cmd/replay", said(ASKED | {"request_id": "x" * 65}), "request_id"),
        ("cmd/replay", said(ASKED | {"request_id": ""}), "request_id"),
        ("cmd/Canary", b"{}", "topic: no command of this version"),
    ],
)
def test_anything_else_is_refused_without_repeating_it(topic: str, payload: bytes, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        command(topic, payload)
    assert "Canary" not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*ACK, *ASKED]), inner),
)


@given(st.sampled_from(COMMAND_TOPICS), st.binary(max_size=60) | json_values.map(said))
def test_whatever_comes_is_a_command_or_a_data_error(topic: str, payload: bytes) -> None:
    with contextlib.suppress(DataError):
        assert isinstance(command(topic, payload), Acknowledge | Replay)


@pytest.mark.parametrize(
    ("since", "oldest", "more"), [(41, 1, {}), (41, 42, {}), (41, 43, {"oldest": 43}), (0, 2, {"oldest": 2})]
)
def test_the_end_of_a_replay_says_what_is_not_kept_any_more(
    since: int, oldest: int, more: dict[str, Any]
) -> None:
    end = replay_end(Replay(request_id="r", since=since), 50, oldest)

    assert json.loads(end) == {"request_id": "r", "done": True, "last_event_seq": 50} | more
