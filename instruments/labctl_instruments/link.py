"""What every driver shares: a question and its answer kept in step, safe-off that only writes, a strict ``*IDN?``.

Not here: the command sets (``keithley``, ``keysight``), how numbers are read (:mod:`labctl_instruments.replies`).
"""

from typing import Any, ClassVar

import pyvisa
from pymeasure.instruments import Instrument

from labctl.errors import NotVerifiedOffError, ProtocolError
from labctl.roles import Identity

__all__ = ["LinkedInstrument", "PlainAttributes"]

_TIMEOUT_MS = 5000
_LINK_ERRORS = (pyvisa.errors.Error, OSError, UnicodeDecodeError)


class PlainAttributes:
    """Plain attribute access for PyMeasure's instruments and channels; named before them among the bases.

    PyMeasure looks at every access for the limits of dynamic properties. The drivers have no dynamic properties, and an
    access then costs a tenth of a microsecond instead of two.
    """

    __getattribute__ = object.__getattribute__
    __setattr__ = object.__setattr__


class LinkedInstrument(PlainAttributes, Instrument):
    """Base of the drivers: PyMeasure's instrument with a link that cannot slip out of step.

    After a question that was not answered properly the next question first clears the device, so that a late answer
    is never taken for the answer to another question.

    Parameters
    ----------
    adapter : str, int or pymeasure Adapter
        VISA resource name or a ready adapter.
    name : str
        How messages call the instrument, such as ``"smu1 (Keithley2636B)"``.
    **kwargs
        VISA settings; the defaults are line feed at both ends and a timeout of 5000 ms.
    """

    MODEL: ClassVar[str]
    SAFE_OFF: ClassVar[tuple[str, ...]]

    def __init__(self, adapter: Any, name: str, **kwargs: Any) -> None:
        kwargs.setdefault("timeout", _TIMEOUT_MS)
        kwargs.setdefault("read_termination", "\n")
        kwargs.setdefault("write_termination", "\n")
        super().__init__(adapter, name, includeSCPI=False, **kwargs)
        self._timeout_ms = float(kwargs["timeout"])
        self._in_step = True

    def send(self, message: str) -> None:
        """Write one message that has no answer.

        Parameters
        ----------
        message : str
            What is sent, without line end.

        Raises
        ------
        ProtocolError
            If the link refuses the message.
        """
        try:
            self.adapter.write(message)
        except _LINK_ERRORS as error:
            raise ProtocolError(f"{self.name}: could not write {message!r}: {error}; check the connection") from error

    def query(self, message: str, *, lasting_s: float = 0.0) -> str:
        """Write one message and return its answer without line end.

        Parameters
        ----------
        message : str
            What is sent.
        lasting_s : float, unit s
            How long the instrument is busy before it answers; added to the VISA timeout.

        Returns
        -------
        str
            The answer without line end.

        Raises
        ------
        ProtocolError
            If no answer comes or the link fails; the next query clears the device first.
        """
        patient = lasting_s > 0.25
        connection = self.adapter.connection
        try:
            if not self._in_step:
                connection.clear()
            self._in_step = False
            if patient:
                connection.timeout = self._timeout_ms + 1.2e3 * lasting_s
            self.adapter.write(message)
            reply: str = self.adapter.read()
        except _LINK_ERRORS as error:
            raise ProtocolError(
                f"{self.name}: no answer to {message[:120]!r}: {error}; look into its error queue, check the connection"
            ) from error
        finally:
            if patient:
                connection.timeout = self._timeout_ms
        self._in_step = True
        return reply

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Answer PyMeasure's properties through :meth:`query`; ``query_delay`` is not used.

        Parameters
        ----------
        command : str
        query_delay : float or None, unit s
            Not used.

        Returns
        -------
        str
        """
        return self.query(command)

    def garbled(self, message: str, reply: str, expected: str) -> ProtocolError:
        """Return the error for an answer that breaks the format; the next query clears the device first.

        Parameters
        ----------
        message, reply : str
            What was asked and answered.
        expected : str
            What the format asks for.

        Returns
        -------
        ProtocolError
            To be raised by the caller.
        """
        self._in_step = False
        return ProtocolError(f"{self.name}: {message[:120]!r} was answered {reply[:120]!r}, expected {expected}")

    def confirm(self, message: str, word: str, *, lasting_s: float = 0.0) -> None:
        """Write a message that makes the instrument act and then say ``word``; return when it has.

        Parameters
        ----------
        message, word : str
            What is sent; what the instrument says at the end.
        lasting_s : float, unit s
            How long it takes at least.

        Raises
        ------
        ProtocolError
            If it says nothing or something else.
        """
        reply = self.query(message, lasting_s=lasting_s)
        if reply.strip() != word:
            raise self.garbled(message, reply, repr(word))

    def identity(self) -> Identity:
        """Ask the instrument who it is (``*IDN?``).

        Returns
        -------
        Identity

        Raises
        ------
        ProtocolError
            If the answer has not the four fields of IEEE 488.2.
        """
        reply = self.query("*IDN?")
        fields = [field.strip() for field in reply.split(",")]
        if len(fields) != 4 or not all(fields[:3]):
            raise self.garbled("*IDN?", reply, "maker,model,serial,firmware")
        return Identity(fields[0], fields[1].removeprefix("Model ").removeprefix("MODEL "), fields[2], fields[3])

    def safe_off(self) -> None:
        """Switch every output off by writing the messages of ``SAFE_OFF``, each one though others fail.

        Raises
        ------
        NotVerifiedOffError
            If a message could not be written; all were tried.
        """
        self.forget()
        failures = []
        for message in self.SAFE_OFF:
            try:
                self.adapter.write(message)
            except _LINK_ERRORS as error:
                failures.append(f"{message!r}: {error}")
        if failures:
            raise NotVerifiedOffError(
                f"{self.name}: {len(failures)} of {len(self.SAFE_OFF)} safe-off messages could not be written "
                f"({'; '.join(failures)}); switch the instrument off by hand"
            )

    def forget(self) -> None:
        """Forget what was sent, so that the next ``prepare`` sends everything."""

    def shutdown(self) -> None:
        """Switch every output off; PyMeasure calls this at the end of a ``with`` block."""
        self.safe_off()
        super().shutdown()
