"""Programming errors that were measured on one array, drawn again for the cells of a larger network.

An error is relative, G / target - 1. It is drawn from those of the cell's own level where there are enough of them, as
the levels of a device differ; from all of them otherwise. Not here: programming (:mod:`labctl.tuning`), weights and
levels (:mod:`labctl.networks.mapping`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.array import Levels
from labctl.networks.mapping import QuantisedWeights, from_differential, to_differential

__all__ = ["ErrorSource", "Residuals", "normal_errors", "weights_with_errors"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
ErrorSource = Callable[[IntArray], FloatArray]
"""Takes the levels of cells, any shape, and returns a relative error for each of them, unit 1."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Relative errors of cells that were programmed, by level.

    Attributes
    ----------
    by_level : tuple of ndarray, each of shape (n,), unit 1
        Errors of the cells of each level, from level 0; all errors where a level has too few.
    is_own : tuple of bool
        Whether a level has errors of its own.
    """

    by_level: tuple[FloatArray, ...]
    is_own: tuple[bool, ...]

    @classmethod
    def measured(
        cls, conductance_s: FloatArray, target_s: FloatArray, level: IntArray, *, levels: int, least: int = 20
    ) -> "Residuals":
        """Take the errors of cells.

        Parameters
        ----------
        conductance_s, target_s : ndarray, equal shapes, unit S
            What was read and what was wanted; NaN in either leaves a cell out.
        level : ndarray of int, same shape, unit 1
            Level of each cell, from 0.
        levels : int
            How many there are.
        least : int
            Cells that a level needs for errors of its own.

        Returns
        -------
        Residuals

        Raises
        ------
        ValueError
            If no cell is left.
        """
        error = conductance_s / target_s - 1.0
        good = np.isfinite(error)
        if not good.any():
            raise ValueError("residuals: no cell has both a target and a reading")
        pooled = error[good]
        own = [error[good & (level == number)] for number in range(levels)]
        is_own = tuple(found.size >= least for found in own)
        return cls(tuple(found if enough else pooled for found, enough in zip(own, is_own, strict=True)), is_own)

    def drawn(self, rng: np.random.Generator) -> ErrorSource:
        """Return what draws an error for each cell, with replacement.

        Parameters
        ----------
        rng : Generator

        Returns
        -------
        ErrorSource
        """

        def draw(level: IntArray) -> FloatArray:
            errors = np.empty(level.shape)
            for number, pool in enumerate(self.by_level):
                of_level = level == number
                errors[of_level] = pool[rng.integers(0, pool.size, int(of_level.sum()))]
            return errors

        return draw


def normal_errors(rmse: float, rng: np.random.Generator) -> ErrorSource:
    """Return what draws normal errors of mean 0, the same law for all levels.

    Parameters
    ----------
    rmse : float, unit 1
        Standard deviation of G / target.
    rng : Generator

    Returns
    -------
    ErrorSource
    """
    return lambda level: rmse * rng.standard_normal(level.shape)


def weights_with_errors(weights: QuantisedWeights, errors: ErrorSource, scale: Levels) -> FloatArray:
    """Return the weights that differential pairs stand for when each cell misses its target.

    Parameters
    ----------
    weights : QuantisedWeights
        Of shape (inputs, outputs).
    errors : ErrorSource
        Of the cells; a conductance never goes below 0.
    scale : Levels
        Conductances of the levels of a device.

    Returns
    -------
    ndarray, shape (inputs, outputs), unit of the weights
    """
    pairs = to_differential(weights.values)
    conductance_s = scale.conductances_s()[pairs] * np.maximum(1.0 + errors(pairs), 0.0)
    return from_differential(
        conductance_s, step=weights.step, g_min_s=scale.lowest_s, g_max_s=scale.highest_s, levels=scale.count
    )
