"""Starting the guardian's process, out of reach of the terminal's signals.

Not here: talking with it (:mod:`labctl.run.guardian.client`).
"""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from labctl.errors import RunError
from labctl.run.guardian.messages import Orders

__all__ = ["launch"]

_START_S = 30.0
# on Linux: full after some 200 words that nobody reads, where 64 KiB would take minutes
_PIPE_BYTES = 1 << 14


def launch(orders: Orders, kept_open: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
    """Start a guardian and return when it is ready.

    Parameters
    ----------
    orders : Orders
    kept_open : sequence of int
        Descriptors of lock files: the locks hold until the guardian has ended, too. Not on Windows, where a lock ends
        with the process that took it.

    Returns
    -------
    subprocess.Popen
        Words go to its ``stdin``.

    Raises
    ------
    RunError
        If it does not get ready.
    """
    # the path of this process, without the present folder: a file json.py there must not become part of the guardian
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "labctl.run.guardian"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        env=environment,
        pipesize=_PIPE_BYTES,
        **_apart(kept_open),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    words: list[bytes] = []
    ear = threading.Thread(target=lambda pipe: words.append(pipe.read()), args=(process.stdout,), daemon=True)
    ear.start()
    # what it died of is in its output
    with suppress(OSError):
        process.stdin.write(orders.line())
    ear.join(_START_S)
    said = b"".join(words)
    if said.endswith(b"ready\n") and process.poll() is None:
        process.stdout.close()
        return process
    process.kill()
    process.wait()
    ear.join()
    for pipe in (process.stdin, process.stdout):
        pipe.close()
    last = b"".join(words).decode("utf-8", "replace").strip().rpartition("\n")[2] or f"silent for {_START_S:g} s"
    raise RunError(
        f"guardian: it does not start: {last}; without it outputs would stay on if this process died;"
        f" check visa_library and the folder of {orders.log_path}"
    )


if sys.platform == "win32":

    def _apart(kept_open: Sequence[int]) -> dict[str, Any]:
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}

else:

    def _apart(kept_open: Sequence[int]) -> dict[str, Any]:
        return {"start_new_session": True, "pass_fds": tuple(kept_open)}
