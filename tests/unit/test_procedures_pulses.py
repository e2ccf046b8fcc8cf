"""The procedures that pulse cells, on the simulated rack; levelling also on cells of one line.

Authority: what the procedures promise in their docstrings; sums made here from the rows; the state the bench keeps.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import trapezoid

from labctl.errors import LabError, RunError
from labctl.run import RunControl, execute_procedure, resume_run
from labctl_mock.bench.bench import Bench
from labctl_procedures.cell_port import CellRow, CellStopped
from labctl_procedures.cycle_statistics import CycleStatistics
from labctl_procedures.endurance import Endurance, read_blocks
from labctl_procedures.levelling import Leveller, joule_energy_j
from labctl_procedures.map_pulses import MapPulses
from labctl_procedures.pulse_energy import PulseEnergy, sampled_energy_j
from labctl_procedures.value_lists import positive_values
from labctl_procedures.write_verify import WriteVerify

STATION = "tiox-32x32"
STUCK = "3,3"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One rack for the whole file, so that its cells are formed once."""
    folder = tmp_path_factory.mktemp("pulses")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(folder / "home"))
        yield folder / "runs"


def measure(procedure, home, **parameters):
    return execute_procedure(procedure, STATION, parameters, out=home)


def results(run):
    summary = run.summary()
    assert summary["status"] == "finished", summary["error"]
    return summary["results"]


class LineCell:
    """A port whose cell answers a pulse of V with ``gain`` times V in ln G; it counts."""

    def __init__(self, conductance_s, gain, width_s=1e-4):
        self.conductance_s, self.gain, self.voltages_v, self.readings = conductance_s, gain, [], 0

    def read(self, cell, **notes):
        self.readings += 1
        return CellRow(0.2, 0.2 * self.conductance_s, self.conductance_s, float(self.readings), frozenset())

    def pulse(self, cell, voltage_v, width_s, **notes):
        self.voltages_v.append(voltage_v)
        gain = self.gain[len(self.voltages_v) % len(self.gain)] if isinstance(self.gain, list) else self.gain
        self.conductance_s *= math.exp(gain * voltage_v)


def leveller(**changes):
    return Leveller.of(WriteVerify(**changes))


def test_cell_at_its_target_is_read_and_not_pulsed():
    cell = LineCell(52e-6, 0.1)
    levelled = leveller().bring_to(cell, (0, 0), 50e-6)
    assert (levelled.pulses, cell.voltages_v, cell.readings) == (0, [], 1)
    assert levelled.is_reached


@pytest.mark.parametrize("start_s", [10e-6, 200e-6])
def test_levelling_stops_with_the_pulse_that_reaches_the_band(start_s):
    cell = LineCell(start_s, 0.05)
    levelled = leveller().bring_to(cell, (0, 0), 50e-6)
    assert levelled.is_reached
    assert abs(cell.conductance_s / 50e-6 - 1.0) <= 0.05
    assert levelled.pulses == len(cell.voltages_v) == cell.readings - 1
    # incremental: each pulse is one step farther than the last, up to the stop voltage
    growth_v = [abs(later) - abs(sooner) for sooner, later in pairwise(cell.voltages_v)]
    assert all(step == pytest.approx(0.05) or step == pytest.approx(0.0, abs=1e-9) for step in growth_v)


def test_levelling_is_bounded_in_pulses_and_in_reversals():
    stubborn = LineCell(200e-6, 0.001)
    few = leveller(level_pulses=7).bring_to(stubborn, (0, 0), 50e-6)
    assert few.pulses == len(stubborn.voltages_v) == 7
    assert "too many pulses" in few.reason
    # each pulse throws the cell from one side of the band to the other
    wild = LineCell(100e-6, 2.0)
    turning = leveller(level_reversals=3).bring_to(wild, (0, 0), 50e-6)
    signs = np.sign(wild.voltages_v)
    assert np.count_nonzero(np.diff(signs)) == turning.reversals == 3
    assert turning.pulses == len(wild.voltages_v)
    assert "reversals" in turning.reason


