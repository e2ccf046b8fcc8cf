"""A procedure without instruments: the stimuli that it would apply, their extremes, and what would be refused.

A closed-loop procedure goes where its readings lead, so it is run several times, each time on cells that never respond
and have one conductance: open, between and short. What is reported is the worst over these, which is not a proof: cells
that respond may lead the procedure elsewhere, and then the envelope still refuses what it must. A case ends after so
many stimuli or seconds, and says so.
Not here: the station on paper (:mod:`labctl.station.paper`), checks before a real run (:mod:`labctl.run.preflight`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, cast

from labctl.errors import LabError, UnusableResultError
from labctl.run.preflight import Estimate
from labctl.run.procedure import LabProcedure, Row
from labctl.run.station_defaults import merged_values
from labctl.station.paper import PaperStation
from labctl.station.record import Enough, Record, worst
from labctl.station.station_file import StationFile, read_station_file
from labctl.store.columns import Cell

__all__ = ["CASES_S", "DryCase", "DryRun", "dry_case", "dry_run", "estimate_run", "on_paper"]

CASES_S: Mapping[str, float] = {"open": 1e-9, "between": 3e-5, "short": 1e-2}
_MOST_STIMULI, _MOST_WALL_S = 50_000, 10.0
_VOLTAGE = "Voltage (V)"


@dataclass(frozen=True, slots=True)
class DryCase:
    """A procedure on cells of one conductance.

    Attributes
    ----------
    name : str
        "open", "between" or "short".
    conductance_s : float, unit S
        Of every cell.
    outcome : str
        "finished", what stopped the count, or the refusal.
    is_refused : bool
        Whether a real run would fail here.
    duration_s : float, unit s
        Nominal time of the rack.
    points : int
        Rows of data.
    largest_cell_v : float or None, unit V
        Largest magnitude in the procedure's own plans and rows; None where they name no voltage.
    record : Record
        The stimuli.
    """

    name: str
    conductance_s: float
    outcome: str
    is_refused: bool
    duration_s: float
    points: int
    largest_cell_v: float | None
    record: Record

    def as_dict(self) -> dict[str, Any]:
        """Return outcome, counts and extremes as plain values, without the stimuli one by one.

        Returns
        -------
        dict
        """
        return {
            "name": self.name,
            "conductance_s": self.conductance_s,
            "outcome": self.outcome,
            "is_refused": self.is_refused,
            "duration_s": self.duration_s,
            "points": self.points,
            "largest_cell_v": self.largest_cell_v,
            **_extremes(self.record),
        }


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would do.

    Attributes
    ----------
    procedure, station, file : str
        Names, and the station file.
    estimate : Estimate or None
        The procedure's own.
    cases : tuple of DryCase
    """

    procedure: str
    station: str
    file: str
    estimate: Estimate | None
    cases: tuple[DryCase, ...]

    @property
    def is_refused(self) -> bool:
        """Whether a real run would fail in one of the cases."""
        return any(case.is_refused for case in self.cases)

    @property
    def largest_cell_v(self) -> float | None:
        """Largest magnitude in the procedure's own plans and rows, unit V; None where they name no voltage."""
        found = [case.largest_cell_v for case in self.cases if case.largest_cell_v is not None]
        return max(found, default=None)

    def worst(self) -> Record:
        """Return the extremes over all cases.

        Returns
        -------
        Record
        """
        return worst(case.record for case in self.cases)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values; stimuli one by one, the most frequent first.

        Returns
        -------
        dict
        """
        return {
            "procedure": self.procedure,
            "station": self.station,
            "file": self.file,
            "estimate": None if self.estimate is None else asdict(self.estimate),
            "worst": _extremes(self.worst()),
            "cases": [
                {
                    **case.as_dict(),
                    "stimuli": [
                        {**asdict(stimulus), "levels_v": dict(stimulus.levels_v), "count": count}
                        for stimulus, count in case.record.stimuli.most_common()
                    ],
                }
                for case in self.cases
            ],
        }


def dry_run(
    procedure_class: type[LabProcedure],
    station: "str | PathLike[str]",
    parameters: Mapping[str, object],
    *,
    most_stimuli: int = _MOST_STIMULI,
    most_wall_s: float = _MOST_WALL_S,
) -> DryRun:
    """Run a procedure on paper; no instrument and no run file is opened.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    station : str or path
        Name of a known station, or a station file.
    parameters : mapping of str to object
        Values, or text such as ``"10us"``.
    most_stimuli : int, unit 1
        A case ends after so many.
    most_wall_s : float, unit s
        A case ends so long after its first stimulus.

    Returns
    -------
    DryRun

    Raises
    ------
    StationError, RunError
        If the station file, a parameter or the configuration is refused.
    """
    content = read_station_file(station)
    estimate = estimate_run(procedure_class, station, parameters)
    cases = tuple(
        dry_case(procedure_class, content, parameters, name, most_stimuli=most_stimuli, most_wall_s=most_wall_s)
        for name in CASES_S
    )
    return DryRun(procedure_class.procedure_name(), content.name, content.file, estimate, cases)


def dry_case(
    procedure_class: type[LabProcedure],
    content: StationFile,
    parameters: Mapping[str, object],
    name: str,
    *,
    most_stimuli: int = _MOST_STIMULI,
    most_wall_s: float = _MOST_WALL_S,
) -> DryCase:
    """Run a procedure on paper on cells of one conductance.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    content : StationFile
    parameters : mapping of str to object
        Values, or text such as ``"10us"``.
    name : str
        One of :data:`CASES_S`.
    most_stimuli, most_wall_s : int and float, unit 1 and s
        As :func:`dry_run`.

    Returns
    -------
    DryCase

    Raises
    ------
    StationError, RunError
        If a parameter or the configuration is refused.
    """
    record = Record(most_stimuli, most_wall_s)
    procedure, paper = on_paper(procedure_class, content, parameters, CASES_S[name], record)
    return _case(name, CASES_S[name], procedure, paper, record)


def estimate_run(
    procedure_class: type[LabProcedure], station: "str | PathLike[str]", parameters: Mapping[str, object]
) -> Estimate | None:
    """Return what a run will take, without opening the station.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    station : str or path
        Name of a known station, or a station file.
    parameters : mapping of str to object
        Values, or text such as ``"10us"``.

    Returns
    -------
    Estimate or None
        None where the procedure cannot tell.

    Raises
    ------
    StationError, RunError
        If the station file, a parameter or the configuration is refused.
    """
    procedure, _ = on_paper(procedure_class, read_station_file(station), parameters, CASES_S["open"], Record(0, 0.0))
    return procedure.estimate()


def on_paper(
    procedure_class: type[LabProcedure],
    content: StationFile,
    parameters: Mapping[str, object],
    conductance_s: float,
    record: Record,
) -> tuple[LabProcedure, PaperStation]:
    """Return a procedure that has passed its own check on a station without instruments.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    content : StationFile
    parameters : mapping of str to object
        Values, or text such as ``"10us"``.
    conductance_s : float, unit S
        Of every cell.
    record : Record
        Takes the stimuli.

    Returns
    -------
    LabProcedure, PaperStation
        The procedure is not attached yet.

    Raises
    ------
    StationError, RunError
        If a parameter or the configuration is refused.
    """
    procedure = procedure_class()
    procedure.set_values(merged_values(procedure_class, content.defaults, parameters).values)
    procedure.station_defaults = content.defaults
    paper = PaperStation(content, conductance_s, record)
    procedure.station = cast("Any", paper)
    procedure.check()
    return procedure, paper


class _Rehearsal:
    """What a procedure hands out, counted and dropped."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._empty: dict[str, Cell] = dict.fromkeys(columns)
        self.points = 0
        self.largest_cell_v: float | None = None

    def emit(self, topic: str, record: Any) -> None:
        if topic in ("results", "batch results"):
            for row in [record] if topic == "results" else record:
                self._count(row)

    def perform(self, plan: Row, do: Callable[[], Row | Sequence[Row]], *, stimulates: bool) -> list[dict[str, Cell]]:
        # a stimulus that is refused was planned all the same
        self._look_at(plan)
        given = do()
        rows = [{**self._empty, **plan, **row} for row in ([given] if isinstance(given, Mapping) else given)]
        self.points += len(rows)
        for row in rows:
            self._look_at(row)
        return rows

    def _count(self, row: Row) -> None:
        self.points += 1
        self._look_at(row)

    def _look_at(self, plan: Row) -> None:
        voltage_v = plan.get(_VOLTAGE)
        if isinstance(voltage_v, int | float):
            self.largest_cell_v = max(self.largest_cell_v or 0.0, abs(voltage_v))


def _case(name: str, conductance_s: float, procedure: LabProcedure, paper: PaperStation, record: Record) -> DryCase:
    rehearsal = _Rehearsal(procedure.DATA_COLUMNS)
    procedure.attach(rehearsal.emit, lambda: False, rehearsal.perform, paper.clock.now_s)
    outcome, is_refused = "finished", False
    try:
        try:
            procedure.startup()
            procedure.execute()
        finally:
            procedure.shutdown()
    except Enough as enough:
        outcome = str(enough)
    except UnusableResultError as error:
        outcome = f"what follows hangs on what a sample gives: {error}"
    except (LabError, ValueError) as error:
        outcome, is_refused = f"refused: {error}", True
    return DryCase(
        name,
        conductance_s,
        outcome,
        is_refused,
        paper.clock.now_s(),
        rehearsal.points,
        rehearsal.largest_cell_v,
        record,
    )


def _extremes(record: Record) -> dict[str, Any]:
    return {
        "stimuli_count": record.count,
        "readings": record.readings,
        "relays_moved": record.relays,
        "largest_terminal_v": dict(sorted(record.largest_v.items())),
        "longest_width_s": record.longest_s,
        "largest_current_limit_a": record.largest_a,
        "largest_energy_j": record.largest_j,
    }
