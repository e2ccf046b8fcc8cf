"""Which cells a procedure shall visit, from the text of a parameter, and back.

Rows are word lines and columns bit lines, counted from 0. Not here: target maps (:mod:`labctl.array.targets`).
"""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from labctl.errors import StationError

__all__ = ["format_cells", "parse_cells"]

_FORMS = (
    "'all', 'ROW,COLUMN' such as '3,4', ranges such as '0:8,0:32', several of these with ';' between them, 'diagonal', "
    "'diagonal:10' for its first ten, or the path of a CSV mask of 0 and 1"
)
_DIAGONAL = re.compile(r"diagonal(?::([0-9]{1,9}))?")
_RANGE = re.compile(r"\s*([0-9]{0,9})\s*(:?)\s*([0-9]{0,9})\s*")


def parse_cells(text: str, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the cells that ``text`` names, in its order, row by row within a range.

    Parameters
    ----------
    text : str
        ``"all"``, ``"3,4"``, ``"0:8,0:32"`` (end exclusive, either side may be left out), several cells or ranges with
        ``;`` between them, ``"diagonal"`` for all (i, i), ``"diagonal:10"`` for the first ten of them, or the path of a
        CSV mask.
    shape : tuple of int
        Rows and columns of the array.

    Returns
    -------
    list of (int, int)
        At least one cell, each once.

    Raises
    ------
    StationError
        If the text has none of the forms, names no cell, or a cell outside the array.
    """
    stripped = text.strip()
    if Path(stripped).suffix.lower() == ".csv":
        return _from_mask(Path(stripped), shape)
    # a cell that is named twice is visited once
    return list(dict.fromkeys(cell for part in stripped.split(";") for cell in _part(part.strip(), shape, text)))


def format_cells(cells: Iterable[tuple[int, int]], shape: tuple[int, int]) -> str:
    """Return a short text that names cells, for :func:`parse_cells`.

    Parameters
    ----------
    cells : iterable of (int, int)
        In any order; the text names each once, block by block.
    shape : tuple of int
        Rows and columns of the array.

    Returns
    -------
    str
        Such as ``"all"``, ``"diagonal"``, ``"3,4"``, ``"3,:"`` (a word line), ``"0:8,0:32;9,1"``.

    Raises
    ------
    StationError
        If there is no cell, or one outside the array.
    """
    chosen = set(cells)
    rows, columns = shape
    outside = [cell for cell in chosen if not (0 <= cell[0] < rows and 0 <= cell[1] < columns)]
    if outside or not chosen:
        named = ", ".join(map(str, sorted(outside)[:3])) or "none"
        raise StationError(f"cells: at least one cell of the {rows} x {columns} array must be named, got {named}")
    if len(chosen) == rows * columns:
        return "all"
    if len(chosen) > 1 and chosen == {(index, index) for index in range(min(shape))}:
        return "diagonal"
    return ";".join(f"{_span(*block[0], rows)},{_span(*block[1], columns)}" for block in _blocks(chosen))


def _blocks(chosen: set[tuple[int, int]]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return blocks of (first row, end), (first column, end) that cover cells, each once."""
    by_row: dict[int, list[tuple[int, int]]] = {}
    for row, column in sorted(chosen):
        spans = by_row.setdefault(row, [])
        if spans and spans[-1][1] == column:
            spans[-1] = (spans[-1][0], column + 1)
        else:
            spans.append((column, column + 1))
    # a span that the row above has too grows downwards
    growing: dict[tuple[int, int], int] = {}
    blocks = []
    for row in range(min(by_row), max(by_row) + 2):
        spans = by_row.get(row, [])
        for span in [span for span in growing if span not in spans]:
            blocks.append(((growing.pop(span), row), span))
        for span in spans:
            growing.setdefault(span, row)
    return sorted(blocks)


def _span(first: int, end: int, count: int) -> str:
    if (first, end) == (0, count) and count > 1:
        return ":"
    return str(first) if end == first + 1 else f"{first}:{end}"


def _part(part: str, shape: tuple[int, int], text: str) -> list[tuple[int, int]]:
    if part == "all":
        return [(row, column) for row in range(shape[0]) for column in range(shape[1])]
    if diagonal := _DIAGONAL.fullmatch(part):
        return [(index, index) for index in range(_diagonal_count(diagonal, shape, text))]
    ranges = [_RANGE.fullmatch(axis) for axis in part.split(",")]
    if len(ranges) == 2 and ranges[0] is not None and ranges[1] is not None:
        rows = _indices(ranges[0], shape[0], "row", part)
        columns = _indices(ranges[1], shape[1], "column", part)
        return [(row, column) for row in rows for column in columns]
    raise StationError(f"cells: {text!r} names no cells; allowed are {_FORMS}")


def _diagonal_count(match: re.Match[str], shape: tuple[int, int], text: str) -> int:
    longest = min(shape)
    count = longest if match[1] is None else int(match[1])
    if not 1 <= count <= longest:
        raise StationError(
            f"cells: {text!r}: the diagonal has 1 to {longest} cells (array of {shape[0]} x {shape[1]}), got "
            f"{count}; ask for fewer, or for 'diagonal' for all of them"
        )
    return count


def _indices(match: re.Match[str], count: int, what: str, text: str) -> range:
    first, colon, last = match.groups()
    if not colon:
        if not first:
            raise StationError(f"cells: {text!r} lacks a {what}; allowed are {_FORMS}")
        indices = range(int(first), int(first) + 1)
    else:
        indices = range(int(first) if first else 0, int(last) if last else count)
    if len(indices) == 0 or indices[-1] >= count:
        raise StationError(f"cells: {what} {match.group().strip()!r} of {text!r} must lie in 0 to {count - 1}")
    return indices


def _from_mask(path: Path, shape: tuple[int, int]) -> list[tuple[int, int]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [[field.strip() for field in row] for row in csv.reader(stream) if row]
    except (OSError, ValueError, csv.Error) as error:  # ValueError: no UTF-8, or a NUL in the path
        raise StationError(f"cells: the mask {path} cannot be read: {error}") from error
    if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
        raise StationError(f"cells: the mask {path} must have {shape[0]} lines of {shape[1]} fields")
    for number, row in enumerate(rows, start=1):
        for field in row:
            if field not in {"0", "1"}:
                raise StationError(f"cells: the mask {path} holds {field!r} in line {number}; only 0 and 1 are allowed")
    cells = [(r, c) for r, row in enumerate(rows) for c, field in enumerate(row) if field == "1"]
    if not cells:
        raise StationError(f"cells: the mask {path} selects no cell")
    return cells
