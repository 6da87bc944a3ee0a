"""What to record while the electrodes are still on: what each reason for doubt asks for, and why.

An action is a request to the technologist in one sentence. It is published by its code and where it is about;
`recordings` are the ones that settle it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.anatomy import Standing
from gateway.domain.gates import Circumstances
from gateway.domain.martin_gruber import TESTED_FROM, exchange
from gateway.domain.recording import Modality, Recording, Side
from gateway.domain.segments import Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One recording to make."""

    modality: Modality = Modality.MOTOR
    nerve: str
    side: Side
    stimulation_site: str | None = None
    recording_site: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something to do while the electrodes are still on, and why; `recordings` are those that settle it."""

    code: str
    nerve: str
    side: Side
    stimulation_site: str | None = None
    recording_site: str | None = None
    why: str
    recordings: tuple[Site, ...] = ()

    def __str__(self) -> str:
        parts = [self.code, self.nerve, str(self.side)]
        if self.stimulation_site:
            parts.append(self.stimulation_site)
            if self.recording_site:
                parts.append(self.recording_site)
        return ":".join(parts)


Ask = Callable[[Segment, Circumstances], Iterator[Action]]


def wanted(segment: Segment, reasons: Sequence[str], about: Circumstances) -> Iterator[Action]:
    """What a finding with these reasons asks for, the most decisive first."""
    if segment.standing is Standing.CONTAMINATED:
        yield from _edges(segment)
    if reasons:
        for reason, ask in _ASKED.items():
            if reason in reasons:
                yield from ask(segment, about)


def unique(actions: Iterable[Action]) -> tuple[Action, ...]:
    """By what is published: what is asked for twice is asked once, in the first place."""
    found: dict[str, Action] = {}
    for action in actions:
        first = found.setdefault(str(action), action)
        others = [site for site in action.recordings if site not in first.recordings]
        if others:
            found[str(action)] = replace(first, recordings=(*first.recordings, *others))
    return tuple(found.values())


def record_sensory(nerve: str, side: Side, sensory_nerve: str, *, at_entrapment: bool = False) -> Action:
    """The sensory side of a nerve with a block; what was recorded may be abnormal `at_entrapment`."""
    why = f"a block of the {nerve} nerve counts only beside normal conduction in its sensory fibres"
    recorded = "; what was recorded is abnormal at an entrapment, which says nothing of the block"
    return Action(
        code="record_sensory",
        nerve=sensory_nerve,
        side=side,
        why=why + (recorded if at_entrapment else ""),
        recordings=(Site(modality=Modality.SENSORY, nerve=sensory_nerve, side=side),),
    )


def warm_limb(nerve: str, side: Side, recordings: tuple[Site, ...]) -> Action:
    """What was recorded in a cold limb has to be recorded again in a warm one."""
    return Action(
        code="warm_limb",
        nerve=nerve,
        side=side,
        why="the limb is cold, which can hide a block and slow every latency: warm it, record again",
        recordings=recordings,
    )


def _edges(segment: Segment) -> Iterator[Action]:
    why = "the segment contains a compression site: stimulate at its edge to tell them apart"
    for site in segment.course.missing_sites:
        yield Action(
            code="record_site",
            nerve=segment.nerve,
            side=segment.side,
            stimulation_site=site,
            recording_site=segment.recording_site,
            why=why,
            recordings=(_motor(segment, site),),
        )


def _motor(segment: Segment, site: str) -> Site:
    return Site(
        nerve=segment.nerve, side=segment.side, stimulation_site=site, recording_site=segment.recording_site
    )


def _again(code: str, recording: Recording, why: str) -> Action:
    """The same recording once more."""
    site = Site(
        nerve=recording.nerve,
        side=recording.side,
        stimulation_site=recording.stimulation_site,
        recording_site=recording.recording_site,
    )
    return Action(
        code=code,
        nerve=recording.nerve,
        side=recording.side,
        stimulation_site=recording.stimulation_site,
        recording_site=recording.recording_site,
        why=why,
        recordings=(site,),
    )


def _raise_current(why: str) -> Ask:
    def ask(segment: Segment, _: Circumstances) -> Iterator[Action]:
        yield _again("repeat_supramaximal", segment.proximal.recording, why)

    return ask


def _exclude_anastomosis(segment: Segment, about: Circumstances) -> Iterator[Action]:
    sites, why = _median_over_it(segment, about)
    nerve, muscle = TESTED_FROM[0], segment.recording_site
    yield Action(
        code="exclude_martin_gruber",
        nerve=segment.nerve,
        side=segment.side,
        why=why,
        recordings=tuple(
            Site(nerve=nerve, side=segment.side, stimulation_site=site, recording_site=muscle)
            for site in sites
        ),
    )


def _median_over_it(segment: Segment, about: Circumstances) -> tuple[tuple[str, ...], str]:
    """Where the median nerve is still to be stimulated over an ulnar muscle, and why there."""
    sites, recorded = TESTED_FROM[1], about.median_over_ulnar.answers(segment)
    missing = tuple(site for site in sites if site not in recorded)
    found = exchange(segment, about.median_over_ulnar, about.thresholds)
    if missing or found.gain_mv is None:
        where = " and ".join(missing or sites)
        why = f"median fibres may reach this muscle: stimulate the median nerve at {where} over it"
        return missing or sites, why
    if found.too_weak:
        why = f"the median stimulus at the {found.too_weak} was too weak to tell: repeat it, supramaximal"
        return (found.too_weak,), why
    share = "" if found.percent is None else f", {found.percent:.0f} % of what the ulnar nerve loses"
    return sites, (
        f"the median nerve gains {found.gain_mv:.1f} mV at the elbow{share}: too much to exclude an"
        " anastomosis, too little to show one; repeat both sites, supramaximal but without stimulating the"
        " ulnar nerve; if that leaves it open, collision tells"
    )


def _reduce_current(segment: Segment, _: Circumstances) -> Iterator[Action]:
    why = "the distal response is of another shape: a neighbouring nerve may answer, lower the current"
    yield _again("reduce_current", segment.distal.recording, why)


def _same_filters(segment: Segment, _: Circumstances) -> Iterator[Action]:
    why = "the filters or electrodes of the two sites differ: record again with the same"
    yield _again("repeat_same_filters", segment.proximal.recording, why)


def _warm(segment: Segment, _: Circumstances) -> Iterator[Action]:
    ends = (segment.distal_point.site, segment.proximal_point.site)
    yield warm_limb(segment.nerve, segment.side, tuple(_motor(segment, site) for site in ends))


def _check_electrodes(segment: Segment, _: Circumstances) -> Iterator[Action]:
    why = "the response changed by more than 10 % at the same current: check the electrodes"
    for entry in (segment.distal, segment.proximal):
        if entry.flagged("electrode_drift"):
            yield _again("check_electrodes", entry.recording, why)


def _no_proximal(segment: Segment, _: Circumstances) -> Iterator[Action]:
    if not segment.proximal.recording.stimulus.supramaximal:
        why = "no proximal response: raise the current until it is proven supramaximal"
        yield _again("repeat_supramaximal", segment.proximal.recording, why)


def _no_distal(segment: Segment, _: Circumstances) -> Iterator[Action]:
    if not segment.distal.recording.stimulus.supramaximal:
        why = "no distal response: raise the current before believing that the nerve cannot be excited"
        yield _again("repeat_supramaximal", segment.distal.recording, why)


_MOST_ADVICE: Final = 2  # a sentence, not a list


def _record_again(segment: Segment, _: Circumstances) -> Iterator[Action]:
    for entry in (segment.distal, segment.proximal):
        if entry.graded is None:
            advice = "; ".join(quality.meaning.advice for quality in entry.quality[:_MOST_ADVICE])
            yield _again("record_again", entry.recording, f"the curve cannot be marked: {advice}")


def _complete_marks(segment: Segment, _: Circumstances) -> Iterator[Action]:
    why = "no area or duration of the negative peak, which the grading set needs: have the cart send them"
    for entry in (segment.distal, segment.proximal):
        marks = entry.motor
        if marks and (marks.negative_area_mv_ms is None or marks.negative_duration_ms is None):
            yield _again("complete_marks", entry.recording, why)


def _why_larger(segment: Segment, about: Circumstances) -> Iterator[Action]:
    distal = segment.distal.recording
    if "accessory_fibular_demonstrated" in segment.notes:
        return
    branch = _ACCESSORY.get((segment.nerve, segment.recording_site, distal.stimulation_site))
    known = branch in about.anatomy.nerves[segment.nerve].accessory_sites
    if branch and known and "accessory_fibular_excluded" not in segment.notes:
        yield Action(
            code="test_accessory_fibular",
            nerve=segment.nerve,
            side=segment.side,
            why="the knee answers more than the ankle: stimulate behind the lateral malleolus, same muscle",
            recordings=(_motor(segment, branch),),
        )
    elif not distal.stimulus.supramaximal:
        why = "the proximal response is the larger one: raise the distal current until it grows no more"
        yield _again("repeat_supramaximal", distal, why)


# Where a branch that bypasses the distal site is stimulated: by nerve, muscle and that site.
_ACCESSORY: Final = {("fibular", "edb", "ankle"): "lateral_malleolus"}
_ASKED: Final[Mapping[str, Ask]] = {
    "martin_gruber_not_excluded": _exclude_anastomosis,
    "no_proximal_response": _no_proximal,
    "submaximal": _raise_current("the proximal stimulus was not supramaximal: raise the current"),
    "erb_unproven": _raise_current(
        "a small response from Erb's point counts only with proof that the stimulus was supramaximal"
    ),
    "supramaximal_unproven": _raise_current(
        "a small response from a deep nerve counts only with proof that the stimulus was supramaximal"
    ),
    "costimulation_suspected": _reduce_current,
    "filter_mismatch": _same_filters,
    "temperature_low": _warm,
    "unmarkable": _record_again,
    "no_distal_response": _no_distal,
    "area_missing": _complete_marks,
    "duration_missing": _complete_marks,
    "proximal_larger": _why_larger,
    "electrode_drift": _check_electrodes,
}
