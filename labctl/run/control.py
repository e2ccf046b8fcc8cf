"""Talking with a run: who watches it, and how it is asked to pause or stop, by a thread or by a signal.

Not here: how the run obeys (:mod:`labctl.run.engine`).
"""

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

from labctl.errors import RunError

__all__ = ["Observer", "RunControl", "signals_abort", "signals_wait"]

# SIGBREAK: Ctrl-Break and a closed console on Windows; SIGHUP: a closed terminal elsewhere
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP") if hasattr(signal, name))


class Observer(Protocol):
    """Who watches a run from inside its process; an observer that raises is left out from then on."""

    def started(self, run_id: str, path: Path) -> None:
        """The run file exists."""

    def progress(self, percent: float, wall_s: float, instrument_s: float) -> None:
        """Some part of the work is done.

        Parameters
        ----------
        percent : float, unit %
            0 to 100.
        wall_s, instrument_s : float, unit s
            Since the start, on the wall and on the rack.
        """

    def event(self, kind: str, message: str) -> None:
        """Something happened that the run file notes, too."""

    def finished(self, status: str) -> None:
        """The run is over and its outputs are off."""


class RunControl:
    """Asks a run to pause, to go on or to stop; any thread may.

    Attributes
    ----------
    requests : deque of mapping
        What an operator wants a manual session to do, oldest first; others leave it alone.
    """

    def __init__(self) -> None:
        self.abort_reason: str | None = None
        self.insisted = False
        self.paused = False
        self.requests: deque[Mapping[str, object]] = deque()

    def abort(self, reason: str = "the operator asked for it") -> None:
        """Ask the run to stop at its next point; asked again, the run does not wait for the procedure's consent.

        Parameters
        ----------
        reason : str
            For the run file.
        """
        if self.abort_reason is None:
            self.abort_reason = reason
        else:
            self.insisted = True

    def pause(self) -> None:
        """Ask the run to wait before its next action, with its outputs off if the procedure knows how."""
        self.paused = True

    def resume(self) -> None:
        """Let a paused run go on."""
        self.paused = False


@contextmanager
def signals_abort(control: RunControl) -> Iterator[None]:
    """Let Ctrl-C and the wish to terminate abort the run inside the block: at its next point, or, asked again, at once.

    Parameters
    ----------
    control : RunControl

    Raises
    ------
    RunError
        If this is not the main thread, where Python hears signals.
    KeyboardInterrupt
        At the second signal.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RunError("run: signals can only be handled in the main thread; run there, or without signal handler")

    def on_signal(number: int, frame: FrameType | None) -> None:
        again = control.abort_reason is not None
        control.abort(f"signal {signal.Signals(number).name}")
        if again:
            raise KeyboardInterrupt(f"signal {signal.Signals(number).name}, twice")

    with _handling(on_signal):
        yield


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let no signal cut the block: outputs go off and the run is sealed first. Without effect in other threads."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        pass

    with _handling(on_signal):
        yield


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            # None: a handler that was not set from Python
            signal.signal(number, earlier if earlier is not None else signal.SIG_DFL)
