"""Cells of an array of electrochemical transistors: gate pulses write, the channel is read while the gate floats.

Drains hang on the word lines, sources on the bit lines, the gates of each row on a line of a matrix of their own. The
protocol of writing and reading is that of three-terminal ECRAM papers: the gate against source and drain, then the gate
open, a wait, and a small drain voltage. Not here: transistors in series with a cell
(:mod:`labctl.array.one_transistor_access`).
"""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Literal

from labctl.array.channel_meter import ChannelMeter
from labctl.array.line_sums import LineSums, sum_level_v
from labctl.array.meter import turned
from labctl.array.prepared_access import PreparedAccess, need_levels
from labctl.array.readings import CellReading, PulseRecord
from labctl.array.schemes import FULL_STRESS_V, Scheme
from labctl.array.sources import RackStation, find_gate, find_matrix, find_smus
from labctl.array.wires import LineSwitch
from labctl.errors import StationError
from labctl.roles import Reading, SourceMeter

__all__ = ["GatedAccess"]

# a wait of so many pulse widths, and the least, before a read where the station file says nothing
_SETTLE_WIDTHS, _LEAST_SETTLE_S = 10.0, 1e-5


class GatedAccess(PreparedAccess):
    """The cells of an array with a gate line for each row.

    What the array sees of a pulse of V with scheme ``v2``: the gate line of the row at +V/2, the source line of the
    column at -V/2, everything else on ground, the drain lines as well. The cell has V between gate and source; the
    others of its row have V/2 there, and so have the others of its column; the rest 0 V. Source and drain cannot be at
    one potential: drain lines run along the gates, so that pulling the cell's drain to -V/2 with its source would put
    all of V between gate and drain of its whole row. So the channels of the column carry a current at V/2, and the
    cell's drain end has V/2 against the gate. The source line goes to its half first and comes back last: V lasts as
    long as the pulse of the gate, which the instrument times, V/2 on the column some milliseconds more.

    With scheme ``grounded`` all channel terminals are at 0 V and the gate line at V: this writes every cell of the row,
    and must be confirmed with ``may_stress_line``.

    What flows at 0 V is taken off every current, as the offset of the drain's channel drives its whole row.

    Gates are open except during a pulse, so that nothing is read with a driven gate. After a pulse nothing is read for
    ``settle_s`` of ``[sample.access]``, or for ten widths, at least 10 microseconds.

    Parameters
    ----------
    station : RackStation
        Open, with ``[wiring.control]``.
    **settings
        See :class:`labctl.array.prepared_access.AccessSettings`; a generator is not used, nor ``row_stress_v``.

    Raises
    ------
    StationError
        If the station lacks what this needs, or the scheme is none of the two.
    ValueError
        If a setting is not allowed.
    """

    _GEOMETRY: ClassVar[str] = "gates"
    _MEANINGLESS: ClassVar[tuple[str, ...]] = ("row_stress_v",)
    _PULSE_WITH: ClassVar[tuple[str, ...]] = ("auto", "smu")

    def __init__(self, station: RackStation, **settings: Any) -> None:
        super().__init__(station, **settings)
        wiring, control = station.wiring, station.wiring.control
        if control is None or control.common_source:
            raise StationError("array: an array with gates needs the table wiring.control without a common source")
        self.scheme = Scheme(self._settings.scheme)
        if self.scheme not in (Scheme.V2, Scheme.GROUNDED):
            raise StationError(f"array: scheme {str(self.scheme)!r} is none for gates; choose v2 or grounded")
        smu = find_smus(station)
        # the first channel drives the source line, so that a fixed range of the second limits no pulse
        self._source, self._source_row = smu.word, smu.word_row
        self._drain, self._drain_row = smu.bit, smu.bit_row
        self._gate = find_gate(station, control)
        self._ground = wiring.row_of("ground")
        self._lines = LineSwitch(find_matrix(station), wiring)
        self._gates = LineSwitch(self._gate.matrix, control)
        self._words = [wiring.word(index) for index in range(self.shape[0])]
        self._bits = [wiring.bit(index) for index in range(self.shape[1])]
        self._gate_lines = [control.line(index) for index in range(self.shape[0])]
        # the drain is above the source while reading
        self._meter = ChannelMeter(self._source, self._drain, -self.read_voltage_v)
        self._sums = LineSums(self._source, self._drain, self._clock)
        self._settle_s = station.sample.access.get("settle_s")
        self._settled_s = 0.0

    def read(self, row: int, column: int) -> CellReading:
        """Read one channel at low voltage while all gates float.

        Parameters
        ----------
        row, column : int
            Word and bit line, from 0.

        Returns
        -------
        CellReading
            Apparent conductance, with flags.

        Raises
        ------
        StationError
            If the cell lies outside the array.
        """
        self._reach(row, column)
        return self._reading((row, column), self.read_voltage_v, self._meter.zeroed((row, column)))

    def pulse(self, row: int, column: int, voltage_v: float, width_s: float) -> PulseRecord:
        """Give one rectangular pulse to one gate; every source is back at 0 V afterwards and all gates float.

        Parameters
        ----------
        row, column : int
            Word and bit line, from 0.
        voltage_v : float, unit V
            Gate against source, positive towards higher conductance.
        width_s : float, unit s
            Width of the pulse.

        Returns
        -------
        PulseRecord

        Raises
        ------
        StationError
            If the cell lies outside the array.
        ValueError
            If the source-measure unit cannot give this width, or the scheme would write a whole row.
        """
        gate_v, source_v = self._levels(voltage_v)
        source = self.source_for(width_s)
        self._reach_gate(row, column)
        try:
            if source_v != 0.0:
                self._source.set_voltage(source_v)
            self._gate.source.pulse(gate_v, width_s=width_s, partner=None, partner_level_v=0.0)
        finally:
            self._rest()
        self._float_gates(width_s)
        return self._record((row, column), voltage_v, width_s, source)

    def staircase(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> PulseRecord:
        """Step one gate through DC levels without going back to 0 V in between; end at 0 V.

        Parameters
        ----------
        row, column : int
            Word and bit line, from 0.
        levels_v : sequence of float, unit V
            Gate against source, at least one.
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
            If there is no level, or the scheme would write a whole row.
        """
        need_levels(levels_v)
        steps = [self._levels(level_v) for level_v in levels_v]
        self._reach_gate(row, column)
        try:
            for gate_v, source_v in steps:
                self._source.set_voltage(source_v)
                self._gate.source.set_voltage(gate_v)
                self._clock.sleep(dwell_s)
        finally:
            self._rest()
        self._float_gates(dwell_s * len(levels_v))
        return self._record((row, column), levels_v[-1], dwell_s * len(levels_v), "smu")

    def sweep(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> list[CellReading]:
        """Step one channel through DC levels while all gates float, and measure at the end of each; end at 0 V.

        Parameters
        ----------
        row, column : int
            Word and bit line, from 0.
        levels_v : sequence of float, unit V
            Drain above source, at least one; at most 0.3 V, which the column sees too, unless ``may_stress_line``.
        dwell_s : float, unit s
            Time at each level before its measurement, which takes an integration more.

        Returns
        -------
        list of CellReading
            One per level; ``conductance_s`` is I / V, None at 0 V.

        Raises
        ------
        StationError
            If the cell lies outside the array.
        ValueError
            If there is no level, or one is too high.
        """
        need_levels(levels_v)
        self._check_channel(levels_v)
        zero = self._reach_channel(row, column)
        readings = []
        try:
            for level_v in levels_v:
                self._source.set_voltage(-level_v)
                self._clock.sleep(dwell_s)
                source, drain = self._source.measure_current(), self._drain.measure_current()
                readings.append(self._reading((row, column), level_v, (drain, zero), besides=(source,)))
        finally:
            self._source.set_voltage(0.0)
        return readings

    def sample(self, row: int, column: int, voltage_v: float, count: int, *, interval_s: float) -> list[CellReading]:
        """Hold one channel at one voltage while all gates float, and measure again and again; end at 0 V.

        Parameters
        ----------
        row, column : int
            Word and bit line, from 0.
        voltage_v : float, unit V
            Drain above source; at most 0.3 V, which the column sees too, unless ``may_stress_line``.
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
        ValueError
            If the voltage is too high.
        """
        self._check_channel([voltage_v])
        zero = self._reach_channel(row, column)
        readings = []
        try:
            self._source.set_voltage(-voltage_v)
            next_s = self._clock.now_s()
            for _ in range(count):
                next_s += interval_s
                readings.append(self._reading((row, column), voltage_v, (self._drain.measure_current(), zero)))
                self._clock.sleep(max(0.0, next_s - self._clock.now_s()))
        finally:
            self._source.set_voltage(0.0)
        return readings

    def add_up(self, rows: Collection[int], column: int, *, voltage_v: float | None = None) -> CellReading:
        """Put one voltage on the drains of several rows at once and measure their sum in a source line; gates float.

        The channels change places: the first one drives the drain lines, the second one, whose range counts, measures
        the source line; all other lines are on ground. The offsets of both channels are in the current: measure with
        no row, and at 0 V. Whether the driving channel is in compliance is asked once for each change of rows.

        Parameters
        ----------
        rows : collection of int
            Word lines at the voltage; may be empty.
        column : int
            Bit line, from 0.
        voltage_v : float or None, unit V
            Drain above source, at most 0.3 V; None is the read voltage.

        Returns
        -------
        CellReading
            Of row -1; ``conductance_s`` is the sum of the selected channels, None at 0 V.

        Raises
        ------
        StationError
            If a line is not in the array.
        ValueError
            If the voltage would stress the cells.
        """
        level_v = sum_level_v(voltage_v, self.read_voltage_v)
        for row in (*rows, 0):
            self._select(row, column)
        self._let_settle()
        wanted: dict[str, str | None] = dict.fromkeys((*self._words, *self._bits), self._ground)
        wanted |= dict.fromkeys((self._words[row] for row in rows), self._source_row)
        wanted[self._bits[column]] = self._drain_row
        self._lines.move(wanted)
        return self._sums.measure(rows, column, level_v)

    def source_for(self, width_s: float) -> Literal["smu", "generator"]:
        """Return which source gives a pulse of this width.

        Parameters
        ----------
        width_s : float, unit s
            Width of the pulse.

        Returns
        -------
        "smu"

        Raises
        ------
        ValueError
            If it cannot, telling what it can do.
        """
        widths = self._smu_widths(self._gate.terminal, self._gate.source)
        if widths.gives(width_s):
            return "smu"
        raise self._no_source(width_s, [widths])

    def _levels(self, voltage_v: float) -> tuple[float, float]:
        """Levels of gate line and source line."""
        if self.scheme is Scheme.V2:
            return 0.5 * voltage_v, -0.5 * voltage_v
        if not self._settings.may_stress_line:
            raise ValueError(
                f"array: scheme 'grounded' writes all cells of the gate line with {voltage_v:.4g} V; choose v2, or "
                "confirm it with may_stress_line"
            )
        return voltage_v, 0.0

    def _check_channel(self, levels_v: Sequence[float]) -> None:
        for level_v in levels_v:
            # a ramp ends a rounding above its last level
            if not abs(level_v) <= FULL_STRESS_V * (1.0 + 1e-9) and not self._settings.may_stress_line:
                raise ValueError(
                    f"array: {level_v:.4g} V along a channel is on the others of its column too; allowed are at most "
                    f"{FULL_STRESS_V} V, or confirm it with may_stress_line"
                )

    def _reach_channel(self, row: int, column: int) -> Reading:
        """Connect a channel; return minus the current at 0 V, which the drain's offset drives through its whole row."""
        self._reach(row, column)
        return turned(self._drain.measure_current())

    def _reach(self, row: int, column: int) -> None:
        self._select(row, column)
        self._let_settle()
        self._connect(row, column, self._drain_row)

    def _let_settle(self) -> None:
        # a pulse that failed left them where they were
        self._gates.move(dict.fromkeys(self._gate_lines))
        self._clock.sleep(max(0.0, self._settled_s - self._clock.now_s()))

    def _reach_gate(self, row: int, column: int) -> None:
        self._select(row, column)
        self._connect(row, column, self._ground)
        wanted = dict.fromkeys(self._gate_lines, self._gate.ground)
        wanted[self._gate_lines[row]] = self._gate.row
        self._gates.move(wanted)

    def _rest(self) -> None:
        self._gate.source.set_voltage(0.0)
        self._source.set_voltage(0.0)

    def _float_gates(self, width_s: float) -> None:
        self._gates.move(dict.fromkeys(self._gate_lines))
        settle_s = max(_SETTLE_WIDTHS * width_s, _LEAST_SETTLE_S) if self._settle_s is None else self._settle_s
        self._settled_s = self._clock.now_s() + settle_s
        # in the range of a pulse a source is millivolts off, a hundredth of the read voltage: with the zero of another
        # state of the channel that would be more than a step
        self._meter.forget()

    def _connect(self, row: int, column: int, drain_row: str) -> None:
        """Hang the source line on its channel and the drain line on ``drain_row``, all others on ground."""
        wanted: dict[str, str | None] = dict.fromkeys((*self._words, *self._bits), self._ground)
        wanted[self._words[row]] = drain_row
        wanted[self._bits[column]] = self._source_row
        self._sums.forget()
        self._lines.move(wanted)

    def _channels(self) -> tuple[SourceMeter, ...]:
        return self._source, self._drain, self._gate.source

    def _measuring(self) -> SourceMeter:
        return self._drain

    def _begin(self) -> None:
        self._lines.open_all()
        self._gates.open_all()

    def _end(self) -> None:
        self._gates.open_all()
        self._lines.open_all()

    def _forget_zero(self) -> None:
        self._meter.forget()
        self._sums.forget()
