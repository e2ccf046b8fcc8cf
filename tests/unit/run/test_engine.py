"""Authority: the contract of the engine: one end for every run, outputs off before the seal, a status that is true."""

import signal
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from pymeasure.experiment import IntegerParameter

from labctl.clock import VirtualClock
from labctl.errors import Aborted, IllegalTransitionError, NotVerifiedOffError, RunError, StationError, StoreError
from labctl.roles import Identity
from labctl.run import LabProcedure, QuantityParameter, RunControl, RunState, execute_procedure
from labctl.run.states import StateMachine
from labctl.station.defaults_table import StationDefaults
from labctl.store import list_runs


@dataclass
class FakeStation:
    """A station of the contract, without instruments; it logs what is done to it."""

    name: str = "fake"
    file: str = "fake.toml"
    simulated: bool = True
    bench_info: dict = field(default_factory=lambda: {"seed": 5})
    replay_of: None = None
    sample: dict = field(default_factory=lambda: {"rows": 2})
    wiring: dict = field(default_factory=lambda: {"matrix": "mat1"})
    content: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(instruments={}, expired_calibration="warn", defaults=StationDefaults())
    )
    in_process: bool = True
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(100.0))
    log: list = field(default_factory=list)
    off_error: BaseException | None = None

    def identities(self):
        return {"smu1": Identity("Keithley", "2636B", "4400001", "1.0")}

    def settings(self):
        return {"smu1": {"nplc": 1.0}}

    def left_on(self):
        return []

    def drain(self):
        return []

    def inject_faults(self, spec):
        self.log.append(f"faults {spec}")

    def safe_off(self):
        self.log.append("off")
        if self.off_error is not None:
            error, self.off_error = self.off_error, None
            raise error

    def close(self):
        self.log.append("close")


class Watcher:
    def __init__(self):
        self.seen = []

    def started(self, run_id, path):
        self.seen.append(("started", run_id, path.exists()))

    def progress(self, percent, wall_s, instrument_s):
        self.seen.append(("progress", percent, instrument_s))

    def event(self, kind, message):
        self.seen.append(("event", kind, message))

    def finished(self, status):
        self.seen.append(("finished", status))


class Count(LabProcedure):
    points = IntegerParameter("Points", default=3, minimum=0, maximum=1000)
    step_s = QuantityParameter("Step", units="s", minimum=0.0, maximum=10.0, default="1 s")
    DATA_COLUMNS: ClassVar[list[str]] = ["Number", "Time (s)"]

    def check(self):
        if self.points == 13:
            raise StationError("count: 13 points are unlucky; take 12")

    def startup(self):
        self.station.log.append("startup")

    def execute(self):
        for number in range(self.points):
            self.station.clock.sleep(self.step_s)
            self.emit("results", {"Number": number, "Time (s)": self.station.clock.now_s()})
            self.emit("progress", 100.0 * (number + 1) / self.points)
            self.meddle(number)
            if self.should_stop():
                break
        self.emit("array", {"name": "map", "data": np.eye(2), "dims": ("row", "column"), "unit": "S"})
        self.emit("summary", {"last": np.float64(self.points)})

    def meddle(self, number):
        """Something happens after a point."""

    def shutdown(self):
        self.station.log.append("shutdown")


def execute(tmp_path, procedure_class=Count, station=None, **settings):
    parameters = settings.pop("parameters", {})
    return execute_procedure(procedure_class, station or FakeStation(), parameters, out=tmp_path, **settings)


