"""Asks to a running run. Authority: the contract of the mailbox: obeyed within hundredths of a second, noted, harmless
when left behind; an abort is as fast as a signal (20 ms is the issue's own figure for a stop).
"""

import json
import threading
import time
from types import SimpleNamespace
from typing import ClassVar

import pytest

from labctl.clock import WallClock
from labctl.errors import RunError, StoreError
from labctl.roles import Identity
from labctl.run import LabProcedure, RunControl, execute_procedure, resume_run
from labctl.run.mailbox import Mailbox, ask_run, mailbox_of
from labctl.station.defaults_table import StationDefaults
from labctl.store import Run


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

    def has_output_on(self):
        return False

    def identities(self):
        return {"smu1": Identity("Keithley", "2636B", "1", "1")}

    def settings(self):
        return {}

    def watched(self):
        return []

    def left_on(self):
        return []

    def drain(self):
        return []

    def present(self):
        return {"outputs": {}}

    def safe_off(self):
        pass


class Patient(LabProcedure):
    """Takes rows until it is stopped, or until it was asked for the end by hand."""

    resumable: ClassVar[bool] = True
    DATA_COLUMNS: ClassVar = ["Step", "Voltage (V)"]
    deaf: ClassVar[bool] = False
    asked: ClassVar[list] = []

    def execute(self):
        step = 0
        # a deaf one is told, and goes on: only insisting ends it
        while not self.should_stop() or self.deaf:
            step += 1
            self.perform({"Step": step}, lambda: {"Voltage (V)": 0.1}, stimulates=False)
            request = None if self.deaf else self.next_request(0.0)
            if request is not None:
                self.asked.append(request)
                if request["action"] == "end":
                    return
            self.station.clock.sleep(0.005)


class Background:
    """A run in a thread of its own."""

    def __init__(self, root, procedure=Patient, resumed=None):
        self.control = RunControl()
        self.ended_s = None
        # a test that fails leaves it running, which must not keep this process
        self._thread = threading.Thread(target=self._run, args=(root, procedure, resumed), daemon=True)
        self._thread.start()
        end_s = time.monotonic() + 60.0
        while not (files := list(root.glob("*.run.sqlite-wal"))) or self._steps(files[0]) < 1:
            assert time.monotonic() < end_s
            time.sleep(0.005)
        self.path = files[0].with_name(files[0].name.removesuffix("-wal"))

    def _steps(self, log):
        try:
            return len(Run(log.with_name(log.name.removesuffix("-wal"))).table())
        except StoreError:
            return 0

    def _run(self, root, procedure, resumed):
        if resumed is None:
            execute_procedure(procedure, Rack(), {}, out=root, control=self.control)
        else:
            resume_run(resumed, procedure, station=Rack(), control=self.control)
        self.ended_s = time.monotonic()

    def end(self):
        self._thread.join(60.0)
        assert not self._thread.is_alive()
        return Run(self.path)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "runs"
    root.mkdir()
    return root


def events_of(run):
    return [tuple(item) for item in run.events()[["kind", "message"]].to_numpy().tolist()]


def wait_for(condition):
    end_s = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.002)


def test_run_pauses_goes_on_and_aborts_when_asked_by_another(root):
    running = Background(root)
    ask_run(running.path, "pause", by="window")
    wait_for(lambda: ("state", "paused") in events_of(Run(running.path)))
    held = len(Run(running.path).table())
    time.sleep(0.1)
    assert len(Run(running.path).table()) == held
    ask_run(running.path, "continue")
    wait_for(lambda: len(Run(running.path).table()) > held)
    ask_run(running.path, "abort", by="window", reason="enough")
    run = running.end()
    assert run.status == "aborted"
    assert run.summary()["error"] == "aborted: enough"
    asked = [message for kind, message in events_of(run) if kind == "asked"]
    assert asked == ["pause, by window", "continue", "abort, by window"]


