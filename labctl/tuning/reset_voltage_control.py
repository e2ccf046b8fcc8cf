"""Reset-voltage control with pulses: SET if the cell is too low, then a RESET ramp with a verify after each pulse.

SET of a metal-oxide cell is abrupt and RESET gradual, so the conductance is approached from above and the RESET
voltage is the control knob. A cell that came out too low is raised again in one of three ways: by a full SET to
``initial_s`` (the plain scheme), by a SET ramp that aims just above the target (nudge), or not at all (defer), which
leaves it to the next pass over the array: SET pulses disturb half-selected neighbours far more than RESET pulses do.

Sources: S. Kim et al., Nanotechnology 32 (2021) 295201, doi:10.1088/1361-6528/abf0cc (scheme; ramp values are not
published). Not here: the DC form (:mod:`labctl.tuning.stop_voltage_control`).
"""

from dataclasses import dataclass
from enum import StrEnum

from labctl.tuning.decisions import Action, Decision, Done, Failed, FailureReason, Pulse, TraceStep
from labctl.tuning.ramp import Experience, Ramp, RampSettings

__all__ = ["OverReset", "Raise", "ResetVoltageControl", "RvcSettings"]

# a reading at or below 0 (offset of the meter) has no logarithm
_FLOOR_S = 1e-12


class OverReset(StrEnum):
    """What to do with a cell below its tolerance band."""

    SET = "set"
    NUDGE = "nudge"
    DEFER = "defer"


@dataclass(frozen=True, slots=True)
class RvcSettings:
    """How reset-voltage control runs.

    Attributes
    ----------
    tolerance : float, unit 1
        Half width of the band around the target, relative to the target.
    width_s : float, unit s
        Width of every pulse.
    reset, set : RampSettings
        The two ramps; RESET negative, SET positive.
    over_reset : OverReset
        What to do with a cell below its band.
    initial_s : float, unit S
        Where a full SET leads (``over_reset`` SET); about 1.1 times the top level.
    max_attempts : int
        Times that a cell may be raised.
    max_pulses : int
        Pulses of both polarities.

    Raises
    ------
    ValueError
        If a value breaks its rule.
    """

    tolerance: float
    width_s: float
    reset: RampSettings
    set: RampSettings
    over_reset: OverReset = OverReset.NUDGE
    initial_s: float = 220e-6
    max_attempts: int = 10
    max_pulses: int = 300

    def __post_init__(self) -> None:
        if not 0.0 < self.tolerance < 1.0:
            raise ValueError(f"reset-voltage control: tolerance must lie in (0, 1), got {self.tolerance!r}")
        if not self.width_s > 0.0:
            raise ValueError(f"reset-voltage control: the pulse width must be positive, got {self.width_s!r} s")
        if not (self.reset.stop_v < 0.0 < self.set.stop_v):
            raise ValueError(
                f"reset-voltage control: RESET is negative and SET positive, "
                f"got stops {self.reset.stop_v!r} V and {self.set.stop_v!r} V"
            )
        if self.max_attempts < 1 or self.max_pulses < 1:
            raise ValueError("reset-voltage control: max_attempts and max_pulses must be at least 1")


