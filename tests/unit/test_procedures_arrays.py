"""What neighbours suffer, what an array looks like, and what it multiplies, on the simulated rack.

Authority: the bench's own knowledge of its cells; Kirchhoff's laws (the solver of the crossbar, checked elsewhere
against an independent one); sums made here from the rows; what the procedures promise.
"""

import numpy as np
import pytest

from labctl.errors import LabError
from labctl.physics.crossbar import Boundaries, Crossbar, Wires
from labctl.run import execute_procedure
from labctl_mock.bench.bench import Bench
from labctl_procedures import find_procedure
from labctl_procedures.map_array import CLASSES, wire_results
from labctl_procedures.spacing import block_ends


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One rack for the whole file; a corner of its die is formed."""
    folder = tmp_path_factory.mktemp("arrays")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(folder / "home"))
        measure("form_array", folder / "runs", cells="0:3,0:3")
        yield folder / "runs"


def measure(name, home, **parameters):
    run = execute_procedure(find_procedure(name), "tiox-32x32", parameters, out=home)
    assert run.status == "finished", run.summary()["error"]
    return run, run.summary()["results"]


def read_by_kirchhoff(conductance_s, segment_ohm, contact_ohm=10.0):
    """Return what each cell seems to conduct with its word line driven and every other line on ground."""
    rows, columns = conductance_s.shape
    crossbar = Crossbar(rows, columns, Wires(segment_ohm, segment_ohm, contact_ohm, contact_ohm), engine="numpy")
    shown_s = np.zeros(conductance_s.shape)
    ideal, none = np.inf, 0.0
    for row in range(rows):
        words_v = np.where(np.arange(rows) == row, 0.2, 0.0)
        ends = Boundaries(
            words_v, np.full(rows, ideal), np.zeros(rows), np.full(rows, none),
            np.zeros(columns), np.full(columns, ideal), np.zeros(columns), np.full(columns, none),
        )  # fmt: skip
        shown_s[row] = -crossbar.solve(conductance_s, ends).bit_near_current_a / 0.2
    return shown_s


# --- half-select disturb ----------------------------------------------------------------------------------------------


def test_blocks_of_pulses_begin_with_one_and_end_with_the_last():
    assert block_ends(1) == [1]
    assert block_ends(100) == [1, 2, 5, 10, 22, 46, 100]
    assert block_ends(100_000)[-1] == 100_000


def test_victims_are_the_neighbours_and_change_as_their_readings_say(home):
    run, found = measure("half_select_disturb", home, cells="1,1", pulses=20, victims=1)
    table, arrays = run.table(), run.arrays()
    assert {tuple(victim) for victim in arrays["victims"].values[0].astype(int)} == {(1, 0), (0, 1)}
    for cycle, sign in enumerate(("set", "reset")):
        own = table[table["Cycle"] == cycle]
        pulses = own[own["Event"] == sign]
        assert set(zip(pulses["Row"], pulses["Column"], strict=True)) == {(1, 1)}
        assert len(pulses) == 20
        changes = {}
        for victim in ((1, 0), (0, 1)):
            reads = own[(own["Event"] == "read") & (own["Row"] == victim[0]) & (own["Column"] == victim[1])]
            assert reads["Step"].tolist() == [0, *block_ends(20)]
            values = reads["Conductance (S)"].to_numpy()
            changes[victim] = values[-1] / values[0] - 1.0
            assert arrays[f"disturb_{sign}"].values[victim] == pytest.approx(changes[victim])
        assert np.isfinite(arrays[f"disturb_{sign}"].values).sum() == 2
        assert found[f"disturb_{sign}_mean"] == pytest.approx(np.mean(list(changes.values())))
        assert found[f"disturb_{sign}_word_line_mean"] == pytest.approx(changes[1, 0])
        assert found[f"disturb_{sign}_bit_line_mean"] == pytest.approx(changes[0, 1])
    # half of a SET pulse of 1 V raises a neighbour (kinetics of Pt/Al2O3/TiO2-x)
    assert found["disturb_set_largest"] > 0.0


def test_short_pulses_of_the_generator_disturb_too(home):
    run, _ = measure("half_select_disturb", home, cells="0,0", pulses=2, victims=1, width="10 ns")
    assert run.table()["Width (s)"].dropna().isin([1e-8]).all()


def test_aggressor_gets_no_more_pulses_once_a_stop_rule_ends_it(home):
    run, found = measure("half_select_disturb", home, cells="2,2", pulses=50, victims=1, shorted_above="150 uS",
                         set_voltage="1.2 V", width="10 ms")  # fmt: skip
    table = run.table()
    aggressor = table[table["Event"] == "aggressor"]["Conductance (S)"].to_numpy()
    stopped = {(cell["row"], cell["column"]) for cell in found["failed_cells"]}
    assert (2, 2) in stopped
    assert aggressor[-1] > 150e-6
    assert (aggressor[:-1] <= 150e-6).all()
    last = table.index[table["Event"] == "aggressor"][-1]
    assert not table["Event"][table.index > last].isin(["set", "reset"]).any()


# --- map --------------------------------------------------------------------------------------------------------------


def test_map_sorts_cells_as_the_bench_knows_them(home):
    with Bench.open("tiox-32x32") as bench:
        truth = {name: np.asarray(value) for name, value in bench.truth().items()}
    run, found = measure("map_array", home, cells="0:4,0:4", sneak_cells=4)
    classes = run.arrays()["class"].values
    assert (classes[4:] == CLASSES.index("not read")).all()
    formed = truth["formed"][:4, :4].astype(bool)
    assert formed.sum() >= 8
    conducts_s = truth["conductance_s"][:4, :4]
    low = formed & (conducts_s > 50e-6)
    expected = np.where(low, CLASSES.index("low resistance"), CLASSES.index("high resistance"))
    expected[~formed] = CLASSES.index("unformed")
    # cells at a bound may fall on either side
    sure = np.abs(conducts_s / 50e-6 - 1.0) > 0.05
    assert (classes[:4, :4] == expected)[sure].all()
    assert found["unformed"] == (~formed).sum()
    assert found["yield"] == pytest.approx(formed.mean())
    chosen = np.argwhere(np.isfinite(run.arrays()["sneak_ratio"].values))
    assert len(chosen) == 4
    # not all of one line, as every fourth of a block of four columns would be
    assert min(len(set(line)) for line in chosen.T.tolist()) > 1


def test_floating_lines_let_sneak_paths_in(home):
    _, found = measure("map_array", home, cells="0:3,0:3", sneak_cells=9)
    # three formed cells in series and more, beside each cell: a 3 x 3 block of equal cells reads 1.8 times as much
    assert found["sneak_ratio_median"] > 1.2


@pytest.mark.parametrize("segment_ohm", [1.0, 3.0])
def test_wire_fit_recovers_the_segments_when_cells_are_alike(segment_ohm):
    cells_s = 50e-6 * np.exp(0.03 * np.random.default_rng(3).standard_normal((16, 32)))
    found = wire_results(read_by_kirchhoff(cells_s, segment_ohm), np.ones(cells_s.shape, dtype=bool))
    assert found["segment_resistance_low"] < segment_ohm < found["segment_resistance_high"]
    assert found["segment_resistance"] == pytest.approx(segment_ohm, abs=0.4)
    assert found["segment_resistance_remark"] is None
    assert found["low_resistance_spread"] == pytest.approx(0.03, rel=0.1)


def test_wire_fit_says_so_when_the_spread_of_the_cells_hides_the_wires():
    cells_s = 50e-6 * np.exp(0.5 * np.random.default_rng(4).standard_normal((8, 32)))
    found = wire_results(read_by_kirchhoff(cells_s, 1.0), np.ones(cells_s.shape, dtype=bool))
    assert found["segment_resistance_low"] < 1.0 < found["segment_resistance_high"]
    assert "hidden by the spread" in found["segment_resistance_remark"]


def test_wire_fit_is_refused_when_word_lines_were_not_read_whole():
    cells_s = np.full((8, 32), 50e-6)
    cells_s[:, 31] = np.nan
    found = wire_results(cells_s, np.isfinite(cells_s))
    assert found["segment_resistance"] is None
    assert "at least 20" in found["segment_resistance_reason"]


# --- multiplication ---------------------------------------------------------------------------------------------------


def test_sums_are_those_of_the_cells_and_the_error_is_what_its_definition_says(home):
    run, found = measure("multiply_vectors", home, cells="0:3,0:3", vectors=40)
    arrays, table = {name: array.values for name, array in run.arrays().items()}, run.table()
    weights_s = table[table["Event"] == "read"]["Conductance (S)"].to_numpy().reshape(3, 3)
    assert arrays["weights"] == pytest.approx(weights_s)
    assert set(np.unique(arrays["vectors"])) == {0, 1}
    expected_a = 0.2 * arrays["vectors"] @ weights_s
    assert arrays["expected"] == pytest.approx(expected_a)
    full_scale_a = 3 * weights_s.max() * 0.2
    rms = np.sqrt(np.mean(((arrays["measured"] - expected_a) / full_scale_a) ** 2, axis=0))
    assert arrays["column_error"] == pytest.approx(rms)
    assert found["column_error_worst"] == pytest.approx(rms.max())
    assert found["worst_column"] == rms.argmax()
    assert found["column_error_worst_low"] < found["column_error_worst"] < found["column_error_worst_high"]
    # three cells on a line, each read alone before: wires of 2 ohm a segment and noise stay far below a percent
    assert found["column_error_worst"] < 5e-3
    zeros = table[table["Event"].isin(["zero", "zero_driven"])]
    assert len(zeros) == 6
    # the offset of the bit channel, less than 0.6 mV on its range, drives a current through the whole bit line
    raw = table[table["Event"] == "multiply"]["Current (A)"].to_numpy().reshape(40, 3)
    assert np.abs(raw - arrays["measured"]).max() < 0.6e-3 * 2 * weights_s.sum(axis=0).max() + 1e-7
    empty = arrays["vectors"].sum(axis=1) == 0
    assert np.abs(arrays["measured"][empty]).max(initial=0.0) < 1e-8


def test_too_few_vectors_and_unformed_cells_are_told(home):
    run, found = measure("multiply_vectors", home, cells="10:12,10:12", vectors=4)
    assert found["column_error_worst"] is None
    assert "30" in found["column_error_worst_reason"]
    assert found["unformed"] == 4
    assert any("form and program them" in message for message in run.events()["message"])


@pytest.mark.parametrize(
    ("name", "parameters", "told"),
    [
        ("half_select_disturb", {"scheme": "v3"}, "four pulsed outputs"),
        ("half_select_disturb", {"scheme": "grounded"}, "v2, v3, floating"),
        ("half_select_disturb", {"scheme": "floating", "width": "50 ns", "cells": "40,0"}, "40"),
        ("map_array", {"low_resistance_above": "0.5 uS"}, "must rise"),
        ("map_array", {"open_below": "2 uS"}, "must rise"),
        ("multiply_vectors", {"cells": "diagonal:4"}, "no block"),
        ("multiply_vectors", {"cells": "0:40,0:2"}, "40"),
    ],
)
def test_refusals_come_before_a_run_file_exists(home, name, parameters, told):
    before = set(home.glob("**/*.sqlite"))
    with pytest.raises(LabError, match=told):
        measure(name, home, **parameters)
    assert set(home.glob("**/*.sqlite")) == before
