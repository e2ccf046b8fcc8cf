"""The header of a run file, believed only where it has the form that labctl gives it: the file may come from anywhere.

Not here: the rest of the file (:mod:`labctl.store.reader`).
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labctl.errors import StoreError

__all__ = ["checked_header", "parse_json"]

# it becomes part of the names of files that are exported
_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,119}")
_TEXTS = ("run_id", "procedure", "station", "started_utc")


def parse_json(path: Path, text: object) -> Any:
    """Read JSON out of a run file.

    Parameters
    ----------
    path : Path
        The run file, for messages.
    text : object
        What stands in it.

    Returns
    -------
    dict, list, str, int, float, bool or None

    Raises
    ------
    StoreError
        If it is no JSON.
    """
    if not isinstance(text, str):
        raise StoreError(f"{path}: is damaged: {str(text)[:40]!r} stands where JSON must stand")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: is damaged: {text[:40]!r} stands where JSON must stand: {error}") from error


def checked_header(path: Path, rows: Sequence[tuple[object, object]]) -> dict[str, Any]:
    """Read the header.

    Parameters
    ----------
    path : Path
        The run file, for messages.
    rows : sequence of tuple
        Keys and values of the table ``run``.

    Returns
    -------
    dict

    Raises
    ------
    StoreError
        If something that every run has is missing or of another form.
    """
    header = {str(key): parse_json(path, value) for key, value in rows}
    wrong = [key for key in _TEXTS if not isinstance(header.get(key), str)]
    if wrong or not isinstance(header.get("simulated"), bool) or not _are_columns(header.get("columns")):
        raise StoreError(f"{path}: is damaged: its header does not say which run it is")
    if not _RUN_ID.fullmatch(header["run_id"]):
        raise StoreError(f"{path}: is damaged: a run id is like 20260131-235959-read_array-1a2b")
    return header


def _are_columns(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], str | None)
        for item in value
    )
