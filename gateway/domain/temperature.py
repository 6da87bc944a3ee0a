"""Cold limbs: a cold nerve conducts slowly, its responses are longer and higher, a block may hide."""

from gateway.domain.anatomy import Anatomy
from gateway.domain.recording import Recording
from gateway.domain.thresholds import Threshold, Thresholds


def cold(recording: Recording, anatomy: Anatomy, thresholds: Thresholds) -> bool | None:
    """Whether the skin was colder than its limb should be; None where nobody measured it."""
    if recording.skin_temperature_c is None:
        return None
    return recording.skin_temperature_c < warm_from(recording, anatomy, thresholds).value


def warm_from(recording: Recording, anatomy: Anatomy, thresholds: Thresholds) -> Threshold:
    """The temperature below which the limb of a recording is cold, C."""
    upper = anatomy.nerves[recording.nerve].limb == "upper"
    return thresholds.upper_limb_c if upper else thresholds.lower_limb_c
