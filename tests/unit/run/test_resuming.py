"""Which runs are resumed, and on which rack. Authority: the contract of resume; killed runs are in tests/faults."""

import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import ClassVar

import pytest
from pymeasure.experiment import IntegerParameter, Parameter

from labctl.clock import VirtualClock
from labctl.errors import RunError, StoreError, UnconfirmedError
from labctl.roles import Identity
from labctl.run import LabProcedure, execute_procedure, provenance, resume_run
from labctl.station.defaults_table import StationDefaults
from labctl.store import Run, RunWriter
from labctl.store.recover import recover_run


class Rack:
    """A station of nothing that counts stimuli."""

    def __init__(self, **changes):
        self.name, self.file, self.simulated, self.in_process = "fake", "fake.toml", True, True
        self.bench_info = {"seed": 1}
        self.replay_of = None
        self.sample = {"name": "die 7", "rows": 2}
        self.wiring = {"file": "/somewhere/fake.toml", "matrix": "mat1", "rows": {"A": "smu1.a"}}
        self.content = SimpleNamespace(instruments={}, expired_calibration="warn", defaults=StationDefaults())
        self.serial = "4400001"
        self.clock = VirtualClock(50.0)
        self.stimuli = []
        self.log = []
        self.faults = []
        self.__dict__.update(changes)

    def identities(self):
        return {"smu1": Identity("Keithley", "2636B", self.serial, "1.0")}

    def settings(self):
        return {}

    def left_on(self):
        return []

    def drain(self):
        return []

    def resynchronise(self):
        self.log.append("resynchronise")

    def inject_faults(self, spec):
        self.faults.append(spec)

    def safe_off(self):
        self.log.append("off")


class Pulses(LabProcedure):
    """Pulses and reads; the class says what goes wrong."""

    count = IntegerParameter("Count", default=4, minimum=1)
    resumable: ClassVar[bool] = True
    DATA_COLUMNS: ClassVar[list[str]] = ["Number", "Time (s)", "Flags"]
    trouble: ClassVar[dict] = {}

    def execute(self):
        for number in range(self.count):
            self.perform({"Number": number}, lambda number=number: self.pulse(number), stimulates=True)
            self.emit("event", {"kind": "note", "message": f"pulse {number}"})
            self.emit("array", {"name": f"map{number}", "data": [1.0], "dims": ("x",), "unit": "1"})
        self.emit("summary", {"count": self.count})

    def pulse(self, number):
        self.station.stimuli.append(number)
        self.station.clock.sleep(1.0)
        if number in self.trouble:
            raise self.trouble[number]
        return {"Time (s)": self.elapsed_s()}

    def went_live(self, in_doubt):
        self.station.log.append(("live", in_doubt and in_doubt["Number"]))

    def stand_down(self):
        self.station.log.append("down")


class Dying(Pulses):
    trouble: ClassVar[dict] = {2: ZeroDivisionError("by intent")}

    @classmethod
    def procedure_name(cls):
        return "pulses"


class DyingLater(Dying):
    trouble: ClassVar[dict] = {3: ZeroDivisionError("again")}


class Aborting(Dying):
    trouble: ClassVar[dict] = {2: KeyboardInterrupt()}


@pytest.mark.parametrize(("procedure", "status"), [(Dying, "failed"), (Aborting, "aborted")])
def test_ended_run_goes_on_and_repeats_nothing(tmp_path, procedure, status):
    rack = Rack()
    run = execute_procedure(procedure, rack, {"faults": "lost@smu1:x"}, out=tmp_path)
    assert (run.status, rack.stimuli, rack.faults) == (status, [0, 1, 2], ["lost@smu1:x"])
    again = Rack(clock=VirtualClock(9000.0))
    done = resume_run(run, Pulses, station=again)
    assert done.path == run.path
    assert (done.status, again.stimuli) == ("finished", [3])
    # faults are for the first segment: the second would meet them again
    assert again.faults == []
    assert done.table()["Flags"].tolist() == [None, None, "in_doubt", None]
    assert again.log == [("live", 2), "off"]
    times_s = done.table()["Time (s)"]
    assert times_s[:2].tolist() == [1.0, 2.0]
    # the time of the run goes on, though the clock of the rack began anew
    assert 4.0 <= times_s[4] < 60.0
    events = done.events()
    assert events[events["kind"] == "note"]["message"].tolist() == [f"pulse {number}" for number in range(4)]
    assert set(done.arrays()) == {f"map{number}" for number in range(4)}
    assert done.summary()["results"] == {"count": 4}
    assert "2 actions are in the file" in events[events["kind"] == "resume"]["message"].iloc[0]


def test_event_between_the_last_stored_action_and_the_end_is_not_written_twice(tmp_path):
    class Dies(Pulses):
        @classmethod
        def procedure_name(cls):
            return "pulses"

        def execute(self):
            self.perform({"Number": 0}, lambda: self.pulse(0), stimulates=True)
            self.emit("event", {"kind": "note", "message": "pulse 0"})
            raise ZeroDivisionError

    run = execute_procedure(Dies, Rack(), {"count": 1}, out=tmp_path)
    done = resume_run(run, Pulses, station=Rack())
    events = done.events()
    assert (done.status, events["kind"].tolist().count("note")) == ("finished", 1)


