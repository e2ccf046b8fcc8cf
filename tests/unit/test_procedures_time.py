"""Read disturb, retention, noise and volatility: on the simulated rack, and on cells that follow a given law.

Authority: figures taken anew from the rows; the device file; closed forms that the given cells follow exactly.
"""

import math
import shutil

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.array import CellReading, PulseRecord
from labctl.errors import LabError
from labctl.run import execute_procedure
from labctl_procedures import find_procedure
from labctl_procedures.drift import drift_per_decade, mean_of_cells
from labctl_procedures.read_disturb import ReadDisturb
from labctl_procedures.retention import Retention
from labctl_procedures.volatility import Volatility


@pytest.fixture(scope="module")
def formed_die(tmp_path_factory):
    """A home whose die has two formed cells, (0, 0) and (1, 1)."""
    home = tmp_path_factory.mktemp("formed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(home))
        for cell in ("0,0", "1,1"):
            execute_procedure(
                find_procedure("form_array"), "tiox-32x32", {"cells": cell, "integration": "0.1"}, out=home / "runs"
            )
    return home


@pytest.fixture
def runs(formed_die, tmp_path, monkeypatch):
    shutil.copytree(formed_die, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    return tmp_path / "runs"


def measure(procedure, runs, **parameters):
    found = find_procedure(procedure) if isinstance(procedure, str) else procedure
    return execute_procedure(found, "tiox-32x32", {"cells": "0,0", **parameters}, out=runs)


def results(run):
    summary = run.summary()
    assert summary["status"] == "finished", summary["error"]
    return summary["results"]


def array(run, name):
    return np.asarray(run.arrays()[name])


class GivenCell:
    """One cell whose conductance is a given function of its age since the last SET and of the readings so far."""

    shape, read_voltage_v = (32, 32), 0.2

    def __init__(self, clock, law):
        self.clock, self.law = clock, law
        self.set_at_s, self.reads, self.high = clock.now_s(), 0, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def _reading(self, row, column, voltage_v, took_s):
        self.clock.sleep(took_s)
        self.reads += 1
        conductance_s = self.law(self.clock.now_s() - self.set_at_s, self.reads, self.high)
        current_a = conductance_s * voltage_v
        return CellReading(row, column, voltage_v, conductance_s, current_a, (), self.clock.now_s())

    def read(self, row, column):
        return self._reading(row, column, self.read_voltage_v, 1e-3)

    def sample(self, row, column, voltage_v, count, *, interval_s):
        return [self._reading(row, column, voltage_v, max(interval_s, 1e-3)) for _ in range(count)]

    def pulse(self, row, column, voltage_v, width_s):
        self.clock.sleep(width_s)
        self.high, self.set_at_s = voltage_v > 0.0, self.clock.now_s()
        return PulseRecord(row, column, voltage_v, width_s, "smu", self.clock.now_s())

    def limit_current(self, current_limit_a):
        return None

    def release(self):
        return None


def given(procedure_class, law):
    """A procedure whose cells follow a law in place of the rack."""

    class Given(procedure_class):
        def formed_cells(self):
            return self.selected_cells()

        def open_access(self, **_):
            return GivenCell(self.station.clock, law)

    return Given


def ripple(reads):
    """A little noise without random numbers, so that no variance is 0."""
    return 1.0 + 1e-4 * math.sin(7.0 * reads)


def test_read_disturb_blocks_hold_the_rows_they_are_made_of(runs):
    run = measure("read_disturb", runs, reads="200", integration="0.1", rest="10 s")
    found = results(run)
    table = run.table()
    samples = table[table["Event"] == "sample"]
    assert len(samples) == 200
    np.testing.assert_array_equal(samples.groupby("Step").size().cumsum(), array(run, "reads"))
    np.testing.assert_allclose(array(run, "conductance")[0], samples.groupby("Step")["Conductance (S)"].mean())
    # the device file has no switching at 0.2 V, and noise of 0.3 %
    assert found["disturbed_cells"] == 0
    assert found["drift_per_decade_low"] < 0.0 < found["drift_per_decade_high"]
    assert table["Voltage (V)"].abs().max() <= 0.3
    # a straight line through G over V^2 is the law I = a1 V + a3 V^3
    current_a = table[table["Event"] == "linearity"].groupby("Voltage (V)")["Current (A)"].mean()
    low, high = ((current_a[v] - current_a[-v]) / (2.0 * v) for v in (0.02, 0.3))
    assert found["nonlinearity"] == pytest.approx(high / low - 1.0)
    assert found["cubic_over_linear_per_v2"] == pytest.approx((high / low - 1.0) / 0.09, rel=0.1)


def test_read_disturb_tells_a_cell_that_grows_by_two_percent_per_decade_of_readings(runs):
    # the reading before the blocks does not count
    def law(age_s, reads, high):
        return 1e-4 * (1.0 + 0.02 * math.log10(max(reads - 1, 1))) * ripple(reads)

    found = results(measure(given(ReadDisturb, law), runs))
    # relative to the mean of the blocks, 1.03e-4
    assert found["drift_per_decade"] == pytest.approx(0.02 / 1.03, rel=0.05)
    assert found["drift_per_decade_low"] > 0.01
    assert found["disturbed_cells"] == 1


def test_retention_reads_each_cell_at_its_own_age(runs):
    run = measure("retention", runs, cells="0:2,0:2", form_unformed="false", states="as_is, reset:2", last="100 s")
    found = results(run)
    # the two virgin cells are left alone
    assert (found["cells"], found["cells_stopped"]) == (4, 2)
    table = run.table()
    due_s = np.array([0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0])
    for number, cell in enumerate(((0, 0), (1, 1))):
        rows = table[(table["Row"] == cell[0]) & (table["Column"] == cell[1])]
        last_pulse_s = rows[rows["Event"] == "reset"]["Time (s)"].max()
        reads = rows[(rows["Event"] == "read") & (rows["Cycle"] == 1)]
        age_s = reads["Time (s)"].to_numpy() - last_pulse_s
        np.testing.assert_allclose(array(run, "age")[number, 1], age_s, atol=1e-9)
        np.testing.assert_allclose(array(run, "conductance")[number, 1], reads["Conductance (S)"])
        # no reading is early; late ones wait for two readings on auto-range, with relays, of about a second each
        assert (age_s >= due_s - 1e-9).all()
        assert (age_s <= due_s + 2.2).all()
    reads = table[(table["Event"] == "read") & (table["Cycle"] == 1)]
    # interleaved: the cells take turns
    assert reads["Row"].to_list() == [0, 1] * len(due_s)
    assert (table["Event"] == "reset").sum() == 4


def test_retention_finds_the_drift_of_a_cell_that_loses_two_percent_per_decade(runs):
    def law(age_s, reads, high):
        return 1e-4 * (1.0 - 0.02 * math.log10(max(age_s, 1e-3))) * ripple(reads)

    found = results(measure(given(Retention, law), runs, states="set:1", last="1e4 s"))
    # relative to the mean over 0 to 4 decades, 0.96e-4
    assert found["drift_per_decade_0_low"] <= -0.02 / 0.96 <= found["drift_per_decade_0_high"]
    assert found["law_0"] == "log time"
    # ten years are 10^8.5 s
    ten_years_s = 1e-4 * (1.0 - 0.02 * math.log10(10.0 * 365.25 * 86400.0))
    assert found["conductance_ten_years_0_low"] <= ten_years_s <= found["conductance_ten_years_0_high"]


def test_read_noise_is_that_of_the_samples_and_has_the_slope_of_the_device_file(runs):
    run = measure("read_noise", runs, samples="1024")
    found = results(run)
    current_a = run.table().query("Event == 'sample'")["Current (A)"].to_numpy()
    np.testing.assert_allclose(array(run, "current")[0], current_a)
    assert found["noise_relative"] == pytest.approx(current_a.std() / current_a.mean(), rel=1e-6)
    assert found["noise_relative_low"] < found["noise_relative"] < found["noise_relative_high"]
    # the bank of the device file keeps the slope at -1 within 0.05
    assert found["psd_slope_low"] < -0.95
    assert found["psd_slope_high"] > -1.05
    # Parseval: the density adds up to the variance, but for what the window does to the lowest frequencies
    frequency, density = array(run, "frequency")[0], array(run, "density")[0]
    assert density.sum() * frequency[0] == pytest.approx(current_a.var(), rel=0.5)
    assert found["traps"] == 0


def test_noise_without_a_value_leaves_no_spectrum(runs):
    # the fixed range is too small for a formed cell: every sample is over range
    run = measure("read_noise", runs, samples="1024", read_range="100 nA", shorted_above="10 S")
    found = run.summary()["results"]
    assert found["cells_stopped"] == 1 or found["spectra"] == 0
    assert "psd_slope" not in found


def test_metal_oxide_is_not_volatile_and_gets_one_set_pulse(runs):
    run = measure("volatility", runs, window="50", last="20 s", start_below="60 uS")
    found = results(run)
    assert found["verdict"] == "non-volatile"
    assert found["state_loss"] < 0.1
    table = run.table()
    assert (table["Event"] == "set").sum() == 1
    # never one RESET more: every reading but the last of the preparation is above the limit
    prepared = table[(table["Event"] == "read") & (table["Cycle"] == 0)]["Conductance (S)"].to_numpy()
    assert prepared[-1] <= 60e-6
    assert (prepared[:-1] > 60e-6).all()
    assert (table["Event"] == "reset").sum() == prepared.size - 1


def test_decaying_cell_is_volatile_with_the_loss_of_its_law(runs):
    # exp(-t / 5 s) above 10 uS: of the gain, the first window (0.01 to 1 s) keeps 0.905, the last (100 s) nothing
    def law(age_s, reads, high):
        return (1e-5 + (9e-5 * math.exp(-age_s / 5.0) if high else 0.0)) * ripple(reads)

    found = results(measure(given(Volatility, law), runs))
    assert found["verdict"] == "volatile"
    assert found["volatile_cells"] == 1
    assert found["state_loss"] == pytest.approx(1.0, abs=0.01)
    assert found["state_loss_low"] < 1.0 < found["state_loss_high"]
    assert found["drift_per_decade"] < 0.0


def test_small_loss_is_not_volatile_however_certain_it_is(runs):
    # 1 % per decade of time: about 2 % of the gain are lost between the first window and the last
    def law(age_s, reads, high):
        return (1e-5 + (9e-5 * (1.0 - 0.01 * math.log10(max(age_s, 1e-3))) if high else 0.0)) * ripple(reads)

    found = results(measure(given(Volatility, law), runs))
    assert found["welch_p"] < 1e-3
    assert 0.01 < found["state_loss_low"] < found["state_loss_high"] < 0.04
    assert found["verdict"] == "non-volatile"


def test_cell_that_a_pulse_does_not_change_gets_no_verdict(runs):
    found = results(measure(given(Volatility, lambda age_s, reads, high: 1e-5 * ripple(reads)), runs))
    assert found["cells_without_effect"] == 1
    assert "verdict" not in found


def test_cell_that_does_not_reset_is_left_alone_without_a_set_pulse(runs):
    run = measure(given(Volatility, lambda *_: 1e-4), runs, reset_pulses="3")
    assert "after 3 RESET pulses" in results(run)["failed_cells"][0]["reason"]
    assert run.table()["Event"].to_list().count("reset") == 3
    assert "set" not in set(run.table()["Event"])


def test_interval_of_a_drift_holds_for_a_random_walk_without_one():
    # a walk in log time has no drift: 95 % intervals hold 0 in 19 of 20 cases; 200 draws, so 93 % is 1.3 sigma below
    generator = np.random.default_rng(4)
    decades = np.log10([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])
    width = np.diff(decades, prepend=0.0)
    walks = 1.0 + np.cumsum(0.003 * np.sqrt(width) * generator.standard_normal((200, decades.size)), axis=1)
    held = [found.low <= 0.0 <= found.high for found in (drift_per_decade(decades, walk, "a walk") for walk in walks)]
    assert 0.92 <= np.mean(held) <= 0.985


def test_drift_needs_five_points_and_a_mean_of_cells_three():
    with pytest.raises(TooFewPoints, match="at least 5 points, got 3"):
        drift_per_decade([0.0, 1.0, 2.0, np.nan], [1.0, 1.0, 1.1, 1.0], "a drift")
    one = drift_per_decade(np.arange(5.0), [1.0, 1.1, 1.1, 1.2, 1.2], "a drift")
    assert mean_of_cells([one]) is one
    with pytest.raises(TooFewPoints, match="at least 3 points, got 2"):
        mean_of_cells([one, one])


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        ("retention", {"states": "set"}, "as_is"),
        ("retention", {"states": "reset:0"}, "reset:5"),
        ("retention", {"first": "10 s", "last": "10 s"}, "less than last"),
        ("read_noise", {"interval": "1 ms"}, "integration"),
        ("read_noise", {"voltage": "0.5 V"}, "300 mV"),
        ("read_disturb", {"reads": "2000000"}, "1000000"),
        ("read_disturb", {"cells": "0,32"}, "0 to 31"),
        ("volatility", {"window": "10000"}, "half of last"),
        ("volatility", {"set_voltage": "9 V"}, "envelope"),
    ],
)
def test_wrong_configuration_is_refused_before_a_run_file_exists(tmp_path, monkeypatch, name, parameters, word):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    with pytest.raises(LabError, match=word):
        measure(name, tmp_path / "runs", **parameters)
    assert not list(tmp_path.glob("**/*.sqlite"))
