"""One process, one die: a lock file that the operating system releases when its holder dies.

Not here: what is locked (:mod:`labctl_mock.bench.bench`).
"""

import os
from pathlib import Path

from labctl.errors import StationError
from labctl.file_lock import lock_file

__all__ = ["DieLock"]


class DieLock:
    """Exclusive hold on the folder of a die, taken at construction.

    Parameters
    ----------
    folder : Path
        Folder of the die; made if it is not there.

    Raises
    ------
    StationError
        If another opener, in this or another process, holds it; its process id is in the message.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StationError(f"{path}: the die's lock cannot be made: {error.strerror}; check the folder") from error
        try:
            lock_file(self._descriptor)
        except OSError as error:
            holder = os.read(self._descriptor, 64).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            whose = "this process" if holder == str(os.getpid()) else "another process"
            raise StationError(
                f"{folder}: the die is in use by {whose} (process id {holder}); close that bench first,"
                " or set LABCTL_HOME to another folder for a die of your own"
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode("ascii"))

    def release(self) -> None:
        """Let the next opener in; may be called twice."""
        if self._descriptor >= 0:
            # closing the only descriptor ends the lock on either system; the file stays, as removing it would race
            os.close(self._descriptor)
            self._descriptor = -1
