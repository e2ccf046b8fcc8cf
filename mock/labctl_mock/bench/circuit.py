"""The one circuit of a bench: what terminals, relays, wires and cells do to each other while time passes.

Time is cut where a level or a relay changes. In each piece the array is solved at constant levels and the cells above
their dead zone live through the voltage that falls on them. Not here: the equations (:mod:`labctl.physics`), who
changes levels (the instruments), how rows and columns become buses (:mod:`labctl_mock.bench.wiring`), gates and tracks
(:mod:`labctl_mock.bench.control`), how cells live (:mod:`labctl_mock.bench.live_cells` and its neighbour).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from labctl.clock import VirtualClock
from labctl.physics.crossbar import Crossbar
from labctl.physics.crossbar_network import Connections, SourcedSolution, SourceMode, Sources
from labctl_mock.bench.bench_cells import BenchCells
from labctl_mock.bench.control import Control
from labctl_mock.bench.drives import Drives, is_any_on, reach_v
from labctl_mock.bench.hot_switching import HotSwitching
from labctl_mock.bench.network import Instant, Network
from labctl_mock.bench.oracle import Oracle
from labctl_mock.bench.pulses import segments_of
from labctl_mock.bench.relays import Relays
from labctl_mock.bench.stage import Stage
from labctl_mock.bench.terminals import Measured, Rectangle, Terminal, TerminalMode
from labctl_mock.bench.thermal import ThermalNoise
from labctl_mock.bench.wiring import Wiring, parse_crosspoint

__all__ = ["BenchCircuit"]

_NETWORKS_KEPT = 512
_NO_LEVELS: Mapping[str, float] = {}


class BenchCircuit:
    """Fulfils :class:`labctl_mock.bench.terminals.Circuit`.

    Parameters
    ----------
    wiring : Wiring
    crossbar : Crossbar
        Solver, with the wires of the die.
    cells : BenchCells
        The die.
    clock : VirtualClock
    hot_switching : HotSwitching
        Told of every relay that moves while something is on.
    thermal : ThermalNoise
    oracle : Oracle
        Told of every level under which time passes.
    after_change : callable
        Called whenever time has passed, as to save the die now and then.
    control : Control, optional
        Gates or track; None for a die of two terminals.

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
        cells: BenchCells,
        clock: VirtualClock,
        *,
        hot_switching: HotSwitching,
        thermal: ThermalNoise,
        oracle: Oracle,
        after_change: Callable[[], None],
        control: Control | None = None,
    ) -> None:
        self.clock = clock
        self.terminals: dict[str, Terminal] = {}
        self._wiring, self._crossbar, self._cells = wiring, crossbar, cells
        self._hot_switching, self._thermal, self._after_change = hot_switching, thermal, after_change
        self._oracle, self._control = oracle, control
        # a control writes by itself where the voltage of the cell does not
        self._writing = control if cells.dead_zone_v == inf else None
        self._still_v = cells.dead_zone_v if self._writing is None else self._writing.port.dead_zone_v
        self._relays = Relays()
        self._networks: dict[frozenset[str], Network] = {}
        self._network: Network | None = None
        self._start: SourcedSolution | None = None
        self._stage: Stage | None = None
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
        self._oracle.watch(self.terminals, self.clock.now_s, self._closed, self.settle)

    def heat(self, stage: Stage) -> None:
        """Lay the die on a block, whose temperature it has from now on.

        Parameters
        ----------
        stage : Stage

        Raises
        ------
        ValueError
            If it lies on one already.
        """
        if self._stage is not None:
            raise ValueError("the die lies on the block of another temperature controller; one is enough")
        self._stage = stage
        self._cells.heat(self.clock.now_s(), stage.temperature_k(self.clock.now_s()))

    def insert(self, cells: BenchCells) -> None:
        """Put another die into the socket; call :meth:`settle` before.

        Parameters
        ----------
        cells : BenchCells
            Of the same shape and technology.
        """
        self._cells, self._start = cells, None
        if self._stage is not None:
            cells.heat(self.clock.now_s(), self._stage.temperature_k(self.clock.now_s()))

    @property
    def is_heated(self) -> bool:
        """Whether the die lies on a block."""
        return self._stage is not None

    def settle(self) -> None:
        """Bring the cells up to the clock under the present levels; call it before any change."""
        now_s = self.clock.now_s()
        if now_s > self._settled_s:
            self._oracle.lived(self._settled_s)
            is_stressed = reach_v(self.terminals.values()) > self._still_v
            for start_s, end_s in self._at_one_temperature(self._settled_s, now_s):
                if is_stressed:
                    self._live_through(_NO_LEVELS, start_s, end_s - start_s)
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
        if self._control is not None and terminal in self._control.wiring.terminals:
            return self._measure_control(self._control, terminal, aperture_s)
        network = self._present_network()
        if self.terminals[terminal].mode is TerminalMode.OPEN or terminal not in network.wired_terminals:
            self.clock.sleep(aperture_s)
            self.settle()
            return Measured(self._unloaded_v(terminal), 0.0, in_compliance=False)
        self._cells.refresh(self.clock.now_s() + aperture_s, network.lively_cells, aperture_s=aperture_s)
        first = last = self._solve(network, network.drives(_NO_LEVELS))
        self.clock.sleep(aperture_s)
        if self._can_change(first.drives, _NO_LEVELS):
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
            if self._control is not None:
                limited = self._control.instant(self.terminals, segment.levels_v).in_compliance
                met = {name: was or limited.get(name, False) for name, was in met.items()}
            self.clock.sleep(segment.duration_s)
            self._settled_s = self.clock.now_s()
        self._after_change()
        return met

    def switch(self, matrix: str, *, opening: Sequence[str], closing: Sequence[str]) -> None:
        """Change crosspoints of a matrix; notices hot switching.

        Parameters
        ----------
        matrix : str
            Key of the matrix.
        opening, closing : sequence of str
            Crosspoints, such as ``"1A01"``; those that already are so are left alone.

        Raises
        ------
        ValueError
            If nothing hangs on this matrix or there is no such crosspoint.
        """
        relays = self._relays_of(matrix)
        opens, closes = relays.moving(opening, closing)
        if not opens and not closes:
            return
        self.settle()
        if self._control is not None and relays is self._control.relays:
            self._control.move(self.clock.now_s(), self.terminals, opens, closes)
            return
        is_on = is_any_on(self.terminals.values()) and self._present_network().drives(_NO_LEVELS).is_on
        noted: set[str] = set()
        if is_on:
            before = self._present_network()
            last = self._solve(before, before.drives(_NO_LEVELS))
            noted = self._hot_switching.before(self.clock.now_s(), before.felt(last), opens, closes)
        relays.move(opens, closes)
        self._network = None
        if is_on and closes:
            after = self._present_network()
            first = self._solve(after, after.drives(_NO_LEVELS))
            self._hot_switching.after(self.clock.now_s(), after.felt(first), closes - noted)

    def stick(self, matrix: str, crosspoint: str, *, closed: bool) -> None:
        """Let the contact of a crosspoint stay as it is from now on: welded shut, or open for ever.

        Parameters
        ----------
        matrix : str
            Key of the matrix.
        crosspoint : str
            Such as ``"1A01"``.
        closed : bool
            How it stays; it goes there at once.

        Raises
        ------
        ValueError
            If nothing hangs on this matrix or there is no such crosspoint.
        """
        relays = self._relays_of(matrix)
        self.settle()
        if self._control is not None and relays is self._control.relays:
            self._control.stick(crosspoint, closed=closed)
        else:
            relays.stick(crosspoint, closed=closed)
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

    def _at_one_temperature(self, start_s: float, end_s: float) -> Iterator[tuple[float, float]]:
        """Cut a time where the block moves; in each piece the cells have its temperature."""
        if self._stage is None:
            yield start_s, end_s
            return
        for piece_start_s, piece_end_s, temperature_k in self._stage.pieces(start_s, end_s):
            self._cells.heat(piece_start_s, temperature_k)
            yield piece_start_s, piece_end_s

    def _closed(self) -> frozenset[str]:
        """Crosspoints whose contacts are closed, those of the gates with the name of their matrix."""
        if self._control is None or self._control.wiring.matrix is None:
            return self._relays.closed
        return self._relays.closed | {f"{self._control.wiring.matrix}:{name}" for name in self._control.relays.closed}

    def _relays_of(self, matrix: str) -> Relays:
        known = {self._wiring.matrix: self._relays}
        if self._control is not None:
            known[self._control.wiring.matrix] = self._control.relays
        known.pop(None, None)
        if matrix not in known:
            names = " and ".join(repr(name) for name in known) or "no matrix at all"
            raise ValueError(f"circuit: the lines hang on {names}, not on {matrix!r}")
        return known[matrix]

    def _present_network(self) -> Network:
        if self._network is None:
            self._network = self._networks.get(self._relays.closed)
        if self._network is None:
            if len(self._networks) >= _NETWORKS_KEPT:
                del self._networks[next(iter(self._networks))]
            topology = self._wiring.topology(parse_crosspoint(name) for name in self._relays.closed)
            self._network = Network(topology, self._wiring, self._cells.shape, self.terminals)
            self._networks[self._relays.closed] = self._network
        return self._network

    def _solve(self, network: Network, drives: Drives, levels: Mapping[str, float] = _NO_LEVELS) -> Instant:
        line_v = None if self._control is None else self._control.instant(self.terminals, levels).line_v
        instant = self._cells.solve(self.clock.now_s(), line_v, lambda: network.solve(drives, self._solve_array))
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
        if self._can_change(drives, levels):
            return self._cells.live_through(network, lambda: self._solve(network, drives, levels), now_s, duration_s)
        return [self._solve(network, drives, levels)] if always_solve else []

    def _can_change(self, drives: Drives, levels: Mapping[str, float]) -> bool:
        """Tell whether these levels can take a cell, or its control, out of the dead zone."""
        if drives.span_v > self._cells.dead_zone_v:
            return True
        if self._writing is None:
            return False
        line_v = self._writing.instant(self.terminals, levels).line_v
        return self._writing.excursion_v(line_v, drives.low_v, drives.high_v) > self._writing.port.dead_zone_v

    def _measure_control(self, control: Control, terminal: str, aperture_s: float) -> Measured:
        """Measure at a gate or a track."""
        instant = control.instant(self.terminals, _NO_LEVELS)
        self.clock.sleep(aperture_s)
        self.settle()
        if self.terminals[terminal].mode is TerminalMode.OPEN:
            return Measured(self._unloaded_v(terminal), 0.0, in_compliance=False)
        noise_a = self._thermal.draw_a(1.0 / control.port.resistance_ohm, aperture_s)
        return Measured(
            instant.terminal_voltage_v[terminal],
            instant.terminal_current_a[terminal] + noise_a,
            in_compliance=instant.in_compliance[terminal],
        )

    def _unloaded_v(self, terminal: str) -> float:
        own = self.terminals[terminal]
        return own.level if own.mode is TerminalMode.VOLTAGE else 0.0
