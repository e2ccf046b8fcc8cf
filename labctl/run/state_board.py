"""The state board of a run: what its outputs, relays and lines are told to be, for whoever looks on from outside.

Beside the run file, where it grows, lies ``<run_id>.state.json``, replaced as a whole a few times a second by a thread
of its own: a disk that sleeps holds up the board, never the run. It is written from what the station was told; no
instrument is asked. Not here: what the station knows (:mod:`labctl.station.present`).
"""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labctl.run.beside import FileBeside, beside

__all__ = ["StateBoard", "board_of", "read_state"]

log = logging.getLogger(__name__)

_PERIOD_S = 0.2
# without a change the board is written again so often, for its clock
_IDLE_S = 2.0


def board_of(path: Path) -> Path:
    """Return the state board beside a run file.

    Parameters
    ----------
    path : Path
        The run file, where it grows.

    Returns
    -------
    Path
    """
    return beside(path, ".state.json")


def read_state(path: Path) -> dict[str, Any] | None:
    """Read the state board of a run.

    Parameters
    ----------
    path : Path
        The run file, where it grows. Whether its run still lives says the file, not the board: the board of a run that
        was killed stays.

    Returns
    -------
    dict or None
        ``utc``, ``state`` ("running" or "paused"), ``clock_s`` (unit s), and what
        :meth:`labctl.station.enveloped.EnvelopedRoles.present` tells; None where there is no board.
    """
    try:
        told = json.loads(board_of(path).read_bytes())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


class StateBoard(FileBeside):
    """The run's side: inside the ``with`` block a thread keeps the board; the file is removed at the end.

    Parameters
    ----------
    path : Path
        The run file.
    look : callable
        Returns what is on the board besides the time of the computer; called in the thread.
    """

    def __init__(self, path: Path, look: Callable[[], Mapping[str, Any]]) -> None:
        self._file = board_of(path)
        self._part = self._file.with_name(f"{self._file.name}.part")
        super().__init__("state board", self._part, self._file)
        self._look = look
        self._shown: dict[str, Any] | None = None
        self._written_s = 0.0

    def write(self) -> None:
        """Write the board where it has changed, or is old; a disk that refuses is asked again the next time."""
        found = dict(self._look())
        clock_s = found.pop("clock_s", None)
        now_s = time.monotonic()
        if found == self._shown and now_s - self._written_s < _IDLE_S:
            return
        told = {"utc": datetime.now(UTC).isoformat(timespec="milliseconds"), "clock_s": clock_s, **found}
        try:
            self._part.write_text(json.dumps(told), encoding="ascii")
            os.replace(self._part, self._file)
        except OSError:
            # full, or on Windows held by a reader
            return
        self._shown, self._written_s = found, now_s

    def _keep(self) -> None:
        try:
            self.write()
            while not self._is_over.wait(_PERIOD_S):
                self.write()
        except Exception:  # the run boundary: a board that fails must not touch the run
            log.info("%s: the state board fails and is left out", self._file, exc_info=True)
