"""Error of a vector-matrix multiplication by an array, column by column.

Definition: e_j = (I_measured,j - I_ideal,j) / I_fullscale,j with I_ideal,j = sum_i G_ij V_i from the target
conductances and I_fullscale,j = rows x G_max x V_max. The primary figure of a column is the root mean square of e over
the vectors, the secondary one the largest magnitude; "up to" is the worst column.

Not here: measuring; errors of programmed conductances
(:mod:`labctl.analysis.programming`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import Estimate, require

__all__ = ["MultiplicationError", "multiplication_error"]

_LEAST_VECTORS = 30
_RESAMPLES = 500
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class MultiplicationError:
    """Errors over the vectors; arrays have one value a column.

    Attributes
    ----------
    full_scale_a : float, unit A
    rms, largest : ndarray, shape (columns,), unit 1
        Of \\|e\\|, over full scale; NaN for a column without enough readings.
    offset_a : ndarray, shape (columns,), unit A
    gain : ndarray, shape (columns,), unit 1
        I_measured = offset + gain I_ideal + residual, by least squares.
    residual_rms : ndarray, shape (columns,), unit 1
        Of that residual over full scale, n - 2 degrees of freedom: what calibration cannot take away.
    worst_column : int
        That with the largest rms.
    worst : Estimate, unit 1
        Its rms. The interval is for the largest true rms of any column: its low end is the highest low end of the
        columns, each so unlikely to be wrong that all together hold (Bonferroni), its high end the highest high end.
        Standard errors of ln rms by bootstrap over vectors.
    missing : int
        Readings that were not there.
    """

    full_scale_a: float
    rms: NDArray[np.float64]
    largest: NDArray[np.float64]
    offset_a: NDArray[np.float64]
    gain: NDArray[np.float64]
    residual_rms: NDArray[np.float64]
    worst_column: int
    worst: Estimate
    missing: int


def multiplication_error(
    voltage_v: ArrayLike,
    current_a: ArrayLike,
    conductance_s: ArrayLike,
    *,
    largest_conductance_s: float,
    largest_voltage_v: float,
    seed: int = 0,
) -> MultiplicationError:
    """Compare measured column currents with the ideal product.

    Parameters
    ----------
    voltage_v : array_like, shape (vectors, rows), unit V
    current_a : array_like, shape (vectors, columns), unit A
        NaN where a meter had no reading; the pair is left out.
    conductance_s : array_like, shape (rows, columns), unit S
        What the cells should have.
    largest_conductance_s, largest_voltage_v : float
        G_max and V_max of the full scale, units S and V.
    seed : int
        Of the bootstrap.

    Returns
    -------
    MultiplicationError

    Raises
    ------
    TooFewPoints
        If no column has readings of 30 vectors.
    ValueError
        If shapes do not fit, a voltage or conductance is no number or beyond the full scale.
    """
    voltage, current = np.asarray(voltage_v, dtype=float), np.asarray(current_a, dtype=float)
    matrix = np.asarray(conductance_s, dtype=float)
    if (
        voltage.ndim != 2
        or matrix.ndim != 2
        or current.shape != (voltage.shape[0], matrix.shape[1])
        or (voltage.shape[1] != matrix.shape[0])
    ):
        raise ValueError(
            "vector-matrix test: needs voltages (vectors, rows), currents (vectors, columns) and conductances"
            f" (rows, columns), got {voltage.shape}, {current.shape} and {matrix.shape}"
        )
    if not (np.isfinite(voltage).all() and np.isfinite(matrix).all()):
        raise ValueError("vector-matrix test: every voltage and every target conductance must be a number")
    if not (np.abs(voltage).max(initial=0.0) <= largest_voltage_v and matrix.max(initial=0.0) <= largest_conductance_s):
        raise ValueError(
            f"vector-matrix test: voltages reach {np.abs(voltage).max(initial=0.0):.4g} V and conductances"
            f" {matrix.max(initial=0.0):.4g} S, beyond the full scale of {largest_voltage_v:.4g} V and"
            f" {largest_conductance_s:.4g} S"
        )
    full_scale = matrix.shape[0] * largest_conductance_s * largest_voltage_v
    read = np.isfinite(current)
    counts = read.sum(axis=0)
    enough = counts >= _LEAST_VECTORS
    require("vector-matrix test, vectors read in the column with most", int(counts.max(initial=0)), _LEAST_VECTORS)
    ideal = voltage @ matrix
    error = np.where(read, (np.where(read, current, 0.0) - ideal) / full_scale, 0.0)
    rms = np.where(enough, np.sqrt((error**2).sum(axis=0) / np.maximum(counts, 1)), np.nan)
    offset, gain, residual = (np.full(matrix.shape[1], np.nan) for _ in range(3))
    for column in np.flatnonzero(enough):
        chosen = read[:, column]
        design = np.stack([np.ones(counts[column]), ideal[chosen, column] / full_scale], axis=1)
        solution, _, rank, _ = np.linalg.lstsq(design, current[chosen, column] / full_scale, rcond=None)
        rest = current[chosen, column] / full_scale - design @ solution
        if rank == 2:
            offset[column], gain[column] = full_scale * solution[0], solution[1]
            residual[column] = np.sqrt((rest**2).sum() / (counts[column] - 2))
    return MultiplicationError(
        float(full_scale),
        rms,
        np.where(enough, np.abs(error).max(axis=0), np.nan),
        offset,
        gain,
        residual,
        int(np.nanargmax(rms)),
        _worst(error[:, enough] ** 2, read[:, enough], seed),
        int((~read).sum()),
    )


def _worst(squares: NDArray[np.float64], read: NDArray[np.bool_], seed: int) -> Estimate:
    """Bootstrap ln of the mean square of every column; the largest of noisy values alone would stand too high."""
    from scipy.stats import norm

    vectors, columns = squares.shape
    value = squares.sum(axis=0) / read.sum(axis=0)
    rms = float(np.sqrt(value.max()))
    if rms == 0.0:
        return Estimate(0.0, 0.0, 0.0, "1", vectors)
    generator = np.random.default_rng(seed)
    weight = np.stack(
        [
            np.bincount(generator.integers(0, vectors, vectors), minlength=vectors).astype(float)
            for _ in range(_RESAMPLES)
        ]
    )
    # a column without any error has no logarithm, and is not the worst
    erring = value > 0.0
    replicates = (weight @ squares[:, erring]) / np.maximum(weight @ read[:, erring], 1.0)
    spread = np.log(np.maximum(replicates, np.finfo(float).tiny)).std(axis=0)
    tail = 0.5 * (1.0 - _LEVEL)
    logs = np.log(value[erring])
    low = float(np.max(logs - float(norm.isf(tail / columns)) * spread))
    high = float(np.max(logs + float(norm.isf(tail)) * spread))
    return Estimate(rms, float(np.exp(0.5 * low)), float(np.exp(0.5 * high)), "1", vectors)
