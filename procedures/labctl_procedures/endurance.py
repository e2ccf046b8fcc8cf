"""How many SET/RESET cycles a cell lives. Not here: what failed when, and laws of lives
(:mod:`labctl.analysis.endurance`).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter

from labctl.analysis.endurance import cell_life, fit_lives
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort
from labctl_procedures.cycling_procedure import CyclingProcedure
from labctl_procedures.estimated import estimated

__all__ = ["Endurance", "read_blocks"]

# unread cycles in one row: an abort waits for the end of a row
_UNREAD = 1000


@dataclass
class _Life:
    """States that were read, unit S, and the cycles that were given."""

    states_s: npt.NDArray[np.float64]
    lived: int = 0


class Endurance(CyclingProcedure):
    """Cycle cells until they fail, and read both states of every cycle; after 10,000 cycles, of stated blocks only.

    Applied: SET and RESET pulses, always the same. Read: after SET and after RESET of each cycle up to
    ``dense_cycles``, then of ``block_cycles`` cycles at log-spaced places and at the end; cycles that are not read are
    rows of the kind ``unread``, their number in the column Step. A cell fails with the first cycle whose window is
    below ``failure_window``; after ``failure_cycles`` of them in a row it is stuck and gets no further pulse. Cells are
    left at high resistance, or as they failed; at the end, and after an abort, outputs are off and relays open.
    """

    cycles = IntegerParameter(
        "Cycles", default=200, minimum=1, maximum=1000000000, description="Common: 1e4 to 1e6 with pulses"
    )
    dense_cycles = IntegerParameter(
        "Dense cycles",
        default=10000,
        minimum=1,
        maximum=1000000000,
        description="Every one is read (Lanza et al., ACS Nano 15, 17214 (2021): one reading per state and cycle)",
    )
    block_cycles = IntegerParameter(
        "Cycles per block",
        default=10,
        minimum=1,
        maximum=10000,
        description="Read in each block after the dense cycles",
    )
    blocks_per_decade = IntegerParameter(
        "Blocks per decade",
        default=10,
        minimum=1,
        maximum=1000,
        description="After the dense cycles. Default: assumed, as points of a log axis",
    )
    failure_window = QuantityParameter(
        "Failure window",
        "1",
        minimum=1.0,
        maximum=1e6,
        default=2.0,
        description="Ratio of the states below which a cycle has failed; common: 2 or 10",
    )
    failure_cycles = IntegerParameter(
        "Failure cycles", default=3, minimum=1, maximum=1000, description="In a row, until the cell is stuck"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, pulses that no source can give, and blocks too short to tell a failure.

        Raises
        ------
        RunError
            If a parameter breaks its rule.
        StationError
            If cells are not there.
        """
        super().check()
        if self.cycles > self.dense_cycles and self.block_cycles < self.failure_cycles:
            raise RunError(
                f"endurance: block_cycles must be at least failure_cycles ({self.failure_cycles}), got "
                f"{self.block_cycles}; or a block could not tell a failure"
            )

    def estimate(self) -> Estimate:
        """Return the pulses and readings of cells that live to the end."""
        readings = 2 * self._cycle_numbers().size
        pulses = self.cycles * len(self.cycle_voltages_v)
        estimate = self.pulse_estimate(readings, pulses, voltages_v=self.cycle_voltages_v, widths_s=(self.width,))
        rows = len(self.selected_cells()) * (2 * readings + self.cycles // _UNREAD + 100)
        return Estimate(rows, estimate.duration_s, estimate.voltage_v, estimate.current_a, estimate.width_s)

    def execute(self) -> None:
        """Cycle the selected cells one after another."""
        cells = self.formed_cells()
        numbers = self._cycle_numbers()
        found = {cell: _Life(np.full((2, numbers.size), np.nan)) for cell in cells}
        with self.open_pulses(self.cycle_voltages_v) as access:
            port = CellPort(self, access)
            self.visit(cells, lambda cell: self._live(cell, port, found[cell]))
        self.emit_cells(cells)
        self.emit("array", {"name": "cycle_number", "data": numbers, "dims": ("reading",), "unit": "1"})
        for index, name in enumerate(("low_resistance_state", "high_resistance_state")):
            self.emit_curves(name, {cell: life.states_s[index] for cell, life in found.items()}, ("reading",), "S")
        self.emit("summary", self.cell_results() | self._results(found))

    def _blocks(self) -> list[tuple[int, int]]:
        return read_blocks(
            self.cycles, dense=self.dense_cycles, length=self.block_cycles, per_decade=self.blocks_per_decade
        )

    def _cycle_numbers(self) -> npt.NDArray[np.int64]:
        return np.concatenate([np.arange(first, end) for first, end in self._blocks()])

    def _live(self, cell: Cell, port: CellPort, life: _Life) -> None:
        done = reading = streak = 0
        for first, end in self._blocks():
            while done < first:
                count = min(first - done, _UNREAD)
                done += count
                port.train(cell, self.cycle_voltages_v, self.width, count, cycle=done - 1, event="unread")
                self.part_done(done / self.cycles)
            for cycle in range(first, end):
                life.states_s[:, reading] = self.read_cycle(cell, port, cycle)
                low_resistance_s, high_resistance_s = life.states_s[:, reading]
                streak = streak + 1 if low_resistance_s < self.failure_window * high_resistance_s else 0
                life.lived = done = cycle + 1
                reading += 1
                if streak >= self.failure_cycles:
                    message = f"cell {cell}: no window in {streak} cycles up to {cycle}; no further pulse"
                    self.emit("event", {"kind": "cell failed", "message": message})
                    return
                self.part_done(done / self.cycles)

    def _results(self, found: dict[Cell, _Life]) -> dict[str, Any]:
        numbers, windows = self._cycle_numbers(), [np.empty(0)]
        ends: list[dict[str, Any]] = []
        lives: list[int] = []
        has_failed: list[bool] = []
        for (row, column), life in found.items():
            if not life.lived:
                continue
            told = cell_life(*life.states_s, least_window=self.failure_window, stuck_cycles=self.failure_cycles)
            windows.append(told.window[np.isfinite(told.window)])
            failure = _cycle(told.first_failure, numbers)
            lives.append(life.lived if failure is None else failure)
            has_failed.append(failure is not None)
            ends.append(
                {
                    "row": row,
                    "column": column,
                    "cycles": life.lived,
                    "first_failure": failure,
                    "stuck_from": _cycle(told.stuck_from, numbers),
                    "stuck_state": told.stuck_state,
                }
            )
        window = np.concatenate(windows)
        scheme = "every cycle was read"
        if self.cycles > self.dense_cycles:
            scheme += (
                f" up to {self.dense_cycles}, then {self.block_cycles} cycles at each of {len(self._blocks()) - 1} "
                f"places, {self.blocks_per_decade} per decade; between them no failure is seen"
            )
        return {
            "reading_scheme": scheme,
            "cycles_asked": self.cycles,
            "cells_failed": sum(has_failed),
            "first_failure": min(
                (life for life, failed in zip(lives, has_failed, strict=True) if failed), default=None
            ),
            "lives": ends,
            "window_median": float(np.median(window)) if window.size else None,
            "window_least": float(window.min()) if window.size else None,
            **estimated("weibull_shape", lambda: fit_lives(lives, has_failed).shape),
            **estimated("weibull_scale", lambda: fit_lives(lives, has_failed).scale),
        }


def _cycle(reading: int | None, numbers: npt.NDArray[np.int64]) -> int | None:
    """Number of the cycle, from 1, of a reading that is counted from 1."""
    return None if reading is None else int(numbers[reading - 1]) + 1


def read_blocks(cycles: int, *, dense: int, length: int, per_decade: int) -> list[tuple[int, int]]:
    """Return which cycles are read: the dense ones, then blocks at log-spaced places, the last at the end.

    Parameters
    ----------
    cycles : int
        Of the whole run.
    dense : int
        The first so many are read one by one.
    length : int
        Cycles of a block.
    per_decade : int
        Blocks per decade.

    Returns
    -------
    list of (int, int)
        First cycle of each block and the one after its last, counted from 0; they do not overlap.
    """
    blocks = [(0, min(cycles, dense))]
    place = 1
    while cycles > dense and blocks[-1][1] < cycles:
        first = max(round(dense * 10.0 ** (place / per_decade)), blocks[-1][1])
        # what is left is less than two blocks: the last one ends with the run
        if first + 2 * length > cycles:
            first = max(cycles - length, blocks[-1][1])
            blocks.append((first, cycles))
        else:
            blocks.append((first, first + length))
        place += 1
    return blocks
