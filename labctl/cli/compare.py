"""Command that compares runs. Not here: the numbers and the page (:mod:`labctl.analysis.comparison`)."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["add_commands"]


def add_commands(app: typer.Typer) -> None:
    """Add this file's command.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("compare")(compare)


def compare(
    runs: Annotated[list[str], typer.Argument(help="Ids or paths of at least two runs of one procedure.")],
    folder: Annotated[Path | None, typer.Option("-o", help="Folder for the page; default the working folder.")] = None,
    plots: Annotated[
        bool,
        typer.Option("--plots", help="Also write each plot as SVG, PNG and CSV, and the results as CSV, beside it."),
    ] = False,
    root: Annotated[Path | None, typer.Option("--root", help="Data root to look in.")] = None,
) -> None:
    """Write one self-contained HTML page: results of runs side by side, whether they differ, plots overlaid."""
    from labctl.analysis.comparison import compare as compare_runs
    from labctl.analysis.comparison_page import write_comparison, write_comparison_plots
    from labctl.store import open_run

    with ExitStack() as held:
        comparison = compare_runs([held.enter_context(open_run(run, root)) for run in runs])
        page = write_comparison(comparison, folder or Path.cwd())
        typer.echo(str(page))
        if plots:
            for path in write_comparison_plots(comparison, page.with_name(f"{page.stem}-plots")):
                typer.echo(str(path))
