"""Holds, pauses and long sleeps of a run. Authority: the contract of the engine; 20 ms is the issue's own figure."""

import threading
import time
from types import SimpleNamespace
from typing import ClassVar

import pytest
from pymeasure.experiment import Parameter

from labctl.clock import WallClock
from labctl.errors import Aborted, RunError
from labctl.roles import Identity
from labctl.run import LabProcedure, RunControl, execute_procedure, holds
from labctl.run.conditions import Limit
from labctl.station.defaults_table import StationDefaults


class Rack:
    """A station of nothing, on the wall clock."""

    name, file, simulated, in_process = "fake", "fake.toml", True, False
    bench_info: ClassVar = {"seed": 1}
    replay_of: ClassVar = None
    sample: ClassVar = {"rows": 1}
    wiring: ClassVar = {"matrix": "mat1"}
    content = SimpleNamespace(instruments={}, expired_calibration="warn", heartbeat_s=1.0, defaults=StationDefaults())

    def __init__(self):
        self.clock = WallClock()
        self.log = []
        self.drained = []

    def has_output_on(self):
        return True

    def identities(self):
        return {"smu1": Identity("Keithley", "2636B", "1", "1")}

    def settings(self):
        return {}

    def watched(self):
        return []

    def left_on(self):
        return []

    def drain(self):
        found, self.drained = self.drained, []
        return found

    def safe_off(self):
        self.log.append("off")


class Steps(LabProcedure):
    """Takes three rows; something happens after each."""

    note = Parameter("Note", default="")
    resumable: ClassVar[bool] = True
    DATA_COLUMNS: ClassVar[list[str]] = ["Number", "Current (A)", "Flags"]
    currents_a: ClassVar = [1e-9, 2e-9, 3e-9]

    def execute(self):
        for number, current_a in enumerate(self.currents_a):
            self.perform({"Number": number}, lambda current_a=current_a: self.measure(current_a), stimulates=False)

    def measure(self, current_a):
        self.station.log.append(f"measure {current_a:g}")
        return {"Current (A)": current_a}

    def stand_down(self):
        self.station.log.append("down")


class Watcher:
    def __init__(self, on_event):
        self.seen = []
        self.on_event = on_event

    def started(self, run_id, path):
        pass

    def progress(self, percent, wall_s, instrument_s):
        pass

    def event(self, kind, message):
        self.seen.append(kind if kind != "state" else message)
        self.on_event(kind, message)

    def finished(self, status):
        pass


def execute(tmp_path, procedure=Steps, rack=None, on_event=lambda kind, message: None, **settings):
    watcher = Watcher(on_event)
    run = execute_procedure(procedure, rack or Rack(), {}, out=tmp_path, observer=watcher, **settings)
    return run, watcher


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(holds, "_CHECK_PERIOD_S", 0.0)
    monkeypatch.setattr(holds, "_POLL_S", 0.001)


class Fussy:
    """A condition that is broken at the second look and for three looks."""

    def __init__(self):
        self.looks = 0

    def violation(self, values):
        self.looks += 1
        return "too warm" if 2 <= self.looks <= 4 else None


def test_run_stands_down_while_a_condition_is_broken_and_goes_on(tmp_path):
    rack = Rack()
    run, watcher = execute(tmp_path, rack=rack, conditions=[Fussy()])
    assert run.status == "finished"
    assert watcher.seen == ["hold", "paused", "release", "running"]
    assert rack.log[:3] == ["measure 1e-09", "down", "measure 2e-09"]
    assert run.events()["message"].tolist()[0] == "too warm"


