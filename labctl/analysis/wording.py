"""Results and parameters in the words of a laboratory: unit, plain value and one line on what a number means.

Not here: the names and units of results (:mod:`labctl.analysis.result_words`), the formulas
(:mod:`labctl.analysis.programming`), the page (:mod:`labctl.analysis.report`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from labctl.analysis.result_words import PERCENT, words_of
from labctl.units import format_quantity

__all__ = ["Wording", "describe_result", "describe_results", "format_value"]

# what belongs to the result before it
_PARTS = ("low", "high", "reason", "statement")

# of a list of results, so many entries are written out
_ENTRIES = 3
_NUMBERS = 10


@dataclass(frozen=True, slots=True)
class Wording:
    """How one result reads.

    Attributes
    ----------
    label : str
        What people call it.
    text : str
        The value with its unit.
    meaning : str
        One line; empty where the label says it all.
    """

    label: str
    text: str
    meaning: str = ""


def describe_results(results: Mapping[str, object]) -> dict[str, Wording]:
    """Put results into words: a value with the ends of its interval, or with the reason why there is none, is one line.

    Parameters
    ----------
    results : Mapping of str to object
        As in a run; ``name_low``, ``name_high``, ``name_reason`` and ``name_statement`` belong to ``name``.

    Returns
    -------
    dict of str to Wording
        By name.
    """
    words: dict[str, Wording] = {}
    for name, value in results.items():
        if any(name.endswith(f"_{part}") and name.removesuffix(f"_{part}") in results for part in _PARTS):
            continue
        word = describe_result(name, value)
        low, high, reason, statement = (results.get(f"{name}_{part}") for part in _PARTS)
        if value is None and reason:
            word = replace(word, text="no value", meaning=str(reason))
        elif low is not None and high is not None:
            word = replace(word, text=_interval_text(*(describe_result(name, one).text for one in (value, low, high))))
        if statement:
            word = replace(word, meaning=str(statement))
        words[name] = word
    return words


def describe_result(name: str, value: object) -> Wording:
    """Put a result into words.

    Parameters
    ----------
    name : str
        As in a run's results.
    value : object
        Its value; None is written "not measured".

    Returns
    -------
    Wording
        A result that is not known keeps its name and has the unit that its name implies.
    """
    words = words_of(name)
    return Wording(words.label, _text(value, words.unit), words.meaning)


def format_value(value: object) -> str:
    """Write any value for people: floats with six digits, truth in words, nothing for None.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _text(value: object, unit: str) -> str:
    match value:
        case None:
            return "not measured"
        case list() | tuple():
            return _list_text(value, unit)
        case Mapping():
            parts = ((str(key).replace("_", " "), describe_result(str(key), one).text) for key, one in value.items())
            return ", ".join(f"{key} {text}" for key, text in parts)
        case bool() | str():
            return format_value(value)
        case int() | float() if unit:
            return _quantity(float(value), unit)
    return format_value(value)


def _interval_text(value: str, low: str, high: str) -> str:
    """Write a value with its interval; a unit that all three share stands once, at the end."""
    numbers, units = zip(*(text.partition(" ")[::2] for text in (value, low, high)), strict=True)
    if len(set(units)) > 1:
        return f"{value} ({low} to {high})"
    return f"{numbers[0]} ({numbers[1]} to {numbers[2]}) {units[0]}".rstrip()


def _list_text(values: Sequence[object], unit: str) -> str:
    """Write a list as one line, its end cut where it is long."""
    nested = any(isinstance(value, Mapping) for value in values)
    most, between = (_ENTRIES, "; ") if nested else (_NUMBERS, ", ")
    shown = [_text(value, unit) for value in values[:most]]
    if len(values) > most:
        shown.append(f"and {len(values) - most} more")
    return between.join(shown) or "none"


def _quantity(value: float, unit: str) -> str:
    base, per, rest = unit.partition(" ")
    if base == PERCENT:
        return f"{100.0 * value:.3g} %{per}{rest}"
    return f"{format_quantity(value, base, digits=3)}{per}{rest}"
