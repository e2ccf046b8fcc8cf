"""Figures of characterisation: curves, and maps over two parameters.

Each returns the figure and the table of what it shows. Matplotlib is imported when the first one is drawn; no display
is needed. Not here: distributions (:mod:`labctl.analysis.spread_figures`), maps of an array
(:mod:`labctl.analysis.figures`), which figure a procedure has (:mod:`labctl.analysis.run_plots`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labctl.analysis.figures import PERCENT, new_figure, scaled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

__all__ = ["Axis", "Line", "column_of", "draw_lines", "draw_map", "set_axis", "sign"]

FloatArray = npt.NDArray[np.float64]

# so many groups have a colour and a name of their own; of more, colour runs over them
_MOST_NAMED = 8
# a map of so many rows and columns has its values written in
_MOST_WRITTEN = 8
_MANY_POINTS = 2000
# an axis is logarithmic where its values span more than this factor
_LEAST_SPAN = 10.0
# beyond this factor it has powers of ten only
_MOST_SPAN = 500.0


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis.

    Attributes
    ----------
    label : str
        Without the unit.
    unit : str
        SI unit; "%" writes a bare number in percent.
    is_log : bool
        Logarithmic, where the values span more than a decade.
    """

    label: str
    unit: str
    is_log: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes
    ----------
    group : str
        Lines of a group share a colour and a name, as the cycles of a cell do.
    x, y : ndarray, same shape, units of the axes
    low, high : ndarray or None, same shape, unit of y
        Ends of error bars.
    order : float
        Place of the group on the axis that colour runs over; NaN where groups have names only.
    is_guide : bool
        A law or a reference beside the data, dashed.
    """

    group: str
    x: FloatArray
    y: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None
    order: float = float("nan")
    is_guide: bool = False


def draw_lines(
    lines: Sequence[Line], x: Axis, y: Axis, *, title: str, style: str = "-", colour: Axis | None = None, note: str = ""
) -> "tuple[Figure, pd.DataFrame]":
    """Draw curves; where there are many groups, colour runs over them.

    Parameters
    ----------
    lines : sequence of Line
    x, y : Axis
    title : str
    style : str
        Matplotlib's short form: line, points, or both.
    colour : Axis, optional
        Of ``order``.
    note : str
        Small print in a corner.

    Returns
    -------
    Figure, DataFrame
        Table with the columns ``group``, x and y, with those of the error bars where there are any.
    """
    figure, axes = new_figure(4.0, 3.4)
    data = [line for line in lines if not line.is_guide]
    groups = {line.group: line.order for line in data}
    colours = _colours(figure, axes, groups, colour)
    x_scale = set_axis(axes, x, [line.x for line in lines], "x")
    y_scale = set_axis(axes, y, [end for line in lines for end in (line.y, line.low, line.high) if end is not None])
    counts = {group: sum(line.group == group for line in data) for group in groups}
    named = set() if len(groups) <= _MOST_NAMED else set(groups)
    for line in lines:
        name = line.group if line.group not in named else None
        named.add(line.group)
        if line.is_guide:
            axes.plot(
                line.x / x_scale, line.y / y_scale, "--", color=colours.get(line.group, "0.2"), linewidth=1, label=name
            )
            continue
        look: dict[str, Any] = {
            "color": colours[line.group],
            "linewidth": 0.9,
            "markersize": 3.0,
            "label": name or None,
        }
        look["alpha"] = 1.0 if counts[line.group] <= 2 else max(0.25, 3.0 / counts[line.group])
        if line.low is None or line.high is None:
            axes.plot(line.x / x_scale, line.y / y_scale, style, **look)
            continue
        bars = np.array([line.y - line.low, line.high - line.y]) / y_scale
        axes.errorbar(line.x / x_scale, line.y / y_scale, bars, fmt=style, capsize=2.0, elinewidth=0.7, **look)
    # the best place takes long to find among many points
    _name(axes, is_quick=sum(line.x.size for line in lines) >= _MANY_POINTS)
    axes.set_title(title, fontsize=10)
    sign(figure, note)
    return figure, _table(lines, x, y)


def draw_map(
    values: FloatArray, rows: FloatArray, columns: FloatArray, y: Axis, x: Axis, z: Axis, *, title: str, note: str = ""
) -> "tuple[Figure, pd.DataFrame]":
    """Draw a value over two parameters; a small map has its values written in.

    Parameters
    ----------
    values : ndarray, shape (rows, columns), unit of ``z``
    rows, columns : ndarray, units of ``y`` and ``x``
    y, x, z : Axis
    title, note : str

    Returns
    -------
    Figure, DataFrame
        Table with the columns y, x and z.
    """
    import pandas as pd

    figure, axes = new_figure(4.6, 3.4)
    finite = values[np.isfinite(values)]
    reach = float(np.abs(finite).max()) if finite.size else 1.0
    signed = bool(finite.size and finite.min() < 0.0 < finite.max())
    z_scale, z_label = scaled(values, z.unit)
    shown = np.ma.masked_invalid(values / z_scale)
    image = axes.imshow(
        shown,
        aspect="auto",
        origin="lower",
        cmap="RdBu_r" if signed else "viridis",
        vmin=-reach / z_scale if signed else None,
        vmax=reach / z_scale if signed else None,
        interpolation="nearest",
    )
    if max(values.shape) <= _MOST_WRITTEN:
        for row, column in np.argwhere(np.isfinite(values)):
            red, green, blue, _ = image.to_rgba(shown[row, column])
            is_dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            text = f"{shown[row, column]:.3g}"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if is_dark else "black")
    for axis, places, set_ticks, set_label in (
        (y, rows, axes.set_yticks, axes.set_ylabel),
        (x, columns, axes.set_xticks, axes.set_xlabel),
    ):
        scale, label = scaled(places, axis.unit)
        every = -(-len(places) // 10)
        texts = [f"{place / scale:.3g}" for place in places[::every]]
        set_ticks(np.arange(len(places))[::every], texts, fontsize=8)
        set_label(f"{axis.label} ({label})" if label else axis.label)
    axes.set_facecolor("0.8")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label=f"{z.label} ({z_label})" if z_label else z.label)
    sign(figure, note)
    row, column = np.meshgrid(rows, columns, indexing="ij")
    table = pd.DataFrame({column_of(y): row.ravel(), column_of(x): column.ravel(), column_of(z): values.ravel()})
    return figure, table


def set_axis(axes: "Axes", axis: Axis, values: Sequence[FloatArray], which: str = "y") -> float:
    """Set scale and label of an axis.

    Parameters
    ----------
    axes : Axes
    axis : Axis
    values : sequence of ndarray, unit of ``axis``
        All that are to be drawn.
    which : "x" or "y"

    Returns
    -------
    float
        Divisor of the values.
    """
    together = np.concatenate([np.ravel(value) for value in values]) if values else np.zeros(1)
    scale, unit = scaled(together, axis.unit)
    if _is_log(axis, together):
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        if _span(together) > _MOST_SPAN and axis.unit != PERCENT:
            # a prefix says little where an axis runs over many decades
            scale, unit = 1.0, scaled(np.ones(1), axis.unit)[1]
        _write_decades(axes.xaxis if which == "x" else axes.yaxis, _span(together))
    (axes.set_xlabel if which == "x" else axes.set_ylabel)(f"{axis.label} ({unit})" if unit else axis.label)
    return scale


def _write_decades(axis: "XAxis | YAxis", span: float) -> None:
    """Write 20, 50, 100 where an axis has few decades, powers of ten alone where it has many."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    if span <= _MOST_SPAN:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if span <= _MOST_SPAN / 5.0 else (1.0, 3.0)))
        axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())


