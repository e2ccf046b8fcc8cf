"""Noticing a second window on one data root. Both may work: this lock keeps nobody out.

Not here: the locks of instruments (:mod:`labctl.station.ownership`).
"""

import hashlib
import os
from pathlib import Path

from qtpy.QtCore import QLockFile

from labctl.home import labctl_home

__all__ = ["WindowLock"]


class WindowLock:
    """Held by the first window on a data root, as long as it lives.

    Parameters
    ----------
    root : Path
        Data root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        name = hashlib.sha256(os.path.realpath(root).encode()).hexdigest()[:16]
        self._path = labctl_home() / "windows" / f"{name}.lock"
        self._lock: QLockFile | None = None

    def take(self) -> str:
        """Take the lock if it is free.

        Returns
        -------
        str
            A sentence about the other window; empty: there is none.

        Raises
        ------
        OSError
            If the per-user folder cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = QLockFile(str(self._path))
        # only a process that is gone loses it, never an old one
        lock.setStaleLockTime(0)
        if lock.tryLock(0):
            self._lock = lock
            return ""
        owner = lock.getLockInfo()
        number = next((part for part in owner if isinstance(part, int) and part > 1), None)
        who = f" (process {number})" if number is not None else ""
        return (
            f"another window{who} is open on {self._root}: both show the same runs and the same queue, and what one"
            " changes the other shows a second later"
        )

    def release(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None
