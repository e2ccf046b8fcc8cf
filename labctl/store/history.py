"""What a run did before it was interrupted: the answers that a resumed run takes instead of measuring again.

Not here: going on with the file (:meth:`labctl.store.writer.RunWriter.resume`).
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.errors import StoreError
from labctl.store.checksum import RowChecksum
from labctl.store.columns import Cell, Column
from labctl.store.header import parse_json

__all__ = ["History", "read_history"]


@dataclass(frozen=True, slots=True)
class History:
    """The units of work of a run.

    Attributes
    ----------
    rows : dict of int to list of dict
        The rows of each action, by column label; an action whose intent was followed by others and that gave no row
        has an empty list. Rows without an action are left out.
    in_doubt : tuple of int and dict, or None
        Action and stimulus of the last intent, if no row says what became of it.
    arrays : frozenset of str
        Names of the arrays in the file.
    last_utc : str
        The latest time that the file knows of.
    boot_id : str
        Of the start of the computer in which the last segment ran; empty where it is not known.
    """

    rows: dict[int, list[dict[str, Cell]]]
    in_doubt: tuple[int, dict[str, Cell]] | None
    arrays: frozenset[str]
    last_utc: str
    boot_id: str


def read_history(path: Path, connection: sqlite3.Connection, columns: Sequence[Column]) -> History:
    """Read the history of a run with schema 2; every row is compared with its checksum.

    Parameters
    ----------
    path : Path
        For messages.
    connection : sqlite3.Connection
    columns : sequence of Column

    Returns
    -------
    History

    Raises
    ------
    StoreError
        If a row is damaged or missing: then it is not known what was applied.
    """
    names = [column.name for column in columns]
    rows: dict[int, list[dict[str, Cell]]] = {}
    stimuli: dict[int, Any] = {}
    of_intent = RowChecksum("intent").of
    for seq, action, utc, wall_s, instrument_s, stimulus, crc in connection.execute(
        "SELECT seq, action, utc, wall_s, instrument_s, stimulus, _crc FROM intent ORDER BY seq"
    ):
        if of_intent((seq, action, utc, wall_s, instrument_s, stimulus)) != crc:
            raise StoreError(f"{path}: intent {seq} is damaged: what was applied is not known; see `labctl verify`")
        stimuli[action] = parse_json(path, stimulus)
    answered = set()
    of_point = RowChecksum("point").of
    for expected, row in enumerate(connection.execute("SELECT * FROM point ORDER BY seq"), start=1):
        if row[0] != expected or of_point(row[:-1]) != row[-1]:
            raise StoreError(
                f"{path}: point {expected} is damaged or missing; see `labctl verify` and `labctl recover`"
            )
        action = row[-2]
        if action is not None:
            answered.add(action)
            rows.setdefault(action, []).append(dict(zip(names, row[1:-2], strict=True)))
    last = max(stimuli, default=None)
    in_doubt = None
    if last is not None and last not in answered and not any(action > last for action in answered):
        in_doubt = (last, stimuli.pop(last))
    for action in stimuli:
        rows.setdefault(action, [])
    (last_utc,) = connection.execute(
        "SELECT max(utc) FROM (SELECT utc FROM segment UNION ALL SELECT utc FROM event UNION ALL SELECT utc FROM intent"
        " UNION ALL SELECT utc FROM progress UNION ALL SELECT ended_utc FROM seal)"
    ).fetchone()
    (boot_id,) = connection.execute("SELECT boot_id FROM segment ORDER BY seq DESC").fetchone()
    arrays = frozenset(name for (name,) in connection.execute("SELECT name FROM array"))
    return History(rows, in_doubt, arrays, last_utc, boot_id)
