"""A DICOM EMG waveform object as a study, or as a part of one: one recording a channel.

One item of the Waveform Sequence is one stimulation. What is not settled, or is said in two ways, is refused
with its place, in words that never repeat what stands there. What is only of no use (a channel that the
machine calls invalid, a birth date that is none) is left out with a notice.
"""

from typing import Final

from gateway.domain.recording import (
    NO_RESPONSE,
    Modality,
    MotorMarks,
    Recording,
    Response,
    SensoryMarks,
    Stimulus,
    Waveform,
)
from gateway.domain.study import Study
from gateway.errors import DataError
from gateway.formats import Document, Reading
from gateway.formats.dicom import profile
from gateway.formats.dicom.annotations import Notes, read_annotations, read_context
from gateway.formats.dicom.elements import DataSet
from gateway.formats.dicom.header import read_header
from gateway.formats.dicom.samples import NoSamples, read_group, read_waveform
from gateway.formats.dicom.sites import Codes, Surroundings, laterality, where
from gateway.formats.dicom.structure import parse
from gateway.formats.dicom.times import Clock
from gateway.protocols.quantities import MACHINE_MARKS

# Channel Status (PS3.3 C.10.9.1.4.5): what it makes of a channel.
_DISCONNECTED: Final = "DISCONNECTED"
_KNOWN: Final = ("OK", "", profile.TEST_DATA, _DISCONNECTED)


def read(data: bytes, reading: Reading) -> Document:
    """The recordings of one file; DataError names the place that is wrong."""
    if len(data) > reading.limits.document_bytes:
        raise DataError(f"the file is larger than {reading.limits.document_bytes} bytes")
    holder = parse(data)
    if holder.text("SOPClassUID") != profile.EMG_WAVEFORM_STORAGE:
        reason = f"must be Electromyogram Waveform Storage ({profile.EMG_WAVEFORM_STORAGE})"
        raise holder.error("SOPClassUID", reason)
    return _Object(holder, reading).document()


