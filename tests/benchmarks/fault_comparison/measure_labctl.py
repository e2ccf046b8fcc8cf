"""The experiments with labctl: a LabProcedure on the station of the served bench."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

from labctl.clock import WallClock
from labctl.run import LabProcedure, execute_procedure
from labctl.station.defaults_table import StationDefaults
from labctl.store import list_runs, open_run

POINTS = {"late": 200, "disk": 100_000}


class Sweep(LabProcedure):
    """Levels of 10 mV, 20 mV, ... and what the SMU reads."""

    DATA_COLUMNS = ["Level (V)", "Reading (V)"]  # noqa: RUF012
    mode = "kill"

    def execute(self):
        smu = None
        if self.mode != "disk":
            smu = self.station.source_meter("smu1.a")
            smu.prepare(voltage_range_v=2.0, current_limit_a=1e-4, measure_range_a=1e-4, integration_plc=0.01)
            smu.output_on()
        for number in range(POINTS.get(self.mode, 100_000)):
            level = 0.01 * (number % 200 + 1)
            reading = level
            if smu is not None:
                smu.set_voltage(level)
                reading = smu.measure_voltage().value
            self.emit("results", {"Level (V)": level, "Reading (V)": reading})
            print("stored", number + 1, flush=True)
            if self.mode == "kill":
                self.station.clock.sleep(0.04)
            if self.should_stop():
                return


def no_rack():
    """A station with nothing in it: the disk is what is tried."""
    return SimpleNamespace(
        name="none", file="none.toml", simulated=True, in_process=True, bench_info=None, replay_of=None,
        sample=None, clock=WallClock(),
        heartbeat_s=1.0, envelope={}, wiring={},
        content=SimpleNamespace(instruments={}, expired_calibration="warn", defaults=StationDefaults()),
        identities=dict, settings=dict, safe_off=lambda: None, close=lambda: None, drain=list, watched=list,
        watch_waits=lambda callback: None, resynchronise=lambda: None, left_on=list,
    )  # fmt: skip


def main():
    mode, station, folder = sys.argv[1:4]
    if mode == "version":
        from importlib.metadata import version

        print(json.dumps(version("labctl")))
    elif mode == "read":
        run = open_run("latest", folder)
        print(
            json.dumps(
                {"rows": run.rows(), "status": run.status, "events": len(run.events()), "files": len(list_runs(folder))}
            )
        )
    else:
        Sweep.mode = mode
        if mode == "disk":
            # the check before the run would refuse so small a disk, and there would be no experiment
            import labctl.run.preflight as checks

            checks.needed_bytes = lambda points: 0
        run = execute_procedure(
            Sweep, no_rack() if mode == "disk" else station, {}, out=Path(folder), install_signal_handler=True
        )
        print("ended", run.status, flush=True)


main()
