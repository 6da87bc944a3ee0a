"""The DICOM conformance statement, in Markdown, for those who connect a system to this one.

Made of the tables that reading and writing go by, so that it says what they do. What it says of refusals is
kept in the table here.
"""

from collections.abc import Iterable
from decimal import Decimal
from itertools import groupby
from typing import Final

from pydicom.datadict import dictionary_VR, tag_for_keyword

from gateway.domain.anatomy import Anatomy
from gateway.domain.limits import Limits
from gateway.domain.recording import Modality, Side
from gateway.formats.dicom import profile
from gateway.formats.dicom.attributes import ATTRIBUTES
from gateway.formats.dicom.profile import Annotation, sided_code
from gateway.formats.dicom.writing import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

_Rows = Iterable[tuple[str, ...]]

_NOTHING: Final = "-"
_OVERVIEW: Final = """\
emg-gateway reads nerve conduction studies from DICOM files and writes them. It has no DICOM network services:
a cart, an archive or a router puts files where the gateway finds them.

One `WaveformSequence` item is one stimulation, one channel is one recording. All files with one
`StudyInstanceUID` are one study. The gateway writes one file for each recording.

`emg-gateway conformance dicom` prints this statement from the tables that the program goes by."""

_READING: Final = """\
- **Side, muscle, nerve.** `ChannelSourceSequence` has an MDC code. A muscle: a motor recording. A nerve: a
  sensory recording. The code gives the side.
- **Stimulated nerve.** Annotation `NERVE`; else the acquisition context item `NERVE`.
- **Stimulation site.** Annotation `STIM-SITE`; else `MultiplexGroupLabel`.
- **Recording site of a sensory recording.** Annotation `REC-SITE`, where the code leaves more than one.
- Where two of these speak of the same nerve, side or site they have to agree.
- **Annotations** belong to the channels in `ReferencedWaveformChannels`; channel 0 is the whole group. A
  number for a channel wins over one for its group. One with an empty value says nothing. Those of other
  schemes are left alone.
- **Time of the first sample.** `TriggerTimeOffset`, ms after the stimulus; else
  -(`TriggerSamplePosition` - 1) / `SamplingFrequency`.
- **Value** = stored * `ChannelSensitivity` * `ChannelSensitivityCorrectionFactor` + `ChannelBaseline`, in
  the unit of `ChannelSensitivityUnitsSequence`.
- **Polarity.** A stored value is the true potential, active minus reference: a clinically negative wave is
  below zero. For a cart that stores it above zero, set the polarity to `negative_up`.
- **Codes** are matched by scheme and value, never by meaning."""

_STATUS: Final = (
    ("OK", "recording", "unless another value applies"),
    ("TEST DATA", "the study is simulated", "every recording of a simulated study"),
    ("QUESTIONABLE", "recording, marked `signal_questionable`", "where the recording says so"),
    ("UNZEROED", "recording, marked `signal_unzeroed`", "where the recording says so"),
    ("DISCONNECTED", "the channel is left out", ""),
    ("INVALID", "the channel is left out, with a notice", ""),
    ("UNCALIBRATED", "the channel is left out, with a notice", ""),
    ("any other", "the channel is left out, with a notice", ""),
)

_REFUSED_FILES: Final = (
    ("Not a DICOM file, damaged or cut off", "half a recording is none"),
    (
        "SOP class other than Electromyogram Waveform Storage",
        "nothing else is known to hold nerve conduction",
    ),
    ("Transfer syntax other than those above", "it is not implemented"),
    ("`StudyInstanceUID` missing, or not a UID", "the recording would belong to no study"),
    ("Time of the study missing", "results could not be put in order"),
    ("Nerve, side or site missing or unknown", "nothing is guessed"),
    ("Nerve, side or site in contradiction", "one of them is wrong, and nothing says which"),
    ("Recording that the anatomy does not have", "for example at a site that the nerve does not have"),
    ("Time of the stimulus missing or in contradiction", "no latency could be measured"),
    ("Sensitivity missing, zero or negative", "the amplitude or its sign would be a guess"),
    ("Unit of the samples missing or unknown", "an amplitude could be wrong a thousandfold"),
    ("Sample interpretation other than SS or SL", "PS3.3 A.34.13.4 allows no other"),
    ("Samples that need more bits than `WaveformBitsStored`", "their sign was not extended"),
    ("Big Endian samples that are not OW", "whether their bytes were swapped is not known"),
    ("`WaveformData` of another length than declared", "samples are missing or belong to something else"),
    ("Padding between samples", "the sweep has a hole"),
    ("Annotation without its value, or in a unit of another kind than in the table", "it would be a guess"),
    ("Annotation said twice, and differently", "one of them is wrong, and nothing says which"),
    ("Marks of the other modality, or beside `NORESP`", "one of them is wrong, and nothing says which"),
    ("Value that no measurement can have", "it is a decimal or unit slip"),
    ("No channel that is a recording", "there is nothing to read"),
)

