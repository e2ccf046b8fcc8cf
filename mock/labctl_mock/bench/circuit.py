"""The one circuit of a bench: what terminals, relays, wires and cells do to each other while time passes.

Time is cut where a level or a relay changes. In each piece the array is solved at constant levels and the cells above
their dead zone live through the voltage that falls on them. Not here: the equations (:mod:`labctl.physics`), who
changes levels (the instruments), how rows and columns become buses (:mod:`labctl_mock.bench.wiring`), how cells live
(:mod:`labctl_mock.bench.live_cells`).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from labctl.clock import VirtualClock
from labctl.physics.crossbar import Crossbar
from labctl.physics.crossbar_network import Connections, SourcedSolution, SourceMode, Sources
from labctl_mock.bench.drives import Drives, is_any_on, reach_v
from labctl_mock.bench.hot_switching import HotSwitching
from labctl_mock.bench.live_cells import LiveCells
from labctl_mock.bench.network import Instant, Network
from labctl_mock.bench.oracle import Oracle
from labctl_mock.bench.pulses import segments_of
from labctl_mock.bench.terminals import Measured, Rectangle, Terminal, TerminalMode
from labctl_mock.bench.thermal import ThermalNoise
from labctl_mock.bench.wiring import Wiring, parse_crosspoint

__all__ = ["BenchCircuit"]

_NETWORKS_KEPT = 512
_NO_LEVELS: Mapping[str, float] = {}
_NO_CELLS = np.empty(0, dtype=np.intp)


class BenchCircuit:
    """Fulfils :class:`labctl_mock.bench.terminals.Circuit`.

    Parameters
    ----------
    wiring : Wiring
    crossbar : Crossbar
        Solver, with the wires of the die.
    cells : LiveCells
        The die.
    clock : VirtualClock
    hot_switching : HotSwitching
        Told of every relay that moves while something is on.
    thermal : ThermalNoise
    oracle : Oracle
        Told of every level under which time passes.
    after_change : callable
        Called whenever time has passed, as to save the die now and then.

    Attributes
    ----------
    clock : VirtualClock
    terminals : dict of str to Terminal
        All terminals of the rack by full name.
    """

    def __init__(
        self,
        wiring: Wiring,
        crossbar: Crossbar,
        cells: LiveCells,
        clock: VirtualClock,
        *,
        hot_switching: HotSwitching,
        thermal: ThermalNoise,
        oracle: Oracle,
        after_change: Callable[[], None],
    ) -> None:
        self.clock = clock
        self.terminals: dict[str, Terminal] = {}
        self._wiring, self._crossbar, self._cells = wiring, crossbar, cells
        self._hot_switching, self._thermal, self._after_change = hot_switching, thermal, after_change
        self._oracle = oracle
        self._closed: frozenset[str] = frozenset()
        self._stuck: dict[str, bool] = {}
        self._networks: dict[frozenset[str], Network] = {}
        self._network: Network | None = None
        self._start: SourcedSolution | None = None
        self._settled_s = clock.now_s()

    def attach(self, terminals: Mapping[str, Terminal]) -> None:
        """Wire an instrument's terminals to the rack.

        Parameters
        ----------
        terminals : Mapping of str to Terminal
            By full name.
        """
        self.terminals.update(terminals)
        self._networks.clear()
        self._network = None
        self._oracle.watch(self.terminals, self.clock.now_s, lambda: self._closed, self.settle)

    def settle(self) -> None:
        """Bring the cells up to the clock under the present levels; call it before any change."""
        now_s = self.clock.now_s()
        if now_s > self._settled_s:
            self._oracle.lived(self._settled_s)
            if reach_v(self.terminals.values()) > self._cells.dead_zone_v:
                self._live_through(_NO_LEVELS, self._settled_s, now_s - self._settled_s)
            self._settled_s = now_s
            self._after_change()

    def measure(self, terminal: str, *, aperture_s: float) -> Measured:
        """Let ``aperture_s`` pass on the clock and return the means over it at ``terminal``.

        Parameters
        ----------
        terminal : str
            Full name, such as ``"smu1.a"``.
        aperture_s : float, unit s
            Positive.

        Returns
        -------
        Measured
            Current with the cells' slow noise, averaged over the aperture, and with their thermal noise. While the
            levels also change cells, it is the mean of the currents at both ends of the aperture.

        Raises
        ------
        ValueError
            If there is no such terminal or the aperture is not positive.
        """
        if terminal not in self.terminals:
            raise ValueError(f"circuit: no terminal {terminal!r}; there are {', '.join(sorted(self.terminals))}")
        if not aperture_s > 0.0:
            raise ValueError(f"{terminal}: an aperture must be positive, got {aperture_s!r} s")
        self.settle()
        network = self._present_network()
        if self.terminals[terminal].mode is TerminalMode.OPEN or terminal not in network.wired_terminals:
            self.clock.sleep(aperture_s)
            self.settle()
            return Measured(self._unloaded_v(terminal), 0.0, in_compliance=False)
        self._cells.refresh(self.clock.now_s() + aperture_s, network.lively_cells, aperture_s=aperture_s)
        first = last = self._solve(network, network.drives(_NO_LEVELS))
        self.clock.sleep(aperture_s)
        if first.drives.span_v > self._cells.dead_zone_v:
            self.settle()
            last = self._solve(network, first.drives)
        self.settle()
        current_a = 0.5 * (first.terminal_current_a[terminal] + last.terminal_current_a[terminal])
        return Measured(
            voltage_v=0.5 * (first.terminal_voltage_v[terminal] + last.terminal_voltage_v[terminal]),
            current_a=current_a + self._thermal.draw_a(network.seen_s(terminal, self._cells.static), aperture_s),
            in_compliance=first.in_compliance[terminal] or last.in_compliance[terminal],
        )

    def fire(self, rectangles: Sequence[Rectangle]) -> Mapping[str, bool]:
        """Run synchronous pulses from now, advance the clock to their end; tell per terminal if it met compliance.

        Parameters
        ----------
        rectangles : sequence of Rectangle

        Returns
        -------
        Mapping of str to bool
            For every terminal that has a pulse.

        Raises
        ------
        ValueError
            If a terminal is unknown or its pulses overlap.
        """
        for one in rectangles:
            if one.terminal not in self.terminals:
                raise ValueError(
                    f"circuit: no terminal {one.terminal!r}; there are {', '.join(sorted(self.terminals))}"
                )
        segments = segments_of(rectangles)
        self.settle()
        met = dict.fromkeys((one.terminal for one in rectangles), False)
        self._oracle.fired(self._settled_s, [(one.terminal, one.level_v) for one in rectangles])
        for segment in segments:
            instants = self._live_through(segment.levels_v, self._settled_s, segment.duration_s, always_solve=True)
            for name in met:
                met[name] |= any(instant.in_compliance.get(name, False) for instant in instants)
            self.clock.sleep(segment.duration_s)
            self._settled_s = self.clock.now_s()
        self._after_change()
        return met

    def switch(self, matrix: str, *, opening: Sequence[str], closing: Sequence[str]) -> None:
        """Change crosspoints of the matrix; notices hot switching.

        Parameters
        ----------
        matrix : str
            Key of the matrix.
        opening, closing : sequence of str
            Crosspoints, such as ``"1A01"``; those that already are so are left alone.

        Raises
        ------
        ValueError
            If the lines do not hang on this matrix or there is no such crosspoint.
        """
        if matrix != self._wiring.matrix:
            raise ValueError(f"circuit: the lines hang on matrix {self._wiring.matrix!r}, not on {matrix!r}")
        for name in (*opening, *closing):
            parse_crosspoint(name)
        opens, closes = self._closed.intersection(opening), frozenset(closing) - self._closed
        if self._stuck:
            opens -= {name for name, is_closed in self._stuck.items() if is_closed}
            closes -= {name for name, is_closed in self._stuck.items() if not is_closed}
        if not opens and not closes:
            return
        self.settle()
        is_on = is_any_on(self.terminals.values()) and self._present_network().drives(_NO_LEVELS).is_on
        noted: set[str] = set()
        if is_on:
            before = self._present_network()
            last = self._solve(before, before.drives(_NO_LEVELS))
            noted = self._hot_switching.before(self.clock.now_s(), last, before, opens, closes)
        self._closed = (self._closed - opens) | closes
        self._network = None
        if is_on and closes:
            after = self._present_network()
            first = self._solve(after, after.drives(_NO_LEVELS))
            self._hot_switching.after(self.clock.now_s(), first, after, closes - noted)

    def stick(self, crosspoint: str, *, closed: bool) -> None:
        """Let the contact of a crosspoint stay as it is from now on: welded shut, or open for ever.

        Parameters
        ----------
        crosspoint : str
            Such as ``"1A01"``.
        closed : bool
            How it stays; it goes there at once.

        Raises
        ------
        ValueError
            If there is no such crosspoint.
        """
        parse_crosspoint(crosspoint)
        self.settle()
        self._stuck[crosspoint] = closed
        self._closed = self._closed | {crosspoint} if closed else self._closed - {crosspoint}
        self._network = None

    def warm_up(self) -> None:
        """Load the solver, for which the first reading would wait; nothing changes."""
        ends = []
        for source, count in enumerate(self._cells.shape):
            ends += [np.full(count, source), np.full(count, np.inf), np.full(count, -1), np.zeros(count)]
        connections = Connections(*ends)
        grounds = Sources([SourceMode.VOLTAGE, SourceMode.VOLTAGE], [0.0, 0.0])
        self._crossbar.solve_with_sources(self._cells.static, connections, grounds)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return what must be remembered besides the die; relays are not, they fall open without power."""
        return {"thermal_draws": np.array(self._thermal.draws)}

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what :meth:`to_arrays` gave.

        Raises
        ------
        ValueError
            If something is missing.
        """
        if "thermal_draws" not in arrays:
            raise ValueError("circuit.thermal_draws is missing")
        self._thermal.draws = int(arrays["thermal_draws"])

    def _present_network(self) -> Network:
        if self._network is None:
            self._network = self._networks.get(self._closed)
        if self._network is None:
            if len(self._networks) >= _NETWORKS_KEPT:
                del self._networks[next(iter(self._networks))]
            topology = self._wiring.topology(parse_crosspoint(name) for name in self._closed)
            self._network = Network(topology, self._wiring, self._cells.shape, self.terminals)
            self._networks[self._closed] = self._network
        return self._network

    def _solve(self, network: Network, drives: Drives) -> Instant:
        self._cells.refresh(self.clock.now_s(), _NO_CELLS)
        instant = network.solve(drives, self._solve_array)
        self._oracle.flowed(instant.terminal_current_a)
        return instant

    def _solve_array(self, connections: Connections, sources: Sources) -> SourcedSolution:
        self._start = self._crossbar.solve_with_sources(self._cells.static, connections, sources, start=self._start)
        return self._start

    def _live_through(
        self, levels: Mapping[str, float], now_s: float, duration_s: float, *, always_solve: bool = False
    ) -> list[Instant]:
        """Let the cells live through constant levels; return the solved instants, if any were needed."""
        network = self._present_network()
        drives = network.drives(levels)
        if drives.span_v > self._cells.dead_zone_v:
            return self._cells.live_through(network, lambda: self._solve(network, drives), now_s, duration_s)
        return [self._solve(network, drives)] if always_solve else []

    def _unloaded_v(self, terminal: str) -> float:
        own = self.terminals[terminal]
        return own.level if own.mode is TerminalMode.VOLTAGE else 0.0
