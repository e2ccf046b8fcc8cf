r"""The switching and reading law of a metal-oxide memristor: pure functions of conductance, voltage and time.

.. math::

    \Delta G_{SET} = c_0 (1 - \tanh(c_1 (L - c_2))) (\tanh(c_3 V - c_4) + 1), \quad L = \log_{10}(t / 1\,s)

    \Delta G_{RESET} = c_0 (-1 - \tanh(c_1 (L - c_2))) (\tanh(c_3 V - c_4) - 1)

    I = A_1 V + A_3 V^3

The law is a finite difference: it gives the change that one pulse makes, not a rate. Positive voltages SET, negative
RESET; the temperature enters in degrees Celsius; the device file tells why, and where the numbers come from. Two
things are added to the published form: the bin parameters are interpolated in log G, and the tanh tail at the dead
zone is subtracted, so that the change goes to zero there. Not here: spread, noise and memory of cells
(:mod:`labctl.physics.cells`), forming (:mod:`labctl.physics.forming`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.errors import StationError
from labctl.physics.presets import Preset

__all__ = [
    "MetalOxideLaw",
    "conductance_at_current",
    "delta_conductance",
    "read_coefficients",
    "saturated_step",
    "static_current",
    "static_slope",
]

Array = NDArray[np.float64]

_CELSIUS_K = 273.15
_UNITS = {
    "law.bin_centre": "S",
    "law.conductance_low": "S",
    "law.conductance_high": "S",
    "law.saturation_sharpness": "1",
    "set.c0": "S",
    "set.c1": "1",
    "set.c2": "1",
    "set.c3": "1/V",
    "set.c4": "1",
    "reset.c0": "S",
    "reset.c1": "1",
    "reset.c2": "1",
    "reset.c3": "1/V",
    "reset.c4": "1",
    "threshold.dead_zone": "V",
    "read.a1_offset": "S",
    "read.a1_gain": "1",
    "read.a1_temperature": "S",
    "read.a3_gain": "1",
    "read.a3_square": "1",
    "read.a3_temperature": "S",
    "read.a3_exponent": "1",
    "read.temperature": "K",
}
_TABLES = ("set.c2", "set.c3", "set.c4", "reset.c1", "reset.c2", "reset.c4")


@dataclass(frozen=True, slots=True, eq=False)
class MetalOxideLaw:
    """The constants of the law, in SI; the names are those of the device file.

    Attributes
    ----------
    log_centre : ndarray, shape (bins,), unit 1
        log10 of the bin centres in S, ascending.
    low_s, high_s : float, unit S
        Validity of the fit; a programmed cell never leaves it.
    sharpness : float, unit 1
        How late a step feels the bound ahead of it.
    set_c0, set_c1, reset_c0, reset_c3 : float
        Constants that do not depend on G.
    set_c2, set_c3, set_c4, reset_c1, reset_c2, reset_c4 : ndarray, shape (bins,)
        Constants per bin.
    dead_zone_v : float, unit V
        At and below this magnitude nothing switches.
    a1_offset_s, a1_gain, a3_gain, a3_square, a3_offset_s : float
        Read polynomial, its temperature terms already evaluated.
    """

    log_centre: Array
    low_s: float
    high_s: float
    sharpness: float
    set_c0: float
    set_c1: float
    set_c2: Array
    set_c3: Array
    set_c4: Array
    reset_c0: float
    reset_c1: Array
    reset_c2: Array
    reset_c3: float
    reset_c4: Array
    dead_zone_v: float
    a1_offset_s: float
    a1_gain: float
    a3_gain: float
    a3_square: float
    a3_offset_s: float

    @classmethod
    def from_preset(cls, preset: Preset) -> "MetalOxideLaw":
        """Take the constants out of a device file.

        Parameters
        ----------
        preset : Preset
            A parameter set of the family ``metal_oxide``.

        Returns
        -------
        MetalOxideLaw
            Constants in SI.

        Raises
        ------
        StationError
            If the family is another one, a key or unit is wrong, or the tables do not match the bins.
        """
        if preset.family != "metal_oxide":
            raise StationError(f"{preset.place}: family must be metal_oxide for this model, is {preset.family!r}")
        preset.require(_UNITS)
        centre = preset.table("law.bin_centre")
        if len(centre) < 2 or np.any(np.diff(centre) <= 0.0):
            raise StationError(f"{preset.place}: law.bin_centre: must be two or more ascending conductances")
        wrong = [key for key in _TABLES if len(preset.table(key)) != len(centre)]
        if wrong:
            raise StationError(
                f"{preset.place}: {', '.join(wrong)}: must hold {len(centre)} numbers, one per law.bin_centre"
            )
        celsius = preset["read.temperature"] - _CELSIUS_K
        return cls(
            log_centre=np.log10(centre),
            low_s=preset["law.conductance_low"],
            high_s=preset["law.conductance_high"],
            sharpness=preset["law.saturation_sharpness"],
            set_c0=preset["set.c0"],
            set_c1=preset["set.c1"],
            set_c2=preset.table("set.c2"),
            set_c3=preset.table("set.c3"),
            set_c4=preset.table("set.c4"),
            reset_c0=preset["reset.c0"],
            reset_c1=preset.table("reset.c1"),
            reset_c2=preset.table("reset.c2"),
            reset_c3=preset["reset.c3"],
            reset_c4=preset.table("reset.c4"),
            dead_zone_v=preset["threshold.dead_zone"],
            a1_offset_s=preset["read.a1_offset"] + preset["read.a1_temperature"] * celsius,
            a1_gain=preset["read.a1_gain"],
            a3_gain=preset["read.a3_gain"],
            a3_square=preset["read.a3_square"],
            a3_offset_s=float(preset["read.a3_temperature"] * celsius ** preset["read.a3_exponent"]),
        )


def delta_conductance(
    conductance_s: ArrayLike,
    voltage_v: ArrayLike,
    duration_s: ArrayLike,
    law: MetalOxideLaw,
    *,
    offset_v: ArrayLike = 0.0,
) -> Array:
    """Return the change of conductance that one pulse makes, before any bound is felt.

    Parameters
    ----------
    conductance_s : array_like, unit S
        Conductance at the start of the pulse.
    voltage_v : array_like, unit V
        Voltage across the cell, positive for SET.
    duration_s : array_like, unit s
        Length of the pulse, positive.
    law : MetalOxideLaw
        Constants.
    offset_v : array_like, unit V
        By how much the threshold of a cell lies above the typical one, both polarities alike.

    Returns
    -------
    ndarray, broadcast shape, unit S
        Positive for SET, negative for RESET, 0 in the dead zone.
    """
    log_g = np.log10(np.asarray(conductance_s, dtype=float))
    voltage = np.asarray(voltage_v, dtype=float)
    decades = np.log10(np.asarray(duration_s, dtype=float))
    offset = np.asarray(offset_v, dtype=float)

    def at(table: Array) -> Array:
        return np.asarray(np.interp(log_g, law.log_centre, table))

    drive, idle = np.abs(voltage) - offset, law.dead_zone_v - offset
    c3, c4 = at(law.set_c3), at(law.set_c4)
    rise = law.set_c0 * (1.0 - np.tanh(law.set_c1 * (decades - at(law.set_c2))))
    rise = rise * (np.tanh(c3 * drive - c4) - np.tanh(c3 * idle - c4))
    c4 = at(law.reset_c4)
    fall = law.reset_c0 * (1.0 + np.tanh(at(law.reset_c1) * (decades - at(law.reset_c2))))
    fall = fall * (np.tanh(law.reset_c3 * drive + c4) - np.tanh(law.reset_c3 * idle + c4))
    return np.asarray(np.where(np.abs(voltage) <= law.dead_zone_v, 0.0, np.where(voltage > 0.0, rise, fall)))


def saturated_step(conductance_s: ArrayLike, step_s: ArrayLike, law: MetalOxideLaw) -> Array:
    """Shorten steps that come near the end of the law's range, smoothly, so that no cell ever leaves it.

    Parameters
    ----------
    conductance_s : array_like, unit S
        Conductance before the step, inside the range.
    step_s : array_like, unit S
        What the law says.
    law : MetalOxideLaw
        Range and sharpness.

    Returns
    -------
    ndarray, broadcast shape, unit S
        The step that is made.
    """
    before, step = np.asarray(conductance_s, dtype=float), np.asarray(step_s, dtype=float)
    room = np.maximum(np.where(step > 0.0, law.high_s - before, before - law.low_s), 0.0)
    size = np.abs(step)
    small, large = np.minimum(size, room), np.maximum(size, room)
    ratio = np.divide(small, large, out=np.zeros_like(large), where=large > 0.0)
    return np.asarray(np.sign(step) * small / (1.0 + ratio**law.sharpness) ** (1.0 / law.sharpness))


def read_coefficients(conductance_s: ArrayLike, law: MetalOxideLaw) -> tuple[Array, Array]:
    """Return A1 and A3 of the static characteristic.

    Parameters
    ----------
    conductance_s : array_like, unit S
        State of formed cells.
    law : MetalOxideLaw
        Constants.

    Returns
    -------
    tuple of two ndarrays
        A1, unit S, and A3, unit S/V^2.
    """
    state = np.asarray(conductance_s, dtype=float)
    linear = law.a1_offset_s + law.a1_gain * state
    cubic = law.a3_offset_s + (law.a3_gain + law.a3_square * state) * state
    return np.asarray(linear), np.asarray(cubic)


def static_current(voltage_v: ArrayLike, conductance_s: ArrayLike, law: MetalOxideLaw) -> Array:
    """Return the current at a voltage that changes nothing.

    Parameters
    ----------
    voltage_v : array_like, unit V
        Voltage across the cell.
    conductance_s : array_like, unit S
        State of formed cells.
    law : MetalOxideLaw
        Constants.

    Returns
    -------
    ndarray, broadcast shape, unit A
        Odd in the voltage.
    """
    linear, cubic = read_coefficients(conductance_s, law)
    voltage = np.asarray(voltage_v, dtype=float)
    return np.asarray((linear + cubic * voltage**2) * voltage)


def static_slope(voltage_v: ArrayLike, conductance_s: ArrayLike, law: MetalOxideLaw) -> Array:
    """Return dI/dV of :func:`static_current`.

    Parameters
    ----------
    voltage_v : array_like, unit V
        Voltage across the cell.
    conductance_s : array_like, unit S
        State of formed cells.
    law : MetalOxideLaw
        Constants.

    Returns
    -------
    ndarray, broadcast shape, unit S
        Differential conductance.
    """
    linear, cubic = read_coefficients(conductance_s, law)
    return np.asarray(linear + 3.0 * cubic * np.asarray(voltage_v, dtype=float) ** 2)


def conductance_at_current(voltage_v: ArrayLike, current_a: ArrayLike, law: MetalOxideLaw) -> Array:
    """Return the state whose static current at a voltage is the given one: where compliance stops a SET.

    Parameters
    ----------
    voltage_v : array_like, unit V
        Voltage across the cell, not 0.
    current_a : array_like, unit A
        Magnitude of the current; inf is allowed.
    law : MetalOxideLaw
        Constants.

    Returns
    -------
    ndarray, broadcast shape, unit S
        0 where even a cell of no conductance carries more.
    """
    drive = np.abs(np.asarray(voltage_v, dtype=float))
    square = law.a3_square * drive**3
    linear = (law.a1_gain + law.a3_gain * drive**2) * drive
    missing = np.asarray(current_a, dtype=float) - (law.a1_offset_s + law.a3_offset_s * drive**2) * drive
    missing = np.maximum(missing, 0.0)
    # the root of square G^2 + linear G = missing in the form that does not cancel
    root = np.sqrt(linear**2 + 4.0 * square * missing)
    return np.asarray(np.where(np.isinf(missing), np.inf, 2.0 * np.minimum(missing, 1e300) / (linear + root)))
