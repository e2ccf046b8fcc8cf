"""What a run file says about where its numbers come from. Not here: writing it (:mod:`labctl.store.writer`)."""

import hashlib
import os
import platform
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.run.parameters import format_parameter
from labctl.run.procedure import LabProcedure
from labctl.store import ParameterRecord, RunHeader
from labctl.store.plain import plain

if TYPE_CHECKING:
    from labctl.station import Station

__all__ = ["files_of_parameters", "identity_of_rack", "run_header", "station_text", "versions"]

_PACKAGES = ("labctl", "pymeasure", "pyvisa", "pyvisa-py", "numpy", "scipy", "numba", "pint", "lupa")


def run_header(procedure: LabProcedure, station: "Station") -> RunHeader:
    """Introduce a run.

    Parameters
    ----------
    procedure : LabProcedure
        With its parameters set.
    station : Station

    Returns
    -------
    RunHeader
    """
    bench = station.bench_info
    return RunHeader(
        procedure=procedure.procedure_name(),
        columns=tuple(procedure.DATA_COLUMNS),
        parameters=[
            ParameterRecord(
                name=name,
                label=parameter.name,
                value=getattr(procedure, name),
                unit=getattr(parameter, "units", None),
                text=format_parameter(parameter, getattr(procedure, name)),
            )
            for name, parameter in procedure.parameter_objects().items()
        ],
        station=station.name,
        simulated=station.simulated,
        facts={
            "procedure_class": f"{type(procedure).__module__}.{type(procedure).__qualname__}",
            "versions": versions(),
            "platform": platform.platform(),
            "command_line": sys.argv,
            "bench": bench,
            "replay_of": station.replay_of,
            **identity_of_rack(station),
            "station_file": station.file,
            "station_text": station_text(station),
            "parameter_files": files_of_parameters(procedure),
        },
    )


def identity_of_rack(station: "Station") -> dict[str, object]:
    """Return what must be the same when a run is taken up again.

    Parameters
    ----------
    station : Station

    Returns
    -------
    dict of str to object
        Name, sample and wiring, and the seed of a simulated die; a station file that was moved is the same.
    """
    wiring = plain(station.wiring)
    bench = station.bench_info
    return {
        "seed": bench.get("seed") if bench else None,
        "station": station.name,
        "sample": plain(station.sample),
        "wiring": {key: value for key, value in wiring.items() if key != "file"},
    }


def files_of_parameters(procedure: LabProcedure) -> dict[str, str]:
    """Return what the files held that parameters name, such as a target map.

    Parameters
    ----------
    procedure : LabProcedure
        With its parameters set.

    Returns
    -------
    dict of str to str
        SHA-256 by the name of the parameter; only of those that name a file.
    """
    found = {}
    for name in procedure.parameter_objects():
        value = getattr(procedure, name)
        if isinstance(value, str) and os.path.isfile(value):  # Path.is_file raises where a name is too long
            found[name] = hashlib.sha256(Path(value).read_bytes()).hexdigest()
    return found


def station_text(station: "Station") -> str | None:
    """Return what the station file holds now; None where it cannot be read.

    Parameters
    ----------
    station : Station

    Returns
    -------
    str or None
    """
    try:
        return Path(station.file).read_text(encoding="utf-8")
    except OSError:
        return None


def versions() -> dict[str, str]:
    """Return the versions of Python, SQLite and the packages that a result may depend on.

    Returns
    -------
    dict of str to str
    """
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
