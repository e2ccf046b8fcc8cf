"""Distributions that a procedure may declare, in terms of the arrays and results that its runs hold.

Not here: curves and maps (:mod:`labctl.analysis.plot_specs`), drawing (:mod:`labctl.analysis.spread_figures`).
"""

from dataclasses import dataclass

import numpy as np

from labctl.analysis.curve_figures import Axis
from labctl.analysis.plot import Plot
from labctl.analysis.run_view import RunView
from labctl.analysis.spread_figures import Paper, Sample, draw_boxes, draw_distribution, draw_histogram
from labctl.units import format_quantity

__all__ = ["Boxes", "Distribution", "Histogram"]

_LEAST = 3


@dataclass(frozen=True, slots=True)
class Distribution:
    """Cumulative distributions of all values of some arrays.

    Attributes
    ----------
    name, title : str
    arrays : tuple of str
    axis : Axis
    paper : "normal" or "weibull"
        On which one a law is a straight line; a Weibull law is drawn where the results hold it.
    magnitude : bool
        Of the magnitudes.
    """

    name: str
    title: str
    arrays: tuple[str, ...]
    axis: Axis
    paper: Paper = "normal"
    magnitude: bool = False

    def draw(self, view: RunView, note: str) -> Plot | None:
        """Return the plot, or None where there are fewer than three values."""
        samples = [self._sample(view, name) for name in self.arrays if name in view.arrays]
        if max((sample.sorted().size for sample in samples), default=0) < _LEAST:
            return None
        figure, table = draw_distribution(samples, self.axis, title=self.title, paper=self.paper, note=note)
        return Plot(self.name, self.title, figure, table)

    def _sample(self, view: RunView, name: str) -> Sample:
        values = np.abs(view.arrays[name].values) if self.magnitude else view.arrays[name].values
        values = np.where(values > 0.0, values, np.nan) if self.axis.is_log else values
        scale, shape = (view.results.get(f"{name}_weibull_{part}") for part in ("scale", "shape"))
        law = (float(scale), float(shape)) if self.paper == "weibull" and scale and shape else None
        return Sample(name.replace("_", " "), values, law)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Histograms of the readings of each level, all cells together.

    Attributes
    ----------
    name, title : str
    array, level : str
        Readings, and the level that the second of their dimensions stands for.
    axis : Axis
    """

    name: str
    title: str
    array: str
    level: str
    axis: Axis

    def draw(self, view: RunView, note: str) -> Plot | None:
        """Return the plot, or None where no level has readings."""
        if not {self.array, self.level} <= set(view.arrays):
            return None
        array, levels = view.arrays[self.array], view.arrays[self.level]
        by_level = np.moveaxis(array.values, array.dims.index(levels.dims[0]), 0)
        if not np.isfinite(by_level).any():
            return None
        samples = [
            Sample(format_quantity(float(level), levels.unit, digits=3), values)
            for level, values in zip(levels.values, by_level, strict=True)
        ]
        figure, table = draw_histogram(samples, self.axis, title=self.title, note=note)
        return Plot(self.name, self.title, figure, table)


@dataclass(frozen=True, slots=True)
class Boxes:
    """The difference of two arrays, one box for each index of a dimension.

    Attributes
    ----------
    name, title : str
    array, less : str
        The difference of these is drawn.
    labels : str
        Array of numbers that name the boxes, over their dimension.
    x_label : str
    axis : Axis
    """

    name: str
    title: str
    array: str
    less: str
    labels: str
    x_label: str
    axis: Axis

    def draw(self, view: RunView, note: str) -> Plot | None:
        """Return the plot, or None where the run has not what it needs."""
        if not {self.array, self.less, self.labels} <= set(view.arrays):
            return None
        array, labels = view.arrays[self.array], view.arrays[self.labels]
        difference = np.moveaxis(array.values - view.arrays[self.less].values, array.dims.index(labels.dims[0]), 0)
        if not np.isfinite(difference).any():
            return None
        samples = [Sample(f"{label:.0f}", values) for label, values in zip(labels.values, difference, strict=True)]
        figure, table = draw_boxes(samples, self.x_label, self.axis, title=self.title, note=note)
        return Plot(self.name, self.title, figure, table)
