"""A session by hand: cells are read, pulsed and brought to a conductance as an operator asks, recorded like any run.

Not here: how an operator asks (:mod:`labctl.run.mailbox`, ``labctl do``, the window), write-verify
(:mod:`labctl_procedures.levelling`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pymeasure.experiment import BooleanParameter, Parameter

from labctl.array import parse_cells
from labctl.errors import Aborted, LabError, RunError
from labctl.run import QuantityParameter
from labctl.run.procedure import Row
from labctl.station.paper import PaperStation
from labctl.station.record import Record
from labctl.units import format_quantity, parse_quantity
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellRow, CellStopped
from labctl_procedures.levelling import Leveller
from labctl_procedures.pulse_procedure import PulseProcedure

__all__ = ["Manual"]

_ACTIONS = {"read": (), "pulse": ("amplitude", "width"), "set_level": ("conductance",)}
_UNITS = {"amplitude": "V", "width": "s", "conductance": "S"}
_NOTES = frozenset({"number", "utc", "segment", "what", "by", "action", "cell"})
_WAIT_S = 0.5
# far beyond what one request can take
_MOST_STIMULI, _MOST_WALL_S = 1_000_000, 60.0


@dataclass(frozen=True, slots=True)
class _Task:
    """A request that was understood."""

    action: str
    cells: tuple[Cell, ...]
    values: Mapping[str, float]
    number: int


class Manual(PulseProcedure):
    """Read, pulse and set cells by hand, as an operator asks with ``labctl do`` or in the window.

    Applied and read: what is asked for, one request after another; before a stimulus the request is gone through on
    paper, and what the station's envelope or the sources refuse is not begun. Between requests, at the end, and after
    an abort, outputs are off and relays open. The session ends when it is asked to, or when nobody asks for long.
    """

    cells = Parameter(
        "Cells", default="all", description="Which may be touched: 'all', '3,4', '0:8,0:32' or the path of a CSV mask"
    )
    idle_time = QuantityParameter(
        "Idle time", "s", minimum=0.0, maximum=1e6, default="600 s", description="Without a request the session ends"
    )
    read_after_pulse = BooleanParameter("Read after a pulse", default=True)
    form_unformed = BooleanParameter(
        "Form unformed cells",
        default=False,
        description="When a level is to be set on a virgin cell; otherwise that is refused",
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS
    # another session would be asked for other things
    resumable: ClassVar[bool] = False

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self._leveller: Leveller | None = None

    def check(self) -> None:
        """Refuse cells that are not there, and levelling that no source can give.

        Raises
        ------
        LabError
            If a parameter breaks its rule.
        """
        super().check()
        self.check_pulses(())

    def execute(self) -> None:
        """Do what is asked for until the session is to end."""
        done: Counter[str] = Counter()
        waited_s, number, ended_by = 0.0, 0, "abort"
        while not self.should_stop():
            request = self.next_request(_WAIT_S)
            if request is None:
                waited_s += _WAIT_S
                if waited_s > self.idle_time:
                    ended_by = "idle time"
                    break
                continue
            waited_s, number = 0.0, number + 1
            if request.get("action") == "end":
                ended_by = "operator"
                self._answer("answer", request, "the session ends")
                break
            done[self._serve(request, number)] += 1
        names = {"read": "readings_by_hand", "pulse": "pulses_by_hand", "set_level": "levels_by_hand"}
        counted = {name: done[action] for action, name in names.items()}
        self.emit("summary", counted | {"refused": done["refused"], "ended_by": ended_by})

    def _serve(self, request: Mapping[str, object], number: int) -> str:
        """Do one request; return which action it was, or that it was refused."""
        try:
            task = self._understood(request, number)
            self._rehearse(task)
        except Aborted:
            raise
        except (LabError, ValueError) as error:
            self._answer("refused", request, f"{error}")
            return "refused"
        self._answer("answer", request, self._act(task))
        return task.action

    def _answer(self, kind: str, request: Mapping[str, object], text: str) -> None:
        self.emit("event", {"kind": kind, "message": f"#{request.get('number')} {text}"})

    def _understood(self, request: Mapping[str, object], number: int) -> _Task:
        action = str(request.get("action"))
        if action not in _ACTIONS:
            raise RunError(f"there is no {action!r}; a session by hand knows {', '.join(_ACTIONS)} and end")
        wanted, given = set(_ACTIONS[action]), set(request) - _NOTES
        if wanted != given:
            needs = " and ".join(_ACTIONS[action]) or "nothing besides the cell"
            raise RunError(f"{action} takes {needs}, got {', '.join(sorted(given)) or 'nothing'}")
        sample = self.station.sample
        cells = parse_cells(str(request.get("cell")), (sample.rows, sample.columns))
        foreign = set(cells) - set(self.selected_cells())
        if foreign:
            raise RunError(f"{min(foreign)} may not be touched in this session: its parameter cells is {self.cells!r}")
        values = {name: parse_quantity(str(request[name]), _UNITS[name]) for name in _ACTIONS[action]}
        for name, value in values.items():
            if value == 0.0 or (value < 0.0 and name != "amplitude"):
                rule = "must not be 0 V" if name == "amplitude" else "must be positive"
                raise RunError(f"{action}: {name} {rule}, got {format_quantity(value, _UNITS[name])}")
        return _Task(action, tuple(cells), values, number)

    def _rehearse(self, task: _Task) -> None:
        """Go through a task on cells of paper: what would be refused in its middle is refused before it begins."""
        # a level is come to from either side
        target_s = task.values.get("conductance", 1e-5)
        for conductance_s in (0.5 * target_s, 2.0 * target_s):
            twin = Manual()
            twin.set_values({name: getattr(self, name) for name in self._parameters})
            twin.station = PaperStation(self.station.content, conductance_s, Record(_MOST_STIMULI, _MOST_WALL_S))  # type: ignore[assignment]
            twin.attach(lambda topic, record: None, lambda: False, _on_paper)
            twin._act(task)

    def _act(self, task: _Task) -> str:
        """Do a task; return what came of it, for people."""
        if self._leveller is None:
            self._leveller = Leveller.of(self)
        told = []
        for cell in task.cells:
            try:
                told.append(f"({cell[0]}, {cell[1]}): {self._act_on(cell, task)}")
            except CellStopped as stop:
                told.append(f"({cell[0]}, {cell[1]}): {stop}")
        return f"{task.action.replace('_', ' ')} {'; '.join(told)}"

    def _act_on(self, cell: Cell, task: _Task) -> str:
        if task.action == "set_level":
            return self._set_level(cell, task)
        voltage_v = task.values.get("amplitude", self.read_voltage)
        with self.open_pulses((voltage_v,)) as access:
            port = CellPort(self, access)
            if task.action == "read":
                return _told(port.read(cell, step=task.number))
            port.pulse(cell, voltage_v, task.values["width"], step=task.number)
            pulse = f"{format_quantity(voltage_v, 'V')} for {format_quantity(task.values['width'], 's')}"
            if not self.read_after_pulse:
                return pulse
            return f"{pulse}, then {_told(port.read(cell, step=task.number, event='verify'))}"

    def _set_level(self, cell: Cell, task: _Task) -> str:
        if not self.formed_cells([cell]):
            raise CellStopped("is not formed; form it with form_array, or begin the session with form_unformed")
        assert self._leveller is not None
        with self.open_pulses(()) as access:
            levelled = self._leveller.bring_to(
                CellPort(self, access), cell, task.values["conductance"], step=task.number
            )
        reached = f"{format_quantity(levelled.conductance_s, 'S', digits=4)} after {levelled.pulses} pulses"
        target = format_quantity(levelled.target_s, "S")
        return (
            f"{reached}, target {target}" if levelled.is_reached else f"{reached}, {target} MISSED: {levelled.reason}"
        )


def _told(row: CellRow) -> str:
    flags = f" ({', '.join(sorted(row.flags))})" if row.flags else ""
    value = "no value" if row.conductance_s is None else format_quantity(row.conductance_s, "S", digits=4)
    return f"{value}{flags}"


def _on_paper(plan: Row, do: Callable[[], Row | Sequence[Row]], *, stimulates: bool) -> list[dict[str, Any]]:
    """Do a unit of work without a file; rows have every column, as a file would give them back."""
    given = do()
    rows = [given] if isinstance(given, Mapping) else given
    return [{**dict.fromkeys(CELL_COLUMNS), **plan, **row} for row in rows]
