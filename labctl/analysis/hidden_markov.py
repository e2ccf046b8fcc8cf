"""Hidden Markov model of independent two-state traps whose levels add, with Gaussian noise on top.

The chain of n traps sampled at equal intervals is exactly Markov, with the Kronecker product of the traps' transition
matrices, so that its likelihood is that of the continuous process. It is maximised by expectation-maximisation
(L. E. Baum et al., Ann. Math. Stat. 41 (1970) 164; sums over pairs of traps, Z. Ghahramani, M. I. Jordan, Machine
Learning 29 (1997) 245). The sums over paths are compiled (:mod:`labctl.analysis.hidden_markov_numba`) or in NumPy,
block by block. Not here: choosing the number of traps, times and intervals (:mod:`labctl.analysis.telegraph`).
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Engine", "TrapModel", "improve", "log_likelihood", "smooth"]

FloatArray = NDArray[np.float64]
Engine = Literal["numba", "numpy"]

# a transition probability is never taken for certain
_LEAST_PROBABILITY = 1e-9
# a step shrinks a product at most by that probability per trap, so that this many stay far from the smallest float
_RESCALE = 12


@dataclass(frozen=True, slots=True)
class TrapModel:
    """Traps of two states (0: captured, low current; 1: empty, high current).

    Attributes
    ----------
    base_a : float, unit A
        Current with all traps captured.
    steps_a : ndarray, shape (traps,), unit A
        What each trap adds when it is empty.
    noise_a : float, unit A
        Standard deviation of the noise of one sample.
    up, down : ndarray, shape (traps,), unit 1
        Probability to be emptied (0 to 1) and to be captured (1 to 0) from one sample to the next.
    """

    base_a: float
    steps_a: FloatArray
    noise_a: float
    up: FloatArray
    down: FloatArray

    @property
    def states(self) -> FloatArray:
        """State of each trap in each joint state, shape (2^traps, traps)."""
        return np.array(list(product((0.0, 1.0), repeat=self.steps_a.size))).reshape(-1, self.steps_a.size)

    @property
    def levels_a(self) -> FloatArray:
        """Current of each joint state, shape (2^traps,), unit A."""
        return np.asarray(self.base_a + self.states @ self.steps_a)

    @property
    def transition(self) -> FloatArray:
        """Transition matrix of the joint states."""
        whole = np.ones((1, 1))
        for up, down in zip(self.up, self.down, strict=True):
            whole = np.kron(whole, np.array([[1.0 - up, up], [down, 1.0 - down]]))
        return whole

    @property
    def stationary(self) -> FloatArray:
        """Stationary probability of the joint states."""
        whole = np.ones(1)
        for up, down in zip(self.up, self.down, strict=True):
            whole = np.kron(whole, np.array([down, up]) / (up + down))
        return whole


def _emissions(current: FloatArray, model: TrapModel) -> tuple[FloatArray, FloatArray]:
    """Return densities over their largest per sample, shape (n, states), and the logarithm of that, shape (n,)."""
    logs = -0.5 * ((current[:, None] - model.levels_a) / model.noise_a) ** 2
    largest = logs.max(axis=1)
    return np.exp(logs - largest[:, None]), largest - np.log(model.noise_a) - 0.5 * np.log(2.0 * np.pi)


def _blocks(emission: FloatArray) -> FloatArray:
    """Cut into about sqrt(n) blocks, shape (blocks, length, states); padded with ones, which change nothing."""
    count, states = emission.shape
    length = int(np.ceil(np.sqrt(count)))
    blocks = -(-count // length)
    padded = np.ones((blocks * length, states))
    padded[:count] = emission
    return padded.reshape(blocks, length, states)


def _forward(blocks: FloatArray, model: TrapModel) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return filtered probabilities and scales of all blocks, and the product of matrices over each block.

    All blocks go through their samples side by side, first as matrices, which gives where each begins.
    """
    count, length, states = blocks.shape
    transition = model.transition
    products = np.tile(np.eye(states), (count, 1, 1))
    for place in range(length):
        # one flat product is much faster than a stack of tiny ones
        products = (products.reshape(-1, states) @ transition).reshape(products.shape) * blocks[:, place, None, :]
        if place % _RESCALE == _RESCALE - 1:
            products /= products.max(axis=(1, 2), keepdims=True)
    begin = np.empty((count, states))
    state = model.stationary
    for number in range(count):
        begin[number] = state
        state = state @ products[number]
        state /= state.sum()
    filtered = np.empty_like(blocks)
    for place in range(length):
        begin = (begin @ transition) * blocks[:, place]
        filtered[:, place] = begin
        if place % _RESCALE == _RESCALE - 1:
            begin = begin / begin.sum(axis=1, keepdims=True)
    sums = filtered.sum(axis=2)
    before = np.ones_like(sums)
    before[:, 1:] = sums[:, :-1]
    before[:, ::_RESCALE] = 1.0
    filtered /= sums[:, :, None]
    return filtered, sums / before, products


