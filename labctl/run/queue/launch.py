"""Processes that outlive the window and the terminal they were started from; one worker per data root.

Not here: what the worker does (:mod:`labctl.run.queue.worker`).
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from labctl.errors import StoreError
from labctl.file_lock import lock_file
from labctl.run.queue.schema import queue_folder

__all__ = ["LOG_NAME", "ensure_worker", "is_worker_alive", "labctl_command", "start_detached", "take_worker_lock"]

LOG_NAME = "queue.log"
_LOCK_NAME = "queue.lock"
_MOST_LOG_BYTES = 1024 * 1024
# so long it may take until it has its lock; a worker leaves later than that
_LOADING_S = 5.0
_BEGUN: "dict[Path, tuple[subprocess.Popen[bytes], float]]" = {}


def ensure_worker(root: Path, *, stay: bool = False) -> None:
    """Start a worker for the queue of a data root unless one is alive; return at once.

    Parameters
    ----------
    root : Path
        The data root.
    stay : bool
        A worker that is started does not leave, and keeps a process ready for the next run, while the calling process
        lives.

    Raises
    ------
    StoreError
        If its folder cannot be used.
    OSError
        If no process can be started.
    """
    folder = queue_folder(root)
    begun = _BEGUN.get(folder)
    is_loading = begun is not None and begun[0].poll() is None and time.monotonic() - begun[1] < _LOADING_S
    if is_loading or is_worker_alive(folder):
        return
    log = folder / LOG_NAME
    with suppress(OSError):
        if log.stat().st_size > _MOST_LOG_BYTES:
            log.replace(log.with_name(f"{LOG_NAME}.1"))
    command = labctl_command("queue", "work", "-o", str(root.absolute()))
    with log.open("ab") as said:
        worker = start_detached([*command, "--stay-for", str(os.getpid())] if stay else command, root.absolute(), said)
    _BEGUN[folder] = (worker, time.monotonic())
    # somebody must wait for a child that ends
    threading.Thread(target=worker.wait, name="end of the queue's worker", daemon=True).start()


def is_worker_alive(folder: Path) -> bool:
    """Tell whether somebody works through a queue.

    Parameters
    ----------
    folder : Path
        Where the queue lies.

    Returns
    -------
    bool

    Raises
    ------
    StoreError
        If the folder cannot be used.
    """
    lock = take_worker_lock(folder)
    if lock is None:
        return True
    os.close(lock)
    return False


def take_worker_lock(folder: Path) -> int | None:
    """Become the one worker of a queue.

    Parameters
    ----------
    folder : Path
        Where the queue lies.

    Returns
    -------
    int or None
        A descriptor; closing it, or the end of the process, lets the next worker in. None: there is a worker.

    Raises
    ------
    StoreError
        If the lock file cannot be made.
    """
    path = folder / _LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(f"{path}: the queue's lock cannot be made: {error.strerror}; check the folder") from error
    try:
        lock_file(descriptor)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def labctl_command(*arguments: str) -> list[str]:
    """Return the command line of a ``labctl`` command.

    Parameters
    ----------
    *arguments : str

    Returns
    -------
    list of str
    """
    # -P: a file json.py in the present folder must not become part of it
    return [sys.executable, "-P", "-m", "labctl", *arguments]


def start_detached(
    command: Sequence[str],
    folder: Path,
    said: IO[bytes],
    *,
    stdin: int = subprocess.DEVNULL,
    printed: IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a process that the end of this one, of its window and of its terminal does not touch.

    Parameters
    ----------
    command : sequence of str
    folder : Path
        Its working folder.
    said : file
        Takes its standard error.
    stdin : int
        As :class:`subprocess.Popen` has it.
    printed : file, optional
        Takes its standard output.

    Returns
    -------
    subprocess.Popen

    Raises
    ------
    OSError
        If it cannot be started.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(  # noqa: S603 - our own command, without a shell
        list(command),
        cwd=folder,
        stdin=stdin,
        stdout=subprocess.DEVNULL if printed is None else printed,
        stderr=said,
        env=environment,
        **_apart(),
    )


if sys.platform == "win32":

    def _apart() -> dict[str, Any]:
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}

else:

    def _apart() -> dict[str, Any]:
        return {"start_new_session": True}
