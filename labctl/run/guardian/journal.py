"""The guardian's log: lines of JSON, written by a thread of their own because a slow disk must not hold an OFF up.

Not here: the run file's events (:mod:`labctl.store`).
"""

import json
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

__all__ = ["GIVEN_UP", "Journal", "is_guarding"]

GIVEN_UP = "given up: switch it off by hand"
_LAST = ("goodbye", "VERIFIED OFF", "broken")


class Journal:
    """Appends to one file.

    Parameters
    ----------
    path : str
        The file; made if it is not there.

    Raises
    ------
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._file = open(path, "a", encoding="utf-8", newline="\n")  # noqa: SIM115
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
        self._writer.start()

    def note(self, event: str, **facts: object) -> None:
        """Take a line with the time of now; it is written soon.

        Parameters
        ----------
        event : str
            What happened.
        **facts
            Whatever JSON takes.
        """
        utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._lines.put(json.dumps({"utc": utc, "monotonic_s": round(time.monotonic(), 6), "event": event, **facts}))

    def close(self, within_s: float) -> None:
        """Write what is left.

        Parameters
        ----------
        within_s : float, unit s
            How long a slow disk may take.
        """
        self._lines.put(None)
        self._writer.join(within_s)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            # a full disk must not end the guardian; the line is lost
            with suppress(OSError):
                self._file.write(line + "\n")
                self._file.flush()


def is_guarding(path: Path) -> bool:
    """Tell from its log whether a guardian is still at work: it watches a run, or switches off.

    Parameters
    ----------
    path : Path
        The log.

    Returns
    -------
    bool
        False where there is no such log, or its last line is one with which a guardian ends. A line that is half
        written says nothing yet.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return False
    for line in reversed(lines):
        with suppress(ValueError, KeyError, TypeError):
            event = str(json.loads(line)["event"])
            return not (event in _LAST or event.endswith(GIVEN_UP))
    return False
