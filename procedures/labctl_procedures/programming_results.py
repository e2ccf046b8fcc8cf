"""The results of program_array, as they stand in the run's summary. Not here: the formulas (:mod:`labctl.analysis`)."""

from collections.abc import Mapping
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

from labctl.analysis.programming import read_noise, rmse, spread, voltage_gradient
from labctl.tuning import CellState

__all__ = ["programming_results"]

Cell = tuple[int, int]
FloatArray = npt.NDArray[np.float64]

# the wire-drop estimate compares RESET voltages of this effect, extrapolated with this slope
_COMPARED_CHANGE, _STEEP_PER_V = 0.02, 12.0


def programming_results(
    states: Mapping[Cell, CellState],
    achieved_s: FloatArray,
    target_s: FloatArray,
    reasons: Mapping[Cell, str],
    *,
    scale_s: tuple[float, float],
    drift: Mapping[Cell, float],
    first_drift: Mapping[Cell, float],
    noise_s: FloatArray,
) -> dict[str, Any]:
    """Sum a programming run up.

    The errors are those of the read-back, over the cells whose last verify was in its band; failed cells are listed
    with their reasons, and the error over all readable cells is given besides.

    Parameters
    ----------
    states : mapping of (int, int) to CellState
        Cells that were tuned.
    achieved_s : ndarray, shape (rows, columns), unit S
        Read-back; NaN where there is none.
    target_s : ndarray, shape (rows, columns), unit S
        Targets.
    reasons : mapping of (int, int) to str
        Why each failed cell failed, those included that were never tuned.
    scale_s : (float, float), unit S
        Gmin and Gmax.
    drift : mapping of (int, int) to float, unit 1
        Relative change of each cell from its last verify to the read-back: half-select disturb and relaxation.
    first_drift : mapping of (int, int) to float, unit 1
        The same from the end of a cell's first pass to the beginning of the second.
    noise_s : ndarray, shape (cells, readings), unit S
        Repeated readings of some cells.

    Returns
    -------
    dict
        Plain values, by the names of the run's results.
    """
    programmed = [cell for cell in states if cell not in reasons]
    count = len(set(states) | set(reasons))
    chosen = np.full(achieved_s.shape, np.nan)
    for cell in programmed:
        chosen[cell] = achieved_s[cell]
    errors = rmse(chosen, target_s, lowest_s=scale_s[0], highest_s=scale_s[1])
    errors_all = rmse(achieved_s, target_s, lowest_s=scale_s[0], highest_s=scale_s[1])
    pulses = spread([state.pulses for state in states.values()])
    sets = spread([state.sets for state in states.values()])
    return {
        "cells": count,
        "programmed": len(programmed),
        "yield": len(programmed) / count,
        "rmse_relative": errors.relative if errors else None,
        "rmse_range": errors.range if errors else None,
        "rmse_gmax": errors.gmax if errors else None,
        "rmse_relative_all_cells": errors_all.relative if errors_all else None,
        "pulses_per_cell_mean": pulses.mean if pulses else None,
        "pulses_per_cell_p95": pulses.p95 if pulses else None,
        "sets_per_cell_mean": sets.mean if sets else None,
        "read_noise": read_noise(noise_s),
        "half_select_disturb": _mean([first_drift[cell] for cell in programmed if cell in first_drift]),
        "drift_after_verify_rms": _rms([drift[cell] for cell in programmed if cell in drift]),
        "wire_drop_per_segment": _wire_drop(states, programmed, target_s),
        "failed_cells": [
            {"row": row, "column": column, "reason": reasons[row, column]} for row, column in sorted(reasons)
        ],
    }


def _wire_drop(states: Mapping[Cell, CellState], programmed: list[Cell], target_s: FloatArray) -> float | None:
    """Growth of the RESET voltage of equal effect with distance from the driven ends, in V per line segment."""
    voltage_v = np.full(target_s.shape, np.nan)
    for cell in programmed:
        experience = states[cell].reset_experience
        if experience is not None:
            shift_v = log(experience.log_change / _COMPARED_CHANGE) / _STEEP_PER_V
            voltage_v[cell] = abs(experience.voltage_v) - shift_v
    return voltage_gradient(voltage_v, target_s)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _rms(values: list[float]) -> float | None:
    return float(np.sqrt(np.mean(np.square(values)))) if values else None
