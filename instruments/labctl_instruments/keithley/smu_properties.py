"""Settings of one channel of a Series 2600B as properties, one message each, in the way of PyMeasure.

Source: Series 2600B Reference Manual 2600BS-901-01 Rev. F, section 9 (attributes ``smuX.*``). Not here: what
measurements use (:mod:`labctl_instruments.keithley.smu_channel`); it forgets what it sent once a property is written.
"""

from abc import abstractmethod
from typing import Any

from pymeasure.instruments import Channel
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from labctl_instruments.link import PlainAttributes
from labctl_instruments.replies import checked_number

__all__ = ["SmuProperties"]


class SmuProperties(PlainAttributes, Channel):
    """The settings of one channel."""

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
        values=(1e-10, 1.5),
        get_process=checked_number,
    )
    measure_current_range = Channel.control(
        "print(smu{ch}.measure.rangei)",
        "smu{ch}.measure.rangei=%.9e",
        """Control the current measure range in A (float strictly from 1e-10 to 1.5); setting ends auto-range.""",
        validator=strict_range,
        values=(1e-10, 1.5),
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

    @abstractmethod
    def forget(self) -> None:
        """Forget what was sent."""
