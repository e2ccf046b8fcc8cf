"""What a run file says about where its numbers come from. Not here: writing it (:mod:`labctl.store.writer`)."""

import platform
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.run.parameters import format_parameter
from labctl.run.procedure import LabProcedure
from labctl.store import ParameterRecord, RunHeader

if TYPE_CHECKING:
    from labctl.station import Station

__all__ = ["run_header"]

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
            "versions": _versions(),
            "platform": platform.platform(),
            "command_line": sys.argv,
            "seed": bench.get("seed") if bench else None,
            "bench": bench,
            "sample": station.sample,
            "station_file": station.file,
            "station_text": _text(station.file),
        },
    )


def _text(file: str) -> str | None:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError:
        return None


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
