"""What is known of each cell of a die, as maps that grow row by row and run by run.

One kind of row counts as a *reading*: no width, a voltage that does not switch (at most :data:`READ_AT_MOST_V`), and a
conductance or the flag ``overrange``. A row with a width is a *pulse*; a train of pulses is one such row, and so is
each level of a sweep. NumPy only, so that a window can keep its maps up to date with the rows of a run that goes on.

Not here: run files (:mod:`labctl.analysis.die_state`), the history of one cell (:mod:`labctl.analysis.cell_history`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FORMED_ABOVE_S", "READ_AT_MOST_V", "CellClass", "DieMaps", "RunRule"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

# the highest read voltage that the procedures allow; above it a cell of most families moves
READ_AT_MOST_V = 0.3
# default of the parameter formed_above of every procedure that forms
FORMED_ABOVE_S = 1e-6
# its range shows every formed cell as over range, to be quick; it tells formed from virgin, nothing more
_SURVEY = "survey"
_NO_PULSE = frozenset({"floating"})
_STUCK = ("does not RESET", "does not SET")
_LEFT_ALONE = "not formed"


class CellClass(IntEnum):
    """What the files say of a cell; of several rules that hold, the first in this order counts.

    Attributes
    ----------
    NEVER_MEASURED
        No reading of it in any run.
    OVER_RANGE
        In its last reading the meter went over range: it has no number, often because it is shorted.
    STUCK
        The last run that pulsed and judged it gave it up because it does not SET or does not RESET.
    FAILED
        The last run that pulsed and judged it lists it among its failed cells, for another reason.
    NOT_FORMED
        Its last reading is below the ``formed_above`` of the newest run that has this parameter.
    IN_TOLERANCE, OUT_OF_TOLERANCE
        It has a target; its last reading is, or is not, within the tolerance of the run that gave the target.
    FORMED
        It conducts, and no run gave it a target.
    """

    NEVER_MEASURED = 0
    NOT_FORMED = 1
    FORMED = 2
    IN_TOLERANCE = 3
    OUT_OF_TOLERANCE = 4
    FAILED = 5
    STUCK = 6
    OVER_RANGE = 7

    @property
    def label(self) -> str:
        """The class in words."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class RunRule:
    """What the parameters of a run say of its rows.

    Attributes
    ----------
    step_targets_s : tuple of float, unit S
        Targets by the number in the column Step, of runs whose rows hold no target.
    tolerance : float, unit 1
        Relative to a target; NaN without.
    formed_above_s : float, unit S
        From where on a cell counts as formed; NaN where the run does not say.
    """

    step_targets_s: tuple[float, ...] = ()
    tolerance: float = float("nan")
    formed_above_s: float = float("nan")

    @classmethod
    def of(cls, procedure: str, texts: Mapping[str, str]) -> "RunRule":
        """Read the rule of a run.

        Parameters
        ----------
        procedure : str
            Its name.
        texts : mapping of str to str
            Its parameters as people write them.

        Returns
        -------
        RunRule
            NaN for what cannot be read.
        """
        tolerance = "level_tolerance" if procedure == "write_verify" else "tolerance"
        targets = texts.get("targets", "").split(",") if procedure == "write_verify" else []
        return cls(
            tuple(_quantity(text, "S") for text in targets),
            _quantity(texts.get(tolerance, ""), "1"),
            _quantity(texts.get("formed_above", ""), "S"),
        )


