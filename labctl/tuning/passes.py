"""Tune many cells in passes, in the order that keeps half-select disturb small.

A SET pulse raises half-selected neighbours about twenty times more than a RESET pulse of the same effect lowers them.
So each pass reads all cells, first raises those below their band, then runs the RESET ramps, lowest target first,
because the lowest targets need the largest voltages. The first passes stop above the target by a shrinking margin for
the disturb that is still to come; later passes touch up with few and small pulses until no cell is out of its band or
the passes are spent. Not here: instruments; the caller gives a port that reads and pulses a cell.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from labctl.tuning.decisions import Decision, Done, Failed, FailureReason, Pulse, Staircase
from labctl.tuning.ramp import Experience
from labctl.tuning.reset_voltage_control import OverReset, Raise, ResetVoltageControl, RvcSettings
from labctl.tuning.stop_voltage_control import StopVoltageControl, StopVoltageCurve, StopVoltageSettings

__all__ = ["CellPort", "CellState", "Note", "PassSettings", "tune_cells"]

Cell = tuple[int, int]

# a margin counts while it is so many tolerances wide; the coarse band is so many margins wide
_COARSE, _BAND = 1.5, 0.6
# below this part of its target a cell is raised with large steps: few pulses disturb less than many
_FAR = 0.8
# passes in which a cell may fail: what does not switch in a fully loaded array may do so in a later one
_PATIENCE = 2


@dataclass(frozen=True, slots=True)
class Note:
    """Why a cell is read or pulsed: for the record.

    Attributes
    ----------
    pass_number : int
        From 1.
    attempt : int
        From 1.
    target_s : float, unit S
        Target of the cell, without margin.
    """

    pass_number: int
    attempt: int
    target_s: float


class CellPort(Protocol):
    """Where the cells are."""

    def read(self, row: int, column: int, note: Note) -> float | None:
        """Return the low-field conductance of a cell in S, or None where the meter went over range."""
        ...

    def apply(self, row: int, column: int, stimulus: Pulse | Staircase, note: Note) -> None:
        """Pulse a cell."""
        ...


@dataclass
class CellState:
    """What is known of one cell while it is tuned.

    Attributes
    ----------
    target_s : float, unit S
        Target conductance.
    pulses, sets : int
        Pulses of both polarities (staircases in the DC form); times that the cell was raised.
    verified_s : float or None, unit S
        Last verify of the tuner.
    first_pass_s : float or None, unit S
        Verify at the end of the first pass.
    mapped_s : dict of int to float, unit S
        Reading at the beginning of each pass.
    failure : FailureReason or None
        Why the cell is not in its band.
    strikes : int
        Passes in which it failed.
    is_given_up : bool
        Whether later passes leave it alone.
    reset_experience, set_experience : Experience or None
        What the last telling pulse of each polarity did.
    curve : StopVoltageCurve
        What the DC form has learned.
    """

    target_s: float
    pulses: int = 0
    sets: int = 0
    verified_s: float | None = None
    first_pass_s: float | None = None
    mapped_s: dict[int, float] = field(default_factory=dict)
    failure: FailureReason | None = None
    strikes: int = 0
    is_given_up: bool = False
    reset_experience: Experience | None = None
    set_experience: Experience | None = None
    curve: StopVoltageCurve = field(default_factory=StopVoltageCurve)

    @property
    def attempts(self) -> int:
        """Number of the present attempt: a SET begins a new one."""
        return self.sets + 1


@dataclass(frozen=True, slots=True)
class PassSettings:
    """How the passes run.

    Attributes
    ----------
    tuner : RvcSettings or StopVoltageSettings
        Algorithm and its settings.
    max_passes : int
        At least 1.
    first_margin : float, unit 1
        How far above the target the first pass stops, relative to the target; room for the disturb to come.
    margin_ratio : float, unit 1
        Margin of a pass over that of the pass before, below 1. There is none in the last pass, nor where the margin
        would come near the tolerance.

    Raises
    ------
    ValueError
        If a value breaks its rule.
    """

    tuner: RvcSettings | StopVoltageSettings
    max_passes: int = 8
    first_margin: float = 0.3
    margin_ratio: float = 0.3

    def __post_init__(self) -> None:
        if self.max_passes < 1:
            raise ValueError(f"passes: there must be at least 1 pass, got {self.max_passes!r}")
        if self.first_margin < 0.0:
            raise ValueError(f"passes: the first margin must not be negative, got {self.first_margin!r}")
        if not 0.0 <= self.margin_ratio < 1.0:
            raise ValueError(f"passes: the margin ratio must lie in [0, 1), got {self.margin_ratio!r}")

    def margin(self, pass_number: int) -> float:
        """Return how far above the targets a pass stops, unit 1; passes count from 1."""
        margin = self.first_margin * self.margin_ratio ** (pass_number - 1)
        is_coarse = margin > _COARSE * self.tuner.tolerance and pass_number < self.max_passes
        return margin if is_coarse else 0.0


def tune_cells(
    port: CellPort,
    targets_s: Mapping[Cell, float],
    settings: PassSettings,
    *,
    report: Callable[[int, int, int], None],
    revise: Callable[[Mapping[Cell, CellState]], None] | None = None,
) -> dict[Cell, CellState]:
    """Tune cells to their targets.

    Parameters
    ----------
    port : CellPort
        Reads and pulses; what it raises ends the tuning.
    targets_s : mapping of (int, int) to float, unit S
        Target of each cell.
    settings : PassSettings
        Algorithm, passes, margin.
    report : callable
        Told pass number, cells finished in this pass and cells of this pass, after each cell.
    revise : callable or None
        Shown all cells before each pass; may change their ``target_s``.

    Returns
    -------
    dict of (int, int) to CellState
        In the order of ``targets_s``.
    """
    states = {cell: CellState(target_s) for cell, target_s in targets_s.items()}
    for number in range(1, settings.max_passes + 1):
        if revise is not None:
            revise(states)
        low, high = _survey(port, states, settings.tuner.tolerance, number)
        to_raise = low if isinstance(settings.tuner, RvcSettings) else []
        to_lower = sorted([*low, *high], key=lambda cell: states[cell].target_s)
        if not to_lower:
            break
        for finished, cell in enumerate(to_raise, start=1):
            _raise(port, cell, states[cell], settings, number)
            report(number, finished, len(to_raise) + len(to_lower))
        for finished, cell in enumerate(to_lower, start=len(to_raise) + 1):
            if not states[cell].is_given_up:
                _lower(port, cell, states[cell], settings, number)
            report(number, finished, len(to_raise) + len(to_lower))
    return states


def _survey(
    port: CellPort, states: Mapping[Cell, CellState], tolerance: float, number: int
) -> tuple[list[Cell], list[Cell]]:
    """Read all cells that are not given up; return those below and those above their band."""
    low: list[Cell] = []
    high: list[Cell] = []
    for cell, state in states.items():
        if state.is_given_up:
            continue
        conductance_s = port.read(*cell, Note(number, state.attempts, state.target_s))
        if conductance_s is None:
            # above the meter's range is above the target
            high.append(cell)
            continue
        state.mapped_s[number] = conductance_s
        error = conductance_s / state.target_s - 1.0
        if abs(error) > tolerance:
            (low if error < 0.0 else high).append(cell)
        else:
            state.failure, state.verified_s = None, conductance_s
    return low, high


def _raise(port: CellPort, cell: Cell, state: CellState, settings: PassSettings, number: int) -> None:
    tuner_settings = settings.tuner
    if not isinstance(tuner_settings, RvcSettings):
        return
    if state.mapped_s.get(number, state.target_s) < _FAR * state.target_s:
        tuner_settings = replace(tuner_settings, set=replace(tuner_settings.set, max_log_change=1.0))
    tuner = Raise(state.target_s, tuner_settings, experience=state.set_experience)
    _drive(port, cell, state, tuner.decide, number)
    state.pulses += tuner.pulses
    state.sets += tuner.pulses > 0
    state.set_experience = tuner.set_experience


def _lower(port: CellPort, cell: Cell, state: CellState, settings: PassSettings, number: int) -> None:
    tuner_settings = settings.tuner
    if isinstance(tuner_settings, StopVoltageSettings):
        stairs = StopVoltageControl(state.target_s, tuner_settings, curve=state.curve)
        _drive(port, cell, state, stairs.decide, number)
        state.pulses += stairs.pulses
        state.sets += stairs.sets
    else:
        goal_s, band = state.target_s, tuner_settings
        margin = settings.margin(number)
        if margin > 0.0:
            goal_s *= 1.0 + margin
            # a part of the margin keeps the lower edge of the coarse band above the target
            band = replace(band, tolerance=max(band.tolerance, _BAND * margin), over_reset=OverReset.DEFER)
        tuner = ResetVoltageControl(
            goal_s, band, reset_experience=state.reset_experience, set_experience=state.set_experience
        )
        _drive(port, cell, state, tuner.decide, number, margin > 0.0)
        state.pulses += tuner.pulses
        state.sets += tuner.sets
        state.reset_experience, state.set_experience = tuner.reset_experience, tuner.set_experience
    if number == 1:
        state.first_pass_s = state.verified_s


def _drive(
    port: CellPort,
    cell: Cell,
    state: CellState,
    decide: Callable[[float], Decision],
    number: int,
    is_coarse: bool = False,
) -> None:
    """Let a tuner run to its end on one cell."""
    while True:
        note = Note(number, state.attempts, state.target_s)
        conductance_s = port.read(*cell, note)
        if conductance_s is None:
            state.failure, state.is_given_up = FailureReason.UNREADABLE, True
            return
        state.verified_s = conductance_s
        match decide(conductance_s):
            case Done():
                state.failure = None
                return
            case Failed(reason):
                state.failure = reason
                if reason is not FailureReason.OVER_RESET and not is_coarse:
                    state.strikes += 1
                    state.is_given_up = state.strikes >= _PATIENCE
                return
            case Pulse() | Staircase() as stimulus:
                port.apply(*cell, stimulus, note)
