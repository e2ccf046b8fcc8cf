"""What a dry run notes: the stimuli that would be applied, how often, and their extremes.

Not here: where they come from (:mod:`labctl.station.paper`).
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from labctl.errors import Aborted

__all__ = ["Enough", "Record", "Stimulus", "worst"]

# different stimuli that are kept one by one; beyond that only their extremes count
_KEPT = 1000


class Enough(Aborted):
    """A dry run has noted as much as it was allowed to."""


@dataclass(frozen=True, slots=True)
class Stimulus:
    """One stimulus.

    Attributes
    ----------
    kind : str
        "level" (stands until the next one), "staircase step" or "pulse".
    levels_v : tuple of (str, float), unit V
        Terminal and level.
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
    count: int = 0
    readings: int = 0
    relays: int = 0
    largest_v: dict[str, float] = field(default_factory=dict)
    longest_s: float = 0.0
    largest_a: float = 0.0
    largest_j: float = 0.0
    _until_s: float | None = None
    _is_over: bool = False

    def add(self, stimulus: Stimulus) -> None:
        """Note a stimulus.

        Parameters
        ----------
        stimulus : Stimulus

        Raises
        ------
        Enough
            If that was the last one that counts, or time is up; not again afterwards, so that a procedure can tidy up.
        """
        if self._is_over:
            return
        self.count += 1
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
