"""Keithley 2450 SourceMeter with its SCPI command set, as a voltage source that measures current.

Source: 2461 Reference Manual 2461-901-01 Rev. A, sections 5 and 6, whose command set the 2450 shares; SPEC-2450 Rev. A.
No real 2450 has been seen: the bytes are the manual's and those of independent drivers. The instrument must stand in
``SCPI`` mode (``*LANG?``); in ``TSP`` or ``SCPI2400`` it answers to other words.

Staircases and pulses are trigger models that recall the levels of the list ``VoltCustomSweepList``, with a delay block
that counts the time; the source delay is switched off meanwhile. A staircase measures at the end of each level: the
delay is the dwell less the integration, and what the reading takes besides comes on top. A pulse has no measurement: a
recall of the level, the delay, a recall of 0 V. The manual states no time for a recall; it comes on top of the width.
Below 1 ms, where it would be no small part, the driver refuses.

The manual's tables count the state of the output among what a list keeps (6-49), its own example of a sweep contradicts
them (6-101). Lest a recall switch an output on, ``SAFE_OFF`` empties the trigger model, and nothing starts it after.
``*WAI`` holds the session up while a model runs; a device clear, which a new session begins with, ends that. Not here:
the channel (:mod:`labctl_instruments.keithley.sourcemeter`), the limits of a station (:mod:`labctl.station`).
"""

from typing import Any, ClassVar

from pymeasure.instruments import Instrument

from labctl.roles import Reading, SourceMeterLimits
from labctl_instruments.keithley.sourcemeter import SourceMeterChannel
from labctl_instruments.keithley.sourcemeter_instrument import SourceMeterInstrument
from labctl_instruments.keithley.sourcemeter_state import LEVEL
from labctl_instruments.replies import number, numbers_alike, reading

__all__ = ["Keithley2450", "Keithley2450Channel"]

_FASTEST_LINE_HZ = 60.0
_LIST = '"VoltCustomSweepList"'
_BUFFER = '"defbuffer1"'
_ELEMENTS = "READ,SOUR,SOURSTAT"
_EMPTY = ':TRIG:LOAD "Empty"'
# 8-31: bits of the source status
_LIMITED = 32
_FIELDS = 3
_PULSE_BLOCKS = 3
# the data sheet: a limit is specified from a tenth of the range up
_LEAST_PART = 0.1
_READ_BACK = (
    ":SOUR:VOLT:RANG",
    ":SOUR:VOLT",
    ":SOUR:VOLT:ILIM",
    ":SENS:CURR:RANG:AUTO",
    ":SENS:CURR:RANG",
    ":SENS:CURR:NPLC",
    ":SENS:CURR:AZER",
    ":SYST:LFR",
    ":OUTP",
    ":OUTP:VOLT:SMOD",
    ":SOUR:FUNC",
)


