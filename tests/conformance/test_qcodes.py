"""QCoDeS, unmodified, measures on the served bench through the recorder, and again with the bench gone.

Authority: issue "Replay, and the digital twin", Shows 4. Drivers, Measurement and database are QCoDeS' own; what is
compared is what its database holds. Its instruments ask for a resource manager each. Not here: other drivers that are
not ours (`test_recorded_by_others`).
"""

import json

import numpy as np
import pytest

from labctl.errors import ReplayError

pytest.importorskip("qcodes", reason="QCoDeS is not installed: the extra 'peers' brings it")
pytestmark = pytest.mark.slow
POINTS = 11


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    """No usage statistics, and a home of its own."""
    monkeypatch.setenv("QCODES_TELEMETRY_ENABLED", "false")
    monkeypatch.setenv("HOME", str(tmp_path))


def measured(library, resources, database, *, to_v=0.3):
    """Return what the source-measure unit says of itself, and the tables that the database holds."""
    from qcodes.dataset import (
        LinSweep,
        Measurement,
        initialise_or_create_database_at,
        load_by_id,
        load_or_create_experiment,
    )
    from qcodes.instrument import VisaInstrument
    from qcodes.instrument_drivers.Keithley import Keithley2636B

    initialise_or_create_database_at(str(database))
    load_or_create_experiment("four by four", "bench")
    smu = Keithley2636B("smu", resources["smu1"], visalib=library)
    # QCoDeS has no driver of this matrix
    matrix = VisaInstrument("matrix", resources["mat1"], visalib=library, terminator="\n")
    try:
        # word line 1 to channel A, bit line 1 to ground
        matrix.write("channel.exclusiveclose('1A01,1E05')")
        channel = smu.smua
        channel.mode("voltage")
        channel.limiti(1e-3)
        channel.nplc(0.1)
        channel.volt(0.0)
        channel.output("on")
        one_by_one = Measurement()
        one_by_one.register_parameter(channel.volt)
        one_by_one.register_parameter(channel.curr, setpoints=(channel.volt,))
        with one_by_one.run() as saver:
            for volts in np.linspace(0.0, to_v, POINTS):
                channel.volt(volts)
                saver.add_result((channel.volt, volts), (channel.curr, channel.curr()))
        # a script in Lua, whose answer is binary
        channel.setup_fastsweep(LinSweep(channel.volt, 0.0, to_v, POINTS))
        at_once = Measurement()
        at_once.register_parameter(channel.fastsweep)
        with at_once.run() as swept:
            swept.add_result((channel.fastsweep, channel.fastsweep()))
        channel.output("off")
        told = smu.get_idn()
    finally:
        matrix.close()
        smu.close()
    tables = [load_by_id(one.run_id).get_parameter_data() for one in (saver, swept)]
    return told, tables[0]["smu_smua_curr"], tables[1]["smu_smua_fastsweep"]


def test_measurement_holds_the_same_values_when_it_is_replayed_with_the_bench_gone(served, tmp_path):
    resources, end = served
    file = tmp_path / "t.jsonl"
    told, steps, sweep = measured(f"record:{file}>@py@labctl", resources, tmp_path / "recorded.db")
    end()

    assert told["model"] == "2636B"
    np.testing.assert_allclose(steps["smu_smua_volt"], np.linspace(0.0, 0.3, POINTS))
    # a cell, no open line, which lets through less than a picoampere; both ways of sweeping find it
    current_a = steps["smu_smua_curr"]
    assert current_a[-1] > 1e-9
    np.testing.assert_allclose(np.ravel(sweep["smu_smua_fastsweep"])[1:], current_a[1:], rtol=0.05)

    again, same_steps, same_sweep = measured(f"{file}@replay", resources, tmp_path / "replayed.db")
    assert again == told
    for table, other in ((steps, same_steps), (sweep, same_sweep)):
        assert list(other) == list(table)
        for name in table:
            np.testing.assert_array_equal(other[name], table[name])

    lines = file.read_text().splitlines()
    opened = [json.loads(line)["resource"] for line in lines if '"op":"open"' in line]
    assert opened == [resources["smu1"], resources["mat1"]]
    with pytest.raises(ReplayError, match=r"line \d+: the recording writes .*levelv.*, got .*levelv"):
        measured(f"{file}@replay", resources, tmp_path / "other.db", to_v=0.2)
