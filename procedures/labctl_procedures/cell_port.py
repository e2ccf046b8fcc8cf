"""The cells of an access, with rows for what is done to them: what characterisation procedures measure with.

Each call is one unit of work (:meth:`labctl.run.LabProcedure.perform`): a resumed run recalls it, a stimulus that was
cut is flagged, not repeated. Not here: which cells and what to do (the procedures), the base that visits cells
(:mod:`labctl_procedures.cell_procedure`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from labctl.array import CellReading
from labctl.array.cell_access import CellAccess
from labctl.run.procedure import Row
from labctl_procedures.stimulus_notes import LIMIT, write_note

if TYPE_CHECKING:
    from labctl_procedures.cell_procedure import CellProcedure

__all__ = ["CELL_COLUMNS", "Cell", "CellPort", "CellRow", "CellShorted", "CellStopped", "or_nan"]

CELL_COLUMNS = [
    "Event",
    "Row",
    "Column",
    "Cycle",
    "Step",
    "Voltage (V)",
    "Width (s)",
    "Current (A)",
    "Conductance (S)",
    "Time (s)",
    "Flags",
    "Raw",
]

Cell = tuple[int, int]


class CellStopped(Exception):
    """A stop rule ends the work on a cell, not the run; the message is the reason."""


class CellShorted(CellStopped):
    """The rule says that the cell is shorted."""


@dataclass(frozen=True, slots=True)
class CellRow:
    """One row as the run file holds it.

    Attributes
    ----------
    voltage_v : float or None, unit V
        None where the row of a group that was cut holds the plan only.
    current_a : float or None, unit A
        None where the meter went over range.
    conductance_s : float or None, unit S
    time_s : float or None, unit s
        Since the run began, on the clock of the rack.
    flags : frozenset of str
        Empty for a good reading.
    """

    voltage_v: float | None
    current_a: float | None
    conductance_s: float | None
    time_s: float | None
    flags: frozenset[str]

    @classmethod
    def of(cls, row: Row) -> "CellRow":
        """Take what is needed from a row of the file."""
        names = ("Voltage (V)", "Current (A)", "Conductance (S)", "Time (s)")
        voltage_v, current_a, conductance_s, time_s = (cast("float | None", row[name]) for name in names)
        flags = frozenset(str(row["Flags"]).split(",")) if row["Flags"] else frozenset()
        return cls(voltage_v, current_a, conductance_s, time_s, flags)


def or_nan(value: float | None) -> float:
    """Return what a row holds as a number that curves can hold.

    Parameters
    ----------
    value : float or None, any unit
        Of a :class:`CellRow`.

    Returns
    -------
    float, unit of the value
        NaN where the row has none.
    """
    return math.nan if value is None else value


class CellPort:
    """The cells of an access, recorded.

    Parameters
    ----------
    procedure : CellProcedure
        Whose rows they become.
    access : CellAccess
    """

    def __init__(self, procedure: "CellProcedure", access: CellAccess) -> None:
        self._procedure = procedure
        self._access = access
        # conductance of the last reading, unit S, of cells since the last stimulus, which may disturb any of them
        self._unpulsed: dict[Cell, float] = {}

    def read(
        self,
        cell: Cell,
        *,
        cycle: int | None = None,
        step: int | None = None,
        event: str = "read",
        after_s: float = 0.0,
        not_before_s: float | None = None,
    ) -> CellRow:
        """Read a cell at the read voltage, and apply the stop rules to what it shows.

        What goes over an automatic range is read once more: noise at the edge of a range is no short circuit.

        Parameters
        ----------
        cell : (int, int)
        cycle, step : int or None
            Go into the row.
        event : str
            Kind of reading.
        after_s : float, unit s
            Wait first.
        not_before_s : float or None, unit s
            Wait first until the run is that old; a time that has passed does not matter.

        Returns
        -------
        CellRow

        Raises
        ------
        CellStopped
            If the reading meets the compliance, or the conductance is outside the limits of the procedure or has jumped
            without a pulse.
        """

        def read() -> Row:
            self._wait(after_s, not_before_s)
            return self._row(self._access.read(*cell))

        self._note(event, {}, after_s, not_before_s)
        (row,) = self._perform(event, cell, cycle, step, self._access.read_voltage_v, None, read, stimulates=False)
        if "overrange" in row.flags and not self._procedure.read_range:
            after_s, not_before_s = 0.0, None
            self._note(event, {})
            (row,) = self._perform(event, cell, cycle, step, self._access.read_voltage_v, None, read, stimulates=False)
        self._procedure.remember(cell, row.conductance_s)
        before_s = self._unpulsed.get(cell)
        if row.conductance_s is not None:
            self._unpulsed[cell] = row.conductance_s
        self._procedure.check_reading(row, before_s)
        return row

    def pulse(
        self,
        cell: Cell,
        voltage_v: float,
        width_s: float,
        *,
        cycle: int | None = None,
        step: int | None = None,
        event: str | None = None,
        after_s: float = 0.0,
    ) -> CellRow:
        """Give a cell one pulse.

        Parameters
        ----------
        cell : (int, int)
        voltage_v : float, unit V
        width_s : float, unit s
        cycle, step : int or None
            Go into the row.
        event : str or None
            None tells SET from RESET by the sign.
        after_s : float, unit s
            Wait first.

        Returns
        -------
        CellRow
            Its time is that of the end of the pulse; None where the pulse was cut by an interruption.
        """

        def pulse() -> Row:
            self._wait(after_s, None)
            self._access.pulse(*cell, voltage_v, width_s)
            return {"Time (s)": self._procedure.elapsed_s()}

        kind = event or ("set" if voltage_v > 0.0 else "reset")
        self._note(kind, {}, after_s)
        (row,) = self._perform(kind, cell, cycle, step, voltage_v, width_s, pulse, stimulates=True)
        return row

    def train(
        self,
        cell: Cell,
        voltages_v: Sequence[float],
        width_s: float,
        count: int,
        *,
        cycle: int | None = None,
        event: str = "train",
    ) -> None:
        """Give a cell the same few pulses again and again without a reading; the whole train is one row.

        Parameters
        ----------
        cell : (int, int)
        voltages_v : sequence of float, unit V
            The pulses of one round; the row holds the largest.
        width_s : float, unit s
            Of each pulse.
        count : int
            Rounds; goes into the column Step.
        cycle : int or None
            Goes into the row.
        event : str
        """

        def apply() -> None:
            for _ in range(count):
                for voltage_v in voltages_v:
                    self._access.pulse(*cell, voltage_v, width_s)

        facts = {"do": "train", "voltages_v": list(voltages_v)}
        self._apply(event, cell, cycle, count, voltages_v, width_s, apply, facts)

    def staircase(
        self,
        cell: Cell,
        levels_v: Sequence[float],
        *,
        dwell_s: float,
        cycle: int | None = None,
        step: int | None = None,
        event: str = "waveform",
    ) -> None:
        """Step a cell through levels without a measurement: a waveform in steps of ``dwell_s``.

        Parameters
        ----------
        cell : (int, int)
        levels_v : sequence of float, unit V
        dwell_s : float, unit s
        cycle, step : int or None
            Go into the row.
        event : str
        """

        def apply() -> None:
            self._access.staircase(*cell, levels_v, dwell_s=dwell_s)

        facts = {"do": "staircase", "levels_v": list(levels_v), "dwell_s": dwell_s}
        self._apply(event, cell, cycle, step, levels_v, dwell_s * len(levels_v), apply, facts)

    def play(
        self,
        cell: Cell,
        levels_v: Sequence[float],
        *,
        sample_s: float,
        cycle: int | None = None,
        step: int | None = None,
        event: str = "waveform",
    ) -> None:
        """Play a waveform across a cell by the generator; the row holds its largest level and whole duration.

        Parameters
        ----------
        cell : (int, int)
        levels_v : sequence of float, unit V
        sample_s : float, unit s
            Time at each level.
        cycle, step : int or None
            Go into the row.
        event : str
        """

        def apply() -> None:
            self._access.play(*cell, levels_v, sample_s=sample_s)

        facts = {"do": "play", "levels_v": list(levels_v), "sample_s": sample_s}
        self._apply(event, cell, cycle, step, levels_v, sample_s * len(levels_v), apply, facts)

    def sweep(
        self,
        cell: Cell,
        levels_v: Sequence[float],
        *,
        dwell_s: float,
        cycle: int | None = None,
        step: int | None = None,
        event: str = "sweep",
    ) -> list[CellRow]:
        """Step a cell through DC levels and measure at each.

        Parameters
        ----------
        cell : (int, int)
        levels_v : sequence of float, unit V
        dwell_s : float, unit s
        cycle, step : int or None
            Go into every row.
        event : str

        Returns
        -------
        list of CellRow
            One per level; empty for a sweep that was cut by an interruption, which is flagged and not repeated.
        """

        def sweep() -> list[Row]:
            return [self._row(reading) for reading in self._access.sweep(*cell, levels_v, dwell_s=dwell_s)]

        self._note(event, {"do": "sweep"})
        rows = self._perform(event, cell, cycle, step, None, dwell_s, sweep, stimulates=True)
        return [row for row in rows if row.voltage_v is not None]

    def sample(
        self,
        cell: Cell,
        voltage_v: float,
        count: int,
        *,
        interval_s: float,
        cycle: int | None = None,
        step: int | None = None,
        event: str = "sample",
        stimulates: bool = False,
    ) -> list[CellRow]:
        """Hold a cell at one voltage and measure again and again.

        Parameters
        ----------
        cell : (int, int)
        voltage_v : float, unit V
        count : int
        interval_s : float, unit s
        cycle, step : int or None
            Go into every row.
        event : str
        stimulates : bool
            Whether the voltage may change the cell.

        Returns
        -------
        list of CellRow
        """

        def sample() -> list[Row]:
            return [self._row(one) for one in self._access.sample(*cell, voltage_v, count, interval_s=interval_s)]

        self._note(event, {"do": "sample", "interval_s": interval_s})
        rows = self._perform(event, cell, cycle, step, voltage_v, None, sample, stimulates=stimulates)
        return [row for row in rows if row.current_a is not None or row.flags - {"in_doubt"}]

    def limit_current(self, current_limit_a: float) -> None:
        """Set the compliance of what follows.

        Parameters
        ----------
        current_limit_a : float, unit A
        """
        self._procedure.note_access()
        self._procedure.emit("event", {"kind": LIMIT, "message": write_note({"current_limit_a": current_limit_a})})
        self._access.limit_current(current_limit_a)

    def _note(
        self, event: str, facts: Mapping[str, object], after_s: float = 0.0, not_before_s: float | None = None
    ) -> None:
        waits = {"after_s": after_s or None, "not_before_s": not_before_s}
        known = {name: value for name, value in waits.items() if value is not None}
        self._procedure.note_stimulus(event, {**facts, **known})

    def _wait(self, after_s: float, not_before_s: float | None) -> None:
        clock = self._procedure.station.clock
        if after_s > 0.0:
            clock.sleep(after_s)
        if not_before_s is not None:
            clock.sleep(max(0.0, not_before_s - self._procedure.elapsed_s()))

    def _row(self, reading: CellReading) -> Row:
        return {
            "Voltage (V)": reading.voltage_v,
            "Current (A)": reading.current_a,
            "Conductance (S)": reading.conductance_s,
            "Time (s)": self._procedure.elapsed_s() - (self._procedure.station.clock.now_s() - reading.time_s),
            "Flags": ",".join(reading.flags) or None,
            "Raw": reading.raw or None,
        }

    def _apply(
        self,
        event: str,
        cell: Cell,
        cycle: int | None,
        step: int | None,
        levels_v: Sequence[float],
        width_s: float,
        apply: Callable[[], None],
        facts: Mapping[str, object],
    ) -> None:
        """Do what is not measured; the row holds the largest level and the time of the end."""

        def timed() -> Row:
            apply()
            return {"Time (s)": self._procedure.elapsed_s()}

        largest_v = max(levels_v, key=abs)
        self._note(event, facts)
        self._perform(event, cell, cycle, step, largest_v, width_s, timed, stimulates=True)

    def _perform(
        self,
        event: str,
        cell: Cell,
        cycle: int | None,
        step: int | None,
        voltage_v: float | None,
        width_s: float | None,
        do: Callable[[], Row | Sequence[Row]],
        *,
        stimulates: bool,
    ) -> list[CellRow]:
        plan: dict[str, float | int | str | None] = {
            "Event": event,
            "Row": cell[0],
            "Column": cell[1],
            "Cycle": cycle,
            "Step": step,
            "Width (s)": width_s,
        }
        if voltage_v is not None:
            plan["Voltage (V)"] = voltage_v
        if stimulates:
            self._unpulsed.clear()
        return [CellRow.of(row) for row in self._procedure.perform(plan, do, stimulates=stimulates)]
