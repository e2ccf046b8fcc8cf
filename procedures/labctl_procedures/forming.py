"""Form virgin cells one by one with a staircase of pulses, row by row.

Forming takes about twice the SET voltage. Under V/2 the formed cells of both lines would be SET and draw amperes, so
the unselected bit lines are raised too (scheme ``inhibit``): the formed cells of the word line see little, those of the
bit line nothing, and all others are RESET by the inhibit voltage, which keeps their current small. The cells of the
word line change a little with every pulse, and so does the guarded reading between pulses: breakdown is told by a jump.
Not here: the procedure (:mod:`labctl_procedures.form_array`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pymeasure.experiment import ListParameter

from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.tuning import Pulse, Staircase
from labctl_procedures.array_procedure import RecordedCells

__all__ = ["Formed", "FormingParameters", "FormingSettings", "find_unformed", "form_cells"]

Cell = tuple[int, int]


class FormingParameters:
    """Parameters that form_array and program_array share."""

    form_scheme = ListParameter(
        "Forming scheme",
        choices=["inhibit", "v2"],
        default="inhibit",
        description="inhibit raises the unselected bit lines close to the word line",
    )
    form_start = QuantityParameter("Forming start", "V", minimum=0.1, maximum=20.0, default=2.2)
    form_stop = QuantityParameter("Forming stop", "V", minimum=0.1, maximum=20.0, default=4.4)
    form_step = QuantityParameter("Forming step", "V", minimum=0.001, maximum=5.0, default=0.2)
    form_row_stress = QuantityParameter(
        "Forming row stress",
        "V",
        minimum=0.0,
        maximum=5.0,
        default=0.9,
        description="inhibit: what the other cells of the word line see at most",
    )
    form_width = QuantityParameter("Forming pulse width", "s", minimum=1e-8, maximum=1.0, default="10 ms")
    form_limit = QuantityParameter(
        "Forming current limit",
        "A",
        minimum=1e-9,
        maximum=1.5,
        default="0.4 A",
        description="Compliance of both channels; all cells of the inhibited bit lines share one of them",
    )
    formed_above = QuantityParameter(
        "Formed above",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="1 uS",
        description="A cell that conducts more in the survey counts as formed",
    )
    form_jump = QuantityParameter(
        "Forming jump",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="50 uS",
        description="Gain over the reading before the first pulse that tells breakdown",
    )

    parameter_groups: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "form_unformed",
            "form_scheme",
            "form_start",
            "form_stop",
            "form_step",
            "form_row_stress",
            "form_width",
            "form_limit",
            "formed_above",
            "form_jump",
        ),
        "Forming",
    )


@dataclass(frozen=True, slots=True)
class FormingSettings:
    """How forming runs.

    Attributes
    ----------
    start_v, stop_v, step_v : float, unit V
        Source voltages of the staircase, 0 < start <= stop.
    width_s : float, unit s
        Width of each pulse.
    formed_above_s : float, unit S
        Conductance from which a cell counts as formed in the survey.
    jump_s : float, unit S
        Gain over the reading before the first pulse that tells breakdown.

    Raises
    ------
    RunError
        If a value breaks its rule.
    """

    start_v: float
    stop_v: float
    step_v: float
    width_s: float
    formed_above_s: float
    jump_s: float

    def __post_init__(self) -> None:
        if not 0.0 < self.start_v <= self.stop_v:
            raise RunError(
                f"forming: form_start must be positive and at most form_stop, got {self.start_v:.4g} V and "
                f"{self.stop_v:.4g} V"
            )
        if not self.step_v > 0.0:
            raise RunError(f"forming: form_step must be positive, got {self.step_v:.4g} V")

    @classmethod
    def of(cls, parameters: FormingParameters) -> "FormingSettings":
        """Take the settings from the parameters of a procedure.

        Raises
        ------
        RunError
            If a value breaks its rule.
        """
        return cls(
            parameters.form_start,
            parameters.form_stop,
            parameters.form_step,
            parameters.form_width,
            parameters.formed_above,
            parameters.form_jump,
        )


@dataclass(frozen=True, slots=True)
class Formed:
    """What came of one cell.

    Attributes
    ----------
    voltage_v : float or None, unit V
        Cell voltage of the pulse after which it read as formed; None where it was formed before or never.
    conductance_s : float or None, unit S
        Last reading.
    is_formed : bool
        Whether it is formed now.
    """

    voltage_v: float | None
    conductance_s: float | None
    is_formed: bool


def find_unformed(cells: Iterable[Cell], port: RecordedCells, settings: FormingSettings) -> dict[Cell, Formed]:
    """Read cells and tell which are formed.

    Parameters
    ----------
    cells : iterable of (int, int)
        Any order.
    port : RecordedCells
        Reads with all other lines on ground.
    settings : FormingSettings
        Threshold.

    Returns
    -------
    dict of (int, int) to Formed
        In the same order; nothing was pulsed.
    """
    found = {}
    for cell in cells:
        conductance_s = port.read(*cell, event="survey")
        # a meter over range sees more than any virgin cell conducts
        found[cell] = Formed(None, conductance_s, conductance_s is None or conductance_s >= settings.formed_above_s)
    return found


def form_cells(
    cells: Iterable[Cell], port: RecordedCells, settings: FormingSettings, *, report: Callable[[int], None]
) -> dict[Cell, Formed]:
    """Form virgin cells.

    Parameters
    ----------
    cells : iterable of (int, int)
        Any order; visited row by row.
    port : RecordedCells
        Reads and pulses with the forming scheme.
    settings : FormingSettings
        Staircase and jump.
    report : callable
        Told the number of cells that are finished.

    Returns
    -------
    dict of (int, int) to Formed
        In the order visited.
    """
    found: dict[Cell, Formed] = {}
    for cell in sorted(cells):
        found[cell] = _form(cell, port, settings)
        report(len(found))
    return found


def _form(cell: Cell, port: RecordedCells, settings: FormingSettings) -> Formed:
    before_s = port.read(*cell) or 0.0
    conductance_s: float | None = before_s
    for voltage_v in Staircase(settings.start_v, settings.stop_v, settings.step_v, settings.width_s).levels_v():
        port.apply(*cell, Pulse(voltage_v, settings.width_s), event="form")
        conductance_s = port.read(*cell)
        if conductance_s is None or conductance_s - before_s >= settings.jump_s:
            return Formed(voltage_v, conductance_s, True)
    return Formed(None, conductance_s, False)
