"""What one identical pulse does to a device, against its conductance: mean and spread, up and down, device by device.

Conductances are places in a working range, 0 at its low and 1 at its high end. Not here: quantiles of the increment for
the calibration of a model (:mod:`labctl.analysis.pulse_tables`), learning with these tables
(:mod:`labctl.networks.sign_learning`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.analysis.intervals import require

__all__ = ["BINS", "JumpTables", "exponential_tables", "tables_of_curves"]

FloatArray = npt.NDArray[np.float64]

BINS = 14
"""Places at equal distances that a table has unless told otherwise."""

# fewer steps than this in a bin tell nothing of their spread
_LEAST = 4
# a step that has a logarithm
_SMALLEST = 1e-6
_ROUNDS = 20


@dataclass(frozen=True, slots=True, eq=False)
class JumpTables:
    """Steps of some devices, at places at equal distances from 0 to 1; straight lines between.

    Attributes
    ----------
    up_mean, up_spread, down_mean, down_spread : ndarray, shape (devices, places), unit 1
        Size of the step in parts of the range, and its standard deviation from pulse to pulse; not negative.
    """

    up_mean: FloatArray
    up_spread: FloatArray
    down_mean: FloatArray
    down_spread: FloatArray

    def __post_init__(self) -> None:
        parts = (self.up_mean, self.up_spread, self.down_mean, self.down_spread)
        if len({part.shape for part in parts}) != 1 or self.up_mean.ndim != 2 or self.up_mean.shape[1] < 2:
            raise ValueError(f"jump tables must be (devices, 2 places and more), got {[one.shape for one in parts]}")
        if not all(np.isfinite(part).all() and (part >= 0.0).all() for part in parts):
            raise ValueError("jump tables must be finite and not negative; a step down is given by its size")

    @property
    def devices(self) -> int:
        """Devices that the tables are of."""
        return int(self.up_mean.shape[0])

    @property
    def states(self) -> float:
        """Range over the mean step of all devices, up and down, unit 1."""
        return float(2.0 / (self.up_mean.mean() + self.down_mean.mean()))

    @property
    def nonlinearity(self) -> tuple[float, float]:
        """Slope of the logarithm of the mean step over the range, up and down, unit 1; 0 is linear.

        Each is counted along the way that the pulses lead: positive where steps grow smaller, as exp(-nl place) does.
        Least squares; a step counts by its size, as the error of its logarithm is the larger the smaller it is.
        """
        place, slopes = np.linspace(0.0, 1.0, self.up_mean.shape[1]), []
        for steps in (self.up_mean.mean(axis=0), self.down_mean.mean(axis=0)):
            slopes.append(float(np.polyfit(place, np.log(np.maximum(steps, _SMALLEST)), 1, w=steps / steps.max())[0]))
        return -slopes[0], slopes[1]

    @property
    def imbalance(self) -> float:
        """Natural logarithm of the mean step up over the mean step down, unit 1."""
        return float(np.log(self.up_mean.mean() / self.down_mean.mean()))

    @property
    def cycle_spread(self) -> float:
        """Standard deviation of a step over its mean, the mean over devices and places, up and down, unit 1."""
        return float((self.up_spread.mean() + self.down_spread.mean()) / (self.up_mean.mean() + self.down_mean.mean()))

    @property
    def device_spread(self) -> tuple[float, float]:
        """Standard deviation from device to device of the logarithm of the mean step, up and down, unit 1."""
        if self.devices < 2:
            return 0.0, 0.0
        up, down = (
            float(np.log(np.maximum(steps.mean(axis=1), _SMALLEST)).std(ddof=1))
            for steps in (self.up_mean, self.down_mean)
        )
        return up, down


def exponential_tables(
    states: float,
    cycle_spread: float,
    *,
    nonlinearity: float = 0.0,
    device_spread: float = 0.0,
    devices: int = 1,
    seed: int = 0,
    places: int = 65,
) -> JumpTables:
    """Return the tables of a model device: the step up is exp(-nl g) / N, the step down exp(-nl (1 - g)) / N.

    Parameters
    ----------
    states : float, unit 1
        N: range over the largest step, which is every step where ``nonlinearity`` is 0.
    cycle_spread : float, unit 1
        Standard deviation of a step over its mean, from pulse to pulse.
    nonlinearity : float, unit 1
        nl; 0 is linear.
    device_spread : float, unit 1
        Standard deviation of the natural logarithm of a device's gain, drawn for up and down apart.
    devices : int
        Different tables that are drawn where there is a device spread.
    seed : int
        Of that draw.
    places : int
        Of the table.

    Returns
    -------
    JumpTables

    Raises
    ------
    ValueError
        If there are fewer than 2 states, or a spread is negative.
    """
    if not states >= 2.0 or cycle_spread < 0.0 or device_spread < 0.0:
        raise ValueError(
            f"jump tables: at least 2 states and no negative spread, got {states:.4g}, {cycle_spread:.4g}, "
            f"{device_spread:.4g}"
        )
    place = np.linspace(0.0, 1.0, places)
    gains = np.exp(device_spread * np.random.default_rng(seed).standard_normal((2, devices, 1)))
    up = gains[0] * np.exp(-nonlinearity * place) / states
    down = gains[1] * np.exp(-nonlinearity * (1.0 - place)) / states
    return JumpTables(up, cycle_spread * up, down, cycle_spread * down)


def tables_of_curves(
    up_s: FloatArray, down_s: FloatArray, *, low_s: float, high_s: float, places: int = BINS
) -> tuple[JumpTables, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Extract tables from curves of potentiation and depression with identical pulses.

    Each step counts at the place nearest to the conductance before it. A place where a cell has fewer than 4 steps
    takes those of all cells, times what this cell's steps are to theirs elsewhere. The noise of two readings is in the
    spread.

    Parameters
    ----------
    up_s, down_s : ndarray, shape (cells, cycles, pulses + 1), unit S
        Conductance before the first pulse of a branch and after each; NaN where there is none.
    low_s, high_s : float, unit S
        Working range.
    places : int
        Of the tables.

    Returns
    -------
    JumpTables
        One device for each cell that could be used.
    ndarray of bool, shape (cells,)
        Which those are: more than three steps in the range of each branch for each place, the right way on the whole.

    ndarray of bool, shape (devices, places)
        Where a device has steps of its own, up and down.

    Raises
    ------
    TooFewPoints
        If no cell can be used.
    ValueError
        If the range is none.
    """
    if not 0.0 <= low_s < high_s:
        raise ValueError(f"jump tables: the working range must be positive, got {low_s:.4g} to {high_s:.4g} S")
    branches = [_steps(up_s, 1.0, low_s, high_s, places), _steps(down_s, -1.0, low_s, high_s, places)]
    usable = np.ones(up_s.shape[0], dtype=bool)
    for count, total, _ in branches:
        usable &= (count.sum(axis=1) > (_LEAST - 1) * places) & (total.sum(axis=1) > 0.0)
    require("jump tables, cells with steps in the working range", int(usable.sum()), 1)
    parts = [_table(*(part[usable] for part in branch)) for branch in branches]
    own = np.logical_and(*(count[usable] >= _LEAST for count, _, _ in branches))
    return JumpTables(parts[0][0], parts[0][1], parts[1][0], parts[1][1]), usable, own


