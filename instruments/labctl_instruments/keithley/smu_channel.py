"""One channel of a Series 2600B source-measure unit.

Source: Series 2600B Reference Manual 2600BS-901-01 Rev. F, section 9 (attributes ``smuX.*``). Not here: the instrument
around it (:mod:`labctl_instruments.keithley.keithley2636b`).
"""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from pymeasure.instruments import Channel
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from labctl.roles import Reading, SourceMeter, SourceMeterLimits
from labctl_instruments.link import PlainAttributes
from labctl_instruments.replies import checked_number, reading

__all__ = ["SmuChannel"]

# 2636B specifications: 1.5 A up to the 20 V range, 100 mA on the 200 V range; a level may reach 101 % of its range
_LOW_VOLTAGE_V, _HIGH_RANGE_CURRENT_A, _OVER_RANGE = 20.0, 0.1, 1.01
_MIN_CURRENT_A = 1e-10
_LEVELS_PER_MESSAGE = 50
_DONE = "pulsed"
_BOOLEANS = {"true": True, "false": False}


class SmuChannel(PlainAttributes, Channel):
    """A channel of a Series 2600B; fulfils :class:`labctl.roles.SourceMeter`.

    Parameters
    ----------
    parent : Keithley2636B
        The instrument.
    id : str
        "a" or "b".
    """

    limits = SourceMeterLimits(max_voltage_v=200.0, max_current_a=1.5, min_pulse_s=100e-6)

    source_voltage = Channel.control(
        "print(smu{ch}.source.levelv)",
        "smu{ch}.source.levelv=%.9e",
        """Control the source level in V (float strictly from -200 to 200).""",
        validator=strict_range,
        values=(-200.0, 200.0),
        get_process=checked_number,
    )
    source_voltage_range = Channel.control(
        "print(smu{ch}.source.rangev)",
        "smu{ch}.source.rangev=%.9e",
        """Control the source range in V (float strictly from 0.2 to 200; the instrument takes the next range up).""",
        validator=strict_range,
        values=(0.2, 200.0),
        get_process=checked_number,
    )
    current_limit = Channel.control(
        "print(smu{ch}.source.limiti)",
        "smu{ch}.source.limiti=%.9e",
        """Control the current limit (compliance) in A (float strictly from 1e-10 to 1.5).""",
        validator=strict_range,
        values=(_MIN_CURRENT_A, 1.5),
        get_process=checked_number,
    )
    measure_current_range = Channel.control(
        "print(smu{ch}.measure.rangei)",
        "smu{ch}.measure.rangei=%.9e",
        """Control the current measure range in A (float strictly from 1e-10 to 1.5); setting ends auto-range.""",
        validator=strict_range,
        values=(_MIN_CURRENT_A, 1.5),
        get_process=checked_number,
    )
    measure_nplc = Channel.control(
        "print(smu{ch}.measure.nplc)",
        "smu{ch}.measure.nplc=%.9e",
        """Control the integration time in power line cycles, unit 1 (float strictly from 0.001 to 25).""",
        validator=strict_range,
        values=(0.001, 25.0),
        get_process=checked_number,
    )
    output_enabled = Channel.control(
        "print(smu{ch}.source.output)",
        "smu{ch}.source.output=%d",
        """Control whether the output is on, unit 1 (bool).""",
        validator=strict_discrete_set,
        values={True: 1, False: 0},
        map_values=True,
        get_process=checked_number,
    )

    def __init__(self, parent: Any, id: str) -> None:
        super().__init__(parent, id)
        self._smu = f"smu{id}"
        self._sent: dict[str, str] = {}
        self._max_level_v = self.limits.max_voltage_v

    def write(self, command: str, **kwargs: Any) -> None:
        """Write for PyMeasure's properties; what :meth:`prepare` remembers no longer holds then.

        Parameters
        ----------
        command : str
            With ``{ch}`` for the channel.
        """
        self.forget()
        self.parent.send(self.insert_id(command))

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Answer PyMeasure's properties; ``query_delay`` is not used.

        Parameters
        ----------
        command : str
            With ``{ch}`` for the channel.
        query_delay : float or None, unit s
            Not used.

        Returns
        -------
        str
        """
        reply: str = self.parent.query(self.insert_id(command))
        return reply

    def forget(self) -> None:
        """Forget what was sent, so that the next :meth:`prepare` sends everything."""
        self._sent.clear()
        self._max_level_v = self.limits.max_voltage_v

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
            If a value lies outside what the 2636B can do; nothing is sent.
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
            "source.levelv": _level(0.0),
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
        changed = {key: value for key, value in wanted.items() if self._sent.get(key) != value}
        if "measure.autorangei" in changed and measure_range_a is not None:
            changed["measure.rangei"] = wanted["measure.rangei"]
        if not changed:
            return
        parts = [f"{self._smu}.{key}={value}" for key, value in changed.items()]
        if not self._sent:
            # 6 digits are the default of Series 2600B
            parts.insert(0, "format.asciiprecision=10")
        sent = {**self._sent, **changed}
        self._sent.clear()
        self.parent.send(" ".join(parts))
        self._sent.update(sent)
        self._max_level_v = min(self.limits.max_voltage_v, voltage_range_v * _OVER_RANGE)

    def output_on(self) -> None:
        """Connect the output at the present level.

        Raises
        ------
        ProtocolError
            If the link refuses the message.
        """
        self.parent.send(f"{self._smu}.source.output=1")

    def output_off(self) -> None:
        """Disconnect the output; :meth:`prepare` chose the off mode that opens the relay.

        Raises
        ------
        ProtocolError
            If the link refuses the message.
        """
        self.parent.send(f"{self._smu}.source.output=0")

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
        level = _level(voltage_v)
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
            If the answer breaks the format or none comes.
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
            If the answer breaks the format or none comes.
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
        ProtocolError
            If the answer breaks the format or none comes.
        """
        if not levels_v:
            raise ValueError(f"{self.parent.name}: a staircase needs at least one level")
        self._check("dwell", dwell_s, "s", 0.0, 1e5)
        for level_v in levels_v:
            self._check_level(level_v)
        smu, levels = self._smu, [_level(level_v) for level_v in levels_v]
        for start in range(0, len(levels), _LEVELS_PER_MESSAGE):
            part = ",".join(levels[start : start + _LEVELS_PER_MESSAGE])
            if start == 0:
                self.parent.send(f"labctl_levels={{{part}}}")
            else:
                self.parent.send(f"for _,v in ipairs({{{part}}}) do table.insert(labctl_levels,v) end")
        self._sent.pop("source.levelv", None)
        message = (
            f"local rest={dwell_s:.9e}-{smu}.measure.nplc/localnode.linefreq local out={{}} "
            f"for _,v in ipairs(labctl_levels) do {smu}.source.levelv=v if rest>0 then delay(rest) end "
            f'local i={smu}.measure.i() table.insert(out,string.format("%.9e,%s",i,tostring({smu}.source.compliance))) '
            f'end {smu}.source.levelv=0 print(table.concat(out,";"))'
        )
        # 25 PLC at 50 Hz is the longest integration
        reply = self.parent.query(message, lasting_s=len(levels) * (dwell_s + 0.5))
        readings = [self._reading(entry.split(","), "A", message, entry) for entry in reply.strip().split(";")]
        if len(readings) != len(levels):
            raise self.parent.garbled(message, reply, f"{len(levels)} readings")
        if self._sent:
            self._sent["source.levelv"] = _level(0.0)
        return readings

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
        ProtocolError
            If the instrument does not confirm the end of the pulse.
        """
        self._check_level(level_v)
        self._check("pulse width", width_s, "s", self.limits.min_pulse_s, 1e5)
        pulsing = [(self, _level(level_v))]
        if partner is not None:
            if not isinstance(partner, SmuChannel) or partner is self or partner.parent is not self.parent:
                raise ValueError(
                    f"{self.parent.name}: the partner of a pulse must be the other channel of this instrument"
                )
            partner._check_level(partner_level_v)
            pulsing.append((partner, _level(partner_level_v)))
        for channel, _ in pulsing:
            channel._sent.pop("source.levelv", None)
        up = " ".join(f"{channel._smu}.source.levelv={level}" for channel, level in pulsing)
        down = " ".join(f"{channel._smu}.source.levelv=0" for channel, _ in pulsing)
        self.parent.confirm(f'{up} delay({width_s:.9e}) {down} print("{_DONE}")', _DONE, lasting_s=width_s)
        for channel, _ in pulsing:
            if channel._sent:
                channel._sent["source.levelv"] = _level(0.0)

    def _measure(self, function: str, unit: str) -> Reading:
        message = f"print({self._smu}.measure.{function}(),{self._smu}.source.compliance)"
        reply = self.parent.query(message)
        return self._reading(reply.strip().split("\t"), unit, message, reply)

    def _reading(self, fields: list[str], unit: str, message: str, raw: str) -> Reading:
        try:
            value, compliance = fields
            return reading(value, unit, in_compliance=_BOOLEANS[compliance], raw=raw)
        except (ValueError, KeyError):
            raise self.parent.garbled(message, raw, "a number and true or false") from None

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


def _level(voltage_v: float) -> str:
    return f"{voltage_v:.9e}"
