"""Which run files a data root holds, and what tells that one has changed. Nothing is opened here."""

import os
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.connection import LOG_SUFFIX
from labctl.store.notes import NOTES_SUFFIX
from labctl.store.schema import SUFFIX
from labctl.store.spool import spool_of

__all__ = ["Found", "scan"]


@dataclass(frozen=True, slots=True)
class Found:
    """A run file.

    Attributes
    ----------
    folder : Path
    name : str
    signature : str
        Another one when the file, its log or its notes have changed.
    """

    folder: Path
    name: str
    signature: str

    @property
    def path(self) -> Path:
        """Its path."""
        return self.folder / self.name


def scan(root: Path) -> dict[str, Found]:
    """List the run files of a data root and of its spool.

    Parameters
    ----------
    root : Path
        It need not exist.

    Returns
    -------
    dict of str to Found
        By name; a run that is in both grows in the spool.

    Raises
    ------
    StoreError
        If a folder cannot be listed.
    """
    found: dict[str, Found] = {}
    at_root: dict[str, os.DirEntry[str]] = {}
    for folder in (root, spool_of(root)):
        try:
            with os.scandir(folder) as listed:
                here = {item.name: item for item in listed}
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError(f"{folder}: the data root cannot be listed: {error}; choose another with -o") from error
        at_root = at_root or here
        place = "root" if folder == root else "spool"
        for name in here:
            if name.endswith(SUFFIX):
                # the notes of a run in the spool lie in the data root
                notes = at_root.get(name.removesuffix(SUFFIX) + NOTES_SUFFIX)
                marks = (_mark(here[name]), _mark(here.get(name + LOG_SUFFIX)), _mark(notes))
                found[name] = Found(folder, name, " ".join((place, *marks)))
    return found


def _mark(item: "os.DirEntry[str] | None") -> str:
    """Return size and time of change; nothing for an empty log, which a reader makes."""
    try:
        facts = None if item is None else item.stat()
    except OSError:
        facts = None
    return "-" if facts is None or facts.st_size == 0 else f"{facts.st_size}/{facts.st_mtime_ns}"