def test_mailbox_is_removed_when_the_run_has_ended(root):
    running = Background(root)
    ask_run(running.path, "abort")
    running.end()
    assert [path.name for path in root.iterdir() if not path.name.endswith("-shm")] != []
    assert not mailbox_of(running.path).exists()


def test_abort_is_as_fast_as_a_signal_when_asked_by_file(root):
    """The flag must be up within two looks of 20 ms; the rest is the run's own way to its end."""
    running = Background(root)
    control, late_s = running.control, []
    flags = {
        "pause": lambda: control.paused,
        "continue": lambda: not control.paused,
        "abort": lambda: control.abort_reason is not None,
    }
    for what in [*["pause", "continue"] * 5, "abort"]:
        ask_run(running.path, what)
        asked_s = time.monotonic()
        wait_for(flags[what])
        late_s.append(time.monotonic() - asked_s)
    # the median, because another process may hold this core for longer than that
    assert sorted(late_s)[5] < 0.2
    running.end()


@pytest.mark.parametrize("asks", [["abort_now"], ["abort", "abort"]])
def test_deaf_procedure_is_stopped_when_the_ask_insists(root, monkeypatch, asks):
    monkeypatch.setattr(Patient, "deaf", True)
    running = Background(root)
    for what in asks:
        ask_run(running.path, what)
    assert running.end().status == "aborted"
    assert running.control.insisted


def test_request_reaches_the_procedure_in_order_when_done_by_hand(root, monkeypatch):
    monkeypatch.setattr(Patient, "asked", [])
    running = Background(root)
    numbers = [ask_run(running.path, "do", action=action, cell="3,4") for action in ("read", "end")]
    assert running.end().status == "finished"
    assert [(ask["number"], ask["action"], ask["cell"]) for ask in Patient.asked] == [
        (numbers[0], "read", "3,4"),
        (numbers[1], "end", "3,4"),
    ]


def test_asks_left_by_a_killed_run_mean_nothing_when_it_is_resumed(root):
    running = Background(root)
    ask_run(running.path, "abort")
    run = running.end()
    left = {"number": "1", "segment": 1, "what": "abort_now", "by": "somebody long ago"}
    mailbox_of(run.path).write_text(json.dumps(left) + "\n", encoding="ascii")
    again = Background(root, resumed=run)
    time.sleep(0.1)
    assert again.control.abort_reason is None
    ask_run(again.path, "abort", reason="now")
    run = again.end()
    assert run.summary()["error"] == "aborted: now"
    assert "somebody long ago" not in str(events_of(run))


def test_rubbish_in_the_mailbox_is_left_alone_and_half_a_line_waits_for_its_end(tmp_path):
    path = tmp_path / "a.run.sqlite"
    control = RunControl()
    mailbox = Mailbox(path, 1, control)
    good = json.dumps({"segment": 1, "what": "pause"}).encode()
    mailbox_of(path).write_bytes(b'\xff\n[1]\n{"what": "abort"}\n{"segment": 1, "what": "dance"}\n' + good[:10])
    mailbox.look()
    assert control.abort_reason is None
    assert not control.paused
    with mailbox_of(path).open("ab") as file:
        file.write(good[10:] + b"\n")
    mailbox.look()
    assert control.paused
    assert mailbox.notes[0].startswith("'dance', which is none of")


@pytest.mark.parametrize(
    ("what", "rule"), [("stop", "there is no 'stop'; a run can be asked for pause"), ("pause", "is aborted: only a")]
)
def test_ask_is_refused_when_unknown_or_the_run_is_over(root, what, rule):
    running = Background(root)
    ask_run(running.path, "abort")
    running.end()
    with pytest.raises(RunError, match=rule):
        ask_run(running.path, what)
    assert not mailbox_of(running.path).exists()


def test_ask_is_refused_when_there_is_no_such_run(root):
    with pytest.raises(StoreError, match="no such run file"):
        ask_run(root / "none.run.sqlite", "pause")
