"""The runs that go on at present, found without opening the thousands that are sealed.

Not here: asking them for something (:mod:`labctl.run.mailbox`), ending them (:mod:`labctl.run.switching_off`).
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from labctl.errors import StoreError
from labctl.run.state_board import board_of
from labctl.store import Run
from labctl.store.connection import ballast_of, log_of
from labctl.store.schema import SUFFIX
from labctl.store.spool import spool_of

__all__ = ["is_over", "live_runs", "status_of"]

_POLL_S = 0.02


def live_runs(root: Path, station: str | None = None) -> list[Run]:
    """Find the runs that go on in a data root.

    Parameters
    ----------
    root : Path
        The data root.
    station : str, optional
        Name of the station; left out, all of them.

    Returns
    -------
    list of Run
        A run whose file cannot be read is left out.
    """
    found = []
    for path in sorted({path for folder in (root, spool_of(root)) for path in _attended(folder)}):
        with contextlib.suppress(StoreError):
            run = Run(path)
            if station in (None, run.header["station"]) and run.status == "running":
                found.append(run)
    return found


def is_over(run: Run, within_s: float) -> bool:
    """Wait for the end of a run.

    Parameters
    ----------
    run : Run
    within_s : float, unit s
        How long at most.

    Returns
    -------
    bool
        Whether it has ended.
    """
    end_s = time.monotonic() + within_s
    while status_of(run) == "running":
        if time.monotonic() > end_s:
            return False
        time.sleep(_POLL_S)
    return True


def status_of(run: Run) -> str:
    """Return the status of a run that may have been moved meanwhile.

    Parameters
    ----------
    run : Run

    Returns
    -------
    str
        As :attr:`labctl.store.Run.status`; "over" where the file is gone.
    """
    try:
        return run.status
    except StoreError:
        # it has grown in the spool and was moved to its data root when it was sealed
        return "over"


def _attended(folder: Path) -> Iterator[Path]:
    """Run files with something beside them that is there while they grow; one that was killed leaves it behind."""
    for beside in (log_of, ballast_of, board_of):
        ending = beside(Path(SUFFIX)).name
        for file in folder.glob(f"*{ending}"):
            # whoever reads a sealed file may leave an empty log; and a run may end this moment
            with contextlib.suppress(OSError):
                if file.stat().st_size > 0:
                    yield file.with_name(file.name.removesuffix(ending) + SUFFIX)
