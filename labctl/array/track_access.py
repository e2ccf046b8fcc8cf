"""One magnetic domain-wall cell: pulses along its track from a generator, its junction read by a source-measure unit.

Not here: cells with two terminals (:mod:`labctl.array.direct_access`).
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from labctl.array.direct_access import DirectAccess
from labctl.array.pulse_widths import PulseWidths
from labctl.array.readings import PulseRecord
from labctl.array.sources import RackStation
from labctl.errors import StationError

__all__ = ["TrackAccess"]

# source impedance of pulse generators
_SOURCE_OHM = 50.0


class TrackAccess(DirectAccess):
    """The only cell of a station whose ``[wiring.direct]`` has a generator as ``control``.

    A positive pulse moves the wall towards higher conductance. Reading, sweeps and samples go through the junction, at
    what the channel on the word end gives; nothing flows along the track then.

    The generator's levels are those into an open circuit. Where ``[sample.access]`` tells ``track_ohm``, a pulse of
    ``voltage_v`` gets the level that leaves ``voltage_v`` along the track behind the generator's 50 ohm; else
    ``voltage_v`` is the level itself.

    Parameters
    ----------
    station : RackStation
        Open.
    **settings
        See :class:`labctl.array.prepared_access.AccessSettings`; there are no lines, hence neither ``scheme`` nor
        ``may_stress_line`` nor ``row_stress_v``, and a source-measure unit is too slow for a wall.

    Raises
    ------
    StationError
        If the station is wired otherwise.
    ValueError
        If a setting is not allowed.
    """

    _GEOMETRY: ClassVar[str] = "a track"
    _PULSE_WITH: ClassVar[tuple[str, ...]] = ("auto", "generator")

    def __init__(self, station: RackStation, **settings: Any) -> None:
        super().__init__(station, **settings)
        direct = station.wiring.direct
        if direct is None or direct.control is None:
            raise StationError("array: a track needs the key control in wiring.direct, such as gen1.1")
        key, _, output = direct.control.partition(".")
        self._key = key
        self._generator = station.pulse_source(key)
        if not output.isdecimal() or int(output) not in self._generator.outputs:
            known = ", ".join(f"{key}.{number}" for number in self._generator.outputs)
            raise StationError(f"array: wiring.direct.control: {direct.control} is no output; there are {known}")
        self._output = int(output)
        track_ohm = station.sample.access.get("track_ohm")
        self._open_circuit = 1.0 if track_ohm is None else (track_ohm + _SOURCE_OHM) / track_ohm
        self._width_s: float | None = None

    def pulse(self, row: int, column: int, voltage_v: float, width_s: float) -> PulseRecord:
        """Give one rectangular pulse along the track.

        Parameters
        ----------
        row, column : int
            0.
        voltage_v : float, unit V
            Along the track, positive towards higher conductance.
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
            If the generator cannot give this width or level.
        """
        source = self.source_for(width_s)
        self._select(row, column)
        if self._width_s != width_s:
            self._generator.prepare(width_s=width_s, edge_s=self._generator.limits.min_edge_s)
            if self._width_s is None:
                self._generator.output_on()
            self._width_s = width_s
        self._generator.set_levels({self._output: voltage_v * self._open_circuit})
        self._generator.fire()
        return self._record((row, column), voltage_v, width_s, source)

    def staircase(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> PulseRecord:
        """Refuse: a track takes single pulses.

        Parameters
        ----------
        row, column : int
        levels_v : sequence of float, unit V
        dwell_s : float, unit s

        Returns
        -------
        PulseRecord
            Never.

        Raises
        ------
        StationError
            Always.
        """
        raise StationError(
            f"array: a staircase of {len(levels_v)} levels cannot be given to a track, whose generator gives single "
            "pulses; choose pulses, or sweep the junction"
        )

    def source_for(self, width_s: float) -> Literal["smu", "generator"]:
        """Return which source gives a pulse of this width.

        Parameters
        ----------
        width_s : float, unit s
            Width of the pulse.

        Returns
        -------
        "generator"

        Raises
        ------
        ValueError
            If it cannot, telling what it can do.
        """
        limits = self._generator.limits
        widths = PulseWidths(self._key, limits.min_width_s, limits.max_width_s)
        if widths.gives(width_s):
            return "generator"
        raise self._no_source(width_s, [widths])

    def _end(self) -> None:
        if self._width_s is not None:
            self._generator.output_off()
            self._width_s = None
