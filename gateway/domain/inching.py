"""Positions along a nerve: which of them are inching steps, and which only say where a named site lies.

By the Study document a position marks an inching step beyond its named site. Carts that measure every site
from the electrode send one with the named sites too; taken for steps, those would have no named site to
begin at, and a whole forearm would seem to reach into the elbow.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from gateway.domain.recording import Modality, Recording
from gateway.domain.sites import Evoked


def with_named_sites(nerve_recordings: Iterable[Evoked]) -> list[Evoked]:
    """The recordings of one nerve and side, in their order, the named sites among them without a position.

    Where every CMAP of a muscle has a position, the most distal one filed under a name is that named site
    itself, and its position the distance to the electrode. Where one has none, positions mark steps.
    """
    entries = list(nerve_recordings)
    most_distal = _most_distal_mm(entry.recording for entry in entries)
    return [_named(entry, most_distal) for entry in entries] if most_distal else entries


def _most_distal_mm(recordings: Iterable[Recording]) -> dict[tuple[str, str], float]:
    """By muscle and named site the least position, of muscles where every recording has one."""
    positions: defaultdict[str, list[tuple[str, float | None]]] = defaultdict(list)
    for recording in recordings:
        if recording.modality is Modality.MOTOR:
            where = recording.stimulation_site, recording.site_position_mm
            positions[recording.recording_site].append(where)
    found: dict[tuple[str, str], float] = {}
    for muscle, measured in positions.items():
        known = [(site, position) for site, position in measured if position is not None]
        if len(known) == len(measured):
            for site, position in known:
                found[muscle, site] = min(position, found.get((muscle, site), position))
    return found


def _named(entry: Evoked, most_distal_mm: dict[tuple[str, str], float]) -> Evoked:
    recording = entry.recording
    position = recording.site_position_mm
    least = most_distal_mm.get((recording.recording_site, recording.stimulation_site))
    if position is None or recording.modality is not Modality.MOTOR or position != least:
        return entry
    to_electrode = recording.distance_to_recording_mm or position
    at_site = replace(recording, site_position_mm=None, distance_to_recording_mm=to_electrode or None)
    return replace(entry, recording=at_site)
