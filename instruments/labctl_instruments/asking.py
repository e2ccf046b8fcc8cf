"""A question and its answer kept in step, whatever happens on the link.

Every question carries a tag that comes back with the answer, so that a late, doubled or foreign answer is recognised.
After a time-out, a wrong tag or an answer that breaks its format the session is opened again, the same serial number
must answer, the settings must still hold, and the question is asked again if asking again changes nothing. What
stimulates or moves relays is never repeated: it ends in :class:`~labctl.errors.UnconfirmedError`.

Not here: how a dialect tags (:mod:`labctl_instruments.scpi`, :mod:`labctl_instruments.tsp`), what drivers share besides
(:mod:`labctl_instruments.link`), how a session is opened again (:mod:`labctl_instruments.reopening`).
"""

import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

from pymeasure.instruments import Instrument
from pyvisa.constants import InterfaceType

from labctl.errors import InstrumentError, InstrumentFault, ProtocolError, UnconfirmedError
from labctl.roles import Identity
from labctl_instruments.reopening import LINK_ERRORS, OPENING_S, reopen, send_at_once
from labctl_instruments.replies import read_identity

__all__ = ["ATTEMPTS", "AskingInstrument", "PlainAttributes"]

_T = TypeVar("_T")
_TIMEOUT_MS = 5000
ATTEMPTS = 3
_PAUSES_S = (0.0, 0.05, 0.5)
# who has been silent for a whole time-out is asked who it is with less patience
_MENDING_S = 2.0
_TAGS = 255
# arguments of the constructor that are no attributes of a session
_NOT_OF_THE_SESSION = frozenset({"visa_library", "log", *InterfaceType.__members__})


class PlainAttributes:
    """Plain attribute access for PyMeasure's instruments and channels; named before them among the bases.

    PyMeasure looks at every access for the limits of dynamic properties. The drivers have no dynamic properties, and an
    access then costs a tenth of a microsecond instead of two.
    """

    __getattribute__ = object.__getattribute__
    __setattr__ = object.__setattr__


