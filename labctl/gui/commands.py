"""``labctl`` commands that the window starts: processes of their own, which its end leaves alone.

What switches outputs off, or fits for minutes, must not be cut off by a window that goes. Not here: runs (the queue),
questions that only the window has (:mod:`labctl.gui.backstage`).
"""

import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from qtpy.QtCore import QObject, QTimer

from labctl.gui.slots import guarded_slot
from labctl.run.queue.launch import labctl_command, start_detached

__all__ = ["Commands", "Finished"]

_LOOK_MS = 50


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended.

    Attributes
    ----------
    code : int
        0 finished, 2 wrong arguments or configuration, 3 failed, 4 aborted; negative: it was killed, or could not be
        started.
    out, error : str
        What it printed.
    """

    code: int
    out: str
    error: str


@dataclass(frozen=True, slots=True)
class _Command:
    process: "subprocess.Popen[bytes]"
    out: IO[bytes]
    error: IO[bytes]
    done: Callable[[Finished], None]
    what: str


class Commands(QObject):
    """The commands that are under way.

    Parameters
    ----------
    parent : QObject, optional
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._under_way: list[_Command] = []
        self._looking = QTimer(self)
        self._looking.setInterval(_LOOK_MS)
        self._looking.timeout.connect(self._look)

    @property
    def wanted(self) -> list[str]:
        """What is under way of which the user wants to know the outcome."""
        return [command.what for command in self._under_way if command.what]

    def start(self, arguments: Sequence[str], done: Callable[[Finished], None], what: str = "") -> None:
        """Start a command.

        Parameters
        ----------
        arguments : sequence of str
            Such as ``["report", run_id, "-o", folder]``.
        done : callable
            Takes what came of it, in this thread; not called once the window is closed.
        what : str
            What people call it, such as "the report of run 7": the window asks before it closes meanwhile.
        """
        with ExitStack() as files:
            # not pipes: a command that prints into one that nobody reads any more would end of it
            out = files.enter_context(tempfile.TemporaryFile())
            error = files.enter_context(tempfile.TemporaryFile())
            try:
                process = start_detached(labctl_command(*arguments), Path.cwd(), error, printed=out)
            except OSError as why:
                told = f"labctl {arguments[0]} cannot be started: {why}; check the memory and the installation"
                QTimer.singleShot(0, lambda: done(Finished(-1, "", told)))
                return
            files.pop_all()
        self._under_way.append(_Command(process, out, error, done, what))
        self._looking.start()

    def close(self) -> None:
        """Leave the commands to themselves; nobody is told of their ends any more."""
        self._looking.stop()
        left, self._under_way = self._under_way, []
        for command in left:
            command.out.close()
            command.error.close()
            # somebody must wait for a child that ends
            threading.Thread(target=command.process.wait, name="end of a command", daemon=True).start()

    @guarded_slot
    def _look(self) -> None:
        ended = [command for command in self._under_way if command.process.poll() is not None]
        self._under_way = [command for command in self._under_way if command not in ended]
        if not self._under_way:
            self._looking.stop()
        for command in ended:
            self._tell(command)

    @guarded_slot
    def _tell(self, command: _Command) -> None:
        out, error = _printed(command.out), _printed(command.error)
        command.done(Finished(command.process.returncode, out, error))


def _printed(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode("utf-8", "replace")
