"""Figures of how values spread: cumulative distributions on probability paper, histograms, boxes.

Each returns the figure and the table of what it shows. Not here: curves and maps
(:mod:`labctl.analysis.curve_figures`), the laws (:mod:`labctl.analysis.distributions`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from labctl.analysis.curve_figures import Axis, column_of, set_axis, sign
from labctl.analysis.figures import new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Paper", "Sample", "draw_boxes", "draw_distribution", "draw_histogram"]

FloatArray = npt.NDArray[np.float64]

Paper = Literal["normal", "weibull"]

_TICKS = {
    "normal": (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999),
    "weibull": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.632, 0.9, 0.99),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of one kind.

    Attributes
    ----------
    name : str
    values : ndarray, any shape, unit of the axis
        NaN is left out.
    law : (float, float) or None
        Scale and shape of the Weibull law that was fitted to them.
    """

    name: str
    values: FloatArray
    law: tuple[float, float] | None = None

    def sorted(self) -> FloatArray:
        """Return the values in order, without those that are none."""
        return np.sort(self.values[np.isfinite(self.values)].ravel())


def draw_distribution(
    samples: Sequence[Sample], x: Axis, *, title: str, paper: Paper = "normal", note: str = ""
) -> "tuple[Figure, pd.DataFrame]":
    """Draw cumulative distributions on a scale on which a normal, or a Weibull, law is a straight line.

    Parameters
    ----------
    samples : sequence of Sample
        The ordinate of value i of n is (i - 0.5) / n.
    x : Axis
        A Weibull law is straight over a logarithmic one only.
    title : str
    paper : "normal" or "weibull"
    note : str

    Returns
    -------
    Figure, DataFrame
        Table with the columns ``group``, x and ``cumulative part (1)``.
    """
    import pandas as pd

    figure, axes = new_figure(4.0, 3.4)
    clean = [(sample, values) for sample in samples if (values := sample.sorted()).size]
    x_scale = set_axis(axes, x, [values for _, values in clean], "x")
    if paper == "weibull" and all(values[0] > 0.0 for _, values in clean):
        axes.set_xscale("log")
        _plain_ticks(axes)
    tables = []
    for place, (sample, values) in enumerate(clean):
        part = (np.arange(values.size) + 0.5) / values.size
        name = f"{sample.name}, n = {values.size}"
        axes.plot(values / x_scale, _ordinate(part, paper), "o", markersize=3, color=f"C{place}", label=name)
        tables.append(pd.DataFrame({"group": sample.name, column_of(x): values, "cumulative part (1)": part}))
        if sample.law is not None:
            scale, shape = sample.law
            ends = np.clip(np.array([part[0] / 2.0, 1.0 - (1.0 - part[-1]) / 2.0]), 1e-6, 1.0 - 1e-6)
            quantiles = scale * (-np.log1p(-ends)) ** (1.0 / shape)
            law = f"Weibull, shape {shape:.3g}"
            axes.plot(quantiles / x_scale, _ordinate(ends, paper), "--", linewidth=1, color=f"C{place}", label=law)
            tables.append(
                pd.DataFrame({"group": f"{sample.name}, {law}", column_of(x): quantiles, "cumulative part (1)": ends})
            )
    least = min((0.5 / values.size for _, values in clean), default=0.1)
    # as much of the paper as the values fill
    ticks = np.array([tick for tick in _TICKS[paper] if least / 5.0 <= tick <= 1.0 - least / 5.0])
    axes.set_yticks(_ordinate(ticks, paper), [f"{100.0 * tick:g}" for tick in ticks])
    axes.set_ylabel("cumulative (%)")
    axes.set_title(title, fontsize=10)
    if clean:
        axes.legend(frameon=False, fontsize=7)
    sign(figure, note)
    if not tables:
        tables = [pd.DataFrame({"group": [], column_of(x): [], "cumulative part (1)": []})]
    return figure, pd.concat(tables, ignore_index=True)


def draw_histogram(samples: Sequence[Sample], x: Axis, *, title: str, note: str = "") -> "tuple[Figure, pd.DataFrame]":
    """Draw one histogram per sample over the same bins, each in percent of its own values.

    Parameters
    ----------
    samples : sequence of Sample
    x : Axis
    title, note : str

    Returns
    -------
    Figure, DataFrame
        Table with the columns ``group`` and x: the values.
    """
    import pandas as pd

    figure, axes = new_figure(4.6, 3.4)
    clean = [(sample.name, values) for sample in samples if (values := sample.sorted()).size]
    x_scale = set_axis(axes, Axis(x.label, x.unit), [values for _, values in clean], "x")
    if clean:
        together = np.concatenate([values for _, values in clean]) / x_scale
        low, high = float(together.min()), float(together.max())
        edges = np.linspace(low, high if high > low else low + 1.0, 121)
        for place, (name, values) in enumerate(clean):
            weights = np.full(values.shape, 100.0 / values.size)
            axes.hist(values / x_scale, bins=edges.tolist(), weights=weights, color=f"C{place % 10}", label=name)
        if len(clean) <= 10:
            axes.legend(frameon=False, fontsize=6)
    axes.set_ylabel("readings of the level (%)")
    axes.set_title(title, fontsize=10)
    sign(figure, note)
    tables = [pd.DataFrame({"group": name, column_of(x): values}) for name, values in clean]
    return figure, pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"group": [], column_of(x): []})


def draw_boxes(
    samples: Sequence[Sample], x_label: str, y: Axis, *, title: str, note: str = ""
) -> "tuple[Figure, pd.DataFrame]":
    """Draw a box per sample: median, quartiles, whiskers from 5 to 95 %, what lies beyond as points.

    Parameters
    ----------
    samples : sequence of Sample
    x_label : str
        What the names of the samples are.
    y : Axis
    title, note : str

    Returns
    -------
    Figure, DataFrame
        Table with the columns ``group`` and y: the values.
    """
    import pandas as pd

    figure, axes = new_figure(4.6, 3.4)
    clean = [(sample.name, values) for sample in samples if (values := sample.sorted()).size]
    y_scale = set_axis(axes, y, [values for _, values in clean])
    if clean:
        axes.boxplot(
            [values / y_scale for _, values in clean],
            whis=(5.0, 95.0),
            widths=0.6,
            flierprops={"marker": ".", "markersize": 2.0, "alpha": 0.4},
            medianprops={"color": "C3"},
        )
        every = -(-len(clean) // 12)
        places = np.arange(1, len(clean) + 1)[::every]
        axes.set_xticks(places, [name for name, _ in clean[::every]])
    axes.axhline(0.0, color="0.6", linewidth=0.6, zorder=0)
    axes.set_xlabel(x_label)
    axes.set_title(title, fontsize=10)
    sign(figure, note)
    tables = [pd.DataFrame({"group": name, column_of(y): values}) for name, values in clean]
    return figure, pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"group": [], column_of(y): []})


def _ordinate(part: FloatArray, paper: Paper) -> FloatArray:
    if paper == "weibull":
        return np.asarray(np.log(-np.log1p(-part)))
    from scipy.special import ndtri

    return np.asarray(ndtri(part))


def _plain_ticks(axes: "Axes") -> None:
    """Write 0.8 and 2 in place of powers of ten: switching voltages span much less than a decade."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator, ScalarFormatter

    low, high = axes.get_xlim()
    wide = high > 20.0 * low
    axes.xaxis.set_major_locator(LogLocator() if wide else MaxNLocator(5))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    if not wide:
        axes.xaxis.set_minor_locator(NullLocator())