class AskingInstrument(PlainAttributes, Instrument):
    """PyMeasure's instrument with a link that cannot slip out of step.

    Parameters
    ----------
    adapter : str, int or pymeasure Adapter
        VISA resource name or a ready adapter.
    name : str
        How messages call the instrument, such as ``"smu1 (Keithley2636B)"``.
    **kwargs
        VISA settings; the defaults are line feed at both ends and a timeout of 5000 ms.

    Attributes
    ----------
    SAFE_OFF : tuple of str
        Messages that switch everything off, writes only; each must be good on its own.
    SETTLING : str
        A question that is answered when everything before it has been obeyed.
    on_wait : callable or None
        Called with the longest time, unit s, that the following call may block, and with 0.0 when it is back.
    link_events : list of str
        What went wrong and was mended; whoever reads it empties it.
    """

    SAFE_OFF: ClassVar[tuple[str, ...]]
    SETTLING: ClassVar[str]

    on_wait: Callable[[float], None] | None = None

    def __init__(self, adapter: Any, name: str, **kwargs: Any) -> None:
        kwargs.setdefault("timeout", _TIMEOUT_MS)
        kwargs.setdefault("read_termination", "\n")
        kwargs.setdefault("write_termination", "\n")
        super().__init__(adapter, name, includeSCPI=False, **kwargs)
        self._session_settings = {key: value for key, value in kwargs.items() if key not in _NOT_OF_THE_SESSION}
        for key, value in kwargs.items():
            if key in InterfaceType.__members__ and InterfaceType[key] == self.adapter.connection.interface_type:
                self._session_settings = {**value, **self._session_settings}
        send_at_once(self.adapter.connection)
        self.link_events: list[str] = []
        self._timeout_s = 1e-3 * float(kwargs["timeout"])
        self._in_step = True
        self._is_heard = True
        self._tag = 0
        self._identity: Identity | None = None
        self._is_told_off = False
        self._is_verifying = False

    # --- what a dialect writes ------------------------------------------------------------------------------------

    @abstractmethod
    def tagged(self, message: str, tag: int) -> str:
        """Return ``message`` so that ``tag`` comes back with its answer.

        Parameters
        ----------
        message : str
        tag : int, unit 1
            1 to 255.

        Returns
        -------
        str
        """

    @abstractmethod
    def untagged(self, message: str, tag: int) -> str:
        """Read the answer to :meth:`tagged` and return it without its tag.

        Parameters
        ----------
        message : str
            The question without its tag.
        tag : int, unit 1
            What must come back.

        Returns
        -------
        str

        Raises
        ------
        ProtocolError
            If another tag comes back, or none.
        """

    @abstractmethod
    def catch_up(self, tag: int) -> None:
        """Ask for nothing but ``tag`` and read until it comes, past what others were told.

        Parameters
        ----------
        tag : int, unit 1

        Raises
        ------
        ProtocolError
            If it does not come.
        """

    # --- writing and asking ---------------------------------------------------------------------------------------

    def send(self, message: str) -> None:
        """Write one message that has no answer; it must do no more when it is written twice, as a setting.

        Parameters
        ----------
        message : str
            What is sent, without line end.

        Raises
        ------
        ProtocolError
            If the link refuses the message, on a new session too.
        InstrumentFault
            If another instrument answers on the new session.
        """
        self._is_told_off = False
        for attempt in range(ATTEMPTS):
            try:
                if not self._in_step:
                    self._mend()
                self.expect(self._timeout_s)
                self._is_heard = False
                self.adapter.write(message)
            except LINK_ERRORS as error:
                self._in_step = False
                problem = f"could not write {message[:120]!r}: {error}"
                self.link_events.append(problem)
                if attempt == ATTEMPTS - 1:
                    raise ProtocolError(f"{self.name}: {problem}; check the connection") from error
            else:
                return
            finally:
                self.expect(0.0)

    def answer(
        self,
        message: str,
        parse: Callable[[str], _T],
        expected: str,
        *,
        lasting_s: float = 0.0,
        repeatable: bool = True,
    ) -> _T:
        """Write one message and return what ``parse`` makes of its answer.

        Parameters
        ----------
        message : str
            What is sent.
        parse : callable
            Takes the answer without line end; :class:`ValueError` or :class:`KeyError` say that it breaks the format.
        expected : str
            The format, for messages.
        lasting_s : float, unit s
            How long the instrument is busy before it answers; added to the VISA timeout.
        repeatable : bool
            Whether asking again changes nothing: a reading at a level that stays. False for what stimulates or moves
            relays: it is sent once.

        Returns
        -------
        object
            What ``parse`` returned.

        Raises
        ------
        ProtocolError
            If no proper answer came, three times over; or the link could not be mended before anything was sent.
        UnconfirmedError
            If no proper answer came and the message is not repeatable; the link is mended by then if it can be.
        InstrumentFault
            If the instrument lost its settings or another one answers.
        """
        problem, attempts = "", ATTEMPTS if repeatable else 1
        for _ in range(attempts):
            if not self._in_step:
                self._recover()
            if not repeatable:
                self._is_told_off = False
            try:
                reply = self._ask(message, lasting_s)
            except (*LINK_ERRORS, ProtocolError) as error:
                problem = f"no answer to {message[:120]!r}: {error}"
            else:
                try:
                    return parse(reply)
                except (ValueError, KeyError):
                    problem = f"{message[:120]!r} was answered {reply[:120]!r}, expected {expected}"
            self._in_step = False
            self.link_events.append(problem)
        if repeatable:
            raise ProtocolError(
                f"{self.name}: {problem}; asked {attempts} times; look into its error queue, check the connection"
            )
        unconfirmed = UnconfirmedError(
            f"{self.name}: {problem}; it was sent once and may or may not have been obeyed; read back before going on"
        )
        try:
            self._recover()
        except InstrumentError as error:
            unconfirmed.add_note(str(error))
        raise unconfirmed

    def query(self, message: str, *, lasting_s: float = 0.0, repeatable: bool = True) -> str:
        """Write one message and return its answer without line end; :meth:`answer` checks a format too.

        Parameters
        ----------
        message : str
            What is sent.
        lasting_s : float, unit s
            How long the instrument is busy before it answers; added to the VISA timeout.
        repeatable : bool
            Whether asking again changes nothing.

        Returns
        -------
        str
            The answer without line end.

        Raises
        ------
        ProtocolError
            If no answer comes, three times over.
        UnconfirmedError
            If no answer comes and the message is not repeatable.
        InstrumentFault
            If the instrument lost its settings or another one answers.
        """
        return self.answer(message, str, "an answer", lasting_s=lasting_s, repeatable=repeatable)

    def settle(self) -> None:
        """Return when everything that was sent has been obeyed: a write returns while its message is on its way.

        Instruments do not wait for each other: what one must have done before another acts is settled in between.

        Raises
        ------
        ProtocolError
            If no answer comes.
        InstrumentFault
            If the instrument lost its settings or another one answers.
        """
        if not self._is_heard:
            self.query(self.SETTLING)

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

    def expect(self, wait_s: float) -> None:
        """Tell ``on_wait`` how long the next call may block.

        Parameters
        ----------
        wait_s : float, unit s
            0.0 when it is back.
        """
        if self.on_wait is not None:
            self.on_wait(wait_s)

    def _ask(self, message: str, lasting_s: float = 0.0) -> str:
        self._in_step = False
        self._tag = tag = self._tag % _TAGS + 1
        wait_s = self._timeout_s
        patient = lasting_s > 0.25
        connection = self.adapter.connection
        try:
            if patient:
                wait_s += 1.2 * lasting_s
                connection.timeout = 1e3 * wait_s
            self.expect(wait_s)
            self.adapter.write(self.tagged(message, tag))
            reply = self.untagged(message, tag)
        finally:
            if patient:
                with suppress(*LINK_ERRORS):
                    connection.timeout = 1e3 * self._timeout_s
            self.expect(0.0)
        self._in_step = self._is_heard = True
        return reply

    # --- back into step -------------------------------------------------------------------------------------------

    def resynchronise(self) -> None:
        """Open a session that slipped again, then read back that what was sent still holds.

        Raises
        ------
        ProtocolError
            If no session can be opened or nobody answers.
        InstrumentFault
            If another instrument answers, or this one lost its settings.
        """
        if not self._in_step:
            self._mend()
        self._is_verifying = True
        try:
            self.verify_settings()
        finally:
            self._is_verifying = False

    def verify_settings(self) -> None:
        """Compare what was sent with what the instrument answers; a driver that remembers nothing compares nothing.

        Raises
        ------
        InstrumentFault
            If they differ, as after a power cycle.
        """

    def lost(self, what: str) -> InstrumentFault:
        """Return the error for an instrument that is not in the state that it was sent to, and forget that state.

        Parameters
        ----------
        what : str
            What differs, with both values.

        Returns
        -------
        InstrumentFault
            To be raised by the caller.
        """
        self.forget()
        return InstrumentFault(
            f"{self.name}: {what}; it was reset, switched off and on, tripped, or set by someone else: prepare it anew"
        )

    def _recover(self) -> None:
        # the questions of verify_settings() must not verify in their turn
        if self._is_verifying:
            self._mend()
        else:
            self.resynchronise()

    def _mend(self) -> None:
        problem, patience_s = "", min(self._timeout_s, _MENDING_S)
        settings = {**self._session_settings, "timeout": 1e3 * patience_s}
        connection = self.adapter.connection
        for pause_s in _PAUSES_S:
            time.sleep(pause_s)
            self.expect(OPENING_S + 2.0 * patience_s)
            try:
                reopen(connection, settings)
                if self._is_told_off:
                    self._write_safe_off()
                self._tag = tag = self._tag % _TAGS + 1
                self.catch_up(tag)
                found = read_identity(self._ask("*IDN?"))
                connection.timeout = 1e3 * self._timeout_s
            except (*LINK_ERRORS, ProtocolError, ValueError) as error:
                self._in_step = False
                problem = str(error)
            else:
                break
            finally:
                self.expect(0.0)
        else:
            raise ProtocolError(
                f"{self.name}: no answer on a new session either, tried {len(_PAUSES_S)} times: {problem}; "
                "check power and cable"
            )
        known = self._identity
        if known is not None and (found.model, found.serial) != (known.model, known.serial):
            self._in_step = False
            raise self.lost(f"{found.model} {found.serial} answers where {known.model} {known.serial} did")
        self._identity = found
        self.link_events.append(f"session opened again, serial {found.serial} answers")

    def _write_safe_off(self) -> list[str]:
        failures = []
        for message in self.SAFE_OFF:
            try:
                self.adapter.write(message)
            except LINK_ERRORS as error:
                failures.append(f"{message!r}: {error}")
        return failures

    def forget(self) -> None:
        """Forget what was sent, so that the next ``prepare`` sends everything."""
