"""What the published systems share, with a toy system: steps inside a run, computed parts, the ledger, abort, resume.

Authority: the docstrings of SystemProcedure and InnerRun; the same procedure run on its own; sums over the rows of the
run file.
"""

from typing import ClassVar

import numpy as np
import pytest

from labctl.analysis.reproduction import spread_figure
from labctl.errors import RunError, UnusableResultError
from labctl.run import RunControl, execute_procedure, resume_run
from labctl.run.dry_run import dry_run, estimate_run
from labctl_procedures import find_procedure
from labctl_procedures.program_array import ProgramArray
from labctl_procedures.system.system_procedure import SystemProcedure

STATION = "tiox-32x32"
CELLS = "0:1,0:2"
made = []


class ToySystem(SystemProcedure):
    """Program two cells to levels that only the run knows, read them, and compute with them."""

    resumable = True
    level = 3
    fails = False
    control: ClassVar[RunControl | None] = None

    def planned_steps(self):
        return (
            ("program", "program_array", {"cells": CELLS, "tolerance": "5 %"}),
            ("read", "read_array", {"cells": CELLS}),
        )

    def stand_in(self, label, procedure):
        if isinstance(procedure, ProgramArray):
            procedure.target_levels = np.zeros((32, 32), dtype=np.int64)

    def execute(self):
        target = np.full((32, 32), self.level)
        self.step("program", 0.5, lambda procedure: setattr(procedure, "target_levels", target))
        if self.fails:
            raise RunError("the toy is broken")
        read = self.step("read", 0.2, averages=2)
        with self.part("add up", 0.3) as report:
            for seed in range(self.seeds):
                self.computed("sum", lambda seed=seed: self._sum(read, seed), seed=seed, setting="all cells")
                report((seed + 1) / self.seeds)
        self.assume("everything")
        self.compare(spread_figure("sum", "S", [1.0, 2.0], over="toys", way="computed", source="here", paper=1.5))
        self.conclude("Nobody, Nowhere", {"cells_read": read.results["cells"]})

    def _sum(self, read, seed):
        made.append(seed)
        if seed == 0 and self.control is not None:
            self.control.abort("the toy asked for it")
        return {"sum": float(np.nansum(read.arrays["conductance"])) + seed, "none": float("nan")}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    made.clear()
    return tmp_path / "runs"


def run(home, kind=ToySystem, **settings):
    return execute_procedure(kind, STATION, {"seeds": 2}, out=home, **settings)


def test_steps_parts_results_and_costs_are_those_of_one_run(home):
    done = run(home)
    summary = done.summary()
    assert summary["status"] == "finished", summary["error"]
    results, arrays, table = summary["results"], done.arrays(), done.table()
    # the map that no parameter holds: level 3 of 8 from 25 to 200 uS
    target_s = np.asarray(arrays["program.target"])
    assert target_s[0, :2] == pytest.approx(100e-6)
    assert np.isfinite(target_s).sum() == 2
    assert results["program.procedure"] == "program_array"
    assert results["read.cells"] == results["cells_read"] == 2
    read = np.asarray(arrays["read.conductance"])
    rows = table[table["Item"] == "sum"]
    assert rows["Quantity"].tolist() == ["sum", "none"] * 2
    assert rows["Seed"].tolist() == [0, 0, 1, 1]
    assert rows["Value"].iloc[[0, 2]].tolist() == pytest.approx([np.nansum(read), np.nansum(read) + 1.0])
    assert rows["Value"].iloc[[1, 3]].isna().all()
    assert set(table["Item"]) == {"program", "read", "sum"}
    # `averages` was given to the step, not planned
    assert (table["Item"] == "read").sum() == 4
    (figure,) = results["reproduction"]
    assert (figure["ours"], figure["spread"], figure["count"]) == (1.5, pytest.approx(0.5**0.5), 2)
    assert results["assumed"] == ["everything"]
    assert results["paper"] == "Nobody, Nowhere"

    is_the_sum_over_the_rows(results["ledger"], table)