class Keithley2450Channel(SourceMeterChannel):
    """The channel of a 2450; fulfils :class:`labctl.roles.SourceMeter`."""

    limits = SourceMeterLimits(max_voltage_v=200.0, max_current_a=1.0, min_pulse_s=1e-3)
    VOLTAGE_RANGES_V = (0.02, 0.2, 2.0, 20.0, 200.0)
    LEAST_CURRENT_A = 10e-9
    MOST_DELAY_S = 1e4
    LIMIT = ":SOUR:VOLT:ILIM"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {
        ":SOUR:FUNC": ("VOLT",),
        ":SENS:FUNC": ('"CURR:DC"', '"CURR"'),
        ":OUTP:VOLT:SMOD": ("HIMP",),
    }
    # the list keeps the source delay, which would come on top of the delay block
    BEFORE_LIST = ":SOUR:VOLT:DEL 0;"
    READS_END = False
    READY = f":ABOR;{_EMPTY};{LEVEL} 0"

    def fixed_settings(self) -> dict[str, str]:
        """Return the settings that are the same for every :meth:`prepare`, by header."""
        return {
            ":SOUR:FUNC": "VOLT",
            ":SENS:FUNC": '"CURR"',
            ":OUTP:VOLT:SMOD": "HIMP",
            ":SENS:CURR:RSEN": "0",
            ":SENS:CURR:AZER": "1",
            ":SENS:COUN": "1",
            ":SOUR:VOLT:READ:BACK": "0",
            ":SOUR:VOLT:DEL:AUTO": "1",
            ":FORM:ASC:PREC": "10",
        }

    def integration(self, plc: str) -> dict[str, str]:
        """Return the settings of the integration time, by header; each quantity has its own.

        Parameters
        ----------
        plc : str

        Returns
        -------
        dict of str to str
        """
        return {":SENS:CURR:NPLC": plc, ":SENS:VOLT:NPLC": plc}

    def check_ranges(self, current_limit_a: float, measure_range_a: float) -> None:
        """Refuse a limit below a tenth of the measure range.

        Parameters
        ----------
        current_limit_a, measure_range_a : float, unit A

        Raises
        ------
        ValueError
            If it is.
        """
        if current_limit_a < _LEAST_PART * measure_range_a:
            raise ValueError(
                f"{self.parent.name}: the current limit must be at least a tenth of a fixed measure range, "
                f"{_LEAST_PART * measure_range_a:g} A, got {current_limit_a:g} A; lower the range or leave it to the "
                "instrument"
            )

    def reading_question(self, function: str) -> str:
        """Return the message that measures ``function``; the level that stood comes with it.

        Parameters
        ----------
        function : str

        Returns
        -------
        str
        """
        question = f":READ? {_BUFFER},{_ELEMENTS}"
        return question if function == "CURR" else f':SENS:FUNC "VOLT";{question};:SENS:FUNC "CURR"'

    def read_samples(self, text: str, function: str) -> list[tuple[Reading, float]]:
        """Take readings apart, each with the level that stood.

        Parameters
        ----------
        text : str
            Three numbers per reading: value, programmed level, source status.
        function : str

        Returns
        -------
        list of (Reading, float)

        Raises
        ------
        ValueError
            If there are not three numbers each, the values printed alike.
        """
        fields = text.split(",")
        if len(fields) % _FIELDS:
            raise ValueError(f"{len(fields)} numbers")
        unit = "A" if function == "CURR" else "V"
        found: list[tuple[Reading, float]] = []
        for value, level, status in zip(*(fields[first::_FIELDS] for first in range(_FIELDS)), strict=True):
            is_held = bool(int(number(status)) & _LIMITED)
            found.append((reading(value, unit, in_compliance=is_held, raw=f"{value},{level},{status}"), number(level)))
        values = zip(fields[::_FIELDS], found, strict=True)
        numbers_alike([value for value, (one, _) in values if one.value is not None])
        return found

    def staircase_messages(self, count: int, dwell_s: float) -> tuple[str, str]:
        """Return what loads a staircase and what starts it.

        Parameters
        ----------
        count : int, unit 1
        dwell_s : float, unit s

        Returns
        -------
        tuple of str
        """
        integration_s = float(self.sent(":SENS:CURR:NPLC")) / _FASTEST_LINE_HZ
        delay_s = max(dwell_s - integration_s, 0.0)
        blocks = (
            f":TRIG:BLOC:BUFF:CLE 1,{_BUFFER}",
            f":TRIG:BLOC:CONF:REC 2,{_LIST},1",
            ":TRIG:BLOC:BRAN:ALW 3,5",
            f":TRIG:BLOC:CONF:NEXT 4,{_LIST}",
            f":TRIG:BLOC:DEL:CONS 5,{delay_s:.9e}",
            f":TRIG:BLOC:MEAS 6,{_BUFFER}",
            f":TRIG:BLOC:BRAN:COUN 7,{count},4",
            f":TRIG:BLOC:CONF:REC 8,{_LIST},{count + 1}",
        )
        start = f":INIT;*WAI;{_EMPTY};:SOUR:VOLT:DEL:AUTO 1;:TRAC:DATA? 1,{count},{_BUFFER},{_ELEMENTS}"
        return ";".join((_EMPTY, *blocks)), start

    def pulse_messages(self, width_s: float) -> tuple[str, str]:
        """Return what loads a pulse and what starts it.

        Parameters
        ----------
        width_s : float, unit s

        Returns
        -------
        tuple of str
        """
        self.sent(LEVEL)
        blocks = (
            f":TRIG:BLOC:CONF:REC 1,{_LIST},1",
            f":TRIG:BLOC:DEL:CONS 2,{width_s:.9e}",
            f":TRIG:BLOC:CONF:REC {_PULSE_BLOCKS},{_LIST},2",
        )
        return ";".join((_EMPTY, *blocks)), f":INIT;*WAI;:TRIG:STAT?;{_EMPTY};:SOUR:VOLT:DEL:AUTO 1"

    def check_pulse(self, text: str, level_v: float) -> None:
        """Check that the trigger model came to its last block.

        Parameters
        ----------
        text : str
            Two words for the state and the number of the block.
        level_v : float, unit V

        Raises
        ------
        ValueError
            If it did not.
        """
        *words, block = text.split(";")
        if len(words) != 2 or int(block) != _PULSE_BLOCKS:
            raise ValueError(f"not the end of the trigger model: {text!r}")


class Keithley2450(SourceMeterInstrument):
    """Keithley 2450; fulfils :class:`labctl.roles.Instrument`, its channel :class:`labctl.roles.SourceMeter`.

    Parameters
    ----------
    adapter : str, int or pymeasure Adapter
        VISA resource name or a ready adapter.
    name : str
        How messages call the instrument.
    **kwargs
        VISA settings.
    """

    MODEL: ClassVar[str] = "2450"
    # ":ABOR" stops the trigger model; then the output, then what could switch it on again, then levels
    SAFE_OFF: ClassVar[tuple[str, ...]] = (":ABOR", ":OUTP 0", _EMPTY, ":SOUR:VOLT 0", ":SOUR:CURR 0")
    READ_BACK: ClassVar[tuple[str, ...]] = _READ_BACK

    a: Keithley2450Channel = Instrument.ChannelCreator(Keithley2450Channel, "a")

    def __init__(self, adapter: Any, name: str = "Keithley 2450", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
