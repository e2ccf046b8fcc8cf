"""From measured middles of bridges to wrong operations, counted as the paper's: patterns of inputs on neurons.

Not here: measuring (``bridge_station``), the circuit equations (:mod:`labctl.networks.bridges`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.networks.bridges import Comparator, expected_error, is_wrong

__all__ = ["LEAST_RATE", "BridgeMiddles", "NeuronFit", "fit_neuron"]

LEAST_RATE = 1e-6
"""The least error rate that is told, unit 1: that of a condition is this or less."""

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BridgeMiddles:
    """Middles of one condition at one read voltage.

    Attributes
    ----------
    middle_v : ndarray, shape (2, 2, rows, bridges, readings), unit V
        By polarity of the weights and by input (+1, then -1).
    voltage_v : float, unit V
    is_positive : ndarray of bool, shape (rows, bridges)
        Weights of the first polarity.
    is_good : ndarray of bool, shape (rows, bridges)
        Bridges in use.
    """

    middle_v: FloatArray
    voltage_v: float
    is_positive: BoolArray
    is_good: BoolArray

    @property
    def is_high(self) -> BoolArray:
        """Where input and weight agree, shape (2, 2, rows, bridges)."""
        first = np.stack([self.is_positive, ~self.is_positive])
        return np.stack([first, ~first], axis=1)

    def error_rate(self, sigma_v: float) -> float:
        """Return the probability of a wrong sign, over all bridges in use and over inverters with normal offsets.

        A probability below :data:`LEAST_RATE` is given as that: nobody knows so far out what law offsets follow.

        Parameters
        ----------
        sigma_v : float, unit V

        Returns
        -------
        float, unit 1
        """
        found = expected_error(self.middle_v, self.voltage_v, self.is_high[..., np.newaxis], sigma_v=sigma_v)
        return max(float(np.nanmean(found[:, :, self.is_good])), LEAST_RATE)

    def wrong_operations(self, patterns: int, inputs: int, sigma_v: float, seed: int) -> int:
        """Count wrong signs over random patterns, each on one row with one polarity of its weights.

        Readings of a state are used in turn. A bridge that is not in use is replaced by the next one of its row.

        Parameters
        ----------
        patterns, inputs : int
        sigma_v : float, unit V
            Of the offsets of the inverters, one for each bridge.
        seed : int
            Of patterns and offsets.

        Returns
        -------
        int
            Out of ``patterns`` times ``inputs``.
        """
        rng = np.random.default_rng([seed, patterns, inputs])
        _, _, rows, bridges, readings = self.middle_v.shape
        offset_v = rng.normal(0.0, sigma_v, (rows, bridges))
        usable = np.flatnonzero(self.is_good.any(axis=1))
        row, polarity = rng.choice(usable, patterns), rng.integers(0, 2, patterns)
        taken = np.array([_in_use(self.is_good[one], inputs) for one in row])
        signs = rng.integers(0, 2, (patterns, inputs))
        place = (polarity[:, np.newaxis], signs, row[:, np.newaxis], taken)
        turn = np.arange(patterns)[:, np.newaxis] % readings
        wrong = is_wrong(
            self.middle_v[(*place, turn)], self.voltage_v, self.is_high[place], offset_v[row[:, np.newaxis], taken]
        )
        return int(np.count_nonzero(wrong))

    def fires(self, inputs: int, sigma_v: float, comparator: Comparator, *, patterns: int, seed: int) -> FloatArray:
        """Return how often a neuron fires for each count of its inputs.

        Its capacitors are equal; the signs of its bridges are those of their measured middles.

        Parameters
        ----------
        inputs : int
            Odd.
        sigma_v : float, unit V
            Of the offsets of the inverters, one for each bridge.
        comparator : Comparator
        patterns : int
            Of each count.
        seed : int
            Of patterns and offsets.

        Returns
        -------
        ndarray, shape (inputs + 1,), unit 1
            By the number of inputs that agree with their weight.
        """
        rng = np.random.default_rng([seed, patterns, inputs, 1])
        _, _, rows, bridges, _ = self.middle_v.shape
        offset_v = rng.normal(0.0, sigma_v, (rows, bridges))
        usable, threshold = np.flatnonzero(self.is_good.any(axis=1)), (inputs + 1) // 2
        fires = np.empty(inputs + 1)
        for count in range(inputs + 1):
            row, polarity = rng.choice(usable, patterns)[:, np.newaxis], rng.integers(0, 2, (patterns, 1))
            taken = np.array([_in_use(self.is_good[one], inputs) for one in row[:, 0]])
            agrees = rng.permuted(np.tile(np.arange(inputs) < count, (patterns, 1)), axis=1)
            sign = (self.is_high[polarity, 0, row, taken] != agrees).astype(np.int64)
            middle_v = self.middle_v[polarity, sign, row, taken, 0]
            wrong = is_wrong(middle_v, self.voltage_v, agrees, offset_v[row, taken])
            above = np.count_nonzero(agrees ^ wrong, axis=1) - threshold
            # below the threshold the comparator errs as it does above, seen from the other side
            errs = comparator.wrong(np.maximum(above, -1 - above), inputs)
            fires[count] = np.mean(np.where(above >= 0, 1.0 - errs, errs))
        return fires


def _in_use(is_good: BoolArray, inputs: int) -> npt.NDArray[np.int64]:
    return np.resize(np.flatnonzero(is_good), inputs)


@dataclass(frozen=True, slots=True)
class NeuronFit:
    """A normal step through the probabilities that a neuron fires.

    Attributes
    ----------
    threshold, sigma : float, unit 1
        Count at which it fires half of the times, and how smeared the step is, in counts.
    """

    threshold: float
    sigma: float


def fit_neuron(fires: FloatArray) -> NeuronFit:
    """Fit a normal step.

    Parameters
    ----------
    fires : ndarray, shape (inputs + 1,), unit 1
        By the count.

    Returns
    -------
    NeuronFit
    """
    from scipy.optimize import least_squares
    from scipy.stats import norm

    counts = np.arange(len(fires))
    middle = 0.5 * (len(fires) - 1)

    def residuals(at: FloatArray) -> FloatArray:
        return np.asarray(norm.cdf((counts - at[0]) / at[1]) - fires, dtype=float)

    found = least_squares(residuals, x0=[middle, 1.0], bounds=([0.0, 1e-2], [len(fires) - 1.0, float(len(fires))]))
    return NeuronFit(float(found.x[0]), float(found.x[1]))
