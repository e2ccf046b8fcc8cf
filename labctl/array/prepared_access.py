"""What the accesses to cells with one channel, or with a third terminal, share: settings, preparing, ending.

Not here: the geometries (:mod:`labctl.array.direct_access`, :mod:`labctl.array.track_access`,
:mod:`labctl.array.gated_access`, :mod:`labctl.array.one_transistor_access`), the passive crossbar
(:mod:`labctl.array.access`).
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from labctl.array.pulse_widths import PulseWidths, no_source
from labctl.array.readings import CellReading, PulseRecord, cell_reading
from labctl.array.released import Released
from labctl.array.schemes import FULL_STRESS_V, Scheme
from labctl.array.sources import RackStation
from labctl.errors import StationError
from labctl.roles import Reading, SourceMeter

__all__ = ["AccessSettings", "PreparedAccess", "need_levels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """Keywords of every access.

    Attributes
    ----------
    scheme : Scheme or str
        Bias scheme of pulses.
    read_voltage_v : float, unit V
        Across the cell while reading; 0 < V <= 0.3.
    integration_plc : float, unit 1
        Integration time of a reading in power-line cycles.
    measure_range_a : float or None, unit A
        Current range of the channel that measures; None is auto-range. A source-measure unit gives no more current
        than its fixed range shows.
    current_limit_a : float, unit A
        Compliance of every channel.
    pulse_voltage_v : float, unit V
        Largest magnitude on a terminal; chooses the voltage range.
    pulse_with : "auto", "smu" or "generator"
        Source of pulses.
    may_stress_line : bool
        Allow what puts a whole line of cells under a voltage that may change them.
    row_stress_v : float, unit V
        Scheme ``inhibit``: what the other cells of the selected word line see at most.

    Raises
    ------
    ValueError
        If the read voltage or the scheme is not allowed.
    """

    scheme: Scheme | str = Scheme.V2
    read_voltage_v: float = 0.2
    integration_plc: float = 1.0
    measure_range_a: float | None = None
    current_limit_a: float = 0.05
    pulse_voltage_v: float = 2.0
    pulse_with: Literal["auto", "smu", "generator"] = "auto"
    may_stress_line: bool = False
    row_stress_v: float = 0.9

    def __post_init__(self) -> None:
        if not 0.0 < self.read_voltage_v <= FULL_STRESS_V:
            raise ValueError(
                f"array: the read voltage must lie in (0, {FULL_STRESS_V}] V, got {self.read_voltage_v!r} V"
            )
        Scheme(self.scheme)


class PreparedAccess(Released):
    """An access that prepares itself with the first use and ends with everything off.

    Parameters
    ----------
    station : RackStation
        Open.
    **settings
        See :class:`AccessSettings`; one that has no meaning for the geometry must have its default value.

    Attributes
    ----------
    shape : tuple of (int, int)
        Rows and columns of the sample.
    read_voltage_v : float, unit V
        Across the cell while reading.

    Raises
    ------
    ValueError
        If a setting is not allowed or has no meaning here.
    """

    # for messages; settings without a meaning; what pulse_with may be
    _GEOMETRY: ClassVar[str]
    _MEANINGLESS: ClassVar[tuple[str, ...]]
    _PULSE_WITH: ClassVar[tuple[str, ...]]

    def __init__(self, station: RackStation, **settings: Any) -> None:
        self._settings = AccessSettings(**settings)
        self._refuse_meaningless()
        self.shape = (station.sample.rows, station.sample.columns)
        self.read_voltage_v = self._settings.read_voltage_v
        self._station = station
        self._clock = station.clock
        self._current_limit_a = self._settings.current_limit_a
        self._is_ready = False

    def limit_current(self, current_limit_a: float) -> None:
        """Set the compliance of every channel from now on; all stand at 0 V then.

        Parameters
        ----------
        current_limit_a : float, unit A
        """
        self._current_limit_a = current_limit_a
        if self._is_ready:
            for channel in self._channels():
                self._prepare_channel(channel)
            self._forget_zero()

    def release(self) -> None:
        """Put every source to 0 V and off, then open every relay."""
        if not self._is_ready:
            return
        self._is_ready = False
        for channel in self._channels():
            channel.set_voltage(0.0)
            channel.output_off()
        self._end()
        self._forget_zero()

    def check_waveform(self, levels_v: Sequence[float], *, sample_s: float) -> None:
        """Refuse a waveform that cannot be played; nothing is sent.

        Parameters
        ----------
        levels_v : sequence of float, unit V
        sample_s : float, unit s
            Time at each level.

        Raises
        ------
        ValueError
            Always, where the geometry plays none.
        """
        raise self._no_waveform(levels_v, sample_s)

    def play(self, row: int, column: int, levels_v: Sequence[float], *, sample_s: float) -> PulseRecord:
        """Play one waveform across one cell, from 0 V and back to it.

        Parameters
        ----------
        row, column : int
        levels_v : sequence of float, unit V
        sample_s : float, unit s
            Time at each level.

        Returns
        -------
        PulseRecord
            Largest level and whole duration.

        Raises
        ------
        ValueError
            Always, where the geometry plays none.
        """
        raise self._no_waveform(levels_v, sample_s)

    @abstractmethod
    def _channels(self) -> tuple[SourceMeter, ...]:
        """Channels of source-measure units, in the order in which they are switched on."""

    @abstractmethod
    def _measuring(self) -> SourceMeter:
        """The channel that takes the fixed measure range."""

    @abstractmethod
    def _begin(self) -> None:
        """Go on once every channel is on at 0 V."""

    @abstractmethod
    def _end(self) -> None:
        """Go on once every channel is off."""

    @abstractmethod
    def _forget_zero(self) -> None:
        """Take a new zero with the next reading."""

    def _refuse_meaningless(self) -> None:
        for field in fields(self._settings):
            value = getattr(self._settings, field.name)
            if field.name in self._MEANINGLESS and value != field.default:
                raise ValueError(
                    f"array: {field.name} = {value!s} has no meaning for {self._GEOMETRY}; leave it at {field.default}"
                )
        if self._settings.pulse_with not in self._PULSE_WITH:
            allowed = " or ".join(self._PULSE_WITH)
            raise ValueError(f"array: pulse_with = {self._settings.pulse_with}: {self._GEOMETRY} takes {allowed}")

    def _select(self, row: int, column: int) -> None:
        """Refuse a cell that is not there; prepare with the first use."""
        if not (0 <= row < self.shape[0] and 0 <= column < self.shape[1]):
            raise StationError(
                f"array: there is no cell ({row}, {column}); rows are 0 to {self.shape[0] - 1}, "
                f"columns 0 to {self.shape[1] - 1}"
            )
        if self._is_ready:
            return
        for channel in self._channels():
            self._prepare_channel(channel)
            channel.output_on()
        self._begin()
        self._is_ready = True

    def _prepare_channel(self, channel: SourceMeter) -> None:
        settings = self._settings
        channel.prepare(
            voltage_range_v=self._range_v(channel),
            current_limit_a=self._current_limit_a,
            measure_range_a=settings.measure_range_a if channel is self._measuring() else None,
            integration_plc=settings.integration_plc,
        )

    def _range_v(self, channel: SourceMeter) -> float:
        """Return the largest level to come, unit V."""
        return self._settings.pulse_voltage_v

    def _reading(
        self, cell: tuple[int, int], voltage_v: float, currents: Sequence[Reading], besides: Sequence[Reading] = ()
    ) -> CellReading:
        return cell_reading(*cell, voltage_v, currents, self._clock.now_s(), besides=besides)

    def _record(self, cell: tuple[int, int], voltage_v: float, width_s: float, source: str) -> PulseRecord:
        return PulseRecord(*cell, voltage_v, width_s, source, self._clock.now_s())

    def _no_waveform(self, levels_v: Sequence[float], sample_s: float) -> ValueError:
        return ValueError(
            f"array: {self._GEOMETRY} cannot take a waveform of {len(levels_v)} samples of {sample_s:.4g} s: that "
            "needs a generator on rows of a matrix, and a cell between a word and a bit line"
        )

    def _smu_widths(self, terminal: str, channel: SourceMeter) -> PulseWidths:
        return PulseWidths(terminal, channel.limits.min_pulse_s, is_allowed=self._settings.pulse_with != "generator")

    def _no_source(self, width_s: float, sources: Sequence[PulseWidths]) -> ValueError:
        where = f"to {self._GEOMETRY} with pulse_with={self._settings.pulse_with!r}"
        return no_source(self._station, width_s, where, sources)


def need_levels(levels_v: Sequence[float]) -> None:
    """Refuse a staircase without a level.

    Parameters
    ----------
    levels_v : sequence of float, unit V

    Raises
    ------
    ValueError
        If there is none.
    """
    if not levels_v:
        raise ValueError("array: a staircase needs at least one level")
