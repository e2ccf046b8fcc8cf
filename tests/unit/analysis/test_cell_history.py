"""The history of a cell. Authority: the tables of real small runs on a simulated device, filtered by pandas."""

import numpy as np
import pandas as pd
import pytest

from labctl import script
from labctl.analysis.cell_history import HISTORY_COLUMNS, cell_history
from labctl.errors import StationError, StoreError

STATION = "tiox-32x32"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def runs(root, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(tmp_path_factory.mktemp("home")))
        yield [
            script.run("form_array", STATION, out=root, cells="0:2,0:2"),
            script.run("sweep_iv", STATION, out=root, cells="0,1", cycles=1),
            script.run("multiply_vectors", STATION, out=root, cells="0:2,0:2", vectors=1),
            script.run("read_array", STATION, out=root, cells="0,0"),
        ]


@pytest.mark.parametrize("cell", [(0, 0), (0, 1), (1, 1)])
def test_history_holds_every_row_of_the_cell_in_order(runs, cell):
    found = cell_history(reversed(runs), cell)
    tables = [run.table().assign(run_id=run.run_id) for run in runs]
    wanted = pd.concat([table[(table["Row"] == cell[0]) & (table["Column"] == cell[1])] for table in tables])
    assert list(found.seqs) == list(wanted.index)
    assert list(found.run_ids) == list(wanted["run_id"])
    for label in HISTORY_COLUMNS:
        if label.endswith(")"):
            np.testing.assert_array_equal(found.columns[label], wanted[label].to_numpy(float), err_msg=label)
    assert list(found.columns["Event"]) == list(wanted["Event"])
    assert found.is_pulse.sum() == wanted["Width (s)"].notna().sum() > 0
    assert (np.diff(found.utc_s) >= 0.0).all()


def test_history_of_an_untouched_cell_is_empty(runs):
    assert len(cell_history(runs, (5, 5))) == 0


def test_script_returns_the_history_as_a_table(runs, root):
    table = script.cell_history(STATION, "0,0", out=root)
    assert list(table["run_id"].unique()) == [run.run_id for run in runs if run is not runs[1]]
    assert table["utc"].is_monotonic_increasing
    assert table["Conductance (S)"].iloc[-1] == runs[3].table()["Conductance (S)"].iloc[-1]
    pd.testing.assert_frame_equal(table, script.cell_history(STATION, (0, 0), out=root))


@pytest.mark.parametrize("text", ["0:2,0", "99,0", "diagonal"])
def test_history_of_no_single_cell_is_refused(runs, root, text):
    with pytest.raises(StationError):
        script.cell_history(STATION, text, out=root)


def test_damaged_file_is_named(runs, tmp_path):
    run = type(runs[3])(runs[3].path)
    run.path = tmp_path / "gone.run.sqlite"
    run.path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError, match=r"gone\.run\.sqlite"):
        cell_history([run], (0, 0))
