"""``labctl run``, ``labctl procedures`` and ``labctl presets``."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.announcing import Announce
from labctl.cli.codes import ExitCode
from labctl.cli.holding import Between, Hold, parse_conditions
from labctl.cli.output import RunProgress, complain, duration, print_json, print_table
from labctl.cli.summary import print_summary

if TYPE_CHECKING:
    from labctl.station.station_file import StationFile
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
    app.command("presets")(presets)


def run(
    procedure: Annotated[str, typer.Argument(help="Name of the procedure; see `labctl procedures`.")],
    station: Station,
    parameter: Parameters = [],  # noqa: B006 - Typer copies it
    preset: Annotated[
        str | None, typer.Option("--preset", help="Take the values of this preset; those of -p win over them.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with MNIST or CIFAR-10, as -p data=FOLDER; see `labctl data`.")
    ] = None,
    out: Out = None,
    hold: Hold = [],  # noqa: B006 - Typer copies it
    between: Between = None,
    announce: Announce = None,
    record: Annotated[
        Path | None, typer.Option("--record", help="Write what goes over VISA into this new file, for `--replay`.")
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay",
            help="Speak to no instrument: answers come from this recording, in its order; with FILE?lenient in any,"
            " with FILE?paced in its time.",
        ),
    ] = None,
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
    from labctl.run.presets import load_preset
    from labctl_procedures import find_procedure

    # whoever resumes the run may have another working folder
    values = split_parameters([*parameter, *([f"data={data.absolute()}"] if data is not None else [])])
    procedure_class = find_procedure(procedure)
    if (record is not None) + (replay is not None) + dry > 1:
        raise typer.BadParameter("--record, --replay and --dry-run exclude each other; keep one")
    if preset is not None:
        values = {**load_preset(procedure, preset), **values}
    if dry:
        rehearsed = dry_run(procedure_class, station, values)
        if as_json:
            print_json(rehearsed.as_dict())
        else:
            print_dry_run(rehearsed)
        return int(ExitCode.WRONG if rehearsed.is_refused else ExitCode.FINISHED)
    estimate = estimate_run(procedure_class, station, values)
    if estimate is not None and not quiet:
        told = f"up to {estimate.points} points, about {duration(estimate.duration_s)} of the rack"
        typer.echo(f"{procedure} on {station}: {told}", err=True)
    conditions = parse_conditions(hold, between)
    with RunProgress(procedure, visible=not quiet, announce=announce) as progress:
        finished = execute_procedure(
            procedure_class,
            _opened_otherwise(station, record, replay),
            values,
            out=out,
            observer=progress,
            conditions=conditions,
            install_signal_handler=True,
        )
    return tell_end(finished, as_json=as_json, quiet=quiet)


def _opened_otherwise(station: str, record: Path | None, replay: str | None) -> "StationFile | str":
    """Return the station with the VISA library that the options ask for."""
    from labctl.station import read_station_file

    if record is not None:
        return read_station_file(station).recorded_in(record)
    return station if replay is None else read_station_file(station).replayed_from(replay)


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


def presets(
    procedure: Annotated[str | None, typer.Argument(help="Those of this procedure, with their values.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the presets that were saved from the window's form."""
    from labctl.run.presets import load_preset, preset_names
    from labctl_procedures import find_procedure
    from labctl_procedures import procedures as all_procedures

    names = sorted(all_procedures()) if procedure is None else [find_procedure(procedure).procedure_name()]
    found = {name: {preset: load_preset(name, preset) for preset in preset_names(name)} for name in names}
    if as_json:
        print_json({name: held for name, held in found.items() if held or procedure is not None})
        return
    rows = [
        (name, preset, ", ".join(f"{key} = {value}" for key, value in values.items()))
        for name, held in found.items()
        for preset, values in held.items()
    ]
    if not rows:
        typer.echo("there are no presets yet; the window's form saves them")
        return
    print_table(("procedure", "preset", "values"), rows, whole=("procedure", "preset"))
