"""Estimates as lines of a summary: value and both ends, or the reason why there is none.

Not here: the estimates (:mod:`labctl.analysis`).
"""

from collections.abc import Callable

from labctl.analysis.intervals import Estimate
from labctl.analysis.result_words import words_of

__all__ = ["estimated", "estimated_over", "named"]

# so many cells and fewer are told with every interval
_FEW_CELLS = 3


def named(name: str, estimate: Estimate) -> dict[str, float | str | None]:
    """Return what a summary holds of an estimate that there is.

    Parameters
    ----------
    name : str
        Of the result.
    estimate : Estimate

    Returns
    -------
    dict
        ``name``, ``name_low``, ``name_high``.
    """
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def estimated(name: str, fit: Callable[[], Estimate]) -> dict[str, float | str | None]:
    """Make an estimate and return what a summary holds of it.

    Parameters
    ----------
    name : str
        Of the result.
    fit : callable
        Returns the estimate. A ``ValueError``, too few points above all, is the reason why there is none.

    Returns
    -------
    dict
        As :func:`named`; where there is no estimate, ``name`` is None and ``name_reason`` says why.
    """
    try:
        return named(name, fit())
    except ValueError as error:
        return {name: None, f"{name}_reason": str(error)}


def estimated_over(name: str, cells: int, fit: Callable[[], Estimate]) -> dict[str, float | str | None]:
    """Make an estimate over several cells and say of how many its interval is.

    Parameters
    ----------
    name : str
        Of the result.
    cells : int
        That have values. Of a single one nothing is said: its interval is that of its cycles.
    fit : callable
        As for :func:`estimated`.

    Returns
    -------
    dict
        As :func:`estimated`; ``name_statement`` besides.
    """
    told = estimated(name, fit)
    if cells < 2 or told[name] is None:
        return told
    few = "; so few tell little of others" if cells <= _FEW_CELLS else ""
    meaning = words_of(name).meaning
    statement = f"interval of {cells} cells, each counted once{few}"
    return told | {f"{name}_statement": f"{meaning}; {statement}" if meaning else statement}
