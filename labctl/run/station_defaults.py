"""What a run takes for parameters that the user does not give: the station's defaults, then those of the procedure.

Not here: the table in the station file (:mod:`labctl.station.defaults_table`), parameters
(:mod:`labctl.run.parameters`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labctl.errors import RunError
from labctl.run.parameters import convert_value, format_parameter
from labctl.run.procedure import LabProcedure, describe_parameters
from labctl.station.defaults_table import StationDefault, StationDefaults, read_defaults
from labctl.station.strict_table import StrictTable

if TYPE_CHECKING:
    from pymeasure.experiment import Parameter

    from labctl.store import Run

__all__ = ["MergedValues", "defaults_of_run", "describe_defaults", "merged_values"]


@dataclass(frozen=True, slots=True)
class MergedValues:
    """Values for a procedure; what is not in here stays at the default of its class.

    Attributes
    ----------
    values : Mapping of str to object
        Given values and, where nothing was given, those of the station.
    from_station : Mapping of str to StationDefault
        Those of the station.
    """

    values: Mapping[str, object]
    from_station: Mapping[str, StationDefault]

    def note(self) -> str | None:
        """Say which values came from the station; None where none did.

        Returns
        -------
        str or None
        """
        if not self.from_station:
            return None
        return "from the station: " + ", ".join(f"{name} = {one.value}" for name, one in self.from_station.items())


def merged_values(
    procedure_class: type[LabProcedure], defaults: StationDefaults, given: Mapping[str, object]
) -> MergedValues:
    """Merge: given values win over ``[defaults.<procedure>]``, that over ``[defaults]``, that over the class.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    defaults : StationDefaults
        All of it is checked, also what this procedure does not take.
    given : mapping of str to object
        By the user; None counts as given.

    Returns
    -------
    MergedValues

    Raises
    ------
    RunError
        If the defaults name a procedure or a parameter that there is not, or a value breaks its parameter's rule; file,
        line and key are named.
    """
    name = procedure_class.procedure_name()
    if not defaults.as_dict():
        # the catalogue is not looked through for nothing: that imports all procedures
        return MergedValues(dict(given), {})
    catalogue = procedure_class.catalogue()
    known = {**catalogue, name: procedure_class}
    parameters = {kind: one().parameter_objects() for kind, one in known.items()}
    # a procedure that belongs to no catalogue cannot know what others have
    for refusal in _refusals(defaults, parameters, is_whole=bool(catalogue)):
        raise RunError(refusal)
    own = {**defaults.shared, **defaults.own.get(name, {})}
    taken = {key: one for key, one in own.items() if key in parameters.get(name, {}) and key not in given}
    return MergedValues({**{key: one.value for key, one in taken.items()}, **given}, taken)


def describe_defaults(procedure_class: type[LabProcedure], defaults: StationDefaults) -> list[dict[str, Any]]:
    """Describe the parameters of a procedure with the defaults that a run on a station takes.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    defaults : StationDefaults

    Returns
    -------
    list of dict
        As :func:`labctl.run.describe_parameters`, and ``from_station``: whether the default is the station's,
        ``place``: file, line and key where it stands then, else empty.

    Raises
    ------
    RunError
        As :func:`merged_values`.
    """
    merged = merged_values(procedure_class, defaults, {})
    procedure = procedure_class(**merged.values)
    return [
        {
            **one,
            "default": format_parameter(procedure.parameter_objects()[one["name"]], getattr(procedure, one["name"])),
            "from_station": one["name"] in merged.from_station,
            "place": merged.from_station[one["name"]].place if one["name"] in merged.from_station else "",
        }
        for one in describe_parameters(procedure_class)
    ]


def defaults_of_run(run: "Run") -> StationDefaults | None:
    """Return the defaults that the station file held when a run began.

    Parameters
    ----------
    run : Run

    Returns
    -------
    StationDefaults or None
        None where the run does not hold the text of the file.

    Raises
    ------
    StationError
        If the text is damaged.
    """
    text = run.header.get("station_text")
    if not isinstance(text, str):
        return None
    return read_defaults(StrictTable.parse(text, str(run.header.get("station_file"))))


def _refusals(
    defaults: StationDefaults, parameters: Mapping[str, Mapping[str, "Parameter"]], *, is_whole: bool
) -> Iterator[str]:
    """Yield what is wrong, in the order of the file; ``is_whole``: whether all procedures are known."""
    for name, default in defaults.shared.items():
        having = {kind: known[name] for kind, known in parameters.items() if name in known}
        if is_whole and not having:
            yield f"{default.place}: no procedure has a parameter of this name; `labctl procedures NAME` lists them"
        for kind, parameter in having.items():
            yield from _broken_rule(default, kind, parameter)
    for kind, table in defaults.own.items():
        if kind in parameters:
            for name, default in table.items():
                if name in parameters[kind]:
                    yield from _broken_rule(default, kind, parameters[kind][name])
                else:
                    known = ", ".join(sorted(parameters[kind]))
                    yield f"{default.place}: {kind} has no parameter {name!r}; it has: {known}"
        elif is_whole:
            known = ", ".join(sorted(parameters))
            yield f"{defaults.places[kind]}: there is no procedure {kind!r}; there are {known}"


def _broken_rule(default: StationDefault, kind: str, parameter: "Parameter") -> Iterator[str]:
    try:
        convert_value(parameter, default.value)
    except ValueError as error:
        yield f"{default.place}: {kind}: {error}"
