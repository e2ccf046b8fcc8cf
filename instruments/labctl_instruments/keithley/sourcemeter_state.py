"""What a SourceMeter with SCPI commands was sent, and what stands: comparing the two.

Not here: stimulating and measuring (:mod:`labctl_instruments.keithley.sourcemeter`), settings one by one
(:mod:`labctl_instruments.keithley.sourcemeter_properties`).
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, ClassVar

from labctl.roles import SourceMeterLimits
from labctl_instruments.keithley.sourcemeter_properties import SourceMeterProperties
from labctl_instruments.replies import number

__all__ = ["LEVEL", "OVER_RANGE", "STATE", "SourceMeterState"]

LEVEL = ":SOUR:VOLT"
# level, output and errors stand at the end of every answer
STATE = ":SOUR:VOLT?;:OUTP?;:SYST:ERR:COUN?"
OVER_RANGE = 1.05
_OUTPUT = {"0": False, "1": True}
_TOLERANCE = 1e-4
# the 2400 answers with the full scale of a range, 105 % of its name
_SHOWN = 1.056
# both data sheets: a source level is set in steps of 25 millionths of its range
_STEP = 2.5e-5


class SourceMeterState(SourceMeterProperties):
    """Memory of a channel.

    Parameters
    ----------
    parent : LinkedInstrument
        The instrument.
    id : str
        "a".
    """

    limits: SourceMeterLimits
    # the smallest current range; the longest delay that the instrument counts
    VOLTAGE_RANGES_V: ClassVar[tuple[float, ...]]
    LEAST_CURRENT_A: ClassVar[float]
    MOST_DELAY_S: ClassVar[float]
    # header of the current limit; what is answered with a word, and which; what comes before the list of levels, and
    # what brings the channel back to 0 V after a stimulus that failed
    LIMIT: ClassVar[str]
    WORDS: ClassVar[Mapping[str, tuple[str, ...]]]
    BEFORE_LIST: ClassVar[str] = ""
    # whether the 0 V at the end of a staircase is measured too
    READS_END: ClassVar[bool]
    READY: ClassVar[str]

    def __init__(self, parent: Any, id: str) -> None:
        super().__init__(parent, id)
        self._sent: dict[str, str] = {}
        self._range_v = self.VOLTAGE_RANGES_V[-1]
        self._max_level_v = self.limits.max_voltage_v
        self._is_on: bool | None = None

    def forget(self) -> None:
        """Forget what was sent, so that the next :meth:`prepare` sends everything."""
        self._sent.clear()
        self._range_v = self.VOLTAGE_RANGES_V[-1]
        self._max_level_v = self.limits.max_voltage_v
        self._is_on = None

    def verify(self) -> None:
        """Compare what was sent with what the channel answers.

        Raises
        ------
        InstrumentFault
            If a setting differs; ranges may be larger than asked for.
        """
        expected = dict(self._sent)
        if self._is_on is not None:
            expected[":OUTP"] = str(int(self._is_on))
        if expected:
            self._compare("", expected)

    def check_state(self, text: str) -> None:
        """Compare what ``STATE`` was answered with what was sent.

        Parameters
        ----------
        text : str

        Raises
        ------
        ValueError
            If it breaks the format.
        InstrumentFault
            If level or output differ, or something was refused.
        """
        level, output, errors = text.split(";")
        level_v, is_on = number(level), _OUTPUT[output]
        if number(errors):
            self.parent.hear_complaints()
        if self._is_on is not None and is_on is not self._is_on:
            states = {True: "on", False: "off"}
            raise self.parent.lost(f"the output is {states[is_on]}, it was switched {states[self._is_on]}")
        sent = self._sent.get(LEVEL)
        if sent is not None:
            self.check_held(float(sent), level_v)

    def read_back(self, headers: Sequence[str]) -> dict[str, str | float | bool]:
        """Ask for settings in one message.

        Parameters
        ----------
        headers : sequence of str
            A word last: a list that was cut does not end with one.

        Returns
        -------
        dict of str to str or float

        Raises
        ------
        ProtocolError
            If an answer breaks the format.
        """

        def parse(reply: str) -> dict[str, str | float | bool]:
            fields = reply.strip().split(";")
            if len(fields) != len(headers) or not fields[-1].isalpha():
                raise ValueError(f"{len(fields)} answers")
            pairs = zip(headers, fields, strict=True)
            return {header: text if text.isalpha() else number(text) for header, text in pairs}

        message = ";".join(f"{header}?" for header in headers)
        found: dict[str, str | float | bool] = self.parent.answer(message, parse, f"{len(headers)} settings")
        return found

    def sent(self, header: str) -> str:
        """Return the value that was last sent for ``header``.

        Parameters
        ----------
        header : str

        Returns
        -------
        str

        Raises
        ------
        ValueError
            If the channel was not prepared.
        """
        try:
            return self._sent[header]
        except KeyError:
            raise ValueError(f"{self.parent.name}: prepare the channel before it pulses or steps") from None

    def _compare(self, settings: str, expected: Mapping[str, str]) -> None:
        """Write settings and read back, in one message."""
        message = settings + ";".join(f"{header}?" for header in expected)

        def parse(reply: str) -> list[str]:
            fields = reply.strip().split(";")
            if len(fields) != len(expected):
                raise ValueError(f"{len(fields)} answers")
            for header, field in zip(expected, fields, strict=True):
                if header not in self.WORDS:
                    number(field)
            return fields

        fields = self.parent.answer(message, parse, f"{len(expected)} settings")
        for (header, sent), found in zip(expected.items(), fields, strict=True):
            if not self._holds(header, sent, found):
                raise self.parent.lost(f"{header} is {found}, {sent} was sent")

    def _holds(self, header: str, sent: str, found: str) -> bool:
        if header in self.WORDS:
            return found in self.WORDS[header]
        sent_value, value = float(sent), number(found)
        if header.endswith(":RANG"):
            ranges = self.VOLTAGE_RANGES_V if header.startswith(":SOUR") else self.current_ranges_a()
            # asked for up to 5 % beyond a range, the instrument may take that range or the next
            taken = [next(one for one in ranges if sent_value <= most * one) for most in (1.0, OVER_RANGE)]
            return any(one * (1.0 - _TOLERANCE) <= value <= _SHOWN * one for one in taken)
        if header == LEVEL:
            return self._is_level(sent_value, value)
        return abs(value - sent_value) <= _TOLERANCE * abs(sent_value)

    def current_ranges_a(self) -> list[float]:
        """Return the current ranges, unit A; they lie a decade apart."""
        ranges = [self.limits.max_current_a]
        while ranges[0] > 1.5 * self.LEAST_CURRENT_A:
            ranges.insert(0, ranges[0] / 10.0)
        return ranges

    def _is_level(self, sent_v: float, held_v: float) -> bool:
        return abs(held_v - sent_v) <= _TOLERANCE * abs(sent_v) + _STEP * self._range_v

    def check_held(self, sent_v: float, held_v: float) -> None:
        """Compare the level that stood with the one that was sent, to a step of the source.

        Parameters
        ----------
        sent_v, held_v : float, unit V

        Raises
        ------
        InstrumentFault
            If they differ.
        """
        if not self._is_level(sent_v, held_v):
            raise self.parent.lost(f"the source stood at {held_v:g} V, {sent_v:g} V was sent")

    def check(self, what: str, value: float, unit: str, low: float, high: float) -> None:
        """Refuse a value outside of its bounds.

        Parameters
        ----------
        what : str
        value, low, high : float, unit as ``unit`` says
        unit : str

        Raises
        ------
        ValueError
            If it is outside.
        """
        if not (isfinite(value) and low <= value <= high):
            allowed = f"{low:g} {unit} to {high:g} {unit}"
            raise ValueError(f"{self.parent.name}: {what} must be {allowed}, got {value:g} {unit}")