def test_cell_that_cannot_be_brought_back_is_left_alone_after_three_visits():
    cell, levels = LineCell(200e-6, 0.0), leveller(level_pulses=2)
    for _ in range(2):
        assert not levels.must_reach(cell, (0, 0), 50e-6).is_reached
    with pytest.raises(CellStopped, match="50 µS in 3 visits"):
        levels.must_reach(cell, (0, 0), 50e-6)


def test_reading_without_a_value_stops_the_cell():
    cell = LineCell(50e-6, 0.1)
    cell.read = lambda *_, **__: CellRow(0.2, None, None, 0.0, frozenset({"lost"}))
    with pytest.raises(CellStopped, match="lost"):
        leveller().bring_to(cell, (0, 0), 50e-6)


def test_energy_of_a_pulse_is_v_squared_g_t():
    assert joule_energy_j(-2.0, 1e-3, (1e-4, 3e-4)) == pytest.approx(4.0 * 2e-4 * 1e-3)


def test_sampled_energy_is_exact_for_a_current_that_grows_in_proportion_to_time():
    # V = 2 V, I = 1 A/s t: the integral from 0 to 0.5 s is V t^2 / 2, the first interval is taken at its end
    rows = [CellRow(2.0, 0.1 * index, None, 0.1 * index, frozenset()) for index in range(1, 6)]
    short_j, held_j, time_s = sampled_energy_j(rows, 1e-3)
    assert time_s == pytest.approx(0.5)
    assert held_j == pytest.approx(2.0 * 0.5**2 / 2.0 + 2.0 * 0.1 * 0.1 / 2.0)
    assert short_j == pytest.approx(2.0 * 0.1 * 1e-3)
    gap = CellRow(2.0, None, None, 0.6, frozenset({"overrange"}))
    assert np.isnan(sampled_energy_j([*rows, gap], 1e-3)).all()


def test_list_of_levels_reads_units_and_refuses_what_is_no_conductance():
    assert positive_values("20 uS, 0.05 mS,1e-4", "S", "levels") == pytest.approx([20e-6, 50e-6, 1e-4])
    for text in ("20 uS,,5 uS", "", "0 S", "-1 uS", "5 V"):
        with pytest.raises(RunError, match="levels"):
            positive_values(text, "S", "levels")


@pytest.mark.parametrize(
    ("cycles", "dense", "length", "per_decade"),
    [(50, 100, 5, 10), (1000, 100, 5, 10), (10**6, 10**4, 10, 10), (103, 100, 5, 3), (140, 100, 10, 10)],
)
def test_blocks_are_apart_log_spaced_and_end_with_the_run(cycles, dense, length, per_decade):
    blocks = read_blocks(cycles, dense=dense, length=length, per_decade=per_decade)
    assert blocks[0] == (0, min(cycles, dense))
    assert blocks[-1][1] == cycles
    assert all(sooner[1] <= later[0] for sooner, later in pairwise(blocks))
    inner = np.array([first for first, _ in blocks[1:-1]])
    if inner.size > 3:
        # far from the dense cycles, where blocks do not push each other
        assert np.diff(np.log10(inner))[-3:] == pytest.approx(1.0 / per_decade, rel=0.05)
    if cycles >= dense + length:
        assert all(end - first == length for first, end in blocks[1:])


