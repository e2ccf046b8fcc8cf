"""Sign back-propagation with an array of cells in the loop: sums forward and back, one pulse on each device of a pair.

Forward, an input that is 1 puts the read voltage on its word line, and the pairs of bit lines give the sums of a layer.
Backward, the bit lines of the second layer are driven and its word lines give the errors of the hidden units, in two
sums because an error has a sign. Not here: the rule (:mod:`labctl.networks.sign_rule`), networks that are larger than
an array (:mod:`labctl.networks.sign_learning`).
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.networks.arrays import Cell, CellArray, TransposableArray
from labctl.networks.sign_rule import SignRule, hidden_error, output_error

__all__ = ["LoopLayout", "LoopPulses", "LoopStep", "SignLoop", "read_weights"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LoopLayout:
    """Where a network with one hidden layer lies in an array, from its first row and column on.

    The first layer takes ``inputs`` rows and 2 ``hidden`` columns, the second one the first ``hidden`` rows and the
    2 ``classes`` columns beside it; of two neighbouring columns the left one is positive.

    Attributes
    ----------
    inputs, hidden, classes : int
    """

    inputs: int
    hidden: int
    classes: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that are needed."""
        return max(self.inputs, self.hidden), 2 * (self.hidden + self.classes)

    def columns(self, layer: int) -> range:
        """Return the columns of layer 0 or 1."""
        return range(2 * self.hidden) if layer == 0 else range(2 * self.hidden, self.shape[1])

    def cells(self, layer: int) -> list[Cell]:
        """Return the cells of layer 0 or 1, row by row."""
        rows = self.inputs if layer == 0 else self.hidden
        return [(row, column) for row in range(rows) for column in self.columns(layer)]

    def pairs(self, layer: int, signs: IntArray) -> tuple[list[Cell], list[Cell]]:
        """Return the cells to raise and those to lower.

        Parameters
        ----------
        layer : int
            0 or 1.
        signs : ndarray of int, shape (rows, units), unit 1
            1 where a weight is to grow, -1 where it is to fall.

        Returns
        -------
        tuple of two lists of (int, int)
        """
        start = self.columns(layer).start
        up, down = [], []
        for row, unit in np.argwhere(signs).tolist():
            positive, negative = (row, start + 2 * unit), (row, start + 2 * unit + 1)
            rises = signs[row, unit] > 0
            up.append(positive if rises else negative)
            down.append(negative if rises else positive)
        return up, down


@dataclass(frozen=True, slots=True)
class LoopPulses:
    """The identical pulses, and the working range that sums are counted in.

    Attributes
    ----------
    up_v, down_v : float, unit V
        SET positive, RESET negative.
    width_s : float, unit s
    low_s, high_s : float, unit S
        Working range.
    """

    up_v: float
    down_v: float
    width_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True, eq=False)
class LoopStep:
    """What came of one image.

    Attributes
    ----------
    outputs : ndarray, shape (classes,), unit 1
        Sums before the update.
    is_right : bool
        Whether the largest of them was that of the label.
    errors, wrong : ndarray of int64, shape (classes,) and (hidden,)
        Ternary errors of the outputs and of the hidden units.
    updates : int
        Weights that were changed, each by two pulses.
    """

    outputs: FloatArray
    is_right: bool
    errors: IntArray
    wrong: IntArray
    updates: int


class SignLoop:
    """A network that is an array.

    Parameters
    ----------
    array : TransposableArray
        Formed and brought to places about the middle of the working range.
    layout : LoopLayout
    pulses : LoopPulses
    rule : SignRule
    """

    def __init__(self, array: TransposableArray, layout: LoopLayout, pulses: LoopPulses, rule: SignRule) -> None:
        self._array, self._layout, self._pulses, self._rule = array, layout, pulses, rule
        self._unit_a = array.read_voltage_v * (pulses.high_s - pulses.low_s)

    def sums(self, layer: int, rows: Collection[int]) -> FloatArray:
        """Return the sums of a layer; NaN where the meter gave no value.

        Parameters
        ----------
        layer : int
            0 or 1.
        rows : collection of int
            Word lines that are 1.

        Returns
        -------
        ndarray, shape (units,), unit 1
        """
        columns = self._layout.columns(layer)
        if not rows:
            return np.zeros(len(columns) // 2)
        currents_a = self._array.add_up(rows, columns)
        return (currents_a[0::2] - currents_a[1::2]) / self._unit_a

    def outputs(self, pixels: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Show an image.

        Parameters
        ----------
        pixels : ndarray of bool, shape (inputs,)

        Returns
        -------
        tuple of two ndarrays, shape (hidden,) and (classes,), unit 1
            Sums of the hidden units and of the outputs.
        """
        hidden = self.sums(0, _ones(pixels))
        return hidden, self.sums(1, _ones(hidden > self._rule.firing))

    def learn(self, pixels: npt.NDArray[np.bool_], label: int) -> LoopStep:
        """Show an image, send its errors back and pulse the cells.

        Parameters
        ----------
        pixels : ndarray of bool, shape (inputs,)
        label : int
            The right class.

        Returns
        -------
        LoopStep
        """
        hidden, outputs = self.outputs(pixels)
        errors = output_error(outputs, label, self._rule)
        wrong = self._hidden_errors(hidden, errors)
        updates = 0
        for layer, ones, signs in ((1, hidden > self._rule.firing, errors), (0, pixels, wrong)):
            up, down = self._layout.pairs(layer, np.outer(ones, signs))
            for cells, voltage_v in ((up, self._pulses.up_v), (down, self._pulses.down_v)):
                self._array.pulse_cells(cells, voltage_v, self._pulses.width_s)
            updates += len(up)
        return LoopStep(outputs, bool(np.argmax(outputs) == label), errors, wrong, updates)

    def _hidden_errors(self, hidden: FloatArray, errors: IntArray) -> IntArray:
        """Drive the bit lines of the second layer; only word lines in the window are measured."""
        open_rows = _ones(np.abs(hidden) < self._rule.window)
        returned = np.zeros(len(hidden))
        if open_rows and errors.any():
            plus, minus = self._layout.pairs(1, errors[np.newaxis])
            parts_a = [
                self._array.add_up_transposed([column for _, column in cells], open_rows) for cells in (plus, minus)
            ]
            returned[open_rows] = (parts_a[0] - parts_a[1]) / self._unit_a
        return hidden_error(hidden, returned, self._rule)


def read_weights(array: CellArray, layout: LoopLayout, pulses: LoopPulses) -> tuple[FloatArray, FloatArray]:
    """Read every cell of a network.

    Parameters
    ----------
    array : CellArray
    layout : LoopLayout
    pulses : LoopPulses

    Returns
    -------
    tuple of two ndarrays, shape (inputs, hidden) and (hidden, classes), unit 1
        Weights: differences of places; a cell without a reading counts as its pair's balance.
    """
    weights = []
    for layer in range(2):
        places = array.read_cells(layout.cells(layer)) / (pulses.high_s - pulses.low_s)
        pairs = places.reshape(-1, len(layout.columns(layer)) // 2, 2)
        weights.append(np.nan_to_num(pairs[..., 0] - pairs[..., 1]))
    return weights[0], weights[1]


def _ones(flags: npt.NDArray[np.bool_]) -> list[int]:
    return [int(index) for index in np.flatnonzero(flags)]