class DieMaps:
    """Maps over the cells of a die, at first with nothing in them; all arrays have the shape (rows, columns).

    Parameters
    ----------
    rows, columns : int, unit 1
        Word lines and bit lines.

    Attributes
    ----------
    conductance_s : ndarray, unit S
        Of the last reading; NaN where there is none, and where it was over range.
    previous_s : ndarray, unit S
        Of the reading before the last.
    current_a : ndarray, unit A
        Of the last reading.
    measured_utc_s : ndarray, unit s
        Time of the last reading, seconds since 1970; NaN where there is none.
    touched_utc_s : ndarray, unit s
        Time of the last row of any kind.
    over_range : ndarray of bool
        Whether the last reading was over range.
    seen_formed : ndarray of bool
        Whether the last survey showed the cell as formed, which it tells without a number.
    readings, pulses : ndarray of int, unit 1
        How many rows of each kind.
    target_s : ndarray, unit S
        What the last run that had a target for the cell wanted; NaN without.
    tolerance : ndarray, unit 1
        Of that run, relative to the target.
    judged : ndarray of bool
        Whether a run pulsed the cell and then said which cells failed.
    reasons : dict of (int, int) to str
        Why cells failed, by cell; only those whose last judgement this was.
    formed_above_s : float, unit S
        From where on a cell counts as formed; NaN while no run has said.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        shape = (rows, columns)
        self.conductance_s: FloatArray = np.full(shape, np.nan)
        self.previous_s: FloatArray = np.full(shape, np.nan)
        self.current_a: FloatArray = np.full(shape, np.nan)
        self.measured_utc_s: FloatArray = np.full(shape, np.nan)
        self.touched_utc_s: FloatArray = np.full(shape, np.nan)
        self.target_s: FloatArray = np.full(shape, np.nan)
        self.tolerance: FloatArray = np.full(shape, np.nan)
        self.over_range: BoolArray = np.zeros(shape, dtype=np.bool_)
        self.seen_formed: BoolArray = np.zeros(shape, dtype=np.bool_)
        self.judged: BoolArray = np.zeros(shape, dtype=np.bool_)
        self.readings: IntArray = np.zeros(shape, dtype=np.int64)
        self.pulses: IntArray = np.zeros(shape, dtype=np.int64)
        self.reasons: dict[tuple[int, int], str] = {}
        self.formed_above_s = float("nan")

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the maps by the names of their attributes.

        Returns
        -------
        dict of str to ndarray
        """
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    @property
    def resistance_ohm(self) -> FloatArray:
        """Resistance, the inverse of the last conductance; NaN where that is not positive."""
        known = self.conductance_s > 0.0
        return np.divide(1.0, self.conductance_s, where=known, out=np.full_like(self.target_s, np.nan))

    @property
    def error(self) -> FloatArray:
        """Last conductance over target less 1, unit 1."""
        return self.conductance_s / self.target_s - 1.0

    @property
    def change(self) -> FloatArray:
        """Last conductance over the one before less 1, unit 1."""
        known = np.abs(self.previous_s) > 0.0
        ratio = np.divide(self.conductance_s, self.previous_s, where=known, out=np.full_like(self.target_s, np.nan))
        return ratio - 1.0

    def classes(self) -> npt.NDArray[np.int8]:
        """Sort the cells into classes.

        Returns
        -------
        ndarray of int, shape (rows, columns)
            Values of :class:`CellClass`.
        """
        threshold_s = FORMED_ABOVE_S if np.isnan(self.formed_above_s) else self.formed_above_s
        known = np.isfinite(self.conductance_s)
        # comparisons with NaN are False
        formed = np.where(known, self.conductance_s >= threshold_s, self.seen_formed)
        found = np.where(formed, CellClass.FORMED, CellClass.NOT_FORMED).astype(np.int8)
        aimed = formed & known & np.isfinite(self.target_s)
        good = aimed & (np.abs(self.error) <= self.tolerance)
        found[aimed] = CellClass.OUT_OF_TOLERANCE
        found[good] = CellClass.IN_TOLERANCE
        for cell, reason in self.reasons.items():
            found[cell] = CellClass.STUCK if reason.startswith(_STUCK) else CellClass.FAILED
        found[self.over_range] = CellClass.OVER_RANGE
        found[self.readings == 0] = CellClass.NEVER_MEASURED
        return found

    def take(
        self,
        columns: Mapping[str, npt.NDArray[Any]],
        utc_s: npt.ArrayLike,
        rule: RunRule,
    ) -> BoolArray:
        """Take rows of a run, in their order.

        Parameters
        ----------
        columns : mapping of str to ndarray
            By the labels of the run file; what is left out has no value. Rows without a cell are passed
            over, and those of a die that the run put in itself.
        utc_s : float or ndarray, unit s
            Time of the rows, seconds since 1970.
        rule : RunRule
            Of the run.

        Returns
        -------
        ndarray of bool, shape (rows, columns)
            Cells that were among the rows.
        """
        touched = np.zeros((self.rows, self.columns), dtype=bool)
        if not {"Row", "Column"} <= columns.keys():
            return touched
        row, column = _numbers(columns["Row"]), _numbers(columns["Column"])
        inside = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        if "Die" in columns:
            # a sequence that changed dies says so in each row: that is another die than the maps'
            inside &= np.array([not name for name in columns["Die"]], dtype=bool)
        if not inside.any():
            return touched
        count = int(inside.sum())
        cell = (row[inside] * self.columns + column[inside]).astype(np.int64)

        def values(label: str) -> FloatArray:
            return _numbers(columns[label])[inside] if label in columns else np.full(count, np.nan)

        times_s = np.broadcast_to(np.asarray(utc_s, dtype=float), row.shape)[inside]
        event = columns["Event"][inside] if "Event" in columns else np.full(count, "", dtype=object)
        self.touched_utc_s.flat[cell] = times_s
        touched.flat[cell] = True
        has_width = np.isfinite(values("Width (s)"))
        np.add.at(self.pulses.reshape(-1), cell[has_width & ~np.isin(event, list(_NO_PULSE))], 1)
        self._take_readings(cell, times_s, event, values, ~has_width, _flagged(columns.get("Flags"), inside))
        self._take_targets(cell, event, values, rule)
        if not np.isnan(rule.formed_above_s):
            self.formed_above_s = rule.formed_above_s
        return touched

    def _take_readings(
        self, cell: IntArray, times_s: FloatArray, event: Any, values: Any, may_be: BoolArray, over: BoolArray
    ) -> None:
        voltage_v, conductance_s = values("Voltage (V)"), values("Conductance (S)")
        over = over & ~np.isfinite(conductance_s)
        reading = may_be & (np.isfinite(conductance_s) | over)
        reading &= ~((np.abs(voltage_v) > READ_AT_MOST_V) | (voltage_v == 0.0))
        np.add.at(self.readings.reshape(-1), cell[reading], 1)
        survey = reading & over & np.asarray(event == _SURVEY, dtype=bool)
        self.seen_formed.flat[cell[survey]] = True
        reading &= ~survey
        chosen, value_s = cell[reading], conductance_s[reading]
        order = np.argsort(chosen, kind="stable")
        ordered = chosen[order]
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if order.size else order
        self.previous_s.flat[ordered[last]] = self.conductance_s.flat[ordered[last]]
        twice = last[(last > 0) & (ordered[last - 1] == ordered[last])]
        self.previous_s.flat[ordered[twice]] = value_s[order[twice - 1]]
        at = order[last]
        for name, new in (
            ("conductance_s", value_s),
            ("current_a", values("Current (A)")[reading]),
            ("measured_utc_s", times_s[reading]),
            ("over_range", over[reading]),
        ):
            getattr(self, name).flat[chosen[at]] = new[at]

    def _take_targets(self, cell: IntArray, event: Any, values: Any, rule: RunRule) -> None:
        target_s = values("Target (S)").copy()
        if rule.step_targets_s:
            step = values("Step")
            known = (step >= 0) & (step < len(rule.step_targets_s)) & np.asarray(event == "verify", dtype=bool)
            target_s[known] = np.array(rule.step_targets_s)[step[known].astype(np.int64)]
        aimed = np.isfinite(target_s)
        self.target_s.flat[cell[aimed]] = target_s[aimed]
        self.tolerance.flat[cell[aimed]] = rule.tolerance

    def judge(self, failed: Mapping[tuple[int, int], str]) -> None:
        """Take what a run said of the cells that it pulsed, after its rows; what it said before is forgotten.

        Parameters
        ----------
        failed : mapping of (int, int) to str
            Reason by cell. A cell that was only left alone because it is not formed did not fail.
        """
        self.reasons.clear()
        self.judged = self.pulses > 0
        for (row, column), reason in failed.items():
            if row < self.rows and column < self.columns and not reason.startswith(_LEFT_ALONE):
                self.judged[row, column] = True
                self.reasons[row, column] = reason

    def merge(self, later: "DieMaps") -> None:
        """Add what later runs found.

        Parameters
        ----------
        later : DieMaps
            Of the same shape, from rows that are younger than all of these.
        """
        again = later.measured_utc_s == later.measured_utc_s
        first = again & np.isnan(later.previous_s)
        self.previous_s = np.where(again, np.where(first, self.conductance_s, later.previous_s), self.previous_s)
        for name in ("conductance_s", "current_a", "measured_utc_s", "over_range"):
            setattr(self, name, np.where(again, getattr(later, name), getattr(self, name)))
        touched, aimed = np.isfinite(later.touched_utc_s), np.isfinite(later.target_s)
        self.touched_utc_s = np.where(touched, later.touched_utc_s, self.touched_utc_s)
        self.target_s = np.where(aimed, later.target_s, self.target_s)
        self.tolerance = np.where(aimed, later.tolerance, self.tolerance)
        self.seen_formed |= later.seen_formed
        self.readings = self.readings + later.readings
        self.pulses = self.pulses + later.pulses
        kept = {cell: reason for cell, reason in self.reasons.items() if not later.judged[cell]}
        self.reasons = kept | later.reasons
        self.judged |= later.judged
        if not np.isnan(later.formed_above_s):
            self.formed_above_s = later.formed_above_s


def _numbers(values: npt.NDArray[Any]) -> FloatArray:
    """Return a column as floats, None as NaN; a column that holds text has no numbers."""
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        return np.full(len(values), np.nan)


def _flagged(flags: npt.NDArray[Any] | None, inside: BoolArray) -> BoolArray:
    if flags is None or flags.dtype.kind == "f":
        return np.zeros(int(inside.sum()), dtype=bool)
    return np.array([isinstance(text, str) and "overrange" in text for text in flags[inside]], dtype=bool)


def _quantity(text: str, unit: str) -> float:
    # Pint takes a third of a second to import
    from labctl.units import parse_quantity

    try:
        return parse_quantity(text, unit)
    except ValueError:
        return float("nan")
