"""Program an array to a target map.

Not here: the order of the cells (:mod:`labctl.tuning.passes`), the sums (:mod:`labctl_procedures.programming_results`).
"""

from enum import IntEnum
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import BooleanParameter, IntegerParameter, ListParameter

from labctl.array import Levels, load_target
from labctl.array.targets import target_names
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.parameters import FileParameter
from labctl.run.preflight import Estimate
from labctl.tuning import (
    CellState,
    FailureReason,
    OverReset,
    PairKeeper,
    PassSettings,
    RampSettings,
    RvcSettings,
    StopVoltageSettings,
    tune_cells,
)
from labctl_procedures.array_procedure import COLUMNS, RecordedCells
from labctl_procedures.forming import Formed, FormingSettings
from labctl_procedures.forming_procedure import FormingProcedure
from labctl_procedures.programming_results import programming_results

__all__ = ["CellStatus", "ProgramArray"]

_UNFORMED = "does not form at the stop voltage"
# a pulse and its verify are two rows; forming and several passes have room in it
_ROWS_PER_CELL = 400
# what the cells of five simulated dies took on average, forming included
_USUAL_ROWS_PER_CELL = 85
_NOISE_CELLS, _NOISE_READINGS = 16, 8


class CellStatus(IntEnum):
    """Codes of the array ``status``."""

    NOT_SELECTED = 0
    PROGRAMMED = 1
    UNFORMED = 2
    STUCK_HIGH = 3
    STUCK_LOW = 4
    NOT_CONVERGED = 5
    UNREADABLE = 6


_STATUS_OF: dict[FailureReason, CellStatus] = {
    FailureReason.STUCK_HIGH: CellStatus.STUCK_HIGH,
    FailureReason.STUCK_LOW: CellStatus.STUCK_LOW,
    FailureReason.UNREADABLE: CellStatus.UNREADABLE,
}


