"""Fit the family ``metal_oxide`` to runs: switching, its spreads, reading, noise, relaxation, stuck cells.

Which key comes from what: ``set.c0``, ``set.c4``, ``reset.c0``, ``reset.c4``, ``spread.*`` from single pulses
(map_pulses, potentiate_depress, write_verify); ``read.a3_*`` from the low-voltage part of I-V cycles (sweep_iv);
``noise.spectral_density`` from traces (read_noise) and rests; ``relaxation.sigma`` from rests (retention);
``stuck.fraction`` from 100 cells or more. All else stays as in the base file: how steps depend on state and width,
forming, virgin cells. The wires in series count as part of the cell. Not here: the estimators (the modules it uses).
"""

import numpy as np
from numpy.typing import NDArray

from labctl.analysis.intervals import Estimate
from labctl.analysis.twin.fluctuation_fit import FluctuationFit, RestingState, StateTrace, fit_fluctuations
from labctl.analysis.twin.observations import Curve, Observations
from labctl.analysis.twin.switching_fit import SwitchingFit, fit_switching
from labctl.analysis.twin.twin_fit import FittedParameter, Goodness, TwinFit
from labctl.errors import RunError
from labctl.physics.metal_oxide import MetalOxideLaw, conductance_at_current, read_coefficients
from labctl.physics.noise import NoiseBank, Relaxation, relaxation_decades
from labctl.physics.presets import Preset

__all__ = ["fit_metal_oxide"]

Array = NDArray[np.float64]

_LEVEL = 0.95
# of a normal number
_INSIDE = 1.959963984540054
_MAD_TO_SIGMA = 1.4826
_LEAST_PAIRS, _LEAST_CURVES, _LEAST_LEVELS = 20, 4, 6
_LEAST_YIELD_CELLS = 100
_USUAL_APERTURE_S = 0.02
_LOWEST_CURVE_V = 0.02
# a formed cell may fluctuate below the window that it is programmed in; a virgin one lies far below
_FORMED = 0.3
_A3 = ("read.a3_gain", "read.a3_square", "read.a3_temperature")


def fit_metal_oxide(observed: Observations, base: Preset) -> TwinFit:
    """Fit a metal-oxide device.

    Parameters
    ----------
    observed : Observations
        Made with the ``relaxation.renewal`` of the base file.
    base : Preset
        Of the family ``metal_oxide``.

    Returns
    -------
    TwinFit

    Raises
    ------
    RunError
        If the runs hold no single pulses that tell the switching.
    StationError
        If the base file is of another family.
    """
    law = MetalOxideLaw.from_preset(base)
    pulses = observed.pulses
    bank, relaxation = NoiseBank.from_preset(base), Relaxation.from_preset(base)
    scatter, warnings = _reading_scatter(observed, law, base)
    walk = relaxation.sigma**2 * relaxation_decades(pulses.delay_s, relaxation)
    try:
        switching = fit_switching(
            pulses,
            law,
            scatter=np.sqrt(scatter**2 + walk),
            spreads=(base["spread.device_gain"], base["spread.device_threshold"], base["spread.cycle"]),
        )
    except ValueError as error:
        raise RunError(
            f"the runs do not tell how the cells switch: {error}. Single pulses between readings are needed:"
            " map_pulses, potentiate_depress or write_verify"
        ) from error
    stuck = frozenset(switching.unresponsive)
    fluctuations = fit_fluctuations(
        _rests(observed, law, stuck),
        _traces(observed, law),
        bank,
        relaxation,
        spectral_density=base["noise.spectral_density"],
        aperture_s=observed.read_aperture_s if np.isfinite(observed.read_aperture_s) else _USUAL_APERTURE_S,
    )
    parameters = [*_switching_parameters(switching, base), *_fluctuation_parameters(fluctuations)]
    reading, told = _reading(observed.curves, law, base)
    defects, also_told = _defects(observed, stuck)
    return TwinFit(
        base,
        (*parameters, *reading, *defects),
        _goodness(switching, pulses.voltage_v),
        _validity(observed, law, switching),
        (*warnings, *switching.warnings, *fluctuations.warnings, *told, *also_told),
        switching.cells,
    )


