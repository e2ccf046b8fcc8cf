"""The run's side of the guardian: tells it that the measuring loop moves, and restarts it once if it dies.

Not here: the guardian's own process (:mod:`labctl.run.guardian.process`).
"""

import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from labctl.errors import RunError
from labctl.run.guardian.launch import launch
from labctl.run.guardian.messages import Charge, Orders, Word, WordKind
from labctl.run.guardian.patience import Patience

if TYPE_CHECKING:
    from labctl.station import Station

__all__ = ["Guardian", "guard_run"]

_BEATS_PER_HEARTBEAT = 5.0
_QUIET_S = 60.0
_LEAVE_S = 2.0


class Guardian:
    """A guardian that watches this process. Made by :func:`guard_run`.

    The guardian switches off and ends this process when the measuring loop has not called :meth:`progress` for as long
    as it said that it would be quiet, and also when the whole process is stopped or dead.

    Parameters
    ----------
    orders : Orders
        What the guardian is to do.
    on_event : callable or None
        Told kind and message when something happens to the guardian, in the thread that calls :meth:`progress`.
    kept_open : sequence of int
        Descriptors of the lock files of the instruments, so that nobody else opens them while it switches off.

    Raises
    ------
    RunError
        If the guardian does not start.
    """

    def __init__(
        self, orders: Orders, on_event: Callable[[str, str], None] | None, kept_open: Sequence[int] = ()
    ) -> None:
        self._orders = orders
        self._kept_open = tuple(kept_open)
        self._heartbeat_s = orders.heartbeat_s
        self._on_event = on_event
        self._events: deque[str] = deque()
        self._busy_until_s = 0.0
        self._process: subprocess.Popen[bytes] | None = launch(orders, self._kept_open)
        self._lives_left = 1
        self._writing_since_s: float | None = None
        # replaced as a whole, so that the beat thread never sees half of it
        self._said = (time.monotonic(), self._heartbeat_s)
        self._runs_short = False
        self._wake = threading.Event()
        self._is_over = False
        self._takes_over = ""
        self._beat = threading.Thread(target=self._beats, name="guardian beat", daemon=True)
        self._beat.start()

    @property
    def pid(self) -> int | None:
        """Process id of the guardian; None when it is gone for good.

        Returns
        -------
        int or None
        """
        return None if self._process is None else self._process.pid

    def progress(self, allowance_s: float | None = None) -> None:
        """Say that the measuring loop moved, and how long it may be quiet from now.

        Parameters
        ----------
        allowance_s : float, optional, unit s
            The station's heartbeat if left out, and at least that. Inside :meth:`busy` a shorter one does not shorten
            what was announced.
        """
        now_s = time.monotonic()
        allowance_s = self._heartbeat_s if allowance_s is None else max(allowance_s, self._heartbeat_s)
        if now_s + allowance_s > self._busy_until_s:
            self._said = (now_s, allowance_s)
            if self._runs_short:
                self._wake.set()
        self._end_deaf(now_s)
        if self._events:
            self._tell()

    def waits(self, longest_s: float) -> None:
        """Take the word of a driver that it blocks; ``station.watch_waits`` calls this.

        Parameters
        ----------
        longest_s : float, unit s
            How long at most; 0.0: it is back.
        """
        self.progress(longest_s + self._heartbeat_s)

    @contextmanager
    def busy(self, seconds: float) -> Iterator[None]:
        """Announce that the loop is quiet inside the block, for long calculations and sleeps.

        Parameters
        ----------
        seconds : float, unit s
            How long at most.
        """
        earlier_s = self._busy_until_s
        now_s = time.monotonic()
        self._busy_until_s = max(earlier_s, now_s + seconds)
        self._said = (now_s, self._busy_until_s - now_s + self._heartbeat_s)
        if self._runs_short:
            self._wake.set()
        try:
            yield
        finally:
            self._busy_until_s = earlier_s
            self.progress(earlier_s - time.monotonic())

    def take_over(self, reason: str) -> None:
        """Let the guardian switch off, too, once the run has left: the run could not verify that all is off.

        It goes on trying after this process is gone.

        Parameters
        ----------
        reason : str
            For its log.
        """
        self._takes_over = reason

    def leave(self) -> None:
        """Say goodbye and see the guardian off; after :meth:`take_over` it stays for as long as it needs."""
        self._is_over = True
        self._wake.set()
        while self._beat.is_alive():
            self._beat.join(self._heartbeat_s)
            self._end_deaf(time.monotonic())
        process = self._process
        if process is not None:
            stays = bool(self._takes_over)
            word = Word(WordKind.TAKE_OVER, reason=self._takes_over) if stays else Word(WordKind.GOODBYE)
            self._say(process, word)
            self._see_off(process, stays)
        self._tell()

    def _see_off(self, process: "subprocess.Popen[bytes]", stays: bool) -> None:
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            code = process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            if stays:
                # it is reaped when it is done, or by the system if this process goes first
                threading.Thread(target=process.wait, name="guardian end", daemon=True).start()
                self._events.append(f"NOT VERIFIED OFF: the guardian goes on; see {self._orders.log_path}")
                return
            process.kill()
            code = process.wait()
        if stays:
            self._events.append("VERIFIED OFF by the guardian" if code == 0 else "NOT VERIFIED OFF by the guardian")
        elif code != 0:
            self._events.append(f"the guardian was gone before the end (exit code {code})")

    def _beats(self) -> None:
        """Pass on, a few times per heartbeat, that the loop lives, while it does."""
        interval_s = self._heartbeat_s / _BEATS_PER_HEARTBEAT
        patience = Patience(step_s=2.0 * interval_s)
        last: tuple[float, float] | None = None
        while not self._is_over:
            self._wake.clear()
            said = self._said
            if said is not last:
                patience.grant(said[1], since_s=said[0])
                last = said
            left_s = patience.left_s(time.monotonic())
            runs_short = self._runs_short = left_s < 2.0 * interval_s
            if left_s > 0.0:
                # never more than a heartbeat: a process that is stopped during a long wait is noticed as fast
                self._pass_on(min(left_s, self._heartbeat_s))
            # the loop may have moved before it could see that its allowance runs short
            if not (runs_short and self._said is not said):
                self._wake.wait(interval_s)

    def _pass_on(self, for_s: float) -> None:
        process = self._process
        if process is None:
            return
        word = Word(WordKind.ALIVE, for_s=for_s)
        if process.poll() is None and self._say(process, word):
            return
        self._process = None
        code = process.wait()
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        death = f"the guardian died (exit code {code})"
        if self._lives_left == 0:
            self._events.append(f"{death} again; NOT GUARDED from here on")
            return
        self._lives_left -= 1
        try:
            self._process = launch(self._orders, self._kept_open)
        except RunError as error:
            self._events.append(f"{death}; NOT GUARDED from here on: {error}")
            return
        self._events.append(f"{death} and was restarted")

    def _say(self, process: "subprocess.Popen[bytes]", word: Word) -> bool:
        assert process.stdin is not None
        self._writing_since_s = time.monotonic()
        try:
            process.stdin.write(word.line())
        except OSError:
            return False
        finally:
            self._writing_since_s = None
        return True

    def _end_deaf(self, now_s: float) -> None:
        """End a guardian that has stopped reading, as one that was halted: the next one hears."""
        since_s, process = self._writing_since_s, self._process
        if since_s is not None and process is not None and now_s - since_s > self._heartbeat_s:
            process.kill()

    def _tell(self) -> None:
        while self._events:
            message = self._events.popleft()
            if self._on_event is not None:
                self._on_event("guardian", message)


