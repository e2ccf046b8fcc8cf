"""Fit the family ``pulse_table``: look-up curves of one pulse each way, from measured tables or from runs.

From tables every device keeps curves and window of its own. From runs the pulses of all cells make one set of curves,
in parts of each cell's window, and every cell keeps its window. Neither tells how a step depends on amplitude or width,
whether it depends on the pulses before, and what a cell does at rest; the fit says so. Not here: the curves of one
table (:mod:`labctl.analysis.quantile_curves`).
"""

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np
from numpy.typing import NDArray

from labctl.analysis.intervals import Estimate, bootstrap
from labctl.analysis.pulse_tables import PulseTable
from labctl.analysis.quantile_curves import QuantileCurves, calibrate_curves
from labctl.analysis.twin.observations import Observations
from labctl.analysis.twin.twin_fit import FittedParameter, Goodness, TwinFit
from labctl.errors import RunError
from labctl.physics.presets import Preset

__all__ = ["fit_pulse_table", "fit_tables"]

Array = NDArray[np.float64]

_WAYS = {"up": 1.0, "down": -1.0}
_LEAST_BINS, _MOST_BINS, _A_BIN = 16, 31, 25
# half of the pulses of a bin must come from nearer, in parts of the window; otherwise the curves go straight past it
_FAR = 0.1
# a spread below this part of the window would make every residual large
_LEAST_SPREAD = 1e-3
_ALWAYS = (
    "pulse.up_voltage, pulse.down_voltage, widths: one amplitude and one width each way; how a step depends on them is"
    " not known, and other pulses leave the twin as it is",
    "relaxation: curves say nothing of what a cell does at rest; the twin does nothing",
    "cycle to cycle: each pulse draws by itself; whether a step depends on the pulses before is not known",
)


def fit_tables(devices: Mapping[str, Mapping[str, PulseTable]], base: Preset) -> TwinFit:
    """Fit look-up curves to measured tables.

    Parameters
    ----------
    devices : Mapping of str to (Mapping of str to PulseTable)
        Tables ``up`` and ``down`` of each device, with as many bins and the same levels throughout.
    base : Preset
        Of the family ``pulse_table``; what tables do not tell stays as there: the pulse, the threshold, noise.

    Returns
    -------
    TwinFit
        Each device with curves and a window of its own.

    Raises
    ------
    RunError
        If there is no device, levels or bins differ, or the two tables of a device have other windows.
    TooFewPoints
        If a table has too few bins or levels.
    """
    if not devices:
        raise RunError("a fit to pulse tables needs at least one device")
    windows_s = [_window(name, tables) for name, tables in devices.items()]
    levels = next(iter(devices.values()))["up"].levels
    parameters = [_window_parameter(windows_s)]
    goodness = []
    for way in _WAYS:
        tables = [each[way] for each in devices.values()]
        for table in tables:
            if not np.array_equal(table.levels, levels) or table.place.size != tables[0].place.size:
                raise RunError(
                    f"pulse table {table.device} {way}: levels and number of bins must be those of {tables[0].device};"
                    " fit devices of one measurement together"
                )
        found = [calibrate_curves(table) for table in tables]
        middle = np.array([curves.quantiles([0.5], [0.5])[0, 0] for curves in found])
        low, high = _device_interval(middle)
        estimate = Estimate(float(np.mean(middle)), low, high, "1", sum(table.increment_s.size for table in tables))
        parameters.append(_curve_parameter(way, found, estimate, "median step at mid window, mean of the devices"))
        residuals = [_residual(*pair) for pair in zip(found, tables, strict=True)]
        goodness.append(_goodness(f"quantiles of the step {way}", np.concatenate(residuals)))
    warnings: tuple[str, ...] = (
        *_ALWAYS,
        f"pulse.up_voltage, pulse.down_voltage, widths: tables do not name them; those of {base.name} stand in the"
        " file: write those of the measurement there",
        "noise: tables do not tell it; that of the base file",
    )
    if len(devices) == 1:
        warnings += ("spread of devices, intervals: one device tells neither",)
    validity = {"conductance_s": (min(low for low, _ in windows_s), max(high for _, high in windows_s))}
    return TwinFit(base, tuple(parameters), tuple(goodness), validity, warnings, len(devices))


