"""Each effect of the array, switched off on the bench, changes a run as physics says.

Authority: the reset-voltage-control and array-biasing facts that the project collected (half-select disturb per pulse
at V/2, SET disturbing more than RESET; series resistance of the lines; read noise of a few tenths of a percent),
and Ohm's law for the lines. The bench's own truth stands beside what the instruments say.
"""

import math

import numpy as np
import pytest

from labctl.script import open_run
from labctl_mock.bench.bench import Bench

pytestmark = pytest.mark.slow

STATION = "tiox-32x32"
SEGMENT_OHM = 2.0
# what else moves a cell or a reading, so that one effect stands alone
ALONE = ("relaxation", "cycle_spread", "device_spread", "stuck_cells", "read_noise")


@pytest.fixture
def program(labctl, homes):
    """Program some cells of a fresh or of the present die; give the run."""

    def call(cells, *options, without=None, level=None):
        if without is not None:
            switches = [word for name in without for word in ("--without", name)]
            assert labctl("bench", "reset", STATION, "--seed", "5", *switches).code == 0
        if level is not None:
            (homes / "flat.csv").write_text("\n".join([",".join([str(level)] * 32)] * 32), encoding="utf-8")
            options = (*options, "-p", f"target={homes / 'flat.csv'}")
        answer = labctl("run", "program_array", "-s", STATION, "-p", f"cells={cells}", "-q", *options)
        assert answer.code == 0, answer.err
        return open_run("latest")

    return call


@pytest.fixture
def truth(homes):
    """Read the conductances that no instrument sees, without relaxation and noise."""

    def look():
        with Bench.open(STATION) as bench:
            return np.asarray(bench.truth()["programmed_s"])

    return look


def test_neighbours_move_only_when_cells_are_half_selected(program, truth):
    moved = {}
    for without in (ALONE, (*ALONE, "half_select")):
        program("0:1,0:4", without=without, level=4)
        before = truth()
        program("0,0", level=0)
        program("0,0", level=6)
        moved[len(without)] = np.abs(truth()[0, 1:4] / before[0, 1:4] - 1.0)
    with_effect, without_effect = moved[len(ALONE)], moved[len(ALONE) + 1]
    assert np.all(with_effect > 1e-4)
    assert np.all(without_effect == 0.0)


def test_set_disturbs_more_than_reset_when_cells_are_half_selected(program, truth):
    program("0:1,0:4", without=ALONE, level=4)
    start = truth()[0, 1:4]
    program("0,0", level=0)
    after_reset = truth()[0, 1:4]
    program("0,0", level=7)
    after_set = truth()[0, 1:4]
    # half a RESET lowers, half a SET raises
    assert np.all(after_reset <= start)
    assert np.all(after_set > after_reset)
    assert np.mean(after_set - after_reset) > np.mean(start - after_reset)


def test_disturb_in_the_results_falls_to_nothing_without_half_select(program):
    # without wires, because readings also move when neighbours load the lines less
    base = (*ALONE, "wire_resistance")
    on = program("0:8,0:8", without=base)
    off = program("0:8,0:8", without=(*base, "half_select"))
    found = [np.asarray(run.arrays()["disturb_first_pass"]) for run in (on, off)]
    sizes = [float(np.nanmean(np.abs(values))) for values in found]
    assert sizes[1] < 2e-3
    assert sizes[0] > 2.0 * sizes[1]
    assert abs(off.summary()["results"]["half_select_disturb"]) < 2e-3


@pytest.mark.parametrize("wires", [True, False])
def test_far_cells_differ_only_when_lines_have_resistance(program, truth, homes, wires):
    # cells of the diagonal share no line, so that none loads the line of another
    near, far = [(k, k) for k in range(4)], [(k, k) for k in range(28, 32)]
    mask = [["1" if (row, column) in near + far else "0" for column in range(32)] for row in range(32)]
    (homes / "corners.csv").write_text("\n".join(map(",".join, mask)), encoding="utf-8")
    run = program(homes / "corners.csv", without=ALONE if wires else (*ALONE, "wire_resistance"), level=7)
    achieved_s, true_s = np.asarray(run.arrays()["achieved"]), truth()
    near_ratio, far_ratio = (np.mean([achieved_s[cell] / true_s[cell] for cell in cells]) for cells in (near, far))
    lowered = program(homes / "corners.csv", level=0)
    near_v, far_v = (np.mean([strongest_reset_v(lowered, cell) for cell in cells]) for cells in (near, far))
    if wires:
        # the two lines in series with the cell take this part of the current of a reading; a cell whose current has
        # a cubic part loses a little more
        linear = 2.0 * (29.5 - 1.5) * SEGMENT_OHM * 200e-6
        assert linear < 1.0 - far_ratio / near_ratio < 1.3 * linear
        # a RESET draws at least the linear current
        assert far_v - near_v > linear * near_v
    else:
        assert near_ratio == pytest.approx(far_ratio, abs=1e-3)
        assert far_v == pytest.approx(near_v, abs=5e-3)


def strongest_reset_v(run, cell):
    """The voltage up to which the first pass had to go to lower a cell."""
    table = run.table()
    chosen = table[(table["Row"] == cell[0]) & (table["Column"] == cell[1]) & (table["Event"] == "reset")]
    return -chosen[chosen["Pass"] == 1]["Voltage (V)"].min()


@pytest.mark.parametrize("cells", ["0:4,0:32", "28:32,0:32"])
def test_wire_drop_in_the_results_falls_to_nothing_without_wires(program, cells):
    drops_v = [
        program(cells, without=without, level=4).summary()["results"]["wire_drop_per_segment"]
        for without in (ALONE, (*ALONE, "wire_resistance"))
    ]
    assert drops_v[0] > 5e-4
    assert abs(drops_v[1]) < drops_v[0] / 5.0


def test_read_noise_falls_to_that_of_the_meter(program):
    others = tuple(name for name in ALONE if name != "read_noise")
    on = program("0:4,0:4", without=others).summary()["results"]["read_noise"]
    off = program("0:4,0:4", without=ALONE).summary()["results"]["read_noise"]
    assert 5e-4 < on < 6e-3
    assert off < 2e-4
    assert off < on / 5.0


def test_pulses_act_alike_only_without_cycle_spread(program):
    """The scatter of ln G changes of pulses at one voltage on like cells is that of the cycles."""
    scatter = {}
    for without in (ALONE, tuple(name for name in ALONE if name != "cycle_spread")):
        table = program("0:4,0:4", "-p", "adaptive=false", "-p", "passes=1", without=without, level=3).table()
        pulsed = table[table["Event"] == "reset"]
        changes = {}
        for index in pulsed.index:
            if index - 1 in table.index and index + 1 in table.index:
                before, after = table.loc[index - 1], table.loc[index + 1]
                same = (before["Row"], before["Column"]) == (after["Row"], after["Column"])
                if same and before["Event"] == after["Event"] == "verify":
                    step = math.log(after["Conductance (S)"] / before["Conductance (S)"])
                    changes.setdefault(round(pulsed.loc[index, "Voltage (V)"], 3), []).append(step)
        largest = max(changes.values(), key=len)
        assert len(largest) >= 8
        scatter["cycle_spread" in without] = float(np.std(largest) / abs(np.mean(largest)))
    assert scatter[True] < scatter[False]
