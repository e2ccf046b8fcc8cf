"""The sums over paths of :mod:`labctl.analysis.hidden_markov`, compiled: one pass forwards and one back.

Written out a second time on purpose: the NumPy form starts at once and the tests hold the two against each other.
Not here: the model and what the sums are for.
"""

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["emissions", "filter_forward", "smooth_back", "sum_forward"]

F = TypeVar("F", bound=Callable[..., object])
FloatArray = NDArray[np.float64]

_LEAST_PRODUCT = 1e-250


def _compiled(function: F) -> F:
    return cast(F, numba.njit(cache=True, error_model="numpy")(function))


@_compiled
def sum_forward(
    current: FloatArray, levels: FloatArray, noise: float, transition: FloatArray, stationary: FloatArray, after: int
) -> float:
    """Return the log likelihood of the samples from ``after`` on.

    Parameters
    ----------
    current : ndarray, shape (n,), unit A
    levels : ndarray, shape (states,), unit A
    noise : float, unit A
    transition : ndarray, shape (states, states), unit 1
    stationary : ndarray, shape (states,), unit 1
    after : int

    Returns
    -------
    float, unit 1
    """
    count, states = current.size, levels.size
    exponent, state, following = np.empty(states), stationary.copy(), np.empty(states)
    total, product = -(count - after) * (math.log(noise) + 0.5 * math.log(2.0 * math.pi)), 1.0
    for place in range(count):
        largest = -np.inf
        for one in range(states):
            exponent[one] = -0.5 * ((current[place] - levels[one]) / noise) ** 2
            largest = max(largest, exponent[one])
        scale = 0.0
        for one in range(states):
            value = state[one]
            if place > 0:
                value = 0.0
                for before in range(states):
                    value += state[before] * transition[before, one]
            if exponent[one] < largest:
                value *= math.exp(exponent[one] - largest)
            following[one] = value
            scale += value
        for one in range(states):
            state[one] = following[one] / scale
        if place >= after:
            total += largest
            product *= scale
            # a logarithm is dearer than a product: one is taken before the product leaves the floats
            if product < _LEAST_PRODUCT:
                total += math.log(product)
                product = 1.0
    return total + math.log(product)


@_compiled
def emissions(current: FloatArray, levels: FloatArray, noise: float) -> tuple[FloatArray, FloatArray]:
    """Return densities over their largest per sample, and the logarithm of that.

    Parameters
    ----------
    current : ndarray, shape (n,), unit A
    levels : ndarray, shape (states,), unit A
    noise : float, unit A

    Returns
    -------
    ndarray, shape (n, states), unit 1
    ndarray, shape (n,), unit 1
    """
    count, states = current.size, levels.size
    emission, shift = np.empty((count, states)), np.empty(count)
    constant = math.log(noise) + 0.5 * math.log(2.0 * math.pi)
    for place in range(count):
        largest = -np.inf
        for state in range(states):
            value = -0.5 * ((current[place] - levels[state]) / noise) ** 2
            emission[place, state] = value
            largest = max(largest, value)
        for state in range(states):
            value = emission[place, state]
            emission[place, state] = math.exp(value - largest) if value < largest else 1.0
        shift[place] = largest - constant
    return emission, shift


@_compiled
def filter_forward(
    emission: FloatArray, transition: FloatArray, stationary: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the probabilities of the states given the samples so far, and the scale of each sample.

    Parameters
    ----------
    emission : ndarray, shape (n, states), unit 1
    transition : ndarray, shape (states, states), unit 1
    stationary : ndarray, shape (states,), unit 1

    Returns
    -------
    ndarray, shape (n, states), unit 1
    ndarray, shape (n,), unit 1
    """
    count, states = emission.shape
    filtered, scales = np.empty((count, states)), np.empty(count)
    for place in range(count):
        scale = 0.0
        for state in range(states):
            value = stationary[state]
            if place > 0:
                value = 0.0
                for before in range(states):
                    value += filtered[place - 1, before] * transition[before, state]
            value *= emission[place, state]
            filtered[place, state] = value
            scale += value
        for state in range(states):
            filtered[place, state] /= scale
        scales[place] = scale
    return filtered, scales


@_compiled
def smooth_back(
    emission: FloatArray, transition: FloatArray, filtered: FloatArray, scales: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the probabilities of the states given all samples, and the expected counts of transitions.

    Parameters
    ----------
    emission, filtered : ndarray, shape (n, states), unit 1
    transition : ndarray, shape (states, states), unit 1
    scales : ndarray, shape (n,), unit 1

    Returns
    -------
    ndarray, shape (n, states), unit 1
    ndarray, shape (states, states), unit 1
    """
    count, states = emission.shape
    probabilities, counts = np.empty((count, states)), np.zeros((states, states))
    later, seen = np.ones(states), np.empty(states)
    for place in range(count - 1, -1, -1):
        total = 0.0
        for state in range(states):
            probabilities[place, state] = filtered[place, state] * later[state]
            total += probabilities[place, state]
        for state in range(states):
            probabilities[place, state] /= total
        if place == 0:
            break
        for state in range(states):
            # over the total as well: rounding does not add up along the trace
            seen[state] = emission[place, state] * later[state] / (scales[place] * total)
        for before in range(states):
            later[before] = 0.0
            for state in range(states):
                joint = transition[before, state] * seen[state]
                counts[before, state] += filtered[place - 1, before] * joint
                later[before] += joint
    return probabilities, counts
