import json
import os
import pwd
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.main import run
from gateway.commands.recordings import digits
from gateway.daemon.config import DATABASE
from gateway.domain.recording import NO_RESPONSE, Stimulus
from gateway.store.journal import fact_checksum
from tests.commands.test_studies import BLOCKED, WRIST, assessment, code_of, deliver, folder, said, stated
from tests.factories import motor, motor_marks, sensory, waveform

__all__ = ["folder"]  # the fixture: a gateway that has journaled WRIST and BLOCKED of a study S-1
Capture = pytest.CaptureFixture[str]
ME = pwd.getpwuid(os.getuid()).pw_name
# What the cart would send again after a lost link has to be the same recording for ever.
WRIST_ID, BLOCKED_ID = "1c2ff0", "d4c5b7"


def listed(capsys: Capture, folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(capsys, folder, "recordings", "S-1", "--json")]


def places(capsys: Capture, folder: Path) -> list[str]:
    shown = assessment(capsys, folder)["recordings"]
    return [f"{e['nerve']} {e['side']} {e['recording_site']} {e['stimulation_site']}" for e in shown]


def amend(capsys: Capture, folder: Path, *words: str, code: int = 0, name: str = WRIST_ID) -> list[str]:
    return said(capsys, folder, "amend", "S-1", name, *words, code=code)


def exclude(capsys: Capture, folder: Path, *words: str, code: int = 0, name: str = WRIST_ID) -> list[str]:
    return said(capsys, folder, "exclude", "S-1", name, *words, code=code)


async def test_every_recording_is_listed_with_what_it_counts_as(capsys: Capture, folder: Path) -> None:
    flat, weak = waveform([0] * 100), Stimulus(intensity_ma=10.0)
    more = [
        motor("below_elbow", motor_marks(amplitude_mv=1.0), stimulus=weak),
        motor("above_elbow", NO_RESPONSE, recorded_at="2026-11-02T10:20:00+01:00"),
        motor("axilla", measured=None, waveform=flat),
        sensory(),
    ]
    await deliver(folder, *more)

    lines = said(capsys, folder, "recordings", "S-1")

    assert [re.sub(r"^[0-9a-f]{6}  (today     |2026-11-02) ..:..  ", "", line) for line in lines] == [
        f"{'motor ulnar right adm wrist':<40}      9.00 mV  used",
        f"{'motor ulnar right adm below_elbow':<40}      3.00 mV  used",
        f"{'motor ulnar right adm below_elbow':<40}      1.00 mV  kept",
        f"{'motor ulnar right adm above_elbow':<40}  no response  used",
        f"{'motor ulnar right adm axilla':<40}   not marked  used",
        f"{'sensory ulnar right digit_5 wrist':<40}      22.0 uV  used",
    ]
    assert lines[0].startswith(WRIST_ID)
    assert lines[3][8:18] == "2026-11-02"
    assert [entry["state"] for entry in listed(capsys, folder)] == [*["used"] * 2, "kept", *["used"] * 3]


def test_an_amended_recording_counts_where_it_was_made(capsys: Capture, folder: Path) -> None:
    code = code_of(capsys, folder)

    told = amend(capsys, folder, "side=left", "--reason", "wrong_side")

    assert told == [f"{code}: noted: motor ulnar left adm wrist"]
    assert places(capsys, folder) == ["ulnar left adm wrist", "ulnar right adm below_elbow"]
    assert stated(folder) == [("amended", ME)]
    assert re.search(
        rf"  used; amended \(wrong side, recorded as right\) by {ME}, today ..:..$",
        said(capsys, folder, "recordings", "S-1")[0],
    )
    (first, second) = listed(capsys, folder)
    assert first["side"] == "left"
    assert first["amended"] == {
        "reason": "wrong_side",
        "as_recorded": {"side": "right"},
        "by": ME,
        "at": first["amended"]["at"],
    }
    assert "amended" not in second


def test_what_was_amended_before_stays_so(capsys: Capture, folder: Path) -> None:
    amend(capsys, folder, "side=left", "--reason", "wrong_side")
    amend(capsys, folder, "stimulation_site=axilla", "--reason", "wrong_site")
    assert places(capsys, folder)[0] == "ulnar left adm axilla"

    amend(capsys, folder, "side=right", "--reason", "wrong_side")
    assert set(places(capsys, folder)) == {"ulnar right adm axilla", "ulnar right adm below_elbow"}

    (told,) = amend(capsys, folder, "stimulation_site=wrist", "--reason", "wrong_site")
    assert told.endswith(": noted: motor ulnar right adm wrist")
    assert "amended" not in listed(capsys, folder)[0]


