"""Settings of a simulated 33600A generator that are kept and answered but change nothing at its outputs.

Not here: settings that the outputs obey (:mod:`labctl_mock.keysight.generator_channel`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from labctl_mock.messages import MessageFault
from labctl_mock.messages.numeric import Boolean, Integer, Limit, Number
from labctl_mock.messages.parameters import Choice, Parameter, Text
from labctl_mock.messages.tree import Command

__all__ = ["PLAIN_SETTINGS", "PlainSetting", "PlainStore", "number_text"]

_SOURCE = "[SOURce[1|2]:]"


def number_text(value: float) -> str:
    """Write a number of any unit as the instrument does: ``+1.000000000000000E+03``; infinity is ``+9.9E+37``."""
    if abs(value) == inf:
        return "+9.9E+37" if value > 0 else "-9.9E+37"
    return f"{value:+.15E}"


@dataclass(frozen=True, slots=True)
class PlainSetting:
    """One such setting.

    Attributes
    ----------
    pattern : str
        Header; with ``[1|2]`` each channel has its own.
    parameter : Parameter
        Kind of data.
    default : float, bool or str
        Value after ``*RST``.
    bounds : tuple of float
        Range of a number; outside it is -222 and the setting stays.
    """

    pattern: str
    parameter: Parameter
    default: float | bool | str
    bounds: tuple[float, float] = (-inf, inf)


PLAIN_SETTINGS = (
    PlainSetting(f"{_SOURCE}PHASe[:ADJust]", Number("DEG"), 0.0, (-360.0, 360.0)),
    PlainSetting(f"{_SOURCE}FREQuency:MODE", Choice("CW", "LIST", "SWEep", "FIXed"), "CW"),
    PlainSetting(f"{_SOURCE}FUNCtion:RAMP:SYMMetry", Number("PCT"), 100.0, (0.0, 100.0)),
    PlainSetting(f"{_SOURCE}FUNCtion:ARBitrary:PTPeak", Number("V"), 0.1, (1e-3, 20.0)),
    PlainSetting(f"{_SOURCE}VOLTage:RANGe:AUTO", Boolean(), True),
    PlainSetting(f"{_SOURCE}BURSt:MODE", Choice("TRIGgered", "GATed"), "TRIG"),
    PlainSetting(f"{_SOURCE}BURSt:PHASe", Number("DEG"), 0.0, (-360.0, 360.0)),
    PlainSetting(f"{_SOURCE}BURSt:GATE:POLarity", Choice("NORMal", "INVerted"), "NORM"),
    PlainSetting(f"{_SOURCE}BURSt:INTernal:PERiod", Number("S"), 10e-3, (1e-6, 8000.0)),
    PlainSetting("OUTPut:SYNC[:STATe]", Boolean(), True),
    PlainSetting("OUTPut:SYNC:SOURce", Choice("CH1", "CH2"), "CH1"),
    PlainSetting("OUTPut[1|2]:SYNC:MODE", Choice("NORMal", "CARRier", "MARKer"), "NORM"),
    PlainSetting("OUTPut[1|2]:SYNC:POLarity", Choice("NORMal", "INVerted"), "NORM"),
    PlainSetting("OUTPut:TRIGger[:STATe]", Boolean(), False),
    PlainSetting("OUTPut:TRIGger:SLOPe", Choice("POSitive", "NEGative"), "POS"),
    PlainSetting("OUTPut:TRIGger:SOURce", Choice("CH1", "CH2"), "CH1"),
    PlainSetting("TRIGger[1|2]:COUNt", Integer(), 1.0, (1.0, 1e6)),
    PlainSetting("TRIGger[1|2]:SLOPe", Choice("POSitive", "NEGative"), "POS"),
    PlainSetting("TRIGger[1|2]:TIMer", Number("S"), 10e-3, (1e-6, 8000.0)),
    PlainSetting("DISPlay[:STATe]", Boolean(), True),
    PlainSetting("DISPlay:TEXT[:DATA]", Text(), '""'),
)


class PlainStore:
    """Values of the plain settings.

    Parameters
    ----------
    settings : sequence of PlainSetting
    """

    def __init__(self, settings: tuple[PlainSetting, ...] = PLAIN_SETTINGS) -> None:
        self._settings = settings
        self._values: dict[tuple[str, tuple[int, ...]], float | bool | str] = {}

    def reset(self) -> None:
        """Go back to the defaults."""
        self._values.clear()

    def set(self, pattern: str, value: float | bool | str) -> None:
        """Set a setting that no channel owns, in the unit that it has."""
        self._values[pattern, ()] = value

    def commands(self) -> list[Command]:
        """Return a command and a query for each setting."""
        limit = Choice("MINimum", "MAXimum", "DEFault", is_optional=True)
        return [
            Command(
                setting.pattern,
                self._writer(setting),
                (setting.parameter,),
                self._reader(setting),
                (limit,) if isinstance(setting.parameter, Number) else (),
            )
            for setting in self._settings
        ]

    def _writer(self, setting: PlainSetting) -> Callable[..., None]:
        low, high = setting.bounds
        words: dict[object, float | bool | str] = {
            Limit.MINIMUM: low,
            Limit.MAXIMUM: high,
            Limit.DEFAULT: setting.default,
        }

        def write(*arguments: int | float | bool | str) -> None:
            *suffixes, value = arguments
            if isinstance(value, Limit):
                value = words[value]
            elif isinstance(value, float) and not low <= value <= high:
                raise MessageFault(-222, f"{value:g}")
            elif isinstance(setting.parameter, Text):
                doubled = str(value).replace('"', '""')
                value = f'"{doubled}"'
            self._values[setting.pattern, tuple(int(suffix) for suffix in suffixes)] = value

        return write

    def _reader(self, setting: PlainSetting) -> Callable[..., str]:
        words = {"MIN": setting.bounds[0], "MAX": setting.bounds[1], "DEF": setting.default}

        def read(*arguments: int | str) -> str:
            suffixes = tuple(argument for argument in arguments if isinstance(argument, int))
            limit = arguments[len(suffixes) :]
            value = words[str(limit[0])] if limit else self._values.get((setting.pattern, suffixes), setting.default)
            if isinstance(value, bool):
                return "1" if value else "0"
            return value if isinstance(value, str) else number_text(value)

        return read
