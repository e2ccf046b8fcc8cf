"""Sets of cells as masks: rectangles, lines, outlines, and cells that words or a threshold name.

Not here: the mouse (:mod:`labctl.gui.array.map_view`), the texts of cells (:mod:`labctl.array.selection`).
"""

import re

import numpy as np
import numpy.typing as npt

from labctl.analysis.die_maps import CellClass, DieMaps
from labctl.array import parse_cells
from labctl.errors import StationError
from labctl.gui.array.quantities import Quantity

__all__ = ["cells_of", "find_cells", "mask_of", "mask_text", "outline", "rectangle"]

Cell = tuple[int, int]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

_THRESHOLD = re.compile(r"\s*([<>])\s*(.+)")


def mask_of(cells: frozenset[Cell], shape: tuple[int, int]) -> BoolArray:
    """Return cells as a mask.

    Parameters
    ----------
    cells : frozenset of (int, int)
        Those outside the array are left out.
    shape : (int, int)
        Rows and columns.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
    """
    mask = np.zeros(shape, dtype=np.bool_)
    inside = [cell for cell in cells if cell[0] < shape[0] and cell[1] < shape[1]]
    if inside:
        mask[tuple(np.transpose(inside))] = True
    return mask


def cells_of(mask: BoolArray) -> frozenset[Cell]:
    """Return a mask as cells.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)

    Returns
    -------
    frozenset of (int, int)
    """
    return frozenset((row, column) for row, column in np.argwhere(mask).tolist())


def rectangle(first: Cell, last: Cell, shape: tuple[int, int]) -> BoolArray:
    """Return the cells between two corners, both included.

    Parameters
    ----------
    first, last : (int, int)
        Corners in any order.
    shape : (int, int)
        Rows and columns.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
    """
    mask = np.zeros(shape, dtype=np.bool_)
    (top, bottom), (left, right) = (sorted(pair) for pair in zip(first, last, strict=True))
    mask[top : bottom + 1, left : right + 1] = True
    return mask


def outline(mask: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the edges between cells that are in a mask and cells that are not, as pairs of points.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)

    Returns
    -------
    tuple of ndarray, shape (points,), unit 1
        Columns and rows of the ends; the cell (0, 0) reaches from 0 to 1 in both.
    """
    padded = np.pad(mask, 1)
    row, column = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    across = np.stack([column, column + 1], axis=1), np.stack([row, row], axis=1)
    row, column = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    down = np.stack([column, column], axis=1), np.stack([row, row + 1], axis=1)
    x, y = (np.concatenate([part.ravel() for part in parts]).astype(float) for parts in zip(across, down, strict=True))
    return x, y


def find_cells(text: str, maps: DieMaps, quantity: Quantity) -> BoolArray:
    """Return the cells that a text names.

    Parameters
    ----------
    text : str
        What :func:`labctl.array.parse_cells` reads, the name of a class ("not formed"), or a threshold of the quantity
        that is shown ("> 50 uS").
    maps : DieMaps
        What is known of the cells.
    quantity : Quantity
        What is shown.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
        At least one cell.

    Raises
    ------
    StationError
        If the text has none of the forms, or no cell is so.
    """
    shape = (maps.rows, maps.columns)
    words = " ".join(text.lower().replace("all cells", "").split()).removeprefix("all ") or text.strip()
    kinds = {kind.label: kind for kind in CellClass}
    threshold = _THRESHOLD.fullmatch(text)
    if words in kinds:
        mask = maps.classes() == kinds[words]
    elif threshold is not None:
        mask = _beyond(threshold[1], threshold[2], quantity.of(maps), quantity)
    else:
        return mask_of(frozenset(parse_cells(text, shape)), shape)
    if not mask.any():
        raise StationError(f"cells: no cell of the map is {text.strip()!r} now; the selection is left as it was")
    return np.asarray(mask)


def _beyond(sign: str, text: str, values: FloatArray, quantity: Quantity) -> BoolArray:
    from labctl.units import parse_quantity

    if quantity.is_class:
        raise StationError("cells: a class has no threshold; show a quantity first, or select by name: 'not formed'")
    try:
        if quantity.unit == "%":
            bound = parse_quantity(text if "%" in text else f"{text} %", "1")
        else:
            bound = parse_quantity(text, quantity.unit)
    except ValueError as error:
        raise StationError(f"cells: {error}") from error
    # comparisons with NaN are False
    return np.asarray(values > bound if sign == ">" else values < bound)


def mask_text(mask: BoolArray) -> str:
    """Return a mask as the CSV that ``parse_cells`` reads, one line per row.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)

    Returns
    -------
    str
    """
    return "".join(",".join("1" if one else "0" for one in row) + "\n" for row in mask.tolist())
