"""Every observation an ORU message can carry: one table of codes, types, units and places.

The encoder sends nothing that is not in `CODES`, so a conformance statement written from it cannot drift.
Codes are those of our own system (99EMGGW) unless a standard one is known to exist; LOINC texts stand as
LOINC spells the component and system. Nothing is invented.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from gateway.domain.recording import Side
from gateway.protocols import quantities

LOCAL: Final = "99EMGGW"
_LOINC_TEXTS: Final = {
    "98713-1": "Compound muscle action potential amplitude Muscle",
    "98698-4": "Sensory nerve action potential amplitude Nerve",
}
UNIT_TEXTS: Final[Mapping[str, str]] = {  # UCUM
    "ms": "millisecond",
    "mV": "millivolt",
    "uV": "microvolt",
    "mV.ms": "millivolt millisecond",
    "m/s": "metre per second",
    "1": "no unit",
    "%": "percent",
    "mA": "milliampere",
    "mm": "millimetre",
    "Cel": "degree Celsius",
    "Hz": "hertz",
}


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded value: a term of a code system, with the same meaning in another one beside it."""

    code: str
    text: str = ""
    system: str = LOCAL
    alternate: "Coded | None" = None


class Place(enum.StrEnum):
    """Where in the report an observation stands, and with it how OBX-4 numbers it."""

    SUMMARY = "summary"  # 0.1
    NERVE = "nerve"  # n.0
    SITE = "site"  # n.1, n.2 …
    SEGMENT = "segment"  # n.101, n.102 …


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationCode:
    """One code: what OBX-3, OBX-2 and OBX-6 say of it; `repeats` gives its OBX-4 a third part.

    One of a `waveform` goes only to those who want waveforms.
    """

    code: str
    text: str
    type: Literal["NM", "CWE", "ST", "NA"]
    places: tuple[Place, ...]
    unit: str = ""
    loinc: Coded | None = None
    repeats: bool = False
    waveform: bool = False


def _measured(quantity: quantities.Quantity) -> ObservationCode:
    loinc = Coded(quantity.loinc, _LOINC_TEXTS[quantity.loinc], "LN") if quantity.loinc else None
    return ObservationCode(
        code=quantity.code,
        text=quantity.text,
        type="NM",
        places=(Place.SITE,),
        unit=quantity.unit,
        loinc=loinc,
    )


def _number(code: str, text: str, unit: str, place: Place) -> ObservationCode:
    return ObservationCode(code=code, text=text, type="NM", places=(place,), unit=unit)


def _coded(code: str, text: str, place: Place, *, repeats: bool = False) -> ObservationCode:
    return ObservationCode(code=code, text=text, type="CWE", places=(place,), repeats=repeats)


def _of_waveform(code: str, text: str, unit: str, kind: Literal["NM", "NA"] = "NM") -> ObservationCode:
    return ObservationCode(code=code, text=text, type=kind, places=(Place.SITE,), unit=unit, waveform=True)


def _string(code: str, text: str, place: Place) -> ObservationCode:
    return ObservationCode(code=code, text=text, type="ST", places=(place,))


_TABLE: Final = (
    _coded("MMN-SUPPORT", "Electrodiagnostic support for multifocal motor neuropathy", Place.SUMMARY),
    _coded("SENS-NORMAL", "Sensory conduction normal in every nerve tested", Place.SUMMARY),
    _coded("CRITERIA", "Criteria set applied", Place.SUMMARY, repeats=True),
    _coded("NORMS", "Table of reference limits applied", Place.SUMMARY),
    _coded("ACTION", "Recording still to make", Place.SUMMARY, repeats=True),
    _coded("NERVE", "Nerve", Place.NERVE),
    _coded("SIDE", "Side of the body", Place.NERVE),
    _coded("REC-SITE", "Recording site", Place.NERVE),
    _string("STIM-SITE", "Stimulation site", Place.SITE),
    _number("STIM-CURRENT", "Stimulus current", "mA", Place.SITE),
    _number("STIM-WIDTH", "Stimulus duration", "ms", Place.SITE),
    _number("DISTANCE", "Distance to the next more distal site or the electrode", "mm", Place.SITE),
    _number("SKIN-TEMP", "Skin temperature", "Cel", Place.SITE),
    _number(quantities.NO_RESPONSE_CODE, "No response evoked", "", Place.SITE),
    *(_measured(quantity) for quantity in quantities.MOTOR),
    *(_measured(quantity) for quantity in quantities.SENSORY),
    _number("SCV", "Sensory conduction velocity", "m/s", Place.SITE),
    _coded("SENS-RESULT", "Sensory result against the reference limits", Place.SITE),
    _of_waveform("WAVEFORM", "Sweep, negative up", "uV", "NA"),
    _of_waveform("WAVE-RATE", "Values of the sweep per second", "Hz"),
    _of_waveform("WAVE-START", "Time of the sweep's first value after the stimulus", "ms"),
    _string("SEGMENT", "Segment, distal to proximal site", Place.SEGMENT),
    _number("MCV", "Motor conduction velocity", "m/s", Place.SEGMENT),
    _number("AMP-RATIO", "CMAP amplitude ratio, proximal to distal", "1", Place.SEGMENT),
    _number("AMP-RED", "CMAP amplitude reduction", "%", Place.SEGMENT),
    _number("AREA-RED", "CMAP negative-peak area reduction", "%", Place.SEGMENT),
    _number("DUR-INC", "CMAP negative-peak duration increase", "%", Place.SEGMENT),
    _coded("CB-FINDING", "Conduction block finding", Place.SEGMENT),
    _coded("CB-GRADE", "Conduction block grade under one criteria set", Place.SEGMENT, repeats=True),
)
CODES: Final[Mapping[str, ObservationCode]] = {entry.code: entry for entry in _TABLE}

SUMMARY_STUDY: Final = Coded("NCS-SUMMARY", "Nerve conduction study, summary")
NERVE_STUDIES: Final[Mapping[str, Coded]] = {
    "motor": Coded("NCS-MOTOR", "Motor nerve conduction study"),
    "sensory": Coded("NCS-SENSORY", "Sensory nerve conduction study"),
}


def words(code: str) -> str:
    """A code of ours as a person reads it."""
    return code.replace("_", " ")


def local(code: str, text: str | None = None) -> Coded:
    """A term of our own system, its text the code in words unless another is given."""
    return Coded(code, words(code) if text is None else text)


# ISO/IEEE 11073-10101, partition 7: the term for a structure without a side, then left, then right.
_SIDE_OFFSET: Final = {Side.LEFT: 1, Side.RIGHT: 2}


def anatomical(name: str, text: str, mdc: str | None, side: Side) -> Coded:
    """A nerve or muscle on one side: its MDC term with ours beside it, or ours alone."""
    ours = local(name, text)
    if mdc is None:
        return ours
    partition, _, term = mdc.partition(":")
    sided = f"{partition}:{int(term) + _SIDE_OFFSET[side]}"
    return Coded(sided, f"{text}, {side}", "MDC", alternate=ours)
