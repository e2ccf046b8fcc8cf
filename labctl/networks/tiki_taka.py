"""Training of one layer of electrochemical transistors by stochastic pulses: plain descent, and Tiki-Taka version 2.

Plain: word and bit lines carry random trains of pulses, as frequent as input and error are large; where two coincide a
cell moves by one step. Tiki-Taka: such pulses go to a fast array A; one of its rows at a time is read and added to a
digital buffer H, and whole numbers in H become pulses on the array C, whose weights are used. A weight is the state of
a cell less that of its reference. Coincident pulses alone write: half of the amplitude lies in the dead zone of gates.

Not here: the law of the cells (:mod:`labctl.physics.ecram`), wires, neighbours and instruments: this is physics alone.

References
----------
.. [1] T. Gokmen, Y. Vlasov, Front. Neurosci. 10 (2016) 333, doi:10.3389/fnins.2016.00333: stochastic pulses.
.. [2] T. Gokmen, Front. Artif. Intell. 4 (2021) 699148, doi:10.3389/frai.2021.699148: Tiki-Taka version 2.
.. [3] H. Kim et al., arXiv:1907.10228: zero-shifting.
.. [4] K. Noh et al., Sci. Adv. 10 (2024) eadl3350, doi:10.1126/sciadv.adl3350: retention-aware zero-shifting; its
   procedure is not public in detail, here: the reference stands at the retention convergence point.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from labctl.physics.ecram import EcramCells
from labctl.physics.presets import Preset

__all__ = ["EcramLayer", "PulseTraining", "Reference", "coincidences", "train_plain", "train_tiki_taka"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Reference = Literal["symmetry", "convergence"]
"""Where the weight 0 lies: at the symmetry point of each cell, or where its retention leads."""


@dataclass(frozen=True, slots=True)
class PulseTraining:
    """How a layer is trained.

    Attributes
    ----------
    learning_rate : float, unit 1
        Mean change of the state, per input and error of 1.
    output_scale : float, unit 1
        Output of the layer for an input of 1 and a weight of 1.
    train_length : int
        Pulses of a train; AIHWKIT's default is 31.
    transfer_rate : float, unit 1
        Tiki-Taka: steps in the buffer per unit of state of A.
    transfer_every : int
        Tiki-Taka: inputs between the transfers of two rows.
    """

    learning_rate: float
    output_scale: float
    train_length: int = 31
    transfer_rate: float = 2.0
    transfer_every: int = 1


class EcramLayer:
    """Weights of one layer on cells of one die.

    Parameters
    ----------
    preset : Preset
        Of family ``"ecram"``.
    inputs, outputs : int
    seed : int
        Of the die.

    Attributes
    ----------
    shape : tuple of two ints
        Inputs and outputs.
    now_s : float, unit s
        Age of the die.
    step : float, unit 1
        Nominal step of the state.
    reference : ndarray, shape (inputs, outputs), unit 1
        State of a weight 0; 0 until :meth:`shift_zero`.
    """

    def __init__(self, preset: Preset, inputs: int, outputs: int, seed: int) -> None:
        self.shape = (inputs, outputs)
        self.now_s = 0.0
        self.step = preset["update.step"]
        self.reference: FloatArray = np.zeros(self.shape)
        self._cells = EcramCells(preset, cells=inputs * outputs, seed=seed)
        self._width_s = preset["gate.width"]
        self._retention_s = preset["retention.time"]

    def states(self, after_s: float = 0.0) -> FloatArray:
        """Return the states of all cells; nothing is remembered.

        Parameters
        ----------
        after_s : float, unit s
            A rest from now on.

        Returns
        -------
        ndarray, shape (inputs, outputs), unit 1
        """
        return self._cells.relaxed(self.now_s + after_s).reshape(self.shape)

    def weights(self, after_s: float = 0.0) -> FloatArray:
        """Return states less their references.

        Parameters
        ----------
        after_s : float, unit s
            A rest from now on.

        Returns
        -------
        ndarray, shape (inputs, outputs), unit 1
        """
        return np.asarray(self.states(after_s) - self.reference)

    def give(self, counts: IntArray) -> None:
        """Give cells pulses, each cell those of one sign, while ``now_s`` stands still.

        Parameters
        ----------
        counts : ndarray of int, shape (inputs, outputs)
            Negative ones down.
        """
        self._cells.give(counts.ravel(), 0.0, now_s=self.now_s)

    def wait(self, pulses: int) -> None:
        """Let the time of so many pulses pass.

        Parameters
        ----------
        pulses : int
        """
        self.now_s += pulses * self._width_s

    def symmetry_points(self, pulses: int = 2000) -> FloatArray:
        """Drive all cells up and down in turn, and return where each of them comes to rest.

        Parameters
        ----------
        pulses : int
            Of both polarities together; the states of the last half are averaged.

        Returns
        -------
        ndarray, shape (inputs, outputs), unit 1
        """
        total = np.zeros(self.shape)
        for number in range(pulses):
            self.give(np.full(self.shape, 1 if number % 2 == 0 else -1))
            self.wait(1)
            if number >= pulses // 2:
                total += self.states()
        return total / (pulses - pulses // 2)

    def convergence_points(self) -> FloatArray:
        """Return where a rest of ten times the retention time leads each cell; the cells do not live through it.

        Returns
        -------
        ndarray, shape (inputs, outputs), unit 1
        """
        return self.states(10.0 * self._retention_s)

    def shift_zero(self, reference: Reference, *, pulses: int = 2000) -> FloatArray:
        """Bring all cells to their symmetry points, and say which state is the weight 0.

        Parameters
        ----------
        reference : "symmetry" or "convergence"
            Zero-shifting, or its retention-aware form.
        pulses : int
            Of both polarities together.

        Returns
        -------
        ndarray, shape (inputs, outputs), unit 1
            How far the symmetry points lie above the convergence points.
        """
        symmetry, convergence = self.symmetry_points(pulses), self.convergence_points()
        self.reference = symmetry if reference == "symmetry" else convergence
        return symmetry - convergence


def coincidences(
    inputs: FloatArray, errors: FloatArray, *, amount: float, length: int, rng: np.random.Generator
) -> IntArray:
    """Draw the trains of one update and count where they coincide.

    Parameters
    ----------
    inputs : ndarray, shape (inputs,), unit 1
        None negative.
    errors : ndarray, shape (outputs,), unit 1
        Positive where the output shall rise.
    amount : float, unit 1
        Mean number of coincidences for an input and an error of 1.
    length : int
        Pulses of a train.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (inputs, outputs)
        With the sign of the error.
    """
    gain = np.sqrt(amount / length)
    words = rng.random((length, inputs.size)) < gain * inputs
    bits = rng.random((length, errors.size)) < gain * np.abs(errors)
    counts = words.T.astype(np.float32) @ bits.astype(np.float32)
    return np.asarray(counts * np.sign(errors), dtype=np.int64)


def train_plain(
    layer: EcramLayer,
    inputs: FloatArray,
    classes: IntArray,
    settings: PulseTraining,
    *,
    seed: int,
    report: Callable[[float], None] = lambda part: None,
) -> None:
    """Train a layer by stochastic pulses on its own cells, one input after another.

    Parameters
    ----------
    layer : EcramLayer
        Changed in place.
    inputs : ndarray, shape (n, inputs), unit 1
        From 0 to 1.
    classes : ndarray of int, shape (n,)
    settings : PulseTraining
    seed : int
        Of the order of the inputs and of the trains.
    report : callable
        Called with the part that is done, 0 to 1; may raise to stop.
    """
    rng = np.random.default_rng(seed)
    for number, place in enumerate(rng.permutation(len(classes))):
        one = inputs[place]
        errors = _errors(one @ layer.weights() * settings.output_scale, classes[place])
        amount = settings.learning_rate / layer.step
        layer.give(coincidences(one, errors, amount=amount, length=settings.train_length, rng=rng))
        # a train up, then one down
        layer.wait(2 * settings.train_length)
        if number % 500 == 0:
            report(number / len(classes))
    report(1.0)


def train_tiki_taka(
    fast: EcramLayer,
    slow: EcramLayer,
    inputs: FloatArray,
    classes: IntArray,
    settings: PulseTraining,
    *,
    seed: int,
    report: Callable[[float], None] = lambda part: None,
) -> None:
    """Train a layer by Tiki-Taka version 2.

    Parameters
    ----------
    fast, slow : EcramLayer
        A and C, of one shape; the weights of ``slow`` are used. Changed in place.
    inputs : ndarray, shape (n, inputs), unit 1
        From 0 to 1.
    classes : ndarray of int, shape (n,)
    settings : PulseTraining
    seed : int
        Of the order of the inputs and of the trains.
    report : callable
        Called with the part that is done, 0 to 1; may raise to stop.
    """
    rng = np.random.default_rng(seed)
    buffer = np.zeros(slow.shape)
    for number, place in enumerate(rng.permutation(len(classes))):
        one = inputs[place]
        errors = _errors(one @ slow.weights() * settings.output_scale, classes[place])
        amount = settings.learning_rate / fast.step
        fast.give(coincidences(one, errors, amount=amount, length=settings.train_length, rng=rng))
        if number % settings.transfer_every == 0:
            row = number // settings.transfer_every % slow.shape[0]
            buffer[row] += settings.transfer_rate * fast.weights()[row]
            whole = np.trunc(buffer[row])
            if whole.any():
                buffer[row] -= whole
                counts = np.zeros(slow.shape, dtype=np.int64)
                counts[row] = whole
                slow.give(counts)
        for layer in (fast, slow):
            layer.wait(2 * settings.train_length)
        if number % 500 == 0:
            report(number / len(classes))
    report(1.0)


def _errors(outputs: FloatArray, wanted: int) -> FloatArray:
    """Return how much each output should rise: minus the slope of the cross entropy."""
    share = np.exp(outputs - outputs.max())
    errors = -share / share.sum()
    errors[wanted] += 1.0
    return np.asarray(errors)
