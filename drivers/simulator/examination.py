"""One examination of a virtual patient: what the cart stores, and what is true.

The technologist works through the scenario's protocol, a stimulation every twenty seconds. The study holds
what a cart hands on, curves with noise and printed marks; the truth holds the marks of the noise-free curves.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from drivers.simulator.amplifier import AMPLIFIERS, Amplifier
from drivers.simulator.marks import printed, read_marks
from drivers.simulator.patient import Patient, Stimulation
from drivers.simulator.scenarios import PatientScenario
from gateway.domain import study as domain
from gateway.domain.recording import Modality, Recording, Response, Side, Stimulus
from gateway.errors import UsageError

BETWEEN_STIMULATIONS_S: Final = 20
_PAUSE: Final = timedelta(seconds=BETWEEN_STIMULATIONS_S)
_PULSE_MS: Final = 0.2
# Apart from the nerves' own generators, which are numbered from 0.
_AMPLIFIER_KEY: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The study as the cart has it, and for each of its recordings the noise-free marks, not rounded."""

    study: domain.Study
    truth: tuple[Response, ...]


def examine(scenario: PatientScenario, *, seed: int, performed_at: str) -> Examination:
    """Examine the patient of `scenario`; the same `seed` gives the same patient and the same noise.

    `performed_at` is RFC 3339. Raises UsageError for a seed below 0 or another spelling of time.
    """
    if seed < 0:
        raise UsageError(f"seed {seed}: must be 0 or more")
    begun = _moment(performed_at)
    patient = Patient(scenario.innervations, seed=seed, arm_c=scenario.arm_c, leg_c=scenario.leg_c)
    amplifier_noise = np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_AMPLIFIER_KEY,)))
    )
    recorded = [
        _stimulate(patient, stimulation, scenario.unrest, amplifier_noise)
        for stimulation in scenario.protocol
    ]
    recordings = tuple(
        replace(recording, recorded_at=(begun + number * _PAUSE).isoformat())
        for number, (recording, _) in enumerate(recorded)
    )
    header = _header(scenario, seed, begun, performed_at)
    return Examination(
        study=domain.Study(header=header, recordings=recordings, ended=True),
        truth=tuple(response for _, response in recorded),
    )


def _stimulate(
    patient: Patient, stimulation: Stimulation, unrest: float, rng: np.random.Generator
) -> tuple[Recording, Response]:
    innervation = patient.innervation(stimulation.recording_site)
    amplifier = _amplifier(innervation.modality, unrest)
    clean_uv = patient.response_uv(stimulation, amplifier.times_ms)
    truth = read_marks(innervation.modality, clean_uv, amplifier.times_ms)
    recording = Recording(
        modality=innervation.modality,
        nerve=stimulation.nerve,
        side=Side.RIGHT,
        recording_site=stimulation.recording_site,
        stimulation_site=stimulation.site,
        distance_mm=innervation.path(stimulation.nerve).up_to(stimulation.site)[-1].length_mm,
        skin_temperature_c=patient.skin_c(stimulation.recording_site),
        stimulus=Stimulus(
            intensity_ma=patient.current_ma(stimulation),
            duration_ms=_PULSE_MS,
            supramaximal=stimulation.current_ma is None,
        ),
        filter_hz=amplifier.filter_hz,
        averages=amplifier.averages,
        measured=printed(truth),
        waveform=amplifier.record(clean_uv, rng),
    )
    return recording, truth


def _amplifier(modality: Modality, unrest: float) -> Amplifier:
    amplifier = AMPLIFIERS[modality]
    if modality is Modality.SENSORY:
        return amplifier
    return replace(amplifier, noise_uv_rms=amplifier.noise_uv_rms * unrest)


def _header(scenario: PatientScenario, seed: int, begun: datetime, performed_at: str) -> domain.StudyHeader:
    return domain.StudyHeader(
        study_id=f"SIM-{scenario.name}-{seed}-{begun:%Y%m%d%H%M%S}",
        performed_at=performed_at,
        patient=domain.Patient(
            id=f"SIM-{seed}", family="SIMULATED", given="Patient", birth_date="1970-01-01", sex="U"
        ),
        device=domain.Device(manufacturer="emg-gateway", model="virtual patient", serial=f"SIM-{seed}"),
        clinical=scenario.clinical,
        simulated=True,
    )


def _moment(performed_at: str) -> datetime:
    try:
        moment = datetime.fromisoformat(performed_at)
    except ValueError as error:
        raise UsageError(f"performed_at {performed_at!r}: must be RFC 3339") from error
    if moment.tzinfo is None:
        raise UsageError(f"performed_at {performed_at!r}: must say its time zone")
    return moment
