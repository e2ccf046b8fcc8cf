"""Sets of cells as few rectangles. Not here: what people type for cells (:mod:`labctl.array.selection`)."""

from collections.abc import Iterable, Iterator

__all__ = ["Rectangle", "cells_in", "rectangles"]

# first and last row, first and last column
Rectangle = tuple[int, int, int, int]


def rectangles(cells: Iterable[tuple[int, int]]) -> list[Rectangle]:
    """Cover a set of cells, each cell once.

    Parameters
    ----------
    cells : iterable of (int, int)
        Row and column.

    Returns
    -------
    list of (int, int, int, int)
        First and last row, first and last column; rows that have the same stretch of columns lie together.
    """
    rows: dict[int, list[int]] = {}
    for row, column in set(cells):
        rows.setdefault(row, []).append(column)
    open_: dict[tuple[int, int], tuple[int, int]] = {}
    found: list[Rectangle] = []
    for row in sorted(rows):
        stretches = set(_stretches(sorted(rows[row])))
        for stretch, (first, last) in list(open_.items()):
            if stretch not in stretches or last != row - 1:
                found.append((first, last, *stretch))
                del open_[stretch]
        for stretch in stretches:
            open_[stretch] = (open_[stretch][0] if stretch in open_ else row, row)
    return sorted(found + [(first, last, *stretch) for stretch, (first, last) in open_.items()])


def cells_in(covered: Iterable[Rectangle]) -> set[tuple[int, int]]:
    """Return the cells of rectangles.

    Parameters
    ----------
    covered : iterable of (int, int, int, int)
        As :func:`rectangles` gives them.

    Returns
    -------
    set of (int, int)
    """
    return {
        (row, column)
        for first, last, left, right in covered
        for row in range(first, last + 1)
        for column in range(left, right + 1)
    }


def _stretches(columns: list[int]) -> Iterator[tuple[int, int]]:
    first = previous = columns[0]
    for column in columns[1:]:
        if column != previous + 1:
            yield first, previous
            first = column
        previous = column
    yield first, previous
