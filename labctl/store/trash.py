"""The trash of a data root: runs that were deleted and can be brought back.

A run file and all that lies beside it under its name move into the folder ``.trash``. Nothing here removes anything for
good: who needs the room empties that folder by hand.
"""

import os
from pathlib import Path

from labctl.errors import RunError, StoreError
from labctl.store.connection import log_of
from labctl.store.notes import notes_of
from labctl.store.run_entry import NEWER, read_entry
from labctl.store.runs import data_root
from labctl.store.schema import SUFFIX
from labctl.store.spool import spool_of

__all__ = ["TRASH", "restore_run", "trash_run", "trashed_runs"]

TRASH = ".trash"


def trash_run(path: Path) -> Path:
    """Move a run to the trash of the folder that it lies in, with its log and notes.

    Parameters
    ----------
    path : Path
        Its file, which may be damaged.

    Returns
    -------
    Path
        Where it is now.

    Raises
    ------
    RunError
        If it is running.
    StoreError
        If there is no such file, or it cannot be moved.
    """
    path = path.absolute()
    if not os.path.isfile(path) or not path.name.endswith(SUFFIX):
        raise StoreError(f"{path}: there is no such run file")
    entry, _ = read_entry(path, 0)
    if entry.status == "running":
        raise RunError(f"run {entry.run_id} is running: it cannot go to the trash; abort it or wait for its end")
    if entry.status == NEWER and log_of(path).exists():
        raise RunError(
            f"run {entry.run_id} is of a newer labctl and has a log: it may be running; move it with that labctl"
        )
    target = path.parent / TRASH / path.name
    if target.exists():
        raise StoreError(f"{target}: the trash holds a run of this name; restore it or remove it there first")
    try:
        target.parent.mkdir(exist_ok=True)
        # the file first: no run file ever lies in the data root without its log
        os.replace(path, target)
        for item in _companions(path):
            os.replace(item, target.with_name(item.name))
    except OSError as error:
        raise StoreError(f"{path}: cannot be moved to {target.parent}: {error}; close what has it open") from error
    return target


def restore_run(path: Path) -> Path:
    """Bring a run back from the trash.

    Parameters
    ----------
    path : Path
        Its file in the trash, as :func:`trash_run` gave it.

    Returns
    -------
    Path
        Where it is now.

    Raises
    ------
    StoreError
        If it is not there, a run of its name is in the data root, or it cannot be moved.
    """
    path = path.absolute()
    if path.parent.name != TRASH or not path.is_file():
        raise StoreError(f"{path}: there is no such run in the trash")
    target = path.parent.parent / path.name
    if target.exists():
        raise StoreError(f"{target}: exists; a run is not written over: move that one away first")
    try:
        for item in _companions(path):
            os.replace(item, target.with_name(item.name))
        os.replace(path, target)
    except OSError as error:
        raise StoreError(f"{path}: cannot be moved back to {target.parent}: {error}") from error
    return target


def trashed_runs(root: Path | None = None) -> dict[str, Path]:
    """List the trash of a data root.

    Parameters
    ----------
    root : Path, optional
        As :func:`labctl.store.data_root` takes it.

    Returns
    -------
    dict of str to Path
        Files in the trash by the id in their name, newest first.
    """
    folder = data_root(root)
    found = {
        file.name.removesuffix(SUFFIX): file
        for place in (folder, spool_of(folder))
        for file in (place / TRASH).glob(f"*{SUFFIX}")
    }
    return {name: found[name] for name in sorted(found, reverse=True)}


def _companions(path: Path) -> list[Path]:
    """Return the files beside a run file that belong to it alone: log, notes, what a process left."""
    stem = path.name.removesuffix(SUFFIX)
    beside = {notes_of(path).name} | {f"{stem}{end}" for end in (".asks.jsonl", ".state.json")}
    beside |= {f"{path.name}{end}" for end in ("-wal", "-shm", "-ballast")}
    return [item for name in sorted(beside) if (item := path.with_name(name)).is_file()]
