"""Keithley 2636B dual-channel source-measure unit, as a voltage source that measures current.

Source: Series 2600B Reference Manual 2600BS-901-01 Rev. F, section 9, and specifications SPEC-2636B.

Pulses and staircases are timed by ``delay()`` inside one chunk that the instrument runs: the manual (9-54) guarantees
at least the given time and states 5 µs to 10 µs more as typical, apart from the time to run a statement. Both channels
of a double pulse rise and fall one statement apart, channel of the call first. The trigger model would hold the width
to a few microseconds; this driver does not use it. Not here: the limits of a station (:mod:`labctl.station`).
"""

from typing import Any, ClassVar

from pymeasure.instruments import Instrument

from labctl_instruments.keithley.smu_channel import SmuChannel
from labctl_instruments.tsp import TspInstrument

__all__ = ["Keithley2636B"]

_READ_BACK = (
    "source.output",
    "source.func",
    "source.offmode",
    "source.rangev",
    "source.levelv",
    "source.limiti",
    "measure.autorangei",
    "measure.rangei",
    "measure.nplc",
)


class Keithley2636B(TspInstrument):
    """Keithley 2636B; fulfils :class:`labctl.roles.Instrument`, each channel :class:`labctl.roles.SourceMeter`.

    Parameters
    ----------
    adapter : str, int or pymeasure Adapter
        VISA resource name or a ready adapter.
    name : str
        How messages call the instrument.
    **kwargs
        VISA settings.
    """

    MODEL: ClassVar[str] = "2636B"
    # the first message ends a chunk that still runs, such as a long staircase; the others would wait for its end
    SAFE_OFF: ClassVar[tuple[str, ...]] = (
        "abort",
        "smua.source.output=0 smua.source.levelv=0",
        "smub.source.output=0 smub.source.levelv=0",
    )

    a: SmuChannel = Instrument.ChannelCreator(SmuChannel, "a")
    b: SmuChannel = Instrument.ChannelCreator(SmuChannel, "b")

    def __init__(self, adapter: Any, name: str = "Keithley 2636B", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)

    def is_off(self) -> bool:
        """Read back whether both outputs are off.

        Returns
        -------
        bool

        Raises
        ------
        ProtocolError
            If the answer breaks the format.
        """
        return self.numbers("print(smua.source.output,smub.source.output)", 2) == [0.0, 0.0]

    def settings(self) -> dict[str, str | float | bool]:
        """Read back what matters to a measurement; keys such as ``"a.source.rangev"``, values in SI units.

        Returns
        -------
        dict of str to float

        Raises
        ------
        ProtocolError
            If an answer breaks the format.
        """
        found: dict[str, str | float | bool] = {}
        for name in ("a", "b"):
            message = f"print({','.join(f'smu{name}.{key}' for key in _READ_BACK)})"
            values = self.numbers(message, len(_READ_BACK))
            found |= {f"{name}.{key}": value for key, value in zip(_READ_BACK, values, strict=True)}
        found["localnode.linefreq"] = self.numbers("print(localnode.linefreq)", 1)[0]
        return found

    def forget(self) -> None:
        """Forget what was sent to both channels."""
        self.a.forget()
        self.b.forget()
