"""One program, one instrument: a lock file per VISA resource that the operating system frees when its holder dies.

The locks lie in ``<LABCTL_HOME>/locks``: programs with another ``LABCTL_HOME``, on another computer or of another maker
do not see them. A guardian holds the locks of its run as well, so that nobody measures while it still switches off; on
Windows it cannot, and a run that begins within that minute may be switched off. Not here: what is locked
(:mod:`labctl.station.opening`); the die of a simulated rack, which has a lock of its own.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from pyvisa.rname import to_canonical_name

from labctl.errors import StationError
from labctl.file_lock import lock_file
from labctl.home import labctl_home

__all__ = ["Ownership"]


class Ownership:
    """Exclusive hold on VISA resources, taken at construction, all or none.

    Parameters
    ----------
    resources : iterable of str
        VISA resource names, in any spelling; the same one twice is taken once.

    Raises
    ------
    StationError
        If another program, or this one, holds one of them: its process id, program and since when are named.

    Attributes
    ----------
    descriptors : tuple of int
        Of the lock files.
    """

    def __init__(self, resources: Iterable[str]) -> None:
        names = sorted({_canonical(resource) for resource in resources})
        with ExitStack() as stack:
            descriptors = []
            for name in names:
                descriptors.append(_take(name))
                stack.callback(os.close, descriptors[-1])
            self.descriptors = tuple(descriptors)
            self._held = stack.pop_all()

    def release(self) -> None:
        """Let the next opener in; may be called twice."""
        # closing the only descriptor ends the lock on either system; the file stays, as removing it would race
        self.descriptors = ()
        self._held.close()


def _canonical(resource: str) -> str:
    """Return one spelling for all spellings of a resource."""
    try:
        return to_canonical_name(resource).upper()
    except ValueError:
        return resource.strip().upper()


def _take(name: str) -> int:
    """Lock the file of a resource; return its descriptor."""
    readable = re.sub(r"[^A-Z0-9.]+", "_", name)[:80]
    path = labctl_home() / "locks" / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:12]}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StationError(
            f"{path}: the lock of {name} cannot be made: {error.strerror}; check the folder or set LABCTL_HOME"
        ) from error
    try:
        lock_file(descriptor)
    except OSError as error:
        holder = _holder(descriptor)
        os.close(descriptor)
        raise StationError(
            f"{name} is in use by {holder}; close that station first, or wait; nothing was sent"
        ) from error
    now = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps({"pid": os.getpid(), "program": Path(sys.argv[0] or sys.executable).name, "since": now})
    os.ftruncate(descriptor, 0)
    os.write(descriptor, text.encode("utf-8"))
    return descriptor


def _holder(descriptor: int) -> str:
    """Say who wrote the lock file."""
    try:
        told = json.loads(os.read(descriptor, 1000).decode("utf-8"))
        pid, known = int(told["pid"]), f"({told['program']}) since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another program, which has not written its name yet"
    if pid == os.getpid():
        return f"this process {known}, or by its guardian, which goes on for a minute when a run is not verified off"
    if _is_gone(pid):
        return f"the guardian of process {pid} {known}, which is gone: it switches off what was left on, for a minute"
    return f"process {pid} {known}"


if sys.platform == "win32":

    def _is_gone(pid: int) -> bool:
        return False  # there a lock ends with its process

else:

    def _is_gone(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False
