"""``labctl gui``. Not here: the window (:mod:`labctl.gui`), which this imports only when it is asked for."""

from typing import Annotated

import typer

from labctl.cli.codes import ExitCode
from labctl.cli.measure import Out
from labctl.cli.output import complain

__all__ = ["add_commands"]


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("gui")(gui)


def gui(
    station: Annotated[str, typer.Option("--station", "-s", help="Name or file of the station to begin with.")] = "",
    out: Out = None,
) -> int:
    """Open the window: choose, run, watch, stop, compare."""
    from labctl.gui.requirements import why_no_window
    from labctl.store.runs import data_root

    root = data_root(out)
    why_not = why_no_window()
    if why_not:
        complain(why_not)
        return int(ExitCode.WRONG)
    from labctl.gui.application import show_window

    return show_window(station, root)
