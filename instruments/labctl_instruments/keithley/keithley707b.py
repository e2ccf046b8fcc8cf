"""Keithley 707B switching matrix with six-slot 8 x 12 cards such as the 7174A.

Source: Models 707B and 708B Reference Manual 707B-901-01 Rev. B, sections 5 and 7. A crosspoint is slot (1-6), row
(A-H) and column (01-12). ``channel.open`` and ``channel.close`` do not finish before the relays have settled, so
the word printed after them says when the next instrument may act. Not here: which line hangs on which column
(:mod:`labctl.station`).

A move that arrives twice moves nothing more; it is not repeated all the same. An exchange ends with the closed
crosspoints among those that it named and one that was closed before, which must be what was meant. Reading back is
repeated.
"""

import re
from collections.abc import Collection
from functools import partial
from typing import Any, ClassVar

from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set

from labctl.errors import InstrumentError, UnconfirmedError
from labctl_instruments.replies import checked_number, numbers_alike
from labctl_instruments.tsp import TspInstrument

__all__ = ["Keithley707B"]

_CROSSPOINT = re.compile(r"[1-6][A-H](?:0[1-9]|1[0-2])")
# printed behind the crosspoints, so that a list that was cut is not taken for a shorter one
_DONE, _END = "switched", "closed"
_CONNECT_RULES = ("off", "break before make", "make before break")


