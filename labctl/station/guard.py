"""The rules of a station's envelope: which levels, currents and pulses are refused, and the words of the refusal.

Voltage is the largest difference between any two source terminals of the station and ground, counting the level that
every terminal was last given, whether its output is on or not. Not here: the roles that ask before they send
(:mod:`labctl.station.envelope`), the file (:mod:`labctl.station.station_file`).
"""

from labctl.errors import EnvelopeError
from labctl.station.station_file import Envelope

__all__ = ["Guard"]


class Guard:
    """The envelope of one station and the present levels of all its source terminals.

    Parameters
    ----------
    envelope : Envelope
        The limits.
    file : str
        The station file, for messages.
    """

    def __init__(self, envelope: Envelope, file: str) -> None:
        self.envelope = envelope
        self._file = file
        self.levels_v: dict[str, float] = {}

    def check_levels(self, terminal: str, changes_v: dict[str, float]) -> None:
        """Refuse levels that would put too much voltage between two terminals, or a terminal and ground.

        Parameters
        ----------
        terminal : str
            Such as ``"smu1.a"``, for the message.
        changes_v : dict of str to float, unit V
            New levels by terminal; the others stay.

        Raises
        ------
        EnvelopeError
            If they would.
        """
        low_v = high_v = 0.0
        for level_v in (self.levels_v | changes_v).values():
            # a level that is no number fails both comparisons of a valid one
            if not -1e300 < level_v < 1e300:
                self.refuse(terminal, "level", level_v, "V", "voltage_v", self.envelope.voltage_v)
            low_v = min(low_v, level_v)
            high_v = max(high_v, level_v)
        if high_v - low_v > self.envelope.voltage_v:
            what = "voltage between source terminals and ground"
            self.refuse(terminal, what, high_v - low_v, "V", "voltage_v", self.envelope.voltage_v)

    def check_current(self, terminal: str, what: str, current_a: float) -> None:
        """Refuse a current above the envelope.

        Parameters
        ----------
        terminal : str
            Such as ``"smu1.a"``, for the message.
        what : str
            What the current is, for the message.
        current_a : float, unit A

        Raises
        ------
        EnvelopeError
            If it is above.
        """
        if not current_a <= self.envelope.current_a:
            self.refuse(terminal, what, current_a, "A", "current_a", self.envelope.current_a)

    def check_stimulus(self, terminal: str, width_s: float, power_w: float) -> None:
        """Refuse a pulse that is too long or could carry too much energy.

        Parameters
        ----------
        terminal : str
            Such as ``"smu1.a"``, for the message.
        width_s : float, unit s
            Of a pulse or step.
        power_w : float, unit W
            What the sources could deliver at most.

        Raises
        ------
        EnvelopeError
            If it is or could.
        """
        if not width_s <= self.envelope.pulse_width_s:
            self.refuse(terminal, "width", width_s, "s", "pulse_width_s", self.envelope.pulse_width_s)
        if not power_w * width_s <= self.envelope.energy_j:
            self.refuse(terminal, "energy of one stimulus", power_w * width_s, "J", "energy_j", self.envelope.energy_j)

    def refuse(self, terminal: str, what: str, value: float, unit: str, key: str, limit: float) -> None:
        """Raise the refusal.

        Parameters
        ----------
        terminal : str
            Such as ``"smu1.a"``, for the message.
        what : str
            Which quantity.
        value, limit : float, unit as ``unit`` says
            What was asked and what is allowed.
        unit : str
        key : str
            Key in the table of the envelope.

        Raises
        ------
        EnvelopeError
            Always.
        """
        raise EnvelopeError(
            f"{terminal}: {what} must be at most {limit:.6g} {unit} for this station, got {value:.6g} {unit} "
            f"({self._file}, envelope.{key}); lower it or change the station file; nothing was sent"
        )
