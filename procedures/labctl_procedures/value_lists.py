"""Lists of values in one parameter, such as ``"20 uS, 50 uS"``.

Not here: parameters of one value (:class:`labctl.run.QuantityParameter`).
"""

from labctl.errors import RunError
from labctl.units import parse_quantity

__all__ = ["positive_values", "values_from_zero"]


def positive_values(text: str, unit: str, name: str) -> list[float]:
    """Read a list of positive values with their unit.

    Parameters
    ----------
    text : str
        Separated by commas.
    unit : str
        SI unit; ``"1"`` for plain numbers.
    name : str
        Of the procedure and its parameter, for the message.

    Returns
    -------
    list of float, unit as ``unit`` says

    Raises
    ------
    RunError
        If one is no positive value in this unit, or there is none.
    """
    values = _values(text, unit, name)
    if not all(value > 0.0 for value in values):
        raise RunError(f"{name}: must all be above 0, got {text!r}; give a list such as '{_such_as(unit)}'")
    return values


def values_from_zero(text: str, unit: str, name: str) -> list[float]:
    """Read a list of values with their unit, 0 allowed.

    Parameters
    ----------
    text : str
        Separated by commas.
    unit : str
        SI unit; ``"1"`` for plain numbers and percentages.
    name : str
        Of the procedure and its parameter, for the message.

    Returns
    -------
    list of float, unit as ``unit`` says

    Raises
    ------
    RunError
        If one is negative or no value in this unit, or there is none.
    """
    values = _values(text, unit, name)
    if not all(value >= 0.0 for value in values):
        raise RunError(f"{name}: must not be below 0, got {text!r}; give a list such as '0, {_such_as(unit)}'")
    return values


def _values(text: str, unit: str, name: str) -> list[float]:
    try:
        return [parse_quantity(part.strip(), unit) for part in text.split(",")]
    except ValueError as error:
        raise RunError(f"{name}: {error}; give a list such as '{_such_as(unit)}'") from error


def _such_as(unit: str) -> str:
    return "0.5, 1" if unit == "1" else f"20 u{unit}, 50 u{unit}"