class Keithley707B(TspInstrument):
    """Keithley 707B; fulfils :class:`labctl.roles.SwitchMatrix` and :class:`labctl.roles.Instrument`.

    Parameters
    ----------
    adapter : str, int or pymeasure Adapter
        VISA resource name or a ready adapter.
    name : str
        How messages call the instrument.
    **kwargs
        VISA settings.
    """

    MODEL: ClassVar[str] = "707B"
    SAFE_OFF: ClassVar[tuple[str, ...]] = ('channel.open("allslots")',)
    OFF_CHECKS: ClassVar[tuple[tuple[str, str], ...]] = (('print(channel.getclose("allslots"))', "nil"),)

    connect_rule = Instrument.control(
        "print(channel.connectrule)",
        "channel.connectrule=%d",
        """Control the order of opening and closing within one exclusive close, unit 1 (str: "off", "break before
        make", "make before break").""",
        validator=strict_discrete_set,
        values={rule: number for number, rule in enumerate(_CONNECT_RULES)},
        map_values=True,
        get_process=checked_number,
    )

    def __init__(self, adapter: Any, name: str = "Keithley 707B", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
        self._known: set[str] = set()
        self._closed: frozenset[str] | None = None

    def close(self, crosspoints: Collection[str]) -> None:
        """Close these crosspoints besides those that are closed; return when they have settled.

        Parameters
        ----------
        crosspoints : collection of str
            Such as ``"1A01"``; none sends nothing.

        Raises
        ------
        ValueError
            If a name is no crosspoint of the matrix.
        UnconfirmedError
            If the matrix does not confirm.
        InstrumentFault
            If other relays are closed than should be.
        """
        self.exchange(opening=(), closing=crosspoints)

    def open(self, crosspoints: Collection[str]) -> None:
        """Open these crosspoints; return when they have settled.

        Parameters
        ----------
        crosspoints : collection of str
            Such as ``"1A01"``; none sends nothing.

        Raises
        ------
        ValueError
            If a name is no crosspoint of the matrix.
        UnconfirmedError
            If the matrix does not confirm.
        InstrumentFault
            If other relays are closed than should be.
        """
        self.exchange(opening=crosspoints, closing=())

    def exchange(self, *, opening: Collection[str], closing: Collection[str]) -> None:
        """Open some crosspoints, then close others, in one message: all are open before the first closes.

        Parameters
        ----------
        opening, closing : collection of str
            Such as ``"1A01"``; none of both sends nothing.

        Raises
        ------
        ValueError
            If a name is no crosspoint of the matrix.
        UnconfirmedError
            If the matrix does not confirm.
        InstrumentFault
            If other relays are closed than should be.
        """
        opened, closed = frozenset(opening), frozenset(closing)
        parts = []
        if opened:
            parts.append(f'channel.open("{self._channel_list(opened)}")')
        if closed:
            parts.append(f'channel.close("{self._channel_list(closed)}")')
        if not parts:
            return
        before, self._closed = self._closed, None
        # a matrix that fell back to all open between two exchanges shows in one crosspoint that should have stayed
        witness = frozenset(sorted((before or frozenset()) - opened - closed)[:1])
        named = self._channel_list(opened | closed | witness)
        parts.append(f'print(channel.getclose("{named}"),"{_DONE}")')
        self._move(" ".join(parts), opened | closed | witness, closed | witness)
        if before is not None:
            self._closed = (before - opened) | closed

    def open_all(self) -> None:
        """Open every crosspoint of every slot; return when they have settled.

        Raises
        ------
        UnconfirmedError
            If the matrix does not confirm.
        InstrumentFault
            If a relay is closed still.
        """
        self._closed = None
        self._move(f'channel.open("allslots") print(channel.getclose("allslots"),"{_DONE}")', None, frozenset())
        self._closed = frozenset()

    def closed(self) -> frozenset[str]:
        """Read back the closed crosspoints.

        Returns
        -------
        frozenset of str

        Raises
        ------
        ProtocolError
            If the answer is neither ``nil`` nor crosspoints separated by semicolons, three times over.
        """
        message = f'print(channel.getclose("allslots"),"{_END}")'
        return self.answer(message, partial(_read_closed, _END), f"nil or crosspoints, and {_END!r}")

    def verify_settings(self) -> None:
        """Compare the closed crosspoints with those that should be, once :meth:`open_all` made them known.

        Raises
        ------
        InstrumentFault
            If they differ.
        """
        if self._closed is not None:
            self._compare(self._closed, self.closed())

    def forget(self) -> None:
        """Forget which crosspoints are closed."""
        self._closed = None

    def settings(self) -> dict[str, str | float | bool]:
        """Read back the connection rule and the closed crosspoints.

        Returns
        -------
        dict of str to str

        Raises
        ------
        ProtocolError
            If an answer breaks the format.
        """

        def parse(reply: str) -> tuple[str, frozenset[str]]:
            first, _, rest = reply.partition("\t")
            (found,) = numbers_alike([first])
            return {float(index): rule for index, rule in enumerate(_CONNECT_RULES)}[found], _read_closed(_END, rest)

        message = f'print(channel.connectrule,channel.getclose("allslots"),"{_END}")'
        rule, closed = self.answer(message, parse, f"0 to 2, nil or crosspoints, and {_END!r}")
        return {"connect_rule": rule, "closed": ";".join(sorted(closed))}

    def _move(self, message: str, named: frozenset[str] | None, expected: frozenset[str]) -> None:
        """Move relays once; where the confirmation is lost, reading back tells whether they moved."""
        try:
            parse = partial(_read_closed, _DONE)
            found = self.answer(message, parse, f"the closed crosspoints and {_DONE!r}", repeatable=False)
        except UnconfirmedError as error:
            try:
                found = self.closed()
            except InstrumentError as failure:
                error.add_note(str(failure))
                raise error from None
            if named is not None:
                found &= named
            if found != expected:
                raise
            self.link_events.append("the relays are where they should be, by reading back")
        self._compare(expected, found)

    def _compare(self, expected: frozenset[str], found: frozenset[str]) -> None:
        if found != expected:
            missing, extra = (",".join(sorted(names)) or "none" for names in (expected - found, found - expected))
            raise self.lost(f"crosspoints open that should be closed: {missing}; closed that should be open: {extra}")

    def _channel_list(self, crosspoints: Collection[str]) -> str:
        for name in crosspoints:
            if name not in self._known:
                if _CROSSPOINT.fullmatch(name) is None:
                    raise ValueError(
                        f"{self.name}: {name!r} is no crosspoint; allowed are slot 1-6, row A-H, column 01-12, "
                        'such as "1A01"'
                    )
                self._known.add(name)
        return ",".join(sorted(crosspoints))


def _crosspoints(reply: str) -> frozenset[str]:
    text = reply.strip()
    if text == "nil":
        return frozenset()
    names = text.split(";")
    if not all(_CROSSPOINT.fullmatch(name) for name in names):
        raise ValueError(f"not crosspoints: {text!r}")
    return frozenset(names)


def _read_closed(end: str, reply: str) -> frozenset[str]:
    closed, word = reply.strip().split("\t")
    if word != end:
        raise ValueError(f"not {end!r}: {word!r}")
    return _crosspoints(closed)
