"""Two cells of a row in series through the source plate of a 1T1R array: a bridge, and the voltage of its middle.

Not here: single cells of such an array (:mod:`labctl.array.one_transistor_access`), what a bridge computes
(:mod:`labctl.networks.bridges`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from labctl.array.meter import turned
from labctl.array.one_transistor_access import OneTransistorAccess
from labctl.array.readings import CellReading
from labctl.array.sources import RackStation
from labctl.errors import StationError
from labctl.roles import VoltageMeter

__all__ = ["BridgeAccess", "BridgeReading"]

# lowest voltage range of source-measure units
_LEAST_RANGE_V = 0.2


@dataclass(frozen=True, slots=True)
class BridgeReading:
    """What the middle of a bridge shows.

    Attributes
    ----------
    row, high, low : int
        Gate line, and the bit lines of the cells at the voltage and at 0 V.
    voltage_v : float, unit V
        Across the bridge.
    middle_v : float or None, unit V
        Of the source plate against ground; None where the meter went over range.
    current_a : float or None, unit A
        Out of the upper bit line; None where it was not asked for.
    time_s : float, unit s
        Clock of the rack, at the end.
    flags : tuple of str
        Sorted; empty for a good reading.
    raw : str
        What the instruments sent, separated by blanks.
    """

    row: int
    high: int
    low: int
    voltage_v: float
    middle_v: float | None
    current_a: float | None
    time_s: float
    flags: tuple[str, ...]
    raw: str


class BridgeAccess(OneTransistorAccess):
    """A 1T1R array whose cells are also used in pairs of a row, with the source plate between them.

    A bridge has its upper bit line at a voltage, its lower one on ground, the gate of its row open. The channel of the
    plate drives 0 A and measures the voltage that comes about; all other bit lines hang on the plate, so that the
    other cells of the row carry nothing. The transistors are in series with their cells: the lower one, whose source
    is nearer to ground, conducts better than the upper one, whose source is the plate.

    Parameters
    ----------
    station : RackStation
        Open, with ``[wiring.control]`` and a common source.
    **settings
        As :class:`labctl.array.one_transistor_access.OneTransistorAccess`.

    Raises
    ------
    StationError
        If the station lacks what cells with a transistor need.
    ValueError
        If a setting is not allowed.
    """

    def __init__(self, station: RackStation, **settings: Any) -> None:
        super().__init__(station, **settings)
        # voltmeter range of the plate, 0 while it is a source
        self._floats_v = 0.0

    def limit_current(self, current_limit_a: float) -> None:
        """Set the compliance of every channel from now on; all stand at 0 V then.

        Parameters
        ----------
        current_limit_a : float, unit A
        """
        self._hold_plate()
        super().limit_current(current_limit_a)

    def limit_set(self, gate_v: float) -> None:
        """Choose the gate voltage of SET pulses from now on: the transistor is what limits their current.

        Parameters
        ----------
        gate_v : float, unit V
            At most the highest gate voltage of ``[sample.access]``.

        Raises
        ------
        ValueError
            If it is higher, or not above 0 V.
        """
        self.check_gate(gate_v)
        self._set_v = gate_v

    def check_gate(self, gate_v: float) -> None:
        """Refuse a gate voltage that :meth:`limit_set` would refuse; nothing is sent.

        Parameters
        ----------
        gate_v : float, unit V

        Raises
        ------
        ValueError
            If it is higher than the others, or not above 0 V.
        """
        most_v = max(self._read_v, self._reset_v)
        if not 0.0 < gate_v <= most_v:
            raise ValueError(
                f"array: the gate voltage of a SET must lie in (0, {most_v:.4g}] V, got {gate_v:.4g} V; the upper end "
                "is the largest of gate_read_v and gate_reset_v in sample.access of the station file"
            )

    def check_bridges(self) -> None:
        """Refuse a station whose plate nobody can leave alone; nothing is sent.

        Raises
        ------
        StationError
            If the channel of the plate cannot measure voltage at 0 A.
        """
        self._needed_meter()

    def middle(
        self, row: int, high: int, low: int, levels_v: Sequence[float], *, with_current: bool = False
    ) -> list[BridgeReading]:
        """Put a bridge under one voltage after another and measure its middle; end at 0 V.

        Parameters
        ----------
        row : int
            Gate line, from 0.
        high, low : int
            Bit lines of the cell at the voltage and of the cell at 0 V.
        levels_v : sequence of float, unit V
            Not negative.
        with_current : bool
            Measure the current of the bridge, too.

        Returns
        -------
        list of BridgeReading
            One for each level.

        Raises
        ------
        StationError
            If a cell lies outside the array, or no channel of the station can measure voltage at 0 A.
        ValueError
            If both bit lines are one, or a level is negative.
        """
        if high == low or min(levels_v, default=0.0) < 0.0:
            raise ValueError(
                f"array: a bridge needs two bit lines and voltages from 0 V, got {high} and {low}, {list(levels_v)} V"
            )
        meter = self._needed_meter()
        self._select(row, high)
        self._select(row, low)
        self._let_plate_float(meter, max(levels_v, default=0.0))
        wanted: dict[str, str | None] = dict.fromkeys((self._plate_line, *self._bits), self._plate_row)
        wanted |= {self._bits[high]: self._bit_row, self._bits[low]: self._ground}
        self._lines.move(wanted)
        self._open_row(row)
        readings = []
        with self._open_gate(self._read_v):
            try:
                for level_v in levels_v:
                    self._bit.set_voltage(level_v)
                    shown = [meter.measure_voltage()]
                    if with_current:
                        shown.append(self._bit.measure_current())
                    flags = tuple(sorted({str(flag) for one in shown for flag in one.flags}))
                    current_a = shown[1].value if with_current else None
                    raw, now_s = " ".join(one.raw for one in shown), self._clock.now_s()
                    readings.append(
                        BridgeReading(row, high, low, level_v, shown[0].value, current_a, now_s, flags, raw)
                    )
            finally:
                self._bit.set_voltage(0.0)
        return readings

    def sum_row(self, row: int, columns: Collection[int], voltage_v: float) -> CellReading:
        """Measure what cells of one row add up to, their bit lines together at a voltage and the plate at 0 V.

        Parameters
        ----------
        row : int
            Gate line, from 0.
        columns : collection of int
            Bit lines, at least one.
        voltage_v : float, unit V

        Returns
        -------
        CellReading
            Of column -1; what flowed at 0 V is taken off.

        Raises
        ------
        StationError
            If a cell lies outside the array.
        """
        for column in columns:
            self._select(row, column)
        self._hold_plate()
        wanted: dict[str, str | None] = dict.fromkeys((self._plate_line, *self._bits), self._plate_row)
        wanted |= dict.fromkeys((self._bits[column] for column in columns), self._bit_row)
        self._lines.move(wanted)
        self._open_row(row)
        self._meter.forget()
        with self._open_gate(self._read_v):
            zero = self._bit.measure_current()
            try:
                self._bit.set_voltage(voltage_v)
                shown = self._bit.measure_current()
            finally:
                self._bit.set_voltage(0.0)
        return self._reading((row, -1), voltage_v, (shown, turned(zero)))

    def _needed_meter(self) -> VoltageMeter:
        if not isinstance(self._plate, VoltageMeter):
            raise StationError(
                "array: the middle of a bridge needs a channel on the source plate that measures voltage at 0 A; the "
                "channel of this station cannot, a Keithley 2636B can"
            )
        return self._plate

    def _let_plate_float(self, meter: VoltageMeter, level_v: float) -> None:
        range_v = max(level_v, _LEAST_RANGE_V)
        if range_v <= self._floats_v:
            return
        # a channel changes its function with the output off
        meter.output_off()
        meter.prepare_voltmeter(range_v=range_v, integration_plc=self._settings.integration_plc)
        self._floats_v = range_v
        meter.output_on()

    def _hold_plate(self) -> None:
        if not self._floats_v:
            return
        self._plate.output_off()
        self._prepare_channel(self._plate)
        self._plate.output_on()
        self._floats_v = 0.0

    def _reach(self, row: int, column: int, bit_row: str, plate_row: str) -> None:
        self._select(row, column)
        self._hold_plate()
        super()._reach(row, column, bit_row, plate_row)

    def _end(self) -> None:
        super()._end()
        self._floats_v = 0.0
