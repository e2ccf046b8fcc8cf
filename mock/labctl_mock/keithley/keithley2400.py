"""Simulated Keithley 2400 SourceMeter with its SCPI-1995 command set.

Manual: Series 2400 User's Manual 2400S-900-01 Rev. K (sections 3, 6, 10, 11, 15, 18, appendices A and B, partly second
hand), SPEC-2400 Rev. H. No real 2400 has been seen. What a source-measure cycle lasts is appendix A's: 50 µs to set the
source, the source delay (1 ms where automatic), per quantity the integration, 185 µs of conversion and 640 µs (current)
or 300 µs (voltage) of firmware; with auto-zero three conversions and 2.15 ms or 1.8 ms.

Assumed: 7 ms to obey a command (stated for the source commands of the 6430), 2 ms for a query; a sweep ends at the
level that is programmed besides it; a limit that comes below a fixed measure range takes the range down. Not imitated:
ohms with automatic source, six-wire ohms, source memory, limit tests, arming by timer, key or trigger link (an INIT
with those is error -221), the filter's moving average, binary formats, setups, calibration.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from statistics import mean, stdev
from typing import ClassVar

from labctl_mock.bench.terminals import Circuit, Terminal
from labctl_mock.keithley.metering import Metering
from labctl_mock.keithley.scpi_settings import Rest, Settings, command, flag_text, in_bounds
from labctl_mock.keithley.source_sweep import SourceSweep
from labctl_mock.keithley.sourcemeter import CURR, LIMIT_LAG_S, VOLT, SourceMeter
from labctl_mock.keithley.sourcemeter_2400 import (
    ARM,
    CHOICES,
    ERROR_TEXTS,
    FLAGS,
    NUMBERS,
    RATINGS,
    SENSE,
    SOURCE,
    TRIGGER,
)
from labctl_mock.keithley.sourcemeter_ranges import OVER_RANGE, RANGES_2400
from labctl_mock.messages import EventRegister, MessageFault
from labctl_mock.messages.numeric import Boolean, Integer, Limit, Number
from labctl_mock.messages.parameters import Choice
from labctl_mock.messages.scpi import ScpiInstrument
from labctl_mock.messages.tree import Command

__all__ = ["SimulatedKeithley2400"]

_NOT_A_NUMBER, _OVERFLOW = 9.91e37, 9.9e37
_ELEMENTS = ("VOLT", "CURR", "RES", "TIME", "STAT")
_ELEMENT = Choice("VOLTage", "CURRent", "RESistance", "TIME", "STATus")
_QUANTITY = Choice("VOLTage", "CURRent", "RESistance")
_RES = "RES"
_WORDS = {VOLT: "VOLTage", CURR: "CURRent"}
_UNITS = {VOLT: "V", CURR: "A"}
_MEASURED_BITS = {VOLT: 1 << 11, CURR: 1 << 12, _RES: 1 << 13}
_SOURCED_BITS = {VOLT: 1 << 14, CURR: 1 << 15}
_CONVERSION_S, _SOURCE_S, _AUTO_DELAY_S = 185e-6, 50e-6, 1e-3
_FIRMWARE_S = {True: {VOLT: 1.8e-3, CURR: 2.15e-3}, False: {VOLT: 300e-6, CURR: 640e-6}}
_READING_AVAILABLE, _BUFFER_FULL, _IN_COMPLIANCE = 1 << 6, 1 << 9, 1 << 14
_MOST_READINGS = 2500
_STATISTICS = 3  # CALCulate3; the other two are not imitated


def _text(value: float) -> str:
    return f"{value:.6E}"


class SimulatedKeithley2400(ScpiInstrument):
    """A 2400 with the terminal ``<key>.a``.

    Parameters
    ----------
    key, circuit, serial, seed, options
        As :class:`~labctl_mock.messages.SimulatedInstrument`; there are no options.
    """

    maker: ClassVar[str] = "KEITHLEY INSTRUMENTS INC."
    model: ClassVar[str] = "MODEL 2400"
    firmware: ClassVar[str] = "C32   Oct  4 2010 14:20:11/A02  /S/K"
    fault_kinds: ClassVar[frozenset[str]] = frozenset({"output_ignores_off", "output_trip", "interlock_open"})
    error_capacity: ClassVar[int] = 10
    write_time_s: ClassVar[float] = 7e-3
    query_time_s: ClassVar[float] = 2e-3
    scpi_version: ClassVar[str] = "1996.0"

    def __init__(self, key: str, circuit: Circuit, *, serial: str, seed: int, options: Mapping[str, object]) -> None:
        if options:
            raise ValueError(f"{key} (Keithley2400): there are no options, got {', '.join(sorted(options))}")
        terminal = Terminal(f"{key}.a", limit_lag_s=LIMIT_LAG_S)
        self._smu = SourceMeter(terminal, circuit, Metering(seed, 0, RANGES_2400), RATINGS, lambda: None)
        self._settings = Settings(NUMBERS, CHOICES, FLAGS, _text)
        self._sweep = SourceSweep(self._smu.top, _text)
        self.measurement = EventRegister()
        self.line_frequency_hz = 50.0
        super().__init__(key, circuit, serial=serial, seed=seed, options=options)
        self.terminals[terminal.name] = terminal
        self._defaults()

    # --- the instrument as a whole --------------------------------------------------------------------------------

    def _defaults(self) -> None:
        self._settings.reset()
        self._sweep.reset()
        self._functions: list[str] = [CURR]
        self._elements: tuple[str, ...] = _ELEMENTS
        self._plc, self._delay_s, self._has_autozero = 1.0, 0.0, True
        self._readings: list[list[float]] = []
        self._trace: list[list[float]] = []
        self._statistic = "MEAN"
        self._is_armed = False
        self._epoch_s = self.circuit.clock.now_s()

    def reset(self) -> None:
        """Obey ``*RST``."""
        self._smu.reset()
        self._defaults()

    def power_cycle(self) -> None:
        """Lose power: no output stays on then, not even a welded one."""
        self._smu.is_welded = False
        super().power_cycle()

    def fail(self, kind: str, value: str, message: str) -> None:
        """Weld the output, let it trip, or open the output enable line."""
        if kind == "output_ignores_off":
            self._smu.is_welded = True
            return
        self._smu.set_output(False)
        if kind == "interlock_open":
            self._smu.is_interlocked = True
            self.report(802)
        elif value != "silent":
            self.report(810)

    def report(self, code: int, text: str | None = None, *, detail: str = "") -> None:
        """Put an error into the queue; this firmware adds no detail."""
        super().report(code, ERROR_TEXTS.get(code) if text is None else text)

    def refresh_status(self) -> None:
        """Bring the status byte up to date; bit 0 sums up the measurement register (section 15)."""
        super().refresh_status()
        if self.measurement.summary:
            self.status.extra |= 0x01

    def clear_status(self) -> None:
        """Obey ``*CLS``."""
        super().clear_status()
        self.measurement.event = 0

    def on_trigger(self) -> None:
        """Run what waits for a bus trigger.

        Raises
        ------
        MessageFault
            -211 where nothing waits.
        """
        if not self._is_armed:
            raise MessageFault(-211)
        self._is_armed = False
        self._run()

    def idle_at_s(self) -> float:
        """Return inf while a bus trigger is awaited, else the past."""
        return inf if self._is_armed else -inf

    # --- source-measure cycles ------------------------------------------------------------------------------------

    def _initiate(self) -> None:
        source = self._settings.word(f"{ARM}:SOURce")
        if self._is_armed:
            raise MessageFault(-213)
        if source == "BUS":
            self._is_armed = True
        elif source == "IMM" and self._settings.word(f"{TRIGGER}:SOURce") == "IMM":
            self._run()
        else:
            raise MessageFault(-221)

    def _run(self) -> None:
        count = self._settings.number(f"{ARM}:COUNt") * self._settings.number(f"{TRIGGER}:COUNt")
        if count > _MOST_READINGS:
            raise MessageFault(-221)
        smu, turns_off = self._smu, self._settings.flag(f"{SOURCE}:CLEar:AUTO")
        if not smu.output and not turns_off:
            raise MessageFault(803)
        if not smu.output:
            smu.set_output(True)
        function, fixed = smu.function, smu.level
        levels = self._sweep.levels(function, fixed, int(count))
        is_swept = self._sweep.mode[function] != "FIX"
        if is_swept and self._sweep.ranging == "BEST":
            smu.set_source_range(function, max(map(abs, levels)))
        self._readings = []
        for level in levels:
            self.circuit.clock.sleep(self._settings.number(f"{TRIGGER}:DELay") + _SOURCE_S)
            if is_swept:
                smu.set_level(function, level)
            self._readings.append(self._cycle())
        if is_swept:
            smu.set_level(function, fixed)
        if turns_off:
            smu.set_output(False)
        self._store()

    def _cycle(self) -> list[float]:
        smu = self._smu
        is_auto = self._settings.flag(f"{SOURCE}:DELay:AUTO")
        self.circuit.clock.sleep(_AUTO_DELAY_S if is_auto else self._delay_s)
        wanted = [VOLT, CURR] if _RES in self._functions else self._functions
        repeats = int(self._settings.number(f"{SENSE}:AVERage:COUNt"))
        is_filtered = self._settings.flag(f"{SENSE}:AVERage[:STATe]")
        rows = [
            smu.take(wanted, plc=lambda _: self._plc, period_s=1.0 / self.line_frequency_hz, after=self._convert)
            for _ in range(repeats if is_filtered else 1)
        ]
        found: dict[str, float] = {VOLT: _NOT_A_NUMBER, CURR: _NOT_A_NUMBER, _RES: _NOT_A_NUMBER}
        found[smu.function] = smu.level
        for function in wanted:
            values = [row.values[function] for row in rows]
            numbers = [value for value in values if value is not None]
            found[function] = mean(numbers) if len(numbers) == len(values) else _OVERFLOW
        bits = sum(_MEASURED_BITS[one] for one in self._functions) | _SOURCED_BITS[smu.function]
        bits |= 1 if _OVERFLOW in found.values() else 0
        bits |= 1 << 1 if is_filtered else 0
        bits |= 1 << 2 if self._settings.word("ROUTe:TERMinals") == "FRON" else 0
        bits |= 1 << 3 if any(row.in_compliance and not row.in_range_compliance for row in rows) else 0
        bits |= 1 << 16 if any(row.in_range_compliance for row in rows) else 0
        if _RES in self._functions and found[CURR]:
            found[_RES] = _OVERFLOW if _OVERFLOW in (found[VOLT], found[CURR]) else found[VOLT] / found[CURR]
        condition = _READING_AVAILABLE | (_IN_COMPLIANCE if bits & (1 << 3 | 1 << 16) else 0)
        self.measurement.set_condition(0)
        self.measurement.set_condition(condition)
        return [found[VOLT], found[CURR], found[_RES], rows[0].time_s - self._epoch_s, float(bits)]

    def _convert(self, function: str) -> None:
        plain_s = self._plc / self.line_frequency_hz + _CONVERSION_S
        extra_s = 2.0 * plain_s if self._has_autozero else 0.0
        self.circuit.clock.sleep(_CONVERSION_S + extra_s + _FIRMWARE_S[self._has_autozero][function])

    def _store(self) -> None:
        if self._settings.word("TRACe:FEED:CONTrol") != "NEXT":
            return
        size = int(self._settings.number("TRACe:POINts"))
        self._trace = (self._trace + self._readings)[:size]
        if len(self._trace) == size:
            self._settings.put("TRACe:FEED:CONTrol", "NEV")
            self.measurement.set_condition(self.measurement.condition | _BUFFER_FULL)

    def _show(self, rows: Sequence[Sequence[float]]) -> str:
        chosen = [_ELEMENTS.index(name) for name in self._elements]
        return ",".join(f"{row[index]:+.6E}" for row in rows for index in chosen)

    def _fetch(self) -> str:
        if not self._readings:
            raise MessageFault(-230)
        return self._show(self._readings)

    def _read(self) -> str:
        if self._settings.word(f"{ARM}:SOURce") != "IMM":
            raise MessageFault(-214)
        self._initiate()
        return self._fetch()

    def _measure(self, function: str) -> Callable[[], str]:
        def query() -> str:
            if _RES in self._functions or self._functions != [function]:
                self._functions = [function]
            self._smu.set_measure_auto(function, True)
            for layer in (ARM, TRIGGER):
                self._settings.put(f"{layer}:COUNt", 1.0)
                self._settings.put(f"{layer}:SOURce", "IMM")
            self._settings.put(f"{TRIGGER}:DELay", 0.0)
            self._smu.set_output(True)  # section 17: CONFigure turns the output on
            return self._read()

        return query

    def _choose_statistic(self, block: int, word: str) -> None:
        if block != _STATISTICS:
            raise MessageFault(-113)
        self._statistic = word

    def _statistics(self, block: int) -> str:
        if block != _STATISTICS:
            raise MessageFault(-113)
        if not self._trace:
            raise MessageFault(-230)
        values: list[float] = []
        for index, name in enumerate(_ELEMENTS[:3]):
            if name not in self._elements:
                continue
            column = [row[index] for row in self._trace]
            if max(column) >= _OVERFLOW:
                values.append(max(column))
                continue
            values.append(
                {
                    "MEAN": mean(column),
                    "SDEV": stdev(column) if len(column) > 1 else 0.0,
                    "MAX": max(column),
                    "MIN": min(column),
                    "PKPK": max(column) - min(column),
                }[self._statistic]
            )
        return ",".join(f"{value:+.6E}" for value in values)

    # --- commands -------------------------------------------------------------------------------------------------

    def commands(self) -> list[Command]:
        """Return the command set."""
        found = [
            *self._settings.commands(),
            *self._sweep.commands(),
            *self._system_commands(),
            command("OUTPut[1|1][:STATe]", self._smu.set_output, (Boolean(),), lambda: flag_text(self._smu.output)),
            command(
                "OUTPut[1|1]:SMODe",
                lambda mode: self._smu.set_off_mode((VOLT, CURR), mode),
                (Choice("HIMPedance", "NORMal", "ZERO", "GUARd"),),
                lambda: self._smu.off_mode[VOLT],
            ),
            command(
                f"{SOURCE}:FUNCtion[:MODE]",
                self._smu.set_function,
                (Choice("VOLTage", "CURRent"),),
                lambda: self._smu.function,
            ),
            command(f"{SOURCE}:DELay", self._set_delay, (Number("S"),), lambda: _text(self._delay_s)),
            command(f"{SENSE}:FUNCtion[:ON]", self._choose, (Rest(),), self._chosen),
            command(f"{SENSE}:FUNCtion[:ON]:ALL", self._choose_all),
            command(f"{SENSE}:FUNCtion:OFF", self._leave_out, (Rest(),)),
            command(f"{SENSE}:RESistance:NPLCycles", self._set_plc, (Number(),), lambda: _text(self._plc)),
            command("FORMat:ELEMents", self._set_elements, (Rest(),), lambda: ",".join(self._elements)),
        ]
        for function, word in _WORDS.items():
            found += self._function_commands(function, word)
        return found

    def _function_commands(self, function: str, word: str) -> list[Command]:
        smu, limited = self._smu, CURR if function == VOLT else VOLT
        number, top = (Number(_UNITS[function]),), smu.top(function)
        sense, source = f"{SENSE}:{word}[:DC]", f"{SOURCE}:{word}"

        def bounded(act: Callable[[str, float], None], own: str, most: float) -> Callable[[float | Limit], None]:
            return lambda value: act(own, in_bounds(value, -most, most, 0.0))

        return [
            command(
                f"{source}[:LEVel][:IMMediate][:AMPLitude]",
                bounded(smu.set_level, function, top),
                number,
                lambda: _text(smu.levels[function]),
            ),
            command(
                f"{source}:RANGe",
                bounded(smu.set_source_range, function, top),
                number,
                lambda: _text(smu.source_range[function].full_scale * OVER_RANGE),
            ),
            command(
                f"{source}:RANGe:AUTO",
                lambda flag: smu.set_source_auto(function, flag),
                (Boolean(),),
                lambda: flag_text(smu.source_auto[function]),
            ),
            command(
                f"{sense}:RANGe[:UPPer]",
                bounded(smu.set_measure_range, function, top),
                number,
                lambda: _text(smu.active_range(function).full_scale * OVER_RANGE),
            ),
            command(
                f"{sense}:RANGe:AUTO",
                lambda flag: smu.set_measure_auto(function, flag),
                (Boolean(),),
                lambda: flag_text(smu.measure_auto[function]),
            ),
            command(f"{sense}:NPLCycles", self._set_plc, (Number(),), lambda: _text(self._plc)),
            command(
                f"{sense}:PROTection[:LEVel]",
                lambda value: smu.set_limit(limited, in_bounds(value, -top, top, RATINGS.default_limit[limited])),
                number,
                lambda: _text(smu.limits[limited]),
            ),
            command(
                f"{sense}:PROTection:TRIPped",
                query=lambda: flag_text(smu.has_tripped and smu.output and smu.function == limited),
            ),
            command(f"MEASure:{word}[:DC]", query=self._measure(function)),
        ]

    def _system_commands(self) -> list[Command]:
        register = self.measurement
        return [
            command("INITiate[:IMMediate]", self._initiate),
            command("ABORt", self._abort),
            command("TRIGger:CLEar", lambda: None),
            command("READ", query=self._read),
            command("FETCh", query=self._fetch),
            Command(
                "CALCulate[1|3]:FORMat",
                self._choose_statistic,
                (Choice("MEAN", "SDEViation", "MAXimum", "MINimum", "PKPK"),),
                lambda _: self._statistic,
            ),
            Command("CALCulate[1|3]:DATA", query=self._statistics),
            command("TRACe:DATA", query=lambda: self._show(self._trace)),
            command("TRACe:CLEar", self._trace_clear),
            command("SYSTem:AZERo[:STATe]", self._set_autozero, (Choice("ON", "OFF", "ONCE", "1", "0"),), self._azero),
            command(
                "SYSTem:LFRequency", self._set_line, (Integer(limits=()),), lambda: f"{self.line_frequency_hz:.0f}"
            ),
            command("SYSTem:BEEPer[:IMMediate]", lambda *_: None, (Number("HZ"), Number("S"))),
            command("SYSTem:CLEar", self.errors.clear),
            command("SYSTem:LOCal", lambda: None),
            command("STATus:QUEue[:NEXT]", query=self._next_error),
            command("STATus:QUEue:CLEar", self.errors.clear),
            command("STATus:MEASurement[:EVENt]", query=self._event_query(register)),
            command("STATus:MEASurement:CONDition", query=self._condition_query(register)),
            command(
                "STATus:MEASurement:ENABle",
                self._enable_writer(register),
                (Integer(limits=()),),
                self._enable_query(register),
            ),
        ]

    def _next_error(self) -> str:
        entry = self.errors.pop()
        return f'{entry.code:+d},"{entry.text}"' if entry.code else '0,"No error"'

    def _preset_status(self) -> None:
        super()._preset_status()
        self.measurement.enable = 0

    def _abort(self) -> None:
        self._is_armed = False

    def _trace_clear(self) -> None:
        self._trace = []

    def _set_delay(self, value: float | Limit) -> None:
        self._delay_s = in_bounds(value, 0.0, 999.9999, 0.0)
        self._settings.put(f"{SOURCE}:DELay:AUTO", False)

    def _set_plc(self, value: float | Limit) -> None:
        self._plc = in_bounds(value, 0.01, 10.0, 1.0)

    def _set_line(self, value: float) -> None:
        if value not in (50, 60):
            raise MessageFault(-222)
        self.line_frequency_hz = value
        self._settings.put("SYSTem:LFRequency:AUTO", False)

    def _set_autozero(self, word: str) -> None:
        if word != "ONCE":
            self._has_autozero = word in ("ON", "1")

    def _azero(self) -> str:
        return flag_text(self._has_autozero)

    def _set_elements(self, words: tuple[str, ...]) -> None:
        chosen = {_ELEMENT.parse(word) for word in words}
        if not chosen:
            raise MessageFault(-109)
        self._elements = tuple(name for name in _ELEMENTS if name in chosen)

    def _quantities(self, words: tuple[str, ...]) -> list[str]:
        found = [_QUANTITY.parse(word.upper().removesuffix(":DC")) for word in words]
        if not found:
            raise MessageFault(-109)
        return found

    def _choose(self, words: tuple[str, ...]) -> None:
        found = self._quantities(words)
        if not self._settings.flag(f"{SENSE}:FUNCtion:CONCurrent"):
            if len(found) > 1:
                raise MessageFault(-221)
            self._functions = found
        else:
            self._functions = [one for one in (VOLT, CURR, _RES) if one in found or one in self._functions]

    def _choose_all(self) -> None:
        self._settings.put(f"{SENSE}:FUNCtion:CONCurrent", True)
        self._functions = [VOLT, CURR, _RES]

    def _leave_out(self, words: tuple[str, ...]) -> None:
        left = self._quantities(words)
        self._functions = [one for one in self._functions if one not in left]

    def _chosen(self) -> str:
        return ",".join(f'"{one}"' if one == _RES else f'"{one}:DC"' for one in self._functions)
