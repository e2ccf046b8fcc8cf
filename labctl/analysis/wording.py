"""Results and parameters in the words of a laboratory: unit, plain value and one line on what a number means.

Not here: the formulas (:mod:`labctl.analysis.programming`), the page (:mod:`labctl.analysis.report`).
"""

from dataclasses import dataclass

from labctl.units import format_quantity

__all__ = ["Wording", "describe_result", "format_value"]

PERCENT = "%"


@dataclass(frozen=True, slots=True)
class Wording:
    """How one result reads.

    Attributes
    ----------
    label : str
        What people call it.
    text : str
        The value with its unit.
    meaning : str
        One line; empty where the label says it all.
    """

    label: str
    text: str
    meaning: str = ""


# name of a result: label, unit ("%" is a pure number in percent), meaning
_KNOWN: dict[str, tuple[str, str, str]] = {
    "cells": ("Cells", "", "selected for this run"),
    "programmed": ("Cells programmed", "", "last verify within the tolerance of the target"),
    "formed": ("Cells formed", "", "by this run"),
    "formed_before": ("Formed before", "", "conducted already in the first survey"),
    "failed": ("Cells that did not form", "", ""),
    "yield": ("Yield", PERCENT, "part of the cells that got what was asked for"),
    "rmse_relative": ("RMSE, relative", PERCENT, "root mean square of (G - target) / target over the programmed cells"),
    "rmse_range": ("RMSE of the range", PERCENT, "root mean square error over Gmax - Gmin"),
    "rmse_gmax": ("RMSE of Gmax", PERCENT, "root mean square error over Gmax"),
    "rmse_relative_all_cells": ("RMSE, failed cells included", PERCENT, "as RMSE, relative, over all readable cells"),
    "pulses_per_cell_mean": ("Pulses per cell, mean", "1", ""),
    "pulses_per_cell_p95": ("Pulses per cell, 95 %", "1", "19 of 20 cells needed no more"),
    "sets_per_cell_mean": ("SETs per cell, mean", "1", "how often a cell was raised again"),
    "outside_tolerance_at_read_back": (
        "Outside the verify tolerance",
        "",
        "programmed cells that read back outside it, by noise, relaxation and late disturb",
    ),
    "moved_partners": (
        "Moved partners",
        "",
        "cells whose target was changed because the other cell of the pair is stuck",
    ),
    "form_voltage_mean": ("Forming voltage, mean", "V", "of the cells that this run formed"),
    "conductance_mean": ("Conductance, mean", "S", ""),
    "conductance_min": ("Conductance, lowest", "S", ""),
    "conductance_max": ("Conductance, highest", "S", ""),
    "cells_without_reading": ("Cells without a reading", "", "the meter went over range"),
    "half_select_disturb": (
        "Half-select disturb",
        PERCENT,
        "mean change of a cell from the end of its first pass to the next survey, while its neighbours were programmed"
        " with half the voltage on it; also holds the changed load of the lines",
    ),
    "drift_after_verify_rms": (
        "Drift after verify, rms",
        PERCENT,
        "change from the last verify to the read-back: relaxation, late disturb and read noise",
    ),
    "wire_drop_per_segment": (
        "Wire drop",
        "V per segment",
        "growth of the RESET voltage of equal effect with each line segment between cell and driver",
    ),
    "read_noise": ("Read noise", PERCENT, "relative scatter of repeated readings of one cell, pooled"),
}


def describe_result(name: str, value: object) -> Wording:
    """Put a result into words.

    Parameters
    ----------
    name : str
        As in a run's results.
    value : object
        Its value; None is written "not measured".

    Returns
    -------
    Wording
        A result that is not known keeps its name, six digits and no meaning.
    """
    label, unit, meaning = _KNOWN.get(name, (name.replace("_", " "), "", ""))
    return Wording(label, _text(value, unit), meaning)


def format_value(value: object) -> str:
    """Write any value for people: floats with six digits, truth in words, nothing for None.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _text(value: object, unit: str) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, bool) or not isinstance(value, int | float) or not unit:
        return format_value(value)
    if unit == PERCENT:
        return f"{100.0 * value:.3g} %"
    base, per, rest = unit.partition(" ")
    return f"{format_quantity(float(value), base, digits=3)}{per}{rest}"
