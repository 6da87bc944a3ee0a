"""Median fibres that reach ulnar muscles: the anastomosis that looks like a block of the ulnar forearm.

Fibres that leave the median nerve in the forearm answer at the ulnar wrist and not at the ulnar elbow.
Stimulating the median nerve at wrist and elbow over the same ulnar muscle tells: what the elbow gains over
the wrist is what the ulnar forearm loses. Described by muscle as type I (hypothenar), II (first dorsal
interosseous) and III (thenar).
"""

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.domain.recording import Side
from gateway.domain.rounding import MILLIVOLT_DECIMALS, PERCENT_DECIMALS, half_up, quotient, scaled
from gateway.domain.segments import Segment
from gateway.domain.sites import Evoked
from gateway.domain.thresholds import Thresholds

_NERVE: Final = "ulnar"
_FOREARM: Final = ("wrist", "below_elbow")
# Where the median nerve has to be stimulated, recording the ulnar muscle.
TESTED_FROM: Final = ("median", ("wrist", "elbow"))


class Crossover(enum.StrEnum):
    """What the median stimulation over an ulnar muscle shows."""

    EXCLUDED = "martin_gruber_excluded"
    NOT_EXCLUDED = "martin_gruber_not_excluded"
    DEMONSTRATED = "martin_gruber_demonstrated"


@dataclass(frozen=True, slots=True)
class MedianOverUlnar:
    """The median responses over each ulnar muscle, by side and muscle, then site."""

    responses: Mapping[tuple[Side, str], Mapping[str, Evoked]]

    @classmethod
    def of(cls, sites: Iterable[Evoked]) -> "MedianOverUlnar":
        """From the used recordings of a study; a response that could not be marked was not recorded."""
        nerve, where = TESTED_FROM
        found: dict[tuple[Side, str], dict[str, Evoked]] = {}
        for entry in sites:
            recording = entry.recording
            if recording.nerve != nerve:
                continue
            named = recording.stimulation_site in where and recording.site_position_mm is None
            if named and entry.amplitude is not None:
                muscle = found.setdefault((recording.side, recording.recording_site), {})
                muscle[recording.stimulation_site] = entry
        return cls(found)

    def answers(self, segment: Segment) -> Mapping[str, Evoked]:
        """The median responses over the muscle of a segment, by site."""
        return self.responses.get((segment.side, segment.recording_site), {})

    def gain_mv(self, segment: Segment) -> float | None:
        """By how much the elbow answers more than the wrist; None where one was not stimulated."""
        answers = self.answers(segment)
        wrist, elbow = (answers[site].amplitude if site in answers else None for site in TESTED_FROM[1])
        return None if wrist is None or elbow is None else half_up(elbow - wrist, MILLIVOLT_DECIMALS)


def concerns(segment: Segment) -> bool:
    """Whether an anastomosis could imitate a block here: the ulnar forearm, inching included."""
    return segment.nerve == _NERVE and segment.course.ends == _FOREARM


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What the median nerve gains against what the ulnar loses, and what follows.

    None: not tested, or an end has no known amplitude; `percent`: gain of loss, where there is a loss.
    `too_weak`: the median site whose stimulus was too weak to tell.
    """

    known: Crossover
    gain_mv: float | None = None
    loss_mv: float | None = None
    percent: float | None = None
    too_weak: str | None = None


def crossover(segment: Segment, median: MedianOverUlnar, thresholds: Thresholds) -> Crossover:
    """What is known of an anastomosis in an ulnar forearm segment.

    Demonstrated by a gain of at least 1 mV and 60 % of the ulnar loss, excluded by one below 20 %.
    """
    return exchange(segment, median, thresholds).known


def exchange(segment: Segment, median: MedianOverUlnar, thresholds: Thresholds) -> Exchange:
    """The numbers `crossover` rests on."""
    gain_mv = median.gain_mv(segment)
    distal_mv, proximal_mv = segment.distal.amplitude, segment.proximal.amplitude
    if gain_mv is None or distal_mv is None or proximal_mv is None:
        return Exchange(known=Crossover.NOT_EXCLUDED)
    loss_mv = half_up(distal_mv - proximal_mv, MILLIVOLT_DECIMALS)
    percent = quotient(scaled(gain_mv, 2), loss_mv, PERCENT_DECIMALS) if loss_mv > 0 else None
    # Any gain is more than an ulnar response loses that does not fall.
    known = _known(gain_mv, math.inf if percent is None else percent, thresholds)
    # Too weak at the elbow hides fibres that cross over, too weak at the wrist feigns some.
    doubtful = {Crossover.EXCLUDED: "elbow", Crossover.DEMONSTRATED: "wrist"}.get(known)
    too_weak = doubtful if doubtful and median.answers(segment)[doubtful].submaximal else None
    return Exchange(
        known=Crossover.NOT_EXCLUDED if too_weak else known,
        gain_mv=gain_mv,
        loss_mv=loss_mv,
        percent=percent,
        too_weak=too_weak,
    )


def _known(gain_mv: float, percent: float, thresholds: Thresholds) -> Crossover:
    if gain_mv <= 0:
        return Crossover.EXCLUDED
    enough = gain_mv >= thresholds.martin_gruber_gain_mv.value
    if enough and percent >= thresholds.martin_gruber_gain_percent.value:
        return Crossover.DEMONSTRATED
    excluded = percent < thresholds.martin_gruber_excluded_percent.value
    return Crossover.EXCLUDED if excluded else Crossover.NOT_EXCLUDED
