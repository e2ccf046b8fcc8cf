"""The base class of labctl's procedures: PyMeasure's ``Procedure`` with its silent traps closed.

A procedure declares parameters and columns, and measures in ``execute`` through ``self.station``::

    class ReadCell(LabProcedure):
        '''Read one cell.'''

        row = IntegerParameter("Row", default=0, minimum=0, maximum=31)
        voltage_v = QuantityParameter("Read voltage", units="V", minimum=-0.3, maximum=0.3, default=0.2)
        DATA_COLUMNS = ["Row (1)", "Conductance (S)", "Flags"]   # unit: number; no unit: text (or anything plain)

        def execute(self):
            self.emit("results", {"Row (1)": self.row, "Conductance (S)": 1e-5, "Flags": None})

Not here: what runs it and where its records go (:mod:`labctl.run.engine`).
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pymeasure.experiment import Parameter, Procedure

from labctl.errors import RunError
from labctl.run.parameters import allowed_values, convert_value, format_parameter

if TYPE_CHECKING:
    from labctl.station import Station

__all__ = ["TOPICS", "LabProcedure", "describe_parameters"]

TOPICS = ("results", "batch results", "progress", "array", "event", "summary")


class LabProcedure(Procedure):
    """A measurement that the engine runs on a station.

    ``check`` may refuse the configuration before a run file exists and before anything is sent; then ``startup``,
    ``execute`` and, whatever happened, ``shutdown`` follow. The engine switches the station's outputs off afterwards.

    Parameters
    ----------
    **values
        Parameters by attribute name, as values or as text ("10us").

    Raises
    ------
    RunError
        If a name is no parameter of this procedure, or a value breaks its rule.
    """

    station: "Station"

    def __init__(self, **values: object) -> None:
        super().__init__()
        self.set_values(values)

    @classmethod
    def procedure_name(cls) -> str:
        """Return the name of the procedure: the class name in snake case (``ReadArray``: ``"read_array"``)."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()

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

    def attach(self, emit: Callable[[str, Any], None], should_stop: Callable[[], bool]) -> None:
        """Give the procedure its ways out: the engine (or a test) calls this before ``startup``.

        Parameters
        ----------
        emit : callable
            Takes a topic and its record.
        should_stop : callable
            Tells whether an abort was asked for.
        """
        self.__dict__.update(emit=emit, should_stop=should_stop)

    def emit(self, topic: str, record: Any) -> None:
        """Hand a record to the run.

        Parameters
        ----------
        topic : str
            ``"results"``: a mapping from DATA_COLUMNS to value; ``"batch results"``: a sequence of such;
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
        ``description``.
    """
    parameters: dict[str, Parameter] = procedure_class()._parameters
    declared = [name for base in reversed(procedure_class.__mro__) for name in vars(base)]
    return [
        {
            "name": name,
            "label": parameters[name].name,
            "default": format_parameter(parameters[name], parameters[name].default),
            "unit": getattr(parameters[name], "units", None),
            "allowed": allowed_values(parameters[name]),
            "description": parameters[name].description or "",
        }
        for name in sorted(parameters, key=declared.index)
    ]
