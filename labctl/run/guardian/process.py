"""The guardian's own process: hears the run, and switches off when it falls silent.

It imports little, so that it starts fast and needs nothing that a measurement could break. Not here: the run's side
(:mod:`labctl.run.guardian.client`).
"""

import os
import signal
import threading
import time
import traceback
from contextlib import suppress
from queue import Empty, SimpleQueue

from labctl.run.guardian.fence import Fence
from labctl.run.guardian.journal import GIVEN_UP, Journal
from labctl.run.guardian.messages import Orders, Word, WordKind
from labctl.run.guardian.patience import Patience
from labctl.run.guardian.switch_off import SwitchOff

__all__ = ["READY", "main"]

READY = b"ready\n"
# outputs of a hung process go off first; but if it holds the only connection, only its death lets the guardian in
_BEFORE_FENCE_S = 0.05
_VERDICT_S = 1.5
_LOG_CLOSE_S = 2.0
# who hears these is the run; the guardian leaves when the run says goodbye
_UNHEARD = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_STDIN, _STDOUT, _STDERR = 0, 1, 2


def main() -> int:
    """Guard one run.

    Returns
    -------
    int
        Exit code: 0 when the run said goodbye or all is verified off, else 1.

    Raises
    ------
    OSError, ValueError
        If the log or the VISA library cannot be opened, or the orders cannot be read; the run hears of it.
    """
    for name in _UNHEARD:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    heard: SimpleQueue[bytes | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(heard,), name="ear", daemon=True).start()
    line = heard.get()
    if line is None:
        return 0
    orders = Orders.read(line)
    book = Journal(orders.log_path)
    try:
        return _guard(orders, heard, book)
    except BaseException as error:
        book.note("broken", error=repr(error), trace=traceback.format_exc())
        raise
    finally:
        book.close(_LOG_CLOSE_S)


def _guard(orders: Orders, heard: "SimpleQueue[bytes | None]", book: Journal) -> int:
    import pyvisa

    from labctl.run.guardian.visa_link import VisaLink

    manager = pyvisa.ResourceManager(orders.visa_library)
    fence = Fence(orders.pid)
    book.note("ready", pid=os.getpid(), run_pid=orders.pid, instruments=[charge.name for charge in orders.charges])
    _become_silent()
    word = _wait(orders, heard)
    if word is not None and word.kind is WordKind.GOODBYE:
        book.note("goodbye")
        return 0
    hung = word is not None and word.kind is WordKind.ALIVE
    off = SwitchOff(orders.charges, lambda charge: VisaLink(manager, charge.resource), book.note)
    off.start()
    if word is None:
        reason = f"the measuring process {orders.pid} is gone without a goodbye"
    elif hung:
        reason = f"the measuring process {orders.pid} gave no sign of life in time; it hangs"
    else:
        reason = word.reason
    book.note("switching off", reason=reason)
    if hung:
        off.tried.wait(_BEFORE_FENCE_S)
        book.note("fence", pid=orders.pid, outcome=fence.kill())
    return _verdict(orders, off, book)


def _verdict(orders: Orders, off: SwitchOff, book: Journal) -> int:
    """Say whether all is off, and go on for a while with what is not."""
    left = off.wait(_VERDICT_S)
    if left:
        book.note(f"NOT VERIFIED OFF: {'; '.join(left)}", going_on_for_s=orders.keep_trying_s)
        left = off.wait(orders.keep_trying_s)
    if left:
        off.give_up()
        book.note(f"NOT VERIFIED OFF: {'; '.join(left)}; {GIVEN_UP}")
        return 1
    book.note("VERIFIED OFF")
    return 0


def _wait(orders: Orders, heard: "SimpleQueue[bytes | None]") -> Word | None:
    """Return the word that ends the guard: None for a pipe that ended, ALIVE for a life that ran out."""
    pause_s = min(max(orders.heartbeat_s / 10.0, 0.01), 0.1)
    patience = Patience(step_s=2.0 * pause_s)
    patience.grant(orders.heartbeat_s, time.monotonic())
    while (left_s := patience.left_s(time.monotonic())) > 0.0:
        try:
            line = heard.get(timeout=min(pause_s, left_s))
        except Empty:
            continue
        if line is None:
            return None
        word = Word.read(line)
        if word is None:
            continue
        if word.kind is not WordKind.ALIVE:
            return word
        patience.grant(word.for_s, time.monotonic())
    return Word(WordKind.ALIVE)


def _listen(heard: "SimpleQueue[bytes | None]") -> None:
    """Put every whole line of the standard input into the queue, and None at its end."""
    rest = b""
    with suppress(OSError):
        while chunk := os.read(_STDIN, 65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                heard.put(line)
    heard.put(None)


def _become_silent() -> None:
    """Say that all is ready and never write to the run again: its pipe may end at any time."""
    # a guardian that was restarted may find the run dead by now, and has to act all the same
    with suppress(OSError):
        os.write(_STDOUT, READY)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (_STDOUT, _STDERR):
        os.dup2(nothing, descriptor)
    os.close(nothing)
