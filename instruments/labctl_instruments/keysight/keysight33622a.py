"""Keysight 33622A two-channel waveform generator, as a source of single pulses on both outputs at once.

Source: Keysight Trueform Series (33500B, 33600A) Operating and Service Guide, SCPI Programming Reference; 33600A data
sheet. Each output runs one pulse cycle per trigger (triggered burst of 1 cycle, trigger source BUS).

Where an output rests. The guide says that a burst ends at the level of its starting phase, and that the burst phase
does not act on pulses: a pulse cycle starts at its low level. ``OUTPut:POLarity INVerted`` mirrors the waveform about
its offset and leaves the offset alone: low and high change places. So a positive pulse is LOW 0 V, HIGH = level,
polarity NORMal; a negative one is HIGH 0 V, LOW = level, polarity INVerted; both rest at 0 V. When the sign changes,
the levels first shrink to 2 mV (the least amplitude into an open circuit), so that the output never rests above that.
An output that takes no part gets trigger source EXTernal and 2 mV, and stays at its 0 V level.

``OUTPut:LOAD INFinity`` makes every level the one that an open circuit sees; into 50 ohm it would be half. Not here:
the limits of a station (:mod:`labctl.station`).
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, ClassVar

from pymeasure.instruments import Channel, Instrument
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from labctl.roles import PulseLimits
from labctl_instruments.link import LinkedInstrument, PlainAttributes
from labctl_instruments.replies import checked_number, number

__all__ = ["Keysight33622A", "PulseOutput"]

_LEAST_V = 2e-3
_QUEUE_LENGTH = 1000
_ERROR = re.compile(r'([+-]?\d+),"(.*)"')
_READ_BACK = (
    "OUTP{}?",
    "OUTP{}:LOAD?",
    "OUTP{}:POL?",
    "SOUR{}:VOLT:HIGH?",
    "SOUR{}:VOLT:LOW?",
    "SOUR{}:FUNC?",
    "SOUR{}:FUNC:PULS:PER?",
    "SOUR{}:FUNC:PULS:WIDT?",
    "SOUR{}:FUNC:PULS:TRAN?",
    "SOUR{}:BURS:STAT?",
    "TRIG{}:SOUR?",
)


class PulseOutput(PlainAttributes, Channel):
    """One output of the generator, for reading back and for settings beside the role."""

    output_enabled = Channel.control(
        "OUTP{ch}?",
        "OUTP{ch} %d",
        """Control whether the output relay is closed, unit 1 (bool).""",
        validator=strict_discrete_set,
        values={True: 1, False: 0},
        map_values=True,
        get_process=checked_number,
    )
    polarity = Channel.control(
        "OUTP{ch}:POL?",
        "OUTP{ch}:POL %s",
        """Control the polarity about the offset, unit 1 (str: "NORM" or "INV").""",
        validator=strict_discrete_set,
        values=("NORM", "INV"),
    )
    high_level = Channel.control(
        "SOUR{ch}:VOLT:HIGH?",
        "SOUR{ch}:VOLT:HIGH %.9e",
        """Control the high level in V (float strictly from -9.998 to 10, open circuit).""",
        validator=strict_range,
        values=(-9.998, 10.0),
        get_process=checked_number,
    )
    low_level = Channel.control(
        "SOUR{ch}:VOLT:LOW?",
        "SOUR{ch}:VOLT:LOW %.9e",
        """Control the low level in V (float strictly from -10 to 9.998, open circuit).""",
        validator=strict_range,
        values=(-10.0, 9.998),
        get_process=checked_number,
    )
    pulse_width = Channel.control(
        "SOUR{ch}:FUNC:PULS:WIDT?",
        "SOUR{ch}:FUNC:PULS:WIDT %.9e",
        """Control the pulse width between the 50 % points in s (float strictly from 5e-9 to 1e6).""",
        validator=strict_range,
        values=(5e-9, 1e6),
        get_process=checked_number,
    )
    edge_time = Channel.control(
        "SOUR{ch}:FUNC:PULS:TRAN?",
        "SOUR{ch}:FUNC:PULS:TRAN:BOTH %.9e",
        """Control both edge times from 10 % to 90 % in s (float strictly from 2.9e-9 to 1e-6).""",
        validator=strict_range,
        values=(2.9e-9, 1e-6),
        get_process=checked_number,
    )

    def write(self, command: str, **kwargs: Any) -> None:
        """Write for PyMeasure's properties; what the instrument remembers no longer holds then.

        Parameters
        ----------
        command : str
        """
        self.parent.forget()
        self.parent.send(self.insert_id(command))

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Answer PyMeasure's properties; ``query_delay`` is not used.

        Parameters
        ----------
        command : str
        query_delay : float or None, unit s
            Not used.

        Returns
        -------
        str
        """
        reply: str = self.parent.query(self.insert_id(command))
        return reply.strip()