def log_likelihood(current: FloatArray, model: TrapModel, *, after: int = 0, engine: Engine = "numba") -> float:
    """Return the exact log likelihood of the samples from ``after`` on, given those before.

    Parameters
    ----------
    current : ndarray, shape (n,), unit A
    model : TrapModel
    after : int
    engine : {"numba", "numpy"}
        Compiled, or without numba; the same but for rounding.

    Returns
    -------
    float, unit 1
    """
    if engine == "numba":
        # numba takes part of a second to import: only who asks for it pays
        from labctl.analysis import hidden_markov_numba as compiled

        levels = current, model.levels_a, model.noise_a
        return compiled.sum_forward(*levels, model.transition, model.stationary, after)
    emission, shift = _emissions(current, model)
    _, scales, _ = _forward(_blocks(emission), model)
    return float((np.log(scales.ravel()[: current.size]) + shift)[after:].sum())


def smooth(current: FloatArray, model: TrapModel, *, engine: Engine = "numba") -> tuple[FloatArray, FloatArray, float]:
    """Return the probabilities of the joint states given all samples, the expected counts of transitions, ln L.

    Parameters
    ----------
    current : ndarray, shape (n,), unit A
    model : TrapModel
    engine : {"numba", "numpy"}
        Compiled, or without numba; the same but for rounding.

    Returns
    -------
    probabilities : ndarray, shape (n, states), unit 1
    transitions : ndarray, shape (states, states), unit 1
    log_likelihood : float, unit 1
    """
    if engine == "numba":
        from labctl.analysis import hidden_markov_numba as compiled

        emission, shift = compiled.emissions(current, model.levels_a, model.noise_a)
        forward, scale = compiled.filter_forward(emission, model.transition, model.stationary)
        back, counts = compiled.smooth_back(emission, model.transition, forward, scale)
        return back, counts, float((np.log(scale) + shift).sum())
    emission, shift = _emissions(current, model)
    blocks = _blocks(emission)
    filtered, scales, products = _forward(blocks, model)
    count, length, states = blocks.shape
    transition = model.transition
    # what comes after each block, from the last one back
    ends = np.empty((count, states))
    state = np.ones(states)
    for number in range(count - 1, -1, -1):
        ends[number] = state
        state = products[number] @ state
        state /= state.max()
    later = np.empty_like(blocks)
    for place in range(length - 1, -1, -1):
        later[:, place] = ends
        ends = (ends * blocks[:, place]) @ transition.T
        if place % _RESCALE == 0:
            ends /= ends.max(axis=1, keepdims=True)
    flat, after = filtered.reshape(-1, states)[: current.size], later.reshape(-1, states)[: current.size]
    probabilities = flat * after
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    seen = emission[1:] * after[1:]
    weight = ((flat[:-1] @ transition) * seen).sum(axis=1)
    transitions = transition * (flat[:-1].T @ (seen / weight[:, None]))
    return probabilities, transitions, float((np.log(scales.ravel()[: current.size]) + shift).sum())


def improve(current: FloatArray, model: TrapModel) -> tuple[TrapModel, float]:
    """Take one step of expectation-maximisation.

    Parameters
    ----------
    current : ndarray, shape (n,), unit A
    model : TrapModel

    Returns
    -------
    model : TrapModel
        No less likely than the one given, but for the share of the first sample in the stationary probabilities.
    log_likelihood : float, unit 1
        Of the one given.
    """
    probabilities, transitions, before = smooth(current, model)
    traps = model.steps_a.size
    design = np.hstack([np.ones((probabilities.shape[1], 1)), model.states])
    weight = probabilities.sum(axis=0)
    level = np.linalg.lstsq(design.T @ (weight[:, None] * design), design.T @ (probabilities.T @ current), rcond=None)[
        0
    ]
    levels = design @ level
    rest = current[:, None] - levels
    variance = float(np.einsum("ij,ij,ij->", probabilities, rest, rest) / current.size)
    pairs = transitions.reshape((2,) * (2 * traps))
    up, down = np.empty(traps), np.empty(traps)
    for trap in range(traps):
        others = tuple(axis for axis in range(2 * traps) if axis not in (trap, trap + traps))
        table = pairs.sum(axis=others)
        up[trap] = table[0, 1] / table[0].sum()
        down[trap] = table[1, 0] / table[1].sum()
    bounds = _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY
    better = TrapModel(
        float(level[0]), level[1:], float(np.sqrt(variance)), np.clip(up, *bounds), np.clip(down, *bounds)
    )
    return better, before
