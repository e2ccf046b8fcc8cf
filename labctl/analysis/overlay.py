"""One plot of several runs laid over one another: one colour for each run, whatever kind of plot it is.

The plots of the runs are drawn as their procedure declares them; their lines and points are then put into the axes of
the first. What has no lines, such as a map, stays a plot of each run. Not here: which plots a run has
(:mod:`labctl.analysis.run_plots`).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labctl.analysis.curve_figures import Axis, draw_map
from labctl.analysis.figures import PREFIXES
from labctl.analysis.plot import Plot
from labctl.analysis.run_plots import plots_of
from labctl.analysis.run_view import RunView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

__all__ = ["difference_maps", "overlaid_plots"]

_MARKERS = "os^Dv"
_LEGEND_LINE_IN = 0.17
_PREFIXED = frozenset({"A", "C", "F", "Hz", "J", "S", "V", "W", "s", "Ω"})


def overlaid_plots(views: Sequence[RunView], labels: Sequence[str], *, note: str = "") -> list[Plot]:
    """Return the plots of some runs, laid over one another.

    Parameters
    ----------
    views : sequence of RunView
        Of one procedure.
    labels : sequence of str
        Of the runs.
    note : str
        Small print, such as "simulated".

    Returns
    -------
    list of Plot
        Tables have a column ``run``. Plots that cannot be overlaid come once for each run.
    """
    drawn = [{plot.name: plot for plot in plots_of(view, note=note)} for view in views]
    found: list[Plot] = []
    for name in dict.fromkeys(name for plots in drawn for name in plots):
        present = [(number, plots[name]) for number, plots in enumerate(drawn) if name in plots]
        if all(_has_lines(plot) for _, plot in present):
            found.append(_overlaid(present, labels))
            continue
        for number, plot in present:
            plot.figure.axes[0].set_title(f"{plot.title}\n{labels[number]}", fontsize=9)
            table = plot.table.assign(run=labels[number])
            found.append(Plot(f"{name}-{number + 1}", f"{plot.title}, {labels[number]}", plot.figure, table))
    return found


def difference_maps(views: Sequence[RunView], labels: Sequence[str], *, note: str = "") -> list[Plot]:
    """Return what two runs differ by in each cell of the array.

    Parameters
    ----------
    views, labels : sequence
        Of two runs.
    note : str

    Returns
    -------
    list of Plot
        The second run less the first, for each map that both have in equal size.
    """
    found = []
    one, other = views
    for name, first in one.arrays.items():
        second = other.arrays.get(name)
        if second is None or first.dims != ("row", "column") or first.values.shape != second.values.shape:
            continue
        change = second.values - first.values
        if not np.isfinite(change).any():
            continue
        words = name.replace("_", " ")
        title = f"{words[:1].upper()}{words[1:]}: second less first run"
        rows, columns = (np.arange(float(size)) for size in change.shape)
        figure, table = draw_map(
            change,
            rows,
            columns,
            Axis("row (word line)", "1"),
            Axis("column (bit line)", "1"),
            Axis(f"change of {words}", first.unit),
            title=title,
            note=note,
        )
        # as the array is drawn everywhere: row 0 above
        figure.axes[0].invert_yaxis()
        figure.axes[0].set_title(f"{title}\n{labels[1]} less {labels[0]}", fontsize=8)
        found.append(Plot(f"difference-{name}", title, figure, table))
    return found


def _has_lines(plot: Plot) -> bool:
    axes = plot.figure.axes[0]
    return bool(axes.lines) and not axes.images and not axes.patches


def _overlaid(present: Sequence[tuple[int, Plot]], labels: Sequence[str]) -> Plot:
    """Put the lines of all plots into the axes of the first."""
    import pandas as pd
    from matplotlib.lines import Line2D

    # of probability papers the one that reaches farthest out
    base = max((plot for _, plot in present), key=lambda plot: plot.table.shape[0] if _is_paper(plot) else 0)
    axes = base.figure.axes[0]
    for bar in base.figure.axes[1:]:
        # colours now tell runs apart
        bar.remove()
    for read, write in (("get_xscale", "set_xscale"), ("get_yscale", "set_yscale")):
        scales = {getattr(plot.figure.axes[0], read)() for _, plot in present}
        if len(scales) > 1:
            getattr(axes, write)("log")
    groups: dict[str, str] = {}
    # the base first, while its axes hold its own lines only
    for number, plot in sorted(present, key=lambda item: item[1] is not base):
        _put(axes, plot, f"C{number % 10}", groups, is_base=plot is base)
    axes.relim()
    axes.autoscale()
    handles: list[Any] = [Line2D([], [], color=f"C{number % 10}", label=labels[number]) for number, _ in present]
    if 1 < len(groups) <= len(_MARKERS):
        handles += [
            Line2D([], [], color="0.3", linestyle="", marker=marker, markersize=3, label=name)
            for name, marker in groups.items()
        ]
    own = axes.get_legend()
    if own is not None:
        own.remove()
    # above the axes, where it hides nothing
    base.figure.set_figheight(base.figure.get_figheight() + _LEGEND_LINE_IN * len(handles))
    base.figure.legend(handles=handles, fontsize=7, frameon=False, loc="outside upper center")
    table = pd.concat([plot.table.assign(run=labels[number]) for number, plot in present], ignore_index=True)
    return Plot(base.name, base.title, base.figure, table)


def _is_paper(plot: Plot) -> bool:
    return plot.figure.axes[0].get_ylabel().startswith("cumulative")


def _put(axes: "Axes", plot: Plot, colour: str, groups: dict[str, str], *, is_base: bool) -> None:
    """Colour the lines and error bars of a plot, and move them into the axes if they are not there."""
    own = plot.figure.axes[0]
    scale = np.array([_ratio(own.get_xlabel(), axes.get_xlabel()), _ratio(own.get_ylabel(), axes.get_ylabel())])
    # lines that span the axes, such as that of zero, stand in them already
    drawn = [(line, name) for line, name in _named(own.lines) if line.get_transform() == own.transData]
    by_marker = 1 < len({name for line, name in drawn if _is_point(line)}) <= len(_MARKERS)
    for line, name in drawn:
        if by_marker and _is_point(line):
            line.set_marker(groups.setdefault(name, _MARKERS[len(groups) % len(_MARKERS)]))
        line.set_color(colour)
        line.set_label("_")
        if not is_base:
            points = np.column_stack([np.asarray(part, float) for part in line.get_data()]) * scale
            axes.plot(
                points[:, 0],
                points[:, 1],
                linestyle=line.get_linestyle(),
                marker=line.get_marker(),
                markersize=line.get_markersize(),
                linewidth=line.get_linewidth(),
                alpha=line.get_alpha(),
                color=colour,
                label="_",
            )
    for bars in _error_bars(own):
        bars.set_color(colour)
        if not is_base:
            from matplotlib.collections import LineCollection

            segments = [np.asarray(segment) * scale for segment in bars.get_segments()]
            axes.add_collection(LineCollection(segments, colors=colour, linewidths=0.7))


def _named(lines: "Sequence[Line2D]") -> "Iterator[tuple[Line2D, str]]":
    """Yield lines with their group: only the first of a group has a name of its own."""
    name = ""
    for line in lines:
        text = str(line.get_label())
        name = name if text.startswith("_") else text.partition(", n = ")[0]
        yield line, name


def _is_point(line: "Line2D") -> bool:
    return str(line.get_marker()) in _MARKERS + "."


def _error_bars(axes: "Axes") -> "list[LineCollection]":
    from matplotlib.collections import LineCollection

    return [item for item in axes.collections if isinstance(item, LineCollection)]


def _ratio(own: str, base: str) -> float:
    """Return what turns values of one axis into those of another, whose units may have other prefixes."""
    return _divisor(own) / _divisor(base)


def _divisor(label: str) -> float:
    """Return the divisor that an axis label tells by the prefix of its unit, such as 1e-6 for "current (µA)"."""
    unit = label.rpartition(" (")[2].removesuffix(")")
    if unit[1:] not in _PREFIXED:
        return 1.0
    return next((scale for scale, prefix in PREFIXES if prefix and unit.startswith(prefix)), 1.0)
