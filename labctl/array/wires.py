"""Which matrix row each line hangs on, and the fewest relays that change it.

A line is a matrix column; a source or ground is a matrix row. Nothing is sent from here: the plan of a change is handed
to :mod:`labctl.array.access`. Not here: names of crosspoints (the station's wiring).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["LinePlan", "Relays", "Wiring"]


class Wiring(Protocol):
    """What the access asks of the station's wiring."""

    @property
    def matrix(self) -> str:
        """Key of the switch matrix."""
        ...

    def word(self, index: int) -> str:
        """Return the matrix column of a word line."""
        ...

    def bit(self, index: int) -> str:
        """Return the matrix column of a bit line."""
        ...

    def row_of(self, source: str) -> str:
        """Return the matrix row of a source, or of ``"ground"``."""
        ...

    def crosspoint(self, row: str, column: str) -> str:
        """Name the crosspoint of a matrix row and column."""
        ...


@dataclass(frozen=True, slots=True)
class Relays:
    """One exchange: what opens, then what closes."""

    opening: tuple[str, ...]
    closing: tuple[str, ...]


@dataclass
class LinePlan:
    """The matrix row of every line, as last commanded.

    Attributes
    ----------
    wiring : Wiring
        Names the crosspoints.
    rows : dict of str to (str or None)
        Matrix row by matrix column; None or absent is an open line.
    """

    wiring: Wiring
    rows: dict[str, str | None] = field(default_factory=dict)

    def forget(self) -> None:
        """Take every line as open."""
        self.rows.clear()

    def change(self, wanted: Mapping[str, str | None] | Iterable[tuple[str, str | None]]) -> Relays:
        """Note the wanted rows and return the relays that must move; lines not named stay.

        Parameters
        ----------
        wanted : mapping of str to (str or None)
            Matrix row by matrix column.

        Returns
        -------
        Relays
            Both parts empty where nothing changes.
        """
        opening, closing = [], []
        for column, row in dict(wanted).items():
            present = self.rows.get(column)
            if present == row:
                continue
            if present is not None:
                opening.append(self.wiring.crosspoint(present, column))
            if row is not None:
                closing.append(self.wiring.crosspoint(row, column))
            self.rows[column] = row
        return Relays(tuple(opening), tuple(closing))
