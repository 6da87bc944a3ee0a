import ast
import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest

from gateway.domain import wording
from gateway.domain.actions import Site
from gateway.domain.corrections import Amendment, ExcludeReason
from gateway.domain.criteria import Grade
from gateway.domain.differential import Demyelination
from gateway.domain.martin_gruber import Crossover
from gateway.domain.pattern import MIMICS
from gateway.domain.quality import MEANINGS
from gateway.domain.recording import Modality, Side
from gateway.domain.sensory import LIMITED, SensoryGrade
from gateway.domain.study import DeclineReason
from gateway.domain.support import Support
from gateway.pipeline.stages import assessment, examine
from tests.factories import reference, study

DOMAIN = Path(wording.__file__).parent
# Where reasons, actions and caveats are made.
MODULES = (
    "actions",
    "criteria",
    "findings",
    "gates",
    "martin_gruber",
    "norms",
    "pattern",
    "segments",
    "sensory",
    "support",
)
CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
KNOWN = {
    *wording.REASONS,
    *wording.ACTIONS,
    *wording.CAVEATS,
    *wording.MIMICS,
    *wording.GRADES,
}


def strings(module: str) -> set[str]:
    """Every word with an underscore in the strings of a module, docstrings left out."""
    tree = ast.parse((DOMAIN / f"{module}.py").read_text("utf-8"))
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    texts = [value for value in constants if isinstance(value, str)]
    starts = (text.split(":")[0] for text in texts if " " not in text)
    return {start for start in starts if CODE.fullmatch(start)}


def names() -> set[str]:
    """What else is written so: fields, sites, nerves, results, and what is wrong with a signal."""
    found: set[str] = set(MEANINGS) | {str(one) for kind in (SensoryGrade, Support) for one in kind}
    found |= {limited.name for limited in LIMITED.values()} | {str(Crossover.EXCLUDED)}  # never published
    for module in MODULES:
        for entry in vars(import_module(f"gateway.domain.{module}")).values():
            if isinstance(entry, type) and is_dataclass(entry):
                found |= {one.name for one in fields(entry)}
                found |= {name for name, part in vars(entry).items() if isinstance(part, property)}
    anatomy = reference().anatomy
    found |= {*anatomy.sites, *anatomy.nerves, *anatomy.muscles}
    for kind in ("ClinicalFacts", "Stimulus", "Recording", "MotorMarks", "SensoryMarks", "Patient"):
        for home in ("study", "recording"):
            entry = vars(import_module(f"gateway.domain.{home}")).get(kind)
            found |= {one.name for one in fields(entry)} if entry else set()
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_code_a_module_makes_has_words(module: str) -> None:
    assert strings(module) - names() - KNOWN == set()


def test_every_sensory_limit_has_its_reason_and_its_caveats() -> None:
    for limited in LIMITED.values():
        assert limited.beyond in wording.REASONS
        assert f"{limited.name}_not_recorded" in wording.CAVEATS
        if limited.slows:
            assert f"{limited.name}_not_judged" in wording.CAVEATS


def test_codes_made_of_two_parts_have_words() -> None:
    unread = ("recalled", "unverified")
    assert {f"{what}_{status}" for what in ("criteria", "norms") for status in unread} <= set(wording.CAVEATS)
    grades = (grade for grade in Demyelination if grade is not Demyelination.NONE)
    assert {f"demyelination_{grade}" for grade in grades} <= set(wording.REASONS)
    assert {f"sensory_{result}" for result in ("abnormal", "absent")} <= set(wording.REASONS)


def test_closed_sets_are_worded_without_rest() -> None:
    assert set(wording.GRADES) == {str(grade) for grade in Grade}
    assert set(wording.DECLINED) == set(get_args(DeclineReason))
    assert set(wording.CORRECTIONS) == set(get_args(ExcludeReason))
    assert set(wording.MIMICS) == set(MIMICS)


def test_words_are_short_plain_and_never_promise_too_much() -> None:
    tables = (wording.REASONS, wording.ACTIONS, wording.CAVEATS, wording.GRADES, wording.MIMICS)
    tables = (*tables, wording.CORRECTIONS)
    for words in (words for table in tables for words in table.values()):
        assert words.isascii()
        assert "diagnos" not in words.lower()
        assert "_" not in words
        assert len(words) < 90


