"""Every segment and field of an ORU message as this product sends it: the table its conformance rests on.

Usage and cardinality as in HL7 2.5.1, 2.B (R required, RE required but may be empty, C conditional); a field
that is not here is never sent. Tests hold the table against what is sent and against the standard's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Usage = Literal["R", "RE", "C"]


@dataclass(frozen=True, slots=True)
class SegmentField:
    """One field: its number, HL7's name and type for it, and what is sent in it; `table`: HL7's, as 0085."""

    number: int
    name: str
    type: str
    usage: Usage
    content: str
    table: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSegment:
    """One segment: where it stands in ORU_R01 and how often, and its fields in order."""

    name: str
    title: str
    usage: Usage
    cardinality: str
    fields: tuple[SegmentField, ...]


_MSH: Final = (
    SegmentField(1, "Field Separator", "ST", "R", "`|`"),
    SegmentField(2, "Encoding Characters", "ST", "R", r"`^~\&`"),
    SegmentField(3, "Sending Application", "HD", "RE", "`sending_application`"),
    SegmentField(4, "Sending Facility", "HD", "RE", "`sending_facility`"),
    SegmentField(5, "Receiving Application", "HD", "RE", "`receiving_application`"),
    SegmentField(6, "Receiving Facility", "HD", "RE", "`receiving_facility`"),
    SegmentField(7, "Date/Time Of Message", "TS", "R", "to the second or millisecond, with zone"),
    SegmentField(9, "Message Type", "MSG", "R", "`ORU^R01^ORU_R01`", "0076"),
    SegmentField(10, "Message Control ID", "ST", "R", "1 to 20 characters; the same in every resend"),
    SegmentField(11, "Processing ID", "PT", "R", "`P`; `T` for simulated data", "0103"),
    SegmentField(12, "Version ID", "VID", "R", "`2.5.1`", "0104"),
    SegmentField(15, "Accept Acknowledgment Type", "ID", "C", "`AL` in the enhanced mode", "0155"),
    SegmentField(
        16, "Application Acknowledgment Type", "ID", "C", "`NE` or `AL` in the enhanced mode", "0155"
    ),
    SegmentField(18, "Character Set", "ID", "R", "`charset`", "0211"),
)
_PID: Final = (
    SegmentField(1, "Set ID - PID", "SI", "R", "`1`"),
    SegmentField(3, "Patient Identifier List", "CX", "RE", "the id as the cart has it"),
    SegmentField(5, "Patient Name", "XPN", "R", "family, given; `^^^^^^U` where unknown"),
    SegmentField(7, "Date/Time of Birth", "TS", "RE", "the day"),
    SegmentField(8, "Administrative Sex", "IS", "RE", "`F` `M` `O` `U`", "0001"),
)
_OBR: Final = (
    SegmentField(1, "Set ID - OBR", "SI", "R", "from 1"),
    SegmentField(2, "Placer Order Number", "EI", "RE", "the order, where the cart knows it"),
    SegmentField(3, "Filler Order Number", "EI", "R", "`{study}.{n}`, or `{study}-{f}.{n}`; see below"),
    SegmentField(4, "Universal Service Identifier", "CE", "R", "see below"),
    SegmentField(7, "Observation Date/Time", "TS", "RE", "when the examination was made"),
    SegmentField(20, "Filler Field 1", "ST", "R", "the study's id on the cart"),
    SegmentField(22, "Results Rpt/Status Chng - Date/Time", "TS", "R", "when the message was written"),
    SegmentField(24, "Diagnostic Serv Sect ID", "ID", "R", "`EN`", "0074"),
    SegmentField(25, "Result Status", "ID", "R", "`P`, never `F`", "0123"),
)
_OBX: Final = (
    SegmentField(1, "Set ID - OBX", "SI", "R", "from 1 in each OBR"),
    SegmentField(2, "Value Type", "ID", "R", "`NM` `CWE` `ST`, `NA` for waveforms", "0125"),
    SegmentField(3, "Observation Identifier", "CE", "R", "see below"),
    SegmentField(4, "Observation Sub-ID", "ST", "R", "`n.s` or `n.s.k`; given once and never again"),
    SegmentField(5, "Observation Value", "varies", "C", "empty with `X`, `D` and `W`"),
    SegmentField(6, "Units", "CE", "C", "UCUM, where the code has a unit; empty with `D` and `W`"),
    SegmentField(7, "References Range", "ST", "RE", "`>=10` or `<=4`, where a limit was applied; see below"),
    SegmentField(8, "Abnormal Flags", "IS", "RE", "`N` `L` `H` `A`; empty: not judged", "0078"),
    SegmentField(11, "Observation Result Status", "ID", "R", "`P` `X` `D` `W`, never `F` or `C`", "0085"),
    SegmentField(14, "Date/Time of the Observation", "TS", "RE", "when the curve was recorded"),
    SegmentField(17, "Observation Method", "CE", "C", "who marked it; for `CB-GRADE` the criteria set"),
)
_NTE: Final = (
    SegmentField(1, "Set ID - NTE", "SI", "R", "from 1 behind each OBX"),
    SegmentField(2, "Source of Comment", "ID", "R", "`L`", "0105"),
    SegmentField(
        3, "Comment", "FT", "R", "reasons, pattern, mimics, caveats, thresholds, sources: see below"
    ),
    SegmentField(4, "Comment Type", "CE", "R", "`RE^Remark^HL70364`", "0364"),
)
PROFILE: Final = (
    MessageSegment(name="MSH", title="Message header", usage="R", cardinality="1..1", fields=_MSH),
    MessageSegment(name="PID", title="Patient", usage="RE", cardinality="0..1", fields=_PID),
    MessageSegment(
        name="OBR", title="Summary, then one for each nerve study", usage="R", cardinality="1..*", fields=_OBR
    ),
    MessageSegment(name="OBX", title="Observation", usage="R", cardinality="1..*", fields=_OBX),
    MessageSegment(
        name="NTE",
        title="Remark on the OBX, or the OBR, before it",
        usage="RE",
        cardinality="0..*",
        fields=_NTE,
    ),
)
STATUSES: Final[Mapping[str, str]] = {  # HL7 table 0085, as far as it is sent
    "P": "preliminary: every result, for ever; the physician's final report comes from another system",
    "X": "not obtainable: nothing was evoked, or nothing could be marked",
    "D": "withdrawn: it was sent once and holds no longer",
    "W": "posted to the wrong patient: take it from the patient this message names",
}