def test_write_verify_pulses_only_outside_the_band_and_counts_what_it_did(home):
    run = measure(WriteVerify, home, targets="60 uS, 60 uS, 120 uS", rounds=2, wait="2 s")
    found, arrays, table = results(run), run.arrays(), run.table()
    targets_s = [60e-6, 60e-6, 120e-6]
    assert found["visits"] == 6
    assert found["reached"] == found["success"] * 6 >= 5
    for (turn, index), visit in table[table["Event"].isin(["verify", "set", "reset", "read"])].groupby(
        ["Cycle", "Step"]
    ):
        turn, index = int(turn), int(index)
        verified_s = visit[visit["Event"] == "verify"]["Conductance (S)"].to_numpy()
        error = np.abs(verified_s / targets_s[index] - 1.0)
        pulses = visit[visit["Event"].isin(["set", "reset"])]
        assert len(pulses) == len(verified_s) - 1 == arrays["pulses"][0, turn, index]
        # never two pulses where one did it
        assert (error[:-1] > 0.05).all()
        if arrays["reached"][0, turn, index]:
            assert error[-1] <= 0.05
        # a pulse leads towards the target
        assert (np.sign(pulses["Voltage (V)"].to_numpy()) == np.sign(targets_s[index] - verified_s[:-1])).all()
        middle_s = 0.5 * (verified_s[1:] + verified_s[:-1])
        energy_j = np.sum(pulses["Voltage (V)"].to_numpy() ** 2 * 1e-4 * middle_s)
        assert arrays["energy"][0, turn, index] == pytest.approx(energy_j, rel=1e-9)
        times_s = visit["Time (s)"].to_numpy()
        assert times_s[-1] - times_s[-2] >= 2.0
    with Bench.open(STATION) as bench:
        truth_s = float(np.asarray(bench.truth()["conductance_s"])[0, 0])
    # at 0.2 V the cubic part of the cell's curve adds 7 % at 100 uS (A3 of the preset)
    assert 0.85 < truth_s / float(arrays["read_after_wait"][0, -1, -1]) < 1.0


def test_map_starts_every_point_at_the_initial_conductance_and_matches_its_rows(home):
    run = measure(
        MapPulses, home, widths=3, repeats=1, set_from="0.6 V", set_to="0.8 V", reset_from="-1 V", reset_to="-1.2 V"
    )
    found, arrays, table = results(run), run.arrays(), run.table()
    voltages_v, widths_s = arrays["pulse_voltage"].values, arrays["pulse_width"].values
    assert voltages_v == pytest.approx([-1.2, -1.1, -1.0, 0.6, 0.7, 0.8])
    assert widths_s == pytest.approx([1e-4, 1e-3, 1e-2])
    change_s, before_s = arrays["change"].values[0, 0], arrays["before"].values[0, 0]
    measured = np.isfinite(change_s)
    assert found["points"] == 18
    assert found["points_not_initialised"] == 18 - measured.sum() <= 3
    assert (np.abs(before_s[measured] / 50e-6 - 1.0) <= 0.05).all()
    pulses = table.index[table["Event"] == "pulse"]
    assert len(pulses) == measured.sum()
    for place in pulses:
        row = int(np.argmin(np.abs(widths_s - table["Width (s)"][place])))
        column = int(np.argmin(np.abs(voltages_v - table["Voltage (V)"][place])))
        difference_s = table["Conductance (S)"][place + 1] - table["Conductance (S)"][place - 1]
        assert change_s[row, column] == pytest.approx(difference_s, rel=1e-12)
    # SET raises and RESET lowers, the strongest of each by far more than read noise
    strongest = arrays["change_relative"].values[0, 0]
    assert np.nanmin(strongest[:, 0]) < -0.1
    assert np.nanmax(strongest[:, -1]) > 0.1
    assert found["polarity"] == [1]


def test_short_pulses_of_a_map_come_from_the_generator(home):
    run = measure(
        MapPulses,
        home,
        widths=1,
        width_from="1 us",
        width_to="1 us",
        repeats=1,
        polarity="set",
        set_from="1 V",
        set_to="1 V",
    )
    pulses = run.table().query("Event == 'pulse'")
    assert pulses["Width (s)"].tolist() == [1e-6]
    assert results(run)["largest_rise_relative"] is not None


def test_endurance_reads_every_dense_cycle_and_states_its_blocks(home):
    blocks = {"dense_cycles": 12, "block_cycles": 4, "blocks_per_decade": 4}
    run = measure(Endurance, home, cycles=60, set_voltage=0.9, reset_pulses=5, **blocks)
    found, arrays, table = results(run), run.arrays(), run.table()
    numbers = arrays["cycle_number"].values
    assert numbers[:12].tolist() == list(range(12))
    assert numbers[-1] == 59
    assert "every cycle was read up to 12, then 4 cycles" in found["reading_scheme"]
    reads = table[table["Event"] == "read"]
    after_set_s = reads[reads["Step"] == 0]["Conductance (S)"].to_numpy()
    after_reset_s = reads[reads["Step"] == 1]["Conductance (S)"].to_numpy()
    assert arrays["low_resistance_state"].values[0] == pytest.approx(after_set_s)
    assert arrays["high_resistance_state"].values[0] == pytest.approx(after_reset_s)
    unread = table[table["Event"] == "unread"]
    assert unread["Step"].sum() + numbers.size == 60
    assert found["window_median"] == pytest.approx(np.median(after_set_s / after_reset_s))
    assert found["lives"][0]["cycles"] == 60


