"""Runs of the resume tests, each in a process of its own that ends itself at a numbered place.

A job comes as one line of JSON on standard input, its exit code goes out as one line. The rack is a file: the list of
the stimuli that reached its cells. It outlives the process as the cells of a real rack do, and is the tests' witness.
"""

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas  # noqa: F401 - loaded once, not in each process
from pymeasure.experiment import BooleanParameter

from labctl.clock import VirtualClock
from labctl.roles import Flag, Identity, PulseLimits, Reading, SourceMeterLimits
from labctl.run import LabProcedure, execute_procedure
from labctl.run.engine import resume_run
from labctl.station.defaults_table import StationDefaults
from labctl.station.wiring import Wiring
from labctl.store import open_run
from labctl_procedures import find_procedure

ELSEWHERE, BEFORE_STIMULUS, AFTER_STIMULUS = 70, 71, 72
SHAPE = (2, 3)
SWITCHES_V = 0.35


@dataclass
class Places:
    """The places of the code that the test can reach, counted; the process ends at one of them as if it was killed."""

    last: int
    count: int = 0

    def pass_by(self, code=ELSEWHERE):
        self.count += 1
        if self.count == self.last:
            os._exit(code)


class Cells:
    """Deterministic cells: what they conduct follows from the stimuli in the file alone."""

    def __init__(self, path, places, ignored=()):
        self.path, self.places, self.ignored = path, places, set(ignored)
        self.forming_v = 2.7 + 0.3 * np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)
        self.conductance_s = np.full(SHAPE, 1e-8)
        self.given = 0
        for line in path.read_text(encoding="ascii").splitlines() if path.exists() else []:
            row, column, voltage_v, width_s = json.loads(line)
            self._respond((row, column), voltage_v, width_s)

    def stimulate(self, cell, voltage_v, width_s):
        self.places.pass_by(BEFORE_STIMULUS)
        self.given += 1
        if self.given not in self.ignored:
            with self.path.open("ab", buffering=0) as file:
                file.write(json.dumps([*cell, voltage_v, width_s]).encode() + b"\n")
            self._respond(cell, voltage_v, width_s)
        self.places.pass_by(AFTER_STIMULUS)

    def _respond(self, cell, voltage_v, width_s):
        before_s = self.conductance_s[cell]
        if before_s < 1e-6:
            after_s = 3e-4 if voltage_v >= self.forming_v[cell] else before_s
        else:
            strength = 0.12 * (abs(voltage_v) - 0.3) ** 2 * (1.0 + 0.1 * math.log10(width_s / 1e-4))
            after_s = before_s * math.exp(math.copysign(max(strength, 0.0), voltage_v))
        self.conductance_s[cell] = min(max(after_s, 2e-6 if before_s >= 1e-6 else 1e-8), 5e-4)


