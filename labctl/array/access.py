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
from types import TracebackType
from typing import Literal, Self

from labctl.array.meter import CellMeter, turned
from labctl.array.readings import CellReading, PulseRecord, cell_reading
from labctl.array.schemes import FULL_STRESS_V, LineVoltages, Scheme, check_outputs, line_voltages
from labctl.array.sources import RackStation, find_generator, find_matrix, find_smus
from labctl.array.wires import LineSwitch
from labctl.errors import StationError
from labctl.roles import PulseSource, Reading, SourceMeter

__all__ = ["CrossbarAccess", "PulseWith"]

PulseWith = Literal["auto", "smu", "generator"]


class CrossbarAccess:
    """The cells of the station's array.

    Parameters
    ----------
    station : RackStation
        An open station with a matrix, a dual source-measure unit and, for short pulses, a generator.
    scheme : Scheme or str
        Bias scheme of pulses.
    read_voltage_v : float, unit V
        Word line above bit line while reading; 0 < V <= 0.3.
    integration_plc : float, unit 1
        Integration time of a reading in power-line cycles.
    measure_range_a : float or None, unit A
        Current range of readings; None is auto-range. A fixed range also limits the current of pulses on the bit
        line, because a source-measure unit cannot give more than its measure range shows.
    current_limit_a : float, unit A
        Compliance of both channels. The half-selected cells of a driven line share it with the selected one.
    pulse_voltage_v : float, unit V
        Largest magnitude on a line; chooses the voltage range.
    edge_s : float, unit s
        Edge of generator pulses; shorter where it does not fit into the width.
    pulse_with : "auto", "smu" or "generator"
        Source of pulses; "auto" takes the source-measure unit where it can give the width.
    may_stress_line : bool
        Allow ``grounded`` pulses above 0.3 V, which the other cells of the word line see in full.
    row_stress_v : float, unit V
        Scheme ``inhibit``: what the other cells of the selected word line see at most.

    Raises
    ------
    StationError
        If the station lacks what this needs, or the scheme needs more outputs than there are.
    ValueError
        If the read voltage or the scheme is not allowed.
    """

    def __init__(
        self,
        station: RackStation,
        *,
        scheme: Scheme | str = Scheme.V2,
        read_voltage_v: float = 0.2,
        integration_plc: float = 1.0,
        measure_range_a: float | None = None,
        current_limit_a: float = 0.05,
        pulse_voltage_v: float = 2.0,
        edge_s: float = 1e-8,
        pulse_with: PulseWith = "auto",
        may_stress_line: bool = False,
        row_stress_v: float = 0.9,
    ) -> None:
        if not 0.0 < read_voltage_v <= FULL_STRESS_V:
            raise ValueError(f"array: the read voltage must lie in (0, {FULL_STRESS_V}] V, got {read_voltage_v!r} V")
        self.scheme = Scheme(scheme)
        self.shape = (station.sample.rows, station.sample.columns)
        self.read_voltage_v = read_voltage_v
        self._clock = station.clock
        self._wiring = station.wiring
        self._lines = LineSwitch(find_matrix(station), station.wiring)
        self._smu = find_smus(station)
        self._generator = find_generator(station)
        self._ground = station.wiring.row_of("ground")
        self._words = [station.wiring.word(index) for index in range(self.shape[0])]
        self._bits = [station.wiring.bit(index) for index in range(self.shape[1])]
        self._selected: tuple[int, int] | None = None
        self._smu_pair = (self._smu.word_row, self._smu.bit_row)
        self._rest: tuple[str | None, str | None] | None = None
        self._pulse_with: PulseWith = pulse_with
        self._may_stress_line = may_stress_line
        self._row_stress_v = row_stress_v
        self._meter = CellMeter(self._smu, read_voltage_v)
        self._summed: tuple[frozenset[int], Reading] | None = None
        self._edge_s = edge_s
        self._integration_plc = integration_plc
        self._measure_range_a = measure_range_a
        self._current_limit_a = current_limit_a
        self._pulse_voltage_v = pulse_voltage_v
        self._is_ready = False
        self._generator_width_s: float | None = None
        check_outputs(self.scheme, 0 if self._generator is None else len(self._generator.rows))

    def __enter__(self) -> Self:
        """Return the access; it prepares itself with the first use."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the array."""
        self.release()

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
        level_v = self.read_voltage_v if voltage_v is None else voltage_v
        if not abs(level_v) <= FULL_STRESS_V:
            raise ValueError(f"array: sums are measured at no more than {FULL_STRESS_V} V, got {level_v:.4g} V")
        for row in (*rows, 0):
            self._select(row, column)
        wanted: dict[str, str | None] = dict.fromkeys((*self._words, *self._bits), self._ground)
        wanted |= dict.fromkeys((self._words[row] for row in rows), self._smu.word_row)
        wanted[self._bits[column]] = self._smu.bit_row
        # no single cell is selected: the next one is connected from scratch
        self._rest, self._selected = None, None
        self._meter.forget()
        self._lines.move(wanted)
        chosen, besides = frozenset(rows), []
        try:
            self._smu.word.set_voltage(level_v)
            if level_v != 0.0:
                if self._summed is None or self._summed[0] != chosen:
                    self._summed = chosen, self._smu.word.measure_current()
                besides.append(self._summed[1])
            current = turned(self._smu.bit.measure_current())
        finally:
            self._smu.word.set_voltage(0.0)
        return cell_reading(-1, column, level_v, (current,), self._clock.now_s(), besides=besides)

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

    def limit_current(self, current_limit_a: float) -> None:
        """Set the compliance of both channels from now on.

        Parameters
        ----------
        current_limit_a : float, unit A
        """
        self._current_limit_a = current_limit_a
        self._summed = None
        if self._is_ready:
            for channel in (self._smu.word, self._smu.bit):
                self._prepare_channel(channel)

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
        smu_min_s = self._smu.word.limits.min_pulse_s
        choices = [f"smu: at least {smu_min_s:.4g} s"]
        if self._pulse_with != "generator" and self.scheme is not Scheme.V3 and width_s >= smu_min_s:
            return "smu"
        if self._generator is not None:
            limits = self._generator.source.limits
            choices.append(f"generator: {limits.min_width_s:.4g} s to {limits.max_width_s:.4g} s")
            can_fire = self._pulse_with != "smu" and self.scheme is not Scheme.INHIBIT
            if can_fire and limits.min_width_s <= width_s <= limits.max_width_s:
                return "generator"
        raise ValueError(
            f"array: no source can give a pulse of {width_s:.4g} s with pulse_with={self._pulse_with!r} and scheme "
            f"{str(self.scheme)!r}; there are {'; '.join(choices)}"
        )

    def release(self) -> None:
        """Put every source to 0 V and off, then open every relay."""
        if not self._is_ready:
            return
        self._is_ready = False
        for channel in (self._smu.word, self._smu.bit):
            channel.set_voltage(0.0)
            channel.output_off()
        if self._generator is not None and self._generator_width_s is not None:
            self._generator.source.output_off()
            self._generator_width_s = None
        self._lines.open_all()
        self._selected, self._rest, self._summed = None, None, None
        self._meter.forget()

    def _loaded(self, row: int, column: int, level_v: float, zero: Reading) -> CellReading:
        """Measure under load: the current of the bit line, and whether the word channel is in compliance."""
        word = self._smu.word.measure_current()
        bit = turned(self._smu.bit.measure_current())
        return cell_reading(row, column, level_v, (bit, zero), self._clock.now_s(), besides=(word,))

    def _dc_steps(self, levels_v: Sequence[float]) -> list[LineVoltages]:
        if not levels_v:
            raise ValueError("array: a staircase needs at least one level")
        if self.scheme in (Scheme.V3, Scheme.INHIBIT):
            raise StationError(
                f"array: scheme {str(self.scheme)!r} has no DC form; choose v2, grounded or floating for a staircase"
            )
        return [self._levels(level_v) for level_v in levels_v]

    def _levels(self, voltage_v: float) -> LineVoltages:
        if self.scheme is Scheme.GROUNDED and abs(voltage_v) > FULL_STRESS_V and not self._may_stress_line:
            raise ValueError(
                f"array: scheme 'grounded' puts all of {voltage_v:.4g} V on the other cells of the word line; allowed "
                f"are at most {FULL_STRESS_V} V, or confirm it with may_stress_line"
            )
        return line_voltages(self.scheme, voltage_v, row_stress_v=self._row_stress_v)

    def _select(self, row: int, column: int) -> None:
        if not (0 <= row < self.shape[0] and 0 <= column < self.shape[1]):
            raise StationError(
                f"array: there is no cell ({row}, {column}); rows are 0 to {self.shape[0] - 1}, "
                f"columns 0 to {self.shape[1] - 1}"
            )
        if not self._is_ready:
            self._prepare()

    def _prepare(self) -> None:
        """Sources at 0 V and on before the first relay closes; all lines to ground."""
        for channel in (self._smu.word, self._smu.bit):
            self._prepare_channel(channel)
            channel.output_on()
        self._lines.open_all()
        self._is_ready = True

    def _prepare_channel(self, channel: SourceMeter) -> None:
        channel.prepare(
            voltage_range_v=self._pulse_voltage_v,
            current_limit_a=self._current_limit_a,
            measure_range_a=self._measure_range_a if channel is self._smu.bit else None,
            integration_plc=self._integration_plc,
        )

    def _connect(self, row: int, column: int, pair: tuple[str, str], rest: tuple[str | None, str | None]) -> None:
        """Hang the selected word and bit line on the rows ``pair``, all others on the rows ``rest``."""
        wanted: dict[str, str | None] = {}
        if rest != self._rest:
            wanted.update(dict.fromkeys(self._words, rest[0]))
            wanted.update(dict.fromkeys(self._bits, rest[1]))
        elif self._selected is not None and self._selected != (row, column):
            wanted = {self._words[self._selected[0]]: rest[0], self._bits[self._selected[1]]: rest[1]}
        wanted[self._words[row]], wanted[self._bits[column]] = pair
        self._rest, self._selected, self._summed = rest, (row, column), None
        self._lines.move(wanted)

    def _fire(self, row: int, column: int, levels: LineVoltages, width_s: float) -> None:
        if self._generator is None:
            raise StationError("array: the station has no pulse generator on matrix rows (wiring.rows)")
        source, rows = self._generator.source, self._generator.rows
        outputs = sorted(rows)
        wanted_v = {outputs[0]: levels.selected_word_v, outputs[1]: levels.selected_bit_v}
        rest = self._smu_rows()[1]
        if levels.other_word_v and levels.other_bit_v:
            wanted_v |= {outputs[2]: levels.other_word_v, outputs[3]: levels.other_bit_v}
            rest = (rows[outputs[2]], rows[outputs[3]])
        self._arm(source, width_s)
        self._connect(row, column, (rows[outputs[0]], rows[outputs[1]]), rest)
        source.set_levels(wanted_v)
        source.fire()

    def _arm(self, source: PulseSource, width_s: float) -> None:
        if self._generator_width_s == width_s:
            return
        source.prepare(width_s=width_s, edge_s=min(self._edge_s, max(source.limits.min_edge_s, 0.5 * width_s)))
        if self._generator_width_s is None:
            source.output_on()
        self._generator_width_s = width_s

    def _smu_rows(self) -> tuple[tuple[str, str], tuple[str | None, str | None]]:
        """Matrix rows of the selected word and bit line, and of the others, while the source-measure unit pulses."""
        match self.scheme:
            case Scheme.FLOATING:
                return self._smu_pair, (None, None)
            case Scheme.INHIBIT:
                return (self._smu.word_row, self._ground), (self._ground, self._smu.bit_row)
            case _:
                return self._smu_pair, (self._ground, self._ground)
