"""One recording on its way: the LIS02-A2 records that belong to it, until it is complete.

A record that cannot be taken breaks the whole recording; what still comes for it is then only watched for
where the next one begins.
"""

from datetime import tzinfo
from typing import Final

import numpy as np

from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    NoResponse,
    Recording,
    Response,
    SensoryMarks,
    Waveform,
)
from gateway.errors import DataError
from gateway.protocols.lis_profile import (
    STIMULUS,
    WAVEFORM,
    Key,
    Scale,
    StimRecord,
    WaveRecord,
    ends_waveform,
    read_result,
    read_stim,
    read_wave,
)
from gateway.protocols.lis_syntax import Record, rfc3339

_BYTES_PER_SAMPLE: Final = 2


class Sweep:
    """The records of one recording. `place` is where it began; `complete` after its last waveform part."""

    def __init__(self, place: str, timezone: tzinfo | None, max_samples: int) -> None:
        self.place: Final = place
        self.broken = False
        self.complete = False
        self._timezone = timezone
        self._max_samples = max_samples
        self._key: Key | None = None
        self._subjects: set[str] = set()
        self._stim = StimRecord()
        self._values: dict[str, float | NoResponse] = {}
        self._recorded_at = ""
        self._operator = ""
        self._scale: Scale | None = None
        self._part = 0
        self._parts = 0
        self._samples = bytearray()

    @property
    def name(self) -> str:
        """How a message names it: without nerve and sites, where a cart may have put anything."""
        return f"the {self._key.side} {self._key.modality} recording" if self._key else "a recording"

    @property
    def measured(self) -> bool:
        """Whether the machine's own marks are among what came."""
        return bool(self._values)

    def has(self, subject: str) -> bool:
        """Whether it already has its STIM, or the quantity of this code."""
        return subject in self._subjects

    def accepts(self, key: Key, subject: str) -> bool:
        """Whether a record belongs to this recording; otherwise it begins the next one."""
        return self._key in (None, key) and not self.has(subject)

    def take(self, record: Record, key: Key, subject: str) -> None:
        """Add a record that it accepts; DataError when it cannot be read."""
        self._key = key
        if subject == WAVEFORM:
            self.complete = ends_waveform(record)
            self._add_part(read_wave(record))
            return
        self._subjects.add(subject)
        if subject == STIMULUS:
            self._stim = read_stim(record)
            self._attribute(self._stim.recorded_at, "M-13", self._stim.operator)
        else:
            self._add_value(record, key, subject)

    def drop_unfinished_waveform(self) -> bool:
        """Forget a waveform whose parts did not all come; whether there was one."""
        unfinished = 0 < self._part < self._parts
        if unfinished:
            self._part = 0
            self._samples.clear()
        return unfinished

    def recording(self) -> Recording:
        """What the records amount to; DataError when they do not make a recording."""
        if self._key is None:
            raise DataError("no record says which recording it is")
        if 0 < self._part < self._parts:
            raise DataError(f"waveform part {self._part + 1} of {self._parts} is missing", "M-9")
        stim = self._stim
        return Recording(
            modality=self._key.modality,
            nerve=self._key.nerve,
            side=self._key.side,
            recording_site=self._key.recording_site,
            stimulation_site=self._key.stimulation_site,
            site_position_mm=stim.site_position_mm,
            distance_mm=stim.distance_mm,
            distance_to_recording_mm=stim.distance_to_recording_mm,
            recorded_at=self._recorded_at or None,
            skin_temperature_c=stim.skin_temperature_c,
            stimulus=stim.stimulus,
            filter_hz=stim.filter_hz,
            gain_uv_per_div=stim.gain_uv_per_div,
            notch_hz=stim.notch_hz,
            averages=stim.averages,
            montage_id=stim.montage_id or None,
            signal_status=stim.signal_status,
            operator=self._operator or None,
            measured=self._response(self._key.modality),
            waveform=self._waveform(),
        )

    def _add_value(self, record: Record, key: Key, code: str) -> None:
        result = read_result(record, key, code)
        self._values[result.field] = result.value
        if NO_RESPONSE in self._values.values() and len(self._values) > 1:
            raise DataError("no response, and a measured value as well", "R-4")
        self._attribute(result.recorded_at, "R-13", result.operator)

    def _attribute(self, time: str, place: str, operator: str) -> None:
        """When and by whom, as the first record that knows says."""
        if time and not self._recorded_at:
            self._recorded_at = rfc3339(time, self._timezone, place)
        self._operator = self._operator or operator

    def _add_part(self, wave: WaveRecord) -> None:
        expected = self._part + 1
        if wave.part != expected:
            raise DataError(f"waveform part {wave.part} of {wave.parts}, expected part {expected}", "M-9")
        if self._part and (wave.scale, wave.parts) != (self._scale, self._parts):
            raise DataError("the scale or the number of parts is not that of part 1", "M-5 to M-9")
        if len(self._samples) + len(wave.samples) > self._max_samples * _BYTES_PER_SAMPLE:
            raise DataError(f"a waveform of more than {self._max_samples} samples", "M-10")
        self._scale, self._part, self._parts = wave.scale, wave.part, wave.parts
        self._samples += wave.samples

    def _response(self, modality: Modality) -> Response | None:
        if not self._values:
            return None
        values = {field: value for field, value in self._values.items() if not isinstance(value, NoResponse)}
        if not values:
            return NO_RESPONSE
        return MotorMarks(**values) if modality is Modality.MOTOR else SensoryMarks(**values)

    def _waveform(self) -> Waveform | None:
        if self._scale is None or not self._part:
            return None
        return Waveform(
            sampling_rate_hz=self._scale.sampling_rate_hz,
            start_ms=self._scale.start_ms,
            microvolts_per_count=self._scale.microvolts_per_count,
            samples=np.frombuffer(self._samples, dtype="<i2").astype(np.int32),
        )