@dataclass
class Rack:
    """A station with two source-measure channels, a generator and a matrix, as far as the array access uses them."""

    cells: Cells
    places: Places
    name: str = "fake"
    file: str = "fake.toml"
    simulated: bool = True
    in_process: bool = False
    bench_info: dict = field(default_factory=lambda: {"seed": 0, "simulated": True})
    replay_of: None = None
    sample: SimpleNamespace = field(default_factory=lambda: Sample(*SHAPE))
    clock: VirtualClock = field(default_factory=VirtualClock)
    serial: str = "4400001"

    def __post_init__(self):
        rows = {"A": "smu1.a", "B": "smu1.b", "C": "gen1.1", "D": "gen1.2", "E": "ground"}
        words, bits = (tuple(f"{slot}{index + 1:02d}" for index in range(SHAPE[slot - 1])) for slot in (1, 2))
        self.wiring = Wiring(self.file, "mat1", rows, words, bits, None, ())
        self.content = SimpleNamespace(
            instruments={}, expired_calibration="warn", heartbeat_s=1.0, defaults=StationDefaults()
        )
        self.envelope = SimpleNamespace(voltage_v=10.0, current_a=1.0, pulse_width_s=1.0, energy_j=1.0)
        self.levels = dict.fromkeys(rows.values(), 0.0)
        self.closed = set()
        self.peak = (0.0, None)

    def identities(self):
        return {"smu1": Identity("Keithley", "2636B", self.serial, "1.0")}

    def settings(self):
        self.places.pass_by()
        return {"smu1": {}}

    def left_on(self):
        return []

    def drain(self):
        self.places.pass_by()
        return []

    def watched(self):
        return []

    def safe_off(self):
        self.places.pass_by()
        self.levels = dict.fromkeys(self.levels, 0.0)
        self.peak = (0.0, None)
        self.closed.clear()

    def source_meter(self, name):
        return SourceMeter(self, name)

    def pulse_source(self, key):
        return Generator(self, key)

    def switch_matrix(self, key):
        return Matrix(self)

    def voltages(self, levels):
        lines = {}
        for point in self.closed:
            lines[point[0] + point[2:]] = levels[self.wiring.rows[point[1]]]
        words = [lines.get(line, 0.0) for line in self.wiring.word_lines]
        bits = [lines.get(line, 0.0) for line in self.wiring.bit_lines]
        return np.subtract.outer(words, bits)

    def excite(self, levels, width_s):
        """Give the cell that sees most a stimulus, if it sees enough."""
        voltages_v = self.voltages(levels)
        cell = tuple(int(index) for index in np.unravel_index(np.abs(voltages_v).argmax(), SHAPE))
        self.cells.stimulate(cell, float(voltages_v[cell]), width_s)

    def drive(self, name, level_v):
        """Set a DC level; the cell answers to the largest one when all are back at 0 V."""
        self.levels[name] = level_v
        voltages_v = self.voltages(self.levels)
        cell = tuple(int(index) for index in np.unravel_index(np.abs(voltages_v).argmax(), SHAPE))
        if abs(voltages_v[cell]) > max(SWITCHES_V, abs(self.peak[0])):
            self.peak = (float(voltages_v[cell]), cell)
        if self.peak[1] is not None and not any(self.levels.values()):
            (level, driven), self.peak = self.peak, (0.0, None)
            self.cells.stimulate(driven, level, 1e-3)


@dataclass(frozen=True)
class Sample:
    rows: int
    columns: int


@dataclass
class SourceMeter:
    rack: Rack
    name: str
    limits: ClassVar = SourceMeterLimits(max_voltage_v=200.0, max_current_a=1.5, min_pulse_s=1e-4)

    def prepare(self, **settings):
        self.rack.places.pass_by()

    def output_on(self):
        pass

    def output_off(self):
        pass

    def set_voltage(self, level_v):
        self.rack.drive(self.name, level_v)

    def measure_current(self):
        self.rack.places.pass_by()
        self.rack.clock.sleep(0.02)
        currents_a = self.rack.voltages(self.rack.levels) * self.rack.cells.conductance_s
        row = self.rack.wiring.row_of(self.name)
        driven = {point[0] + point[2:] for point in self.rack.closed if point[1] == row}
        words = [index for index in range(SHAPE[0]) if self.rack.wiring.word(index) in driven]
        bits = [index for index in range(SHAPE[1]) if self.rack.wiring.bit(index) in driven]
        current_a = float(currents_a[words].sum() - currents_a[:, bits].sum())
        if abs(current_a) > 9e-5:
            return Reading(None, "A", frozenset({Flag.OVERRANGE}), "9.91E37")
        return Reading(current_a, "A", frozenset(), "")

    def pulse(self, level_v, *, width_s, partner, partner_level_v):
        self.rack.excite(self.rack.levels | {self.name: level_v, partner.name: partner_level_v}, width_s)
        self.rack.clock.sleep(width_s)


@dataclass
class Generator:
    rack: Rack
    key: str
    limits: ClassVar = PulseLimits(min_width_s=1e-8, max_width_s=1e-2, min_edge_s=4e-9, max_level_v=10.0)

    def prepare(self, *, width_s, edge_s):
        self.width_s = width_s

    def output_on(self):
        pass

    def output_off(self):
        pass

    def set_levels(self, levels_v):
        self.levels_v = {f"{self.key}.{output}": level_v for output, level_v in levels_v.items()}

    def fire(self):
        self.rack.excite(self.rack.levels | self.levels_v, self.width_s)


@dataclass
class Matrix:
    rack: Rack

    def close(self, crosspoints):
        self.exchange(opening=(), closing=crosspoints)

    def open(self, crosspoints):
        self.exchange(opening=crosspoints, closing=())

    def exchange(self, *, opening, closing):
        self.rack.places.pass_by()
        self.rack.closed -= set(opening)
        self.rack.closed |= set(closing)

    def open_all(self):
        self.rack.closed.clear()


