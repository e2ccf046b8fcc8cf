"""``labctl run`` and ``labctl procedures``."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.codes import ExitCode
from labctl.cli.holding import Between, Hold, parse_conditions
from labctl.cli.output import RunProgress, complain, duration, print_json, print_table
from labctl.cli.summary import print_summary

if TYPE_CHECKING:
    from labctl.store import Run

__all__ = ["CODES", "add_commands", "tell_end"]

CODES = {"finished": ExitCode.FINISHED, "aborted": ExitCode.ABORTED}
Station = Annotated[str, typer.Option("--station", "-s", help="Name or file of the station.")]
Parameters = Annotated[list[str], typer.Option("--parameter", "-p", help="name=value, such as width=10us; repeat.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Data root: the folder that run files go to.")]


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("run")(run)
    app.command("procedures")(procedures)


def run(
    procedure: Annotated[str, typer.Argument(help="Name of the procedure; see `labctl procedures`.")],
    station: Station,
    parameter: Parameters = [],  # noqa: B006 - Typer copies it
    out: Out = None,
    hold: Hold = [],  # noqa: B006 - Typer copies it
    between: Between = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Open nothing: show the stimuli that would be applied, at most.")
    ] = False,
) -> int:
    """Run a procedure on a station and write its run file."""
    from labctl.cli.rehearsal import print_dry_run
    from labctl.run import execute_procedure
    from labctl.run.dry_run import dry_run, estimate_run
    from labctl_procedures import find_procedure

    values = split_parameters(parameter)
    procedure_class = find_procedure(procedure)
    if dry:
        rehearsed = dry_run(procedure_class, station, values)
        if as_json:
            print_json(rehearsed.as_dict())
        else:
            print_dry_run(rehearsed)
        return int(ExitCode.WRONG if rehearsed.is_refused else ExitCode.FINISHED)
    estimate = estimate_run(procedure_class, station, values)
    if estimate is not None and not quiet:
        told = f"about {estimate.points} points in {duration(estimate.duration_s)} of the rack"
        typer.echo(f"{procedure} on {station}: {told}", err=True)
    conditions = parse_conditions(hold, between)
    with RunProgress(procedure, visible=not quiet) as progress:
        finished = execute_procedure(
            procedure_class,
            station,
            values,
            out=out,
            observer=progress,
            conditions=conditions,
            install_signal_handler=True,
        )
    return tell_end(finished, as_json=as_json, quiet=quiet)


def tell_end(finished: "Run", *, as_json: bool, quiet: bool) -> int:
    """Say how a run ended.

    Parameters
    ----------
    finished : Run
        Sealed.
    as_json, quiet : bool
        As the options say.

    Returns
    -------
    int
        The exit code.
    """
    summary = finished.summary()
    if as_json:
        print_json(summary)
    elif not quiet:
        print_summary(summary)
    if summary["status"] != "finished":
        complain(f"run {summary['run_id']} {summary['status']}: {summary.get('error') or 'see its events'}")
    return int(CODES.get(str(summary["status"]), ExitCode.FAILED))


def split_parameters(texts: list[str]) -> dict[str, str]:
    """Cut ``name=value`` texts.

    Parameters
    ----------
    texts : list of str
        As they were typed.

    Returns
    -------
    dict of str to str

    Raises
    ------
    typer.BadParameter
        If a text has no ``=`` or a name comes twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise typer.BadParameter(f"-p takes name=value, such as -p width=10us, got {text!r}")
        if name in values:
            raise typer.BadParameter(f"-p {name}: given twice, {values[name]!r} and {value!r}; keep one")
        values[name] = value.strip()
    return values


def procedures(
    name: Annotated[str | None, typer.Argument(help="Show this procedure's parameters.")] = None,
    station: Annotated[
        str | None, typer.Option("--station", "-s", help="With the defaults that a run on this station takes.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the procedures, or the parameters of one."""
    from labctl.run.station_defaults import describe_defaults
    from labctl.station import read_station_file
    from labctl.station.defaults_table import StationDefaults
    from labctl_procedures import find_procedure
    from labctl_procedures import procedures as all_procedures

    if name is None:
        if station is not None:
            raise typer.BadParameter("-s shows the defaults of one procedure: labctl procedures NAME -s STATION")
        found = {key: (value.__doc__ or "").strip().splitlines()[0] for key, value in all_procedures().items()}
        if as_json:
            print_json(found)
        else:
            print_table(("procedure", "what it does"), sorted(found.items()))
        return
    defaults = StationDefaults() if station is None else read_station_file(station).defaults
    described = describe_defaults(find_procedure(name), defaults)
    if as_json:
        print_json(described)
        return
    typer.echo(f"{name}: {inspect.getdoc(find_procedure(name))}")
    if station is not None:
        typer.echo(f"\nDefaults on {station}; * marks those of the station file.")
    print_table(
        ("parameter", "default", "allowed", "what it is"),
        [
            (
                item["name"],
                item["default"] + " *" * item["from_station"],
                item["allowed"],
                item["description"] or item["label"],
            )
            for item in described
        ],
        whole=("parameter", "default"),
    )
