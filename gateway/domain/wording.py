"""A reader's words for the published codes: reasons, actions, caveats, grades, sites.

One table for every place that speaks to a person. A code is `kind` or `kind:subject`, the subject a nerve
and side, then sites, or the id of a set or table. What has no words of its own is read as it is written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from gateway.domain.actions import Site
from gateway.domain.corrections import Amendment
from gateway.domain.recording import Side

# Why a finding, a sensory result, the support or a mimic is what it is.
REASONS: Final[Mapping[str, str]] = {
    # the segment may not count
    "compression_site": "the nerve is commonly compressed here",
    "contaminated_segment": "a site of common compression lies within the segment",
    "muscle_of_another_nerve": "recorded over a muscle of another nerve, to find an anastomosis",
    # the numbers cannot be compared
    "unmarkable": "a curve cannot be marked",
    "amplitude_missing": "amplitude not known",
    "area_missing": "area not known",
    "duration_missing": "duration not known",
    "no_distal_response": "no distal response",
    "below_distal_floor": "distal response too small for a comparison",
    "norm_missing": "the norm table has no limit for this study",
    # what a gate found
    "submaximal": "proximal stimulus not supramaximal",
    "erb_unproven": "stimulus at Erb's point not proven supramaximal",
    "supramaximal_unproven": "stimulus of a deep nerve not proven supramaximal",
    "no_proximal_response": "no proximal response",
    "martin_gruber_not_excluded": "Martin-Gruber anastomosis not excluded",
    "martin_gruber_demonstrated": "Martin-Gruber anastomosis demonstrated",
    "costimulation_suspected": "another nerve may have been stimulated too",
    "dispersed_complex": "proximal response in several phases, of which only the first is compared",
    "acute_onset": "onset so recent that an axonal lesion may look like a block",
    "filter_mismatch": "filters or electrodes differ between the sites",
    # remarks
    "temperature_low": "limb cold",
    "proximal_larger": "proximal response larger than the distal one",
    "accessory_fibular_demonstrated": "accessory fibular nerve demonstrated",
    "accessory_fibular_excluded": "no accessory fibular nerve",
    "electrode_drift": "response changed at the same current",
    "temporal_dispersion": "temporal dispersion",
    "on_the_limit": "on the limit",
    # sensory
    "amplitude_low": "amplitude below its limit",
    "onset_latency_long": "onset latency above its limit",
    "peak_latency_long": "peak latency above its limit",
    "velocity_slow": "velocity below its limit",
    # support
    "upper_motor_neuron_signs": "upper motor neuron signs",
    "sensory_absent": "a block whose own sensory response is absent",
    "sensory_abnormal": "a block whose own sensory response is abnormal",
    "sensory_not_recorded": "a block whose own sensory nerve was not recorded, or could not be judged",
    "definite_block": "definite block with normal conduction in its own sensory fibres",
    "probable_block": "probable block with normal conduction in its own sensory fibres",
    "no_assessable_segment": "no segment could be assessed",
    "no_block_found": "no conduction block found",
    "not_judged": "no segment could be judged",
    "block_in_doubt": "a block that is still in doubt, no other found",
    "block_not_counted": "a block where the response falls in health, no other found",
    "anti_gm1_igm_positive": "IgM antibodies against GM1",
    "csf_protein_raised": "protein of the cerebrospinal fluid raised, below 1 g/L",
    "plexus_mri_abnormal": "MRI of the plexus abnormal",
    "ivig_response": "better after intravenous immunoglobulin",
    # what speaks for a mimic
    "low_distal_amplitude": "distal response low, without block",
    "demyelination_strong": "items of demyelination beyond block met, strong support",
    "demyelination_weak": "items of demyelination beyond block met, weak support",
    "sensory_abnormal_at_entrapment": "sensory response abnormal where the nerve is commonly compressed",
    "block_at_compression_site": "the numbers of a block where the nerve is commonly compressed",
}
_IN_HEALTH: Final = "_physiological"

# What is asked of the technologist, in the imperative.
ACTIONS: Final[Mapping[str, str]] = {
    "exclude_martin_gruber": "exclude a Martin-Gruber anastomosis",
    "repeat_supramaximal": "repeat with a supramaximal stimulus",
    "record_site": "stimulate one site more",
    "record_sensory": "record the sensory nerve",
    "warm_limb": "warm the limb",
    "repeat_same_filters": "repeat with the same filters and electrodes",
    "check_electrodes": "check the electrodes",
    "reduce_current": "repeat with less current",
    "test_accessory_fibular": "look for an accessory fibular nerve",
    "record_again": "record again",
    "complete_marks": "complete the marks",
}

CAVEATS: Final[Mapping[str, str]] = {
    "criteria_recalled": "limits of the criteria set recalled, not compared with the paper",
    "criteria_unverified": "thresholds of the criteria set unverified",
    "norms_recalled": "limits of the norm table recalled, not compared with the paper",
    "norms_unverified": "limits of the norm table unverified",
    "norm_strata_unverified": "limits by age, height, body mass index or sex unverified and off, norm table",
    "norm_stratum_unknown": "limits of a narrower group not used, not known of the patient",
    "amplitude_not_recorded": "sensory amplitude not recorded",
    "onset_latency_not_recorded": "sensory onset latency not recorded",
    "peak_latency_not_recorded": "sensory peak latency not recorded",
    "velocity_not_recorded": "sensory velocity not recorded",
    "onset_latency_not_judged": "sensory onset latency not judged, by distance or temperature",
    "peak_latency_not_judged": "sensory peak latency not judged, by distance or temperature",
    "velocity_not_judged": "sensory velocity not judged, limb cold",
    "side_difference": "sensory amplitude far below that of the other side",
    "onset_unknown": "onset of symptoms not known: an acute axonal lesion is not excluded",
    "supramaximal_unknown": "not known whether the stimulus was supramaximal",
    "uncertain_response": "uncertain whether there was a response",
    "signal_doubtful": "sensory amplitude read from a sweep with a doubtful baseline",
    "temperature_unknown": "temperature not recorded",
    "temperature_low": "limb cold",
    "filter_unknown": "filters not recorded",
    "montage_unknown": "electrode montage not recorded",
    "notch_unknown": "notch filter recorded at one of the sites only",
    "gain_unknown": "gain recorded at one of the sites only",
    "gain_differs": "gain differs between the sites",
    "declined": "declined",
    "excluded": "recording excluded by an operator",
    "unusable_records": "the cart sent records that could not be used: 'emg-gateway studies show' lists them",
}

DECLINED: Final[Mapping[str, str]] = {
    "amputation": "amputation",
    "wound_or_cast": "wound or cast",
    "patient_stops": "the patient stops",
    "not_tolerated": "not tolerated",
    "not_indicated": "not indicated",
}

# Why a recording was amended or excluded.
CORRECTIONS: Final[Mapping[str, str]] = {
    "wrong_side": "wrong side",
    "wrong_nerve": "wrong nerve",
    "wrong_muscle": "wrong muscle",
    "wrong_site": "wrong site",
    "wrong_distance": "wrong distance",
    "artefact": "artefact",
    "duplicate": "recorded twice",
    "wrong_patient": "of another patient",
    "other": "another reason",
}

MIMICS: Final[Mapping[str, str]] = {
    "motor_neuron_disease": "motor neuron disease",
    "cidp": "CIDP",
    "multifocal_cidp": "multifocal CIDP",
    "entrapment": "compression of a nerve",
    "acute_axonal_lesion": "acute axonal lesion",
    "martin_gruber_anastomosis": "Martin-Gruber anastomosis",
}

# Of a segment, of a sensory study, of the support.
GRADES: Final[Mapping[str, str]] = {
    "none": "no block",
    "probable_block": "probable block",
    "definite_block": "definite block",
    "block": "block",
    "indeterminate": "in doubt",
    "not_assessable": "not assessable",
    "not_listed": "not listed",
    "excluded_site": "site excluded",
}

QUANTITIES: Final[Mapping[str, str]] = {
    "amplitude_ratio": "amplitude ratio",
    "amplitude_reduction_percent": "amplitude reduction",
    "peak_to_peak_reduction_percent": "peak-to-peak reduction",
    "area_reduction_percent": "area reduction",
    "duration_increase_percent": "duration increase",
    "distal_amplitude_mv": "distal amplitude",
    "percent_of_lower_limit": "distal amplitude of its lower limit",
    "amplitude_mv": "amplitude",
    "amplitude_uv": "amplitude",
    "peak_to_peak_mv": "peak-to-peak amplitude",
    "negative_area_mv_ms": "area",
    "negative_duration_ms": "duration",
    "onset_latency_ms": "onset latency",
    "peak_latency_ms": "peak latency",
    "velocity_m_s": "velocity",
}

_SIDES: Final = frozenset(Side)
_SITES: Final = {"erb": "Erb's point", "palm": "palm", "calf": "calf"}
_ABBREVIATED: Final = 4  # letters: ADM, FDMB; biceps is a word


def plain(code: str) -> str:
    """A nerve or code without its underscores."""
    return code.replace("_", " ")


def site(name: str) -> str:
    """A stimulation or recording site as it stands on every report: `below elbow`, `Erb's point`, `ADM`."""
    short = len(name) <= _ABBREVIATED
    return _SITES.get(name) or (name.upper() if short else plain(name))


def reason(code: str) -> str:
    """The words of one reason, with what it is about."""
    kind, _, about = code.partition(":")
    if kind.endswith(_IN_HEALTH):
        return f"{kind.removesuffix(_IN_HEALTH)} response falls here in health"
    words = REASONS.get(kind, plain(kind))
    return f"{words} ({subject(about)})" if about else words


def reasons(codes: Iterable[str]) -> str:
    """The words of several reasons in one line."""
    return ", ".join(reason(code) for code in codes)


def subject(about: str) -> str:
    """What a code is about: `ulnar:right:wrist:adm` is `right ulnar, wrist, ADM`; ids stay as they are."""
    name, *rest = about.split(":")
    if not rest or rest[0] not in _SIDES:
        return about
    return ", ".join([f"{rest[0]} {plain(name)}", *(site(entry) for entry in rest[1:])])


def action(code: str) -> str:
    """What an action asks for, in the imperative."""
    return ACTIONS.get(code, plain(code))


def caveats(codes: Sequence[str]) -> tuple[str, ...]:
    """A line for each kind of caveat, with all that it is about: `temperature not recorded: right ulnar`."""
    kinds: dict[str, list[str]] = {}
    for code in codes:
        kind, _, about = code.partition(":")
        found = kinds.setdefault(kind, [])
        words = _SUBJECTS.get(kind, subject)(about)
        if words and words not in found:
            found.append(words)
    return tuple(_line(kind, about) for kind, about in kinds.items())


def _line(kind: str, about: Sequence[str]) -> str:
    words = CAVEATS.get(kind, plain(kind))
    separator = "; " if any("," in entry for entry in about) else ", "
    return f"{words}: {separator.join(about)}" if about else words


def _declined(about: str) -> str:
    """`record_sensory:ulnar:right:amputation`: what was asked for, about what, and why it is not made."""
    asked, _, why = about.rpartition(":")
    code, _, where = asked.partition(":")
    return f"{action(code)}, {subject(where)} ({DECLINED.get(why, plain(why))})"


def _excluded(about: str) -> str:
    """`motor:ulnar:right:wrist:artefact`: which recording, and why it does not count."""
    recorded, _, why = about.rpartition(":")
    modality, _, where = recorded.partition(":")
    return f"{modality} {subject(where)} ({CORRECTIONS.get(why, plain(why))})"


_SUBJECTS: Final[Mapping[str, Callable[[str], str]]] = {"declined": _declined, "excluded": _excluded}


def amendment(entry: Amendment) -> str:
    """What was wrong with a recording and why: `wrong side, recorded as left`."""
    sent = ", ".join(_as_recorded(name, value) for name, value in entry.as_recorded.items())
    return f"{CORRECTIONS[entry.reason]}, recorded as {sent}"


def _as_recorded(name: str, value: str | float | None) -> str:
    if isinstance(value, str):
        return site(value) if name.endswith("_site") else plain(value)
    length = plain(name.removesuffix("_mm"))
    return f"{length} not known" if value is None else f"{length} {value:g} mm"


def to_record(recording: Site) -> str:
    """One recording to make, as it is said to the technologist."""
    words = [f"{recording.side} {plain(recording.nerve)} {recording.modality}"]
    if recording.stimulation_site:
        words.append(f"stimulate {site(recording.stimulation_site)}")
    if recording.recording_site:
        words.append(f"record {site(recording.recording_site)}")
    return ", ".join(words)