def test_limit_on_a_row_holds_until_the_operator_goes_on(tmp_path):
    control, rack = RunControl(), Rack()

    def go_on(kind, message):
        if message == "paused":
            threading.Timer(0.05, control.resume).start()

    limit = Limit.parse("Current (A) <= 1.5 nA")
    run, watcher = execute(tmp_path, rack=rack, on_event=go_on, control=control, conditions=[limit])
    assert run.status == "finished"
    # the second and the third row break it; after the third there is nothing left to do
    assert watcher.seen == ["hold", "paused", "running", "hold"]
    assert "Current (A) is 2 nA" in run.events()["message"].iloc[0]
    assert rack.log == ["measure 1e-09", "measure 2e-09", "down", "measure 3e-09", "off"]


def test_limit_on_a_monitor_is_looked_at_again_and_again(tmp_path):
    class Warm(Steps):
        temperatures: ClassVar = [300.0, 300.0, 310.0, 309.0, 300.0]

        def monitors(self):
            return {"Temperature (K)": self.temperatures.pop(0) if len(self.temperatures) > 1 else 300.0}

    run, watcher = execute(tmp_path, Warm, conditions=[Limit.parse("Temperature (K) <= 305")])
    assert run.status == "finished"
    assert watcher.seen == ["hold", "paused", "release", "running"]


def test_limit_is_refused_before_a_run_when_nothing_has_its_name(tmp_path):
    with pytest.raises(RunError, match="no such column or monitor; it has: Number, Current"):
        execute(tmp_path, conditions=[Limit.parse("Voltage (V) <= 1")])
    assert not list(tmp_path.glob("*.sqlite"))


def test_held_run_is_aborted_when_it_is_asked_to(tmp_path):
    control = RunControl()

    class Broken:
        def violation(self, values):
            return "never good"

    def abort(kind, message):
        if message == "paused":
            threading.Timer(0.05, control.abort).start()

    rack = Rack()
    run, _ = execute(tmp_path, rack=rack, on_event=abort, control=control, conditions=[Broken()])
    assert run.status == "aborted"
    assert rack.log == ["down", "off"]


def test_abort_cuts_a_long_sleep_within_20_ms(tmp_path):
    control, asked, late_s = RunControl(), [], []

    class Sleeps(Steps):
        def execute(self):
            for _ in range(11):
                try:
                    threading.Timer(0.03, self.ask).start()
                    self.station.clock.sleep(120.0)
                except Aborted:
                    late_s.append(time.monotonic() - asked[-1])
                    control.abort_reason = None

        def ask(self):
            asked.append(time.monotonic())
            control.abort("enough")

    run, _ = execute(tmp_path, Sleeps, control=control)
    assert run.status == "finished"
    assert len(late_s) == 11
    # the median, because another process may hold this core for longer than that
    assert sorted(late_s)[5] <= 0.02


def test_short_sleep_is_whole_when_an_abort_was_asked_for(tmp_path):
    control, slept_s = RunControl(), []

    class Dwells(Steps):
        def execute(self):
            control.abort("enough")
            begin_s = time.monotonic()
            self.station.clock.sleep(0.01)
            slept_s.append(time.monotonic() - begin_s)

    execute(tmp_path, Dwells, control=control)
    assert slept_s[0] >= 0.01


def test_station_has_its_own_clock_back_after_the_run(tmp_path):
    rack = Rack()
    before = rack.clock
    execute(tmp_path, rack=rack)
    assert rack.clock is before


def test_what_instruments_complain_of_becomes_events(tmp_path):
    class Complains(Steps):
        def measure(self, current_a):
            self.station.drained.append(f"smu1: -222 at {current_a:g}")
            return super().measure(current_a)

    rack = Rack()
    rack.drained.append("smu1: mended a late answer")
    run, _ = execute(tmp_path, Complains, rack)
    events = run.events()
    # what waited in the queues is no fault of this run: it is noted before the first point
    assert events["points"].tolist()[0] == 0
    assert events[events["kind"] == "instrument"]["message"].tolist() == [
        "smu1: mended a late answer",
        "smu1: -222 at 1e-09",
        "smu1: -222 at 2e-09",
        "smu1: -222 at 3e-09",
    ]
