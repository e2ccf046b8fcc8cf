"""The states of a run and which leads to which. Not here: what happens in them (:mod:`labctl.run.engine`)."""

from enum import StrEnum

from labctl.errors import IllegalTransitionError

__all__ = ["RunState", "StateMachine"]


class RunState(StrEnum):
    """Where a run stands. The last three are final and become the status in its seal."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    FAILED = "failed"
    ABORTED = "aborted"


_NEXT = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.FAILED, RunState.ABORTED}),
    RunState.RUNNING: frozenset({RunState.PAUSED, RunState.FINISHED, RunState.FAILED, RunState.ABORTED}),
    RunState.PAUSED: frozenset({RunState.RUNNING, RunState.FAILED, RunState.ABORTED}),
    RunState.FINISHED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.ABORTED: frozenset(),
}


class StateMachine:
    """The state of one run; it starts queued."""

    def __init__(self) -> None:
        self.state = RunState.QUEUED

    def to(self, state: RunState) -> None:
        """Go to a state.

        Parameters
        ----------
        state : RunState

        Raises
        ------
        IllegalTransitionError
            If the present state does not lead there.
        """
        allowed = _NEXT[self.state]
        if state not in allowed:
            names = ", ".join(sorted(allowed)) or "nothing: it is over"
            raise IllegalTransitionError(f"run: {self.state} does not lead to {state}; it leads to {names}")
        self.state = state
