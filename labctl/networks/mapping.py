"""Weights to conductance levels and back: post-training quantisation onto devices, in three ways.

Differential: a weight w becomes two devices, w = k (G+ - G-), of which one stays at the lowest level and the other
carries \\|w\\|; with n levels per device there are 2 n - 1 distinct weights. Offset: one device, w = k (G - G_ref), and
a reference device for all weights of an input. Bit slices: a weight with more levels than a device is a number in
base b, each digit on devices of its own. Not here: the networks themselves (:mod:`labctl.networks.digits`),
programming, matrices larger than an array (:mod:`labctl.networks.tiles`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "QuantisedWeights",
    "from_differential",
    "from_offset",
    "from_slices",
    "quantise",
    "to_differential",
    "to_offset",
    "to_slices",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class QuantisedWeights:
    """Integer weights and the step that scales them back.

    Attributes
    ----------
    values : ndarray of int, shape as the weights, unit 1
        Between ``-(levels - 1)`` and ``levels - 1``.
    step : float, unit of the weights
        Weight of one level.
    """

    values: IntArray
    step: float


def quantise(weights: FloatArray, *, levels: int, clips: FloatArray | None = None) -> QuantisedWeights:
    """Round weights to the signed grid of a differential pair, at the clipping with the least mean square error.

    Parameters
    ----------
    weights : ndarray, any shape, unit 1
        Trained weights.
    levels : int
        Levels per device, at least 2.
    clips : ndarray, shape (n,), unit 1, optional
        Clipping points to try, as fractions of the largest weight; 0.5 to 1.0 in steps of 0.025 where None.

    Returns
    -------
    QuantisedWeights

    Raises
    ------
    ValueError
        If ``levels`` is below 2, or the weights are all zero or not finite.
    """
    if levels < 2:
        raise ValueError(f"quantise: levels must be at least 2, got {levels}")
    largest = float(np.max(np.abs(weights)))
    if not np.isfinite(largest) or largest == 0.0:
        raise ValueError(f"quantise: the weights must be finite and not all zero, their largest size is {largest}")
    top = levels - 1
    fractions = np.linspace(0.5, 1.0, 21) if clips is None else clips
    errors = []
    for fraction in fractions:
        step = largest * float(fraction) / top
        rounded = np.clip(np.round(weights / step), -top, top)
        errors.append(float(np.mean((rounded * step - weights) ** 2)))
    step = largest * float(fractions[int(np.argmin(errors))]) / top
    return QuantisedWeights(np.clip(np.round(weights / step), -top, top).astype(np.int64), step)


def to_differential(values: IntArray) -> IntArray:
    """Spread signed integer weights over pairs of columns.

    Parameters
    ----------
    values : ndarray of int, shape (inputs, outputs), unit 1
        Signed levels.

    Returns
    -------
    ndarray of int, shape (inputs, 2 * outputs), unit 1
        Column 2 k carries the positive, column 2 k + 1 the negative part of output k.
    """
    pairs = np.zeros((values.shape[0], 2 * values.shape[1]), dtype=np.int64)
    pairs[:, 0::2] = np.maximum(values, 0)
    pairs[:, 1::2] = np.maximum(-values, 0)
    return pairs


def from_differential(
    conductance_s: FloatArray, *, step: float, g_min_s: float, g_max_s: float, levels: int
) -> FloatArray:
    """Return the weights that pairs of measured columns stand for.

    Parameters
    ----------
    conductance_s : ndarray, shape (inputs, 2 * outputs), unit S
        Measured conductances; NaN where a cell could not be read, which then counts as its pair's balance.
    step : float, unit of the weights
        Weight of one level.
    g_min_s, g_max_s : float, unit S
        Conductances of the lowest and the highest level.
    levels : int
        Levels per device.

    Returns
    -------
    ndarray, shape (inputs, outputs), unit of the weights
    """
    per_level = (g_max_s - g_min_s) / (levels - 1)
    difference = conductance_s[:, 0::2] - conductance_s[:, 1::2]
    return np.asarray(np.nan_to_num(difference, nan=0.0) / per_level * step, dtype=np.float64)


def to_offset(values: IntArray, *, middle: int) -> IntArray:
    """Lift signed integer weights onto levels, and add the column of references.

    Parameters
    ----------
    values : ndarray of int, shape (inputs, outputs), unit 1
        Signed levels, none below ``-middle``.
    middle : int
        Level of a weight 0 and of the references.

    Returns
    -------
    ndarray of int, shape (inputs, outputs + 1), unit 1
        The last column holds the references.

    Raises
    ------
    ValueError
        If a weight would lie below level 0.
    """
    if values.min(initial=0) < -middle:
        raise ValueError(f"offset mapping: weights must be at least {-middle}, the least is {values.min()}")
    return np.concatenate([values + middle, np.full((len(values), 1), middle, dtype=np.int64)], axis=1)


def from_offset(conductance_s: FloatArray, *, step: float, g_min_s: float, g_max_s: float, levels: int) -> FloatArray:
    """Return the weights that measured columns beside a column of references stand for.

    Parameters
    ----------
    conductance_s : ndarray, shape (inputs, outputs + 1), unit S
        Measured conductances, the references last; NaN where a cell could not be read, whose weight then counts as 0.
    step : float, unit of the weights
        Weight of one level.
    g_min_s, g_max_s : float, unit S
        Conductances of the lowest and the highest level.
    levels : int
        Levels per device.

    Returns
    -------
    ndarray, shape (inputs, outputs), unit of the weights
    """
    per_level = (g_max_s - g_min_s) / (levels - 1)
    difference = conductance_s[:, :-1] - conductance_s[:, -1:]
    return np.asarray(np.nan_to_num(difference, nan=0.0) / per_level * step, dtype=np.float64)


def to_slices(values: IntArray, *, base: int, slices: int) -> IntArray:
    """Write signed integer weights as digits, each with the sign of its weight; a differential pair carries one.

    Parameters
    ----------
    values : ndarray of int, shape (inputs, outputs), unit 1
    base : int
        Levels of a device, at least 2.
    slices : int
        Digits.

    Returns
    -------
    ndarray of int, shape (slices, inputs, outputs), unit 1
        Between ``-(base - 1)`` and ``base - 1``, the least digit first.

    Raises
    ------
    ValueError
        If a weight needs more digits, or the base is below 2.
    """
    if base < 2:
        raise ValueError(f"bit slices: a device must have at least 2 levels, got {base}")
    if np.abs(values).max(initial=0) >= base**slices:
        raise ValueError(
            f"bit slices: {slices} digits of base {base} reach {base**slices - 1}, a weight has {np.abs(values).max()}"
        )
    size = np.abs(values)
    digits = [size // base**place % base for place in range(slices)]
    return np.asarray(np.sign(values) * np.stack(digits), dtype=np.int64)


def from_slices(parts: FloatArray, *, base: int) -> FloatArray:
    """Put sums, or weights, of slices together.

    Parameters
    ----------
    parts : ndarray, shape (slices, ...), any unit
        The least digit first; each in levels, as measured.
    base : int
        Levels of a device.

    Returns
    -------
    ndarray, shape as one slice, unit of the parts
    """
    places = np.power(float(base), np.arange(len(parts)))
    return np.asarray(np.tensordot(places, parts, axes=1), dtype=np.float64)
