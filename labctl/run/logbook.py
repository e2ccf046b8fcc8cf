"""What a run tells besides its rows: events, arrays and progress, to the run file and to whoever watches.

Not here: rows (:mod:`labctl.run.actions`).
"""

import contextlib
import logging
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from labctl.errors import RunError, StoreError
from labctl.run.actions import Actions
from labctl.run.control import Observer
from labctl.run.guarded_writer import GuardedWriter
from labctl.store import RunWriter

__all__ = ["Logbook"]

log = logging.getLogger(__name__)


class Logbook:
    """The logbook of one run.

    Parameters
    ----------
    writer : RunWriter
        For names and times.
    file : GuardedWriter
        The same file, for what is written.
    observer : Observer or None
    arrays : collection of str
        Names of the arrays that a resumed run's file holds; they are not written again.
    events : sequence of (str, str)
        Kind and message of the events that it holds.
    """

    def __init__(
        self,
        writer: RunWriter,
        file: GuardedWriter,
        observer: Observer | None,
        arrays: Collection[str] = (),
        events: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._writer = writer
        self._file = file
        self._observer = observer
        self._arrays = frozenset(arrays)
        self._written = Counter(events)

    def progress(self, percent: float) -> None:
        """Take the topic "progress".

        Parameters
        ----------
        percent : float, unit %

        Raises
        ------
        RunError
            If it is not 0 to 100.
        """
        if not (math.isfinite(percent) and 0.0 <= percent <= 100.0):
            raise RunError(f"emit: progress is 0 to 100 %, got {percent!r}")
        self._writer.percent = float(percent)
        wall_s, instrument_s = self._writer.times()
        self.tell("progress", float(percent), wall_s, instrument_s)

    def array(self, record: Mapping[str, Any]) -> None:
        """Take the topic "array".

        Parameters
        ----------
        record : mapping
            With ``name``, ``data``, ``dims``, ``unit``.
        """
        _require(record, "array", {"name", "data", "dims", "unit"})
        if record["name"] not in self._arrays:
            self._file.array(record["name"], record["data"], record["dims"], record["unit"])

    def take_event(self, record: Mapping[str, Any], actions: Actions) -> None:
        """Take the topic "event"; what a resumed run's file holds is not written again.

        Parameters
        ----------
        record : mapping
            With ``kind``, ``message``.
        actions : Actions
            Tells how far the run is recalled.
        """
        _require(record, "event", {"kind", "message"})
        event = (str(record["kind"]), str(record["message"]))
        is_written = self._written[event] > 0
        if is_written:
            self._written[event] -= 1
        # after the last action in the file and before the first live one, it may or may not have been written
        if actions.is_live or not (is_written or actions.is_replaying):
            self.event(*event)

    def event(self, kind: str, message: str) -> None:
        """Write an event and tell it.

        Parameters
        ----------
        kind, message : str
        """
        self._file.event(kind, message)
        self.tell("event", kind, message)

    def note(self, kind: str, message: str) -> None:
        """Write an event though the file may not take it any more.

        Parameters
        ----------
        kind, message : str
        """
        with contextlib.suppress(StoreError):
            self._file.event(kind, message)
        self.tell("event", kind, message)

    def tell(self, what: str, *values: object) -> None:
        """Tell the observer; a run does not fail because its watcher did.

        Parameters
        ----------
        what : str
            Name of the observer's method.
        *values
            Its arguments.
        """
        if self._observer is None:
            return
        try:
            getattr(self._observer, what)(*values)
        except Exception as error:  # the run boundary: a broken window must not touch the run
            log.info("run %s: the observer failed", self._writer.run_id, exc_info=True)
            self._observer = None
            self.note("warning", f"the observer failed and is left out: {type(error).__name__}: {error}")


def _require(record: Mapping[str, Any], topic: str, keys: set[str]) -> None:
    if set(record) != keys:
        raise RunError(f"emit: a record of topic {topic!r} has the keys {', '.join(sorted(keys))}, got {list(record)}")
