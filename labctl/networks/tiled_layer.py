"""One layer of a network on tiles of devices, a column of references in each, all tiles side by side on one die.

Inputs come as bits, one after another, since word lines know two levels; the sums of a column are converted and put
together digitally: over the bits, over the tiles, and less those of the references. Not here: programming
(:mod:`labctl.tuning.counted_pulses`), sums that were measured (``labctl_procedures.multiply_vectors``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.networks.mapping import QuantisedWeights, from_offset, quantise, to_offset
from labctl.networks.read_out import CurrentScaling, bit_planes
from labctl.networks.tiles import Tile, cut, joined

__all__ = ["TiledLayer"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TiledLayer:
    """Quantised weights and where their devices stand.

    Attributes
    ----------
    weights : QuantisedWeights
        Shape (inputs, outputs).
    tiles : tuple of Tile
        Of the matrix of weights; tile after tile on the die, each with a column of references at its right.
    levels : int
        Levels per device.
    g_min_s, g_max_s : float, unit S
        Conductances of the lowest and the highest level.
    largest_input : float, unit of the inputs
        What the largest binary number stands for.
    input_bits : int
    """

    weights: QuantisedWeights
    tiles: tuple[Tile, ...]
    levels: int
    g_min_s: float
    g_max_s: float
    largest_input: float
    input_bits: int

    @classmethod
    def of(
        cls,
        weights: npt.NDArray[np.floating],
        *,
        rows: int,
        columns: int,
        levels: int,
        g_min_s: float,
        g_max_s: float,
        largest_input: float,
        input_bits: int,
    ) -> "TiledLayer":
        """Quantise trained weights and cut them into tiles.

        Parameters
        ----------
        weights : ndarray, shape (inputs, outputs), unit 1
        rows, columns : int
            Of one tile, the column of references included.
        levels : int
            Levels per device, at least 3.
        g_min_s, g_max_s : float, unit S
            Conductances of the lowest and the highest level; a weight 0 stands in the middle.
        largest_input : float, unit of the inputs
            Larger ones count as it.
        input_bits : int

        Returns
        -------
        TiledLayer
        """
        tiles = cut(*weights.shape, rows=rows, columns=columns - 1)
        signed = quantise(np.asarray(weights, dtype=np.float64), levels=(levels + 1) // 2)
        return cls(signed, tuple(tiles), levels, g_min_s, g_max_s, largest_input, input_bits)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that the tiles take on the die, side by side."""
        return max(tile.shape[0] for tile in self.tiles), sum(tile.shape[1] + 1 for tile in self.tiles)

    def places(self) -> list[tuple[slice, slice]]:
        """Return rows and columns on the die of each tile, references included."""
        ends = np.cumsum([0, *(tile.shape[1] + 1 for tile in self.tiles)])
        return [
            (slice(0, tile.shape[0]), slice(int(left), int(right)))
            for tile, left, right in zip(self.tiles, ends[:-1], ends[1:], strict=True)
        ]

    def targets_s(self) -> FloatArray:
        """Return what the devices shall conduct.

        Returns
        -------
        ndarray, shape :attr:`shape`, unit S
            NaN where a smaller tile has no device.
        """
        scale_s, middle = np.linspace(self.g_min_s, self.g_max_s, self.levels), (self.levels - 1) // 2
        target_s = np.full(self.shape, np.nan)
        for tile, place in zip(self.tiles, self.places(), strict=True):
            target_s[place] = scale_s[to_offset(tile.of(self.weights.values), middle=middle)]
        return target_s

    def weights_of(self, conductance_s: FloatArray) -> FloatArray:
        """Return the weights that measured conductances stand for.

        Parameters
        ----------
        conductance_s : ndarray, shape :attr:`shape`, unit S
            NaN where a cell could not be read.

        Returns
        -------
        ndarray, shape (inputs, outputs), unit 1
        """
        found = np.zeros(self.weights.values.shape)
        for tile, place in zip(self.tiles, self.places(), strict=True):
            found[tile.inputs, tile.outputs] = from_offset(
                conductance_s[place],
                step=self.weights.step,
                g_min_s=self.g_min_s,
                g_max_s=self.g_max_s,
                levels=self.levels,
            )
        return found

    def planes(self, inputs: npt.NDArray[np.floating]) -> list[npt.NDArray[np.int64]]:
        """Return what the word lines of each tile get: the bits of one input after another, the least bit first.

        Parameters
        ----------
        inputs : ndarray, shape (n, inputs), unit 1
            None negative.

        Returns
        -------
        list of ndarray of int, each of shape (n * input_bits, rows of the tile), unit 1
            0 and 1.
        """
        bits = np.moveaxis(bit_planes(inputs, self.input_bits, largest=self.largest_input), 0, 1)
        return [bits[:, :, tile.inputs].reshape(-1, tile.shape[0]) for tile in self.tiles]

    def outputs(self, sums_a: Sequence[FloatArray], *, read_voltage_v: float) -> FloatArray:
        """Return what the layer gives for sums of its columns.

        Parameters
        ----------
        sums_a : sequence of ndarray, each of shape (n * input_bits, columns of the tile), unit A
            For what :meth:`planes` says, references last.
        read_voltage_v : float, unit V
            On the word lines with a 1.

        Returns
        -------
        ndarray, shape (n, outputs), unit 1
            Inputs times weights, without biases.
        """
        per_level_a = (self.g_max_s - self.g_min_s) / (self.levels - 1) * read_voltage_v
        places = 2.0 ** np.arange(self.input_bits)
        parts = []
        for sums in sums_a:
            whole = np.einsum("b,nbc->nc", places, sums.reshape(-1, self.input_bits, sums.shape[1]))
            parts.append(whole[:, :-1] - whole[:, -1:])
        per_code = self.largest_input / (2**self.input_bits - 1)
        total = joined(self.tiles, parts, self.weights.values.shape[1])
        return np.asarray(total / per_level_a * self.weights.step * per_code, dtype=np.float64)

    def computed_sums_a(
        self,
        inputs: npt.NDArray[np.floating],
        conductance_s: FloatArray,
        *,
        read_voltage_v: float,
        scaling: CurrentScaling | None = None,
    ) -> list[FloatArray]:
        """Return the sums that conductances give, through a read-out chain where there is one.

        Parameters
        ----------
        inputs : ndarray, shape (n, inputs), unit 1
        conductance_s : ndarray, shape :attr:`shape`, unit S
            NaN where a cell could not be read: it counts as a weight 0.
        read_voltage_v : float, unit V
        scaling : CurrentScaling or None
            Exact currents without one.

        Returns
        -------
        list of ndarray, each of shape (n * input_bits, columns of the tile), unit A
        """
        known_s = np.where(np.isfinite(conductance_s), conductance_s, 0.5 * (self.g_min_s + self.g_max_s))
        found: list[FloatArray] = [
            np.asarray(read_voltage_v * (ones @ known_s[place]), dtype=np.float64)
            for place, ones in zip(self.places(), self.planes(inputs), strict=True)
        ]
        if scaling is None:
            return found
        # columns do not know of each other: those of all tiles go through at once
        converted_a = scaling.convert(np.concatenate(found, axis=1)).current_a
        return np.split(converted_a, np.cumsum([sums_a.shape[1] for sums_a in found])[:-1], axis=1)
