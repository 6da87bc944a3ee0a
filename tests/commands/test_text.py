import re
from dataclasses import replace
from typing import Any

import pytest

from gateway.commands.terminal import printable
from gateway.commands.text import assessment_text, segment_line
from gateway.domain.recording import NO_RESPONSE, MotorMarks, SensoryMarks
from gateway.pipeline.stages import assessment, examine
from tests.factories import cmap, motor, motor_marks, reference, sensory, study, waveform

WEAK = motor_marks(amplitude_mv=3.0, negative_area_mv_ms=9.5)


def lines(*recordings: Any, **header: Any) -> list[str]:
    """The assessment of these recordings, blanks in a row as one."""
    found = assessment_text(assessment(examine(study(*recordings, **header), reference()), reference()))
    return [" ".join(line.split()) for line in found.splitlines()]


def test_the_first_lines_say_whose_rules_graded_and_that_it_is_preliminary() -> None:
    first, second, *_ = lines(motor("wrist"))
    assert first == "Study S-1, 2026-11-02T10:15:00+01:00"
    assert second == (
        "Graded by efns-pns-mmn-2010, norms aanem-2016."
        " PRELIMINARY: electrodiagnostic support, to be reviewed by a physician"
    )


def test_simulated_data_is_called_so() -> None:
    assert lines(simulated=True)[0].endswith(" SIMULATED DATA")


def test_a_name_from_outside_gives_no_orders_to_the_terminal() -> None:
    assert lines(study_id="S\x1b[2J\nX")[0].startswith(r"Study S\x1b[2J\x0aX, ")
    assert printable("Zürich µV ▲") == "Zürich µV ▲"


def test_a_motor_row_has_the_fields_quantities_in_the_fields_order() -> None:
    found = lines(motor("wrist", distance_mm=70.0, skin_temperature_c=33.06))
    assert "Nerve / site Lat ms Amp mV Dur ms Area mV.ms Dist mm Temp C" in found
    assert "right ulnar adm wrist 2.90 9.00 6.00 28.00 70 33.1" in found


def test_what_is_absent_is_none_and_what_is_unknown_is_a_dash() -> None:
    found = lines(
        motor("wrist", MotorMarks(amplitude_mv=9.0)), motor("below_elbow", NO_RESPONSE), sensory(NO_RESPONSE)
    )
    assert "right ulnar adm wrist - 9.00 - - - -" in found
    assert "right ulnar adm below_elbow - none - - - -" in found
    assert "right ulnar digit_5 wrist - - none - absent" in found


def test_a_sweep_that_cannot_be_marked_is_dashes() -> None:
    entry = replace(motor("wrist"), measured=None, waveform=waveform([0] * 4))
    assert "right ulnar adm wrist - - - - - -" in lines(entry)


def test_a_sweep_without_machine_marks_shows_ours() -> None:
    entry = replace(motor("wrist"), measured=None, waveform=cmap())
    (row,) = [line for line in lines(entry) if line.startswith("right ulnar adm wrist")]
    assert row.split()[5] == "9.00"


def test_a_sensory_row_has_its_velocity_and_result() -> None:
    assert "right ulnar digit_5 wrist 2.40 3.10 22.0 58.3 normal" in lines(sensory())


def test_a_sensory_amplitude_below_its_limit_is_marked() -> None:
    marks = SensoryMarks(onset_latency_ms=2.4, peak_latency_ms=3.1, amplitude_uv=4.0)
    assert "right ulnar digit_5 wrist 2.40 3.10 4.0▼ 58.3 abnormal" in lines(sensory(marks))


def test_a_block_is_marked_with_the_numbers_it_rests_on() -> None:
    found = lines(motor("wrist"), motor("below_elbow", WEAK))
    assert (
        "▲ right ulnar adm, wrist to below_elbow: definite block;"
        " amplitude -66.7 %, area -66.1 %, duration +0.0 %"
    ) in found


def test_what_is_wrong_with_the_signals_stands_before_the_findings() -> None:
    found = lines(
        motor("wrist", motor_marks(amplitude_mv=4.0), waveform=cmap()),
        motor("below_elbow", NO_RESPONSE, site_position_mm=90.0),
    )

    start = found.index("Signal quality")
    disagree = "! right ulnar adm wrist: machine and gateway disagree on"
    advice = "look at the curve, see which marks fit it"
    (line,) = [line for line in found[start:] if line.startswith(f"{disagree} the amplitude")]
    assert line.endswith(f" mV - {advice}")
    assert "(machine minus gateway): -5" in line
    assert (
        "! right ulnar adm below_elbow@90mm: no response - raise the current before believing it"
    ) in found[start:]
    assert start < next(number for number, line in enumerate(found) if " to below_elbow: " in line)


def test_a_number_without_a_unit_stands_alone() -> None:
    long, short = (cmap(onset_ms=start, duration_ms=width) for start, width in ((3, 10), (7, 5)))
    found = lines(
        *(replace(motor(s), measured=None, waveform=c) for s, c in (("wrist", long), ("axilla", short)))
    )

    (line,) = [line for line in found if "another nerve" in line]
    assert re.search(r"\(correlation\): -?0\.\d+ - lower the current", line)


def test_signals_without_fault_have_no_section() -> None:
    assert "Signal quality" not in lines(motor("wrist"), sensory())


def test_what_is_missing_is_asked_for_with_its_reason() -> None:
    found = lines(motor("wrist"), motor("below_elbow", WEAK))
    assert any(line.startswith("still to record: record_sensory:ulnar:right - ") for line in found)
    assert any(line.startswith("MMN support: not_assessable (") for line in found)
    assert any(line.startswith("caveat: ") for line in found)


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
        "reasons": ["duration_missing"],
        "amplitude_reduction_percent": reduction,
        "area_reduction_percent": reduction,
        "duration_increase_percent": None,
    }
    assert segment_line(segment) == (
        "  right ulnar adm, wrist to below_elbow: none;"
        f" amplitude {shown}, area {shown}, duration not known  (duration_missing)"
    )
