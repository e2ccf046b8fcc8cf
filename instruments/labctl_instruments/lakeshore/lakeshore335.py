"""Lake Shore 335 temperature controller: one sensor on input A, one heater on output 1.

Source: Model 335 Temperature Controller User's Manual, chapter 6 (``*ESR?`` and ``*IDN?`` with their formats, status
registers: page 108 was read); the other commands and their formats from memory, and as PyMeasure's Lake Shore channels
send them. **No real one has been seen**: before a sample hangs on one, compare the formats below with the manual, and
look at a step of 10 K. From memory are, besides: answers to chained questions come joined by semicolons; a temperature
has six digits (``+358.000``); range 3 is High; an output in closed loop (``OUTMODE`` 1) is off in range 0.

There is no error queue: ``*ESR?`` tells which kinds of errors happened, once. The interfaces are IEEE-488 (address 12
from the factory) and USB as a serial port, which needs 57600 baud, 7 data bits and odd parity; there is no Ethernet.

Sensor, curve, PID values and the control mode of output 1 are set up at the instrument and left as they are; a heater
that is not in closed loop on input A is not switched on. Not here: the highest temperature of a station
(:mod:`labctl.station.heating`).
"""

import re
from math import isfinite
from typing import Any, ClassVar

from pymeasure.instruments import Instrument

from labctl.roles import Flag, Reading, TemperatureLimits
from labctl_instruments.replies import checked_number, number, numbers_alike
from labctl_instruments.scpi import ScpiInstrument

__all__ = ["LakeShore335"]

_HIGH = "3"
_ROUNDING_K = 6e-3
# standard event status register, IEEE 488.2 11.5.1: bit, number of SCPI's class, words
_EVENTS = (
    (32, -100, "command error"),
    (16, -200, "execution error"),
    (8, -300, "device error"),
    (4, -400, "query error"),
)
_SETTINGS = "SETP? 1;RANGE? 1;OUTMODE? 1;PID? 1"


