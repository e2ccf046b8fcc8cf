"""Parameters of a procedure: quantities, cells and files, and the plain words for what each one allows.

Whole numbers, choices and truth values are PyMeasure's own ``IntegerParameter``, ``ListParameter`` and
``BooleanParameter``; text is ``Parameter``. Not here: how a procedure takes its values (:mod:`labctl.run.procedure`).
"""

import math
from collections.abc import Callable
from typing import Any

from pymeasure.experiment import BooleanParameter, FloatParameter, IntegerParameter, ListParameter, Parameter

from labctl.units import check_unit, format_quantity, parse_quantity

__all__ = [
    "CellsParameter",
    "FileParameter",
    "QuantityParameter",
    "allowed_values",
    "convert_value",
    "format_parameter",
    "kind_of",
]


class QuantityParameter(FloatParameter):
    """A float with an SI unit that also reads text such as ``"10us"``; exact to the last bit, refused out of limits.

    Parameters
    ----------
    name : str
        The name that people read, such as ``"Pulse width"``.
    units : str
        SI unit of the value, such as ``"s"`` or ``"S"``; ``"1"`` for a pure number, which also reads ``"3 %"``.
    minimum, maximum : float, unit as ``units`` says
        The limits, both allowed; none where left out.
    default : float or str, optional
        None leaves the parameter unset.
    description : str, optional
        One sentence on what it is for.
    **kwargs
        What PyMeasure's ``Parameter`` takes besides, such as ``group_by``.

    Raises
    ------
    ValueError
        If ``units`` is no unit, or the default breaks the rule.
    """

    def __init__(
        self,
        name: str,
        units: str,
        minimum: float = -math.inf,
        maximum: float = math.inf,
        default: float | str | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_unit(units)
        super().__init__(
            name, units=units, minimum=minimum, maximum=maximum, default=default, description=description, **kwargs
        )
        self.default = self._value

    def convert(self, value: float | str) -> float:
        """Turn text or a number into an SI float within the limits.

        Parameters
        ----------
        value : float or str, unit as ``units`` says where it is a number

        Returns
        -------
        float, unit as ``units`` says

        Raises
        ------
        ValueError
            If the value is no finite quantity of this unit or lies outside the limits.
        """
        if isinstance(value, str):
            number = parse_quantity(value, self.units)
        elif isinstance(value, bool):
            raise ValueError(f"expected a number in {self.units}, got {value!r}")  # noqa: TRY004 - as PyMeasure's convert
        else:
            try:
                number = float(value)
            except TypeError:
                raise ValueError(f"expected a number in {self.units}, got {value!r}") from None
        if not math.isfinite(number) or not self.minimum <= number <= self.maximum:
            raise ValueError(f"must be {allowed_values(self)}, got {format_quantity(number, self.units)}")
        return number

    def __str__(self) -> str:
        """Write the value so that it reads back as the same float."""
        return format_quantity(self._value, self.units) if self.is_set() else ""


class CellsParameter(Parameter):
    """Text that names cells of the array, as :func:`labctl.array.parse_cells` reads it."""


class FileParameter(Parameter):
    """The path of a file, or the name of one that comes with labctl.

    Parameters
    ----------
    name : str
        The name that people read, such as ``"Target map"``.
    suffix : str
        How the file's name ends, such as ``".csv"``.
    names : callable
        Lists the names of those that come with labctl.
    **kwargs
        What PyMeasure's ``Parameter`` takes besides.
    """

    def __init__(self, name: str, suffix: str, names: Callable[[], list[str]], **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.suffix = suffix
        self.names = names


def kind_of(parameter: Parameter) -> str:
    """Tell what a form needs to know of the type of a parameter.

    Parameters
    ----------
    parameter : pymeasure.experiment.Parameter

    Returns
    -------
    str
        "quantity", "whole", "truth", "choice", "cells", "file", "number" or "text".
    """
    kinds = (
        (QuantityParameter, "quantity"),
        (IntegerParameter, "whole"),
        (BooleanParameter, "truth"),
        (ListParameter, "choice"),
        (CellsParameter, "cells"),
        (FileParameter, "file"),
        (FloatParameter, "number"),
    )
    return next((kind for one, kind in kinds if isinstance(parameter, one)), "text")


def allowed_values(parameter: Parameter) -> str:
    """Say in words what a parameter allows.

    Parameters
    ----------
    parameter : pymeasure.experiment.Parameter

    Returns
    -------
    str
        Such as ``"1 µs to 1 ms"``, ``"one of: v2, v3"``, ``"true or false"``.
    """
    if isinstance(parameter, QuantityParameter):
        low, high = (format_quantity(limit, parameter.units) for limit in (parameter.minimum, parameter.maximum))
        what = "a pure number" if parameter.units == "1" else f"a quantity in {parameter.units}"
        if math.isinf(parameter.minimum) and math.isinf(parameter.maximum):
            return what
        if math.isinf(parameter.maximum):
            return f"at least {low}"
        return f"at most {high}" if math.isinf(parameter.minimum) else f"{low} to {high}"
    if isinstance(parameter, IntegerParameter):
        return f"a whole number, {parameter.minimum} to {parameter.maximum}"
    if isinstance(parameter, BooleanParameter):
        return "true or false"
    if isinstance(parameter, ListParameter):
        return "one of: " + ", ".join(map(str, parameter.choices or ()))
    if isinstance(parameter, CellsParameter):
        return "cells of the array"
    if isinstance(parameter, FileParameter):
        return f"a name, or the path of a {parameter.suffix} file"
    return "a number" if isinstance(parameter, FloatParameter) else "text"


def convert_value(parameter: Parameter, value: object) -> Any:
    """Turn a value into what the parameter holds; None stands for "not set".

    Parameters
    ----------
    parameter : pymeasure.experiment.Parameter
    value : object
        Text as typed, or a value of the parameter's type.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If the parameter refuses the value; a fraction is never cut to a whole number.
    """
    if value is None:
        return None
    if isinstance(parameter, QuantityParameter):
        return parameter.convert(value)  # type: ignore[arg-type]  # refuses other types itself
    refusal = f"must be {allowed_values(parameter)}, got {value!r}"
    if isinstance(parameter, IntegerParameter) and not isinstance(value, str) and not _is_whole(value):
        raise ValueError(refusal)
    try:
        return parameter.convert(value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(refusal) from None


def format_parameter(parameter: Parameter, value: object) -> str:
    """Write a value of a parameter for people, with its unit.

    Parameters
    ----------
    parameter : pymeasure.experiment.Parameter
    value : object
        None gives an empty text.

    Returns
    -------
    str
    """
    if value is None:
        return ""
    if isinstance(parameter, QuantityParameter) and isinstance(value, float):
        return format_quantity(value, parameter.units)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_whole(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, float)) and float(value).is_integer()
