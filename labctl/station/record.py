"""What a dry run notes: the stimuli that would be applied, when and how often, and their extremes.

Not here: where they come from (:mod:`labctl.station.paper`).
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from labctl.errors import Aborted

__all__ = ["TRACED", "Enough", "Record", "Stimulus", "TracedStimulus", "worst"]

# different stimuli that are kept one by one; beyond that only their extremes count
_KEPT = 1000
# stimuli that are kept in their order, and what they and the steps of waveforms come to at most
TRACED = 5000
_MOST_STEPS = 4 * TRACED


class Enough(Aborted):
    """A dry run has noted as much as it was allowed to."""


@dataclass(frozen=True, slots=True)
class Stimulus:
    """One stimulus.

    Attributes
    ----------
    kind : str
        "level" (stands until the next one), "staircase step", "pulse" or "waveform".
    levels_v : tuple of (str, float), unit V
        Terminal and level; of a waveform its peak.
    width_s : float or None, unit s
        None for a level.
    current_limit_a : float, unit A
        Of the source; level / 50 ohm of a pulse generator.
    energy_j : float or None, unit J
        What the sources could deliver at most; None for a level.
    """

    kind: str
    levels_v: tuple[tuple[str, float], ...]
    width_s: float | None
    current_limit_a: float
    energy_j: float | None


@dataclass(frozen=True, slots=True)
class TracedStimulus:
    """One stimulus, or the return to rest after it, on the clock of the dry run.

    Attributes
    ----------
    start_s : float, unit s
        When it begins.
    levels_v : tuple of (str, float), unit V
        Terminal and level; 0 V where a terminal comes to rest.
    width_s : float or None, unit s
        Of a pulse, which falls back to 0 V; None for what stands until the terminal is given another level.
    """

    start_s: float
    levels_v: tuple[tuple[str, float], ...]
    width_s: float | None


@dataclass
class Record:
    """Notes of one dry run.

    Attributes
    ----------
    most_stimuli : int
        After so many it raises :class:`Enough`, once.
    most_wall_s : float, unit s
        The same after so long.
    stimuli : Counter of Stimulus
        How often each was asked for; the first thousand different ones.
    trace : list of TracedStimulus
        The first stimuli in their order, at most :data:`TRACED`, with the returns to rest between them and the steps
        of waveforms.
    traced : int
        Stimuli in the trace.
    count : int
        Stimuli of any kind.
    readings, relays : int
        Readings taken, relays moved.
    largest_v : dict of str to float, unit V
        Largest magnitude by terminal.
    longest_s, largest_a, largest_j : float, unit s, A, J
        Longest width, largest current limit, largest energy.
    """

    most_stimuli: int
    most_wall_s: float
    stimuli: Counter[Stimulus] = field(default_factory=Counter)
    trace: list[TracedStimulus] = field(default_factory=list)
    traced: int = 0
    count: int = 0
    readings: int = 0
    relays: int = 0
    largest_v: dict[str, float] = field(default_factory=dict)
    longest_s: float = 0.0
    largest_a: float = 0.0
    largest_j: float = 0.0
    _until_s: float | None = None
    _is_over: bool = False

    def add(self, stimulus: Stimulus, *, start_s: float, course: Sequence[TracedStimulus] = ()) -> None:
        """Note a stimulus.

        Parameters
        ----------
        stimulus : Stimulus
        start_s : float, unit s
            When it began, on the clock of the dry run.
        course : sequence of TracedStimulus
            The steps of a waveform, which the trace takes instead.

        Raises
        ------
        Enough
            If that was the last one that counts, or time is up; not again afterwards, so that a procedure can tidy up.
        """
        if self._is_over:
            return
        self.count += 1
        has_room = self.traced < TRACED and len(self.trace) + len(course) <= _MOST_STEPS
        if has_room and self.traced == self.count - 1:
            stands = stimulus.kind != "pulse"
            whole = TracedStimulus(start_s, stimulus.levels_v, None if stands else stimulus.width_s)
            self.trace += course or (whole,)
            self.traced += 1
        if stimulus in self.stimuli or len(self.stimuli) < _KEPT:
            self.stimuli[stimulus] += 1
        for terminal, level_v in stimulus.levels_v:
            self.largest_v[terminal] = max(self.largest_v.get(terminal, 0.0), abs(level_v))
        self.longest_s = max(self.longest_s, stimulus.width_s or 0.0)
        self.largest_a = max(self.largest_a, stimulus.current_limit_a)
        self.largest_j = max(self.largest_j, stimulus.energy_j or 0.0)
        now_s = time.monotonic()
        if self._until_s is None:
            self._until_s = now_s + self.most_wall_s
        if self.count >= self.most_stimuli:
            self._end(f"after {self.count} stimuli")
        elif now_s >= self._until_s:
            self._end(f"after {self.most_wall_s:g} s and {self.count} stimuli")

    def rest(self, terminal: str, *, start_s: float) -> None:
        """Note that a terminal returned to 0 V; no stimulus, so it does not count as one.

        Parameters
        ----------
        terminal : str
        start_s : float, unit s
            When, on the clock of the dry run.
        """
        if self.trace and self.traced == self.count:
            self.trace.append(TracedStimulus(start_s, ((terminal, 0.0),), None))

    def _end(self, when: str) -> None:
        self._is_over = True
        raise Enough(f"stopped counting {when}")


def worst(records: Iterable[Record]) -> Record:
    """Return the extremes over several dry runs; counts are the largest of any one.

    Parameters
    ----------
    records : iterable of Record

    Returns
    -------
    Record
        Without single stimuli.
    """
    total = Record(0, 0.0)
    for record in records:
        for terminal, level_v in record.largest_v.items():
            total.largest_v[terminal] = max(total.largest_v.get(terminal, 0.0), level_v)
        for name in ("count", "readings", "relays", "longest_s", "largest_a", "largest_j"):
            setattr(total, name, max(getattr(total, name), getattr(record, name)))
    return total
