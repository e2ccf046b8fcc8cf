"""A run that could not end well is refused before it begins. Authority: the rules in labctl.run.preflight."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from labctl.errors import EnvelopeError, RunError, StationError
from labctl.run import LabProcedure
from labctl.run.preflight import Estimate, needed_bytes, preflight
from labctl.station.station_file import Envelope, InstrumentEntry
from labctl.store import RunWriter
from labctl.store.schema import RunHeader
from labctl_procedures.array_procedure import COLUMNS

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)


class Told(LabProcedure):
    DATA_COLUMNS = ("Number",)
    told = Estimate(10, 1.0)

    def estimate(self):
        return self.told


def station(due=None, policy="warn", left=()):
    happened = []
    entry = InstrumentEntry("keithley.Keithley2636B", "GPIB0::5::INSTR", None, due)
    return SimpleNamespace(
        file="small.toml",
        envelope=Envelope(3.0, 0.05, 0.5, 2e-3),
        content=SimpleNamespace(instruments={"smu1": entry}, expired_calibration=policy),
        left_on=lambda: list(left),
        safe_off=lambda: happened.append("off"),
        happened=happened,
    )


def check(told=Told.told, rack=None, root=None):
    procedure = Told()
    procedure.told = told
    return preflight(procedure, rack or station(), root)


def free(monkeypatch, size):
    def usage(path):
        assert path.exists()
        return SimpleNamespace(free=size)

    monkeypatch.setattr(shutil, "disk_usage", usage)


def test_run_within_every_limit_may_start(tmp_path):
    at_the_limits = Estimate(10, 1.0, voltage_v=-3.0, current_a=0.05, width_s=0.5)
    assert check(at_the_limits, root=tmp_path) == []
    assert check(None, root=tmp_path / "not" / "yet" / "there") == []


@pytest.mark.parametrize(
    ("beyond", "named"),
    [
        ({"voltage_v": 3.1}, "3.1 V where this station allows 3 V (envelope.voltage_v)"),
        ({"voltage_v": -3.1}, "-3.1 V where this station allows 3 V (envelope.voltage_v)"),
        ({"current_a": 0.06}, "0.06 A where this station allows 0.05 A (envelope.current_a)"),
        ({"width_s": 0.6}, "0.6 s where this station allows 0.5 s (envelope.pulse_width_s)"),
        ({"width_s": float("nan")}, "nan s where"),
    ],
)
def test_extremes_beyond_the_envelope_are_refused(tmp_path, beyond, named):
    with pytest.raises(EnvelopeError, match=re.escape(named)):
        check(Estimate(10, 1.0, **beyond), root=tmp_path)


def test_free_disk_below_twice_the_estimate_is_refused(tmp_path, monkeypatch):
    million = Estimate(1_000_000, 1.0)
    free(monkeypatch, needed_bytes(1_000_000) - 1)
    with pytest.raises(RunError, match=r"1000000 points asks for \d+ MB"):
        check(million, root=tmp_path / "data")
    free(monkeypatch, needed_bytes(1_000_000))
    assert check(million, root=tmp_path / "data") == []
    # a run of unknown size needs room for its log all the same
    free(monkeypatch, 64 * 1024 * 1024 - 1)
    with pytest.raises(RunError, match="make room"):
        check(None, root=tmp_path)


def test_needed_disk_is_at_least_twice_what_a_file_takes(tmp_path):
    number = 20_000
    writer = RunWriter.create(tmp_path, RunHeader("program_array", COLUMNS), durable_intents=False)
    plan = dict(zip(COLUMNS, ["set", 31, 31, -1.23456789, 1e-4], strict=False))
    # 3000 rows of 17 digits each way, half of them with an intent
    for action in range(0, number, 2):
        stimulus = {**plan, "Target (S)": 1.2345678901234567e-4 + action * 1e-12, "Attempt": 3, "Pass": 2}
        writer.intent(action, stimulus)
        times = [{"Time (s)": 12345.678901234567 + action}, {"Time (s)": 12345.789 + action, "Current (A)": 1.2345e-5}]
        writer.points([{**stimulus, **row} for row in times], action)
    writer.seal("finished", {}, None)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert needed_bytes(10**9) / 10**9 >= 2.0 * size / number


@pytest.mark.parametrize(("due", "warnings"), [(None, 0), (TODAY + DAY, 0), (TODAY - 2 * DAY, 1)])
def test_expired_calibration_is_a_warning(tmp_path, due, warnings):
    told = check(rack=station(due), root=tmp_path)
    assert len(told) == warnings
    assert all(f"calibration of smu1 ended on {due}" in text for text in told)


def test_expired_calibration_is_refused_where_the_station_says_so(tmp_path):
    with pytest.raises(StationError, match=r"calibration of smu1 ended on .* \"refuse\""):
        check(rack=station(TODAY - 2 * DAY, "refuse"), root=tmp_path)
    assert check(rack=station(TODAY + DAY, "refuse"), root=tmp_path) == []


def test_what_was_left_on_is_switched_off_and_told(tmp_path):
    rack = station(left=["smu1 (Keithley2636B)", "mat1 (Keithley707B)"])
    warnings = check(rack=rack, root=tmp_path)
    assert [warning.partition(" had")[0] for warning in warnings] == ["smu1 (Keithley2636B)", "mat1 (Keithley707B)"]
    assert rack.happened == ["off"]


def test_nothing_is_switched_when_the_run_is_refused_or_all_is_off(tmp_path):
    rack = station(left=["smu1 (Keithley2636B)"])
    with pytest.raises(EnvelopeError):
        check(Estimate(10, 1.0, voltage_v=1e3), rack=rack, root=tmp_path)
    assert rack.happened == []
    rack = station()
    assert check(rack=rack, root=tmp_path) == []
    assert rack.happened == []
