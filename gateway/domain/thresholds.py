"""The numbers of the gates and flags: each with where it comes from and how sure that is.

They are data (`config/thresholds.toml`). Most are engineering settings without a published authority; a
laboratory that knows better puts its own file beside the shipped one.
"""

from dataclasses import dataclass

from gateway.domain.norms import Status


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
