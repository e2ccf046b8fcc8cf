"""Which matrix row each line hangs on, and the fewest relays that change it.

A line is a matrix column; a source or ground is a matrix row. Not here: names of crosspoints (the station's wiring),
which line belongs where (:mod:`labctl.array.access` and its neighbours).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from labctl.errors import EnvelopeError
from labctl.roles import SwitchMatrix

__all__ = ["LinePlan", "LineSwitch", "Relays", "Wiring"]


class Crosspoints(Protocol):
    """Names crosspoints."""

    def crosspoint(self, row: str, column: str) -> str:
        """Name the crosspoint of a matrix row and column."""
        ...


class Wiring(Crosspoints, Protocol):
    """What the access asks of the station's wiring."""

    @property
    def matrix(self) -> str | None:
        """Key of the switch matrix; None where the sample is wired directly."""
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
    wiring : Crosspoints
        Names the crosspoints.
    rows : dict of str to (str or None)
        Matrix row by matrix column; None or absent is an open line.
    """

    wiring: Crosspoints
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


class LineSwitch:
    """The lines of one matrix, moved with the fewest relays.

    Parameters
    ----------
    matrix : SwitchMatrix
    wiring : Crosspoints
        Names its crosspoints.
    """

    def __init__(self, matrix: SwitchMatrix, wiring: Crosspoints) -> None:
        self._matrix = matrix
        self._plan = LinePlan(wiring)

    def move(self, wanted: Mapping[str, str | None]) -> None:
        """Hang lines on rows; those that are not named stay.

        Parameters
        ----------
        wanted : mapping of str to (str or None)
            Matrix row by matrix column; None opens the line.
        """
        before = dict(self._plan.rows)
        relays = self._plan.change(wanted)
        try:
            if relays.opening and relays.closing:
                self._matrix.exchange(opening=relays.opening, closing=relays.closing)
            elif relays.opening:
                self._matrix.open(relays.opening)
            elif relays.closing:
                self._matrix.close(relays.closing)
        except (EnvelopeError, ValueError):
            # refused before a byte was sent
            self._plan.rows = before
            raise

    def open_all(self) -> None:
        """Open every line."""
        self._matrix.open_all()
        self._plan.forget()