_LEFT_OUT: Final = """\
Left out, with a notice: a channel that is invalid, uncalibrated, of a status that nobody defined, or nothing
but padding; a field of patient, device or order that is not what it should be."""

_REFUSED_STUDIES: Final = (
    ("Recording without a curve", "a waveform object is its samples"),
    ("Study without a recording", "there is nothing that could carry the header"),
    ("Muscle or nerve without an MDC code", "`ChannelSourceSequence` must have one; none is invented"),
    ("Samples beyond 32 bits after the change of sign", "-2147483648 has no counterpart"),
    ("Accession number over 16 characters", "SH holds no more; an identifier is never cut"),
    ("Patient id, placer's order number or device data over 64 characters", "LO holds no more"),
    ("Family and given name over 64 characters, or with `^` or `=`", "PN holds no more"),
    ("Montage or operator over 1024 characters", "ST holds no more"),
    ("Control character; backslash, but in montage and operator", "in DICOM it ends a value"),
    ("Offset from UTC outside -12:00 to +14:00", "`TimezoneOffsetFromUTC` has this range"),
)

_DEVIATIONS: Final = """\
- Annotations of kind text have `UnformattedTextValue` beside `ConceptNameCodeSequence`, which PS3.3 C.10.10
  says exclude each other. Without the name the text could not be told from any other; a coded value
  would need a code for each word a laboratory has.
- `PlacerOrderNumberImagingServiceRequest` is a standard extension of the object.
- The scheme 99EMGGW is private. DICOM has no codes for a stimulation site, a current or the measured
  quantities."""


def statement(anatomy: Anatomy) -> str:
    """The statement for an installation with this anatomy."""
    sections = (
        ("Objects and encodings", _objects()),
        ("How a file is read", _READING),
        ("Attributes", _attributes()),
        ("Coded values", _coded_values()),
        ("Annotations", _annotations()),
        ("Acquisition context", _observations(profile.CONTEXT)),
        ("Site names", _sites(anatomy)),
        ("Muscles and nerves", _structures(anatomy)),
        ("What is refused", _refusals()),
        ("Limits", _limits()),
        ("Deviations from the standard", _DEVIATIONS),
    )
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
    return f"# DICOM conformance statement\n\n{_OVERVIEW}\n\n{body}\n"


def _objects() -> str:
    syntaxes = (
        (name, uid, "read, written" if uid == profile.EXPLICIT_LITTLE_ENDIAN else "read")
        for uid, name in profile.TRANSFER_SYNTAXES.items()
    )
    return "\n\n".join(
        (
            _table(
                ("SOP class", "UID", "Role"),
                [("Electromyogram Waveform Storage", profile.EMG_WAVEFORM_STORAGE, "read, written")],
            ),
            _table(("Transfer syntax", "UID", "Role"), syntaxes),
            f"Implementation Class UID: {IMPLEMENTATION_CLASS_UID}.",
            f"Implementation Version Name: `{IMPLEMENTATION_VERSION}` and the version.",
            "Text is written in UTF-8 (ISO_IR 192) and read in every character set that DICOM defines.",
        )
    )


def _attributes() -> str:
    rows = (
        (
            _tag(entry.keyword),
            f"`{entry.keyword}`",
            dictionary_VR(entry.keyword),
            entry.module,
            entry.type,
            entry.read or _NOTHING,
            entry.written or _NOTHING,
        )
        for entry in ATTRIBUTES
    )
    return (
        f"Types are those of PS3.3. {_NOTHING}: not used. An attribute that is not here is neither read nor "
        f"written.\n\n{_table(('Tag', 'Keyword', 'VR', 'Module', 'Type', 'Read', 'Written'), rows)}"
    )


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword) or 0
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _coded_values() -> str:
    units = (
        (f"`{unit}`", f"{Decimal(1).scaleb(power):f} uV") for unit, power in profile.MICROVOLTS_POWER.items()
    )
    schemes = (
        (profile.MDC, "ISO/IEEE 11073-10101: muscles (CID 3031), nerves (CID 3032)"),
        (profile.UCUM, "units"),
        (profile.OURS, "private: annotations and acquisition context, see below"),
    )
    samples = ((f"`{name}`", str(8 * size)) for name, size in profile.SAMPLE_BYTES.items())
    status = ((f"`{name}`", read, written or _NOTHING) for name, read, written in _STATUS)
    return "\n\n".join(
        (
            _table(("Coding scheme", "What for"), schemes),
            _table(("Channel sensitivity unit (UCUM)", "Is"), units),
            _table(("Waveform sample interpretation", "Bits allocated"), samples),
            _table(("Channel status", "Read as", "Written"), status),
        )
    )


