"""Runs side by side. Authority: rates counted over generated runs of known truth; examples worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from labctl.analysis.comparison import compare
from labctl.analysis.comparison_page import write_comparison, write_comparison_plots
from labctl.analysis.overlay import difference_maps, overlaid_plots
from labctl.analysis.significance import holm, p_of_estimates, p_of_samples
from labctl.errors import RunError, StoreError
from labctl.script import compare_runs
from labctl.store import ParameterRecord, RunHeader, RunWriter, open_run

DRAWS = 600
# a count of false alarms at 5 % lies within this of 5 % in all but 1 of 1000 counts
BOUND = 3.3 * np.sqrt(0.05 * 0.95 / DRAWS)


def test_holm_is_the_worked_example():
    # four p-values worked out by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03 and no less than the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_difference_of_estimates_is_that_of_two_normals():
    # 1 and 2, each with a standard error of 0.3: z = 1 / (0.3 sqrt 2)
    reach = norm.ppf(0.975) * 0.3
    p_value = p_of_estimates((1.0, 1.0 - reach, 1.0 + reach), (2.0, 2.0 - reach, 2.0 + reach))
    assert p_value == pytest.approx(2.0 * norm.sf(1.0 / (0.3 * np.sqrt(2.0))))
    # intervals that overlap and yet differ
    assert p_of_estimates((0.0, -1.0, 1.0), (1.8, 0.8, 2.8)) < 0.05


def test_difference_of_estimates_takes_the_ends_that_face_each_other():
    one, other = (1.0, 0.9, 5.0), (2.0, -3.0, 2.1)
    assert p_of_estimates(one, other) == p_of_estimates(other, one)
    wide = np.hypot(4.0, 5.0) / norm.ppf(0.975)
    assert p_of_estimates(one, other) == pytest.approx(2.0 * norm.sf(1.0 / wide))
    assert p_of_estimates((1.0, 1.0, 1.0), (2.0, 2.0, 2.0)) is None


def interval(values):
    mean, reach = values.mean(), t.ppf(0.975, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return mean, mean - reach, mean + reach


@pytest.mark.parametrize("test", [lambda one, other: p_of_estimates(interval(one), interval(other)), p_of_samples])
def test_equal_runs_raise_an_alarm_in_one_of_twenty_and_shifted_runs_in_most(test):
    chance = np.random.default_rng(1)
    equal = [test(*chance.standard_normal((2, 24))) < 0.05 for _ in range(DRAWS)]
    # closed form: Student's interval of 24 values, read as normal, makes P(|t_46| > t_23(0.975)) = 4.4 %
    assert 0.044 - BOUND < np.mean(equal) < 0.05 + BOUND
    shifted = [test(chance.standard_normal(24), 1.2 + chance.standard_normal(24)) < 0.05 for _ in range(200)]
    # closed form: a shift of 1.2 sigma is 4.2 standard errors, told in 98 %
    assert np.mean(shifted) > 0.93


def test_whole_page_raises_a_false_alarm_in_at_most_one_of_twenty():
    chance = np.random.default_rng(2)
    alarms = [min(holm([p_of_samples(*chance.standard_normal((2, 12))) for _ in range(6)])) < 0.05 for _ in range(150)]
    assert np.mean(alarms) < 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 150)


def test_few_values_are_not_tested():
    assert p_of_samples(np.arange(3.0), np.arange(20.0)) is None
    assert p_of_samples(np.ones(9), np.ones(9)) is None


@pytest.fixture
def write_run(tmp_path):
    """Write a run of sweep_iv on 12 cells, whose switching voltage lies about ``centre_v``."""

    def write(
        centre_v=0.8,
        *,
        procedure="sweep_iv",
        seed=0,
        limit="300 µA",
        simulated=True,
        step=None,
        shape=(4, 4),
        lost=0,
        cells=12,
        more=(),
    ):
        chance = np.random.default_rng(seed)
        parameters = [ParameterRecord(name="set_limit", label="Limit", value=limit, unit="A", text=limit)]
        facts = {"seed": 3, "versions": {"labctl": "1"}, "sample": {"name": "mine"}}
        header = RunHeader(
            procedure=procedure,
            columns=("Voltage (V)",),
            parameters=parameters,
            station="bench <b>",
            simulated=simulated,
            facts=facts,
        )
        writer = RunWriter.create(tmp_path, header, instrument_clock=lambda: 0.0)
        prefix = f"{step}." if step else ""
        cycles = 36 // cells
        voltage = np.tile(np.concatenate([np.linspace(0, 1.5, 8), np.linspace(-1.5, 0, 8)]), (cells, cycles, 1))
        set_v = centre_v + 0.05 * chance.standard_normal((cells, cycles))
        set_v.flat[:lost] = np.nan
        curves = {
            "voltage": (voltage, ("cell", "cycle", "step"), "V"),
            "current": (1e-4 * voltage / centre_v, ("cell", "cycle", "step"), "A"),
            "cells": (np.argwhere(np.ones((3, 4)))[:cells].astype(float), ("cell", "line"), "1"),
            "set_voltage": (set_v, ("cell", "cycle"), "V"),
            "conductance": (chance.uniform(1e-5, 2e-5, shape), ("row", "column"), "S"),
        }
        for name, (values, dims, unit) in curves.items():
            sizes = tuple(dim if dim in ("row", "column") else f"{prefix}{dim}" for dim in dims)
            writer.array(prefix + name, values, sizes, unit)
        mean, low, high = interval(set_v[lost:].mean(axis=1) if cells > 1 else set_v[0])
        results = {"set_voltage_mean": mean, "set_voltage_mean_low": low, "set_voltage_mean_high": high, "cells": cells}
        # as sweep_iv makes it: of all cycles of all cells
        pooled = zip(("", "_low", "_high"), (10.0, 9.9, 10.1), strict=True)
        results |= {f"on_off_ratio{end}": value * centre_v for end, value in pooled} | dict(more)
        found = {prefix + name: value for name, value in results.items()}
        writer.seal("finished", {**found, f"{prefix}procedure": "sweep_iv"} if step else found, "")
        return open_run("latest", tmp_path)

    return write


def rows_of(comparison):
    return {row.name: row for part in comparison.parts for row in part.rows}


def test_runs_that_are_shifted_differ_and_say_by_which_test(write_run):
    rows = rows_of(compare([write_run(0.8, seed=1), write_run(1.0, seed=2)]))
    assert rows["set_voltage_mean"].test == "difference of estimates"
    assert rows["set_voltage"].test == "Mann-Whitney"
    assert rows["set_voltage_mean"].differs
    assert rows["set_voltage"].differs
    assert rows["conductance"].differs is False
    # a count has no interval, and curves are no figures
    assert rows["cells"].differs is None
    assert not {"voltage", "current"} & set(rows)
    assert rows["set_voltage"].p_corrected >= 2.0 * rows["set_voltage"].p_value


def test_of_three_runs_the_pair_that_differs_is_named(write_run, tmp_path):
    runs = [write_run(0.8, seed=1), write_run(0.81, seed=2), write_run(1.2, seed=3)]
    row = rows_of(compare(runs))["set_voltage"]
    assert row.differs
    assert 2 in row.pair
    text = write_comparison(compare(runs), tmp_path / "page").read_text(encoding="utf-8")
    assert f"from {runs[2].run_id[-4:]}" in text


def test_what_else_differs_is_listed_and_nothing_more(write_run):
    runs = [write_run(seed=1), write_run(seed=2, limit="100 µA", simulated=False)]
    differences = compare(runs).differences
    assert differences == {"parameter set_limit": ("300 µA", "100 µA"), "simulated": ("yes", "no")}


def test_runs_of_different_procedures_are_refused_with_their_names(write_run):
    runs = [write_run(), write_run(procedure="read_array")]
    with pytest.raises(RunError, match=r"one procedure, got sweep_iv \(.*read_array \("):
        compare(runs)


def test_one_run_or_the_same_twice_is_refused(write_run):
    run = write_run()
    with pytest.raises(RunError, match="at least two runs, got 1"):
        compare([run])
    with pytest.raises(RunError, match=f"{run.run_id} more than once"):
        compare([run, run])


def test_sequences_are_compared_by_the_steps_that_they_share(write_run):
    runs = [write_run(procedure="sequence", step="before", seed=seed) for seed in (1, 2)]
    comparison = compare(runs)
    assert [(part.label, part.procedure) for part in comparison.parts] == [("before", "sweep_iv")]
    assert "set_voltage" in rows_of(comparison)
    with pytest.raises(RunError, match=r"before \(sweep_iv\).*after \(sweep_iv\)"):
        compare([runs[0], write_run(procedure="sequence", step="after")])


def test_page_is_self_contained_and_has_both_runs(write_run, tmp_path):
    runs = [write_run(0.8, seed=1), write_run(1.0, seed=2, limit="100 µA", simulated=False)]
    text = write_comparison(compare(runs), tmp_path / "page").read_text(encoding="utf-8")
    for run in runs:
        assert run.run_id in text
        assert f"{run.run_id[-4:]}, 20" in text
    for word in ("Some of these runs are simulated", "Mann-Whitney", "Holm", "bench &lt;b&gt;", "100 µA", "differs"):
        assert word in text, word
    assert 'src="http' not in text
    assert 'alt="Conductance: second less first run"' in text


def test_plots_hold_the_values_of_each_run(write_run, tmp_path):
    runs = [write_run(0.8, seed=1), write_run(1.0, seed=2)]
    written = write_comparison_plots(compare(runs), tmp_path / "plots")
    assert {path.suffix for path in written} == {".svg", ".png", ".csv"}
    found = pd.read_csv(tmp_path / "plots" / "sweep_iv-switching-voltage.csv")
    for run in runs:
        of_run = found[found["run"].str.startswith(run.run_id[-4:]) & (found["group"] == "set voltage")]
        wanted = np.sort(run.arrays()["set_voltage"].values.ravel())
        np.testing.assert_allclose(np.sort(of_run["|voltage| (V)"]), wanted)
    change = pd.read_csv(tmp_path / "plots" / "sweep_iv-difference-conductance.csv")
    one, other = (run.arrays()["conductance"].values for run in runs)
    np.testing.assert_allclose(change["change of conductance (S)"], (other - one).ravel())


def test_lines_keep_their_values_where_units_have_other_prefixes(write_run):
    # one run in mA, the other in A
    comparison = compare([write_run(0.5, seed=1), write_run(5e-4, seed=2)])
    plot = next(plot for plot in overlaid_plots(comparison.parts[0].views, ("one", "other")) if plot.name == "iv")
    axes = plot.figure.axes[0]
    # the colours of 12 cells had a bar of their own; those of runs have names
    assert plot.figure.axes == [axes]
    tops = {line.get_color(): max(line.get_ydata()) for line in axes.lines}
    assert "(µA)" in axes.get_ylabel()
    # 1e-4 A/V x 1.5 V / centre
    assert tops == {"C0": pytest.approx(300.0), "C1": pytest.approx(3e5)}


def test_each_run_keeps_its_points_where_the_second_fills_more_of_the_paper(write_run):
    comparison = compare([write_run(0.8, seed=1, lost=9), write_run(1.0, seed=2)])
    plots = overlaid_plots(comparison.parts[0].views, ("one", "other"))
    axes = next(plot for plot in plots if plot.name == "switching-voltage").figure.axes[0]
    counts = {line.get_color(): len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"}
    # 12 cells of 3 cycles
    assert counts == {"C0": 27, "C1": 36}


def test_maps_of_unequal_size_have_no_difference(write_run):
    comparison = compare([write_run(seed=1), write_run(seed=2, shape=(3, 4))])
    assert difference_maps(comparison.parts[0].views, comparison.labels) == []


def test_page_refuses_a_folder_that_is_a_file(write_run, tmp_path):
    (tmp_path / "page").write_text("mine", encoding="utf-8")
    comparison = compare([write_run(seed=1), write_run(seed=2)])
    with pytest.raises(StoreError, match="-o"):
        write_comparison(comparison, tmp_path / "page")


def test_script_compares_by_id(write_run, tmp_path):
    ids = [write_run(0.8, seed=1).run_id, write_run(1.0, seed=2).run_id]
    table = compare_runs(*ids, out=tmp_path).table()
    assert set(ids) <= set(table.columns)
    assert bool(table.set_index("result").loc["set_voltage", "differs"])


def test_several_cells_count_once_each_and_what_pools_their_cycles_is_not_tested(write_run):
    rows = rows_of(compare([write_run(0.8, seed=1), write_run(1.0, seed=2)]))
    assert rows["set_voltage"].texts[0].endswith("n = 12")
    assert "one cell" not in rows["set_voltage"].remark
    assert (rows["on_off_ratio"].test, rows["on_off_ratio"].p_value) == ("", None)
    assert "cycles of all cells as independent" in rows["on_off_ratio"].remark
    # an interval that is not of all cycles is tested as before
    assert rows["set_voltage_mean"].p_value is not None
    assert rows["set_voltage_mean"].remark == ""


def test_interval_in_which_each_cell_counts_once_is_tested(write_run):
    said = {"on_off_ratio_statement": "interval of 12 cells, each counted once"}
    rows = rows_of(compare([write_run(0.8, seed=1, more=said), write_run(1.0, seed=2, more=said)]))
    assert rows["on_off_ratio"].test
    assert rows["on_off_ratio"].remark == ""


def test_few_cells_of_many_cycles_are_not_tested(write_run):
    rows = rows_of(compare([write_run(0.8, seed=1, cells=3), write_run(1.0, seed=2, cells=3)]))
    assert rows["set_voltage"].p_value is None
    assert rows["set_voltage"].remark == "at least 4 values needed in each run"


def test_one_cell_is_compared_by_its_cycles_and_that_is_said(write_run, tmp_path):
    runs = [write_run(0.8, seed=1, cells=1), write_run(1.0, seed=2, cells=1)]
    rows = rows_of(compare(runs))
    assert rows["set_voltage"].differs
    assert rows["set_voltage"].texts[0].endswith("n = 36 cycles")
    for name in ("set_voltage", "on_off_ratio"):
        assert "n is the number of cycles of one cell" in rows[name].remark
        assert rows[name].test
    page = write_comparison(compare(runs), tmp_path / "page").read_text(encoding="utf-8")
    assert "nothing is told of other cells" in page
