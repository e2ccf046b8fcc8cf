"""Fakes of the station tests: roles that write down what reaches them, instruments that answer from a table."""

import re
from unittest.mock import MagicMock

import pytest
import pyvisa
from pymeasure.adapters import Adapter

from labctl.roles import PulseLimits, Reading, SourceMeterLimits


class FakeMeter:
    """A SourceMeter without limits of its own that notes every stimulus."""

    limits = SourceMeterLimits(max_voltage_v=200.0, max_current_a=1.5, min_pulse_s=1e-4)

    def __init__(self):
        self.calls = []

    def prepare(self, *, voltage_range_v, current_limit_a, measure_range_a, integration_plc):
        self.calls.append(("prepare", current_limit_a))

    def output_on(self):
        self.calls.append(("output_on",))

    def output_off(self):
        self.calls.append(("output_off",))

    def set_voltage(self, voltage_v):
        self.calls.append(("set_voltage", voltage_v))

    def measure_current(self):
        return Reading(1e-6, "A", frozenset(), "1e-06")

    def measure_voltage(self):
        return Reading(0.2, "V", frozenset(), "0.2")

    def staircase(self, levels_v, *, dwell_s):
        self.calls.append(("staircase", tuple(levels_v), dwell_s))
        return []

    def pulse(self, level_v, *, width_s, partner, partner_level_v):
        self.calls.append(("pulse", level_v, width_s, partner, partner_level_v))


class FakeGenerator:
    """A PulseSource without limits of its own that notes every stimulus."""

    limits = PulseLimits(min_width_s=0.0, max_width_s=1e6, min_edge_s=0.0, max_level_v=1e6)
    outputs = (1, 2)

    def __init__(self):
        self.calls = []

    def prepare(self, *, width_s, edge_s):
        self.calls.append(("prepare", width_s, edge_s))

    def set_levels(self, levels_v):
        self.calls.append(("set_levels", dict(levels_v)))

    def output_on(self):
        self.calls.append(("output_on",))

    def output_off(self):
        self.calls.append(("output_off",))

    def fire(self):
        self.calls.append(("fire",))


class AnsweringAdapter(Adapter):
    """Answers from a table, notes every write without its tag, is silent where the table has nothing."""

    def __init__(self, answers, log, key):
        super().__init__()
        self.connection = MagicMock()
        self._answers, self._log, self._key = answers, log, key
        self._pending = []

    def _write(self, command, **kwargs):
        line = re.match(r'print\("(#+\d+)"\) ?', command)
        register = re.match(r"\*ESE (\d+);\*ESE\?;?", command)
        command = command[(line or register or re.match("", command)).end() :]
        self._log.append((self._key, command))
        answer = self._answers.get(command)
        if isinstance(answer, Exception):
            raise answer
        self._pending = [line[1]] if line else []
        if answer is not None:
            self._pending.append(f"{register[1]};{answer}" if register else answer)

    def _read(self, **kwargs):
        if not self._pending:
            raise pyvisa.errors.VisaIOError(pyvisa.constants.StatusCode.error_timeout)
        return self._pending.pop(0)

    def close(self):
        if self.connection is not None:
            self._log.append((self._key, "<closed>"))
            self.connection = None


STATION = """\
schema = 1
name = "small"
visa_library = "@fake"
line_frequency_hz = 50

[instruments.smu1]
driver = "keithley.Keithley2636B"
resource = "TCPIP0::192.0.2.11::inst0::INSTR"
serial = "4400001"

[instruments.gen1]
driver = "keysight.Keysight33622A"
resource = "TCPIP0::192.0.2.12::inst0::INSTR"

[instruments.mat1]
driver = "keithley.Keithley707B"
resource = "TCPIP0::192.0.2.13::inst0::INSTR"
serial = "1400001"

[sample]
name = "two by two"
device = "kim2021_tiox_al2o3"
rows = 2
columns = 2

[wiring]
matrix = "mat1"
word_lines = ["101", "102"]
bit_lines = ["201", "212"]
identification = "611"
identification_resistors_ohm = [1.00e6, 1.01e6, 1.02e6, 1.03e6]

[wiring.rows]
A = "smu1.a"
B = "smu1.b"
C = "gen1.1"
D = "gen1.2"
E = "ground"

[envelope]
voltage_v = 3.0
current_a = 0.05
pulse_width_s = 0.5
energy_j = 2e-3
"""


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))


@pytest.fixture
def station_text():
    return STATION


@pytest.fixture
def station_path(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(STATION, encoding="utf-8", newline="\n")
    return path


@pytest.fixture
def meters():
    return FakeMeter(), FakeMeter()


@pytest.fixture
def generator():
    return FakeGenerator()


@pytest.fixture
def answering_adapter():
    return AnsweringAdapter


@pytest.fixture(scope="session")
def fake_types():
    return FakeMeter, FakeGenerator
