"""Contacts and leakage of cells, formed or not, at voltages that change nothing. Not here: forming."""

from functools import partial
from typing import ClassVar

import numpy as np
from pymeasure.experiment import BooleanParameter, IntegerParameter

from labctl.analysis.distributions import binomial_yield
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellRow
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.estimated import estimated

__all__ = ["CLASSES", "CheckContacts"]

CLASSES = ("open", "leaking", "formed", "shorted")
"""What the numbers of the array ``contact_class`` mean, from 0."""

_SHORTED = CLASSES.index("shorted")
_DWELL_S = 1e-3


class CheckContacts(CellProcedure):
    """Tell which cells are open, leaking (contacted and not formed), formed or shorted, at 0.3 V at most.

    Applied: two low voltages of both signs on one cell after another; the others are on ground while the current is
    read, and see at most half of the voltage while the compliance is looked at. Read: whether a source meets its
    compliance, then the current of the cell; the mean of both signs is the offset of the meter and drops out of the
    conductance, which is that at the higher voltage. Linearity is G(high) / G(low) = R(low) / R(high). The higher
    voltage is left out where the lower one meets the compliance or shows a short circuit. Cells are left as they were;
    at the end, and after an abort, outputs are off and relays open.
    """

    form_unformed = BooleanParameter(
        "Form unformed cells", default=False, description="Not allowed here: this procedure changes no cell"
    )
    low_voltage = QuantityParameter(
        "Low voltage",
        "V",
        minimum=1e-3,
        maximum=0.3,
        default=0.1,
        description="Lanza et al., ACS Nano 15, 17214 (2021)",
    )
    high_voltage = QuantityParameter(
        "High voltage",
        "V",
        minimum=1e-3,
        maximum=0.3,
        default=0.3,
        description="R(low) / R(high) is the linearity. Default: what a virgin cell bears, the largest read voltage",
    )
    readings = IntegerParameter(
        "Readings", default=3, minimum=1, maximum=10000, description="At each voltage and sign; their mean counts"
    )
    open_below = QuantityParameter(
        "Open below",
        "S",
        minimum=0.0,
        maximum=1.0,
        default="0.3 nS",
        description="A cell that reads less has no contact. Default: assumed, 3 times the largest virgin resistance",
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, and limits and voltages that contradict each other.

        Raises
        ------
        RunError, StationError
            If a parameter breaks its rule, or a cell is not there.
        """
        super().check()
        if self.form_unformed:
            raise RunError("check_contacts: form_unformed must be false, it changes no cell; form with form_dc")
        if not self.low_voltage < self.high_voltage:
            raise RunError(
                f"check_contacts: low_voltage must be less than high_voltage, got {self.low_voltage:.4g} V and "
                f"{self.high_voltage:.4g} V"
            )
        if not self.open_below < self.formed_above < self.shorted_above:
            raise RunError(
                "check_contacts: open_below < formed_above < shorted_above must hold, got "
                f"{self.open_below:.4g} S, {self.formed_above:.4g} S and {self.shorted_above:.4g} S"
            )

    def estimate(self) -> Estimate:
        """Return the number of readings and the time that they take."""
        points = len(self.selected_cells()) * 4 * (self.readings + 1)
        # the settling of the lowest current ranges, which virgin cells need, is most of it
        return Estimate(
            points, points * (self.integration / 50.0 + 0.4), voltage_v=self.high_voltage, current_a=self.current_limit
        )

    def execute(self) -> None:
        """Classify the selected cells."""
        with self.open_access(pulse_voltage_v=self.high_voltage, current_limit_a=self.current_limit) as access:
            port = CellPort(self, access)
            currents_a = self.visit(self.selected_cells(), lambda cell: self._currents(cell, port))
        voltages_v = np.array(self._voltages())
        low, high = ({cell: self._conductance(found, pair) for cell, found in currents_a.items()} for pair in (0, 1))
        classes = {cell: self._class_of(low[cell], high[cell]) for cell in currents_a}
        self.emit_cells(list(currents_a))
        self.emit("array", {"name": "voltage", "data": voltages_v, "dims": ("step",), "unit": "V"})
        self.emit_curves("current", currents_a, ("step",), "A")
        self.emit_values("contact_class", {cell: float(kind) for cell, kind in classes.items()}, "1")
        self.emit_values("conductance", high, "S")
        linearity = {cell: high[cell] / low[cell] for cell in currents_a if low[cell] > self.open_below}
        self.emit_values("linearity", linearity, "1")
        self.emit("summary", {**self.cell_results(), **self._results(classes, high, linearity)})

    def _voltages(self) -> list[float]:
        return [self.low_voltage, -self.low_voltage, self.high_voltage, -self.high_voltage]

    def _currents(self, cell: Cell, port: CellPort) -> list[float]:
        """Return the mean currents; infinite where a limit was met, NaN where the higher voltage was left out."""
        found = self._pair(cell, port, 0)
        if not self._conductance(found, 0) <= self.shorted_above:
            return [*found, np.nan, np.nan]
        return found + self._pair(cell, port, 1)

    def _pair(self, cell: Cell, port: CellPort, pair: int) -> list[float]:
        """Return the mean current at a voltage of both signs."""
        voltages_v = self._voltages()[2 * pair : 2 * pair + 2]
        # a sweep shows the compliance of both ends
        rows = port.sweep(cell, voltages_v, dwell_s=_DWELL_S, cycle=pair)
        found: list[float] = []
        for step, voltage_v in enumerate(voltages_v):
            if not _is_limited(rows):
                rows = port.sample(cell, voltage_v, self.readings, interval_s=0.0, cycle=pair, step=step)
            if _is_limited(rows):
                return [np.inf, -np.inf]
            values_a = [row.current_a for row in rows if row.current_a is not None]
            found.append(float(np.mean(values_a)) if values_a else np.nan)
        return found

    def _conductance(self, currents_a: list[float], pair: int) -> float:
        """Return the conductance at the lower (0) or higher (1) voltage, without the offset of the meter."""
        plus_a, minus_a = currents_a[2 * pair : 2 * pair + 2]
        return (plus_a - minus_a) / (2.0 * self._voltages()[2 * pair])

    def _class_of(self, low_s: float, high_s: float) -> int:
        if not low_s <= self.shorted_above or not high_s <= self.shorted_above:
            return _SHORTED
        # the higher voltage stands out more from the noise of conducting neighbours on the bit line
        return int(np.searchsorted([self.open_below, self.formed_above], high_s, side="right"))

    def _results(
        self, classes: dict[Cell, int], conductance_s: dict[Cell, float], linearity: dict[Cell, float]
    ) -> dict[str, object]:
        results: dict[str, object] = {}
        for number, name in enumerate(CLASSES):
            count = sum(kind == number for kind in classes.values())
            results[f"{name}_cells"] = count
            results |= estimated(f"{name}_part", partial(binomial_yield, count, len(classes)))
        leaks_s = [conductance_s[cell] for cell, kind in classes.items() if CLASSES[kind] == "leaking"]
        formed = [value for cell, value in linearity.items() if CLASSES[classes[cell]] == "formed"]
        results["leakage_median"] = float(np.median(leaks_s)) if leaks_s else None
        results["leakage_largest"] = max(leaks_s) if leaks_s else None
        results["linearity_median"] = float(np.median(formed)) if formed else None
        return results


def _is_limited(rows: list[CellRow]) -> bool:
    return any(row.flags & {"compliance", "overrange"} for row in rows)