def test_a_nerve_may_go_by_its_other_name(capsys: Capture, folder: Path) -> None:
    words = ["nerve=peroneal", "stimulation_site=ankle", "recording_site=edb"]

    amend(capsys, folder, *words, "--reason", "wrong_nerve")

    assert places(capsys, folder)[-1] == "fibular right edb ankle"


def test_an_amendment_is_withdrawn(capsys: Capture, folder: Path) -> None:
    before = assessment(capsys, folder)
    amend(capsys, folder, "side=left", "--reason", "wrong_side")

    (told,) = amend(capsys, folder, "--withdraw")
    (again,) = amend(capsys, folder, "--withdraw")

    assert told.endswith(": noted: motor ulnar right adm wrist")
    assert ": nothing new, the study says so already: " in again
    assert assessment(capsys, folder) == before


async def test_a_distance_that_may_be_another_now_is_pointed_out(capsys: Capture, folder: Path) -> None:
    await deliver(folder, motor("above_elbow", distance_mm=210.0, distance_to_recording_mm=400.0))
    name = listed(capsys, folder)[2]["identity"]

    def told(*words: str) -> list[str]:
        lines = amend(capsys, folder, *words, "--reason", "wrong_site", name=name.upper())[1:]
        return [line.split(": ", 1)[1] for line in lines]

    assert told("side=left") == []
    assert told("stimulation_site=axilla", "distance_to_recording_mm=unknown") == [
        "distance_mm stays 210; if it is another now: distance_mm=NUMBER, or distance_mm=unknown"
    ]
    assert told("distance_mm=150.5") == []
    entry = listed(capsys, folder)[2]
    assert entry["distance_mm"] == 150.5
    assert entry["amended"]["as_recorded"] == {
        "side": "right",
        "stimulation_site": "above_elbow",
        "distance_mm": 210.0,
        "distance_to_recording_mm": 400.0,
    }


def test_an_excluded_recording_does_not_count_until_it_is_withdrawn(capsys: Capture, folder: Path) -> None:
    code, before = code_of(capsys, folder), assessment(capsys, folder)

    assert exclude(capsys, folder, "--reason", "artefact") == [
        f"{code}: noted: motor ulnar right adm wrist does not count"
    ]
    assert places(capsys, folder) == ["ulnar right adm below_elbow"]
    assert "excluded:motor:ulnar:right:wrist:artefact" in assessment(capsys, folder)["mmn"]["caveats"]
    assert re.search(
        rf"  excluded \(artefact\) by {ME}, today ..:..$", said(capsys, folder, "recordings", "S-1")[0]
    )
    first = listed(capsys, folder)[0]
    assert (first["state"], first["excluded"]["reason"], first["excluded"]["by"]) == (
        "excluded",
        "artefact",
        ME,
    )

    assert exclude(capsys, folder, "--withdraw") == [f"{code}: noted: motor ulnar right adm wrist counts"]
    assert assessment(capsys, folder) == before
    assert [kind for kind, _ in stated(folder)] == ["excluded"] * 2


def test_an_excluded_recording_may_be_amended_and_counts_so_afterwards(capsys: Capture, folder: Path) -> None:
    exclude(capsys, folder, "--reason", "other")
    amend(capsys, folder, "side=left", "--reason", "wrong_side")
    assert re.search(
        r"excluded \(another reason\) by .*; amended \(wrong side, recorded as right\) by ",
        said(capsys, folder, "recordings", "S-1")[0],
    )

    exclude(capsys, folder, "--withdraw")
    assert places(capsys, folder)[0] == "ulnar left adm wrist"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["side=lefft"], "side: must be one of left, right; did you mean 'left'?; nothing was stored"),
        (["sid=left"], "sid: no such key; did you mean 'side'?; there are: nerve, side, recording_site, "),
        (["side=left", "side=right"], "side: given twice; "),
        (["nerve=ulna"], "nerve: unknown nerve; did you mean 'ulnar'?; known: median, "),
        (["nerve=sural"], "nerve: the sural nerve has no motor stimulation sites; "),
        (["nerve=median"], "stimulation_site: unknown stimulation site; "),
        (["stimulation_site=ankle"], "stimulation_site: unknown stimulation site; known: wrist, below_elbow"),
        (["recording_site=Canary"], "recording_site: unknown recording site; known: apb, "),
        (["distance_mm=-3"], "distance_mm: write a number with a point"),
        (["distance_mm=0"], "distance_mm: is impossible: must be 1e-06 to 3000"),
        (["site_position_mm=9000"], "site_position_mm: is impossible: must be 0 to 3000"),
    ],
)
def test_what_cannot_be_is_named_and_nothing_is_stored(
    capsys: Capture, folder: Path, words: Sequence[str], told: str
) -> None:
    name = BLOCKED_ID  # below_elbow, which the median nerve has not

    (line,) = amend(capsys, folder, *words, "--reason", "wrong_site", code=64, name=name)

    assert told in line
    assert line.endswith("; nothing was stored")
    assert "Canary" not in line
    assert stated(folder) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["amend", "side=left"], "say KEY=VALUE... with --reason wrong_side|"),
        (["amend", "--reason", "wrong_side"], "say KEY=VALUE... with --reason wrong_side|"),
        (["amend", "side=left", "--withdraw"], "or only --withdraw"),
        (["amend", "--reason", "other", "--withdraw"], "or only --withdraw"),
        (["amend", "side=left", "--reason", "Canary"], "Invalid value for '--reason'"),
        (["amend", "side=left", "--reason", "artefact"], "Invalid value for '--reason'"),
        (["exclude"], "say why with --reason artefact|duplicate|wrong_patient|wrong_side|"),
        (["exclude", "--reason", "other", "--withdraw"], "say why with --reason "),
    ],
)
def test_every_correction_says_what_and_why_in_the_words_there_are(
    capsys: Capture, folder: Path, words: Sequence[str], told: str
) -> None:
    (line,) = said(capsys, folder, words[0], "S-1", WRIST_ID, *words[1:], code=64)

    assert told in line
    assert stated(folder) == []


