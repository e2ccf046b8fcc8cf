"""A one-channel source-measure unit with a resistor at its terminal, and a bench with two of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import pyvisa
from pymeasure.adapters import Adapter

from labctl.clock import VirtualClock
from labctl_mock.bench.terminals import Measured, TerminalMode


class ResistorCircuit:
    """One resistor from the terminal to ground; notes what it lived through."""

    def __init__(self, resistance_ohm=100e3):
        self.clock = VirtualClock()
        self.resistance_ohm = resistance_ohm
        self.terminals = {}
        self.past = []
        self._since_s = 0.0

    def settle(self):
        now_s = self.clock.now_s()
        (own,) = self.terminals.values()
        if now_s > self._since_s:
            self.past.append((now_s - self._since_s, 0.0 if own.mode is TerminalMode.OPEN else own.level))
        self._since_s = now_s

    def measure(self, terminal, *, aperture_s):
        assert aperture_s > 0.0
        self.settle()
        self.clock.sleep(aperture_s)
        self.settle()
        own = self.terminals[terminal]
        if own.mode is TerminalMode.OPEN:
            return Measured(0.0, 0.0, False)
        if own.mode is TerminalMode.CURRENT:
            volts = own.level * self.resistance_ohm
            held_v = float(np.clip(volts, -own.voltage_limit_v, own.voltage_limit_v))
            return Measured(held_v, held_v / self.resistance_ohm, held_v != volts)
        amps = own.level / self.resistance_ohm
        held_a = float(np.clip(amps, -own.current_limit_a, own.current_limit_a))
        return Measured(held_a * self.resistance_ohm, held_a, held_a != amps)

    def held_s(self, level_v):
        """Return how long the resistor stood at a level, to 1 %."""
        return sum(duration_s for duration_s, level in self.past if abs(level - level_v) < 0.01 * abs(level_v))


class Rack:
    def __init__(self, model, *, seed=1, resistance_ohm=100e3):
        self.circuit = ResistorCircuit(resistance_ohm)
        self.smu = model("smu1", self.circuit, serial="1163289", seed=seed, options={})
        self.circuit.terminals = self.smu.terminals
        (self.terminal,) = self.smu.terminals.values()

    def write(self, text):
        self.smu.receive(text.encode() + b"\n", True)

    def read(self):
        data, end = self.smu.transmit(1 << 20)
        assert end
        return data.decode("latin-1").removesuffix("\n")

    def ask(self, text):
        self.write(text)
        return self.read()

    def numbers(self, text):
        return [float(one) for one in self.ask(text).split(",")]

    def codes(self):
        found = []
        while code := int(self.ask(":SYST:ERR?").partition(",")[0]):
            found.append(code)
        return found


class Connection:
    """A session that opens again, as a raw socket does."""

    timeout = 5000.0
    resource_class = "SOCKET"

    def close(self):
        pass

    def open(self, open_timeout):
        pass


class RackAdapter(Adapter):
    """PyMeasure's adapter onto a rack."""

    def __init__(self, rack):
        super().__init__()
        self.connection = Connection()
        self._rack = rack

    def _write(self, command, **kwargs):
        self._rack.write(command)

    def _read(self, **kwargs):
        return self._rack.read()


@pytest.fixture
def make_rack():
    """Return a function of a model: a rack with that unit and a resistor of 100 kohm."""
    return Rack


@pytest.fixture
def make_driver():
    """Return a function of a model and a driver: both, joined without VISA."""

    def make(model, driver):
        rack = Rack(model)
        return rack, driver(RackAdapter(rack))

    return make


@pytest.fixture
def sourcemeters(tmp_path, monkeypatch):
    """Return a resource manager on a copy of the bench of 2450 and 2400; its die is remembered nowhere else."""
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    path = shutil.copy(Path(__file__).with_name("sourcemeters.toml"), tmp_path / "sourcemeters.toml")
    manager = pyvisa.ResourceManager(f"{path}@labctl")
    yield manager
    manager.close()
