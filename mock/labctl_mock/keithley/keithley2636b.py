"""The simulated Keithley 2636B, dual-channel source-measure unit.

Sources: 2600BS-901-01 Rev. F (reference manual), SPEC-2636B (ranges, accuracy, noise, settling). It imitates the
voltage and current source, compliance, ranging, integration, noise and errors, reading buffers and the trigger
model. It does not imitate TSP-Link, digital I/O, contact check, calibration, high-capacitance stability, thermal
drift or the front panel beyond holding its state. Not here: the dialect (:mod:`labctl_mock.tsp`), the channels.
"""

from collections.abc import Callable, Mapping
from importlib.resources import files
from math import inf
from typing import ClassVar

from labctl_mock.bench.terminals import Circuit
from labctl_mock.keithley.metering import Metering
from labctl_mock.keithley.smu_channel import SmuChannel
from labctl_mock.keithley.smu_tree import smu_tree
from labctl_mock.keithley.trigger_model import TriggerModel
from labctl_mock.keithley.trigger_tree import sweep_tree, trigger_tree
from labctl_mock.tsp.buffers import ReadingBuffer
from labctl_mock.tsp.instrument import TspInstrument
from labctl_mock.tsp.objects import TspObject

__all__ = ["SimulatedKeithley2636B"]

_VOLTAGE_LIMIT, _CURRENT_LIMIT, _OVERFLOW = 0x01, 0x02, 0x80  # status.measurement.*, 2600BS-901-01 section 12


class SimulatedKeithley2636B(TspInstrument):
    """A 2636B with terminals ``<key>.a`` and ``<key>.b``.

    With outputs off a channel is in its default off state, which is no open circuit: 0 V with a limit of 1 mA
    (2600BS-901-01 Rev. F page 2-42), unless ``source.offmode`` was changed.
    """

    maker: ClassVar[str] = "Keithley Instruments"
    model: ClassVar[str] = "Model 2636B"
    firmware: ClassVar[str] = "4.0.3"
    ascii_precision: ClassVar[int] = 6
    fault_kinds: ClassVar[frozenset[str]] = frozenset({"output_ignores_off", "output_trip", "interlock_open"})

    def __init__(self, key: str, circuit: Circuit, *, serial: str, seed: int, options: Mapping[str, object]) -> None:
        super().__init__(key, circuit, serial=serial, seed=seed, options=options)
        self.channels = [
            SmuChannel(f"{key}.{letter}", circuit, Metering(seed, index), lambda: 1.0 / self.line_frequency_hz)
            for index, letter in enumerate("ab")
        ]
        self.terminals = {channel.terminal.name: channel.terminal for channel in self.channels}
        self.triggers = TriggerModel(circuit, self.channels)

    def reset_model(self) -> None:
        """Reset both channels and the trigger model."""
        self.triggers.reset()
        for channel in self.channels:
            channel.reset()

    def power_cycle(self) -> None:
        """Lose power: no output stays on then, not even a welded one."""
        for channel in self.channels:
            channel.source.is_welded = False
        super().power_cycle()

    def fail(self, kind: str, value: str, message: str) -> None:
        """Weld an output, trip a protection (error number assumed) or open the interlock."""
        sources = [
            own.source for letter, own in zip("ab", self.channels, strict=True) if value in ("", letter, "silent")
        ]
        if kind == "output_ignores_off":
            for source in sources:
                source.is_welded = True
            return
        for source in sources:
            source.set_output(0)
            source.is_interlocked |= kind == "interlock_open"
        if kind == "interlock_open":
            self.report(802, "OUTPUT blocked by interlock")
        elif value != "silent":
            self.report(805, "OUTPUT blocked by over temperature")

    def tree(self) -> TspObject:
        """Return ``smua``, ``smub`` and ``trigger``."""
        tree = TspObject()
        for index, (letter, channel) in enumerate(zip("ab", self.channels, strict=True)):
            trigger = sweep_tree(self.triggers, index, self._resolve)
            smu = smu_tree(channel, self._resolve, trigger)
            smu.functions["abort"] = self._aborter(index)
            tree.children[f"smu{letter}"] = smu
        tree.children["trigger"] = trigger_tree(self.triggers, self.circuit.clock.sleep)
        tree.functions["waitcomplete"] = self.triggers.wait
        return tree

    def factory_script(self) -> str:
        """Return the pulse functions."""
        return files("labctl_mock.keithley").joinpath("factory.lua").read_text(encoding="utf-8")

    def conditions(self) -> Mapping[str, Callable[[], int]]:
        """Return the measurement and sweeping registers."""
        conditions: dict[str, Callable[[], int]] = {
            "measurement.instrument": lambda: 0,
            "operation": lambda: 0,
            "operation.sweeping": self.triggers.sweeping,
            "questionable": lambda: 0,
        }
        for letter, channel in zip("ab", self.channels, strict=True):
            conditions[f"measurement.instrument.smu{letter}"] = _measurement(channel)
        return conditions

    def complete(self) -> None:
        """Let initiated sweeps run."""
        self.triggers.run()

    def on_trigger(self) -> None:
        """Obey ``*TRG``."""
        self.obey(self.triggers.command)

    def idle_at_s(self) -> float:
        """Return inf while a sweep waits for a trigger, else the past."""
        self.obey(self.triggers.run)
        return inf if self.triggers.is_running() else -inf

    def _resolve(self, reference: object) -> tuple[ReadingBuffer, str | None]:
        return self.engine.buffer(reference)

    def _aborter(self, index: int) -> Callable[[], None]:
        return lambda: self.triggers.abort(self.triggers.sweeps[index])


def _measurement(channel: SmuChannel) -> Callable[[], int]:
    def condition() -> int:
        bits = _OVERFLOW if channel.meter.had_overrange else 0
        if channel.source.output == 1 and channel.meter.limits_now():
            bits |= _CURRENT_LIMIT if channel.source.function == 1 else _VOLTAGE_LIMIT
        return bits

    return condition
