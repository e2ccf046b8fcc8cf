"""The mailbox of a run: how another process asks it to pause, to go on, to stop, or to do something by hand.

Beside the run file, where it grows, lies ``<run_id>.asks.jsonl``: one JSON object a line, appended by whoever asks and
read by the run. An ask names the segment of the file that it is meant for, so that what was left behind by a run that
was killed means nothing to the run that goes on. Not here: how the run obeys (:mod:`labctl.run.session`).
"""

import json
import secrets
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labctl.errors import RunError
from labctl.run.beside import FileBeside, beside
from labctl.run.control import RunControl
from labctl.store import Run

__all__ = ["ASKS", "Mailbox", "ask_run", "mailbox_of"]

ASKS = ("pause", "continue", "abort", "abort_now", "do")
_PERIOD_S = 0.02
_REASON = "the operator asked for it"


def mailbox_of(path: Path) -> Path:
    """Return the mailbox beside a run file.

    Parameters
    ----------
    path : Path
        The run file, where it grows.

    Returns
    -------
    Path
    """
    return beside(path, ".asks.jsonl")


def ask_run(path: Path, what: str, *, by: str = "", **arguments: object) -> str:
    """Ask a run for something; it hears of it within a few hundredths of a second.

    Parameters
    ----------
    path : Path
        The run file, where it grows.
    what : str
        "pause", "continue", "abort" (with ``reason``), "abort_now" (the same, without the procedure's consent), or
        "do", which a manual session takes.
    by : str
        Who asks, for the run file.
    **arguments
        What the ask needs, as JSON knows it.

    Returns
    -------
    str
        The number of the ask, with which a manual session begins its answer.

    Raises
    ------
    RunError
        If there is no such ask, the run is over, or the mailbox cannot be written.
    StoreError
        If there is no such run file, or it is damaged.
    """
    if what not in ASKS:
        raise RunError(f"ask: there is no {what!r}; a run can be asked for {', '.join(ASKS)}")
    run = Run(path)
    if run.status != "running":
        raise RunError(f"run {run.run_id} is {run.status}: only a running one can be asked for something")
    number = secrets.token_hex(3)
    ask = {
        "number": number,
        "utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "segment": run.segments()[-1]["seq"],
        "what": what,
        "by": by,
        **arguments,
    }
    try:
        with mailbox_of(path).open("ab") as mailbox:
            mailbox.write(json.dumps(ask).encode("ascii") + b"\n")
    except OSError as error:
        raise RunError(f"{mailbox_of(path)}: cannot be written: {error}; the run has not heard of it") from error
    return number


class Mailbox(FileBeside):
    """The run's side: inside the ``with`` block a thread looks for asks; the file is removed at the end.

    Parameters
    ----------
    path : Path
        The run file.
    segment : int
        Of the run file: asks that are meant for an earlier one are left alone.
    control : RunControl
        Is told.

    Attributes
    ----------
    notes : deque of str
        What was asked and by whom, for the run file; the run takes them away.
    """

    def __init__(self, path: Path, segment: int, control: RunControl) -> None:
        self.notes: deque[str] = deque()
        self._file = mailbox_of(path)
        super().__init__("mailbox", self._file)
        self._segment = segment
        self._control = control
        self._offset = 0

    def look(self) -> None:
        """Read what was added, and obey it."""
        try:
            if self._file.stat().st_size <= self._offset:
                return
            with self._file.open("rb") as mailbox:
                mailbox.seek(self._offset)
                added = mailbox.read()
        except OSError:
            # it is made by the first who asks
            return
        # a line that is not whole yet is read the next time
        whole = added[: added.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            ask = _parsed(line)
            if ask is not None and ask.get("segment") == self._segment:
                self._obey(ask)

    def _keep(self) -> None:
        while not self._is_over.wait(_PERIOD_S):
            self.look()

    def _obey(self, ask: Mapping[str, Any]) -> None:
        what, by, control = str(ask.get("what")), str(ask.get("by") or ""), self._control
        if what == "pause":
            control.pause()
        elif what == "continue":
            control.resume()
        elif what in ("abort", "abort_now"):
            control.abort(str(ask.get("reason") or _REASON))
            if what == "abort_now" and not control.insisted:
                control.abort()
        elif what == "do":
            control.requests.append(ask)
            what = f"#{ask.get('number')} {_told(ask)}"
        else:
            what = f"{what!r}, which is none of {', '.join(ASKS)}"
        self.notes.append(f"{what}, by {by}" if by else what)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        ask = json.loads(line)
    except ValueError:
        return None
    return ask if isinstance(ask, dict) else None


def _told(ask: Mapping[str, Any]) -> str:
    words = {name: value for name, value in ask.items() if name not in ("number", "utc", "segment", "what", "by")}
    return " ".join(f"{name}={value}" for name, value in words.items())
