"""What a careful operator would have noticed: hot switching and its kin. Not here: who notices."""

from collections import Counter, deque
from dataclasses import dataclass

__all__ = ["BenchLog", "Violation"]

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that should not have happened.

    Attributes
    ----------
    time_s : float, unit s
        The bench's clock.
    kind : str
        Such as ``"hot switching"``.
    detail : str
    """

    time_s: float
    kind: str
    detail: str


class BenchLog:
    """The violations of one opened bench: all are counted, the newest 1000 kept in full."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: deque[Violation] = deque(maxlen=_KEPT)

    def add(self, time_s: float, kind: str, detail: str) -> None:
        """Note one violation."""
        self.counts[kind] += 1
        self.violations.append(Violation(time_s, kind, detail))
