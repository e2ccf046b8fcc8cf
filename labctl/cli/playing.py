"""Playing a recorded run on the terminal: its rows as lines, when they came then, beside the bar of a live run.

Not here: when rows are due (:mod:`labctl.replay.playing`).
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from labctl.cli.codes import ExitCode
from labctl.cli.output import RunProgress

if TYPE_CHECKING:
    from labctl.replay.playing import RunPlayer
    from labctl.store.following import Increment

__all__ = ["play_run"]


def play_run(path: Path, *, speed: float, start: str, step: bool, quiet: bool) -> int:
    """Play a run; its rows go to standard output as CSV, everything else to standard error.

    Parameters
    ----------
    path : Path
        The run file.
    speed : float, unit 1
    start : str
        Where to begin: ``"50 %"``, ``"30 s"`` or empty.
    step : bool
        Wait for Enter before the next row.
    quiet : bool
        Rows only.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    BadParameter
        If the start is not within the run, or the speed not positive.
    """
    from labctl.replay.playing import RunPlayer, position_of

    try:
        player = RunPlayer(path, speed=speed)
        if start:
            player.jump(position_of(start, player.duration_s))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    simulated = ", simulated" if player.header.get("simulated") else ""
    words = f"replay of {player.run_id} ({player.header['procedure']} on {player.header.get('station')}{simulated})"
    names = [column.name for column in player.columns]
    lines = csv.writer(sys.stdout, lineterminator="\n")
    if not quiet:
        typer.echo(words, err=True)
    lines.writerow(names)
    with RunProgress("replay", visible=not quiet and not step) as progress:
        progress.started(player.run_id, path)
        for found in _entered(player) if step else player.batches():
            for event in () if quiet else found.events:
                progress.event(event.kind, event.message)
            if found.count:
                cells = [found.columns[name].tolist() for name in names]
                lines.writerows([_written(cell) for cell in row] for row in zip(*cells, strict=True))
                sys.stdout.flush()
            if found.progress is not None and found.progress.percent is not None:
                progress.progress(found.progress.percent, found.progress.wall_s, found.progress.instrument_s or 0.0)
    if not quiet:
        typer.echo(f"end of the {words.split(' (')[0]}, which {_ended(found.status)}", err=True)
    player.close()
    return int(ExitCode.FINISHED)


def _entered(player: "RunPlayer") -> "Iterator[Increment]":
    """Yield a moment for each line of standard input, to its end or that of the run."""
    for found in player.steps():
        yield found
        if found.count and not sys.stdin.readline():
            return


def _written(cell: object) -> object:
    """Leave a cell without a value empty; floats are written so that they read back as the same."""
    return "" if cell is None or cell != cell else cell


def _ended(status: str) -> str:
    return {"finished": "finished", "running": "goes on", "paused": "goes on"}.get(status, f"was {status}")
