"""The patients the simulator can be, each with the one line that is true about it.

A scenario changes the normal body where the disease is, and says how the examination went. Every truth holds
for every seed: seeds change the person, not the disease.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from drivers.simulator import body
from drivers.simulator.nerve import Innervation, Lesion, Path
from drivers.simulator.patient import WARM_C, Stimulation
from gateway.domain.study import ClinicalFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientScenario:
    """A patient and an examination.

    `unrest` multiplies the noise of muscles that do not relax; `clinical` is what the electrodes cannot tell.
    """

    name: str
    truth: str
    innervations: tuple[Innervation, ...] = body.NORMAL
    protocol: tuple[Stimulation, ...]
    arm_c: float = WARM_C["arm"]
    leg_c: float = WARM_C["leg"]
    unrest: float = 1.0
    clinical: ClinicalFacts = field(default_factory=ClinicalFacts)


def _series(recording_site: str, nerve: str, *sites: str) -> tuple[Stimulation, ...]:
    return tuple(Stimulation(recording_site=recording_site, nerve=nerve, site=site) for site in sites)


# Motor before sensory, arm before leg, each nerve from the wrist or ankle upward.
ROUTINE: Final = (
    *_series("apb", "median", "wrist", "elbow", "axilla"),
    *_series("adm", "ulnar", "wrist", "below_elbow", "above_elbow", "axilla"),
    *_series("edb", "fibular", "ankle", "below_fibular_head", "above_fibular_head"),
    *_series("ah", "tibial", "ankle", "popliteal_fossa"),
    *_series("digit_2", "median", "wrist"),
    *_series("digit_5", "ulnar", "wrist"),
    *_series("snuffbox", "superficial_radial", "forearm"),
    *_series("ankle", "sural", "calf"),
)


def _with(*changed: Innervation) -> tuple[Innervation, ...]:
    """The normal body with the innervations of some electrodes changed."""
    by_site = {innervation.recording_site: innervation for innervation in changed}
    return tuple(by_site.get(normal.recording_site, normal) for normal in body.NORMAL)


def _with_lesion(innervation: Innervation, site: str, lesion: Lesion) -> Innervation:
    """The same nerve with a lesion just below `site`."""
    paths = tuple(
        Path(
            nerve=path.nerve,
            stretches=tuple(
                replace(stretch, lesion=lesion) if stretch.site == site else stretch
                for stretch in path.stretches
            ),
        )
        for path in innervation.paths
    )
    return replace(innervation, paths=paths)


def _at_current(protocol: Sequence[Stimulation], too_low: Stimulation) -> tuple[Stimulation, ...]:
    """The same examination with one stimulation left at a current that is too low."""
    supramaximal = replace(too_low, current_ma=None)
    return tuple(too_low if stimulation == supramaximal else stimulation for stimulation in protocol)


_BLOCK: Final = Lesion(block=0.7)
# The few motor units left conduct unequally fast and add up less the farther they travel: an apparent drop,
# though every impulse arrives (modelling choice).
_UNEQUAL: Final = Lesion(dispersion_ms=5.0)

SCENARIOS: Final = (
    PatientScenario(
        name="normal",
        truth="a healthy adult: everything within its limits, no reduction of note",
        protocol=ROUTINE,
    ),
    PatientScenario(
        name="block-forearm",
        truth="conduction block of the right median nerve in the forearm (about 70 %), sensory nerves normal",
        innervations=_with(_with_lesion(body.APB, "elbow", _BLOCK)),
        protocol=ROUTINE,
        clinical=ClinicalFacts(symptom_onset_days=400, umn_signs=False, anti_gm1_igm="positive"),
    ),
    PatientScenario(
        name="dispersion",
        truth="temporal dispersion of the right median nerve in the forearm: amplitude falls, area holds",
        innervations=_with(_with_lesion(body.APB, "elbow", Lesion(dispersion_ms=7.5, slowing_ms=1.0))),
        protocol=ROUTINE,
    ),
    PatientScenario(
        name="cts",
        truth="carpal tunnel syndrome: slow median nerve at the wrist, motor and sensory, and nowhere else",
        innervations=_with(
            replace(
                _with_lesion(body.APB, "wrist", Lesion(slowing_ms=2.0, dispersion_ms=0.5)), axon_loss=0.45
            ),
            replace(
                _with_lesion(body.DIGIT_2, "wrist", Lesion(slowing_ms=1.4, dispersion_ms=0.3)), axon_loss=0.55
            ),
        ),
        protocol=ROUTINE,
    ),
    PatientScenario(
        name="ulnar-elbow",
        truth="ulnar neuropathy at the elbow: block and slowing across the elbow only, SNAP low",
        innervations=_with(
            _with_lesion(body.ADM, "above_elbow", Lesion(block=0.65, slowing_ms=1.8)),
            replace(body.DIGIT_5, axon_loss=0.8),
        ),
        protocol=ROUTINE,
    ),
    PatientScenario(
        name="als-low-cmap",
        truth="motor axon loss without block: distal hand CMAPs below 1 mV, so that ratios mean nothing",
        innervations=_with(
            replace(_with_lesion(body.APB, "elbow", _UNEQUAL), axon_loss=0.965, sprouting=1.3),
            replace(_with_lesion(body.ADM, "below_elbow", _UNEQUAL), axon_loss=0.97, sprouting=1.2),
            replace(body.EDB, axon_loss=0.8, sprouting=1.6),
            replace(body.AH, axon_loss=0.6, sprouting=1.4),
        ),
        protocol=ROUTINE,
        unrest=6.0,
        clinical=ClinicalFacts(symptom_onset_days=300, umn_signs=True),
    ),
    PatientScenario(
        name="martin-gruber",
        truth="healthy Martin-Gruber anastomosis: part of ADM is reached from the median nerve at the elbow",
        innervations=_with(
            replace(body.ADM, paths=(body.ULNAR_BESIDE_DETOUR, body.MARTIN_GRUBER_DETOUR), crossing=0.6)
        ),
        protocol=(*ROUTINE[:7], *_series("adm", "median", "wrist", "elbow"), *ROUTINE[7:]),
    ),
    PatientScenario(
        name="submaximal",
        truth="healthy, but the median nerve was stimulated too weakly at the elbow: no block",
        protocol=_at_current(
            ROUTINE, Stimulation(recording_site="apb", nerve="median", site="elbow", current_ma=13.0)
        ),
    ),
    PatientScenario(
        name="cold-limb",
        truth="healthy, but the arm is at 27 C: slow and long responses, no block",
        protocol=ROUTINE,
        arm_c=27.0,
    ),
)
