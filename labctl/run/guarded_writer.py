"""The run file as a guarded run writes it: the guardian knows that a slow disk is not a hang.

Not here: the file itself (:mod:`labctl.store`), the guardian (:mod:`labctl.run.guardian`).
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from labctl.store import RunWriter
from labctl.store.columns import Cell

if TYPE_CHECKING:
    from labctl.run.guardian import Guardian

__all__ = ["GuardedWriter"]

# how long a commit may take: disks that slept, and shared ones, answer after seconds
_COMMIT_S = 30.0


class GuardedWriter:
    """Writes to a run file, and tells the guardian beforehand that this may take a while.

    Parameters
    ----------
    writer : RunWriter

    Attributes
    ----------
    guardian : Guardian or None
        Set while the run is guarded.
    """

    def __init__(self, writer: RunWriter) -> None:
        self.guardian: Guardian | None = None
        self._writer = writer

    def intent(self, action: int, stimulus: Mapping[str, Cell]) -> None:
        """Write what is about to be applied; see :meth:`labctl.store.RunWriter.intent`."""
        with self._patiently():
            self._writer.intent(action, stimulus)

    def points(self, rows: Sequence[Mapping[str, Cell]], action: int | None = None) -> None:
        """Take points; see :meth:`labctl.store.RunWriter.points`."""
        with self._patiently():
            self._writer.points(rows, action)

    def array(self, name: str, data: ArrayLike, dims: Sequence[str], unit: str) -> None:
        """Store an array; see :meth:`labctl.store.RunWriter.array`."""
        with self._patiently():
            self._writer.array(name, data, dims, unit)

    def event(self, kind: str, message: str) -> None:
        """Write an event; see :meth:`labctl.store.RunWriter.event`."""
        with self._patiently():
            self._writer.event(kind, message)

    def instrument(self, key: str, moment: str, identity: Mapping[str, str], settings: Mapping[str, object]) -> None:
        """Write who an instrument is; see :meth:`labctl.store.RunWriter.instrument`."""
        with self._patiently():
            self._writer.instrument(key, moment, identity, settings)

    def _patiently(self) -> AbstractContextManager[None]:
        return nullcontext() if self.guardian is None else self.guardian.busy(_COMMIT_S)
