"""Settings of a one-channel SourceMeter with SCPI commands as properties, one message each, in the way of PyMeasure.

Source: Series 2400 User's Manual 2400S-900-01 Rev. K, section 18; 2461 Reference Manual 2461-901-01 Rev. A, section 6,
whose commands the 2450 shares. Not here: what measurements use (:mod:`labctl_instruments.keithley.sourcemeter`); it
forgets what it sent once a property is written.
"""

from abc import abstractmethod
from typing import Any

from pymeasure.instruments import Channel
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from labctl_instruments.link import PlainAttributes
from labctl_instruments.replies import checked_number

__all__ = ["SourceMeterProperties"]


class SourceMeterProperties(PlainAttributes, Channel):
    """The settings that both models spell alike."""

    source_voltage = Channel.control(
        ":SOUR:VOLT?",
        ":SOUR:VOLT %.9e",
        """Control the source level in V (float strictly from -200 to 200).""",
        validator=strict_range,
        values=(-200.0, 200.0),
        get_process=checked_number,
    )
    source_voltage_range = Channel.control(
        ":SOUR:VOLT:RANG?",
        ":SOUR:VOLT:RANG %.9e",
        """Control the source range in V (float strictly from 0 to 200; the instrument takes the next range up).""",
        validator=strict_range,
        values=(0.0, 200.0),
        get_process=checked_number,
    )
    measure_nplc = Channel.control(
        ":SENS:CURR:NPLC?",
        ":SENS:CURR:NPLC %.9e",
        """Control the integration time in power line cycles, unit 1 (float strictly from 0.01 to 10).""",
        validator=strict_range,
        values=(0.01, 10.0),
        get_process=checked_number,
    )
    output_enabled = Channel.control(
        ":OUTP?",
        ":OUTP %d",
        """Control whether the output is on, unit 1 (bool).""",
        validator=strict_discrete_set,
        values={True: 1, False: 0},
        map_values=True,
        get_process=checked_number,
    )

    def write(self, command: str, **kwargs: Any) -> None:
        """Write for PyMeasure's properties; what :meth:`prepare` remembers no longer holds then.

        Parameters
        ----------
        command : str
        """
        self.forget()
        self.parent.send(command)

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Answer PyMeasure's properties; ``query_delay`` is not used.

        Parameters
        ----------
        command : str
        query_delay : float or None, unit s
            Not used.

        Returns
        -------
        str
        """
        reply: str = self.parent.query(command)
        return reply

    @abstractmethod
    def forget(self) -> None:
        """Forget what was sent."""
