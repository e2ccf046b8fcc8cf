"""Sign back-propagation: the decisions that comparators take, with binary signals forward and ternary ones backward.

Forward, a unit is 1 where its sum exceeds a threshold, else 0. Backward, an error is +1, 0 or -1: its sign where it
exceeds a threshold, and for hidden units only where their sum lies in a window about 0, which stands for the slope of
the step. A weight changes by one pulse on each device of its pair, by the sign of the error times the input.

Reconstructed after the abstract of Q. Zhang et al., "Sign backpropagation: An on-chip learning algorithm for analog
RRAM neuromorphic computing systems", Neural Networks 108, 217 (2018), doi:10.1016/j.neunet.2018.08.012; thresholds and
window are assumed. Not here: learning with tables (:mod:`labctl.networks.sign_learning`) and on an array
(:mod:`labctl.networks.sign_loop`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["INPUT_THRESHOLD", "SignRule", "binary_inputs", "hidden_error", "output_error"]

FloatArray = npt.NDArray[np.float64]
Ternary = npt.NDArray[np.int64]

INPUT_THRESHOLD = 0.5
"""A pixel above this is 1. MLP_NeuroSim V3.0, Param.cpp: black and white inputs, threshold 0.5."""


@dataclass(frozen=True, slots=True)
class SignRule:
    """Thresholds of the comparators. Sums are in units of the working range: a pair at its ends counts +1 or -1.

    Attributes
    ----------
    output_threshold : float, unit 1
        An output's error, between -1 and 1, below which it counts as 0.
    hidden_threshold : float, unit 1
        The same for the error of a hidden unit, a sum over weights.
    window : float, unit 1
        Hidden units whose sum is larger in magnitude have no error; infinity for none.
    slope : float, unit 1
        Of the logistic function that makes an output from its sum.
    firing : float, unit 1
        A hidden unit is 1 above this sum. MLP_NeuroSim V3.0 has 0.5 with weights from 0 to 1; 0 suits signed weights.

    Raises
    ------
    ValueError
        If a threshold is negative, or window or slope is not positive.
    """

    output_threshold: float = 0.3
    hidden_threshold: float = 0.3
    window: float = 1.0
    slope: float = 1.0
    firing: float = 0.0

    def __post_init__(self) -> None:
        if min(self.output_threshold, self.hidden_threshold) < 0.0 or not min(self.window, self.slope) > 0.0:
            raise ValueError(f"sign rule: thresholds must not be negative, window and slope positive, got {self}")


def binary_inputs(images: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return the images in black and white.

    Parameters
    ----------
    images : ndarray, shape (n, pixels), unit 1
        From 0 to 1.

    Returns
    -------
    ndarray of bool, shape (n, pixels)
    """
    return np.asarray(images > INPUT_THRESHOLD)


def output_error(sums: FloatArray, label: int, rule: SignRule) -> Ternary:
    """Return the ternary errors of the outputs.

    Parameters
    ----------
    sums : ndarray, shape (classes,), unit 1
    label : int
        The right class.
    rule : SignRule

    Returns
    -------
    ndarray of int64, shape (classes,)
        1 where the output should be larger, -1 where smaller, 0 where it is near enough.
    """
    errors = -1.0 / (1.0 + np.exp(-rule.slope * sums))
    errors[label] += 1.0
    return _ternary(errors, rule.output_threshold)


def hidden_error(sums: FloatArray, returned: FloatArray, rule: SignRule) -> Ternary:
    """Return the ternary errors of hidden units.

    Parameters
    ----------
    sums : ndarray, shape (hidden,), unit 1
        Of the forward pass.
    returned : ndarray, shape (hidden,), unit 1
        Sums of the outputs' errors over the weights.
    rule : SignRule

    Returns
    -------
    ndarray of int64, shape (hidden,)
    """
    return np.where(np.abs(sums) < rule.window, _ternary(returned, rule.hidden_threshold), 0)


def _ternary(values: FloatArray, threshold: float) -> Ternary:
    return np.where(values > threshold, 1, np.where(values < -threshold, -1, 0)).astype(np.int64)
