"""A run list: procedures one after another in one run, resumable as one.

The steps' rows stand in one table with the step's name; their arrays and results carry the name in front. Not here: the
file (:mod:`labctl_procedures.sequence_file`).
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import ClassVar

from labctl.errors import LabError, RunError
from labctl.run import LabProcedure
from labctl.run.parameters import FileParameter
from labctl.run.preflight import Estimate
from labctl.run.procedure import Row
from labctl.run.station_defaults import MergedValues, merged_values
from labctl.store.columns import Cell
from labctl.units import parse_quantity
from labctl_procedures.array_procedure import COLUMNS
from labctl_procedures.cell_port import CELL_COLUMNS
from labctl_procedures.inner_run import InnerRun
from labctl_procedures.sequence_file import SequenceFile, Step, find_sequence_file, parse_sequence, sequence_names
from labctl_procedures.sequence_turns import DIE, ITEM, SequenceTurns

__all__ = ["Sequence"]


class Sequence(LabProcedure):
    """Run a list of procedures from a TOML file, with loops, waits and conditions on earlier results.

    Applied, read and left: what the steps say. A step whose condition does not hold is skipped and noted. Outputs are
    off and relays open between steps. With a loop over dies, all outputs are off while a die is changed, and on a real
    rack the run waits until somebody says that it is in; with one over temperatures, the heater is off at the end.
    """

    file = FileParameter(
        "Sequence file",
        ".toml",
        sequence_names,
        default="characterise_new_die",
        description="A .toml file, or the name of a packaged sequence",
    )

    DATA_COLUMNS: ClassVar[list[str]] = [ITEM, DIE, *dict.fromkeys([*CELL_COLUMNS, *COLUMNS])]
    resumable: ClassVar[bool] = True

    @classmethod
    def catalogue(cls) -> Mapping[str, type[LabProcedure]]:
        """Return the procedures of this package by name."""
        # the registry imports this module
        from labctl_procedures import procedures

        return procedures()

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self._current: LabProcedure | None = None
        self._results: dict[str, object] = {}
        self._turns = SequenceTurns(self)

    def check(self) -> None:
        """Check the file, and every step as if it ran alone.

        Raises
        ------
        RunError
            If anything in the file, or a step on this station, cannot be.
        StationError
            If the file or the station's defaults are damaged.
        """
        steps = self._procedures()
        self._turns.check([(step, procedure) for step, procedure, _ in steps], str(self.file))
        for step, procedure, _ in steps:
            if step.wait is not None:
                self._wait_s(step)
            columns = set(procedure.DATA_COLUMNS) - set(self.DATA_COLUMNS)
            if columns or isinstance(procedure, Sequence):
                raise RunError(f"{step.place}: {step.procedure} cannot be a step of a sequence")
            try:
                procedure.check()
            except LabError as error:
                raise RunError(f"{step.place}, {step.label!r}: {error}{self._remedy()}") from error

    def estimate(self) -> Estimate | None:
        """Return the sum over the steps, conditions taken as met; None where no step knows."""
        known = [(step, procedure.estimate()) for step, procedure, _ in self._procedures()]
        estimates = [estimate for _, estimate in known if estimate is not None]
        if not estimates:
            return None
        waits_s = self._turns.duration_s(step for step, _ in known) + sum(self._wait_s(step) for step, _ in known)

        def largest(values: list[float | None]) -> float | None:
            return max((value for value in values if value is not None), default=None)

        return Estimate(
            sum(estimate.points for estimate in estimates),
            waits_s + sum(estimate.duration_s for estimate in estimates),
            largest([estimate.voltage_v for estimate in estimates]),
            largest([estimate.current_a for estimate in estimates]),
            largest([estimate.width_s for estimate in estimates]),
        )

    def execute(self) -> None:
        """Run the steps."""
        path = find_sequence_file(self.file)
        digest = sha256(path.read_bytes()).hexdigest()
        self.emit("event", {"kind": "sequence", "message": f"{path.name}, SHA-256 {digest}"})
        steps = self._procedures()
        weights = [(procedure.estimate() or Estimate(1, 1.0)).duration_s for _, procedure, _ in steps]
        done = 0.0
        for (step, procedure, merged), weight in zip(steps, weights, strict=True):
            self._turns.go_to(step.turn, path.name)
            refusal = step.when.refusal(self._results) if step.when is not None else None
            if refusal is not None:
                self.emit("event", {"kind": "skipped", "message": f"{step.label}: {refusal}"})
            else:
                self._run(step, procedure, merged, span=(done / sum(weights), weight / sum(weights)))
            done += weight
            self.emit("progress", 100.0 * min(1.0, done / sum(weights)))
        self._turns.finish()

    def stand_down(self) -> None:
        """Let the present step switch off while the run waits."""
        if self._current is not None:
            self._current.stand_down()

    def went_live(self, in_doubt: Row | None) -> None:
        """Let the present step look at its cells before a resumed run goes on.

        Parameters
        ----------
        in_doubt : mapping of str to float, int, str or None, or None
            Row of the stimulus that was cut.
        """
        self._turns.go_on()
        if self._current is not None:
            self._current.went_live(in_doubt)

    def monitors(self) -> Mapping[str, float]:
        """Return what the present step lets conditions watch."""
        return {} if self._current is None else self._current.monitors()

    def _run(self, step: Step, procedure: LabProcedure, merged: MergedValues, span: tuple[float, float]) -> None:
        self.emit("event", {"kind": "step", "message": f"{step.label}: {step.procedure}"})
        told = merged.note()
        if told is not None:
            self.emit("event", {"kind": "defaults", "message": f"{step.label}: {told}"})
        of_step = {ITEM: step.label, DIE: step.turn.die}
        wait_s = self._wait_s(step)
        if wait_s:
            self.perform({**of_step, "Event": "wait", "Width (s)": wait_s}, self._sleeper(wait_s), stimulates=False)
        inner = InnerRun(self, step.label, procedure, span, of_step)
        self._current = procedure
        try:
            inner.execute()
        finally:
            self._current = None
        self._results.update({f"{step.label}.{name}": value for name, value in inner.results.items()})

    def _sleeper(self, wait_s: float) -> Callable[[], Row]:
        def sleep() -> dict[str, Cell]:
            self.station.clock.sleep(wait_s)
            return {"Time (s)": self.elapsed_s()}

        return sleep

    def _procedures(self) -> list[tuple[Step, LabProcedure, MergedValues]]:
        """Return the steps with their procedures, parameters set and on this station, and where those came from.

        The value of a step wins over the shared one of the file, that over the default of the station.
        """
        # the registry imports this module
        from labctl_procedures import find_procedure

        sequence = self._sequence()
        found = []
        for step in sequence.steps:
            try:
                kind = find_procedure(step.procedure)
                known = kind()._parameters
                shared = {name: value for name, value in sequence.shared.items() if name in known}
                merged = merged_values(kind, self.station_defaults, {**shared, **step.values})
                procedure = kind(**merged.values)
            except RunError as error:
                raise RunError(f"{step.place}, {step.label!r}: {error}") from error
            procedure.station = self.station
            found.append((step, procedure, merged))
        unused = [name for name in sequence.shared if not any(name in own._parameters for _, own, _ in found)]
        if unused:
            raise RunError(f"{sequence.file}: parameters.{unused[0]}: no step has such a parameter")
        return found

    def _sequence(self) -> SequenceFile:
        path = find_sequence_file(self.file)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"{path}: cannot be read: {error}; give a readable UTF-8 file") from error
        return parse_sequence(text, str(path))

    def _remedy(self) -> str:
        """Tell how to change a list that comes with the package."""
        path = find_sequence_file(self.file)
        if path.stem not in sequence_names() or path != find_sequence_file(path.stem):
            return ""
        return f"; to change it for this station, copy {path.name} and give the copy: file=./{path.name}"

    def _wait_s(self, step: Step) -> float:
        if step.wait is None:
            return 0.0
        try:
            wait_s = parse_quantity(step.wait, "s")
        except ValueError as error:
            raise RunError(f"{step.place}: wait: {error}") from error
        if not 0.0 <= wait_s < 1e8:
            raise RunError(f"{step.place}: wait: must be 0 s to 100,000,000 s, got {step.wait!r}")
        return wait_s
