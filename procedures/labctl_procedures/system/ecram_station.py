"""The layer of the ECRAM system and the station: what is refused, and how its cells are programmed through instruments.

Not here: the same on dies that are physics alone (``ecram_parts``), counting pulses
(:mod:`labctl.tuning.counted_pulses`).
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from labctl.array.cell_access import CellAccess
from labctl.errors import RunError
from labctl.networks.tiles import tile_count
from labctl.physics.live_die import make_die
from labctl.physics.presets import Preset
from labctl.tuning import Pulse
from labctl.tuning.counted_pulses import program_by_count
from labctl_procedures.array_procedure import ArrayProcedure, RecordedCells

__all__ = ["program_on_station", "refuse_device", "refuse_size"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Cell = tuple[int, int]


def refuse_device(name: str, preset: Preset, *, levels: int, g_min_s: float, g_max_s: float) -> None:
    """Refuse a device that is no electrochemical transistor, or that cannot make the levels.

    Parameters
    ----------
    name : str
        Of the procedure, for the message.
    preset : Preset
    levels : int
    g_min_s, g_max_s : float, unit S
        Lowest and highest level.

    Raises
    ------
    RunError
        With what can be.
    """
    if preset.family != "ecram":
        raise RunError(
            f"{name}: needs electrochemical transistors, {preset.name} is of family {preset.family}; choose a station "
            "such as ecram-32x32"
        )
    low_s, high_s = make_die(preset, 1, 1, 0).window_s
    if not low_s <= g_min_s < g_max_s <= high_s:
        raise RunError(
            f"{name}: {preset.name} is programmed between {low_s:.4g} S and {high_s:.4g} S, asked for {levels} levels "
            f"from {g_min_s:.4g} S to {g_max_s:.4g} S; change g_min and g_max"
        )
    spacing_s = (g_max_s - g_min_s) / (levels - 1)
    half_s = 0.5 * preset["update.step"] * preset["read.half_range"]
    if spacing_s < half_s:
        raise RunError(
            f"{name}: {levels} levels from {g_min_s:.4g} S to {g_max_s:.4g} S are {spacing_s:.3g} S apart, half a "
            f"pulse of {preset.name} moves {half_s:.3g} S; at most {int((g_max_s - g_min_s) / half_s) + 1} levels"
        )


def refuse_size(name: str, inputs: int, outputs: int, *, rows: int, columns: int) -> None:
    """Refuse a layer whose tiles do not fit side by side on the die.

    Parameters
    ----------
    name : str
        Of the procedure, for the message.
    inputs, outputs : int
        Of the layer.
    rows, columns : int
        Of the die.

    Raises
    ------
    RunError
        With the tiles that it needs and those that fit.
    """
    most = columns // (outputs + 1)
    needed = tile_count(inputs, outputs, rows=rows, columns=outputs)
    if needed > most:
        raise RunError(
            f"{name}: a layer of {inputs} x {outputs} weights needs {needed} tiles of {rows} x {outputs + 1} devices "
            f"side by side, a reference in each row; this die of {rows} x {columns} takes {most}: at most "
            f"{most * rows} units in the last hidden layer"
        )


def program_on_station(
    procedure: ArrayProcedure,
    access: CellAccess,
    target_s: FloatArray,
    *,
    pulses: tuple[float, float, float],
    steps_s: tuple[float, float],
    corrections: int,
    report: Callable[[float], None],
) -> tuple[FloatArray, FloatArray]:
    """Program a block of cells by counted pulses and read them.

    Parameters
    ----------
    procedure : ArrayProcedure
        Whose rows they become.
    access : CellAccess
    target_s : ndarray, shape (rows, columns), unit S
        NaN where no device is wanted.
    pulses : tuple of three floats
        Voltage up and down, unit V, and width, unit s.
    steps_s : tuple of two floats, unit S
        Mean change by a pulse up and by one down.
    corrections : int
        Passes after open loop.
    report : callable
        Told the part that is done, 0 to 1; may raise to stop.

    Returns
    -------
    ndarray, shape (rows, columns), unit S
        What was read at the end; NaN where no device was wanted or the meter went over range.
    ndarray, shape (rows, columns), unit 1
        Pulses that each cell got.
    """
    # column by column: the source line of a cell is that of the next one
    cells = [(int(row), int(column)) for column, row in np.argwhere(np.isfinite(target_s.T))]
    port = RecordedCells(procedure, access)
    up_v, down_v, width_s = pulses
    sweeps = 2 * (1 + corrections) + 1
    done = 0

    def read(chosen: Sequence[Cell]) -> FloatArray:
        nonlocal done
        found_s = np.full(len(chosen), np.nan)
        for index, cell in enumerate(chosen):
            value_s = port.read(*cell, event="read_back")
            found_s[index] = np.nan if value_s is None else value_s
            report((done + index / len(chosen)) / sweeps)
        done += 1
        return found_s

    def give(chosen: Sequence[Cell], counts: IntArray) -> None:
        nonlocal done
        for index, (cell, count) in enumerate(zip(chosen, counts, strict=True)):
            port.train(*cell, Pulse(up_v if count > 0 else down_v, width_s), abs(int(count)))
            report((done + index / len(chosen)) / sweeps)
        done += 1

    values_s, passes = program_by_count(
        cells,
        np.array([target_s[cell] for cell in cells]),
        read=read,
        give=give,
        up_step_s=steps_s[0],
        down_step_s=steps_s[1],
        corrections=corrections,
    )
    found_s, given = np.full(target_s.shape, np.nan), np.full(target_s.shape, np.nan)
    for index, cell in enumerate(cells):
        found_s[cell] = values_s[index]
        given[cell] = sum(abs(int(one.pulses[index])) for one in passes)
    return found_s, given
