"""The base class of labctl's procedures: PyMeasure's ``Procedure`` with its silent traps closed.

A procedure declares parameters and columns, and measures in ``execute`` through ``self.station``::

    class ReadCell(LabProcedure):
        '''Read one cell.'''

        row = IntegerParameter("Row", default=0, minimum=0, maximum=31)
        voltage_v = QuantityParameter("Read voltage", units="V", minimum=-0.3, maximum=0.3, default=0.2)
        DATA_COLUMNS = ["Row (1)", "Conductance (S)", "Flags"]   # unit: number; no unit: text (or anything plain)

        def execute(self):
            plan = {"Row (1)": self.row}
            rows = self.perform(plan, lambda: {"Conductance (S)": self.read()}, stimulates=False)

Everything that speaks to an instrument belongs into ``perform``: what is done there can be resumed after a power cut.

Not here: what runs it and where its records go (:mod:`labctl.run.engine`).
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pymeasure.experiment import Parameter, Procedure

from labctl.errors import RunError
from labctl.run.parameters import FileParameter, allowed_values, convert_value, format_parameter, kind_of
from labctl.station.defaults_table import StationDefaults
from labctl.store.columns import Cell, parse_columns

if TYPE_CHECKING:
    from labctl.run.preflight import Estimate
    from labctl.station import Station

__all__ = ["IN_DOUBT", "TOPICS", "LabProcedure", "Row", "describe_parameters"]

Row = Mapping[str, Cell]

IN_DOUBT = "in_doubt"
TOPICS = ("results", "batch results", "progress", "array", "event", "summary")


class LabProcedure(Procedure):
    """A measurement that the engine runs on a station.

    ``check`` may refuse the configuration before a run file exists and before anything is sent; then ``startup``,
    ``execute`` and, whatever happened, ``shutdown`` follow. The engine switches the station's outputs off afterwards.

    Parameters
    ----------
    **values
        Parameters by attribute name, as values or as text ("10us").

    Attributes
    ----------
    resumable : bool
        Whether a run can be resumed: True for a procedure that asks for the same actions in the same order, given the
        same parameters and the same rows, and speaks to instruments in :meth:`perform` only.
    default_station : str
        Packaged simulated station on which the defaults of the parameters make sense.
    station_defaults : StationDefaults
        Of the station file as it was when the run began; they are among the values of this procedure already.
    parameter_groups : Mapping of str to str
        Title of the group of a form, by name of parameter; each class names those that it declares. What no class names
        is the procedure's own and comes first.

    Raises
    ------
    RunError
        If a name is no parameter of this procedure, or a value breaks its rule.
    """

    station: "Station"
    resumable: ClassVar[bool] = False
    default_station: ClassVar[str] = "tiox-32x32"
    station_defaults: StationDefaults = StationDefaults()
    parameter_groups: ClassVar[Mapping[str, str]] = {"faults": "Simulation"}

    faults = Parameter(
        "Faults", default="", description="Faults to inject into a simulated rack; see `labctl bench faults`"
    )

    def __init__(self, **values: object) -> None:
        super().__init__()
        self.set_values(values)

    @classmethod
    def procedure_name(cls) -> str:
        """Return the name of the procedure: the class name in snake case (``ReadArray``: ``"read_array"``)."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()

    @classmethod
    def catalogue(cls) -> "Mapping[str, type[LabProcedure]]":
        """Return the procedures by name that a station file may give defaults for, besides this one.

        Returns
        -------
        mapping of str to type of LabProcedure
            Empty where a procedure does not know of others; what station files say of those is not judged then.
        """
        return {}

    @staticmethod
    def parse_columns(columns: Sequence[str]) -> dict[str, str]:
        """Check the units of column labels; PyMeasure's own would build a second table of all units for it, in 0.3 s.

        Parameters
        ----------
        columns : sequence of str
            Labels.

        Returns
        -------
        dict of str to str
            The unit of each column that has one.

        Raises
        ------
        StoreError
            If a unit is unknown, or a label cannot be one.
        """
        return {column.name: column.unit for column in parse_columns(columns) if column.unit is not None}

    def set_values(self, values: Mapping[str, object]) -> None:
        """Set parameters by attribute name; PyMeasure's own constructor would ignore unknown ones.

        Parameters
        ----------
        values : mapping of str to object
            Values or text ("10us"); None unsets.

        Raises
        ------
        RunError
            If a name is no parameter of this procedure, or a value breaks its rule.
        """
        for name, value in values.items():
            parameter = self._parameters.get(name)
            if parameter is None:
                known = ", ".join(sorted(self._parameters)) or "none"
                raise RunError(f"{self.procedure_name()} has no parameter {name!r}; it has: {known}")
            try:
                converted = convert_value(parameter, value)
            except ValueError as error:
                raise RunError(f"{self.procedure_name()}: parameter {name} ({parameter.name}): {error}") from error
            if converted is not None:
                parameter.value = converted
            setattr(self, name, converted)

    def check(self) -> None:
        """Refuse a configuration that cannot be run; ``self.station`` is set, nothing may be sent.

        Raises
        ------
        LabError
            In a subclass, with the rule and the remedy; no run file is made then.
        """

    def estimate(self) -> "Estimate | None":
        """Estimate points and duration from the parameters and ``self.station``; None where nobody can know."""
        return None

    def monitors(self) -> Mapping[str, float]:
        """Return what conditions may watch besides the columns, by name; called about once a second, between actions.

        Returns
        -------
        mapping of str to float, unit as the names say
        """
        return {}

    def stand_down(self) -> None:
        """Switch outputs off without losing the place: the run is going to wait. The next action switches them on.

        A procedure that does not say how leaves its outputs as they are.
        """

    def went_live(self, in_doubt: Row | None) -> None:
        """Look at the sample before a resumed run goes on: called once, before the first action that is not recalled.

        Parameters
        ----------
        in_doubt : mapping of str to float, int, str or None, or None
            Row of the stimulus that was cut by the interruption and is not repeated.
        """

    def attach(
        self,
        emit: Callable[[str, Any], None],
        should_stop: Callable[[], bool],
        perform: Callable[..., list[dict[str, Cell]]] | None = None,
        elapsed_s: Callable[[], float] | None = None,
        next_request: Callable[[float], Mapping[str, object] | None] | None = None,
    ) -> None:
        """Give the procedure its ways out: the engine (or a test) calls this before ``startup``.

        Parameters
        ----------
        emit : callable
            Takes a topic and its record.
        should_stop : callable
            Tells whether an abort was asked for.
        perform, elapsed_s, next_request : callable, optional
            In place of the methods of these names.
        """
        ways: dict[str, Any] = {"emit": emit, "should_stop": should_stop, "perform": perform, "elapsed_s": elapsed_s}
        ways["next_request"] = next_request
        self.__dict__.update({name: way for name, way in ways.items() if way is not None})

    def perform(self, plan: Row, do: Callable[[], Row | Sequence[Row]], *, stimulates: bool) -> list[dict[str, Cell]]:
        """Do one unit of work: the smallest thing that a resumed run does not do twice.

        The rows that come back are those of the file. In a run that is resumed they may have been measured before the
        interruption, and ``do`` is not called then. A stimulus that was cut, or whose confirmation did not come, is
        never repeated: its row holds the plan and the flag ``in_doubt``; read the sample afterwards.

        Parameters
        ----------
        plan : mapping of str to float, int, str or None
            What is about to be done, by column label; part of every row.
        do : callable
            Does it, and returns one row or several, without what the plan says already.
        stimulates : bool
            Whether it changes the sample. The plan is then in the file before ``do`` is called.

        Returns
        -------
        list of dict
            The rows with every column; NaN and what was left out is None.

        Raises
        ------
        Aborted
            If an abort was asked for and the procedure has not met it in :meth:`should_stop` yet; nothing was done.
        RunError
            If it does not fit the run that is resumed, or breaks a rule of rows.
        StoreError
            If the file refuses a row, or could not be written.
        """
        given = do()
        rows = [{**plan, **row} for row in ([given] if isinstance(given, Mapping) else given)]
        self.emit("batch results", rows)
        return rows

    def elapsed_s(self) -> float:
        """Return the time since the run began, unit s, on the clock of the rack and going on over a resume."""
        return self.station.clock.now_s()

    def next_request(self, within_s: float) -> Mapping[str, object] | None:
        """Wait for what an operator wants done by hand.

        Parameters
        ----------
        within_s : float, unit s
            How long at most, on the wall: it is a person who is waited for.

        Returns
        -------
        mapping of str to object, or None
            As :func:`labctl.run.mailbox.ask_run` took it; None where nobody asked, or where the run is to stop. A
            procedure that is not being run is asked for nothing.
        """
        return None

    def emit(self, topic: str, record: Any) -> None:
        """Hand a record to the run.

        Parameters
        ----------
        topic : str
            ``"results"``: a mapping from DATA_COLUMNS to value; ``"batch results"``: a sequence of such; each is an
            action that a resumed run recalls, though what was measured for it is measured again: use :meth:`perform`;
            ``"progress"``: 0 to 100; ``"array"``: a mapping with ``name``, ``data``, ``dims``, ``unit``;
            ``"event"``: a mapping with ``kind``, ``message``; ``"summary"``: a mapping that joins the run's results.
        record : object

        Raises
        ------
        Aborted
            If an abort was asked for and the procedure has not met it in :meth:`should_stop` yet.
        RunError
            If the procedure is not being run, or the topic is unknown.
        StoreError
            If the run file refuses the record, or could not be written.
        """
        raise RunError(f"{self.procedure_name()} is not being run; use labctl.run.execute_procedure")

    def should_stop(self) -> bool:
        """Tell whether an abort was asked for; a procedure that sees True tidies up and returns.

        Raises
        ------
        RunError
            If the procedure is not being run.
        """
        raise RunError(f"{self.procedure_name()} is not being run; use labctl.run.execute_procedure")


