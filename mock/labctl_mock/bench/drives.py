"""What all sources of the rack do at one moment, bus by bus, and the same as the crossbar solver wants it.

Each bus has one source of the solver. Where joined rows put several terminals on one bus, they are lumped into one. Not
here: what comes of it (:mod:`labctl_mock.bench.network`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np
from numpy.typing import NDArray

from labctl.physics.crossbar_network import SourceMode, Sources
from labctl_mock.bench.terminals import Terminal, TerminalMode
from labctl_mock.bench.wiring import Bus, Topology
from labctl_mock.bench.wiring_entry import GROUND

__all__ = ["OFF_A", "OFF_V", "BusSource", "Drives", "is_any_on", "reach_v", "span_v"]

# this is asked some ten times per pulse: an enumeration is slow to look names up in
_OPEN, _CURRENT = TerminalMode.OPEN, TerminalMode.CURRENT
OFF_V = 0.01
"""A source within this of 0 V counts as switched off; it leaves room for offsets."""
OFF_A = 1e-6
"""A current source within this of 0 A counts as switched off."""


@dataclass(frozen=True, slots=True)
class BusSource:
    """One terminal, or ground, on a bus.

    Attributes
    ----------
    name : str
    is_current : bool
    level : float, unit V or A
    series_ohm : float, unit ohm
    limit_a, limit_v : float, unit A and V
    lag_s : float, unit s
        Of the current limit.
    fixed_a : float or None, unit A
        What it gives once its compliance rules, on a bus that it shares.
    """

    name: str
    is_current: bool
    level: float
    series_ohm: float
    limit_a: float
    limit_v: float
    lag_s: float = 0.0
    fixed_a: float | None = None

    def norton(self) -> tuple[float, float]:
        """Return the short-circuit current (A) and the conductance (S)."""
        if self.fixed_a is not None:
            return self.fixed_a, 0.0
        return (self.level, 0.0) if self.is_current else (self.level / self.series_ohm, 1.0 / self.series_ohm)

    def current_a(self, bus_v: float) -> float:
        """Return what flows into a bus at ``bus_v``, unit A."""
        short_a, conductance_s = self.norton()
        return short_a - conductance_s * bus_v


class Drives:
    """The sources of all buses.

    Parameters
    ----------
    topology : Topology
    by_bus : list of list of BusSource

    Attributes
    ----------
    by_bus : list of list of BusSource
    solver : Sources
        One per bus.
    span_v : float, unit V
        Largest voltage that two buses with lines can put across a cell; a terminal that drives a current counts with
        its voltage compliance.
    low_v, high_v : float, unit V
        Its ends, 0 between them.
    is_on : bool
        Whether any source is more than an offset away from 0.
    limits_a : ndarray, shape (buses,), unit A, or None
        Compliance of each bus, None where there is none at all.
    lags_s : ndarray, shape (buses,), unit s
        How late it acts; a current source acts at once.
    """

    def __init__(self, topology: Topology, by_bus: list[list[BusSource]]) -> None:
        self._topology = topology
        self.by_bus = by_bus
        self.solver = _lumped(by_bus)
        reach = [
            _reach_v(source.is_current, source.level, source.limit_v)
            for index, own in enumerate(by_bus)
            if len(topology.buses[index].lines) or index == topology.pad_bus
            for source in own
        ]
        self.low_v, self.high_v = (
            min((low for low, _ in reach), default=0.0),
            max((high for _, high in reach), default=0.0),
        )
        self.span_v = self.high_v - self.low_v
        self.is_on = any(_is_on(source.is_current, source.level) for own in by_bus for source in own)
        limits_a = [sum(abs(s.level) if s.is_current else s.limit_a for s in own) if own else inf for own in by_bus]
        self.lags_s = np.array([max((0.0 if s.is_current else s.lag_s for s in own), default=0.0) for own in by_bus])
        self.limits_a = None if min(limits_a, default=inf) == inf else np.array(limits_a)

    @cached_property
    def is_driven(self) -> NDArray[np.bool_]:
        """Whether a terminal, not ground, drives each bus; shape (buses,)."""
        return np.array([any(source.name != GROUND for source in own) for own in self.by_bus])

    @classmethod
    def of(cls, topology: Topology, terminals: Mapping[str, Terminal], levels: Mapping[str, float]) -> "Drives":
        """Read the terminals.

        Parameters
        ----------
        topology : Topology
        terminals : Mapping of str to Terminal
        levels : Mapping of str to float, unit V or A
            Levels in place of those of the terminals, as during a pulse.

        Returns
        -------
        Drives
        """
        return cls(topology, [_sources_of(bus, terminals, levels) for bus in topology.buses])

    def limited_by(self, bus_voltage_v: NDArray[np.float64]) -> "Drives | None":
        """Return drives in which terminals that share a bus and break their limit give that limit, None if none does.

        Parameters
        ----------
        bus_voltage_v : ndarray, shape (buses,), unit V
            Solved with these drives.

        Returns
        -------
        Drives or None
        """
        changed = False
        by_bus = [list(own) for own in self.by_bus]
        for index, own in enumerate(by_bus):
            for place, source in enumerate(own if len(own) > 1 else []):
                flow_a = source.current_a(float(bus_voltage_v[index]))
                if not source.is_current and source.fixed_a is None and abs(flow_a) > source.limit_a:
                    own[place] = replace(source, fixed_a=source.limit_a if flow_a > 0 else -source.limit_a)
                    changed = True
        return Drives(self._topology, by_bus) if changed else None


def is_any_on(terminals: Iterable[Terminal]) -> bool:
    """Tell whether any terminal is more than an offset away from 0, wherever it is wired."""
    return any(own.mode is not _OPEN and _is_on(own.mode is _CURRENT, own.level) for own in terminals)


def reach_v(terminals: Iterable[Terminal]) -> float:
    """Return the largest voltage that terminals can put across a cell, whatever the relays do.

    Parameters
    ----------
    terminals : iterable of Terminal

    Returns
    -------
    float, unit V
        Not less than ``span_v`` of the drives of these terminals under any topology.
    """
    low_v = high_v = 0.0
    for own in terminals:
        mode, level = own.mode, own.level
        if level and mode is not _OPEN:
            low, high = _reach_v(mode is _CURRENT, level, own.voltage_limit_v)
            low_v, high_v = min(low_v, low), max(high_v, high)
    return high_v - low_v


def span_v(terminal: Terminal) -> tuple[float, float]:
    """Return the lowest and the highest voltage, unit V, that a terminal can reach, 0 between them."""
    if terminal.mode is _OPEN:
        return 0.0, 0.0
    return _reach_v(terminal.mode is _CURRENT, terminal.level, terminal.voltage_limit_v)


def _sources_of(bus: Bus, terminals: Mapping[str, Terminal], levels: Mapping[str, float]) -> list[BusSource]:
    sources = [BusSource(GROUND, False, 0.0, bus.joint_ohm, inf, inf)] if bus.is_grounded else []
    for name in bus.terminals:
        own = terminals[name]
        if own.mode is not _OPEN:
            level, ohm = levels.get(name, own.level), own.resistance_ohm + bus.joint_ohm
            is_current = own.mode is _CURRENT
            sources.append(
                BusSource(name, is_current, level, ohm, own.current_limit_a, own.voltage_limit_v, own.limit_lag_s)
            )
    return sources


def _is_on(is_current: bool, level: float) -> bool:
    return abs(level) > (OFF_A if is_current else OFF_V)


def _reach_v(is_current: bool, level: float, limit_v: float) -> tuple[float, float]:
    """Return the lowest and the highest voltage that a source can reach, 0 included."""
    if is_current:
        return (-limit_v, limit_v) if level else (0.0, 0.0)
    return min(level, 0.0), max(level, 0.0)


def _lumped(by_bus: list[list[BusSource]]) -> Sources:
    modes: list[SourceMode] = []
    table: list[tuple[float, float, float, float, float]] = []
    for own in by_bus:
        emf_v, ohm, limit_a, current_a, limit_v = 0.0, 0.0, inf, 0.0, inf
        kind = SourceMode.FLOATING
        if len(own) == 1 and not own[0].is_current:
            kind, emf_v, ohm, limit_a = SourceMode.VOLTAGE, own[0].level, own[0].series_ohm, own[0].limit_a
        elif own:
            nortons = [source.norton() for source in own]
            short_a, total_s = sum(part for part, _ in nortons), sum(part for _, part in nortons)
            if total_s > 0.0:
                kind, emf_v, ohm = SourceMode.VOLTAGE, short_a / total_s, 1.0 / total_s
            else:
                kind, current_a, limit_v = SourceMode.CURRENT, short_a, min(source.limit_v for source in own)
        modes.append(kind)
        table.append((emf_v, ohm, limit_a, current_a, limit_v))
    columns: NDArray[np.float64] = np.array(table).reshape(-1, 5).T
    return Sources(modes, *columns)
