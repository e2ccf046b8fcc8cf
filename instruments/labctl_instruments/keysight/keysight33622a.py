"""Keysight 33622A two-channel waveform generator, as a source of single pulses or waveforms on both outputs at once.

Source: Keysight Trueform Series (33500B, 33600A) Operating and Service Guide, SCPI Programming Reference; 33600A data
sheet. Each output runs one pulse cycle per trigger (triggered burst of 1 cycle, trigger source BUS).

Where an output rests. The guide says that a burst ends at the level of its starting phase, and that the burst phase
does not act on pulses: a pulse cycle starts at its low level. ``OUTPut:POLarity INVerted`` mirrors the waveform about
its offset and leaves the offset alone: low and high change places. So a positive pulse is LOW 0 V, HIGH = level,
polarity NORMal; a negative one is HIGH 0 V, LOW = level, polarity INVerted; both rest at 0 V. When the sign changes,
the levels first shrink to 2 mV (the least amplitude into an open circuit), so that the output never rests above that.
An output that takes no part gets trigger source EXTernal and 2 mV, and stays at its 0 V level.

The instrument itself refuses levels beyond those that were set: ``VOLTage:LIMit`` follows them, with 1 % and 1 mV of
room for their rounding. Outputs go on, and a trigger goes out, together with questions for the settings that shape the
pulse: what is not as it was sent is an error. A trigger is never repeated. The question after it asks for the outputs
and the error queue, so that an output that went off by itself and a setting that was refused are errors. How often a
trigger was obeyed the instrument does not tell. Where the message came twice a second answer comes, or an entry -410
(IEEE 488.2, 6.3.2.3: an answer was overtaken); then, and after any other slip there, the pulse ends in
:class:`~labctl.errors.UnconfirmedError`. Settings and questions are repeated after a slip of the link.

A waveform is a burst of one cycle as well, of an arbitrary waveform about an offset of 0 V. Selecting one may bring
other levels along, so outputs are off while it is laid on them.

``OUTPut:LOAD INFinity`` makes every level the one that an open circuit sees; into 50 ohm it would be half. Not here:
the limits of a station (:mod:`labctl.station`), the commands of levels
(:mod:`labctl_instruments.keysight.resting_levels`), the points of a waveform
(:mod:`labctl_instruments.keysight.waveform_memory`), settings one by one
(:mod:`labctl_instruments.keysight.pulse_output`).
"""

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, ClassVar

from pymeasure.instruments import Instrument

from labctl.errors import UnconfirmedError
from labctl.roles import PulseLimits
from labctl_instruments.keysight.pulse_output import PulseOutput
from labctl_instruments.keysight.resting_levels import LEAST_V, base_commands, bound_v, bounds_v, level_commands
from labctl_instruments.keysight.waveform_memory import PLAYED, WAVEFORM_LIMITS, Waveform
from labctl_instruments.replies import numbers_alike
from labctl_instruments.scpi import ScpiInstrument

__all__ = ["Keysight33622A"]

_INFINITE_OHM, _INFINITE = 9.9e37, "9.9E+37"
_TOLERANCE, _ROUNDING_V = 1e-3, 2e-4
_WORD, _SWITCH = "[A-Z]+", "[01]"
# what is asked, and the words that may be answered; None for a number
_READ_BACK: Mapping[str, str | None] = {
    "OUTP{}": _SWITCH,
    "OUTP{}:LOAD": None,
    "OUTP{}:POL": "NORM|INV",
    "SOUR{}:VOLT:HIGH": None,
    "SOUR{}:VOLT:LOW": None,
    "SOUR{}:VOLT:LIM:HIGH": None,
    "SOUR{}:VOLT:LIM:LOW": None,
    "SOUR{}:VOLT:LIM:STAT": _SWITCH,
    "SOUR{}:FUNC": _WORD,
    "SOUR{}:FUNC:PULS:PER": None,
    "SOUR{}:FUNC:PULS:WIDT": None,
    "SOUR{}:FUNC:PULS:TRAN": None,
    "SOUR{}:BURS:STAT": _SWITCH,
    "SOUR{}:BURS:MODE": "TRIG|GAT",
    "SOUR{}:BURS:NCYC": None,
    "TRIG{}:SOUR": "IMM|EXT|TIM|BUS",
}
_WORDS = {**_READ_BACK, **PLAYED}
# what shapes a burst, and the pulse of a trigger
_BURST = ("OUTP{}:POL", "SOUR{}:VOLT:HIGH", "SOUR{}:VOLT:LOW", "SOUR{}:FUNC")
_BURST_END = ("SOUR{}:BURS:STAT", "SOUR{}:BURS:NCYC", "TRIG{}:SOUR")
_SHAPE = (*_BURST, "SOUR{}:FUNC:PULS:WIDT", *_BURST_END)


