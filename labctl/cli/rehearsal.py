"""How the command line shows a dry run: the extremes, then what came of each case. Not here: the dry run itself."""

import typer

from labctl.cli.output import duration, print_table
from labctl.run.dry_run import DryRun
from labctl.units import format_quantity

__all__ = ["print_dry_run"]


def print_dry_run(rehearsed: DryRun) -> None:
    """Write a dry run as tables.

    Parameters
    ----------
    rehearsed : DryRun
    """
    worst = rehearsed.worst()
    typer.echo(
        f"{rehearsed.procedure} on {rehearsed.station}: dry run, no instrument was opened. The extremes are the worst "
        "over cells that never respond; cells that do may lead elsewhere, and the envelope refuses there, too."
    )
    if rehearsed.estimate is not None:
        told = f"up to {rehearsed.estimate.points} points, about {duration(rehearsed.estimate.duration_s)} of the rack"
        typer.echo(f"The procedure's own estimate: {told}.")
    cell_v = rehearsed.largest_cell_v
    print_table(
        ("at most", ""),
        [
            *((f"voltage of {terminal}", _told(level_v, "V")) for terminal, level_v in sorted(worst.largest_v.items())),
            ("voltage of a cell, as planned", None if cell_v is None else _told(cell_v, "V")),
            ("width of a pulse or step", _told(worst.longest_s, "s")),
            ("current limit", _told(worst.largest_a, "A")),
            ("energy of one stimulus", _told(worst.largest_j, "J")),
            ("relays moved", worst.relays),
        ],
        whole=("at most",),
    )
    print_table(
        ("cells", "conductance", "stimuli", "readings", "points", "rack time", "outcome"),
        [
            (
                case.name,
                _told(case.conductance_s, "S"),
                case.record.count,
                case.record.readings,
                case.points,
                duration(case.duration_s),
                "refused" if case.is_refused else case.outcome,
            )
            for case in rehearsed.cases
        ],
        whole=("cells", "conductance", "rack time"),
    )
    for case in rehearsed.cases:
        if case.is_refused:
            typer.echo(f"{case.name} cells: {case.outcome}")


def _told(value: float, unit: str) -> str:
    return format_quantity(float(f"{value:.6g}"), unit)