def describe_parameters(procedure_class: type[LabProcedure]) -> list[dict[str, Any]]:
    """Describe the parameters of a procedure for a table or a form.

    Parameters
    ----------
    procedure_class : type of LabProcedure

    Returns
    -------
    list of dict
        In the order of declaration, with keys ``name``, ``label``, ``default`` (as text), ``unit``, ``allowed``,
        ``description``, ``kind`` (as :func:`labctl.run.parameters.kind_of` says), ``lowest`` and ``highest`` (of a
        number; None: no limit), ``choices`` (text), ``group`` (empty: the procedure's own).
    """
    parameters: dict[str, Parameter] = procedure_class()._parameters
    # the parameters that all procedures have come last
    declared = [name for base in reversed(procedure_class.__mro__) if base is not LabProcedure for name in vars(base)]
    declared += list(vars(LabProcedure))
    return [
        {
            "name": name,
            "label": parameters[name].name,
            "default": format_parameter(parameters[name], parameters[name].default),
            "unit": getattr(parameters[name], "units", None),
            "allowed": allowed_values(parameters[name]),
            "description": parameters[name].description or "",
            "kind": kind_of(parameters[name]),
            "lowest": _finite(getattr(parameters[name], "minimum", None)),
            "highest": _finite(getattr(parameters[name], "maximum", None)),
            "choices": _choices(parameters[name]),
            "group": _group(procedure_class, name),
        }
        for name in sorted(parameters, key=declared.index)
    ]


def _finite(limit: float | None) -> float | None:
    return limit if limit is not None and math.isfinite(limit) else None


def _choices(parameter: Parameter) -> list[str]:
    if isinstance(parameter, FileParameter):
        return parameter.names()
    return [str(choice) for choice in getattr(parameter, "choices", None) or ()]


def _group(procedure_class: type[LabProcedure], name: str) -> str:
    groups = (vars(base).get("parameter_groups", {}) for base in procedure_class.__mro__)
    return next((titles[name] for titles in groups if name in titles), "")
