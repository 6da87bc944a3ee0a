"""Fibres that leave a nerve and reach its muscle off its course: the accessory fibular nerve.

It runs behind the lateral malleolus to extensor digitorum brevis. Stimulation at the ankle misses its fibres,
that at the knee does not, so the proximal response is the larger one. A response from behind the malleolus
over the same muscle shows the branch; no limit of its height is published, so any that is sure counts.
"""

from collections.abc import Iterable

from gateway.domain.sites import Evoked


def accessory_branch(entries: Iterable[Evoked]) -> bool | None:
    """Whether a branch answers at its sites (used recordings); None: not stimulated, or it cannot be told."""
    found: bool | None = None
    for entry in entries:
        if entry.amplitude is None or entry.flagged("uncertain_response"):
            continue
        if entry.amplitude > 0:
            return True
        if not entry.submaximal:
            found = False
    return found
