"""A device as the curves of its own quantiles: what one pulse does, with no law assumed.

Every quantile of the increment is straight between evenly spaced knots of the conductance; between two quantiles the
increment is straight in the normal quantile of the probability, and goes straight on beyond the outermost. That follows
a device where the law of 24 parameters (:mod:`labctl.analysis.calibration`) is too stiff, at the price of several
hundred numbers that mean nothing by themselves. Use it to play devices back, not to describe them. The typical device
of a technology is the median of its devices, quantile by quantile. Not here: tables
(:mod:`labctl.analysis.pulse_tables`); how much of a device a model meets (``share_near`` of the calibration).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.calibration import Calibration
from labctl.analysis.intervals import require
from labctl.analysis.pulse_tables import PulseTable

__all__ = ["QuantileCurves", "calibrate_curves", "calibrate_technology_curves"]

Array = NDArray[np.float64]

_KNOTS = 31
_LEAST_BINS = 16
_LEAST_LEVELS = 5
_LEAST_DEVICES = 8


@dataclass(frozen=True, slots=True, eq=False)
class QuantileCurves:
    """What one pulse does, in parts of the range of a device.

    Attributes
    ----------
    place : ndarray, shape (knots,), unit 1
        Conductance before the pulse, in parts of the range, ascending from 0 to 1.
    levels : ndarray, shape (levels,), unit 1
        Probabilities, ascending.
    steps : ndarray, shape (levels, knots), unit 1
        Quantiles of the increment; ascending along the levels.
    """

    place: Array
    levels: Array
    steps: Array

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
            raise ValueError("quantile curves: conductances must lie within the range, 0 to 1 of it")
        if not ((probability > 0.0) & (probability < 1.0)).all():
            raise ValueError("quantile curves: levels must lie between 0 and 1")
        curves = np.array([np.interp(at, self.place, row) for row in self.steps])
        known, asked = ndtri(self.levels), ndtri(probability)
        below = np.clip(np.searchsorted(known, asked) - 1, 0, known.size - 2)
        part = (asked - known[below]) / (known[below + 1] - known[below])
        return np.asarray(curves[below] + part[:, np.newaxis] * (curves[below + 1] - curves[below]))


def calibrate_curves(table: PulseTable) -> QuantileCurves:
    """Calibrate the curves to one device.

    Parameters
    ----------
    table : PulseTable

    Returns
    -------
    QuantileCurves
        With 31 knots, or as many as there are bins where those are fewer; by least squares where they are more.
        Quantiles that cross in the table are put in order.

    Raises
    ------
    TooFewPoints
        If there are fewer than 16 bins or 5 levels.
    """
    bins = table.conductance_s.size
    require(f"pulse table {table.device}, bins", bins, _LEAST_BINS)
    require(f"pulse table {table.device}, levels", table.levels.size, _LEAST_LEVELS)
    knots = np.linspace(0.0, 1.0, min(_KNOTS, bins))
    hats = np.array([np.interp(table.place, knots, row) for row in np.eye(knots.size)]).T
    # where no bin lies near a knot, the shortest answer would be 0: hold it to its neighbours, ever so slightly
    bend = 1e-6 * np.diff(np.eye(knots.size), 2, axis=0)
    steps, *_ = np.linalg.lstsq(
        np.concatenate([hats, bend]),
        np.concatenate([table.steps.T, np.zeros((bend.shape[0], table.levels.size))]),
        rcond=None,
    )
    return QuantileCurves(knots, table.levels, np.sort(steps.T, axis=0))


def calibrate_technology_curves(tables: Sequence[PulseTable]) -> Calibration:
    """Calibrate each device of a technology, and its typical one: the median over the devices of every quantile.

    The median, because one device that behaves in another way should not bend the typical one.

    Parameters
    ----------
    tables : sequence of PulseTable
        One per device, all of one polarity and with the same levels; bins may differ.

    Returns
    -------
    Calibration

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 devices, or too few bins or levels in one.
    ValueError
        If levels differ.
    """
    require("the typical device of a technology", len(tables), _LEAST_DEVICES)
    levels = tables[0].levels
    for table in tables[1:]:
        if not np.array_equal(table.levels, levels):
            raise ValueError(f"pulse tables {tables[0].device} and {table.device}: levels must agree")
    devices = {table.device: calibrate_curves(table) for table in tables}
    # every kink of every device is a knot of their median
    place = np.unique(np.concatenate([curves.place for curves in devices.values()]))
    steps = np.median([curves.quantiles(place, levels) for curves in devices.values()], axis=0)
    return Calibration(QuantileCurves(place, levels, steps), {}, devices)
