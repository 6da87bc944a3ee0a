"""Where a fuzzer starts: what our own encoders make of a simulated examination, one set for each target."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from drivers.simulator import SIMULATOR
from fuzz.targets import anatomy
from gateway.domain.recording import Recording, Waveform
from gateway.domain.study import ClinicalFacts, Order, Study
from gateway.formats.dicom import FORMAT as DICOM
from gateway.formats.study_json import FORMAT as STUDY_JSON
from gateway.protocols.lis_frames import ENQ, EOT, Frame, cut, encode_frame
from gateway.protocols.lis_records import encode_study

_PERFORMED_AT: Final = "2026-11-02T10:15:00+01:00"
_SAMPLES: Final = 12  # of each sweep: a fuzzer gets further with short seeds
_FRAME_TEXT: Final = 100


def studies() -> Iterator[Study]:
    """One simulated examination of each scenario, cut down to two recordings each."""
    for seed, scenario in enumerate(SIMULATOR.scenarios):
        whole = SIMULATOR.study(scenario.name, seed=seed, performed_at=_PERFORMED_AT)
        header = replace(
            whole.header,
            order=Order(placer="O-1", accession="A-1"),
            clinical=ClinicalFacts(symptom_onset_days=400.0, umn_signs=False, anti_gm1_igm="positive"),
        )
        yield Study(header=header, recordings=tuple(map(_short, whole.recordings[seed::7])))


def _short(recording: Recording) -> Recording:
    waveform = recording.waveform
    if waveform is None:
        return recording
    samples = waveform.samples[:_SAMPLES]
    return replace(
        recording,
        waveform=Waveform(
            sampling_rate_hz=waveform.sampling_rate_hz,
            start_ms=waveform.start_ms,
            microvolts_per_count=waveform.microvolts_per_count,
            samples=samples,
        ),
    )


def seeds(target: str) -> Iterator[bytes]:
    """The documents, streams or scripts that `target` starts from."""
    for study in studies():
        records = [f"{record}\r".encode() for record in encode_study(study)]
        pieces = [piece for record in records for piece in cut(record, _FRAME_TEXT)]
        frames = [encode_frame(Frame(n % 8, *piece)) for n, piece in enumerate(pieces, start=1)]
        match target:
            case "lis_frame":
                yield from frames
            case "lis_link":
                yield b"\x07" + b"".join(frames[:4]) + EOT + ENQ + b"".join(frames[:1])
            case "lis_session":
                yield b"".join(bytes([0 if last else 3, len(text)]) + text for text, last in pieces)
            case "lis_records":
                yield b"\0" + b"".join(records)
            case "lis_file":
                yield b"".join(records)
            case "study_json":
                yield from STUDY_JSON.write(study, anatomy())
            case "dicom":
                yield from DICOM.write(study, anatomy())
