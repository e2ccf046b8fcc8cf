"""Keithley 2400 SourceMeter, as a voltage source that measures current.

Source: Series 2400 User's Manual 2400S-900-01 Rev. K, sections 3, 6, 10, 11, 18 and appendix A; SPEC-2400 Rev. H. No
real 2400 has been seen: the bytes are the manual's and those of independent drivers, the times are appendix A's.

A staircase is a list sweep: at each level the instrument waits for the source delay, integrates, converts (185 µs) and
computes (0.64 ms, with auto-zero 2.15 ms and three conversions). The delay that is sent is the dwell less the
integration, so that a level lasts at least its dwell and some 3 ms more.

The 2400 is no pulse instrument. A pulse is a list sweep of two points, the level and 0 V, each with a source delay and
the shortest integration, 0.01 power line cycles, without auto-zero and on the range of the limit. The delay that is
sent is the width less that integration at 60 Hz and its conversion, which appendix A states; the computing comes on
top: the plateau lasts at least the width, and up to 0.8 ms more. Nothing shorter than 1.1 ms can come out; below 2 ms
the driver refuses. The point at 0 V takes as long again. Compliance is real or that of the measure range (bits 3 and 16
of the status word); both are flagged.

While it sweeps the instrument listens to ``:ABORt`` and device clear only. Not here: the channel
(:mod:`labctl_instruments.keithley.sourcemeter`), the limits of a station (:mod:`labctl.station`).
"""

from typing import Any, ClassVar

from pymeasure.instruments import Instrument

from labctl.roles import Reading, SourceMeterLimits
from labctl_instruments.keithley.sourcemeter import SourceMeterChannel
from labctl_instruments.keithley.sourcemeter_instrument import SourceMeterInstrument
from labctl_instruments.keithley.sourcemeter_state import LEVEL, OVER_RANGE
from labctl_instruments.replies import number, numbers_alike, reading

__all__ = ["Keithley2400", "Keithley2400Channel"]

_FASTEST_LINE_HZ = 60.0
_SHORTEST_PLC, _CONVERSION_S = 0.01, 185e-6
# bits of the status word: held at the limit, held at the top of the measure range
_COMPLIANCE = 1 << 3 | 1 << 16
_FIELDS = 3
_READ_BACK = (
    ":SOUR:VOLT:RANG",
    ":SOUR:VOLT",
    ":SENS:CURR:PROT",
    ":SENS:CURR:RANG:AUTO",
    ":SENS:CURR:RANG",
    ":SENS:CURR:NPLC",
    ":SYST:AZER",
    ":SYST:LFR",
    ":OUTP",
    ":OUTP:SMOD",
    ":SOUR:FUNC",
)


