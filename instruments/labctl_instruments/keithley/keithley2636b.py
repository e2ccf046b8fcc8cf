"""Keithley 2636B dual-channel source-measure unit, as a voltage source that measures current.

Source: Series 2600B Reference Manual 2600BS-901-01 Rev. F, section 9, and specifications SPEC-2636B.

Pulses and staircases are timed by ``delay()`` inside one chunk that the instrument runs: the manual (9-54) guarantees
at least the given time and states 5 µs to 10 µs more as typical, apart from the time to run a statement. Both channels
of a double pulse rise and fall one statement apart, channel of the call first. The level that stood is read back at the
end of the pulse, which prolongs it by one statement more. The trigger model would hold the width to a few microseconds;
this driver does not use it. Not here: the limits of a station (:mod:`labctl.station`).
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
_STATES = "print(smua.source.output,smua.source.levelv,smub.source.output,smub.source.levelv,errorqueue.count)"


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
    # "abort" ends a chunk that still runs, such as a long staircase: the others would wait for its end. Then both
    # outputs before anything else, sweeps of the trigger model, and levels that a later "on" would find.
    SAFE_OFF: ClassVar[tuple[str, ...]] = (
        "abort",
        "smua.source.output=0 smub.source.output=0",
        "smua.abort() smub.abort()",
        "smua.source.levelv=0 smub.source.levelv=0",
        "smua.source.leveli=0 smub.source.leveli=0",
    )
    # smuX.source.output: 0 is off, 2 is off with the relay open
    OFF_CHECKS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("print(smua.source.output,smub.source.output)", r"[02](?:\.0+e\+00)?\t[02](?:\.0+e\+00)?"),
    )

    a: SmuChannel = Instrument.ChannelCreator(SmuChannel, "a")
    b: SmuChannel = Instrument.ChannelCreator(SmuChannel, "b")

    def __init__(self, adapter: Any, name: str = "Keithley 2636B", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
        # number of the last pulse, of either channel
        self.pulses = 0

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
        keys = [f"{name}.{key}" for name in ("a", "b") for key in _READ_BACK]
        message = f"print({','.join(f'smu{key}' for key in keys)},localnode.linefreq)"
        keys.append("localnode.linefreq")
        return dict(zip(keys, self.numbers(message, len(keys)), strict=True))

    def settle(self) -> None:
        """Return when everything that was sent has been obeyed: both channels stand where they were sent to.

        Raises
        ------
        ProtocolError
            If no proper answer comes, three times over.
        InstrumentFault
            If a level or an output is another, or something that was sent was refused.
        """
        if self._is_heard:
            return
        a_output, a_level_v, b_output, b_level_v, errors = self.numbers(_STATES, 5)
        if errors:
            self.hear_complaints()
        self.a.check_state(a_output, a_level_v)
        self.b.check_state(b_output, b_level_v)

    def forget(self) -> None:
        """Forget what was sent to both channels."""
        self.a.forget()
        self.b.forget()

    def verify_settings(self) -> None:
        """Compare what both channels were told with what they answer.

        Raises
        ------
        InstrumentFault
            If they differ.
        """
        self.a.verify()
        self.b.verify()
