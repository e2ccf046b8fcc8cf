"""Form virgin cells one by one with a staircase of pulses, row by row.

Forming takes about twice the SET voltage. Under V/2 the formed cells of both lines would be SET and draw amperes, so
the unselected bit lines are raised too (scheme ``inhibit``): the formed cells of the word line see little, those of the
bit line nothing, and all others are RESET by the inhibit voltage, which keeps their current small. The cells of the
word line change a little with every pulse, and so does the guarded reading between pulses: breakdown is told by a jump.
A cell that breaks down altogether is shorted: it gets no further pulse and is not formed.
Not here: the procedure (:mod:`labctl_procedures.form_array`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pymeasure.experiment import ListParameter

from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.tuning import Pulse, Staircase
from labctl_procedures.array_procedure import RecordedCells

__all__ = [
    "Formed",
    "FormingParameters",
    "FormingSettings",
    "find_shorted",
    "find_unformed",
    "form_cells",
    "why_shorted",
]

Cell = tuple[int, int]


class FormingParameters:
    """Parameters that form_array and program_array share."""

    form_scheme = ListParameter(
        "Forming scheme",
        choices=["inhibit", "v2"],
        default="inhibit",
        description="inhibit raises the unselected bit lines close to the word line",
    )
    form_start = QuantityParameter(
        "Forming start",
        "V",
        minimum=0.1,
        maximum=20.0,
        default=2.2,
        description="First pulse. ArC FormFinder: 0.25 V. Default: assumed, 2.4 sigma below the mean forming voltage "
        "of the reference die (2.8 V, 0.25 V); less would only disturb neighbours",
    )
    form_stop = QuantityParameter(
        "Forming stop",
        "V",
        minimum=0.1,
        maximum=20.0,
        default=4.4,
        description="Last pulse. ArC FormFinder: 3 V; DC forming of oxide ReRAM: 3 to 5 V. Default: assumed, a pulse "
        "is shorter than a DC dwell, and lines take their part",
    )
    form_step = QuantityParameter(
        "Forming step",
        "V",
        minimum=0.001,
        maximum=5.0,
        default=0.2,
        description="ArC FormFinder: 0.25 V. Default: assumed, less than one sigma of the forming voltages of the "
        "reference die",
    )
    form_row_stress = QuantityParameter(
        "Forming row stress",
        "V",
        minimum=0.0,
        maximum=5.0,
        default=0.9,
        description="inhibit: what the other cells of the word line see at most. Default: assumed, about the least "
        "SET voltage of UCSB Pt/Al2O3/TiO2-x cells (0.8 V)",
    )
    form_width = QuantityParameter(
        "Forming pulse width",
        "s",
        minimum=1e-8,
        maximum=1.0,
        default="10 ms",
        description="ArC FormFinder: 100 us to 1 ms. Default: assumed, a cell of the reference die lives 50 ms at its "
        "forming voltage: shorter pulses would need more volts",
    )
    form_limit = QuantityParameter(
        "Forming current limit",
        "A",
        minimum=1e-9,
        maximum=1.5,
        default="0.4 A",
        description="Compliance of both channels; all cells of the inhibited bit lines share one of them. Default: "
        "assumed, an array of 32 x 32 formed cells; where cells share no line it is 1 mA at most",
    )
    formed_above = QuantityParameter(
        "Formed above",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="1 uS",
        description="A cell that conducts more in the survey counts as formed. ArC FormFinder: less than 1 Mohm",
    )
    form_jump = QuantityParameter(
        "Forming jump",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="50 uS",
        description="Gain over the reading before the first pulse that tells breakdown. ArC FormFinder: 10 % of R. "
        "Default: assumed, a guarded reading moves by tens of uS with its neighbours",
    )

    shorted_above = QuantityParameter(
        "Shorted above",
        "S",
        minimum=1e-9,
        maximum=10.0,
        default="5 mS",
        description="Stop rule: a cell that reads more is left alone. Default: assumed, 200 ohm",
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
    ) | {"shorted_above": "Stop rules (protect the die)"}


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
    shorted_above_s : float, unit S
        Conductance above which a cell is shorted.

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
    shorted_above_s: float

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
            parameters.shorted_above,
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
        Whether it is formed now, and not shorted.
    why_shorted : str or None
        Which rule says that it is shorted; None where it is not.
    """

    voltage_v: float | None
    conductance_s: float | None
    is_formed: bool
    why_shorted: str | None = None


def why_shorted(conductance_s: float | None, flags: Collection[str], above_s: float) -> str | None:
    """Tell which rule makes a reading that of a short circuit.

    Parameters
    ----------
    conductance_s : float or None, unit S
        None where the meter has no value.
    flags : collection of str
        Of the reading.
    above_s : float, unit S
        Conductance above which a cell is shorted.

    Returns
    -------
    str or None
        None where the cell is not shorted.
    """
    if "compliance" in flags:
        return "meets the compliance at the read voltage: shorted, or the current limit is too small"
    if conductance_s is None:
        return "reads over range: shorted, or the read range is too small" if "overrange" in flags else None
    return f"reads {conductance_s:.4g} S, shorted_above is {above_s:.4g} S" if conductance_s > above_s else None


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
        # the range is that of virgin cells: over range, or at its top, is formed or shorted (find_shorted)
        found[cell] = Formed(None, conductance_s, conductance_s is None or conductance_s >= settings.formed_above_s)
    return found


def find_shorted(cells: Iterable[Cell], port: RecordedCells, settings: FormingSettings) -> dict[Cell, Formed]:
    """Read cells that conduct on a range that holds them, and tell which are shorted.

    Parameters
    ----------
    cells : iterable of (int, int)
        Formed before, or shorted.
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
        conductance_s, why = _looked_at(cell, port, settings, event="survey")
        found[cell] = Formed(None, conductance_s, why is None, why)
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
        conductance_s, why = _looked_at(cell, port, settings)
        if why is not None:
            return Formed(None, conductance_s, False, f"after {voltage_v:.4g} V it {why}")
        if conductance_s is None or conductance_s - before_s >= settings.jump_s:
            return Formed(voltage_v, conductance_s, True)
    return Formed(None, conductance_s, False)


def _looked_at(
    cell: Cell, port: RecordedCells, settings: FormingSettings, *, event: str = "read"
) -> tuple[float | None, str | None]:
    """Return what a cell reads and why it is shorted; over range it is read once more, which noise may explain."""
    conductance_s, flags = port.read_flagged(*cell, event=event)
    if conductance_s is None:
        conductance_s, flags = port.read_flagged(*cell, event=event)
    return conductance_s, why_shorted(conductance_s, flags, settings.shorted_above_s)
