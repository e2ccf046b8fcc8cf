"""Makes the sample runs and the sample recording anew: ``python data/make_sample_runs.py FOLDER``.

They are measured on the simulated benches, on fresh dies of the seeds of the bench files; the names of files of this
computer and its command line are left out. Not here: what is in them (``labctl_data/runs/README.md``).
"""

import hashlib
import json
import os
import re
import sys
import tempfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest.mock import patch

from labctl.replay.traffic import TrafficFile
from labctl.replay.writing import new_traffic_file
from labctl.run import LabProcedure, execute_procedure
from labctl.run.provenance import run_header
from labctl.station import Station, read_station_file
from labctl.store import RunHeader
from labctl_procedures import find_procedure

RUNS: dict[str, tuple[str, str, dict[str, str]]] = {
    "sweep_iv": ("sweep_iv", "single-device", {"cells": "0,0", "cycles": "2", "step": "0.1 V"}),
    "write_verify": ("write_verify", "tiox-32x32", {"cells": "0:2,0:2", "targets": "50 uS, 100 uS", "rounds": "1"}),
    "program_array": ("program_array", "tiox-32x32", {"cells": "0:4,0:4", "target": "digits_3bit_32x32"}),
}
TRAFFIC: tuple[str, str, str, dict[str, str]] = ("read_array", "read_array", "single-device", {})
SUFFIX = ".run.sqlite"


def neutral_header(procedure: LabProcedure, station: Station) -> RunHeader:
    """Introduce a run without what belongs to this computer.

    Parameters
    ----------
    procedure : LabProcedure
    station : Station

    Returns
    -------
    RunHeader
    """
    header = run_header(procedure, station)
    facts = {**without_folder(dict(header.facts)), "command_line": ["make_sample_runs.py"], "platform": ""}
    return replace(header, facts=facts)


def without_folder(value: Any) -> Any:
    """Return a value of a header with the names of packaged files as they are in the package.

    Parameters
    ----------
    value : object
        As JSON knows it.

    Returns
    -------
    object
    """
    if isinstance(value, dict):
        return {name: without_folder(item) for name, item in value.items()}
    return value.replace(str(Path(str(files("labctl_data"))).parent) + os.sep, "") if isinstance(value, str) else value


def make(folder: Path) -> None:
    """Measure, and write the files with their checksums.

    Parameters
    ----------
    folder : Path
        Empty.
    """
    with tempfile.TemporaryDirectory() as home, patch("labctl.run.engine.run_header", neutral_header):
        os.environ["LABCTL_HOME"] = home
        for name, (procedure, station, parameters) in RUNS.items():
            done = execute_procedure(find_procedure(procedure), station, parameters, out=Path(home) / "runs")
            done.path.rename(folder / f"{name}{SUFFIX}")
        name, procedure, station, parameters = TRAFFIC
        recorded = Path(home) / f"{name}.jsonl"
        content = read_station_file(station).recorded_in(recorded)
        execute_procedure(find_procedure(procedure), content, parameters, out=Path(home) / "runs")
        with TrafficFile(recorded) as file, new_traffic_file(folder / recorded.name, "", _header(file)) as out:
            for done in file.operations():
                facts = {key: value for key, value in done.facts.items() if key != "c"}
                out.write(json.dumps(facts, separators=(",", ":")))
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
        if re.search(r"\.(run\.sqlite|jsonl)$", path.name)
    ]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="ascii")


def _header(file: TrafficFile) -> dict[str, Any]:
    return {key: without_folder(value) for key, value in file.header.items() if key != "c"}


if __name__ == "__main__":
    make(Path(sys.argv[1]))
