"""The temperature of the sample in a procedure: set, wait until it stands still, and again after an interruption.

Not here: the controller (:class:`labctl.roles.TemperatureController`), which temperatures and why (the procedures).
"""

from typing import TYPE_CHECKING

from labctl.errors import RunError
from labctl.run.procedure import Row
from labctl.units import parse_quantity

if TYPE_CHECKING:
    from labctl.run import LabProcedure

__all__ = ["HEATING_S", "SampleHeater", "read_temperatures"]

HEATING_S = 300.0
"""Rough time to reach a temperature, unit s, for estimates."""


_POLL_S = 5.0
# in the band at so many looks in a row
_LOOKS = 6


def read_temperatures(text: str) -> list[float]:
    """Read a list of temperatures.

    Parameters
    ----------
    text : str
        Such as ``"300 K, 358 K"``; empty for none.

    Returns
    -------
    list of float, unit K

    Raises
    ------
    ValueError
        If a part is no temperature, or not above 0 K.
    """
    found = [parse_quantity(part.strip(), "K") for part in text.split(",")] if text.strip() else []
    for value_k in found:
        if not value_k > 0.0:
            raise ValueError(f"a temperature must be above 0 K, got {value_k:g} K")
    return found


class SampleHeater:
    """The temperature controller of the station, with one row per temperature that was reached.

    Parameters
    ----------
    procedure : LabProcedure
        Whose rows they become; its station has a controller.
    band_k : float, unit K
        Stable means within this of the set-point, at six looks 5 s apart.
    timeout_s : float, unit s
        What is not stable by then ends the run.
    """

    def __init__(self, procedure: "LabProcedure", *, band_k: float, timeout_s: float) -> None:
        self._procedure, self._band_k, self._timeout_s = procedure, band_k, timeout_s
        self._controller = procedure.station.temperature_controller()
        self._held_k: float | None = None

    def bring_to(self, temperature_k: float, plan: Row) -> float:
        """Set a temperature and wait until it is stable; a resumed run recalls it.

        Parameters
        ----------
        temperature_k : float, unit K
        plan : mapping of str to float, int, str or None
            Goes into the row.

        Returns
        -------
        float, unit K
            What the sensor read then.

        Raises
        ------
        RunError
            If it does not become stable in time.
        """
        self._held_k = None

        def heat() -> Row:
            value_k = self._wait_for(temperature_k)
            return {"Raw": f"{value_k:.3f} K", "Time (s)": self._procedure.elapsed_s()}

        # doing it again changes nothing, so that a cut one is repeated
        (row,) = self._procedure.perform({"Event": "temperature", **plan}, heat, stimulates=False)
        self._held_k = temperature_k
        return parse_quantity(str(row["Raw"]), "K")

    def off(self, plan: Row) -> None:
        """Switch the heater off.

        Parameters
        ----------
        plan : mapping of str to float, int, str or None
            Goes into the row.
        """
        self._held_k = None

        def switch_off() -> Row:
            self._controller.heater_off()
            return {"Time (s)": self._procedure.elapsed_s()}

        self._procedure.perform({"Event": "heater off", **plan}, switch_off, stimulates=False)

    def go_on(self) -> None:
        """Bring a resumed run back to its temperature: the heater went off when it was interrupted.

        Raises
        ------
        RunError
            If that does not become stable in time.
        """
        if self._held_k is not None:
            before_k = self._controller.measure_temperature().value
            found_k = self._wait_for(self._held_k)
            was = "unknown" if before_k is None else f"{before_k:.1f} K"
            message = f"the sample was at {was} after the interruption; heated to {found_k:.1f} K again"
            self._procedure.emit("event", {"kind": "temperature", "message": message})

    def _wait_for(self, temperature_k: float) -> float:
        """Set a temperature; return what the sensor reads once it is stable."""
        clock = self._procedure.station.clock
        self._controller.set_temperature(temperature_k)
        start_s, looks = clock.now_s(), 0
        while looks < _LOOKS:
            if clock.now_s() - start_s > self._timeout_s:
                value_k = self._controller.measure_temperature().value
                reads = "nothing" if value_k is None else f"{value_k:.2f} K"
                raise RunError(
                    f"{self._procedure.procedure_name()}: the sample must be within {self._band_k:g} K of "
                    f"{temperature_k:g} K after {self._timeout_s:g} s, the sensor reads {reads}; check heater, sensor"
                    " and control loop, or raise temperature_timeout; below ambient a heater alone cannot go"
                )
            clock.sleep(_POLL_S)
            looks = looks + 1 if self._controller.is_stable(self._band_k) else 0
        value_k = self._controller.measure_temperature().value
        if value_k is None:
            raise RunError(f"{self._procedure.procedure_name()}: the temperature sensor reads out of its range")
        return value_k
