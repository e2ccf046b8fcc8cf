"""The experiments with plain PyMeasure: a Procedure, Results and a Worker, as its manual shows them."""

import json
import re
import sys
import time
from pathlib import Path

from pymeasure.adapters import VISAAdapter
from pymeasure.experiment import Procedure, Results, Worker
from pymeasure.experiment.results import CSVFormatter  # noqa: F401 - fails early where the version is another one

POINTS = {"late": 200, "disk": 100_000}


class Sweep(Procedure):
    """Levels of 10 mV, 20 mV, ... and what the SMU reads."""

    DATA_COLUMNS = ["Level (V)", "Reading (V)"]  # noqa: RUF012
    mode, resource = "kill", ""

    def startup(self):
        self.smu = None
        if self.mode != "disk":
            self.smu = VISAAdapter(
                self.resource, visa_library="@py", read_termination="\n", write_termination="\n", timeout=400
            )
            self.smu.write("reset() smua.source.output = 1")

    def execute(self):
        for number in range(POINTS.get(self.mode, 100_000)):
            level = 0.01 * (number % 200 + 1)
            reading = level if self.smu is None else self.read(level)
            self.emit("results", {"Level (V)": level, "Reading (V)": reading})
            print("stored", number + 1, flush=True)
            if self.mode == "kill":
                time.sleep(0.04)
            if self.should_stop():
                return

    def read(self, level):
        self.smu.write(f"smua.source.levelv = {level:.9e}")
        try:
            self.smu.write("print(smua.measure.v())")
            return float(self.smu.read())
        except Exception:  # noqa: BLE001 - the script asks again
            self.smu.write("print(smua.measure.v())")
            return float(self.smu.read())

    def shutdown(self):
        if self.smu is not None:
            self.smu.write("smua.source.output = 0")


def read_back(folder):
    path = next(Path(folder).glob("*.csv"))
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        cells = line.split(",")
        if not line.startswith("#") and len(cells) == 2 and all(re.fullmatch(r"[-+0-9.e]+", cell) for cell in cells):
            rows.append([float(cell) for cell in cells])
    names = {value: name for name, value in vars(Procedure).items() if name.isupper() and isinstance(value, int)}
    results = Results.load(str(path), procedure_class=Sweep)
    return {"rows": rows, "status": names[results.procedure.status].lower()}


def main():
    import pymeasure

    mode, resource, folder = sys.argv[1:4]
    if mode == "version":
        print(json.dumps(pymeasure.__version__))
    elif mode == "read":
        print(json.dumps(read_back(folder)))
    else:
        Sweep.mode, Sweep.resource = mode, resource
        worker = Worker(Results(Sweep(), str(Path(folder) / "run.csv")))
        worker.start()
        while worker.is_alive():
            time.sleep(0.05)


main()
