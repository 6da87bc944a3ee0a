"""What goes out after a fact: events for the screens at once, a message for the hospital at the end.

Pure: the same fact on the same study gives the same results, so a crash before they are stored loses
nothing. An HL7 control id is the study's code and the number of the fact it follows from: stable across
resends, new for a correction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.domain.assessment import Assessment
from gateway.domain.recording import Recording
from gateway.domain.sites import Evoked
from gateway.domain.study import Study, StudyOpened, completed
from gateway.errors import DataError
from gateway.pipeline.stages import Examination, Reference, assessment
from gateway.protocols.alerts import Alert, alert_from, alert_object
from gateway.protocols.numbering import Numbering
from gateway.protocols.oru import MessageHeader, encode, refusal
from gateway.protocols.telemetry import TelemetryEvent, clearing, prefix, study_events
from gateway.store.journal import JournaledFact
from gateway.store.outbox import Message, Results
from gateway.store.studies import StoredStudy


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One interface engine: its outbox, the header of its messages, and whether it wants interim ones."""

    sink: str
    header: MessageHeader
    interim: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Where results go: the engines; the screens, below `site` (None: no broker); when topics are cleared."""

    site: str | None = None
    clear_after: timedelta = timedelta(hours=1)
    destinations: tuple[Destination, ...] = ()

    def events_sink(self, cart: str) -> str | None:
        """The outbox of a cart's events: its topic prefix."""
        return None if self.site is None else prefix(self.site, cart)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said about a study so far: the next results build on it."""

    numbering: Numbering = field(default_factory=Numbering)
    alerts: Mapping[str, Alert] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: StoredStudy) -> "Said":
        """What the store remembers."""
        alerts = {name: alert_from(alert) for name, alert in stored.alerts.items()}
        return cls(numbering=Numbering.from_json(stored.numbering), alerts=alerts)


def results(
    fact: JournaledFact,
    before: Examination | None,
    after: Examination,
    said: Said,
    *,
    reference: Reference,
    publication: Publication,
    now: datetime,
) -> tuple[Results, Said]:
    """What follows from `fact`, which turned `before` into `after`, and what has been said then."""
    current = assessment(after, reference)
    wanting = [entry for entry in publication.destinations if _wants(entry, fact, before, after)]
    messages = tuple(_message(entry, fact, current, said.numbering, reference, now) for entry in wanting)
    numbering = _extended(said.numbering, current, reference) if wanting else said.numbering
    events: tuple[TelemetryEvent, ...] = ()
    alerts = said.alerts
    if after.study.recordings:
        earlier = assessment(before, reference) if before and before.study.recordings else None
        events, alerts = study_events(earlier, current, _arrived(fact, after), fact.code, said.alerts)
    then = Said(numbering=numbering, alerts=alerts)
    clear_at = now + publication.clear_after if after.study.ended else None
    found = _stored(
        fact.code, then, publication.events_sink(fact.cart), events, fact_id=fact.id, clear_at=clear_at
    )
    return replace(found, messages=messages), then


def cleared(code: str, cart: str, said: Said, publication: Publication) -> tuple[Results, Said]:
    """What empties a study's retained messages, some time after its end, and what has been said then."""
    then = Said(numbering=said.numbering)
    return _stored(code, then, publication.events_sink(cart), clearing(code, said.alerts)), then


def _stored(
    code: str,
    said: Said,
    sink: str | None,
    events: tuple[TelemetryEvent, ...],
    *,
    fact_id: int | None = None,
    clear_at: datetime | None = None,
) -> Results:
    return Results(
        code=code,
        fact_id=fact_id,
        numbering=said.numbering.to_json(),
        alerts={name: alert_object(alert) for name, alert in said.alerts.items()},
        clear_at=clear_at,
        events_sink=sink,
        events=() if sink is None else events,
    )


def _arrived(fact: JournaledFact, after: Examination) -> Evoked | None:
    """The recording this fact brought, as marked, perhaps with what an operator had stated about it."""
    if not isinstance(fact.fact, Recording):
        return None
    evoked = after.nerves[(fact.fact.nerve, fact.fact.side)].evoked
    forms = (fact.fact, completed(fact.fact, after.study.details))
    return next(entry for entry in reversed(evoked) if entry.recording in forms)


def _wants(
    destination: Destination, fact: JournaledFact, before: Examination | None, after: Examination
) -> bool:
    """Every engine wants the end and what changes after it; only some want the end of a nerve study.

    What an operator states before the end goes with the next of these, after it with a message of its own.
    """
    if before is None:
        return False
    if after.study.ended:
        return not isinstance(fact.fact, StudyOpened) or _reads_otherwise(before.study, after.study)
    if not destination.interim or not isinstance(fact.fact, Recording):
        return False
    return any(_nerve_study(entry) != _nerve_study(fact.fact) for entry in before.study.recordings[-1:])


def _reads_otherwise(before: Study, after: Study) -> bool:
    """Whether the report changes with the header; a message sent again may only have another time."""
    return replace(before.header, performed_at=after.header.performed_at) != after.header


def _nerve_study(recording: Recording) -> tuple[str, ...]:
    return recording.modality, recording.nerve, recording.side, recording.recording_site


def _message(
    destination: Destination,
    fact: JournaledFact,
    current: Assessment,
    numbering: Numbering,
    reference: Reference,
    now: datetime,
) -> Message:
    control_id = f"{fact.code}-{fact.id}"
    try:
        payload = encode(
            current,
            study_code=fact.code,
            control_id=control_id,
            sender=destination.header,
            created=now,
            numbering=numbering,
            anatomy=reference.anatomy,
        )
    except DataError as error:  # the screens still hear of it, and a person of this
        return Message(sink=destination.sink, control_id=control_id, payload=b"", dead=str(error))
    refused = refusal(current.header, destination.header)
    return Message(sink=destination.sink, control_id=control_id, payload=payload, refused=refused)


def _extended(numbering: Numbering, current: Assessment, reference: Reference) -> Numbering:
    """The numbers after a message; those before it where it could not be written."""
    try:
        return numbering.extended(current, reference.anatomy)
    except DataError:
        return numbering