class ProgramArray(FormingProcedure):
    """Program cells to target conductances by reset-voltage control, in passes, and read them back.

    Applied: forming pulses to cells that are not formed, then SET and RESET pulses of the bias scheme. Read: the
    low-field conductance after each pulse; all cells before each pass and at the end. Cells are left at their targets;
    at the end, and after an abort, outputs are off and relays open.

    Attributes
    ----------
    target_levels : ndarray of int, shape (rows, columns), or None, unit 1
        Level of each cell, in place of the file of ``target``: from a procedure of which this one is a step.
    """

    target_levels: npt.NDArray[np.int64] | None = None

    target = FileParameter(
        "Target map",
        ".csv",
        target_names,
        default="digits_3bit_32x32",
        description="Packaged name, or path of a CSV of level numbers or siemens",
    )
    g_min = QuantityParameter(
        "Lowest level",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="25 uS",
        description="Default: assumed, 8 levels 25 uS apart; the paper of the 3-bit array does not state them",
    )
    g_max = QuantityParameter(
        "Highest level",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="200 uS",
        description="Default: assumed, 40 uA at 0.2 V, below the 45 uA of a sibling's low state (Micromachines 16, "
        "718 (2025))",
    )
    levels = IntegerParameter(
        "Levels",
        default=8,
        minimum=2,
        maximum=1024,
        description="Default: 3 bit, as the TiOx/Al2O3 array of PMID 33752189",
    )
    algorithm = ListParameter(
        "Algorithm", choices=["rvc", "stop_voltage"], default="rvc", description="Pulse ramp or DC stop voltage"
    )
    tolerance = QuantityParameter(
        "Verify tolerance", "1", minimum=1e-3, maximum=0.5, default="1.5 %", description="Relative to the target"
    )
    width = QuantityParameter(
        "Pulse width",
        "s",
        minimum=1e-8,
        maximum=1.0,
        default="100 us",
        description="A sibling's RESET pulses: 100 us to 100 ns (Micromachines 16, 718 (2025)); ArC ConvergeToState: "
        "100 us",
    )
    pulse_with = ListParameter("Pulse source", choices=["auto", "smu", "generator"], default="auto")
    confirm_line_stress = BooleanParameter(
        "Allow grounded pulses", default=False, description="The other cells of the word line see the full voltage"
    )
    reset_start = QuantityParameter(
        "RESET start",
        "V",
        minimum=-5.0,
        maximum=-0.01,
        default=-0.6,
        description="First RESET pulse of a ramp. UCSB Pt/Al2O3/TiO2-x cells switch at -0.8 to -1.5 V. Default: "
        "assumed, below that",
    )
    reset_stop = QuantityParameter(
        "RESET stop",
        "V",
        minimum=-5.0,
        maximum=-0.01,
        default=-2.2,
        description="Last RESET pulse of a ramp. Default: assumed, about the largest that a formed cell bears (2 V) "
        "and what lines take",
    )
    set_start = QuantityParameter(
        "SET start",
        "V",
        minimum=0.01,
        maximum=5.0,
        default=0.5,
        description="First SET pulse of a ramp; ArC ConvergeToState: 0.5 V",
    )
    set_stop = QuantityParameter(
        "SET stop",
        "V",
        minimum=0.01,
        maximum=5.0,
        default=2.5,
        description="Last SET pulse of a ramp. ArC ConvergeToState: 2 V. Default: assumed, and what lines take",
    )
    step = QuantityParameter(
        "Largest voltage step", "V", minimum=1e-3, maximum=1.0, default=0.1, description="ArC ConvergeToState: 0.1 V"
    )
    adaptive = BooleanParameter("Adaptive step", default=True, description="Step by what the last pulse did")
    reset_aim = QuantityParameter(
        "RESET aim", "1", minimum=0.05, maximum=1.0, default=0.5, description="Wanted part of the remaining ln G"
    )
    set_aim = QuantityParameter(
        "SET aim",
        "1",
        minimum=0.05,
        maximum=1.0,
        default=0.4,
        description="As the RESET aim, of SET pulses. Default: assumed, less than it: SET is more abrupt",
    )
    max_change = QuantityParameter(
        "Largest change per pulse",
        "1",
        minimum=0.005,
        maximum=1.0,
        default="6 %",
        description="In ln G; bounds the voltage and with it the half-select disturb",
    )
    over_reset = ListParameter("Over-reset", choices=["nudge", "set", "defer"], default="nudge")
    max_attempts = IntegerParameter(
        "Attempts per pass",
        default=10,
        minimum=1,
        maximum=1000,
        description="SETs after an over-reset. Default: assumed",
    )
    max_pulses = IntegerParameter(
        "Pulses per cell and pass",
        default=300,
        minimum=1,
        maximum=100000,
        description="Bound of each visit. Default: assumed",
    )
    passes = IntegerParameter(
        "Passes",
        default=8,
        minimum=1,
        maximum=100,
        description="Default: assumed; a pass undoes what half-selection by later cells did",
    )
    first_margin = QuantityParameter(
        "First-pass margin",
        "1",
        minimum=0.0,
        maximum=2.0,
        default="30 %",
        description="Stop this far above the target in the first pass",
    )
    margin_ratio = QuantityParameter(
        "Margin ratio", "1", minimum=0.0, maximum=0.95, default=0.3, description="From pass to pass"
    )
    pair_columns = IntegerParameter(
        "Columns in differential pairs",
        default=0,
        minimum=0,
        maximum=100000,
        description="The first so many: the partner (columns 2k, 2k+1) of a stuck cell is moved to keep the difference",
    )
    pair_top = QuantityParameter(
        "Highest partner", "S", minimum=1e-9, maximum=1e-2, default="300 uS", description="Where a partner may go"
    )
    current_limit = QuantityParameter(
        "Current limit",
        "A",
        minimum=1e-9,
        maximum=1.5,
        default="50 mA",
        description="Compliance of both channels; the half-selected cells of a line share it. Default: assumed",
    )
    form_unformed = BooleanParameter("Form unformed cells", default=True)

    DATA_COLUMNS: ClassVar[list[str]] = COLUMNS

    def check(self) -> None:
        """Refuse targets, cells and ramps that cannot be.

        Raises
        ------
        StationError
            If the cells or the target file break their rule.
        RunError
            If a parameter does.
        """
        self.selected_cells()
        self._target_s()
        self.pass_settings()
        FormingSettings.of(self)
        if self.pair_columns % 2 or self.pair_columns > self.station.sample.columns:
            raise RunError(
                f"program_array: pair_columns must be even and at most {self.station.sample.columns}, "
                f"got {self.pair_columns}"
            )

    def estimate(self) -> Estimate:
        """Return a generous number of rows and the usual time: a cell's own is known when it has been programmed."""
        cells = len(self.selected_cells())
        voltages_v = [abs(self.reset_stop), self.set_stop] + [self.form_stop] * self.form_unformed
        usual_s = self.rack_time_s(cells * _USUAL_ROWS_PER_CELL // 2)
        return Estimate(cells * _ROWS_PER_CELL, usual_s, voltage_v=max(voltages_v))

    def execute(self) -> None:
        """Form, program in passes, read back, and report."""
        cells = self.selected_cells()
        target_s = self._target_s()
        settings = self.pass_settings()
        selected = np.zeros(target_s.shape, dtype=bool)
        selected[tuple(np.transpose(cells))] = True
        self.emit_map("target", np.where(selected, target_s, np.nan), "S")
        unformed: dict[tuple[int, int], Formed] = {}
        if self.form_unformed:
            unformed = self._form(cells)
        line_v = max(abs(self.reset_stop), self.set_stop)
        with self.open_access(
            pulse_voltage_v=line_v,
            current_limit_a=self.current_limit,
            pulse_with=self.pulse_with,
            may_stress_line=self.confirm_line_stress,
        ) as access:
            port = RecordedCells(self, access)
            targets = {cell: float(target_s[cell]) for cell in cells if cell not in unformed}
            pairs = PairKeeper(
                {cell: float(target_s[cell]) for cell in cells},
                self.pair_columns,
                self.g_min,
                self.pair_top,
                frozenset(unformed),
            )
            states = tune_cells(port, targets, settings, report=self._report, revise=pairs.revise)
            achieved_s = self._read_back(port, cells)
            noise_s = self._noise_readings(port, [cell for cell, state in states.items() if state.failure is None])
        for cell, moved_s in pairs.moved.items():
            target_s[cell] = moved_s
            self.emit(
                "event",
                {"kind": "pair", "message": f"cell {cell}: target moved to {moved_s:.4g} S, its partner is stuck"},
            )
        self.emit_map("aim", np.where(selected, target_s, np.nan), "S")
        self._store(states, unformed, target_s, achieved_s, noise_s, len(pairs.moved))

    def _target_s(self) -> npt.NDArray[np.float64]:
        sample = self.station.sample
        shape, levels = (sample.rows, sample.columns), Levels(self.g_min, self.g_max, self.levels)
        if self.target_levels is None:
            return load_target(self.target, shape, levels)
        return levels.of_numbers(self.target_levels, shape)

    def pass_settings(self) -> PassSettings:
        """Return how the passes run, as the parameters say.

        Returns
        -------
        PassSettings

        Raises
        ------
        RunError
            If parameters contradict each other.
        """
        initial_s = 1.1 * self.g_max
        try:
            tuner: RvcSettings | StopVoltageSettings
            if self.algorithm == "stop_voltage":
                tuner = StopVoltageSettings(
                    tolerance=self.tolerance,
                    initial_s=initial_s,
                    reset_start_v=self.reset_start,
                    reset_stop_v=self.reset_stop,
                    set_start_v=self.set_start,
                    set_stop_v=self.set_stop,
                    max_attempts=self.max_attempts,
                )
            else:
                reset, raising = (
                    RampSettings(
                        start,
                        stop,
                        self.step,
                        is_adaptive=self.adaptive,
                        aim=aim,
                        steep_per_v=steep,
                        flat_per_v=0.5 * steep,
                        max_log_change=self.max_change,
                    )
                    for start, stop, aim, steep in (
                        (self.reset_start, self.reset_stop, self.reset_aim, 12.0),
                        (self.set_start, self.set_stop, self.set_aim, 10.0),
                    )
                )
                tuner = RvcSettings(
                    tolerance=self.tolerance,
                    width_s=self.width,
                    reset=reset,
                    set=raising,
                    over_reset=OverReset(self.over_reset),
                    initial_s=initial_s,
                    max_attempts=self.max_attempts,
                    max_pulses=self.max_pulses,
                )
            return PassSettings(
                tuner, max_passes=self.passes, first_margin=self.first_margin, margin_ratio=self.margin_ratio
            )
        except ValueError as error:
            raise RunError(f"program_array: {error}") from error

    def _form(self, cells: list[tuple[int, int]]) -> dict[tuple[int, int], Formed]:
        """Form what is unformed; return what stays so, or is shorted by it."""
        self.emit("event", {"kind": "forming", "message": f"{len(cells)} cells: forming those that are not formed"})
        found = self.form(cells, report=lambda part: self.emit("progress", 25.0 * part))
        voltages_v = {cell: formed.voltage_v for cell, formed in found.items() if formed.voltage_v is not None}
        if voltages_v:
            self.emit_values("form_voltage", voltages_v, "V")
        return {cell: formed for cell, formed in found.items() if not formed.is_formed}

    def _report(self, number: int, finished: int, total: int) -> None:
        """Turn the place in the passes into a percentage: most work is in the first, each later one is smaller."""
        if finished == total:
            self.emit("event", {"kind": "pass", "message": f"pass {number}: {total} cell visits done"})
        part = finished / total
        before = 25.0 if self.form_unformed else 0.0
        span = 90.0 - before
        done = 0.7 * part if number == 1 else 1.0 - 0.3 * 0.4 ** (number - 2) * (1.0 - 0.6 * part)
        self.emit("progress", before + span * done)

    def _read_back(self, port: RecordedCells, cells: list[tuple[int, int]]) -> dict[tuple[int, int], float]:
        achieved_s: dict[tuple[int, int], float] = {}
        for index, cell in enumerate(cells, start=1):
            value = port.read(*cell, event="read_back")
            if value is not None:
                achieved_s[cell] = value
            self.emit("progress", 90.0 + 9.0 * index / len(cells))
        return achieved_s

    def _noise_readings(self, port: RecordedCells, programmed: list[tuple[int, int]]) -> npt.NDArray[np.float64]:
        """Read some cells several times in a row, spread over the list."""
        chosen = programmed[:: max(1, len(programmed) // _NOISE_CELLS)][:_NOISE_CELLS]
        values = [[port.read(*cell, event="noise") for _ in range(_NOISE_READINGS)] for cell in chosen]
        return np.array(values, dtype=float).reshape(len(chosen), _NOISE_READINGS)

    def _store(
        self,
        states: dict[tuple[int, int], CellState],
        unformed: dict[tuple[int, int], Formed],
        target_s: npt.NDArray[np.float64],
        achieved_s: dict[tuple[int, int], float],
        noise_s: npt.NDArray[np.float64],
        partners: int,
    ) -> None:
        achieved = self.emit_values("achieved", achieved_s, "S")
        self.emit_map("error", achieved / np.where(np.isfinite(achieved), target_s, np.nan) - 1.0, "1")
        self.emit_values("pulses", {cell: state.pulses for cell, state in states.items()}, "1")
        self.emit_values("sets", {cell: state.sets for cell, state in states.items()}, "1")
        status = np.full(target_s.shape, CellStatus.NOT_SELECTED, dtype=np.int64)
        reasons: dict[tuple[int, int], str] = {}
        for cell, state in states.items():
            if state.failure is None:
                status[cell] = CellStatus.PROGRAMMED
                continue
            status[cell] = _STATUS_OF.get(state.failure, CellStatus.NOT_CONVERGED)
            reasons[cell] = f"{state.failure}; {_told(achieved_s.get(cell), state.target_s)}"
        for cell, formed in unformed.items():
            status[cell] = CellStatus.UNFORMED if formed.why_shorted is None else CellStatus.STUCK_HIGH
            reasons[cell] = formed.why_shorted or _UNFORMED
        self.emit_map("status", status, "1")
        drift = {
            cell: achieved_s[cell] / state.verified_s - 1.0
            for cell, state in states.items()
            if state.verified_s and cell in achieved_s
        }
        first_drift = {
            cell: state.mapped_s[2] / state.first_pass_s - 1.0
            for cell, state in states.items()
            if state.first_pass_s and 2 in state.mapped_s
        }
        self.emit_values("disturb", drift, "1")
        self.emit_values("disturb_first_pass", first_drift, "1")
        results: dict[str, Any] = programming_results(
            states,
            achieved,
            target_s,
            reasons,
            scale_s=(self.g_min, self.g_max),
            drift=drift,
            first_drift=first_drift,
            noise_s=noise_s,
        )
        moved = [
            cell
            for cell, state in states.items()
            if state.failure is None
            and not (cell in achieved_s and abs(achieved_s[cell] / state.target_s - 1.0) <= self.tolerance)
        ]
        self.emit(
            "summary",
            results | {"outside_tolerance_at_read_back": len(moved), "moved_partners": partners},
        )


def _told(conductance_s: float | None, target_s: float) -> str:
    """Say how far a cell is from its target."""
    if conductance_s is None:
        return "reads over range"
    error = conductance_s / target_s - 1.0
    return f"reads {abs(error):.1%} {'above' if error > 0.0 else 'below'} its target"
