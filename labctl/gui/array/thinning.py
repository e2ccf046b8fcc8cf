"""Fewer points that look the same: the lowest and the highest of each small group. Not here: drawing."""

import numpy as np
import numpy.typing as npt

__all__ = ["seen_places", "thinned_places"]

Places = npt.NDArray[np.int64]
_GROUPS = 800


def thinned_places(values: npt.NDArray[np.float64], first: int, last: int) -> Places:
    """Choose values that stand for all of a stretch.

    Parameters
    ----------
    values : ndarray, shape (values,)
        All finite.
    first, last : int
        The stretch, ``last`` not included.

    Returns
    -------
    ndarray of int
        Places in ascending order: all where they are few, else the lowest and the highest of each group.
    """
    count = last - first
    size = -(-count // _GROUPS)
    if size <= 2:
        return np.arange(first, last)
    groups = count // size
    whole = values[first : first + groups * size].reshape(groups, size)
    start = first + size * np.arange(groups)
    # what does not fill a group is a group of its own
    rest = first + groups * size
    tail = [] if rest == last else [rest + int(np.argmin(values[rest:last])), rest + int(np.argmax(values[rest:last]))]
    found = [start + whole.argmin(axis=1), start + whole.argmax(axis=1), np.array([first, last - 1, *tail])]
    return np.unique(np.concatenate(found)).astype(np.int64)


def seen_places(x: npt.NDArray[np.float64], values: npt.NDArray[np.float64], seen: tuple[float, float]) -> Places:
    """Choose points to draw: finely where they are seen, coarsely elsewhere, so that the whole can be shown again.

    Parameters
    ----------
    x : ndarray, shape (points,)
        Ascending.
    values : ndarray, shape (points,)
        All finite.
    seen : (float, float), unit of x
        Ends of what is seen.

    Returns
    -------
    ndarray of int
        Places in ascending order.
    """
    first, last = int(np.searchsorted(x, seen[0])), int(np.searchsorted(x, seen[1], side="right"))
    return np.union1d(thinned_places(values, 0, len(x)), thinned_places(values, first, max(first, last)))
