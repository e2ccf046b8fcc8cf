"""Command that plays a run, or applies its stimuli. Not here: replaying VISA traffic (``labctl run --replay``)."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from labctl.cli.codes import ExitCode
from labctl.cli.measure import tell_end
from labctl.cli.output import RunProgress, print_json, print_table
from labctl.cli.playing import play_run

__all__ = ["add_commands"]

_TOLERANCE = 0.01


def add_commands(app: typer.Typer) -> None:
    """Add this file's command.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("replay")(replay)


def replay(
    run: Annotated[str, typer.Argument(help="Id or path of the recorded run, 'latest', or 'sample:NAME'.")],
    against: Annotated[
        str | None, typer.Option("--against", help="Name or file of the station to apply its stimuli on.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Seconds of the rack that are played in a second.")] = 1.0,
    start: Annotated[str, typer.Option("--from", help="Begin there, such as '50%' or '30 s'.")] = "",
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter before each row.")] = False,
    tolerance: Annotated[
        float, typer.Option(help="Relative difference that counts as agreement.", min=0.0, max=1.0)
    ] = _TOLERANCE,
    folder: Annotated[Path | None, typer.Option("-o", help="Folder for the page; default the working folder.")] = None,
    root: Annotated[
        Path | None, typer.Option("--root", help="Data root: where the run is and the new one goes.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Confirm that the stimuli are applied to real instruments.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no table.")] = False,
) -> int:
    """Play a run as if it were measured now; --against applies its stimuli to a station again, and compares.

    Played, its rows are written as CSV when they came then, by the clock of the rack. Against a station, stimuli are
    applied, not parameters: nothing is decided by what is read now, and the envelope of the station holds.
    """
    from labctl.store import open_run

    if against is None:
        if as_json or yes or folder is not None or tolerance != _TOLERANCE:
            raise typer.BadParameter("--json, --yes, --tolerance and -o are for a replay against a station")
        return play_run(open_run(run, root).path, speed=speed, start=start, step=step, quiet=quiet)
    if start or step or speed != 1.0:
        raise typer.BadParameter("--speed, --from and --step are for a replay without --against")
    from labctl.analysis.replay_comparison import compare_replay
    from labctl.analysis.replay_page import write_replay
    from labctl.run import execute_procedure
    from labctl.station import read_station_file
    from labctl_procedures.replay_run import ReplayRun

    content = read_station_file(against)
    with ExitStack() as held:
        recorded = held.enter_context(open_run(run, root))
        is_simulated = content.bench is not None or content.unrecorded_library.endswith(("@labctl", "@replay"))
        if not (is_simulated or yes):
            _confirm(f"{against} has real instruments. Apply the stimuli of run {recorded.run_id} to them?")
        with RunProgress("replay", visible=not quiet) as progress:
            replayed = execute_procedure(
                ReplayRun,
                content,
                {"run": str(recorded.path), "confirm_real": not is_simulated},
                out=root,
                observer=progress,
                install_signal_handler=True,
            )
        held.enter_context(replayed)
        if replayed.status != "finished":
            return tell_end(replayed, as_json=as_json, quiet=quiet)
        found = compare_replay(recorded, replayed, tolerance=tolerance)
        page = write_replay(found, folder or Path.cwd())
    verdicts = found.verdicts()
    if as_json:
        print_json(
            {
                "recorded": recorded.run_id,
                "replayed": replayed.run_id,
                "points": len(found.pairs),
                "tolerance": tolerance,
                "verdicts": verdicts,
                "remark": found.remark(),
                "circumstances": found.circumstances,
                "left_out": found.left_out,
                "page": str(page),
            }
        )
        return int(ExitCode.FINISHED)
    if not quiet:
        print_table(("column", f"{len(found.pairs)} points, tolerance {100 * tolerance:g} %"), list(verdicts.items()))
        for text in (found.remark(), *found.left_out):
            if text:
                typer.echo(text, err=True)
    typer.echo(str(page))
    return int(ExitCode.FINISHED)


def _confirm(question: str) -> None:
    """Ask the operator; where nobody can answer, refuse."""
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Nobody is there to answer; say so with --yes. Nothing was sent")
    typer.confirm(question, abort=True)
