import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from drivers.simulator import SIMULATOR
from gateway.commands.tables import signed
from gateway.commands.terminal import WIDTH, printable, wrapped
from gateway.commands.text import assessment_text, segment_line
from gateway.daemon.reference import load_reference
from gateway.domain.corrections import RecordingAmended, RecordingExcluded
from gateway.domain.recording import (
    NO_RESPONSE,
    MotorMarks,
    NoResponse,
    SensoryMarks,
    Side,
    Stimulus,
)
from gateway.domain.study import ActionDeclined, ClinicalFacts, Study
from gateway.pipeline.stages import examine
from tests.factories import (
    cmap,
    median,
    median_sensory,
    motor,
    motor_marks,
    reference,
    sensory,
    study,
    waveform,
)

FINDINGS = "Findings under efns-pns-mmn-2010"
WEAK = motor_marks(amplitude_mv=3.0, negative_area_mv_ms=9.5)


def written(whole: Study, *, explain: bool = False) -> list[str]:
    return assessment_text(examine(whole, reference()), reference(), explain=explain).splitlines()


def lines(*recordings: Any, explain: bool = False, **header: Any) -> list[str]:
    """The assessment of these recordings, blanks in a row as one."""
    found = written(study(*recordings, **header), explain=explain)
    return [" ".join(line.split()) for line in found]


def section(found: Sequence[str], title: str) -> list[str]:
    """The lines under a title, up to the next empty one."""
    start = found.index(title) + 1
    return list(found[start : [*found, ""].index("", start)])


def marks(amplitude_mv: float, area: float, onset_ms: float, duration_ms: float = 6.0) -> MotorMarks:
    return MotorMarks(
        amplitude_mv=amplitude_mv,
        negative_area_mv_ms=area,
        onset_latency_ms=onset_ms,
        negative_duration_ms=duration_ms,
    )


WARM: dict[str, Any] = {"skin_temperature_c": 33.1, "filter_hz": (2, 10000)}
BLOCKED = (
    median("wrist", marks(8, 24, 4.9), distance_mm=80, **WARM),
    median("elbow", marks(3.1, 9, 10.3), distance_mm=215, **WARM),
    median("axilla", NO_RESPONSE, distance_mm=100, stimulus=Stimulus(intensity_ma=60), **WARM),
    sensory(SensoryMarks(onset_latency_ms=2.4, peak_latency_ms=3.1, amplitude_uv=4.0), **WARM),
)


TABLE = """\
Right median motor, recorded over APB
  Site      Lat         Amp   Dur   Area  Temp   Segment         Dist    CV          Amp    Area   Dur
             ms          mV    ms  mV.ms     C                     mm   m/s            %       %     %
  wrist    4.90▲(4.5)  8.00  6.00  24.00  33.1   APB - wrist       80
  elbow   10.30        3.10  6.00   9.00  33.1   wrist - elbow    215  39.8▼(49)   -61.3   -62.5  +0.0
  axilla      -          NR     -      -  33.1   elbow - axilla   100     -       -100.0  -100.0     -
  limits aanem-2016 (recalled): latency <= 4.5 ms, amplitude >= 4.1 mV, velocity wrist - elbow >= 49 m/s"""


def test_the_first_lines_say_whose_rules_graded_and_that_it_is_preliminary() -> None:
    assert lines(motor("wrist"))[:3] == [
        "Study S-1, 2026-11-02T10:15:00+01:00",
        "Graded by efns-pns-mmn-2010 (version 2010, verified), norms aanem-2016.",
        "PRELIMINARY: electrodiagnostic support, to be reviewed by a physician",
    ]


def test_simulated_data_is_called_so() -> None:
    assert lines(simulated=True)[0].endswith(" SIMULATED DATA")


def test_a_study_without_a_recording_has_no_tables() -> None:
    found = written(study())
    assert found[4:6] == ["MMN support: not assessable", "  - no segment could be assessed"]
    assert not {FINDINGS, "Signal quality", "Still to record"}.intersection(found)


def test_a_name_from_outside_gives_no_orders_to_the_terminal() -> None:
    assert lines(study_id="S\x1b[2J\nX")[0].startswith(r"Study S\x1b[2J\x0aX, ")
    assert printable("Zürich µV ▲") == "Zürich µV ▲"


def test_nerves_are_tables_of_sites_and_segments_as_laboratories_print_them() -> None:
    found = written(study(*BLOCKED))
    start = found.index(TABLE.splitlines()[0])
    assert "\n".join(found[start : start + 7]) == TABLE


