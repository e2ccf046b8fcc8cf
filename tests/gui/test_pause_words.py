"""What the window says of a pause, beside what happens at one on the simulated bench."""

import threading

from labctl.gui.queue import queue_look
from labctl.gui.queue.queue_panel import QueuePanel
from labctl.gui.queue.words import PAUSE_HINT
from labctl.gui.run_bar import RunBar
from labctl.gui.running_runs import RunningRuns
from labctl.run import LabProcedure, RunControl, execute_procedure
from labctl.station import Station
from labctl_procedures.array_procedure import ArrayProcedure, RecordedCells


class Reads(ArrayProcedure):
    """Reads a cell twice, and is paused in between."""

    def execute(self):
        with self.open_access(pulse_voltage_v=0.2, current_limit_a=1e-3) as access:
            cells = RecordedCells(self, access)
            cells.read(0, 0)
            self.control.pause()
            cells.read(0, 0)


class HeatedReads(Reads):
    def execute(self):
        self.station.temperature_controller().set_temperature(320.0)
        super().execute()


class UnawareReads(Reads):
    def stand_down(self):
        LabProcedure.stand_down(self)


class Watcher:
    """Asks all instruments at a pause what is on, and lets the run go on."""

    def __init__(self, station, control):
        self.station, self.control, self.seen = station, control, []

    def started(self, run_id, path):
        pass

    def progress(self, *_):
        pass

    def event(self, kind, message):
        if message == "paused":
            self.seen.append({name.split()[0] for name in self.station.left_on()})
            threading.Timer(0.01, self.control.resume).start()

    def finished(self, status):
        self.seen.append(str(status))


def test_sources_are_off_at_a_pause_and_a_heater_is_not_unless_the_procedure_cannot_stand_down(home):
    with Station.open("single-device") as station:
        for procedure, left_on in ((Reads, set()), (HeatedReads, {"tc1"}), (UnawareReads, {"smu1"})):
            procedure.control = RunControl()
            watcher = Watcher(station, procedure.control)
            execute_procedure(procedure, station, {}, out=home, control=procedure.control, observer=watcher)
            assert watcher.seen == [left_on, "finished"], procedure


def test_tool_bar_and_queue_say_the_same_of_a_pause(desk, qtbot, monkeypatch):
    """Authority: one said that outputs stay as they are, the other that they go off."""
    monkeypatch.setattr(queue_look, "ensure_worker", lambda root: None)
    bar, queue = RunBar(desk, RunningRuns(desk)), QueuePanel(desk)
    qtbot.addWidget(bar)
    qtbot.addWidget(queue)
    assert bar.pause_button.toolTip() == queue.pause.toolTip() == PAUSE_HINT
    # as the run above
    assert "sources are at 0 V and off" in PAUSE_HINT
    assert "Only a procedure that cannot stand down leaves its outputs as they are" in PAUSE_HINT
    queue.close()