def column_of(axis: Axis) -> str:
    """Return what the column of an axis is called in a table.

    Parameters
    ----------
    axis : Axis

    Returns
    -------
    str
        With the SI unit in brackets.
    """
    return f"{axis.label} ({'1' if axis.unit in ('', PERCENT) else axis.unit})"


def sign(figure: "Figure", note: str) -> None:
    """Write small print into the corner of a figure.

    Parameters
    ----------
    figure : Figure
    note : str
        "" for none.
    """
    if note:
        figure.text(0.995, 0.005, note, ha="right", va="bottom", fontsize=7, color="0.4")


def _is_log(axis: Axis, values: FloatArray) -> bool:
    return axis.is_log and _span(values) > _LEAST_SPAN


def _span(values: FloatArray) -> float:
    """Return the factor between the largest and the least positive value; 1 where there is none."""
    positive = values[np.isfinite(values) & (values > 0.0)]
    return float(positive.max() / positive.min()) if positive.size else 1.0


def _colours(figure: "Figure", axes: "Axes", groups: Mapping[str, float], colour: Axis | None) -> dict[str, object]:
    """Return the colour of each group; where colour runs over more than can be named, draw its bar."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    orders = np.array(list(groups.values()))
    is_ordered = colour is not None and len(groups) > 1 and bool(np.isfinite(orders).all())
    if not is_ordered and len(groups) <= _MOST_NAMED:
        return {group: f"C{place}" for place, group in enumerate(groups)}
    ramp = colormaps["viridis"]
    if not is_ordered or colour is None:
        axis, orders = Axis("cell, in the order of the run", "1"), np.arange(1.0, len(groups) + 1.0)
    else:
        axis = colour
    is_log = _is_log(axis, orders) and bool((orders > 0.0).all())
    low, high = float(orders.min()), float(orders.max())
    # the last yellow of the map is too pale for a line
    kind, top = (LogNorm, low * (high / low) ** 1.1) if is_log else (Normalize, low + 1.1 * (high - low))
    norm = kind(low, top)
    if len(groups) > _MOST_NAMED:
        scale, unit = scaled(orders, axis.unit)
        bar = figure.colorbar(ScalarMappable(kind(low / scale, top / scale), ramp), ax=axes)
        bar.ax.set_ylim(low / scale, high / scale)
        bar.set_label(f"{axis.label} ({unit})" if unit else axis.label)
    return {group: ramp(float(norm(order))) for group, order in zip(groups, orders, strict=True)}


def _name(axes: "Axes", *, is_quick: bool) -> None:
    handles, names = axes.get_legend_handles_labels()
    if not any(names):
        return
    legend = axes.legend(handles, names, frameon=False, fontsize=7, loc="upper right" if is_quick else "best")
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)


def _table(lines: Sequence[Line], x: Axis, y: Axis) -> "pd.DataFrame":
    import pandas as pd

    columns = [column_of(x), column_of(y)]
    with_bars = any(line.low is not None for line in lines)
    names = ["group", *columns, *([f"{columns[1]}, low", f"{columns[1]}, high"] if with_bars else [])]
    tables = []
    for line in lines:
        content = [line.group, line.x, line.y]
        if with_bars:
            none = np.full(line.y.shape, np.nan)
            content += [none if line.low is None else line.low, none if line.high is None else line.high]
        tables.append(pd.DataFrame(dict(zip(names, content, strict=True))))
    if not tables:
        return pd.DataFrame({name: [] for name in names})
    # a gap in a curve is no number
    return pd.concat(tables, ignore_index=True).dropna(subset=names[2]).reset_index(drop=True)
