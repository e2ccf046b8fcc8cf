"""Simulated Keithley 2450 SourceMeter with its SCPI command set.

Manual: 2461 Reference Manual 2461-901-01 Rev. A (sections 5 and 6), whose command set the 2450 shares but for ranges,
digitizing and pulses; SPEC-2450 Rev. A. No real 2450 has been seen. An error is answered with its kind and the time of
day, ``-113,"Undefined header;1;2026/01/01 00:00:03.120"``; the clock begins with the year 2026. ``*LANG?`` answers
SCPI; ``*LANG TSP`` and ``*LANG SCPI2400``, for which the real one wants to be started again, are error -221 here.

Assumed: 1 ms to obey a command or a query; 0.3 ms of overhead for a reading, which auto-zero makes three times as long
in integration; numbers of settings in as few digits as they need. Not imitated: resistance, current configuration lists
made by hand, measure configuration lists, digitizing, binary formats, setups, the event log, user delays, the filter's
moving average, limited autorange.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from labctl_mock.bench.terminals import Circuit, Terminal
from labctl_mock.keithley.metering import Metering
from labctl_mock.keithley.scpi_buffers import ReadingBuffers, StoredReading
from labctl_mock.keithley.scpi_settings import Rest, Settings, command, flag_text, in_bounds
from labctl_mock.keithley.sourcemeter import CURR, LIMIT_LAG_S, VOLT, SourceMeter
from labctl_mock.keithley.sourcemeter_2450 import (
    CHOICES,
    ERROR_TEXTS,
    FLAGS,
    NUMBERS,
    OUTPUT,
    RATINGS,
    SENSE,
    SOURCE,
    WORDS,
)
from labctl_mock.keithley.sourcemeter_ranges import RANGES_2450
from labctl_mock.keithley.sweep_commands import SweepCommands
from labctl_mock.keithley.trigger_blocks import TriggerBlocks
from labctl_mock.messages import MessageFault
from labctl_mock.messages.faults import fault_text
from labctl_mock.messages.numeric import Boolean, Integer, Limit, Number
from labctl_mock.messages.parameters import Choice, Text
from labctl_mock.messages.scpi import ScpiInstrument
from labctl_mock.messages.tree import Command

__all__ = ["SimulatedKeithley2450"]

_UNITS = {VOLT: "V", CURR: "A"}
_SHOWN_UNITS = {VOLT: "Volt DC", CURR: "Amp DC"}
_OVERFLOW = 9.9e37
_LIMIT_CHANGED = 5050
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_OVERHEAD_S = 0.3e-3
# 8-31: bits of the source status
_READBACK, _LIMITED, _OUTPUT_ON = 8, 32, 128
_FRONT = 8
_QUANTITY = Choice("VOLTage", "CURRent")


class SimulatedKeithley2450(ScpiInstrument):
    """A 2450 with the terminal ``<key>.a``.

    Parameters
    ----------
    key, circuit, serial, seed, options
        As :class:`~labctl_mock.messages.SimulatedInstrument`; there are no options.
    """

    maker: ClassVar[str] = "KEITHLEY INSTRUMENTS"
    model: ClassVar[str] = "MODEL 2450"
    firmware: ClassVar[str] = "1.7.12b"
    fault_kinds: ClassVar[frozenset[str]] = frozenset({"output_ignores_off", "output_trip", "interlock_open"})
    error_capacity: ClassVar[int] = 1000
    write_time_s: ClassVar[float] = 1e-3
    query_time_s: ClassVar[float] = 1e-3

    def __init__(self, key: str, circuit: Circuit, *, serial: str, seed: int, options: Mapping[str, object]) -> None:
        if options:
            raise ValueError(f"{key} (Keithley2450): there are no options, got {', '.join(sorted(options))}")
        terminal = Terminal(f"{key}.a", limit_lag_s=LIMIT_LAG_S)
        self._smu = SourceMeter(terminal, circuit, Metering(seed, 0, RANGES_2450), RATINGS, self._warn)
        self._settings = Settings(NUMBERS, CHOICES, FLAGS, self._plain_text, self._end_auto_delay)
        self._buffers = ReadingBuffers(self._reading_text)
        self._triggers = TriggerBlocks(
            sleep=circuit.clock.sleep,
            recall=self._recall,
            measure=self._measure_into,
            clear=lambda name: self._buffers.find(name).clear(),
            switch=self._smu.set_output,
        )
        self._sweeps = SweepCommands(
            self._triggers,
            check_buffer=self._buffers.find,
            top=self._smu.top,
            store=self._stored,
            text=self._plain_text,
        )
        self.line_frequency_hz = 50.0
        super().__init__(key, circuit, serial=serial, seed=seed, options=options)
        self.terminals[terminal.name] = terminal
        self._defaults()

    # --- the instrument as a whole --------------------------------------------------------------------------------

    def _defaults(self) -> None:
        self._settings.reset()
        self._buffers.reset()
        self._function = CURR
        self._precision = 7
        self._sweeps.reset()

    def reset(self) -> None:
        """Obey ``*RST``."""
        self._smu.reset()
        self._defaults()

    def power_cycle(self) -> None:
        """Lose power: no output stays on then, not even a welded one."""
        self._smu.is_welded = False
        super().power_cycle()

    def fail(self, kind: str, value: str, message: str) -> None:
        """Weld the output, let it trip, or open the interlock."""
        if kind == "output_ignores_off":
            self._smu.is_welded = True
            return
        self._smu.set_output(False)
        if kind == "interlock_open":
            self._smu.is_interlocked = True
            self.report(802)
        elif value != "silent":
            self.report(805)

    def common(self, unit: str) -> str | None:
        """Obey a common command; ``*LANG`` too.

        Raises
        ------
        MessageFault
            As the base class; -221 for a command set that is not simulated, -224 for one that does not exist.
        """
        header, _, argument = unit.strip().upper().partition(" ")
        if header == "*LANG?":
            return "SCPI"
        if header == "*LANG":
            language = Choice("SCPI", "TSP", "SCPI2400").parse(argument.strip() or "?")
            if language != "SCPI":
                raise MessageFault(-221)
            return None
        return super().common(unit)

    def report(self, code: int, text: str | None = None, *, detail: str = "") -> None:
        """Put an event into the log with its kind (1 error, 2 warning) and the time; no detail is added."""
        told = ERROR_TEXTS.get(code, fault_text(code)) if text is None else text
        time = _EPOCH + timedelta(seconds=self.circuit.clock.now_s())
        kind = 2 if code == _LIMIT_CHANGED else 1
        super().report(code, f"{told};{kind};{time:%Y/%m/%d %H:%M:%S}.{time.microsecond // 1000:03d}")

    def _warn(self) -> None:
        self.report(_LIMIT_CHANGED)

    def _end_auto_delay(self, pattern: str) -> None:
        # 6-90: a source delay that is set ends the automatic one
        if pattern.endswith(":DELay"):
            self._settings.put(f"{pattern}:AUTO", False)

    def _next_error(self) -> str:
        return super()._next_error() if len(self.errors) else '0,"No error;0;0 0"'

    def on_trigger(self) -> None:
        """Take a command trigger, for which nothing waits here."""

    def _plain_text(self, value: float) -> str:
        return f"{value:.{self._precision}G}"

    def _reading_text(self, value: float) -> str:
        return f"{value:.{self._precision - 1}E}"

    # --- readings -------------------------------------------------------------------------------------------------

    def _source_delay_s(self) -> float:
        smu = self._smu
        source = f"{SOURCE}:{WORDS[smu.function]}"
        if not self._settings.flag(f"{source}:DELay:AUTO"):
            return self._settings.number(f"{source}:DELay")
        measured = smu.active_range(self._function).settling_s
        return max(measured, smu.source_range[smu.function].settling_s)

    def _measure_into(self, buffer: str) -> bool:
        smu, function = self._smu, self._function
        readings = self._buffers.find(buffer)
        sense = f"{SENSE}:{WORDS[function]}[:DC]"
        smu.wait_since_change(self._source_delay_s())
        is_filtered = self._settings.flag(f"{sense}:AVERage[:STATe]")
        repeats = int(self._settings.number(f"{sense}:AVERage:COUNt")) if is_filtered else 1
        plc, period_s = self._settings.number(f"{sense}:NPLCycles"), 1.0 / self.line_frequency_hz
        extra_s = 2.0 * plc * period_s if self._settings.flag(f"{sense}:AZERo[:STATe]") else 0.0
        reads_back = self._settings.flag(f"{SOURCE}:{WORDS[smu.function]}:READ:BACK")
        level: float | None = smu.level
        if reads_back:
            level = smu.take([smu.function], plc=lambda _: plc, period_s=period_s, after=lambda _: None).values[
                smu.function
            ]
        rows = [
            smu.take(
                [function],
                plc=lambda _: plc,
                period_s=period_s,
                after=lambda _: self.circuit.clock.sleep(extra_s + _OVERHEAD_S),
            )
            for _ in range(repeats)
        ]
        values = [row.values[function] for row in rows]
        numbers = [value for value in values if value is not None]
        limited = any(row.in_compliance for row in rows)
        bits = (_READBACK if reads_back else 0) | (_LIMITED if limited else 0) | (_OUTPUT_ON if smu.output else 0)
        readings.append(
            StoredReading(
                value=sum(numbers) / len(numbers) if len(numbers) == len(values) else _OVERFLOW,
                source=_OVERFLOW if level is None else level,
                unit=_SHOWN_UNITS[function],
                source_unit=_SHOWN_UNITS[smu.function],
                source_status=bits,
                status=_FRONT if self._settings.word("ROUTe:TERMinals") == "FRON" else 0,
                time_s=rows[0].time_s,
            )
        )
        return limited

    def _trigger_into(self, rest: Sequence[str] = ()) -> None:
        for _ in range(int(self._settings.number(f"{SENSE}:COUNt"))):
            self._measure_into(rest[0] if rest else "defbuffer1")

    def _read(self, rest: Sequence[str] = ()) -> str:
        self._buffers.arguments(rest)
        self._trigger_into(rest[:1])
        return self._fetch(rest)

    def _fetch(self, rest: Sequence[str] = ()) -> str:
        name, elements = self._buffers.arguments(rest)
        readings = self._buffers.find(name)
        if not readings:
            raise MessageFault(-221)
        return self._buffers.show(readings[-1], elements)

    def _measurer(self, function: str) -> Callable[..., str]:
        def query(rest: Sequence[str] = ()) -> str:
            self._function = function
            return self._read(rest)

        return query

    # --- lists and sweeps -----------------------------------------------------------------------------------------

    def _stored(self, function: str, level: float) -> dict[str, object]:
        source = f"{SOURCE}:{WORDS[function]}"
        return {
            "function": function,
            "level": level,
            "limit": self._smu.limits[function],
            "delay": self._settings.number(f"{source}:DELay"),
            "auto": self._settings.flag(f"{source}:DELay:AUTO"),
        }

    def _recall(self, stored: dict[str, object]) -> None:
        # 6-101: a list that was made with the output off is swept with the output on, so it does not restore that
        smu, function = self._smu, str(stored["function"])
        source = f"{SOURCE}:{WORDS[function]}"
        self._settings.put(f"{source}:DELay", float(str(stored["delay"])))
        self._settings.put(f"{source}:DELay:AUTO", bool(stored["auto"]))
        limit = float(str(stored["limit"]))
        if limit != smu.limits[function]:
            smu.set_limit(function, limit)
        smu.set_level(function, float(str(stored["level"])))

    # --- commands -------------------------------------------------------------------------------------------------

    def commands(self) -> list[Command]:
        """Return the command set."""
        smu, rest = self._smu, (Rest(),)
        found = [
            *self._settings.commands(),
            *self._buffer_commands(),
            *self._sweeps.commands(),
            command(f"{OUTPUT}[:STATe]", smu.set_output, (Boolean(),), lambda: flag_text(smu.output)),
            command(f"{OUTPUT}:INTerlock:TRIPped", query=lambda: flag_text(not smu.is_interlocked)),
            command(
                f"{SOURCE}:FUNCtion[:MODE]", smu.set_function, (Choice("VOLTage", "CURRent"),), lambda: smu.function
            ),
            command(f"{SENSE}:FUNCtion[:ON]", self._choose, rest, lambda: f'"{self._function}:DC"'),
            command("READ", query=self._read, query_parameters=rest),
            command("FETCh", query=self._fetch, query_parameters=rest),
            command("MEASure", query=self._read, query_parameters=rest),
            command("FORMat:ASCii:PRECision", self._set_precision, (Integer(),), lambda: str(self._precision % 17)),
            command("SYSTem:LFRequency", query=lambda: f"{self.line_frequency_hz:.0f}"),
            command("SYSTem:BEEPer[:IMMediate]", lambda *_: None, (Number("HZ"), Number("S"))),
            command("SYSTem:CLEar", self.errors.clear),
            command("STATus:CLEar", self.clear_status),
            command("DISPlay:CLEar", lambda: None),
            command(f"{SENSE}:AZERo:ONCE", lambda: None),
            self._off_mode(OUTPUT, (VOLT, CURR)),
        ]
        for function, word in WORDS.items():
            found += self._source_commands(function, f"{SOURCE}:{word}")
            found += self._sense_commands(function, f"{SENSE}:{word}[:DC]")
            found += [
                self._off_mode(f"{OUTPUT}:{word}[:DC]", (function,)),
                command(f"MEASure:{word}[:DC]", query=self._measurer(function), query_parameters=rest),
            ]
        return found

    def _off_mode(self, pattern: str, functions: tuple[str, ...]) -> Command:
        return command(
            f"{pattern}:SMODe",
            lambda mode: self._smu.set_off_mode(functions, mode),
            (Choice("NORMal", "HIMPedance", "ZERO", "GUARd"),),
            lambda: self._smu.off_mode[functions[0]],
        )

    def _source_commands(self, function: str, source: str) -> list[Command]:
        smu, number, text = self._smu, (Number(_UNITS[function]),), self._plain_text
        limited = CURR if function == VOLT else VOLT
        limit = f"{source}:{'ILIMit' if function == VOLT else 'VLIMit'}[:LEVel]"
        top = smu.top(function)
        return [
            command(
                f"{source}[:LEVel][:IMMediate][:AMPLitude]",
                lambda value: smu.set_level(function, in_bounds(value, -top, top, 0.0)),
                number,
                lambda: text(smu.levels[function]),
            ),
            command(
                f"{source}:RANGe",
                lambda value: smu.set_source_range(function, in_bounds(value, -top, top, 0.0)),
                number,
                lambda: text(smu.source_range[function].full_scale),
            ),
            command(
                f"{source}:RANGe:AUTO",
                lambda flag: smu.set_source_auto(function, flag),
                (Boolean(),),
                lambda: flag_text(smu.source_auto[function]),
            ),
            command(
                limit,
                lambda value: smu.set_limit(
                    function,
                    in_bounds(value, -smu.top(limited), smu.top(limited), RATINGS.default_limit[function]),
                ),
                (Number(_UNITS[limited]),),
                lambda: text(smu.limits[function]),
            ),
            command(
                f"{limit}:TRIPped",
                query=lambda: flag_text(smu.has_tripped and smu.output and smu.function == function),
            ),
        ]

    def _sense_commands(self, function: str, sense: str) -> list[Command]:
        smu, top = self._smu, self._smu.top(function)
        return [
            command(
                f"{sense}:RANGe[:UPPer]",
                lambda value: smu.set_measure_range(function, in_bounds(value, -top, top, 0.0)),
                (Number(_UNITS[function]),),
                lambda: self._plain_text(smu.active_range(function).full_scale),
            ),
            command(
                f"{sense}:RANGe:AUTO",
                lambda flag: smu.set_measure_auto(function, flag),
                (Boolean(),),
                lambda: flag_text(smu.measure_auto[function]),
            ),
        ]

    def _buffer_commands(self) -> list[Command]:
        buffers, rest = self._buffers, (Rest(),)
        place = (Integer(limits=()), Integer(limits=()), Rest())
        found = [
            command("TRACe:MAKE", buffers.make, (Text(), Rest())),
            command("TRACe:DELete", buffers.delete, (Text(),)),
            command("TRACe:CLEar", buffers.clear, rest),
            command("TRACe:POINts", buffers.resize, (Integer(limits=()), Rest()), buffers.size, rest),
            command("TRACe:ACTual", query=buffers.count, query_parameters=rest),
            command("TRACe:DATA", query=buffers.data, query_parameters=place),
            command("TRACe:TRIGger", self._trigger_into, rest),
        ]
        for node in ("AVERage", "MAXimum", "MINimum", "STDDev"):
            found.append(command(f"TRACe:STATistics:{node}", query=self._statistics(node), query_parameters=rest))
        return found

    def _statistics(self, node: str) -> Callable[..., str]:
        word = "".join(one for one in node if not one.islower())
        return lambda rest=(): self._buffers.statistics(word, rest)

    def _choose(self, words: tuple[str, ...]) -> None:
        if len(words) != 1:
            raise MessageFault(-108 if words else -109)
        self._function = _QUANTITY.parse(words[0].upper().removesuffix(":DC"))

    def _set_precision(self, value: float | Limit) -> None:
        self._precision = int(in_bounds(value, 0.0, 16.0, 0.0)) or 7