class Keithley2400Channel(SourceMeterChannel):
    """The channel of a 2400; fulfils :class:`labctl.roles.SourceMeter`."""

    limits = SourceMeterLimits(max_voltage_v=200.0, max_current_a=1.0, min_pulse_s=2e-3)
    VOLTAGE_RANGES_V = (0.2, 2.0, 20.0, 200.0)
    LEAST_CURRENT_A = 1e-6
    MOST_DELAY_S = 999.0
    LIMIT = ":SENS:CURR:PROT"
    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {
        ":SOUR:FUNC": ("VOLT",),
        ":SOUR:VOLT:MODE": ("FIX",),
        ":SOUR:SWE:RANG": ("FIX",),
        ":OUTP:SMOD": ("HIMP",),
        ":FORM:ELEM": ("VOLT,CURR,STAT",),
        ":SENS:FUNC": ('"CURR:DC"', '"CURR"'),
        ":ARM:SOUR": ("IMM",),
        ":TRIG:SOUR": ("IMM",),
    }
    READS_END = True
    READY = f":ABOR;:SOUR:VOLT:MODE FIX;{LEVEL} 0"

    def fixed_settings(self) -> dict[str, str]:
        """Return the settings that are the same for every :meth:`prepare`, by header."""
        return {
            ":SOUR:FUNC": "VOLT",
            ":SOUR:VOLT:MODE": "FIX",
            ":SOUR:SWE:RANG": "FIX",
            ":SOUR:CLE:AUTO": "0",
            ":SOUR:DEL:AUTO": "1",
            ":OUTP:SMOD": "HIMP",
            ":SYST:RSEN": "0",
            ":SYST:AZER": "1",
            ":ARM:SOUR": "IMM",
            ":ARM:COUN": "1",
            ":TRIG:SOUR": "IMM",
            ":TRIG:COUN": "1",
            ":TRIG:DEL": "0",
            ":SENS:FUNC:CONC": "0",
            ":SENS:FUNC": '"CURR"',
            ":FORM:ELEM": "VOLT,CURR,STAT",
        }

    def integration(self, plc: str) -> dict[str, str]:
        """Return the settings of the integration time, by header; the manual makes them one for all quantities.

        Parameters
        ----------
        plc : str

        Returns
        -------
        dict of str to str
        """
        return {":SENS:CURR:NPLC": plc}

    def check_ranges(self, current_limit_a: float, measure_range_a: float) -> None:
        """Refuse a measure range above that of the limit (error +824) or far above the limit.

        Parameters
        ----------
        current_limit_a, measure_range_a : float, unit A

        Raises
        ------
        ValueError
            If it is.
        """
        top = next(one for one in self.current_ranges_a() if current_limit_a <= OVER_RANGE * one)
        if measure_range_a > OVER_RANGE * top:
            raise ValueError(
                f"{self.parent.name}: the measure range must be at most that of the current limit, {top:g} A for "
                f"{current_limit_a:g} A, got {measure_range_a:g} A; raise the limit or let the range be automatic"
            )

    def reading_question(self, function: str) -> str:
        """Return the message that measures ``function``; the level that stood comes with the current.

        Parameters
        ----------
        function : str

        Returns
        -------
        str
        """
        return ":READ?" if function == "CURR" else ':SENS:FUNC "VOLT";:READ?;:SENS:FUNC "CURR"'

    def read_samples(self, text: str, function: str) -> list[tuple[Reading, float]]:
        """Take readings apart, each with the level that stood.

        Parameters
        ----------
        text : str
            Three numbers per reading: voltage, which is the programmed level where it is not measured, current, status.
        function : str

        Returns
        -------
        list of (Reading, float)

        Raises
        ------
        ValueError
            If there are not three numbers each, printed alike.
        """
        fields = text.split(",")
        if len(fields) % _FIELDS:
            raise ValueError(f"{len(fields)} numbers")
        found: list[tuple[Reading, float]] = []
        alike: list[str] = []
        for volts, amps, status in zip(*(fields[first::_FIELDS] for first in range(_FIELDS)), strict=True):
            is_held = bool(int(number(status)) & _COMPLIANCE)
            one = (
                reading(amps, "A", in_compliance=is_held, raw=f"{volts},{amps},{status}")
                if function == "CURR"
                else reading(volts, "V", in_compliance=is_held, raw=f"{volts},{amps},{status}")
            )
            held_v = number(volts) if function == "CURR" else float(self._sent.get(LEVEL, "nan"))
            found.append((one, held_v))
            alike += [status] if one.value is None else [amps if function == "CURR" else volts, status]
        numbers_alike(alike)
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
        load = f":SOUR:DEL {delay_s:.9e};:TRIG:COUN {count + 1};:SOUR:VOLT:MODE LIST"
        return load, ":READ?;:SOUR:VOLT:MODE FIX;:TRIG:COUN 1;:SOUR:DEL:AUTO 1"

    def pulse_messages(self, width_s: float) -> tuple[str, str]:
        """Return what loads a pulse and what starts it.

        Parameters
        ----------
        width_s : float, unit s

        Returns
        -------
        tuple of str
        """
        delay_s = width_s - _SHORTEST_PLC / _FASTEST_LINE_HZ - _CONVERSION_S
        load = (
            f":SYST:AZER 0;:SENS:CURR:NPLC {_SHORTEST_PLC};:SENS:CURR:RANG {self.sent(self.LIMIT)};"
            f":SOUR:DEL {delay_s:.9e};:TRIG:COUN 2;:SOUR:VOLT:MODE LIST"
        )
        start = (
            ":READ?;:SOUR:VOLT:MODE FIX;:TRIG:COUN 1;:SOUR:DEL:AUTO 1;:SYST:AZER 1;"
            f":SENS:CURR:NPLC {self.sent(':SENS:CURR:NPLC')};{self.metering_message()}"
        )
        return load, start

    def check_pulse(self, text: str, level_v: float) -> None:
        """Check that two readings came, at the level and at 0 V.

        Parameters
        ----------
        text : str
        level_v : float, unit V

        Raises
        ------
        ValueError
            If they did not.
        """
        (_, held_v), (_, end_v) = self.read_samples(text, "CURR")
        for sent_v, found_v in ((level_v, held_v), (0.0, end_v)):
            self.check_held(sent_v, found_v)


class Keithley2400(SourceMeterInstrument):
    """Keithley 2400; fulfils :class:`labctl.roles.Instrument`, its channel :class:`labctl.roles.SourceMeter`.

    Parameters
    ----------
    adapter : str, int or pymeasure Adapter
        VISA resource name, such as ``"GPIB0::24::INSTR"``, or a ready adapter.
    name : str
        How messages call the instrument.
    **kwargs
        VISA settings.
    """

    MODEL: ClassVar[str] = "2400"
    # ":ABOR" ends a sweep, during which nothing else is obeyed; then the output, then what a later "on" would find
    SAFE_OFF: ClassVar[tuple[str, ...]] = (":ABOR", ":OUTP 0", ":SOUR:VOLT:MODE FIX", ":SOUR:VOLT 0", ":SOUR:CURR 0")
    READ_BACK: ClassVar[tuple[str, ...]] = _READ_BACK

    a: Keithley2400Channel = Instrument.ChannelCreator(Keithley2400Channel, "a")

    def __init__(self, adapter: Any, name: str = "Keithley 2400", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
