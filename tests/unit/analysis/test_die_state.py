"""Maps of a die from its runs. Authority: the tables of small runs on the simulated crossbar, grouped by pandas."""

import json

import numpy as np
import pandas as pd
import pytest

from labctl import script
from labctl.analysis.die_index import DieIndex
from labctl.analysis.die_maps import CellClass, DieMaps, RunRule
from labctl.analysis.die_pack import has_cell, pack_maps, unpack_maps
from labctl.analysis.die_state import Die, die_of, die_state
from labctl.analysis.run_rows import RunClock
from labctl.errors import RunError
from labctl.store import Run
from labctl.store.seal import ENDED

STATION = "tiox-32x32"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def runs(root, tmp_path_factory):
    """Virgin, formed, programmed, one cell pulsed again, one read again: of rows 0 to 2, columns 0 to 3."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(tmp_path_factory.mktemp("home")))
        made = [
            script.run("read_array", STATION, out=root, cells="0:3,0:3", averages=2),
            script.run("form_array", STATION, out=root, cells="0:2,0:3"),
            script.run("program_array", STATION, out=root, cells="0:2,0:2"),
            script.run("write_verify", STATION, out=root, cells="1,2", rounds=1, targets="40 uS, 60 uS"),
            script.run("sweep_iv", STATION, out=root, cells="0,2", cycles=1),
            script.run("read_array", STATION, out=root, cells="0,0"),
        ]
        yield made


@pytest.fixture
def maps(runs):
    return die_state(runs)


@pytest.fixture(scope="module")
def rows(runs):
    return pd.concat([run.table().assign(run=number) for number, run in enumerate(runs)], ignore_index=True)


def readings_of(rows, cell):
    """What a person would pick: readings at the read voltage with a number, without surveys over range."""
    mine = rows[(rows["Row"] == cell[0]) & (rows["Column"] == cell[1])]
    return mine[mine["Width (s)"].isna() & (mine["Voltage (V)"] == 0.2) & mine["Conductance (S)"].notna()]


def test_last_and_previous_reading_are_those_of_the_tables(maps, rows):
    for cell in np.ndindex(3, 3):
        found = readings_of(rows, cell)["Conductance (S)"].to_numpy()
        assert maps.conductance_s[cell] == found[-1]
        assert maps.previous_s[cell] == found[-2]
        assert maps.change[cell] == pytest.approx(found[-1] / found[-2] - 1.0)
        assert maps.current_a[cell] == readings_of(rows, cell)["Current (A)"].to_numpy()[-1]
        assert maps.resistance_ohm[cell] == pytest.approx(1.0 / found[-1]) or found[-1] <= 0.0


def test_pulses_are_rows_with_a_width(maps, rows):
    counted = rows[rows["Width (s)"].notna()].groupby(["Row", "Column"]).size()
    assert {cell: int(maps.pulses[cell]) for cell in counted.index} == counted.to_dict()
    assert maps.pulses.sum() == counted.sum() > 0


def test_cells_that_no_run_touched_have_nothing(maps):
    assert np.isnan(maps.conductance_s[3:]).all()
    assert (maps.classes()[3:] == CellClass.NEVER_MEASURED).all()
    assert np.isnan(maps.touched_utc_s[:, 3:]).all()


def test_targets_are_those_of_the_last_run_that_had_one(maps, runs):
    programmed = runs[2].arrays()["target"].to_numpy()[:2, :2]
    np.testing.assert_array_equal(maps.target_s[:2, :2], programmed)
    assert maps.target_s[1, 2] == pytest.approx(60e-6)
    assert maps.tolerance[0, 0] == pytest.approx(0.015)
    assert maps.tolerance[1, 2] == pytest.approx(0.05)
    np.testing.assert_allclose(maps.error[0, 1], maps.conductance_s[0, 1] / programmed[0, 1] - 1.0)


def test_classes_follow_their_rules(maps):
    classes = maps.classes()
    assert (classes[2, :3] == CellClass.NOT_FORMED).all()
    assert classes[0, 2] == CellClass.FORMED
    for cell in ((0, 0), (0, 1), (1, 0), (1, 1)):
        is_good = abs(maps.conductance_s[cell] / maps.target_s[cell] - 1.0) <= 0.015
        assert classes[cell] == (CellClass.IN_TOLERANCE if is_good else CellClass.OUT_OF_TOLERANCE)


def test_times_lie_within_their_run_on_the_wall_though_the_rack_is_faster(runs):
    for run in runs:
        times_s = RunClock(run).times_s(run.table()["Time (s)"])
        start_s = pd.Timestamp(run.header["started_utc"]).timestamp()
        assert (np.diff(times_s) >= 0.0).all()
        assert start_s <= times_s[0]
        # the marks of the clocks are a second apart at most
        assert times_s[-1] <= start_s + run.summary()["wall_time_s"] + 1.0


def test_runs_of_two_dies_are_refused(runs, monkeypatch):
    other = Run(runs[0].path)
    monkeypatch.setitem(other.header, "seed", 2)
    with pytest.raises(RunError, match="one die"):
        die_state([runs[0], other])
    with pytest.raises(RunError, match="no run"):
        die_state([])


def rows_of(**columns):
    count = len(columns["Row"])
    table = {"Event": ["read"] * count, "Voltage (V)": [0.2] * count, "Width (s)": [None] * count} | columns
    kinds = {"Event": object, "Flags": object}
    return {name: np.array(values, dtype=kinds.get(name, float)) for name, values in table.items()}


def test_over_range_is_never_a_number():
    maps = DieMaps(2, 2)
    columns = {"Row": [0, 0], "Column": [0, 0], "Conductance (S)": [1e-4, None], "Flags": [None, "overrange"]}
    maps.take(rows_of(**columns), 5.0, RunRule())
    assert np.isnan(maps.conductance_s[0, 0])
    assert maps.previous_s[0, 0] == 1e-4
    assert maps.classes()[0, 0] == CellClass.OVER_RANGE
    maps.take(rows_of(**{"Row": [0], "Column": [0], "Conductance (S)": [2e-4]}), 6.0, RunRule())
    assert maps.classes()[0, 0] == CellClass.FORMED


def test_survey_over_range_says_formed_and_keeps_the_number():
    maps = DieMaps(1, 2)
    survey = {"Event": ["survey"] * 2, "Row": [0, 0], "Column": [0, 1], "Conductance (S)": [None, None]}
    maps.take(rows_of(**{"Row": [0], "Column": [0], "Conductance (S)": [1e-4]}), 1.0, RunRule())
    maps.take(rows_of(**survey, Flags=["overrange"] * 2), 2.0, RunRule())
    assert maps.conductance_s[0, 0] == 1e-4
    assert list(maps.classes()[0]) == [CellClass.FORMED, CellClass.FORMED]
    assert not maps.over_range.any()


def test_reading_at_a_voltage_that_switches_is_no_reading():
    maps = DieMaps(1, 1)
    maps.take(rows_of(**{"Row": [0], "Column": [0], "Voltage (V)": [0.5], "Conductance (S)": [1e-3]}), 1.0, RunRule())
    assert maps.readings[0, 0] == 0
    assert maps.touched_utc_s[0, 0] == 1.0


def test_failures_last_until_a_run_pulses_the_cell_and_does_not_list_it():
    first, reads, again = DieMaps(1, 3), DieMaps(1, 3), DieMaps(1, 3)
    pulse = {"Row": [0, 0, 0], "Column": [0, 1, 2], "Width (s)": [1e-4] * 3, "Voltage (V)": [2.0] * 3}
    read = {"Row": [0, 0, 0], "Column": [0, 1, 2], "Conductance (S)": [1e-4] * 3}
    for maps in (first, again):
        maps.take(rows_of(**pulse), 1.0, RunRule())
    for maps in (first, reads, again):
        maps.take(rows_of(**read), 2.0, RunRule())
    first.judge({(0, 0): "does not RESET at the stop voltage; reads 9 % above", (0, 1): "too many pulses"})
    reads.judge({(0, 2): "not formed: form it with form_array"})
    first.merge(reads)
    assert list(first.classes()[0]) == [CellClass.STUCK, CellClass.FAILED, CellClass.FORMED]
    again.judge({(0, 1): "too many pulses"})
    first.merge(again)
    assert list(first.classes()[0]) == [CellClass.FORMED, CellClass.FAILED, CellClass.FORMED]


def test_rows_in_pieces_give_the_same_maps_as_rows_at_once(runs):
    die = die_of(runs[2])
    table = runs[2].table()
    columns = {name: table[name].to_numpy() for name in table.columns}
    whole, pieces = DieMaps(die.rows, die.columns), DieMaps(die.rows, die.columns)
    merged = DieMaps(die.rows, die.columns)
    whole.take(columns, 1.0, RunRule())
    for start in range(0, len(table), 7):
        part = {name: values[start : start + 7] for name, values in columns.items()}
        pieces.take(part, 1.0, RunRule())
        one = DieMaps(die.rows, die.columns)
        one.take(part, 1.0, RunRule())
        merged.merge(one)
    for name, values in whole.arrays().items():
        np.testing.assert_array_equal(pieces.arrays()[name], values, err_msg=name)
        np.testing.assert_array_equal(merged.arrays()[name], values, err_msg=name)


def test_packed_maps_come_back_through_json(maps):
    maps.reasons[1, 1] = "does not SET at the stop voltage"
    packed = json.loads(json.dumps(pack_maps(maps)))
    back = unpack_maps(packed)
    for name, values in maps.arrays().items():
        np.testing.assert_array_equal(back.arrays()[name], values, err_msg=name)
    assert back.reasons == maps.reasons
    assert back.formed_above_s == maps.formed_above_s
    assert has_cell(packed, (2, 2))
    assert not has_cell(packed, (3, 3))


def test_index_gives_the_same_state_and_reads_a_file_once(runs, maps, tmp_path, monkeypatch):
    # a folder that no index has seen yet
    for run in runs:
        (tmp_path / run.path.name).write_bytes(run.path.read_bytes())
    with DieIndex(tmp_path) as index:
        assert index.refresh(within_s=0.0) == len(runs) - 1
        assert index.refresh() == 0
        die = index.find_die(STATION, "TiOx/Al2O3 crossbar", (32, 32))
        assert die == die_of(runs[0])
        found = DieMaps(32, 32)
        for one in index.runs(die):
            found.merge(one.maps())
    for name, values in maps.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], values, err_msg=name)
    monkeypatch.setattr(DieIndex, "_read", lambda *_: pytest.fail("read a file again that has not changed"))
    with DieIndex(tmp_path) as index:
        assert index.refresh() == 0
        assert index.find_die(STATION, "another sample", (32, 32)) is None
        assert index.find_die(STATION, "TiOx/Al2O3 crossbar", (8, 8)) is None
        # the same rack with real instruments, a station of the same bench, one of another bench
        about = "TiOx/Al2O3 crossbar", (32, 32)
        assert index.find_die(STATION, *about, bench="") is None
        assert index.find_die("mine", *about, bench=die.bench) == die
        assert index.find_die("mine", *about, bench="another bench") is None


def test_index_forgets_runs_that_are_gone_and_survives_a_broken_cache(runs, root, tmp_path):
    copied = tmp_path / runs[0].path.name
    copied.write_bytes(runs[0].path.read_bytes())
    (tmp_path / "foreign.run.sqlite").write_bytes(b"no run file")
    with DieIndex(tmp_path) as index:
        assert index.refresh() == 0
        assert [one.run_id for one in index.runs(die_of(runs[0]))] == [runs[0].run_id]
        file = index._file
        copied.unlink()
        index.refresh()
        assert index.runs(die_of(runs[0])) == []
    file.write_bytes(b"rubbish" * 1000)
    with DieIndex(tmp_path) as index:
        assert index.refresh() == 0


@pytest.mark.parametrize(
    ("ages_s", "statuses", "left"),
    [
        ([0.0, 10.0, 20.0], ["finished"] * 3, 3),
        ([0.0, 10.0, 0.0], ["finished"] * 3, 1),
        ([0.0, 0.0, 10.0], ["finished"] * 3, 2),
        # the die of a run that was killed was not saved: the next begins as old
        ([10.0, 10.0, 20.0], ["interrupted", "finished", "finished"], 3),
    ],
)
def test_a_fresh_die_of_the_same_seed_begins_anew(runs, tmp_path, monkeypatch, ages_s, statuses, left):
    made = {}
    for number, (age_s, status) in enumerate(zip(ages_s, statuses, strict=True)):
        path = tmp_path / f"{number}.run.sqlite"
        path.write_bytes(runs[0].path.read_bytes())
        started = {"started_utc": f"2026-01-0{number + 1}T00:00:00+00:00"}
        bench = {"bench": runs[0].header["bench"] | {"die_age_s": age_s}}
        made[path.name] = (runs[0].header | bench | started, status in ENDED)
    real = Run.__init__

    def opened(self, path):
        real(self, path)
        self.header, self._is_sealed = made[path.name]

    monkeypatch.setattr(Run, "__init__", opened)
    monkeypatch.setattr(Run, "seal", property(lambda self: {"results": {}} if self._is_sealed else None))
    with DieIndex(tmp_path) as index:
        index.refresh()
        assert len(index.runs(die_of(Run(tmp_path / "0.run.sqlite")))) == left


def test_script_returns_maps_with_units(runs, root, maps):
    state = script.die_state(STATION, out=root)
    np.testing.assert_array_equal(state["conductance"].to_numpy(), maps.conductance_s)
    assert state["resistance"].attrs["units"] == "ohm"
    assert state.attrs["runs"] == len(runs)
    assert state.attrs["simulated"] is True


def test_script_says_what_to_do_where_there_is_no_run(tmp_path):
    with pytest.raises(RunError, match="labctl run read_array"):
        script.die_state("single-device", out=tmp_path)


def test_real_die_is_told_from_a_simulated_one(runs, monkeypatch):
    run = Run(runs[0].path)
    monkeypatch.setitem(run.header, "simulated", False)
    monkeypatch.setitem(run.header, "bench", None)
    monkeypatch.setitem(run.header, "seed", None)
    assert die_of(run) == Die("TiOx/Al2O3 crossbar", 32, 32)
    assert not die_of(run).simulated
    assert die_of(runs[0]).simulated