def test_stuck_cell_gets_no_pulse_after_three_failed_cycles(home):
    # seed 1 has a cell stuck near 300 uS at (3, 3); its bench knows it
    with Bench.open(STATION) as bench:
        assert np.asarray(bench.truth()["stuck"])[3, 3]
    run = measure(Endurance, home, cells=STUCK, cycles=50, reset_pulses=5)
    found, table = results(run), run.table()
    assert found["cells_failed"] == 1
    assert found["first_failure"] == 1
    assert found["lives"][0]["cycles"] == 3
    assert len(table[table["Event"].isin(["set", "reset"])]) == 6
    assert run.events()["kind"].tolist().count("cell failed") == 1


def test_statistics_split_the_variance_as_the_rows_do(home):
    run = measure(CycleStatistics, home, cells=f"0,0;1,1;2,2;{STUCK}", cycles=8, reset_pulses=8)
    found, table = results(run), run.table()
    assert [(one["row"], one["column"]) for one in found["failed_cells"]] == [(3, 3)]
    reads = table[(table["Event"] == "read") & (table["Step"] == 0) & (table["Row"] != 3)]
    states_s = reads["Conductance (S)"].to_numpy().reshape(3, 8)
    # one-way analysis of variance, Snedecor and Cochran
    within = states_s.var(axis=1, ddof=1).mean()
    between = 8.0 * states_s.mean(axis=1).var(ddof=1)
    assert found["low_resistance_cycle_to_cycle"] == pytest.approx(np.sqrt(within) / states_s.mean())
    spread = np.sqrt(max(0.0, (between - within) / 8.0)) / states_s.mean()
    assert found["low_resistance_device_to_device"] == pytest.approx(spread)
    assert found["low_resistance_cycle_to_cycle_low"] < found["low_resistance_cycle_to_cycle"]
    assert found["low_resistance_device_to_device_low"] <= spread <= found["low_resistance_device_to_device_high"]
    # 3 cells of 8 cycles that resemble each other are 3 values, not 24: Student's t with 2 degrees of freedom; the cell
    # that was given up counts with what it had
    logs = [
        np.log(cell.to_numpy()).mean()
        for _, cell in table[(table["Event"] == "read") & (table["Step"] == 0)].groupby("Row")["Conductance (S)"]
    ]
    reach = {3: 4.3027, 4: 3.1824}[len(logs)] * np.std(logs, ddof=1) / np.sqrt(len(logs))
    assert found["low_resistance_median"] == pytest.approx(np.exp(np.mean(logs)))
    assert found["low_resistance_median_high"] == pytest.approx(np.exp(np.mean(logs) + reach), rel=1e-3)
    assert f"{len(logs)} cells, each counted once" in found["low_resistance_median_statement"]


def test_statistics_of_one_cell_say_that_they_cannot_tell_devices_apart(home):
    found = results(measure(CycleStatistics, home, cells="0,0", cycles=3, reset_pulses=5))
    assert found["low_resistance_device_to_device"] is None
    assert "at least 3 points, got 1" in found["low_resistance_split_reason"]
    assert found["low_resistance_median"] is None
    assert "log-normal" in found["low_resistance_median_reason"]


