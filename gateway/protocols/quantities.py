"""The codes of measured quantities (system 99EMGGW), as LIS, DICOM and HL7 carry them.

LOINC stands beside a code where one is known to exist; no other LOINC code was found, none is invented.
Units are UCUM.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.domain.recording import Modality


@dataclass(frozen=True, slots=True)
class Quantity:
    """One measured quantity: its code, its text, its unit and the field of the marks that holds it."""

    code: str
    text: str
    unit: str
    field: str
    loinc: str | None = None


MOTOR: Final = (
    Quantity("CMAP-LAT", "CMAP onset latency", "ms", "onset_latency_ms"),
    Quantity("CMAP-AMP", "CMAP amplitude, baseline to negative peak", "mV", "amplitude_mv", "98713-1"),
    Quantity("CMAP-PPA", "CMAP amplitude, peak to peak", "mV", "peak_to_peak_mv"),
    Quantity("CMAP-AREA", "CMAP negative-peak area", "mV.ms", "negative_area_mv_ms"),
    Quantity("CMAP-DUR", "CMAP negative-peak duration", "ms", "negative_duration_ms"),
    Quantity("CMAP-TDUR", "CMAP total duration", "ms", "total_duration_ms"),
)
SENSORY: Final = (
    Quantity("SNAP-LAT", "SNAP onset latency", "ms", "onset_latency_ms"),
    Quantity("SNAP-PLAT", "SNAP peak latency", "ms", "peak_latency_ms"),
    Quantity("SNAP-AMP", "SNAP amplitude, baseline to negative peak", "uV", "amplitude_uv", "98698-4"),
    Quantity("SNAP-PPA", "SNAP amplitude, peak to peak", "uV", "peak_to_peak_uv"),
)
# Beside the codes that HL7 messages carry: what else a machine can mark, named in the same way.
_ALSO_MOTOR: Final = (Quantity("CMAP-PLAT", "CMAP peak latency", "ms", "peak_latency_ms"),)
_ALSO_SENSORY: Final = (
    Quantity("SNAP-DUR", "SNAP negative-peak duration", "ms", "negative_duration_ms"),
    Quantity("SNAP-TDUR", "SNAP total duration", "ms", "total_duration_ms"),
)
NO_RESPONSE_CODE: Final = "NORESP"


def of(modality: Modality) -> tuple[Quantity, ...]:
    """The quantities a recording of this modality can carry, in the order they are sent."""
    return MOTOR if modality is Modality.MOTOR else SENSORY


def by_code(quantities: Iterable[Quantity]) -> dict[str, Quantity]:
    """The same quantities, found by code."""
    return {quantity.code: quantity for quantity in quantities}


MACHINE_MARKS: Final = {
    Modality.MOTOR: by_code((*MOTOR, *_ALSO_MOTOR)),
    Modality.SENSORY: by_code((*SENSORY, *_ALSO_SENSORY)),
}
