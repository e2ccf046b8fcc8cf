"""One request to a session by hand, and its answer.

Not here: the session (the procedure ``manual``), the mailbox (:mod:`labctl.run.mailbox`).
"""

import time
from collections.abc import Mapping

from labctl.errors import RunError
from labctl.run.mailbox import ask_run
from labctl.store import Run

__all__ = ["do_by_hand"]

_PROCEDURE, _POLL_S = "manual", 0.1


def do_by_hand(
    run: Run, action: str, cell: str, values: Mapping[str, object], *, by: str = "", within_s: float = 60.0
) -> str:
    """Let a run of ``manual`` do something, and wait for its answer.

    Parameters
    ----------
    run : Run
    action : str
        "read", "pulse" (with ``amplitude`` and ``width``), "set_level" (with ``conductance``) or "end".
    cell : str
        Such as ``"3,4"``; several are separated by ``;``. Empty for "end".
    values : mapping of str to object
        Text such as ``"1.2 V"``, or numbers in SI units.
    by : str
        Who asks, for the run file.
    within_s : float, unit s
        How long to wait.

    Returns
    -------
    str
        What came of it, for people; the numbers are rows of the run.

    Raises
    ------
    RunError
        If the session refused it, with the rule, and nothing was sent; if the run is none of ``manual``, is over, or
        has not answered in time.
    """
    if run.header["procedure"] != _PROCEDURE:
        raise RunError(f"run {run.run_id} is one of {run.header['procedure']}: only `{_PROCEDURE}` takes requests")
    number = ask_run(run.path, "do", by=by, action=action, cell=cell, **values)
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        status = run.status
        for kind, message in run.events()[["kind", "message"]].to_numpy().tolist():
            if kind in ("answer", "refused") and message.startswith(f"#{number} "):
                text = str(message).partition(" ")[2]
                if kind == "refused":
                    raise RunError(text)
                return text
        if status != "running":
            raise RunError(f"run {run.run_id} ended before it answered: {status}")
        time.sleep(_POLL_S)
    raise RunError(f"run {run.run_id} has not answered within {within_s:g} s; see `labctl show {run.run_id}`")
