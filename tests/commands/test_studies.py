import json
import os
import pwd
import re
import shlex
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.commands.main import run
from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DATABASE
from gateway.domain.recording import Stimulus
from gateway.domain.study import ExamEnded, Fact, RecordUnusable
from gateway.ports import Clock
from gateway.store.database import open_database
from gateway.store.journal import Journal, JournaledFact
from tests.checkout import ROOT
from tests.factories import header, motor, motor_marks
from tests.fakes import FakeClock
from tests.schemas import schema
from tests.test_readme import blocks, pattern

Capture = pytest.CaptureFixture[str]
SNAP = "record_sensory:ulnar:right"
# A block of the right ulnar nerve, whose sensory fibres were forgotten, as was how strong the stimulus was.
WRIST = motor("wrist", skin_temperature_c=33.0)
BLOCKED = motor(
    "below_elbow",
    motor_marks(amplitude_mv=3.0, negative_area_mv_ms=9.5),
    stimulus=Stimulus(intensity_ma=38.0),
)
END = ExamEnded(by="device")


async def ignore(_facts: Sequence[JournaledFact]) -> None:
    """No gateway runs in this file."""


async def deliver(folder: Path, *facts: Fact, clock: Clock | None = None, **of: Any) -> None:
    driver = of.pop("driver", "room-1")
    async with open_database(folder / DATABASE) as database:
        journal = await Journal.open(database, clock or SystemClock(), "boot-1")
        await journal.intake(driver, "cart-a", ignore).deliver(header(**of), facts)


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A gateway that has journaled one study, S-1."""
    (tmp_path / "gateway.toml").write_text(f'[gateway]\nstate_dir = "{tmp_path}"\n', "utf-8")
    await deliver(tmp_path, WRIST, BLOCKED)
    return tmp_path


def said(capsys: Capture, folder: Path, *words: str, code: int = 0) -> list[str]:
    """What the command says, on standard output where it succeeds, else the one line it fails with."""
    assert run(["studies", *words, "--config", str(folder / "gateway.toml")]) == code
    out, err = capsys.readouterr()
    if code:
        assert (out, err.count("\n")) == ("", 1)
        return [err.removeprefix("emg-gateway: ").rstrip("\n")]
    assert err == ""
    return out.splitlines()


def code_of(capsys: Capture, folder: Path) -> str:
    return said(capsys, folder, "list")[-1].split()[0]


def stated(folder: Path) -> list[tuple[str, str]]:
    """The kind and the user of every fact that somebody stated."""
    query = "SELECT kind, stated_by FROM fact WHERE stated_by IS NOT NULL ORDER BY id"
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return connection.execute(query).fetchall()


def assessment(capsys: Capture, folder: Path) -> dict[str, Any]:
    (line,) = said(capsys, folder, "show", "S-1")
    found: dict[str, Any] = json.loads(line)
    return found


async def test_the_studies_are_listed_without_a_patient(capsys: Capture, folder: Path) -> None:
    await deliver(folder, WRIST, END, clock=FakeClock(), study_id="S-2")

    newest, oldest = said(capsys, folder, "list")

    assert re.fullmatch(
        r"[A-Z2-7]{8}  2026-11-02 ..:15  cart-a    1 recording  ended 2026-11-02 ..:15 +S-2", newest
    )
    assert re.fullmatch(r"[A-Z2-7]{8}  today      ..:..  cart-a   2 recordings  open +S-1", oldest)


async def test_as_json_a_study_is_an_object_a_line(capsys: Capture, folder: Path) -> None:
    await deliver(folder, WRIST, END, clock=FakeClock(), study_id="S-2\x1b[31m")

    lines = said(capsys, folder, "list", "--json")

    newest, oldest = map(json.loads, lines)
    assert newest == {
        "code": newest["code"],
        "study_id": "S-2\x1b[31m",
        "cart": "cart-a",
        "recordings": 1,
        "started_at": "2026-11-02T09:15:00+00:00",
        "ended_at": "2026-11-02T09:15:00+00:00",
        "unusable": 0,
        "patient": None,
    }
    assert oldest["ended_at"] is None
    assert "Canary" not in "".join(lines)


def test_a_study_is_shown_as_it_stands(capsys: Capture, folder: Path) -> None:
    document = assessment(capsys, folder)
    Draft202012Validator(schema("assessment")).validate(document)
    text = said(capsys, folder, "show", code_of(capsys, folder), "--format", "text")

    assert document["study_id"] == "S-1"
    assert SNAP in document["mmn"]["missing"]
    assert text[0].startswith("Study S-1, ")
    explained = said(capsys, folder, "show", "S-1", "--explain")
    assert set(text) < set(explained)
    assert any(line.strip().startswith("gate ") for line in explained)


async def test_what_the_cart_sent_and_could_not_be_used_is_listed_with_place_and_reason(
    capsys: Capture, folder: Path
) -> None:
    bad = [RecordUnusable(place=f"record {n} (R|{n})", reason="nerve: unknown nerve") for n in (5, 9)]
    await deliver(folder, *bad)
    await deliver(folder, *bad)  # the cart sent its message again

    (listed,) = said(capsys, folder, "list")
    assert listed.endswith("  S-1  2 records unusable")
    assert json.loads(said(capsys, folder, "list", "--json")[0])["unusable"] == 2
    text = said(capsys, folder, "show", "S-1", "--format", "text")
    assert text[-3] == "Sent by the cart and not used"
    assert re.fullmatch(r"\* today ..:.., record 9 \(R\|9\): nerve: unknown nerve", text[-1])
    assert "the cart sent records that could not be used" in " ".join(text)
    document = assessment(capsys, folder)
    Draft202012Validator(schema("assessment")).validate(document)
    assert "unusable_records" in document["mmn"]["caveats"]
    assert [entry["place"] for entry in document["unusable"]] == ["record 5 (R|5)", "record 9 (R|9)"]


def test_what_cannot_be_read_of_a_study_is_said_beside_the_rest(capsys: Capture, folder: Path) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute("UPDATE fact SET body = x'7b' WHERE id = 3")

    assert run(["studies", "show", "S-1", "--config", str(folder / "gateway.toml")]) == 65
    out, err = capsys.readouterr()

    assert len(json.loads(out)["recordings"]) == 1
    assert re.fullmatch(r"emg-gateway: [A-Z2-7]{8}: fact 3 is left out: damaged on the disk\n", err)


def test_what_is_stated_counts_and_says_who(capsys: Capture, folder: Path) -> None:
    code = code_of(capsys, folder)
    assert "onset_unknown" in assessment(capsys, folder)["mmn"]["caveats"]

    told = said(capsys, folder, "set", "S-1", "symptom_onset_days=400", "umn_signs=no")

    assert told == [f"{code}: noted"]
    assert "onset_unknown" not in assessment(capsys, folder)["mmn"]["caveats"]
    assert stated(folder) == [("clinical", pwd.getpwuid(os.getuid()).pw_name)]


def test_behind_sudo_it_is_the_one_who_asked(
    capsys: Capture, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    for number in ("0", "4294967290", "9" * 40, "anna"):
        monkeypatch.setenv("SUDO_UID", number)
        said(capsys, folder, "set", "S-1", f"symptom_onset_days={len(stated(folder))}")

    assert [who for _, who in stated(folder)] == [
        f"root as {me}",
        f"4294967290 as {me}",
        f"{'9' * 40} as {me}",
        me,
    ]


def test_what_is_stated_can_be_taken_back(capsys: Capture, folder: Path) -> None:
    before = assessment(capsys, folder)
    said(capsys, folder, "set", "S-1", "umn_signs=yes")
    said(capsys, folder, "set", "S-1", "umn_signs=unknown")

    assert assessment(capsys, folder) == before


def test_what_is_said_twice_is_stored_once(capsys: Capture, folder: Path) -> None:
    first = ["umn_signs=no", "skin_temperature_c:ulnar:right=31.5"]
    said(capsys, folder, "set", "S-1", *first)

    (again,) = said(capsys, folder, "set", "S-1", *first)
    (more, *_) = said(capsys, folder, "set", "S-1", *first, "distance_mm:ulnar:right:below_elbow:adm=210")

    assert again.endswith(": nothing new, the study says so already")
    assert more.endswith(": noted what is new; the rest the study says already")
    assert [kind for kind, _ in stated(folder)] == ["clinical", "detail", "detail"]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("skin_temperature_c:ulnar:right:wrist=31.5", ["the cart recorded it, and that stays"]),
        ("skin_temperature_c:ulnar:right=31.5", []),
        ("skin_temperature_c:ulnar:left=31.5", ["no such recording yet; it counts when one comes"]),
        ("skin_temperature_c:peroneal:left=unknown", []),
        ("supramaximal:ulnar:right:below_elbow:adm=yes", []),
        ("supramaximal:ulnar:right:wrist:adm=no", ["the cart recorded it, and that stays"]),
        ("distance_mm:ulnar:right:wrist:digit_5=140", ["no such recording yet; it counts when one comes"]),
    ],
)
def test_a_detail_that_changes_nothing_yet_says_why(
    capsys: Capture, folder: Path, word: str, told: list[str]
) -> None:
    _, *lines = said(capsys, folder, "set", "S-1", word)

    assert [line.split(": ", 2)[2] for line in lines] == told


def test_a_detail_completes_its_recording(capsys: Capture, folder: Path) -> None:
    said(capsys, folder, "set", "S-1", "distance_mm:ulnar:right:below_elbow:adm=210")

    distances = [entry.get("distance_mm") for entry in assessment(capsys, folder)["recordings"]]
    assert distances == [None, 210.0]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (
            "umn_sings=yes",
            "umn_sings: no such key; did you mean 'umn_signs'?; there are: symptom_onset_days, ",
        ),
        ("distance:ulnar:right=1", "distance:ulnar:right: no such key; did you mean 'distance_mm'?"),
        ("Canary", "Canary: no such key; there are: "),
        ("umn_signs", "umn_signs: must be one of yes, no, unknown; "),
        ("umn_signs=yess", "umn_signs: must be one of yes, no, unknown; did you mean 'yes'?; "),
        ("anti_gm1_igm=0.3", "anti_gm1_igm: must be one of positive, negative, unknown; "),
        (
            "symptom_onset_days=-3",
            "symptom_onset_days: write a number with a point, such as 31.5, or unknown; ",
        ),
        ("symptom_onset_days=nan", "symptom_onset_days: write a number"),
        ("symptom_onset_days=99999", "symptom_onset_days: is impossible: must be 0 to 36525 days"),
        (
            "csf_protein_g_l=450",
            "csf_protein_g_l: is impossible: must be 0 to 10 g/L; is it in another unit?",
        ),
        (
            "skin_temperature_c:ulnar:right=31,5",
            "skin_temperature_c:ulnar:right: write a number with a point",
        ),
        ("skin_temperature_c:ulnar:right=88", "skin_temperature_c: is impossible: must be 0 to 50"),
        (
            "skin_temperature_c:ulnar=31",
            "skin_temperature_c:ulnar: write skin_temperature_c:NERVE:SIDE[:STIM",
        ),
        ("skin_temperature_c:ulna:right=31", "skin_temperature_c:ulna:right: nerve: must be one of median, "),
        ("skin_temperature_c:ulnar:rigt=31", "side: must be one of left, right; did you mean 'right'?"),
        ("skin_temperature_c:ulnar:right:elbo=31", "stimulation site: must be one of wrist, below_elbow, "),
        ("distance_mm:ulnar:right=210", "write distance_mm:NERVE:SIDE:STIMULATION_SITE:RECORDING_SITE=VALUE"),
        ("distance_mm:ulnar:right:wrist:amd=70", "recording site: must be one of apb, adm, "),
        ("distance_mm:ulnar:right:wrist:adm=7000", "distance_mm: is impossible: must be 1e-06 to 3000"),
        ("supramaximal:ulnar:right:wrist:adm=1", "must be one of yes, no, unknown"),
        ("ivig_response=yes", "ivig_response: given twice; "),
        ("distance_mm:peroneal:left:ankle:edb=80", "distance_mm:fibular:left:ankle:edb: given twice; "),
    ],
)
def test_where_one_of_several_is_wrong_it_is_named_and_none_is_stored(
    capsys: Capture, folder: Path, word: str, told: str
) -> None:
    good = ("ivig_response=yes", "distance_mm:fibular:left:ankle:edb=80")

    (line,) = said(capsys, folder, "set", "S-1", *good, word, code=64)

    assert told in line
    assert line.endswith("; nothing was stored")
    assert stated(folder) == []


def test_what_will_not_be_recorded_is_declined_with_a_reason(capsys: Capture, folder: Path) -> None:
    said(capsys, folder, "decline", "S-1", SNAP, "--reason", "patient_stops")
    said(capsys, folder, "decline", "S-1", SNAP, "--reason", "amputation")
    assert SNAP not in assessment(capsys, folder)["mmn"]["missing"]

    said(capsys, folder, "decline", "S-1", SNAP, "--withdraw")
    assert SNAP in assessment(capsys, folder)["mmn"]["missing"]
    assert [kind for kind, _ in stated(folder)] == ["declined"] * 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            [SNAP],
            "say why with --reason amputation|wound_or_cast|patient_stops|not_tolerated|not_indicated, or",
        ),
        ([SNAP, "--withdraw", "--reason", "amputation"], "say why with --reason"),
        (["record_sensory:sural:left", "--reason", "amputation"], f"is not asked for; it is: .*{SNAP}"),
        ([SNAP, "--withdraw"], "is not declined; nothing is declined"),
        ([SNAP, "--reason", "tired"], "Invalid value for '--reason'"),
    ],
)
def test_only_what_is_asked_for_can_be_declined_and_only_what_is_declined_withdrawn(
    capsys: Capture, folder: Path, words: list[str], told: str
) -> None:
    (line,) = said(capsys, folder, "decline", "S-1", *words, code=64)

    assert re.search(told.replace("|", r"\|"), line)
    assert stated(folder) == []


def test_where_something_else_is_declined_that_is_listed(capsys: Capture, folder: Path) -> None:
    said(capsys, folder, "decline", "S-1", SNAP, "--reason", "amputation")

    (line,) = said(capsys, folder, "decline", "S-1", "record_site:ulnar:left", "--withdraw", code=64)

    assert line.endswith(f": this action is not declined; it is: {SNAP}")


async def test_an_examination_is_ended_once(capsys: Capture, folder: Path) -> None:
    code = code_of(capsys, folder)
    await deliver(folder, study_id="S-2")

    assert said(capsys, folder, "end", "S-1") == [f"{code}: ended"]
    assert said(capsys, folder, "end", "S-1") == [f"{code}: it has ended already"]
    assert "nothing is recorded yet" in said(capsys, folder, "end", "S-2", code=64)[0]
    assert [kind for kind, _ in stated(folder)] == ["ended"]
    assert "ended today" in said(capsys, folder, "list")[-1]


@pytest.mark.parametrize("words", [["show"], ["set"], ["decline"], ["end"]])
async def test_a_study_that_is_not_there_or_there_twice_is_said(
    capsys: Capture, folder: Path, words: list[str]
) -> None:
    rest = {"set": ["umn_signs=no"], "decline": [SNAP, "--reason", "amputation"]}.get(words[0], [])
    await deliver(folder, WRIST, driver="room-2")

    assert "studies list" in said(capsys, folder, *words, "S-9", *rest, code=64)[0]
    assert "by its code: " in said(capsys, folder, *words, "S-1", *rest, code=64)[0]


@pytest.mark.parametrize("words", [["list"], ["show", "S-1"], ["set", "S-1", "umn_signs=no"], ["end", "S-1"]])
def test_a_gateway_that_never_ran_has_no_studies(capsys: Capture, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "gateway.toml").write_text(f'[gateway]\nstate_dir = "{tmp_path}/state"\n', "utf-8")

    (line,) = said(capsys, tmp_path, *words, code=66)

    assert line.startswith(f"{tmp_path}/state/{DATABASE}: not there; ")
    assert not (tmp_path / "state").exists()


def test_a_damaged_store_is_named(capsys: Capture, folder: Path) -> None:
    (folder / DATABASE).write_bytes(b"no database" * 1000)

    (line,) = said(capsys, folder, "end", "S-1", code=74)

    assert line.startswith(f"{folder}/{DATABASE}: ")


@pytest.mark.parametrize(("page", "count"), [("clinical-facts.md", 10), ("corrections.md", 11)])
def test_what_the_technologist_is_told_to_type_works(
    capsys: Capture, folder: Path, page: str, count: int
) -> None:
    examples = blocks(ROOT / "docs" / page, "console")
    commands = [
        part.partition("\n")
        for block in examples
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    ]

    for command, _, output in commands:
        program, *words = shlex.split(command)
        assert program == "emg-gateway"
        assert run([*words, "--config", str(folder / "gateway.toml")]) == 0, command
        out, err = capsys.readouterr()
        assert err == ""
        assert re.fullmatch(pattern(output), out), out
    assert len(commands) == count
