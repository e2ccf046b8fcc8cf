"""The main job on fresh dies of several seeds. Authority: 1.79 % RMSE, S. Kim et al., Nanotechnology 32 (2021) 295201.

The definition of RMSE in that paper is not known to us; ours is relative to the target of each cell, over all cells
whose last verify was in its band. Cells that are stuck or do not form are listed by the run, not hidden.
"""

import numpy as np
import pytest

from labctl.analysis.programming import relative_rmse
from labctl.script import run
from labctl_mock.bench.bench import Bench

STATION = BENCH = "tiox-32x32"


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(1, marks=pytest.mark.slow),
        pytest.param(2, marks=pytest.mark.long),
        pytest.param(3, marks=pytest.mark.long),
    ],
)
def test_fresh_die_is_programmed_and_an_independent_read_confirms_it(homes, seed):
    Bench.reset(BENCH, seed=seed, effects={})
    programmed = run("program_array", station=STATION)
    results = programmed.summary()["results"]
    assert results["cells"] == 1024
    assert results["yield"] >= 0.99
    assert results["rmse_relative"] <= 0.0179
    assert len(results["failed_cells"]) == round(1024 * (1.0 - results["yield"]))
    maps = programmed.arrays()
    done = np.asarray(maps["status"]) == 1
    read_s = np.asarray(run("read_array", station=STATION).arrays()["conductance"])
    assert relative_rmse(read_s[done], np.asarray(maps["target"])[done]) <= 0.0179
    # the bench knows the truth: what stuck or never formed is among the failed
    with Bench.open(BENCH) as bench:
        truth = bench.truth()
        assert not bench.log.counts
    assert not done[~np.asarray(truth["formed"], dtype=bool)].any()
