"""Maps of the change by one pulse over its width and voltage: polarity, threshold, slope in log time.

The change is dG / G0, each point begun at the same G0. Not here: measuring; trains of pulses
(:mod:`labctl.analysis.update_curves`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import Estimate, require
from labctl.analysis.straight_lines import fit_line

__all__ = ["PulseMapFigures", "pulse_map_figures"]

_LEAST_WIDTHS = 3


@dataclass(frozen=True, slots=True)
class PulseMapFigures:
    """Figures of a map.

    Attributes
    ----------
    voltage_v : ndarray, shape (voltages,), unit V
        Ascending.
    polarity : 1, -1 or None
        Sign of the voltage that raises the conductance; None where neither sign moved it beyond the threshold, or both
        moved it the same way.
    threshold_width_s : ndarray, shape (voltages,), unit s
        Shortest width at which the magnitude of the mean change passes the threshold, interpolated in log width; NaN
        where it does not within the map, the shortest width where it already has there.
    passed_at_once : ndarray of bool, shape (voltages,)
        Where the threshold lies below the shortest width, so that its width is an upper bound.
    slope : tuple of Estimate or None, unit 1
        Change per decade of width at each voltage, by least squares over widths and repeats; None with fewer than 3.
    decades_per_volt : dict of {"positive", "negative"} to Estimate, unit 1/V
        How fast the threshold width falls with the magnitude of the voltage (the voltage-time dilemma), for a sign with
        at least 3 voltages with a threshold inside the map.
    """

    voltage_v: NDArray[np.float64]
    polarity: Literal[1, -1] | None
    threshold_width_s: NDArray[np.float64]
    passed_at_once: NDArray[np.bool_]
    slope: tuple[Estimate | None, ...]
    decades_per_volt: dict[str, Estimate]


def pulse_map_figures(
    width_s: ArrayLike, voltage_v: ArrayLike, change: ArrayLike, *, threshold: float = 0.1
) -> PulseMapFigures:
    """Take the figures of a map.

    Parameters
    ----------
    width_s : array_like, shape (widths,), unit s
        Positive, all different.
    voltage_v : array_like, shape (voltages,), unit V
        Signed, all different, none 0.
    change : array_like, shape (repeats, widths, voltages) or (widths, voltages), unit 1
        dG / G0; NaN where a point is missing.
    threshold : float, unit 1
        Magnitude of dG / G0 of the contour.

    Returns
    -------
    PulseMapFigures

    Raises
    ------
    TooFewPoints
        If there are fewer than 3 widths.
    ValueError
        If shapes do not fit, a width is not positive, a voltage is 0, one comes twice, or there is no point at all.
    """
    widths, voltages = np.asarray(width_s, dtype=float), np.asarray(voltage_v, dtype=float)
    cube = np.asarray(change, dtype=float)
    cube = cube[None] if cube.ndim == 2 else cube
    if widths.ndim != 1 or voltages.ndim != 1 or cube.ndim != 3 or cube.shape[1:] != (widths.size, voltages.size):
        raise ValueError(
            f"a pulse map: needs widths (w,), voltages (v,) and changes (repeats, w, v), got {widths.shape},"
            f" {voltages.shape} and {cube.shape}"
        )
    require("a pulse map, widths", widths.size, _LEAST_WIDTHS)
    if not (widths > 0.0).all() or not (np.abs(voltages) > 0.0).all() or not threshold > 0.0:
        raise ValueError("a pulse map: widths and the threshold must be positive and no voltage may be 0 V")
    if np.unique(widths).size < widths.size or np.unique(voltages).size < voltages.size:
        raise ValueError("a pulse map: a width or a voltage comes twice; give repeats along the first axis")
    seen = np.isfinite(cube)
    if not seen.any():
        raise ValueError("a pulse map: there is no point at all")
    by_width, by_voltage = np.argsort(widths), np.argsort(voltages)
    widths, voltages = widths[by_width], voltages[by_voltage]
    cube, seen = cube[:, by_width][:, :, by_voltage], seen[:, by_width][:, :, by_voltage]
    number = seen.sum(axis=0)
    mean = np.where(number > 0, np.where(seen, cube, 0.0).sum(axis=0) / np.maximum(number, 1), np.nan)
    logs = np.log10(widths)
    crossings = [_crossing(logs, np.abs(mean[:, place]), threshold) for place in range(voltages.size)]
    contour, at_once = np.array([item[0] for item in crossings]), np.array([item[1] for item in crossings])
    inside = np.isfinite(contour) & ~at_once
    steep = {}
    for name, sign in (("positive", 1.0), ("negative", -1.0)):
        chosen = inside & (sign * voltages > 0.0)
        if chosen.sum() >= 3:
            line = fit_line(np.abs(voltages[chosen]), -contour[chosen], "the slope of a threshold")
            steep[name] = line.slope_estimate("1/V")
    return PulseMapFigures(
        voltages,
        _polarity(voltages, mean, threshold),
        10.0**contour,
        at_once,
        tuple(_slope(logs, cube[:, :, place], seen[:, :, place]) for place in range(voltages.size)),
        steep,
    )


def _polarity(voltages: NDArray[np.float64], mean: NDArray[np.float64], threshold: float) -> Literal[1, -1] | None:
    """Tell by the mean change of the points beyond the threshold, for each sign."""
    signs: set[float] = set()
    for sign in (1.0, -1.0):
        part = mean[:, sign * voltages > 0.0]
        moved = part[np.abs(np.nan_to_num(part)) > threshold]
        if moved.size:
            signs.add(sign * float(np.sign(moved.mean())))
    if signs == {1.0}:
        return 1
    return -1 if signs == {-1.0} else None


def _crossing(logs: NDArray[np.float64], size: NDArray[np.float64], threshold: float) -> tuple[float, bool]:
    """Return log10 of the width at the first crossing, and whether the shortest width lies beyond it."""
    there = np.flatnonzero(np.isfinite(size))
    beyond = there[size[there] >= threshold]
    if not beyond.size:
        return np.nan, False
    first = int(np.flatnonzero(there == beyond[0])[0])
    if first == 0:
        return float(logs[there[0]]), True
    left, right = there[first - 1], there[first]
    part = (threshold - size[left]) / (size[right] - size[left])
    return float(logs[left] + part * (logs[right] - logs[left])), False


def _slope(logs: NDArray[np.float64], changes: NDArray[np.float64], seen: NDArray[np.bool_]) -> Estimate | None:
    _, place = np.nonzero(seen)
    if np.unique(place).size < _LEAST_WIDTHS:
        return None
    return fit_line(logs[place], changes[seen], "the slope of a pulse map").slope_estimate("1")
