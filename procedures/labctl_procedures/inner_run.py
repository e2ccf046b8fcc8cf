"""A procedure inside a run of another one: its rows, arrays and results become those of the run, under its label.

Not here: which procedures (:mod:`labctl_procedures.sequence`, :mod:`labctl_procedures.system.system_procedure`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from labctl.run import LabProcedure
from labctl.run.procedure import Row

__all__ = ["InnerRun"]


@dataclass
class InnerRun:
    """One procedure inside another.

    Attributes
    ----------
    outer : LabProcedure
        Whose run it is.
    label : str
        Stands in front of the names of arrays and results, and in the column ``Item``.
    procedure : LabProcedure
        With its station and parameters; checked already.
    span : tuple of two floats, unit 1
        Where its progress begins in that of the run, and its share of it.
    columns : Mapping of str to Cell
        Added to each row.
    arrays : dict of str to ndarray
        What it handed out, by its own names; units as the procedure says.
    results : dict of str to object
        Its part of the summary, by its own names.
    """

    outer: LabProcedure
    label: str
    procedure: LabProcedure
    span: tuple[float, float]
    columns: Mapping[str, Any]
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    def execute(self) -> None:
        """Run it from start to end.

        Raises
        ------
        Aborted
            If an abort was asked for.
        LabError
            If it fails; its ``shutdown`` was called.
        """
        self.outer.emit("summary", {f"{self.label}.procedure": self.procedure.procedure_name()})
        self.procedure.attach(self._take, self.outer.should_stop, self._perform, self.outer.elapsed_s)
        try:
            self.procedure.startup()
            self.procedure.execute()
        finally:
            self.procedure.shutdown()

    def _perform(self, plan: Row, do: Callable[[], Any], *, stimulates: bool) -> list[dict[str, Any]]:
        return self.outer.perform({**plan, **self.columns}, do, stimulates=stimulates)

    def _take(self, topic: str, record: Any) -> None:
        """Pass on what the procedure hands out, with its label."""
        match topic:
            case "results":
                self.outer.emit(topic, {**record, **self.columns})
            case "batch results":
                self.outer.emit(topic, [{**row, **self.columns} for row in record])
            case "progress":
                self.outer.emit(topic, 100.0 * (self.span[0] + self.span[1] * record / 100.0))
            case "array":
                self.arrays[record["name"]] = np.asarray(record["data"])
                dims = tuple(f"{self.label}.{dim}" for dim in record["dims"])
                self.outer.emit(topic, {**record, "name": f"{self.label}.{record['name']}", "dims": dims})
            case "event":
                self.outer.emit(topic, {**record, "message": f"{self.label}: {record['message']}"})
            case _:
                self.results.update(record)
                self.outer.emit(topic, {f"{self.label}.{name}": value for name, value in record.items()})
