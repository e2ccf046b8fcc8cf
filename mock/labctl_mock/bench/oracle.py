"""What really happened on a bench, seen from the terminals and relays and not from any message: the judge of tests.

It counts stimuli, follows outputs and relays, keeps extremes, and holds the faults that were injected. Not here: who
drives terminals (the instruments), violations (:mod:`labctl_mock.bench.log`), the conductances of the cells
(:meth:`labctl_mock.bench.bench.Bench.truth`).
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from math import inf

from labctl.physics.live_die import ControlPort
from labctl_mock.bench.drives import OFF_V, reach_v, span_v
from labctl_mock.bench.log import BenchLog
from labctl_mock.bench.terminals import Terminal, TerminalMode

__all__ = ["InjectedFault", "Oracle", "Stimulus"]

_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Stimulus:
    """One step of source levels away from rest that can change a cell.

    Attributes
    ----------
    time_s : float, unit s
        The bench's clock at its start.
    source : str
        The terminals that stepped, joined by ``+``.
    levels : Mapping of str to float, unit V or A
        Of every terminal of that instrument.
    closed : frozenset of str
        Crosspoints whose contacts were closed; those of the gates' matrix with its key, such as ``"mat2:1A01"``.
    """

    time_s: float
    source: str
    levels: Mapping[str, float]
    closed: frozenset[str]


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """One fault that was injected.

    Attributes
    ----------
    time_s : float, unit s
        The bench's clock.
    instrument : str
        Its key; ``""`` for the disk.
    kind : str
    message : str
        The message that set it off.
    """

    time_s: float
    instrument: str
    kind: str
    message: str


class Oracle:
    """The truth about one opened bench.

    Levels are looked at whenever time has passed under them, so that two levels which one chunk sets side by side are
    one stimulus. A stimulus is a step to a level away from 0 after which the terminals of one instrument span more than
    the dead zone of the cells; below that it is a probe, such as a reading. Where cells are written by their control, a
    stimulus is a step that takes a control out of its dead zone: a track against ground, a gate against all word and
    bit lines of the rack. A gate that only lets the cell voltage through is no stimulus by itself.

    Parameters
    ----------
    log : BenchLog
    dead_zone_v : float, unit V
        What cells bear without change; inf where only their control changes them.
    control : ControlPort, optional
        The third terminal of the cells.
    control_terminals : collection of str
        Terminals that are wired to it.

    Attributes
    ----------
    max_voltage_v, max_current_a : float, unit V and A
        Largest magnitudes: of a voltage that a terminal drove, of a current that flowed through one.
    last_off_time : float or None, unit s
        The bench's clock when the last output that was on went off; None while one is on or none ever was.
    last_off_wall_s : float or None, unit s
        The same on this computer's monotonic clock, which on Linux other processes share.
    faults : list of InjectedFault
    """

    def __init__(
        self,
        log: BenchLog,
        dead_zone_v: float,
        *,
        control: ControlPort | None = None,
        control_terminals: Collection[str] = (),
    ) -> None:
        self._pulses: Counter[str] = Counter()
        self._probes: Counter[str] = Counter()
        self._stimuli: deque[Stimulus] = deque(maxlen=_KEPT)
        self.max_voltage_v = self.max_current_a = 0.0
        self.last_off_time: float | None = None
        self.last_off_wall_s: float | None = None
        self.faults: list[InjectedFault] = []
        self._log = log
        self._dead_zone_v = dead_zone_v
        self._control, self._control_terminals = control, frozenset(control_terminals)
        self._terminals: Mapping[str, Terminal] = {}
        self._levels: dict[str, float] = {}
        self._now_s: Callable[[], float] = lambda: 0.0
        self._closed: Callable[[], frozenset[str]] = frozenset
        self._settle: Callable[[], None] = lambda: None

    # --- what the circuit tells -----------------------------------------------------------------------------------

    def watch(
        self,
        terminals: Mapping[str, Terminal],
        now_s: Callable[[], float],
        closed: Callable[[], frozenset[str]],
        settle: Callable[[], None],
    ) -> None:
        """Look at these terminals from now on.

        Parameters
        ----------
        terminals : Mapping of str to Terminal
            All of the rack; may grow.
        now_s : callable
            The bench's clock, unit s.
        closed : callable
            Returns the crosspoints whose contacts are closed.
        settle : callable
            Brings the circuit up to the clock, so that :meth:`lived` was told of everything.
        """
        self._terminals, self._now_s, self._closed, self._settle = terminals, now_s, closed, settle
        for terminal in terminals.values():
            terminal.on_turn = self._turned

    def lived(self, start_s: float) -> None:
        """Note the levels under which time passed from ``start_s`` on."""
        stepped: dict[str, list[str]] = {}
        later: dict[str, float] = {}
        for name, own in self._terminals.items():
            level = 0.0 if own.mode is TerminalMode.OPEN else own.level
            if level == self._levels.get(name, 0.0):
                continue
            old, self._levels[name] = self._levels.get(name, 0.0), level
            if own.mode is TerminalMode.VOLTAGE:
                self.max_voltage_v = max(self.max_voltage_v, abs(level))
            if abs(level) > (OFF_V if own.mode is TerminalMode.VOLTAGE else 0.0):
                stepped.setdefault(name.partition(".")[0], []).append(name)
                later[name] = old
        for key, names in stepped.items():
            # instruments one after the other, lest each counts what they did together
            for name in names:
                del later[name]
            self._note(start_s, key, names, {**self._levels, **later})

    def fired(self, start_s: float, pulses: Iterable[tuple[str, float]]) -> None:
        """Note one trigger: terminals with their plateaus (V), after which they go back to where they were."""
        peaks_v: dict[str, float] = {}
        for name, level_v in pulses:
            self.max_voltage_v = max(self.max_voltage_v, abs(level_v))
            if abs(level_v) > max(OFF_V, abs(peaks_v.get(name, 0.0))):
                peaks_v[name] = level_v
        by_key: dict[str, list[str]] = {}
        for name in peaks_v:
            by_key.setdefault(name.partition(".")[0], []).append(name)
        for key, names in by_key.items():
            self._note(start_s, key, names, {**self._levels, **peaks_v})

    def flowed(self, currents_a: Mapping[str, float]) -> None:
        """Note currents through terminals, unit A."""
        for current_a in currents_a.values():
            if abs(current_a) > self.max_current_a:
                self.max_current_a = abs(current_a)

    def injected(self, instrument: str, kind: str, message: str) -> None:
        """Note a fault that was injected now."""
        self.faults.append(InjectedFault(self._now_s(), instrument, kind, message))

    def _note(self, start_s: float, key: str, names: list[str], levels: Mapping[str, float]) -> None:
        source = "+".join(sorted(names))
        own = [terminal for name, terminal in self._terminals.items() if name.partition(".")[0] == key]
        shown = [replace(one, level=levels.get(one.name, 0.0), on_turn=None) for one in own]
        channels = [one for one in shown if one.name not in self._control_terminals]
        if reach_v(channels) > self._dead_zone_v or self._writes(names, levels):
            self._pulses[source] += 1
            held = {one.name: one.level for one in shown}
            self._stimuli.append(Stimulus(start_s, source, held, self._closed()))
        else:
            self._probes[source] += 1

    def _writes(self, stepped: list[str], levels: Mapping[str, float]) -> bool:
        """Tell whether this step took a control out of its dead zone."""
        port = self._control
        if port is None or self._dead_zone_v < inf:
            return False
        before = {**levels, **dict.fromkeys(stepped, 0.0)}
        return self._excursion_v(port, before) <= port.dead_zone_v < self._excursion_v(port, levels)

    def _excursion_v(self, port: ControlPort, levels: Mapping[str, float]) -> float:
        ends: dict[bool, list[float]] = {True: [0.0], False: [0.0]}
        for name, own in self._terminals.items():
            if levels.get(name, 0.0):
                ends[name in self._control_terminals] += span_v(replace(own, level=levels[name], on_turn=None))
        if port.kind == "track":
            return max(max(ends[True]), -min(ends[True]))
        return max(max(ends[True]) - min(ends[False]), max(ends[False]) - min(ends[True]))

    def _turned(self, terminal: Terminal) -> None:
        if any(own.is_on for own in self._terminals.values()):
            self.last_off_time = self.last_off_wall_s = None
        elif not terminal.is_on:
            self.last_off_time, self.last_off_wall_s = self._now_s(), time.monotonic()

    # --- what tests ask -------------------------------------------------------------------------------------------

    @property
    def pulses(self) -> Counter[str]:
        """Stimuli by the terminals that stepped together, such as ``"smu1.a+smu1.b"``.

        A pulse with a partner is one, a trigger of a generator is one, each step of a DC staircase is one.
        """
        self._settle()
        return self._pulses

    @property
    def probes(self) -> Counter[str]:
        """What is counted alike but leaves cells as they are, such as the level of a reading."""
        self._settle()
        return self._probes

    @property
    def stimuli(self) -> deque[Stimulus]:
        """The newest 100 000 of ``pulses`` one by one."""
        self._settle()
        return self._stimuli

    def outputs(self) -> dict[str, dict[str, float | bool]]:
        """Return every terminal of the rack.

        Returns
        -------
        dict of str to dict
            ``on``: whether the output is switched on; ``level_v``: what it drives, unit V, 0 where its relay is open
            (for a current source its level in A).
        """
        return {
            name: {"on": own.is_on, "level_v": 0.0 if own.mode is TerminalMode.OPEN else own.level}
            for name, own in self._terminals.items()
        }

    def closed_relays(self) -> list[str]:
        """Return the crosspoints whose contacts are closed, whatever the matrix says."""
        return sorted(self._closed())

    @property
    def violations(self) -> list[str]:
        """The newest violations as ``"kind: detail"``."""
        return [f"{one.kind}: {one.detail}" for one in self._log.violations]

    def as_dict(self) -> dict[str, object]:
        """Return everything but the stimuli one by one, ready for JSON."""
        return {
            "time_s": self._now_s(),
            "pulses": dict(self.pulses),
            "probes": dict(self.probes),
            "outputs": self.outputs(),
            "closed_relays": self.closed_relays(),
            "max_voltage_v": self.max_voltage_v,
            "max_current_a": self.max_current_a,
            "last_off_time": self.last_off_time,
            "last_off_wall_s": self.last_off_wall_s,
            "violations": self.violations,
            "violation_counts": dict(self._log.counts),
            "faults": [asdict(fault) for fault in self.faults],
        }
