"""Shared sources of a crossbar: what each does to the line ends on its bus, and which of them are in compliance.

A source that only one line end hangs on, or that has no resistance, is folded into the line ends; what remains are
shared buses, whose voltages are unknowns of the solver. Compliance is found by rounds: solve, let every source that
breaks its rule change sides, until none does; after some rounds only the first one changes, which ends for sure
(Murty's least-index rule for P-matrices). Not here: the circuit itself (:mod:`labctl.physics.crossbar`).
"""

from dataclasses import dataclass

import numpy as np

from labctl.physics.crossbar_network import Connections, Floats, Integers, SourcedSolution, SourceMode, Sources

__all__ = ["ActingSources", "Folded"]

# looked up in an enumeration, they would take a good part of the time spent here
_VOLTAGE, _CURRENT = int(SourceMode.VOLTAGE), int(SourceMode.CURRENT)
_SLACK = 1e-9
_ROUNDS_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Folded:
    """Line ends as the solver takes them.

    Attributes
    ----------
    ends : ndarray, shape (3, line ends), unit ohm, V and A
        Resistance to a known voltage (inf: none), that voltage, and a current into the line's outermost node.
    bus : ndarray of int, shape (line ends,)
        Unknown bus of a line end, or -1.
    table : ndarray, shape (3, buses)
        Conductance to ground (S), current into the bus (A), first guess of the voltage (V); the solver puts the voltage
        there.
    bus_of_source : list of int
        Unknown bus of each source, or -1.
    """

    ends: Floats
    bus: Integers
    table: Floats
    bus_of_source: list[int]


