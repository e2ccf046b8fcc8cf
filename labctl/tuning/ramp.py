"""A voltage ramp of one polarity whose step follows what the last pulse did.

The natural logarithm of the conductance is the measure of change: one pulse of a given voltage changes it by nearly the
same amount over the whole range of a metal-oxide cell, and the amount rises about exponentially with voltage until
it saturates. So from the change that the last pulse made, the voltage for a wanted change follows; two slopes
keep the answer on the careful side: the steep one of the exponential part limits a step up, the flat one of the
saturating part enlarges a step down. Not here: when to stop (:mod:`labctl.tuning.reset_voltage_control`).
"""

from dataclasses import dataclass
from math import log

__all__ = ["Experience", "Ramp", "RampSettings"]

_LEAST_CHANGE = 1e-9


@dataclass(frozen=True, slots=True)
class Experience:
    """What one pulse did: the memory that a cell keeps from pass to pass.

    Attributes
    ----------
    voltage_v : float, unit V
        Cell voltage of the pulse.
    log_change : float, unit 1
        Change of ln G in the direction of the pulse, positive.
    """

    voltage_v: float
    log_change: float


@dataclass(frozen=True, slots=True)
class RampSettings:
    """How a ramp runs.

    Attributes
    ----------
    start_v, stop_v : float, unit V
        First voltage without experience, and the limit; same sign, the stop farther from 0.
    step_v : float, unit V
        Largest step, positive; every step where ``is_adaptive`` is false.
    is_adaptive : bool
        Whether the step follows the change that the last pulse made.
    aim : float, unit 1
        Wanted part of the remaining ln(G / target), above 0 and at most 1.
    max_log_change : float, unit 1
        Most change of ln G to ask of one pulse; bounds the voltage, and with it the half-select disturb.
    steep_per_v, flat_per_v : float, unit 1/V
        d ln(change) / dV in the exponential and in the saturating part.
    noise_log_change : float, unit 1
        Change below which a pulse taught nothing.

    Raises
    ------
    ValueError
        If a value breaks its rule.
    """

    start_v: float
    stop_v: float
    step_v: float
    is_adaptive: bool = True
    aim: float = 0.6
    max_log_change: float = 0.12
    steep_per_v: float = 12.0
    flat_per_v: float = 6.0
    noise_log_change: float = 0.005

    def __post_init__(self) -> None:
        if not (self.start_v * self.stop_v > 0.0 and abs(self.start_v) <= abs(self.stop_v)):
            raise ValueError(
                f"ramp: the stop voltage must have the sign of the start voltage and be at least as large, "
                f"got start {self.start_v!r} V and stop {self.stop_v!r} V"
            )
        if not self.step_v > 0.0:
            raise ValueError(f"ramp: the step must be positive, got {self.step_v!r} V")
        if not 0.0 < self.aim <= 1.0:
            raise ValueError(f"ramp: aim must lie in (0, 1], got {self.aim!r}")
        for name in ("max_log_change", "steep_per_v", "flat_per_v", "noise_log_change"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"ramp: {name} must be positive, got {getattr(self, name)!r}")


class Ramp:
    """The voltages of one polarity, one after another.

    Parameters
    ----------
    settings : RampSettings
        Limits and steps.
    experience : Experience or None
        What an earlier pulse of this polarity did to this cell, or to cells like it.
    """

    def __init__(self, settings: RampSettings, experience: Experience | None = None) -> None:
        self.settings = settings
        self.experience = experience
        self._sign = 1.0 if settings.stop_v > 0.0 else -1.0
        self._voltage_v: float | None = None
        self._before_s = 0.0

    def restart(self) -> None:
        """Begin again at the start voltage, or where experience says."""
        self._voltage_v = None

    def next_voltage(self, conductance_s: float, target_s: float) -> float | None:
        """Return the voltage of the next pulse, or None when the last one, at the stop voltage, did nothing.

        Parameters
        ----------
        conductance_s : float, unit S
            Last reading, positive.
        target_s : float, unit S
            Where the ramp shall lead, positive, on the side of the ramp's polarity.

        Returns
        -------
        float or None, unit V
            Cell voltage between the start and the stop of the settings.
        """
        settings = self.settings
        start, stop = abs(settings.start_v), abs(settings.stop_v)
        log_change: float | None = None
        if self._voltage_v is not None:
            log_change = self._sign * log(conductance_s / self._before_s)
            if log_change > settings.noise_log_change:
                self.experience = Experience(self._sign * self._voltage_v, log_change)
            elif self._voltage_v >= stop:
                return None
        # a reading that is the target to the bit wants no change at all, and 0 has no logarithm
        wanted = max(min(settings.aim * abs(log(target_s / conductance_s)), settings.max_log_change), _LEAST_CHANGE)
        if not settings.is_adaptive:
            magnitude = start if self._voltage_v is None else self._voltage_v + settings.step_v
        elif self._voltage_v is None:
            magnitude = start if self.experience is None else self._from(self.experience, wanted)
        elif log_change is not None and log_change > settings.noise_log_change and self.experience is not None:
            magnitude = min(self._from(self.experience, wanted), self._voltage_v + settings.step_v)
        else:
            rise = log(max(wanted / settings.noise_log_change, 1.0)) / settings.steep_per_v
            magnitude = self._voltage_v + min(max(rise, 0.2 * settings.step_v), settings.step_v)
        self._voltage_v = min(max(magnitude, start), stop)
        self._before_s = conductance_s
        return self._sign * self._voltage_v

    def _from(self, experience: Experience, wanted: float) -> float:
        """Magnitude of the voltage for a wanted change, by the careful slope."""
        log_ratio = log(wanted / experience.log_change)
        slope = self.settings.steep_per_v if log_ratio > 0.0 else self.settings.flat_per_v
        return abs(experience.voltage_v) + log_ratio / slope
