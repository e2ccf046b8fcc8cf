"""The worker of a queue: starts one item after another, each as a process of its own, and notes what came of it.

A run does not belong to the worker. When the worker dies the run goes on, and the next worker takes it up by what the
queue says of it: its process and its run file. Not here: the list (:mod:`labctl.run.queue.store`).
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from labctl.errors import StoreError
from labctl.run.guardian.journal import is_guarding
from labctl.run.queue.items import ItemState, QueueItem
from labctl.run.queue.launch import labctl_command, start_detached, take_worker_lock
from labctl.run.queue.spare import SpareRun
from labctl.run.queue.turns import Turn, Turns
from labctl.store.process import ProcessMark, is_alive, mark_of
from labctl.store.reader import Run
from labctl.store.schema import SUFFIX

__all__ = ["run_command", "work"]

log = logging.getLogger(__name__)
T = TypeVar("T")
Command = Callable[[QueueItem, Path, Path], Sequence[str]]

_POLL_S = 0.2
_LOOKS = 5
_IDLE_S = 10.0
# a run that was being started when the worker died: so long it may take to open its instruments
_START_S = 120.0
_ATTEMPTS, _PAUSE_S = 60, 1.0
# a guardian tries for a minute
_GUARDIAN_S = 75.0
_ABORTED = 4
_COMPLAINT = "labctl: "


def run_command(item: QueueItem, root: Path, announce: Path) -> list[str]:
    """Return the command that runs an item once.

    Parameters
    ----------
    item : QueueItem
    root : Path
        The data root.
    announce : Path
        The run writes into it which file it makes.

    Returns
    -------
    list of str
    """
    if item.resume_of is not None:
        what = ["resume", item.resume_of]
    else:
        what = ["run", item.procedure, "-s", item.station]
        what += [word for name, value in item.parameters.items() for word in ("-p", f"{name}={value}")]
    what += [word for hold in item.holds for word in ("--hold", hold)]
    what += [] if item.between is None else ["--between", item.between]
    return labctl_command(*what, "-o", str(root), "--quiet", "--announce", str(announce))


def work(
    root: Path,
    *,
    command: Command = run_command,
    idle_s: float = _IDLE_S,
    start_s: float = _START_S,
    stay_for: ProcessMark | None = None,
) -> bool:
    """Work through the queue of a data root until nothing is left to do for a while.

    Parameters
    ----------
    root : Path
        The data root.
    command : callable
        As :func:`run_command`.
    idle_s : float, unit s
        Ends when the queue was empty or held for so long.
    start_s : float, unit s
        A run that an earlier worker was starting is given up when it is silent for so long.
    stay_for : ProcessMark, optional
        While this process lives the worker does not end, and keeps a process ready for the next run.

    Returns
    -------
    bool
        False where another worker is at it.

    Raises
    ------
    StoreError
        If the queue cannot be read or changed, for a minute.
    """
    with Turns(root) as queue:
        while True:
            lock = _worker_lock(queue.folder)
            if lock is None:
                return False
            try:
                _Worker(queue, command, start_s, stay_for).until_idle(idle_s)
            finally:
                os.close(lock)
            # what was added at the last moment: its owner saw a worker alive and started none
            if not queue.has_work():
                return True


def _worker_lock(folder: Path) -> int | None:
    for _ in range(_LOOKS):
        lock = take_worker_lock(folder)
        if lock is not None:
            break
        # whoever looks whether a worker is alive holds the lock for a moment
        time.sleep(_POLL_S)
    return lock


class _Worker:
    def __init__(self, queue: Turns, command: Command, start_s: float, stay_for: ProcessMark | None) -> None:
        self._queue = queue
        self._command = command
        self._start_s = start_s
        self._stay_for = stay_for
        self._spare = SpareRun(queue.root, sys.stderr.buffer)

    def until_idle(self, idle_s: float) -> None:
        """Do what there is; return when there has been nothing for so long and nobody wants the worker to stay."""
        try:
            self._until_idle(idle_s)
        finally:
            self._spare.close()

    def _until_idle(self, idle_s: float) -> None:
        left_over = _insist(self._queue.running)
        if left_over is not None:
            log.info("%s was running already: it is taken up", left_over.item.name)
            self._follow(left_over, None)
        else:
            self._keep_spare()
        idle_since_s = time.monotonic()
        while time.monotonic() - idle_since_s < idle_s:
            turn = _insist(self._queue.begin)
            if turn is not None:
                self._start(turn)
                idle_since_s = time.monotonic()
                continue
            # only now: while a run measures, nothing else shall load the computer
            if self._keep_spare():
                idle_since_s = time.monotonic()
            time.sleep(_POLL_S)

    def _keep_spare(self) -> bool:
        """Have a process ready if the worker is to stay; tell whether it is."""
        if self._stay_for is None or not is_alive(self._stay_for):
            return False
        try:
            self._spare.keep()
        except OSError as error:
            log.warning("no process can be kept ready: %s", error)
        return True

    def _start(self, turn: Turn) -> None:
        item = turn.item
        announce, said = self._files(turn)
        # of a queue that was moved away and begun anew
        announce.unlink(missing_ok=True)
        log.info("%s is started, %d of %d", item.name, item.done + 1, item.repeat)
        command = self._command(item, self._queue.root, announce)
        try:
            with said.open("wb") as errors:
                ready = self._spare.order(command, item.folder, said)
                child = ready or start_detached(command, item.folder, errors)
        except OSError as error:
            self._end(turn, "failed", f"the run could not be started in {item.folder}: {error}")
            return
        _insist(lambda: self._queue.note_child(turn, mark_of(child.pid)))
        self._follow(turn, child)

    def _follow(self, turn: Turn, child: "subprocess.Popen[bytes] | None") -> None:
        """Wait for the end of a run, and note it."""
        announce, said = self._files(turn)
        path = turn.path
        ended: dict[str, Any] | None = None
        while True:
            # aliveness first: what a process announced at its end is found
            is_over = child.poll() is not None if child is not None else self._is_gone(turn)
            if path is None and announce.exists():
                path = self._note_run(turn, announce)
            if is_over and (path is None or (ended := self._ended(path)) is not None):
                break
            time.sleep(_POLL_S)
        if path is None or ended is None:
            told = _last_words(said)
            code = None if child is None else child.returncode
            self._end(turn, "aborted" if code == _ABORTED else "failed", told or _SILENT)
        else:
            if ended["status"] != ItemState.FINISHED:
                _wait_for_guardian(path)
            self._end(turn, **ended)
        announce.unlink(missing_ok=True)
        said.unlink(missing_ok=True)

    def _is_gone(self, turn: Turn) -> bool:
        if turn.child is not None:
            return not is_alive(turn.child)
        # the worker died between starting it and noting its process
        return (datetime.now(UTC) - turn.started_utc).total_seconds() > self._start_s

    def _note_run(self, turn: Turn, announce: Path) -> Path:
        told = json.loads(announce.read_text(encoding="utf-8"))
        path = Path(told["path"])
        try:
            simulated = bool(Run(self._file(path)).header["simulated"])
        except StoreError:
            simulated = None
        _insist(lambda: self._queue.note_run(turn, told["run_id"], path, simulated=simulated))
        log.info("%s is run %s", turn.item.name, told["run_id"])
        return path

    def _ended(self, path: Path) -> dict[str, Any] | None:
        """Return how a run ended by its file; None while a process writes it."""
        there = self._file(path)
        try:
            summary = Run(there).summary()
        except StoreError as error:
            return {"status": "failed", "error": str(error)}
        if summary["status"] == "running":
            return None
        names = ("status", "error", "wall_time_s")
        return {"path": there, **{name: summary[name] for name in names}}

    def _file(self, path: Path) -> Path:
        # a run of a data root that is not local is copied there from where it grew
        return path if path.exists() else self._queue.root / path.name

    def _end(self, turn: Turn, status: str, error: str | None, **facts: Any) -> None:
        _insist(lambda: self._queue.end(turn, status, error, **facts))
        log.info("%s: %s", turn.item.name, status if status == ItemState.FINISHED else f"{status}: {error}")

    def _files(self, turn: Turn) -> tuple[Path, Path]:
        """Return where its run announces itself and where it complains."""
        name = self._queue.folder / f"queue-{turn.number}"
        return name.with_suffix(".announced"), name.with_suffix(".errors")


_SILENT = "the run ended without a word before its file was made; see `labctl runs` for whether there is one"


def _last_words(said: Path) -> str:
    """Return the sentence that a command complained with, or its last line."""
    try:
        lines = said.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    spoken = [line.strip() for line in lines if line.strip()]
    complaints = [line for line in spoken if line.startswith(_COMPLAINT)]
    return (complaints or spoken or [""])[-1].removeprefix(_COMPLAINT)


def _wait_for_guardian(path: Path) -> None:
    """Let the guardian of a run switch off first: until then the next run would be refused its instruments."""
    log_path = path.with_name(f"{path.name.removesuffix(SUFFIX)}.guardian.log")
    end_s = time.monotonic() + _GUARDIAN_S
    while is_guarding(log_path) and time.monotonic() < end_s:
        time.sleep(_POLL_S)


def _insist(action: Callable[[], T]) -> T:
    """Do something with the queue though its disk may be full, or somebody may hold it, for a while."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return action()
        except StoreError as error:
            log.warning("%s; it is tried again", error)
            time.sleep(_PAUSE_S)
    return action()