def test_a_table_too_wide_for_the_page_has_its_segments_below() -> None:
    leg = {"nerve": "fibular", "recording_site": "edb", **WARM}
    found = written(
        study(
            motor("ankle", marks(0.9, 3, 7.0), distance_mm=80, **leg),
            motor("below_fibular_head", marks(0.8, 2.8, 17.5), distance_mm=320, **leg),
            motor("above_fibular_head", marks(0.7, 2.5, 20.3), distance_mm=100, **leg),
        )
    )
    segments = next(line for line in found if line.startswith("  Segment "))
    assert segments.split() == ["Segment", "Dist", "CV", "Amp", "Area", "Dur"]
    rows = [line.split() for line in found]
    assert ["ankle", "7.00▲(6.5)", "0.90▼(1.3)", "6.00", "3.00", "33.1"] in rows
    assert any("below fibular head - above fibular head" in line and "35.7▼(42)" in line for line in found)


@pytest.mark.parametrize("scenario", [one.name for one in SIMULATOR.scenarios])
def test_every_patient_fits_on_the_page_in_plain_letters_and_without_a_diagnosis(scenario: str) -> None:
    whole = SIMULATOR.study(scenario, seed=7, performed_at="2026-11-02T10:15:00+01:00")
    found = written(whole, explain=True)
    assert [line for line in found if len(line) > WIDTH] == []
    text = "\n".join(found)
    assert not re.search(r"\bdiagnos", text, re.IGNORECASE)
    assert {char for char in text if not char.isascii()} <= set("▲▼")


def test_what_is_unknown_is_a_dash() -> None:
    found = lines(motor("wrist", MotorMarks(amplitude_mv=9.0)), motor("below_elbow", NO_RESPONSE))
    assert "wrist - 9.00 - - - ADM - wrist -" in found
    assert "below elbow - NR - - - wrist - below elbow - - -100.0 -100.0 -" in found


def test_a_sweep_that_cannot_be_marked_is_dashes() -> None:
    entry = replace(motor("wrist"), measured=None, waveform=waveform([0] * 4))
    assert "wrist - - - - - ADM - wrist -" in lines(entry)


def test_a_sweep_without_machine_marks_shows_ours() -> None:
    entry = replace(motor("wrist"), measured=None, waveform=cmap())
    (row,) = [line for line in lines(entry) if line.startswith("wrist ")]
    assert row.split()[2] == "9.00"


def test_an_inching_site_shows_its_position() -> None:
    found = lines(motor("wrist", site_position_mm=90.0), motor("below_elbow"))
    assert any(line.startswith("wrist at 90 mm 2.90 9.00 ") for line in found)


# Limits are told where they apply, and only there


def test_no_distal_response_is_marked_as_low() -> None:
    found = lines(median("wrist", NO_RESPONSE, distance_mm=80))
    assert "wrist - NR▼(4.1) - - - APB - wrist 80" in found


def test_a_limit_that_does_not_apply_is_neither_told_nor_marked() -> None:
    found = lines(median("wrist", marks(8, 24, 6.0), distance_mm=120))
    assert "wrist 6.00 8.00 6.00 24.00 - APB - wrist 120" in found
    assert "limits aanem-2016 (recalled): amplitude >= 4.1 mV" in found
    assert "limits aanem-2016: none applies" in lines(median("wrist", recording_site="adm"))


def test_in_a_cold_limb_neither_latency_nor_velocity_is_marked() -> None:
    cold = {"skin_temperature_c": 29.0}
    found = lines(
        median("wrist", marks(3, 9, 6.0), distance_mm=80, **cold),
        median("elbow", marks(3, 9, 12.0), distance_mm=200, **cold),
    )
    assert "wrist 6.00 3.00▼(4.1) 6.00 9.00 29.0 APB - wrist 80" in found
    assert "elbow 12.00 3.00 6.00 9.00 29.0 wrist - elbow 200 33.3 +0.0 +0.0 +0.0" in found
    assert "limits aanem-2016 (recalled): amplitude >= 4.1 mV" in found
    assert "limb cold: latency and velocity not judged" in found


def test_a_sensory_row_has_its_velocity_result_and_limits() -> None:
    found = lines(sensory())
    assert "Sensory nerve Lat Peak Amp Dist CV Temp Result" in found
    assert "right ulnar, wrist - digit 5 2.40 3.10 22.0 140 58.3 - normal" in found
    assert (
        "limits aanem-2016 (recalled), right ulnar, wrist - digit 5: amplitude >= 10 uV, peak latency <= 4 ms"
    ) in found