def test_energies_are_those_of_the_rows(home):
    run = measure(PulseEnergy, home, repeats=2, samples=5, levels="60 uS")
    found, arrays, table = results(run), run.arrays(), run.table()
    pulses = table.index[table["Event"] == "pulse"]
    for place in pulses:
        polarity = "set" if table["Voltage (V)"][place] > 0.0 else "reset"
        repeat = int(table["Cycle"][place])
        scale = table["Voltage (V)"][place] ** 2 * 1e-4
        for name, neighbour in (("before", place - 1), ("after", place + 1)):
            stored_j = float(arrays[f"{polarity}_energy_by_conductance_{name}"][0, repeat])
            assert stored_j == pytest.approx(scale * table["Conductance (S)"][neighbour])
    for (repeat, step), held in table[table["Event"] == "held"].groupby(["Cycle", "Step"]):
        polarity = ("set", "reset")[int(step)]
        time_s, power_w = held["Time (s)"].to_numpy(), (held["Voltage (V)"] * held["Current (A)"]).to_numpy()
        first_s = np.diff(time_s).mean()
        energy_j = trapezoid(power_w, time_s) + power_w[0] * first_s
        assert float(arrays[f"{polarity}_held_energy"][0, int(repeat)]) == pytest.approx(energy_j)
        # the first sample stands for the short pulse; the cell goes on switching meanwhile, so that V^2 G t is no bound
        by_current_j = float(arrays[f"{polarity}_energy_by_current"][0, int(repeat)])
        assert by_current_j == pytest.approx(power_w[0] * 1e-4)
    assert found["set_held_energy_mean_reason"].startswith("the interval of a mean")


def test_aborted_write_verify_goes_on_where_it_was(home):
    control = RunControl()

    class Stopper:
        def started(self, run_id, path):
            pass

        def progress(self, percent, wall_s, instrument_s):
            if percent >= 40.0:
                control.abort()

        def event(self, kind, message):
            pass

        def finished(self, status):
            pass

    parameters = {"targets": "70 uS, 40 uS", "rounds": 2, "level_adaptive": True}
    aborted = execute_procedure(WriteVerify, STATION, parameters, out=home, observer=Stopper(), control=control)
    assert aborted.status == "aborted"
    done = resume_run(aborted, WriteVerify)
    assert done.status == "finished", done.summary()["error"]
    assert done.rows()[: len(aborted.rows())] == aborted.rows()
    assert results(done)["visits"] == 4


@pytest.mark.parametrize(
    ("procedure", "parameters", "word"),
    [
        (WriteVerify, {"cells": "32,0"}, "0 to 31"),
        (WriteVerify, {"targets": "20 V"}, "targets"),
        (WriteVerify, {"level_set_start": "1.8 V"}, "stop voltage"),
        (WriteVerify, {"level_width": "10 us", "pulse_with": "smu"}, "smu1 .*: at least"),
        (MapPulses, {"width_from": "1 us", "pulse_with": "smu"}, "gen1 .*: "),
        (MapPulses, {"width_from": "1 ms", "width_to": "100 us"}, "width_to"),
        (MapPulses, {"set_from": "1 V", "set_to": "0.5 V"}, "set_from"),
        (MapPulses, {"initial": "0 S"}, "initial"),
        (Endurance, {"cycles": "20000", "block_cycles": "2"}, "failure_cycles"),
        (Endurance, {"width": "10 us", "pulse_with": "smu"}, "smu1 .*: at least"),
        (CycleStatistics, {"open_below": "1 S"}, "shorted_above"),
        (PulseEnergy, {"levels": ""}, "levels"),
    ],
)
def test_what_cannot_be_is_refused_before_a_run_file_exists(home, procedure, parameters, word):
    before = sorted(home.glob("**/*.sqlite"))
    with pytest.raises(LabError, match=word):
        measure(procedure, home, **parameters)
    assert sorted(home.glob("**/*.sqlite")) == before


def test_first_cycles_are_left_out_of_the_statistics_of_states(home):
    run = measure(CycleStatistics, home, cells="0,0", cycles=6, left_out=2)
    found, states = results(run), run.arrays()["low_resistance_state"].values
    rows = run.table().query("Event == 'read' and Step == 0")
    assert rows["Cycle"].tolist() == list(range(6))
    kept = rows["Conductance (S)"].to_numpy()[2:]
    assert np.isnan(states[0, :2]).all()
    np.testing.assert_array_equal(states[0, 2:], kept)
    assert found["low_resistance_mean"] == pytest.approx(kept.mean())
