"""A published figure beside ours: value, spread, how it was had, and whether it holds.

Not here: what a system does (``labctl_procedures.system``), the page (:mod:`labctl.analysis.report`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["Figure", "Way", "spread_figure"]

Way = Literal["instruments", "readings", "physics", "computed"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a paper and what was found here.

    Attributes
    ----------
    quantity : str
        In words, such as "MNIST accuracy at the measured error".
    unit : str
        SI unit; "%" for a pure number that is written in percent, "1" for one that is not.
    ours : float or None, unit as ``unit`` says ("%": a fraction of 1)
        Mean over ``count``; None where it could not be had, and ``note`` says why.
    spread : float or None
        Standard deviation over ``count``; None for a single value.
    count : int
        Dies, networks or draws that the mean is over.
    over : str
        What was counted, such as "dies" or "networks".
    paper : float or None
        Published value; None where none is known.
    rule : str
        What has to hold, in words; empty where nothing has to.
    holds : bool or None
        Whether it does; None without a rule.
    way : {"instruments", "readings", "physics", "computed"}
        Measured through the instruments of the station; computed, with something that was not measured, from what was
        read through them; of the device physics alone; or computed without a reading of its own.
    source : str
        Of the published value or of the rule.
    note : str
        What is assumed or differs.
    """

    quantity: str
    unit: str
    ours: float | None
    spread: float | None
    count: int
    over: str
    paper: float | None
    rule: str
    holds: bool | None
    way: Way
    source: str
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for a run's summary.

        Returns
        -------
        dict
        """
        return asdict(self)


def spread_figure(
    quantity: str,
    unit: str,
    values: Sequence[float],
    *,
    over: str,
    way: Way,
    source: str,
    paper: float | None = None,
    rule: str = "",
    holds: bool | None = None,
    note: str = "",
) -> Figure:
    """Return a figure with mean and standard deviation of values.

    Parameters
    ----------
    quantity, unit, over, way, source, paper, rule, holds, note
        As :class:`Figure` has them.
    values : sequence of float
        One for each die, network or draw; those that are not finite are left out and counted in the note.

    Returns
    -------
    Figure
    """
    found = np.asarray(values, dtype=float)
    finite = found[np.isfinite(found)]
    left_out = found.size - finite.size
    if left_out:
        note = "; ".join(filter(None, [note, f"{left_out} of {found.size} had no value"]))
    mean = float(finite.mean()) if finite.size else None
    spread = float(finite.std(ddof=1)) if finite.size > 1 else None
    return Figure(
        quantity,
        unit,
        mean,
        spread,
        int(finite.size),
        over,
        paper,
        rule,
        holds if finite.size else None,
        way,
        source,
        note,
    )