def test_unconfirmed_stimulus_is_flagged_and_instruments_are_set_anew(tmp_path):
    class Unsure(Pulses):
        trouble: ClassVar[dict] = {1: UnconfirmedError("smu1: nothing came back")}

    rack = Rack()
    run = execute_procedure(Unsure, rack, {}, out=tmp_path)
    assert run.status == "finished"
    assert run.table()["Flags"].tolist() == [None, "in_doubt", None, None]
    assert rack.stimuli == [0, 1, 2, 3]
    assert rack.log == ["resynchronise", "down", "off"]
    assert {"unconfirmed", "in_doubt"} <= set(run.events()["kind"])


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"serial": "4400002"}, "instruments.smu1.serial: '4400001' then, '4400002' now"),
        ({"bench_info": {"seed": 2}}, "seed: 1 then, 2 now"),
        ({"name": "other"}, 'station: "fake" then, "other" now'),
        ({"sample": {"name": "die 8", "rows": 2}}, 'sample.name: "die 7" then, "die 8" now'),
        ({"wiring": {"file": "x", "matrix": "mat1", "rows": {"A": "smu1.b"}}}, "wiring.rows.A: "),
    ],
)
def test_another_rack_is_refused_with_what_differs(tmp_path, changes, rule):
    run = execute_procedure(Dying, Rack(), {}, out=tmp_path)
    rack = Rack(**changes)
    with pytest.raises(RunError, match=rule):
        resume_run(run, Pulses, station=rack)
    assert rack.stimuli == rack.log == []
    assert len(run.segments()) == 1


def test_moved_station_file_is_the_same_rack(tmp_path):
    run = execute_procedure(Dying, Rack(), {}, out=tmp_path)
    moved = Rack()
    moved.wiring = {**moved.wiring, "file": "/elsewhere/fake.toml"}
    assert resume_run(run, Pulses, station=moved).status == "finished"


class Other(Pulses):
    pass


class Forgetful(Pulses):
    resumable: ClassVar[bool] = False

    @classmethod
    def procedure_name(cls):
        return "pulses"


class Wider(Pulses):
    DATA_COLUMNS: ClassVar[list[str]] = [*Pulses.DATA_COLUMNS, "More"]

    @classmethod
    def procedure_name(cls):
        return "pulses"


@pytest.mark.parametrize(
    ("procedure", "rule"),
    [
        (Other, "was made by pulses, this procedure is other"),
        (Forgetful, "does not say that it does the same again"),
        (Wider, "has Number, Time .* More now"),
    ],
)
def test_another_procedure_is_refused(tmp_path, procedure, rule):
    run = execute_procedure(Dying, Rack(), {}, out=tmp_path)
    with pytest.raises(RunError, match=rule):
        resume_run(run, procedure, station=Rack())


def test_finished_and_running_runs_are_refused(tmp_path):
    finished = execute_procedure(Pulses, Rack(), {}, out=tmp_path)
    with pytest.raises(RunError, match="is finished; only runs that are interrupted, aborted, failed"):
        resume_run(finished, Pulses, station=Rack())

    class Inside(Pulses):
        def pulse(self, number):
            (path,) = set(tmp_path.glob("*.sqlite")) - {finished.path}
            with pytest.raises(RunError, match="is running"):
                resume_run(type(finished)(path), Pulses, station=Rack())
            return super().pulse(number)

        @classmethod
        def procedure_name(cls):
            return "pulses"

    assert execute_procedure(Inside, Rack(), {"count": 1}, out=tmp_path).status == "finished"


def test_run_fails_and_can_be_resumed_again_when_the_procedure_asks_for_something_else(tmp_path):
    run = execute_procedure(Dying, Rack(), {}, out=tmp_path)

    class Different(Pulses):
        def execute(self):
            self.perform({"Number": 7}, lambda: self.pulse(7), stimulates=True)

        @classmethod
        def procedure_name(cls):
            return "pulses"

    rack = Rack()
    failed = resume_run(run, Different, station=rack)
    assert (failed.status, rack.stimuli) == ("failed", [])
    assert "asks for Number = 7, the file holds 0" in failed.summary()["error"]
    assert resume_run(failed, Pulses, station=Rack()).status == "finished"


def test_run_fails_when_the_procedure_ends_before_the_file_does(tmp_path):
    run = execute_procedure(Dying, Rack(), {}, out=tmp_path)

    class Shorter(Pulses):
        def execute(self):
            self.perform({"Number": 0}, lambda: self.pulse(0), stimulates=True)

        @classmethod
        def procedure_name(cls):
            return "pulses"

    failed = resume_run(run, Shorter, station=Rack())
    assert failed.status == "failed"
    assert "ended after 1 actions, the file holds 2 more" in failed.summary()["error"]


