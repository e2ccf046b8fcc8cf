"""Run files of data roots that are not local: they grow in a local spool and are copied after they were sealed.

Not here: which folders are local (:mod:`labctl.store.local`), finding runs (:mod:`labctl.store.runs`).
"""

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from labctl.errors import StoreError
from labctl.home import labctl_home
from labctl.store.connection import log_of
from labctl.store.local import why_not_local

__all__ = ["deliver", "fetch", "lay_out", "root_of", "spool_of", "working_folder"]

_CHUNK_BYTES = 1024 * 1024
_ROOT_FILE = "data-root.txt"


def spool_of(root: Path) -> Path:
    """Return the spool folder of a data root; it need not exist.

    Parameters
    ----------
    root : Path

    Returns
    -------
    Path
        Below ``spool`` in the per-user folder; different for each data root.
    """
    return labctl_home() / "spool" / hashlib.sha256(os.path.realpath(root).encode()).hexdigest()[:16]


def working_folder(root: Path) -> tuple[Path, str | None]:
    """Choose where the run file of a data root grows.

    Parameters
    ----------
    root : Path

    Returns
    -------
    tuple of Path and str or None
        The data root itself, or its spool folder and why.

    Raises
    ------
    StoreError
        If neither is local.
    """
    why = why_not_local(root.absolute())
    if why is None:
        return root, None
    spool = spool_of(root)
    home_why = why_not_local(spool)
    if home_why is not None:
        raise StoreError(
            f"{root}: the data root is {why}, and {spool}, where runs would be kept until they end, is {home_why};"
            " a run file must grow on a local disk: set LABCTL_HOME to a folder on one"
        )
    return spool, why


def lay_out(folder: Path, root: Path) -> None:
    """Make the folder where runs grow; a spool says which data root it belongs to.

    Parameters
    ----------
    folder : Path
        As :func:`working_folder` gives it.
    root : Path
        The data root.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if folder != root:
        (folder / _ROOT_FILE).write_text(os.path.realpath(root), encoding="utf-8")


def root_of(path: Path) -> Path:
    """Return the data root of a run file, which may lie in the spool.

    Parameters
    ----------
    path : Path
        The run file.

    Returns
    -------
    Path
    """
    note = path.parent / _ROOT_FILE
    if path.parent.parent == labctl_home() / "spool" and note.is_file():
        return Path(note.read_text(encoding="utf-8"))
    return path.parent


def deliver(path: Path, root: Path) -> Path:
    """Copy a sealed run file to its data root, compare the copy, and remove the original.

    Parameters
    ----------
    path : Path
        In the spool.
    root : Path
        The data root.

    Returns
    -------
    Path
        The copy.

    Raises
    ------
    StoreError
        If it cannot be copied, or the copy differs; the original stays.
    """
    target = root / path.name
    try:
        root.mkdir(parents=True, exist_ok=True)
        _copy(path, target)
        path.unlink()
    except OSError as error:
        raise StoreError(
            f"{path}: is sealed and whole, but cannot be copied to {root}: {error}; copy it by hand"
        ) from error
    return target


def fetch(path: Path) -> Path:
    """Bring a run file that is to grow again to a local disk.

    Parameters
    ----------
    path : Path
        A run file in its data root or in the spool.

    Returns
    -------
    Path
        The same, or a copy in the spool of its folder.

    Raises
    ------
    StoreError
        If it cannot be copied, or another copy has grown in the spool since.
    """
    root = root_of(path)
    folder, why = working_folder(root)
    if why is None or path.parent == folder:
        return path
    target = folder / path.name
    if target.exists():
        raise StoreError(f"{path}: this run went on in {target}, which was not copied back; resume that file instead")
    try:
        lay_out(folder, root)
        if log_of(path).exists():
            _copy(log_of(path), log_of(target))
        _copy(path, target)
    except OSError as error:
        raise StoreError(f"{path}: cannot be copied to {folder}: {error}; make room there") from error
    return target


def _copy(source: Path, target: Path) -> None:
    """Copy a file; it has its name only when it is whole on the disk."""
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with source.open("rb") as there, part.open("xb") as here:
            shutil.copyfileobj(there, here, _CHUNK_BYTES)
            here.flush()
            os.fsync(here.fileno())
        if _digest(part) != _digest(source):
            raise OSError(f"the copy {part.name} differs from {source}")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
