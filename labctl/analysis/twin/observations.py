"""What runs say about cells, in the form that a fit takes: single pulses, rests, noise traces, low-voltage curves.

A pulse counts where its row stands between two readings of the same cell and nothing else happened; trains and
staircases do not. The age of a cell, the time since it was last programmed, is followed through the run. Not here: what
the numbers mean for a device (:mod:`labctl.analysis.twin.metal_oxide_fit` and its neighbours).
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.errors import RunError
from labctl.store import Run

__all__ = ["Curve", "Observations", "Pulses", "Rest", "Trace", "observe"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Cell = tuple[int, int]

# whose rows "set", "reset", "pulse" are single pulses; others write trains or staircases under these names
_PULSED = frozenset({"ecram_update", "map_pulses", "potentiate_depress", "retention", "write_verify"})
_SINGLE = frozenset({"set", "reset", "pulse"})
_READ = frozenset({"read", "verify", "before", "survey"})
_UNFORMABLE = "does not form"
# a cell whose past is not in the run: longer ago than anything that the run can see
_LONG_AGO_S = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Pulses:
    """Single pulses, each between two readings of its cell; all of shape (n,).

    Attributes
    ----------
    cell : ndarray of int
        Index into :attr:`Observations.cells`.
    voltage_v, width_s : ndarray, units V and s
    before_a, after_a : ndarray, unit A
        Currents of the readings.
    read_voltage_v : ndarray, unit V
    delay_s : ndarray, unit s
        From the end of the pulse to the reading after it.
    """

    cell: Index
    voltage_v: Array
    width_s: Array
    before_a: Array
    after_a: Array
    read_voltage_v: Array
    delay_s: Array


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """Readings of a cell that nothing was done to meanwhile.

    Attributes
    ----------
    cell : int
        Index into :attr:`Observations.cells`.
    age_s : ndarray, shape (readings,), unit s
        Effective time since programming.
    current_a : ndarray, shape (readings,), unit A
    voltage_v : float, unit V
    """

    cell: int
    age_s: Array
    current_a: Array
    voltage_v: float


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Equally spaced samples of the current of a cell at one voltage.

    Attributes
    ----------
    cell : int
    current_a : ndarray, shape (samples,), unit A
    voltage_v : float, unit V
    interval_s, aperture_s : float, unit s
        From sample to sample; time that each is averaged over.
    """

    cell: int
    current_a: Array
    voltage_v: float
    interval_s: float
    aperture_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One I-V cycle.

    Attributes
    ----------
    cell : int
    voltage_v, current_a : ndarray, shape (levels,), units V and A
    """

    cell: int
    voltage_v: Array
    current_a: Array


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """What runs say about the cells of one die.

    Attributes
    ----------
    cells : tuple of (int, int)
        Row and column.
    pulses : Pulses
    rests : tuple of Rest
    traces : tuple of Trace
    curves : tuple of Curve
    looked_at : frozenset of (int, int)
        Cells whose forming was seen or tried.
    unformable : frozenset of (int, int)
        Those of them that did not form.
    read_aperture_s : float, unit s
        Time that a reading is averaged over; NaN where runs differ or do not tell.
    """

    cells: tuple[Cell, ...]
    pulses: Pulses
    rests: tuple[Rest, ...] = ()
    traces: tuple[Trace, ...] = ()
    curves: tuple[Curve, ...] = ()
    looked_at: frozenset[Cell] = frozenset()
    unformable: frozenset[Cell] = frozenset()
    read_aperture_s: float = math.nan


def observe(runs: Sequence[Run], *, renewal: float) -> Observations:
    """Collect what runs of one die say.

    Parameters
    ----------
    runs : sequence of Run
    renewal : float, unit 1
        Change of ln G that brings the age of a cell to 1/e; 0 for a device whose age every pulse ends.

    Returns
    -------
    Observations

    Raises
    ------
    RunError
        If there is no run, or they are of samples of different name, size or device.
    StoreError
        If a run file is damaged.
    """
    if not runs:
        raise RunError("a fit needs at least one run; name them, such as `labctl fit latest --model metal_oxide`")
    _check_same_sample(runs)
    collected = _Collected(renewal)
    apertures = set()
    for run in runs:
        line_hz = float(tomllib.loads(str(run.header["station_text"])).get("line_frequency_hz", 50.0))
        apertures.add(float(run.parameters.get("integration", math.nan)) / line_hz)
        collected.take(run, line_hz)
    return collected.finished(apertures.pop() if len(apertures) == 1 else math.nan)


def _check_same_sample(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        for key in ("name", "rows", "columns", "device"):
            mine, theirs = run.header["sample"].get(key), first.header["sample"].get(key)
            if mine != theirs:
                raise RunError(
                    f"run {run.run_id}: its sample has {key} {mine}, that of run {first.run_id} has {theirs}; a twin is"
                    " fitted to runs of one die, so leave one of them out"
                )


@dataclass(slots=True)
class _History:
    """What is known of one cell at a row."""

    reading: tuple[int, float, float] | None = None  # row, current, voltage
    pulse: tuple[int, float, float, float] | None = None  # row, voltage, width, end
    before_jump_a: float | None = None
    programmed_at_s: float = -_LONG_AGO_S
    rest: list[tuple[float, float]] = field(default_factory=list)
    rest_voltage_v: float = math.nan


class _Collected:
    """Goes through the rows of runs, one after another."""

    def __init__(self, renewal: float) -> None:
        self._renewal = renewal
        self._cells: dict[Cell, int] = {}
        self._pulses: list[tuple[float, ...]] = []
        self._rests: list[Rest] = []
        self._traces: list[Trace] = []
        self._curves: list[Curve] = []
        self._looked_at: set[Cell] = set()
        self._unformable: set[Cell] = set()

    def take(self, run: Run, line_hz: float) -> None:
        """Take what the rows of a run say."""
        histories: dict[Cell, _History] = {}
        series: dict[tuple[str, Cell, Any], list[tuple[float, float]]] = {}
        is_pulsed = str(run.header["procedure"]) in _PULSED
        names = ("Event", "Row", "Column", "Voltage (V)", "Width (s)", "Current (A)", "Time (s)", "Flags", "Cycle")
        known = {column.name: place for place, column in enumerate(run.columns)}
        if not set(names[:7]) <= set(known):
            return
        for number, row in enumerate(run.rows()):
            event, line, column, voltage, width, current, time, flags, cycle = (
                row[known[name]] if name in known else None for name in names
            )
            if line is None or column is None:
                continue
            cell = (int(line), int(column))
            own = histories.setdefault(cell, _History())
            if event in _READ and not flags and current is not None and voltage is not None and time is not None:
                self._read(cell, own, number, float(current), float(voltage), float(time))
                if event == "survey":
                    self._looked_at.add(cell)
                continue
            if event in ("sweep", "sample"):
                if current is not None and voltage is not None:
                    series.setdefault((str(event), cell, cycle), []).append((float(voltage), float(current)))
                if event == "sample":
                    continue
            for other, history in histories.items():
                self._end_rest(other, history)
            is_single = event in _SINGLE and is_pulsed and not flags
            if is_single and voltage is not None and width is not None and time is not None:
                self._pulse(own, number, float(voltage), float(width), float(time))
            elif event in ("form", "sweep") and time is not None:
                own.reading, own.pulse, own.before_jump_a = None, None, None
                own.programmed_at_s = float(time)
            else:
                histories[cell] = _History()
        for cell, history in histories.items():
            self._end_rest(cell, history)
        self._take_series(series, run, line_hz)
        for failed in run.summary()["results"].get("failed_cells") or ():
            if str(failed.get("reason", "")).startswith(_UNFORMABLE):
                self._unformable.add((int(failed["row"]), int(failed["column"])))

    def finished(self, read_aperture_s: float) -> Observations:
        """Return what was collected."""
        cell, *columns = np.array(self._pulses, dtype=float).reshape(-1, 7).T
        looked_at = frozenset(self._looked_at | self._unformable)
        return Observations(
            tuple(self._cells),
            Pulses(cell.astype(np.int64), *columns),
            tuple(self._rests),
            tuple(self._traces),
            tuple(self._curves),
            looked_at,
            frozenset(self._unformable),
            read_aperture_s,
        )

    def _index(self, cell: Cell) -> int:
        return self._cells.setdefault(cell, len(self._cells))

    def _read(self, cell: Cell, own: _History, number: int, current_a: float, voltage_v: float, time_s: float) -> None:
        pulse, before = own.pulse, own.reading
        if pulse is not None and before is not None and before[0] == pulse[0] - 1 and pulse[0] == number - 1:
            _, pulse_v, width_s, end_s = pulse
            delay_s = max(time_s - end_s, 0.0)
            self._pulses.append((self._index(cell), pulse_v, width_s, before[1], current_a, voltage_v, delay_s))
        if own.before_jump_a is not None:
            # the age that is left of the one before the pulses
            jump = abs(math.log(max(abs(current_a), 1e-300) / max(abs(own.before_jump_a), 1e-300)))
            end_s = own.pulse[3] if own.pulse is not None else time_s
            kept = math.exp(-jump / self._renewal) if self._renewal > 0.0 else 0.0
            own.programmed_at_s = end_s - (end_s - own.programmed_at_s) * kept
            own.before_jump_a = None
        if own.rest and own.rest_voltage_v != voltage_v:
            self._end_rest(cell, own)
        own.rest.append((time_s - own.programmed_at_s, current_a))
        own.rest_voltage_v = voltage_v
        own.reading, own.pulse = (number, current_a, voltage_v), None

    def _pulse(self, own: _History, number: int, voltage_v: float, width_s: float, end_s: float) -> None:
        if own.before_jump_a is None and own.reading is not None:
            own.before_jump_a = own.reading[1]
        own.pulse = (number, voltage_v, width_s, end_s)

    def _end_rest(self, cell: Cell, own: _History) -> None:
        if len(own.rest) > 1:
            age_s, current_a = np.array(own.rest).T
            self._rests.append(Rest(self._index(cell), age_s, current_a, own.rest_voltage_v))
        own.rest = []

    def _take_series(
        self, series: Mapping[tuple[str, Cell, Any], list[tuple[float, float]]], run: Run, line_hz: float
    ) -> None:
        for (event, cell, _), points in series.items():
            voltage_v, current_a = np.array(points).T
            if event == "sweep":
                self._curves.append(Curve(self._index(cell), voltage_v, current_a))
            else:
                interval_s = float(run.parameters["interval"])
                aperture_s = float(run.parameters["integration"]) / line_hz
                self._traces.append(Trace(self._index(cell), current_a, float(voltage_v[0]), interval_s, aperture_s))
