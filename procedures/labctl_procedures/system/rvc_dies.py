"""Reset-voltage control on a die that is device physics alone, with half-selected neighbours.

Not here: the same through instruments (:mod:`labctl_procedures.program_array`), whose settings it takes.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from labctl.analysis.programming import rmse
from labctl.array import Levels
from labctl.networks.half_selected import HalfSelectedArray
from labctl.networks.physics_array import PhysicsArray
from labctl.physics.presets import Preset
from labctl.tuning import tune_cells
from labctl_procedures.program_array import ProgramArray

__all__ = ["form_die", "programmed_die"]

Cell = tuple[int, int]


def programmed_die(
    preset: Preset,
    loop: ProgramArray,
    target: Mapping[Cell, int],
    shape: tuple[int, int],
    seed: int,
    read_voltage_v: float,
    *,
    report: Callable[[float], None],
) -> dict[str, float]:
    """Form a fresh die, program it and read it.

    Parameters
    ----------
    preset : Preset
        Device file.
    loop : ProgramArray
        Whose parameters are used; it is not run.
    target : mapping of (int, int) to int, unit 1
        Level of each cell that is programmed.
    shape : tuple of two ints
        Rows and columns of the die.
    seed : int
        Of the die.
    read_voltage_v : float, unit V
    report : callable
        Told the part that is done, 0 to 1; may raise to stop.

    Returns
    -------
    dict of str to float, unit 1
        ``yield``, ``rmse_relative``, ``rmse_range`` and ``rmse_gmax`` of the programmed cells in a reading of its own,
        ``pulses_per_cell``.
    """
    array = HalfSelectedArray(preset, *shape, seed, read_voltage_v=read_voltage_v)
    level_s = Levels(loop.g_min, loop.g_max, loop.levels).conductances_s()
    targets_s = {cell: float(level_s[level]) for cell, level in target.items()}
    formed = form_die(array, loop)

    def passed(number: int, finished: int, total: int) -> None:
        report(1.0 - 0.3 ** (number - 1) * (1.0 - 0.7 * finished / total))

    states = tune_cells(
        array, {cell: one for cell, one in targets_s.items() if formed[cell]}, loop.pass_settings(), report=passed
    )
    done = [cell for cell, state in states.items() if state.failure is None]
    found = rmse(
        array.read_cells(done),
        np.array([targets_s[cell] for cell in done]),
        lowest_s=loop.g_min,
        highest_s=loop.g_max,
    )
    errors = {f"rmse_{name}": getattr(found, name, np.nan) for name in ("relative", "range", "gmax")}
    pulses = float(np.mean([state.pulses for state in states.values()])) if states else np.nan
    return {"yield": len(done) / len(target), **errors, "pulses_per_cell": pulses}


def form_die(array: PhysicsArray, loop: ProgramArray) -> npt.NDArray[np.bool_]:
    """Form the cells with the staircase of the procedure, each as if it was alone.

    Parameters
    ----------
    array : PhysicsArray
    loop : ProgramArray
        Whose parameters are used; it is not run.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
        Which of them conduct.
    """
    steps = round((loop.form_stop - loop.form_start) / loop.form_step)
    for voltage_v in np.linspace(loop.form_start, loop.form_stop, steps + 1):
        virgin = np.argwhere(array.map_s() < loop.formed_above)
        array.pulse_cells([(int(row), int(column)) for row, column in virgin], float(voltage_v), loop.form_width)
    return np.asarray(array.map_s() >= loop.formed_above)
