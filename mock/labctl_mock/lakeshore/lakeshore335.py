"""Simulated Lake Shore 335: input A under the die, output 1 with its heater, output 2 with nothing on it.

Manual: Model 335 Temperature Controller User's Manual, chapter 6; page 108 (``*ESR?``, ``*IDN?``) was read, the other
commands and formats are from memory, and no real one was compared. From memory: out-of-range parameters set the
execution error bit and change nothing; unknown commands set the command error bit; there is no error queue to ask.

How it plays: the block of :mod:`labctl_mock.bench.stage`. Assumed: full power of Low, Medium and High holds 5, 50 and
500 K above ambient; the sensor errs by up to 0.1 K, drawn from the seed, and has 5 mK of noise; it reads up to 800 K.

Not imitated: PID values (the loop is a first-order one whatever they are), autotune, zones, ramps, alarms, relays,
curves, open loop, monitor output, what output 2 heats, input B (it reads no sensor).
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from labctl_mock.bench.stage import AMBIENT_K, Stage
from labctl_mock.bench.terminals import Circuit
from labctl_mock.messages import MessageFault
from labctl_mock.messages.numeric import Integer, Number
from labctl_mock.messages.parameters import Choice
from labctl_mock.messages.scpi import ScpiInstrument
from labctl_mock.messages.tree import Command

__all__ = ["SimulatedLakeShore335"]

_RISE_K = {0: 0.0, 1: 5.0, 2: 50.0, 3: 500.0}
_ERROR_K, _NOISE_K, _SENSOR_MOST_K = 0.1, 5e-3, 800.0
_SET_MOST_K = 1505.0
_OUTPUT = Integer(limits=())
_INPUT = Choice("A", "B")
_CLOSED_LOOP, _INPUT_A = 1, 1


class SimulatedLakeShore335(ScpiInstrument):
    """The controller on the bench; it has no terminals.

    Parameters
    ----------
    key, circuit, serial, seed, options
        As :class:`~labctl_mock.messages.SimulatedInstrument`; there are no options.
    """

    maker = "LSCI"
    model = "MODEL335"
    firmware = "2.0"
    integer_format = "{:03d}"
    fault_kinds: ClassVar[frozenset[str]] = frozenset({"output_trip"})
    # no more than 20 messages a second are asked for
    write_time_s = 0.05
    query_time_s = 0.05

    def __init__(self, key: str, circuit: Circuit, *, serial: str, seed: int, options: Mapping[str, object]) -> None:
        if options:
            raise ValueError(f"{key} (LakeShore335): there are no options, got {', '.join(sorted(options))}")
        self._stage = Stage(circuit.clock.now_s())
        self._random = np.random.default_rng(seed)
        self._error_k = float(self._random.uniform(-_ERROR_K, _ERROR_K))
        self._set_k: dict[int, float] = {}
        self._range: dict[int, int] = {1: 0, 2: 0}
        self._pid: dict[int, tuple[float, float, float]] = {}
        self._mode: dict[int, tuple[int, int, int]] = {}
        super().__init__(key, circuit, serial=serial, seed=seed, options=options)
        self._commons["*TST?"] = lambda: "0"
        self.reset()
        circuit.heat(self._stage)

    def reset(self) -> None:
        """Obey ``*RST``: power-up settings, which switch the outputs off."""
        self._set_k = dict.fromkeys((1, 2), 0.0)
        self._range = dict.fromkeys((1, 2), 0)
        self._pid = dict.fromkeys((1, 2), (50.0, 20.0, 0.0))
        self._mode = {1: (_CLOSED_LOOP, _INPUT_A, 0), 2: (0, 0, 0)}
        self._steer()

    def identification(self) -> str:
        """Return the answer to ``*IDN?``; behind the serial number stands that of an option card, of which is none."""
        return f"{self.maker},{self.model},{self.serial}/#######,{self.firmware}"

    def fail(self, kind: str, value: str, message: str) -> None:
        """Switch the heater off, as after a fault of heater or sensor."""
        self._range[1] = 0
        self._steer()

    def commands(self) -> list[Command]:
        """Return the command set."""
        one = (_OUTPUT,)
        return [
            Command("SETP", self._write_set_point, (_OUTPUT, Number(limits=())), self._read_set_point, one),
            Command("RANGE", self._write_range, (_OUTPUT, Integer(limits=())), self._read_range, one),
            Command("OUTMODE", self._write_mode, (_OUTPUT, *[Integer(limits=())] * 3), self._read_mode, one),
            Command("PID", self._write_pid, (_OUTPUT, *[Number(limits=())] * 3), self._read_pid, one),
            Command("HTR", query=self._read_heater, query_parameters=one),
            Command("HTRST", query=self._read_heater_status, query_parameters=one),
            Command("KRDG", query=self._read_kelvin, query_parameters=(_INPUT,)),
            Command("RDGST", query=self._read_status, query_parameters=(_INPUT,)),
        ]

    def _required_commands(self) -> list[Command]:
        # it speaks no SCPI but for the common commands
        return []

    def _steer(self) -> None:
        self.circuit.settle()
        is_on = self._range[1] and self._mode[1][:2] == (_CLOSED_LOOP, _INPUT_A)
        # the loop brings the sensor to the set-point, not the block
        set_k = self._set_k[1] - self._error_k if is_on else 0.0
        self._stage.control(set_k, AMBIENT_K + _RISE_K[self._range[1]], self.circuit.clock.now_s())

    def _write_set_point(self, output: float, value_k: float) -> None:
        number = _output(output)
        if not 0.0 <= value_k <= _SET_MOST_K:
            raise MessageFault(-222, f"{value_k:g}")
        self._set_k[number] = round(value_k, 3)
        self._steer()

    def _read_set_point(self, output: float) -> str:
        return _kelvin(self._set_k[_output(output)])

    def _write_range(self, output: float, value: float) -> None:
        number = _output(output)
        if value not in _RISE_K:
            raise MessageFault(-222, f"{value:g}")
        self._range[number] = int(value)
        self._steer()

    def _read_range(self, output: float) -> str:
        return str(self._range[_output(output)])

    def _write_mode(self, output: float, mode: float, sensor: float, at_power_up: float) -> None:
        number = _output(output)
        if not (0 <= mode <= 5 and 0 <= sensor <= 2 and 0 <= at_power_up <= 1):
            raise MessageFault(-222, f"{mode:g},{sensor:g},{at_power_up:g}")
        self._mode[number] = (int(mode), int(sensor), int(at_power_up))
        self._steer()

    def _read_mode(self, output: float) -> str:
        return ",".join(map(str, self._mode[_output(output)]))

    def _write_pid(self, output: float, gain: float, integral: float, derivative: float) -> None:
        number = _output(output)
        if not (0.1 <= gain <= 1000.0 and 0.1 <= integral <= 1000.0 and 0.0 <= derivative <= 200.0):
            raise MessageFault(-222, f"{gain:g},{integral:g},{derivative:g}")
        self._pid[number] = (gain, integral, derivative)

    def _read_pid(self, output: float) -> str:
        gain, integral, derivative = self._pid[_output(output)]
        return f"{gain:+07.1f},{integral:+07.1f},{derivative:+07.2f}"

    def _read_heater(self, output: float) -> str:
        rise_k = _RISE_K[self._range[_output(output)]] if output == 1 else 0.0
        above_k = self._stage.temperature_k(self.circuit.clock.now_s()) - AMBIENT_K
        return f"{min(100.0, 100.0 * max(0.0, above_k) / rise_k) if rise_k else 0.0:+06.1f}"

    def _read_heater_status(self, output: float) -> str:
        _output(output)
        return "0"

    def _sensor_k(self) -> float:
        return self._stage.temperature_k(self.circuit.clock.now_s()) + self._error_k

    def _read_kelvin(self, sensor: str) -> str:
        value_k = self._sensor_k() + _NOISE_K * float(self._random.standard_normal())
        return _kelvin(value_k if sensor == "A" and value_k <= _SENSOR_MOST_K else 0.0)

    def _read_status(self, sensor: str) -> str:
        if sensor == "B":
            return "001"
        return "032" if self._sensor_k() > _SENSOR_MOST_K else "000"


def _output(value: float) -> int:
    if value not in (1.0, 2.0):
        raise MessageFault(-222, f"{value:g}")
    return int(value)


def _kelvin(value_k: float) -> str:
    """Six digits, as from 100 K on, which is all that is simulated; from 1000 K on two behind the point."""
    return f"{value_k:+08.3f}" if value_k < 999.9995 else f"{value_k:+08.2f}"
