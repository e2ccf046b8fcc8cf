"""The stimuli of a recorded run on the cells of this station, one after another.

Not here: what the stimuli of a run are (:mod:`labctl_procedures.recorded_stimuli`), the comparison of the two runs
(:mod:`labctl.analysis.replay_comparison`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pymeasure.experiment import BooleanParameter, Parameter

from labctl.array import CellReading
from labctl.array.cell_access import CellAccess
from labctl.array.opening_cells import open_cells
from labctl.errors import RunError
from labctl.run import LabProcedure
from labctl.run.preflight import Estimate
from labctl.run.procedure import Row
from labctl.store import Run, open_run
from labctl_procedures.cell_port import CELL_COLUMNS
from labctl_procedures.recorded_stimuli import RecordedStimuli, Stimulus, read_stimuli
from labctl_procedures.stimulus_notes import ACCESS, LIMIT, parse_note

__all__ = ["OF_POINT", "ReplayRun"]

OF_POINT = "Of point (1)"
_READING_S = 0.1
_STIMULATING = frozenset({"pulse", "train", "staircase", "play", "sweep"})


class ReplayRun(LabProcedure):
    """Apply the stimuli of a recorded run again: the same pulses, levels and readings of the same cells, in its order.

    Applied and read: what the run file says was applied and read, with its bias scheme, compliance and waits; nothing
    is decided by what is read now. The envelope of this station holds. At the end, and after an abort, outputs are off
    and relays open; the cells are left as they are.
    """

    run = Parameter("Run", default="latest", description="Id or path of the run whose stimuli are applied, or 'latest'")
    confirm_real = BooleanParameter(
        "Allow real instruments",
        default=False,
        description="A recorded run is applied to real devices only where somebody says so",
    )

    DATA_COLUMNS: ClassVar[list[str]] = [*CELL_COLUMNS, OF_POINT]

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self._access: CellAccess | None = None
        self._recorded: tuple[Run, RecordedStimuli] | None = None

    def check(self) -> None:
        """Refuse a run that cannot be applied here, and real instruments that nobody confirmed.

        Raises
        ------
        RunError, StoreError
            If the run is not there, says too little, or is of another geometry.
        """
        if not (self.station.simulated or self.confirm_real):
            raise RunError(
                f"replay_run: {self.station.name} has real instruments; a recorded run is applied to them only with"
                " confirm_real (labctl replay --yes); no stimulus was applied"
            )
        run, found = self.recorded()
        shape = self.station.sample.rows, self.station.sample.columns
        beyond = [one.cell for one in found.stimuli if not (one.cell[0] < shape[0] and one.cell[1] < shape[1])]
        if beyond:
            of = run.header.get("sample") or {}
            raise RunError(
                f"replay_run: run {run.run_id} touches cell {beyond[0]} of {of.get('name')} ({of.get('rows')} x"
                f" {of.get('columns')} cells), the sample of {self.station.name} has {shape[0]} x {shape[1]};"
                " choose a station of the geometry of the run"
            )

    def estimate(self) -> Estimate:
        """Return what the run itself asked for."""
        _, found = self.recorded()
        stimuli = found.stimuli
        waits_s = sum(one.after_s + one.width_s * _holds(one) for one in stimuli)
        limits_a = [
            parse_note(message)["current_limit_a"]
            for one in stimuli
            for kind, message in one.notes
            if kind in (ACCESS, LIMIT)
        ]
        return Estimate(
            sum(one.count for one in stimuli),
            max([waits_s, *(one.not_before_s or 0.0 for one in stimuli)]) + _READING_S * len(stimuli),
            voltage_v=max(abs(voltage_v) for one in stimuli for voltage_v in (*one.voltages_v, 0.0)),
            current_a=max(limits_a, default=None),
            width_s=max((one.width_s for one in stimuli if one.do in _STIMULATING), default=None),
        )

    def recorded(self) -> tuple[Run, RecordedStimuli]:
        """Return the run and its stimuli; they are read once.

        Raises
        ------
        RunError, StoreError
            If the run is not there, or says too little.
        """
        if self._recorded is None:
            run = open_run(self.run)
            self._recorded = run, read_stimuli(run)
        return self._recorded

    def stand_down(self) -> None:
        """Put the sources to 0 V and off and open the relays; the next reading or pulse prepares them again."""
        if self._access is not None:
            self._access.release()

    def execute(self) -> None:
        """Apply one stimulus after another."""
        run, found = self.recorded()
        self.emit("event", {"kind": "replay", "message": f"stimuli of run {run.run_id} ({run.header['procedure']})"})
        for text in found.left_out:
            self.emit("event", {"kind": "left out", "message": text})
        if found.assumed:
            message = f"the run does not say how its cells were opened, nor its waits; assumed: {found.assumed}"
            self.emit("event", {"kind": "assumed", "message": message})
            self._open(found.assumed)
        try:
            for number, stimulus in enumerate(found.stimuli):
                self._note(stimulus.notes)
                self.emit("progress", 100.0 * number / len(found.stimuli))
                self._apply(stimulus)
        finally:
            self.stand_down()
        applied = sum(one.do in _STIMULATING for one in found.stimuli)
        self.emit(
            "summary",
            {
                "of_run": run.run_id,
                "stimuli_applied": applied,
                "readings_taken": len(found.stimuli) - applied,
                "rows_left_out": len(found.left_out),
            },
        )

    def _note(self, notes: Sequence[tuple[str, str]]) -> None:
        """Do what stands before a stimulus, and note it again: a replay can be replayed."""
        for kind, message in notes:
            if kind == ACCESS:
                self._open(message)
            self.emit("event", {"kind": kind, "message": message})
            if kind == LIMIT and self._access is not None:
                self._access.limit_current(parse_note(message)["current_limit_a"])

    def _open(self, settings: str) -> None:
        self.stand_down()
        self._access = open_cells(self.station, **parse_note(settings))

    def _apply(self, stimulus: Stimulus) -> None:
        plan: dict[str, float | int | str | None] = {
            "Event": stimulus.event,
            "Cycle": stimulus.cycle,
            "Step": stimulus.step,
        }
        if stimulus.do != "sleep":
            plan |= {"Row": stimulus.cell[0], "Column": stimulus.cell[1]}

        def apply() -> list[Row]:
            clock = self.station.clock
            clock.sleep(stimulus.after_s)
            if stimulus.not_before_s is not None:
                clock.sleep(max(0.0, stimulus.not_before_s - self.elapsed_s()))
            rows = self._rows(stimulus)
            return [{**row, OF_POINT: stimulus.first_point + index} for index, row in enumerate(rows)]

        self.perform(plan, apply, stimulates=stimulus.do in _STIMULATING)

    def _rows(self, stimulus: Stimulus) -> list[Row]:
        if stimulus.do == "sleep":
            self.station.clock.sleep(stimulus.width_s)
            return [{"Width (s)": stimulus.width_s, "Time (s)": self.elapsed_s()}]
        access, cell, levels_v, width_s = self._access, stimulus.cell, stimulus.voltages_v, stimulus.width_s
        if access is None:
            raise RunError(f"replay_run: point {stimulus.first_point} comes before the run says how cells were opened")
        largest_v = max(levels_v, key=abs)
        match stimulus.do:
            case "read":
                return [self._reading(access.read(*cell))]
            case "sweep":
                return [
                    {**self._reading(one), "Width (s)": width_s}
                    for one in access.sweep(*cell, levels_v, dwell_s=width_s)
                ]
            case "sample":
                found = access.sample(*cell, largest_v, stimulus.rounds, interval_s=width_s)
                return [self._reading(one) for one in found]
            case "play":
                access.play(*cell, levels_v, sample_s=width_s)
                width_s *= len(levels_v)
            case "staircase":
                access.staircase(*cell, levels_v, dwell_s=width_s)
                width_s *= len(levels_v)
            case _:
                for _ in range(stimulus.rounds):
                    for voltage_v in levels_v:
                        access.pulse(*cell, voltage_v, width_s)
        return [{"Voltage (V)": largest_v, "Width (s)": width_s, "Time (s)": self.elapsed_s()}]

    def _reading(self, reading: CellReading) -> Mapping[str, Any]:
        return {
            "Voltage (V)": reading.voltage_v,
            "Current (A)": reading.current_a,
            "Conductance (S)": reading.conductance_s,
            "Time (s)": self.elapsed_s() - (self.station.clock.now_s() - reading.time_s),
            "Flags": ",".join(reading.flags) or None,
            "Raw": reading.raw or None,
        }


def _holds(stimulus: Stimulus) -> int:
    """How many times its width a stimulus takes."""
    if stimulus.do in ("sweep", "staircase", "play"):
        return len(stimulus.voltages_v)
    return stimulus.rounds * (len(stimulus.voltages_v) if stimulus.do == "train" else 1)
