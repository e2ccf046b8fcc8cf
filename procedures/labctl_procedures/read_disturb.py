"""What many readings do to a cell, and how linear it reads. Not here: disturb by half-selected pulses."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter

from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.drift import drift_per_decade
from labctl_procedures.estimated import estimated
from labctl_procedures.spacing import one_two_five

__all__ = ["LINEARITY_V", "ReadDisturb"]

FloatArray = npt.NDArray[np.float64]

LINEARITY_V = (0.02, 0.05, 0.1, 0.2, 0.3)
"""Voltages of the I-V below switching, unit V; each is applied with both signs."""

# readings in one unit of work: what an interruption can cost
_CHUNK = 1000


class ReadDisturb(CellProcedure):
    """Read cells many times, tell the drift by the number of readings, and measure I-V at 0.02 to 0.3 V.

    Applied: the read voltage, held for blocks of readings that end at 1, 2, 5, 10... of them, with 0 V between blocks;
    then voltages of both signs up to 0.3 V. Read: the current, again and again. The drift is the mean step from block
    to block in the logarithm of the number of readings, with an interval that allows for 1/f noise. Cells are left as
    the readings leave them; at the end, and after an abort, outputs are off and relays open.
    """

    reads = IntegerParameter(
        "Readings",
        default=1000,
        minimum=20,
        maximum=1000000,
        description="Of each cell; the field quotes 1e4 to 1e6",
    )
    interval = QuantityParameter(
        "Interval",
        "s",
        minimum=0.0,
        maximum=1000.0,
        default=0.0,
        description="From one reading to the next of a block; 0 for as fast as the meter can",
    )
    rest = QuantityParameter(
        "Rest",
        "s",
        minimum=0.0,
        maximum=1e7,
        default=100.0,
        description="Wait before the first reading, so that relaxation after forming is not taken for disturb",
    )
    linearity_readings = IntegerParameter(
        "Linearity readings", default=5, minimum=1, maximum=10000, description="At each of the low voltages and signs"
    )
    disturbed_above = QuantityParameter(
        "Disturbed above",
        "1",
        minimum=0.0,
        maximum=10.0,
        default="1 %",
        description="A cell is disturbed when its change over all readings is certainly not 0 and larger",
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def estimate(self) -> Estimate:
        """Return the number of readings and the time that they take."""
        held, linear = self.reads, 2 * len(LINEARITY_V) * self.linearity_readings
        reading_s = self.integration / 50.0 + 0.005
        cells = len(self.selected_cells())
        return Estimate(
            cells * (held + linear + 1),
            cells * (held * max(self.interval, reading_s) + linear * (reading_s + 0.1) + self.rest + 1.0),
            voltage_v=max(self.read_voltage, max(LINEARITY_V), self.form_stop if self.form_unformed else 0.0),
            current_a=max(float(self.current_limit), self.form_limit_a),
        )

    def execute(self) -> None:
        """Read the selected cells."""
        cells = self.formed_cells()
        with self.open_access(pulse_voltage_v=max(LINEARITY_V), current_limit_a=self.current_limit) as access:
            port = CellPort(self, access)
            found = self.visit(cells, lambda cell: (self._blocks(cell, port), self._linearity(cell, port)))
        conductance_s = {cell: blocks for cell, (blocks, _) in found.items()}
        currents_a = {cell: currents for cell, (_, currents) in found.items()}
        ends = self._ends()
        self.emit_cells(list(found))
        self.emit("array", {"name": "reads", "data": ends, "dims": ("step",), "unit": "1"})
        for name, figure in (("conductance", np.mean), ("scatter", np.std)):
            values = {cell: [float(figure(block)) for block in blocks] for cell, blocks in conductance_s.items()}
            self.emit_curves(name, values, ("step",), "S")
        self.emit("array", {"name": "voltage", "data": _signed(), "dims": ("level",), "unit": "V"})
        self.emit_curves("current", currents_a, ("level",), "A")
        self.emit("summary", {**self.cell_results(), **self._results(conductance_s, currents_a)})

    def _ends(self) -> list[int]:
        """Return after how many readings each block ends."""
        return [round(count) for count in one_two_five(1.0, float(self.reads))]

    def _blocks(self, cell: Cell, port: CellPort) -> list[list[float]]:
        port.read(cell, after_s=self.rest)
        blocks: list[list[float]] = []
        done = 0
        for step, end in enumerate(self._ends()):
            block: list[float] = []
            while done < end:
                count = min(_CHUNK, end - done)
                rows = port.sample(cell, self.read_voltage, count, interval_s=self.interval, cycle=0, step=step)
                done += count
                for row in rows:
                    self.check_reading(row)
                    if row.conductance_s is not None:
                        block.append(row.conductance_s)
                self.part_done(done / self.reads)
            blocks.append(block or [np.nan])
        return blocks

    def _linearity(self, cell: Cell, port: CellPort) -> list[float]:
        """Return the mean current at each of the low voltages."""
        currents_a = []
        for step, voltage_v in enumerate(_signed()):
            rows = port.sample(
                cell, voltage_v, self.linearity_readings, interval_s=0.0, cycle=1, step=step, event="linearity"
            )
            values_a = [row.current_a for row in rows if row.current_a is not None]
            currents_a.append(float(np.mean(values_a)) if values_a else np.nan)
        return currents_a

    def _results(
        self, conductance_s: dict[Cell, list[list[float]]], currents_a: dict[Cell, list[float]]
    ) -> dict[str, object]:
        results: dict[str, object] = {"reads": self.reads}
        ends = np.array(self._ends(), dtype=float)
        middle = np.log10(0.5 * (np.concatenate([[0.0], ends[:-1]]) + 1.0 + ends))
        means = [np.array([np.mean(block) for block in blocks]) for blocks in conductance_s.values()]
        drifts = [drift_per_decade(middle, mean_s, "the drift of readings, blocks") for mean_s in means]
        if drifts:
            worst = max(drifts, key=lambda drift: abs(drift.value))
            decades = float(np.log10(self.reads))
            results |= estimated("drift_per_decade", lambda: worst)
            results["change_over_all_reads"] = worst.value * decades
            results["disturbed_cells"] = sum(
                drift.low * drift.high > 0.0 and abs(drift.value) * decades > self.disturbed_above for drift in drifts
            )
            conductances_s = np.array([_odd_conductance(values) for values in currents_a.values()])
            results["nonlinearity"] = float(np.median(conductances_s[:, -1] / conductances_s[:, 0] - 1.0))
            results["cubic_over_linear_per_v2"] = float(np.median([_cubic_share(values) for values in conductances_s]))
        return results


def _signed() -> list[float]:
    return [sign * voltage_v for voltage_v in LINEARITY_V for sign in (1.0, -1.0)]


def _odd_conductance(currents_a: list[float]) -> FloatArray:
    """Return I / V without the offset of the meter, which is the same for both signs."""
    pairs_a = np.array(currents_a).reshape(-1, 2)
    return np.asarray((pairs_a[:, 0] - pairs_a[:, 1]) / (2.0 * np.array(LINEARITY_V)))


def _cubic_share(conductances_s: FloatArray) -> float:
    """Return a3 / a1 of I = a1 V + a3 V^3, unit 1/V^2, by least squares of I / V over V^2."""
    slope, intercept = np.polyfit(np.square(LINEARITY_V), conductances_s, 1)
    return float(slope / intercept)
