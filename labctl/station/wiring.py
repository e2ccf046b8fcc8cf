"""How the lab believes the matrix is wired: rows to instrument terminals, columns to the lines of the array.

Not here: how the simulated rack *is* wired (the bench file); which crosspoints a cell needs (:mod:`labctl.array`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from labctl.errors import StationError

__all__ = ["GROUND", "Wiring"]

GROUND = "ground"


@dataclass(frozen=True)
class Wiring:
    """Table ``[wiring]`` of a station file.

    Attributes
    ----------
    file : str
        The station file, for messages.
    matrix : str
        Key of the switch matrix.
    rows : mapping of str to str
        Row letter to ``"<instrument>.<channel>"`` or ``"ground"``.
    word_lines, bit_lines : tuple of str
        Matrix column of each line, line 0 first, such as ``"101"``: slot 1, column 01.
    identification : str or None
        Matrix column of the pad where the identification resistors meet.
    identification_resistors_ohm : tuple of float, unit ohm
        One per line, word lines first; empty without ``identification``.
    """

    file: str
    matrix: str
    rows: Mapping[str, str]
    word_lines: tuple[str, ...]
    bit_lines: tuple[str, ...]
    identification: str | None
    identification_resistors_ohm: tuple[float, ...]

    def word(self, index: int) -> str:
        """Return the matrix column of a word line.

        Parameters
        ----------
        index : int, unit 1
            Line, 0 first.

        Returns
        -------
        str
            Such as ``"101"``.

        Raises
        ------
        StationError
            If there is no such line.
        """
        return self._line("word", self.word_lines, index)

    def bit(self, index: int) -> str:
        """Return the matrix column of a bit line.

        Parameters
        ----------
        index : int, unit 1
            Line, 0 first.

        Returns
        -------
        str
            Such as ``"309"``.

        Raises
        ------
        StationError
            If there is no such line.
        """
        return self._line("bit", self.bit_lines, index)

    def row_of(self, terminal: str) -> str:
        """Return the matrix row of a terminal such as ``"smu1.a"`` or ``"ground"``.

        Parameters
        ----------
        terminal : str

        Returns
        -------
        str
            A letter.

        Raises
        ------
        StationError
            If no row is wired to it.
        """
        for row, wired in self.rows.items():
            if wired == terminal:
                return row
        known = ", ".join(self.rows.values())
        raise StationError(f"{self.file}: wiring.rows: no row is wired to {terminal!r}; wired are {known}")

    def crosspoint(self, row: str, column: str) -> str:
        """Return the maker's name of a crosspoint: row ``"A"``, column ``"101"`` is ``"1A01"``.

        Parameters
        ----------
        row : str
            A letter.
        column : str
            Slot and column.

        Returns
        -------
        str

        Raises
        ------
        StationError
            If nothing is wired to the row.
        """
        if row not in self.rows:
            known = ", ".join(self.rows)
            raise StationError(f"{self.file}: wiring.rows: nothing is wired to row {row!r}; wired are {known}")
        return f"{column[0]}{row}{column[1:]}"

    def _line(self, kind: str, columns: tuple[str, ...], index: int) -> str:
        if not 0 <= index < len(columns):
            raise StationError(
                f"{self.file}: wiring.{kind}_lines: {kind} line {index} is not wired; wired are 0 to {len(columns) - 1}"
            )
        return columns[index]
