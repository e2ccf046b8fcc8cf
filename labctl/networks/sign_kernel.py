"""The loop of :mod:`labctl.networks.sign_learning` over images, compiled; one image after another, one pulse an update.

The rule is written out a second time on purpose: compiled code that is kept on disk lies in one file, and a test holds
it against the plain form. Not here: what the steps mean (:mod:`labctl.networks.sign_rule`).
"""

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["learn_compiled"]

F = TypeVar("F", bound=Callable[..., object])
FloatArray = npt.NDArray[np.float64]
Kinds = npt.NDArray[np.uint8]


def _compiled(function: F) -> F:
    return cast(F, numba.njit(cache=True, error_model="numpy")(function))


@_compiled
def _step(mean: FloatArray, spread: FloatArray, kind: int, place: float, number: float) -> float:
    at = place * (mean.shape[1] - 1)
    low = min(int(at), mean.shape[1] - 2)
    part = at - low
    middle = mean[kind, low] + part * (mean[kind, low + 1] - mean[kind, low])
    sigma = spread[kind, low] + part * (spread[kind, low + 1] - spread[kind, low])
    return float(middle + sigma * number)


@_compiled
def _pulse_pair(
    pairs: FloatArray,
    kinds: Kinds,
    row: int,
    column: int,
    sign: int,
    up_mean: FloatArray,
    up_spread: FloatArray,
    down_mean: FloatArray,
    down_spread: FloatArray,
    draws: np.random.Generator,
) -> None:
    """Raise one device of a pair and lower the other."""
    for device in range(2):
        place, kind = pairs[device, row, column], kinds[device, row, column]
        if (sign > 0) == (device == 0):
            place += _step(up_mean, up_spread, kind, place, draws.standard_normal())
        else:
            place -= _step(down_mean, down_spread, kind, place, draws.standard_normal())
        pairs[device, row, column] = min(max(place, 0.0), 1.0)


@_compiled
def _ternary(value: float, threshold: float) -> int:
    if value > threshold:
        return 1
    return -1 if value < -threshold else 0


@_compiled
def learn_compiled(
    inputs: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    first: FloatArray,
    second: FloatArray,
    first_kinds: Kinds,
    second_kinds: Kinds,
    up_mean: FloatArray,
    up_spread: FloatArray,
    down_mean: FloatArray,
    down_spread: FloatArray,
    output_threshold: float,
    hidden_threshold: float,
    window: float,
    slope: float,
    firing: float,
    draws: np.random.Generator,
) -> tuple[int, int]:
    """Do what :func:`labctl.networks.sign_learning.learn_images` does.

    Parameters
    ----------
    inputs, labels, order
        As there.
    first, second, first_kinds, second_kinds
        Fields of the network, which are changed.
    up_mean, up_spread, down_mean, down_spread
        Fields of the tables.
    output_threshold, hidden_threshold, window, slope, firing : float, unit 1
        Fields of the rule.
    draws : Generator

    Returns
    -------
    tuple of two ints
        Weights of the first and of the second layer that were changed.
    """
    hidden, classes = first.shape[2], second.shape[2]
    active = np.empty(inputs.shape[1], dtype=np.int64)
    sums, output = np.empty(hidden), np.empty(classes)
    errors = np.zeros(classes, dtype=np.int64)
    wrong, signs = np.empty(hidden, dtype=np.int64), np.empty(hidden, dtype=np.int64)
    first_updates, second_updates = 0, 0
    for image in order:
        count = 0
        for pixel in range(inputs.shape[1]):
            if inputs[image, pixel]:
                active[count] = pixel
                count += 1
        sums[:] = 0.0
        for pixel in active[:count]:
            for unit in range(hidden):
                sums[unit] += first[0, pixel, unit] - first[1, pixel, unit]
        output[:] = 0.0
        for unit in range(hidden):
            if sums[unit] > firing:
                for place in range(classes):
                    output[place] += second[0, unit, place] - second[1, unit, place]
        for place in range(classes):
            wanted = 1.0 if place == labels[image] else 0.0
            errors[place] = _ternary(wanted - 1.0 / (1.0 + math.exp(-slope * output[place])), output_threshold)
        found = 0
        for unit in range(hidden):
            if abs(sums[unit]) < window:
                returned = 0.0
                for place in range(classes):
                    returned += errors[place] * (second[0, unit, place] - second[1, unit, place])
                sign = _ternary(returned, hidden_threshold)
                if sign != 0:
                    wrong[found], signs[found] = unit, sign
                    found += 1
        for unit in range(hidden):
            if sums[unit] > firing:
                for place in range(classes):
                    if errors[place] != 0:
                        _pulse_pair(
                            second,
                            second_kinds,
                            unit,
                            place,
                            errors[place],
                            up_mean,
                            up_spread,
                            down_mean,
                            down_spread,
                            draws,
                        )
                        second_updates += 1
        for pixel in active[:count]:
            for number in range(found):
                _pulse_pair(
                    first,
                    first_kinds,
                    pixel,
                    wrong[number],
                    signs[number],
                    up_mean,
                    up_spread,
                    down_mean,
                    down_spread,
                    draws,
                )
        first_updates += count * found
    return first_updates, second_updates
