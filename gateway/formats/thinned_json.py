"""A recording as the journal keeps it: as in a Study document, or with what is kept of a curve given up.

`thinned` then stands in the place of `waveform`: our marks, their standard errors, what was wrong with the
sweep, and the negative phase of a CMAP. No document that comes from outside has it.
"""

from typing import Any

from gateway.domain.quality import Quality, known_quality
from gateway.domain.recording import Marking, Modality, Recording, Thinned
from gateway.errors import DataError
from gateway.formats.study_json import (
    recording_object,
    recording_of,
    response_object,
    response_of,
    waveform_object,
    waveform_of,
)
from gateway.formats.study_shapes import JournaledShape, QualityShape, ThinnedShape, shaped


def journaled_object(recording: Recording) -> dict[str, Any]:
    """The keys of a recording in the journal; `decode_journaled` gives the same recording back."""
    found, thinned = recording_object(recording), recording.thinned
    if thinned is None:
        return found
    marking, phase = thinned.marking, thinned.negative_phase
    kept = {
        "marks": None if marking.response is None else response_object(marking.response),
        "errors": dict(marking.errors),
        "watched_ms": marking.watched_ms,
        "quality": [QualityShape(name=e.name, value=e.value, subject=e.subject) for e in marking.quality],
        "negative_phase": None if phase is None else waveform_object(phase),
    }
    return found | {"thinned": kept}


def decode_journaled(data: bytes) -> Recording:
    """A recording from the form `journaled_object` gave it; DataError names what is wrong, and where."""
    parsed = shaped(data, JournaledShape)
    try:
        thinned = None if parsed.thinned is None else _thinned(Modality(parsed.modality), parsed.thinned)
    except DataError as error:
        raise error.within("thinned") from error
    return recording_of(parsed, thinned=thinned)


def _thinned(modality: Modality, parsed: ThinnedShape) -> Thinned:
    marking = Marking(
        response=response_of(modality, parsed.marks),
        errors=parsed.errors,
        quality=tuple(_quality(entry) for entry in parsed.quality),
        watched_ms=parsed.watched_ms,
    )
    return Thinned(marking=marking, negative_phase=waveform_of(parsed.negative_phase))


def _quality(parsed: QualityShape) -> Quality:
    quality = Quality(parsed.name, parsed.value, parsed.subject)
    if not known_quality(quality):
        raise DataError("a code that this gateway does not know", "quality")
    return quality
