"""What goes out after a fact: events for the screens at once, a message for the hospital at the end.

Pure: the same fact on the same study gives the same results, so a crash before they are stored loses
nothing. An HL7 control id is the study's code and the number of the fact it follows from: stable across
resends, new for a correction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.domain.assessment import Assessment
from gateway.domain.corrections import Correction
from gateway.domain.recording import Recording
from gateway.domain.sites import Evoked
from gateway.domain.study import (
    AlertAcknowledged,
    PatientStated,
    RecordUnusable,
    Study,
    StudyOpened,
    completed,
)
from gateway.errors import DataError
from gateway.pipeline.stages import Examination, Reference, assessment
from gateway.protocols.alerts import Alert, Seen, acknowledged, alert_from, leaving, stored_alert
from gateway.protocols.numbering import Numbering
from gateway.protocols.oru import MessageHeader, encode, encode_wrong_patient, filler, refusal
from gateway.protocols.telemetry import (
    TelemetryEvent,
    alert_events,
    clearing,
    clearing_alerts,
    prefix,
    study_events,
)
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
    """What was said about a study so far: the next results build on it.

    `clear_at`: when its retained messages are to be cleared, an hour or so after the examination.
    """

    numbering: Numbering = field(default_factory=Numbering)
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    clear_at: datetime | None = None

    @classmethod
    def of(cls, stored: StoredStudy) -> "Said":
        """What the store remembers."""
        alerts = {name: alert_from(alert) for name, alert in stored.alerts.items()}
        return cls(numbering=Numbering.from_json(stored.numbering), alerts=alerts, clear_at=stored.clear_at)


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
    earlier = assessment(before, reference) if before and before.study.recordings else None
    reported = bool(said.numbering.studies)
    taken_back = _taken_back(publication, fact, before, after, said.numbering, now)
    if before is not None and before.study.filing != after.study.filing:
        said = replace(said, numbering=Numbering())
    wanting = [entry for entry in publication.destinations if _wants(entry, fact, before, after, reported)]
    report = _Report(current, earlier, after.study.filing)
    messages = tuple(_message(entry, fact, report, said.numbering, reference, now) for entry in wanting)
    numbering = _extended(said.numbering, current, reference) if wanting else said.numbering
    events: tuple[TelemetryEvent, ...] = ()
    alerts = said.alerts
    if after.study.recordings:
        arrived, anew = _arrived(fact, after), isinstance(fact.fact, Correction)
        events, alerts = study_events(earlier, current, arrived, fact.code, said.alerts, anew=anew)
    clear_at = now + publication.clear_after if after.study.ended else None
    then = Said(numbering=numbering, alerts=leaving(alerts, now), clear_at=clear_at)
    found = _stored(fact.code, then, publication.events_sink(fact.cart), events)
    return replace(found, fact_id=fact.id, messages=(*taken_back, *messages)), then


def seen(
    fact: JournaledFact,
    stated: AlertAcknowledged,
    said: Said,
    *,
    publication: Publication,
    simulated: bool,
    now: datetime,
) -> tuple[Results, Said]:
    """What follows from somebody having seen an alert, and what has been said then.

    Nothing where the alert is not there any more, or was seen before.
    """
    alerts = dict(said.alerts)
    if stated.alert_id in alerts:
        by = Seen(by=stated.by, screen=stated.screen, time=stated.time)
        alerts[stated.alert_id] = acknowledged(alerts[stated.alert_id], by)
    then = replace(said, alerts=leaving(alerts, now))
    events = alert_events(said.alerts, alerts, simulated=simulated)
    found = _stored(fact.code, then, publication.events_sink(fact.cart), events)
    return replace(found, fact_id=fact.id), then


def cleared(
    code: str, cart: str, said: Said, publication: Publication, now: datetime
) -> tuple[Results, Said]:
    """What empties the retained messages that are due, and what has been said then.

    Some time after the examination that is all of the study's, before that its alerts that are over.
    """
    if said.clear_at is not None and said.clear_at <= now:
        then, events = Said(numbering=said.numbering), clearing(code, said.alerts)
    else:
        kept = {name: alert for name, alert in said.alerts.items() if not _is_due(alert, now)}
        then = replace(said, alerts=kept)
        events = clearing_alerts(name for name in said.alerts if name not in kept)
    return _stored(code, then, publication.events_sink(cart), events), then


def _is_due(alert: Alert, now: datetime) -> bool:
    return alert.clear_at is not None and alert.clear_at <= now


def _stored(code: str, said: Said, sink: str | None, events: tuple[TelemetryEvent, ...]) -> Results:
    due = [alert.clear_at for alert in said.alerts.values() if alert.clear_at is not None]
    return Results(
        code=code,
        fact_id=None,
        numbering=said.numbering.to_json(),
        alerts={name: stored_alert(alert) for name, alert in said.alerts.items()},
        clear_at=said.clear_at,
        alerts_clear_at=min(due, default=None),
        events_sink=sink,
        events=() if sink is None else events,
    )


def _arrived(fact: JournaledFact, after: Examination) -> Evoked | None:
    """The recording this fact brought, as marked, with what an operator may have said about it before.

    None where it was excluded already: it found its place late.
    """
    if not isinstance(fact.fact, Recording) or after.study.exclusion(fact.fact):
        return None
    counting = completed(after.study.corrected(fact.fact), after.study.details)
    known = after.nerves[(counting.nerve, counting.side)].known
    return next(entry for entry in reversed(known) if entry.recording == counting)


def _wants(
    destination: Destination,
    fact: JournaledFact,
    before: Examination | None,
    after: Examination,
    reported: bool,
) -> bool:
    """Every engine wants the end and what changes after it; only some want the end of a nerve study.

    What an operator states before the end goes with the next of these, after it with a message of its own. A
    correction does not wait where a nerve study was reported before the end. Nobody is sent what is nobody's.
    """
    if before is None or after.study.is_nobodys:
        return False
    if after.study.ended and isinstance(fact.fact, RecordUnusable):
        return not before.study.incomplete  # the report says that there are some, not which
    if after.study.ended:
        return not isinstance(fact.fact, StudyOpened) or _reads_otherwise(before.study, after.study)
    if destination.interim and isinstance(fact.fact, Correction | PatientStated):
        return reported
    if not destination.interim or not isinstance(fact.fact, Recording):
        return False
    return any(_nerve_study(entry) != _nerve_study(fact.fact) for entry in before.study.recordings[-1:])


def _reads_otherwise(before: Study, after: Study) -> bool:
    """Whether the report changes with the header; a message sent again may only have another time."""
    return replace(before.header, performed_at=after.header.performed_at) != after.header


def _nerve_study(recording: Recording) -> tuple[str, ...]:
    return recording.modality, recording.nerve, recording.side, recording.recording_site


def _taken_back(
    publication: Publication,
    fact: JournaledFact,
    before: Examination | None,
    after: Examination,
    numbering: Numbering,
    now: datetime,
) -> tuple[Message, ...]:
    """For each engine what takes everything from the patient the study was filed for, where it is no more."""
    if before is None or before.study.filing == after.study.filing or not numbering.observations:
        return ()
    header, filing = before.study.header, before.study.filing
    control_id = f"{fact.code}-{fact.id}W"
    return tuple(
        Message(
            sink=destination.sink,
            control_id=control_id,
            payload=encode_wrong_patient(
                header,
                study_code=filler(fact.code, filing),
                control_id=control_id,
                sender=destination.header,
                created=now,
                numbering=numbering,
            ),
            refused=refusal(header, destination.header),
            filing=filing,
            takes_back=True,
        )
        for destination in publication.destinations
    )


@dataclass(frozen=True, slots=True)
class _Report:
    """What a message says, what was known before it, and how many patients its study was filed for."""

    current: Assessment
    earlier: Assessment | None
    filing: int


def _message(
    destination: Destination,
    fact: JournaledFact,
    report: "_Report",
    numbering: Numbering,
    reference: Reference,
    now: datetime,
) -> Message:
    control_id, filing = f"{fact.code}-{fact.id}", report.filing
    try:
        payload = encode(
            report.current,
            study_code=filler(fact.code, filing),
            control_id=control_id,
            sender=destination.header,
            created=now,
            numbering=numbering,
            anatomy=reference.anatomy,
            earlier=report.earlier,
        )
    except DataError as error:  # the screens still hear of it, and a person of this
        return Message(
            sink=destination.sink, control_id=control_id, payload=b"", dead=str(error), filing=filing
        )
    refused = refusal(report.current.header, destination.header)
    return Message(
        sink=destination.sink, control_id=control_id, payload=payload, refused=refused, filing=filing
    )


def _extended(numbering: Numbering, current: Assessment, reference: Reference) -> Numbering:
    """The numbers after a message; those before it where it could not be written."""
    try:
        return numbering.extended(current, reference.anatomy)
    except DataError:
        return numbering
