"""Keithley 707B switching matrix with six-slot 8 x 12 cards such as the 7174A.

Source: Models 707B and 708B Reference Manual 707B-901-01 Rev. B, sections 5 and 7. A crosspoint is slot (1-6), row
(A-H) and column (01-12). ``channel.open`` and ``channel.close`` do not finish before the relays have settled, so
the word printed after them says when the next instrument may act. Not here: which line hangs on which column
(:mod:`labctl.station`).
"""

import re
from collections.abc import Collection
from typing import Any, ClassVar

from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set

from labctl_instruments.replies import checked_number
from labctl_instruments.tsp import TspInstrument

__all__ = ["Keithley707B"]

_CROSSPOINT = re.compile(r"[1-6][A-H](?:0[1-9]|1[0-2])")
_DONE = "switched"


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

    connect_rule = Instrument.control(
        "print(channel.connectrule)",
        "channel.connectrule=%d",
        """Control the order of opening and closing within one exclusive close, unit 1 (str: "off", "break before
        make", "make before break").""",
        validator=strict_discrete_set,
        values={"off": 0, "break before make": 1, "make before break": 2},
        map_values=True,
        get_process=checked_number,
    )

    def __init__(self, adapter: Any, name: str = "Keithley 707B", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
        self._known: set[str] = set()

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
        ProtocolError
            If the matrix does not confirm.
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
        ProtocolError
            If the matrix does not confirm.
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
        ProtocolError
            If the matrix does not confirm.
        """
        parts = []
        if opening:
            parts.append(f'channel.open("{self._channel_list(opening)}")')
        if closing:
            parts.append(f'channel.close("{self._channel_list(closing)}")')
        if parts:
            self.confirm(f'{" ".join(parts)} print("{_DONE}")', _DONE)

    def open_all(self) -> None:
        """Open every crosspoint of every slot; return when they have settled.

        Raises
        ------
        ProtocolError
            If the matrix does not confirm.
        """
        self.confirm(f'channel.open("allslots") print("{_DONE}")', _DONE)

    def closed(self) -> frozenset[str]:
        """Read back the closed crosspoints.

        Returns
        -------
        frozenset of str

        Raises
        ------
        ProtocolError
            If the answer is neither ``nil`` nor crosspoints separated by semicolons.
        """
        message = 'print(channel.getclose("allslots"))'
        reply = self.query(message).strip()
        if reply == "nil":
            return frozenset()
        names = reply.split(";")
        if not all(_CROSSPOINT.fullmatch(name) for name in names):
            raise self.garbled(message, reply, "nil or crosspoints separated by semicolons")
        return frozenset(names)

    def is_off(self) -> bool:
        """Read back whether every relay is open.

        Returns
        -------
        bool

        Raises
        ------
        ProtocolError
            If the answer breaks the format.
        """
        return not self.closed()

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
        return {"connect_rule": str(self.connect_rule), "closed": ";".join(sorted(self.closed()))}

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
