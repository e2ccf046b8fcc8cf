"""Curves and maps that a procedure may declare, in terms of the arrays and results that its runs hold.

Not here: distributions (:mod:`labctl.analysis.spread_specs`), laws drawn beside the data
(:mod:`labctl.analysis.plot_guides`), which procedure has which plots (:mod:`labctl.analysis.run_plots`), drawing
(:mod:`labctl.analysis.curve_figures`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from labctl.analysis.curve_figures import Axis, Line, draw_lines, draw_map
from labctl.analysis.figures import PERCENT
from labctl.analysis.plot import Plot
from labctl.analysis.run_view import Curves, RunView
from labctl.units import format_quantity

__all__ = ["Apart", "Estimates", "Joined", "Lines", "Map"]

FloatArray = npt.NDArray[np.float64]
Guide = Callable[[RunView, Sequence[Line]], list[Line]]

# a voltage below this part of the largest one is the 0 V of a sweep, where a logarithm shows the meter's noise only
_NO_VOLTAGE = 1e-3


@dataclass(frozen=True, slots=True)
class Apart:
    """A dimension that tells the curves of a plot apart.

    Attributes
    ----------
    dim : str
    axis : Axis
        What it is called.
    values : str
        Array that holds its values; "" counts from 1.
    names : str
        Results that hold its names, with the number in braces, such as ``"state_{}"``; "" for none.
    places : str
        Array of rows and columns that name it, for each cell; "" for none.
    """

    dim: str
    axis: Axis
    values: str = ""
    names: str = ""
    places: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Curves of one or several arrays against another.

    Attributes
    ----------
    name, title : str
    x : str
        Array; "" counts the points from 1.
    y : tuple of str
        Arrays; where there are several, their names tell the curves apart.
    x_axis, y_axis : Axis
    style : str
        Matplotlib's short form: line, points, or both.
    apart : Apart, optional
        What colour tells apart where it is not the arrays; left out, the cells.
    cells_first : bool
        Colour tells the cells apart where there are several, and ``apart`` only those of a single cell.
    magnitude : bool
        Draw the magnitude of y.
    relative_to : str
        "first": change against the first point of a curve; "x": error against the abscissa; both in parts.
    mean_over : str
        Dimension over which the mean is drawn, with the standard deviation as error bars.
    error : str
        Array of the standard deviations of y, drawn as error bars.
    guides : tuple of callable
        Take the view and the curves, and return what stands beside them.
    """

    name: str
    title: str
    x: str
    y: tuple[str, ...]
    x_axis: Axis
    y_axis: Axis
    style: str = "-"
    apart: Apart | None = None
    cells_first: bool = False
    magnitude: bool = False
    relative_to: Literal["", "first", "x"] = ""
    mean_over: str = ""
    error: str = ""
    guides: tuple[Guide, ...] = field(default=())

    def draw(self, view: RunView, note: str) -> Plot | None:
        """Return the plot, or None where the run has not what it needs."""
        present = [name for name in self.y if name in view.arrays]
        if not present or (self.x and self.x not in view.arrays):
            return None
        lines = [line for name in present for line in self._lines(view, name)]
        if not lines:
            return None
        colour = self.apart.axis if self.apart is not None else None
        lines += [guide for draw in self.guides for guide in draw(view, lines)]
        figure, table = draw_lines(
            lines, self.x_axis, self.y_axis, title=self.title, style=self.style, colour=colour, note=note
        )
        return Plot(self.name, self.title, figure, table)

    def _lines(self, view: RunView, name: str) -> Iterator[Line]:
        array, x = view.arrays[name], view.arrays.get(self.x)
        error = view.arrays[self.error].values if self.error in view.arrays else None
        if self.mean_over in array.dims:
            array, error = _mean_over(array, self.mean_over)
            x = _mean_over(x, self.mean_over)[0] if x is not None and self.mean_over in x.dims else x
        for place in np.ndindex(array.values.shape[:-1]):
            points = array.values[place]
            bars = None if error is None else error[place]
            abscissa = _abscissa(x, array, place)
            points, bars = self._converted(abscissa, points, bars)
            good = np.isfinite(abscissa) & np.isfinite(points) & ((points > 0.0) | (not self.y_axis.is_log))
            good &= (abscissa > 0.0) | (not self.x_axis.is_log)
            if not good.any():
                continue
            if self.magnitude:
                # a gap, not a bridge from side to side
                points = np.where(np.abs(abscissa) > _NO_VOLTAGE * np.nanmax(np.abs(abscissa)), points, np.nan)
            if not np.isfinite(points[good]).any():
                continue
            group, order = self._group(view, name, array, place)
            low, high = (None, None) if bars is None else ((points - bars)[good], (points + bars)[good])
            yield Line(group, abscissa[good], points[good], low, high, order)

    def _converted(self, x: FloatArray, y: FloatArray, bars: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
        if self.magnitude:
            return np.abs(y), bars
        if not self.relative_to:
            return y, bars
        seen = y[np.isfinite(y)]
        against = x if self.relative_to == "x" else (seen[0] if seen.size else np.nan)
        return y / against - 1.0, None if bars is None else bars / against

    def _group(self, view: RunView, name: str, array: Curves, place: Sequence[int]) -> tuple[str, float]:
        if len(self.y) > 1:
            return name.replace("_", " "), np.nan
        cells = view.cell_names() if array.dims[0] == "cell" else []
        by_cell = len(cells) > 1 and (self.cells_first or self.apart is None)
        if by_cell or self.apart is None or self.apart.dim not in array.dims:
            return (cells[place[0]] if len(cells) > 1 else ""), np.nan
        index = place[array.dims.index(self.apart.dim)]
        if self.apart.places in view.arrays:
            row, column = view.arrays[self.apart.places].values[place[0], index]
            return f"{self.apart.axis.label} ({row:.0f}, {column:.0f})", np.nan
        return _name_of(view, self.apart, index)


@dataclass(frozen=True, slots=True)
class Joined:
    """Branches that follow one another, as potentiation and depression do, over the number of the pulse.

    Attributes
    ----------
    name, title : str
    parts : tuple of str
        Arrays of equal shape, the last dimension that of the pulses, the one before that of the cycles.
    x_axis, y_axis : Axis
    overlaid : bool
        Every cycle from pulse 0 on; otherwise one cycle after the other.
    """

    name: str
    title: str
    parts: tuple[str, ...]
    x_axis: Axis
    y_axis: Axis
    overlaid: bool = False

    def draw(self, view: RunView, note: str) -> Plot | None:
        """Return the plot, or None where the run has not what it needs."""
        if not set(self.parts) <= set(view.arrays):
            return None
        # a branch begins with a reading, at the pulse that ended the one before
        steps = view.arrays[self.parts[0]].values.shape[-1] - 1
        curves = np.concatenate([view.arrays[part].values for part in self.parts], axis=-1)
        pulses = np.concatenate([np.arange(steps + 1.0) + steps * number for number in range(len(self.parts))])
        cells = view.cell_names()
        lines = []
        for cell, cycles in enumerate(curves):
            own = cells[cell] if len(cells) > 1 else ""
            if self.overlaid:
                for cycle, curve in enumerate(cycles, start=1):
                    good = np.isfinite(curve)
                    group, order = (own, np.nan) if own else (f"cycle {cycle}", float(cycle))
                    lines.append(Line(group, pulses[good], curve[good], order=order))
            else:
                train = pulses + steps * len(self.parts) * np.arange(cycles.shape[0])[:, np.newaxis]
                good = np.isfinite(cycles)
                lines.append(Line(own, train[good], cycles[good]))
        lines = [line for line in lines if line.x.size]
        if not lines:
            return None
        style = "-" if self.overlaid else ".-"
        figure, table = draw_lines(
            lines, self.x_axis, self.y_axis, title=self.title, style=style, colour=Axis("cycle", "1"), note=note
        )
        return Plot(self.name, self.title, figure, table)


@dataclass(frozen=True, slots=True)
class Estimates:
    """Estimates with their intervals, from a result that is a list with an entry for each point.

    Attributes
    ----------
    name, title : str
    result, x, y : str
        Name of the result; keys of its entries, ``y_low`` and ``y_high`` the ends of the interval.
    x_axis, y_axis : Axis
    """

    name: str
    title: str
    result: str
    x: str
    y: str
    x_axis: Axis
    y_axis: Axis

    def draw(self, view: RunView, note: str) -> Plot | None:
        """Return the plot, or None where the run has no such estimates."""
        keys = (self.x, self.y, f"{self.y}_low", f"{self.y}_high")
        rows = [[entry.get(key) for key in keys] for entry in view.results.get(self.result) or []]
        table_rows = np.array([row for row in rows if None not in row], dtype=float)
        if not table_rows.size:
            return None
        line = Line("", *table_rows.T)
        figure, table = draw_lines([line], self.x_axis, self.y_axis, title=self.title, style="o-", note=note)
        return Plot(self.name, self.title, figure, table)


@dataclass(frozen=True, slots=True)
class Map:
    """Mean over cells and repeats of an array whose last dimensions are the two parameters (and one to choose from).

    Attributes
    ----------
    name, title : str
    z, rows, columns : str
        Arrays.
    y_axis, x_axis, z_axis : Axis
    chosen : int, optional
        Of a last dimension of counts: draw this one's part of all.
    """

    name: str
    title: str
    z: str
    rows: str
    columns: str
    y_axis: Axis
    x_axis: Axis
    z_axis: Axis
    chosen: int | None = None

    def draw(self, view: RunView, note: str) -> Plot | None:
        """Return the plot, or None where the run has not what it needs."""
        if not {self.z, self.rows, self.columns} <= set(view.arrays):
            return None
        array, rows, columns = (view.arrays[name] for name in (self.z, self.rows, self.columns))
        values, dims = array.values, list(array.dims)
        if self.chosen is not None:
            values, dims = values[..., self.chosen] / values.sum(axis=-1), dims[:-1]
        order = [dims.index(rows.dims[0]), dims.index(columns.dims[0])]
        values = np.moveaxis(values, order, (-2, -1)).reshape(-1, rows.values.size, columns.values.size)
        mean = _nan_mean(values, 0)
        if not np.isfinite(mean).any():
            return None
        figure, table = draw_map(
            mean, rows.values, columns.values, self.y_axis, self.x_axis, self.z_axis, title=self.title, note=note
        )
        return Plot(self.name, self.title, figure, table)


def _name_of(view: RunView, apart: Apart, index: int) -> tuple[str, float]:
    """Return name and place of a group."""
    if apart.names:
        return f"{apart.axis.label} {index}: {view.results.get(apart.names.format(index), '')}", index + 1.0
    if apart.values not in view.arrays:
        return f"{apart.axis.label} {index + 1}", index + 1.0
    value = float(view.arrays[apart.values].values[index])
    if apart.axis.unit == PERCENT:
        return f"{apart.axis.label} {100.0 * value:.3g} %", value
    return f"{apart.axis.label} {format_quantity(value, apart.axis.unit, digits=3)}", value


def _abscissa(x: Curves | None, y: Curves, place: Sequence[int]) -> FloatArray:
    """Return the abscissa of one curve: of its own, shared by the curves of an index, or the number of the point."""
    if x is None:
        return np.arange(1.0, y.values.shape[-1] + 1.0)
    shared = [index for dim, index in zip(y.dims, place, strict=False) if dim in x.dims]
    return np.asarray(x.values[tuple(shared)], dtype=float)


def _mean_over(array: Curves, dim: str) -> tuple[Curves, FloatArray]:
    """Return mean and standard deviation over a dimension; the latter is NaN where there is one value."""
    axis = array.dims.index(dim)
    mean = _nan_mean(array.values, axis)
    counts = np.isfinite(array.values).sum(axis=axis)
    squares = np.where(np.isfinite(array.values), (array.values - np.expand_dims(mean, axis)) ** 2, 0.0).sum(axis=axis)
    deviation = np.where(counts > 1, np.sqrt(squares / np.maximum(counts - 1, 1)), np.nan)
    return Curves(mean, tuple(own for own in array.dims if own != dim), array.unit), deviation


def _nan_mean(values: FloatArray, axis: int) -> FloatArray:
    good = np.isfinite(values)
    counts = good.sum(axis=axis)
    return np.where(counts > 0, np.where(good, values, 0.0).sum(axis=axis) / np.maximum(counts, 1), np.nan)
