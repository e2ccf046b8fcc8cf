"""An instrument of a station without its stimuli, so that nobody walks around the envelope.

Not here: the roles inside the envelope (:mod:`labctl.station.envelope`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labctl.errors import InstrumentError
from labctl.roles import Identity, Instrument
from labctl.station.guard import Guard

__all__ = ["GuardedInstrument"]


class GuardedInstrument:
    """What :class:`labctl.roles.Instrument` offers of a driver, and nothing else.

    Parameters
    ----------
    inner : Instrument
        The driver.
    key : str
        Such as ``"smu1"``.
    guard : Guard
        Of the station; it is told what a reset or an answer changes.
    opened : callable
        Called when the instrument is known to have every relay open.
    """

    def __init__(self, inner: Instrument, key: str, guard: Guard, opened: Callable[[], None]) -> None:
        self._inner = inner
        self._key = key
        self._guard = guard
        self._opened = opened

    def identity(self) -> Identity:
        """Ask the instrument who it is."""
        with self._asking():
            return self._inner.identity()

    def safe_off(self) -> None:
        """Switch every output off (open every relay), writing only; outputs must be prepared anew."""
        self._guard.unprepare(self._key)
        self._inner.safe_off()

    def is_off(self) -> bool:
        """Read back whether every output is off (every relay open)."""
        with self._asking():
            is_off = self._inner.is_off()
        if is_off:
            self._guard.is_off(self._key)
            self._opened()
        return is_off

    def reset(self) -> None:
        """Bring the instrument to its power-on settings; outputs must be prepared anew."""
        self._guard.unprepare(self._key)
        self._inner.reset()
        self._guard.was_reset(self._key)
        self._opened()

    def drain_errors(self) -> list[str]:
        """Empty the error queue and return its entries, oldest first."""
        with self._asking():
            return self._inner.drain_errors()

    def settings(self) -> dict[str, str | float | bool]:
        """Read back the settings that matter to a measurement."""
        with self._asking():
            return self._inner.settings()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except InstrumentError as error:
            self._guard.distrust(self._key, error)
            raise
