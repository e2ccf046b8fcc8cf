"""How an estimate stands in the summary of a run: name, name_low, name_high; or why there is none.

Not here: the estimates (:mod:`labctl.analysis`).
"""

from collections.abc import Callable
from typing import Any

from labctl.analysis.intervals import Estimate

__all__ = ["summarised"]


def summarised(name: str, make: Callable[[], Estimate]) -> dict[str, Any]:
    """Make an estimate and name its parts; data that do not allow it give None and the reason, never a fit of noise.

    Parameters
    ----------
    name : str
        In snake case.
    make : callable
        Returns the estimate, or raises ValueError (TooFewPoints is one).

    Returns
    -------
    dict
        ``name``, ``name_low``, ``name_high``, or ``name`` (None) and ``name_reason``.
    """
    try:
        estimate = make()
    except ValueError as error:
        return {name: None, f"{name}_reason": str(error)}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
