"""Whether values would be taken by a run, told per parameter and quickly, for a form that is being filled in.

Three things are asked in this order: each parameter's own rule, the procedure's ``check`` on a station without
instruments, and the envelope against what the procedure says that it will ask for. Not here: the stimuli themselves
(:mod:`labctl.run.dry_run`), checks before a real run (:mod:`labctl.run.preflight`).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

from labctl.errors import EnvelopeError, LabError
from labctl.run.dry_run import CASES_S, on_paper
from labctl.run.parameters import QuantityParameter, convert_value
from labctl.run.preflight import Estimate, check_envelope
from labctl.run.procedure import LabProcedure
from labctl.run.station_defaults import merged_values
from labctl.station.record import Record
from labctl.station.station_file import StationFile, read_station_file

__all__ = ["Verdict", "check_values", "station_limits"]

_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
# refusals that hide behind each other and are found in one go
_MOST_REFUSALS = 3
# just above the limit of an envelope
_BEYOND = 1.0 + 1e-6


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check.

    Attributes
    ----------
    estimate : Estimate or None
        What the run will take; None where it is refused or the procedure cannot tell.
    refusals : mapping of str to str
        Sentence by parameter: what is wrong with its value.
    general : str
        What is wrong and cannot be laid to one parameter; empty where nothing is.
    """

    estimate: Estimate | None
    refusals: Mapping[str, str]
    general: str

    @property
    def is_refused(self) -> bool:
        """Whether a run with these values would not start."""
        return bool(self.refusals or self.general)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values.

        Returns
        -------
        dict
        """
        estimate = None if self.estimate is None else asdict(self.estimate)
        return {"estimate": estimate, "refusals": dict(self.refusals), "general": self.general}


def check_values(
    procedure_class: type[LabProcedure], station: "str | PathLike[str]", values: Mapping[str, object]
) -> Verdict:
    """Check values as a run would; nothing is opened and nothing is raised for a wrong value.

    A refusal that names no parameter is laid to those whose default would cure it.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    station : str or path
        Name of a known station, or a station file.
    values : mapping of str to object
        Values, or text such as ``"10us"``; what is left out has its default.

    Returns
    -------
    Verdict
    """
    try:
        content = read_station_file(station)
        defaults = procedure_class(**merged_values(procedure_class, content.defaults, {}).values)
    except LabError as error:
        return Verdict(None, {}, str(error))
    name, parameters = procedure_class.procedure_name(), defaults.parameter_objects()
    unknown = sorted(set(values) - set(parameters))
    if unknown:
        known = ", ".join(sorted(parameters))
        return Verdict(None, {}, f"{name} has no parameter {', '.join(map(repr, unknown))}; it has: {known}")
    refusals: dict[str, str] = {}
    taken: dict[str, object] = {}
    for key, value in values.items():
        try:
            converted = convert_value(parameters[key], value)
        except ValueError as error:
            refusals[key] = str(error)
            continue
        # what equals its default needs no second look
        if converted != getattr(defaults, key):
            taken[key] = converted
    return _judged(procedure_class, content, taken, refusals)


def station_limits(procedure_class: type[LabProcedure], station: "str | PathLike[str]") -> dict[str, float]:
    """Find the parameters that the station's envelope limits more than their own rule does, the others at defaults.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    station : str or path
        Name of a known station, or a station file.

    Returns
    -------
    dict of str to float, unit of the parameter
        Largest magnitude by parameter.

    Raises
    ------
    StationError, RunError
        If the station file is wrong.
    """
    content = read_station_file(station)
    defaults = procedure_class(**merged_values(procedure_class, content.defaults, {}).values)
    envelope = content.envelope
    by_unit = {"V": envelope.voltage_v, "A": envelope.current_a, "s": envelope.pulse_width_s}
    found = {}
    for name, parameter in defaults.parameter_objects().items():
        if not isinstance(parameter, QuantityParameter) or parameter.units not in by_unit:
            continue
        limit = by_unit[parameter.units]
        value = limit if parameter.maximum > 0.0 else -limit
        if not parameter.minimum <= value * _BEYOND <= parameter.maximum:
            continue
        outside, inside = (_refusal(procedure_class, content, {name: one})[1] for one in (value * _BEYOND, value))
        if isinstance(outside, EnvelopeError) and not isinstance(inside, EnvelopeError):
            found[name] = limit
    return found


def _judged(
    procedure_class: type[LabProcedure], content: StationFile, taken: dict[str, object], refusals: dict[str, str]
) -> Verdict:
    """Lay each refusal to the values that cure it when left out, then look for what it has hidden."""
    estimate, refusal = _refusal(procedure_class, content, taken)
    for _ in range(_MOST_REFUSALS):
        if refusal is None:
            break
        curing = [
            key for key in taken if not _is_same(refusal, _refusal(procedure_class, content, _without(taken, [key]))[1])
        ]
        if not curing:
            return Verdict(None, refusals, str(refusal))
        refusals |= dict.fromkeys(curing, str(refusal))
        taken = _without(taken, curing)
        _, refusal = _refusal(procedure_class, content, taken)
    return Verdict(None if refusals else estimate, refusals, "")


def _refusal(
    procedure_class: type[LabProcedure], content: StationFile, values: Mapping[str, object]
) -> tuple[Estimate | None, Exception | None]:
    try:
        procedure, _ = on_paper(procedure_class, content, values, CASES_S["open"], Record(0, 0.0))
        estimate = procedure.estimate()
        if estimate is not None:
            check_envelope(procedure_class.procedure_name(), estimate, content.envelope, content.file)
    except (LabError, ValueError) as error:
        return None, error
    return estimate, None


def _without(values: Mapping[str, object], names: Collection[str]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name not in names}


def _is_same(refusal: Exception, other: Exception | None) -> bool:
    """Whether two refusals are of one rule, whatever numbers they name."""
    if other is None or type(other) is not type(refusal):
        return False
    return _NUMBER.sub("", str(refusal)) == _NUMBER.sub("", str(other))
