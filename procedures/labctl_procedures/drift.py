"""Drift in the logarithm of time or of a count, with an interval that noise of long memory does not spoil.

1/f noise and relaxation behave like a random walk in the logarithm of time: what a straight line leaves over is not
independent, and the usual interval of its slope is far too narrow. The steps from one logarithmic interval to the next
are independent; here the drift is their mean. For plain white noise the interval is too wide, never too narrow. Not
here: retention and its extrapolation (:mod:`labctl.analysis.retention`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from labctl.analysis.intervals import Estimate, require
from labctl.analysis.straight_lines import student_quantile

__all__ = ["drift_per_decade", "mean_of_cells"]

_LEAST = 5
_LEAST_CELLS = 3


def drift_per_decade(decades: ArrayLike, conductance_s: ArrayLike, what: str) -> Estimate:
    """Return the relative change per decade.

    Parameters
    ----------
    decades : array_like, shape (n,), unit 1
        log10 of time or count, ascending.
    conductance_s : array_like, shape (n,), unit S
        NaN is left out.
    what : str
        What drifts, for messages.

    Returns
    -------
    Estimate, unit 1
        Last minus first over the mean, per decade.

    Raises
    ------
    TooFewPoints
        If there are fewer than 5 points.
    """
    place, value = np.asarray(decades, dtype=float), np.asarray(conductance_s, dtype=float)
    kept = np.isfinite(place) & np.isfinite(value)
    require(what, int(kept.sum()), _LEAST)
    width, step = np.diff(place[kept]), np.diff(value[kept]) / value[kept].mean()
    drift = float(step.sum() / width.sum())
    # a random walk: the variance of a step grows with its width
    variance = float(((step - drift * width) ** 2 / width).sum() / (step.size - 1))
    reach = student_quantile(step.size - 1) * float(np.sqrt(variance / width.sum()))
    return Estimate(drift, drift - reach, drift + reach, "1", int(kept.sum()))


def mean_of_cells(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean of what several cells show; of one cell, its own estimate.

    Parameters
    ----------
    estimates : sequence of Estimate
        One per cell.

    Returns
    -------
    Estimate
        Student's interval between the cells.

    Raises
    ------
    TooFewPoints
        If there are 0 or 2 cells.
    """
    if len(estimates) == 1:
        return estimates[0]
    require("a mean over cells", len(estimates), _LEAST_CELLS)
    values = np.array([estimate.value for estimate in estimates])
    reach = student_quantile(values.size - 1) * float(values.std(ddof=1)) / np.sqrt(values.size)
    mean = float(values.mean())
    return Estimate(mean, mean - reach, mean + reach, estimates[0].unit, int(values.size))