class Keysight33622A(ScpiInstrument):
    """Keysight 33622A.

    Fulfils :class:`labctl.roles.PulseSource`, :class:`labctl.roles.WaveformSource` and
    :class:`labctl.roles.Instrument`.

    Parameters
    ----------
    adapter : str, int or pymeasure Adapter
        VISA resource name or a ready adapter.
    name : str
        How messages call the instrument.
    **kwargs
        VISA settings.
    """

    MODEL: ClassVar[str] = "33622A"
    SAFE_OFF: ClassVar[tuple[str, ...]] = (":OUTP1 OFF", ":OUTP2 OFF")
    OFF_CHECKS: ClassVar[tuple[tuple[str, str], ...]] = ((":OUTP1?;:OUTP2?", "0;0"),)

    # 33600A data sheet: 5 ns, 2.9 ns, 20 Vpp into an open circuit. The longest width is this driver's, which waits for
    # the end of the pulse; the instrument goes to 1e6 s.
    limits = PulseLimits(min_width_s=5e-9, max_width_s=100.0, min_edge_s=2.9e-9, max_level_v=10.0)
    waveform_limits = WAVEFORM_LIMITS
    outputs = (1, 2)

    output_1: PulseOutput = Instrument.ChannelCreator(PulseOutput, 1)
    output_2: PulseOutput = Instrument.ChannelCreator(PulseOutput, 2)

    def __init__(self, adapter: Any, name: str = "Keysight 33622A", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
        self._timing: tuple[float, float] | None = None
        self._period_s = 0.0
        self._levels_v: dict[int, float] = {}
        self._taking_part: dict[int, bool] = {}
        self._waveforms: dict[int, Waveform] = {}
        self._is_on: bool | None = None

    def prepare(self, *, width_s: float, edge_s: float) -> None:
        """Set up every output for one single pulse per trigger from 0 V; nothing goes out when nothing changed.

        After a waveform, outputs go off first.

        Parameters
        ----------
        width_s : float, unit s
            Between the 50 % points, 5 ns to 100 s.
        edge_s : float, unit s
            Both edges from 10 % to 90 %, 2.9 ns to 1 µs and at most 0.625 of the width.

        Raises
        ------
        ValueError
            If a value lies outside these limits; nothing is sent.
        ProtocolError
            If the link refuses the message.
        """
        limits = self.limits
        self._check("pulse width", width_s, limits.min_width_s, limits.max_width_s)
        self._check("edge time", edge_s, limits.min_edge_s, min(1e-6, 0.625 * width_s))
        if self._timing == (width_s, edge_s):
            return
        period_s = 1.25 * (width_s + 2.0 * edge_s) + 1e-7
        fresh = self._timing is None
        commands = self._off_commands() if self._waveforms else []
        for output in self.outputs:
            source = f":SOUR{output}"
            if fresh:
                commands += base_commands(output)
            # shortest edge and width first: every step is then legal, whatever the timing was before
            commands += [
                f"{source}:FUNC:PULS:TRAN:BOTH {limits.min_edge_s:.9e}",
                f"{source}:FUNC:PULS:WIDT {limits.min_width_s:.9e}",
                f"{source}:FUNC:PULS:PER {period_s:.9e}",
                f"{source}:FUNC:PULS:WIDT {width_s:.9e}",
                f"{source}:FUNC:PULS:TRAN:BOTH {edge_s:.9e}",
            ]
        self._timing = None
        if self._waveforms:
            self._is_on = None
        self.send(";".join(commands))
        self._timing, self._period_s, self._waveforms = (width_s, edge_s), period_s, {}
        if fresh:
            self._levels_v = dict.fromkeys(self.outputs, LEAST_V)
            self._taking_part = dict.fromkeys(self.outputs, False)

    def load_waveforms(self, levels_v: Mapping[int, Sequence[float]], *, sample_s: float) -> None:
        """Switch both outputs off and lay a waveform on each named one; one that is not named stays at 0 V.

        Parameters
        ----------
        levels_v : mapping of int to sequence of float, unit V
            1 to 65534 samples by output, into an open circuit; the peak within 1 mV and 10 V of either sign.
        sample_s : float, unit s
            Time at each level, at least 16 ns; a waveform and its rests last at most 100 s.

        Raises
        ------
        ValueError
            If there is no such output, no waveform at all, or one cannot be played; nothing is sent.
        ProtocolError
            If the link refuses the message.
        """
        if not levels_v or not set(levels_v) <= set(self.outputs):
            raise ValueError(f"{self.name}: waveforms are for outputs {self.outputs}, got {sorted(levels_v)}")
        waveforms = {
            output: Waveform.of(f"{self.name}: output {output}", levels, sample_s)
            for output, levels in levels_v.items()
        }
        commands = self._off_commands()
        for output in self.outputs:
            commands += base_commands(output)
            if output in waveforms:
                peak_v, source = waveforms[output].peak_v, f":SOUR{output}"
                commands += [
                    f"{source}:VOLT:LIM:STAT OFF",
                    *waveforms[output].commands(output),
                    f"{source}:VOLT:LIM:HIGH {bound_v(peak_v):.9e}",
                    f"{source}:VOLT:LIM:LOW {-bound_v(peak_v):.9e}",
                    f"{source}:VOLT:LIM:STAT ON",
                    f":TRIG{output}:SOUR BUS",
                ]
        self.forget()
        self._waveforms = waveforms
        try:
            self.send(";".join(commands))
        except BaseException:
            self.forget()
            raise
        self._is_on = False
        self._period_s = max(waveform.duration_s for waveform in waveforms.values())
        self._taking_part = {output: output in waveforms for output in self.outputs}

    def set_levels(self, levels_v: Mapping[int, float]) -> None:
        """Set the plateau of each named output; an output that is not named, or named with 0 V, stays at 0 V.

        Parameters
        ----------
        levels_v : mapping of int to float, unit V
            Level into an open circuit by output; 0, or 2 mV to 10 V of either sign.

        Raises
        ------
        ValueError
            If an output does not exist, a level is outside these limits or :meth:`prepare` was not called; nothing is
            sent.
        ProtocolError
            If the link refuses the message.
        """
        if self._timing is None:
            raise ValueError(f"{self.name}: the pulse has no width yet; call prepare() before set_levels()")
        for output, level_v in levels_v.items():
            if output not in self.outputs:
                raise ValueError(f"{self.name}: there is no output {output!r}; allowed are {self.outputs}")
            if level_v != 0.0 and not LEAST_V <= abs(level_v) <= self.limits.max_level_v:
                raise ValueError(
                    f"{self.name}: level of output {output} must be 0 V or within {LEAST_V:g} V to "
                    f"{self.limits.max_level_v:g} V of either sign (20 Vpp into an open circuit), got {level_v:g} V"
                )
        commands: list[str] = []
        for output in self.outputs:
            level_v = levels_v.get(output, 0.0)
            takes_part = level_v != 0.0
            if not takes_part:
                level_v = LEAST_V if self._levels_v[output] > 0.0 else -LEAST_V
                if self._taking_part[output]:
                    commands.append(f":TRIG{output}:SOUR EXT")
            commands += level_commands(output, self._levels_v[output], level_v)
            if takes_part and not self._taking_part[output]:
                commands.append(f":TRIG{output}:SOUR BUS")
            self._levels_v[output], self._taking_part[output] = level_v, takes_part
        if commands:
            try:
                self.send(";".join(commands))
            except BaseException:
                self.forget()
                raise

    def output_on(self) -> None:
        """Connect both outputs at their 0 V base, and read back over which settings they went on.

        Raises
        ------
        ProtocolError
            If no proper answer comes, three times over.
        InstrumentFault
            If one did not go on, or a setting is not as it was sent.
        """
        self._is_on = None
        commands = ";".join(f":OUTP{output} ON" for output in self.outputs)
        found = self._ask_settings(f"{commands};", self._names())
        self._compare(found, {**self._expected(), **{f"{output}.OUTP": 1.0 for output in self.outputs}})
        self._is_on = True

    def output_off(self) -> None:
        """Disconnect both outputs.

        Raises
        ------
        ProtocolError
            If the link refuses the message.
        """
        self._is_on = None
        self.send(";".join(f":OUTP{output} OFF" for output in self.outputs))
        self._is_on = False

    def fire(self) -> None:
        """Trigger one pulse on all outputs that take part and return when the instrument says that it is over.

        Raises
        ------
        ValueError
            If no output takes part; nothing is sent.
        UnconfirmedError
            If the instrument does not confirm, or an answer came that was not asked for: the trigger may have been
            obeyed twice.
        InstrumentFault
            If an output is off though it was switched on, or the pulse had another shape than was set.
        """
        if self._waveforms or not any(self._taking_part.values()):
            raise ValueError(f"{self.name}: no output has a level to pulse to; call set_levels() before fire()")
        self._trigger(_SHAPE)

    def play(self) -> None:
        """Trigger the waveforms once and return when the instrument says that they are over.

        Raises
        ------
        ValueError
            If none is loaded; nothing is sent.
        UnconfirmedError
            As :meth:`fire`.
        InstrumentFault
            If an output is off though it was switched on, or a setting of the waveform is another than was sent.
        """
        if not self._waveforms:
            raise ValueError(f"{self.name}: there is nothing to play; call load_waveforms() before play()")
        self._trigger((*_BURST, *PLAYED, *_BURST_END))

    def _trigger(self, names: Sequence[str]) -> None:
        """Send one trigger, with a question for the settings that shape what it starts."""

        def shape(reply: str) -> dict[str, str | float]:
            answers, _, done = reply.strip().rpartition(";")
            if done != "1":
                raise ValueError("not confirmed")
            return self._read_settings(answers, names)

        def parse(reply: str) -> None:
            # the text of an error may hold semicolons
            *outputs, error = reply.strip().split(";", len(self.outputs))
            code, text = self.error_entry(error)
            if len(outputs) != len(self.outputs) or not set(outputs) <= {"0", "1"}:
                raise ValueError("not two outputs")
            if self._is_on and "0" in outputs:
                raise self.lost(f"output {outputs.index('0') + 1} is off, it was switched on")
            if code:
                self.hear_complaints(f"{code}: {text}")

        message = f"{self._question(names)};*TRG;*OPC?"
        found = self.answer(message, shape, "settings and 1", lasting_s=self._period_s, repeatable=False)
        events = len(self.link_events)
        self.answer(":OUTP1?;:OUTP2?;:SYST:ERR?", parse, "two of 0 or 1, and an error or none")
        self._compare(found, self._expected())
        if len(self.link_events) > events:
            raise UnconfirmedError(
                f"{self.name}: after a trigger: {'; '.join(self.link_events[events:])[:300]}; if the trigger came "
                "twice, it was obeyed twice; read back before going on"
            )

    def settings(self) -> dict[str, str | float | bool]:
        """Read back what matters to a pulse; keys such as ``"1.SOUR:VOLT:HIGH"``, values in SI units.

        Returns
        -------
        dict of str to str or float

        Raises
        ------
        ProtocolError
            If an answer breaks the format.
        """
        return {**self._ask_settings("", tuple(_READ_BACK))}

    def verify_settings(self) -> None:
        """Compare what was prepared with what the instrument answers.

        Raises
        ------
        InstrumentFault
            If a setting differs.
        """
        expected = self._expected()
        if self._is_on is not None:
            expected |= {f"{output}.OUTP": float(self._is_on) for output in self.outputs}
        if expected:
            self._compare(self._ask_settings("", self._names()), expected)

    def forget(self) -> None:
        """Forget what was sent, so that the next :meth:`prepare` sends everything."""
        self._timing = None
        self._waveforms = {}
        self._levels_v.clear()
        self._taking_part.clear()
        self._is_on = None

    def _names(self) -> tuple[str, ...]:
        """Settings that are read back."""
        return (*_READ_BACK, *PLAYED) if self._waveforms else tuple(_READ_BACK)

    def _off_commands(self) -> list[str]:
        return [f":OUTP{output} OFF" for output in self.outputs]

    def _expected(self) -> dict[str, str | float]:
        """Return what was prepared, as :meth:`settings` has it, without the output switches."""
        expected: dict[str, str | float] = {}
        for output in self.outputs if self._timing or self._waveforms else ():
            expected |= {
                f"{output}.OUTP:LOAD": _INFINITE_OHM,
                f"{output}.SOUR:VOLT:LIM:STAT": 1.0,
                f"{output}.SOUR:BURS:STAT": 1.0,
                f"{output}.SOUR:BURS:MODE": "TRIG",
                f"{output}.SOUR:BURS:NCYC": 1.0,
                f"{output}.TRIG:SOUR": "BUS" if self._taking_part[output] else "EXT",
            }
            if self._timing is None:
                waveform = self._waveforms.get(output)
                most_v = bound_v(LEAST_V if waveform is None else waveform.peak_v)
                expected |= {f"{output}.SOUR:VOLT:LIM:HIGH": most_v, f"{output}.SOUR:VOLT:LIM:LOW": -most_v}
                expected |= {f"{output}.OUTP:POL": "NORM"} | ({} if waveform is None else waveform.settings(output))
                continue
            (width_s, edge_s), level_v = self._timing, self._levels_v[output]
            low_v, high_v = bounds_v(level_v)
            expected |= {
                f"{output}.OUTP:POL": "NORM" if level_v > 0.0 else "INV",
                f"{output}.SOUR:VOLT:HIGH": max(level_v, 0.0),
                f"{output}.SOUR:VOLT:LOW": min(level_v, 0.0),
                f"{output}.SOUR:VOLT:LIM:HIGH": high_v,
                f"{output}.SOUR:VOLT:LIM:LOW": low_v,
                f"{output}.SOUR:FUNC": "PULS",
                f"{output}.SOUR:FUNC:PULS:PER": self._period_s,
                f"{output}.SOUR:FUNC:PULS:WIDT": width_s,
                f"{output}.SOUR:FUNC:PULS:TRAN": edge_s,
            }
        return expected

    def _question(self, names: Sequence[str]) -> str:
        return ";".join(f":{name.format(output)}?" for output in self.outputs for name in names)

    def _ask_settings(self, commands: str, names: Sequence[str]) -> dict[str, str | float]:
        """Write commands and read settings of both outputs back, in one message."""
        count = len(names) * len(self.outputs)

        def parse(reply: str) -> dict[str, str | float]:
            return self._read_settings(reply, names)

        message = f"{commands}{self._question(names)}"
        found: dict[str, str | float] = self.answer(message, parse, f"{count} answers separated by semicolons")
        return found

    def _read_settings(self, reply: str, names: Sequence[str]) -> dict[str, str | float]:
        keys = [(output, name) for output in self.outputs for name in names]
        found: dict[str, str | float] = {}
        numbers: dict[str, str] = {}
        for (output, name), answer in zip(keys, reply.strip().split(";"), strict=True):
            key, words = f"{output}.{name.format('')}", _WORDS[name]
            if words is None:
                numbers[key] = answer
            elif re.fullmatch(words, answer) is None:
                raise ValueError(f"{key} is {answer!r}")
            else:
                found[key] = float(answer) if words is _SWITCH else answer
            if key.endswith("LOAD") and answer.removeprefix("+") == _INFINITE:
                found[key] = _INFINITE_OHM
                del numbers[key]
        return found | dict(zip(numbers, numbers_alike(list(numbers.values())), strict=True))

    def _compare(self, found: Mapping[str, str | float], expected: Mapping[str, str | float]) -> None:
        for key in expected.keys() & found.keys():
            if not _holds(key, expected[key], found[key]):
                raise self.lost(f"{key} is {found[key]}, {expected[key]} was sent")

    def _check(self, what: str, value_s: float, low_s: float, high_s: float) -> None:
        if not (isfinite(value_s) and low_s <= value_s <= high_s):
            raise ValueError(f"{self.name}: {what} must be {low_s:g} s to {high_s:g} s, got {value_s:g} s")


def _holds(key: str, sent: str | float, found: str | float) -> bool:
    if isinstance(sent, str) or isinstance(found, str):
        return sent == found
    room = _ROUNDING_V if ":VOLT:" in key else 0.0
    return abs(found - sent) <= _TOLERANCE * abs(sent) + room