class SweepCells(LabProcedure):
    """Of a kind that nobody foresaw: several rows of one action, and rows outside of actions."""

    backwards = BooleanParameter("Backwards", default=False)
    resumable: ClassVar[bool] = True
    DATA_COLUMNS: ClassVar[list[str]] = ["What", "Row", "Column", "Voltage (V)", "Conductance (S)", "Flags"]

    def execute(self):
        rack = self.station
        for row, column in np.ndindex(*SHAPE):
            plan = {"What": "sweep", "Row": row, "Column": column}
            levels_v = [3.0, 4.5] if (row + column) % 2 else [2.0, 4.6]

            def sweep(cell=(row, column), levels_v=levels_v):
                rows = []
                rack.cells.stimulate(cell, max(levels_v), 1e-3)
                for level_v in levels_v[:: -1 if self.backwards else 1]:
                    rack.clock.sleep(1.0)
                    rack.places.pass_by(AFTER_STIMULUS)
                    rows.append({"Voltage (V)": level_v, "Conductance (S)": rack.cells.conductance_s[cell] * level_v})
                return rows

            def read(cell=(row, column)):
                rack.places.pass_by()
                return {"Conductance (S)": rack.cells.conductance_s[cell]}

            self.perform(plan, sweep, stimulates=True)
            (found,) = self.perform({**plan, "What": "read"}, read, stimulates=False)
            self.emit("results", {"What": "twice", "Row": row, "Conductance (S)": 2.0 * found["Conductance (S)"]})
            self.emit("batch results", [{"What": "batch", "Row": row}, {"What": "batch", "Column": column}])
            self.emit("event", {"kind": "cell", "message": f"cell {row}, {column} is done"})
            self.emit("progress", 100.0 * (row * SHAPE[1] + column + 1) / (SHAPE[0] * SHAPE[1]))
            self.emit("array", {"name": f"a{row}{column}", "data": np.eye(2), "dims": ("x", "y"), "unit": "S"})
        self.emit("summary", {"cells": SHAPE[0] * SHAPE[1]})


RECIPES = {
    "read": ("read_array", {"averages": 2}),
    "form": ("form_array", {}),
    "rvc": ("program_array", {"target": "target.csv", "tolerance": 0.05, "passes": 3}),
    "short": ("program_array", {"target": "target.csv", "tolerance": 0.05, "passes": 2, "width": "10us"}),
    "stop_voltage": (
        "program_array",
        {"target": "target.csv", "tolerance": 0.1, "passes": 2, "algorithm": "stop_voltage"},
    ),
    "sweeps": (SweepCells, {}),
    "disturb": ("read_disturb", {"cells": "0:2,0:1", "reads": 20, "rest": "1 s"}),
    "sequence": ("sequence", {"file": str(Path(__file__).with_name("two_steps.toml"))}),
}


class Watcher:
    """Counts what the engine tells as places, too."""

    def __init__(self, places):
        self.places = places

    def started(self, run_id, path):
        self.places.pass_by()

    def progress(self, percent, wall_s, instrument_s):
        self.places.pass_by()

    def event(self, kind, message):
        self.places.pass_by()

    def finished(self, status):
        self.places.pass_by()


def class_of(procedure):
    return find_procedure(procedure) if isinstance(procedure, str) else procedure


def work(job):
    """Do a run, or go on with it, in a folder that holds one."""
    folder = Path(job["folder"])
    os.chdir(folder)
    places = Places(job.get("last", 0))
    rack = Rack(Cells(folder / "stimuli.jsonl", places, job.get("ignored", ())), places)
    procedure, parameters = RECIPES[job["recipe"]]
    procedure_class = class_of(procedure)
    if job.get("resume"):
        run = resume_run(open_run("latest", folder), procedure_class, station=rack, observer=Watcher(places))
    else:
        run = execute_procedure(procedure_class, rack, parameters, out=folder, observer=Watcher(places))
    (folder / "places.txt").write_text(str(places.count), encoding="ascii")
    return 0 if run.status == "finished" else 1


def serve():
    """Do each job in a process that is gone afterwards."""
    for procedure, parameters in RECIPES.values():
        # units and procedures are loaded once, not in each process
        class_of(procedure)(**parameters)
    for line in sys.stdin:
        if hasattr(os, "fork"):
            child = os.fork()
            if child == 0:
                code = 99
                try:
                    code = work(json.loads(line))
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        else:
            code = subprocess.run([sys.executable, __file__, line]).returncode
        print(code, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(work(json.loads(sys.argv[1])))
    serve()
