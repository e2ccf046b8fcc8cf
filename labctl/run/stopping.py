"""The first half of ALL OUTPUTS OFF, quick enough for the window: nothing new begins, and what runs is asked to stop.

Not here: seeing to it that everything is off (:mod:`labctl.run.switching_off`).
"""

import contextlib
from pathlib import Path

from labctl.errors import RunError, StoreError
from labctl.run.live import live_runs
from labctl.run.mailbox import ask_run
from labctl.run.queue.schema import queue_folder
from labctl.run.queue.store import FILE_NAME, RunQueue
from labctl.store import Run

__all__ = ["stop_runs"]

_REASON = "all outputs off"
_HELD = "ALL OUTPUTS OFF was pressed"


def stop_runs(root: Path, station: str | None = None, *, by: str = "") -> list[Run]:
    """Hold the queue of a data root, and ask its live runs to end without the consent of their procedures.

    Parameters
    ----------
    root : Path
        The data root.
    station : str, optional
        Name of the only station whose runs are meant.
    by : str
        Who asks, for the run files.

    Returns
    -------
    list of Run
        Those that were asked, or had ended that moment.
    """
    # a queue that cannot be written must not keep the runs from being stopped
    with contextlib.suppress(StoreError):
        if (queue_folder(root) / FILE_NAME).exists():
            with RunQueue(root) as queue:
                queue.hold(_HELD)
    runs = live_runs(root, station)
    for run in runs:
        with contextlib.suppress(RunError, StoreError):
            ask_run(run.path, "abort_now", by=by, reason=_REASON)
    return runs
