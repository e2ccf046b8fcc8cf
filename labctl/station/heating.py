"""The temperature of the sample inside the envelope: no set-point above ``envelope.temperature_k``.

While the heater is on, or may be, the station counts as having an output on, so that the guardian of a run watches.
Not here: the rules (:mod:`labctl.station.guard`), how long one waits (the procedures).
"""

from labctl.errors import EnvelopeError, InstrumentError
from labctl.roles import Reading, TemperatureController, TemperatureLimits
from labctl.station.guard import Guard

__all__ = ["EnvelopedTemperatureController"]


class EnvelopedTemperatureController:
    """A :class:`labctl.roles.TemperatureController` inside the envelope.

    Parameters
    ----------
    inner : TemperatureController
        The driver.
    key : str
        Of the instrument, such as ``"tc1"``.
    guard : Guard
        Of the station, whose envelope has a temperature.

    Attributes
    ----------
    limits : TemperatureLimits
        Of the instrument and the envelope.
    last_measured_k : float or None, unit K
        Last reading of the sensor.
    """

    def __init__(self, inner: TemperatureController, key: str, guard: Guard) -> None:
        self._inner, self._key, self._guard = inner, key, guard
        guard.heaters[key] = False
        self.last_measured_k: float | None = None
        most_k = guard.envelope.temperature_k
        if most_k is None:
            raise ValueError(f"{key}: a temperature controller needs envelope.temperature_k")
        self._most_k = most_k
        self.limits = TemperatureLimits(inner.limits.lowest_k, min(inner.limits.highest_k, most_k))

    def set_temperature(self, temperature_k: float) -> None:
        """Set the set-point and switch the heater on.

        Parameters
        ----------
        temperature_k : float, unit K

        Raises
        ------
        EnvelopeError
            If it is above the envelope; nothing is sent.
        """
        if not temperature_k <= self._most_k:
            self._guard.refuse(self._key, "temperature", temperature_k, "K", "temperature_k", self._most_k)
        before = self._guard.heaters[self._key]
        self._guard.heaters[self._key] = True
        try:
            self._inner.set_temperature(temperature_k)
        except ValueError:
            # a driver refuses with it before a byte is sent
            self._guard.heaters[self._key] = before
            raise
        self._guard.prepared.add(self._key)

    def measure_temperature(self) -> Reading:
        """Read the sensor.

        Returns
        -------
        Reading
            Unit K.
        """
        reading = self._inner.measure_temperature()
        self.last_measured_k = reading.value
        return reading

    def is_stable(self, band_k: float) -> bool:
        """Tell whether the sensor is now near the set-point.

        Parameters
        ----------
        band_k : float, unit K
            On either side.

        Returns
        -------
        bool

        Raises
        ------
        EnvelopeError
            If the set-point is not known: none was set, or the instrument was switched off or lost it.
        """
        if self._key not in self._guard.prepared:
            raise EnvelopeError(f"{self._key}: the set-point is not known; call set_temperature() first")
        try:
            return self._inner.is_stable(band_k)
        except InstrumentError as error:
            self._guard.distrust(self._key, error)
            raise

    def heater_off(self) -> None:
        """Switch the heater off."""
        self._guard.prepared.discard(self._key)
        self._inner.heater_off()
        self._guard.heaters[self._key] = False