def test_run_holds_everything_when_procedure_finishes(tmp_path):
    station, watcher = FakeStation(), Watcher()
    run = execute(tmp_path, station=station, observer=watcher, parameters={"step_s": "500 ms", "points": "4"})
    summary = run.summary()
    assert (summary["status"], summary["error"], summary["procedure"]) == ("finished", None, "count")
    assert summary["instrument_time_s"] == pytest.approx(2.0)
    assert 0 < summary["wall_time_s"] < 60
    assert summary["parameters"] == {"faults": "", "points": 4, "step_s": 0.5}
    assert summary["results"] == {"last": 4.0}
    assert run.rows() == [(0, 100.5), (1, 101.0), (2, 101.5), (3, 102.0)]
    assert run.arrays()["map"].shape == (2, 2)
    assert run.instruments["smu1"]["model"] == "2636B"
    assert set(run.instruments["smu1"]["settings"]) == {"start", "end"}
    assert run.header["seed"] == 5
    assert run.header["versions"]["pymeasure"] == "0.16.0"
    assert station.log == ["startup", "shutdown", "off"]
    assert watcher.seen[0] == ("started", run.run_id, True)
    assert watcher.seen[1] == ("progress", 25.0, 0.5)
    assert watcher.seen[-1] == ("finished", "finished")


@pytest.mark.parametrize(
    ("parameters", "error", "rule"),
    [
        ({"pionts": 3}, RunError, "it has: faults, points, step_s"),
        ({"step_s": "20 s"}, RunError, "must be 0 s to 10 s, got 20 s"),
        ({"points": 13}, StationError, "unlucky"),
    ],
)
def test_no_run_file_is_made_when_configuration_is_refused(tmp_path, parameters, error, rule):
    station = FakeStation()
    with pytest.raises(error, match=rule):
        execute(tmp_path, station=station, parameters=parameters)
    assert list(tmp_path.iterdir()) == []
    assert station.log == []


class Failing(Count):
    def meddle(self, number):
        if number == 1:
            raise ZeroDivisionError("by intent")


def test_run_is_failed_with_traceback_when_execute_raises(tmp_path):
    station = FakeStation()
    run = execute(tmp_path, Failing, station)
    assert run.status == "failed"
    assert run.summary()["error"] == "ZeroDivisionError: by intent"
    assert len(run.rows()) == 2
    events = run.events().set_index("kind")["message"]
    assert "in meddle" in events["traceback"]
    assert station.log == ["startup", "shutdown", "off"]


class FailingStartup(Count):
    def startup(self):
        raise SystemExit(3)


class FailingShutdown(Count):
    def shutdown(self):
        raise OSError("link is dead")


@pytest.mark.parametrize(
    ("procedure", "error"), [(FailingStartup, "SystemExit: 3"), (FailingShutdown, "OSError: link is dead")]
)
def test_outputs_go_off_and_run_is_sealed_when_startup_or_shutdown_raises(tmp_path, procedure, error):
    station = FakeStation()
    run = execute(tmp_path, procedure, station)
    assert (run.status, run.summary()["error"]) == ("failed", error)
    assert station.log[-1] == "off"


@pytest.mark.parametrize("error", [NotVerifiedOffError("smu1: NOT VERIFIED OFF"), KeyboardInterrupt()])
def test_run_is_not_finished_when_outputs_cannot_be_switched_off(tmp_path, error):
    run = execute(tmp_path, station=FakeStation(off_error=error))
    assert run.status in {"failed", "aborted"}
    assert run.seal is not None


class Interrupted(Count):
    def meddle(self, number):
        if number == 1:
            raise KeyboardInterrupt


def test_run_is_aborted_when_keyboard_interrupts(tmp_path):
    station = FakeStation()
    run = execute(tmp_path, Interrupted, station)
    assert (run.status, len(run.rows())) == ("aborted", 2)
    assert station.log == ["startup", "shutdown", "off"]


def test_procedure_tidies_up_when_abort_is_asked_for(tmp_path):
    control, station = RunControl(), FakeStation()

    class Asked(Count):
        def meddle(self, number):
            if number == 1:
                control.abort("enough")

    run = execute(tmp_path, Asked, station, control=control)
    assert (run.status, run.summary()["error"], len(run.rows())) == ("aborted", "aborted: enough", 2)
    # it saw should_stop() and could still hand in what it had
    assert run.summary()["results"] == {"last": 3.0}
    assert station.log == ["startup", "shutdown", "off"]


