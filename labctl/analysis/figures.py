"""Plots of a run, as SVG text. Not here: the page that holds them (:mod:`labctl.analysis.report`).

Matplotlib is imported when the first plot is drawn; no display is needed.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labctl.analysis.plot import svg_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "array_map",
    "count_histogram",
    "error_against_target",
    "level_histogram",
    "new_figure",
    "robust_bound",
    "scaled",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

PREFIXES = ((1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m"), (1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"))
PERCENT = "%"
# from here on a laboratory says V, not mV
_LEAST_VOLTS = 0.1


def array_map(
    values: FloatArray,
    *,
    title: str,
    unit: str,
    limits: tuple[float, float] | None = None,
    marked: BoolArray | None = None,
    note: str = "",
) -> str:
    """Draw a map of the array: rows down, columns across, a colour bar with the unit.

    Parameters
    ----------
    values : ndarray, shape (rows, columns), unit as ``unit`` says
        NaN is drawn grey.
    title : str
        Heading.
    unit : str
        SI unit; "1" or "" for a bare number, "%" to write a bare number in percent.
    limits : (float, float), optional, unit as ``unit`` says
        Ends of the colour scale; the range of the values where left out. Values beyond have the colour of the end.
    marked : ndarray of bool, shape (rows, columns), optional
        Cells that get a cross.
    note : str
        Small print in a corner, such as "simulated".

    Returns
    -------
    str
        SVG.
    """
    figure, axes = new_figure(4.0, 3.4)
    scale, label = scaled(values, unit)
    finite = values[np.isfinite(values)]
    if limits is None:
        limits = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        if limits[0] < 0.0 < limits[1]:
            limits = (-max(-limits[0], limits[1]), max(-limits[0], limits[1]))
    low, high = limits
    below, above = bool(np.any(finite < low)), bool(np.any(finite > high))
    image = axes.imshow(
        np.ma.masked_invalid(values / scale),
        cmap="RdBu_r" if low < 0.0 < high else "viridis",
        vmin=low / scale,
        vmax=high / scale,
        interpolation="nearest",
    )
    axes.set_facecolor("0.8")
    if marked is not None and marked.any():
        rows, columns = np.nonzero(marked)
        axes.plot(columns, rows, "x", color="black", markersize=4.5, markeredgewidth=1.6)
        axes.plot(columns, rows, "x", color="white", markersize=3.5, markeredgewidth=0.7)
    axes.set_xlabel("column (bit line)")
    axes.set_ylabel("row (word line)")
    axes.set_title(title)
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")
    figure.colorbar(image, ax=axes, label=label, extend=extend)
    return _svg(figure, note)


def level_histogram(achieved_s: FloatArray, target_s: FloatArray, *, note: str = "") -> str:
    """Draw one histogram of read-back conductances per target level, each in percent of the level's cells.

    Parameters
    ----------
    achieved_s, target_s : ndarray, same shape, unit S
        Read back and asked for; NaN is left out, and so are cells beyond the scale of levels, which are counted.
    note : str
        Small print.

    Returns
    -------
    str
        SVG.
    """
    figure, axes = new_figure(8.06, 3.4)
    good = np.isfinite(achieved_s) & np.isfinite(target_s)
    levels = np.unique(target_s[good])
    outside = 0
    if levels.size:
        spacing_s = float(np.min(np.diff(levels))) if levels.size > 1 else 0.2 * float(levels[0])
        low_s, high_s = max(0.0, float(levels[0]) - spacing_s), float(levels[-1]) + spacing_s
        edges = np.linspace(low_s, high_s, 241) * 1e6
        inside = good & (achieved_s >= low_s) & (achieved_s <= high_s)
        outside = int((good & ~inside).sum())
        for index, level in enumerate(levels[:32]):
            chosen = achieved_s[inside & (target_s == level)] * 1e6
            weights = np.full(chosen.shape, 100.0 / max(1, int((good & (target_s == level)).sum())))
            axes.hist(chosen, bins=edges.tolist(), weights=weights, histtype="stepfilled", color=f"C{index % 10}")
            axes.axvline(float(level) * 1e6, color="0.3", linewidth=0.6)
        axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("read-back conductance (µS); lines: targets")
    axes.set_ylabel("cells of the level (%)")
    axes.set_title(
        "Levels" + (f" ({outside} {'cell lies' if outside == 1 else 'cells lie'} outside)" if outside else "")
    )
    return _svg(figure, note)


def error_against_target(
    achieved_s: FloatArray, target_s: FloatArray, *, band: float | None = None, note: str = ""
) -> str:
    """Draw the relative error of each cell over its target.

    Parameters
    ----------
    achieved_s, target_s : ndarray, same shape, unit S
        Read back and asked for; NaN is left out, and cells far beyond the others are counted in the title.
    band : float, optional, unit 1
        Accepted error, drawn as a band.
    note : str
        Small print.

    Returns
    -------
    str
        SVG.
    """
    figure, axes = new_figure(4.0, 3.4)
    good = np.isfinite(achieved_s) & np.isfinite(target_s)
    error = 100.0 * (achieved_s[good] / target_s[good] - 1.0)
    bound = 1.15 * 100.0 * max(band or 0.0, robust_bound(error / 100.0))
    outside = int(np.count_nonzero(np.abs(error) > bound))
    if band is not None:
        axes.axhspan(-100.0 * band, 100.0 * band, color="0.92", zorder=0)
    axes.plot(target_s[good] * 1e6, error, ".", markersize=3, alpha=0.5)
    axes.axhline(0.0, color="0.3", linewidth=0.6)
    axes.set_ylim(-bound, bound)
    axes.set_xlabel("target (µS)")
    axes.set_ylabel("error (% of target)")
    axes.set_title("Error of each cell" + (f" ({outside} beyond)" if outside else ""))
    return _svg(figure, note)


def count_histogram(values: FloatArray, *, title: str, label: str, note: str = "") -> str:
    """Draw how often a number per cell occurs.

    Parameters
    ----------
    values : ndarray, any shape, unit as ``label`` says
        One number per cell; NaN is left out.
    title, label : str
        Heading and x axis.
    note : str
        Small print.

    Returns
    -------
    str
        SVG.
    """
    figure, axes = new_figure(4.0, 3.4)
    finite = values[np.isfinite(values)]
    if finite.size:
        axes.hist(finite, bins=_bins(finite))
        axes.axvline(float(np.mean(finite)), color="C1", label=f"mean {np.mean(finite):.3g}")
        axes.axvline(float(np.percentile(finite, 95)), color="C3", label=f"95 % {np.percentile(finite, 95):.3g}")
        axes.legend(frameon=False)
    axes.set_xlabel(label)
    axes.set_ylabel("cells")
    axes.set_title(title)
    return _svg(figure, note)


def robust_bound(values: FloatArray) -> float:
    """Return a symmetric bound that a few far values do not stretch.

    Parameters
    ----------
    values : ndarray, any shape and unit
        NaN is left out.

    Returns
    -------
    float, unit as ``values``
        The largest size among the central 98 %, never 0.
    """
    finite = np.abs(values[np.isfinite(values)])
    bound = float(np.percentile(finite, 98.0)) if finite.size else 0.0
    return bound if bound > 0.0 else 1.0


def new_figure(width_in: float, height_in: float) -> "tuple[Figure, Axes]":
    """Return an empty figure with one pair of axes.

    Parameters
    ----------
    width_in, height_in : float, unit inch

    Returns
    -------
    Figure, Axes
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.add_subplot()