def fit_pulse_table(observed: Observations, base: Preset) -> TwinFit:
    """Fit look-up curves to identical pulses between readings.

    Parameters
    ----------
    observed : Observations
    base : Preset
        Of the family ``pulse_table``; its quantiles are those that are taken.

    Returns
    -------
    TwinFit
        One set of curves, and a window for each cell.

    Raises
    ------
    RunError
        If the runs hold too few identical pulses of a direction.
    """
    pulses = observed.pulses
    before_s, after_s = pulses.before_a / pulses.read_voltage_v, pulses.after_a / pulses.read_voltage_v
    chosen, others = {}, 0
    for way, sign in _WAYS.items():
        mask = np.sign(pulses.voltage_v) == sign
        kinds, which, counts = np.unique(
            np.column_stack([pulses.voltage_v, pulses.width_s])[mask], axis=0, return_inverse=True, return_counts=True
        )
        most = int(np.max(counts, initial=0))
        if most < _LEAST_BINS * _A_BIN:
            raise RunError(
                f"the runs do not tell what a pulse {way} does: {most} identical pulses between readings,"
                f" {_LEAST_BINS * _A_BIN} are needed; run potentiate_depress with pulse_form identical on more cells or"
                " for more cycles"
            )
        common = int(np.argmax(counts))
        chosen[way] = np.flatnonzero(mask)[which.reshape(-1) == common], kinds[common]
        others += int(mask.sum()) - most
    used = np.concatenate([index for index, _ in chosen.values()])
    cells = np.unique(pulses.cell[used])
    ends_s = [np.concatenate([each[used][pulses.cell[used] == cell] for each in (before_s, after_s)]) for cell in cells]
    windows_s = [(float(each.min()), float(each.max())) for each in ends_s]
    if not all(0.0 < low < high for low, high in windows_s):
        raise RunError("the runs do not tell the window of a cell: it never moved, or reads no positive conductance")
    low_s, high_s = np.array(windows_s).T
    row = np.searchsorted(cells, pulses.cell)
    row[~np.isin(pulses.cell, cells)] = 0
    place, step = (before_s - low_s[row]) / (high_s - low_s)[row], (after_s - before_s) / (high_s - low_s)[row]
    parameters, goodness, warnings = [_window_parameter(windows_s)], [], list(_ALWAYS)
    levels = base.table("quantile.level")
    for way, (index, (voltage_v, width_s)) in chosen.items():
        table, far = _binned(way, place[index], step[index], levels)
        curves = calibrate_curves(table)
        near = index[np.argsort(np.abs(place[index] - 0.5))[:_A_BIN]]
        estimate = bootstrap(step[near], lambda rows: np.median(rows, axis=-1), unit="1")
        parameters += [
            _curve_parameter(way, [curves], estimate, "median step at mid window, interval of the pulses there"),
            _set_parameter(f"pulse.{way}_voltage", float(voltage_v), "V", index.size),
            _set_parameter(f"pulse.{way}_width", float(width_s), "s", index.size),
        ]
        at = curves.quantiles(place[index], [0.16, 0.5, 0.84])
        spread = np.maximum(0.5 * (at[2] - at[0]), _LEAST_SPREAD)
        goodness.append(_goodness(f"step {way} of a pulse", (step[index] - at[1]) / spread))
        if far.size:
            warnings.append(
                f"{way}.step: few pulses between {far.min():.2f} and {far.max():.2f} of the window; the curves go"
                " straight from the places around"
            )
    amplitudes_v = np.abs([voltage_v for _, (voltage_v, _) in chosen.values()])
    if base["threshold.part"] * amplitudes_v.min() <= 0.5 * amplitudes_v.max():
        warnings.append(
            "threshold.part: half of the larger amplitude lies beyond the threshold; V/2 biasing gives unknown pulses"
        )
    if others:
        warnings.append(f"{others} pulses of another amplitude or width were left out")
    warnings.append("window.low, window.high: the extremes that each cell was seen at, no bounds of the device")
    warnings.append("noise: that of the base file; the spread of the steps has the noise of two readings in it")
    validity = {"conductance_s": (float(low_s.min()), float(high_s.max()))}
    return TwinFit(base, tuple(parameters), tuple(goodness), validity, tuple(warnings), int(cells.size))


