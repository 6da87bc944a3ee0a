"""The profile in tables: the codes and annotations of a DICOM EMG waveform object, and what they mean.

Electromyogram Waveform Storage (PS3.3 A.34.13) has codes for nerves and muscles but none for a stimulation
site or a current; those stand in annotations under the scheme 99EMGGW. Reading, writing and the conformance
statement all go by these tables; `attributes` holds those of the attributes.
"""

from dataclasses import dataclass
from typing import Final, Literal

from gateway.domain.recording import Modality, Side, SignalStatus
from gateway.protocols.quantities import MACHINE_MARKS, NO_RESPONSE_CODE

EMG_WAVEFORM_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.9.7.2"
IMPLICIT_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
EXPLICIT_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
TRANSFER_SYNTAXES: Final = {
    IMPLICIT_LITTLE_ENDIAN: "Implicit VR Little Endian",
    EXPLICIT_LITTLE_ENDIAN: "Explicit VR Little Endian",
    EXPLICIT_BIG_ENDIAN: "Explicit VR Big Endian (retired)",
}

OURS: Final = "99EMGGW"
MDC: Final = "MDC"
UCUM: Final = "UCUM"

# Channel Sensitivity Units (CID 82) that are read: unit to the power of ten that makes microvolts of it.
MICROVOLTS_POWER: Final = {"nV": -3, "uV": 0, "mV": 3, "V": 6}
# Waveform Sample Interpretation to bytes a sample; the EMG object allows no other (PS3.3 A.34.13.4).
SAMPLE_BYTES: Final = {"SS": 2, "SL": 4}

# Channel Status (PS3.3 C.10.9) of a recording that is kept, and what it is called here.
TEST_DATA: Final = "TEST DATA"
DOUBTFUL_STATUS: Final[dict[str, SignalStatus]] = {"QUESTIONABLE": "questionable", "UNZEROED": "unzeroed"}

# What the words of our own items mean.
FLAGS: Final = {"Y": True, "N": False}
ANTI_GM1_RESULTS: Final[dict[str, Literal["positive", "negative"]]] = {"POS": "positive", "NEG": "negative"}

# ISO/IEEE 11073-10101, partition 7: a structure's code is that of no side, left and right follow.
_SIDE_STEP: Final = {None: 0, Side.LEFT: 1, Side.RIGHT: 2}


def sided_code(mdc: str, side: Side | None) -> str:
    """The MDC code of a structure on one side, from that of no side."""
    partition, _, number = mdc.partition(":")
    return f"{partition}:{int(number) + _SIDE_STEP[side]}"


AnnotationKind = Literal["code", "number", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One annotation (or acquisition context item) of scheme 99EMGGW; `unit` is UCUM, for a number."""

    code: str
    meaning: str
    kind: AnnotationKind
    unit: str = ""
    values: tuple[str, ...] = ()


NERVE: Final = Annotation(code="NERVE", meaning="Stimulated nerve", kind="code")
STIMULATION_SITE: Final = Annotation(code="STIM-SITE", meaning="Stimulation site", kind="text")
RECORDING_SITE: Final = Annotation(code="REC-SITE", meaning="Recording site", kind="text")
CURRENT: Final = Annotation(code="STIM-CURRENT", meaning="Stimulus current", kind="number", unit="mA")
WIDTH: Final = Annotation(code="STIM-WIDTH", meaning="Stimulus duration", kind="number", unit="ms")
DISTANCE: Final = Annotation(
    code="DISTANCE", meaning="Distance to the next more distal site", kind="number", unit="mm"
)
TEMPERATURE: Final = Annotation(code="SKIN-TEMP", meaning="Skin temperature", kind="number", unit="Cel")
SUPRAMAXIMAL: Final = Annotation(
    code="SUPRAMAX", meaning="Supramaximal stimulus", kind="text", values=("Y", "N", "U")
)
DISTANCE_TO_RECORDING: Final = Annotation(
    code="DISTANCE-REC", meaning="Distance to the active electrode", kind="number", unit="mm"
)
SITE_POSITION: Final = Annotation(
    code="SITE-POSITION",
    meaning="Position of an inching site from the active electrode",
    kind="number",
    unit="mm",
)
AVERAGES: Final = Annotation(code="AVERAGES", meaning="Number of averaged sweeps", kind="number", unit="1")
GAIN: Final = Annotation(code="GAIN", meaning="Display gain per division", kind="number", unit="uV")
MONTAGE: Final = Annotation(code="MONTAGE", meaning="Montage", kind="text")
OPERATOR: Final = Annotation(code="OPERATOR", meaning="Operator", kind="text")
NO_RESPONSE: Final = Annotation(
    code=NO_RESPONSE_CODE, meaning="Stimulated, nothing evoked", kind="number", unit="1", values=("1",)
)
MARKS: Final = {
    modality: {
        quantity.code: Annotation(
            code=quantity.code, meaning=quantity.text, kind="number", unit=quantity.unit
        )
        for quantity in quantities.values()
    }
    for modality, quantities in MACHINE_MARKS.items()
}
ANNOTATIONS: Final = (
    NERVE,
    STIMULATION_SITE,
    RECORDING_SITE,
    CURRENT,
    WIDTH,
    DISTANCE,
    TEMPERATURE,
    SUPRAMAXIMAL,
    DISTANCE_TO_RECORDING,
    SITE_POSITION,
    AVERAGES,
    GAIN,
    MONTAGE,
    OPERATOR,
    NO_RESPONSE,
    *MARKS[Modality.MOTOR].values(),
    *MARKS[Modality.SENSORY].values(),
)

# What the electrodes cannot tell, as acquisition context of the object.
SYMPTOM_ONSET: Final = Annotation(
    code="SYMPTOM-ONSET", meaning="Days since the first symptom", kind="number", unit="d"
)
UMN_SIGNS: Final = Annotation(
    code="UMN-SIGNS", meaning="Upper motor neuron signs", kind="text", values=("Y", "N", "U")
)
ANTI_GM1: Final = Annotation(
    code="ANTI-GM1", meaning="Anti-GM1 IgM antibodies", kind="text", values=("POS", "NEG")
)
CSF_PROTEIN: Final = Annotation(code="CSF-PROTEIN", meaning="Protein in CSF", kind="number", unit="g/L")
PLEXUS_MRI: Final = Annotation(
    code="PLEXUS-MRI", meaning="Plexus MRI abnormal", kind="text", values=("Y", "N", "U")
)
IVIG_RESPONSE: Final = Annotation(
    code="IVIG-RESPONSE", meaning="Response to IVIg", kind="text", values=("Y", "N", "U")
)
CONTEXT: Final = (NERVE, SYMPTOM_ONSET, UMN_SIGNS, ANTI_GM1, CSF_PROTEIN, PLEXUS_MRI, IVIG_RESPONSE)
