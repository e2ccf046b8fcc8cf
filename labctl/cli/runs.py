"""Commands on one run that was made: show, export, report. Not here: listing them (:mod:`labctl.cli.catalogue`)."""

from math import isnan
from pathlib import Path
from typing import Annotated

import typer

from labctl.cli.output import duration, print_json, print_table
from labctl.cli.summary import print_parameters, print_summary

__all__ = ["add_commands"]

RunReference = Annotated[str, typer.Argument(help="Id, path or `latest`.")]
DataRoot = Annotated[Path | None, typer.Option("--root", help="Data root to look in.")]
EVENTS_SHOWN = 20
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("show")(show)
    app.command("export")(export)
    app.command("report")(report)


def show(context: typer.Context, run: RunReference = "latest", root: DataRoot = None, as_json: AsJson = False) -> None:
    """Show one run: status, results, parameters, events; tracebacks with ``labctl --debug show``."""
    from labctl.store import open_run

    with open_run(run, root) as opened:
        summary = opened.summary()
        if as_json:
            print_json(summary)
            return
        print_summary(summary)
        print_parameters(opened.parameter_texts)
        events = opened.events()
        if not context.find_root().params["debug"]:
            events = events[events["kind"] != "traceback"]
        shown = events[["wall_s", "instrument_s", "points", "kind", "message"]].tail(EVENTS_SHOWN)
        rows = [
            (*("" if time_s is None or isnan(time_s) else duration(time_s) for time_s in (wall_s, instrument_s)), *rest)
            for wall_s, instrument_s, *rest in shown.to_numpy().tolist()
        ]
        if rows:
            print_table(("wall", "instrument", "points", "event", ""), rows, title="last events")


def export(
    run: RunReference,
    to: Annotated[str, typer.Option("--to", help="csv, parquet, hdf5 or netcdf.")],
    path: Annotated[Path | None, typer.Option("-o", help="File to write; default beside the working folder.")] = None,
    root: DataRoot = None,
) -> None:
    """Write a run's table (and arrays, where the format has room) to another format."""
    from labctl.store import export as export_run
    from labctl.store import open_run

    with open_run(run, root) as opened:
        typer.echo(str(export_run(opened, to, path)))


def report(
    run: Annotated[
        str, typer.Argument(help="Id, path or `latest`; `reproduction`: the published systems beside their papers.")
    ] = "latest",
    folder: Annotated[Path | None, typer.Option("-o", help="Folder for the page; default the working folder.")] = None,
    plots: Annotated[
        bool, typer.Option("--plots", help="Also write each plot as SVG, PNG and CSV into <run>-plots beside it.")
    ] = False,
    root: DataRoot = None,
) -> None:
    """Write one self-contained HTML page about a run, or about the newest runs of all published systems."""
    from labctl.analysis.report import write_plots, write_report
    from labctl.store import open_run

    if run == "reproduction":
        _report_reproduction(folder or Path.cwd(), root)
        return
    with open_run(run, root) as opened:
        page = write_report(opened, folder or Path.cwd())
        typer.echo(str(page))
        if plots:
            for path in write_plots(opened, page.with_name(f"{page.stem}-plots")):
                typer.echo(str(path))


def _report_reproduction(folder: Path, root: Path | None) -> None:
    from labctl.analysis.reproduction_page import newest_systems, write_reproduction
    from labctl_procedures import find_procedure
    from labctl_procedures import procedures as all_procedures

    names = sorted(name for name in all_procedures() if name.startswith("system."))
    systems = newest_systems({name: find_procedure(name).default_station for name in names}, root)
    print_table(
        ("system", "run", "rules"),
        [(one.procedure, one.run_id, one.words.verdict) for one in systems if one.words is not None],
        whole=("system", "run"),
    )
    for system in systems:
        if system.words is None:
            typer.echo(f"no finished run of {system.procedure}: {system.command}")
    for path in write_reproduction(systems, folder):
        typer.echo(str(path))
