"""`outbox`: what waits or was set aside, and what to do about it, beside a gateway that may be running.

It shows who sent what where and what came back, never what stands in a message. A receiver's own words may
name a patient: they stand on this terminal, as in the ledger, and never in a log.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from gateway.commands.desk import operator
from gateway.commands.terminal import printable
from gateway.daemon.clock import SystemClock
from gateway.daemon.config import DATABASE, DEFAULT_PATH, load
from gateway.errors import DataError, UsageError, did_you_mean
from gateway.store.decisions import Decided, Decisions, DestinationState, WaitingMessage
from gateway.store.visit import visit

_CONFIG: Final = click.option(
    "--config", type=click.Path(path_type=Path), default=DEFAULT_PATH, show_default=True
)
_TO: Final = click.option("--to", metavar="NAME", help="Only this destination.")
_ALL: Final = click.option("--all", "everything", is_flag=True, help="Every message that was set aside.")
_IDS: Final = click.argument("names", nargs=-1, metavar="CONTROL_ID...")
_STATES: Final = ("pending", "parked", "dead", "refused", "discarded")
REASON: Final = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; kept in the ledger. Name no patient."
)
_LONGEST_REASON: Final = 200


@click.group("outbox")
def command() -> None:
    """See what waits, send again or give up what was set aside, pause a destination.

    Parked: the receiver kept asking for a later try. Dead: it refused the message, or it could not be sent.
    An MQTT event is named by its number, and its destination is the topic prefix.
    """


@dataclass(frozen=True, slots=True)
class OutboxDesk:
    """Where decisions are taken, and what there is to decide about.

    `abandoned` are destinations that the configuration has no more, with messages that nobody sends.
    """

    decisions: Decisions
    destinations: tuple[str, ...]
    abandoned: tuple[str, ...]

    @property
    def everywhere(self) -> tuple[str, ...]:
        """The destinations of messages, the topic prefixes that events go out under, what is abandoned."""
        return (*self.destinations, *self.decisions.prefixes(), *self.abandoned)

    def anywhere(self, name: str) -> str:
        """One of them; UsageError when there is none of that name."""
        return name if name in self.everywhere else self.named(name)

    def named(self, name: str) -> str:
        """The destination `name`; UsageError when the configuration has none."""
        if name not in self.destinations:
            known = ", ".join(self.destinations) or "none"
            raise UsageError(
                f"no such destination{did_you_mean(name, self.destinations)}; the configuration has: {known}"
            )
        return name

    def found(self, name: str) -> str:
        """A destination of messages, be it an abandoned one; UsageError when there is none."""
        return name if name in self.abandoned else self.named(name)


@contextmanager
def outbox_desk(config: Path) -> Iterator[OutboxDesk]:
    """The outbox of a configuration while the block runs."""
    settings = load(config)
    with visit(Path(settings.gateway.state_dir) / DATABASE) as opened:
        decisions = opened.decisions(by=operator(), clock=SystemClock())
        known = tuple(entry.name for entry in settings.hl7)
        yield OutboxDesk(decisions, known, tuple(decisions.abandoned(known)))


@command.command("list")
@click.option(
    "--state", "states", type=click.Choice(_STATES), multiple=True, help="Default: parked and dead."
)
@_TO
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_CONFIG
def list_(states: Sequence[str], to: str | None, config: Path, *, as_json: bool) -> None:
    """List the messages that were set aside, the oldest first, then how each destination stands.

    The reason has the receiver's own words: they may name a patient, so look before you pass them on.
    """
    with outbox_desk(config) as desk:
        found = desk.decisions.messages(states or ("parked", "dead"), to and desk.anywhere(to))
        destinations = desk.decisions.destinations([to] if to else desk.everywhere)
        abandoned = desk.abandoned
    for message in found:
        click.echo(_json(message) if as_json else _line(message))
    for destination in destinations:
        click.echo(_json(destination) if as_json else _stands(destination, abandoned))


def _json(entry: WaitingMessage | DestinationState) -> str:
    shown = {name: value for name, value in asdict(entry).items() if value is not None and name != "id"}
    # ASCII: a receiver's own words could else hold what a terminal obeys
    return json.dumps(shown, separators=(",", ":"))


def _line(message: WaitingMessage) -> str:
    tried = f"{message.attempts} {'try' if message.attempts == 1 else 'tries'}"
    topic = f"  {message.topic}" if message.seq else ""
    line = (
        f"{message.created_at}  {message.study}  {message.sink:<16} {message.state:<9}"
        f" {message.name:<20}  {tried:>9}{topic}  {message.reason}"
    )
    return printable(line.rstrip())


def _stands(destination: DestinationState, abandoned: Sequence[str]) -> str:
    line = (
        f"{destination.sink}: {destination.pending} pending, {destination.parked} parked,"
        f" {destination.dead} dead"
    )
    if destination.sink in abandoned:
        line = f"{line}; not in the configuration, nobody sends them"
    if destination.paused_since is None:
        return printable(line)
    return printable(f"{line}; paused since {destination.paused_since} by {destination.paused_by}")


@command.command("retry")
@_IDS
@_ALL
@_TO
@_CONFIG
def retry(names: Sequence[str], to: str | None, config: Path, *, everything: bool) -> int:
    """Send messages that were set aside again, under the same control id; events under their number."""
    _check_choice(names, everything=everything)
    with outbox_desk(config) as desk:
        decided = desk.decisions.retry(None if everything else names, to and desk.anywhere(to))
    return _told(decided, "pending again", everything=everything)


@command.command("discard")
@_IDS
@_ALL
@REASON
@_TO
@_CONFIG
def discard(names: Sequence[str], reason: str, to: str | None, config: Path, *, everything: bool) -> int:
    """Give messages up for good; the results stay in the store and in the ledger."""
    _check_choice(names, everything=everything)
    reason = why(reason)
    with outbox_desk(config) as desk:
        decided = desk.decisions.discard(None if everything else names, reason, to and desk.anywhere(to))
    return _told(decided, "discarded", everything=everything)


def why(reason: str) -> str:
    """The reason in one line; UsageError where it is none, or a story."""
    reason = " ".join(reason.split())
    if not 0 < len(reason) <= _LONGEST_REASON:
        raise UsageError(f"--reason: say why, in 1 to {_LONGEST_REASON} characters")
    return reason


def _check_choice(names: Sequence[str], *, everything: bool) -> None:
    if bool(names) == everything:
        raise UsageError("name messages by CONTROL_ID, or say --all")


def _told(decided: Sequence[Decided], done: str, *, everything: bool) -> int:
    """A line a message; bad data where one that was named is left as it is."""
    for entry in decided:
        message = entry.message
        click.echo(printable(f"{message.name} {message.sink}: {entry.left or done}"))
    if not decided:
        click.echo("nothing is set aside")
    left = any(entry.left for entry in decided)
    return DataError.exit_code if left and not everything else 0


@command.command("pause")
@click.argument("name")
@_CONFIG
def pause(name: str, config: Path) -> None:
    """Send nothing more to a destination; what is stored for it waits, also over a restart."""
    with outbox_desk(config) as desk:
        new = desk.decisions.pause(desk.found(name))
    click.echo(f"{name}: {'paused' if new else 'paused already'}")


@command.command("resume")
@click.argument("name")
@_CONFIG
def resume(name: str, config: Path) -> None:
    """Send to a destination again, in order, what has gathered for it."""
    with outbox_desk(config) as desk:
        was = desk.decisions.resume(desk.found(name))
    click.echo(f"{name}: {'resumed' if was else 'it was not paused'}")