def test_deaf_procedure_is_stopped_at_its_next_point_when_abort_is_asked_for(tmp_path):
    control = RunControl()
    timer = threading.Timer(0.05, control.abort)

    class Deaf(Count):
        def execute(self):
            timer.start()
            while True:
                self.emit("results", {"Number": 1})

    run = execute(tmp_path, Deaf, control=control)
    timer.join()
    assert run.status == "aborted"
    assert run.summary()["points"] == len(run.rows()) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_aborts_and_handlers_come_back_when_installed(tmp_path, number):
    station, before = FakeStation(), signal.getsignal(number)

    class Signalled(Count):
        def meddle(self, point):
            signal.raise_signal(number)

        def shutdown(self):
            super().shutdown()
            assert signal.getsignal(number) is not before

    run = execute(tmp_path, Signalled, station, install_signal_handler=True)
    assert (run.status, len(run.rows())) == ("aborted", 1)
    assert signal.Signals(number).name in run.summary()["error"]
    assert station.log[-1] == "off"
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_stops_at_once_when_procedure_does_not_listen(tmp_path, number):
    class Stubborn(Count):
        def execute(self):
            signal.raise_signal(number)
            signal.raise_signal(number)
            raise AssertionError("not reached")

    station = FakeStation()
    run = execute(tmp_path, Stubborn, station, install_signal_handler=True)
    assert (run.status, run.summary()["error"]) == ("aborted", f"aborted: signal {signal.Signals(number).name}, twice")
    assert station.log[-1] == "off"


def test_signal_does_not_cut_switching_off_when_it_comes_then(tmp_path):
    class Slow(FakeStation):
        def safe_off(self):
            signal.raise_signal(signal.SIGINT)
            super().safe_off()

    station = Slow()
    assert execute(tmp_path, station=station).status == "finished"
    assert station.log[-1] == "off"


def test_signals_are_refused_when_not_in_the_main_thread(tmp_path):
    caught = []

    def work():
        try:
            execute(tmp_path, install_signal_handler=True)
        except RunError as error:
            caught.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "main thread" in caught[0]


def test_run_waits_and_goes_on_when_paused(tmp_path):
    control = RunControl()
    seen = []

    class Paused(Count):
        def meddle(self, number):
            if number == 1:
                control.pause()

    class Resumer(Watcher):
        def event(self, kind, message):
            seen.append((kind, message))
            if message == "paused":
                threading.Timer(0.05, control.resume).start()

    run = execute(tmp_path, Paused, control=control, observer=Resumer())
    assert run.status == "finished"
    assert seen == [("state", "paused"), ("state", "running")]
    assert [event[4] for event in run.events().to_numpy().tolist()] == ["state", "state"]


def test_run_goes_on_when_the_observer_breaks(tmp_path):
    class Broken(Watcher):
        def progress(self, percent, wall_s, instrument_s):
            raise BrokenPipeError("closed")

    run = execute(tmp_path, observer=Broken())
    assert (run.status, len(run.rows())) == ("finished", 3)
    assert "BrokenPipeError: closed" in run.events()["message"].iloc[0]


@pytest.mark.parametrize(
    ("topic", "record", "rule"),
    [
        ("result", {}, "unknown topic 'result'; choose one of results"),
        ("progress", 101, "0 to 100 %"),
        ("array", {"name": "a"}, "data, dims, name, unit"),
        ("event", {"kind": "a"}, "kind, message"),
        ("summary", {"z": 1j}, "no JSON form"),
    ],
)
def test_run_fails_with_the_rule_when_a_record_is_wrong(tmp_path, topic, record, rule):
    class Wrong(Count):
        def meddle(self, number):
            self.emit(topic, record)

    run = execute(tmp_path, Wrong)
    assert run.status == "failed"
    assert rule in run.summary()["error"]