def is_the_sum_over_the_rows(ledger, table):
    pulses = table[table["Width (s)"].notna()]
    readings = table[table["Current (A)"].notna()]
    assert ledger["pulses"] == len(pulses) > 4
    assert ledger["readings"] == len(readings)
    assert ledger["device_time_s"] == pytest.approx(pulses["Width (s)"].sum())
    assert ledger["instrument_time_s"] == pytest.approx(table["Time (s)"].max())
    assert ledger["read_energy_j"] == pytest.approx(
        (readings["Voltage (V)"] * readings["Current (A)"]).abs().sum() / 50
    )
    energy_j, last_s, waiting = 0.0, {}, {}
    for _, row in table.iterrows():
        cell = (row["Row"], row["Column"])
        if row["Conductance (S)"] == row["Conductance (S)"]:
            for part_v2s, before_s in waiting.pop(cell, []):
                energy_j += part_v2s * 0.5 * (abs(before_s) + abs(row["Conductance (S)"]))
            last_s[cell] = row["Conductance (S)"]
        elif row["Width (s)"] == row["Width (s)"] and cell in last_s:
            waiting.setdefault(cell, []).append((row["Voltage (V)"] ** 2 * row["Width (s)"], last_s[cell]))
    assert not waiting
    assert ledger["pulse_energy_j"] == pytest.approx(energy_j)


def test_abort_ends_the_run_and_the_resumed_run_does_nothing_twice(home, monkeypatch):
    monkeypatch.setattr(ToySystem, "control", RunControl())
    cut = run(home, control=ToySystem.control)
    assert cut.status == "aborted"
    assert made == [0]
    assert "the toy asked for it" in " ".join(cut.events()["message"])
    before = cut.table()
    monkeypatch.setattr(ToySystem, "control", None)
    resumed = resume_run(cut, ToySystem)
    summary = resumed.summary()
    assert summary["status"] == "finished", summary["error"]
    after = resumed.table()
    assert len(after) > len(before)
    assert after.iloc[: len(before)]["Event"].tolist() == before["Event"].tolist()
    assert after.duplicated(subset=["Item", "Quantity", "Seed"], keep=False)[after["Item"] == "sum"].sum() == 0
    # pulses are not given again: every row has its own time on the rack
    pulses = after[after["Width (s)"].notna()]
    assert len(pulses) == before["Width (s)"].notna().sum()
    # the ledger counts what was recalled too
    assert summary["results"]["ledger"]["pulses"] == len(pulses)
    assert made == [0, 1]


def test_failed_part_and_failed_step_leave_everything_off(home):
    class Broken(ToySystem):
        fails = True

    failed = run(home, Broken)
    assert failed.status == "failed"
    assert "the toy is broken" in failed.summary()["error"]
    assert "program.yield" in failed.summary()["results"]
    assert not [row for row in failed.table()["Item"] if row == "read"]


def test_step_is_refused_before_anything_is_applied_with_its_label(home):
    class Wrong(ToySystem):
        def planned_steps(self):
            return (("far", "read_array", {"cells": "40,40"}),)

    with pytest.raises(RunError, match=r"step 'far': .*40"):
        run(home, Wrong)
    assert not home.exists() or not list(home.glob("*.sqlite"))


def test_map_that_does_not_fit_is_refused_before_the_first_pulse(home):
    class TooHigh(ToySystem):
        level = 8

    failed = run(home, TooHigh)
    assert failed.status == "failed"
    assert "levels must lie in 0 to 7" in failed.summary()["error"]
    assert len(failed.table()) == 0


def test_estimate_is_the_sum_of_the_steps(home):
    found = estimate_run(ToySystem, STATION, {})
    planned = ToySystem().planned_steps()
    each = [estimate_run(find_procedure(name), STATION, values) for _, name, values in planned]
    assert found.points == sum(one.points for one in each)
    assert found.duration_s == pytest.approx(sum(one.duration_s for one in each))
    assert found.voltage_v == max(one.voltage_v for one in each)


def test_rehearsal_ends_without_refusal_when_only_a_sample_can_tell_how_to_go_on(home):
    class HangsOnTheSample(ToySystem):
        def execute(self):
            self.step("read", 0.5)
            value = self.computed("sum", lambda: self._sum(None, 0))["sum"]
            # nothing is computed where nothing is measured
            assert np.isnan(value) == self.is_rehearsed
            raise UnusableResultError("toy: no cell conducts; form them")

    rehearsed = dry_run(HangsOnTheSample, STATION, {})
    assert not rehearsed.is_refused
    assert all("no cell conducts" in case.outcome for case in rehearsed.cases)
    assert made == []

    class IsWrong(ToySystem):
        def execute(self):
            raise RunError("toy: cannot be")

    assert dry_run(IsWrong, STATION, {}).is_refused
