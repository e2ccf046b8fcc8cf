"""How far one current pulse moves a domain wall: a map over pulse width and amplitude.

Not here: the physics of depinning (:mod:`labctl.physics.domain_wall`).
"""

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, Parameter

from labctl.analysis.distributions import binomial_yield
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellStopped
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.estimated import named
from labctl_procedures.value_lists import positive_values

__all__ = ["DomainWallMap"]

# states that one trial is sorted into: none, one, two or more
_STEPS = 3
# at most how many pulses bring a wall from one end to the other, for each state
_TRIES = 6
# so many pulses in a row that change nothing mean the end of the track
_STILL = 3
# measured on the reference rack: a reading, and a pulse after one
_READ_S, _PULSE_S = 0.15, 0.06


class DomainWallMap(CellProcedure):
    """Give one pulse to a pinned domain wall, at each width and amplitude several times, and count the states it moves.

    Applied: pulses along the track that bring the wall to either end, then for each trial to the start, and one pulse
    under test. Read: the tunnel junction, at a low voltage, after every pulse. The wall is left where the last pulse
    took it; at the end, and after an abort, outputs are off.

    The result ``one_step`` is the best of all places of the map; its interval is that of this place alone.
    """

    default_station: ClassVar[str] = "domain-wall"

    widths = Parameter(
        "Widths",
        default="8 ns, 10 ns, 12 ns, 15 ns, 20 ns",
        description="Pulse widths under test; arXiv 2605.22625 pulses for 10 ns",
    )
    amplitudes = Parameter(
        "Amplitudes",
        default="0.9, 1.0, 1.1, 1.2",
        description="Pulses under test in parts of the depinning voltage",
    )
    depinning_voltage = QuantityParameter(
        "Depinning voltage",
        "V",
        minimum=1e-4,
        maximum=10.0,
        default="48.75 mV",
        description="Along the track: 5e10 A/m2 in 60e-18 m2 and 16.25 kohm (5 notches; KinematicDomainWallModel)",
    )
    states = IntegerParameter(
        "States of the track", default=5, minimum=2, maximum=1000, description="One per notch; the preset's track has 5"
    )
    repeats = IntegerParameter(
        "Repeats", default=10, minimum=1, maximum=100000, description="Assumed: tells 0.9 from 0.5"
    )
    return_amplitude = QuantityParameter(
        "Amplitude back",
        "1",
        minimum=0.1,
        maximum=10.0,
        default=1.15,
        description="Of the pulses back to the start, in parts of the depinning voltage; moves a wall nearly always",
    )
    return_width = QuantityParameter(
        "Width back", "s", minimum=1e-9, maximum=1e-3, default="20 ns", description="Assumed: about two states a pulse"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse lists that are none, and pulses that the generator cannot give.

        Raises
        ------
        RunError
            If a parameter breaks its rule.
        StationError
            If the station has no such cells.
        """
        super().check()
        try:
            access = self.open_access(pulse_voltage_v=self._largest_v(), current_limit_a=self.current_limit)
            for width_s in [*self._widths_s(), float(self.return_width)]:
                access.source_for(width_s)
        except ValueError as error:
            raise RunError(f"domain_wall_map: {error}") from error

    def estimate(self) -> Estimate:
        """Return the rows and the time of all trials: two or three readings and about two pulses each."""
        cells = len(self.selected_cells())
        trials = len(self._widths_s()) * len(self._parts()) * self.repeats
        ends = self.states + 2 * _STILL
        reads, pulses = cells * (ends + 5 * trials // 2), cells * (ends + 2 * trials)
        return Estimate(
            reads + pulses,
            reads * (_READ_S + 2.0 * (self.integration - 1.0) / 50.0) + pulses * _PULSE_S,
            voltage_v=max(self._largest_v(), float(self.read_voltage)),
            current_a=self.current_limit,
            width_s=max([*self._widths_s(), float(self.return_width)]),
        )

    def execute(self) -> None:
        """Map the selected cells."""
        cells = self.selected_cells()
        with self.open_access(pulse_voltage_v=self._largest_v(), current_limit_a=self.current_limit) as access:
            port = CellPort(self, access)
            found = self.visit(cells, lambda cell: self._map(cell, port))
        self.emit_cells(list(found))
        self.emit("array", {"name": "width", "data": np.array(self._widths_s()), "dims": ("width",), "unit": "s"})
        self.emit("array", {"name": "amplitude", "data": np.array(self._parts()), "dims": ("amplitude",), "unit": "1"})
        levels = {cell: levels_s for cell, (levels_s, _) in found.items()}
        self.emit_curves("level", levels, ("state",), "S")
        self.emit_curves(
            "moves", {cell: counts for cell, (_, counts) in found.items()}, ("amplitude", "width", "steps"), "1"
        )
        self.emit("summary", self.cell_results() | self._results([counts for _, counts in found.values()]))

    def _results(self, found: list[npt.NDArray[np.float64]]) -> dict[str, float | str | None]:
        """Return where one pulse moves the wall by one state most surely."""
        if not found:
            return {"one_step": None}
        counts = np.sum(found, axis=0)
        place = np.unravel_index(int(np.argmax(counts[..., 1] / counts.sum(axis=-1))), counts.shape[:2])
        one = binomial_yield(int(counts[place][1]), int(counts[place].sum()))
        return {
            **named("one_step", one),
            "one_step_amplitude": self._parts()[int(place[0])],
            "one_step_width": self._widths_s()[int(place[1])],
        }

    def _map(self, cell: Cell, port: CellPort) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        levels_s = self._levels_s(cell, port)
        widths_s, parts = self._widths_s(), self._parts()
        counts = np.zeros((len(parts), len(widths_s), _STEPS))
        for number, (row, column) in enumerate(np.ndindex(counts.shape[:2])):
            for repeat in range(self.repeats):
                self._go_back(cell, port, levels_s)
                voltage_v = parts[row] * self.depinning_voltage
                port.pulse(cell, voltage_v, widths_s[column], cycle=repeat, step=number, event="pulse")
                moved = self._state(self._conductance_s(cell, port, repeat, number), levels_s)
                counts[row, column, min(moved, _STEPS - 1)] += 1
            self.part_done((number + 1) / counts[..., 0].size)
        return levels_s, counts

    def _levels_s(self, cell: Cell, port: CellPort) -> npt.NDArray[np.float64]:
        """Read both ends of the track; the states lie equally far apart in between."""
        far_s, start_s = (self._end_s(cell, port, sign * self.return_amplitude) for sign in (1.0, -1.0))
        if not far_s > 1.1 * start_s:
            raise CellStopped(f"reads {far_s:.4g} S at the far end and {start_s:.4g} S at the start: no wall moves")
        return np.linspace(start_s, far_s, self.states)

    def _end_s(self, cell: Cell, port: CellPort, part: float) -> float:
        """Push the wall until it stands still, and return what the junction conducts there."""
        last_s, still = self._conductance_s(cell, port), 0
        for _ in range(_TRIES * self.states):
            port.pulse(cell, part * self.depinning_voltage, self.return_width, event="end")
            now_s = self._conductance_s(cell, port)
            # less than half a state of a track that triples its conductance
            still = still + 1 if abs(now_s - last_s) < 0.25 / self.states * max(now_s, last_s) else 0
            last_s = now_s
            if still == _STILL:
                return last_s
        raise CellStopped(f"the wall does not come to rest at an end of the track after {_TRIES * self.states} pulses")

    def _go_back(self, cell: Cell, port: CellPort, levels_s: npt.NDArray[np.float64]) -> None:
        for _ in range(_TRIES * self.states):
            if self._state(self._conductance_s(cell, port), levels_s) == 0:
                return
            port.pulse(cell, -self.return_amplitude * self.depinning_voltage, self.return_width, event="back")
        raise CellStopped("the wall does not come back to the start")

    def _conductance_s(self, cell: Cell, port: CellPort, cycle: int | None = None, step: int | None = None) -> float:
        value_s = port.read(cell, cycle=cycle, step=step).conductance_s
        if value_s is None:
            raise CellStopped("a reading of the junction has no value")
        return value_s

    def _state(self, conductance_s: float, levels_s: npt.NDArray[np.float64]) -> int:
        return int(np.argmin(np.abs(levels_s - conductance_s)))

    def _largest_v(self) -> float:
        return float(self.depinning_voltage) * max([*self._parts(), float(self.return_amplitude)])

    def _widths_s(self) -> list[float]:
        return positive_values(self.widths, "s", "domain_wall_map: widths")

    def _parts(self) -> list[float]:
        return positive_values(self.amplitudes, "1", "domain_wall_map: amplitudes")
