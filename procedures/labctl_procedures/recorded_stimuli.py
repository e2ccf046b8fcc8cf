"""The stimuli of a run, from its rows and its notes, in the order in which they were applied.

A row with a voltage and a width is a pulse, one without a width a reading, and rows of one action at several voltages a
sweep, unless a note of the run says otherwise (:mod:`labctl_procedures.stimulus_notes`). A run without notes, of an
earlier version or of another program, is taken as opened once with its parameters; waits are not known then.
Not here: applying them (:mod:`labctl_procedures.replay_run`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from labctl.errors import RunError
from labctl.run.procedure import IN_DOUBT
from labctl.store import Run
from labctl.store.columns import Cell as Value
from labctl_procedures.stimulus_notes import ACCESS, LIMIT, STIMULUS, parse_note, write_note

__all__ = ["NEEDED", "RecordedStimuli", "Stimulus", "read_stimuli"]

NEEDED = ("Event", "Row", "Column", "Voltage (V)")
_DONE = ("read", "pulse", "train", "staircase", "play", "sweep", "sample", "sleep")
# parameters that say how cells were opened, and what they are called there
_SETTINGS = {
    "scheme": "scheme",
    "read_voltage": "read_voltage_v",
    "integration": "integration_plc",
    "current_limit": "current_limit_a",
    "pulse_with": "pulse_with",
}

Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Stimulus:
    """One action of a run.

    Attributes
    ----------
    first_point, count : int
        Number of its first row, from 1, and how many rows it gave.
    event : str
        As the row says it.
    do : str
        read, pulse, train, staircase, play (a waveform), sweep, sample or sleep.
    cell : (int, int)
    voltages_v : tuple of float, unit V
        Of a reading its voltage, of a sweep, staircase or waveform the levels, of a train one round.
    width_s : float, unit s
        Of a pulse; the time at a level; the interval of samples; the length of a sleep.
    rounds : int
        Of a train, and the number of samples.
    after_s : float, unit s
        Wait first.
    not_before_s : float or None, unit s
        Wait until the run is that old.
    cycle, step : int or None
    notes : tuple of (str, str)
        Events in front of it that tell how it is applied, by kind and message.
    """

    first_point: int
    count: int
    event: str
    do: str
    cell: tuple[int, int]
    voltages_v: tuple[float, ...]
    width_s: float
    rounds: int = 1
    after_s: float = 0.0
    not_before_s: float | None = None
    cycle: int | None = None
    step: int | None = None
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RecordedStimuli:
    """The stimuli of a run.

    Attributes
    ----------
    stimuli : tuple of Stimulus
    assumed : str
        Settings of the cells, as a note, where the run has none; "" where it has.
    left_out : tuple of str
        What is in the run and cannot be applied again, with the number of rows.
    """

    stimuli: tuple[Stimulus, ...]
    assumed: str
    left_out: tuple[str, ...]


@dataclass
class _Reader:
    """Goes through actions and events side by side."""

    how: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    pending: list[tuple[str, str]] = field(default_factory=list)
    is_noted: bool = False

    def take_event(self, kind: str, message: str) -> None:
        if kind == STIMULUS:
            note = parse_note(message)
            self.how[str(note.pop("event"))] = note
        self.is_noted = self.is_noted or kind == ACCESS
        self.pending.append((kind, message))

    def take_action(self, rows: Sequence[Row], first_point: int) -> Iterator[Stimulus]:
        flags = str(rows[0].get("Flags") or "")
        if IN_DOUBT in flags.split(","):
            self._leave_out("stimuli in doubt, which may not have been applied", len(rows))
            return
        event = str(rows[0]["Event"])
        is_wait = event == "wait" and rows[0]["Row"] is None
        if not is_wait and any(row["Row"] is None or row["Column"] is None for row in rows):
            self._leave_out(f"rows {event!r} that belong to no cell", len(rows))
            return
        known = self.how.get(event, {})
        do = "sleep" if is_wait else str(known.get("do") or _plain(rows))
        if do not in _DONE:
            self._leave_out(f"rows {event!r}, applied by {do!r} of a newer labctl", len(rows))
            return
        first = rows[0]
        # an integer in the file is one in the row
        cycle, step = (cast("int | None", first.get(name)) for name in ("Cycle", "Step"))
        width_s = float(cast("float", first.get("Width (s)") or 0.0))
        voltages_v = tuple(float(cast("float", row["Voltage (V)"])) for row in rows if row["Voltage (V)"] is not None)
        rounds = 1
        if do in ("staircase", "train", "play"):
            voltages_v = tuple(known["voltages_v" if do == "train" else "levels_v"])
            width_s = float(known.get("dwell_s", known.get("sample_s", width_s)))
            rounds = int(step or 1) if do == "train" else 1
        elif do == "sample":
            interval_s = known["interval_s"] if "interval_s" in known else _interval_s(rows)
            voltages_v, width_s, rounds = voltages_v[:1], float(interval_s), len(rows)
        notes, self.pending = tuple(self.pending), []
        yield Stimulus(
            first_point,
            len(rows),
            event,
            do,
            (0, 0) if is_wait else (int(cast("int", first["Row"])), int(cast("int", first["Column"]))),
            voltages_v,
            width_s,
            rounds,
            float(known.get("after_s", 0.0)),
            known.get("not_before_s"),
            cycle,
            step,
            notes,
        )

    def _leave_out(self, what: str, count: int) -> None:
        self.left_out[what] = self.left_out.get(what, 0) + count


def read_stimuli(run: Run) -> RecordedStimuli:
    """Take the stimuli out of a run.

    Parameters
    ----------
    run : Run

    Returns
    -------
    RecordedStimuli

    Raises
    ------
    RunError
        If its rows do not say which cell, which voltage; if it changed dies; if there is nothing to apply.
    StoreError
        If a row is damaged.
    """
    names = [column.name for column in run.columns]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise RunError(
            f"run {run.run_id}: {run.header['procedure']} has no column {', '.join(missing)}: it does not say what was "
            "applied to which cell; runs of the procedures that pulse, sweep and read cells do"
        )
    actions = run.history().rows
    reader = _Reader()
    events = [
        (int(points), str(kind), str(message))
        for points, kind, message in run.events()[["points", "kind", "message"]].to_numpy().tolist()
        if kind in (ACCESS, LIMIT, STIMULUS)
    ]
    dies = {row["Die"] for rows in actions.values() for row in rows if row.get("Die")}
    if len(dies) > 1:
        raise RunError(f"run {run.run_id} went over {len(dies)} dies; only a run on one die is replayed")
    stimuli: list[Stimulus] = []
    point, event = 1, 0
    for rows in actions.values():
        while event < len(events) and events[event][0] < point:
            reader.take_event(*events[event][1:])
            event += 1
        if rows:
            stimuli += reader.take_action(rows, point)
            point += len(rows)
    left_out = tuple(f"{count} {what}" for what, count in reader.left_out.items())
    if not stimuli:
        raise RunError(
            f"run {run.run_id} ({run.header['procedure']}) holds nothing that could be applied again"
            + (f": {'; '.join(left_out)}" if left_out else "")
        )
    return RecordedStimuli(tuple(stimuli), "" if reader.is_noted else _assumed(run, stimuli), left_out)


def _plain(rows: Sequence[Row]) -> str:
    """Tell by the rows alone what was done."""
    if rows[0].get("Width (s)") is None:
        return "read" if len(rows) == 1 else "sample"
    return "sweep" if len(rows) > 1 or rows[0].get("Current (A)") is not None else "pulse"


def _interval_s(rows: Sequence[Row]) -> float:
    times_s = [float(cast("float", row["Time (s)"])) for row in rows if row.get("Time (s)") is not None]
    return (times_s[-1] - times_s[0]) / (len(times_s) - 1) if len(times_s) > 1 else 0.0


def _assumed(run: Run, stimuli: Sequence[Stimulus]) -> str:
    known = run.parameters
    settings = {setting: known[name] for name, setting in _SETTINGS.items() if known.get(name) is not None}
    largest_v = max(abs(one) for stimulus in stimuli for one in (*stimulus.voltages_v, 0.0))
    return write_note({**settings, "measure_range_a": known.get("read_range") or None, "pulse_voltage_v": largest_v})
