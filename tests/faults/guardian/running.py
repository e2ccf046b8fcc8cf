"""A process that measures through the engine, run after run, and ends each in the way that it is told.

``python running.py ORDERS`` with ORDERS as JSON: resources (kind, port), folder. It reads ``run [TERMINAL]`` for each
run, says ``on`` when outputs are on, then reads how to end: ``abort``, ``exception``, or ``signal`` (one will come). It
says the monotonic time at which it did it to itself, and ``ended STATUS`` with that of the run.
"""

import json
import os
import sys
import threading
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

from labctl.clock import WallClock
from labctl.errors import NotVerifiedOffError
from labctl.run import LabProcedure, RunControl, execute_procedure

SPEC = spec_from_file_location("measuring", Path(__file__).with_name("measuring.py"))
measuring = module_from_spec(SPEC)
sys.modules["measuring"] = measuring
SPEC.loader.exec_module(measuring)


class Rack(SimpleNamespace):
    """A station without drivers."""

    def safe_off(self):
        for instrument in self.opened:
            instrument.off()
        for instrument in self.opened:
            if instrument.ask(instrument.watched.off_checks[0][0]) not in {"0;0", "nil", "0.00000e+00\t0.00000e+00"}:
                raise NotVerifiedOffError(f"{instrument.watched.name}: still on")


def open_rack(resources):
    opened = [measuring.Instrument(number, kind, port) for number, (kind, port) in enumerate(resources)]
    guarded = measuring.station_of(opened, heartbeat_s=1.0)
    guarded.content.instruments = {}
    guarded.content.expired_calibration = "warn"
    return Rack(
        **vars(guarded), opened=opened, name="rack", file="rack.toml", simulated=False, bench_info=None, replay_of=None,
        sample=None, present=dict, envelope={}, wiring={}, clock=WallClock(), identities=dict, settings=dict,
        close=lambda: None, drain=list, resynchronise=lambda: None, left_on=list,
    )  # fmt: skip


class Endless(LabProcedure):
    DATA_COLUMNS = ["Number", "Reading (A)"]  # noqa: RUF012

    def startup(self):
        for instrument in self.station.opened:
            instrument.write(measuring.ON[instrument.kind])
            instrument.ask(instrument.watched.off_checks[0][0])
        self.end = threading.Event()
        threading.Thread(target=self.listen, args=(self.station.control,)).start()

    def listen(self, control):
        measuring.say("on")
        how = sys.stdin.readline().strip()
        if how == "abort":
            measuring.say(time.monotonic())
            control.abort()
        elif how == "exception":
            self.end.set()

    def execute(self):
        for number in range(10**9):
            value = float(self.station.opened[0].ask("READ?"))
            self.emit("results", {"Number": number, "Reading (A)": value})
            if self.end.is_set():
                measuring.say(time.monotonic())
                raise ValueError("told to")


def main():
    orders = json.loads(sys.argv[1])
    rack = open_rack(orders["resources"])
    while word := sys.stdin.readline().split():
        # a session without a terminal gets the one that it opens
        terminal = os.open(word[1], os.O_RDWR) if len(word) > 1 else None
        rack.control = RunControl()
        run = execute_procedure(
            Endless, rack, {}, out=orders["folder"], control=rack.control, install_signal_handler=True
        )
        measuring.say("ended", run.status)
        if terminal is not None:
            os.close(terminal)


if __name__ == "__main__":
    main()