class Keysight33622A(LinkedInstrument):
    """Keysight 33622A; fulfils :class:`labctl.roles.PulseSource` and :class:`labctl.roles.Instrument`.

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

    # 33600A data sheet: 5 ns, 2.9 ns, 20 Vpp into an open circuit. The longest width is this driver's, which waits for
    # the end of the pulse; the instrument goes to 1e6 s.
    limits = PulseLimits(min_width_s=5e-9, max_width_s=100.0, min_edge_s=2.9e-9, max_level_v=10.0)
    outputs = (1, 2)

    output_1: PulseOutput = Instrument.ChannelCreator(PulseOutput, 1)
    output_2: PulseOutput = Instrument.ChannelCreator(PulseOutput, 2)

    def __init__(self, adapter: Any, name: str = "Keysight 33622A", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
        self._timing: tuple[float, float] | None = None
        self._period_s = 0.0
        self._levels_v: dict[int, float] = {}
        self._taking_part: dict[int, bool] = {}

    def prepare(self, *, width_s: float, edge_s: float) -> None:
        """Set up every output for one single pulse per trigger from 0 V; nothing goes out when nothing changed.

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
        commands: list[str] = []
        for output in self.outputs:
            source = f":SOUR{output}"
            if fresh:
                commands += [
                    f":OUTP{output}:LOAD INF",
                    f"{source}:FUNC PULS",
                    f"{source}:BURS:MODE TRIG",
                    f"{source}:BURS:NCYC 1",
                    f":TRIG{output}:SOUR EXT",
                    f"{source}:BURS:STAT ON",
                    # amplitude and offset are legal in any order, high and low level are not
                    f":OUTP{output}:POL NORM",
                    f"{source}:VOLT {_LEAST_V:.9e}",
                    f"{source}:VOLT:OFFS {_LEAST_V / 2:.9e}",
                ]
            # shortest edge and width first: every step is then legal, whatever the timing was before
            commands += [
                f"{source}:FUNC:PULS:TRAN:BOTH {limits.min_edge_s:.9e}",
                f"{source}:FUNC:PULS:WIDT {limits.min_width_s:.9e}",
                f"{source}:FUNC:PULS:PER {period_s:.9e}",
                f"{source}:FUNC:PULS:WIDT {width_s:.9e}",
                f"{source}:FUNC:PULS:TRAN:BOTH {edge_s:.9e}",
            ]
        self._timing = None
        self.send(";".join(commands))
        self._timing, self._period_s = (width_s, edge_s), period_s
        if fresh:
            self._levels_v = dict.fromkeys(self.outputs, _LEAST_V)
            self._taking_part = dict.fromkeys(self.outputs, False)

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
            if level_v != 0.0 and not _LEAST_V <= abs(level_v) <= self.limits.max_level_v:
                raise ValueError(
                    f"{self.name}: level of output {output} must be 0 V or within {_LEAST_V:g} V to "
                    f"{self.limits.max_level_v:g} V of either sign (20 Vpp into an open circuit), got {level_v:g} V"
                )
        commands: list[str] = []
        for output in self.outputs:
            level_v = levels_v.get(output, 0.0)
            takes_part = level_v != 0.0
            if not takes_part:
                level_v = _LEAST_V if self._levels_v[output] > 0.0 else -_LEAST_V
                if self._taking_part[output]:
                    commands.append(f":TRIG{output}:SOUR EXT")
            commands += self._level_commands(output, self._levels_v[output], level_v)
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
        """Connect both outputs at their 0 V base.

        Raises
        ------
        ProtocolError
            If the link refuses the message.
        """
        self.send(":OUTP1 ON;:OUTP2 ON")

    def output_off(self) -> None:
        """Disconnect both outputs.

        Raises
        ------
        ProtocolError
            If the link refuses the message.
        """
        self.send(":OUTP1 OFF;:OUTP2 OFF")

    def fire(self) -> None:
        """Trigger one pulse on all outputs that take part and return when the instrument says that it is over.

        Raises
        ------
        ValueError
            If no output takes part; nothing is sent.
        ProtocolError
            If the instrument does not confirm.
        """
        if not any(self._taking_part.values()):
            raise ValueError(f"{self.name}: no output has a level to pulse to; call set_levels() before fire()")
        self.confirm("*TRG;*OPC?", "1", lasting_s=self._period_s)

    def is_off(self) -> bool:
        """Read back whether both outputs are disconnected.

        Returns
        -------
        bool

        Raises
        ------
        ProtocolError
            If the answer breaks the format.
        """
        message = ":OUTP1?;:OUTP2?"
        reply = self.query(message)
        states = reply.strip().split(";")
        if len(states) != 2 or not set(states) <= {"0", "1"}:
            raise self.garbled(message, reply, "two of 0 or 1")
        return states == ["0", "0"]

    def reset(self) -> None:
        """Bring the instrument to its defaults, outputs off, error queue empty."""
        self.forget()
        self.send("*RST;*CLS")

    def drain_errors(self) -> list[str]:
        """Empty the error queue and return its entries as ``"code: message"``, oldest first.

        Returns
        -------
        list of str

        Raises
        ------
        ProtocolError
            If an entry breaks the format or the queue has no end.
        """
        entries: list[str] = []
        message = "SYST:ERR?"
        for _ in range(_QUEUE_LENGTH):
            reply = self.query(message)
            match = _ERROR.fullmatch(reply.strip())
            if match is None:
                raise self.garbled(message, reply, 'code,"message"')
            if int(match[1]) == 0:
                return entries
            entries.append(f"{int(match[1])}: {match[2]}")
        raise self.garbled(message, entries[-1], f"an end of the error queue within {_QUEUE_LENGTH} entries")

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
        found: dict[str, str | float | bool] = {}
        for output in self.outputs:
            message = ";".join(f":{command.format(output)}" for command in _READ_BACK)
            reply = self.query(message)
            answers = reply.strip().split(";")
            if len(answers) != len(_READ_BACK):
                raise self.garbled(message, reply, f"{len(_READ_BACK)} answers separated by semicolons")
            for command, answer in zip(_READ_BACK, answers, strict=True):
                key = f"{output}.{command.format('').removesuffix('?')}"
                try:
                    found[key] = number(answer)
                except ValueError:
                    found[key] = answer
        return found

    def forget(self) -> None:
        """Forget what was sent, so that the next :meth:`prepare` sends everything."""
        self._timing = None
        self._levels_v.clear()
        self._taking_part.clear()

    def _level_commands(self, output: int, before_v: float, after_v: float) -> list[str]:
        """Commands from one level to another, of which none lets the output rest above 2 mV."""
        if before_v == after_v:
            return []
        high, low = f":SOUR{output}:VOLT:HIGH", f":SOUR{output}:VOLT:LOW"
        if before_v > 0.0 and after_v > 0.0:
            return [f"{high} {after_v:.9e}"]
        if before_v < 0.0 and after_v < 0.0:
            return [f"{low} {after_v:.9e}"]
        if after_v < 0.0:
            there, back, polarity, sign = high, low, "INV", 1.0
        else:
            there, back, polarity, sign = low, high, "NORM", -1.0
        return [
            f"{there} {sign * _LEAST_V:.9e}",
            f":OUTP{output}:POL {polarity}",
            f"{back} {-sign * _LEAST_V:.9e}",
            f"{there} {0.0:.9e}",
            f"{back} {after_v:.9e}",
        ]

    def _check(self, what: str, value_s: float, low_s: float, high_s: float) -> None:
        if not (isfinite(value_s) and low_s <= value_s <= high_s):
            raise ValueError(f"{self.name}: {what} must be {low_s:g} s to {high_s:g} s, got {value_s:g} s")
