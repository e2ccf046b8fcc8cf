"""What a tuning algorithm answers, and what every one of them can do.

A tuner is a pure state machine: it is told the last conductance and answers with the next pulse, "done" or "failed".
It has no clock, no random numbers and no instrument; whoever drives it applies the pulse to a real array, to a
simulated one or to a bare cell model. Not here: the addressing of cells (:mod:`labctl.array`) and the order in which
the cells of an array are tuned (:mod:`labctl.tuning.passes`).
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Protocol

__all__ = ["Action", "Decision", "Done", "Failed", "FailureReason", "Pulse", "Staircase", "TraceStep", "Tuner"]


class Action(StrEnum):
    """What one step of a tuner was for."""

    SET = "set"
    NUDGE = "nudge"
    RESET = "reset"
    DONE = "done"
    FAILED = "failed"


class FailureReason(StrEnum):
    """Why a tuner gave a cell up."""

    STUCK_HIGH = "does not RESET at the stop voltage"
    STUCK_LOW = "does not SET at the stop voltage"
    ATTEMPTS = "too many attempts"
    PULSES = "too many pulses"
    OVER_RESET = "over-reset, left for the next pass"
    UNREADABLE = "no reading: the meter went over range"


@dataclass(frozen=True, slots=True)
class Pulse:
    """Apply this to the cell, then read it and ask again.

    Attributes
    ----------
    voltage_v : float, unit V
        Cell voltage, word line minus bit line; positive is the SET direction.
    width_s : float, unit s
        Width of the pulse.
    """

    voltage_v: float
    width_s: float


@dataclass(frozen=True, slots=True)
class Staircase:
    """Step the cell from ``start_v`` to ``voltage_v`` without going back to 0 V, then read it and ask again.

    Attributes
    ----------
    start_v : float, unit V
        First level, of the sign of the stop voltage and no farther from 0.
    voltage_v : float, unit V
        Stop voltage.
    step_v : float, unit V
        Largest step between levels, positive.
    dwell_s : float, unit s
        Time at each level.
    """

    start_v: float
    voltage_v: float
    step_v: float
    dwell_s: float

    def levels_v(self) -> list[float]:
        """Return the levels, start and stop included, unit V."""
        steps = max(1, ceil(abs(self.voltage_v - self.start_v) / self.step_v - 1e-9))
        span_v = self.voltage_v - self.start_v
        return [self.start_v + span_v * index / steps for index in range(steps)] + [self.voltage_v]


@dataclass(frozen=True, slots=True)
class Done:
    """The last conductance lies within the tolerance of the target."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The tuner has given up."""

    reason: FailureReason


Decision = Pulse | Staircase | Done | Failed


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One call of ``decide``: what was read, what was answered.

    Attributes
    ----------
    attempt : int
        Attempts so far, from 1; a SET begins a new one.
    conductance_s : float, unit S
        The reading that the answer rests on.
    action : Action
        What was answered.
    voltage_v : float, unit V
        Cell voltage of the pulse; 0 where no pulse was asked for.
    """

    attempt: int
    conductance_s: float
    action: Action
    voltage_v: float


class Tuner(Protocol):
    """A closed-loop programming algorithm for one cell."""

    trace: list[TraceStep]

    def decide(self, conductance_s: float) -> Decision:
        """Take the last low-field conductance and answer what to do next."""
        ...
