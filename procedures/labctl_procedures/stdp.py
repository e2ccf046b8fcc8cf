"""Spike-timing-dependent plasticity with sampled waveforms.

Not here: the fit (:mod:`labctl.analysis.paired_pulse`), spikes from files (:mod:`labctl_procedures.spike_file`).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import product
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, ListParameter

from labctl.analysis.cell_intervals import over_cells
from labctl.analysis.intervals import Estimate as Interval
from labctl.analysis.paired_pulse import TimingBranch, TimingWindow, fit_timing_window
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.parameters import FileParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort
from labctl_procedures.estimated import estimated_over
from labctl_procedures.levelling import Leveller, read_conductance
from labctl_procedures.pulse_procedure import PulseProcedure
from labctl_procedures.spike_file import read_spike, sampled_spike_v

__all__ = ["Stdp", "net_waveform_v", "spike_v"]

# an exponential tail is cut here, a triangular one is zero here, a rectangular one ends here
_TAIL_TIMES = {"exponential": 4.0, "triangular": 2.0, "rectangular": 1.0}
_USUAL_LEVEL_PULSES = 4
_PARTS = ("causal_amplitude", "causal_time", "acausal_amplitude", "acausal_time")
# the source-measure unit steps no faster; beside each step it needs messages, a waveform needs to be loaded
_SMU_DWELL_S, _SMU_STEP_S, _LOAD_S = 1e-3, 0.0005, 0.02
_SPIKE_FILE = (
    "A CSV file of time (s) and voltage (V), straight lines between, instead of head and tail; ArC ONE takes such files"
)


class Stdp(PulseProcedure):
    """Apply a pre and a post spike at various distances in time, and read what the pair changed: the STDP window.

    Applied: pulses that bring the cell to the initial conductance, then V_pre(t) - V_post(t - dt) in levels of
    ``dwell``: one waveform of the generator where they are shorter than 1 ms or the pulse source is "generator", else
    steps of the source-measure unit. Each spike is a negative head and a positive tail, or what a file says; only where
    head and tail of the two overlap is the voltage enough to switch: pre before post adds the tail of pre and the head
    of post to a SET. Read: before and after each pair. Cells are left after the last pair; at the end, and after an
    abort, outputs are off and relays open.
    """

    initial = QuantityParameter(
        "Initial conductance",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="50 uS",
        description="Before each pair, within the level tolerance; assumed: where both polarities change TiOx/Al2O3",
    )
    tail_form = ListParameter("Tail", choices=["exponential", "triangular", "rectangular"], default="exponential")
    pre_head = QuantityParameter(
        "Pre head",
        "V",
        minimum=0.0,
        maximum=10.0,
        default=0.6,
        description="Magnitude. With the post tail it makes the RESET; assumed: alone below the onset of TiOx/Al2O3",
    )
    pre_tail = QuantityParameter(
        "Pre tail",
        "V",
        minimum=0.0,
        maximum=10.0,
        default=0.3,
        description="Where it begins. With the post head it makes the SET; assumed, as the pre head",
    )
    post_head = QuantityParameter(
        "Post head", "V", minimum=0.0, maximum=10.0, default=0.45, description="As the pre head"
    )
    post_tail = QuantityParameter(
        "Post tail", "V", minimum=0.0, maximum=10.0, default=0.6, description="As the pre tail"
    )
    pre_file = FileParameter("Pre spike file", ".csv", list, default="", description=_SPIKE_FILE)
    post_file = FileParameter("Post spike file", ".csv", list, default="", description=_SPIKE_FILE)
    head_time = QuantityParameter(
        "Head time", "s", minimum=1e-8, maximum=10.0, default="2 ms", description="Whole steps of the dwell"
    )
    tail_time = QuantityParameter(
        "Tail time",
        "s",
        minimum=1e-8,
        maximum=100.0,
        default="10 ms",
        description="Of the exponential, cut at four times it; a triangular tail ends at twice it, a rectangular at it",
    )
    dwell = QuantityParameter(
        "Dwell",
        "s",
        minimum=1e-8,
        maximum=1.0,
        default="1 ms",
        description="At each level; from 1 ms on in steps of the source-measure unit, which needs 0.5 ms more to "
        "change it on the reference rack, below that in samples of the generator",
    )
    farthest = QuantityParameter(
        "Largest distance",
        "s",
        minimum=1e-8,
        maximum=100.0,
        default="30 ms",
        description="Of post after pre, and before",
    )
    distances = IntegerParameter(
        "Distances", default=6, minimum=1, maximum=1000, description="Of each sign, evenly spaced"
    )
    repeats = IntegerParameter("Repeats", default=4, minimum=1, maximum=10000)

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, times that the steps cannot show, and waveforms that nobody can play.

        Raises
        ------
        RunError
            If a parameter or a file breaks its rule, or no source can give these levels that fast.
        StationError
            If cells are not there.
        """
        super().check()
        is_made = not (self.pre_file and self.post_file)
        if is_made and (self.head_time < self.dwell or self.tail_time < self.dwell):
            raise RunError(
                f"stdp: head_time and tail_time must be at least the dwell of {self.dwell:.4g} s, got "
                f"{self.head_time:.4g} s and {self.tail_time:.4g} s"
            )
        if round(self.farthest / self.dwell) < self.distances:
            raise RunError(
                f"stdp: {self.distances} distances up to {self.farthest:.4g} s are closer than the dwell of "
                f"{self.dwell:.4g} s; take fewer, or a shorter dwell"
            )
        self.check_pulses(())
        if self._is_played:
            try:
                access = self.open_pulses((self._largest_net_v(),))
                for step in self._delay_steps():
                    access.check_waveform(self._waveform_v(step).tolist(), sample_s=self.dwell)
            except ValueError as error:
                raise RunError(f"stdp: {error}") from error
        elif self.dwell < _SMU_DWELL_S:
            raise RunError(
                f"stdp: the source-measure unit steps from {_SMU_DWELL_S:g} s on, got a dwell of {self.dwell:.4g} s; "
                "take pulse_with auto or generator, or a longer dwell"
            )

    def estimate(self) -> Estimate:
        """Return the pairs with their waveforms and their usual number of levelling pulses."""
        steps = self._delay_steps()
        levels = self.repeats * sum(self._waveform_v(step).size for step in steps)
        pairs = self.repeats * len(steps)
        pulses = pairs * _USUAL_LEVEL_PULSES
        beside_s = pairs * _LOAD_S if self._is_played else levels * _SMU_STEP_S
        return self.pulse_estimate(
            pulses + 2 * pairs,
            pulses + pairs,
            voltages_v=(self._largest_net_v(),),
            widths_s=(),
            waits_s=levels * self.dwell + beside_s,
        )

    def execute(self) -> None:
        """Visit the selected cells one after another."""
        cells = self.formed_cells()
        steps = self._delay_steps()
        found = {cell: np.full((2, self.repeats, len(steps)), np.nan) for cell in cells}
        with self.open_pulses((self._largest_net_v(),)) as access:
            port, leveller = CellPort(self, access), Leveller.of(self)
            self.visit(cells, lambda cell: self._pairs(cell, port, leveller, found[cell]))
        self._store_waveforms(steps)
        self.emit_cells(cells)
        relative = {cell: data[1] / data[0] - 1.0 for cell, data in found.items()}
        self.emit_curves("before", {cell: data[0] for cell, data in found.items()}, ("repeat", "distance"), "S")
        self.emit_curves("change_relative", relative, ("repeat", "distance"), "1")
        self.emit("summary", self.cell_results() | self._results(relative))

    def _delay_steps(self) -> list[int]:
        """Distances in steps of the dwell, negative and positive; 0 is neither."""
        farthest = round(self.farthest / self.dwell)
        side = [round(farthest * index / self.distances) for index in range(1, self.distances + 1)]
        return [-step for step in reversed(side)] + side

    @property
    def _is_played(self) -> bool:
        """Whether the generator gives the waveforms."""
        return self.pulse_with == "generator" or (self.pulse_with == "auto" and self.dwell < _SMU_DWELL_S)

    @cached_property
    def _spikes_v(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Pre and post; a file is read once."""
        return (
            self._spike_v(self.pre_file, self.pre_head, self.pre_tail),
            self._spike_v(self.post_file, self.post_head, self.post_tail),
        )

    def _spike_v(self, file: str, head_v: float, tail_v: float) -> npt.NDArray[np.float64]:
        if file:
            return sampled_spike_v(*read_spike(file), self.dwell)
        times = (round(time_s / self.dwell) for time_s in (self.head_time, self.tail_time))
        return spike_v(head_v, tail_v, *times, form=self.tail_form)

    def _waveform_v(self, delay_steps: int) -> npt.NDArray[np.float64]:
        return net_waveform_v(*self._spikes_v, delay_steps)

    def _largest_net_v(self) -> float:
        return max(float(np.abs(self._waveform_v(step)).max()) for step in self._delay_steps())

    def _store_waveforms(self, steps: list[int]) -> None:
        waveforms = [self._waveform_v(step) for step in steps]
        table = np.full((len(steps), max(one.size for one in waveforms)), np.nan)
        for row, one in zip(table, waveforms, strict=True):
            row[: one.size] = one
        arrays: tuple[tuple[str, npt.NDArray[np.float64], tuple[str, ...], str], ...] = (
            ("delay", np.array(steps) * self.dwell, ("distance",), "s"),
            ("net_waveform", table, ("distance", "level"), "V"),
            ("pre_waveform", self._spikes_v[0], ("pre_level",), "V"),
            ("post_waveform", self._spikes_v[1], ("post_level",), "V"),
        )
        for name, data, dims, unit in arrays:
            self.emit("array", {"name": name, "data": data, "dims": dims, "unit": unit})

    def _pairs(self, cell: Cell, port: CellPort, leveller: Leveller, data: npt.NDArray[np.float64]) -> None:
        steps = self._delay_steps()
        points = list(product(range(self.repeats), range(len(steps))))
        for number, (repeat, index) in enumerate(points, start=1):
            levelled = leveller.must_reach(port, cell, self.initial, cycle=repeat, step=index)
            if levelled.is_reached:
                waveform_v = [float(level_v) for level_v in self._waveform_v(steps[index])]
                if self._is_played:
                    port.play(cell, waveform_v, sample_s=self.dwell, cycle=repeat, step=index)
                else:
                    port.staircase(cell, waveform_v, dwell_s=self.dwell, cycle=repeat, step=index)
                after_s = read_conductance(port, cell, cycle=repeat, step=index)
                data[:, repeat, index] = levelled.conductance_s, after_s
            else:
                message = f"cell {cell}: distance {steps[index] * self.dwell:.4g} s: {levelled.reason}"
                self.emit("event", {"kind": "not initialised", "message": message})
            self.part_done(number / len(points))

    def _results(self, relative: dict[Cell, npt.NDArray[np.float64]]) -> dict[str, Any]:
        """Fit the window over the pairs of all cells; intervals of several cells leave out one at a time."""
        cells = [data for data in relative.values() if np.isfinite(data).any()]
        results: dict[str, Any] = {"pairs": sum(int(np.isfinite(data).sum()) for data in cells)}
        try:
            window = self._window(cells)
        except ValueError as error:
            return results | {"window_reason": str(error)}
        results |= _branch("causal", window.causal) | _branch("acausal", window.acausal)
        for part in _PARTS if len(cells) > 1 else ():
            results |= {f"{part}_low": None, f"{part}_high": None}
            told = estimated_over(part, len(cells), partial(self._over_cells, part, cells))
            results |= told if told[part] is not None else {f"{part}_reason": told[f"{part}_reason"]}
        return results | {"window_residual": window.residual}

    def _window(self, cells: Sequence[npt.NDArray[np.float64]]) -> TimingWindow:
        changes = np.array(cells).reshape(-1, 2 * self.distances)
        return fit_timing_window(np.broadcast_to(np.array(self._delay_steps()) * self.dwell, changes.shape), changes)

    def _over_cells(self, part: str, cells: Sequence[npt.NDArray[np.float64]]) -> Interval:
        """Return a figure of the window, for example ``causal_time``, with its interval over cells."""
        figure = attrgetter(f"{part.replace('_', '.')}.value")
        is_time = part.endswith("time")
        found = over_cells(
            cells, lambda some: float(figure(self._window(some))), "s" if is_time else "1", of_logarithm=is_time
        )
        # nothing falls by more than all of it
        return found if is_time else replace(found, low=max(found.low, min(found.value, -1.0)))


def spike_v(head_v: float, tail_v: float, head_steps: int, tail_steps: int, *, form: str) -> npt.NDArray[np.float64]:
    """Return one spike in equal steps: a head at ``-head_v``, then a tail that falls from ``tail_v``.

    Parameters
    ----------
    head_v, tail_v : float, unit V
        Magnitudes.
    head_steps, tail_steps : int
        Length of the head; time constant of the tail.
    form : "exponential", "triangular" or "rectangular"

    Returns
    -------
    ndarray, shape (levels,), unit V
    """
    after = np.arange(round(_TAIL_TIMES[form] * tail_steps))
    falls = {"exponential": np.exp(-after / tail_steps), "triangular": 1.0 - after / after.size}
    tail = falls.get(form, np.ones(after.size))
    return np.concatenate([np.full(head_steps, -head_v), tail_v * tail])


def net_waveform_v(
    pre_v: npt.NDArray[np.float64], post_v: npt.NDArray[np.float64], delay_steps: int
) -> npt.NDArray[np.float64]:
    """Return V_pre(t) - V_post(t - dt) from the first spike to the end of the last.

    Parameters
    ----------
    pre_v, post_v : ndarray, shape (levels,), unit V
        Spikes, in steps of equal time.
    delay_steps : int
        dt: how many steps post begins after pre; negative before it.

    Returns
    -------
    ndarray, shape (levels,), unit V
    """
    pre_from, post_from = max(0, -delay_steps), max(0, delay_steps)
    net = np.zeros(max(pre_from + pre_v.size, post_from + post_v.size))
    net[pre_from : pre_from + pre_v.size] += pre_v
    net[post_from : post_from + post_v.size] -= post_v
    return net


def _branch(name: str, branch: TimingBranch) -> dict[str, float]:
    results: dict[str, float] = {f"{name}_nearest_time": branch.nearest_s}
    for part, estimate in (("amplitude", branch.amplitude), ("time", branch.time)):
        ends = {f"{name}_{part}_low": estimate.low, f"{name}_{part}_high": estimate.high}
        results |= {f"{name}_{part}": estimate.value} | ends
    return results
