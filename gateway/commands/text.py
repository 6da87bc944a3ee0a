"""Assessments as a person reads them: tables, signal quality, findings with their reasons, what is missing.

A technical warning comes before the verdicts that rest on the signal; a derivation stands under the finding
it explains.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.commands.tables import LEGEND, motor_tables, sensory_study, sensory_table, signed
from gateway.commands.terminal import printable, wrapped
from gateway.domain.actions import Action, Site
from gateway.domain.assessment import quality_object
from gateway.domain.boundary import NearLimit, limits_near
from gateway.domain.criteria import BLOCKS, Grade
from gateway.domain.criteria_words import MEASURE_UNITS
from gateway.domain.derivation import Step, disagreement, lines, segment_derivation, sensory_derivation
from gateway.domain.derivation.changes import place
from gateway.domain.findings import Finding
from gateway.domain.norms import NormTable
from gateway.domain.quality import Quality
from gateway.domain.recording import Modality, Recording
from gateway.domain.sensory import SensoryResult
from gateway.domain.sites import Evoked
from gateway.domain.wording import (
    GRADES,
    MIMICS,
    QUANTITIES,
    action,
    amendment,
    caveats,
    plain,
    reason,
    reasons,
    site,
    subject,
    to_record,
)
from gateway.pipeline.stages import Examination, Judging, Reference

NOTICE = "PRELIMINARY: electrodiagnostic support, to be reviewed by a physician"


def assessment_text(examination: Examination, reference: Reference, *, explain: bool = False) -> str:
    """The whole assessment as lines of text; `explain`: every finding with its derivation."""
    judging = Judging.of(examination, reference)
    sections = (
        _head(examination, reference),
        *_tables(examination, judging),
        _quality_lines(examination.recordings),
        _corrections(examination.recordings),
        _thinned(examination.recordings),
        _findings(examination, judging, explain=explain),
        _support(examination),
        _still_to_record(examination.guidance, judging.norms),
        _caveats(examination.mmn.caveats),
    )
    blocks = ("\n".join(printable(line) for line in section) for section in sections)
    return "\n\n".join(block for block in blocks if block)


def _head(examination: Examination, reference: Reference) -> Iterator[str]:
    header, criteria = examination.study.header, reference.grading_set
    simulated = "  SIMULATED DATA" if header.simulated else ""
    yield f"Study {printable(header.study_id)}, {header.performed_at}{simulated}"
    graded = f"{criteria.id} (version {criteria.version}, {criteria.status})"
    yield f"Graded by {graded}, norms {reference.norms.id}."
    yield NOTICE


def _tables(examination: Examination, judging: Judging) -> Iterator[Sequence[str]]:
    """A table for each nerve and muscle, one for all SNAPs, and what the marks in them mean."""
    for nerve in examination.nerves.values():
        yield from motor_tables(nerve.sites, nerve.segments, judging.motor_limits)
    yield tuple(sensory_table(examination.sensory, judging.norms.id))
    yield (LEGEND,) if examination.nerves else ()


def _quality_lines(recordings: Sequence[Evoked]) -> Iterator[str]:
    """What is wrong with the signals, a line an entry; nothing where nothing is."""
    entries = [
        (_recorded(evoked), entry)
        for evoked in recordings
        for entry in evoked.quality
        # stands in the table, and there is nothing more to do
        if not (entry.name == "response_absent" and evoked.recording.stimulus.supramaximal)
    ]
    if entries:
        yield "Signal quality"
        for where, entry in entries:
            yield from wrapped(f"! {where}: {_quality(entry)}")


def _corrections(recordings: Sequence[Evoked]) -> Iterator[str]:
    """What an operator amended of the recordings used, a line each; what was excluded is a caveat."""
    amended = [(entry, entry.amendment) for entry in recordings if entry.amendment]
    if amended:
        yield "Corrected"
    for entry, how in amended:
        yield from wrapped(f"* {_recorded(entry)}: {amendment(how)}")


def _thinned(recordings: Sequence[Evoked]) -> Iterator[str]:
    """How many of the curves are gone; nothing where all are there."""
    gone = sum(entry.recording.thinned is not None for entry in recordings)
    if gone:
        yield "Curves"
        count = f"{gone} of {len(recordings)} curves were thinned out for space"
        yield from wrapped(f"* {count}: their marks are kept, the curve itself is gone")


def _recorded(entry: Evoked) -> str:
    recording = entry.recording
    kind = "" if recording.modality is Modality.MOTOR else " sensory"
    return f"{_over(recording)}{kind}, {place(entry)}"


def _over(recording: Recording) -> str:
    return f"{recording.side} {plain(recording.nerve)} {site(recording.recording_site)}"


def _quality(entry: Quality) -> str:
    shown = quality_object(entry)
    number = "" if shown["value"] is None else f": {shown['value']:g} {shown['unit'] or ''}".rstrip()
    return f"{shown['what']}{number} - {shown['advice']}"


def _findings(examination: Examination, judging: Judging, *, explain: bool) -> Iterator[str]:
    """A line each: what was found, by which numbers, why; below it which limit is near, and other sets."""
    reference = judging.reference
    if examination.findings or examination.sensory:
        yield f"Findings under {reference.grading}"
    for entry in examination.findings:
        yield from wrapped(_finding(entry))
        yield from _on_the_limit(entry, judging)
        yield from _disagreement(entry, reference)
        yield from _explained(explained(entry, judging) if explain else ())
    for result in examination.sensory:
        yield from wrapped(_sensory(result))
        yield from _explained(sensory_derivation(result, judging.norms, judging.about) if explain else ())


def explained(entry: Finding, judging: Judging) -> tuple[Step, ...]:
    """The derivation of a finding of an examination."""
    reference = judging.reference
    return segment_derivation(entry, reference.criteria, reference.grading, judging.norms, judging.about)


def _explained(steps: Sequence[Step]) -> Iterator[str]:
    for step in lines(steps):
        yield from wrapped(step, " " * 6)


def _finding(entry: Finding) -> str:
    segment = entry.segment
    where = f"{_over(segment.distal.recording)}, {place(segment.distal)} to {place(segment.proximal)}"
    found = GRADES[entry.finding]
    if entry.finding is not entry.chosen.grade:
        found = f"{found}, by its numbers {GRADES[entry.chosen.grade]}"
    changes = (
        ("amplitude", segment.amplitude_reduction_percent, -1),
        ("area", segment.area_reduction_percent, -1),
        ("duration", segment.duration_increase_percent, 1),
    )
    known = any(percent is not None for _, percent, _ in changes)
    numbers = ", ".join(f"{name} {_change(percent, sign)}" for name, percent, sign in changes if known)
    why = reasons(code for code in entry.reasons if code != "on_the_limit")  # has a line of its own
    said = "; ".join(filter(None, (found, numbers, why)))
    return f"{_sign(entry.finding)} {where}: {said}"


def _on_the_limit(entry: Finding, judging: Judging) -> Iterator[str]:
    """Which value is near which limit."""
    if "on_the_limit" not in entry.reasons:
        return
    reference, about = judging.reference, judging.about
    found = limits_near(
        entry.segment, reference.grading_set, entry.chosen, judging.norms, about.anatomy, about.thresholds
    )
    limits = (f"{QUANTITIES[of]} {limit:g} {_unit(of)}".rstrip() for of, limit in dict.fromkeys(found))
    yield from wrapped(f"on the limit: {', '.join(limits)}", " " * 4)


def _unit(of: NearLimit) -> str:
    return "%" if of == "percent_of_lower_limit" else MEASURE_UNITS[of]


def _sign(finding: Grade) -> str:
    return "▲" if finding in BLOCKS else "?" if finding is Grade.INDETERMINATE else "-"


def _disagreement(entry: Finding, reference: Reference) -> Iterator[str]:
    calls = disagreement(entry, reference.criteria)
    if calls:
        words = "; ".join(f"{GRADES[grade]}: {', '.join(sets)}" for grade, sets in calls.items())
        yield from wrapped(f"sets disagree: {words}", " " * 4)


def _sensory(entry: SensoryResult) -> str:
    sign = "-" if entry.result == "normal" else "!"
    why = f"; {reasons(entry.reasons)}" if entry.reasons else ""
    return f"{sign} {sensory_study(entry)} (sensory): {plain(entry.result)}{why}"


def _support(examination: Examination) -> Iterator[str]:
    """What the findings amount to, with reasons; what else could explain them, and how complete they are."""
    mmn, pattern = examination.mmn, examination.pattern
    yield from wrapped(f"MMN support: {plain(mmn.support)}")
    for code in mmn.reasons:
        yield from wrapped(f"- {reason(code)}", "  ")
    if pattern.blocked:
        nerves = ", ".join(f"{side} {plain(nerve)}" for nerve, side in pattern.blocked)
        sides = {True: "; asymmetric", False: "; both sides alike", None: ""}[pattern.asymmetric]
        yield from wrapped(f"Blocked: {nerves}{sides}")
    for mimic in examination.mimics:
        yield from wrapped(f"Could also be: {MIMICS[mimic.name]} - {reasons(mimic.reasons)}")
    if examination.checklist:
        made = sum(step.done for step in examination.checklist)
        yield f"Complete examination: {made} of {len(examination.checklist)} recordings made"


def _still_to_record(guidance: Sequence[Action], norms: NormTable) -> Iterator[str]:
    """What to do before the electrodes come off, the most decisive first, with the recordings to make.

    In brackets the name by which it can be declined.
    """
    if guidance:
        yield "Still to record"
    for number, asked in enumerate(guidance, start=1):
        words, where = action(asked.code), subject(f"{asked.nerve}:{asked.side}")
        sentence = f"{words[:1].upper()}{words[1:]} ({where}): {asked.why}"
        yield from wrapped(f"{number:2}. {sentence} [{asked}]", " ")
        for recording in asked.recordings:
            for words in dict.fromkeys(to_record(one) for one in _exactly(recording, norms)):
                yield from wrapped(f"-> {words}", " " * 5)


def _exactly(recording: Site, norms: NormTable) -> tuple[Site, ...]:
    """The recording with the sites the norm table knows, where it names none."""
    if recording.stimulation_site or recording.recording_site:
        return (recording,)
    known = tuple(
        Site(
            modality=recording.modality,
            nerve=recording.nerve,
            side=recording.side,
            stimulation_site=row.stimulation_sites[0],
            recording_site=row.recording_site,
        )
        for row in norms.sensory
        if row.nerve == recording.nerve
    )
    return known[:1] or (recording,)


def _caveats(codes: Sequence[str]) -> Iterator[str]:
    if codes:
        yield "Caveats"
    for line in caveats(codes):
        yield from wrapped(f"- {line}", "  ")


def segment_line(segment: Mapping[str, Any]) -> str:
    """One entry of `segments` in one line: what was found, by which numbers."""
    why = f"  ({reasons(segment['reasons'])})" if segment["reasons"] else ""
    mark = "▲" if segment["finding"] in BLOCKS else " "
    over = f"{segment['side']} {plain(segment['nerve'])} {site(segment['recording_site'])}"
    numbers = (
        f"amplitude {_change(segment['amplitude_reduction_percent'], -1)}, "
        f"area {_change(segment['area_reduction_percent'], -1)}, "
        f"duration {_change(segment['duration_increase_percent'], 1)}"
    )
    sites = f"{site(segment['distal_site'])} to {site(segment['proximal_site'])}"
    return f"{mark} {over}, {sites}: {plain(segment['finding'])}; {numbers}{why}"


def _change(percent: float | None, sign: int) -> str:
    return "not known" if percent is None else f"{signed(percent, sign)} %"