class _Object:
    """One EMG waveform object."""

    def __init__(self, holder: DataSet, reading: Reading) -> None:
        self._holder = holder
        self._groups = holder.needed("WaveformSequence", holder.items("WaveformSequence") or None)
        self._reading = reading
        self._clock = Clock(holder, reading.timezone)
        self._context = read_context(holder)
        self._around = Surroundings(
            reading=reading,
            codes=Codes.of(reading.anatomy),
            context=self._context,
            laterality=laterality(holder),
        )
        channels = [len(group.items("ChannelDefinitionSequence")) for group in self._groups]
        self._annotations = read_annotations(holder, channels)
        self._notices: list[str] = []

    def document(self) -> Document:
        """The study; DataError when no recording is left."""
        recordings = tuple(
            recording
            for number, group in enumerate(self._groups, 1)
            for recording in self._of_group(number, group)
        )
        if not recordings:
            why = next(iter(self._notices), "no channel is connected")
            raise self._holder.error("WaveformSequence", f"no recording is left: {why}")
        header, wrong = read_header(self._holder, self._context, self._clock, simulated=self._simulated())
        notices = (*self._notices, *(str(error) for error in wrong))
        return Document(study=Study(header=header, recordings=recordings), notices=notices)

    def _simulated(self) -> bool:
        channels = (channel for group in self._groups for channel in group.items("ChannelDefinitionSequence"))
        return any(profile.TEST_DATA in channel.texts("ChannelStatus") for channel in channels)

    def _of_group(self, number: int, holder: DataSet) -> list[Recording]:
        group = read_group(holder, self._reading.limits)
        recorded_at = self._recorded_at(holder)
        found = []
        for channel_number, channel in enumerate(holder.items("ChannelDefinitionSequence"), 1):
            notes = self._annotations.of(number, channel_number)
            if self._usable(channel):
                try:
                    waveform = read_waveform(channel, channel_number - 1, group, self._reading.polarity)
                except NoSamples as error:
                    self._notices.append(str(error))
                else:
                    found.append(self._recording(holder, channel, notes, waveform, recorded_at))
        return found

    def _usable(self, channel: DataSet) -> bool:
        """Whether a channel is a recording; one that the machine calls unusable leaves a notice."""
        said = channel.texts("ChannelStatus")
        # INVALID, UNCALIBRATED, and what no one defined.
        usable = all(status in _KNOWN or status in profile.DOUBTFUL_STATUS for status in said)
        if not usable:
            known = ", ".join(filter(None, (*_KNOWN, *profile.DOUBTFUL_STATUS)))
            reason = f"is INVALID, UNCALIBRATED or none of {known}: the channel is left out"
            self._notices.append(str(channel.error("ChannelStatus", reason)))
        return usable and _DISCONNECTED not in said

    def _recorded_at(self, group: DataSet) -> str | None:
        """The time of a group; unknown where several share one time."""
        offset_ms = group.number("MultiplexGroupTimeOffset", signed=True)
        if offset_ms is None and len(self._groups) > 1:
            return None
        moment = self._clock.acquired(offset_ms or 0.0)
        return moment.isoformat() if moment else None

    def _recording(
        self, group: DataSet, channel: DataSet, notes: Notes, waveform: Waveform, recorded_at: str | None
    ) -> Recording:
        place = where(group, channel, notes, self._around)
        doubts = [
            profile.DOUBTFUL_STATUS[status]
            for status in channel.texts("ChannelStatus")
            if status in profile.DOUBTFUL_STATUS
        ]
        low_hz, high_hz = channel.number("FilterLowFrequency"), channel.number("FilterHighFrequency")
        measured = _response(channel, place.modality, notes)
        notch_hz = channel.number("NotchFilterFrequency")
        averages = _averages(notes)
        with channel.refused():
            return self._reading.anatomy.check(
                Recording(
                    **place._asdict(),
                    site_position_mm=notes.number(profile.SITE_POSITION),
                    distance_mm=notes.number(profile.DISTANCE),
                    distance_to_recording_mm=notes.number(profile.DISTANCE_TO_RECORDING),
                    recorded_at=recorded_at,
                    skin_temperature_c=notes.number(profile.TEMPERATURE),
                    stimulus=Stimulus(
                        intensity_ma=notes.number(profile.CURRENT),
                        duration_ms=notes.number(profile.WIDTH),
                        supramaximal=profile.FLAGS.get(notes.text(profile.SUPRAMAXIMAL) or ""),
                    ),
                    # 0 to 0 is what stands there when nobody knows.
                    filter_hz=(low_hz or 0.0, high_hz) if low_hz is not None and high_hz else None,
                    gain_uv_per_div=notes.number(profile.GAIN),
                    notch_hz=notch_hz,
                    averages=averages,
                    montage_id=notes.text(profile.MONTAGE),
                    operator=notes.text(profile.OPERATOR),
                    signal_status=doubts[0] if doubts else None,
                    measured=measured,
                    waveform=waveform,
                )
            )


def _averages(notes: Notes) -> int | None:
    value = notes.number(profile.AVERAGES)
    if value is not None and (value < 1 or value % 1):
        raise notes[profile.AVERAGES.code].item.error("NumericValue", "not a count of sweeps")
    return None if value is None else int(value)


def _response(channel: DataSet, modality: Modality, notes: Notes) -> Response | None:
    """The machine's marks of a channel; None where it made none."""
    for code in (code for other in profile.MARKS if other is not modality for code in profile.MARKS[other]):
        if code in notes:
            raise DataError(f"{code} is not measured in a {modality} recording", notes[code].item.place)
    values = {
        quantity.field: notes.number(profile.MARKS[modality][code])
        for code, quantity in MACHINE_MARKS[modality].items()
        if code in notes
    }
    if profile.NO_RESPONSE.code in notes:
        if values:
            raise DataError("marks of a response that is absent", notes[profile.NO_RESPONSE.code].item.place)
        return NO_RESPONSE
    kind = MotorMarks if modality is Modality.MOTOR else SensoryMarks
    with channel.refused():
        return kind(**values) if values else None
