"""A trained network on differential pairs of a few levels: without errors, with drawn ones, with cells that were read.

Biases stay in software. Not here: training (:mod:`labctl.networks.perceptron`), where errors come from
(:mod:`labctl.networks.residuals`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.array import Levels
from labctl.networks.mapping import QuantisedWeights, from_differential, quantise, to_differential
from labctl.networks.perceptron import Perceptron
from labctl.networks.residuals import ErrorSource, weights_with_errors

__all__ = ["LayerPart", "QuantisedNetwork"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LayerPart:
    """The part of a network's last layer that one array holds.

    Attributes
    ----------
    inputs : ndarray of int, shape (rows,)
        Numbers of the hidden units, one for each row from the first.
    outputs : int
        So many outputs, each on two columns from the first.
    levels : ndarray of int, shape (array rows, array columns), unit 1
        Level of each cell; what the layer leaves free holds all levels equally often.
    """

    inputs: IntArray
    outputs: int
    levels: IntArray


@dataclass(frozen=True, slots=True)
class QuantisedNetwork:
    """Weights rounded to the signed grid of differential pairs, after the training.

    Attributes
    ----------
    network : Perceptron
        As it was trained.
    layers : tuple of QuantisedWeights
    scale : Levels
        Conductances of the levels.
    """

    network: Perceptron
    layers: tuple[QuantisedWeights, ...]
    scale: Levels

    @classmethod
    def of(cls, network: Perceptron, scale: Levels) -> "QuantisedNetwork":
        """Round the weights of a network, each layer with its own step.

        Parameters
        ----------
        network : Perceptron
        scale : Levels

        Returns
        -------
        QuantisedNetwork
        """
        layers = (quantise(np.asarray(layer, dtype=np.float64), levels=scale.count) for layer in network.weights)
        return cls(network, tuple(layers), scale)

    def without_error(self) -> Perceptron:
        """Return the network whose every cell is at its level.

        Returns
        -------
        Perceptron
        """
        return self.network.with_weights([layer.values * layer.step for layer in self.layers])

    def with_errors(self, errors: ErrorSource) -> Perceptron:
        """Return the network whose cells miss their levels.

        Parameters
        ----------
        errors : ErrorSource

        Returns
        -------
        Perceptron
        """
        return self.network.with_weights([weights_with_errors(layer, errors, self.scale) for layer in self.layers])

    def part_of_last_layer(self, rows: int, columns: int) -> LayerPart:
        """Return what an array can hold of the last layer: the hidden units with the largest weights.

        Parameters
        ----------
        rows, columns : int
            Of the array; at least 1 and 2.

        Returns
        -------
        LayerPart
        """
        values = self.layers[-1].values
        row, column = np.indices((rows, columns))
        levels = np.asarray((row + column) % self.scale.count, dtype=np.int64)
        outputs = min(columns // 2, values.shape[1])
        inputs = np.sort(np.argsort(-np.abs(values).sum(axis=1), kind="stable")[:rows])
        levels[: inputs.size, : 2 * outputs] = to_differential(values[inputs, :outputs])
        return LayerPart(inputs, outputs, levels)

    def with_cells(self, part: LayerPart, conductance_s: FloatArray) -> Perceptron:
        """Return the network with a part of its last layer as cells were read; the others are at their levels.

        Parameters
        ----------
        part : LayerPart
        conductance_s : ndarray, shape (array rows, array columns), unit S
            NaN for a cell that counts as being at its level.

        Returns
        -------
        Perceptron
        """
        last = self.layers[-1]
        ideal_s = self.scale.conductances_s()[part.levels]
        read_s = np.where(np.isfinite(conductance_s), conductance_s, ideal_s)[: part.inputs.size, : 2 * part.outputs]
        weights = np.asarray(last.values * last.step, dtype=np.float64)
        weights[part.inputs, : part.outputs] = from_differential(
            read_s,
            step=last.step,
            g_min_s=self.scale.lowest_s,
            g_max_s=self.scale.highest_s,
            levels=self.scale.count,
        )
        return self.network.with_weights([*(one.values * one.step for one in self.layers[:-1]), weights])
