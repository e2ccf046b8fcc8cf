"""The switch matrix of a station, inside the rule of cold switching.

A reed that opens or closes under a voltage can weld; a cell that is switched onto a standing level gets a stimulus that
nobody asked for. Opening every relay is always allowed, since that is the way to safety. Not here: the rule
(:mod:`labctl.station.guard`), which relays a cell needs (:mod:`labctl.array`).
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from labctl.errors import InstrumentError, InstrumentFault
from labctl.roles import SwitchMatrix
from labctl.station.guard import Guard

__all__ = ["EnvelopedSwitchMatrix"]


class EnvelopedSwitchMatrix:
    """A :class:`labctl.roles.SwitchMatrix` whose relays move only while every source stands at 0 V or is off.

    Parameters
    ----------
    inner : SwitchMatrix
        The driver.
    key : str
        Key of the instrument, such as ``"mat1"``.
    guard : Guard
        Of the station.
    settle : callable
        Returns when every source has obeyed what it was sent, or raises InstrumentError.
    """

    def __init__(self, inner: SwitchMatrix, key: str, guard: Guard, settle: Callable[[], None]) -> None:
        self._inner = inner
        self._key = key
        self._guard = guard
        self._settle = settle
        # what was asked for last, whether it was confirmed or not; None before that is known
        self._wanted: frozenset[str] | None = None

    def close(self, crosspoints: Collection[str]) -> None:
        """Close these crosspoints besides those that are closed.

        Parameters
        ----------
        crosspoints : collection of str

        Raises
        ------
        EnvelopeError
            If a source stands at another level than 0 V with its output on; nothing is sent.
        """
        self.exchange(opening=(), closing=crosspoints)

    def open(self, crosspoints: Collection[str]) -> None:
        """Open these crosspoints.

        Parameters
        ----------
        crosspoints : collection of str

        Raises
        ------
        EnvelopeError
            If a source stands at another level than 0 V with its output on; nothing is sent.
        """
        self.exchange(opening=crosspoints, closing=())

    def exchange(self, *, opening: Collection[str], closing: Collection[str]) -> None:
        """Open some crosspoints, then close others.

        Parameters
        ----------
        opening, closing : collection of str

        Raises
        ------
        EnvelopeError
            If a source stands at another level than 0 V with its output on; nothing is sent.
        """
        self._guard.check_cold(self._key)
        # a source that was told to go to 0 V may not have heard of it yet
        self._settle()
        wanted = None if self._wanted is None else (self._wanted - set(opening)) | set(closing)
        with self._wanting(wanted):
            self._inner.exchange(opening=opening, closing=closing)

    def open_all(self) -> None:
        """Open every crosspoint, whatever the sources do; those that answer are waited for.

        Raises
        ------
        InstrumentFault
            If a source said that it does not stand where it was sent to; the crosspoints are open then.
        """
        fault: InstrumentFault | None = None
        try:
            self._settle()
        except InstrumentFault as error:
            fault = error
        except InstrumentError:
            # whoever does not answer is found at the next question
            pass
        with self._wanting(frozenset()):
            self._inner.open_all()
        if fault is not None:
            raise fault

    def closed(self) -> frozenset[str]:
        """Read back the closed crosspoints.

        Returns
        -------
        frozenset of str
        """
        return self._inner.closed()

    @property
    def wanted(self) -> frozenset[str] | None:
        """Crosspoints that were told to be closed; None where that is not known."""
        return self._wanted

    def is_open(self) -> None:
        """Take note that every relay is open."""
        self._wanted = frozenset()

    def restore(self) -> None:
        """Move the relays to where they were last told to be: a move may have been lost, or gone unconfirmed.

        Raises
        ------
        EnvelopeError
            If a source stands at another level than 0 V with its output on; nothing is sent.
        InstrumentFault
            If they are not there afterwards.
        """
        if self._wanted is None:
            return
        closed = self._inner.closed()
        if closed == self._wanted:
            return
        self.exchange(opening=closed - self._wanted, closing=self._wanted - closed)
        differing = self._inner.closed() ^ self._wanted
        if differing:
            raise InstrumentFault(
                f"{self._key}: {', '.join(sorted(differing))} do not stand as they were told; check the matrix"
            )

    @contextmanager
    def _wanting(self, wanted: frozenset[str] | None) -> Iterator[None]:
        before, self._wanted = self._wanted, wanted
        try:
            yield
        except ValueError:
            # a driver refuses with it before a byte is sent
            self._wanted = before
            raise
