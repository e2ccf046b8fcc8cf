"""What every driver shares besides asking: safe-off that only writes, a strict ``*IDN?``, the error queue.

Not here: a question and its answer kept in step (:mod:`labctl_instruments.asking`), the dialects
(:mod:`labctl_instruments.scpi`, :mod:`labctl_instruments.tsp`), the command sets (``keithley``, ``keysight``).
"""

import re
from abc import abstractmethod
from typing import ClassVar

from labctl.errors import InstrumentError, NotVerifiedOffError, ProtocolError
from labctl.roles import Identity
from labctl_instruments.asking import ATTEMPTS, AskingInstrument, PlainAttributes
from labctl_instruments.reopening import LINK_ERRORS, OPENING_S, reopen
from labctl_instruments.replies import read_identity

__all__ = ["LinkedInstrument", "PlainAttributes"]

_QUEUE_LENGTH = 1000
_OVERFLOW = -350


class LinkedInstrument(AskingInstrument):
    """Base of the drivers; a dialect writes how it tags and reads its error queue.

    Attributes
    ----------
    MODEL : str
        What ``*IDN?`` answers.
    OFF_CHECKS : tuple of (str, str)
        Questions, and the regular expression that the whole answer matches when everything is off.
    ERROR_QUESTION : str
        Takes the oldest entry out of the error queue.
    """

    MODEL: ClassVar[str]
    OFF_CHECKS: ClassVar[tuple[tuple[str, str], ...]]
    ERROR_QUESTION: ClassVar[str]

    _is_queue_known = False

    @abstractmethod
    def error_entry(self, reply: str) -> tuple[int, str]:
        """Return number and text of the error that ``ERROR_QUESTION`` was answered with; 0 is the end of the queue.

        Parameters
        ----------
        reply : str

        Returns
        -------
        tuple of int and str

        Raises
        ------
        ValueError
            If ``reply`` is no entry.
        """

    def identity(self) -> Identity:
        """Ask the instrument who it is (``*IDN?``); whoever answers first is who must answer later.

        Returns
        -------
        Identity

        Raises
        ------
        ProtocolError
            If the answer has not the four fields of IEEE 488.2.
        """
        found = self.answer("*IDN?", read_identity, "maker,model,serial,firmware")
        if self._identity is None:
            self._identity = found
        return found

    def is_off(self) -> bool:
        """Read back whether every output is off (every relay open): each answer must match its ``OFF_CHECKS``.

        Returns
        -------
        bool
            An answer that does not match is asked for again, twice; then it is False.

        Raises
        ------
        ProtocolError
            If no answer comes.
        """
        return all(self._matches(message, pattern) for message, pattern in self.OFF_CHECKS)

    def _matches(self, message: str, pattern: str) -> bool:
        for _ in range(ATTEMPTS):
            reply = self.query(message)
            if re.fullmatch(pattern, reply.strip()):
                return True
            self.link_events.append(f"{message!r} was answered {reply[:120]!r}, which does not say off")
        return False

    def drain_errors(self) -> list[str]:
        """Empty the error queue and return its entries as ``"code: message"``, oldest first.

        Returns
        -------
        list of str

        Raises
        ------
        ProtocolError
            If an entry breaks the format or the queue has no end; what was read is in ``link_events`` then.
        """
        entries: list[str] = []
        try:
            for _ in range(_QUEUE_LENGTH):
                code, text = self.answer(self.ERROR_QUESTION, self.error_entry, "an entry of the error queue")
                if code == 0:
                    self._is_queue_known = True
                    return entries
                lost = " (the queue was full: later errors are lost)" if code == _OVERFLOW else ""
                entries.append(f"{code}: {text}{lost}")
        except InstrumentError:
            self.link_events += entries
            raise
        self.link_events += entries[-3:]
        raise ProtocolError(f"{self.name}: the error queue has no end within {_QUEUE_LENGTH} entries; reset it")

    def hear_complaints(self, *first: str) -> None:
        """Empty an error queue that was found not empty; what was sent and not obeyed is a fault.

        Errors that were there before the queue was first emptied are nobody's fault.

        Parameters
        ----------
        *first : str
            Entries that were taken out already, as :meth:`drain_errors` returns them.

        Raises
        ------
        InstrumentFault
            If a command or its value was refused: the instrument is not in the state that it was sent to.
        """
        is_known = self._is_queue_known
        entries = [*first, *self.drain_errors()]
        self.link_events += entries
        refused = [entry for entry in entries if _is_refusal(int(entry.partition(":")[0]))]
        if refused and is_known:
            raise self.lost(f"it refused something that was sent ({'; '.join(refused)[:300]})")

    def safe_off(self) -> None:
        """Switch every output off by writing the messages of ``SAFE_OFF``, each one though others fail.

        Nothing is asked. Where the session refuses, they are written once more on a new one.

        Raises
        ------
        NotVerifiedOffError
            If a message could not be written; all were tried.
        """
        self.forget()
        self._is_told_off = True
        failures = self._write_safe_off()
        if failures:
            self._in_step = False
            self.expect(OPENING_S)
            try:
                reopen(self.adapter.connection, self._session_settings)
            except LINK_ERRORS as error:
                failures.append(f"no new session: {error}")
            else:
                failures = self._write_safe_off()
            finally:
                self.expect(0.0)
        if failures:
            raise NotVerifiedOffError(
                f"{self.name}: safe-off messages could not be written ({'; '.join(failures)}); switch the instrument "
                "off by hand"
            )

    def shutdown(self) -> None:
        """Switch every output off; PyMeasure calls this at the end of a ``with`` block."""
        self.safe_off()
        super().shutdown()


def _is_refusal(code: int) -> bool:
    # SCPI-99 volume 2, 21.8: -100 command errors, -200 execution errors; Keithley's own numbers are positive
    return code > 0 or -300 < code <= -100
