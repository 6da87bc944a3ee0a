"""One nerve and side at a time: which recordings of the study count, and what comparing them shows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.domain.anatomy import Anatomy
from gateway.domain.corrections import Correction
from gateway.domain.recording import Recording
from gateway.domain.segments import Segment, motor_sites, segments
from gateway.domain.sites import Evoked
from gateway.domain.study import DetailStated, Fact, NerveKey, Study, completed
from gateway.domain.thresholds import Thresholds
from gateway.domain.watched import watched


@dataclass(frozen=True, slots=True, kw_only=True)
class NerveStudy:
    """One nerve and side: every recording in force in order of arrival, and what follows.

    `known` are the recordings with what operators stated about them.
    """

    known: tuple[Evoked, ...] = ()
    sites: tuple[Evoked, ...] = ()
    segments: tuple[Segment, ...] = ()


def corrected(entry: Evoked, study: Study) -> Evoked:
    """A marked recording of the study as it was amended, and with what was stated about it."""
    recording = completed(study.corrected(entry.recording), study.details)
    if recording is entry.recording:
        return entry
    return replace(entry, recording=recording, amendment=study.amendment(entry.recording))


def by_nerve(marked: Iterable[Evoked], study: Study) -> dict[NerveKey, list[Evoked]]:
    """What counts of each nerve; none where nothing does."""
    found: dict[NerveKey, list[Evoked]] = {}
    for entry in marked:
        if study.exclusion(entry.recording) is None:
            known = corrected(entry, study)
            found.setdefault(_nerve(known.recording), []).append(known)
    return found


def _nerve(recording: Recording) -> NerveKey:
    return recording.nerve, recording.side


def compare(known: Sequence[Evoked], anatomy: Anatomy, thresholds: Thresholds) -> NerveStudy:
    """Pick the used recording of each site and compare neighbouring sites, muscle by muscle."""
    seen = watched(known, anatomy, thresholds)
    by_muscle = motor_sites(seen, anatomy, thresholds)
    return NerveStudy(
        known=tuple(seen),
        sites=tuple(entry for sites in by_muscle.values() for entry in sites),
        segments=tuple(
            entry for sites in by_muscle.values() for entry in segments(sites, anatomy, thresholds)
        ),
    )


def touched(study: Study, fact: Fact) -> Iterator[NerveKey]:
    """The nerves that a fact is about."""
    if isinstance(fact, DetailStated):
        yield fact.nerve, fact.side
    elif isinstance(fact, Recording):
        yield _nerve(study.corrected(fact))
    elif isinstance(fact, Correction):
        for recording in study.recordings:
            if recording.identity == fact.identity:
                yield _nerve(study.corrected(recording))
