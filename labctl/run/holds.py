"""How a run waits: it stands down, says why, and goes on when the reason is gone or the operator says so.

Not here: the conditions themselves (:mod:`labctl.run.conditions`), how a run is asked (:mod:`labctl.run.control`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from labctl.errors import RunError
from labctl.run.conditions import Condition, Limit
from labctl.run.control import RunControl
from labctl.run.procedure import LabProcedure
from labctl.store.columns import Cell

__all__ = ["Holds", "Waiting", "check_limits"]

_POLL_S = 0.05
_CHECK_PERIOD_S = 1.0


class Waiting(Protocol):
    """What a run does around a wait."""

    def stand_down(self) -> None:
        """Switch outputs off without losing the place, and become paused."""

    def stay_alive(self) -> None:
        """Show that the wait is meant; called every few hundredths of a second."""

    def stand_up(self) -> None:
        """Be running again."""


def check_limits(conditions: Sequence[Condition], procedure: LabProcedure) -> None:
    """Refuse limits on what a procedure does not have.

    Parameters
    ----------
    conditions : sequence of Condition
    procedure : LabProcedure
        With its station.

    Raises
    ------
    RunError
        If a limit is on what is neither a column nor a monitor.
    """
    unknown = {item.name for item in conditions if isinstance(item, Limit)} - set(procedure.DATA_COLUMNS)
    if unknown and (unknown := unknown - set(procedure.monitors())):
        known = ", ".join([*procedure.DATA_COLUMNS, *procedure.monitors()])
        raise RunError(
            f"limit on {', '.join(sorted(unknown))}: {procedure.procedure_name()} has no such column or monitor; "
            f"it has: {known}"
        )


class Holds:
    """Holds a run while a condition is broken or the operator has paused it.

    Parameters
    ----------
    conditions : sequence of Condition
    columns : sequence of str
        The data columns: a limit on one of them is judged by each row.
    monitors : callable
        Gives the values of the procedure's monitors.
    control : RunControl
    note : callable
        Takes kind and message of an event.
    """

    def __init__(
        self,
        conditions: Sequence[Condition],
        columns: Sequence[str],
        monitors: Callable[[], Mapping[str, float]],
        control: RunControl,
        note: Callable[[str, str], None],
    ) -> None:
        self._limits = [item for item in conditions if isinstance(item, Limit) and item.name in columns]
        self._others = [item for item in conditions if item not in self._limits]
        self._monitors = monitors
        self._control = control
        self._note = note
        self._broken: dict[int, str] = {}
        self._next_check_s = 0.0
        self._needs_monitors = any(isinstance(item, Limit) for item in self._others)

    def judge(self, row: Mapping[str, Cell]) -> None:
        """Look at a row that was just measured: one that breaks a limit pauses the run until the operator goes on.

        Parameters
        ----------
        row : mapping of str to float, int, str or None
        """
        for limit in self._limits:
            violation = limit.violation(row)
            if violation is not None:
                self._note("hold", f"{violation}; the run waits until it is continued, or aborted and resumed")
                self._control.pause()

    def wait(self, run: Waiting) -> None:
        """Return at once where nothing holds the run; else wait until nothing does or an abort is asked for.

        Parameters
        ----------
        run : Waiting
        """
        if not self._is_held():
            return
        run.stand_down()
        while self._is_held() and self._control.abort_reason is None:
            run.stay_alive()
            time.sleep(_POLL_S)
        if self._control.abort_reason is None:
            run.stand_up()

    def _is_held(self) -> bool:
        now_s = time.monotonic()
        if self._others and now_s >= self._next_check_s:
            self._next_check_s = now_s + _CHECK_PERIOD_S
            self._check()
        return self._control.paused or bool(self._broken)

    def _check(self) -> None:
        values = dict(self._monitors()) if self._needs_monitors else {}
        for index, condition in enumerate(self._others):
            violation = condition.violation(values)
            if violation is not None and index not in self._broken:
                self._note("hold", violation)
                self._broken[index] = violation
            elif violation is None and index in self._broken:
                self._note("release", f"no longer: {self._broken.pop(index)}")
