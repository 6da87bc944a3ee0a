"""What was chosen wrongly on the cart, or went wrong, and how an operator puts it right.

A correction names one recording by its identity and never changes it: `Study.recordings` stay as the cart
sent them, what counts are the recordings in force. The last word about a recording counts; an amendment says
all that is wrong with it, so that none depends on an earlier one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from gateway.domain.recording import Recording

# Closed sets: what an operator would write in words of his own could name the patient.
AmendReason = Literal["wrong_side", "wrong_nerve", "wrong_muscle", "wrong_site", "wrong_distance", "other"]
ExcludeReason = Literal["artefact", "duplicate", "wrong_patient", AmendReason]

AmendedName = Literal[
    "nerve",
    "side",
    "recording_site",
    "stimulation_site",
    "site_position_mm",
    "distance_mm",
    "distance_to_recording_mm",
]
Changes = Mapping[AmendedName, str | float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingAmended:
    """An operator says where a recording was made in truth, and why; no changes, no reason: as recorded.

    `changes` hold a `Side` under `side`; a length that is None there is not known.
    """

    identity: str
    changes: Changes
    reason: AmendReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingExcluded:
    """An operator says that a recording must not count, and why; None: it counts after all."""

    identity: str
    reason: ExcludeReason | None


Correction = RecordingAmended | RecordingExcluded


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """Why a recording in force is not as the cart sent it, and what the cart had sent."""

    reason: AmendReason
    as_recorded: Changes


def amended(recording: Recording, changes: Changes) -> Recording:
    """The recording with `changes`; DataError where one is impossible."""
    values: dict[AmendedName, Any] = dict(changes)
    return replace(recording, **values) if values else recording


def differing(recording: Recording, changes: Changes) -> Changes:
    """Those of `changes` that say something else than the recording does."""
    return {name: value for name, value in changes.items() if getattr(recording, name) != value}