@pytest.mark.parametrize("name", ["1c2ff", "", "wrist", "g" * 6, "1c2ff0" * 20])
def test_a_recording_goes_by_the_digits_of_its_identity(capsys: Capture, folder: Path, name: str) -> None:
    (line,) = exclude(capsys, folder, "--reason", "other", code=64, name=name)

    shown = f"'emg-gateway studies recordings {code_of(capsys, folder)}' shows them"
    assert line.endswith(f"name a recording by 6 or more digits of its identity; {shown}")


def test_a_recording_that_is_not_there_is_said(capsys: Capture, folder: Path) -> None:
    (line,) = exclude(capsys, folder, "--reason", "other", code=64, name="abcdef")

    assert ": no recording of this identity; 'emg-gateway studies recordings " in line


def test_where_two_begin_alike_the_candidates_are_shown(capsys: Capture, folder: Path) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.create_function("checksum", -1, fact_checksum)
        update = (
            "UPDATE fact SET identity = ?1, checksum = checksum(study, kind, ?1, body) WHERE identity LIKE ?2"
        )
        connection.execute(update, ("abcdef01" + "0" * 56, f"{WRIST_ID}%"))
        connection.execute(update, ("abcdef02" + "0" * 56, f"{BLOCKED_ID}%"))

    (line,) = exclude(capsys, folder, "--reason", "other", code=64, name="abcdef")

    assert line.endswith(
        "write more digits: abcdef01 (motor ulnar right adm wrist),"
        " abcdef02 (motor ulnar right adm below_elbow)"
    )
    assert [entry[:10] for entry in said(capsys, folder, "recordings", "S-1")] == ["abcdef01  ", "abcdef02  "]
    assert "does not count" in exclude(capsys, folder, "--reason", "other", name="ABCDEF01")[0]


def test_so_many_digits_are_shown_as_tell_the_recordings_apart() -> None:
    def named(*identities: str) -> list[Any]:
        return [motor("wrist", identity=identity) for identity in identities]

    assert digits([]) == 6
    assert digits(named("a" * 64, "b" * 64)) == 6
    assert digits(named("a" * 64, "a" * 63 + "b")) == 64


def test_what_cannot_be_read_is_said_beside_the_list(capsys: Capture, folder: Path) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute("UPDATE fact SET body = x'7b' WHERE id = 3")

    assert run(["studies", "recordings", "S-1", "--config", str(folder / "gateway.toml")]) == 65
    out, err = capsys.readouterr()

    assert len(out.splitlines()) == 1
    assert re.fullmatch(r"emg-gateway: [A-Z2-7]{8}: fact 3 is left out: damaged on the disk\n", err)


def test_a_detail_counts_where_the_recording_was_made(capsys: Capture, folder: Path) -> None:
    amend(capsys, folder, "side=left", "--reason", "wrong_side", name=BLOCKED_ID)

    told = said(capsys, folder, "set", "S-1", "skin_temperature_c:ulnar:left=31.5")

    assert len(told) == 1
    assert [e.get("skin_temperature_c") for e in assessment(capsys, folder)["recordings"]] == [31.5, 33.0]


def test_the_recordings_of_these_tests_are_what_their_names_say(capsys: Capture, folder: Path) -> None:
    assert [entry["identity"][:6] for entry in listed(capsys, folder)] == [WRIST_ID, BLOCKED_ID]
    assert (WRIST.stimulation_site, BLOCKED.stimulation_site) == ("wrist", "below_elbow")
