"""Stop rules of the characterisation procedures: what protects the die.

Authority: what was asked for: "abort on compliance, leakage jump, resistance outside limits" and "a shorted, open or
unformed cell: flagged result"; the closed form of Clopper and Pearson; the docstrings. Not here: the staircase of
forming (``test_procedures_forming.py``).
"""

from types import SimpleNamespace

import pytest

from labctl.array import CellReading
from labctl.clock import VirtualClock
from labctl.errors import RunError
from labctl.run import execute_procedure
from labctl_procedures import find_procedure
from labctl_procedures.cell_port import CELL_COLUMNS, CellPort, CellShorted, CellStopped
from labctl_procedures.sweep_iv import SweepIv

CELL = (0, 0)
SWEEP = {"cells": "0,0", "step": "0.1 V", "dwell": "5 ms", "integration": "0.1", "cycles": 2}


class Cells:
    """An access whose readings are given: conductance in siemens, or a flag."""

    read_voltage_v = 0.2

    def __init__(self, *readings):
        self.readings = list(readings)

    def read(self, row, column):
        found = self.readings.pop(0)
        flags = (found,) if isinstance(found, str) else ()
        # a clamped current is a number all the same
        value_s = {"overrange": None, "compliance": 1e-4}.get(found, found)
        current_a = None if value_s is None else 0.2 * value_s
        return CellReading(row, column, 0.2, value_s, current_a, flags, 0.0)

    def pulse(self, row, column, voltage_v, width_s):
        pass


def port_on(*readings, **parameters):
    procedure, log = SweepIv(**parameters), []
    procedure.station = SimpleNamespace(clock=VirtualClock())

    def perform(plan, do, *, stimulates):
        log.append({**dict.fromkeys(CELL_COLUMNS), **plan, **do()})
        return log[-1:]

    procedure.attach(lambda topic, record: None, lambda: False, perform, lambda: 0.0)
    return CellPort(procedure, Cells(*readings)), log


def test_reading_in_compliance_stops_the_cell():
    port, _ = port_on("compliance")
    with pytest.raises(CellShorted, match="compliance"):
        port.read(CELL)


def test_cell_without_contact_is_stopped_when_nothing_else_is_asked_for():
    # 3.3 Gohm: 3 times the largest virgin resistance
    port, _ = port_on(4e-10, 2e-10)
    port.read(CELL)
    with pytest.raises(CellStopped, match="open_below"):
        port.read(CELL)


def test_reading_over_an_automatic_range_is_taken_once_more():
    port, log = port_on("overrange", 1e-4, "overrange", "overrange")
    assert port.read(CELL).conductance_s == 1e-4
    with pytest.raises(CellShorted, match="over range"):
        port.read(CELL)
    assert [row["Flags"] for row in log] == ["overrange", None, "overrange", "overrange"]


def test_reading_over_a_fixed_range_is_taken_once():
    port, log = port_on("overrange", read_range="1 uA")
    with pytest.raises(CellShorted, match="read range is too small"):
        port.read(CELL)
    assert len(log) == 1


def test_leakage_that_jumps_without_a_pulse_stops_the_cell():
    port, _ = port_on(1e-5, 9e-5, 1e-3)
    port.read(CELL)
    port.read(CELL)
    with pytest.raises(CellStopped, match=r"0\.001 S after 9e-05 S without a pulse"):
        port.read(CELL)


@pytest.mark.parametrize(
    "parameters", [{}, {"leakage_jump": 0.0}, {"leakage_jump": 200.0}], ids=["a pulse in between", "off", "larger"]
)
def test_leakage_may_grow_where_the_rule_says_so(parameters):
    port, _ = port_on(1e-5, 1e-3, **parameters)
    port.read(CELL)
    if not parameters:
        # half-selected neighbours change with it
        port.pulse((1, 0), 1.0, 1e-4)
    assert port.read(CELL).conductance_s == 1e-3


def test_what_an_unformed_cell_conducts_may_grow_tenfold():
    port, _ = port_on(1e-9, 1e-7, 9e-6)
    assert [port.read(CELL).conductance_s for _ in range(3)] == [1e-9, 1e-7, 9e-6]


def test_jump_that_would_stop_every_cell_is_refused(home):
    with pytest.raises(RunError, match="leakage_jump must be more than 1, or 0"):
        measure("sweep_iv", home, leakage_jump=0.5)


# --- on the simulated rack --------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    return tmp_path / "runs"


def measure(name, runs, **parameters):
    return execute_procedure(find_procedure(name), "tiox-32x32", parameters, out=runs)


def results(run):
    summary = run.summary()
    assert summary["status"] == "finished", summary["error"]
    return summary["results"]


def counts(found):
    return [found[name] for name in ("formed", "formed_before", "failed", "shorted")]


@pytest.mark.parametrize(("name", "cells"), [("form_array", "0,0:3"), ("form_dc", "0,0;2,2")])
def test_shorted_cells_count_apart_and_are_named_when_cells_are_formed(home, name, cells):
    # formed cells of this die read some 300 uS: what the threshold makes of them
    shorted = results(measure(name, home, cells=cells, shorted_above="30 uS"))
    number = shorted["cells"]
    assert counts(shorted) == [0, 0, 0, number]
    assert shorted["yield"] == 0.0
    assert ["shorted_above" in cell["reason"] for cell in shorted["failed_cells"]] == [True] * number
    # Clopper and Pearson, none and all
    assert shorted["yield_high"] == pytest.approx(1.0 - 0.025 ** (1.0 / number))
    # they conduct already in the survey of the second run, and are shorted still, or formed
    assert counts(results(measure(name, home, cells=cells, shorted_above="30 uS"))) == [0, 0, 0, number]
    formed = results(measure(name, home, cells=cells))
    assert counts(formed) == [0, number, 0, 0]
    assert formed["failed_cells"] == []
    if name == "form_array":
        assert (formed["yield"], formed["yield_low"]) == pytest.approx((1.0, 0.025 ** (1.0 / number)))


def test_sweeps_of_a_cell_stop_when_it_is_shorted(home):
    formed = measure("form_dc", home, cells="0,0")
    low_s = formed.arrays()["conductance"].values[0, 0]
    # nothing is applied to a cell that is shorted already
    spared = measure("sweep_iv", home, **SWEEP, shorted_above=0.5 * low_s)
    assert results(spared)["failed_cells"][0]["reason"].endswith("S")
    assert set(spared.table()["Event"]) == {"survey", "before"}
    results(measure("sweep_iv", home, **SWEEP))
    # at high resistance now: the SET side makes the short circuit, and no RESET side follows
    stopped = measure("sweep_iv", home, **SWEEP, shorted_above=0.5 * low_s)
    assert "I / V is" in results(stopped)["failed_cells"][0]["reason"]
    swept = stopped.table().query("Event == 'sweep'")
    assert swept["Voltage (V)"].min() >= 0.0
    assert swept["Cycle"].unique().tolist() == [0]