class ResetVoltageControl:
    """Tune one cell to ``target_s``.

    Parameters
    ----------
    target_s : float, unit S
        Target conductance, positive.
    settings : RvcSettings
        Tolerance, ramps and limits.
    reset_experience, set_experience : Experience or None
        What earlier pulses did to this cell.

    Raises
    ------
    ValueError
        If the target is not positive.
    """

    def __init__(
        self,
        target_s: float,
        settings: RvcSettings,
        *,
        reset_experience: Experience | None = None,
        set_experience: Experience | None = None,
    ) -> None:
        if not target_s > 0.0:
            raise ValueError(f"reset-voltage control: the target must be positive, got {target_s!r} S")
        self.target_s = target_s
        self.settings = settings
        self.trace: list[TraceStep] = []
        self.pulses = 0
        self.sets = 0
        self._reset = Ramp(settings.reset, reset_experience)
        self._set = Ramp(settings.set, set_experience)
        self._is_raising = False

    @property
    def reset_experience(self) -> Experience | None:
        """What the last telling RESET pulse did."""
        return self._reset.experience

    @property
    def set_experience(self) -> Experience | None:
        """What the last telling SET pulse did."""
        return self._set.experience

    def decide(self, conductance_s: float) -> Decision:
        """Take the last low-field conductance and answer what to do next.

        Parameters
        ----------
        conductance_s : float, unit S
            The verify after the last pulse; a value that is not positive counts as far below the target.

        Returns
        -------
        Pulse, Done or Failed
            The next pulse, or why there is none.
        """
        settings = self.settings
        conductance_s = max(conductance_s, _FLOOR_S)
        error = conductance_s / self.target_s - 1.0
        if abs(error) <= settings.tolerance:
            return self._note(conductance_s, Action.DONE, Done())
        if self.pulses >= settings.max_pulses:
            return self._note(conductance_s, Action.FAILED, Failed(FailureReason.PULSES))
        is_full_set = settings.over_reset is OverReset.SET
        goal_s = settings.initial_s if is_full_set else self.target_s
        if self._is_raising and conductance_s >= goal_s:
            self._is_raising = False
            self._reset.restart()
        elif not self._is_raising and error < 0.0:
            if settings.over_reset is OverReset.DEFER:
                return self._note(conductance_s, Action.FAILED, Failed(FailureReason.OVER_RESET))
            if self.sets >= settings.max_attempts:
                return self._note(conductance_s, Action.FAILED, Failed(FailureReason.ATTEMPTS))
            self.sets += 1
            self._is_raising = True
            self._set.restart()
        if self._is_raising:
            voltage_v = self._set.next_voltage(conductance_s, goal_s)
            action, reason = (Action.SET if is_full_set else Action.NUDGE), FailureReason.STUCK_LOW
        else:
            voltage_v = self._reset.next_voltage(conductance_s, self.target_s)
            action, reason = Action.RESET, FailureReason.STUCK_HIGH
        if voltage_v is None:
            return self._note(conductance_s, Action.FAILED, Failed(reason))
        self.pulses += 1
        return self._note(conductance_s, action, Pulse(voltage_v, settings.width_s))

    def _note(self, conductance_s: float, action: Action, decision: Decision) -> Decision:
        voltage_v = decision.voltage_v if isinstance(decision, Pulse) else 0.0
        self.trace.append(TraceStep(max(self.sets, 1), conductance_s, action, voltage_v))
        return decision


class Raise:
    """SET one cell until it is no longer below its tolerance band, and leave the way down to a later RESET ramp.

    Parameters
    ----------
    target_s : float, unit S
        Target conductance, positive.
    settings : RvcSettings
        Tolerance, SET ramp and limits.
    experience : Experience or None
        What earlier SET pulses did to this cell.
    """

    def __init__(self, target_s: float, settings: RvcSettings, *, experience: Experience | None = None) -> None:
        self.target_s = target_s
        self.settings = settings
        self.trace: list[TraceStep] = []
        self.pulses = 0
        self._set = Ramp(settings.set, experience)

    @property
    def set_experience(self) -> Experience | None:
        """What the last telling SET pulse did."""
        return self._set.experience

    def decide(self, conductance_s: float) -> Decision:
        """Take the last low-field conductance and answer with a SET pulse, done or failed.

        Parameters
        ----------
        conductance_s : float, unit S
            The verify after the last pulse.

        Returns
        -------
        Pulse, Done or Failed
            The next pulse, or why there is none.
        """
        conductance_s = max(conductance_s, _FLOOR_S)
        decision: Decision
        if conductance_s >= (1.0 - self.settings.tolerance) * self.target_s:
            action, decision = Action.DONE, Done()
        elif self.pulses >= self.settings.max_pulses:
            action, decision = Action.FAILED, Failed(FailureReason.PULSES)
        else:
            voltage_v = self._set.next_voltage(conductance_s, self.target_s)
            if voltage_v is None:
                action, decision = Action.FAILED, Failed(FailureReason.STUCK_LOW)
            else:
                self.pulses += 1
                action, decision = Action.NUDGE, Pulse(voltage_v, self.settings.width_s)
        self.trace.append(
            TraceStep(1, conductance_s, action, decision.voltage_v if isinstance(decision, Pulse) else 0.0)
        )
        return decision
