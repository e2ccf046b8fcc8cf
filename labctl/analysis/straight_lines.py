"""Straight lines by least squares with Student's intervals, for the figures that are slopes.

Not here: what the slopes mean (:mod:`labctl.analysis.retention`, :mod:`labctl.analysis.pulse_maps`); lines through
points that are not independent (:mod:`labctl.analysis.relaxation`, :mod:`labctl.analysis.spectra`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.analysis.intervals import Estimate, require

__all__ = ["StraightLine", "fit_line", "student_quantile"]

_LEVEL = 0.95


def student_quantile(freedom: int) -> float:
    """Return how many standard errors a two-sided 95 % interval reaches to each side.

    Parameters
    ----------
    freedom : int
        Degrees of freedom, at least 1.

    Returns
    -------
    float, unit 1
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 * (1.0 + _LEVEL)))


@dataclass(frozen=True, slots=True)
class StraightLine:
    """y = intercept + slope x + noise of standard deviation ``sigma``.

    Attributes
    ----------
    slope, intercept : float, units of y per x and of y
    sigma : float, unit of y
        Residual standard deviation with n - 2 degrees of freedom.
    points : int
    centre : float, unit of x
        Mean of x.
    moment : float, unit of x squared
        Sum of (x - centre)^2.
    """

    slope: float
    intercept: float
    sigma: float
    points: int
    centre: float
    moment: float

    def slope_estimate(self, unit: str) -> Estimate:
        """Return the slope with its interval.

        Parameters
        ----------
        unit : str
            Of the slope.

        Returns
        -------
        Estimate
        """
        return self._around(self.slope, self.sigma / np.sqrt(self.moment), unit)

    def at(self, place: float, unit: str) -> Estimate:
        """Return the line at one place, with the interval of the line itself.

        Parameters
        ----------
        place : float, unit of x
        unit : str
            Of y.

        Returns
        -------
        Estimate
        """
        spread = self.sigma * np.sqrt(1.0 / self.points + (place - self.centre) ** 2 / self.moment)
        return self._around(self.intercept + self.slope * place, spread, unit)

    def predict(self, place: float, unit: str) -> Estimate:
        """Return what one more point at a place would be, with its prediction interval.

        Parameters
        ----------
        place : float, unit of x
        unit : str
            Of y.

        Returns
        -------
        Estimate
        """
        spread = self.sigma * np.sqrt(1.0 + 1.0 / self.points + (place - self.centre) ** 2 / self.moment)
        return self._around(self.intercept + self.slope * place, spread, unit)

    def _around(self, value: float, spread: float, unit: str) -> Estimate:
        reach = student_quantile(self.points - 2) * float(spread)
        return Estimate(value, value - reach, value + reach, unit, self.points)


def fit_line(x: NDArray[np.float64], y: NDArray[np.float64], what: str) -> StraightLine:
    """Fit a straight line to independent points of equal noise.

    Parameters
    ----------
    x, y : ndarray, shape (n,), any unit
    what : str
        What is fitted, for messages.

    Returns
    -------
    StraightLine

    Raises
    ------
    TooFewPoints
        If there are fewer than 3 points.
    ValueError
        If all x are equal.
    """
    require(what, x.size, 3)
    centre = float(x.mean())
    moment = float(((x - centre) ** 2).sum())
    if moment == 0.0:
        raise ValueError(f"{what}: all {x.size} points lie at {centre:.4g}; a slope needs two places")
    slope = float(((x - centre) * y).sum()) / moment
    intercept = float(y.mean()) - slope * centre
    residual = y - intercept - slope * x
    return StraightLine(
        slope, intercept, float(np.sqrt((residual**2).sum() / (x.size - 2))), int(x.size), centre, moment
    )
