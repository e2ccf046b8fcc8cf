"""One channel of a 2636B: source, meter and reading buffers put together, and what ``measure.i()`` and its kin do.

Not here: source and meter themselves, the Lua names (:mod:`labctl_mock.keithley.smu_tree`), sweeps
(:mod:`labctl_mock.keithley.trigger_model`).
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from labctl_mock.bench.terminals import Circuit, Terminal
from labctl_mock.keithley.metering import OVERRANGE, Metering
from labctl_mock.keithley.smu_measure import Sample, SmuMeasure
from labctl_mock.keithley.smu_source import LIMIT_LAG_S, SmuSource
from labctl_mock.tsp.buffers import ReadingBuffer

__all__ = ["READERS", "SmuChannel"]

_NV_CAPACITY = 142_857  # 2600BS-901-01: readings of a dedicated buffer with time stamps and source values


def _current(sample: Sample) -> float:
    return OVERRANGE if sample.current_a is None else sample.current_a


def _voltage(sample: Sample) -> float:
    return OVERRANGE if sample.voltage_v is None else sample.voltage_v


def _resistance(sample: Sample) -> float:
    volts, amps = _voltage(sample), _current(sample)
    return OVERRANGE if OVERRANGE in (volts, amps) or amps == 0.0 else volts / amps


def _power(sample: Sample) -> float:
    volts, amps = _voltage(sample), _current(sample)
    return OVERRANGE if OVERRANGE in (volts, amps) else volts * amps


# letter of measure.<letter>(): number for bufferVar.measurefunctions, needs current, needs voltage, value
READERS: Mapping[str, tuple[int, bool, bool, Callable[[Sample], float]]] = MappingProxyType(
    {
        "i": (1, True, False, _current),
        "v": (2, False, True, _voltage),
        "r": (3, True, True, _resistance),
        "p": (4, True, True, _power),
    }
)


class SmuChannel:
    """Source, meter and buffers of one channel.

    Parameters
    ----------
    name : str
        Terminal on the bench, such as ``"smu1.a"``.
    circuit : Circuit
        The bench's circuit.
    metering : Metering
        Errors and noise of this channel.
    line_period_s : callable
        Returns the period of the power line, unit s.
    """

    def __init__(self, name: str, circuit: Circuit, metering: Metering, line_period_s: Callable[[], float]) -> None:
        self._circuit = circuit
        self.terminal = Terminal(name, limit_lag_s=LIMIT_LAG_S)
        self.meter = SmuMeasure(name, circuit, metering, line_period_s)
        self.source = SmuSource(
            self.terminal,
            circuit,
            metering,
            current_ceiling_a=self.meter.current_ceiling_a,
            voltage_ceiling_v=self.meter.voltage_ceiling_v,
        )
        self.meter.source = self.source
        self.buffers = {name: ReadingBuffer(_NV_CAPACITY) for name in ("nvbuffer1", "nvbuffer2")}

    def reset(self) -> None:
        """Go back to the defaults, output off, dedicated buffers empty (2600BS-901-01 Rev. F page 9-236)."""
        self.meter.reset()
        self.source.reset()
        for buffer in self.buffers.values():
            buffer.clear()
            buffer.flags.update(appendmode=0, collectsourcevalues=0, collecttimestamps=0)

    def measure(self, letters: str, buffers: Sequence[ReadingBuffer]) -> list[float]:
        """Make ``measure.count`` measurements of each quantity in ``letters``; return the last readings.

        Parameters
        ----------
        letters : str
            Keys of :data:`READERS`, such as ``"iv"``.
        buffers : sequence of ReadingBuffer
            One per letter, or fewer; readings of letters without one are only returned.

        Returns
        -------
        list of float, unit A, V, Ω or W
        """
        for buffer in buffers:
            buffer.restart()
        clock = self._circuit.clock
        values: list[float] = []
        for index in range(self.meter.count):
            start_s = clock.now_s()
            values = self.take(letters, buffers, is_first=index == 0)
            pause_s = start_s + self.meter.interval_s - clock.now_s()
            if index + 1 < self.meter.count and pause_s > 0.0:
                clock.sleep(pause_s)
        return values

    def take(self, letters: str, buffers: Sequence[ReadingBuffer], *, is_first: bool = True) -> list[float]:
        """Make one measurement of each quantity in ``letters`` at the same time and store it."""
        readers = [READERS[letter] for letter in letters]
        sample = self.meter.sample(
            current=any(reader[1] for reader in readers),
            voltage=any(reader[2] for reader in readers),
            is_first=is_first,
        )
        values = [reader[3](sample) for reader in readers]
        for reader, value, buffer in zip(readers, values, buffers, strict=False):
            buffer.store(
                value,
                source_value=self.source.present_level,
                time_s=sample.time_s,
                status=sample.status,
                function=reader[0],
            )
        return values
