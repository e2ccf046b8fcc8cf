"""The crosspoints of one matrix: which contacts are closed, and which stay as they are whatever the matrix does.

Not here: what a closed contact joins (:mod:`labctl_mock.bench.wiring`).
"""

from collections.abc import Sequence

from labctl_mock.bench.wiring import parse_crosspoint

__all__ = ["Relays"]


class Relays:
    """Contacts of one matrix; all are open at first.

    Attributes
    ----------
    closed : frozenset of str
        Crosspoints, such as ``"1A01"``.
    """

    def __init__(self) -> None:
        self.closed: frozenset[str] = frozenset()
        self._stuck: dict[str, bool] = {}

    def moving(self, opening: Sequence[str], closing: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the contacts that would really open, and close.

        Parameters
        ----------
        opening, closing : sequence of str

        Returns
        -------
        tuple of two frozensets of str

        Raises
        ------
        ValueError
            If there is no such crosspoint.
        """
        for name in (*opening, *closing):
            parse_crosspoint(name)
        opens, closes = self.closed.intersection(opening), frozenset(closing) - self.closed
        if self._stuck:
            opens -= {name for name, is_closed in self._stuck.items() if is_closed}
            closes -= {name for name, is_closed in self._stuck.items() if not is_closed}
        return opens, closes

    def move(self, opens: frozenset[str], closes: frozenset[str]) -> None:
        """Move what :meth:`moving` told."""
        self.closed = (self.closed - opens) | closes

    def stick(self, crosspoint: str, *, closed: bool) -> None:
        """Let a contact stay closed, or open, from now on; it goes there at once.

        Raises
        ------
        ValueError
            If there is no such crosspoint.
        """
        parse_crosspoint(crosspoint)
        self._stuck[crosspoint] = closed
        self.closed = self.closed | {crosspoint} if closed else self.closed - {crosspoint}
