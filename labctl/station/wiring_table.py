"""Table ``[wiring]`` of a station file, checked key by key.

Not here: what it means (:mod:`labctl.station.wiring`), the rest of the file (:mod:`labctl.station.station_file`).
"""

import re
from collections.abc import Iterable

from labctl.station.strict_table import StrictTable
from labctl.station.wiring import GROUND, ControlWiring, DirectWiring, Wiring

__all__ = ["read_wiring"]

_COLUMN = re.compile(r"[1-6](?:0[1-9]|1[0-2])")
_ROW = re.compile(r"[A-H]")


def read_wiring(table: StrictTable, file: str, instruments: tuple[str, ...], size: tuple[int, int]) -> Wiring:
    """Read the table of one of three forms: a matrix, no matrix, or a second matrix for the gates.

    Parameters
    ----------
    table : StrictTable
        ``[wiring]``.
    file : str
        The station file, for messages.
    instruments : tuple of str
        Keys of the station's instruments.
    size : tuple of (int, int)
        Rows and columns of the sample.

    Returns
    -------
    Wiring

    Raises
    ------
    StationError
        If the table is wrong: file, line and key are named.
    """
    if table.has("direct"):
        direct = _direct(table, instruments, size)
        table.finish()
        return Wiring(file, None, {}, (), (), None, (), direct=direct)
    matrix = _matrix(table, instruments)
    rows = _rows(table.table("rows"), instruments)
    control = None
    if table.has("control"):
        control = _control(table.table("control"), file, instruments, size[0], (matrix, rows))
    has_plate = control is not None and control.common_source
    words = _lines(table, "word_lines", 1 if has_plate else size[0], "common source" if has_plate else "sample")
    bits = _lines(table, "bit_lines", size[1], "sample")
    pad, resistors_ohm = _identification(table, len(words) + len(bits))
    _check_columns(table, {"word_lines": words, "bit_lines": bits, "identification": (pad,) if pad else ()})
    table.finish()
    return Wiring(file, matrix, rows, words, bits, pad, resistors_ohm, control=control)


def _direct(wiring: StrictTable, instruments: tuple[str, ...], size: tuple[int, int]) -> DirectWiring:
    if size != (1, 1):
        problem = f"wired without a matrix is one cell, the sample has {size[0]} x {size[1]}; name a matrix"
        raise wiring.wrong("direct", problem)
    table = wiring.table("direct")
    terminals = {key: table.string(key) for key in ("word", "bit")}
    if table.has("control"):
        terminals["control"] = table.string("control")
    for key, terminal in terminals.items():
        _check_terminal(table, key, terminal, instruments, may_be_ground=key == "bit")
        if list(terminals.values()).count(terminal) > 1:
            raise table.wrong(key, f"{terminal!r} is wired to more than one end")
    table.finish()
    return DirectWiring(terminals["word"], terminals["bit"], terminals.get("control"))


def _control(
    table: StrictTable, file: str, instruments: tuple[str, ...], count: int, channels: tuple[str, dict[str, str]]
) -> ControlWiring:
    matrix = _matrix(table, instruments)
    if matrix == channels[0]:
        raise table.wrong("matrix", f"{matrix!r} carries the channels; the gates need a matrix of their own")
    rows_table = table.table("rows")
    rows = _rows(rows_table, instruments)
    for row, terminal in rows.items():
        if terminal != GROUND and terminal in channels[1].values():
            raise rows_table.wrong(row, f"{terminal!r} is wired to a row of the matrix {channels[0]!r} already")
    lines = _lines(table, "lines", count, "sample")
    _check_columns(table, {"lines": lines})
    common_source = table.flag("common_source") if table.has("common_source") else False
    table.finish()
    return ControlWiring(file, matrix, rows, lines, common_source)


def _matrix(table: StrictTable, instruments: tuple[str, ...]) -> str:
    matrix = table.string("matrix")
    if matrix not in instruments:
        raise table.wrong("matrix", f"{matrix!r} is no instrument of this station; there are {', '.join(instruments)}")
    return matrix


def _rows(table: StrictTable, instruments: tuple[str, ...]) -> dict[str, str]:
    rows = {row: table.string(row) for row in table.names()}
    for row, terminal in rows.items():
        if _ROW.fullmatch(row) is None:
            raise table.wrong(row, "a matrix row is a letter A to H")
        _check_terminal(table, row, terminal, instruments, may_be_ground=True)
        if list(rows.values()).count(terminal) > 1:
            raise table.wrong(row, f"{terminal!r} is wired to more than one row")
    return rows


def _check_terminal(
    table: StrictTable, key: str, terminal: str, instruments: tuple[str, ...], *, may_be_ground: bool
) -> None:
    instrument, dot, channel = terminal.partition(".")
    if (instrument in instruments and dot and channel) or (may_be_ground and terminal == GROUND):
        return
    allowed = f'"<instrument>.<channel>" with {", ".join(instruments)}'
    if may_be_ground:
        allowed = f'"ground" or {allowed}'
    raise table.wrong(key, f"{terminal!r} is no terminal of this station; allowed are {allowed}")


def _lines(table: StrictTable, key: str, count: int, whose: str) -> tuple[str, ...]:
    columns = table.strings(key)
    if len(columns) != count:
        lines = f"{count} line" if count == 1 else f"{count} lines"
        raise table.wrong(key, f"the {whose} has {lines}, got {len(columns)} matrix columns")
    return columns


def _identification(table: StrictTable, count: int) -> tuple[str | None, tuple[float, ...]]:
    if not table.has("identification"):
        return None, ()
    pad, resistors_ohm = table.string("identification"), table.positives("identification_resistors_ohm")
    if len(resistors_ohm) != count:
        raise table.wrong("identification_resistors_ohm", f"needs {count}, one a line, got {len(resistors_ohm)}")
    return pad, resistors_ohm


def _check_columns(table: StrictTable, columns_of: dict[str, Iterable[str]]) -> None:
    taken: set[str] = set()
    for key, columns in columns_of.items():
        for column in columns:
            if _COLUMN.fullmatch(column) is None:
                raise table.wrong(key, f"{column!r} is no matrix column; allowed are slot 1-6 and column 01-12")
            if column in taken:
                raise table.wrong(key, f"matrix column {column!r} is used twice")
            taken.add(column)
