"""Intervals of figures over several cells: cells are the independent units, the cycles of a cell are not.

Cycles of one cell resemble each other more than those of two cells; an interval that takes them all as independent is
too narrow. Here each cell counts once, however many cycles it has. Not here: the laws themselves and intervals over the
cycles of a single cell (:mod:`labctl.analysis.distributions`), the split of the variance
(:mod:`labctl.analysis.variability`).
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.distributions import LogNormalFit, WeibullFit, fit_lognormal, fit_weibull, positive, weibull_law
from labctl.analysis.intervals import Estimate, require
from labctl.analysis.straight_lines import student_quantile

__all__ = ["lognormal_over_cells", "mean_over_cells", "over_cells", "weibull_over_cells"]

_LEAST_CYCLES = 5
_LEVEL = 0.95

FloatArray = NDArray[np.float64]
Part = TypeVar("Part")


def mean_over_cells(values: Sequence[ArrayLike], unit: str) -> Estimate:
    """Return the mean of the means of cells with Student's interval; of a single cell, that of its cycles.

    Parameters
    ----------
    values : sequence of array_like, shape (cycles,) each, unit as ``unit`` says
        One for each cell; NaN is left out, and so is a cell without a number.
    unit : str

    Returns
    -------
    Estimate
        ``points`` are the units that were taken as independent: cells, or the cycles of the only cell.

    Raises
    ------
    TooFewPoints
        If there is a single cell with fewer than 5 cycles, or none.
    """
    cells = _finite(values)
    if len(cells) < 2:
        units = cells[0] if cells else np.empty(0)
        require("the interval of a mean over the cycles of a single cell", units.size, _LEAST_CYCLES)
    else:
        units = np.array([cell.mean() for cell in cells])
    mean = float(units.mean())
    reach = student_quantile(units.size - 1) * float(units.std(ddof=1)) / np.sqrt(units.size)
    return Estimate(mean, mean - float(reach), mean + float(reach), unit, int(units.size))


def over_cells(
    cells: Sequence[Part], figure: Callable[[Sequence[Part]], float], unit: str, *, of_logarithm: bool = False
) -> Estimate:
    """Return a figure of all cells with the interval of the jackknife that leaves out one cell at a time.

    Parameters
    ----------
    cells : sequence
        What was measured, one part for each cell.
    figure : callable
        Takes such a sequence, returns the figure.
    unit : str
    of_logarithm : bool
        The interval is symmetric in the logarithm of the figure, which is positive.

    Returns
    -------
    Estimate
        Student's t with one degree of freedom less than cells, about the value less the bias that the jackknife finds.
        For figures that a few cells rule, such as a Weibull shape over cells that differ, 95 % are not reached: 0.83 to
        0.93 of such intervals hold the truth (tests/physics/test_interval_coverage.py).

    Raises
    ------
    TooFewPoints
        If there are fewer than 2 cells.
    ValueError
        Whatever ``figure`` raises with a cell left out.

    References
    ----------
    .. [1] B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", SIAM (1982), chapter 3.
    """
    require("an interval over cells, cells", len(cells), 2)
    count, value = len(cells), figure(cells)
    without = np.array([figure([*cells[:place], *cells[place + 1 :]]) for place in range(count)])
    whole, parts = (np.log(value), np.log(without)) if of_logarithm else (value, without)
    centre = count * whole - (count - 1) * parts.mean()
    reach = student_quantile(count - 1) * np.sqrt((count - 1.0) / count * ((parts - parts.mean()) ** 2).sum())
    ends = np.array([min(centre - reach, whole), max(centre + reach, whole)])
    if of_logarithm:
        # 30 in the logarithm is a factor of 1e13: such an end says that nothing is known
        ends = value * np.exp(np.clip(ends - whole, -30.0, 30.0))
    return Estimate(value, float(ends[0]), float(ends[1]), unit, count)


def weibull_over_cells(values: Sequence[ArrayLike], unit: str) -> WeibullFit:
    """Fit one Weibull law to all cycles of all cells; of a single cell, as :func:`fit_weibull` does.

    Parameters
    ----------
    values : sequence of array_like, shape (cycles,) each, unit as ``unit`` says
        One for each cell, positive; NaN is left out.
    unit : str

    Returns
    -------
    WeibullFit
        The law of the cycles of any cell; intervals leave out one cell at a time.

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 values.
    ValueError
        If a value is not positive, or all are equal, or are where one cell is left out.
    """
    cells = _finite(values)
    if len(cells) < 2:
        return fit_weibull(cells[0] if cells else np.empty(0), unit)
    positive(np.concatenate(cells), "a Weibull fit")
    shape = over_cells(cells, lambda some: _weibull_of(some)[0], "1", of_logarithm=True)
    return WeibullFit(shape, over_cells(cells, lambda some: _weibull_of(some)[1], unit, of_logarithm=True))


def lognormal_over_cells(values: Sequence[ArrayLike], unit: str) -> LogNormalFit:
    """Fit one log-normal law to all cycles of all cells; of a single cell, as :func:`fit_lognormal` does.

    Parameters
    ----------
    values : sequence of array_like, shape (cycles,) each, unit as ``unit`` says
        One for each cell, positive; NaN is left out.
    unit : str

    Returns
    -------
    LogNormalFit
        The median is that of the medians of cells, with Student's interval. The deviation is the root of the sum of
        what cells and what cycles scatter, with the modified large-sample interval [1]_ (cells with unequal numbers of
        cycles by the harmonic mean of these numbers).

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 values.
    ValueError
        If a value is not positive, or all are equal.

    References
    ----------
    .. [1] F. A. Graybill, C.-M. Wang, J. Am. Stat. Assoc. 75 (1980) 869; R. K. Burdick, F. A. Graybill, "Confidence
       Intervals on Variance Components", Dekker (1992), chapters 3 and 6.
    """
    from scipy.stats import chi2

    cells = _finite(values)
    if len(cells) < 2:
        return fit_lognormal(cells[0] if cells else np.empty(0), unit)
    positive(np.concatenate(cells), "a log-normal fit")
    logs = [np.log(cell) for cell in cells]
    middle = mean_over_cells(logs, "1")
    free_within = sum(cell.size - 1 for cell in logs)
    within = sum(float(((cell - cell.mean()) ** 2).sum()) for cell in logs) / max(free_within, 1)
    weight = 1.0 - float(np.mean([1.0 / cell.size for cell in logs]))
    parts = ((float(np.var([cell.mean() for cell in logs], ddof=1)), len(logs) - 1), (weight * within, free_within))
    variance, below, above = 0.0, 0.0, 0.0
    for part, free in parts:
        if part > 0.0:
            variance += part
            below += (part * (1.0 - free / float(chi2.ppf(0.5 * (1.0 + _LEVEL), free)))) ** 2
            above += (part * (free / float(chi2.ppf(0.5 * (1.0 - _LEVEL), free)) - 1.0)) ** 2
    low, high = max(0.0, variance - np.sqrt(below)), variance + np.sqrt(above)
    return LogNormalFit(
        Estimate(np.exp(middle.value), np.exp(middle.low), np.exp(middle.high), unit, middle.points),
        Estimate(float(np.sqrt(variance)), float(np.sqrt(low)), float(np.sqrt(high)), "1", len(logs)),
    )


def _finite(values: Sequence[ArrayLike]) -> list[FloatArray]:
    """Return the numbers of each cell that has any."""
    cells = [np.asarray(cell, dtype=float).ravel() for cell in values]
    return [kept for cell in cells if (kept := cell[np.isfinite(cell)]).size]


def _weibull_of(cells: Sequence[FloatArray]) -> tuple[float, float]:
    data = np.concatenate(cells)
    if np.ptp(data) == 0.0:
        raise ValueError(
            f"a Weibull fit over cells: with one cell left out, all {data.size} values are {data[0]:.4g}, so that cells"
            " tell no interval; measure more cells, or with finer steps"
        )
    return weibull_law(data)
