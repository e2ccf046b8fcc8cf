"""Commands on a die: what its runs together say of its cells, and the history of one cell.

Not here: the rules (:mod:`labctl.analysis.die_maps`), runs (:mod:`labctl.cli.runs`).
"""

from datetime import UTC, datetime
from math import isnan
from typing import Annotated, Any

import typer

from labctl.cli.measure import Out, Station
from labctl.cli.output import complain, duration, print_json, print_table

__all__ = ["add_commands"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_FAILED_SHOWN = 20
_UNREAD_SHOWN = 5


def add_commands(app: typer.Typer) -> None:
    """Add this file's commands.

    Parameters
    ----------
    app : typer.Typer
        The command line.
    """
    app.command("die")(die)
    app.command("cell")(cell)


def die(station: Station, out: Out = None, as_json: AsJson = False) -> None:
    """Tell the state of the die of a station from all its runs: classes of cells, conductance, failures, age."""
    from labctl.script import die_state

    state = die_state(station, out=out)
    if as_json:
        print_json(_without_nan(state.to_dict()))
        return
    from labctl.analysis.die_maps import CellClass
    from labctl.units import format_quantity

    facts, conductance_s = state.attrs, state["conductance"].to_numpy()
    seed = f", simulated, seed {facts['seed']}" if facts["simulated"] else ""
    known = conductance_s[conductance_s == conductance_s]
    rows: list[tuple[str, object]] = [
        ("sample", f"{facts['sample']}, {state.sizes['row']} rows x {state.sizes['column']} columns{seed}"),
        ("runs", facts["runs"]),
        ("pulses, readings", f"{int(state['pulses'].sum())}, {int(state['readings'].sum())}"),
    ]
    if known.size:
        low, high = (format_quantity(float(value), "S", 3) for value in (known.min(), known.max()))
        measured_s = state["measured"].to_numpy()
        oldest_s = datetime.now(UTC).timestamp() - float(measured_s[measured_s == measured_s].min())
        rows += [("conductance", f"{low} to {high}"), ("oldest value", f"{duration(max(oldest_s, 0.0))} ago")]
    print_table(("", ""), rows)
    classes = state["class"].to_numpy()
    counts = [(kind.label, int((classes == kind).sum())) for kind in CellClass]
    print_table(("class", "cells"), [row for row in counts if row[1]])
    failed = facts["reasons"]
    if failed:
        listed = [(row, column, reason) for row, column, reason in failed[:_FAILED_SHOWN]]
        more = f", the first {_FAILED_SHOWN}" if len(failed) > _FAILED_SHOWN else ""
        cells = "failed cell" if len(failed) == 1 else "failed cells"
        print_table(("row", "column", "why"), listed, title=f"{len(failed)} {cells}{more}")
    if facts["unread"]:
        files = "1 file" if len(facts["unread"]) == 1 else f"{len(facts['unread'])} files"
        shown = facts["unread"][:_UNREAD_SHOWN]
        rest = ["..."] if len(facts["unread"]) > len(shown) else []
        complain("\n  ".join([f"{files} of the data root cannot be read and count for nothing:", *shown, *rest]))


def cell(
    address: Annotated[str, typer.Argument(metavar="ROW,COLUMN", help="Such as 3,4; counted from 0.")],
    station: Station,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """List every pulse and reading of one cell, over all runs of its die, oldest first."""
    from labctl.script import cell_history

    table = cell_history(station, address, out=out)
    if as_json:
        # NaN is no JSON
        print_json(table.astype(object).where(table.notna(), None).to_dict("records"))
        return
    for run_id, rows in table.groupby("run_id", sort=False):
        print_table(
            ("time (UTC)", "event", "voltage", "width", "current", "conductance", "flags"),
            [_row(item) for item in rows.to_dict("records")],
            title=f"run {run_id}",
            whole=("time (UTC)",),
        )


def _without_nan(value: Any) -> Any:
    # NaN is no JSON
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and isnan(value) else value


def _row(item: dict[Any, Any]) -> tuple[object, ...]:
    from labctl.units import format_quantity

    values = [
        format_quantity(item[label], unit, 4) if item[label] == item[label] else None
        for label, unit in (("Voltage (V)", "V"), ("Width (s)", "s"), ("Current (A)", "A"), ("Conductance (S)", "S"))
    ]
    flags = item["Flags"] if isinstance(item["Flags"], str) else None
    return (f"{item['utc']:%Y-%m-%d %H:%M:%S}", item["Event"], *values, flags)
