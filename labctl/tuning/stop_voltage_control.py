"""Reset-voltage control in its DC form: the stop voltage of a negative staircase is the control knob.

The cell is SET by a positive staircase, then RESET by staircases whose stop voltage comes from a curve G(V_stop) that
is learned from this cell's own verifies: monotone, interpolated in ln G. Between two SETs only deeper stops are
tried. Sources: as :mod:`labctl.tuning.reset_voltage_control`; staircases of 50 mV and 50 ms are quoted for TiOx/Al2O3
in secondary literature. Not here: the pulse form.
"""

from bisect import insort
from dataclasses import dataclass, field
from math import log

from labctl.tuning.decisions import Action, Decision, Done, Failed, FailureReason, Staircase, TraceStep

__all__ = ["StopVoltageControl", "StopVoltageCurve", "StopVoltageSettings"]


@dataclass
class StopVoltageCurve:
    """What conductance each stop voltage has led to.

    Attributes
    ----------
    points : list of (float, float), units V and S
        Magnitude of the stop voltage and conductance, in the order of voltage.
    """

    points: list[tuple[float, float]] = field(default_factory=list)

    def learn(self, stop_v: float, conductance_s: float) -> None:
        """Add a verify after a RESET staircase.

        Parameters
        ----------
        stop_v : float, unit V
            Stop voltage.
        conductance_s : float, unit S
            Conductance read afterwards, positive.
        """
        insort(self.points, (abs(stop_v), conductance_s))

    def stop_for(self, conductance_s: float) -> float | None:
        """Return the stop voltage that leads to a conductance, or None outside of what was learned.

        Parameters
        ----------
        conductance_s : float, unit S
            Wanted conductance, positive.

        Returns
        -------
        float or None, unit V
            Negative voltage.
        """
        previous: tuple[float, float] | None = None
        for magnitude_v, found_s in self.points:
            if previous is None or found_s < previous[1]:
                if previous is not None and previous[1] >= conductance_s > found_s:
                    part = log(previous[1] / conductance_s) / log(previous[1] / found_s)
                    return -(previous[0] + part * (magnitude_v - previous[0]))
                previous = (magnitude_v, found_s)
        return None


@dataclass(frozen=True, slots=True)
class StopVoltageSettings:
    """How stop-voltage control runs.

    Attributes
    ----------
    tolerance : float, unit 1
        Half width of the band around the target, relative to the target.
    initial_s : float, unit S
        What a SET must reach before the RESET staircases begin.
    dwell_s : float, unit s
        Time at each level.
    reset_start_v, reset_stop_v : float, unit V
        First stop voltage and limit, negative.
    set_start_v, set_stop_v : float, unit V
        First stop voltage of a SET staircase and limit, positive.
    step_v, fine_step_v : float, unit V
        Step of the staircases and of unlearned stop voltages; smallest step of the stop voltage.
    max_attempts : int
        SETs per cell.

    Raises
    ------
    ValueError
        If a value breaks its rule.
    """

    tolerance: float
    initial_s: float = 220e-6
    dwell_s: float = 0.05
    reset_start_v: float = -0.5
    reset_stop_v: float = -1.7
    set_start_v: float = 0.6
    set_stop_v: float = 1.4
    step_v: float = 0.05
    fine_step_v: float = 0.005
    max_attempts: int = 10

    def __post_init__(self) -> None:
        if not 0.0 < self.tolerance < 1.0:
            raise ValueError(f"stop-voltage control: tolerance must lie in (0, 1), got {self.tolerance!r}")
        if not self.reset_stop_v <= self.reset_start_v < 0.0 < self.set_start_v <= self.set_stop_v:
            raise ValueError(
                "stop-voltage control: RESET is negative and SET positive, start before stop, got RESET "
                f"{self.reset_start_v!r} to {self.reset_stop_v!r} V, SET {self.set_start_v!r} to {self.set_stop_v!r} V"
            )
        if not 0.0 < self.fine_step_v <= self.step_v:
            raise ValueError("stop-voltage control: 0 < fine_step_v <= step_v must hold")
        if self.max_attempts < 1:
            raise ValueError(f"stop-voltage control: max_attempts must be at least 1, got {self.max_attempts!r}")


