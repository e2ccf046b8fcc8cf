"""Simulated Keysight 33622A: two-channel 120 MHz generator, SCPI, as a source of single pulses.

Manuals: Agilent 33500 Series Operating and Service Guide (the command set that the 33600A shares; page numbers are its)
and 33600A Series data sheet (limits and accuracy, taken second hand).

How it plays: a burst of PULS (or SQU) with ``TRIG:SOUR BUS`` becomes rectangles on the bench circuit. A rectangle is as
wide as the pulse from 50 % to 50 % and starts with the trigger: each edge counts half, its time is neglected. A burst
of ARB becomes one rectangle for each run of equal points (:mod:`labctl_mock.keysight.generator_waveforms`). One
``*TRG`` fires every channel that waits for BUS, at the same instant. A trigger that comes before the last period of a
burst is over is lost (-211). Between bursts the output rests where a pulse cycle begins, at the LOW level; with
``OUTP:POL INV`` (the waveform inverted about the offset) at the HIGH level. The guide says that a burst waits at its
starting phase; that a pulse's is LOW is how the instrument is known to behave, no page was found that says it.
``OUTP OFF`` opens the output relay.

Not imitated: continuous waveforms (the output shows their mean), other waveforms in bursts (error -310), internally and
externally triggered or gated bursts, modulation, sweeps, sequences, filters of arbitrary waveforms, coupling of
channels, overshoot and jitter, the autorange relay's glitch. Assumed: the times a setting and
a query take, since no page states them for this firmware.
"""

from collections.abc import Callable, Mapping
from math import inf

from labctl_mock.bench.terminals import Circuit, Rectangle, Terminal
from labctl_mock.keysight.generator_channel import GeneratorChannel
from labctl_mock.keysight.generator_settings import PlainStore, number_text
from labctl_mock.keysight.generator_waveforms import waveform_commands
from labctl_mock.messages import MessageFault
from labctl_mock.messages.numeric import Boolean, Integer, Limit, Number
from labctl_mock.messages.parameters import Choice
from labctl_mock.messages.scpi import ScpiInstrument
from labctl_mock.messages.tree import Command

__all__ = ["SimulatedKeysight33622A"]

_SOURCE = "[SOURce[1|2]:]"
_VOLT = Number("V", suffixes={"VPP": 1.0, "MVPP": 1e-3})
_SECOND = Number("S")
_FUNCTION = Choice("SINusoid", "SQUare", "RAMP", "TRIangle", "PULSe", "PRBS", "NOISe", "ARB", "DC")


