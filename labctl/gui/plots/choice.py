"""What a plot shows: its kind and its columns; and which plots a run gets at first, by its columns.

Not here: drawing (:mod:`labctl.gui.plots.curve_frame` and its neighbours).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from labctl.store.columns import Column

__all__ = ["CELL", "POINT", "Choice", "Kind", "choice_of", "first_choices", "is_possible", "kinds_of", "needed_columns"]

POINT = "Point"
CELL = "Cell"
_VOLTAGE, _CURRENT, _CONDUCTANCE = "Voltage (V)", "Current (A)", "Conductance (S)"
_WIDTH, _TIME, _TARGET = "Width (s)", "Time (s)", "Target (S)"
_SWEEPS = ("sweep_iv", "cycle_statistics")
_PULSES = "Pulses"


class Kind(StrEnum):
    """Kinds of plots, in the words of the menu."""

    COLUMNS = "Columns"
    IV = "I-V curve"
    TIME = "Over time"
    PAIRS = "Pulses and readings"
    LEVELS = "Histogram of levels"
    PULSES = "Pulses per cell"


@dataclass(frozen=True, slots=True)
class Choice:
    """What one plot shows.

    Attributes
    ----------
    kind : Kind
    x : str
        Label of a column, or "Point" for the number of the point.
    ys : tuple of str
        Labels of columns; of "Pulses and readings" the second is shown below.
    log_x, log_y : bool
    is_absolute : bool
        The sign of y is left out.
    group : str
        Colours by "Cell" or by a column; empty: one colour per y.
    event : str
        Only rows of this ``Event``; empty: all.
    """

    kind: Kind
    x: str = POINT
    ys: tuple[str, ...] = ()
    log_x: bool = False
    log_y: bool = False
    is_absolute: bool = False
    group: str = ""
    event: str = ""


def kinds_of(columns: Sequence[Column]) -> list[Kind]:
    """Tell which kinds of plots a run can have.

    Parameters
    ----------
    columns : sequence of Column

    Returns
    -------
    list of Kind
    """
    names = {column.name for column in columns}
    needed = {
        Kind.COLUMNS: set(),
        Kind.IV: {_VOLTAGE, _CURRENT},
        Kind.TIME: {_TIME},
        Kind.PAIRS: {_VOLTAGE, _WIDTH, _CONDUCTANCE},
        Kind.LEVELS: {_CONDUCTANCE},
        Kind.PULSES: {"Row", "Column", _WIDTH},
    }
    return [kind for kind in Kind if needed[kind] <= names]


def choice_of(kind: Kind, columns: Sequence[Column]) -> Choice:
    """Choose what a new plot of a kind shows at first.

    Parameters
    ----------
    kind : Kind
        One that the run can have.
    columns : sequence of Column

    Returns
    -------
    Choice
    """
    names = [column.name for column in columns]
    measured = [column.name for column in columns if column.unit and column.name != _TIME]
    y = _CONDUCTANCE if _CONDUCTANCE in names else next(iter(measured or names), "")
    ys = (y,) if y else ()
    match kind:
        case Kind.IV:
            return Choice(kind, _VOLTAGE, (_CURRENT,), group="Cycle" if "Cycle" in names else "")
        case Kind.TIME:
            return Choice(kind, _TIME, ys)
        case Kind.PAIRS:
            return Choice(kind, POINT, (_CONDUCTANCE, _VOLTAGE))
        case Kind.LEVELS:
            return Choice(kind, _CONDUCTANCE, group=CELL if {_TARGET, "Row", "Column"} <= set(names) else "")
        case Kind.PULSES:
            return Choice(kind, _PULSES)
        case _:
            return Choice(kind, POINT, ys)


def first_choices(procedure: str, columns: Sequence[Column]) -> list[Choice]:
    """Choose the plots that a run gets at first.

    Parameters
    ----------
    procedure : str
    columns : sequence of Column

    Returns
    -------
    list of Choice
    """
    can = kinds_of(columns)
    names = {column.name for column in columns}
    if not columns:
        return []
    if procedure in _SWEEPS and Kind.IV in can:
        # a file of another program, or an old one, may not say which rows are of the sweep
        linear = replace(choice_of(Kind.IV, columns), event="sweep" if "Event" in names else "")
        return [linear, replace(linear, log_y=True, is_absolute=True)]
    if _TARGET in names and Kind.LEVELS in can:
        levels = choice_of(Kind.LEVELS, columns)
        return [Choice(Kind.COLUMNS, POINT, (_CONDUCTANCE,), group=levels.group), levels]
    if Kind.PAIRS in can:
        return [choice_of(Kind.PAIRS, columns)]
    return [choice_of(Kind.COLUMNS, columns)]


def is_possible(choice: Choice, columns: Sequence[Column]) -> bool:
    """Tell whether a run has all that a plot shows.

    Parameters
    ----------
    choice : Choice
    columns : sequence of Column
        Of the run.

    Returns
    -------
    bool
    """
    wanted = {choice.x, *choice.ys, choice.group, "Event" if choice.event else ""} - {POINT, _PULSES, CELL, ""}
    if choice.group == CELL:
        wanted |= {"Row", "Column"}
    return choice.kind in kinds_of(columns) and wanted <= {column.name for column in columns}


def needed_columns(choice: Choice, names: Collection[str]) -> frozenset[str]:
    """Tell which columns must be read for a plot.

    Parameters
    ----------
    choice : Choice
    names : collection of str
        Labels of the run's columns.

    Returns
    -------
    frozenset of str
    """
    wanted = {choice.x, *choice.ys}
    if choice.group == CELL or choice.kind in (Kind.LEVELS, Kind.PULSES):
        wanted |= {"Row", "Column"}
    elif choice.group:
        wanted.add(choice.group)
    if choice.event:
        wanted.add("Event")
    if choice.kind in (Kind.PAIRS, Kind.PULSES):
        wanted.add(_WIDTH)
    return frozenset(wanted & set(names))
