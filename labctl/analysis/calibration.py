r"""Calibrate a model of what one pulse does to measured tables of increments: mean, spread C2C, spread D2D.

The tables are those of :mod:`labctl.analysis.pulse_tables`. The model is a quantile function, in parts of the device's
own range, x = (G - G_low) / (G_high - G_low):

.. math:: Q(p; x) = m(x) + s(x)\,[\sinh((\operatorname{asinh} z_p + \epsilon)/\delta) - \sinh(\epsilon/\delta)]

with the normal quantile z_p: the sinh-arcsinh law [1]_. The median m and the logarithm of the scale s are straight
between eleven knots, skew and tail are one number each: a spread that leans to one side and has lighter or heavier
tails than a normal one. A soft bound is the case of m straight from end to end; TaOx needs the knots, because its SET
stops short of the upper bound and its RESET acts most in the middle of the range. The model can draw pulses (Q at
uniform numbers). It does not follow a skew or tail that changes along the range, and cannot say whether pulses depend
on the ones before (memory, heating, telegraph noise), how they change with width or amplitude, or what happens outside
the range it saw. It is the short description of a technology; single TaOx devices need the look-up curves of
:mod:`labctl.analysis.quantile_curves`, which calibrate to the same :class:`Calibration`. Not here: the fit of one
update curve (:mod:`labctl.analysis.update_curves`).

References
----------
.. [1] M. C. Jones, A. Pewsey, "Sinh-arcsinh distributions", Biometrika 96 (2009) 761, doi:10.1093/biomet/asp053.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import Estimate, bootstrap, require
from labctl.analysis.pulse_tables import PulseTable, device_range

__all__ = [
    "PARAMETERS",
    "Calibration",
    "StepModel",
    "UpdateModel",
    "calibrate_device",
    "calibrate_technology",
    "share_inside",
    "share_near",
    "step_moments",
]

Array = NDArray[np.float64]

_KNOTS = np.linspace(0.0, 1.0, 11)
PARAMETERS = (
    *(f"median at {knot:.1f}" for knot in _KNOTS),
    *(f"ln scale at {knot:.1f}" for knot in _KNOTS),
    "skew",
    "ln tail",
)
_LEAST_BINS = 16
_LEAST_LEVELS = 5
# a bin counts by its own spread, but not by less than this part of the range, which no meter would tell from 0
_LEAST_WEIGHT = 0.004
_RESAMPLES = 2000
_LEVEL = 0.95


class StepModel(Protocol):
    """Whatever knows the quantiles of the increment: the law below, or curves."""

    def quantiles(self, place: ArrayLike, levels: ArrayLike) -> Array:
        """Return quantiles, shape (levels, n), unit 1, at conductances in parts of the range."""
        ...


def step_moments(model: StepModel, place: ArrayLike) -> tuple[Array, Array]:
    """Return mean and standard deviation (C2C) of the increment that a model says.

    Parameters
    ----------
    model : StepModel
    place : array_like, shape (n,), unit 1
        Conductance before the pulse, in parts of the range.

    Returns
    -------
    tuple of two ndarrays, shape (n,), unit 1
    """
    # the middle of 2000 equal parts of the probability
    drawn = model.quantiles(place, (np.arange(2000) + 0.5) / 2000)
    return drawn.mean(axis=0), drawn.std(axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class UpdateModel:
    """What one pulse does, in parts of the range of a device.

    Attributes
    ----------
    values : ndarray, shape (24,), unit 1
        In the order of :data:`PARAMETERS`.
    """

    values: Array

    def quantiles(self, place: ArrayLike, levels: ArrayLike) -> Array:
        """Return quantiles of the increment.

        Parameters
        ----------
        place : array_like, shape (n,), unit 1
            Conductance before the pulse, in parts of the range, 0 to 1.
        levels : array_like, shape (levels,), unit 1
            Probabilities between 0 and 1.

        Returns
        -------
        ndarray, shape (levels, n), unit 1

        Raises
        ------
        ValueError
            If a conductance lies outside the range or a level is not between 0 and 1.
        """
        from scipy.special import ndtri

        at, probability = np.asarray(place, dtype=float), np.asarray(levels, dtype=float)
        if not ((at >= 0.0) & (at <= 1.0)).all():
            raise ValueError("update model: conductances must lie within the range, 0 to 1 of it")
        if not ((probability > 0.0) & (probability < 1.0)).all():
            raise ValueError("update model: levels must lie between 0 and 1")
        return _quantiles(self.values, _hats(at), np.arcsinh(ndtri(probability)))


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A calibrated model.

    Attributes
    ----------
    model : StepModel
        Of the device, or of the typical device of a technology.
    parameters : dict of str to Estimate, unit 1
        The law's parameters with their intervals; empty for curves, whose numbers mean nothing by themselves.
    devices : Mapping of str to StepModel
        Of each device.
    """

    model: StepModel
    parameters: dict[str, Estimate]
    devices: Mapping[str, StepModel]

    def device_spread(self, place: ArrayLike) -> Array:
        """Return the spread D2D: standard deviation of the devices' mean increments, shape (n,), unit 1.

        Parameters
        ----------
        place : array_like, shape (n,), unit 1
            Conductance before the pulse, in parts of the range.

        Raises
        ------
        TooFewPoints
            If there are fewer than two devices.
        """
        require("a spread from device to device", len(self.devices), 2)
        return np.asarray(np.std([step_moments(model, place)[0] for model in self.devices.values()], axis=0, ddof=1))


