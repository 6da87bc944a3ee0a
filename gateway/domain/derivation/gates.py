"""What each gate looked at, in words and numbers: the account beside the gate's own answer."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from gateway.domain import gates
from gateway.domain.derivation.steps import Cited, Compared, Gated, number
from gateway.domain.findings import Finding, gates_for
from gateway.domain.gates import Circumstances, Gate
from gateway.domain.martin_gruber import concerns, exchange
from gateway.domain.recording import Recording
from gateway.domain.segments import Segment
from gateway.domain.temperature import cold, warm_from
from gateway.domain.thresholds import Threshold
from gateway.domain.wording import site

Account = tuple[str, tuple[Cited, ...]]


def gated(entry: Finding, about: Circumstances) -> Iterator[Gated]:
    """The gates that the grade of a finding had to pass, in order."""
    for gate in gates_for(entry.segment, entry.chosen.grade):
        name, account = ACCOUNTS[gate]
        facts, cited = account(entry.segment, about)
        yield Gated(gate=name, reason=gate(entry.segment, about), facts=facts, cited=cited)


def temperatures(segment: Segment, about: Circumstances) -> Iterator[Compared]:
    """The temperature of the skin at each end against that of a warm limb."""
    for end in (segment.distal.recording, segment.proximal.recording):
        yield warmth(end, about)


def warmth(recording: Recording, about: Circumstances) -> Compared:
    """The temperature of the skin against that of a warm limb."""
    limit = warm_from(recording, about.anatomy, about.thresholds)
    too_cold = cold(recording, about.anatomy, about.thresholds)
    return Compared(
        quantity=f"skin temperature, {site(recording.stimulation_site)},",
        value=recording.skin_temperature_c,
        unit="C",
        op=">=",
        limit=limit.value,
        holds=None if too_cold is None else not too_cold,
        cited=threshold(limit),
    )


def threshold(entry: Threshold) -> Cited:
    """The source of one of the gates' numbers."""
    return Cited(what="threshold", source=entry.source, status=entry.status)


def _stimulus(segment: Segment, _: Circumstances) -> Account:
    recording = segment.proximal.recording
    stated = recording.stimulus.supramaximal
    where = site(recording.stimulation_site)
    if stated is not None:
        more = segment.proximal.flagged("supramaximal_contradicted")
        but = ", but a stronger current gave more" if more else ""
        return f"stated {'' if stated else 'not '}supramaximal at {where}{but}", ()
    growing = segment.proximal.flagged("submaximal_series")
    series = ", the response still grew at the last step of current" if growing else ", which is a caveat"
    return f"not stated whether supramaximal at {where}{series}", ()


def _proof(segment: Segment, about: Circumstances) -> Account:
    stated = segment.proximal.recording.stimulus.supramaximal
    if stated is None and gates.unproven(segment, about):
        return "the nerve lies deep here, and nobody stated that the stimulus was supramaximal", ()
    return "stated by the operator" if stated is not None else "not asked for at this site", ()


def _proximal_response(segment: Segment, _: Circumstances) -> Account:
    if "no_proximal_response" not in segment.notes:
        return "there is a proximal response", ()
    stated = segment.proximal.recording.stimulus.supramaximal
    return f"no proximal response, stimulus {'' if stated else 'not '}stated supramaximal", ()


def _anastomosis(segment: Segment, about: Circumstances) -> Account:
    if not concerns(segment):
        return "not the forearm of the ulnar nerve", ()
    found = exchange(segment, about.median_over_ulnar, about.thresholds)
    if found.gain_mv is None or found.loss_mv is None:
        muscle = site(segment.recording_site)
        return f"median nerve not stimulated at wrist and elbow over {segment.side} {muscle}", ()
    limits = about.thresholds
    least, percent = limits.martin_gruber_gain_mv, limits.martin_gruber_gain_percent
    excluded = limits.martin_gruber_excluded_percent
    share = "" if found.percent is None else f", {found.percent:.1f} % of it gained"
    weak = f"; the stimulus at the {found.too_weak} was too weak to tell" if found.too_weak else ""
    facts = (
        f"median elbow over wrist gains {number(found.gain_mv, 2)} mV, the ulnar nerve loses"
        f" {number(found.loss_mv, 2)} mV{share}; shown from {number(least.value)} mV and"
        f" {number(percent.value)} % of the loss, excluded below {number(excluded.value)} %{weak}"
    )
    sources = dict.fromkeys(threshold(entry) for entry in (least, percent, excluded))
    return facts, tuple(sources)


def _costimulation(segment: Segment, _: Circumstances) -> Account:
    for entry in segment.distal.quality:
        if entry.name == "costimulation_suspected":
            correlation = "" if entry.value is None else f" (correlation {entry.value:.2f})"
            return f"the distal response is of another shape{correlation}", ()
    return "no sign of it in the shapes", ()


def _phases(segment: Segment, about: Circumstances) -> Account:
    limit, increase = about.thresholds.dispersion_percent, segment.total_duration_increase_percent
    if not segment.proximal.several_phases:
        return "one negative phase, as far as is known", ()
    if increase is None:
        return "several negative phases, but not known how long the distal response lasts in all", ()
    facts = (
        f"several negative phases, together {increase:.1f} % longer than distally;"
        f" apart above {number(limit.value)} %"
    )
    return facts, (threshold(limit),)


def _acute_onset(_: Segment, about: Circumstances) -> Account:
    limit = about.thresholds.acute_onset_days
    days = about.clinical.symptom_onset_days
    known = (
        "onset of symptoms not known, which is a caveat" if days is None else f"onset {number(days)} days ago"
    )
    return f"{known}, acute below {number(limit.value)} days", (threshold(limit),)


def _set_up(segment: Segment, _: Circumstances) -> Account:
    words = []
    for name in gates.SET_UP:
        near, far = (getattr(end.recording, name) for end in (segment.distal, segment.proximal))
        known = near is not None and far is not None
        state = ("the same" if near == far else "differ") if known else "not known at both ends"
        words.append(f"{_SET_UP_WORDS[name]} {state}")
    return ", ".join(words), ()


_SET_UP_WORDS: Final = {"filter_hz": "filters", "notch_hz": "notch filter", "montage_id": "electrode montage"}
ACCOUNTS: Final[Mapping[Gate, tuple[str, Callable[[Segment, Circumstances], Account]]]] = {
    gates.submaximal: ("supramaximal stimulus", _stimulus),
    gates.unproven: ("proof where nerves lie deep", _proof),
    gates.proximal_response: ("proximal response", _proximal_response),
    gates.anastomosis: ("Martin-Gruber anastomosis", _anastomosis),
    gates.costimulation: ("stimulation of another nerve", _costimulation),
    gates.dispersed_complex: ("response in one piece", _phases),
    gates.acute_onset: ("acute onset", _acute_onset),
    gates.filter_mismatch: ("same filters and electrodes", _set_up),
}
