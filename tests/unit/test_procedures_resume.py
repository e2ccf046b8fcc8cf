"""The array procedures paused, aborted and resumed on the simulated rack; kills are in tests/faults.

Authority: what ``ArrayProcedure`` promises; the bench's oracle, which looks at terminals and contacts.
"""

import threading

import numpy as np
import pytest

from labctl.run import RunControl, execute_procedure, resume_run
from labctl.station import Station
from labctl_procedures import find_procedure

STATION = "tiox-32x32"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    return tmp_path / "runs"


class Meddler:
    """Does something after so much progress."""

    def __init__(self, percent, act, on_event=lambda kind, message: None):
        self.percent, self.act, self.event = percent, act, on_event

    def started(self, run_id, path):
        pass

    def progress(self, percent, wall_s, instrument_s):
        if percent >= self.percent:
            self.percent = 200.0
            self.act()

    def finished(self, status):
        pass


@pytest.mark.parametrize(
    ("name", "parameters", "percent"),
    [
        ("read_array", {"cells": "0:3,0:3"}, 60.0),
        ("form_array", {"cells": "0:2,0:2"}, 50.0),
        ("program_array", {"cells": "0:2,0:2", "tolerance": "5 %"}, 40.0),
    ],
)
def test_aborted_run_goes_on_where_it_was_and_notes_the_drift(home, name, parameters, percent):
    procedure, control = find_procedure(name), RunControl()
    aborted = execute_procedure(
        procedure, STATION, parameters, out=home, observer=Meddler(percent, control.abort), control=control
    )
    assert aborted.status == "aborted"
    points = len(aborted.rows())
    done = resume_run(aborted, procedure)
    assert done.status == "finished", done.summary()["error"]
    assert done.rows()[:points] == aborted.rows()[:points]
    assert len(done.rows()) > points
    assert (np.diff(done.table()["Time (s)"]) >= 0.0).all()
    assert done.table()["Flags"].isna().all()
    events = done.events()
    drift = events[events["kind"] == "drift"]
    assert 1 <= len(drift) <= 4
    # nothing happened to the cells meanwhile but a second of relaxation and read noise
    last = done.table().iloc[:points]
    cells = list(zip(last["Row"], last["Column"], strict=True))[::-1]
    assert f"cell {cells[0]}:" in drift["message"].iloc[0]
    assert set(procedure.DATA_COLUMNS) == set(done.table().columns)


def test_outputs_are_off_and_relays_open_while_a_run_is_paused(home):
    control, seen = RunControl(), []
    with Station.open(STATION) as station:
        oracle = station._rack.manager.visalib._bench.oracle

        def look(when):
            is_on = any(output["on"] for output in oracle.outputs().values())
            seen.append((when, is_on, len(oracle.closed_relays())))

        def on_event(kind, message):
            if message == "paused":
                look("paused")
                threading.Timer(0.05, control.resume).start()

        def act():
            look("before")
            control.pause()

        run = execute_procedure(
            find_procedure("read_array"),
            station,
            {"cells": "0:2,0:3"},
            out=home,
            observer=Meddler(40.0, act, on_event),
            control=control,
        )
    assert run.status == "finished"
    assert len(run.rows()) == 6
    assert seen[0][1] is True
    assert seen[0][2] > 0
    assert seen[1] == ("paused", False, 0)
    assert run.table()["Conductance (S)"].notna().all()


def test_raw_text_stands_beside_a_flagged_reading_and_nowhere_else(home):
    formed = execute_procedure(find_procedure("form_array"), STATION, {"cells": "0,0"}, out=home)
    assert formed.status == "finished"
    # a formed cell conducts more than 100 nA at 0.2 V
    run = execute_procedure(find_procedure("read_array"), STATION, {"cells": "0,0:2", "read_range": "100 nA"}, out=home)
    flagged, good = (row for _, row in run.table().iterrows())
    assert "overrange" in flagged["Flags"]
    assert np.isnan(flagged["Conductance (S)"])
    assert "9.91" in flagged["Raw"]
    assert (good["Flags"], good["Raw"]) == (None, None)
