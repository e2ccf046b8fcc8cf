"""Maps over the rows and columns of an array, as the page of a run shows them, and its table of levels.

Not here: how a map is drawn (:mod:`labctl.analysis.figures`), the page (:mod:`labctl.analysis.report`).
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from labctl.analysis import figures
from labctl.analysis.run_view import Curves
from labctl.units import format_quantity

__all__ = ["level_rows", "map_pictures"]

Arrays = Mapping[str, Curves]

_CELLS = ("row", "column")

# arrays that are drawn together, with the heading and unit of each map
DRAWN_TOGETHER = ("target", "aim", "achieved", "error", "status")
MAPS = {
    "pulses": ("Pulses of each cell", "1"),
    "sets": ("SETs of each cell", "1"),
    "disturb_first_pass": ("Half-select disturb after pass 1", "%"),
    "disturb": ("Drift after last verify", "%"),
    "form_voltage": ("Forming voltage", "V"),
    "conductance": ("Conductance", "S"),
    "conductance_std": ("Scatter of repeated readings", "S"),
    "disturb_set": ("SET disturb", "%"),
    "disturb_reset": ("RESET disturb", "%"),
    "state_loss": ("Loss of the state", "%"),
    "contact_class": ("0 open, 1 leaking, 2 formed, 3 shorted", "1"),
    "residual": ("Error in the separate reading", "%"),
    "class": ("1 open, 2 unformed, 3 high R, 4 low R, 5 shorted", "1"),
}


def level_rows(arrays: Arrays) -> list[tuple[str, int, int, str, str, str]]:
    """Return one row for each level of a programmed array.

    Parameters
    ----------
    arrays : mapping of str to Curves
        Of a run or a step.

    Returns
    -------
    list of tuple
        Target, cells, programmed cells, and of these mean, standard deviation and RMSE; empty where nothing was
        programmed.
    """
    if not {"target", "achieved", "status"} <= set(arrays):
        return []
    target_s, achieved_s, aim_s = arrays["target"].values, arrays["achieved"].values, _aim(arrays)
    programmed = (arrays["status"].values == 1) & np.isfinite(achieved_s) & (aim_s == target_s)
    rows = []
    for level_s in np.unique(target_s[np.isfinite(target_s)]):
        of_level = target_s == level_s
        chosen_s = achieved_s[of_level & programmed]
        numbers = ("", "", "")
        if chosen_s.size:
            rmse = float(np.sqrt(np.mean((chosen_s / level_s - 1.0) ** 2)))
            numbers = (
                format_quantity(float(chosen_s.mean()), "S", digits=4),
                format_quantity(float(chosen_s.std()), "S", digits=2),
                f"{100.0 * rmse:.2f} %",
            )
        rows.append((format_quantity(float(level_s), "S", digits=4), int(of_level.sum()), chosen_s.size, *numbers))
    return rows


def _aim(arrays: Arrays) -> npt.NDArray[np.float64]:
    """Return the targets as they were in the end: partners of stuck cells may have been moved."""
    return arrays["aim" if "aim" in arrays else "target"].values


def map_pictures(arrays: Arrays, *, tolerance: float | None, note: str) -> list[tuple[str, str]]:
    """Return the maps of a run or a step: what was wanted and achieved together, then the others.

    Parameters
    ----------
    arrays : mapping of str to Curves
    tolerance : float or None, unit 1
        Band around the targets.
    note : str
        Small print.

    Returns
    -------
    list of (str, str)
        Title and SVG.
    """
    maps = {name: array for name, array in arrays.items() if array.dims == _CELLS and np.isfinite(array.values).any()}
    together = {"target", "achieved"} <= set(maps)
    pictures = _programmed(maps, tolerance, note) if together else []
    for key in sorted(maps, key=lambda name: ([*MAPS, name].index(name), name)):
        if together and key in DRAWN_TOGETHER:
            continue
        values = maps[key].values
        title, unit = MAPS.get(key, (key.replace("_", " "), maps[key].unit))
        limits = (-figures.robust_bound(values), figures.robust_bound(values)) if unit == "%" else None
        name = key.replace("_", " ")
        pictures.append((name, figures.array_map(values, title=title, unit=unit, limits=limits, note=note)))
        if unit == "1":
            label = f"{name} per cell"
            pictures.append((label, figures.count_histogram(values, title=title, label=label, note=note)))
    return pictures


def _programmed(maps: Arrays, tolerance: float | None, note: str) -> list[tuple[str, str]]:
    """Return target, what was achieved, and the error."""
    target_s, achieved_s, aim_s = maps["target"].values, maps["achieved"].values, _aim(maps)
    failed = maps["status"].values > 1 if "status" in maps else np.zeros(target_s.shape, dtype=bool)
    error = achieved_s / aim_s - 1.0
    bound = max(tolerance or 0.0, figures.robust_bound(error[~failed]))
    goals = target_s[np.isfinite(target_s)]
    scale_s = (float(goals.min()), float(goals.max())) if goals.size else None
    own_s = np.where(aim_s == target_s, achieved_s, np.nan)

    def drawn(values: npt.NDArray[np.float64], title: str, unit: str, limits: tuple[float, float] | None) -> str:
        return figures.array_map(values, title=title, unit=unit, limits=limits, marked=failed, note=note)

    return [
        ("target", figures.array_map(target_s, title="Target", unit="S", limits=scale_s, note=note)),
        ("achieved", drawn(achieved_s, "Achieved (× failed)", "S", scale_s)),
        ("error", drawn(error, "Error (× failed)", "%", (-bound, bound))),
        ("levels", figures.level_histogram(own_s, target_s, note=note)),
        ("error of each cell", figures.error_against_target(achieved_s, aim_s, band=tolerance, note=note)),
    ]
