"""The extremes of a run beside what the station allows, as a table. Not here: the plot (:mod:`.preview_view`)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from labctl.units import format_quantity

__all__ = ["ExtremesTable", "spoken_duration"]

Case = Mapping[str, Any]
_HEADS = (
    ("At most", ""),
    ("Allowed", "By the envelope of the station"),
    ("Worst", "With any of the three kinds of cells that may be assumed"),
    ("Drawn", "With the cells that are assumed in the drawing"),
    ("Stated", "What the procedure itself says beforehand"),
)


class ExtremesTable(QTableWidget):
    """Largest voltages, longest pulse, largest current limit and energy, counts and times.

    Parameters
    ----------
    parent : QWidget, optional
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_HEADS), parent)
        for column, (head, tip) in enumerate(_HEADS):
            item = QTableWidgetItem(head)
            item.setToolTip(tip)
            self.setHorizontalHeaderItem(column, item)
        self.setAccessibleName("extremes of the run beside the limits of the station")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        vertical, horizontal = self.verticalHeader(), self.horizontalHeader()
        if vertical is not None and horizontal is not None:
            vertical.hide()
            vertical.setDefaultSectionSize(round(1.5 * self.fontMetrics().lineSpacing()))
            horizontal.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            horizontal.setStretchLastSection(True)

    def fill(
        self,
        shown: Case | None,
        cases: Sequence[Case],
        estimate: Mapping[str, float | None],
        envelope: Mapping[str, float | None],
    ) -> None:
        """Show the extremes.

        Parameters
        ----------
        shown : Mapping or None
            The case that is drawn.
        cases : sequence of Mapping
            Those that are worked out.
        estimate : Mapping of str to float or None
            The procedure's own, as :class:`labctl.run.preflight.Estimate` has it.
        envelope : Mapping of str to float or None
            Limits of the station, SI units as the keys say.
        """
        rows = _rows(cases)
        self.setRowCount(len(rows))
        for line, (title, unit, value, said, key, tip) in enumerate(rows):
            allowed = envelope.get(key)
            texts = (
                title,
                "" if allowed is None else format_quantity(allowed, unit, digits=4),
                _told(cases, value, unit),
                _told(() if shown is None else (shown,), value, unit),
                "" if estimate.get(said) is None else _formatted(abs(estimate[said] or 0.0), unit),
            )
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(tip)
                if column:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(line, column, item)


def spoken_duration(duration_s: float) -> str:
    """Return a duration as people say it.

    Parameters
    ----------
    duration_s : float, unit s

    Returns
    -------
    str
        Such as "38 s", "4 min 10 s", "2 h 5 min" or "3 d 4 h".
    """
    if duration_s < 60.0:
        return format_quantity(duration_s, "s", digits=3)
    seconds = round(duration_s)
    for unit_s, unit, below_s, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit_s:
            rest = seconds % unit_s // below_s
            return f"{seconds // unit_s} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{seconds} s"


def _rows(cases: Sequence[Case]) -> list[tuple[str, str, Callable[[Case], float | None], str, str, str]]:
    """Return title, unit, value of a case, keys of estimate and envelope, and explanation of each line."""
    terminals = sorted({name for case in cases for name in case["largest_terminal_v"]})
    return [
        *(
            (
                f"{terminal} to ground",
                "V",
                lambda case, terminal=terminal: case["largest_terminal_v"].get(terminal, 0.0),
                "",
                "voltage_v",
                "Magnitude of the level at this terminal of the rack, against ground",
            )
            for terminal in terminals
        ),
        (
            "Voltage of a cell",
            "V",
            lambda case: case["largest_cell_v"],
            "voltage_v",
            "voltage_v",
            "Between its two ends, as the procedure plans it",
        ),
        (
            "Pulse width",
            "s",
            lambda case: case["longest_width_s"],
            "width_s",
            "pulse_width_s",
            "How long a pulse or a step lasts; levels that stand until the next do not count",
        ),
        (
            "Current limit",
            "A",
            lambda case: case["largest_current_limit_a"],
            "current_a",
            "current_a",
            "Compliance of a source-measure unit; level / 50 ohm of a pulse generator",
        ),
        (
            "Pulse energy",
            "J",
            lambda case: case["largest_energy_j"],
            "",
            "energy_j",
            "What the sources could deliver at most in one pulse or step",
        ),
        ("Stimuli", "count", lambda case: case["stimuli_count"], "", "", "Levels, steps and pulses that are not 0 V"),
        ("Readings", "count", lambda case: case["readings"], "", "", "Measurements of current or voltage"),
        ("Rows of data", "count", lambda case: case["points"], "points", "", "In the run file"),
        (
            "Time of the rack",
            "time",
            lambda case: case["duration_s"],
            "duration_s",
            "",
            "Nominal; a simulated rack needs less",
        ),
    ]


def _told(cases: Sequence[Case], value: Callable[[Case], float | None], unit: str) -> str:
    """Return the largest value of cases as text; a count that was cut says that there are more."""
    largest = max((found for case in cases if (found := value(case)) is not None), default=None)
    if largest is None or (largest == 0.0 and unit in ("s", "A", "J")):
        return "–"
    more = "> " if any(case["outcome"].startswith("stopped counting") for case in cases) else ""
    return (more if unit in ("time", "count") else "") + _formatted(largest, unit)


def _formatted(value: float, unit: str) -> str:
    if unit == "time":
        return spoken_duration(value)
    return f"{value:,.0f}" if unit == "count" else format_quantity(value, unit, digits=4)