class ActingSources:
    """The sources of one circuit, each acting as its level or as its limit says.

    Parameters
    ----------
    sources : Sources
    connections : Connections
    start : SourcedSolution or None
        Where the search for compliance starts; ignored when it has another number of sources.

    Raises
    ------
    ValueError
        If a line end names a source that does not exist, or a CURRENT source without voltage limit has no line end.
    """

    def __init__(self, sources: Sources, connections: Connections, start: SourcedSolution | None) -> None:
        self._count = count = len(sources.modes)
        if len(connections.count) > count + 1:
            raise ValueError(
                f"connections: source {len(connections.count) - 2} of a line end does not exist; "
                f"there are {count} sources, numbered from 0, and -1 floats"
            )
        self._connections = connections
        self._ends: list[int] = connections.count[1:].tolist() + [0] * (count + 1 - len(connections.count))
        modes: list[int] = sources.modes.tolist()
        emf_v, level_a, series_ohm, limit_a, limit_v = sources.table.tolist()
        self._drives_current = [mode != _VOLTAGE for mode in modes]
        self._level: list[float] = []
        self._limit: list[float] = []
        self._ohm: list[float] = []
        for s, mode in enumerate(modes):
            if mode == _VOLTAGE:
                level, limit, ohm = emf_v[s], limit_a[s], series_ohm[s]
            elif mode == _CURRENT:
                level, limit, ohm = level_a[s], limit_v[s], 0.0
            else:
                level, limit, ohm = 0.0, np.inf, 0.0
            self._level.append(level)
            self._limit.append(limit)
            self._ohm.append(ohm)
        self.is_limited = [False] * count
        self._acting = list(self._level)
        self._guess_v: list[float] = [0.0] * count
        self._rounds = 0
        if start is not None and len(start.in_compliance) == count:
            self._guess_v = start.bus_voltage_v.tolist()
            for s in start.in_compliance.nonzero()[0].tolist():
                ruled = start.bus_voltage_v if self._drives_current[s] else start.source_current_a
                self._enter_limit(s, float(ruled[s]))
        for s in range(count):
            if self._drives_current[s] and self._ends[s] == 0 and self._level[s] != 0.0:
                if self._limit[s] == np.inf:
                    raise ValueError(
                        f"sources: CURRENT source {s} drives {self._level[s]} A into a bus with no line end on it; "
                        "give it a voltage_limit_v or a line end"
                    )
                self._enter_limit(s, self._level[s])

    def _enter_limit(self, s: int, sign: float) -> None:
        if self._limit[s] < np.inf:
            self.is_limited[s] = True
            self._acting[s] = self._limit[s] if sign > 0.0 else -self._limit[s]

    def _leave_limit(self, s: int) -> None:
        self.is_limited[s] = False
        self._acting[s] = self._level[s]

    def fold(self, contact_ohm: Floats) -> Folded:
        """Put into the line ends what can be put there, and number the buses that remain.

        Parameters
        ----------
        contact_ohm : ndarray, shape (line ends,), unit ohm

        Returns
        -------
        Folded
        """
        # one entry more than sources: what index -1, a floating end, takes
        ohm = [0.0] * (self._count + 1)
        emf_v = [0.0] * (self._count + 1)
        injected_a = [0.0] * (self._count + 1)
        bus = [-1] * (self._count + 1)
        table: list[tuple[float, float, float]] = []
        for s in range(self._count):
            acting, series_ohm, ends = self._acting[s], self._ohm[s], self._ends[s]
            if self._drives_current[s] != self.is_limited[s]:
                if ends == 1:
                    ohm[s], injected_a[s] = np.inf, acting
                elif ends > 1:
                    bus[s] = len(table)
                    table.append((0.0, acting, self._guess_v[s]))
            elif ends > 1 and series_ohm > 0.0 and not self.is_limited[s]:
                bus[s] = len(table)
                table.append((1.0 / series_ohm, acting / series_ohm, self._guess_v[s] or acting))
            else:
                ohm[s], emf_v[s] = series_ohm, acting
        source = self._connections.source
        folded = np.array((ohm, emf_v, injected_a)).take(source, axis=1, mode="wrap")
        folded[0] += self._connections.tie_ohm + contact_ohm
        return Folded(
            ends=folded,
            bus=np.array(bus, dtype=np.int64).take(source, mode="wrap"),
            table=np.array(table).reshape(-1, 3).T.copy(),
            bus_of_source=bus,
        )

    def read(
        self, folded: Folded, end_current_a: Floats, word_voltage_v: Floats, bit_voltage_v: Floats, contact_ohm: Floats
    ) -> tuple[Floats, Floats]:
        """Find current and bus voltage of each source in a solved circuit.

        Parameters
        ----------
        folded : Folded
        end_current_a : ndarray, shape (line ends,), unit A
            Into the array.
        word_voltage_v, bit_voltage_v : ndarray, shape (rows, columns), unit V
        contact_ohm : ndarray, shape (line ends,), unit ohm

        Returns
        -------
        current_a, bus_voltage_v : ndarray, shape (sources,)
        """
        source, tie_ohm = self._connections.source, self._connections.tie_ohm
        sums_a = np.bincount(source + 1, weights=end_current_a, minlength=self._count + 1)
        current_a: Floats = sums_a[1:].astype(np.float64, copy=False)
        bus_v: list[float] = folded.table[2].tolist()
        voltage_v = [0.0] * self._count
        for s, current in enumerate(current_a.tolist()):
            if folded.bus_of_source[s] >= 0:
                voltage_v[s] = bus_v[folded.bus_of_source[s]]
            elif self._drives_current[s] == self.is_limited[s]:
                voltage_v[s] = self._acting[s] - self._ohm[s] * current
            elif self._ends[s] == 1:
                end = int((source == s).argmax())
                outermost_v = np.concatenate(
                    (word_voltage_v[:, 0], word_voltage_v[:, -1], bit_voltage_v[0], bit_voltage_v[-1])
                )
                voltage_v[s] = float(outermost_v[end] + self._acting[s] * (tie_ohm[end] + contact_ohm[end]))
        return current_a, np.array(voltage_v)

    def revise(self, current_a: Floats, bus_voltage_v: Floats) -> bool:
        """Let sources that break their rule change sides.

        Parameters
        ----------
        current_a, bus_voltage_v : ndarray, shape (sources,)

        Returns
        -------
        bool
            True if one did, so that the circuit has to be solved again.
        """
        self._rounds += 1
        changed = False
        for s, (current, voltage) in enumerate(zip(current_a.tolist(), bus_voltage_v.tolist(), strict=True)):
            if self._limit[s] == np.inf or (self._ends[s] == 0 and self._drives_current[s]):
                continue
            ruled = voltage if self._drives_current[s] else current
            if not self.is_limited[s]:
                if abs(ruled) <= self._limit[s] * (1.0 + _SLACK):
                    continue
                self._enter_limit(s, ruled)
            else:
                # what the source would still add if its level ruled, in the direction of its limit
                wanted = self._level[s] - (current if self._drives_current[s] else voltage + self._ohm[s] * current)
                slack = _SLACK * (abs(self._level[s]) + abs(self._level[s] - wanted))
                if wanted * np.sign(self._acting[s]) >= -slack:
                    continue
                self._leave_limit(s)
            changed = True
            if self._rounds > _ROUNDS_TOGETHER:
                break
        return changed
