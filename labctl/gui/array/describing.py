"""A cell and an age in words. Not here: the panel (:mod:`labctl.gui.array.array_panel`)."""

import numpy as np

from labctl.analysis.die_maps import CellClass, DieMaps
from labctl.gui.array.quantities import QUANTITIES, Quantity, written

__all__ = ["age", "describe_cell"]

_UNITS = ((86400.0, "day", "days"), (3600.0, "hour", "hours"), (60.0, "min", "min"))


def age(seconds: float) -> str:
    """Say how old something is.

    Parameters
    ----------
    seconds : float, unit s

    Returns
    -------
    str
        Such as ``"3 days"`` or ``"12 s"``.
    """
    for length_s, one, many in _UNITS:
        count = int(seconds // length_s)
        if count >= 1:
            return f"{count} {one if count == 1 else many}"
    return f"{max(int(seconds), 0)} s"


def describe_cell(maps: DieMaps, cell: tuple[int, int], quantity: Quantity, *, simulated: bool, now_s: float) -> str:
    """Say where a cell is, what is shown of it, when that was measured, and what else is known.

    Parameters
    ----------
    maps : DieMaps
    cell : (int, int)
        Row and column.
    quantity : Quantity
        What the map shows.
    simulated : bool
        Whether its values are simulated.
    now_s : float, unit s
        Seconds since 1970.

    Returns
    -------
    str
        One or two lines.
    """
    kind = CellClass(int(maps.classes()[cell]))
    value = written(float(quantity.of(maps)[cell]), quantity)
    if not value:
        value = "over range: no number" if maps.over_range[cell] else "no value"
    words = [f"Row {cell[0]}, column {cell[1]}: {quantity.label.lower()} {value}"]
    if quantity.key != "class":
        words.append(kind.label)
    if quantity.key != "conductance" and np.isfinite(maps.conductance_s[cell]):
        words.append(written(float(maps.conductance_s[cell]), QUANTITIES["conductance"]))
    if np.isfinite(maps.target_s[cell]):
        target = written(float(maps.target_s[cell]), QUANTITIES["conductance"])
        error = written(float(maps.error[cell]), QUANTITIES["error"], 3)
        words.append(f"target {target}" + (f", {error} off" if error and quantity.key != "error" else ""))
    if cell in maps.reasons:
        words.append(maps.reasons[cell])
    measured_s = float(maps.measured_utc_s[cell])
    if np.isfinite(measured_s):
        words.append(f"read {age(now_s - measured_s)} ago")
    words.append(f"{int(maps.pulses[cell])} pulses, {int(maps.readings[cell])} readings")
    if simulated:
        words.append("simulated")
    return " · ".join(words)
