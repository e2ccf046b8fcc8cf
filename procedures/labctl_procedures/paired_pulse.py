"""Paired-pulse facilitation. Not here: the index (:mod:`labctl.analysis.paired_pulse`)."""

from itertools import product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter

from labctl.analysis.paired_pulse import facilitation_index
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort
from labctl_procedures.levelling import Leveller, read_conductance
from labctl_procedures.pulse_procedure import PulseProcedure
from labctl_procedures.spacing import log_spaced

__all__ = ["PairedPulse"]

_ARRAYS = (("first_response", "S"), ("second_response", "S"), ("measured_delay", "s"))
_USUAL_LEVEL_PULSES = 4


class PairedPulse(PulseProcedure):
    """Give two equal pulses at log-spaced distances, and compare what each of them does.

    Applied: pulses that bring the cell to the initial conductance, then the pair. Read: before the pair and after each
    of its pulses; the reading between them is part of the distance, which is taken from the times of the pulses. Both
    responses count from the conductance before the pair: what is left of the first one counts for the second, so that a
    cell that forgets nothing has an index of 2 and one that forgets all has 1. Cells are left after the last pair; at
    the end, and after an abort, outputs are off and relays open.
    """

    initial = QuantityParameter(
        "Initial conductance",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="50 uS",
        description="Before each pair, within the level tolerance; assumed: where SET of TiOx/Al2O3 is gradual",
    )
    voltage = QuantityParameter(
        "Pulse voltage",
        "V",
        minimum=-10.0,
        maximum=10.0,
        default=0.7,
        description="Adapted to TiOx/Al2O3 at 100 us; UCSB cells 0.8 to 1.15 V",
    )
    width = QuantityParameter(
        "Pulse width", "s", minimum=1e-8, maximum=10.0, default="100 us", description="ArC instruments: 100 us"
    )
    delay_from = QuantityParameter(
        "Shortest distance",
        "s",
        minimum=1e-3,
        maximum=1e5,
        default="0.5 s",
        description="Between the pulses; a reading must fit in",
    )
    delay_to = QuantityParameter(
        "Longest distance",
        "s",
        minimum=1e-3,
        maximum=1e6,
        default="100 s",
        description="Default: assumed, more than two decades above the shortest",
    )
    delays = IntegerParameter("Distances", default=5, minimum=1, maximum=1000, description="Log-spaced")
    repeats = IntegerParameter(
        "Repeats", default=10, minimum=1, maximum=10000, description="Pairs of each distance; an interval needs 8"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, distances that run backwards, and pulses that no source can give.

        Raises
        ------
        RunError
            If a parameter breaks its rule.
        StationError
            If cells are not there.
        """
        super().check()
        if self.delay_from > self.delay_to:
            raise RunError(
                f"paired_pulse: delay_from must be at most delay_to, got {self.delay_from:.4g} s and "
                f"{self.delay_to:.4g} s"
            )
        if self.voltage == 0.0:
            raise RunError("paired_pulse: a pulse of 0 V does nothing; give a voltage")
        self.check_pulses((self.width,))

    def estimate(self) -> Estimate:
        """Return the pairs with their readings and their usual number of levelling pulses."""
        pairs = self.repeats * self.delays
        pulses = pairs * (2 + _USUAL_LEVEL_PULSES)
        waits_s = self.repeats * float(self._delays_s().sum())
        return self.pulse_estimate(
            pulses + 2 * pairs, pulses, voltages_v=(self.voltage,), widths_s=(self.width,), waits_s=waits_s
        )

    def execute(self) -> None:
        """Visit the selected cells one after another."""
        cells = self.formed_cells()
        shape = (len(_ARRAYS), self.repeats, self.delays)
        found = {cell: np.full(shape, np.nan) for cell in cells}
        with self.open_pulses((self.voltage,)) as access:
            port, leveller = CellPort(self, access), Leveller.of(self)
            self.visit(cells, lambda cell: self._pairs(cell, port, leveller, found[cell]))
        self.emit_cells(cells)
        self.emit("array", {"name": "delay", "data": self._delays_s(), "dims": ("distance",), "unit": "s"})
        for index, (name, unit) in enumerate(_ARRAYS):
            self.emit_curves(name, {cell: data[index] for cell, data in found.items()}, ("repeat", "distance"), unit)
        self.emit("summary", self.cell_results() | self._results(found))

    def _delays_s(self) -> npt.NDArray[np.float64]:
        return log_spaced(self.delay_from, self.delay_to, self.delays)

    def _pairs(self, cell: Cell, port: CellPort, leveller: Leveller, data: npt.NDArray[np.float64]) -> None:
        delays_s = self._delays_s()
        points = list(product(range(self.repeats), range(delays_s.size)))
        for step, (repeat, index) in enumerate(points):
            levelled = leveller.must_reach(port, cell, self.initial, cycle=repeat, step=step)
            if levelled.is_reached:
                data[:, repeat, index] = self._pair(cell, port, float(delays_s[index]), repeat, step)
            else:
                message = f"cell {cell}: {delays_s[index]:.4g} s: {levelled.reason}"
                self.emit("event", {"kind": "not initialised", "message": message})
            self.part_done((step + 1) / len(points))

    def _pair(self, cell: Cell, port: CellPort, delay_s: float, repeat: int, step: int) -> tuple[float, float, float]:
        """Give one pair; return both responses and the distance, NaN where a pulse was cut by an interruption."""
        before_s = read_conductance(port, cell, cycle=repeat, step=step)
        first = port.pulse(cell, self.voltage, self.width, cycle=repeat, step=step, event="pulse")
        reading = port.read(cell, cycle=repeat, step=step)
        if first.time_s is None or reading.time_s is None or reading.conductance_s is None:
            return np.nan, np.nan, np.nan
        wait_s = max(0.0, delay_s - (reading.time_s - first.time_s))
        second = port.pulse(cell, self.voltage, self.width, cycle=repeat, step=step, event="pulse", after_s=wait_s)
        after_s = read_conductance(port, cell, cycle=repeat, step=step)
        if second.time_s is None:
            return np.nan, np.nan, np.nan
        return reading.conductance_s - before_s, after_s - before_s, second.time_s - first.time_s

    def _results(self, found: dict[Cell, npt.NDArray[np.float64]]) -> dict[str, Any]:
        """Return the index at each distance, over the pairs of all cells, of which each counts once."""
        indices = []
        for place in range(self.delays):
            first, second, delay_s = (
                np.array([data[index][:, place] for data in found.values()]).reshape(-1, self.repeats)
                for index in range(len(_ARRAYS))
            )
            seen = delay_s[np.isfinite(delay_s)]
            told: dict[str, Any] = {
                "delay": float(seen.mean()) if seen.size else None,
                "pairs": int(seen.size),
                "cells": int(np.isfinite(delay_s).any(axis=1).sum()),
            }
            try:
                index = facilitation_index(first, second)
            except ValueError as error:
                indices.append(told | {"index": None, "reason": str(error)})
                continue
            indices.append(told | {"index": index.value, "index_low": index.low, "index_high": index.high})
        values = [one["index"] for one in indices if one["index"] is not None]
        return {
            "facilitation": indices,
            "facilitation_shortest": values[0] if values else None,
            "facilitation_longest": values[-1] if values else None,
        }
