"""How levels, times and counts are spaced: there and back in equal steps, 1-2-5 in every decade, equal ratios, blocks.

Not here: what is measured at them (the procedures).
"""

from math import floor, log10

import numpy as np
import numpy.typing as npt

__all__ = ["block_ends", "log_spaced", "one_two_five", "there_and_back"]


def there_and_back(stop_v: float, step_v: float) -> list[float]:
    """Return one side of a sweep: from the first step to the turning point and back to 0.

    Parameters
    ----------
    stop_v : float, unit V
        Turning point, of either sign.
    step_v : float, unit V
        Positive; the nearest one that divides the way into equal parts is taken.

    Returns
    -------
    list of float, unit V
    """
    count = max(1, round(abs(stop_v) / step_v))
    there = [stop_v * (index / count) for index in range(1, count + 1)]
    return [*there, *there[-2::-1], 0.0]


def one_two_five(first: float, last: float) -> list[float]:
    """Return the numbers 1, 2, 5, 10, 20... between two limits, with both limits.

    Parameters
    ----------
    first, last : float, any unit
        0 < first <= last.

    Returns
    -------
    list of float, unit of the limits
        Ascending, each once.

    Raises
    ------
    ValueError
        If the limits are not positive and in order.
    """
    if not 0.0 < first <= last:
        raise ValueError(f"1-2-5: needs 0 < first <= last, got {first!r} and {last!r}")
    decades = range(floor(log10(first)), floor(log10(last)) + 1)
    # by way of text: 10.0**-3 * 2 is not 2e-3
    between = [
        value for decade in decades for digit in (1, 2, 5) if first < (value := float(f"{digit}e{decade}")) < last
    ]
    return [first, *between, *([last] if last > first else [])]


def log_spaced(start: float, stop: float, count: int) -> npt.NDArray[np.float64]:
    """Return values with equal ratios, both ends to the bit.

    Parameters
    ----------
    start, stop : float, unit of the values
        Positive.
    count : int

    Returns
    -------
    ndarray, shape (count,), unit of the values
    """
    values = np.geomspace(start, stop, count)
    values[0], values[-1] = start, stop if count > 1 else start
    return values


def block_ends(count: int, per_decade: int = 3) -> list[int]:
    """Return where blocks of pulses or reads end, about equally far apart on a logarithmic scale.

    Parameters
    ----------
    count : int
        The last one.
    per_decade : int

    Returns
    -------
    list of int
        Growing, from 1 to ``count``.
    """
    decades = np.log10(count)
    ends = np.rint(10.0 ** np.linspace(0.0, decades, int(np.ceil(decades * per_decade)) + 1)).astype(int)
    return sorted({int(end) for end in ends} | {1, count})
