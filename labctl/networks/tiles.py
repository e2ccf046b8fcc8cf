"""Weight matrices that are larger than one array: cut into tiles, partial sums added up digitally.

Not here: what a device makes of a weight (:mod:`labctl.networks.mapping`), what a column current becomes on its way
into a number (:mod:`labctl.networks.read_out`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Tile", "cut", "joined", "tile_count"]


@dataclass(frozen=True, slots=True)
class Tile:
    """A block of a matrix that fits onto one array.

    Attributes
    ----------
    inputs, outputs : slice
        Rows and columns of the matrix, both with start and stop.
    """

    inputs: slice
    outputs: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Inputs and outputs of the tile."""
        return self.inputs.stop - self.inputs.start, self.outputs.stop - self.outputs.start

    def of(self, matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the tile's part of a matrix.

        Parameters
        ----------
        matrix : ndarray, shape (inputs, outputs), any unit

        Returns
        -------
        ndarray, shape as :attr:`shape`
            A view.
        """
        return matrix[self.inputs, self.outputs]


def tile_count(inputs: int, outputs: int, *, rows: int, columns: int) -> int:
    """Return how many tiles a matrix needs.

    Parameters
    ----------
    inputs, outputs : int
        Shape of the matrix.
    rows, columns : int
        Most inputs and outputs of a tile: columns of devices over the devices of a weight.

    Returns
    -------
    int
    """
    return ceil(inputs / rows) * ceil(outputs / columns)


def cut(inputs: int, outputs: int, *, rows: int, columns: int) -> list[Tile]:
    """Cut a matrix into the fewest tiles, all inputs of the first outputs first; the last ones may be smaller.

    Parameters
    ----------
    inputs, outputs : int
        Shape of the matrix.
    rows, columns : int
        Most inputs and outputs of a tile.

    Returns
    -------
    list of Tile

    Raises
    ------
    ValueError
        If a number is below 1.
    """
    if min(inputs, outputs, rows, columns) < 1:
        raise ValueError(f"tiles: {inputs} x {outputs} weights on {rows} x {columns}: every number must be at least 1")
    return [
        Tile(slice(top, min(top + rows, inputs)), slice(left, min(left + columns, outputs)))
        for left in range(0, outputs, columns)
        for top in range(0, inputs, rows)
    ]


def joined(
    tiles: Sequence[Tile], partial: Sequence[npt.NDArray[np.floating[Any]]], outputs: int
) -> npt.NDArray[np.float64]:
    """Add the sums of tiles up to those of the whole matrix.

    Parameters
    ----------
    tiles : sequence of Tile
    partial : sequence of ndarray, each of shape (n, outputs of its tile), any unit
        What each tile makes of its inputs.
    outputs : int
        Of the matrix.

    Returns
    -------
    ndarray, shape (n, outputs), unit of the parts

    Raises
    ------
    ValueError
        If a part has another number of columns than its tile.
    """
    total = np.zeros((len(partial[0]), outputs))
    for tile, part in zip(tiles, partial, strict=True):
        if part.shape[1] != tile.shape[1]:
            raise ValueError(f"tiles: a part of {tile.shape[1]} outputs came with {part.shape[1]} columns")
        total[:, tile.outputs] += part
    return total
