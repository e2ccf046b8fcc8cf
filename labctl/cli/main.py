"""The ``labctl`` command: its groups of commands, and errors as one line with an exit code.

Exit codes: 0 finished, 2 wrong arguments or configuration with nothing sent, 3 failed, 4 aborted.
"""

import sys
from typing import Annotated

import typer

from labctl.cli import (
    bench,
    catalogue,
    compare,
    control,
    data,
    demo,
    die,
    files,
    measure,
    queue,
    racks,
    replay,
    resume,
    runs,
    spare,
    traffic,
    twin,
    window,
)
from labctl.cli.codes import ExitCode
from labctl.cli.output import complain
from labctl.errors import Aborted, InstrumentError, LabError

__all__ = ["app", "main"]

# ClickException of the click that this Typer brings or uses: it is exported by neither under one name
WrongUsage: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="labctl",
    help="Characterise and program resistive-memory devices and arrays, on real instruments or a simulated bench.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"labctl {version('labctl')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Take the options that stand before a command; without a command, print the help."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


measure.add_commands(app)
resume.add_commands(app)
queue.add_commands(app)
demo.add_commands(app)
data.add_commands(app)
runs.add_commands(app)
catalogue.add_commands(app)
compare.add_commands(app)
die.add_commands(app)
files.add_commands(app)
racks.add_commands(app)
bench.add_commands(app)
window.add_commands(app)
traffic.add_commands(app)
replay.add_commands(app)
twin.add_commands(app)
control.add_commands(app)
spare.add_commands(app)


def main() -> None:
    """Run the command line and leave with its exit code."""
    debug = "--debug" in sys.argv[1:]
    try:
        code = app(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt, Aborted) as error:
        complain(str(error) or "aborted")
        sys.exit(ExitCode.ABORTED)
    except WrongUsage as error:
        context = getattr(error, "ctx", None)
        remedy = f"; see `{context.command_path} --help`" if context is not None else ""
        complain(f"{str(error.format_message()).rstrip('.')}{remedy}")  # type: ignore[attr-defined]
        sys.exit(ExitCode.WRONG)
    except (LabError, ValueError, OSError) as error:
        if debug:
            raise
        complain(" ".join(str(error).split("\n")))
        # an instrument that fails has been spoken to; everything else is found out before a byte is sent
        sys.exit(ExitCode.FAILED if isinstance(error, InstrumentError) else ExitCode.WRONG)
    sys.exit(code if isinstance(code, int) else ExitCode.FINISHED)
