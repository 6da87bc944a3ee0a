"""`replay`: send again what an engine acknowledged and has no more, beside a gateway that may be running."""

from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.commands.outbox import REASON, outbox_desk, why
from gateway.commands.terminal import printable
from gateway.daemon.config import DEFAULT_PATH
from gateway.errors import DataError, UsageError
from gateway.store.decisions import Decided, Wanted


@click.command("replay")
@click.argument("control_ids", nargs=-1, metavar="[CONTROL_ID...]")
@click.option("--to", required=True, metavar="NAME", help="The destination; no other is sent anything.")
@click.option("--study", metavar="ID", help="Of this study: its code, or the device's study id.")
@click.option(
    "--since", metavar="TIME", help="Written then or later: 2026-11-02T09:30, this machine's clock."
)
@click.option("--until", metavar="TIME", help="Written before then.")
@REASON
@click.option("--send", is_flag=True, help="Without it nothing is sent, only shown.")
@click.option("--at-most", type=click.IntRange(1), default=20, show_default=True, metavar="N")
@click.option("--config", type=click.Path(path_type=Path), default=DEFAULT_PATH, show_default=True)
def command(  # noqa: PLR0913  # an option each
    *,
    control_ids: tuple[str, ...],
    to: str,
    study: str | None,
    since: str | None,
    until: str | None,
    reason: str,
    send: bool,
    at_most: int,
    config: Path,
) -> int:
    """Send messages that were delivered again: the same bytes under the same control id, in order.

    Say which by CONTROL_ID, --study or a range of time. What a later message has corrected goes only together
    with it.
    """
    if not (control_ids or study or since or until):
        raise UsageError("say which: CONTROL_ID, --study, or --since and --until")
    reason = why(reason)
    with outbox_desk(config) as desk:
        wanted = Wanted(
            sink=desk.named(to),
            control_ids=control_ids,
            study=study,
            since=_moment(since, "--since"),
            until=_moment(until, "--until"),
        )
        replay, replayable = desk.decisions.replay, desk.decisions.replayable
        found = replay(wanted, reason, at_most) if send else replayable(wanted)
    return _told(found, sent=send)


def _moment(text: str | None, option: str) -> datetime | None:
    """A time in UTC; one without a zone is by this machine's clock."""
    try:
        return None if text is None else datetime.fromisoformat(text).astimezone().astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option}: write a time as 2026-11-02T09:30") from error


def _told(found: list[Decided], *, sent: bool) -> int:
    """A line a message, and how many; bad data where nothing goes though something was asked for."""
    going = sum(not entry.left for entry in found)
    for entry in found:
        outcome = entry.left or ("pending again" if sent else "would be sent again")
        message = entry.message
        click.echo(printable(f"{message.created_at}  {message.study}  {message.control_id:<20}  {outcome}"))
    click.echo(
        f"{going} of {len(found)} {'pending again' if sent else 'to send; nothing is sent without --send'}"
    )
    return 0 if going else DataError.exit_code
