"""What the engine tells the guardian. Authority: the contract of ``guard_run``; the guardian has tests of its own."""

from contextlib import contextmanager
from types import SimpleNamespace
from typing import ClassVar

import pytest

from labctl.clock import WallClock
from labctl.errors import NotVerifiedOffError, RunError
from labctl.run import LabProcedure, execute_procedure, session
from labctl.station.defaults_table import StationDefaults


class Rack:
    """A station of nothing that outlives this process."""

    name, file, simulated, in_process = "fake", "fake.toml", True, False
    bench_info: ClassVar = {"seed": 1}
    replay_of: ClassVar = None
    sample: ClassVar = {"rows": 1}
    wiring: ClassVar = {"matrix": "mat1"}
    content = SimpleNamespace(instruments={}, expired_calibration="warn", heartbeat_s=1.0, defaults=StationDefaults())

    def __init__(self, log, off_error=None):
        self.clock, self.log, self.off_error = WallClock(), log, off_error

    def has_output_on(self):
        return True

    def identities(self):
        return {}

    def settings(self):
        return {}

    def left_on(self):
        return []

    def drain(self):
        return []

    def safe_off(self):
        self.log.append("off")
        if self.off_error is not None:
            raise self.off_error


class Once(LabProcedure):
    DATA_COLUMNS: ClassVar[list[str]] = ["Number", "Flags"]

    def execute(self):
        self.perform({"Number": 1}, self.pulse, stimulates=True)

    def pulse(self):
        self.station.log.append("pulse")
        # again where the computer itself stood still meanwhile
        for _ in range(20):
            before = len(self.station.log)
            self.station.clock.sleep(0.05)
            if self.station.log[before:].count("alive") >= 3:
                self.station.log.append("heard")
                break
        return {}


@pytest.fixture
def log(monkeypatch):
    """What happens in a run with a guardian that only listens, in order."""
    happened = []

    class Listener:
        def progress(self, allowance_s=None):
            happened.append("alive")

        @contextmanager
        def busy(self, seconds):
            happened.append("busy")
            yield

        def take_over(self, reason):
            happened.append(f"take over: {reason}")

    @contextmanager
    def guard_run(station, log_path, *, on_event):
        happened.append(log_path.name)
        on_event("guardian", "is here")
        yield Listener()
        happened.append("goodbye")

    monkeypatch.setattr(session, "guard_run", guard_run)
    return happened


def test_guardian_watches_from_before_the_first_stimulus_to_after_outputs_are_off(tmp_path, log):
    run = execute_procedure(Once, Rack(log), {}, out=tmp_path)
    assert run.status == "finished"
    assert log[0] == f"{run.run_id}.guardian.log"
    assert log.index("pulse") < log.index("off") < log.index("goodbye") == len(log) - 1
    # the loop says that it lives while it sleeps, and before each commit that the disk may be slow
    pulse = log.index("pulse")
    assert log[log.index("heard") - 3 : log.index("heard")] == ["alive"] * 3
    assert log[pulse - 1] == "busy"
    assert run.events()["message"].tolist() == ["is here"]


def test_guardian_takes_over_when_outputs_are_not_verified_off(tmp_path, log):
    run = execute_procedure(Once, Rack(log, NotVerifiedOffError("smu1: still on")), {}, out=tmp_path)
    assert run.status == "failed"
    assert log[-2:] == ["take over: NotVerifiedOffError: smu1: still on", "goodbye"]


def test_nothing_is_measured_when_the_guardian_does_not_start(tmp_path, log, monkeypatch):
    @contextmanager
    def guard_run(station, log_path, *, on_event):
        raise RunError("the guardian does not start")
        yield

    monkeypatch.setattr(session, "guard_run", guard_run)
    run = execute_procedure(Once, Rack(log), {}, out=tmp_path)
    assert (run.status, log) == ("failed", ["off"])
    assert "does not start" in run.summary()["error"]