def _annotations() -> str:
    general = [kind for kind in profile.ANNOTATIONS if kind not in _marks()]
    return "\n\n".join(
        (
            "Each is an item of `WaveformAnnotationSequence` for the whole sweep.",
            "A number is also read in another unit of the same kind, as cm for mm.",
            _observations(general),
            "What the machine marked, motor:",
            _observations(profile.MARKS[Modality.MOTOR].values()),
            "What the machine marked, sensory:",
            _observations(profile.MARKS[Modality.SENSORY].values()),
        )
    )


def _marks() -> list[Annotation]:
    return [kind for kinds in profile.MARKS.values() for kind in kinds.values()]


def _observations(kinds: Iterable[Annotation]) -> str:
    rows = (
        (
            f"`{kind.code}`",
            kind.meaning,
            kind.kind,
            f"`{kind.unit}`" if kind.unit else _NOTHING,
            ", ".join(f"`{value}`" for value in kind.values) or _NOTHING,
        )
        for kind in kinds
    )
    return _table(("Code (99EMGGW)", "Meaning", "Kind", "Unit (UCUM)", "Values"), rows)


def _sites(anatomy: Anatomy) -> str:
    motor = (
        (name, _names(nerve.sites), _names(nerve.accessory_sites) or _NOTHING)
        for name, nerve in anatomy.nerves.items()
        if nerve.sites
    )
    by_site = sorted(anatomy.site_aliases.items(), key=lambda entry: anatomy.sites.index(entry[1]))
    spellings = (
        (f"`{site}`", ", ".join(f"`{spelling}`" for spelling, _ in entries))
        for site, entries in groupby(by_site, key=lambda entry: entry[1])
    )
    return "\n\n".join(
        (
            "Matched without regard to case, blanks, `-` and `_`. A driver's `site_aliases` add spellings.",
            _table(("Nerve", "Motor stimulation sites, distal to proximal", "Off its course"), motor),
            f"Sensory stimulation sites: {_names(anatomy.sensory_stimulation_sites)}.",
            f"Sensory recording sites: {_names(anatomy.sensory_recording_sites)}.",
            _table(("Site", "Also read"), spellings),
        )
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _structures(anatomy: Anatomy) -> str:
    muscles = ((f"`{name}`", muscle.text, *_codes(muscle.mdc)) for name, muscle in anatomy.muscles.items())
    nerves = ((f"`{name}`", *_codes(nerve.mdc)) for name, nerve in anatomy.nerves.items())
    branches = ((branch.text, f"`{branch.nerve}`", *_codes(branch.mdc)) for branch in anatomy.branches)
    sides = ("No side", "Left", "Right")
    return "\n\n".join(
        (
            _table(("Muscle", "Name", *sides), muscles),
            _table(("Nerve", *sides), nerves),
            "Branches, read only:",
            _table(("Branch", "Counts as", *sides), branches),
        )
    )


def _codes(mdc: str | None) -> tuple[str, str, str]:
    if mdc is None:
        return (_NOTHING, _NOTHING, _NOTHING)
    return (mdc, sided_code(mdc, Side.LEFT), sided_code(mdc, Side.RIGHT))


def _refusals() -> str:
    return "\n\n".join(
        (
            "A file is refused as a whole, with the place in it; the message never repeats a text.",
            _table(("Refused when read", "Because"), _REFUSED_FILES),
            _LEFT_OUT,
            "A study is refused as a whole, with the field.",
            _table(("Refused when written", "Because"), _REFUSED_STUDIES),
        )
    )


def _limits() -> str:
    limits = Limits()
    return "\n".join(
        (
            f"- A file: {limits.document_bytes} bytes. A sweep: {limits.sweep_samples} samples.",
            "- A written decimal string has 16 characters; a number with more digits is rounded to them.",
            "- `MultiplexGroupLabel` and `ChannelLabel` are cut to 16 characters; annotations are not.",
        )
    )


def _table(header: tuple[str, ...], rows: _Rows) -> str:
    lines = (header, ("---",) * len(header), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
