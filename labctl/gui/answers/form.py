"""What the form asks: procedures, their parameters on a station, whether values would be taken, what they would apply.

Not here: the widgets (:mod:`labctl.gui.form`).
"""

import base64
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

__all__ = ["ANSWERS"]

# of each of the three cases of a preview
_MOST_WALL_S = 6.0
_PATH = re.compile(r"(?<=\()/[^()\n]*/([^/()\n]+\.toml)")


def procedures() -> list[dict[str, str]]:
    """Return the procedures under their headings.

    Returns
    -------
    list of dict
        ``name``, ``purpose``, ``summary`` (one line).
    """
    from labctl_procedures import procedures as all_procedures
    from labctl_procedures.purposes import PURPOSES, purpose_of

    known = all_procedures()
    listed = [name for names in PURPOSES.values() for name in names if name in known]
    ordered = [*listed, *(name for name in known if name not in listed)]
    return [
        {"name": name, "purpose": purpose_of(name), "summary": (inspect.getdoc(known[name]) or "").partition("\n")[0]}
        for name in ordered
    ]


def describe(procedure: str, station: str) -> dict[str, Any]:
    """Return what a form of a procedure needs.

    Parameters
    ----------
    procedure : str
    station : str
        Name or path; empty: the defaults of the procedure.

    Returns
    -------
    dict
        ``procedure``, ``text`` (what it does), ``default_station``, ``parameters`` as
        :func:`labctl.run.station_defaults.describe_defaults`.

    Raises
    ------
    RunError, StationError
        If there is no such procedure, or the station file is wrong.
    """
    from labctl.run.station_defaults import describe_defaults
    from labctl.station import read_station_file
    from labctl.station.defaults_table import StationDefaults
    from labctl_procedures import find_procedure

    found = find_procedure(procedure)
    defaults = read_station_file(station).defaults if station else StationDefaults()
    return {
        "procedure": procedure,
        "text": inspect.getdoc(found) or "",
        "default_station": found.default_station,
        "parameters": describe_defaults(found, defaults),
    }


def limits(procedure: str, station: str) -> dict[str, float]:
    """Return what the station limits more than the procedure does.

    Parameters
    ----------
    procedure, station : str

    Returns
    -------
    dict of str to float, unit of the parameter
        Largest magnitude by parameter.

    Raises
    ------
    RunError, StationError
        If there is no such procedure, or the station file is wrong.
    """
    from labctl.run.checking import station_limits
    from labctl_procedures import find_procedure

    return station_limits(find_procedure(procedure), station)


def check(
    procedure: str, station: str, values: Mapping[str, str], holds: Sequence[str] = (), between: str = ""
) -> dict[str, Any]:
    """Return whether a run would start with these values.

    Parameters
    ----------
    procedure, station : str
    values : mapping of str to str
        As typed.
    holds : sequence of str
        Conditions that hold the run.
    between : str
        Time of day at which it may measure; empty: any.

    Returns
    -------
    dict
        As :meth:`labctl.run.checking.Verdict.as_dict`; ``read_as``: how each value that is understood was read;
        ``conditions``: what is wrong with ``holds`` or ``between``, empty where nothing is.

    Raises
    ------
    RunError
        If there is no such procedure.
    """
    from labctl.errors import StoreError
    from labctl.run.checking import check_values
    from labctl.run.conditions import Limit, TimeWindow
    from labctl.run.parameters import convert_value, format_parameter
    from labctl_procedures import find_procedure

    found = find_procedure(procedure)
    parameters = found().parameter_objects()
    read_as = {}
    for name, text in values.items():
        with suppress(KeyError, ValueError):
            read_as[name] = format_parameter(parameters[name], convert_value(parameters[name], text))
    try:
        _ = [Limit.parse(text) for text in holds], between and TimeWindow.parse(between)
        conditions = ""
    except (ValueError, StoreError) as error:
        conditions = str(error)
    verdict = check_values(found, station, values)
    return {
        "estimate": verdict.as_dict()["estimate"],
        "refusals": {name: _in_the_form(why, procedure) for name, why in verdict.refusals.items()},
        "general": _in_the_form(verdict.general, procedure),
        "read_as": read_as,
        "conditions": conditions,
    }


