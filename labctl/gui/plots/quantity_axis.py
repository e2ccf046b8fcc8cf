"""An axis that writes quantities as people do: SI prefixes, powers of ten with a prefix, long times as h:min:s.

Not here: the plots themselves (:mod:`labctl.gui.plots.curve_pane`).
"""

import re
from collections.abc import Sequence

import pyqtgraph

from labctl.units import format_quantity

__all__ = ["QuantityAxis", "name_and_unit", "written"]

_LABEL = re.compile(r"(.*\S)\s*\(([^()]+)\)", re.DOTALL)
_LONG_S = 180.0
_NO_PREFIX = {"1", "%", "°C"}


def name_and_unit(label: str) -> tuple[str, str]:
    """Part the label of a column.

    Parameters
    ----------
    label : str
        Such as ``"Conductance (S)"``.

    Returns
    -------
    tuple of str
        The name and the unit; "1" where there is none.
    """
    match = _LABEL.fullmatch(label)
    return (match.group(1), match.group(2)) if match else (label, "1")


def written(value: float, label: str, digits: int = 5) -> str:
    """Write a value of a column.

    Parameters
    ----------
    value : float, unit as the label says
    label : str
    digits : int
        Significant ones.

    Returns
    -------
    str
        Such as ``"12.5 µS"``.
    """
    unit = name_and_unit(label)[1]
    if unit == "s" and abs(value) >= _LONG_S:
        return _clock(value)
    return format_quantity(float(value), unit, digits)


class QuantityAxis(pyqtgraph.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """One axis of a plot.

    Parameters
    ----------
    orientation : str
        "left", "right", "bottom" or "top".
    """

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self._unit = "1"
        self._asked: tuple[float, float, float] | None = None
        self._ticks: list[tuple[float, Sequence[float]]] = []
        # grid lines at the finest ticks would cost more than the curves
        self.setStyle(maxTickLevel=1)

    def show_quantity(self, label: str, *, is_log: bool, is_absolute: bool = False) -> None:
        """Choose what the axis shows.

        Parameters
        ----------
        label : str
            Of a column, or several of one unit.
        is_log : bool
            The numbers along it are decimal logarithms.
        is_absolute : bool
            The name stands between bars.
        """
        name, self._unit = name_and_unit(label)
        self._asked = None
        name = f"|{name}|" if is_absolute else name
        self.setLogMode(is_log)
        has_prefix = not is_log and self._unit not in _NO_PREFIX and not self._is_clock()
        self.enableAutoSIPrefix(has_prefix)
        if self._unit == "1":
            self.setLabel(name, units=None)
        elif has_prefix:
            self.setLabel(name, units=self._unit)
        else:
            self.setLabel(f"{name} ({self._unit})", units=None)

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, Sequence[float]]]:
        """Choose the ticks, as pyqtgraph asks for it; twice for the same range where there are grid lines.

        Parameters
        ----------
        minVal, maxVal : float, unit as the axis's
        size : float, unit pixels

        Returns
        -------
        list of (float, sequence of float)
            Spacing and places by level.
        """
        asked = (minVal, maxVal, size)
        if asked != self._asked:
            self._asked, self._ticks = asked, super().tickValues(minVal, maxVal, size)
        return self._ticks

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Write the numbers at the ticks, as pyqtgraph asks for them.

        Parameters
        ----------
        values : sequence of float, unit as the axis's
        scale : float, unit 1
            Of the SI prefix.
        spacing : float, unit as the axis's
            Between two of them.

        Returns
        -------
        list of str
        """
        if not self.logMode and self._is_clock() and self.range[1] - self.range[0] >= _LONG_S:
            return [_clock(value) for value in values]
        found: list[str] = super().tickStrings(values, scale, spacing)
        return found

    def logTickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Write powers of ten with a prefix, as pyqtgraph asks for them.

        Parameters
        ----------
        values : sequence of float, unit 1
            Decimal logarithms.
        scale, spacing : float, unit 1
            Not used.

        Returns
        -------
        list of str
        """
        span = self.range[1] - self.range[0]
        texts = []
        for value in values:
            # between the decades only where there is room
            is_decade = abs(value - round(value)) < 1e-6
            unit = self._unit if self._unit not in _NO_PREFIX else "1"
            texts.append(format_quantity(10.0**value, unit, 3) if is_decade or span < 1.5 else "")
        return texts

    def _is_clock(self) -> bool:
        return self._unit == "s" and self.orientation == "bottom"


def _clock(seconds: float) -> str:
    sign = "-" if seconds < 0 else ""
    # rounded first: 59.97 s is a minute
    minutes, tenths = divmod(round(abs(seconds) * 10.0), 600)
    hours, minutes = divmod(minutes, 60)
    fraction = f"{tenths / 10.0:04.1f}" if tenths % 10 else f"{tenths // 10:02d}"
    return f"{sign}{hours}:{minutes:02d}:{fraction}"
