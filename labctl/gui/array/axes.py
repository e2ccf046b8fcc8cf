"""Axes of the map: whole numbers of lines in the middle of their cells, and a colour scale with units.

Not here: the map (:mod:`labctl.gui.array.map_view`).
"""

from collections.abc import Sequence
from math import floor, log10
from typing import Any

import pyqtgraph as pg
from qtpy.QtGui import QFontMetricsF

from labctl.gui.array.quantities import QUANTITIES, Quantity, written

__all__ = ["LineAxis", "ScaleAxis"]

_STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_DIGITS = 3


class LineAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """Numbers of word or bit lines.

    Parameters
    ----------
    orientation : str
        As pyqtgraph has it.

    Attributes
    ----------
    count : int, unit 1
        Lines.
    """

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.count = 1

    def tickValues(self, minVal: Any, maxVal: Any, size: Any) -> list[tuple[float, list[float]]]:
        """Return the middles of lines, so many that their numbers do not touch."""
        # an axis that runs downwards comes the other way round
        minVal, maxVal = sorted((minVal, maxVal))
        room = self._room()
        visible = max(1.0, maxVal - minVal)
        step = next((step for step in _STEPS if size / visible * step >= room), _STEPS[-1])
        first, last = max(0, int(minVal)), min(self.count - 1, int(maxVal))
        start = -(-first // step) * step
        return [(float(step), [line + 0.5 for line in range(start, last + 1, step)])]

    def tickStrings(self, values: Sequence[float], scale: Any, spacing: Any) -> list[str]:
        """Return the numbers of lines, from 0."""
        return [str(int(value)) for value in values]

    def _room(self) -> float:
        """Return what a number takes, in pixels."""
        metrics = QFontMetricsF(self.font())
        upright = self.orientation in ("left", "right")
        return float(metrics.height() if upright else metrics.horizontalAdvance(f" {self.count} "))


class ScaleAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """The axis of a colour scale: values with SI prefixes, also where the scale is logarithmic."""

    def __init__(self) -> None:
        super().__init__("right")
        self.quantity: Quantity = QUANTITIES["conductance"]
        self.is_log = False

    def show_quantity(self, quantity: Quantity, *, is_log: bool, ticks: list[tuple[float, str]] | None) -> None:
        """Write values of a quantity from now on.

        Parameters
        ----------
        quantity : Quantity
        is_log : bool
            Whether the axis counts decades.
        ticks : list of (float, str), optional
            Where to write what, in place of values.
        """
        self.quantity, self.is_log = quantity, is_log
        self.setTicks(None if ticks is None else [ticks])
        texts = [text for _, text in ticks] if ticks else [written(-1.23e-4, quantity, _DIGITS)]
        metrics = QFontMetricsF(self.font())
        # a little more than the widest word: the dash of the tick and its distance
        self.setWidth(max(metrics.horizontalAdvance(text) for text in texts) + 2.0 * metrics.horizontalAdvance("m"))

    def tickValues(self, minVal: Any, maxVal: Any, size: Any) -> Any:
        """Return where values are written; on a logarithmic scale 1, 2 and 5 of each decade where there is room."""
        if not self.is_log or self._tickLevels is not None:
            return super().tickValues(minVal, maxVal, size)
        wide = maxVal - minVal
        parts: tuple[float, ...] = (1.0,) if wide > 4.0 else (1.0, 3.0) if wide > 2.0 else (1.0, 2.0, 5.0)
        if wide < 0.7:
            parts = tuple(float(part) for part in range(1, 10))
        places = [decade + log10(part) for decade in range(floor(minVal), floor(maxVal) + 1) for part in parts]
        return [(1.0, [place for place in places if minVal <= place <= maxVal])]

    def tickStrings(self, values: Sequence[float], scale: Any, spacing: Any) -> list[str]:
        """Return values with their unit."""
        shown = [10.0**value if self.is_log else value for value in values]
        return [written(value, self.quantity, _DIGITS) for value in shown]