class SimulatedKeysight33622A(ScpiInstrument):
    """The generator on the bench; terminals ``<key>.1`` and ``<key>.2``.

    Parameters
    ----------
    key, circuit, serial, seed, options
        As :class:`~labctl_mock.messages.SimulatedInstrument`; there are no options.
    """

    maker = "Keysight Technologies"
    model = "33622A"
    fault_kinds = frozenset({"output_ignores_off", "output_trip"})
    firmware = "A.02.03-3.15-03-64-02"
    integer_format = "{:+d}"
    write_time_s = 2e-3
    query_time_s = 1e-3

    def __init__(self, key: str, circuit: Circuit, *, serial: str, seed: int, options: Mapping[str, object]) -> None:
        if options:
            raise ValueError(f"{key} (Keysight33622A): there are no options, got {', '.join(sorted(options))}")
        self._plain = PlainStore()
        self._channels: dict[int, GeneratorChannel] = {}
        super().__init__(key, circuit, serial=serial, seed=seed, options=options)
        for number in (1, 2):
            terminal = Terminal(f"{key}.{number}")
            self.terminals[terminal.name] = terminal
            self._channels[number] = GeneratorChannel(terminal, self.report, circuit.settle, (seed, number))

    def power_cycle(self) -> None:
        """Lose power: no output stays on then, not even a welded one, and the volatile memories are empty."""
        for channel in self._channels.values():
            channel.is_welded = False
            channel.waveforms.clear()
        super().power_cycle()

    def fail(self, kind: str, value: str, message: str) -> None:
        """Weld an output or trip its overload protection (error number assumed)."""
        channels = [own for number, own in self._channels.items() if value in ("", str(number), "silent")]
        for channel in channels:
            if kind == "output_ignores_off":
                channel.is_welded = True
            else:
                channel.is_on = False
                channel.show()
        if kind == "output_trip" and value != "silent":
            self.report(-240, "Hardware error;Output overload, output turned off")

    def reset(self) -> None:
        """Obey ``*RST``: factory settings, outputs off."""
        self._plain.reset()
        for channel in self._channels.values():
            channel.reset()

    def idle_at_s(self) -> float:
        """Return the clock reading, unit s, at which the last burst ends (``*OPC``, ``*WAI``)."""
        return max(channel.busy_until_s for channel in self._channels.values())

    def on_trigger(self) -> None:
        """Fire every channel that waits for a BUS trigger.

        Raises
        ------
        MessageFault
            -211 where none waits, -310 for a burst that is not simulated.
        """
        self._fire([own for own in self._channels.values() if own.trigger_source == "BUS"])

    def _fire(self, channels: list[GeneratorChannel]) -> None:
        now_s = self.circuit.clock.now_s()
        waiting = [own for own in channels if own.burst_on and own.busy_until_s <= now_s]
        if not waiting:
            raise MessageFault(-211)
        rectangles: list[Rectangle] = []
        for channel in waiting:
            rectangles += channel.burst()
        for channel in waiting:
            channel.busy_until_s = now_s + channel.burst_s
        if rectangles:
            self.circuit.settle()
            self.circuit.fire(rectangles)

    def commands(self) -> list[Command]:
        """Return the command set."""
        return [
            *self._level_commands(),
            *self._timing_commands(),
            *self._output_commands(),
            *self._plain.commands(),
            Command("DISPlay:TEXT:CLEar", lambda: self._plain.set("DISPlay:TEXT[:DATA]", '""')),
            Command("SYSTem:BEEPer[:IMMediate]", _nothing),
            *waveform_commands(
                _SOURCE,
                lambda number: self._channels[number].waveforms,
                lambda number: self._channels[number].show(),
            ),
        ]

    def _level_commands(self) -> list[Command]:
        limit = Choice("MINimum", "MAXimum", "DEFault", is_optional=True)
        applied = tuple(Number(unit, suffixes={"VPP": 1.0}, is_optional=True) for unit in ("HZ", "V", "V"))
        return [
            Command(
                f"{_SOURCE}FUNCtion",
                self._to("set_function"),
                (_FUNCTION,),
                lambda number: self._channels[number].function,
            ),
            Command(
                f"{_SOURCE}VOLTage",
                self._set_amplitude,
                (Number("V", suffixes={"VPP": 1.0, "MVPP": 1e-3, "VRMS": 1.0, "DBM": 1.0}),),
                self._query_amplitude,
                (limit,),
            ),
            Command(
                f"{_SOURCE}VOLTage:UNIT",
                self._set_unit,
                (Choice("VPP", "VRMS", "DBM"),),
                lambda number: self._channels[number].unit,
            ),
            Command(f"{_SOURCE}VOLTage:HIGH", self._to("set_high"), (_VOLT,), self._from("high_v")),
            Command(f"{_SOURCE}VOLTage:LOW", self._to("set_low"), (_VOLT,), self._from("low_v")),
            Command(f"{_SOURCE}VOLTage:OFFSet", self._to("set_offset"), (_VOLT,), self._from("offset_v")),
            Command(
                f"{_SOURCE}VOLTage:LIMit:HIGH", self._limit_writer("limit_high_v"), (_VOLT,), self._from("limit_high_v")
            ),
            Command(
                f"{_SOURCE}VOLTage:LIMit:LOW", self._limit_writer("limit_low_v"), (_VOLT,), self._from("limit_low_v")
            ),
            Command(
                f"{_SOURCE}VOLTage:LIMit:STATe", self._assign("limits_on"), (Boolean(),), self._from_flag("limits_on")
            ),
            Command(f"{_SOURCE}APPLy", query=self._query_applied),
            *(
                Command(
                    f"{_SOURCE}APPLy:{word}",
                    self._applier(short),
                    applied,
                )
                for word, short in (
                    ("SINusoid", "SIN"),
                    ("SQUare", "SQU"),
                    ("RAMP", "RAMP"),
                    ("TRIangle", "TRI"),
                    ("PULSe", "PULS"),
                    ("NOISe", "NOIS"),
                    ("DC", "DC"),
                )
            ),
        ]

    def _timing_commands(self) -> list[Command]:
        pulse = f"{_SOURCE}FUNCtion:PULSe"
        duty = Number("PCT")
        return [
            Command(f"{_SOURCE}FREQuency", self._to("set_frequency"), (Number("HZ"),), self._from("frequency_hz")),
            Command(f"{pulse}:PERiod", self._to("set_period"), (_SECOND,), self._from("period_s")),
            Command(f"{pulse}:WIDTh", self._to("set_width"), (_SECOND,), self._from("width_s")),
            Command(
                f"{pulse}:DCYCle",
                self._to("set_duty"),
                (duty,),
                lambda number: number_text(
                    100.0 * self._channels[number].width_s * self._channels[number].frequency_hz
                ),
            ),
            Command(
                f"{pulse}:HOLD",
                lambda number, word: setattr(self._channels[number], "holds_duty", word == "DCYC"),
                (Choice("WIDTh", "DCYCle"),),
                lambda number: "DCYC" if self._channels[number].holds_duty else "WIDT",
            ),
            Command(f"{pulse}:TRANsition[:BOTH]", self._edges(True, True), (_SECOND,), self._from("leading_s")),
            Command(f"{pulse}:TRANsition:LEADing", self._edges(True, False), (_SECOND,), self._from("leading_s")),
            Command(f"{pulse}:TRANsition:TRAiling", self._edges(False, True), (_SECOND,), self._from("trailing_s")),
            Command(
                f"{_SOURCE}FUNCtion:SQUare:DCYCle",
                self._bounded("square_duty", 0.01, 99.99, 50.0),
                (duty,),
                self._from("square_duty"),
            ),
            Command(f"{_SOURCE}PHASe:SYNChronize", _nothing),
        ]

    def _output_commands(self) -> list[Command]:
        return [
            Command("OUTPut[1|2][:STATe]", self._assign("is_on"), (Boolean(),), self._from_flag("is_on")),
            Command(
                "OUTPut[1|2]:LOAD", self._to("set_load"), (Number("OHM", has_infinity=True),), self._from("load_ohm")
            ),
            Command(
                "OUTPut[1|2]:POLarity",
                self._set_polarity,
                (Choice("NORMal", "INVerted"),),
                lambda number: "INV" if self._channels[number].is_inverted else "NORM",
            ),
            Command(f"{_SOURCE}BURSt[:STATe]", self._assign("burst_on"), (Boolean(),), self._from_flag("burst_on")),
            Command(
                f"{_SOURCE}BURSt:NCYCles", self._set_cycles, (Integer(has_infinity=True),), self._from("burst_cycles")
            ),
            Command("TRIGger[1|2][:IMMediate]", lambda number: self._fire([self._channels[number]])),
            Command(
                "TRIGger[1|2]:SOURce",
                lambda number, word: setattr(self._channels[number], "trigger_source", word),
                (Choice("IMMediate", "EXTernal", "TIMer", "BUS"),),
                lambda number: self._channels[number].trigger_source,
            ),
            Command(
                "TRIGger[1|2]:DELay",
                self._bounded("trigger_delay_s", 0.0, 1000.0, 0.0),
                (_SECOND,),
                self._from("trigger_delay_s"),
            ),
        ]

    def _to(self, method: str) -> Callable[[int, object], None]:
        return lambda number, value: getattr(self._channels[number], method)(value)

    def _from(self, attribute: str) -> Callable[[int], str]:
        return lambda number: number_text(getattr(self._channels[number], attribute))

    def _from_flag(self, attribute: str) -> Callable[[int], str]:
        return lambda number: "1" if getattr(self._channels[number], attribute) else "0"

    def _assign(self, attribute: str) -> Callable[[int, object], None]:
        def write(number: int, value: object) -> None:
            setattr(self._channels[number], attribute, value)
            self._channels[number].show()

        return write

    def _bounded(self, attribute: str, low: float, high: float, default: float) -> Callable[[int, float | Limit], None]:
        def write(number: int, value: float | Limit) -> None:
            channel = self._channels[number]
            setattr(channel, attribute, channel.bounded(value, low, high, default))

        return write

    def _edges(self, leading: bool, trailing: bool) -> Callable[[int, float | Limit], None]:
        return lambda number, value: self._channels[number].set_edges(value, leading=leading, trailing=trailing)

    def _limit_writer(self, attribute: str) -> Callable[[int, float | Limit], None]:
        def write(number: int, value: float | Limit) -> None:
            channel = self._channels[number]
            top_v = channel.max_level_v
            setattr(channel, attribute, channel.bounded(value, -top_v, top_v, top_v))

        return write

    def _set_polarity(self, number: int, word: str) -> None:
        self._channels[number].is_inverted = word == "INV"
        self._channels[number].show()

    def _set_cycles(self, number: int, value: float | Limit) -> None:
        channel = self._channels[number]
        channel.burst_cycles = inf if value == inf else channel.bounded(value, 1.0, 1e8, 1.0)

    def _set_unit(self, number: int, word: str) -> None:
        if word == "DBM" and self._channels[number].load_ohm == inf:
            raise MessageFault(-221, "cannot have dBm with an infinite load")  # p. 61
        self._channels[number].unit = word

    def _set_amplitude(self, number: int, value: float | Limit) -> None:
        channel = self._channels[number]
        channel.set_amplitude(value if isinstance(value, Limit) else channel.unit_to_vpp(value))

    def _query_amplitude(self, number: int, limit: str | None = None) -> str:
        channel = self._channels[number]
        shown_v = {
            None: channel.amplitude_v,
            "MIN": channel.min_amplitude_v,
            "MAX": 2.0 * (channel.max_level_v - abs(channel.offset_v)),
            "DEF": 0.2 * channel.scale,
        }[limit]
        return number_text(channel.vpp_to_unit(shown_v))

    def _query_applied(self, number: int) -> str:
        channel = self._channels[number]
        values = (channel.frequency_hz, channel.vpp_to_unit(channel.amplitude_v), channel.offset_v)
        return f'"{channel.function} {",".join(number_text(value) for value in values)}"'

    def _applier(self, function: str) -> Callable[..., None]:
        def apply(
            number: int,
            frequency: float | Limit = Limit.DEFAULT,
            amplitude: float | Limit = Limit.DEFAULT,
            offset: float | Limit = Limit.DEFAULT,
        ) -> None:
            """APPLy: immediate trigger, no burst, then waveform, amplitude, offset, and the output goes on."""
            channel = self._channels[number]
            channel.burst_on, channel.trigger_source = False, "IMM"
            channel.set_function(function)
            channel.set_frequency(frequency)
            channel.set_offset(Limit.DEFAULT)
            self._set_amplitude(number, amplitude)
            channel.set_offset(offset)
            channel.is_on = True
            channel.show()

        return apply


def _nothing(*_suffixes: int) -> None:
    """Obey a command whose effect the bench cannot see."""
