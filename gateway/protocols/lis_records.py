"""CLSI LIS02-A2 messages to facts: records in, recordings and the end of the examination out.

A recording spreads over several records; its key names it, and it is complete at its last waveform part, at
the first record of another recording (another key, or a quantity or STIM it already has), at L, or at the
end of the message. A record that cannot be read takes its whole recording with it, so that none goes on
with a quantity silently missing; the next one is not affected. A quantity the profile does not have is left
out with a notice. `lis_profile` describes the records,
`lis_encoding` writes them, `lis_sweep` puts one recording together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Final

from gateway.domain.limits import Limits
from gateway.domain.recording import Recording
from gateway.domain.study import Device, ExamEnded, Fact, Patient, StudyHeader
from gateway.errors import DataError
from gateway.protocols import lis_profile as profile
from gateway.protocols.lis_encoding import encode_study
from gateway.protocols.lis_sweep import Sweep
from gateway.protocols.lis_syntax import Delimiters, Record, decode_text, rfc3339

_MANUFACTURER_RECORDS: Final = (profile.STIMULUS, profile.WAVEFORM, profile.CLINICAL)

# A message is one examination, at most a few; one that opens more studies than a laboratory sees in a week is
# not a message.
MOST_STUDIES: Final = 100
# An examination of 60 recordings, each with a dozen quantities left out, is told in full.
MOST_REFUSALS: Final = 1000

__all__ = ["Assembler", "Delivery", "Rejected", "Result", "encode_study"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A fact, and the study it belongs to."""

    header: StudyHeader
    fact: Fact


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that was not taken: where it stood (`record 7 (R|2)`), and why: no patient data.

    `study` is the one that lacks a recording or what was stated of it by that; None where it lacks nothing,
    nobody knows which it is, or the cart will send it again.
    """

    place: str
    reason: str
    study: StudyHeader | None = field(default=None, repr=False, compare=False)


Result = Delivery | Rejected


@dataclass(slots=True)
class _Message:
    """What the records of a message since its H say of those that follow."""

    delimiters: Delimiters
    device: Device
    simulated: bool
    performed_at: str
    patient: Patient = field(default_factory=Patient)
    study: StudyHeader | None = None
    told: bool = False


class Assembler:
    """One link session: records in order of arrival to deliveries. Holds one recording at most.

    Of a session full of errors the first `MOST_REFUSALS` are told, the last of them with a word that others
    follow.
    `check` canonicalises a recording or raises DataError; `timezone` is that of times without one (None:
    this machine's); `max_samples` is the longest waveform taken; `received_at` (RFC 3339) stands in for a
    message without a time of its own.
    """

    def __init__(
        self,
        *,
        check: Callable[[Recording], Recording],
        timezone: tzinfo | None = None,
        terminator_ends_exam: bool = True,
        max_samples: int = Limits().sweep_samples,
        received_at: str | None = None,
    ) -> None:
        self.received_at = received_at
        self._check = check
        self._timezone = timezone
        self._terminator_ends_exam = terminator_ends_exam
        self._max_samples = max_samples
        self._count = 0
        self._message: _Message | None = None
        self._sweep: Sweep | None = None
        self._studies: dict[tuple[str, str | None], StudyHeader] = {}
        self._refusing = False
        self._refusals = 0

    def feed(self, raw: bytes) -> list[Result]:
        """What one record, without its CR, amounts to."""
        return self._told(self._record(raw))

    def reject(self, reason: str) -> list[Result]:
        """A record came that could not even be kept; it takes the recording it may belong to with it."""
        self._count += 1
        return self._told([] if self._refusing else self._unreadable(self._place("?"), reason, ""))

    def end_of_message(self) -> list[Result]:
        """EOT: what is open is complete; the examination stays open."""
        results = self._complete()
        self._reset()
        return self._told(results)

    def drop_open(self, reason: str) -> list[Result]:
        """The line fell silent or the sender gave up: an open recording is not complete and never will be."""
        return self._told(self._drop(reason))

    def interrupted(self) -> list[Result]:
        """The gateway or the cart stopped here: measured values stand, a waveform that lacks parts does not.

        The cart sends again what was not taken.
        """
        sweep, results = self._sweep, list[Result]()
        if sweep and not sweep.broken and sweep.drop_unfinished_waveform():
            results.append(Rejected(sweep.place, f"{sweep.name}: waveform parts are missing"))
            sweep.broken = not sweep.measured
        ended = self.end_of_message()
        return self._told(results) + [r if isinstance(r, Delivery) else replace(r, study=None) for r in ended]

    def _told(self, results: list[Result]) -> list[Result]:
        told: list[Result] = []
        for result in results:
            self._refusals += isinstance(result, Rejected)
            if isinstance(result, Delivery) or self._refusals < MOST_REFUSALS:
                told.append(result)
            elif self._refusals == MOST_REFUSALS:
                told.append(replace(result, reason=f"{result.reason}; what else is refused is not told"))
        return told

    def _record(self, raw: bytes) -> list[Result]:
        self._count += 1
        text = decode_text(raw)
        kind = text[:1] if not text[1:2].isalnum() else "?"
        if kind == "L":
            return self._terminate()
        if self._refusing:
            return []
        if kind == "H":
            return self._header(text)
        if self._message is None:
            return self._refuse_message(self._place(kind), "no H record before it")
        record = Record(text, self._message.delimiters)
        place = self._place(record.kind, record.text(2))
        results = self._complete() if record.kind in ("P", "O") else []
        try:
            return results + self._body(self._message, record, place)
        except DataError as error:
            return [*results, self._unusable(place, str(error))]

    def _drop(self, reason: str) -> list[Result]:
        sweep, self._sweep = self._sweep, None
        self._reset()
        return [Rejected(sweep.place, f"{sweep.name}: {reason}")] if sweep and not sweep.broken else []

    def _header(self, text: str) -> list[Result]:
        place = self._place("H")
        if self._message is not None:
            study = self._message.study
            dropped = self._drop("a second H record came before it was complete")
            return dropped + self._refuse_message(place, "a second H record; all up to L is refused", study)
        try:
            record = Record(text, Delimiters.declared_in(text))
            device = profile.read_device(record)
        except DataError as error:
            return self._refuse_message(place, str(error))
        performed_at, results = self.received_at, list[Result]()
        if sent_at := record.text(14):
            try:
                performed_at = rfc3339(sent_at, self._timezone, "H-14")
            except DataError as error:
                results.append(Rejected(place, f"{error}; taken as unknown"))
        if performed_at is None:
            return results + self._refuse_message(place, "H-14: no date and time")
        simulated = record.text(12) not in ("", "P")
        self._message = _Message(record.delimiters, device, simulated, performed_at)
        return results

    def _body(self, message: _Message, record: Record, place: str) -> list[Result]:
        kind = record.kind
        if kind == "P":
            return self._patient(message, record, place)
        if kind == "O":
            return self._order(message, record)
        if kind == "C":  # a comment; LIS02-A2 allows it behind any record
            return []
        subject = profile.subject_of(record) if kind in ("M", "R") else ""
        if kind != "R" and subject not in _MANUFACTURER_RECORDS:
            return [Rejected(place, "not a record of this profile: H P O M (STIM, WAVE, CLIN) R C L")]
        if message.study is None:
            told, message.told = message.told, True
            return [] if told else [Rejected(place, "no usable O record before it")]
        if subject == profile.CLINICAL and kind == "M":
            self._file(message, replace(message.study, clinical=profile.read_clinical(record)))
            return []
        if profile.is_foreign(record):
            return [Rejected(place, "R-3: a quantity this profile does not have; left out")]
        return self._part(record, place, subject)

    def _patient(self, message: _Message, record: Record, place: str) -> list[Result]:
        message.patient, wrong = profile.read_patient(record)
        message.study, message.told = None, False
        return [Rejected(place, f"{error}; taken as unknown") for error in wrong]

    def _order(self, message: _Message, record: Record) -> list[Result]:
        message.study, message.told = None, False
        study_id, order = profile.read_order(record)
        header = StudyHeader(
            study_id=study_id,
            performed_at=message.performed_at,
            patient=message.patient,
            device=message.device,
            order=order,
            simulated=message.simulated,
        )
        self._file(message, header)
        return []

    def _file(self, message: _Message, header: StudyHeader) -> None:
        identity = header.study_id, header.patient.id
        if identity not in self._studies and len(self._studies) >= MOST_STUDIES:
            raise DataError(f"more than {MOST_STUDIES} studies in a message", "O-3")
        message.study = self._studies[identity] = header

    def _part(self, record: Record, place: str, subject: str) -> list[Result]:
        try:
            key = profile.key_of(record)
        except DataError as error:
            return self._unreadable(place, str(error), subject)
        results: list[Result] = []
        if self._sweep is not None and not self._sweep.accepts(key, subject):
            results += self._complete()
        sweep = self._sweep = self._sweep or Sweep(place, self._timezone, self._max_samples)
        try:
            sweep.take(record, key, subject)
        except DataError as error:
            results += self._break(sweep, place, str(error))
        return results + self._complete() if sweep.complete else results

    def _unreadable(self, place: str, reason: str, subject: str) -> list[Result]:
        """A record of nobody knows which recording: the open one, or the next if that cannot be."""
        results: list[Result] = []
        if self._sweep is not None and subject and self._sweep.has(subject):
            results += self._complete()
        sweep = self._sweep = self._sweep or Sweep(place, self._timezone, self._max_samples)
        return results + self._break(sweep, place, reason)

    def _break(self, sweep: Sweep, place: str, reason: str) -> list[Result]:
        told, sweep.broken = sweep.broken, True
        return [] if told else [self._unusable(place, f"{reason}; {sweep.name} is not taken")]

    def _complete(self) -> list[Result]:
        sweep, self._sweep = self._sweep, None
        header = self._message.study if self._message else None
        if sweep is None or sweep.broken or header is None:
            return []
        try:
            return [Delivery(header, self._check(sweep.recording()))]
        except DataError as error:
            return [self._unusable(sweep.place, f"{sweep.name} is not taken: {error}")]

    def _terminate(self) -> list[Result]:
        results = self._complete()
        if self._terminator_ends_exam and not self._refusing:
            results += [Delivery(header, ExamEnded(by="device")) for header in self._studies.values()]
        self._reset()
        return results

    def _refuse_message(self, place: str, reason: str, study: StudyHeader | None = None) -> list[Result]:
        self._reset()
        self._refusing = True
        return [Rejected(place, reason, study)]

    def _unusable(self, place: str, reason: str) -> Rejected:
        """What the study whose records these are lacks from now on."""
        return Rejected(place, reason, self._message.study if self._message else None)

    def _reset(self) -> None:
        self._count = 0
        self._message = self._sweep = None
        self._studies = {}
        self._refusing = False

    def _place(self, kind: str, sequence: str = "") -> str:
        known = kind if kind in ("H", "P", "O", "M", "R", "C", "S", "Q") else "?"
        number = f"|{sequence}" if sequence.isascii() and sequence.isdigit() and len(sequence) <= 6 else ""
        return f"record {self._count} ({known}{number})"
