"""The procedures that treat a cell as a synapse, on the simulated rack.

Authority: what the procedures promise in their docstrings; closed forms of the waveforms; sums made here from the rows.
"""

from itertools import pairwise

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.update_curves import step_spread
from labctl.errors import LabError
from labctl.run import execute_procedure
from labctl_procedures.count_states import CountStates
from labctl_procedures.paired_pulse import PairedPulse
from labctl_procedures.potentiate_depress import PotentiateDepress
from labctl_procedures.stdp import Stdp, net_waveform_v, spike_v

STATION = "tiox-32x32"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One rack for the whole file, so that its cell is formed once."""
    folder = tmp_path_factory.mktemp("synapse")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(folder / "home"))
        yield folder / "runs"


def measure(procedure, home, **parameters):
    return execute_procedure(procedure, STATION, parameters, out=home)


def results(run):
    summary = run.summary()
    assert summary["status"] == "finished", summary["error"]
    return summary["results"]


def test_curves_are_the_readings_of_their_rows_and_lead_up_and_down(home):
    run = measure(PotentiateDepress, home, pulses=12, cycles=3, up_voltage="0.72 V", down_voltage="-1.1 V")
    found, arrays, table = results(run), run.arrays(), run.table()
    up_s, down_s = arrays["potentiation"].values[0], arrays["depression"].values[0]
    assert up_s.shape == down_s.shape == (3, 13)
    for cycle in range(3):
        reads = table[(table["Event"] == "read") & (table["Cycle"] == cycle)]["Conductance (S)"].to_numpy()
        assert np.concatenate([up_s[cycle], down_s[cycle]]) == pytest.approx(reads)
        assert up_s[cycle, -1] > 1.5 * up_s[cycle, 0]
        assert down_s[cycle, -1] < down_s[cycle, 0] / 1.5
    pulses = table[(table["Cycle"] == 1) & table["Event"].isin(["set", "reset"])]["Voltage (V)"]
    assert pulses.tolist() == [0.72] * 12 + [-1.1] * 12
    # NeuroSim: NL = 10.1 times the largest distance of the normalised curve from a straight line
    distances = [(one - one[0]) / (one[-1] - one[0]) - np.linspace(0.0, 1.0, 13) for one in down_s]
    labels = [10.1 * one[np.argmax(np.abs(one))] for one in distances]
    assert found["nonlinearity_label_down"] == pytest.approx(np.mean(labels))
    assert found["cycles_without_figures"] == 0
    # three cycles are too few for an interval, and none is given
    assert "nonlinearity_label_down_low" not in found


def test_figures_of_several_cells_count_each_cell_once(home):
    cells = {"cells": "0,0;1,1;2,2", "pulses": 8, "cycles": 3, "up_voltage": "0.72 V", "down_voltage": "-1.1 V"}
    run = measure(PotentiateDepress, home, **cells)
    found, means = results(run), np.nanmean(run.arrays()["nonlinearity_label_down"].values, axis=1)
    # Student's t with 2 degrees of freedom
    reach = 4.3027 * means.std(ddof=1) / np.sqrt(3.0)
    assert found["nonlinearity_label_down"] == pytest.approx(means.mean())
    assert found["nonlinearity_label_down_high"] == pytest.approx(means.mean() + reach, rel=1e-4)
    assert "3 cells, each counted once; so few" in found["nonlinearity_label_down_statement"]
    spread = [step_spread(curves) for curves in run.arrays()["depression"].values]
    assert found["step_spread_down"] == pytest.approx(np.mean(spread))
    assert found["step_spread_down_low"] < found["step_spread_down"]


def test_pulses_that_move_nothing_have_no_figures_but_words(home):
    run = measure(PotentiateDepress, home, pulses=20, cycles=5, up_voltage="50 mV", down_voltage="-50 mV")
    found = results(run)
    assert np.ptp(run.arrays()["potentiation"].values) > 0.0
    for name in ("nonlinearity_label_up", "asymmetry", "symmetry_point", "step_spread_up", "step_spread_down"):
        assert found[name] is None
    assert found["cycles_without_figures"] == 5
    assert "the branch" in found["figures_reason"]
    assert "this is noise" in found["step_spread_reason"]


def test_incremental_pulses_grow_by_the_step(home):
    run = measure(PotentiateDepress, home, pulses=5, cycles=1, pulse_form="incremental", up_step="10 mV", initial="0 S")
    table = run.table()
    up_v = table[table["Event"] == "set"]["Voltage (V)"].to_numpy()
    down_v = table[table["Event"] == "reset"]["Voltage (V)"].to_numpy()
    assert up_v == pytest.approx(0.66 + 0.01 * np.arange(5))
    assert down_v == pytest.approx(-0.95 - 0.005 * np.arange(5))
    assert results(run)["step_spread_up"] is None
    assert "at least 3" in results(run)["step_spread_reason"]


def test_step_spread_of_known_noise_over_a_known_range():
    # steps of 1 uS with 0.1 uS of independent noise over a range of 50 uS: 0.1 / 50
    steps_s = np.random.default_rng(5).normal(1e-6, 1e-7, (200, 50))
    curves_s = np.concatenate([np.zeros((200, 1)), np.cumsum(steps_s, axis=1)], axis=1)
    assert step_spread(curves_s) == pytest.approx(0.1 / 50.0, rel=0.03)
    with pytest.raises(TooFewPoints, match="at least 3"):
        step_spread(curves_s[:2])
    with pytest.raises(ValueError, match="lead somewhere"):
        step_spread(np.ones((3, 4)))


def test_pairs_have_the_distance_asked_for_and_the_index_is_the_ratio_of_the_means(home):
    run = measure(PairedPulse, home, delays=2, repeats=8, delay_from="1 s", delay_to="20 s")
    found, arrays, table = results(run), run.arrays(), run.table()
    pulses = table[table["Event"] == "pulse"]
    assert (pulses["Voltage (V)"] == 0.7).all()
    apart_s = np.array([pair["Time (s)"].diff().iloc[-1] for _, pair in pulses.groupby("Step")])
    asked_s = np.tile([1.0, 20.0], 8)
    seen = np.isfinite(arrays["measured_delay"].values[0].ravel())
    assert apart_s == pytest.approx(asked_s[seen], rel=2e-3)
    assert arrays["measured_delay"].values[0].ravel()[seen] == pytest.approx(apart_s)
    first_s, second_s = arrays["first_response"].values[0], arrays["second_response"].values[0]
    for place, told in enumerate(found["facilitation"]):
        whole = np.isfinite(first_s[:, place])
        assert told["pairs"] == whole.sum()
        if whole.sum() == 8:
            assert told["index"] == pytest.approx(second_s[:, place].mean() / first_s[:, place].mean())
            # a cell that forgets nothing answers about twice as far from where it began
            assert 1.3 < told["index"] < 3.0
        else:
            assert "at least 8" in told["reason"]


def test_spike_is_a_negative_head_and_a_tail_of_the_stated_form():
    exponential = spike_v(0.6, 0.3, 2, 10, form="exponential")
    assert exponential[:2].tolist() == [-0.6, -0.6]
    assert exponential[2:] == pytest.approx(0.3 * np.exp(-np.arange(40) / 10.0))
    triangular = spike_v(0.6, 0.3, 1, 10, form="triangular")
    assert triangular[1:] == pytest.approx(0.3 * (1.0 - np.arange(20) / 20.0))


@pytest.mark.parametrize("delay", [-7, -1, 0, 3, 60])
def test_net_waveform_is_pre_less_delayed_post(delay):
    pre, post = spike_v(0.6, 0.3, 2, 10, form="exponential"), spike_v(0.45, 0.6, 2, 5, form="triangular")
    net = net_waveform_v(pre, post, delay)
    start = min(0, delay)
    for level, value in enumerate(net):
        time = level + start
        expected = (pre[time] if 0 <= time < pre.size else 0.0) - (
            post[time - delay] if 0 <= time - delay < post.size else 0.0
        )
        assert value == pytest.approx(expected)
    assert net.size == max(pre.size, delay + post.size) - start


def test_pre_before_post_potentiates_and_post_before_pre_depresses(home):
    run = measure(Stdp, home, distances=3, farthest="15 ms", repeats=2, tail_time="5 ms")
    found, arrays, table = results(run), run.arrays(), run.table()
    delays_s = arrays["delay"].values
    assert delays_s == pytest.approx([-15e-3, -10e-3, -5e-3, 5e-3, 10e-3, 15e-3])
    change = np.nanmean(arrays["change_relative"].values[0], axis=0)
    # read noise is below 1 %
    assert change[3] > 0.05
    assert change[2] < -0.02
    assert abs(change[0]) < abs(change[2])
    assert abs(change[5]) < abs(change[3])
    waveforms = table[table["Event"] == "waveform"]
    assert len(waveforms) == np.isfinite(arrays["change_relative"].values).sum() == found["pairs"]
    net_v = arrays["net_waveform"].values
    largest_v = [row[np.nanargmax(np.abs(row))] for row in net_v]
    for _, row in waveforms.iterrows():
        index = int(row["Step"])
        assert row["Voltage (V)"] == pytest.approx(largest_v[index])
        assert row["Width (s)"] == pytest.approx(1e-3 * np.isfinite(net_v[index]).sum())


def test_window_of_two_cells_tells_what_was_measured_nearest(home):
    run = measure(Stdp, home, cells="0,0;1,1", distances=6, farthest="24 ms", repeats=4)
    found, change = results(run), run.arrays()["change_relative"].values
    assert found["acausal_nearest_time"] == found["causal_nearest_time"] == pytest.approx(4e-3)
    # the law at the nearest distance is about the mean that was measured there; at 0 it would be a multiple
    for side, place in (("acausal", 5), ("causal", 6)):
        mean = np.nanmean(change[:, :, place])
        assert found[f"{side}_amplitude"] == pytest.approx(mean, abs=0.4 * abs(mean))
        assert "2 cells, each counted once; so few" in found[f"{side}_amplitude_statement"]
        # one degree of freedom: the ends lie far apart
        assert found[f"{side}_amplitude_low"] < found[f"{side}_amplitude"] < found[f"{side}_amplitude_high"]
    assert -1.0 <= found["acausal_amplitude_low"] < found["acausal_amplitude"]


def test_states_are_counted_from_readings_after_the_wait(home):
    run = measure(CountStates, home, levels=3, lowest="40 uS", highest="160 uS", readings=8, rounds=1, wait="5 s")
    found, arrays, table = results(run), run.arrays(), run.table()
    assert arrays["level_target"].values == pytest.approx([40e-6, 100e-6, 160e-6])
    readings_s = arrays["level_reading"].values[0, :, 0]
    for level in range(3):
        rows = table[(table["Step"] == level) & table["Event"].isin(["verify", "read"])]
        reads = rows[rows["Event"] == "read"]
        assert readings_s[level] == pytest.approx(reads["Conductance (S)"].to_numpy())
        waited_s = reads["Time (s)"].iloc[0] - rows[rows["Event"] == "verify"]["Time (s)"].iloc[-1]
        assert 5.0 <= waited_s < 6.0
    # levels 60 uS apart with 3 % of tolerance and less than 2 % of noise cannot touch
    bands = [(row.mean() - 3.0 * row.std(ddof=1), row.mean() + 3.0 * row.std(ddof=1)) for row in readings_s]
    assert all(lower[1] < upper[0] for lower, upper in pairwise(bands))
    assert found["states_mean"] == 3.0
    (told,) = found["states_by_cell"]
    assert told["confusion"] == 0.0
    assert told["levels_reached"] == 3


def test_too_few_readings_of_a_state_are_told_not_counted(home):
    found = results(measure(CountStates, home, levels=2, lowest="40 uS", highest="100 uS", readings=3, rounds=1))
    (told,) = found["states_by_cell"]
    assert told["states"] is None
    assert "at least 8" in told["reason"]
    assert found["states_mean"] is None


@pytest.mark.parametrize(
    ("procedure", "parameters", "word"),
    [
        (PotentiateDepress, {"cells": "0,32"}, "0 to 31"),
        (PotentiateDepress, {"width": "10 us", "pulse_with": "smu"}, "smu1 .*: at least"),
        (PotentiateDepress, {"pulse_form": "incremental", "pulses": "200", "up_step": "0.1 V"}, "fewer pulses"),
        (PairedPulse, {"voltage": "0 V"}, "0 V"),
        (PairedPulse, {"delay_from": "10 s", "delay_to": "1 s"}, "delay_to"),
        (Stdp, {"head_time": "1 ms", "dwell": "2 ms"}, "head_time"),
        (Stdp, {"distances": "40"}, "closer than the dwell"),
        (Stdp, {"tail_form": "square"}, "one of: exponential, triangular"),
        (CountStates, {"lowest": "200 uS", "highest": "100 uS"}, "lowest"),
        (CountStates, {"level_width": "10 us", "pulse_with": "smu"}, "smu1 .*: at least"),
    ],
)
def test_what_cannot_be_is_refused_before_a_run_file_exists(home, procedure, parameters, word):
    before = sorted(home.glob("**/*.sqlite"))
    with pytest.raises(LabError, match=word):
        measure(procedure, home, **parameters)
    assert sorted(home.glob("**/*.sqlite")) == before
