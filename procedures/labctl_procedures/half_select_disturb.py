"""What pulses on one cell do to its neighbours.

Not here: programming in spite of it (:mod:`labctl_procedures.program_array`).
"""

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, ListParameter

from labctl.array.cell_access import CellAccess
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellStopped, or_nan
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.spacing import block_ends

__all__ = ["HalfSelectDisturb"]

# measured on the reference rack: the survey of a cell and its forming, and a pulse beside its width with the way back
_FORMING_S, _FORMING_ROWS, _PULSE_S = 5.0, 30, 0.005
_SIGNS = ("set", "reset")
_LINES = ("word_line", "bit_line")


class HalfSelectDisturb(CellProcedure):
    """Pulse a cell again and again and read its neighbours on both lines in between.

    Applied: pulses of one sign, then of the other, with the bias scheme, on each selected cell (the aggressor). Read:
    the nearest formed neighbours on its word line and on its bit line (the victims), then the aggressor, at pulse
    counts that lie equally far apart on a logarithmic scale. A victim that meets a stop rule is not read again, an
    aggressor that does ends its pulses. The aggressor is left where its pulses took it, victims as disturbed; at the
    end, and after an abort, outputs are off and relays open.
    """

    scheme = ListParameter(
        "Bias scheme",
        choices=["v2", "v3", "floating"],
        default="v2",
        description="v3 needs four pulsed outputs on matrix rows",
    )
    set_voltage = QuantityParameter(
        "SET voltage",
        "V",
        minimum=0.01,
        maximum=10.0,
        default=1.0,
        description="On the aggressor; kinetics of Pt/Al2O3/TiO2-x (UCSB model): +0.2 to 0.3 uS per pulse at V/2",
    )
    reset_voltage = QuantityParameter(
        "RESET voltage",
        "V",
        minimum=-10.0,
        maximum=-0.01,
        default=-1.5,
        description="On the aggressor; the same model: -0.06 to -0.12 uS per pulse of 100 us at V/2",
    )
    width = QuantityParameter(
        "Pulse width",
        "s",
        minimum=1e-8,
        maximum=1.0,
        default="1 ms",
        description="Assumed: ten times a programming pulse, so that few pulses show the effect of many",
    )
    pulses = IntegerParameter(
        "Pulses of each sign", default=100, minimum=1, maximum=100000, description="Common: 1 to 1e5 of both signs"
    )
    victims = IntegerParameter(
        "Victims on each line", default=2, minimum=1, maximum=1000, description="The nearest ones, on either side"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse a sample without neighbours, and pulses that the rack cannot give with the scheme.

        Raises
        ------
        RunError
            If the sample is a single cell, or no source gives the width with the scheme.
        StationError
            If cells are not there, or the rack lacks what the scheme needs.
        """
        super().check()
        sample = self.station.sample
        if sample.rows * sample.columns == 1:
            raise RunError("half_select_disturb: a sample of one cell has no neighbours to disturb")
        try:
            self._open().source_for(self.width)
        except ValueError as error:
            raise RunError(f"half_select_disturb: {error}") from error

    def estimate(self) -> Estimate:
        """Return the rows and the time of the survey, forming where allowed, and all pulses and readings."""
        aggressors = self.selected_cells()
        lines = {cell: self._victims(cell) for cell in aggressors}
        looked_at = len({*aggressors, *(victim for own in lines.values() for victim in own)})
        reads = 2 * sum(len(own) + 1 for own in lines.values()) * (len(block_ends(self.pulses)) + 1)
        pulses, formed = len(aggressors) * 2 * self.pulses, looked_at * self.form_unformed
        return Estimate(
            looked_at + formed * _FORMING_ROWS + reads + pulses,
            self.rack_time_s(looked_at + reads) + formed * _FORMING_S + pulses * (self.width + _PULSE_S),
            voltage_v=max(self.set_voltage, -self.reset_voltage, self.form_stop if self.form_unformed else 0.0),
            current_a=max(float(self.current_limit), self.form_limit_a if self.form_unformed else 0.0),
            width_s=max(self.width, self.form_width if self.form_unformed else 0.0),
        )

    def execute(self) -> None:
        """Disturb the neighbours of the selected cells."""
        aggressors = self.selected_cells()
        victims = {cell: self._victims(cell) for cell in aggressors}
        looked_at = [*aggressors, *(victim for own in victims.values() for victim in own)]
        formed = set(self.formed_cells(looked_at))
        victims = {cell: [victim for victim in own if victim in formed] for cell, own in victims.items()}
        shape = (len(_SIGNS), max(len(own) for own in victims.values()), len(block_ends(self.pulses)) + 1)
        found = {cell: np.full(shape, np.nan) for cell in aggressors if cell in formed}
        with self._open() as access:
            port = CellPort(self, access)
            self.visit(list(found), lambda cell: self._disturb(cell, victims[cell], port, found[cell]))
        self._store({cell: victims[cell] for cell in found}, found)
        self.emit("summary", self.cell_results() | self._results(victims, found))

    def _open(self) -> CellAccess:
        largest_v = max(self.set_voltage, -self.reset_voltage)
        return self.open_access(pulse_voltage_v=largest_v, current_limit_a=self.current_limit)

    def _victims(self, cell: Cell) -> list[Cell]:
        """Return the nearest cells on both lines of a cell."""
        rows, columns = self.station.sample.rows, self.station.sample.columns
        row, column = cell
        near_columns = sorted((c for c in range(columns) if c != column), key=lambda c: abs(c - column))
        near_rows = sorted((r for r in range(rows) if r != row), key=lambda r: abs(r - row))
        return [(row, c) for c in near_columns[: self.victims]] + [(r, column) for r in near_rows[: self.victims]]

    def _disturb(self, cell: Cell, victims: list[Cell], port: CellPort, curves: npt.NDArray[np.float64]) -> None:
        if not victims:
            raise CellStopped("has no formed neighbour on its lines")
        ended: set[Cell] = set()
        for sign, voltage_v in enumerate((self.set_voltage, self.reset_voltage)):
            given = 0
            for step, end in enumerate((0, *block_ends(self.pulses))):
                for number in range(given, end):
                    port.pulse(cell, voltage_v, self.width, cycle=sign, step=number)
                given = end
                for index, victim in enumerate(victims):
                    if victim in ended:
                        continue
                    try:
                        value_s = port.read(victim, cycle=sign, step=end).conductance_s
                    except CellStopped as stop:
                        ended.add(victim)
                        self._stop(victim, f"as a victim of {cell}: {stop}")
                        continue
                    curves[sign, index, step] = or_nan(value_s)
                port.read(cell, cycle=sign, step=end, event="aggressor")
                self.part_done((sign + end / self.pulses) / 2.0)

    def _store(self, victims: dict[Cell, list[Cell]], found: dict[Cell, npt.NDArray[np.float64]]) -> None:
        """Store the curves, which victims they are of, and the map of the changes."""
        self.emit_cells(list(found))
        counts = [0, *block_ends(self.pulses)]
        self.emit("array", {"name": "pulses", "data": np.array(counts), "dims": ("step",), "unit": "1"})
        if not any(victims.values()):
            return
        self.emit_curves("victims", {cell: np.reshape(own, (-1, 2)) for cell, own in victims.items()},
                         ("victim", "line"), "1")  # fmt: skip
        for sign, name in enumerate(_SIGNS):
            self.emit_curves(
                f"victim_conductance_{name}",
                {cell: data[sign] for cell, data in found.items()},
                ("victim", "step"),
                "S",
            )
            changes: dict[Cell, float] = {}
            for cell, data in found.items():
                for victim, change in zip(victims[cell], _change(data[sign]), strict=False):
                    # of a cell that several pulsed: where it changed most
                    if abs(change) > abs(changes.get(victim, 0.0)):
                        changes[victim] = float(change)
            self.emit_values(f"disturb_{name}", changes, "1")

    def _results(
        self, victims: dict[Cell, list[Cell]], found: dict[Cell, npt.NDArray[np.float64]]
    ) -> dict[str, float | None]:
        """Return the change of victims, mean and largest, after the last pulse of each sign, by line and in all."""
        results: dict[str, float | None] = {}
        for sign, name in enumerate(_SIGNS):
            by_line: dict[str, list[float]] = {line: [] for line in _LINES}
            for cell, data in found.items():
                for victim, change in zip(victims[cell], _change(data[sign]), strict=False):
                    if np.isfinite(change):
                        by_line[_LINES[victim[0] != cell[0]]].append(float(change))
            all_of = [change for own in by_line.values() for change in own]
            results[f"disturb_{name}_mean"] = float(np.mean(all_of)) if all_of else None
            results[f"disturb_{name}_largest"] = max(all_of, key=abs, default=None)
            for line, own in by_line.items():
                results[f"disturb_{name}_{line}_mean"] = float(np.mean(own)) if own else None
        return results


def _change(curves_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return dG / G0 of each victim after the last pulse; NaN where one of both is missing."""
    return np.asarray(curves_s[:, -1] / curves_s[:, 0] - 1.0)
