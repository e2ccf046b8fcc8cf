"""Estimates as lines of a summary: value and both ends, or the reason why there is none.

Not here: the estimates (:mod:`labctl.analysis`).
"""

from collections.abc import Callable

from labctl.analysis.intervals import Estimate

__all__ = ["estimated", "named"]


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