def _steps(
    curves_s: FloatArray, sign: float, low_s: float, high_s: float, places: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return number, sum and sum of squares of the steps, each of shape (cells, places)."""
    scaled = (curves_s - low_s) / (high_s - low_s)
    before, step = scaled[..., :-1], sign * np.diff(scaled, axis=-1)
    near = np.round(before * (places - 1))
    used = np.isfinite(before) & np.isfinite(step) & (near >= 0) & (near <= places - 1)
    cell = np.broadcast_to(np.arange(curves_s.shape[0])[:, None, None], before.shape)
    index = cell[used] * places + near[used].astype(np.int64)
    size = curves_s.shape[0] * places
    found = [np.bincount(index, weights=step[used] ** power, minlength=size) for power in (0, 1, 2)]
    count, total, square = (np.asarray(one, dtype=np.float64).reshape(-1, places) for one in found)
    return count, total, square


def _table(count: FloatArray, total: FloatArray, square: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of the steps, each of shape (cells, places)."""
    ratio = np.ones((count.shape[0], 1))
    for _ in range(_ROUNDS):
        # cells were at different places: each counts by what it is to the others
        shape = total.sum(axis=0) / np.maximum((count * ratio).sum(axis=0), _SMALLEST)
        ratio = total.sum(axis=1, keepdims=True) / (count * shape).sum(axis=1, keepdims=True)
    typical = _moments(*(part.sum(axis=0) for part in (count, total / ratio, square / ratio**2)))
    place, known = np.arange(count.shape[1]), np.isfinite(typical[0])
    others = (ratio * np.interp(place, place[known], part[known]) for part in typical)
    mean, spread = (
        np.where(np.isfinite(own), own, other)
        for own, other in zip(_moments(count, total, square), others, strict=True)
    )
    return np.maximum(mean, 0.0), spread


def _moments(count: FloatArray, total: FloatArray, square: FloatArray) -> tuple[FloatArray, FloatArray]:
    enough = count >= _LEAST
    number = np.where(enough, count, np.nan)
    mean = total / number
    spread = np.sqrt(np.maximum(square / number - mean**2, 0.0) * number / (number - 1.0))
    return mean, spread
