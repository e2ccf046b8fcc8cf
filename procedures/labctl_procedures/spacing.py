"""How levels and times are spaced: there and back in equal steps, 1-2-5 in every decade.

Not here: what is measured at them (the procedures).
"""

from math import floor, log10

__all__ = ["one_two_five", "there_and_back"]


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
