"""Retention of several states, at one temperature or at several.

Not here: extrapolation and activation (:mod:`labctl.analysis.retention`), how a temperature is reached
(:mod:`labctl_procedures.sample_heater`).
"""

from functools import partial
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import Parameter

from labctl.analysis.intervals import Estimate as Interval
from labctl.analysis.intervals import require
from labctl.analysis.retention import activation_energy, fit_retention, time_to_change
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl.run.procedure import Row
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellStopped
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.drift import drift_per_decade, mean_of_cells
from labctl_procedures.estimated import estimated, named
from labctl_procedures.sample_heater import HEATING_S, SampleHeater, read_temperatures
from labctl_procedures.spacing import one_two_five

__all__ = ["Retention"]

FloatArray = npt.NDArray[np.float64]
Curve = tuple[FloatArray, FloatArray]
State = tuple[Literal["as_is", "set", "reset"], int]


_FORMS = "'as_is', 'set:3' and 'reset:5' (kind and number of pulses), joined by commas"


class Retention(CellProcedure):
    """Watch how several states of cells drift, read at 1, 2, 5, 10... s after programming.

    Applied, for each state in turn: its pulses on every cell, then nothing but readings. Read: the conductance before
    and after programming, then each cell at its own times since its own last pulse, all cells interleaved; a reading
    that is due while another cell is read comes late, and its true age is stored. ``Cycle`` counts the states, ``Step``
    the readings. Cells are left in the last state; at the end, and after an abort, outputs are off and relays open.

    With ``temperatures`` all states are watched at each of them: set, wait until it is stable, program, read at that
    temperature; ``Cycle`` goes on counting, and a row ``temperature`` tells what the sensor read (column Raw). The time
    after which the fitted mean of the cells has changed by ``loss`` gives the activation energy of each state. The
    pulses must renew the cell, as a SET after a deep RESET does: what is left of the age that it had from the
    temperature before makes the activation energy look smaller. The heater is off at the end, and after an abort.
    """

    states = Parameter(
        "States",
        default="as_is, reset:1, reset:4",
        description=f"One after another, each from where the one before ended: {_FORMS}",
    )
    set_voltage = QuantityParameter(
        "SET voltage", "V", minimum=0.01, maximum=10.0, default=1.0, description="UCSB fit of TiOx: 0.8 to 1.15 V"
    )
    reset_voltage = QuantityParameter(
        "RESET voltage", "V", minimum=-10.0, maximum=-0.01, default=-1.4, description="UCSB fit of TiOx: -0.8 to -1.5 V"
    )
    width = QuantityParameter(
        "Pulse width", "s", minimum=1e-8, maximum=10.0, default="100 us", description="ArC instruments: 100 us"
    )
    first = QuantityParameter(
        "First reading", "s", minimum=1e-3, maximum=1e6, default=1.0, description="After programming; usual: 1 s"
    )
    last = QuantityParameter(
        "Last reading", "s", minimum=1e-3, maximum=1e8, default=1e4, description="After programming; usual: 1e4 s"
    )
    temperatures = Parameter(
        "Temperatures",
        default="",
        description="Of the sample, such as '300 K, 358 K, 398 K', one after another; empty: as it is",
    )
    temperature_band = QuantityParameter(
        "Temperature band",
        "K",
        minimum=0.01,
        maximum=10.0,
        default=0.5,
        description="Stable means within this of the set-point. Default: assumed, 0.03 of a rate at 0.85 eV",
    )
    temperature_timeout = QuantityParameter(
        "Temperature time-out",
        "s",
        minimum=10.0,
        maximum=1e5,
        default=1800.0,
        description="A temperature that is not stable by then ends the run. Default: assumed, a small hot stage",
    )
    loss = QuantityParameter(
        "Loss",
        "1",
        minimum=0.005,
        maximum=0.9,
        default=0.1,
        description="Change of the conductance, up or down, whose time gives the activation energy. Default: assumed",
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self._heater: SampleHeater | None = None

    def check(self) -> None:
        """Refuse cells that are not there, states that cannot be read, and times in the wrong order.

        Raises
        ------
        RunError, StationError
            If a parameter breaks its rule, or a cell is not there.
        """
        super().check()
        self.wanted_states()
        if not self.first < self.last:
            raise RunError(f"retention: first must be less than last, got {self.first:.4g} s and {self.last:.4g} s")
        temperatures_k = self.wanted_temperatures()
        if temperatures_k:
            limits = self.station.temperature_controller().limits
            for value_k in temperatures_k:
                if not limits.lowest_k <= value_k <= limits.highest_k:
                    raise RunError(
                        f"retention: temperatures must be {limits.lowest_k:g} K to {limits.highest_k:g} K on this "
                        f"station, got {value_k:g} K; lower it, or change envelope.temperature_k of the station file"
                    )

    def wanted_temperatures(self) -> list[float]:
        """Return the temperatures of the parameter ``temperatures``.

        Returns
        -------
        list of float, unit K
            Empty where the temperature stays as it is.

        Raises
        ------
        RunError
            If the text has another form, or one comes twice.
        """
        try:
            found = read_temperatures(self.temperatures)
        except ValueError as error:
            raise RunError(f"retention: temperatures: {error}") from error
        if len(set(found)) < len(found):
            raise RunError(f"retention: temperatures: each counts once, got {self.temperatures!r}")
        return found

    def wanted_states(self) -> list[State]:
        """Return the states of the parameter ``states``.

        Returns
        -------
        list of (str, int)
            Kind and number of pulses.

        Raises
        ------
        RunError
            If the text has another form.
        """
        found: list[State] = []
        for text in self.states.split(","):
            match text.strip().partition(":"):
                case ("as_is", "", ""):
                    found.append(("as_is", 0))
                case (("set" | "reset") as kind, ":", count) if count.strip().isdecimal() and int(count) > 0:
                    found.append((kind, int(count)))
                case _:
                    raise RunError(f"retention: {text.strip()!r} is no state; allowed are {_FORMS}")
        return found

    def estimate(self) -> Estimate:
        """Return the number of readings and pulses, and the time that the states are watched."""
        temperatures = len(self.wanted_temperatures())
        cells, states = len(self.selected_cells()), self.wanted_states() * max(1, temperatures)
        readings = cells * len(states) * (len(self._ages()) + 2)
        pulses = cells * sum(count for _, count in states)
        return Estimate(
            readings + pulses,
            len(states) * self.last
            + self.rack_time_s(2 * cells * len(states))
            + pulses * self.width
            + temperatures * HEATING_S,
            voltage_v=max(self.set_voltage, -self.reset_voltage, self.form_stop if self.form_unformed else 0.0),
            current_a=max(float(self.current_limit), self.form_limit_a),
            width_s=self.width,
        )

    def went_live(self, in_doubt: Row | None) -> None:
        """Heat the sample again, then look at the cells, before a resumed run goes on."""
        if self._heater is not None:
            self._heater.go_on()
        super().went_live(in_doubt)

    def execute(self) -> None:
        """Program and watch the selected cells, state after state, at each temperature."""
        cells = self.formed_cells()
        temperatures_k = self.wanted_temperatures()
        if temperatures_k:
            self._heater = SampleHeater(self, band_k=self.temperature_band, timeout_s=self.temperature_timeout)
        states = self.wanted_states()
        plan = states * max(1, len(temperatures_k))
        shape = (len(plan), len(self._ages()) + 1)
        ages_s = {cell: np.full(shape, np.nan) for cell in cells}
        conductances_s = {cell: np.full(shape, np.nan) for cell in cells}
        found_k: list[float] = []
        largest_v = max(self.set_voltage, -self.reset_voltage)
        with self.open_access(pulse_voltage_v=largest_v, current_limit_a=self.current_limit) as access:
            port = CellPort(self, access)
            for cycle, state in enumerate(plan):
                if self._heater is not None and cycle % len(states) == 0:
                    found_k.append(self._heater.bring_to(temperatures_k[cycle // len(states)], {"Cycle": cycle}))
                cells = self._watch(cells, port, cycle, state, ages_s, conductances_s)
                self.emit("progress", 100.0 * (cycle + 1) / len(plan))
        if self._heater is not None:
            self._heater.off({})
        self.emit_cells(list(ages_s))
        self.emit_curves("age", ages_s, ("cycle", "step"), "s")
        self.emit_curves("conductance", conductances_s, ("cycle", "step"), "S")
        results = self._results(plan, ages_s, conductances_s)
        if found_k:
            reached_k = np.repeat(found_k, len(states))
            self.emit("array", {"name": "temperature", "data": reached_k, "dims": ("cycle",), "unit": "K"})
            results |= self._activations(states, found_k, ages_s, conductances_s)
        self.emit("summary", {**self.cell_results(), **results})

    def _ages(self) -> list[float]:
        return one_two_five(self.first, self.last)

    def _watch(
        self,
        cells: list[Cell],
        port: CellPort,
        cycle: int,
        state: State,
        ages_s: dict[Cell, FloatArray],
        conductances_s: dict[Cell, FloatArray],
    ) -> list[Cell]:
        """Program one state and read it until it is old; return the cells that can be measured further."""
        start_s = self.visit(cells, lambda cell: self._program(cell, port, cycle, state))
        due = sorted(
            (start_s[cell] + age_s, cell, step)
            for cell in start_s
            # the reading right after programming is step 0
            for step, age_s in enumerate([0.0, *self._ages()])
        )
        stopped: set[Cell] = set()
        for due_s, cell, step in due:
            if cell in stopped:
                continue
            try:
                row = port.read(cell, cycle=cycle, step=step, not_before_s=due_s)
            except CellStopped as stop:
                self._stop(cell, str(stop))
                stopped.add(cell)
                continue
            if row.time_s is not None and row.conductance_s is not None:
                ages_s[cell][cycle, step] = row.time_s - start_s[cell]
                conductances_s[cell][cycle, step] = row.conductance_s
        return [cell for cell in start_s if cell not in stopped]

    def _program(self, cell: Cell, port: CellPort, cycle: int, state: State) -> float:
        """Give the pulses of a state; return when the last one was over."""
        kind, count = state
        before = port.read(cell, cycle=cycle, event="before")
        end_s = before.time_s
        for _ in range(count):
            pulse = port.pulse(cell, self.set_voltage if kind == "set" else self.reset_voltage, self.width, cycle=cycle)
            # a pulse that was cut has no time of its own
            end_s = pulse.time_s or end_s
        return end_s or 0.0

    def _results(
        self, plan: list[State], ages_s: dict[Cell, FloatArray], conductances_s: dict[Cell, FloatArray]
    ) -> dict[str, object]:
        results: dict[str, object] = {}
        for cycle, (kind, count) in enumerate(plan):
            curves = [(ages_s[cell][cycle, 1:], conductances_s[cell][cycle, 1:]) for cell in ages_s]
            kept = [curve for curve in curves if np.isfinite(curve[1]).any()]
            results[f"state_{cycle}"] = kind if kind == "as_is" else f"{kind}:{count}"
            results[f"conductance_{cycle}"] = (
                float(np.mean([np.nanmean(value_s) for _, value_s in kept])) if kept else None
            )
            results |= estimated(f"drift_per_decade_{cycle}", partial(_mean_drift, kept))
            results |= _ten_years(cycle, kept)
        return results

    def _activations(
        self,
        states: list[State],
        temperatures_k: list[float],
        ages_s: dict[Cell, FloatArray],
        conductances_s: dict[Cell, FloatArray],
    ) -> dict[str, object]:
        """Return the time to the stated loss at each temperature, and what it says of the activation energy."""
        results: dict[str, object] = {}
        for index in range(len(states)):
            times_s = []
            for step, value_k in enumerate(temperatures_k):
                cycle = step * len(states) + index
                curves = [(ages_s[cell][cycle, 1:], conductances_s[cell][cycle, 1:]) for cell in ages_s]
                results |= (found := self._time_to_loss(cycle, curves))
                results[f"temperature_{cycle}"] = value_k
                times_s.append(found[f"time_to_loss_{cycle}"])
            name = f"activation_energy_{index}"
            try:
                found_ev = activation_energy(temperatures_k, np.array(times_s, dtype=float))
            except ValueError as error:
                results |= {name: None, f"{name}_reason": str(error)}
            else:
                results |= {**named(name, found_ev.energy), f"{name}_statement": found_ev.statement}
        return results

    def _time_to_loss(self, cycle: int, curves: list[Curve]) -> dict[str, object]:
        """Return when the mean of the whole curves has changed by ``loss``, unless that is beyond the readings."""
        name = f"time_to_loss_{cycle}"
        try:
            age_s, mean_s = _mean_of_whole(curves)
            time_s = time_to_change(fit_retention(age_s, mean_s), self.loss, first_s=float(age_s[0]))
        except ValueError as error:
            return {name: None, f"{name}_reason": str(error)}
        if not time_s <= age_s[-1]:
            reason = f"retention: no change by {self.loss:.3g} within {age_s[-1]:.3g} s; read longer"
            return {name: None, f"{name}_reason": reason}
        return {name: time_s}


def _mean_drift(curves: list[Curve]) -> Interval:
    return mean_of_cells(
        [drift_per_decade(np.log10(age_s), value_s, "the drift of a state, readings") for age_s, value_s in curves]
    )


def _mean_of_whole(curves: list[Curve]) -> Curve:
    """Return ages and mean of the cells that have every reading of a state."""
    whole = [curve for curve in curves if np.isfinite(curve[1]).all()]
    require("retention, cells with every reading", len(whole), 1)
    age_s, mean_s = np.mean(whole, axis=0)
    return age_s, mean_s


def _ten_years(cycle: int, curves: list[Curve]) -> dict[str, float | str | None]:
    """Extrapolate the mean of the cells that have every reading of a state."""
    name = f"conductance_ten_years_{cycle}"
    try:
        fit = fit_retention(*_mean_of_whole(curves))
    except ValueError as error:
        return {name: None, f"{name}_reason": str(error)}
    return {f"law_{cycle}": fit.chosen, **named(name, fit.extrapolated), f"{name}_statement": fit.statement}
