"""Open-loop programming of devices with nearly equal steps: count the pulses that lead to the target, give them, look.

Not here: closed loops that look after every pulse (:mod:`labctl.tuning.passes`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CountedPass", "counted_pulses", "program_by_count"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CountedPass:
    """One pass over all cells.

    Attributes
    ----------
    before_s : ndarray, shape (cells,), unit S
        What was read before it.
    pulses : ndarray of int, shape (cells,)
        What was given then, negative ones down.
    """

    before_s: FloatArray
    pulses: IntArray


def counted_pulses(
    conductance_s: FloatArray, target_s: FloatArray, *, up_step_s: float, down_step_s: float
) -> IntArray:
    """Return how many pulses lead nearest to the targets: n = round((target - G) / dG) of one polarity each.

    Parameters
    ----------
    conductance_s, target_s : ndarray, shape (cells,), unit S
        NaN where a cell has no reading; it gets no pulse.
    up_step_s, down_step_s : float, unit S
        Mean change by one pulse, both positive.

    Returns
    -------
    ndarray of int, shape (cells,)
        Negative ones down.

    Raises
    ------
    ValueError
        If a step is not positive.
    """
    if not (up_step_s > 0.0 and down_step_s > 0.0):
        raise ValueError(
            f"counted pulses: the step of a pulse must be positive, got {up_step_s:.4g} S up, {down_step_s:.4g} S down"
        )
    missing_s = np.nan_to_num(target_s - conductance_s, nan=0.0)
    return np.rint(missing_s / np.where(missing_s > 0.0, up_step_s, down_step_s)).astype(np.int64)


def program_by_count(
    cells: Sequence[Cell],
    target_s: FloatArray,
    *,
    read: Callable[[Sequence[Cell]], FloatArray],
    give: Callable[[Sequence[Cell], IntArray], None],
    up_step_s: float,
    down_step_s: float,
    corrections: int,
) -> tuple[FloatArray, list[CountedPass]]:
    """Program cells by counted pulses, then verify and correct.

    Parameters
    ----------
    cells : sequence of (int, int)
    target_s : ndarray, shape (cells,), unit S
    read : callable
        Takes cells, returns their conductances in S, NaN where there is none.
    give : callable
        Takes cells and so many pulses for each, negative ones down, at least one for each.
    up_step_s, down_step_s : float, unit S
        Mean change by one pulse, both positive.
    corrections : int
        Passes after the first.

    Returns
    -------
    ndarray, shape (cells,), unit S
        What was read at the end.
    list of CountedPass
        The passes that were needed.
    """
    passes: list[CountedPass] = []
    found_s = read(cells)
    for _ in range(1 + corrections):
        pulses = counted_pulses(found_s, target_s, up_step_s=up_step_s, down_step_s=down_step_s)
        wanted = np.flatnonzero(pulses)
        if not wanted.size:
            break
        passes.append(CountedPass(found_s, pulses))
        give([cells[int(index)] for index in wanted], pulses[wanted])
        found_s = read(cells)
    return found_s, passes
