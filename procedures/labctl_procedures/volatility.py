"""Whether a SET state stays: one pulse, then dense and log-spaced readings. Not here: hours (``retention``)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter

from labctl.analysis.intervals import Estimate as Interval
from labctl.analysis.intervals import bootstrap
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellRow, CellStopped, or_nan
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.drift import drift_per_decade
from labctl_procedures.estimated import estimated, named
from labctl_procedures.spacing import one_two_five

__all__ = ["Volatility"]

FloatArray = npt.NDArray[np.float64]

_BEFORE, _DENSE, _LAST = 0, 1, 3


@dataclass(frozen=True, slots=True)
class _Decay:
    """Readings of one cell: window before the pulse, ages and readings after it."""

    before_s: FloatArray
    age_s: FloatArray
    conductance_s: FloatArray


class Volatility(CellProcedure):
    """Tell whether the state that one SET pulse leaves is volatile.

    Applied: RESET pulses until the cell reads below ``start_below``, never one more; then one SET pulse. Read: a window
    of equally spaced samples before the pulse, the same right after it, readings at 2, 5, 10... s, and the same window
    at the end. A cell is volatile when Welch's t-test tells the first window from the last one and the loss of what
    the pulse gained is larger than ``volatile_above``; the drift per decade of time is given besides. Cells are left
    after the SET; at the end, and after an abort, outputs are off and relays open.
    """

    set_voltage = QuantityParameter(
        "SET voltage", "V", minimum=0.01, maximum=10.0, default=1.0, description="UCSB fit of TiOx: 0.8 to 1.15 V"
    )
    reset_voltage = QuantityParameter(
        "RESET voltage", "V", minimum=-10.0, maximum=-0.01, default=-1.4, description="UCSB fit of TiOx: -0.8 to -1.5 V"
    )
    width = QuantityParameter(
        "Pulse width", "s", minimum=1e-8, maximum=10.0, default="100 us", description="ArC instruments: 100 us"
    )
    start_below = QuantityParameter(
        "Start below",
        "S",
        minimum=1e-9,
        maximum=1.0,
        default="30 uS",
        description="The RESET pulses before end below this. Default: assumed, a tenth of the range of TiOx/Al2O3",
    )
    reset_pulses = IntegerParameter(
        "RESET pulses",
        default=100,
        minimum=0,
        maximum=100000,
        description="At most; a cell that needs more is left alone",
    )
    window = IntegerParameter(
        "Window",
        default=100,
        minimum=8,
        maximum=100000,
        description="Samples before the pulse, after it and at the end; ArC MultiStateSeeker: Welch's t-test on 100",
    )
    interval = QuantityParameter(
        "Interval",
        "s",
        minimum=1e-4,
        maximum=100.0,
        default="10 ms",
        description="From one sample of a window to the next; longer where an integration takes longer",
    )
    last = QuantityParameter(
        "Last reading", "s", minimum=10.0, maximum=1e8, default=100.0, description="Age of the state at the last window"
    )
    significance = QuantityParameter(
        "Significance", "1", minimum=1e-12, maximum=0.5, default=0.01, description="Of Welch's t-test, two-sided"
    )
    volatile_above = QuantityParameter(
        "Volatile above",
        "1",
        minimum=0.0,
        maximum=1.0,
        default="10 %",
        description="Loss over gain. Default: assumed; a test alone calls every drift volatile that noise lets through",
    )
    integration = QuantityParameter(
        "Integration",
        "1",
        minimum=0.001,
        maximum=25.0,
        default=0.1,
        description="In power-line cycles; short for speed",
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, and windows that last longer than the whole.

        Raises
        ------
        RunError, StationError
            If a parameter breaks its rule, or a cell is not there.
        """
        super().check()
        if not self.window * self.interval < 0.5 * self.last:
            raise RunError(
                f"volatility: a window of {self.window} samples takes {self.window * self.interval:.4g} s; it must be "
                f"less than half of last ({self.last:.4g} s)"
            )

    def estimate(self) -> Estimate:
        """Return the rows with a tenth of the allowed RESET pulses, and the time that they take."""
        pulses = 1 + self.reset_pulses // 10
        windows, reads = 3 * self.window, len(self._ages()) + pulses + 1
        cells = len(self.selected_cells())
        sample_s = max(self.interval, self.integration / 50.0)
        return Estimate(
            cells * (windows + reads + pulses),
            cells * (2 * self.window * sample_s + self.last + self.rack_time_s(pulses)),
            voltage_v=max(self.set_voltage, -self.reset_voltage, self.form_stop if self.form_unformed else 0.0),
            current_a=max(float(self.current_limit), self.form_limit_a),
            width_s=self.width,
        )

    def execute(self) -> None:
        """Pulse and watch the selected cells."""
        cells = self.formed_cells()
        largest_v = max(self.set_voltage, -self.reset_voltage)
        with self.open_access(pulse_voltage_v=largest_v, current_limit_a=self.current_limit) as access:
            port = CellPort(self, access)
            found = self.visit(cells, lambda cell: self._watch(cell, port))
        self.emit_cells(list(found))
        self.emit_curves("age", {cell: decay.age_s for cell, decay in found.items()}, ("step",), "s")
        self.emit_curves("conductance", {cell: decay.conductance_s for cell, decay in found.items()}, ("step",), "S")
        self.emit_curves("before", {cell: decay.before_s for cell, decay in found.items()}, ("sample",), "S")
        self.emit("summary", {**self.cell_results(), **self._results(found)})

    def _ages(self) -> list[float]:
        return [age_s for age_s in one_two_five(1.0, self.last) if self.window * self.interval < age_s < self.last]

    def _watch(self, cell: Cell, port: CellPort) -> _Decay:
        self._reset(cell, port)
        before = self._window(cell, port, _BEFORE)
        pulse = port.pulse(cell, self.set_voltage, self.width)
        rows = self._window(cell, port, _DENSE)
        # a pulse that was cut has no time of its own
        start_s = pulse.time_s if pulse.time_s is not None else (rows[0].time_s or 0.0) if rows else self.elapsed_s()
        for step, due_s in enumerate([*self._ages(), float(self.last)]):
            rows.append(port.read(cell, cycle=2, step=step, not_before_s=start_s + due_s))
            self.part_done(due_s / self.last)
        rows += self._window(cell, port, _LAST)
        age_s = np.array([or_nan(row.time_s) for row in rows]) - start_s
        return _Decay(_conductances_s(before), age_s, _conductances_s(rows))

    def _reset(self, cell: Cell, port: CellPort) -> None:
        """Bring the cell down, pulse by pulse."""
        conductance_s = port.read(cell, cycle=_BEFORE, step=0).conductance_s
        for step in range(1, self.reset_pulses + 1):
            if conductance_s is not None and conductance_s <= self.start_below:
                return
            port.pulse(cell, self.reset_voltage, self.width, cycle=_BEFORE, step=step)
            conductance_s = port.read(cell, cycle=_BEFORE, step=step).conductance_s
        if conductance_s is None or conductance_s > self.start_below:
            raise CellStopped(
                f"reads {or_nan(conductance_s):.4g} S after {self.reset_pulses} RESET pulses, start_below is "
                f"{self.start_below:.4g} S"
            )

    def _window(self, cell: Cell, port: CellPort, cycle: int) -> list[CellRow]:
        return port.sample(cell, self.read_voltage, self.window, interval_s=self.interval, cycle=cycle)

    def _results(self, found: dict[Cell, _Decay]) -> dict[str, object]:
        losses = {cell: self._loss(decay) for cell, decay in found.items()}
        told = {cell: loss for cell, loss in losses.items() if loss is not None}
        self.emit_values("state_loss", {cell: loss.value for cell, (loss, _) in told.items()}, "1")
        volatile = {cell for cell, (loss, p_value) in told.items() if self._is_volatile(loss, p_value)}
        results: dict[str, object] = {
            "volatile_cells": len(volatile),
            "non_volatile_cells": len(told) - len(volatile),
            "cells_without_effect": len(losses) - len(told),
        }
        if len(told) == 1:
            ((cell, (loss, p_value)),) = told.items()
            decay = found[cell]
            results |= {"verdict": "volatile" if volatile else "non-volatile", "welch_p": p_value}
            results |= named("state_loss", loss)
            results |= estimated("drift_per_decade", lambda: _drift(decay))
        elif told:
            values = np.array([loss.value for loss, _ in told.values()])
            results |= estimated(
                "state_loss", lambda: bootstrap(values, lambda samples: samples.mean(axis=1), unit="1")
            )
        return results

    def _is_volatile(self, loss: Interval, p_value: float) -> bool:
        return p_value < self.significance and loss.value > self.volatile_above

    def _loss(self, decay: _Decay) -> tuple[Interval, float] | None:
        """Return loss over gain and the p-value of Welch's t-test; None where the pulse gained nothing."""
        from scipy.stats import ttest_ind

        before, first, last = (
            values[np.isfinite(values)]
            for values in (decay.before_s, decay.conductance_s[: self.window], decay.conductance_s[-self.window :])
        )
        if min(before.size, first.size, last.size) < self.window // 2:
            return None
        gain_s = float(first.mean() - before.mean())
        gained = ttest_ind(first, before, equal_var=False)
        if not (gain_s > 0.0 and gained.pvalue < self.significance):
            return None
        lost = ttest_ind(first, last, equal_var=False)
        ends = lost.confidence_interval(0.95)
        loss = float(first.mean() - last.mean())
        points = first.size + last.size
        return Interval(loss / gain_s, ends.low / gain_s, ends.high / gain_s, "1", points), float(lost.pvalue)


def _drift(decay: _Decay) -> Interval:
    """Return the relative drift per decade of age, over logarithmic bins."""
    kept = decay.age_s > 0.0
    decades, conductance_s = np.log10(decay.age_s[kept]), decay.conductance_s[kept]
    bins = np.floor(5.0 * decades)
    middle, mean_s = (
        np.array([values[bins == one].mean() for one in np.unique(bins)]) for values in (decades, conductance_s)
    )
    return drift_per_decade(middle, mean_s, "the drift of a state, logarithmic bins of its age")


def _conductances_s(rows: list[CellRow]) -> FloatArray:
    return np.array([or_nan(row.conductance_s) for row in rows])
