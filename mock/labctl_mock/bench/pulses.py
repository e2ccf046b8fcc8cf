"""Overlapping rectangular pulses to a row of segments with constant levels.

Not here: what the segments do to the cells (:mod:`labctl_mock.bench.circuit`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from labctl_mock.bench.terminals import Rectangle

__all__ = ["Segment", "segments_of"]


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
    edges = sorted({0.0, *(r.delay_s for r in rectangles), *(r.delay_s + r.width_s for r in rectangles)})
    segments = []
    for start_s, stop_s in pairwise(edges):
        middle_s = 0.5 * (start_s + stop_s)
        levels_v: dict[str, float] = {}
        for one in rectangles:
            if one.delay_s <= middle_s < one.delay_s + one.width_s:
                if one.terminal in levels_v:
                    raise ValueError(
                        f"{one.terminal}: two pulses overlap at {middle_s!r} s; one terminal has one level"
                    )
                levels_v[one.terminal] = one.level_v
        segments.append(Segment(stop_s - start_s, levels_v))
    return segments