OWN = "definite block with normal conduction in its own sensory fibres"
COMPRESSED = "the numbers of a block where the nerve is commonly compressed"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("on_the_limit", "on the limit"),
        ("definite_block:ulnar:right", f"{OWN} (right ulnar)"),
        ("tibial_physiological", "tibial response falls here in health"),
        (
            "block_at_compression_site:radial:left:erb:below_spiral_groove",
            f"{COMPRESSED} (left radial, Erb's point, below spiral groove)",
        ),
        (
            "demyelination_weak:aan-1991",
            "items of demyelination beyond block met, weak support (aan-1991)",
        ),
        ("never_heard_of", "never heard of"),
    ],
)
def test_a_reason_is_read_with_what_it_is_about(code: str, words: str) -> None:
    assert wording.reason(code) == words


def test_caveats_of_one_kind_are_one_line() -> None:
    codes = (
        "temperature_unknown:median:right",
        "supramaximal_unknown:ulnar:left:erb:adm",
        "onset_unknown",
        "temperature_unknown:ulnar:right",
        "temperature_unknown:median:right",
        "supramaximal_unknown:median:left:palm:apb",
        "norms_recalled:aanem-2016",
        "not_known_yet",
    )
    assert wording.caveats(codes) == (
        "temperature not recorded: right median, right ulnar",
        f"{wording.CAVEATS['supramaximal_unknown']}: left ulnar, Erb's point, ADM; left median, palm, APB",
        "onset of symptoms not known: an acute axonal lesion is not excluded",
        "limits of the norm table recalled, not compared with the paper: aanem-2016",
        "not known yet",
    )


@pytest.mark.parametrize("why", get_args(DeclineReason))
def test_what_was_declined_says_what_and_why(why: str) -> None:
    (line,) = wording.caveats([f"declined:repeat_supramaximal:ulnar:right:axilla:adm:{why}"])
    expected = f"repeat with a supramaximal stimulus, right ulnar, axilla, ADM ({wording.DECLINED[why]})"
    assert line == f"declined: {expected}"


@pytest.mark.parametrize("why", get_args(ExcludeReason))
def test_what_was_excluded_says_what_and_why(why: str) -> None:
    codes = [f"excluded:motor:ulnar:right:below_elbow:{why}", f"excluded:sensory:sural:left:calf:{why}"]
    (line,) = wording.caveats(codes)
    expected = f"motor right ulnar, below elbow ({wording.CORRECTIONS[why]})"
    assert line == (
        f"recording excluded by an operator: {expected}; "
        f"sensory left sural, calf ({wording.CORRECTIONS[why]})"
    )


@pytest.mark.parametrize(
    ("as_recorded", "said"),
    [
        ({"side": Side.LEFT}, "left"),
        ({"nerve": "superficial_radial", "recording_site": "adm"}, "superficial radial, ADM"),
        ({"stimulation_site": "erb", "site_position_mm": 120.0}, "Erb's point, site position 120 mm"),
        ({"distance_mm": None}, "distance not known"),
    ],
)
def test_what_was_amended_says_why_and_what_the_cart_had_sent(as_recorded: Any, said: str) -> None:
    words = wording.amendment(Amendment(reason="wrong_site", as_recorded=as_recorded))
    assert words == f"wrong site, recorded as {said}"


@pytest.mark.parametrize(
    ("recording", "said"),
    [
        (
            Site(nerve="median", side=Side.RIGHT, stimulation_site="wrist", recording_site="adm"),
            "right median motor, stimulate wrist, record ADM",
        ),
        (
            Site(modality=Modality.SENSORY, nerve="superficial_radial", side=Side.LEFT),
            "left superficial radial sensory",
        ),
    ],
)
def test_a_recording_to_make_is_said_as_to_the_technologist(recording: Site, said: str) -> None:
    assert wording.to_record(recording) == said


def test_every_site_and_muscle_is_written_as_on_a_report() -> None:
    anatomy = reference().anatomy
    shown = {name: wording.site(name) for name in (*anatomy.sites, *anatomy.muscles)}
    assert shown["erb"] == "Erb's point"
    assert (shown["fdmb"], shown["biceps"], shown["digit_5"]) == ("FDMB", "biceps", "digit 5")
    assert all("_" not in words for words in shown.values())
    assert len(set(shown.values())) == len(shown)


def test_nothing_recorded_has_words_too() -> None:
    found = assessment(examine(study(), reference()), reference())
    assert {code.split(":")[0] for code in (*found.mmn.reasons, *found.mmn.caveats)} <= KNOWN
