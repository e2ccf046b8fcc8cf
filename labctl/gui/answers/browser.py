"""What the run browser asks: bring the catalogue up to date, curves, parameters, notes, trash.

Not here: the catalogue (:mod:`labctl.store.catalogue`), the panel (:mod:`labctl.gui.browser`).
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.errors import LabError, StoreError
from labctl.gui.plots.choice import POINT, first_choices
from labctl.gui.plots.decimated import Decimated
from labctl.store import Run
from labctl.store.catalogue import Catalogue
from labctl.store.columns import Column
from labctl.store.connection import connect_to_read, unreadable
from labctl.store.fetch import read_columns
from labctl.store.notes import Notes, read_notes, write_notes
from labctl.store.trash import restore_run, trash_run, trashed_runs

__all__ = ["ANSWERS"]

_EVENT = "Event"
_WORDS = frozenset({_EVENT, "Flags", "Raw"})


def refresh(root: str, within_s: float) -> dict[str, Any]:
    """Answer with how far the catalogue is after this much time of reading.

    Parameters
    ----------
    root : str
        Data root.
    within_s : float, unit s

    Returns
    -------
    dict
        ``left`` and ``total`` run files; ``born`` and ``revision`` of the catalogue, its ``path`` and whether it
        ``is_kept`` there.
    """
    with Catalogue(Path(root)) as catalogue:
        left = catalogue.refresh(within_s=within_s)
        mark = catalogue.mark()
        return {
            "left": left,
            "total": catalogue.total,
            "born": mark.born,
            "revision": mark.revision,
            "path": str(catalogue.path),
            "is_kept": catalogue.is_kept,
        }


def axes(path: str) -> dict[str, Any]:
    """Answer with what of a run can be drawn, and what is drawn at first.

    Parameters
    ----------
    path : str

    Returns
    -------
    dict
        ``columns``: labels; ``events``: kinds of rows; ``x``, ``y``, ``event``: the first choice.
    """
    run = Run(Path(path))
    labels = [column.name for column in run.columns if column.name not in _WORDS]
    first = next((choice for choice in first_choices(run.header["procedure"], run.columns) if choice.ys), None)
    events: list[str] = []
    if any(column.name == _EVENT for column in run.columns):
        with closing(connect_to_read(run.path)) as connection:
            found = connection.execute('SELECT DISTINCT point."Event" FROM point').fetchall()
        events = sorted(str(event) for (event,) in found if event)
    x = first.x if first is not None and first.x in {POINT, *labels} else POINT
    return {
        "columns": [POINT, *labels],
        "events": events,
        "x": x,
        "y": first.ys[0] if first is not None else (labels or [POINT])[-1],
        "event": first.event if first is not None and first.event in events else "",
    }


def curve(path: str, x: str, y: str, event: str, most: int) -> dict[str, Any]:
    """Answer with one curve of a run, with so few points that they can be drawn at once.

    Parameters
    ----------
    path : str
    x, y : str
        Labels of columns, or "Point" for the number of the point.
    event : str
        Only rows of this ``Event``; empty: all.
    most : int
        About as many points; the lowest and highest of those left out are kept.

    Returns
    -------
    dict
        ``x``, ``y``: lists, units as the labels say; ``points``: how many there were.

    Raises
    ------
    StoreError
        If the run has no such column.
    """
    run = Run(Path(path))
    known = {column.name: column for column in run.columns}
    missing = [label for label in (x, y) if label != POINT and label not in known]
    if missing:
        raise StoreError(f"run {run.run_id} has no column {' and no '.join(map(repr, missing))}")
    wanted = list(dict.fromkeys(label for label in (x, y, *([_EVENT] if event else [])) if label in known))
    seqs, cells = _columns(run.path, [known[label] for label in wanted])
    by_label = {POINT: np.asarray(seqs, dtype=np.float64), **dict(zip(wanted, cells, strict=True))}
    kept = by_label[_EVENT] == event if event else np.ones(len(seqs), dtype=bool)
    drawn = Decimated(max(most // 8 * 2, 2))
    drawn.append(_numbers(by_label[x])[kept], _numbers(by_label[y])[kept], np.asarray(seqs)[kept])
    shown = drawn.shown(most)
    return {"x": shown.x.tolist(), "y": shown.y.tolist(), "points": drawn.count}


def parameters(path: str) -> dict[str, Any]:
    """Answer with what is needed to do a run again.

    Parameters
    ----------
    path : str

    Returns
    -------
    dict
        ``procedure``, ``station`` (its name, or its file if the name is not known here), ``values``.
    """
    from labctl.station import read_station_file

    run = Run(Path(path))
    station = str(run.header["station"])
    try:
        read_station_file(station)
    except LabError:
        file = run.header.get("station_file")
        station = file if isinstance(file, str) else station
    values = {name: str(text) for name, text in run.parameter_texts.items() if text is not None}
    return {"procedure": run.header["procedure"], "station": station, "values": values}


def note(path: str, text: str, tags: list[str]) -> None:
    """Replace the note and the tags of a run.

    Parameters
    ----------
    path : str
    text : str
    tags : list of str
    """
    write_notes(Path(path), Notes(text, tuple(tags)))


def tag(paths: list[str], tags: list[str]) -> None:
    """Add tags to runs.

    Parameters
    ----------
    paths, tags : list of str
    """
    for path in map(Path, paths):
        known = read_notes(path)
        write_notes(path, Notes(known.text, (*known.tags, *tags)))


def trash(paths: list[str]) -> dict[str, list[str]]:
    """Move runs to the trash.

    Parameters
    ----------
    paths : list of str

    Returns
    -------
    dict
        ``moved``: where they are now; ``refused``: a sentence for each that stayed.
    """
    return _each(trash_run, paths)


def trashed(root: str) -> dict[str, str]:
    """Answer with what is in the trash.

    Parameters
    ----------
    root : str
        Data root.

    Returns
    -------
    dict of str to str
        Paths by id, newest first.
    """
    return {run_id: str(path) for run_id, path in trashed_runs(Path(root)).items()}


def restore(paths: list[str]) -> dict[str, list[str]]:
    """Bring runs back from the trash.

    Parameters
    ----------
    paths : list of str

    Returns
    -------
    dict
        As :func:`trash` answers.
    """
    return _each(restore_run, paths)


def _each(move: Any, paths: list[str]) -> dict[str, list[str]]:
    moved, refused = [], []
    for path in paths:
        try:
            moved.append(str(move(Path(path))))
        except LabError as error:
            refused.append(str(error))
    return {"moved": moved, "refused": refused}


def _columns(path: Path, columns: list[Column]) -> tuple[Any, list[NDArray[np.generic]]]:
    try:
        with closing(connect_to_read(path)) as connection:
            connection.execute("BEGIN")
            return read_columns(connection, columns)
    except (sqlite3.Error, ValueError, OverflowError) as error:
        raise unreadable(path, error) from error


def _numbers(cells: NDArray[Any]) -> NDArray[np.float64]:
    """Return the numbers of a column; what is none has no value."""
    if cells.dtype != object:
        return cells.astype(np.float64)
    return np.array([cell if isinstance(cell, int | float) else np.nan for cell in cells], dtype=np.float64)


ANSWERS = {
    "refresh": refresh,
    "axes": axes,
    "curve": curve,
    "parameters": parameters,
    "note": note,
    "tag": tag,
    "trash": trash,
    "trashed": trashed,
    "restore": restore,
}
