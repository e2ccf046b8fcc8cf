"""One channel of a Series 2600B source-measure unit.

Source: Series 2600B Reference Manual 2600BS-901-01 Rev. F, section 9 (attributes ``smuX.*``). Not here: the instrument
around it (:mod:`labctl_instruments.keithley.keithley2636b`), the chunks that stimulate
(:mod:`labctl_instruments.keithley.smu_chunks`), settings one by one
(:mod:`labctl_instruments.keithley.smu_properties`).

What is asked again after a slip of the link: readings, which happen at a level that stays, and properties. What never
is: :meth:`SmuChannel.pulse` and :meth:`SmuChannel.staircase`. Every reading carries level and output of both channels,
since the one drives what the other measures, and the length of the error queue; every confirmation carries the levels
that stood meanwhile. What was read or pulsed at another level than was sent, behind an output that is not as it was
switched, or after a message that was refused, is an error; so is an output that goes on over other settings. A fixed
``source.limiti`` and ``offmode`` 2, which opens the output relay, are the protections that the instrument keeps by
itself; the limits of the other off modes (``offlimiti``, ``offlimitv``) do nothing behind an open relay.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, TypeVar

from labctl.errors import ProtocolError, UnconfirmedError
from labctl.roles import Reading, SourceMeter, SourceMeterLimits
from labctl_instruments.keithley.smu_answers import read_sample, setting_holds
from labctl_instruments.keithley.smu_chunks import (
    DONE,
    FIRST_NUMBER,
    NOTHING,
    level_text,
    pulse_chunk,
    staircase_chunk,
)
from labctl_instruments.keithley.smu_properties import SmuProperties
from labctl_instruments.replies import number, numbers_alike

__all__ = ["SmuChannel"]

_T = TypeVar("_T")

# 2636B specifications: 1.5 A up to the 20 V range, 100 mA on the 200 V range; a level may reach 101 % of its range
_LOW_VOLTAGE_V, _HIGH_RANGE_CURRENT_A, _OVER_RANGE = 20.0, 0.1, 1.01
_MIN_CURRENT_A = 1e-10
# on this range 0 A is true to 0.7 nA and settles within 2.5 ms; lower ranges take 15 ms and more
_VOLTMETER_RANGE_A = 1e-6
_LEVELS_PER_MESSAGE = 50
_NUMBERS = 255
_OUTPUT = {0.0: False, 1.0: True, 2.0: False}


class SmuChannel(SmuProperties):
    """A channel of a Series 2600B; fulfils :class:`labctl.roles.VoltageMeter`.

    Parameters
    ----------
    parent : Keithley2636B
        The instrument.
    id : str
        "a" or "b".
    """

    limits = SourceMeterLimits(max_voltage_v=200.0, max_current_a=1.5, min_pulse_s=100e-6)

    def __init__(self, parent: Any, id: str) -> None:
        super().__init__(parent, id)
        self._smu = f"smu{id}"
        self._sent: dict[str, str] = {}
        self._max_level_v = self.limits.max_voltage_v
        self._is_on: bool | None = None
        self._staircases = 0
        self._partner_id = "b" if id == "a" else "a"

    def forget(self) -> None:
        """Forget what was sent, so that the next :meth:`prepare` sends everything."""
        self._sent.clear()
        self._max_level_v = self.limits.max_voltage_v
        self._is_on = None

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
            Compliance, 1e-10 to 1.5, at most 0.1 above 20 V.
        measure_range_a : float or None, unit A
            Fixed measure range, 1e-10 to 1.5; None for auto-range.
        integration_plc : float, unit 1
            Power line cycles, 0.001 to 25.

        Raises
        ------
        ValueError
            If a value lies outside what the 2636B can do, or the output is on as a voltmeter; nothing is sent.
        ProtocolError
            If the link refuses the message.
        """
        self._check("source range", voltage_range_v, "V", 1e-3, self.limits.max_voltage_v)
        high = voltage_range_v > _LOW_VOLTAGE_V
        most_a = _HIGH_RANGE_CURRENT_A if high else self.limits.max_current_a
        self._check("current limit", current_limit_a, "A", _MIN_CURRENT_A, most_a)
        if measure_range_a is not None:
            self._check("measure range", measure_range_a, "A", _MIN_CURRENT_A, self.limits.max_current_a)
        self._check("integration time", integration_plc, "PLC", 0.001, 25.0)
        range_and_limit = {"source.rangev": f"{voltage_range_v:.9e}", "source.limiti": f"{current_limit_a:.9e}"}
        if high:
            # the limit must come down to 100 mA before the 200 V range is legal
            range_and_limit = dict(reversed(range_and_limit.items()))
        wanted = {
            "source.levelv": level_text(0.0),
            "source.func": "1",
            "source.offmode": "2",
            "sense": "0",
            "source.autorangev": "0",
            **range_and_limit,
            "measure.nplc": f"{integration_plc:.9e}",
            "measure.autorangei": "1" if measure_range_a is None else "0",
        }
        if measure_range_a is not None:
            wanted["measure.rangei"] = f"{measure_range_a:.9e}"
        self._send_changed(wanted)
        self._max_level_v = min(self.limits.max_voltage_v, voltage_range_v * _OVER_RANGE)

    def prepare_voltmeter(self, *, range_v: float, integration_plc: float) -> None:
        """Set up the channel, whose output is off, as a source of 0 A that measures voltage, two-wire.

        Parameters
        ----------
        range_v : float, unit V
            Fixed measure range and voltage compliance, 0.02 to 200.
        integration_plc : float, unit 1
            Power line cycles, 0.001 to 25.

        Raises
        ------
        ValueError
            If a value lies outside what the 2636B can do, or the output is on as a source; nothing is sent.
        ProtocolError
            If the link refuses the message.
        """
        self._check("voltmeter range", range_v, "V", 0.02, self.limits.max_voltage_v)
        self._check("integration time", integration_plc, "PLC", 0.001, 25.0)
        self._send_changed(
            {
                "source.levelv": level_text(0.0),
                "source.leveli": level_text(0.0),
                "source.limitv": f"{range_v:.9e}",
                "source.autorangei": "0",
                "source.rangei": f"{_VOLTMETER_RANGE_A:.9e}",
                "source.func": "0",
                "source.offmode": "2",
                "sense": "0",
                "measure.nplc": f"{integration_plc:.9e}",
                "measure.autorangev": "0",
                "measure.rangev": f"{range_v:.9e}",
            }
        )
        self._max_level_v = 0.0

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
        self._compare(f"{self._smu}.source.output=1 ", self._expected(is_on=True))
        self._is_on = True

    def output_off(self) -> None:
        """Disconnect the output; :meth:`prepare` chose the off mode that opens the relay.

        Raises
        ------
        ProtocolError
            If the link refuses the message.
        """
        self._is_on = None
        self.parent.send(f"{self._smu}.source.output=0")
        self._is_on = False

    def set_voltage(self, voltage_v: float) -> None:
        """Set the source level.

        Parameters
        ----------
        voltage_v : float, unit V
            At most 101 % of the prepared range.

        Raises
        ------
        ValueError
            If ``voltage_v`` lies outside the prepared range; nothing is sent.
        ProtocolError
            If the link refuses the message.
        """
        self._check_level(voltage_v)
        level = level_text(voltage_v)
        self._sent.pop("source.levelv", None)
        self.parent.send(f"{self._smu}.source.levelv={level}")
        if self._sent:
            self._sent["source.levelv"] = level

    def measure_current(self) -> Reading:
        """Integrate and return the current, unit A, with compliance asked in the same message.

        Returns
        -------
        Reading

        Raises
        ------
        ProtocolError
            If the answer breaks the format or none comes, three times over.
        InstrumentFault
            If the output is off though it was switched on.
        """
        return self._measure("i", "A")

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
            If the output is off though it was switched on.
        """
        return self._measure("v", "V")

    def staircase(self, levels_v: Sequence[float], *, dwell_s: float) -> list[Reading]:
        """Step through ``levels_v`` by a loop that the instrument runs; one current per level; end at 0 V.

        Each level lasts at least ``dwell_s``; the integration lies at its end and prolongs a shorter dwell.

        Parameters
        ----------
        levels_v : sequence of float, unit V
            At least one, each at most 101 % of the prepared range.
        dwell_s : float, unit s
            0 to 100 000.

        Returns
        -------
        list of Reading
            One current per level, unit A.

        Raises
        ------
        ValueError
            If a level lies outside the prepared range or ``dwell_s`` is negative; nothing is sent.
        UnconfirmedError
            If the answer breaks the format or none comes; the level is set to 0 V then.
        InstrumentFault
            If the output is off though it was switched on.
        """
        if not levels_v:
            raise ValueError(f"{self.parent.name}: a staircase needs at least one level")
        self._check("dwell", dwell_s, "s", 0.0, 1e5)
        for level_v in levels_v:
            self._check_level(level_v)
        levels = [level_text(level_v) for level_v in levels_v]
        self._staircases += 1
        for start in range(0, len(levels), _LEVELS_PER_MESSAGE):
            part = ",".join(levels[start : start + _LEVELS_PER_MESSAGE])
            if start == 0:
                self.parent.send(f"labctl_levels={{{part}}} labctl_levels.id={self._staircases}")
            else:
                self.parent.send(f"for i,v in ipairs({{{part}}}) do labctl_levels[{start}+i]=v end")
        # levels that did not arrive must not leave those of the staircase before
        message = staircase_chunk(self._smu, self._staircases, len(levels), dwell_s)

        def parse(reply: str) -> list[Reading]:
            if reply.strip() == NOTHING:
                raise ProtocolError(
                    f"{self.parent.name}: {self._smu} did not get all levels of a staircase and gave none"
                )
            table, output = reply.strip().split("\t")
            entries = [entry.split(",") for entry in table.split(";")]
            found = [read_sample(entry[:2], "A", ",".join(entry)) for entry in entries]
            if len(found) != len(levels):
                raise ValueError(f"{len(found)} readings")
            held = numbers_alike([level for _, _, level in entries])
            numbers_alike([entry[0] for entry, one in zip(entries, found, strict=True) if one.value is not None])
            self._check_output(number(output))
            for level_v, held_v in zip(levels_v, held, strict=True):
                self._check_held(level_v, held_v)
            return found

        # 25 PLC at 50 Hz is the longest integration
        lasting_s = len(levels) * (dwell_s + 0.5)
        return self._stimulate(message, parse, f"{len(levels)} readings and the output", lasting_s, [self])

    def pulse(self, level_v: float, *, width_s: float, partner: SourceMeter | None, partner_level_v: float) -> None:
        """Give one pulse and end at 0 V; return when it is over.

        Parameters
        ----------
        level_v : float, unit V
            Plateau of this channel.
        width_s : float, unit s
            At least 100 µs; see :mod:`labctl_instruments.keithley.keithley2636b` for what times it.
        partner : SmuChannel or None
            The other channel of the same instrument, which pulses too.
        partner_level_v : float, unit V
            Plateau of ``partner``; not used when there is none.

        Raises
        ------
        ValueError
            If a level or the width is outside what was prepared, or ``partner`` is not the other channel; nothing is
            sent.
        UnconfirmedError
            If the instrument does not confirm the end of the pulse; the levels are set to 0 V then.
        InstrumentFault
            If an output is off though it was switched on: there was no pulse.
        """
        self._check_level(level_v)
        self._check("pulse width", width_s, "s", self.limits.min_pulse_s, 1e5)
        pulsing = [(self, level_v)]
        if partner is not None:
            if not isinstance(partner, SmuChannel) or partner is self or partner.parent is not self.parent:
                raise ValueError(
                    f"{self.parent.name}: the partner of a pulse must be the other channel of this instrument"
                )
            partner._check_level(partner_level_v)
            pulsing.append((partner, partner_level_v))
        count = len(pulsing)

        def parse(reply: str) -> None:
            word, *fields = reply.strip().split("\t")
            if word == NOTHING and not fields:
                raise ProtocolError(f"{self.parent.name}: {self._smu} gave no pulse, it takes it for the one before")
            if word != DONE or len(fields) != 2 * count + 1:
                raise ValueError(f"not {DONE!r} with {count} levels and outputs")
            *found, errors = numbers_alike(fields)
            if errors:
                self.parent.hear_complaints()
            for (channel, sent_v), held_v, state in zip(pulsing, found[:count], found[count:], strict=True):
                channel._check_output(state)
                channel._check_held(sent_v, held_v)

        self.parent.pulses = self.parent.pulses % _NUMBERS + 1
        levels = [(channel._smu, level_text(sent_v)) for channel, sent_v in pulsing]
        message = pulse_chunk(self.parent.pulses, levels, width_s)
        channels = [channel for channel, _ in pulsing]
        self._stimulate(message, parse, f"{DONE!r}, levels, outputs and errors", width_s, channels)

    def verify(self) -> None:
        """Compare what :meth:`prepare`, :meth:`set_voltage` and the output switch sent with what the channel answers.

        Raises
        ------
        InstrumentFault
            If a setting differs; ranges may be larger than asked for.
        """
        expected = self._expected(is_on=self._is_on)
        if expected:
            self._compare("", expected)

    def check_state(self, output: float, level_v: float) -> None:
        """Compare output and level with what was sent, where that is known.

        Parameters
        ----------
        output : float, unit 1
            What ``source.output`` answers: 0, 1 or 2.
        level_v : float, unit V

        Raises
        ------
        InstrumentFault
            If they differ.
        """
        self._check_output(output)
        sent = self._sent.get("source.levelv")
        if sent is not None:
            self._check_held(float(sent), level_v)

    def _send_changed(self, wanted: Mapping[str, str]) -> None:
        """Send what differs from what was last sent; everything where the channel had the other function."""
        if self._sent.get("source.func", wanted["source.func"]) != wanted["source.func"]:
            if self._is_on:
                raise ValueError(
                    f"{self.parent.name}: {self._smu} changes between source and voltmeter only with its output off; "
                    "call output_off() first"
                )
            self._sent.clear()
        changed = {key: value for key, value in wanted.items() if self._sent.get(key) != value}
        if "measure.autorangei" in changed and "measure.rangei" in wanted:
            changed["measure.rangei"] = wanted["measure.rangei"]
        if not changed:
            return
        parts = [f"{self._smu}.{key}={value}" for key, value in changed.items()]
        if not self._sent:
            # 6 digits are the default of Series 2600B
            parts[:0] = [FIRST_NUMBER, "format.asciiprecision=10"]
        sent = {**self._sent, **changed}
        self._sent.clear()
        self.parent.send(" ".join(parts))
        self._sent.update(sent)

    def _expected(self, *, is_on: bool | None) -> dict[str, float]:
        """Return what the channel should answer; with the output's state where it is known."""
        expected = {key: float(value) for key, value in self._sent.items()}
        if expected.get("measure.autorangei") == 1.0:
            expected.pop("measure.rangei", None)
        return expected if is_on is None else {**expected, "source.output": float(is_on)}

    def _compare(self, settings: str, expected: dict[str, float]) -> None:
        """Write settings and read back, in one message."""
        message = f"{settings}print({','.join(f'{self._smu}.{key}' for key in expected)})"
        for (key, sent), found in zip(expected.items(), self.parent.numbers(message, len(expected)), strict=True):
            if not setting_holds(key, sent, found):
                raise self.parent.lost(f"{self._smu}.{key} is {found:g}, {sent:g} was sent")

    def _stimulate(
        self,
        message: str,
        parse: Callable[[str], _T],
        expected: str,
        lasting_s: float,
        channels: Sequence["SmuChannel"],
    ) -> _T:
        for channel in channels:
            channel._sent.pop("source.levelv", None)
        try:
            found: _T = self.parent.answer(message, parse, expected, lasting_s=lasting_s, repeatable=False)
        except UnconfirmedError as error:
            # a device clear may have ended the chunk before its last statement
            try:
                self.parent.send(" ".join(f"{channel._smu}.source.levelv=0" for channel in channels))
            except ProtocolError as failure:
                error.add_note(str(failure))
            raise
        for channel in channels:
            if channel._sent:
                channel._sent["source.levelv"] = level_text(0.0)
        return found

    def _measure(self, function: str, unit: str) -> Reading:
        smu, partner = self._smu, getattr(self.parent, self._partner_id)

        def parse(reply: str) -> Reading:
            value, compliance, *state = reply.strip().split("\t")
            found = read_sample([value, compliance], unit, reply)
            values = numbers_alike([*state, value] if found.value is not None else state)
            output, level_v, partner_output, partner_level_v, errors = values[: len(state)]
            if errors:
                self.parent.hear_complaints()
            self.check_state(output, level_v)
            partner.check_state(partner_output, partner_level_v)
            return found

        message = (
            f"print({smu}.measure.{function}(),{smu}.source.compliance,{smu}.source.output,{smu}.source.levelv,"
            f"{partner._smu}.source.output,{partner._smu}.source.levelv,errorqueue.count)"
        )
        found: Reading = self.parent.answer(message, parse, "a number, true or false, outputs, levels and errors")
        return found

    def _check_output(self, state: float) -> None:
        is_on = _OUTPUT[state]
        if self._is_on is not None and is_on is not self._is_on:
            states = {True: "on", False: "off"}
            raise self.parent.lost(f"{self._smu} is {states[is_on]}, it was switched {states[self._is_on]}")

    def _check_held(self, sent_v: float, held_v: float) -> None:
        if not setting_holds("source.levelv", sent_v, held_v):
            raise self.parent.lost(f"{self._smu} stood at {held_v:g} V, {sent_v:g} V was sent")

    def _check_level(self, level_v: float) -> None:
        if not abs(level_v) <= self._max_level_v:
            raise ValueError(
                f"{self.parent.name}: {self._smu} level must be within ±{self._max_level_v:g} V (101 % of the prepared "
                f"range), got {level_v:g} V; prepare a larger voltage_range_v"
            )

    def _check(self, what: str, value: float, unit: str, low: float, high: float) -> None:
        if not (isfinite(value) and low <= value <= high):
            allowed = f"{low:g} {unit} to {high:g} {unit}"
            raise ValueError(f"{self.parent.name}: {self._smu} {what} must be {allowed}, got {value:g} {unit}")