def _reading_scatter(observed: Observations, law: MetalOxideLaw, base: Preset) -> tuple[float, tuple[str, ...]]:
    """Return the relative standard deviation of the difference of two readings, one right after the other."""
    pairs = [
        np.diff(np.log(_states(rest.current_a[:2], rest.voltage_v, law)))[0]
        for rest in observed.rests
        if rest.age_s[1] - rest.age_s[0] < 1.0
        and _states(rest.current_a[:2], rest.voltage_v, law).min() > _FORMED * law.low_s
    ]
    if len(pairs) >= _LEAST_PAIRS:
        return _MAD_TO_SIGMA * float(np.median(np.abs(pairs))), ()
    # three decades of the 1/f noise, which a pair of readings sees
    assumed = float(np.sqrt(2.0 * base["noise.spectral_density"] * np.log(1e3)))
    told = f"scatter of readings: {len(pairs)} pairs without a pulse between them, {_LEAST_PAIRS} are needed; taken as"
    return assumed, (f"{told} {assumed:.2g} from noise.spectral_density of the base file",)


def _states(current_a: Array, voltage_v: float, law: MetalOxideLaw) -> Array:
    return np.maximum(conductance_at_current(voltage_v, np.abs(current_a), law), 1e-12)


def _rests(observed: Observations, law: MetalOxideLaw, stuck: frozenset[int]) -> list[RestingState]:
    found = []
    for rest in observed.rests:
        states = _states(rest.current_a, rest.voltage_v, law)
        ascends = bool((np.diff(rest.age_s) > 0.0).all()) and rest.age_s[0] > 0.0
        if rest.cell not in stuck and ascends and states.min() > _FORMED * law.low_s:
            found.append(RestingState(rest.age_s, np.log(states)))
    return found


def _traces(observed: Observations, law: MetalOxideLaw) -> list[StateTrace]:
    found = []
    for trace in observed.traces:
        states = _states(trace.current_a, trace.voltage_v, law)
        if np.isfinite(states).all() and states.min() > _FORMED * law.low_s:
            found.append(StateTrace(np.log(states), trace.interval_s, trace.aperture_s))
    return found


def _switching_parameters(fit: SwitchingFit, base: Preset) -> list[FittedParameter]:
    found = []
    mixed = fit.mixed
    for name, value, low, high in zip(fit.told, mixed.theta, mixed.theta_low, mixed.theta_high, strict=True):
        side, what = name.split(".")
        count = fit.set_pulses if side == "set" else fit.reset_pulses
        label = side.upper()
        if what == "scale":
            least, greatest = sorted(float(end) for end in base[f"{side}.c0"] * np.exp([low, high]))
            estimate = Estimate(float(base[f"{side}.c0"] * np.exp(value)), least, greatest, "S", count)
            found.append(
                FittedParameter(f"{side}.c0", estimate, f"scale of {label}", {f"{side}.c0": (estimate.value,)})
            )
        else:
            # tanh(c3 (V - shift) - c4) for SET, tanh(c3 (|V| - shift) + c4) for RESET
            steep = base.table("set.c3") if side == "set" else -base["reset.c3"]
            table = tuple(float(c4) for c4 in base.table(f"{side}.c4") + steep * value)
            estimate = Estimate(float(value), float(low), float(high), "V", count)
            found.append(
                FittedParameter(
                    f"{side}.threshold_shift",
                    estimate,
                    f"{label} thresholds above the base file's, all of {side}.c4",
                    {f"{side}.c4": table},
                )
            )
    spreads = (
        ("spread.device_gain", "1", "D2D of the steps, lognormal", fit.cells),
        ("spread.device_threshold", "V", "D2D of the thresholds, normal", fit.cells),
        ("spread.cycle", "1", "C2C of a step, lognormal", fit.used),
    )
    for place, (key, unit, meaning, count) in enumerate(spreads):
        if np.isfinite(mixed.spreads_high[place]):
            least, greatest = float(mixed.spreads_low[place]), float(mixed.spreads_high[place])
            estimate = Estimate(float(mixed.spreads[place]), least, greatest, unit, count)
            found.append(FittedParameter(key, estimate, meaning, {key: (estimate.value,)}))
    return found


def _fluctuation_parameters(fit: FluctuationFit) -> list[FittedParameter]:
    named = (
        ("noise.spectral_density", fit.noise, "1/f noise, S(1 Hz) / G^2"),
        ("relaxation.sigma", fit.relaxation, "relaxation, relative, after one decade"),
    )
    return [
        FittedParameter(key, estimate, meaning, {key: (estimate.value,)})
        for key, estimate, meaning in named
        if estimate is not None
    ]