class StopVoltageControl:
    """Tune one cell to ``target_s`` with DC staircases.

    Parameters
    ----------
    target_s : float, unit S
        Target conductance, positive.
    settings : StopVoltageSettings
        Tolerance, staircases and limits.
    curve : StopVoltageCurve or None
        What is known of this cell; learned further in place.
    """

    def __init__(
        self, target_s: float, settings: StopVoltageSettings, *, curve: StopVoltageCurve | None = None
    ) -> None:
        if not target_s > 0.0:
            raise ValueError(f"stop-voltage control: the target must be positive, got {target_s!r} S")
        self.target_s = target_s
        self.settings = settings
        self.curve = StopVoltageCurve() if curve is None else curve
        self.trace: list[TraceStep] = []
        self.sets = 0
        self.pulses = 0
        self._reset_v: float | None = None
        self._set_v: float | None = None

    def decide(self, conductance_s: float) -> Decision:
        """Take the last low-field conductance and answer with the next staircase, done or failed.

        Parameters
        ----------
        conductance_s : float, unit S
            The verify after the last staircase.

        Returns
        -------
        Staircase, Done or Failed
            The next staircase, or why there is none.
        """
        settings = self.settings
        conductance_s = max(conductance_s, 1e-12)
        if self._reset_v is not None:
            self.curve.learn(self._reset_v, conductance_s)
        error = conductance_s / self.target_s - 1.0
        if abs(error) <= settings.tolerance:
            return self._note(conductance_s, Action.DONE, Done())
        if self._set_v is not None and conductance_s >= settings.initial_s:
            self._set_v = None
        if self._set_v is not None or error < 0.0:
            return self._raise(conductance_s)
        if self._reset_v is not None and self._reset_v <= settings.reset_stop_v:
            return self._note(conductance_s, Action.FAILED, Failed(FailureReason.STUCK_HIGH))
        self._reset_v = max(self._next_stop(conductance_s), settings.reset_stop_v)
        return self._go(conductance_s, Action.RESET, settings.reset_start_v, self._reset_v)

    def _raise(self, conductance_s: float) -> Decision:
        settings = self.settings
        if self._set_v is None:
            if self.sets >= settings.max_attempts:
                return self._note(conductance_s, Action.FAILED, Failed(FailureReason.ATTEMPTS))
            self.sets += 1
            self._set_v, self._reset_v = settings.set_start_v, None
        elif self._set_v >= settings.set_stop_v:
            return self._note(conductance_s, Action.FAILED, Failed(FailureReason.STUCK_LOW))
        else:
            self._set_v = min(self._set_v + settings.step_v, settings.set_stop_v)
        return self._go(conductance_s, Action.SET, settings.set_start_v, self._set_v)

    def _next_stop(self, conductance_s: float) -> float:
        """Deeper than the last stop since the SET; by the learned curve where it reaches."""
        settings = self.settings
        goal_v = self.curve.stop_for(self.target_s)
        if self._reset_v is None:
            # a little short of the goal: what is missing costs one staircase, what is too much costs a SET
            short_v = self.curve.stop_for(1.15 * self.target_s)
            return settings.reset_start_v if short_v is None else min(short_v, settings.reset_start_v)
        here_v = self.curve.stop_for(conductance_s)
        step_v = settings.step_v
        if goal_v is not None and here_v is not None:
            step_v = 0.6 * (here_v - goal_v)
        return self._reset_v - min(max(step_v, settings.fine_step_v), settings.step_v)

    def _go(self, conductance_s: float, action: Action, start_v: float, stop_v: float) -> Decision:
        self.pulses += 1
        stairs = Staircase(start_v, stop_v, self.settings.step_v, self.settings.dwell_s)
        return self._note(conductance_s, action, stairs)

    def _note(self, conductance_s: float, action: Action, decision: Decision) -> Decision:
        voltage_v = decision.voltage_v if isinstance(decision, Staircase) else 0.0
        self.trace.append(TraceStep(max(self.sets, 1), conductance_s, action, voltage_v))
        return decision
