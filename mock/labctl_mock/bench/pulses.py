"""Overlapping rectangular pulses to a row of segments with constant levels.

Not here: what the segments do to the cells (:mod:`labctl_mock.bench.circuit`).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from labctl_mock.bench.terminals import Rectangle

__all__ = ["Segment", "segments_of"]

_ROUNDING = 1e-14


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time with constant levels.

    Attributes
    ----------
    duration_s : float, unit s
    levels_v : dict of str to float, unit V
        Terminals that are inside a pulse; the others stay at their own level.
    """

    duration_s: float
    levels_v: dict[str, float]


def segments_of(rectangles: Sequence[Rectangle]) -> list[Segment]:
    """Cut synchronous pulses at every edge.

    Parameters
    ----------
    rectangles : sequence of Rectangle

    Returns
    -------
    list of Segment
        From the common start to the end of the last pulse, none empty.

    Raises
    ------
    ValueError
        If a delay is negative, a width is not positive, or two pulses of one terminal overlap.
    """
    for one in rectangles:
        if not one.delay_s >= 0.0 or not one.width_s > 0.0:
            raise ValueError(
                f"{one.terminal}: a pulse needs a delay of at least 0 s and a positive width,"
                f" got {one.delay_s!r} s and {one.width_s!r} s"
            )
    ends_s = [(one.delay_s, one.delay_s + one.width_s) for one in rectangles]
    # what only rounding keeps apart is one edge
    least_s = _ROUNDING * max((end_s for _, end_s in ends_s), default=0.0)
    edges = [0.0]
    for edge_s in sorted(chain.from_iterable(ends_s)):
        if edge_s - edges[-1] > least_s:
            edges.append(edge_s)
    levels: list[dict[str, float]] = [{} for _ in pairwise(edges)]
    for one, (start_s, end_s) in zip(rectangles, ends_s, strict=True):
        for index in range(bisect_right(edges, start_s) - 1, bisect_right(edges, end_s) - 1):
            if one.terminal in levels[index]:
                raise ValueError(
                    f"{one.terminal}: two pulses overlap at {edges[index]!r} s; one terminal has one level"
                )
            levels[index][one.terminal] = one.level_v
    return [Segment(stop_s - start_s, own) for (start_s, stop_s), own in zip(pairwise(edges), levels, strict=True)]