class LakeShore335(ScpiInstrument):
    """Lake Shore 335; fulfils :class:`labctl.roles.TemperatureController` and :class:`labctl.roles.Instrument`.

    Parameters
    ----------
    adapter : str, int or pymeasure Adapter
        VISA resource name or a ready adapter.
    name : str
        How messages call the instrument.
    **kwargs
        VISA settings.
    """

    MODEL: ClassVar[str] = "335"
    SAFE_OFF: ClassVar[tuple[str, ...]] = ("RANGE 1,0", "RANGE 2,0")
    OFF_CHECKS: ClassVar[tuple[tuple[str, str], ...]] = (("RANGE? 1;RANGE? 2", "0;0"),)
    ERROR_QUESTION: ClassVar[str] = "*ESR?"

    # of the instrument, from memory; a sensor bears less
    limits = TemperatureLimits(lowest_k=0.3, highest_k=1505.0)

    temperature = Instrument.measurement(
        "KRDG? A", """Measure the temperature at input A in K (float).""", get_process=checked_number
    )
    set_point = Instrument.measurement(
        "SETP? 1", """Get the set-point of output 1 in K (float).""", get_process=checked_number
    )
    heater_range = Instrument.measurement(
        "RANGE? 1", """Get the range of output 1, unit 1 (float: 0 is off, 3 is high).""", get_process=checked_number
    )
    heater_output = Instrument.measurement(
        "HTR? 1", """Measure the heater output in per cent of its range (float).""", get_process=checked_number
    )

    def __init__(self, adapter: Any, name: str = "Lake Shore 335", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
        self._set_k: float | None = None

    def set_temperature(self, temperature_k: float) -> None:
        """Set the set-point and switch the heater on in its high range; nothing waits for the temperature.

        Parameters
        ----------
        temperature_k : float, unit K
            0.3 to 1505 K; goes out with six digits, as it is shown.

        Raises
        ------
        ValueError
            If it is outside; nothing is sent.
        ProtocolError
            If no proper answer comes, three times over.
        InstrumentFault
            If output 1 is not in closed loop on input A (the heater stays off), or did not take the set-point.
        """
        limits = self.limits
        if not (isfinite(temperature_k) and limits.lowest_k <= temperature_k <= limits.highest_k):
            raise ValueError(
                f"{self.name}: set-point must be {limits.lowest_k:g} K to {limits.highest_k:g} K,"
                f" got {temperature_k:g} K"
            )
        mode = self.answer("OUTMODE? 1", _mode, "mode,input,enable at power-up")
        if mode[:2] != ("1", "1"):
            raise self.lost(
                f"output 1 is in mode {mode[0]} on input {mode[1]}, the heater goes on in closed loop (1) on input A"
                " (1) only: set it at the instrument"
            )
        self._set_k = None
        # six digits, as the instrument keeps them; no exponent, which is not known to be taken
        message = f"SETP 1,{temperature_k:.6g};RANGE 1,{_HIGH};SETP? 1;RANGE? 1"
        set_k, found = self.answer(message, _set_point, "set-point;range")
        self._compare(temperature_k, set_k, found)
        self._set_k = temperature_k

    def measure_temperature(self) -> Reading:
        """Read the sensor at input A.

        Returns
        -------
        Reading
            Unit K; without a value where the reading status says that the sensor is out of its range.

        Raises
        ------
        ProtocolError
            If no proper answer comes, three times over.
        """

        def parse(reply: str) -> Reading:
            kelvin, status = reply.strip().split(";")
            (value,) = _kelvins(kelvin)
            if _status(status):
                return Reading(None, "K", frozenset({Flag.OVERRANGE}), reply)
            return Reading(value, "K", frozenset(), reply)

        return self.answer("KRDG? A;RDGST? A", parse, "temperature;status")

    def is_stable(self, band_k: float) -> bool:
        """Tell whether the sensor is now within a band of the set-point.

        Parameters
        ----------
        band_k : float, unit K
            On either side; positive.

        Returns
        -------
        bool

        Raises
        ------
        ValueError
            If the band is not positive, or :meth:`set_temperature` was not called; nothing is sent.
        ProtocolError
            If no proper answer comes, three times over.
        InstrumentFault
            If the heater went off, the set-point is another one, or the sensor gives no reading.
        """
        if not band_k > 0.0:
            raise ValueError(f"{self.name}: a band must be positive, got {band_k:g} K")
        if self._set_k is None:
            raise ValueError(f"{self.name}: there is no set-point yet; call set_temperature() before is_stable()")

        def parse(reply: str) -> tuple[float, float, bool, str]:
            set_point, kelvin, status, heater = reply.strip().split(";")
            set_k, value = _kelvins(set_point, kelvin)
            return set_k, value, _status(status) != 0, _digit(heater)

        question = "SETP? 1;KRDG? A;RDGST? A;RANGE? 1"
        set_k, value_k, is_faulty, heater = self.answer(question, parse, "set-point;temperature;status;range")
        self._compare(self._set_k, set_k, heater)
        if is_faulty:
            raise self.lost("the sensor at input A gives no reading")
        return abs(value_k - set_k) <= band_k

    def heater_off(self) -> None:
        """Switch the heater off and read that back.

        Raises
        ------
        ProtocolError
            If no proper answer comes, three times over.
        InstrumentFault
            If it is on still.
        """
        self._set_k = None
        found = self.answer("RANGE 1,0;RANGE? 1", lambda reply: _digit(reply.strip()), "range")
        if found != "0":
            raise self.lost(f"the heater is in range {found}, it was switched off")

    def reset(self) -> None:
        """Switch the outputs off, then bring the instrument to its power-up settings."""
        self.forget()
        self.send(";".join((*self.SAFE_OFF, "*RST", "*CLS")))

    def error_entry(self, reply: str) -> tuple[int, str]:
        """Read the event status register as one entry: the gravest kind of error in it, and all of them in words.

        Parameters
        ----------
        reply : str
            0 to 255.

        Returns
        -------
        tuple of int and str
            0 where nothing but harmless events happened.

        Raises
        ------
        ValueError
            If ``reply`` is anything else.
        """
        text = reply.strip()
        if re.fullmatch(r"\d{1,3}", text) is None or int(text) > 255:
            raise ValueError(f"not an event status register: {reply!r}")
        found = [(code, words) for bit, code, words in _EVENTS if int(text) & bit]
        return (found[0][0], f"{', '.join(words for _, words in found)} (*ESR? {text})") if found else (0, "")

    def settings(self) -> dict[str, str | float | bool]:
        """Read back set-point, range, control mode and PID values.

        Returns
        -------
        dict of str to str or float

        Raises
        ------
        ProtocolError
            If an answer breaks the format.
        """

        def parse(reply: str) -> dict[str, str | float | bool]:
            set_point, heater, mode, pid = reply.strip().split(";")
            gains = [number(text) for text in pid.split(",")]
            if len(gains) != 3:
                raise ValueError("not three gains")
            return {
                "SETP": _kelvins(set_point)[0],
                "RANGE": float(_digit(heater)),
                "OUTMODE": ",".join(_mode(mode)),
                **dict(zip(("P", "I", "D"), gains, strict=True)),
            }

        return self.answer(_SETTINGS, parse, "set-point;range;mode;PID")

    def verify_settings(self) -> None:
        """Compare what was set with what the instrument answers.

        Raises
        ------
        InstrumentFault
            If the set-point differs or the heater is off.
        """
        if self._set_k is not None:
            self._compare(self._set_k, *self.answer("SETP? 1;RANGE? 1", _set_point, "set-point;range"))

    def forget(self) -> None:
        """Forget what was set."""
        self._set_k = None

    def _compare(self, sent_k: float, found_k: float, heater: str) -> None:
        if abs(found_k - sent_k) > _ROUNDING_K:
            raise self.lost(f"set-point is {found_k:g} K, {sent_k:g} K was sent")
        if heater != _HIGH:
            raise self.lost(f"heater range is {heater}, {_HIGH} was sent")


def _kelvins(*texts: str) -> list[float]:
    values = numbers_alike(texts)
    if any(sum(map(str.isdigit, text)) != 6 for text in texts):
        raise ValueError(f"not six digits: {texts!r}")
    return values


def _digit(text: str) -> str:
    if re.fullmatch("[0-5]", text) is None:
        raise ValueError(f"not a range: {text!r}")
    return text


def _status(text: str) -> int:
    if re.fullmatch(r"\d{3}", text) is None:
        raise ValueError(f"not a reading status: {text!r}")
    return int(text)


def _set_point(reply: str) -> tuple[float, str]:
    set_point, heater = reply.strip().split(";")
    return _kelvins(set_point)[0], _digit(heater)


def _mode(reply: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"(\d),(\d),(\d)", reply.strip())
    if match is None:
        raise ValueError(f"not mode,input,enable: {reply!r}")
    return match[1], match[2], match[3]