@contextmanager
def guard_run(
    station: "Station", log_path: "str | os.PathLike[str]", *, on_event: Callable[[str, str], None] | None = None
) -> Iterator[Guardian | None]:
    """Have a guardian watch this process inside the block.

    The block ends with the outputs off and that verified, or with :meth:`Guardian.take_over`. A block that is left by
    an exception has not switched off: the guardian takes over.

    Parameters
    ----------
    station : Station
        Its instruments are the ones to switch off; its drivers tell of long waits.
    log_path : str or path
        The guardian's log.
    on_event : callable, optional
        Told kind and message of what happens to the guardian, in the thread of the block.

    Yields
    ------
    Guardian or None
        None where nothing could stay on: the rack dies with this process, or there is nothing to switch off.

    Raises
    ------
    RunError
        If the guardian does not start.
    """
    charges = () if station.in_process else tuple(Charge(**asdict(watched)) for watched in station.watched())
    if not charges:
        yield None
        return
    content = station.content
    guardian = Guardian(
        Orders(os.getpid(), content.heartbeat_s, content.unrecorded_library, os.path.abspath(log_path), charges),
        on_event,
        station.lock_descriptors(),
    )

    def waits(longest_s: float) -> None:
        if longest_s > 0.0 or station.has_output_on():
            guardian.waits(longest_s)
        else:
            # nothing is on: a long calculation is none of the guardian's business
            guardian.progress(_QUIET_S)

    try:
        station.watch_waits(waits)
        yield guardian
    except BaseException as error:
        guardian.take_over(f"the run was left by {error!r}")
        raise
    finally:
        station.watch_waits(None)
        guardian.leave()
