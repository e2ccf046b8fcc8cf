"""Bring one cell to a conductance by write-verify: what many procedures do before they measure.

A reading comes first, so a cell that is there already gets no pulse. The decisions are those of
:class:`labctl.tuning.ResetVoltageControl` with a SET ramp that aims at the target; here are the bounds of one cell on
a :class:`~labctl_procedures.cell_port.CellPort`, and the memory from one visit to the next. Not here: whole arrays
(:mod:`labctl.tuning.passes`), the procedures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pymeasure.experiment import BooleanParameter, IntegerParameter

from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.tuning import Experience, Failed, Pulse, RampSettings, ResetVoltageControl, RvcSettings
from labctl.units import format_quantity
from labctl_procedures.cell_port import Cell, CellPort, CellStopped

__all__ = ["Levelled", "Leveller", "LevellingParameters", "joule_energy_j", "read_conductance"]

_REVERSALS = "too many reversals of the polarity"
_STRIKES = 3
# d ln(change) / dV of TiOx/Al2O3 under SET and RESET pulses, as program_array has them
_STEEP_PER_V = (12.0, 10.0)


class LevellingParameters:
    """Parameters of procedures that bring cells to a conductance."""

    level_tolerance = QuantityParameter(
        "Level tolerance",
        "1",
        minimum=1e-3,
        maximum=0.5,
        default="5 %",
        description="Relative to the target; ArC ConvergeToState and its width map: 5 %",
    )
    level_width = QuantityParameter(
        "Level pulse width",
        "s",
        minimum=1e-8,
        maximum=1.0,
        default="100 us",
        description="ArC ConvergeToState: 100 us",
    )
    level_set_start = QuantityParameter(
        "Level SET start", "V", minimum=0.01, maximum=10.0, default=0.5, description="ArC ConvergeToState: 0.5 V"
    )
    level_set_stop = QuantityParameter(
        "Level SET stop",
        "V",
        minimum=0.01,
        maximum=10.0,
        default=1.6,
        description="Assumed for TiOx/Al2O3; ArC ConvergeToState: 2 V",
    )
    level_reset_start = QuantityParameter(
        "Level RESET start", "V", minimum=-10.0, maximum=-0.01, default=-0.6, description="As program_array"
    )
    level_reset_stop = QuantityParameter(
        "Level RESET stop",
        "V",
        minimum=-10.0,
        maximum=-0.01,
        default=-2.0,
        description="ArC ConvergeToState: 2 V; largest magnitude of a TiOx-like cell that is formed",
    )
    level_step = QuantityParameter(
        "Level voltage step",
        "V",
        minimum=1e-3,
        maximum=1.0,
        default=0.1,
        description="Largest from pulse to pulse; ArC ConvergeToState: 0.1 V",
    )
    level_adaptive = BooleanParameter(
        "Adaptive level step", default=True, description="Step by what the last pulse did; otherwise always the largest"
    )
    level_pulses = IntegerParameter(
        "Level pulses", default=60, minimum=1, maximum=100000, description="Bound of each visit to a cell"
    )
    level_reversals = IntegerParameter(
        "Level reversals",
        default=5,
        minimum=0,
        maximum=1000,
        description="Changes of polarity in one visit; ArC ConvergeToState: 5",
    )

    parameter_groups: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "level_tolerance",
            "level_width",
            "level_set_start",
            "level_set_stop",
            "level_reset_start",
            "level_reset_stop",
            "level_step",
            "level_adaptive",
            "level_pulses",
            "level_reversals",
        ),
        "Bringing a cell to a level",
    )


@dataclass(frozen=True, slots=True)
class Levelled:
    """What came of one visit.

    Attributes
    ----------
    target_s : float, unit S
    conductance_s : float, unit S
        Last verify.
    pulses, reversals : int
        Pulses given; how often their polarity changed.
    energy_j : float, unit J
        Of all pulses, by :func:`joule_energy_j`.
    reason : str or None
        Why the target was not reached; None where it was.
    """

    target_s: float
    conductance_s: float
    pulses: int
    reversals: int
    energy_j: float
    reason: str | None

    @property
    def is_reached(self) -> bool:
        """Whether the last verify lies within the tolerance."""
        return self.reason is None


@dataclass
class Leveller:
    """Brings cells of a port to conductances, and remembers what their pulses did.

    Attributes
    ----------
    settings : RvcSettings
    max_reversals : int
        Changes of polarity in one visit.
    """

    settings: RvcSettings
    max_reversals: int
    _reset: dict[Cell, Experience | None] = field(default_factory=dict)
    _set: dict[Cell, Experience | None] = field(default_factory=dict)
    _strikes: dict[Cell, int] = field(default_factory=dict)

    @classmethod
    def of(cls, parameters: LevellingParameters) -> "Leveller":
        """Take the settings from the parameters of a procedure.

        Raises
        ------
        RunError
            If a ramp runs backwards.
        """
        ramps = (
            (parameters.level_reset_start, parameters.level_reset_stop, _STEEP_PER_V[0]),
            (parameters.level_set_start, parameters.level_set_stop, _STEEP_PER_V[1]),
        )
        try:
            reset, raising = (
                RampSettings(
                    start_v,
                    stop_v,
                    parameters.level_step,
                    is_adaptive=parameters.level_adaptive,
                    aim=0.6,
                    max_log_change=0.3,
                    steep_per_v=steep_per_v,
                    flat_per_v=0.5 * steep_per_v,
                    noise_log_change=0.01,
                )
                for start_v, stop_v, steep_per_v in ramps
            )
            settings = RvcSettings(
                tolerance=parameters.level_tolerance,
                width_s=parameters.level_width,
                reset=reset,
                set=raising,
                max_attempts=parameters.level_reversals + 1,
                max_pulses=parameters.level_pulses,
            )
        except ValueError as error:
            raise RunError(f"levelling (level_...): {error}") from error
        return cls(settings, parameters.level_reversals)

    def bring_to(
        self, port: CellPort, cell: Cell, target_s: float, *, cycle: int | None = None, step: int | None = None
    ) -> Levelled:
        """Read a cell and pulse it until it lies within the tolerance of a target, or a bound is met.

        Parameters
        ----------
        port : CellPort
        cell : (int, int)
        target_s : float, unit S
            Positive.
        cycle, step : int or None
            Go into the rows; readings are of the kind ``verify``.

        Returns
        -------
        Levelled

        Raises
        ------
        CellStopped
            If the cell cannot be read, or its conductance is outside the limits of the procedure.
        """
        tuner = ResetVoltageControl(
            target_s, self.settings, reset_experience=self._reset.get(cell), set_experience=self._set.get(cell)
        )
        energy_j, reversals, last_v = 0.0, 0, 0.0
        conductance_s = read_conductance(port, cell, cycle=cycle, step=step, event="verify")
        while isinstance(answer := tuner.decide(conductance_s), Pulse):
            is_reversal = answer.voltage_v * last_v < 0.0
            if is_reversal and reversals >= self.max_reversals:
                break
            reversals += is_reversal
            last_v, before_s = answer.voltage_v, conductance_s
            port.pulse(cell, last_v, answer.width_s, cycle=cycle, step=step)
            conductance_s = read_conductance(port, cell, cycle=cycle, step=step, event="verify")
            energy_j += joule_energy_j(last_v, answer.width_s, (before_s, conductance_s))
        self._reset[cell], self._set[cell] = tuner.reset_experience, tuner.set_experience
        reason = _REVERSALS if isinstance(answer, Pulse) else str(answer.reason) if isinstance(answer, Failed) else None
        # a pulse that was decided on but not given does not count
        pulses = tuner.pulses - isinstance(answer, Pulse)
        return Levelled(target_s, conductance_s, pulses, reversals, energy_j, reason)

    def must_reach(
        self, port: CellPort, cell: Cell, target_s: float, *, cycle: int | None = None, step: int | None = None
    ) -> Levelled:
        """Do as :meth:`bring_to`, and leave a cell alone that fails three times in a row.

        Parameters
        ----------
        port : CellPort
        cell : (int, int)
        target_s : float, unit S
        cycle, step : int or None

        Returns
        -------
        Levelled
            Which may still have failed.

        Raises
        ------
        CellStopped
            If it fails for the third time, or the cell cannot be read.
        """
        levelled = self.bring_to(port, cell, target_s, cycle=cycle, step=step)
        self._strikes[cell] = 0 if levelled.is_reached else self._strikes.get(cell, 0) + 1
        if self._strikes[cell] >= _STRIKES:
            raise CellStopped(
                f"not brought to {format_quantity(target_s, 'S')} in {_STRIKES} visits: {levelled.reason}; last read "
                f"{levelled.conductance_s:.4g} S"
            )
        return levelled


def joule_energy_j(voltage_v: float, width_s: float, conductances_s: Sequence[float]) -> float:
    """Return V^2 G t of a rectangular pulse, with the mean of conductances.

    Parameters
    ----------
    voltage_v : float, unit V
    width_s : float, unit s
    conductances_s : sequence of float, unit S
        Low-field conductance before and after the pulse.

    Returns
    -------
    float, unit J
        The superlinearity of the cell is not in it.
    """
    return voltage_v**2 * width_s * sum(conductances_s) / len(conductances_s)


def read_conductance(
    port: CellPort,
    cell: Cell,
    *,
    cycle: int | None = None,
    step: int | None = None,
    event: str = "read",
    after_s: float = 0.0,
) -> float:
    """Read a cell whose conductance the work cannot go on without.

    Parameters
    ----------
    port : CellPort
    cell : (int, int)
    cycle, step : int or None
        Go into the row.
    event : str
        Kind of reading.
    after_s : float, unit s
        Wait first.

    Returns
    -------
    float, unit S

    Raises
    ------
    CellStopped
        If the reading has no value, or a stop rule of the procedure is met.
    """
    row = port.read(cell, cycle=cycle, step=step, event=event, after_s=after_s)
    if row.conductance_s is None:
        raise CellStopped(f"cannot be read: {', '.join(sorted(row.flags)) or 'no value'}")
    return row.conductance_s