def calibrate_device(table: PulseTable, *, seed: int = 0) -> Calibration:
    """Calibrate the model to one device; the intervals come from resampled bins (one-step bootstrap of the residuals).

    Parameters
    ----------
    table : PulseTable
    seed : int
        Of the resampling.

    Returns
    -------
    Calibration

    Raises
    ------
    TooFewPoints
        If there are fewer than 16 bins or 5 levels.
    """
    values, jacobian, misfit = _fit(table)
    bins = table.conductance_s.size
    chosen = np.random.default_rng(seed).integers(0, bins, (_RESAMPLES, bins))
    resampled = np.moveaxis(misfit[:, chosen], 0, 1).reshape(_RESAMPLES, -1)
    replicates = values - resampled @ np.linalg.pinv(jacobian).T
    low, high = np.quantile(replicates, [0.5 - 0.5 * _LEVEL, 0.5 + 0.5 * _LEVEL], axis=0)
    estimates = [Estimate(float(v), float(a), float(b), "1", bins) for v, a, b in zip(values, low, high, strict=True)]
    model = UpdateModel(values)
    return Calibration(model, dict(zip(PARAMETERS, estimates, strict=True)), {table.device: model})


def calibrate_technology(tables: Sequence[PulseTable], *, seed: int = 0) -> Calibration:
    """Calibrate the typical device of a technology: the median of each parameter over the devices.

    The median, because one device that behaves in another way should not bend the typical one. Intervals come from
    resampled devices.

    Parameters
    ----------
    tables : sequence of PulseTable
        One per device, all of one polarity.
    seed : int
        Of the resampling.

    Returns
    -------
    Calibration

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 devices, or too few bins or levels in one.
    """
    require("the typical device of a technology", len(tables), 8)
    fitted = np.array([_fit(table)[0] for table in tables])
    estimates = {
        name: bootstrap(column, lambda sample: np.median(sample, axis=1), unit="1", seed=seed)
        for name, column in zip(PARAMETERS, fitted.T, strict=True)
    }
    typical = UpdateModel(np.array([estimate.value for estimate in estimates.values()]))
    devices = {table.device: UpdateModel(values) for table, values in zip(tables, fitted, strict=True)}
    return Calibration(typical, estimates, devices)