def test_lines_of_the_guardian_become_events_once(tmp_path):
    run = execute_procedure(Dying, Rack(), {}, out=tmp_path)
    line = json.dumps({"what": "VERIFIED OFF"})
    log = run.path.with_name(f"{run.run_id}.guardian.log")
    log.write_text(line + "\n", encoding="utf-8")
    again = resume_run(run, DyingLater, station=Rack())
    done = resume_run(again, Pulses, station=Rack())
    events = done.events()
    assert events[events["kind"] == "guardian"]["message"].tolist() == [line]


def test_script_goes_on_with_the_latest_run(tmp_path):
    from labctl import script

    run = execute_procedure(Dying, Rack(), {}, out=tmp_path)
    done = script.resume("latest", station=Rack(), procedure=Pulses, out=tmp_path)
    assert done.run_id == run.run_id
    with pytest.raises(RunError, match="is finished"):
        script.resume(done, station=Rack(), procedure=Pulses)
    with pytest.raises(StoreError):
        script.resume("nothing", out=tmp_path)


class Mapped(Pulses):
    """Takes what it pulses from a file."""

    target = Parameter("Target", default="")

    @classmethod
    def procedure_name(cls):
        return "pulses"


class DyingMapped(Mapped):
    trouble: ClassVar[dict] = {2: ZeroDivisionError("by intent")}


@pytest.mark.parametrize(("now", "rule"), [("1,2\n1,3\n", "changed"), (None, "is not there")])
def test_another_target_file_is_refused_before_the_rack_is_asked(tmp_path, now, rule):
    # the rest of the array would be programmed to a map that is not the one in the run file
    file = tmp_path / "target.csv"
    file.write_text("1,2\n1,2\n", encoding="utf-8")
    run = execute_procedure(DyingMapped, Rack(), {"target": str(file)}, out=tmp_path)
    file.unlink()
    if now is not None:
        file.write_text(now, encoding="utf-8")
    rack = Rack()
    with pytest.raises(RunError, match=f"target = .*target.csv {rule}.*nothing was sent"):
        resume_run(run, Mapped, station=rack)
    assert (rack.stimuli, len(run.segments())) == ([], 1)
    file.write_text("1,2\n1,2\n", encoding="utf-8")
    assert resume_run(run, Mapped, station=rack).status == "finished"


@pytest.mark.parametrize(("in_process", "warnings"), [(True, 1), (False, 0)])
def test_die_that_died_with_its_process_is_noted(tmp_path, monkeypatch, in_process, warnings):
    # no seal, as after a kill; a rack of its own has kept what was done to the sample
    monkeypatch.setattr(RunWriter, "seal", lambda writer, *end: writer.close())
    monkeypatch.setattr("labctl.store.reader.is_alive", lambda process: False)
    monkeypatch.setattr("labctl.store.segments.is_alive", lambda process: False)
    run = execute_procedure(Dying, Rack(), {}, out=tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr("labctl.store.reader.is_alive", lambda process: False)
    monkeypatch.setattr("labctl.store.segments.is_alive", lambda process: False)
    monkeypatch.setattr("labctl.run.session.guard_run", lambda *rest, **more: nullcontext())
    events = resume_run(run, Pulses, station=Rack(in_process=in_process)).events()
    assert events["message"].str.contains("its die is as it was saved last").sum() == warnings


def test_changed_station_file_and_versions_are_noted(tmp_path, monkeypatch):
    file = tmp_path / "fake.toml"
    file.write_text('name = "fake"\nvoltage_v = 5.0\n', encoding="utf-8")
    run = execute_procedure(Dying, Rack(file=str(file)), {}, out=tmp_path)
    file.write_text('name = "fake"\nvoltage_v = 3.0\n', encoding="utf-8")
    now = {**provenance.versions(), "numpy": "0.1"}
    monkeypatch.setattr("labctl.run.resuming.versions", lambda: now)
    events = resume_run(run, Pulses, station=Rack(file=str(file))).events()
    warnings = events[events["kind"] == "warning"]["message"].tolist()
    assert warnings == [
        f"begun with numpy {provenance.versions()['numpy']}, resumed with 0.1",
        "the station file is another one since the start (- then, + now): -voltage_v = 5.0; +voltage_v = 3.0",
    ]


def test_recovered_run_and_one_without_station_file_are_refused_before_a_station_is_opened(tmp_path):
    run = execute_procedure(Dying, Rack(), {}, out=tmp_path)
    recovered = Run(recover_run(run.path, tmp_path / "out").path)
    with pytest.raises(RunError, match="was recovered from a damaged file"):
        resume_run(recovered, Pulses)
    run.header["station_file"] = None
    with pytest.raises(RunError, match="does not say which station file"):
        resume_run(run, Pulses)


def test_only_what_matters_of_the_guardian_becomes_an_event(tmp_path):
    run = execute_procedure(Dying, Rack(), {}, out=tmp_path)
    words = ("ready", "switching off", "written", "off", "VERIFIED OFF", "goodbye")
    lines = [*(json.dumps({"event": word}) for word in words), '{"event": "cu']
    log = run.path.with_name(f"{run.run_id}.guardian.log")
    log.write_text("\n".join(lines), encoding="utf-8")
    events = resume_run(run, Pulses, station=Rack()).events()
    assert events[events["kind"] == "guardian"]["message"].tolist() == [lines[1], lines[4], lines[6]]
