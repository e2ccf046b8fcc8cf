"""One process that has loaded what runs need and waits for its order, so that a run does not wait for that.

It opens nothing and owns nothing before it has its order, and ends with whoever keeps it. Not here: what it does
(:mod:`labctl.cli.spare`).
"""

import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from labctl.run.queue.launch import labctl_command, start_detached

__all__ = ["SpareRun"]


class SpareRun:
    """At most one process that waits.

    Parameters
    ----------
    folder : Path
        Its working folder until it has its order.
    said : file
        Takes its standard error until then.
    """

    def __init__(self, folder: Path, said: IO[bytes]) -> None:
        self._folder = folder
        self._said = said
        self._process: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        """Start a process unless one waits or loads.

        Raises
        ------
        OSError
            If it cannot be started.
        """
        # elsewhere a process cannot become another one that its starter still knows
        if self._process is None and os.name == "posix":
            self._process = start_detached(labctl_command("spare"), self._folder, self._said, stdin=subprocess.PIPE)

    def order(self, command: Sequence[str], folder: Path, errors: Path) -> "subprocess.Popen[bytes] | None":
        """Let the process become a command.

        Parameters
        ----------
        command : sequence of str
            A whole command line.
        folder : Path
            Working folder.
        errors : Path
            Receives standard error.

        Returns
        -------
        subprocess.Popen or None
            None where none waits, or where the command is none of ``labctl``: nothing was started.
        """
        own, process = labctl_command(), self._process
        if process is None or process.stdin is None or list(command[: len(own)]) != own:
            return None
        self._process = None
        order = {"arguments": list(command[len(own) :]), "folder": str(folder), "errors": str(errors)}
        try:
            with process.stdin as orders:
                orders.write(json.dumps(order).encode() + b"\n")
        except OSError:
            # it died while it waited
            process.wait()
            return None
        return process

    def close(self) -> None:
        """Let the process go that waits."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
            # it may be in the middle of an import
            process.terminate()
            process.wait()
