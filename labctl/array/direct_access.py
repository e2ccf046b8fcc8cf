"""One cell on one channel of a source-measure unit, without a matrix.

Sweeps, pulses and all but very many samples are timed by the instrument. Not here: a cell whose state another terminal
changes (:mod:`labctl.array.track_access`).
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from labctl.array.channel_meter import ChannelMeter
from labctl.array.prepared_access import PreparedAccess, need_levels
from labctl.array.readings import CellReading, PulseRecord, cell_reading
from labctl.array.sources import RackStation
from labctl.errors import StationError
from labctl.roles import SourceMeter

__all__ = ["DirectAccess"]

# a 2450 or 2400 steps through at most 2499 levels by itself
_MOST_TIMED = 2000


class DirectAccess(PreparedAccess):
    """The only cell of a station that is wired without a matrix: a sample of 1 x 1.

    The channel on the word end drives and measures. The bit end is on ground, or on a channel that holds 0 V.

    Parameters
    ----------
    station : RackStation
        Open, with ``[wiring.direct]``.
    **settings
        See :class:`labctl.array.prepared_access.AccessSettings`; there are no lines, hence neither ``scheme`` nor
        ``may_stress_line`` nor ``row_stress_v``, and no generator.

    Raises
    ------
    StationError
        If the station is wired otherwise.
    ValueError
        If a setting is not allowed.
    """

    _GEOMETRY: ClassVar[str] = "a cell without a matrix"
    _MEANINGLESS: ClassVar[tuple[str, ...]] = ("scheme", "may_stress_line", "row_stress_v")
    _PULSE_WITH: ClassVar[tuple[str, ...]] = ("auto", "smu")

    def __init__(self, station: RackStation, **settings: Any) -> None:
        super().__init__(station, **settings)
        direct = station.wiring.direct
        if direct is None:
            raise StationError("array: one cell needs the table wiring.direct; this station has a matrix")
        self._terminal = direct.word
        self._word = station.source_meter(direct.word)
        self._bit = None if direct.bit == "ground" else station.source_meter(direct.bit)
        self._meter = ChannelMeter(self._word, self._word, self.read_voltage_v)

    def read(self, row: int, column: int) -> CellReading:
        """Read the cell at low voltage.

        Parameters
        ----------
        row, column : int
            0.

        Returns
        -------
        CellReading
            Apparent conductance, with flags.

        Raises
        ------
        StationError
            If there is no such cell.
        """
        self._select(row, column)
        return self._reading((row, column), self.read_voltage_v, self._meter.zeroed((row, column)))

    def pulse(self, row: int, column: int, voltage_v: float, width_s: float) -> PulseRecord:
        """Give one rectangular pulse, timed by the source-measure unit; it is back at 0 V afterwards.

        Parameters
        ----------
        row, column : int
            0.
        voltage_v : float, unit V
            Word end above bit end.
        width_s : float, unit s
            Width of the pulse.

        Returns
        -------
        PulseRecord

        Raises
        ------
        StationError
            If there is no such cell.
        ValueError
            If the instrument cannot give this width or level.
        """
        source = self.source_for(width_s)
        self._select(row, column)
        self._word.pulse(voltage_v, width_s=width_s, partner=None, partner_level_v=0.0)
        return self._record((row, column), voltage_v, width_s, source)

    def staircase(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> PulseRecord:
        """Step the cell through DC levels, timed by the instrument; end at 0 V.

        Parameters
        ----------
        row, column : int
            0.
        levels_v : sequence of float, unit V
            At least one.
        dwell_s : float, unit s
            Time at each level; an integration lies at its end.

        Returns
        -------
        PulseRecord
            Last level and whole duration.

        Raises
        ------
        StationError
            If there is no such cell.
        ValueError
            If there is no level, or the instrument cannot give one.
        """
        self.sweep(row, column, levels_v, dwell_s=dwell_s)
        return self._record((row, column), levels_v[-1], dwell_s * len(levels_v), "smu")

    def sweep(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> list[CellReading]:
        """Step the cell through DC levels and measure at the end of each, timed by the instrument; end at 0 V.

        Parameters
        ----------
        row, column : int
            0.
        levels_v : sequence of float, unit V
            At least one.
        dwell_s : float, unit s
            Time at each level; an integration lies at its end.

        Returns
        -------
        list of CellReading
            One per level; ``conductance_s`` is I / V. Times are spread evenly over what the whole took.

        Raises
        ------
        StationError
            If there is no such cell.
        ValueError
            If there is no level, or the instrument cannot give one.
        """
        need_levels(levels_v)
        self._select(row, column)
        start_s = self._clock.now_s()
        currents = self._word.staircase(levels_v, dwell_s=dwell_s)
        step_s = (self._clock.now_s() - start_s) / len(levels_v)
        return [
            cell_reading(row, column, level_v, (current,), start_s + number * step_s)
            for number, (level_v, current) in enumerate(zip(levels_v, currents, strict=True), start=1)
        ]

    def sample(self, row: int, column: int, voltage_v: float, count: int, *, interval_s: float) -> list[CellReading]:
        """Hold the cell at one voltage and measure its current again and again; end at 0 V.

        Up to 2000 measurements are timed by the instrument, more than that one by one from here, without leaving the
        voltage in between.

        Parameters
        ----------
        row, column : int
            0.
        voltage_v : float, unit V
            Word end above bit end.
        count : int
            Measurements, at least 1.
        interval_s : float, unit s
            From one to the next; longer where an integration takes longer.

        Returns
        -------
        list of CellReading

        Raises
        ------
        StationError
            If there is no such cell.
        ValueError
            If ``count`` is below 1, or the instrument cannot give the voltage.
        """
        if count <= _MOST_TIMED:
            return self.sweep(row, column, [voltage_v] * count, dwell_s=interval_s)
        self._select(row, column)
        readings = []
        try:
            self._word.set_voltage(voltage_v)
            next_s = self._clock.now_s()
            for _ in range(count):
                next_s += interval_s
                readings.append(self._reading((row, column), voltage_v, (self._word.measure_current(),)))
                self._clock.sleep(max(0.0, next_s - self._clock.now_s()))
        finally:
            self._word.set_voltage(0.0)
        return readings

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
        widths = self._smu_widths(self._terminal, self._word)
        if widths.gives(width_s):
            return "smu"
        raise self._no_source(width_s, [widths])

    def _channels(self) -> tuple[SourceMeter, ...]:
        return (self._word,) if self._bit is None else (self._word, self._bit)

    def _measuring(self) -> SourceMeter:
        return self._word

    def _begin(self) -> None:
        """There is nothing else to switch."""

    def _end(self) -> None:
        """There is nothing else to switch."""

    def _forget_zero(self) -> None:
        self._meter.forget()
