"""The envelope around a source-measure channel that also measures voltage at 0 A, which drives nothing.

Not here: what all channels share (:mod:`labctl.station.envelope`).
"""

from collections.abc import Callable

from labctl.roles import SourceMeter, VoltageMeter
from labctl.station.envelope import EnvelopedSourceMeter
from labctl.station.guard import Guard

__all__ = ["EnvelopedVoltageMeter", "enveloped_channel"]


class EnvelopedVoltageMeter(EnvelopedSourceMeter):
    """A :class:`labctl.roles.VoltageMeter` inside the envelope.

    Parameters
    ----------
    inner : VoltageMeter
        The driver's channel.
    terminal, guard, read_back
        As :class:`labctl.station.envelope.EnvelopedSourceMeter`.
    """

    def __init__(self, inner: VoltageMeter, terminal: str, guard: Guard, read_back: Callable[[], None]) -> None:
        super().__init__(inner, terminal, guard, read_back)
        self._meter = inner

    def prepare_voltmeter(self, *, range_v: float, integration_plc: float) -> None:
        """Set up the channel, whose output is off, to drive 0 A and to measure voltages.

        Parameters
        ----------
        range_v : float, unit V
        integration_plc : float, unit 1
        """
        self._guard.prepared.discard(self._terminal)
        self._meter.prepare_voltmeter(range_v=range_v, integration_plc=integration_plc)
        self._take_prepared(0.0)


def enveloped_channel(
    inner: SourceMeter, terminal: str, guard: Guard, read_back: Callable[[], None]
) -> EnvelopedSourceMeter:
    """Put a channel inside the envelope, with its voltmeter where it has one.

    Parameters
    ----------
    inner : SourceMeter
        The driver's channel.
    terminal, guard, read_back
        As :class:`labctl.station.envelope.EnvelopedSourceMeter`.

    Returns
    -------
    EnvelopedSourceMeter
    """
    kind = EnvelopedVoltageMeter if isinstance(inner, VoltageMeter) else EnvelopedSourceMeter
    return kind(inner, terminal, guard, read_back)  # type: ignore[arg-type]
