"""Entries as rows of the catalogue, and a filter as its question. Not here: :mod:`labctl.store.catalogue`, the file."""

import os
from dataclasses import fields

from labctl.store.run_entry import RunEntry, RunFilter

__all__ = ["COLUMNS", "SqlValue", "entry_of", "question_of", "row_of", "searched_text"]

SqlValue = str | bytes | int | float | None

COLUMNS = tuple(item.name for item in fields(RunEntry))
_EXACT = ("procedure", "station", "sample", "status", "seed", "simulated")
_FILE, _SIMULATED, _TAGS = (COLUMNS.index(name) for name in ("file", "simulated", "tags"))


def row_of(entry: RunEntry) -> list[SqlValue]:
    """Return an entry as a row.

    Parameters
    ----------
    entry : RunEntry

    Returns
    -------
    list of str, bytes, int, float or None
        One per name in ``COLUMNS``.
    """
    row: list[SqlValue] = []
    for name in COLUMNS:
        value = getattr(entry, name)
        if name == "file":
            # it need not be UTF-8
            row.append(os.fsencode(value))
        elif isinstance(value, tuple):
            row.append(_plain_text(f" {' '.join(value)} "))
        else:
            row.append(_plain_text(value) if isinstance(value, str) else value)
    return row


def entry_of(row: tuple[SqlValue, ...]) -> RunEntry:
    """Return a row as an entry.

    Parameters
    ----------
    row : tuple
        As :func:`row_of` made it.

    Returns
    -------
    RunEntry
    """
    values: list[object] = list(row)
    values[_FILE] = os.fsdecode(row[_FILE])  # type: ignore[arg-type]
    values[_SIMULATED] = None if row[_SIMULATED] is None else bool(row[_SIMULATED])
    values[_TAGS] = tuple(str(row[_TAGS]).split())
    return RunEntry(*values)  # type: ignore[arg-type]


def searched_text(entry: RunEntry) -> str:
    """Return what a text filter looks into.

    Parameters
    ----------
    entry : RunEntry

    Returns
    -------
    str
        Without capitals.
    """
    parts = (entry.run_id, entry.procedure, entry.sample, entry.note, *entry.tags)
    return _plain_text("\n".join(parts)).casefold()


def question_of(wanted: RunFilter) -> tuple[str, list[SqlValue]]:
    """Return a filter as the end of a SELECT.

    Parameters
    ----------
    wanted : RunFilter

    Returns
    -------
    tuple of str and list
        Condition and order, newest first; and its values.
    """
    conditions: list[str] = []
    values: list[SqlValue] = []
    for name in _EXACT:
        value = getattr(wanted, name)
        if value is not None and value != "":
            conditions.append(f"{name} = ?")
            values.append(value)
    for word in wanted.text.casefold().split():
        conditions.append("instr(searched, ?) > 0")
        values.append(_plain_text(word))
    for tag in wanted.tags:
        conditions.append("instr(tags, ?) > 0")
        values.append(_plain_text(f" {tag} "))
    for moment, sign in ((wanted.since_utc, ">="), (wanted.until_utc, "<")):
        if moment:
            conditions.append(f"started_utc {sign} ?")
            values.append(moment)
    if wanted.until_utc:
        conditions.append("started_utc <> ''")
    if wanted.cell is not None:
        conditions.append(
            "id IN (SELECT entry FROM visited WHERE ? BETWEEN row_first AND row_last"
            " AND ? BETWEEN column_first AND column_last)"
        )
        values += wanted.cell
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"{where} ORDER BY started_utc DESC, name DESC", values


def _plain_text(text: str) -> str:
    # half of a surrogate pair has no UTF-8
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
