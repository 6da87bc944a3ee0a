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
from gateway.errors import GatewayError

# Command name to module; a module is imported when its command runs, so that each starts with what it needs.
_COMMANDS: Final = ("analyze", "config", "demo", "hl7", "ledger", "run", "simulate")
_INTERRUPTED: Final = 128 + signal.SIGINT
_USAGE: Final = 64


class _Commands(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"gateway.commands.{name}").command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(gateway.__version__, prog_name="emg-gateway")
def emg_gateway() -> None:
    """Nerve-conduction results from the EMG cart to the hospital.

    Electrodiagnostic support, always preliminary: a physician reviews every result.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code (sysexits)."""
    try:
        result = emg_gateway.main(list(arguments), prog_name="emg-gateway", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "emg-gateway"
        return _failed(f"{error.format_message()} (try '{where} --help')", _USAGE)
    except click.ClickException as error:
        return _failed(error.format_message(), _USAGE)
    except GatewayError as error:
        return _failed(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`): end quietly, the flush at exit too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _failed(message: str, code: int) -> int:
    click.echo(f"emg-gateway: {' '.join(message.split())}", err=True)
    return code