def share_inside(model: StepModel, tables: Sequence[PulseTable]) -> float:
    """Return the part of the bins in which all quantiles of a model lie within the spread of devices.

    Parameters
    ----------
    model : StepModel
    tables : sequence of PulseTable
        The devices; their spread is that of :func:`~labctl.analysis.pulse_tables.device_range`.

    Returns
    -------
    float, unit 1
    """
    low, high = device_range(tables)
    # places of the devices agree within a thousandth
    found = model.quantiles(np.clip(tables[0].place, 0.0, 1.0), tables[0].levels)
    return float(((found >= low) & (found <= high)).all(axis=0).mean())


def share_near(model: StepModel, table: PulseTable, tolerance: ArrayLike) -> float:
    """Return the part of the bins in which no quantile of a model misses a device's by more than a tolerance.

    Parameters
    ----------
    model : StepModel
    table : PulseTable
        The device.
    tolerance : array_like, scalar or shape (levels, bins), unit 1
        In parts of the range.

    Returns
    -------
    float, unit 1
    """
    miss = np.abs(model.quantiles(np.clip(table.place, 0.0, 1.0), table.levels) - table.steps)
    return float((miss <= np.asarray(tolerance)).all(axis=0).mean())


def _hats(place: Array) -> Array:
    """Weight of each knot, shape (n, knots)."""
    return np.array([np.interp(place, _KNOTS, row) for row in np.eye(_KNOTS.size)]).T


def _quantiles(values: Array, hats: Array, bent: Array) -> Array:
    """Quantile function on known weights of the knots; ``bent`` is asinh of the normal quantile."""
    knots = _KNOTS.size
    skew, tail = values[-2], np.exp(values[-1])
    shape = np.sinh((bent + skew) / tail) - np.sinh(skew / tail)
    return np.asarray(hats @ values[:knots] + np.exp(hats @ values[knots : 2 * knots]) * shape[:, np.newaxis])


def _fit(table: PulseTable) -> tuple[Array, Array, Array]:
    """Fit by least squares; parameters, jacobian and misfit (levels, bins), the last two in spreads of each bin."""
    from scipy.optimize import least_squares
    from scipy.special import ndtri

    require(f"pulse table {table.device}, bins", table.conductance_s.size, _LEAST_BINS)
    require(f"pulse table {table.device}, levels", table.levels.size, _LEAST_LEVELS)
    steps, hats, bent = table.steps, _hats(table.place), np.arcsinh(ndtri(table.levels))
    median, lower, upper, bottom, top = (
        np.array([np.interp(level, table.levels, column) for column in steps.T])
        for level in (0.5, 0.16, 0.84, 0.05, 0.95)
    )
    weight = np.maximum(top - bottom, _LEAST_WEIGHT)
    scale = 0.5 * np.maximum(upper - lower, 0.5 * _LEAST_WEIGHT)
    start = [*np.interp(_KNOTS, table.place, median), *np.interp(_KNOTS, table.place, np.log(scale)), 0.0, 0.0]

    def misfit(values: Array) -> Array:
        return np.asarray(((_quantiles(values, hats, bent) - steps) / weight).ravel())

    def slopes(values: Array) -> Array:
        return np.asarray((_slopes(values, hats, bent) / weight[:, np.newaxis]).reshape(steps.size, -1))

    found = least_squares(misfit, start, slopes, method="lm")
    return found.x, np.asarray(found.jac), found.fun.reshape(steps.shape)


def _slopes(values: Array, hats: Array, bent: Array) -> Array:
    """Derivative of the quantile function by each parameter, shape (levels, n, parameters)."""
    knots = _KNOTS.size
    skew, tail = values[-2], np.exp(values[-1])
    inner, origin = ((bent + skew) / tail)[:, np.newaxis], skew / tail
    scale = np.exp(hats @ values[knots : 2 * knots])
    by_scale = scale * (np.sinh(inner) - np.sinh(origin))
    by_skew = scale * (np.cosh(inner) - np.cosh(origin)) / tail
    by_tail = scale * (origin * np.cosh(origin) - inner * np.cosh(inner))
    by_median = np.broadcast_to(hats, (bent.size, *hats.shape))
    return np.concatenate(
        [by_median, by_scale[..., np.newaxis] * hats, by_skew[..., np.newaxis], by_tail[..., np.newaxis]], axis=-1
    )