@pytest.mark.parametrize(
    ("response", "row"),
    [
        (
            SensoryMarks(onset_latency_ms=2.4, peak_latency_ms=3.1, amplitude_uv=4.0),
            "2.40 3.10 4.0▼(10) 140 58.3 - abnormal",
        ),
        (
            SensoryMarks(onset_latency_ms=3.5, peak_latency_ms=4.2, amplitude_uv=22.0),
            "3.50 4.20▲(4) 22.0 140 40.0 - abnormal",
        ),
        (NO_RESPONSE, "- - NR 140 - - absent"),
    ],
)
def test_a_sensory_value_beyond_its_limit_is_marked(response: SensoryMarks | NoResponse, row: str) -> None:
    assert f"right ulnar, wrist - digit 5 {row}" in lines(sensory(response))


def test_a_sensory_site_pair_without_a_row_has_no_limits() -> None:
    found = lines(sensory(stimulation_site="elbow", distance_mm=None))
    assert "right ulnar, elbow - digit 5 2.40 3.10 22.0 - - - not assessable" in found
    assert "limits aanem-2016, right ulnar, elbow - digit 5: none applies" in found


# Findings


def test_a_block_is_marked_with_the_set_and_the_numbers_it_rests_on() -> None:
    found = section(lines(median("wrist"), median("elbow", WEAK)), FINDINGS)
    assert " ".join(found) == (
        "▲ right median APB, wrist to elbow: definite block; amplitude -66.7 %, area -66.1 %, duration +0.0 %"
    )


def test_a_block_in_doubt_says_what_the_numbers_say_and_why_it_is_in_doubt() -> None:
    found = " ".join(section(lines(motor("wrist"), motor("below_elbow", WEAK)), FINDINGS))
    assert found == (
        "? right ulnar ADM, wrist to below elbow: in doubt, by its numbers definite block;"
        " amplitude -66.7 %, area -66.1 %, duration +0.0 %;"
        " Martin-Gruber anastomosis not excluded"
    )


def test_what_does_not_count_says_why() -> None:
    found = " ".join(section(lines(motor("below_elbow"), motor("above_elbow", WEAK)), FINDINGS))
    assert found.startswith("- right ulnar ADM, below elbow to above elbow: site excluded;")
    assert found.endswith("; the nerve is commonly compressed here")


def test_sets_that_disagree_are_shown_disagreeing_in_one_line() -> None:
    mild = motor_marks(amplitude_mv=5.8, negative_area_mv_ms=20.0)
    found = section(lines(median("wrist"), median("elbow", mild)), FINDINGS)
    assert re.fullmatch(
        r".* sets disagree: (.*: .*; ){2}.*",
        " ".join(found),
    )
    text = " ".join(found)
    assert "no block: " in text
    assert "block: ean-pns-cidp-2021, ghosh-2005" in text
    assert not any("disagree" in line for line in lines(median("wrist"), median("elbow", WEAK)))


def test_a_sensory_finding_has_its_reasons() -> None:
    weak = SensoryMarks(onset_latency_ms=2.4, peak_latency_ms=3.1, amplitude_uv=4.0)
    assert section(lines(sensory(weak)), FINDINGS) == [
        "! right ulnar, wrist - digit 5 (sensory): abnormal; amplitude below its limit"
    ]
    assert section(lines(sensory()), FINDINGS) == ["- right ulnar, wrist - digit 5 (sensory): normal"]


def test_what_is_wrong_with_the_signals_stands_before_the_findings() -> None:
    found = lines(
        motor("wrist", motor_marks(amplitude_mv=4.0), waveform=cmap()),
        motor("below_elbow", NO_RESPONSE, site_position_mm=90.0, stimulus=Stimulus(intensity_ma=60)),
        sensory(NO_RESPONSE),
    )

    quality = " ".join(section(found, "Signal quality"))
    assert (
        "! right ulnar ADM, wrist: machine and gateway disagree on the amplitude (machine minus gateway): -5"
        in quality
    )
    assert " mV - look at the curve, see which marks fit it" in quality
    advice = "no response - raise the current before believing it"
    assert f"! right ulnar ADM, below elbow at 90 mm: {advice}" in quality
    assert f"! right ulnar digit 5 sensory, wrist: {advice}" in quality
    assert found.index("Signal quality") < found.index(FINDINGS)


