"""How large what comes in may be: beyond these it is a mistake or an attack, not an examination."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most a single piece of input may hold; memory at the doors stays within a few times of these."""

    # A file, or a LIS session. A full day of 60 sweeps of 4,000 samples is under 2 MiB of JSON and half a
    # MiB of DICOM.
    document_bytes: int = 64 * 1024 * 1024
    # The longest LIS record, a waveform of a million samples in one part, has 2.7 million characters.
    record_bytes: int = 4_000_000
    # A sweep lasts 20 to 100 ms at 10 to 50 kHz, 5,000 samples at most; 10 s at 100 kHz is a mistake.
    sweep_samples: int = 1_000_000
