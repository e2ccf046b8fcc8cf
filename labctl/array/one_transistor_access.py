"""Cells of an array with a transistor in series with each (1T1R), whose sources are one plate.

Not here: transistors that are the cell (:mod:`labctl.array.gated_access`).
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, ClassVar, Literal

from labctl.array.channel_meter import ChannelMeter
from labctl.array.line_generator import LineGenerator
from labctl.array.prepared_access import PreparedAccess, need_levels
from labctl.array.readings import CellReading, PulseRecord
from labctl.array.sources import RackStation, find_gate, find_generator, find_matrix, find_smus
from labctl.array.wires import LineSwitch
from labctl.errors import StationError
from labctl.roles import SourceMeter

__all__ = ["OneTransistorAccess"]


class OneTransistorAccess(PreparedAccess):
    """The cells of a 1T1R array with a gate line for each row, a bit line for each column and one source plate.

    No terminal goes below ground. SET (positive): the bit line is raised, the plate at 0 V. RESET (negative): the
    plate is raised, the bit line at 0 V, as the gate then needs no negative voltage to stay in control. The bit lines
    that are not selected hang on the plate, so that the other cells of the row, whose transistors conduct too, have
    0 V across them whatever the plate does; gates of the other rows are on ground.

    The gate of the row is at ``gate_set_v``, ``gate_reset_v`` or ``gate_read_v`` of ``[sample.access]`` while its cell
    is used, and at 0 V otherwise: the transistor at ``gate_set_v`` limits the current of a SET.

    Reading, sweeps and samples measure at the bit line; a fixed measure range limits the current there.

    Parameters
    ----------
    station : RackStation
        Open, with ``[wiring.control]`` and a common source.
    **settings
        See :class:`labctl.array.prepared_access.AccessSettings`; the transistors select, hence neither ``scheme`` nor
        ``may_stress_line`` nor ``row_stress_v``.

    Raises
    ------
    StationError
        If the station lacks what this needs.
    ValueError
        If a setting is not allowed.
    """

    _GEOMETRY: ClassVar[str] = "cells with a transistor"
    _MEANINGLESS: ClassVar[tuple[str, ...]] = ("scheme", "may_stress_line", "row_stress_v")
    _PULSE_WITH: ClassVar[tuple[str, ...]] = ("auto", "smu", "generator")

    def __init__(self, station: RackStation, **settings: Any) -> None:
        super().__init__(station, **settings)
        wiring, control = station.wiring, station.wiring.control
        if control is None or not control.common_source:
            raise StationError("array: cells with a transistor need wiring.control with common_source = true")
        smu = find_smus(station)
        self._plate, self._plate_row = smu.word, smu.word_row
        self._terminal = smu.terminal
        self._bit, self._bit_row = smu.bit, smu.bit_row
        self._gate = find_gate(station, control)
        generator = find_generator(station)
        self._generator = None if generator is None else LineGenerator(generator)
        self._ground = wiring.row_of("ground")
        self._lines = LineSwitch(find_matrix(station), wiring)
        self._gates = LineSwitch(self._gate.matrix, control)
        self._plate_line = wiring.word(0)
        self._bits = [wiring.bit(index) for index in range(self.shape[1])]
        self._gate_lines = [control.line(index) for index in range(self.shape[0])]
        self._read_v, self._set_v, self._reset_v = (
            _gate_level(station, key) for key in ("gate_read_v", "gate_set_v", "gate_reset_v")
        )
        self._meter = ChannelMeter(self._bit, self._bit, self.read_voltage_v)

    def read(self, row: int, column: int) -> CellReading:
        """Read one cell at low voltage, the bit line above the plate.

        Parameters
        ----------
        row, column : int
            Gate and bit line, from 0.

        Returns
        -------
        CellReading
            Apparent conductance of cell and transistor, with flags.

        Raises
        ------
        StationError
            If the cell lies outside the array.
        """
        self._reach(row, column, self._bit_row, self._plate_row)
        with self._open_gate(self._read_v):
            currents = self._meter.zeroed((row, column))
        return self._reading((row, column), self.read_voltage_v, currents)

    def pulse(self, row: int, column: int, voltage_v: float, width_s: float) -> PulseRecord:
        """Give one rectangular pulse to one cell; every source is back at 0 V afterwards.

        Parameters
        ----------
        row, column : int
            Gate and bit line, from 0.
        voltage_v : float, unit V
            Bit line above plate: positive SETs, negative RESETs.
        width_s : float, unit s
            Width of the pulse; the gate is on a few milliseconds longer.

        Returns
        -------
        PulseRecord

        Raises
        ------
        StationError
            If the cell lies outside the array.
        ValueError
            If no source can give this width.
        """
        source = self.source_for(width_s)
        driving = self._bit if voltage_v >= 0.0 else self._plate
        if source == "generator" and self._generator is not None:
            self._fire(self._generator, (row, column), voltage_v, width_s)
        else:
            self._reach(row, column, self._bit_row, self._plate_row)
            with self._open_gate(self._gate_for(voltage_v)):
                driving.pulse(abs(voltage_v), width_s=width_s, partner=None, partner_level_v=0.0)
        return self._record((row, column), voltage_v, width_s, source)

    def staircase(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> PulseRecord:
        """Step one cell through DC levels without going back to 0 V in between, but where the sign changes.

        Parameters
        ----------
        row, column : int
            Gate and bit line, from 0.
        levels_v : sequence of float, unit V
            Bit line above plate, at least one.
        dwell_s : float, unit s
            Time at each level.

        Returns
        -------
        PulseRecord
            Last level and whole duration.

        Raises
        ------
        StationError
            If the cell lies outside the array.
        ValueError
            If there is no level.
        """
        with closing(self._levels(row, column, levels_v)) as steps:
            for _ in steps:
                self._clock.sleep(dwell_s)
        return self._record((row, column), levels_v[-1], dwell_s * len(levels_v), "smu")

    def sweep(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> list[CellReading]:
        """Step one cell through DC levels and measure at the end of each; end at 0 V.

        Parameters
        ----------
        row, column : int
            Gate and bit line, from 0.
        levels_v : sequence of float, unit V
            Bit line above plate, at least one.
        dwell_s : float, unit s
            Time at each level before its measurement, which takes an integration more.

        Returns
        -------
        list of CellReading
            One per level; ``conductance_s`` is I / V, None at 0 V. Compliance of either end is flagged.

        Raises
        ------
        StationError
            If the cell lies outside the array.
        ValueError
            If there is no level.
        """
        readings = []
        with closing(self._levels(row, column, levels_v)) as steps:
            for level_v in steps:
                self._clock.sleep(dwell_s)
                besides = () if level_v >= 0.0 else (self._plate.measure_current(),)
                readings.append(self._reading((row, column), level_v, (self._bit.measure_current(),), besides=besides))
        return readings

    def sample(self, row: int, column: int, voltage_v: float, count: int, *, interval_s: float) -> list[CellReading]:
        """Hold one cell at one voltage, its gate as for reading, and measure again and again; end at 0 V.

        Parameters
        ----------
        row, column : int
            Gate and bit line, from 0.
        voltage_v : float, unit V
            Bit line above plate.
        count : int
            Measurements.
        interval_s : float, unit s
            From one to the next; longer where an integration takes longer.

        Returns
        -------
        list of CellReading

        Raises
        ------
        StationError
            If the cell lies outside the array.
        """
        readings = []
        driving = self._bit if voltage_v >= 0.0 else self._plate
        self._reach(row, column, self._bit_row, self._plate_row)
        with self._open_gate(self._read_v):
            try:
                driving.set_voltage(abs(voltage_v))
                next_s = self._clock.now_s()
                for _ in range(count):
                    next_s += interval_s
                    readings.append(self._reading((row, column), voltage_v, (self._bit.measure_current(),)))
                    self._clock.sleep(max(0.0, next_s - self._clock.now_s()))
            finally:
                driving.set_voltage(0.0)
        return readings

    def check_waveform(self, levels_v: Sequence[float], *, sample_s: float) -> None:
        """Refuse a waveform that cannot be played; nothing is sent.

        The gate has one level for all of it, and it is another for SET than for RESET: one sign only.

        Parameters
        ----------
        levels_v : sequence of float, unit V
            Bit line above plate.
        sample_s : float, unit s
            Time at each level.

        Raises
        ------
        StationError, ValueError
            If there is no generator, it cannot play this, or the sign changes.
        """
        self._checked_waveform(levels_v, sample_s)

    def play(self, row: int, column: int, levels_v: Sequence[float], *, sample_s: float) -> PulseRecord:
        """Play one waveform of one sign across one cell by the generator, from 0 V and back to it.

        Parameters
        ----------
        row, column : int
            Gate and bit line, from 0.
        levels_v : sequence of float, unit V
            Bit line above plate.
        sample_s : float, unit s
            Time at each level; the gate is on a few milliseconds longer than all of them.

        Returns
        -------
        PulseRecord
            Largest level and whole duration.

        Raises
        ------
        StationError
            If the cell lies outside the array.
        ValueError
            As :meth:`check_waveform`.
        """
        generator = self._checked_waveform(levels_v, sample_s)
        peak_v, is_set = max(levels_v, key=abs), max(levels_v) > 0.0
        self._select(row, column)
        output = generator.outputs[0 if is_set else 1]
        generator.load({output: [abs(level_v) for level_v in levels_v]}, sample_s=sample_s)
        self._reach_generator(generator, (row, column), is_set=is_set)
        with self._open_gate(self._gate_for(peak_v)):
            generator.play()
        return self._record((row, column), peak_v, sample_s * len(levels_v), "generator")

    def source_for(self, width_s: float) -> Literal["smu", "generator"]:
        """Return which source gives a pulse of this width.

        Parameters
        ----------
        width_s : float, unit s
            Width of the pulse.

        Returns
        -------
        "smu" or "generator"

        Raises
        ------
        ValueError
            If none can, telling what each of them can do.
        """
        sources = [self._smu_widths(self._terminal, self._bit)]
        if sources[0].gives(width_s):
            return "smu"
        if self._generator is not None:
            sources.append(self._generator.widths(is_allowed=self._settings.pulse_with != "smu"))
            if sources[1].gives(width_s):
                return "generator"
        raise self._no_source(width_s, sources)

    def _checked_waveform(self, levels_v: Sequence[float], sample_s: float) -> LineGenerator:
        if self._generator is None or self._settings.pulse_with == "smu":
            raise ValueError(
                f"array: a waveform comes from a generator on matrix rows, not with pulse_with="
                f"{self._settings.pulse_with!r}"
            )
        if min(levels_v, default=0.0) < 0.0 < max(levels_v, default=0.0):
            raise ValueError(
                "array: a waveform across a cell with a transistor must keep one sign, as its gate has one level for "
                "all of it and another for RESET than for SET; give its parts one after the other"
            )
        self._generator.check({self._generator.outputs[0]: levels_v}, sample_s=sample_s)
        return self._generator

    def _gate_for(self, voltage_v: float) -> float:
        return self._set_v if voltage_v >= 0.0 else self._reset_v

    def _levels(self, row: int, column: int, levels_v: Sequence[float]) -> Generator[float, None, None]:
        """Bring the cell to one level after the other; the gate follows the sign."""
        need_levels(levels_v)
        self._reach(row, column, self._bit_row, self._plate_row)
        is_set: bool | None = None
        try:
            for level_v in levels_v:
                if is_set is not (level_v >= 0.0):
                    is_set = level_v >= 0.0
                    self._rest()
                    self._gate.source.set_voltage(self._gate_for(level_v))
                (self._bit if is_set else self._plate).set_voltage(abs(level_v))
                yield level_v
        finally:
            self._rest()
            self._gate.source.set_voltage(0.0)

    def _rest(self) -> None:
        self._bit.set_voltage(0.0)
        self._plate.set_voltage(0.0)

    @contextmanager
    def _open_gate(self, gate_v: float) -> Iterator[None]:
        """Hold the gate of the row at a voltage; it is back at 0 V afterwards."""
        try:
            self._gate.source.set_voltage(gate_v)
            yield
        finally:
            self._gate.source.set_voltage(0.0)

    def _fire(self, generator: LineGenerator, cell: tuple[int, int], voltage_v: float, width_s: float) -> None:
        """Let the first output pulse the bit line, or the second the plate."""
        self._select(*cell)
        generator.arm(width_s)
        output = self._reach_generator(generator, cell, is_set=voltage_v >= 0.0)
        with self._open_gate(self._gate_for(voltage_v)):
            generator.fire({output: abs(voltage_v)})

    def _reach_generator(self, generator: LineGenerator, cell: tuple[int, int], *, is_set: bool) -> int:
        """Hang the bit line on the first output, or the plate on the second, and return that output."""
        if is_set:
            self._reach(*cell, generator.rows[0], self._plate_row)
        else:
            self._reach(*cell, self._ground, generator.rows[1])
        return generator.outputs[0 if is_set else 1]

    def _reach(self, row: int, column: int, bit_row: str, plate_row: str) -> None:
        """Hang the cell's bit line on one row, the plate and all other bit lines on another, its gate on the gate's."""
        self._select(row, column)
        wanted: dict[str, str | None] = dict.fromkeys((self._plate_line, *self._bits), plate_row)
        wanted[self._bits[column]] = bit_row
        self._lines.move(wanted)
        self._open_row(row)

    def _open_row(self, row: int) -> None:
        """Hang the gate of a row on its channel, the others on ground."""
        gates: dict[str, str | None] = dict.fromkeys(self._gate_lines, self._gate.ground)
        gates[self._gate_lines[row]] = self._gate.row
        self._gates.move(gates)

    def _channels(self) -> tuple[SourceMeter, ...]:
        return self._plate, self._bit, self._gate.source

    def _measuring(self) -> SourceMeter:
        return self._bit

    def _range_v(self, channel: SourceMeter) -> float:
        if channel is self._gate.source:
            return max(self._read_v, self._set_v, self._reset_v)
        return super()._range_v(channel)

    def _begin(self) -> None:
        self._lines.open_all()
        self._gates.open_all()

    def _end(self) -> None:
        if self._generator is not None:
            self._generator.off()
        self._gates.open_all()
        self._lines.open_all()

    def _forget_zero(self) -> None:
        self._meter.forget()


def _gate_level(station: RackStation, key: str) -> float:
    if key not in station.sample.access:
        raise StationError(
            f"array: cells with a transistor need {key} in the table sample.access of the station file, unit V"
        )
    return station.sample.access[key]
