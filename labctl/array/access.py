"""Address, bias, pulse and read the cells of a crossbar through a station.

Lines that are not selected hang on ground; the selected pair hangs on the source-measure unit, and for short pulses on
the generator. With the scheme ``inhibit`` channel B drives the other bit lines instead, and the selected bit line is on
ground.

Relays move only while every source is at 0 V, and only those that must; a pulse of the source-measure unit and the
read that follows need none. A positive cell voltage has the word line above the bit line and is the SET direction.

Not here: bias schemes (:mod:`labctl.array.schemes`), currents and their zero (:mod:`labctl.array.meter`), what to do to
which cell (:mod:`labctl.tuning`).
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

from labctl.array.crossbar_lines import CrossbarLines
from labctl.array.line_sums import LineSums, sum_level_v
from labctl.array.meter import turned
from labctl.array.pulse_widths import PulseWidths, no_source
from labctl.array.readings import CellReading, PulseRecord, cell_reading
from labctl.array.schemes import FULL_STRESS_V, LineVoltages, Scheme
from labctl.roles import Reading

__all__ = ["CrossbarAccess"]


class CrossbarAccess(CrossbarLines):
    """The cells of the station's array.

    Parameters
    ----------
    station : RackStation
        An open station with a matrix, a dual source-measure unit and, for short pulses, a generator.
    **settings
        See :class:`labctl.array.crossbar_lines.CrossbarLines`.

    Raises
    ------
    StationError
        If the station lacks what this needs, or the scheme needs more outputs than there are.
    ValueError
        If the read voltage or the scheme is not allowed.
    """

    def read(self, row: int, column: int) -> CellReading:
        """Read one cell at low voltage; all other lines are on ground.

        Parameters
        ----------
        row, column : int

        Returns
        -------
        CellReading
            Apparent conductance, with flags.

        Raises
        ------
        StationError
            If the cell lies outside the array.
        """
        self._select(row, column)
        if self.scheme is Scheme.INHIBIT:
            self._connect(row, column, *self._smu_rows())
            readings = self._meter.guarded()
        else:
            self._connect(row, column, self._smu_pair, (self._ground, self._ground))
            readings = self._meter.zeroed((row, column))
        return cell_reading(row, column, self.read_voltage_v, readings, self._clock.now_s())

    def pulse(self, row: int, column: int, voltage_v: float, width_s: float) -> PulseRecord:
        """Give one rectangular pulse to one cell; every source is back at 0 V afterwards.

        Parameters
        ----------
        row, column : int
        voltage_v : float, unit V
            Cell voltage, positive in the SET direction.
        width_s : float, unit s

        Returns
        -------
        PulseRecord
            What was sent.

        Raises
        ------
        StationError, ValueError
            If the cell lies outside the array, no source can give this width, or the scheme would stress a whole line.
        """
        levels = self._levels(voltage_v)
        source = self.source_for(width_s)
        self._select(row, column)
        if source == "smu":
            self._connect(row, column, *self._smu_rows())
            partner_v = levels.other_bit_v if self.scheme is Scheme.INHIBIT else levels.selected_bit_v
            self._smu.word.pulse(
                levels.selected_word_v, width_s=width_s, partner=self._smu.bit, partner_level_v=partner_v or 0.0
            )
        else:
            self._fire(row, column, levels, width_s)
        return PulseRecord(row, column, voltage_v, width_s, source, self._clock.now_s())

    def staircase(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> PulseRecord:
        """Step one cell through DC levels without going back to 0 V in between; end at 0 V.

        Parameters
        ----------
        row, column : int
        levels_v : sequence of float, unit V
            Cell voltages, at least one.
        dwell_s : float, unit s

        Returns
        -------
        PulseRecord
            Last level and whole duration.

        Raises
        ------
        StationError, ValueError
            If the cell lies outside the array, the scheme has no DC form or would stress a line, or there is no level.
        """
        steps = self._dc_steps(levels_v)
        self._select(row, column)
        self._connect(row, column, *self._smu_rows())
        try:
            for lines in steps:
                self._smu.word.set_voltage(lines.selected_word_v)
                self._smu.bit.set_voltage(lines.selected_bit_v)
                self._clock.sleep(dwell_s)
        finally:
            self._smu.word.set_voltage(0.0)
            self._smu.bit.set_voltage(0.0)
        return PulseRecord(row, column, levels_v[-1], dwell_s * len(levels_v), "smu", self._clock.now_s())

    def add_up(self, rows: Collection[int], column: int, *, voltage_v: float | None = None) -> CellReading:
        """Put one voltage on several word lines at once and measure what their cells add up to in a bit line.

        All other lines are on ground. The offsets of both channels are in the current: measure with no row, and at 0 V.
        All cells of the rows load the word channel; whether it is in compliance is asked once for each change of rows.

        Parameters
        ----------
        rows : collection of int
            Word lines at the voltage; may be empty.
        column : int
        voltage_v : float or None, unit V
            At most 0.3 V; None is the read voltage.

        Returns
        -------
        CellReading
            Of row -1; ``conductance_s`` is the sum of the selected cells, None at 0 V.

        Raises
        ------
        StationError, ValueError
            If a line is not in the array, or the voltage would stress the cells.
        """
        level_v = sum_level_v(voltage_v, self.read_voltage_v)
        for row in (*rows, 0):
            self._select(row, column)
        wanted: dict[str, str | None] = dict.fromkeys((*self._words, *self._bits), self._ground)
        wanted |= dict.fromkeys((self._words[row] for row in rows), self._smu.word_row)
        wanted[self._bits[column]] = self._smu.bit_row
        # no single cell is selected: the next one is connected from scratch
        self._rest, self._selected = None, None
        self._meter.forget()
        self._lines.move(wanted)
        return self._sums.measure(rows, column, level_v)

    def add_up_transposed(self, columns: Collection[int], row: int, *, voltage_v: float | None = None) -> CellReading:
        """Put one voltage on several bit lines at once and measure what their cells add up to in a word line.

        The channels change places: the cells see the voltage the other way round. All other lines are on ground. The
        offsets of both channels are in the current: measure with no column, and at 0 V.

        Parameters
        ----------
        columns : collection of int
            Bit lines at the voltage; may be empty.
        row : int
        voltage_v : float or None, unit V
            Bit line above word line, at most 0.3 V; None is the read voltage.

        Returns
        -------
        CellReading
            Of column -1; ``conductance_s`` is the sum of the selected cells, None at 0 V.

        Raises
        ------
        StationError, ValueError
            If a line is not in the array, or the voltage would stress the cells.
        """
        level_v = sum_level_v(voltage_v, self.read_voltage_v)
        for column in (*columns, 0):
            self._select(row, column)
        wanted: dict[str, str | None] = dict.fromkeys((*self._words, *self._bits), self._ground)
        wanted |= dict.fromkeys((self._bits[column] for column in columns), self._smu.bit_row)
        wanted[self._words[row]] = self._smu.word_row
        self._rest, self._selected = None, None
        self._meter.forget()
        self._lines.move(wanted)
        # the other channel drives: what was asked of this one says nothing
        self._sums.forget()
        sums = LineSums(self._smu.bit, self._smu.word, self._clock)
        return replace(sums.measure(columns, row, level_v), row=row, column=-1)

    def sweep(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> list[CellReading]:
        """Step one cell through DC levels and measure at the end of each; end at 0 V.

        The current is that of the bit line, less what flowed at 0 V before, which the offset of the bit channel drives
        through every cell of the line. With ``v2`` the half-selected cells of that line are in it, with ``floating``
        sneak paths, with ``grounded`` neither. Compliance of either channel is flagged.

        Parameters
        ----------
        row, column : int
        levels_v : sequence of float, unit V
            Cell voltages, at least one.
        dwell_s : float, unit s
            Time at each level before its measurement, which takes an integration more.

        Returns
        -------
        list of CellReading
            One per level; ``conductance_s`` is I / V, None at 0 V.

        Raises
        ------
        StationError, ValueError
            If the cell lies outside the array, the scheme has no DC form or would stress a line, or there is no level.
        """
        steps = self._dc_steps(levels_v)
        self._select(row, column)
        self._connect(row, column, *self._smu_rows())
        zero = self._smu.bit.measure_current()
        readings = []
        try:
            for level_v, lines in zip(levels_v, steps, strict=True):
                self._smu.word.set_voltage(lines.selected_word_v)
                self._smu.bit.set_voltage(lines.selected_bit_v)
                self._clock.sleep(dwell_s)
                readings.append(self._loaded(row, column, level_v, zero))
        finally:
            self._smu.word.set_voltage(0.0)
            self._smu.bit.set_voltage(0.0)
        return readings

    def sample(self, row: int, column: int, voltage_v: float, count: int, *, interval_s: float) -> list[CellReading]:
        """Hold one cell at one voltage and measure its current again and again; end at 0 V.

        The word line is at the voltage, all other lines on ground. What flowed at 0 V before is taken off: the offset
        of the bit channel drives a current through every cell of the bit line.

        Parameters
        ----------
        row, column : int
        voltage_v : float, unit V
            At most 0.3 V, which all cells of the word line see.
        count : int
            Measurements.
        interval_s : float, unit s
            From one to the next; longer where an integration takes longer.

        Returns
        -------
        list of CellReading

        Raises
        ------
        StationError, ValueError
            If the cell lies outside the array, or the voltage would stress a whole line.
        """
        if not 0.0 < abs(voltage_v) <= FULL_STRESS_V and not self._may_stress_line:
            raise ValueError(
                f"array: a held voltage of {voltage_v:.4g} V is on all cells of the word line; allowed are at most "
                f"{FULL_STRESS_V} V, or confirm it with may_stress_line"
            )
        self._select(row, column)
        self._connect(row, column, self._smu_pair, (self._ground, self._ground))
        zero = self._smu.bit.measure_current()
        readings = []
        try:
            self._smu.word.set_voltage(voltage_v)
            next_s = self._clock.now_s()
            for _ in range(count):
                next_s += interval_s
                current = turned(self._smu.bit.measure_current())
                readings.append(cell_reading(row, column, voltage_v, (current, zero), self._clock.now_s()))
                self._clock.sleep(max(0.0, next_s - self._clock.now_s()))
        finally:
            self._smu.word.set_voltage(0.0)
        return readings

    def check_waveform(self, levels_v: Sequence[float], *, sample_s: float) -> None:
        """Refuse a waveform that cannot be played; nothing is sent.

        Parameters
        ----------
        levels_v : sequence of float, unit V
            Cell voltages.
        sample_s : float, unit s
            Time at each.

        Raises
        ------
        StationError, ValueError
            If there is no generator, it cannot play this, or the scheme does not allow it.
        """
        self._waveforms(self._needed_generator(), levels_v, sample_s)

    def play(self, row: int, column: int, levels_v: Sequence[float], *, sample_s: float) -> PulseRecord:
        """Play one waveform across one cell by the generator, from 0 V and back to it.

        The lines get their shares of each sample as the scheme says, those that are not selected as for a pulse: with
        ``v2`` the half-selected cells see half of the waveform.

        Parameters
        ----------
        row, column : int
        levels_v : sequence of float, unit V
            Cell voltages, positive in the SET direction.
        sample_s : float, unit s
            Time at each.

        Returns
        -------
        PulseRecord
            Largest level and whole duration.

        Raises
        ------
        StationError, ValueError
            If the cell lies outside the array, or as :meth:`check_waveform`.
        """
        generator = self._needed_generator()
        wanted_v = self._waveforms(generator, levels_v, sample_s)
        self._select(row, column)
        generator.load(wanted_v, sample_s=sample_s)
        self._connect(row, column, *self._generator_rows(generator))
        generator.play()
        duration_s = sample_s * len(levels_v)
        return PulseRecord(row, column, max(levels_v, key=abs), duration_s, "generator", self._clock.now_s())

    def source_for(self, width_s: float) -> Literal["smu", "generator"]:
        """Return which source gives a pulse of this width.

        Parameters
        ----------
        width_s : float, unit s

        Returns
        -------
        "smu" or "generator"

        Raises
        ------
        ValueError
            If none can, telling what each of them can do.
        """
        may_drive = self._pulse_with != "generator" and self.scheme is not Scheme.V3
        sources = [PulseWidths(self._smu.terminal, self._smu.word.limits.min_pulse_s, is_allowed=may_drive)]
        if sources[0].gives(width_s):
            return "smu"
        if self._generator is not None:
            can_fire = self._pulse_with != "smu" and self.scheme is not Scheme.INHIBIT
            sources.append(self._generator.widths(is_allowed=can_fire))
            if sources[1].gives(width_s):
                return "generator"
        where = f"with pulse_with={self._pulse_with!r} and scheme {str(self.scheme)!r}"
        raise no_source(self._station, width_s, where, sources)

    def _loaded(self, row: int, column: int, level_v: float, zero: Reading) -> CellReading:
        """Measure under load: the current of the bit line, and whether the word channel is in compliance."""
        word = self._smu.word.measure_current()
        bit = turned(self._smu.bit.measure_current())
        return cell_reading(row, column, level_v, (bit, zero), self._clock.now_s(), besides=(word,))

    def _fire(self, row: int, column: int, levels: LineVoltages, width_s: float) -> None:
        generator = self._needed_generator()
        generator.arm(width_s)
        self._connect(row, column, *self._generator_rows(generator))
        generator.fire(dict(zip(generator.outputs, levels.driven_v, strict=False)))
