"""Figures of merit of a programmed array: three RMSE definitions, yield, pulse statistics.

The literature gives "RMSE" without a definition, so all three are named and reported: relative to the target of each
cell, to the range of the scale of levels, to its top. Not here: plots and reports (other modules of this room),
where the numbers come from (:mod:`labctl.tuning`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Rmse", "Spread", "read_noise", "relative_rmse", "rmse", "spread", "voltage_gradient"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rmse:
    """Root-mean-square error of programmed conductances, unit 1.

    Attributes
    ----------
    relative : float, unit 1
        sqrt(mean(((G - Gt) / Gt)^2)).
    range : float, unit 1
        sqrt(mean((G - Gt)^2)) / (Gmax - Gmin).
    gmax : float, unit 1
        sqrt(mean((G - Gt)^2)) / Gmax.
    """

    relative: float
    range: float
    gmax: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and 95th percentile of a count per cell."""

    mean: float
    p95: float


def rmse(achieved_s: FloatArray, target_s: FloatArray, *, lowest_s: float, highest_s: float) -> Rmse | None:
    """Compare achieved with wanted conductances.

    Parameters
    ----------
    achieved_s, target_s : ndarray, same shape, unit S
        NaN in either leaves a cell out; targets positive.
    lowest_s, highest_s : float, unit S
        Ends of the scale of levels (Gmin, Gmax).

    Returns
    -------
    Rmse or None
        None where no cell is left.

    Raises
    ------
    ValueError
        If the shapes differ or the scale is empty.
    """
    if achieved_s.shape != target_s.shape:
        raise ValueError(f"rmse: shapes must be equal, got {achieved_s.shape} and {target_s.shape}")
    if not 0.0 <= lowest_s < highest_s:
        raise ValueError(f"rmse: 0 <= lowest < highest must hold, got {lowest_s!r} S and {highest_s!r} S")
    counts = np.isfinite(achieved_s) & np.isfinite(target_s)
    if not counts.any():
        return None
    error_s = achieved_s[counts] - target_s[counts]
    absolute_s = float(np.sqrt(np.mean(error_s**2)))
    return Rmse(
        relative_rmse(achieved_s[counts], target_s[counts]), absolute_s / (highest_s - lowest_s), absolute_s / highest_s
    )


def relative_rmse(achieved_s: FloatArray, target_s: FloatArray) -> float:
    """Return sqrt(mean(((G - Gt) / Gt)^2)).

    Parameters
    ----------
    achieved_s, target_s : ndarray, same shape, unit S
        Finite conductances of at least one cell; targets positive.

    Returns
    -------
    float, unit 1
    """
    return float(np.sqrt(np.mean((achieved_s / target_s - 1.0) ** 2)))


def spread(counts: npt.ArrayLike) -> Spread | None:
    """Return mean and 95th percentile (linear interpolation) of counts per cell, or None without cells."""
    values = np.asarray(counts, dtype=float).ravel()
    if values.size == 0:
        return None
    return Spread(float(values.mean()), float(np.percentile(values, 95.0)))


def read_noise(readings_s: FloatArray) -> float | None:
    """Return the relative standard deviation of repeated readings, pooled over cells.

    Parameters
    ----------
    readings_s : ndarray, shape (cells, readings), unit S
        Several readings of each cell; cells with a NaN are left out.

    Returns
    -------
    float or None, unit 1
        Root of the mean relative variance; None with fewer than two readings of any cell.
    """
    good = readings_s[np.isfinite(readings_s).all(axis=1)] if readings_s.ndim == 2 else np.empty((0, 0))
    if good.shape[0] == 0 or good.shape[1] < 2:
        return None
    return float(np.sqrt(np.mean(good.var(axis=1, ddof=1) / good.mean(axis=1) ** 2)))


def voltage_gradient(voltage_v: FloatArray, target_s: FloatArray) -> float | None:
    """Fit how a voltage grows with the distance of a cell from the driven ends of its two lines.

    Series resistance of the lines shows up as a larger programming voltage of the far cells. The voltage also depends
    on the conductance it leads to, and a target map is not even over the array; so ln(target) is fitted besides.

    Parameters
    ----------
    voltage_v : ndarray, shape (rows, columns), unit V
        A magnitude per cell, such as the voltage of a RESET of fixed effect; NaN leaves a cell out.
    target_s : ndarray, same shape, unit S
        Conductance that the voltage led to, positive.

    Returns
    -------
    float or None, unit V
        Slope over row + column, per line segment, of a least-squares fit of distance, ln(target) and its square; None
        with too few cells or where all lie equally far.
    """
    rows, columns = np.indices(voltage_v.shape)
    counts = np.isfinite(voltage_v) & np.isfinite(target_s)
    distance = (rows + columns).astype(float)[counts]
    if distance.size < 3 or np.ptp(distance) == 0.0:
        return None
    level = np.log(target_s[counts])
    level = level - level.mean()
    terms = np.stack([distance - distance.mean(), np.ones_like(distance), level, level**2], axis=1)
    return float(np.linalg.lstsq(terms, voltage_v[counts], rcond=None)[0][0])