def test_no_response_to_a_proven_stimulus_is_in_the_table_and_nothing_more_is_to_do() -> None:
    found = lines(motor("wrist"), motor("below_elbow", NO_RESPONSE))

    assert "Signal quality" not in found
    assert any(line.startswith("below elbow - NR") for line in found)


def test_what_is_on_the_limit_is_named_with_the_limit() -> None:
    near = motor_marks(amplitude_mv=3.0, negative_area_mv_ms=14.5, negative_duration_ms=7.7)

    found = " ".join(section(lines(median("wrist"), median("elbow", near)), FINDINGS))

    assert found.count("on the limit") == 1
    assert "area -48.2 %, duration +28.3 % on the limit: area reduction 50 %, duration increase 30 %" in found


def test_a_distal_response_near_its_floor_is_named_too() -> None:
    small = motor_marks(amplitude_mv=1.5, negative_area_mv_ms=5.0)
    far = motor_marks(amplitude_mv=0.4, negative_area_mv_ms=1.0)

    found = " ".join(section(lines(motor("wrist", small), motor("below_elbow", far)), FINDINGS))

    assert "on the limit: distal amplitude of its lower limit 20 %" in found


def test_where_nothing_was_compared_no_numbers_stand() -> None:
    over_adm = [motor("wrist", NO_RESPONSE, nerve="median"), motor("elbow", nerve="median")]

    assert " ".join(section(lines(*over_adm), FINDINGS)) == (
        "- right median ADM, wrist to elbow: not listed; recorded over a muscle of another nerve, to find an"
        " anastomosis, no distal response"
    )


def test_a_number_without_a_unit_stands_alone() -> None:
    long, short = (cmap(onset_ms=start, duration_ms=width) for start, width in ((3, 10), (7, 5)))
    found = lines(
        *(replace(motor(s), measured=None, waveform=c) for s, c in (("wrist", long), ("axilla", short)))
    )

    quality = " ".join(section(found, "Signal quality"))
    assert re.search(r"another nerve .*\(correlation\): -?0\.\d+ - lower the current", quality)


def test_signals_without_fault_have_no_section() -> None:
    assert "Signal quality" not in lines(motor("wrist"), sensory())


# What they amount to, and what is missing


def test_the_support_has_its_reasons_in_words() -> None:
    found = lines(median("wrist"), median("elbow", WEAK), median_sensory())
    start = found.index("MMN support: definite")
    assert (
        found[start + 1] == "- definite block with normal conduction in its own sensory fibres (right median)"
    )
    assert found[start + 2] == "Blocked: right median"


@pytest.mark.parametrize(("other", "told"), [((), ""), ((WEAK,), "; both sides alike")])
def test_the_pattern_says_whether_the_other_side_is_alike(other: tuple[MotorMarks, ...], told: str) -> None:
    blocked = (median("wrist"), median("elbow", WEAK))
    left = tuple(
        replace(entry, side=Side.LEFT)
        for entry in (median("wrist"), *(median("elbow", one) for one in other))
    )
    found = next(line for line in lines(*blocked, *left) if line.startswith("Blocked: "))
    assert found.endswith(f"right median{told}")
    healthy = (replace(entry, side=Side.LEFT) for entry in (median("wrist"), median("elbow")))
    assert "Blocked: right median; asymmetric" in lines(*blocked, *healthy)


def test_what_else_could_explain_it_is_named_with_its_reason() -> None:
    found = lines(
        median("wrist"), median("elbow", WEAK), median_sensory(), clinical=ClinicalFacts(umn_signs=True)
    )
    assert "MMN support: against" in found
    assert "Could also be: motor neuron disease - upper motor neuron signs" in found


def test_what_is_still_to_record_is_said_with_the_recordings_to_make() -> None:
    found = section(lines(motor("wrist"), motor("below_elbow", WEAK)), "Still to record")
    assert " ".join(found) == (
        "1. Exclude a Martin-Gruber anastomosis (right ulnar): median fibres may reach this muscle:"
        " stimulate the median nerve at wrist and elbow over it [exclude_martin_gruber:ulnar:right]"
        " -> right median motor, stimulate wrist, record ADM"
        " -> right median motor, stimulate elbow, record ADM"
        " 2. Record the sensory nerve (right ulnar): a block of the ulnar nerve counts only beside"
        " normal conduction in its sensory fibres [record_sensory:ulnar:right]"
        " -> right ulnar sensory, stimulate wrist, record digit 5"
    )


