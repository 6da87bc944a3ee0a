"""The evaluation of the marker: what it draws comes again, what it calls true is, what it prints adds up."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.markers import __main__ as command
from benchmarks.markers import cost
from benchmarks.markers.disturbances import KINDS
from benchmarks.markers.evaluation import Evaluation, drawing
from benchmarks.markers.examinations import draw_examination
from benchmarks.markers.figures import ACCURACIES, coverage_row, errors, held, rows
from benchmarks.markers.filters import Band
from benchmarks.markers.grades import changes, judged, on_limit
from benchmarks.markers.kernel import plain_marks
from benchmarks.markers.outcomes import SIMULATORS, Outcome, outcomes, reference
from benchmarks.markers.pictures import strips
from benchmarks.markers.shapes import KINDS as SHAPES
from benchmarks.markers.sweeps import draw_motor, draw_nothing, draw_response
from benchmarks.markers.truth import ONSET_LEVEL, Drawn, Sampling, fine_grid, read_truth
from benchmarks.page import END, begin
from benchmarks.table import NONE_OF_THEM, Goal, Row, document, text
from gateway.domain.criteria import Condition, Floor, Rule
from gateway.domain.findings import Finding
from gateway.domain.recording import Modality, MotorMarks
from gateway.domain.study import Study
from gateway.pipeline.stages import examine
from tests.factories import median, motor_marks, study

ROOT = Path(__file__).parents[1]
BEGIN = begin(command.PROGRAM)
EVERY = pytest.mark.parametrize("simulator", SIMULATORS, ids=lambda one: one.name)
BOTH = pytest.mark.parametrize("modality", Modality)
SEEDS = range(6)
RATE_HZ = 200_000.0


@EVERY
@BOTH
@pytest.mark.parametrize("responds", [True, False])
def test_a_seed_draws_the_same_sweep_again_and_another_seed_another(simulator, modality, responds):
    first, again, other = (simulator.drawn(seed, modality, responds=responds) for seed in (4, 4, 5))
    assert first.waveform == again.waveform
    assert (first.truth, first.disturbances) == (again.truth, again.disturbances)
    assert first.waveform != other.waveform


@EVERY
@BOTH
def test_the_truth_is_what_its_definition_says_of_the_clean_wave(simulator, modality):
    for seed in SEEDS:
        drawn = simulator.drawn(seed, modality)
        share, least_uv = ONSET_LEVEL[modality]
        truth, steepest = drawn.truth, np.abs(np.diff(drawn.clean_uv)).max()
        level_uv = max(share * truth.amplitude_uv, least_uv)
        assert clean_at(drawn, truth.onset_ms) == pytest.approx(level_uv, abs=steepest)
        assert clean_at(drawn, truth.end_ms) == pytest.approx(0.0, abs=steepest)
        assert drawn.clean_uv.max() == pytest.approx(truth.amplitude_uv, abs=steepest)
        assert drawn.waveform.times_ms[drawn.clean_uv.argmax()] == pytest.approx(truth.peak_ms, abs=0.1)
        assert truth.onset_ms < truth.peak_ms < truth.end_ms < drawn.waveform.times_ms[-1]
        assert truth.duration_ms == truth.end_ms - truth.onset_ms
        assert area_between(drawn, truth.onset_ms, truth.end_ms) == pytest.approx(truth.area_uv_ms, rel=0.02)


def clean_at(drawn: Drawn, time_ms: float) -> float:
    return float(np.interp(time_ms, drawn.waveform.times_ms, drawn.clean_uv))


def area_between(drawn: Drawn, begin_ms: float, end_ms: float) -> float:
    times_ms = np.linspace(begin_ms, end_ms, 2000)
    return float(np.interp(times_ms, drawn.waveform.times_ms, drawn.clean_uv).mean() * (end_ms - begin_ms))


@given(
    begin_ms=st.floats(1.0, 5.0),
    rise_ms=st.floats(1.0, 4.0),
    fall_ms=st.floats(1.0, 4.0),
    height_uv=st.floats(100.0, 10_000.0),
)
def test_a_triangle_has_the_truth_of_a_triangle(begin_ms, rise_ms, fall_ms, height_uv):
    times_ms = fine_grid(-1.0, 20.0)
    corners_ms = np.cumsum([begin_ms, rise_ms, fall_ms, fall_ms])
    wave = np.interp(times_ms, corners_ms, [0.0, height_uv, 0.0, -height_uv])
    truth = read_truth(times_ms, wave, Modality.MOTOR)
    part = max(0.01, 10.0 / height_uv)
    near = 2.0 * 1000.0 / RATE_HZ
    assert truth.onset_ms == pytest.approx(begin_ms + part * rise_ms, abs=near)
    assert truth.peak_ms == pytest.approx(begin_ms + rise_ms, abs=near)
    assert truth.end_ms == pytest.approx(begin_ms + rise_ms + fall_ms, abs=near)
    assert truth.amplitude_uv == pytest.approx(height_uv, rel=0.01)
    assert truth.peak_to_peak_uv == pytest.approx(2.0 * height_uv, rel=0.01)
    whole, cut_off = height_uv * (rise_ms + fall_ms) / 2.0, height_uv * part**2 * rise_ms / 2.0
    assert truth.area_uv_ms == pytest.approx(whole - cut_off, rel=0.01)


@pytest.mark.parametrize("wave", [np.linspace(1000.0, 1.0, 500), np.linspace(0.0, 1000.0, 500)])
def test_a_wave_that_is_not_wholly_there_has_no_truth(wave):
    with pytest.raises(ValueError, match="the whole negative peak"):
        read_truth(np.arange(500.0), wave, Modality.MOTOR)


def test_nothing_comes_with_noise_alone_each_disturbance_alone_and_all_of_them():
    for seed in range(len(KINDS) + 2):
        drawn = draw_nothing(seed, Modality.MOTOR)
        there = [kind for kind in KINDS if drawn.disturbances[f"{kind}_uv"]]
        assert drawn.truth is None
        assert len(there) <= 1 or seed == len(KINDS) + 1


def test_a_response_can_be_drawn_as_a_cart_samples_it():
    sampling = Sampling(rate_hz=40_000.0, start_ms=-2.0, end_ms=48.0)
    drawn = draw_response(3, Modality.MOTOR, sampling)
    assert drawn.waveform.samples.size == 2000
    assert drawn.waveform.times_ms == pytest.approx(sampling.times_ms)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda one: one.__name__)
def test_a_wave_by_formula_is_silent_before_it_begins_and_highest_after(shape):
    times_ms = np.arange(-10.0, 50.0, 0.01)
    wave = shape(np.random.default_rng(1), 5.0)(times_ms)
    assert not wave[times_ms <= 0.0].any()
    assert 0.0 < times_ms[wave.argmax()] < 40.0


@pytest.mark.parametrize("order", [1, 2])
def test_a_filter_passes_its_band_and_answers_nothing_before_it_is_asked(order):
    band = Band(high_pass_hz=10.0, high_pass_order=order, low_pass_hz=5000.0, low_pass_order=order)
    times_s = np.arange(0.0, 0.5, 1.0 / 50_000.0)
    signals = np.stack([np.sin(2 * np.pi * hz * times_s) * (times_s > 0.1) for hz in (0.5, 300.0, 10_000.0)])
    filtered = band.applied(signals, 50_000.0)
    assert np.abs(filtered[:, times_s < 0.099]).max() < 0.01
    low, inside, high = np.abs(filtered[:, times_s > 0.3]).max(axis=1)
    assert inside == pytest.approx(1.0, abs=0.05)
    assert low < 0.1
    assert high < 0.5


def blocked(study: Study) -> bool:
    """Whether the first segment is far beyond every limit, and its distal response above every floor."""
    distal, proximal = (one.measured.amplitude_mv for one in study.recordings[:2])
    return distal > 4.0 and proximal < 0.3 * distal


def with_proximal(study: Study, marks: MotorMarks) -> Study:
    """The study with other marks at its second site."""
    distal, proximal, *rest = study.recordings
    return replace(study, recordings=(distal, replace(proximal, measured=marks), *rest))


def test_true_marks_are_never_graded_wrongly_and_false_or_missing_ones_are_noticed():
    examined = next(one for one in map(draw_examination, range(200)) if blocked(one.truth))
    same = judged(replace(examined, curves=examined.truth), 0)
    assert (same.wrong, same.withheld) == ((), False)
    assert all(change.ours == change.truth for found in same.changes for change in found.values())
    hidden = with_proximal(examined.truth, examined.truth.recordings[0].measured)
    assert "amplitude-50" in judged(replace(examined, curves=hidden), 0).wrong
    missing = judged(replace(examined, curves=with_proximal(examined.truth, MotorMarks())), 0)
    assert missing.withheld


def with_errors(finding: Finding, **standard_errors: float) -> Finding:
    """The finding as if both of its sites had stated these."""
    segment = finding.segment
    sites = {name: replace(getattr(segment, name), errors=standard_errors) for name in ("distal", "proximal")}
    return replace(finding, segment=replace(segment, **sites))


def test_a_segment_is_on_a_limit_as_far_as_its_stated_errors_reach():
    examined = next(one for one in map(draw_examination, range(200)) if blocked(one.truth))
    truth = examine(examined.truth, reference()).findings[0]
    criteria = next(one for one in reference().criteria if one.id == "amplitude-50")
    distal, proximal = (site.motor.amplitude_mv for site in (truth.segment.distal, truth.segment.proximal))
    sure, unsure = with_errors(truth, amplitude_mv=0.001), with_errors(truth, amplitude_mv=distal / 2)
    change = changes(sure.segment, truth.segment)["amplitude_reduction_percent"]
    assert change.ours == change.truth == pytest.approx(100.0 - 100.0 * proximal / distal)
    part = 0.001 * np.hypot(1.0, proximal / distal)
    assert change.standard_error == pytest.approx(100.0 * part / distal)
    assert not on_limit(criteria, sure, truth)
    assert on_limit(criteria, unsure, truth)


RATIO = Condition(quantity="amplitude_ratio", op="<", limit=0.5)
DISTAL = Condition(quantity="distal_amplitude_mv", op="<=", limit=1.0)
PEAKS = Condition(quantity="peak_to_peak_reduction_percent", op=">", limit=20.0)
# A rule asks for a fall; this one is far from its limit.
FALL = Condition(quantity="amplitude_reduction_percent", op=">", limit=90.0)


@pytest.mark.parametrize(
    ("condition", "near", "far"),
    [
        (RATIO, (9.0, 4.5), (9.0, 5.0)),
        (DISTAL, (1.0, 0.9), (9.0, 8.0)),
        (PEAKS, (9.0, 7.2), (9.0, 7.0)),
    ],
)
def test_a_limit_of_any_quantity_is_one(condition, near, far):
    criteria = replace(
        reference().criteria[0], floor=Floor(), rules=(Rule(grade="block", conditions=(condition, FALL)),)
    )
    answers = []
    for amplitudes in (near, far):
        sites = zip(("wrist", "elbow"), amplitudes, strict=True)
        marks = [median(site, motor_marks(amplitude_mv=mv, peak_to_peak_mv=mv)) for site, mv in sites]
        (found,) = examine(study(*marks), reference()).findings
        answers.append(on_limit(criteria, found, found))
    assert answers == [True, False]


def test_the_plain_kernel_marks_what_it_is_timed_for():
    sampling = Sampling(rate_hz=40_000.0, start_ms=-2.0, end_ms=48.0)
    drawn = draw_response(8, Modality.MOTOR, sampling)
    clean = sampling.stored(drawn.clean_uv, 0.1)
    onset, peak, end, height, area, duration = plain_marks([clean, clean])[1]
    assert (peak, end) == pytest.approx((drawn.truth.peak_ms, drawn.truth.end_ms), abs=0.05)
    assert height == pytest.approx(drawn.truth.amplitude_uv, rel=0.01)
    assert area == pytest.approx(drawn.truth.area_uv_ms, rel=0.02)
    assert duration == pytest.approx(end - onset)


def test_every_way_is_timed():
    found = {row.name: row.figure for row in cost.rows("cost", cost.Load(batches=(2, 4), rounds=1))}
    assert len(found) == 6
    assert all(figure > 0.0 for figure in found.values())


def test_errors_are_those_of_the_marks_that_are_there():
    amplitude = next(one for one in ACCURACIES[Modality.MOTOR] if one.title == "amplitude")
    found = [outcome(1, amplitude_mv=-0.5), outcome(2)]
    assert errors(found, amplitude) == pytest.approx([25.0])
    assert held(1.95, 1.0)
    assert not held(1.97, 1.0)


def test_the_intervals_that_hold_are_counted_where_they_were_stated():
    stated = [replace(outcome(1, amplitude_mv=0.5), standard_error={"amplitude_mv": se}) for se in (0.2, 0.3)]
    table = rows("group", Modality.MOTOR, [*stated, outcome(2, amplitude_mv=0.1)], [])
    assert next(row.figure for row in table if row.name == "95 % interval, amplitude") == 50.0
    assert coverage_row("group", "none stated", []).figure is None


def outcome(seed: int, **error: float) -> Outcome:
    truth = {"amplitude_mv": 2.0, "onset_latency_ms": 3.0, "negative_area_mv_ms": 4.0}
    return Outcome(seed=seed, said="response", quality=(), truth=truth, error=error, standard_error={})


def test_the_worst_curves_come_first_and_a_missing_mark_is_the_worst():
    sizes = (0.1, 3.0, None, 1.0)
    found = [
        outcome(seed, negative_area_mv_ms=0.0, **({} if size is None else {"onset_latency_ms": size}))
        for seed, size in enumerate(sizes)
    ]
    chosen = {strip.title: strip.seeds for strip in strips(found)}
    assert chosen["Best 5"] == (0, 3, 1, 2)
    assert chosen["Worst 10 by onset latency"] == (2, 1, 3, 0)


@pytest.mark.parametrize(
    ("goal", "figure", "word"),
    [
        (Goal(most=3.0), 3.0, "met"),
        (Goal(most=3.0), 3.2, "missed"),
        (Goal(least=93.0, most=97.0), 98.0, "missed"),
        (Goal(least=93.0, most=97.0), 95.0, "met"),
        (NONE_OF_THEM, 0.0, "met"),
        (NONE_OF_THEM, None, "missed"),
        (None, 5.0, ""),
    ],
)
def test_a_row_says_whether_its_goal_is_met(goal, figure, word):
    row = Row(group="group", name="name", figure=figure, goal=goal, decimals=1)
    assert row.cells[-1] == word
    assert json.loads(document([row], range(3, 5)))["seeds"] == [3, 2]
    assert text([row]).splitlines()[0] == "group"


def test_a_count_names_the_first_seeds_of_what_it_counts():
    row = Row(group="group", name="missed", figure=10, goal=NONE_OF_THEM, seeds=tuple(range(10)))
    assert text([row]).splitlines()[-1].strip() == "seeds 0, 1, 2, 3, 4, 5, 6, 7 ..."


def test_the_command_prints_the_same_figures_whatever_the_number_of_processes(capsys):
    asked = ("--seeds", "3", "2", "--no-cost", "--json", "--strangers")
    command.main([*asked, "--workers", "1"])
    alone = json.loads(capsys.readouterr().out)
    program = [sys.executable, "-m", "benchmarks.markers", *asked, "--workers", "2"]
    together = subprocess.run(program, cwd=ROOT, capture_output=True, check=True, timeout=100)
    assert json.loads(together.stdout) == alone
    assert len({row["group"] for row in alone["rows"]}) == 5


def test_the_page_has_its_block_and_picture_replaced_and_keeps_the_rest(tmp_path, capsys):
    page = tmp_path / "markers.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    asked = ("--seeds", "0", "5", "--no-cost", "--workers", "1", "--write", str(page))
    command.main(asked)
    once = page.read_text()
    command.main(asked)
    assert page.read_text() == once
    assert once.startswith(f"before\n{BEGIN}\n")
    assert once.endswith(f"{END}\nafter\n")
    assert "old" not in once
    assert capsys.readouterr().out.splitlines()[2] in once
    ET.fromstring((tmp_path / "markers.svg").read_text())  # noqa: S314  # just written


def test_a_page_without_the_block_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing to replace\n")
    with pytest.raises(SystemExit, match="no block to replace"):
        command.write(page, "table", Evaluation(rows=(), motor=()))
    assert page.read_text() == "nothing to replace\n"


def test_the_shipped_page_has_its_block():
    page = (ROOT / "docs" / "markers.md").read_text("utf-8")
    assert page.index(BEGIN) < page.index(END)


def test_the_picture_of_many_sweeps_stays_small():
    found = outcomes(SIMULATORS[0], Modality.MOTOR, range(40), responds=True, workers=1)
    assert len(drawing(Evaluation(rows=(), motor=tuple(found)))) < 300_000


def test_amplitudes_span_the_range_of_a_laboratory():
    peaks_uv = [draw_motor(seed).truth.amplitude_uv for seed in range(40)]
    assert 500.0 <= min(peaks_uv) < 1500.0
    assert 5000.0 < max(peaks_uv) <= 15_000.0
