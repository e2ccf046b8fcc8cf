"""Table ``[wiring]`` of a bench file, checked key by key: which terminal hangs on which line of the die.

Three forms: through a matrix, direct at one cell, or through a matrix with a second one for the gates. Not here: what
closed crosspoints make of it (:mod:`labctl_mock.bench.wiring`) and the rest of the file
(:mod:`labctl_mock.bench.bench_file`).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from labctl_mock.bench.strict_toml import Quantity, StrictTable

__all__ = ["GROUND", "ControlEntry", "DirectEntry", "WiringEntry", "read_wiring"]

GROUND = "ground"
_COLUMN = re.compile(r"[1-6](0[1-9]|1[0-2])")
_ROWS = "ABCDEFGH"


@dataclass(frozen=True, slots=True)
class ControlEntry:
    """Gates behind a second matrix: table ``[wiring.control]``.

    Attributes
    ----------
    matrix : str
        Key of that matrix.
    rows : Mapping of str to str
        Row letter to ``"<instrument key>.<channel>"`` or ``"ground"``.
    lines : tuple of str
        Matrix column of the gate line of each row of the die.
    common_source : bool
        Whether all word lines are one plate on one column of the first matrix.
    """

    matrix: str
    rows: Mapping[str, str]
    lines: tuple[str, ...]
    common_source: bool


@dataclass(frozen=True, slots=True)
class WiringEntry:
    """Matrix rows to terminals, matrix columns to lines: table ``[wiring]``.

    Attributes
    ----------
    matrix : str
        Key of the matrix.
    rows : Mapping of str to str
        Row letter to ``"<instrument key>.<channel>"`` or ``"ground"``.
    crosspoint_ohm : Quantity, unit ohm
        Resistance of one closed crosspoint with its path, of either matrix.
    word_lines, bit_lines : tuple of str
        Matrix column of each line, line 0 first; a common source plate is named once.
    identification : str or None
        Matrix column of the pad where the identification resistors meet.
    identification_ohm : tuple of Quantity, unit ohm
        One resistor per line, word lines first; empty without ``identification``.
    control : ControlEntry or None
        The gates.
    """

    matrix: str
    rows: Mapping[str, str]
    crosspoint_ohm: Quantity
    word_lines: tuple[str, ...]
    bit_lines: tuple[str, ...]
    identification: str | None
    identification_ohm: tuple[Quantity, ...]
    control: ControlEntry | None = None


@dataclass(frozen=True, slots=True)
class DirectEntry:
    """One cell without a matrix: table ``[wiring.direct]``.

    Attributes
    ----------
    word : str
        Terminal on the word line, ``"<instrument key>.<channel>"``.
    bit : str
        Terminal on the bit line, or ``"ground"``.
    control : str or None
        Terminal on the gate or the track.
    """

    word: str
    bit: str
    control: str | None


def read_wiring(table: StrictTable, size: tuple[int, int], instruments: Collection[str]) -> "WiringEntry | DirectEntry":
    """Read the table.

    Parameters
    ----------
    table : StrictTable
        ``[wiring]``.
    size : tuple of two ints
        Rows and columns of the die.
    instruments : Collection of str
        Keys of the instruments of the bench.

    Returns
    -------
    WiringEntry or DirectEntry

    Raises
    ------
    StationError
        If the table is wrong; file and key are named.
    """
    if table.has("direct"):
        direct = _read_direct(table.table("direct"), size, instruments)
        others = [key for key in table.names() if key != "direct"]
        if others:
            raise table.error(others[0], "has no meaning beside wiring.direct, which has no matrix; remove one of them")
        return direct
    matrix = _matrix(table, instruments)
    rows = _rows(table.table("rows"), instruments)
    control = None
    if table.has("control"):
        control = _read_control(table.table("control"), size[0], instruments, matrix, rows)
    is_plate = control is not None and control.common_source
    lines = {"word_lines": 1 if is_plate else size[0], "bit_lines": size[1]}
    columns = {key: table.strings(key) for key in lines}
    for key, count in lines.items():
        if len(columns[key]) != count:
            why = "of the common source plate" if is_plate and key == "word_lines" else "as the die has lines"
            raise table.error(key, f"must name {count} matrix columns {why}, got {len(columns[key])}")
    identification = table.get("identification", str) if table.has("identification") else None
    resistors: tuple[Quantity, ...] = ()
    if identification is not None:
        if is_plate:
            raise table.error("identification", "a common source plate has no identification resistors; remove it")
        resistors = table.quantities("identification_ohm", "ohm", at_least=1.0)
        if len(resistors) != sum(size):
            raise table.error(
                "identification_ohm", f"must hold {sum(size)} resistors, one a line, got {len(resistors)}"
            )
    pad = [identification] if identification else []
    _check_columns(table, "word_lines, bit_lines", [*columns["word_lines"], *columns["bit_lines"]], pad)
    crosspoint_ohm = table.quantity("crosspoint_ohm", "ohm", at_least=1e-3)
    table.finish()
    words, bits = columns["word_lines"], columns["bit_lines"]
    return WiringEntry(matrix, rows, crosspoint_ohm, words, bits, identification, resistors, control)


def _read_direct(table: StrictTable, size: tuple[int, int], instruments: Collection[str]) -> DirectEntry:
    if size != (1, 1):
        raise table.error("word", f"without a matrix the die is one cell, got {size[0]} by {size[1]}; name a matrix")
    found = {key: table.get(key, str) for key in ("word", "bit", "control") if key != "control" or table.has(key)}
    for key, terminal in found.items():
        _check_terminal(table, key, terminal, instruments, may_be_ground=key == "bit")
        if list(found.values()).count(terminal) > 1:
            raise table.error(key, f"{terminal!r} hangs on more than one end; each needs a terminal of its own")
    table.finish()
    return DirectEntry(found["word"], found["bit"], found.get("control"))


def _read_control(
    table: StrictTable, count: int, instruments: Collection[str], channels: str, channel_rows: Mapping[str, str]
) -> ControlEntry:
    matrix = _matrix(table, instruments)
    if matrix == channels:
        raise table.error("matrix", f"{matrix!r} carries the word and bit lines; the gates need a matrix of their own")
    rows_table = table.table("rows")
    rows = _rows(rows_table, instruments)
    for row, terminal in rows.items():
        if terminal != GROUND and terminal in channel_rows.values():
            raise rows_table.error(row, f"{terminal!r} hangs on a row of {channels!r}; a terminal has one place")
    lines = table.strings("lines")
    if len(lines) != count:
        raise table.error("lines", f"must name {count} matrix columns, one a row of the die, got {len(lines)}")
    _check_columns(table, "lines", list(lines), [])
    common_source = table.get("common_source", bool) if table.has("common_source") else False
    table.finish()
    return ControlEntry(matrix, rows, lines, common_source)


def _matrix(table: StrictTable, instruments: Collection[str]) -> str:
    matrix = table.get("matrix", str)
    if matrix not in instruments:
        raise table.error("matrix", f"no instrument {matrix!r}; there are {', '.join(instruments)}")
    return matrix


def _rows(table: StrictTable, instruments: Collection[str]) -> dict[str, str]:
    rows = {row: table.get(row, str) for row in table.names()}
    for row, terminal in rows.items():
        if len(row) != 1 or row not in _ROWS:
            raise table.error(row, f"no such matrix row; rows are {', '.join(_ROWS)}")
        _check_terminal(table, row, terminal, instruments, may_be_ground=True)
    return rows


def _check_terminal(
    table: StrictTable, key: str, terminal: str, instruments: Collection[str], *, may_be_ground: bool
) -> None:
    instrument, dot, channel = terminal.partition(".")
    if (terminal == GROUND and may_be_ground) or (instrument in instruments and dot and channel):
        return
    allowed = f'"<instrument>.<channel>" of {", ".join(instruments)}' + (f', or "{GROUND}"' if may_be_ground else "")
    raise table.error(key, f"must be {allowed}, got {terminal!r}")


def _check_columns(table: StrictTable, keys: str, columns: list[str], pad: list[str]) -> None:
    columns = [*columns, *pad]
    for column in columns:
        if not _COLUMN.fullmatch(column):
            raise table.error(keys, f"columns are 101 to 112 ... 601 to 612, got {column!r}")
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        where = f"{keys}, identification" if pad else keys
        raise table.error(where, f"a matrix column takes one wire, used twice: {', '.join(twice)}")
