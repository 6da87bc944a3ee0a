"""The numbers of the gates and flags: each with where it comes from and how sure that is.

They are data (`config/thresholds.toml`). Most are engineering settings without a published authority; a
laboratory that knows better puts its own file beside the shipped one.
"""

from dataclasses import dataclass
from typing import Final

from gateway.domain.norms import Status
from gateway.domain.plausibility import Range, check_number
from gateway.errors import DataError

_PERCENT: Final = Range(most=100.0)
_SKIN_C: Final = Range(least=20.0, most=40.0, from_least=True)
_PROTEIN_G_L: Final = Range(most=10.0)
_POSSIBLE: Final = {
    "dispersion_percent": Range(most=500.0),
    "proximal_larger_percent": _PERCENT,
    "machine_points": _PERCENT,
    "electrode_drift_percent": _PERCENT,
    "plateau_percent": _PERCENT,
    "martin_gruber_gain_mv": Range(most=50.0),
    "martin_gruber_gain_percent": _PERCENT,
    "martin_gruber_excluded_percent": _PERCENT,
    "upper_limb_c": _SKIN_C,
    "lower_limb_c": _SKIN_C,
    "acute_onset_days": Range(most=365.0),
    "latency_distance_mm": Range(most=1000.0, from_least=True),
    "csf_protein_raised_g_l": _PROTEIN_G_L,
    "csf_protein_below_g_l": _PROTEIN_G_L,
    "side_difference_percent": _PERCENT,
    "slowest_conduction_m_s": Range(most=100.0),
    "latest_distal_onset_ms": Range(most=100.0),
    "longest_segment_mm": Range(most=1000.0),
    "usual_sensory_distance_mm": Range(most=1000.0),
}
# Two numbers of which the first must be smaller.
_ASCENDING: Final = (
    ("martin_gruber_excluded_percent", "martin_gruber_gain_percent"),
    ("csf_protein_raised_g_l", "csf_protein_below_g_l"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """One number; its unit stands in the name it goes by."""

    value: float
    source: str
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What gates and flags compare with. Percentages are rounded half up to one decimal first.

    `dispersion_percent`: a duration increase above it is temporal dispersion. `proximal_larger_percent`: a
    proximal amplitude higher by more is no block and has no velocity. `machine_points`: half the 95 %
    interval of a change between marks of a machine, in percentage points. `electrode_drift_percent`: a
    larger change at one current points at the electrode. `plateau_percent`: a last step of current that adds
    this much is no plateau. `martin_gruber_*`: the median gain that shows an anastomosis (in mV and of the
    ulnar loss), and below which there is none. `*_limb_c`: skin colder than this is cold.
    `acute_onset_days`: symptoms younger than this may be an axonal lesion. `latency_distance_mm`: how far
    from the distance of its table a latency may be judged. `csf_protein_*_g_l`: raised, but below.
    `side_difference_percent`: amplitudes of the two sides that differ by more are told.
    `slowest_conduction_m_s`, `latest_distal_onset_ms`, `longest_segment_mm`, `usual_sensory_distance_mm`: how
    long a sweep must be watched before it may be said that nothing answered; the lengths are taken where none
    was recorded.
    """

    dispersion_percent: Threshold
    proximal_larger_percent: Threshold
    machine_points: Threshold
    electrode_drift_percent: Threshold
    plateau_percent: Threshold
    martin_gruber_gain_mv: Threshold
    martin_gruber_gain_percent: Threshold
    martin_gruber_excluded_percent: Threshold
    upper_limb_c: Threshold
    lower_limb_c: Threshold
    acute_onset_days: Threshold
    latency_distance_mm: Threshold
    csf_protein_raised_g_l: Threshold
    csf_protein_below_g_l: Threshold
    side_difference_percent: Threshold
    slowest_conduction_m_s: Threshold
    latest_distal_onset_ms: Threshold
    longest_segment_mm: Threshold
    usual_sensory_distance_mm: Threshold

    def __post_init__(self) -> None:
        for name, possible in _POSSIBLE.items():
            check_number(self._value(name), possible, f"{name}.value")
        for lower, upper in _ASCENDING:
            if not self._value(lower) < self._value(upper):
                raise DataError(f"must be below {upper}", f"{lower}.value")

    def _value(self, name: str) -> float:
        threshold: Threshold = getattr(self, name)
        return threshold.value
