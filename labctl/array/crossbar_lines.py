"""The lines of a crossbar and what drives them: who hangs where, at which levels, and what the scheme allows.

Not here: what is done to cells (:mod:`labctl.array.access`), bias schemes (:mod:`labctl.array.schemes`).
"""

from collections.abc import Sequence
from typing import Literal

from labctl.array.line_generator import LineGenerator
from labctl.array.line_sums import LineSums
from labctl.array.meter import CellMeter
from labctl.array.released import Released
from labctl.array.schemes import FULL_STRESS_V, LineVoltages, Scheme, check_outputs, line_voltages
from labctl.array.sources import RackStation, find_generator, find_matrix, find_smus
from labctl.array.wires import LineSwitch
from labctl.errors import StationError
from labctl.roles import SourceMeter

__all__ = ["CrossbarLines", "PulseWith"]

PulseWith = Literal["auto", "smu", "generator"]


class CrossbarLines(Released):
    """The lines of a crossbar: sources, relays and bias scheme, ready with the first use.

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
        self._station = station
        self._clock = station.clock
        self._wiring = station.wiring
        self._lines = LineSwitch(find_matrix(station), station.wiring)
        self._smu = find_smus(station)
        generator = find_generator(station)
        self._generator = None if generator is None else LineGenerator(generator, edge_s=edge_s)
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
        self._sums = LineSums(self._smu.word, self._smu.bit, self._clock)
        self._integration_plc = integration_plc
        self._measure_range_a = measure_range_a
        self._current_limit_a = current_limit_a
        self._pulse_voltage_v = pulse_voltage_v
        self._is_ready = False
        check_outputs(self.scheme, 0 if self._generator is None else len(self._generator.rows))

    def limit_current(self, current_limit_a: float) -> None:
        """Set the compliance of both channels from now on.

        Parameters
        ----------
        current_limit_a : float, unit A
        """
        self._current_limit_a = current_limit_a
        self._sums.forget()
        if self._is_ready:
            for channel in (self._smu.word, self._smu.bit):
                self._prepare_channel(channel)

    def release(self) -> None:
        """Put every source to 0 V and off, then open every relay."""
        if not self._is_ready:
            return
        self._is_ready = False
        for channel in (self._smu.word, self._smu.bit):
            channel.set_voltage(0.0)
            channel.output_off()
        if self._generator is not None:
            self._generator.off()
        self._lines.open_all()
        self._selected, self._rest = None, None
        self._meter.forget()
        self._sums.forget()

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
        self._rest, self._selected = rest, (row, column)
        self._sums.forget()
        self._lines.move(wanted)

    def _smu_rows(self) -> tuple[tuple[str, str], tuple[str | None, str | None]]:
        """Matrix rows of the selected word and bit line, and of the others, while the source-measure unit pulses."""
        match self.scheme:
            case Scheme.FLOATING:
                return self._smu_pair, (None, None)
            case Scheme.INHIBIT:
                return (self._smu.word_row, self._ground), (self._ground, self._smu.bit_row)
            case _:
                return self._smu_pair, (self._ground, self._ground)

    def _needed_generator(self) -> LineGenerator:
        if self._generator is None:
            raise StationError("array: the station has no pulse generator on matrix rows (wiring.rows)")
        return self._generator

    def _generator_rows(self, generator: LineGenerator) -> tuple[tuple[str, str], tuple[str | None, str | None]]:
        """Matrix rows of the selected word and bit line, and of the others, while the generator drives them."""
        rows = generator.rows
        rest = (rows[2], rows[3]) if self.scheme is Scheme.V3 else self._smu_rows()[1]
        return (rows[0], rows[1]), rest

    def _waveforms(
        self, generator: LineGenerator, levels_v: Sequence[float], sample_s: float
    ) -> dict[int, tuple[float, ...]]:
        """Waveform of each output for one across the cell, as far as scheme and generator allow."""
        if self.scheme is Scheme.INHIBIT or self._pulse_with == "smu":
            raise ValueError(
                f"array: a waveform comes from the generator, not with pulse_with={self._pulse_with!r} and scheme "
                f"{str(self.scheme)!r}; choose v2, grounded or floating with auto or generator"
            )
        groups = [self._levels(level_v).driven_v for level_v in levels_v]
        wanted = dict(zip(generator.outputs, zip(*groups, strict=True), strict=False))
        generator.check(wanted, sample_s=sample_s)
        return wanted
