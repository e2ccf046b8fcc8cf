"""The experiments with QCoDeS: a VisaInstrument, a Measurement and its data saver, as its manual shows them."""

import json
import os
import sys
import time
from pathlib import Path

POINTS = {"late": 200, "disk": 100_000}


def read_back(folder):
    from qcodes.dataset import initialise_or_create_database_at, load_by_id

    initialise_or_create_database_at(str(Path(folder) / "run.db"))
    data = load_by_id(1)
    # by the name of the parameter: with the name of its instrument in front where there is one
    named = {name.removeprefix("smu_"): values for name, values in data.get_parameter_data().items()}
    found = {name.removeprefix("smu_"): values for name, values in named.get("reading", {}).items()}
    rows = zip(found.get("level", []), found.get("reading", []), strict=True)
    return {
        "rows": [[float(a), float(b)] for a, b in rows],
        "status": "completed" if data.completed else "not completed",
    }


def sweep(mode, resource, folder):
    from qcodes.dataset import Measurement, initialise_or_create_database_at, load_or_create_experiment
    from qcodes.instrument import VisaInstrument
    from qcodes.parameters import Parameter

    initialise_or_create_database_at(str(Path(folder) / "run.db"))
    load_or_create_experiment("faults", "sample")
    smu = None
    if mode != "disk":
        smu = VisaInstrument("smu", resource, terminator="\n", timeout=0.4, visalib="@py", device_clear=False)
        level = smu.add_parameter("level", set_cmd="smua.source.levelv = {:.9e}")
        reading = smu.add_parameter("reading", get_cmd="print(smua.measure.v())", get_parser=float)
    else:
        level, reading = Parameter("level", set_cmd=None), Parameter("reading", set_cmd=None)
    measurement = Measurement()
    measurement.register_parameter(level, paramtype="numeric")
    measurement.register_parameter(reading, setpoints=(level,), paramtype="numeric")
    if smu is not None:
        measurement.add_before_run(lambda: smu.write("reset() smua.source.output = 1"), ())
        measurement.add_after_run(lambda: smu.write("smua.source.output = 0"), ())
    names = ("smu_level", "smu_reading") if smu is not None else ("level", "reading")
    with measurement.run() as saver:
        for number in range(POINTS.get(mode, 100_000)):
            volts = 0.01 * (number % 200 + 1)
            found = volts
            if smu is not None:
                level.set(volts)
                try:
                    found = reading.get()
                except Exception:  # noqa: BLE001 - the script asks again
                    found = reading.get()
            saver.add_result((names[0], volts), (names[1], found))
            print("stored", number + 1, flush=True)
            if mode == "kill":
                time.sleep(0.04)


def main():
    mode, resource, folder = sys.argv[1:4]
    import qcodes

    if mode == "version":
        print(json.dumps(qcodes.__version__))
    elif mode == "read":
        result = read_back(folder)
        print(json.dumps(result))
    else:
        sweep(mode, resource, folder)


os.environ.setdefault("QCODES_TELEMETRY_ENABLED", "false")
main()
