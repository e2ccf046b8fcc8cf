"""Settings of one output of a Trueform generator as properties, one message each, in the way of PyMeasure.

Source: Keysight Trueform Series (33500B, 33600A) Operating and Service Guide, SCPI Programming Reference. Not here:
what pulses use (:mod:`labctl_instruments.keysight.keysight33622a`); it forgets what it sent once a property is
written.
"""

from typing import Any

from pymeasure.instruments import Channel
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from labctl_instruments.link import PlainAttributes
from labctl_instruments.replies import checked_number

__all__ = ["PulseOutput"]


class PulseOutput(PlainAttributes, Channel):
    """One output of the generator, for reading back and for settings beside the role."""

    output_enabled = Channel.control(
        "OUTP{ch}?",
        "OUTP{ch} %d",
        """Control whether the output relay is closed, unit 1 (bool).""",
        validator=strict_discrete_set,
        values={True: 1, False: 0},
        map_values=True,
        get_process=checked_number,
    )
    polarity = Channel.control(
        "OUTP{ch}:POL?",
        "OUTP{ch}:POL %s",
        """Control the polarity about the offset, unit 1 (str: "NORM" or "INV").""",
        validator=strict_discrete_set,
        values=("NORM", "INV"),
    )
    high_level = Channel.control(
        "SOUR{ch}:VOLT:HIGH?",
        "SOUR{ch}:VOLT:HIGH %.9e",
        """Control the high level in V (float strictly from -9.998 to 10, open circuit).""",
        validator=strict_range,
        values=(-9.998, 10.0),
        get_process=checked_number,
    )
    low_level = Channel.control(
        "SOUR{ch}:VOLT:LOW?",
        "SOUR{ch}:VOLT:LOW %.9e",
        """Control the low level in V (float strictly from -10 to 9.998, open circuit).""",
        validator=strict_range,
        values=(-10.0, 9.998),
        get_process=checked_number,
    )
    pulse_width = Channel.control(
        "SOUR{ch}:FUNC:PULS:WIDT?",
        "SOUR{ch}:FUNC:PULS:WIDT %.9e",
        """Control the pulse width between the 50 % points in s (float strictly from 5e-9 to 1e6).""",
        validator=strict_range,
        values=(5e-9, 1e6),
        get_process=checked_number,
    )
    edge_time = Channel.control(
        "SOUR{ch}:FUNC:PULS:TRAN?",
        "SOUR{ch}:FUNC:PULS:TRAN:BOTH %.9e",
        """Control both edge times from 10 % to 90 % in s (float strictly from 2.9e-9 to 1e-6).""",
        validator=strict_range,
        values=(2.9e-9, 1e-6),
        get_process=checked_number,
    )

    def write(self, command: str, **kwargs: Any) -> None:
        """Write for PyMeasure's properties; what the instrument remembers no longer holds then.

        Parameters
        ----------
        command : str
        """
        self.parent.forget()
        self.parent.send(self.insert_id(command))

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
        reply: str = self.parent.query(self.insert_id(command))
        return reply.strip()