def scaled(values: FloatArray, unit: str) -> tuple[float, str]:
    """Return a divisor and the axis label with its SI prefix.

    Parameters
    ----------
    values : ndarray, any shape, unit as ``unit`` says
        NaN is left out.
    unit : str
        SI unit; "1" or "" for a bare number, "%" to write a bare number in percent.

    Returns
    -------
    float, str
    """
    if unit == PERCENT:
        return 0.01, PERCENT
    if unit in ("", "1"):
        return 1.0, ""
    if "/" in unit or "^" in unit:
        # a power has no prefix that anybody could read
        return 1.0, unit.replace("^2", "²")
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max()) if finite.size else 1.0
    scale, prefix = next(((s, p) for s, p in reversed(PREFIXES) if largest >= s), PREFIXES[0])
    if unit == "V" and largest >= _LEAST_VOLTS:
        scale, prefix = 1.0, ""
    return scale, f"{prefix}{'Ω' if unit == 'ohm' else unit}"


def _bins(finite: FloatArray) -> list[float]:
    """Bins of whole numbers where the values are whole and few, 30 equal ones elsewhere."""
    low, high = float(finite.min()), float(finite.max())
    if np.array_equal(finite, np.round(finite)):
        width = max(1.0, np.ceil((high - low + 1.0) / 60.0))
        return list(np.arange(low - 0.5, high + width + 0.5, width))
    return list(np.linspace(low, high if high > low else low + 1.0, 31))


def _svg(figure: "Figure", note: str) -> str:
    if note:
        figure.text(0.995, 0.005, note, ha="right", va="bottom", fontsize=7, color="0.4")
    return svg_text(figure)
