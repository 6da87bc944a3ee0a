"""One HL7 message of each kind this product sends, of a patient who does not exist: always the same.

Those who connect an engine try it with them, the conformance statement shows them, and at each start they
are what the structure of a destination's messages is checked by. They say that they are simulated (MSH-11 T).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    Recording,
    Response,
    SensoryMarks,
    Side,
    Stimulus,
    Waveform,
)
from gateway.domain.study import Device, Order, Patient, Study, StudyHeader
from gateway.pipeline.stages import Reference, assessment, examine
from gateway.protocols import er7
from gateway.protocols.numbering import Numbering
from gateway.protocols.oru import MessageHeader, encode, encode_wrong_patient

_CODE: Final = "SAMPLE22"
_ENDED: Final = datetime(2026, 11, 2, 9, 40, tzinfo=UTC)
_HEADER: Final = StudyHeader(
    study_id="SAMPLE-1",
    performed_at="2026-11-02T10:15:00+01:00",
    patient=Patient(id="SAMPLE-1", family="Sample", given="Zoë", birth_date="1971-03-05", sex="F"),
    device=Device(manufacturer="emg-gateway", model="sample"),
    order=Order(placer="ORDER-1"),
    simulated=True,
)


def _recording(nerve: str, recorded: str, site: str, measured: Response, *, distance_mm: float) -> Recording:
    motor = not isinstance(measured, SensoryMarks)
    return Recording(
        modality=Modality.MOTOR if motor else Modality.SENSORY,
        nerve=nerve,
        side=Side.RIGHT,
        recording_site=recorded,
        stimulation_site=site,
        recorded_at="2026-11-02T10:16:03+01:00",
        skin_temperature_c=33.1,
        stimulus=Stimulus(intensity_ma=38.0, duration_ms=0.2, supramaximal=True) if motor else Stimulus(),
        distance_mm=distance_mm,
        measured=measured,
    )


def _cmap(latency_ms: float, amplitude_mv: float, area_mv_ms: float, duration_ms: float) -> MotorMarks:
    return MotorMarks(
        onset_latency_ms=latency_ms,
        amplitude_mv=amplitude_mv,
        negative_area_mv_ms=area_mv_ms,
        negative_duration_ms=duration_ms,
    )


def _snap(onset_ms: float, peak_ms: float, amplitude_uv: float) -> SensoryMarks:
    return SensoryMarks(onset_latency_ms=onset_ms, peak_latency_ms=peak_ms, amplitude_uv=amplitude_uv)


_MEDIAN: Final = (
    _recording("median", "apb", "wrist", _cmap(3.4, 9.0, 28.0, 6.0), distance_mm=70.0),
    _recording("median", "apb", "elbow", _cmap(7.4, 3.0, 9.5, 6.4), distance_mm=220.0),
)
_MEDIAN_AGAIN: Final = _recording("median", "apb", "elbow", _cmap(7.3, 8.6, 27.0, 6.3), distance_mm=220.0)
_ULNAR: Final = (
    _recording("ulnar", "adm", "wrist", _cmap(2.9, 9.0, 28.0, 6.0), distance_mm=70.0),
    _recording("ulnar", "adm", "below_elbow", _cmap(6.7, 4.2, 13.0, 6.5), distance_mm=220.0),
)
_REST: Final = (
    _recording("fibular", "edb", "ankle", NO_RESPONSE, distance_mm=80.0),
    _recording("median", "digit_2", "wrist", _snap(2.6, 3.3, 24.0), distance_mm=140.0),
    _recording("ulnar", "digit_5", "wrist", _snap(2.4, 3.1, 6.0), distance_mm=140.0),
)
# 12 ms at 5 kHz in steps of 10 uV: the CMAP of the wrist, drawn by hand.
_SWEEP: Final = Waveform(
    sampling_rate_hz=5000.0,
    start_ms=0.0,
    microvolts_per_count=10.0,
    samples=np.array(
        [0] * 17
        + [
            90,
            310,
            560,
            750,
            860,
            900,
            880,
            820,
            740,
            650,
            560,
            470,
            380,
            300,
            230,
            170,
            120,
            80,
            50,
            20,
            0,
            -60,
            -140,
            -210,
            -250,
            -270,
            -260,
            -230,
            -190,
            -150,
            -120,
            -90,
            -70,
            -50,
            -35,
            -25,
            -15,
            -10,
            -5,
            0,
            0,
            0,
            0,
        ],
        dtype=np.int32,
    ),
)
_WITH_SWEEP: Final = replace(_MEDIAN[0], waveform=_SWEEP)

# What each kind tells, in the order they would follow one another; the conformance statement prints it.
KINDS: Final[Mapping[str, str]] = {
    "interim": "the median nerve is recorded, the examination goes on (destinations with `interim = true`)",
    "final": "the examination has ended: a block, a finding in doubt, no response, normal and abnormal SNAPs",
    "corrected": "the median nerve was stimulated again after the end: the block is gone, its numbers stay",
    "withdrawn": "the ulnar motor recordings were taken back: what was said of them is withdrawn (`D`)",
    "waveform": "the sweep of the wrist came too (destinations with `waveforms = true`)",
    "wrong-patient": "the study is another patient's: all of it is taken from this one (`W`)",
}
_RECORDINGS: Final[Mapping[str, tuple[Recording, ...]]] = {
    "interim": _MEDIAN,
    "final": (*_MEDIAN, *_ULNAR, *_REST),
    "corrected": (*_MEDIAN[:1], _MEDIAN_AGAIN, *_ULNAR, *_REST),
    "withdrawn": (*_MEDIAN[:1], _MEDIAN_AGAIN, *_REST),
    "waveform": (_WITH_SWEEP, _MEDIAN_AGAIN, *_REST),
}


_REPORTS: Final = ("interim", "final", "corrected")


def kinds_of(message: bytes) -> tuple[str, ...]:
    """The kinds whose samples a message of ours is like, in what it is built of."""
    observed = er7.parse(message).all("OBX")
    statuses = {entry.text(11) for entry in observed}
    if "W" in statuses:
        return ("wrong-patient",)
    withdrawn = ("withdrawn",) if "D" in statuses else ()
    waveform = ("waveform",) if any(entry.text(2) == "NA" for entry in observed) else ()
    return (*_REPORTS, *withdrawn, *waveform)


def samples(sender: MessageHeader, reference: Reference) -> dict[str, bytes]:
    """A message of each kind as `sender` would send it, without MLLP frames."""
    found: dict[str, bytes] = {}
    numbering = Numbering()
    training = replace(sender, processing_id=None)  # production would refuse what is simulated
    for number, (kind, recordings) in enumerate(_RECORDINGS.items(), start=1):
        study = Study(header=_HEADER, recordings=recordings)
        current = assessment(examine(study, reference), reference)
        found[kind] = encode(
            current,
            study_code=_CODE,
            control_id=f"{_CODE}-{number}",
            sender=replace(training, waveforms=kind == "waveform"),
            created=_ENDED + timedelta(minutes=number),
            numbering=numbering,
            anatomy=reference.anatomy,
        )
        numbering = numbering.extended(current, reference.anatomy)
    found["wrong-patient"] = encode_wrong_patient(
        _HEADER,
        study_code=_CODE,
        control_id=f"{_CODE}-{len(KINDS)}W",
        sender=training,
        created=_ENDED + timedelta(minutes=len(KINDS)),
        numbering=numbering,
    )
    return found