def cells_text(station: str, cells: Iterable[Iterable[int]]) -> str:
    """Return the shortest text that names cells.

    Parameters
    ----------
    station : str
    cells : iterable of (int, int)
        Row and column.

    Returns
    -------
    str

    Raises
    ------
    StationError
        If the station file is wrong, or a cell is not in its array.
    """
    from labctl.array import format_cells
    from labctl.station import read_station_file

    sample = read_station_file(station).sample
    return format_cells([(row, column) for row, column in cells], (sample.rows, sample.columns))


def preview(procedure: str, station: str, values: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield what a run would apply to cells that never respond, one part for each of their conductances.

    Parameters
    ----------
    procedure, station : str
    values : mapping of str to str
        As typed.

    Yields
    ------
    dict
        ``estimate``, ``envelope``, ``case``; the latter as :meth:`labctl.run.dry_run.DryCase.as_dict` and ``traces``:
        by terminal ``start_s``, ``level_v`` and ``width_s`` (NaN: stands until the next) as base64 of little-endian
        float64, ``traced``: how many stimuli these hold.

    Raises
    ------
    RunError, StationError
        If the configuration is refused.
    """
    from dataclasses import asdict

    from labctl.run.dry_run import CASES_S, dry_case, estimate_run
    from labctl.station import read_station_file
    from labctl_procedures import find_procedure

    found, content = find_procedure(procedure), read_station_file(station)
    estimate = estimate_run(found, station, values)
    told = {"estimate": None if estimate is None else asdict(estimate), "envelope": asdict(content.envelope)}
    # cells that conduct a little show most of what a procedure does
    for name in sorted(CASES_S, key=lambda name: name != "between"):
        case = dry_case(found, content, values, name, most_wall_s=_MOST_WALL_S)
        traces = {"traces": _traces(case.record.trace), "traced": case.record.traced}
        yield {**told, "case": {**case.as_dict(), **traces}}


def preset_list(procedure: str) -> list[str]:
    """Return the names of the presets of a procedure.

    Parameters
    ----------
    procedure : str

    Returns
    -------
    list of str
    """
    from labctl.run.presets import preset_names

    return preset_names(procedure)


def preset_load(procedure: str, name: str) -> dict[str, str]:
    """Return the values of a preset.

    Parameters
    ----------
    procedure, name : str

    Returns
    -------
    dict of str to str

    Raises
    ------
    RunError, StationError
        If there is none, or its file is damaged.
    """
    from labctl.run.presets import load_preset

    return load_preset(procedure, name)


def preset_save(procedure: str, name: str, values: Mapping[str, str]) -> str:
    """Keep values under a name.

    Parameters
    ----------
    procedure, name : str
    values : mapping of str to str

    Returns
    -------
    str
        Path of the file.

    Raises
    ------
    RunError
        If the name cannot be that of a file, or it cannot be written.
    """
    from labctl.run.presets import save_preset

    return str(save_preset(procedure, name, values))


def _in_the_form(sentence: str, procedure: str) -> str:
    """Return a refusal without what is plain where it is shown: which procedure, that nothing was sent, a long path."""
    short = sentence.removeprefix(f"{procedure}: ").removesuffix("; nothing was sent")
    return _PATH.sub(r"\1", short)


def _traces(trace: Iterable[Any]) -> dict[str, dict[str, str]]:
    import numpy as np

    by_terminal: dict[str, list[tuple[float, float, float]]] = {}
    for one in trace:
        for terminal, level_v in one.levels_v:
            width_s = np.nan if one.width_s is None else one.width_s
            by_terminal.setdefault(terminal, []).append((one.start_s, level_v, width_s))
    names = ("start_s", "level_v", "width_s")
    return {
        terminal: {
            name: base64.b64encode(np.array(column, dtype="<f8").tobytes()).decode("ascii")
            for name, column in zip(names, zip(*rows, strict=True), strict=True)
        }
        for terminal, rows in sorted(by_terminal.items())
    }


ANSWERS = {
    "procedures": procedures,
    "describe": describe,
    "limits": limits,
    "check": check,
    "cells_text": cells_text,
    "preview": preview,
    "preset_list": preset_list,
    "preset_load": preset_load,
    "preset_save": preset_save,
}
