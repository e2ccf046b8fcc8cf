"""Switching everything off: sources, then switches, then the questions; each has a thread, so that none waits long.

Not here: when it is done and what is done with the outcome (:mod:`labctl.run.guardian.process`).
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from labctl.run.guardian.messages import Charge

__all__ = ["Link", "SwitchOff"]

log = logging.getLogger(__name__)

# a link that does not open holds the others up no longer than this
_TURN_S = 0.1
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 2.0
# on a link that outlived the dead process the first answer may still be the one to its last question
_ROUNDS = 2


class Link(Protocol):
    """A connection to one instrument."""

    def write(self, messages: Sequence[str]) -> None:
        """Write messages that have no answers."""

    def ask(self, question: str) -> str:
        """Write a question and return its answer."""

    def clear(self) -> None:
        """Clear the device."""

    def close(self) -> None:
        """Close the connection."""


class SwitchOff:
    """Tries every instrument until it answers that it is off.

    Parameters
    ----------
    charges : sequence of Charge
        The instruments.
    connect : callable
        Opens a link to one; whatever it raises makes it be called again.
    note : callable
        Takes the name of an event and its facts, for the log.

    Attributes
    ----------
    tried : threading.Event
        Set when every instrument was written to, or refused it.
    """

    def __init__(self, charges: Sequence[Charge], connect: Callable[[Charge], Link], note: Callable[..., None]) -> None:
        self._charges = charges
        self._connect = connect
        self._note = note
        self._lock = threading.Lock()
        self._untried = {charge.key for charge in charges}
        self._sources = {charge.key for charge in charges if not charge.is_switch}
        self._sources_tried = threading.Event()
        self.tried = threading.Event()
        self._done = threading.Condition(self._lock)
        self._on = {charge.key: f"{charge.name}: no answer yet" for charge in charges}
        self._given_up = threading.Event()
        self._started_s = time.monotonic()

    def start(self) -> None:
        """Begin with all of them."""
        if not self._sources:
            self._sources_tried.set()
        for charge in self._charges:
            threading.Thread(target=self._attend, args=(charge,), name=charge.key, daemon=True).start()

    def wait(self, timeout_s: float) -> list[str]:
        """Wait until all are verified off.

        Parameters
        ----------
        timeout_s : float, unit s
            How long at most.

        Returns
        -------
        list of str
            What is not verified and why; empty when all are off.
        """
        with self._done:
            self._done.wait_for(lambda: not self._on, timeout_s)
            return list(self._on.values())

    def give_up(self) -> None:
        """Try no more."""
        self._given_up.set()

    def _attend(self, charge: Charge) -> None:
        pause_s = _FIRST_PAUSE_S
        last = ""
        again = False
        while not self._given_up.is_set():
            try:
                self._attempt(charge, again)
            except Exception as error:  # the guardian's boundary: whatever a link raises, it is tried again
                log.info("%s", charge.name, exc_info=True)
                failure = f"{charge.name}: {error}"
                with self._lock:
                    self._on[charge.key] = failure
                # a link that stays dead is worth one line, not hundreds
                if failure != last:
                    self._tell("failed", charge, why=str(error))
                last = failure
            else:
                self._tell("off", charge)
                with self._done:
                    del self._on[charge.key]
                    self._done.notify_all()
                return
            finally:
                self._mark_tried(charge)
            again = True
            self._given_up.wait(pause_s)
            pause_s = min(2.0 * pause_s, _LONGEST_PAUSE_S)

    def _attempt(self, charge: Charge, again: bool) -> None:
        """Switch one off and ask it; return if it is."""
        link = self._connect(charge)
        try:
            if again:
                link.clear()
            if charge.is_switch:
                self._sources_tried.wait(_TURN_S)
            link.write(charge.safe_off)
            self._tell("written", charge)
            self._mark_tried(charge)
            self.tried.wait(_TURN_S)
            if not charge.off_checks:
                raise ValueError("nothing is known to ask whether it is off")
            for _ in range(_ROUNDS):
                for question, pattern in charge.off_checks:
                    answer = link.ask(question)
                    if not re.fullmatch(pattern, answer):
                        raise ValueError(f"{question!r} was answered {answer[:120]!r}, not {pattern!r}")
        finally:
            link.close()

    def _mark_tried(self, charge: Charge) -> None:
        with self._lock:
            self._untried.discard(charge.key)
            sources_done, all_done = not self._untried & self._sources, not self._untried
        if sources_done:
            self._sources_tried.set()
        if all_done:
            self.tried.set()

    def _tell(self, event: str, charge: Charge, **facts: str) -> None:
        self._note(event, instrument=charge.name, after_s=round(time.monotonic() - self._started_s, 6), **facts)
