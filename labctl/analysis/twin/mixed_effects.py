r"""Non-linear mixed model: one law for all cells, effects of each cell, and a scatter from pulse to pulse.

.. math:: y_k = f_k(\theta, b_{i(k)}) + h_k \sigma \xi_k + n_k \epsilon_k, \quad b_i \sim N(0, \mathrm{diag}(\omega^2))

with standard normal :math:`\xi, \epsilon`. The law is linearised at the present estimate of theta and of every cell's
effects, the linear mixed model that results is solved by restricted maximum likelihood, and both steps alternate [1]_.
Intervals: of theta by Student's t with Satterthwaite's degrees of freedom, of the spreads by chi-square with the
degrees of freedom that the curvature of the likelihood gives [2]_. Not here: the laws
(:mod:`labctl.analysis.twin.metal_oxide_fit` and its neighbours).

References
----------
.. [1] M. J. Lindstrom, D. M. Bates, "Nonlinear mixed effects models for repeated measures data", Biometrics 46 (1990)
   673, doi:10.2307/2532087.
.. [2] F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bull. 2 (1946)
   110, doi:10.2307/3002019.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Linearised", "MixedFit", "fit_mixed"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_ROUNDS = 40
# of theta, in standard errors
_CONVERGED = 1e-2
_LEVEL = 0.95
# variances are sought between these parts of the start value; what ends at the lower one is zero for the data
_LOG_RANGE = (-14.0, 8.0)


@dataclass(frozen=True, slots=True, eq=False)
class Linearised:
    """The law at one estimate; n observations, p parameters, q effects.

    Attributes
    ----------
    predicted : ndarray, shape (n,)
    slopes : ndarray, shape (n, p)
        By theta.
    effect_slopes : ndarray, shape (n, q)
        By the effects of the observation's cell.
    scale : ndarray, shape (n,)
        Factor h on the scatter from pulse to pulse.
    noise_variance : ndarray, shape (n,)
        Square of n, known.
    """

    predicted: Array
    slopes: Array
    effect_slopes: Array
    scale: Array
    noise_variance: Array


@dataclass(frozen=True, slots=True, eq=False)
class MixedFit:
    """What came of a fit; units as the law has them.

    Attributes
    ----------
    theta, theta_low, theta_high : ndarray, shape (p,)
        Estimates with 95 % intervals.
    covariance : ndarray, shape (p, p)
        Of theta.
    spreads, spreads_low, spreads_high : ndarray, shape (q + 1,)
        Standard deviations of the effects, then that from pulse to pulse; those that were held have no interval (NaN).
    effects : ndarray, shape (cells, q)
        Of each cell, as predicted.
    residuals : ndarray, shape (n,)
        (y - f) over the standard deviation that the model gives, effects taken into account.
    conditioning : float, unit 1
        Least eigenvalue of the Fisher information of theta, scaled to unit diagonal; 0 where it is singular.
    has_converged : bool
    """

    theta: Array
    theta_low: Array
    theta_high: Array
    covariance: Array
    spreads: Array
    spreads_low: Array
    spreads_high: Array
    effects: Array
    residuals: Array
    conditioning: float
    has_converged: bool


def fit_mixed(
    observed: Array,
    cell: Index,
    law: Callable[[Array, Array], Linearised],
    *,
    theta: Array,
    spreads: Array,
    held: NDArray[np.bool_],
) -> MixedFit:
    """Fit by alternating linearisation and restricted maximum likelihood.

    Parameters
    ----------
    observed : ndarray, shape (n,)
    cell : ndarray of int, shape (n,)
        Cell of each observation, numbered from 0 without gaps.
    law : callable
        Takes theta, shape (p,), and effects, shape (cells, q).
    theta : ndarray, shape (p,)
        Where to begin.
    spreads : ndarray, shape (q + 1,)
        Standard deviations to begin with, positive; the last one is that from pulse to pulse.
    held : ndarray of bool, shape (q + 1,)
        Spreads that stay as given.

    Returns
    -------
    MixedFit
    """
    order = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[order], np.arange(int(cell.max()) + 1))
    start_logs = 2.0 * np.log(spreads)
    logs, theta = start_logs.copy(), np.array(theta)
    effects = np.zeros((starts.size, spreads.size - 1))
    has_converged = False
    for _ in range(_ROUNDS):
        linear = law(theta, effects)
        working = observed - linear.predicted + linear.slopes @ theta
        working += np.sum(linear.effect_slopes * effects[cell], axis=1)
        model = _Linear.of(linear, working, order, starts)
        logs = _restricted_maximum(model, logs, start_logs, held)
        solution = model.solve(logs)
        moved = np.max(np.abs(solution.theta - theta) / np.sqrt(np.diag(solution.covariance)))
        # a long step leaves the neighbourhood in which the straight law holds
        part = min(1.0, 0.5 / np.max(np.abs(solution.theta - theta), initial=1e-12))
        theta, effects = theta + part * (solution.theta - theta), effects + part * (solution.effects - effects)
        if moved < _CONVERGED and part == 1.0:
            has_converged = True
            break
    linear = law(theta, effects)
    sd = np.sqrt(np.exp(logs[-1]) * linear.scale**2 + linear.noise_variance)
    reach = _theta_reach(model, solution, logs, held)
    spread_low, spread_high = _spread_ends(model, logs, held)
    information = np.linalg.inv(solution.covariance)
    scaled = information / np.sqrt(np.outer(np.diag(information), np.diag(information)))
    return MixedFit(
        theta,
        theta - reach,
        theta + reach,
        solution.covariance,
        np.exp(0.5 * logs),
        spread_low,
        spread_high,
        effects,
        (observed - linear.predicted) / sd,
        float(max(np.linalg.eigvalsh(scaled)[0], 0.0)),
        has_converged,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Solution:
    """Estimates at given variances."""

    theta: Array
    covariance: Array
    effects: Array
    criterion: float


@dataclass(frozen=True, slots=True, eq=False)
class _Linear:
    """A linear mixed model, as sums over the observations of a cell."""

    products: Array
    scale_squared: Array
    noise_variance: Array
    starts: Index
    parameters: int

    @classmethod
    def of(cls, linear: Linearised, working: Array, order: Index, starts: Index) -> "_Linear":
        table = np.column_stack([linear.slopes, linear.effect_slopes, working])[order]
        products = table[:, :, np.newaxis] * table[:, np.newaxis, :]
        return cls(
            products,
            linear.scale[order] ** 2,
            linear.noise_variance[order],
            starts,
            linear.slopes.shape[1],
        )

    def solve(self, logs: Array) -> _Solution:
        """Solve for theta and the effects, given the logarithms of the variances."""
        p = self.parameters
        residual = np.exp(logs[-1]) * self.scale_squared + self.noise_variance
        grams = np.add.reduceat(self.products / residual[:, np.newaxis, np.newaxis], self.starts, axis=0)
        xx, xz, zz = grams[:, :p, :p], grams[:, :p, p:-1], grams[:, p:-1, p:-1]
        xw, zw, ww = grams[:, :p, -1], grams[:, p:-1, -1], grams[:, -1, -1]
        d = np.diag(np.exp(logs[:-1]))
        inner = np.eye(d.shape[0]) + d @ zz
        kernel = np.linalg.solve(inner, np.broadcast_to(d, inner.shape))
        folded = xz @ kernel
        information = (xx - folded @ xz.transpose(0, 2, 1)).sum(axis=0)
        right = (xw - np.einsum("ipq,iq->ip", folded, zw)).sum(axis=0)
        total = float(np.sum(ww - np.einsum("iq,iqr,ir->i", zw, kernel, zw)))
        # a parameter that no observation depends on leaves a singular matrix: its variance becomes huge, not infinite
        scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
        scaled = information / np.outer(scale, scale) + 1e-12 * np.eye(p)
        covariance = np.linalg.inv(scaled) / np.outer(scale, scale)
        theta = covariance @ right
        effects = np.einsum("iqr,ir->iq", kernel, zw - np.einsum("ipq,p->iq", xz, theta))
        criterion = (
            float(np.sum(np.log(residual)))
            + float(np.sum(np.linalg.slogdet(inner)[1]))
            + float(np.linalg.slogdet(scaled)[1] + 2.0 * np.sum(np.log(scale)))
            + total
            - float(theta @ right)
        )
        return _Solution(theta, covariance, effects, criterion)


def _restricted_maximum(model: _Linear, logs: Array, start: Array, held: NDArray[np.bool_]) -> Array:
    """Return the logarithms of the variances that make the data most likely; held ones as they are."""
    from scipy.optimize import minimize

    free = np.flatnonzero(~held)
    if not free.size:
        return logs

    def criterion(values: Array) -> float:
        tried = logs.copy()
        tried[free] = values
        return model.solve(tried).criterion

    bounds = [(start[place] + _LOG_RANGE[0], start[place] + _LOG_RANGE[1]) for place in free]
    found = minimize(criterion, logs[free], method="L-BFGS-B", bounds=bounds)
    best = logs.copy()
    best[free] = found.x
    return best


def _variance_covariance(model: _Linear, logs: Array, held: NDArray[np.bool_]) -> Array:
    """Return the covariance of the logarithms of the free variances, by the curvature of the criterion."""
    free = [int(place) for place in np.flatnonzero(~held)]
    step = 0.1

    def at(*moves: tuple[int, float]) -> float:
        tried = logs.copy()
        for place, size in moves:
            tried[place] += size
        return model.solve(tried).criterion

    middle = at()
    curvature = np.empty((len(free), len(free)))
    for i, a in enumerate(free):
        curvature[i, i] = (at((a, step)) - 2.0 * middle + at((a, -step))) / step**2
        for j, b in enumerate(free[:i]):
            mixed = at((a, step), (b, step)) - at((a, step), (b, -step)) - at((a, -step), (b, step))
            curvature[i, j] = curvature[j, i] = (mixed + at((a, -step), (b, -step))) / (4.0 * step**2)
    # the criterion is minus twice the logarithm of the likelihood; a flat direction has a huge variance
    values, vectors = np.linalg.eigh(0.5 * curvature)
    return np.asarray((vectors / np.maximum(values, 1e-6)) @ vectors.T)


def _theta_reach(model: _Linear, solution: _Solution, logs: Array, held: NDArray[np.bool_]) -> Array:
    """Return by how much the interval of each parameter reaches to either side."""
    from scipy.stats import t

    variance = np.diag(solution.covariance)
    free = np.flatnonzero(~held)
    slopes = np.empty((free.size, variance.size))
    for row, place in enumerate(free):
        sides = []
        for sign in (1.0, -1.0):
            tried = logs.copy()
            tried[place] += sign * 0.1
            sides.append(np.diag(model.solve(tried).covariance))
        slopes[row] = (sides[0] - sides[1]) / 0.2
    spread = np.einsum("rp,rs,sp->p", slopes, _variance_covariance(model, logs, held), slopes) if free.size else 0.0
    freedom = np.maximum(2.0 * variance**2 / np.maximum(spread, 1e-300), 1.0)
    return np.asarray(t.ppf(0.5 + 0.5 * _LEVEL, freedom) * np.sqrt(variance))


def _spread_ends(model: _Linear, logs: Array, held: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return the ends of the intervals of the standard deviations; NaN for those that were held."""
    from scipy.stats import chi2

    low, high = np.full(logs.size, np.nan), np.full(logs.size, np.nan)
    free = np.flatnonzero(~held)
    if free.size:
        freedom = np.maximum(2.0 / np.diag(_variance_covariance(model, logs, held)), 0.2)
        variance = np.exp(logs[free])
        low[free] = np.sqrt(freedom * variance / chi2.ppf(0.5 + 0.5 * _LEVEL, freedom))
        high[free] = np.sqrt(freedom * variance / chi2.ppf(0.5 - 0.5 * _LEVEL, freedom))
    return low, high