def test_the_sensory_nerve_that_the_table_has_limits_for_is_asked_for() -> None:
    fibular: dict[str, Any] = {"nerve": "fibular", "recording_site": "edb"}
    found = lines(motor("ankle", **fibular), motor("below_fibular_head", WEAK, **fibular))
    assert any(line.startswith("-> right sural sensory") for line in found)


def test_nothing_to_record_has_no_section() -> None:
    assert "Still to record" not in lines(motor("wrist"), sensory())


def test_caveats_of_one_kind_are_one_line() -> None:
    found = section(lines(*BLOCKED[:2], motor("wrist"), motor("below_elbow"), sensory()), "Caveats")
    assert "- temperature not recorded: right ulnar" in found
    assert "- electrode montage not recorded: right median, right ulnar" in found
    assert "- onset of symptoms not known: an acute axonal lesion is not excluded" in found


def test_what_a_laboratory_has_no_plan_for_and_no_doubt_of_is_not_told() -> None:
    whole = load_reference(criteria=["amplitude-50"], grading="amplitude-50")
    bare = replace(whole, plan=replace(whole.plan, motor=(), sensory=()))
    found = assessment_text(examine(study(), bare), bare).splitlines()
    assert found[-2:] == ["MMN support: not assessable", "  - no segment could be assessed"]


def test_what_was_declined_is_a_caveat() -> None:
    declined = ActionDeclined(action="record_sensory:ulnar:right", reason="amputation")
    found = written(study(motor("wrist")).with_fact(declined))
    assert "  - declined: record the sensory nerve, right ulnar (amputation)" in found


# Derivations


def test_a_derivation_stands_under_the_finding_it_explains() -> None:
    found = lines(median("wrist"), median("elbow", WEAK), median_sensory(), explain=True)
    findings = section(found, FINDINGS)
    block = next(n for n, line in enumerate(findings) if line.startswith("▲ right median APB"))
    formula = findings.index("area reduction = 100 (28.00 - 9.50) / 28.00 = 66.1 %")
    concluded = findings.index("finding: definite block")
    snap = next(n for n, line in enumerate(findings) if line.endswith("(sensory): normal"))
    assert block < formula < concluded < snap < findings.index("result: normal")


def test_without_explain_there_is_no_derivation() -> None:
    assert not any("100 (" in line for line in lines(median("wrist"), median("elbow", WEAK)))


def test_a_number_stays_with_its_unit_and_its_inequality() -> None:
    text = "x " * 55 + "at least 66.1 % >= 50 % and more"
    first, second = wrapped(text, "  ")
    assert first.endswith("at least")
    assert second == "      66.1 % >= 50 % and more"


# The lines of the demo


@pytest.mark.parametrize(
    ("reduction", "shown"), [(None, "not known"), (0.0, "+0.0 %"), (12.34, "-12.3 %"), (-5.0, "+5.0 %")]
)
def test_a_loss_is_shown_as_a_fall(reduction: float | None, shown: str) -> None:
    segment = {
        "side": "right",
        "nerve": "ulnar",
        "recording_site": "adm",
        "distal_site": "wrist",
        "proximal_site": "below_elbow",
        "finding": "none",
        "reasons": ["on_the_limit"],
        "amplitude_reduction_percent": reduction,
        "area_reduction_percent": reduction,
        "duration_increase_percent": None,
    }
    assert segment_line(segment) == (
        "  right ulnar ADM, wrist to below elbow: none;"
        f" amplitude {shown}, area {shown}, duration not known  (on the limit)"
    )


def test_a_change_that_is_not_known_is_a_dash_in_a_table() -> None:
    assert (signed(None, 1), signed(30.0, -1), signed(-0.0, -1)) == ("-", "-30.0", "+0.0")


def test_what_an_operator_corrected_stands_above_the_findings_and_among_the_caveats() -> None:
    wrist, elbow = motor("wrist", identity="a1" * 32), motor("below_elbow", WEAK, identity="b2" * 32)
    amended = RecordingAmended(identity="a1" * 32, changes={"side": Side.LEFT}, reason="wrong_side")
    excluded = RecordingExcluded(identity="b2" * 32, reason="artefact")

    found = written(study(wrist, elbow).with_fact(amended).with_fact(excluded))

    assert section(found, "Corrected") == ["* left ulnar ADM, wrist: wrong side, recorded as right"]
    (line,) = [line for line in section(found, "Caveats") if "excluded" in line]
    assert line == "  - recording excluded by an operator: motor right ulnar, below elbow (artefact)"
    assert "Corrected" not in written(study(wrist, elbow))