def _reading(
    curves: tuple[Curve, ...], law: MetalOxideLaw, base: Preset
) -> tuple[list[FittedParameter], tuple[str, ...]]:
    """Fit by how much the cubic part of I(V) differs from the base file's, from both ends of every cycle."""
    from scipy.stats import t

    ratios: dict[int, list[float]] = {}
    for curve in curves:
        inside = np.abs(curve.voltage_v) <= law.dead_zone_v
        for branch in np.split(np.arange(inside.size), np.flatnonzero(np.diff(inside.astype(int))) + 1):
            ratio = _cubic_ratio(curve.voltage_v[branch], curve.current_a[branch], law) if inside[branch[0]] else None
            if ratio is not None:
                ratios.setdefault(curve.cell, []).append(ratio)
    each = [float(np.median(values)) for values in ratios.values()]
    values = np.array(each if len(each) >= _LEAST_CURVES else [one for many in ratios.values() for one in many])
    if values.size < _LEAST_CURVES:
        return [], (
            f"read.a3: {values.size} low-voltage branches with {_LEAST_LEVELS} levels up to {law.dead_zone_v:g} V,"
            f" {_LEAST_CURVES} are needed; run sweep_iv with a step of 20 mV",
        )
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))
    reach = float(t.ppf(0.5 + 0.5 * _LEVEL, values.size - 1)) * error
    estimate = Estimate(mean, mean - reach, mean + reach, "1", int(values.size))
    new = {key: (mean * base[key],) for key in _A3}
    if any(not base.valid_range(key)[0] <= new[key][0] <= base.valid_range(key)[1] for key in _A3):
        return [], (f"read.a3: {mean:.3g} times the base file's leaves the ranges of its keys; they stay",)
    return [FittedParameter("read.a3_factor", estimate, "cubic part of I(V) over the base file's", new)], ()


def _cubic_ratio(voltage_v: Array, current_a: Array, law: MetalOxideLaw) -> float | None:
    """Return a3 over what the law has for the a1 of a branch; None for one that says nothing."""
    used = np.abs(voltage_v) >= _LOWEST_CURVE_V
    voltage, current = voltage_v[used], current_a[used]
    if voltage.size < _LEAST_LEVELS:
        return None
    # every level weighs as its relative reading: I/V = a1 + a3 V^2 + the offset of source and meter over V
    table = np.column_stack([np.ones(voltage.size), voltage**2, 1.0 / voltage])
    (linear, cubic, _), *_ = np.linalg.lstsq(table, current / voltage, rcond=None)
    state = (linear - law.a1_offset_s) / law.a1_gain
    # the wires in series bend the curve of a cell that conducts well
    if not law.low_s < state < np.sqrt(law.low_s * law.high_s):
        return None
    return float(cubic / read_coefficients(state, law)[1])


def _defects(observed: Observations, stuck: frozenset[int]) -> tuple[list[FittedParameter], tuple[str, ...]]:
    from scipy.stats import binomtest

    cells = len(observed.looked_at | set(observed.cells))
    bad = len(stuck) + len(observed.unformable)
    if cells < _LEAST_YIELD_CELLS:
        told = f"stuck.fraction: {bad} of {cells} cells stuck, {_LEAST_YIELD_CELLS} cells are needed to tell it"
        return [], (f"{told}; run form_array or check_contacts on all cells",)
    interval = binomtest(bad, cells).proportion_ci(_LEVEL)
    estimate = Estimate(bad / cells, float(interval.low), float(interval.high), "1", cells)
    return [
        FittedParameter("stuck.fraction", estimate, "cells that never work", {"stuck.fraction": (estimate.value,)})
    ], ()


def _goodness(fit: SwitchingFit, voltage_v: Array) -> tuple[Goodness, ...]:
    upward = voltage_v[fit.is_used] > 0.0
    found = []
    for name, mask in (("SET step", upward), ("RESET step", ~upward)):
        residuals = fit.mixed.residuals[mask]
        if residuals.size:
            inside = float(np.mean(np.abs(residuals) <= _INSIDE))
            found.append(Goodness(name, residuals.size, float(residuals.mean()), float(residuals.std()), inside))
    return tuple(found)


def _validity(observed: Observations, law: MetalOxideLaw, fit: SwitchingFit) -> dict[str, tuple[float, float]]:
    pulses = observed.pulses
    used = fit.is_used
    states = conductance_at_current(pulses.read_voltage_v, np.abs(pulses.before_a), law)[used]
    found = {"conductance_s": states, "width_s": pulses.width_s[used]}
    for name, mask in (("set_voltage_v", pulses.voltage_v > 0.0), ("reset_voltage_v", pulses.voltage_v < 0.0)):
        found[name] = pulses.voltage_v[used & mask]
    return {name: (float(values.min()), float(values.max())) for name, values in found.items() if values.size}
