"""An instrument of a station without its stimuli, so that nobody walks around the envelope.

Not here: the roles inside the envelope (:mod:`labctl.station.envelope`).
"""

from collections.abc import Callable

from labctl.roles import Identity, Instrument

__all__ = ["GuardedInstrument"]


class GuardedInstrument:
    """What :class:`labctl.roles.Instrument` offers of a driver, and nothing else.

    Parameters
    ----------
    inner : Instrument
        The driver.
    forget : callable
        Called after a reset: the roles then know no limit and no level.
    """

    def __init__(self, inner: Instrument, forget: Callable[[], None]) -> None:
        self._inner = inner
        self._forget = forget

    def identity(self) -> Identity:
        """Ask the instrument who it is."""
        return self._inner.identity()

    def safe_off(self) -> None:
        """Switch every output off (open every relay), writing only."""
        self._inner.safe_off()

    def is_off(self) -> bool:
        """Read back whether every output is off (every relay open)."""
        return self._inner.is_off()

    def reset(self) -> None:
        """Bring the instrument to its power-on settings; outputs must be prepared anew."""
        self._inner.reset()
        self._forget()

    def drain_errors(self) -> list[str]:
        """Empty the error queue and return its entries, oldest first."""
        return self._inner.drain_errors()

    def settings(self) -> dict[str, str | float | bool]:
        """Read back the settings that matter to a measurement."""
        return self._inner.settings()
