"""The command group, and the one place where errors become a line on standard error and an exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

import gateway
from gateway.commands.terminal import printable
from gateway.errors import GatewayError

# Command name to module; a module is imported when its command runs, so that each starts with what it needs.
_COMMANDS: Final = (
    "analyze",
    "capture",
    "config",
    "conformance",
    "criteria",
    "demo",
    "hl7",
    "ledger",
    "mqtt",
    "outbox",
    "replay",
    "run",
    "simulate",
    "store",
    "studies",
)
_INTERRUPTED: Final = 128 + signal.SIGINT
_USAGE: Final = 64


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader of our output went away (`| head`): end quietly, the flush at exit too.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"gateway.commands.{name}").command
        command.no_args_is_help = False  # half a command is an error in one line, as any other
        return command


@click.group(cls=_Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(gateway.__version__, prog_name="emg-gateway")
def emg_gateway() -> None:
    """Nerve-conduction results from the EMG cart to the hospital.

    Electrodiagnostic support, always preliminary: a physician reviews every result.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code (sysexits)."""
    try:
        result = emg_gateway.main(list(arguments), prog_name="emg-gateway", standalone_mode=False)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "emg-gateway"
        return failed(f"{error.format_message()} (try '{where} --help')", _USAGE)
    except GatewayError as error:
        return failed(str(error), error.exit_code)
    except (click.Abort, asyncio.CancelledError):  # Ctrl-C, and how a command passes on other signals
        return _INTERRUPTED
    return result if isinstance(result, int) else 0


def failed(message: str, code: int) -> int:
    """Tell what went wrong in one line of standard error; `code`."""
    click.echo(f"emg-gateway: {printable(' '.join(message.split()))}", err=True)
    return code
