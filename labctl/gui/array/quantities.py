"""What the map can show: values of each quantity, their unit, their colours and how a value is written.

Not here: drawing (:mod:`labctl.gui.array.map_view`), the maps (:mod:`labctl.analysis.die_maps`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg

from labctl.analysis.die_maps import CellClass, DieMaps

__all__ = ["CLASS_COLOURS", "QUANTITIES", "Quantity", "levels_of", "written"]

FloatArray = npt.NDArray[np.float64]

# Okabe and Ito's colours where a class is good or bad; greys and pale ones where it is neither
CLASS_COLOURS = {
    CellClass.NEVER_MEASURED: "#9a9a9a",
    CellClass.NOT_FORMED: "#5b5f8a",
    CellClass.FORMED: "#8fc8ee",
    CellClass.IN_TOLERANCE: "#009e73",
    CellClass.OUT_OF_TOLERANCE: "#f0c030",
    CellClass.FAILED: "#d55e00",
    CellClass.STUCK: "#9c2a6b",
    CellClass.OVER_RANGE: "#f4a6d0",
}
_PERCENTILES = (1.0, 99.0)


@dataclass(frozen=True)
class Quantity:
    """One thing that the map can show.

    Attributes
    ----------
    key, label : str
        Name in settings; what people read.
    unit : str
        SI unit; "%" for a ratio that is shown in per cent; empty for the yield class.
    of : callable
        Takes the maps, returns values of shape (rows, columns) in SI units.
    meaning : str
        One sentence.
    may_be_log : bool
        Whether a logarithmic colour scale makes sense.
    is_signed : bool
        Whether 0 is the middle of the colours.
    """

    key: str
    label: str
    unit: str
    of: Callable[[DieMaps], FloatArray]
    meaning: str
    may_be_log: bool = False
    is_signed: bool = False

    @property
    def is_class(self) -> bool:
        """Whether values are classes, not numbers."""
        return not self.unit

    def colours(self) -> Any:
        """Return its colour map: perceptually uniform, or the colours of the classes."""
        if self.is_class:
            return _class_map()
        return pg.colormap.get("CET-D1" if self.is_signed else "viridis")


QUANTITIES = {
    quantity.key: quantity
    for quantity in (
        Quantity(
            "conductance",
            "Conductance",
            "S",
            lambda maps: maps.conductance_s,
            "Low-field conductance in the last reading of each cell",
            may_be_log=True,
        ),
        Quantity(
            "resistance",
            "Resistance",
            "Ω",
            lambda maps: maps.resistance_ohm,
            "Inverse of the conductance in the last reading of each cell",
            may_be_log=True,
        ),
        Quantity(
            "current",
            "Current",
            "A",
            lambda maps: maps.current_a,
            "Current in the last reading of each cell, at the read voltage of that run",
            may_be_log=True,
        ),
        Quantity(
            "error",
            "Error to target",
            "%",
            lambda maps: maps.error,
            "Last conductance over the target of the last run that programmed the cell, less 1",
            is_signed=True,
        ),
        Quantity(
            "change",
            "Last change",
            "%",
            lambda maps: maps.change,
            "Last conductance over the reading before it, less 1",
            is_signed=True,
        ),
        Quantity(
            "class",
            "Yield class",
            "",
            lambda maps: maps.classes().astype(float),
            "What the runs together say of each cell",
        ),
    )
}


def levels_of(values: FloatArray, quantity: Quantity, *, is_log: bool) -> tuple[float, float]:
    """Choose the ends of the colour scale, so that a few odd cells do not decide them.

    Parameters
    ----------
    values : ndarray, unit of the quantity
        NaN where a cell has none.
    quantity : Quantity
    is_log : bool
        Only positive values count.

    Returns
    -------
    (float, float), unit of the quantity
        The lower is less than the upper.
    """
    if quantity.is_class:
        return -0.5, len(CellClass) - 0.5
    known = values[np.isfinite(values)]
    if is_log:
        known = known[known > 0.0]
    if known.size == 0:
        return (1e-6, 1e-3) if is_log else (-1.0 if quantity.is_signed else 0.0, 1.0)
    if quantity.is_signed:
        widest = max(float(np.percentile(np.abs(known), _PERCENTILES[1])), 1e-3)
        return -widest, widest
    low, high = (float(value) for value in np.percentile(known, _PERCENTILES))
    if is_log:
        # at least a factor of two, so that noise does not look like a range
        return (low, high) if high > 2.0 * low else (low / 1.5, high * 1.5)
    spread = high - low
    least = 0.02 * max(abs(low), abs(high)) or 1.0
    return (low, high) if spread > least else (low - least, high + least)


def written(value: float, quantity: Quantity, digits: int = 4) -> str:
    """Write a value with its unit.

    Parameters
    ----------
    value : float, unit of the quantity
    quantity : Quantity
    digits : int, unit 1
        Significant ones.

    Returns
    -------
    str
        Empty for no value.
    """
    if not np.isfinite(value):
        return ""
    if quantity.is_class:
        return CellClass(round(value)).label
    if quantity.unit == "%":
        return f"{100.0 * value:+.{max(digits - 1, 1)}g} %" if value else "0 %"
    # Pint takes a third of a second to import
    from labctl.units import format_quantity

    return format_quantity(float(value), quantity.unit, digits)


@cache
def _class_map() -> Any:
    count = len(CellClass)
    edges = [(kind + side * (1.0 - 1e-6)) / count for kind in CellClass for side in (0.0, 1.0)]
    return pg.ColorMap(edges, [CLASS_COLOURS[kind] for kind in CellClass for _ in range(2)])