def test_stimulus_stops_and_outputs_go_off_when_the_file_is_full(tmp_path):
    stimuli = []

    class Filling(Count):
        DATA_COLUMNS: ClassVar[list[str]] = ["Text"]

        def execute(self):
            connection: sqlite3.Connection = self.__dict__["emit"].__self__._writer._group._connection
            connection.execute("PRAGMA max_page_count = 30").fetchall()
            for number in range(100000):
                stimuli.append(number)
                self.emit("results", {"Text": "x" * 1000})

    station = FakeStation()
    run = execute(tmp_path, Filling, station)
    assert run.status == "failed"
    assert "bytes free" in run.summary()["error"]
    assert run.run_id in run.summary()["error"]
    assert len(run.rows()) == len(stimuli)
    assert station.log[-1] == "off"


def test_station_is_closed_before_the_seal_when_it_was_opened_by_name(tmp_path, monkeypatch):
    import labctl.station

    opened = []

    class Opening(FakeStation):
        @classmethod
        def open(cls, name):
            opened.append(cls(name=name))
            return opened[-1]

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.close()

    monkeypatch.setattr(labctl.station, "Station", Opening, raising=False)
    content = SimpleNamespace(defaults=StationDefaults())
    monkeypatch.setattr(labctl.station, "read_station_file", lambda name: content, raising=False)
    run = execute(tmp_path, station="bench-1")
    assert run.summary()["station"] == "bench-1"
    assert opened[0].log == ["startup", "shutdown", "off", "close"]
    with pytest.raises(StationError):
        execute(tmp_path, station="bench-2", parameters={"points": 13})
    assert opened[1].log == ["close"]
    assert len(list_runs(tmp_path)) == 1


def test_state_machine_refuses_when_state_does_not_lead_there():
    machine = StateMachine()
    with pytest.raises(
        IllegalTransitionError, match="queued does not lead to finished; it leads to aborted, failed, running"
    ):
        machine.to(RunState.FINISHED)
    machine.to(RunState.RUNNING)
    machine.to(RunState.FINISHED)
    with pytest.raises(IllegalTransitionError, match="it is over"):
        machine.to(RunState.RUNNING)


def test_script_raises_with_the_file_when_run_does_not_finish(tmp_path):
    from labctl import script

    done = script.run(Count, FakeStation(), out=tmp_path, points=2)
    assert len(done.table()) == 2
    with pytest.raises(RunError, match=r"failed: ZeroDivisionError: by intent .*\.run\.sqlite"):
        script.run(Failing, FakeStation(), out=tmp_path)
    with pytest.raises(Aborted, match="was aborted"):
        script.run(Interrupted, FakeStation(), out=tmp_path)
    assert script.list_runs(tmp_path)["status"].tolist() == ["aborted", "failed", "finished"]
    assert script.open_run("latest", tmp_path).status == "aborted"


def test_store_error_is_met_in_should_stop_when_a_commit_failed_meanwhile(tmp_path):
    class Quiet(Count):
        def execute(self):
            self.emit("results", {"Number": 1})
            self.__dict__["emit"].__self__._writer._group.failure = "the disk went away"
            with pytest.raises(StoreError, match="went away"):
                self.should_stop()

    assert execute(tmp_path, Quiet).status == "failed"


def test_nothing_is_started_when_abort_was_asked_for_before(tmp_path):
    control, station = RunControl(), FakeStation()
    control.abort("too early")
    assert execute(tmp_path, station=station, control=control).status == "aborted"
    assert station.log == ["off"]


def test_wall_time_is_not_instrument_time_when_clock_is_virtual(tmp_path):
    begin = time.monotonic()
    run = execute(tmp_path, parameters={"points": 10, "step_s": 10.0})
    summary = run.summary()
    assert summary["instrument_time_s"] == pytest.approx(100.0)
    assert summary["wall_time_s"] <= time.monotonic() - begin
