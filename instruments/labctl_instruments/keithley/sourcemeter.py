"""The channel of a one-channel SourceMeter with SCPI commands, as far as the 2400 and the 2450 are alike.

Not here: the words of each model (:mod:`labctl_instruments.keithley.keithley2400`,
:mod:`labctl_instruments.keithley.keithley2450`), what was sent and what
stands (:mod:`labctl_instruments.keithley.sourcemeter_state`).

What is asked again after a slip of the link: readings, which happen at a level that stays, and properties. What never
is: :meth:`SourceMeterChannel.pulse` and :meth:`SourceMeterChannel.staircase`. Both are loaded first, by settings; then
the instrument is asked whether it has the whole list and has refused nothing; then one message starts it, takes the
list out of play again and reads back level, output and the length of the error queue. Where that message arrives twice
the second finds nothing loaded. Every reading carries the same three; what contradicts what was sent is an error.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

from labctl.errors import InstrumentError, ProtocolError
from labctl.roles import Reading, SourceMeter
from labctl_instruments.keithley.sourcemeter_state import LEVEL, OVER_RANGE, STATE, SourceMeterState
from labctl_instruments.replies import number

__all__ = ["SourceMeterChannel"]

_T = TypeVar("_T")
# both models: 1 A up to the 20 V range, 100 mA on the 200 V range
_LOW_VOLTAGE_V, _HIGH_RANGE_CURRENT_A = 20.0, 0.1
_LEVELS_PER_MESSAGE, _MOST_LEVELS = 100, 2499
_LEAST_PLC, _MOST_PLC = 0.01, 10.0


class SourceMeterChannel(SourceMeterState):
    """The channel; fulfils :class:`labctl.roles.SourceMeter`.

    Parameters
    ----------
    parent : LinkedInstrument
        The instrument.
    id : str
        "a".
    """

    # --- what a model writes --------------------------------------------------------------------------------------

    @abstractmethod
    def fixed_settings(self) -> dict[str, str]:
        """Return the settings that are the same for every :meth:`prepare`, by header."""

    @abstractmethod
    def check_ranges(self, current_limit_a: float, measure_range_a: float) -> None:
        """Refuse a measure range that this model cannot have beside the limit.

        Parameters
        ----------
        current_limit_a, measure_range_a : float, unit A

        Raises
        ------
        ValueError
            If it cannot.
        """

    @abstractmethod
    def reading_question(self, function: str) -> str:
        """Return the message, without ``STATE``, that measures ``function``, ``"CURR"`` or ``"VOLT"``.

        Parameters
        ----------
        function : str
        """

    @abstractmethod
    def read_samples(self, text: str, function: str) -> list[tuple[Reading, float]]:
        """Take readings apart, each with the level that stood; the answer to :meth:`reading_question` has one.

        Parameters
        ----------
        text : str
        function : str

        Raises
        ------
        ValueError
            If the text breaks the format.
        """

    @abstractmethod
    def staircase_messages(self, count: int, dwell_s: float) -> tuple[str, str]:
        """Return what loads a staircase of ``count`` levels and what starts it, the latter without ``STATE``.

        Parameters
        ----------
        count : int, unit 1
            The last level, 0 V, not counted.
        dwell_s : float, unit s
        """

    @abstractmethod
    def pulse_messages(self, width_s: float) -> tuple[str, str]:
        """Return what loads a pulse to the first level of the list and what starts it, the latter without ``STATE``.

        Parameters
        ----------
        width_s : float, unit s
        """

    @abstractmethod
    def check_pulse(self, text: str, level_v: float) -> None:
        """Check what was answered before ``STATE`` to the start of a pulse.

        Parameters
        ----------
        text : str
        level_v : float, unit V

        Raises
        ------
        ValueError
            If it does not say that the pulse was given.
        """

    # --- the role -------------------------------------------------------------------------------------------------

    def prepare(
        self,
        *,
        voltage_range_v: float,
        current_limit_a: float,
        measure_range_a: float | None,
        integration_plc: float,
    ) -> None:
        """Set up the channel as a voltage source at 0 V, two-wire, output relay open when off.

        Only what differs from what was last sent goes out, in one message.

        Parameters
        ----------
        voltage_range_v : float, unit V
            Largest level to come, above 0, at most 200; the instrument takes the next range up.
        current_limit_a : float, unit A
            Compliance, at most 1, at most 0.1 above 20 V.
        measure_range_a : float or None, unit A
            Fixed measure range; None for auto-range.
        integration_plc : float, unit 1
            Power line cycles, 0.01 to 10.

        Raises
        ------
        ValueError
            If a value lies outside what the model can do; nothing is sent.
        ProtocolError
            If the link refuses the message.
        """
        self.check("source range", voltage_range_v, "V", 1e-3, self.limits.max_voltage_v)
        high = voltage_range_v > _LOW_VOLTAGE_V
        most_a = _HIGH_RANGE_CURRENT_A if high else self.limits.max_current_a
        self.check("current limit", current_limit_a, "A", 1e-3 * self.LEAST_CURRENT_A, most_a)
        if measure_range_a is not None:
            self.check("measure range", measure_range_a, "A", 1e-3 * self.LEAST_CURRENT_A, self.limits.max_current_a)
            self.check_ranges(current_limit_a, measure_range_a)
        self.check("integration time", integration_plc, "PLC", _LEAST_PLC, _MOST_PLC)
        bounds = {LEVEL + ":RANG": f"{voltage_range_v:.9e}", self.LIMIT: f"{current_limit_a:.9e}"}
        if high:
            # the limit must come down to 100 mA before the 200 V range is legal
            bounds = dict(reversed(bounds.items()))
        fixed = {} if measure_range_a is None else {":SENS:CURR:RANG": f"{measure_range_a:.9e}"}
        ranging = {**bounds, ":SENS:CURR:RANG:AUTO": str(int(not fixed)), **fixed}
        plain = {LEVEL: _text(0.0), **self.fixed_settings(), **self.integration(f"{integration_plc:.9e}")}
        parts = [f"{key} {value}" for key, value in plain.items() if self._sent.get(key) != value]
        if any(self._sent.get(key) != value for key, value in ranging.items()):
            # a fixed measure range must not stand in the way of a new limit; setting one ends auto-range
            parts += [":SENS:CURR:RANG:AUTO 1", *(f"{key} {value}" for key, value in {**bounds, **fixed}.items())]
        if not parts:
            return
        self._sent.clear()
        self.parent.send(";".join(parts))
        self._sent.update({**plain, **ranging})
        self._range_v = next(one for one in self.VOLTAGE_RANGES_V if voltage_range_v <= one)
        self._max_level_v = min(self.limits.max_voltage_v, voltage_range_v * OVER_RANGE)

    def output_on(self) -> None:
        """Connect the output at the present level, and read back over which settings it went on.

        Raises
        ------
        ProtocolError
            If no proper answer comes, three times over.
        InstrumentFault
            If it did not go on, or a setting is not as it was sent.
        """
        self._is_on = None
        self._compare(":OUTP 1;", {**self._sent, ":OUTP": "1"})
        self._is_on = True

    def output_off(self) -> None:
        """Disconnect the output; :meth:`prepare` chose the off state that opens the relay.

        Raises
        ------
        ProtocolError
            If the link refuses the message.
        """
        self._is_on = None
        self.parent.send(":OUTP 0")
        self._is_on = False

    def set_voltage(self, voltage_v: float) -> None:
        """Set the source level.

        Parameters
        ----------
        voltage_v : float, unit V
            At most 105 % of the prepared range.

        Raises
        ------
        ValueError
            If ``voltage_v`` lies outside the prepared range; nothing is sent.
        ProtocolError
            If the link refuses the message.
        """
        self._check_level(voltage_v)
        level = _text(voltage_v)
        self._sent.pop(LEVEL, None)
        self.parent.send(f"{LEVEL} {level}")
        if self._sent:
            self._sent[LEVEL] = level

    def measure_current(self) -> Reading:
        """Integrate and return the current, unit A; flags tell compliance and over-range.

        Returns
        -------
        Reading

        Raises
        ------
        ProtocolError
            If the answer breaks the format or none comes, three times over.
        InstrumentFault
            If level or output are not as they were sent, or something was refused.
        """
        return self._measure("CURR")

    def measure_voltage(self) -> Reading:
        """Integrate and return the voltage at the terminals, unit V.

        Returns
        -------
        Reading

        Raises
        ------
        ProtocolError
            If the answer breaks the format or none comes, three times over.
        InstrumentFault
            If level or output are not as they were sent, or something was refused.
        """
        return self._measure("VOLT")

    def staircase(self, levels_v: Sequence[float], *, dwell_s: float) -> list[Reading]:
        """Step through ``levels_v``, timed by the instrument; one current per level; end at 0 V.

        Each level lasts at least ``dwell_s``; the integration lies at its end and prolongs a shorter dwell.

        Parameters
        ----------
        levels_v : sequence of float, unit V
            1 to 2499, each at most 105 % of the prepared range.
        dwell_s : float, unit s
            0 to what the instrument can count.

        Returns
        -------
        list of Reading
            One current per level, unit A.

        Raises
        ------
        ValueError
            If there are too many or too few levels, one lies outside the prepared range, the dwell is negative or the
            channel was not prepared; nothing is sent.
        UnconfirmedError
            If the answer breaks the format or none comes; the level is set to 0 V then.
        InstrumentFault
            If a level or the output was another than was sent.
        """
        if not 1 <= len(levels_v) <= _MOST_LEVELS:
            raise ValueError(f"{self.parent.name}: a staircase has 1 to {_MOST_LEVELS} levels, got {len(levels_v)}")
        self.check("dwell", dwell_s, "s", 0.0, self.MOST_DELAY_S)
        for level_v in levels_v:
            self._check_level(level_v)
        load, start = self.staircase_messages(len(levels_v), dwell_s)

        def parse(text: str) -> list[Reading]:
            found = self.read_samples(text, "CURR")
            steps = [*levels_v, 0.0] if self.READS_END else levels_v
            if len(found) != len(steps):
                raise ValueError(f"{len(found)} readings")
            for level_v, (_, held_v) in zip(steps, found, strict=True):
                self.check_held(level_v, held_v)
            return [reading for reading, _ in found[: len(levels_v)]]

        # 10 PLC at 50 Hz, three times where auto-zero is on, and ranges that change
        lasting_s = len(levels_v) * (dwell_s + 1.0)
        return self._stimulate(levels_v, load, start, parse, f"{len(levels_v)} readings", lasting_s)

    def pulse(self, level_v: float, *, width_s: float, partner: SourceMeter | None, partner_level_v: float) -> None:
        """Give one pulse and end at 0 V; return when it is over.

        Parameters
        ----------
        level_v : float, unit V
            Plateau.
        width_s : float, unit s
            At least ``limits.min_pulse_s``; the module of the model says what times it.
        partner : None
            There is no other channel.
        partner_level_v : float, unit V
            Not used.

        Raises
        ------
        ValueError
            If the level or the width is outside what the model can do, a partner is named or the channel was not
            prepared; nothing is sent.
        UnconfirmedError
            If the instrument does not confirm the pulse; the level is set to 0 V then.
        InstrumentFault
            If level or output are not as they were sent, or something was refused.
        """
        if partner is not None:
            raise ValueError(f"{self.parent.name}: a pulse can have no partner, the instrument has one channel")
        self._check_level(level_v)
        self.check("pulse width", width_s, "s", self.limits.min_pulse_s, self.MOST_DELAY_S)
        load, start = self.pulse_messages(width_s)

        def parse(text: str) -> None:
            self.check_pulse(text, level_v)

        self._stimulate([level_v], load, start, parse, "the confirmation of a pulse", 2.0 * width_s + 1.0)

    def metering_message(self) -> str:
        """Return the setting that brings the prepared measure range back."""
        if self.sent(":SENS:CURR:RANG:AUTO") == "1":
            return ":SENS:CURR:RANG:AUTO 1"
        return f":SENS:CURR:RANG {self.sent(':SENS:CURR:RANG')}"

    @abstractmethod
    def integration(self, plc: str) -> dict[str, str]:
        """Return the settings of the integration time, by header.

        Parameters
        ----------
        plc : str
        """

    def _measure(self, function: str) -> Reading:
        def parse(reply: str) -> Reading:
            text, _, state = reply.strip().partition(";")
            ((reading, held_v),) = self.read_samples(text, function)
            self.check_state(state)
            if LEVEL in self._sent:
                self.check_held(float(self._sent[LEVEL]), held_v)
            return reading

        message = f"{self.reading_question(function)};{STATE}"
        found: Reading = self.parent.answer(message, parse, "a reading, level, output and errors")
        return found

    def _stimulate(
        self,
        levels_v: Sequence[float],
        load: str,
        start: str,
        parse: Callable[[str], _T],
        expected: str,
        lasting_s: float,
    ) -> _T:
        levels = [_text(level_v) for level_v in (*levels_v, 0.0)]
        kept = dict(self._sent)
        self._sent.clear()

        def parse_ready(reply: str) -> None:
            points, errors = reply.strip().split(";")
            if number(errors):
                self.parent.hear_complaints()
            if number(points) != len(levels):
                raise ValueError(f"{points} of {len(levels)} levels")

        def parse_all(reply: str) -> _T:
            text, *state = reply.strip().rsplit(";", 3)
            self._sent.update({LEVEL: _text(0.0)})
            self.check_state(";".join(state))
            return parse(text)

        try:
            for first in range(0, len(levels), _LEVELS_PER_MESSAGE):
                part = ",".join(levels[first : first + _LEVELS_PER_MESSAGE])
                self.parent.send(
                    f":SOUR:LIST:VOLT:APP {part}" if first else f"{LEVEL} 0;{self.BEFORE_LIST}:SOUR:LIST:VOLT {part}"
                )
            self.parent.send(load)
            # a part of the list that got lost, or came twice, must not be sourced
            self.parent.answer(":SOUR:LIST:VOLT:POIN?;:SYST:ERR:COUN?", parse_ready, f"{len(levels)} and no errors")
            found: _T = self.parent.answer(
                f"{start};{STATE}",
                parse_all,
                f"{expected}, level, output and errors",
                lasting_s=lasting_s,
                repeatable=False,
            )
        except InstrumentError as error:
            self._sent.clear()
            try:
                self.parent.send(self.READY)
            except ProtocolError as failure:
                error.add_note(str(failure))
            raise
        self._sent.update(kept)
        self._sent[LEVEL] = _text(0.0)
        return found

    def _check_level(self, level_v: float) -> None:
        if not abs(level_v) <= self._max_level_v:
            raise ValueError(
                f"{self.parent.name}: the level must be within ±{self._max_level_v:g} V (105 % of the prepared range), "
                f"got {level_v:g} V; prepare a larger voltage_range_v"
            )


def _text(voltage_v: float) -> str:
    return f"{voltage_v:.9e}"
