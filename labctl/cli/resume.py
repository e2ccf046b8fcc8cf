"""``labctl resume``. Not here: what may be resumed (:mod:`labctl.run.resuming`)."""

from typing import Annotated

import typer

from labctl.cli.announcing import Announce
from labctl.cli.holding import Between, Hold, parse_conditions
from labctl.cli.measure import Out, tell_end
from labctl.cli.output import RunProgress

__all__ = ["add_commands"]


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("resume")(resume)


def resume(
    run: Annotated[str, typer.Argument(help="Id, path or `latest`.")],
    station: Annotated[
        str | None, typer.Option("--station", "-s", help="Name or file; left out, the one that the run names.")
    ] = None,
    out: Out = None,
    hold: Hold = [],  # noqa: B006 - Typer copies it
    between: Between = None,
    announce: Announce = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> int:
    """Go on with a run that was interrupted, aborted or failed; what its file holds is not done again."""
    from labctl.run import resume_run
    from labctl.store import open_run
    from labctl_procedures import find_procedure

    conditions = parse_conditions(hold, between)
    found = open_run(run, out)
    procedure = str(found.header["procedure"])
    procedure_class = find_procedure(procedure)
    with RunProgress(procedure, visible=not quiet, announce=announce) as progress:
        finished = resume_run(
            found,
            procedure_class,
            station=station,
            observer=progress,
            conditions=conditions,
            install_signal_handler=True,
        )
    return tell_end(finished, as_json=as_json, quiet=quiet)
