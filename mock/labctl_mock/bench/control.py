"""The third terminals of the cells: gates behind a matrix of their own, or one terminal on a gate or a track.

A gate draws no current; a track is a resistor to ground. So this network takes nothing from the channels and is solved
before them, bus by bus. Not here: word and bit lines (:mod:`labctl_mock.bench.network`), what a control voltage does to
a cell (:mod:`labctl_mock.bench.family_cells`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import copysign, inf, nan

import numpy as np
from numpy.typing import NDArray

from labctl.physics.crossbar_network import SourceMode
from labctl.physics.live_die import ControlPort
from labctl_mock.bench.drives import Drives
from labctl_mock.bench.hot_switching import Felt, HotSwitching
from labctl_mock.bench.relays import Relays
from labctl_mock.bench.terminals import Terminal
from labctl_mock.bench.wiring import Wiring, parse_crosspoint
from labctl_mock.bench.wiring_entry import GROUND, DirectEntry, WiringEntry

__all__ = ["Control", "ControlInstant", "control_wiring"]


@dataclass(frozen=True, slots=True)
class ControlInstant:
    """The control lines at one moment.

    Attributes
    ----------
    bus_voltage_v : ndarray, shape (buses,), unit V
        NaN for a bus that floats.
    line_v : ndarray, shape (rows,), unit V
        Of the control line of each row, NaN where it floats.
    terminal_voltage_v, terminal_current_a : dict of str to float, unit V and A
        Of each terminal here; the current flows out of it.
    in_compliance : dict of str to bool
    """

    bus_voltage_v: NDArray[np.float64]
    line_v: NDArray[np.float64]
    terminal_voltage_v: dict[str, float]
    terminal_current_a: dict[str, float]
    in_compliance: dict[str, bool]


class Control:
    """The control lines of a die, and the relays of their matrix.

    Parameters
    ----------
    wiring : Wiring
        From :func:`control_wiring`.
    port : ControlPort
        What hangs on the lines.
    rows : int
        Word lines of the die.
    hot_switching : HotSwitching
        Told of every relay that moves while something is on.

    Attributes
    ----------
    port : ControlPort
    wiring : Wiring
    relays : Relays
        To be moved by :meth:`move` and :meth:`stick` only.
    """

    def __init__(self, wiring: Wiring, port: ControlPort, rows: int, *, hot_switching: HotSwitching) -> None:
        self.wiring, self.port, self.relays = wiring, port, Relays()
        self._rows, self._hot_switching = rows, hot_switching
        self._topology = wiring.topology(())

    def move(
        self, now_s: float, terminals: Mapping[str, Terminal], opens: frozenset[str], closes: frozenset[str]
    ) -> None:
        """Move relays.

        Parameters
        ----------
        now_s : float, unit s
        terminals : Mapping of str to Terminal
            All of the rack.
        opens, closes : frozenset of str
            As :meth:`~labctl_mock.bench.relays.Relays.moving` told.
        """
        self._hot_switching.before(now_s, self._felt(self.instant(terminals, {})), opens, closes)
        self.relays.move(opens, closes)
        self._renew()

    def stick(self, crosspoint: str, *, closed: bool) -> None:
        """Let a contact stay closed, or open, from now on.

        Raises
        ------
        ValueError
            If there is no such crosspoint.
        """
        self.relays.stick(crosspoint, closed=closed)
        self._renew()

    def instant(self, terminals: Mapping[str, Terminal], levels: Mapping[str, float]) -> ControlInstant:
        """Solve the present moment.

        Parameters
        ----------
        terminals : Mapping of str to Terminal
            All of the rack.
        levels : Mapping of str to float, unit V or A
            Levels in place of those of the terminals, as during a pulse.

        Returns
        -------
        ControlInstant
        """
        drives: Drives | None = Drives.of(self._topology, terminals, levels)
        while drives is not None:
            settled = drives
            solved = [self._bus(settled, index) for index in range(len(settled.by_bus))]
            bus_v = np.array([volt for volt, _ in solved])
            drives = settled.limited_by(bus_v)
        voltage, current, compliance = {}, {}, {}
        for index, (bus, own) in enumerate(zip(self._topology.buses, settled.by_bus, strict=True)):
            volt, is_limited = solved[index]
            shown_v = 0.0 if np.isnan(volt) else volt
            for name in bus.terminals:
                voltage[name], current[name], compliance[name] = shown_v, 0.0, False
            for source in own:
                name = source.name
                current[name] = self._drawn_a(index, shown_v) if len(own) == 1 else source.current_a(shown_v)
                compliance[name] = is_limited if len(own) == 1 else source.fixed_a is not None
                voltage[name] = shown_v + current[name] * bus.joint_ohm
        of_line = self._topology.bus_of_line[: self._rows]
        line_v = np.where(of_line >= 0, bus_v[of_line], nan)
        return ControlInstant(bus_v, line_v, voltage, current, compliance)

    def excursion_v(self, line_v: NDArray[np.float64], low_v: float, high_v: float) -> float:
        """Return the largest magnitude of a control voltage that lines can bring about, unit V.

        Parameters
        ----------
        line_v : ndarray, shape (rows,), unit V
        low_v, high_v : float, unit V
            Lowest and highest voltage of the channels, 0 among them.

        Returns
        -------
        float, unit V
        """
        driven = line_v[~np.isnan(line_v)]
        if not driven.size:
            return 0.0
        if self.port.kind == "track":
            return float(np.abs(driven).max())
        return max(float(driven.max()) - low_v, high_v - float(driven.min()))

    def _renew(self) -> None:
        self._topology = self.wiring.topology(parse_crosspoint(name) for name in self.relays.closed)

    def _felt(self, instant: ControlInstant) -> Felt:
        # gates draw no current; a line that floats has lost its charge
        column_v = np.nan_to_num(instant.line_v)
        return Felt(self._topology.bus_of_row, instant.bus_voltage_v, column_v, np.zeros_like(column_v))

    def _load_s(self, index: int) -> float:
        lines = self._topology.buses[index].lines
        return np.count_nonzero(lines < self._rows) / self.port.resistance_ohm

    def _drawn_a(self, index: int, bus_v: float) -> float:
        return bus_v * self._load_s(index)

    def _bus(self, drives: Drives, index: int) -> tuple[float, bool]:
        """Return the voltage of a bus, NaN where it floats, and whether its one source is in compliance."""
        emf_v, current_a, ohm, limit_a, limit_v = drives.solver.table[:, index].tolist()
        mode, load_s = drives.solver.modes[index], self._load_s(index)
        if mode == SourceMode.VOLTAGE:
            volt = emf_v / (1.0 + ohm * load_s)
            return (copysign(limit_a / load_s, volt), True) if abs(volt) * load_s > limit_a else (volt, False)
        if mode == SourceMode.FLOATING or current_a == 0.0:
            # 0 A into a gate is how a source-measure unit lets it float
            return nan, False
        wanted_v = current_a / load_s if load_s > 0.0 else copysign(inf, current_a)
        return (copysign(limit_v, current_a), True) if abs(wanted_v) > limit_v else (wanted_v, False)


def control_wiring(entry: WiringEntry | DirectEntry, rows: int) -> Wiring | None:
    """Return the wires of the control lines, None where the bench has none.

    Parameters
    ----------
    entry : WiringEntry or DirectEntry
        Table ``[wiring]``.
    rows : int
        Word lines of the die.

    Returns
    -------
    Wiring or None
    """
    own = entry.control
    if own is None:
        return None
    if isinstance(own, str):
        return Wiring(DirectEntry(own, GROUND, None), (1, 1))
    assert isinstance(entry, WiringEntry)
    return Wiring(WiringEntry(own.matrix, own.rows, entry.crosspoint_ohm, own.lines, (), None, ()), (rows, 0))
