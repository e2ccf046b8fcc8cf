"""The optimiser that all trainings in NumPy share. Not here: gradients (each network has its own).

Source: D. P. Kingma, J. Ba, "Adam", ICLR 2015, algorithm 1 with the constants that the paper recommends.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Adam"]

FloatArray = npt.NDArray[np.float32]

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam with a rate that falls in a straight line to a tenth over all steps.

    Parameters
    ----------
    values : sequence of ndarray of float32
        Changed in place.
    learning_rate : float, unit 1
        At the beginning.
    steps_total : int
    """

    def __init__(self, values: Sequence[FloatArray], *, learning_rate: float, steps_total: int) -> None:
        self._values = values
        self._first, self._second = ([np.zeros_like(value) for value in values] for _ in range(2))
        self._learning_rate, self._steps_total = learning_rate, steps_total
        self.steps = 0

    def step(self, slopes: Sequence[FloatArray]) -> None:
        """Go one step against the gradient.

        Parameters
        ----------
        slopes : sequence of ndarray of float32
            Of the values, in their order; values without one stay where they are.
        """
        self.steps += 1
        rate = self._learning_rate * (1.0 - 0.9 * self.steps / self._steps_total)
        scale, spread = 1.0 - _BETA_1**self.steps, np.float32(1.0 - _BETA_2**self.steps)
        # the values may be more than the slopes
        for value, slope, first, second in zip(self._values, slopes, self._first, self._second, strict=False):
            first += np.float32(1.0 - _BETA_1) * (slope - first)
            second += np.float32(1.0 - _BETA_2) * (slope * slope - second)
            value -= np.float32(rate / scale) * first / (np.sqrt(second / spread) + np.float32(_EPSILON))