def _window(device: str, tables: Mapping[str, PulseTable]) -> tuple[float, float]:
    (up_s, down_s) = (tables[way].conductance_s for way in _WAYS)
    if not np.allclose(up_s[[0, -1]], down_s[[0, -1]], rtol=1e-3):
        raise RunError(f"pulse tables of {device}: up and down must have one window, in S")
    return float(up_s[0]), float(up_s[-1])


def _binned(way: str, place: Array, step: Array, levels: Array) -> tuple[PulseTable, Array]:
    """Return the quantiles of the pulses nearest to evenly spaced places, and the places that have few."""
    bins = int(np.clip(place.size // _A_BIN, _LEAST_BINS, _MOST_BINS))
    centres, count = np.linspace(0.0, 1.0, bins), place.size // bins
    far_off = np.abs(place - centres[:, np.newaxis])
    nearest = np.argsort(far_off, axis=1)[:, :count]
    is_far = np.median(np.take_along_axis(far_off, nearest, axis=1), axis=1) > _FAR
    quantiles = np.quantile(step[nearest], levels, axis=1)
    quantiles[:, is_far] = [np.interp(centres[is_far], centres[~is_far], each[~is_far]) for each in quantiles]
    return PulseTable(f"runs, {way}", centres, levels, quantiles), centres[is_far]


def _device_interval(values: Array) -> tuple[float, float]:
    """Return the 95 % interval of the mean over devices; NaN for one device."""
    from scipy.stats import t

    if values.size < 2:
        return nan, nan
    reach = float(t.ppf(0.975, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size))
    return float(values.mean()) - reach, float(values.mean()) + reach


def _window_parameter(windows_s: Sequence[tuple[float, float]]) -> FittedParameter:
    low_s, high_s = np.array(windows_s).T
    low, high = _device_interval(high_s - low_s)
    estimate = Estimate(float(np.mean(high_s - low_s)), low, high, "S", len(windows_s))
    values = {"window.low": tuple(map(float, low_s)), "window.high": tuple(map(float, high_s))}
    return FittedParameter("window", estimate, "width of the window, mean of the devices", values)


def _curve_parameter(way: str, found: Sequence[QuantileCurves], estimate: Estimate, meaning: str) -> FittedParameter:
    # six digits: a file to read, and finer than any meter
    steps = np.round(np.concatenate([curves.steps.ravel() for curves in found]), 6)
    values = {
        "quantile.level": tuple(map(float, np.round(found[0].levels, 6))),
        f"{way}.place": tuple(map(float, found[0].place)),
        f"{way}.step": tuple(map(float, steps)),
    }
    return FittedParameter(f"{way}.step", estimate, meaning, values)


def _set_parameter(key: str, value: float, unit: str, points: int) -> FittedParameter:
    return FittedParameter(key, Estimate(value, value, value, unit, points), "as it was set", {key: (value,)})


def _residual(curves: QuantileCurves, table: PulseTable) -> Array:
    found = curves.quantiles(np.clip(table.place, 0.0, 1.0), table.levels)
    low, high = curves.quantiles(np.clip(table.place, 0.0, 1.0), [0.16, 0.84])
    return np.asarray(((table.steps - found) / np.maximum(0.5 * (high - low), _LEAST_SPREAD)).ravel())


def _goodness(quantity: str, residual: Array) -> Goodness:
    inside = float(np.mean(np.abs(residual) <= 1.959963984540054))
    return Goodness(quantity, residual.size, float(residual.mean()), float(residual.std()), inside)
