"""The instrument around the one channel of a SourceMeter with SCPI commands.

Not here: the channel (:mod:`labctl_instruments.keithley.sourcemeter`), the words of each model
(:mod:`labctl_instruments.keithley.keithley2400`, :mod:`labctl_instruments.keithley.keithley2450`).
"""

from typing import ClassVar

from labctl_instruments.keithley.sourcemeter import SourceMeterChannel
from labctl_instruments.keithley.sourcemeter_state import STATE
from labctl_instruments.scpi import ScpiInstrument

__all__ = ["SourceMeterInstrument"]


class SourceMeterInstrument(ScpiInstrument):
    """Base of the 2400 and the 2450; a model declares ``a``, its channel.

    Attributes
    ----------
    READ_BACK : tuple of str
        Headers that :meth:`settings` asks for, a word last.
    """

    OFF_CHECKS: ClassVar[tuple[tuple[str, str], ...]] = ((":OUTP?;:SOUR:FUNC?", "0;(VOLT|CURR)"),)
    ERROR_QUESTION: ClassVar[str] = ":SYST:ERR?"
    READ_BACK: ClassVar[tuple[str, ...]]

    a: SourceMeterChannel

    def settings(self) -> dict[str, str | float | bool]:
        """Read back what matters to a measurement; keys such as ``":SENS:CURR:NPLC"``, values in SI units.

        Returns
        -------
        dict of str to str or float

        Raises
        ------
        ProtocolError
            If an answer breaks the format.
        """
        return self.a.read_back(self.READ_BACK)

    def settle(self) -> None:
        """Return when everything that was sent has been obeyed: the source stands where it was sent to.

        Raises
        ------
        ProtocolError
            If no proper answer comes, three times over.
        InstrumentFault
            If level or output is another, or something that was sent was refused.
        """
        if not self._is_heard:
            self.answer(STATE, self.a.check_state, "level, output and errors")

    def forget(self) -> None:
        """Forget what was sent."""
        self.a.forget()

    def verify_settings(self) -> None:
        """Compare what was sent with what the instrument answers.

        Raises
        ------
        InstrumentFault
            If they differ.
        """
        self.a.verify()
