"""Bias schemes: which voltage each group of lines sees while one cell is pulsed.

Cell voltage is word line minus bit line; positive is the SET direction. Not here: which relay and which source makes
a voltage (:mod:`labctl.array.access`).
"""

from dataclasses import dataclass
from enum import StrEnum

from labctl.errors import StationError

__all__ = ["FULL_STRESS_V", "LineVoltages", "Scheme", "check_outputs", "line_voltages"]

FULL_STRESS_V = 0.3
"""What the other cells of a driven line may see for long without switching, unit V."""


class Scheme(StrEnum):
    """How the lines that are not selected are held."""

    V2 = "v2"
    V3 = "v3"
    GROUNDED = "grounded"
    FLOATING = "floating"
    INHIBIT = "inhibit"


@dataclass(frozen=True, slots=True)
class LineVoltages:
    """The four groups of lines while a pulse lasts; None is a floating line.

    Attributes
    ----------
    selected_word_v, selected_bit_v : float, unit V
        The two lines of the cell.
    other_word_v, other_bit_v : float or None, unit V
        All other lines.
    """

    selected_word_v: float
    selected_bit_v: float
    other_word_v: float | None
    other_bit_v: float | None

    @property
    def driven_v(self) -> tuple[float, float, float, float]:
        """The levels in the order of outputs, unit V: word and bit line of the cell, other word and bit lines or 0."""
        return self.selected_word_v, self.selected_bit_v, self.other_word_v or 0.0, self.other_bit_v or 0.0

    @property
    def half_select_v(self) -> float | None:
        """Largest magnitude on a cell that is not selected, unit V; None where lines float."""
        if self.other_word_v is None or self.other_bit_v is None:
            return None
        return max(
            abs(self.selected_word_v - self.other_bit_v),
            abs(self.other_word_v - self.selected_bit_v),
            abs(self.other_word_v - self.other_bit_v),
        )


def line_voltages(scheme: Scheme, voltage_v: float, *, row_stress_v: float = 0.0) -> LineVoltages:
    """Return the line voltages that put ``voltage_v`` on the selected cell.

    Parameters
    ----------
    scheme : Scheme
        V2: +V/2 and -V/2, others at 0. V3: +V/2 and -V/2, other word lines at -V/6 and other bit lines at +V/6, so
        that every other cell sees V/3. GROUNDED: V and 0, others at 0. FLOATING: +V/2 and -V/2, others open.
        INHIBIT: V and 0, other word lines at 0 and other bit lines close below V, so that the other cells of the word
        line see only ``row_stress_v``, those of the bit line nothing, and all others a voltage that RESETs them.
    voltage_v : float, unit V
        Cell voltage, of either sign.
    row_stress_v : float, unit V
        INHIBIT: what the other cells of the selected word line see at most.

    Returns
    -------
    LineVoltages
        What to drive.
    """
    half = 0.5 * voltage_v
    match scheme:
        case Scheme.V2:
            return LineVoltages(half, -half, 0.0, 0.0)
        case Scheme.V3:
            return LineVoltages(half, -half, -voltage_v / 6.0, voltage_v / 6.0)
        case Scheme.GROUNDED:
            return LineVoltages(voltage_v, 0.0, 0.0, 0.0)
        case Scheme.FLOATING:
            return LineVoltages(half, -half, None, None)
        case Scheme.INHIBIT:
            return LineVoltages(voltage_v, 0.0, 0.0, max(0.0, voltage_v - row_stress_v))


def check_outputs(scheme: Scheme, outputs: int) -> None:
    """Refuse V/3 on a rack that cannot pulse four groups of lines at once.

    Parameters
    ----------
    scheme : Scheme
    outputs : int
        Pulsed outputs on matrix rows.

    Raises
    ------
    StationError
        If there are too few.
    """
    if scheme is Scheme.V3 and outputs < 4:
        raise StationError(
            f"array: scheme 'v3' needs four pulsed outputs on matrix rows (+V/2, -V/2, -V/6, +V/6), the station has "
            f"{outputs}; choose scheme v2, grounded or floating, or wire a generator with four outputs"
        )
