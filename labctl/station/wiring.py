"""How the lab believes the sample is wired: straight to instruments, or by switch matrices to the lines of an array.

A matrix joins rows, on which instrument terminals hang, to columns, on which lines of the array hang. Gates may hang on
a second matrix. Not here: how the simulated rack *is* wired (the bench file); how the tables are read
(:mod:`labctl.station.wiring_table`); which crosspoints a cell needs (:mod:`labctl.array`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from labctl.errors import StationError

__all__ = ["GROUND", "ControlWiring", "DirectWiring", "MatrixWiring", "Wiring"]

GROUND = "ground"


@dataclass(frozen=True)
class DirectWiring:
    """Table ``[wiring.direct]``: one cell, wired to instruments without a matrix.

    Attributes
    ----------
    word, bit : str
        What hangs on the two ends of the cell: ``"<instrument>.<channel>"``; ``bit`` may be ``"ground"``.
    control : str or None
        What hangs on the gate or the track; None: two terminals.
    """

    word: str
    bit: str
    control: str | None


@dataclass(frozen=True)
class MatrixWiring:
    """What hangs on one switch matrix.

    Attributes
    ----------
    file : str
        The station file, for messages.
    matrix : str or None
        Key of the switch matrix; None where the sample is wired directly.
    rows : mapping of str to str
        Row letter to ``"<instrument>.<channel>"`` or ``"ground"``.
    """

    _TABLE: ClassVar[str] = "wiring"

    file: str
    matrix: str | None
    rows: Mapping[str, str]

    def columns(self) -> tuple[str, ...]:
        """Return the matrix column of every line, in the order of the lines.

        Returns
        -------
        tuple of str
            Empty without a matrix.
        """
        return ()

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
        known = ", ".join(self.rows.values()) or "none, as there is no matrix"
        raise StationError(f"{self.file}: {self._TABLE}.rows: no row is wired to {terminal!r}; wired are {known}")

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
            known = ", ".join(self.rows) or "none, as there is no matrix"
            raise StationError(f"{self.file}: {self._TABLE}.rows: nothing is wired to row {row!r}; wired are {known}")
        return f"{column[0]}{row}{column[1:]}"


@dataclass(frozen=True)
class ControlWiring(MatrixWiring):
    """Table ``[wiring.control]``: the gates, on a matrix of their own that carries no current.

    Attributes
    ----------
    lines : tuple of str
        Matrix column of the gate line of each row of the array, row 0 first.
    common_source : bool
        Whether the sources of all cells are one plate, on the only word line.
    """

    _TABLE: ClassVar[str] = "wiring.control"

    lines: tuple[str, ...]
    common_source: bool

    def columns(self) -> tuple[str, ...]:
        """Return the matrix column of every gate line.

        Returns
        -------
        tuple of str
        """
        return self.lines

    def line(self, index: int) -> str:
        """Return the matrix column of a gate line.

        Parameters
        ----------
        index : int, unit 1
            Row of the array, 0 first.

        Returns
        -------
        str
            Such as ``"101"``.

        Raises
        ------
        StationError
            If there is no such line.
        """
        if not 0 <= index < len(self.lines):
            raise StationError(
                f"{self.file}: wiring.control.lines: gate line {index} is not wired; wired are 0 to "
                f"{len(self.lines) - 1}"
            )
        return self.lines[index]


@dataclass(frozen=True)
class Wiring(MatrixWiring):
    """Table ``[wiring]`` of a station file.

    Attributes
    ----------
    word_lines, bit_lines : tuple of str
        Matrix column of each line, line 0 first, such as ``"101"``: slot 1, column 01. With a common source the only
        word line is the source plate. Empty without a matrix.
    identification : str or None
        Matrix column of the pad where the identification resistors meet.
    identification_resistors_ohm : tuple of float, unit ohm
        One per line, word lines first; empty without ``identification``.
    direct : DirectWiring or None
        What hangs on the only cell where there is no matrix.
    control : ControlWiring or None
        The gates, where they have a matrix.
    """

    word_lines: tuple[str, ...]
    bit_lines: tuple[str, ...]
    identification: str | None
    identification_resistors_ohm: tuple[float, ...]
    direct: DirectWiring | None = None
    control: ControlWiring | None = None

    def networks(self) -> tuple[MatrixWiring, ...]:
        """Return what hangs on each matrix: none, the channels, or channels and gates.

        Returns
        -------
        tuple of MatrixWiring
        """
        if self.matrix is None:
            return ()
        return (self,) if self.control is None else (self, self.control)

    def columns(self) -> tuple[str, ...]:
        """Return the matrix column of every line, word lines first.

        Returns
        -------
        tuple of str
        """
        return (*self.word_lines, *self.bit_lines)

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

    def _line(self, kind: str, columns: tuple[str, ...], index: int) -> str:
        if not 0 <= index < len(columns):
            raise StationError(
                f"{self.file}: wiring.{kind}_lines: {kind} line {index} is not wired; wired are 0 to {len(columns) - 1}"
            )
        return columns[index]
