"""The normal body: the nerves of a healthy adult that an examination visits, on the right side.

Amplitudes, latencies and velocities are set so that the responses lie near the means of healthy people
(Buschbacher 1999, the studies behind Chen et al., Muscle Nerve 2016;54:371-377), well inside their limits;
distances are those of the same techniques. Numbers without a source beside them were chosen to reach that.
"""

from dataclasses import replace
from typing import Final

from drivers.simulator.fibres import Pool, Potential
from drivers.simulator.nerve import Carries, Innervation, Limb, Path, Stretch
from gateway.domain.recording import Modality

# The negative peak of a hand muscle's CMAP lasts 5 to 6 ms: a unit's own, spread by unequal arrival.
_MUSCLE: Final = Potential(negative_ms=4.7, positive_ms=13.0, positive_height=0.25)
_NERVE: Final = Potential(negative_ms=1.1, positive_ms=1.6, positive_height=0.45)
# Motor units: 253 +- 34 thenar (Brown, JNNP 1972;35:845-852), 228 +- 93 thenar and 131 +- 45 EDB by computer
# (Muscle Nerve 1991, PMID 1745288); the others are of that order. The largest are many times the size of the
# smallest (Feasby, Brown, JNNP 1974;37:916): ten times is a modelling choice, as are the sensory fibres'.
_UNIT_SIZES: Final = 10.0
# Spread of velocities: sensory, so that a SNAP from the elbow has 0.6 of the amplitude of one from the wrist
# (ulnar, 0.61 +- 0.08, AJPMR 2008;87:642); motor, so that CMAPs change no more than healthy people's do.
_SENSORY_SPREAD: Final = 0.07
_MOTOR_SPREAD: Final = 0.06
# Enough for a smooth sum; a digital nerve has more, each smaller.
_SENSORY_FIBRES: Final = 300
_FIBRE_SIZES: Final = 4.0


def _muscle(
    site: str, limb: Limb, *, units: int, total_mv: float, velocity_m_s: float, terminal_ms: float, path: Path
) -> Innervation:
    pool = Pool(
        fibres=units,
        total_uv=total_mv * 1000.0,
        largest_to_smallest=_UNIT_SIZES,
        velocity_m_s=velocity_m_s,
        velocity_sd_m_s=_MOTOR_SPREAD * velocity_m_s,
        terminal_ms=terminal_ms,
        terminal_sd_ms=0.3,
        potential=_MUSCLE,
    )
    return Innervation(modality=Modality.MOTOR, recording_site=site, limb=limb, pool=pool, paths=(path,))


def _sensory(site: str, limb: Limb, *, total_uv: float, velocity_m_s: float, path: Path) -> Innervation:
    pool = Pool(
        fibres=_SENSORY_FIBRES,
        total_uv=total_uv,
        largest_to_smallest=_FIBRE_SIZES,
        velocity_m_s=velocity_m_s,
        velocity_sd_m_s=_SENSORY_SPREAD * velocity_m_s,
        terminal_ms=0.15,
        terminal_sd_ms=0.02,
        potential=_NERVE,
    )
    return Innervation(modality=Modality.SENSORY, recording_site=site, limb=limb, pool=pool, paths=(path,))


def _path(nerve: str, *stretches: tuple[str, float, float]) -> Path:
    """The sites of `nerve`, distal first, each with the length up to it in mm and its threshold in mA."""
    return Path(
        nerve=nerve,
        stretches=tuple(
            Stretch(site=site, length_mm=length_mm, threshold_ma=threshold_ma)
            for site, length_mm, threshold_ma in stretches
        ),
    )


APB: Final = _muscle(
    "apb",
    "arm",
    units=240,
    total_mv=10.0,
    velocity_m_s=55.0,
    terminal_ms=2.35,
    path=_path("median", ("wrist", 80, 11), ("elbow", 220, 15), ("axilla", 150, 20)),
)
ADM: Final = _muscle(
    "adm",
    "arm",
    units=280,
    total_mv=11.5,
    velocity_m_s=57.0,
    terminal_ms=1.85,
    path=_path(
        "ulnar", ("wrist", 80, 10), ("below_elbow", 210, 14), ("above_elbow", 100, 14), ("axilla", 110, 19)
    ),
)
EDB: Final = _muscle(
    "edb",
    "leg",
    units=130,
    total_mv=6.5,
    velocity_m_s=46.5,
    terminal_ms=3.1,
    path=_path("fibular", ("ankle", 80, 13), ("below_fibular_head", 310, 17), ("above_fibular_head", 90, 18)),
)
AH: Final = _muscle(
    "ah",
    "leg",
    units=250,
    total_mv=12.0,
    velocity_m_s=47.0,
    terminal_ms=2.8,
    path=_path("tibial", ("ankle", 80, 14), ("popliteal_fossa", 400, 28)),
)
DIGIT_2: Final = _sensory(
    "digit_2", "arm", total_uv=38.0, velocity_m_s=55.0, path=_path("median", ("wrist", 140, 9))
)
DIGIT_5: Final = _sensory(
    "digit_5", "arm", total_uv=31.0, velocity_m_s=54.0, path=_path("ulnar", ("wrist", 140, 9))
)
SNUFFBOX: Final = _sensory(
    "snuffbox", "arm", total_uv=34.0, velocity_m_s=54.0, path=_path("superficial_radial", ("forearm", 100, 8))
)
SURAL: Final = _sensory(
    "ankle", "leg", total_uv=24.0, velocity_m_s=48.0, path=_path("sural", ("calf", 140, 10))
)

NORMAL: Final = (APB, ADM, EDB, AH, DIGIT_2, DIGIT_5, SNUFFBOX, SURAL)

# Martin-Gruber: fibres of the ulnar hand muscles run with the median nerve at the elbow and join the ulnar
# nerve in the forearm. Above the crossing the ulnar nerve carries the others only; the median nerve at the
# wrist carries none.
ULNAR_BESIDE_DETOUR: Final = Path(
    nerve="ulnar",
    stretches=tuple(
        stretch if stretch.site == "wrist" else replace(stretch, carries=Carries.STAYING)
        for stretch in ADM.path("ulnar").stretches
    ),
)
MARTIN_GRUBER_DETOUR: Final = Path(
    nerve="median",
    stretches=(
        Stretch(site="wrist", length_mm=80, threshold_ma=11, carries=Carries.NONE),
        Stretch(site="elbow", length_mm=220, threshold_ma=15, carries=Carries.CROSSING),
    ),
)
