"""Fit the family ``ecram`` to runs: step, asymmetric soft bounds, their spreads, the rest between pulses, noise.

Which key comes from what: ``update.*`` and ``spread.*`` from single gate pulses between readings (ecram_update,
potentiate_depress); ``update.w_max`` and ``update.w_min`` where cells stand still at a bound; ``retention.time`` from
rests (retention); ``noise.spectral_density`` from traces (read_noise); ``read.middle`` where steps up and down are
equal, which is what w = 0 means: wires through which a cell is read shift it. The scale of the state,
``read.half_range``, is a choice and stays; so do the gate's nominal pulse, ``spread.gamma``, stretch and convergence of
the rest. Not here: the estimators (the modules it uses).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.analysis.intervals import Estimate
from labctl.analysis.twin.fluctuation_fit import StateTrace, fit_fluctuations
from labctl.analysis.twin.mixed_effects import Linearised, MixedFit, fit_mixed
from labctl.analysis.twin.observations import Observations
from labctl.analysis.twin.twin_fit import FittedParameter, Goodness, TwinFit
from labctl.errors import RunError
from labctl.physics.noise import NoiseBank, Relaxation
from labctl.physics.presets import Preset

__all__ = ["fit_ecram"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LEVEL = 0.95
_INSIDE = 1.959963984540054
_LEAST_PULSES, _LEAST_CELLS = 40, 4
_MAD_TO_SIGMA, _LEAST_PAIRS, _PAIR_S = 1.4826, 20, 1.0
# a pulse counts as stopped by a bound where it moved the cell by less than this part of a step; so many make a bound
_STILL, _LEAST_STILL = 0.15, 8
# standard errors above which the data do not tell: ln step, gamma up, gamma down, place of the symmetry point
_TOLD = np.array([0.3, 0.15, 0.15, 0.1])
_THETA = ("update.step", "update.gamma_up", "update.gamma_down", "read.middle")
_BOUND_OF = {"update.gamma_up": "update.w_max", "update.gamma_down": "update.w_min"}
_CYCLE_REACH = 4.0
_MOVE = 1e-4
_LEAST_REST_DECADES, _REST_TOLD = 1.0, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Moves:
    """Pulses as the law sees them: everything in the direction of the pulse, shape (n,)."""

    cell: NDArray[np.int64]
    is_up: Mask
    count: Array
    place: Array
    move: Array
    variance: Array

    def chosen(self, mask: Mask) -> "_Moves":
        return _Moves(*(getattr(self, name)[mask] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class _Bounds:
    """Bounds of the cells, in magnitudes; NaN where a cell never stood still at one. Shape (cells,)."""

    up: Array
    down: Array


def fit_ecram(observed: Observations, base: Preset) -> TwinFit:
    """Fit an electrochemical RAM.

    Parameters
    ----------
    observed : Observations
        Made with renewal 0: every pulse ends the rest before it.
    base : Preset
        Of the family ``ecram``.

    Returns
    -------
    TwinFit

    Raises
    ------
    RunError
        If the runs hold too few single gate pulses of a sign.
    """
    rest, told = _rest_time(observed, base)
    time_s = base["retention.time"] if rest is None else rest.values["retention.time"][0]
    moves = _moves(observed, base, time_s)
    for name, mask in (("up", moves.is_up), ("down", ~moves.is_up)):
        if mask.sum() < _LEAST_PULSES:
            raise RunError(
                f"the runs do not tell how gate pulses {name} move the cells: {int(mask.sum())} single pulses between "
                f"readings, {_LEAST_PULSES} are needed; run ecram_update"
            )
    bounds = _bounds(moves)
    typical = _Bounds(_filled(bounds.up, base["update.w_max"]), _filled(bounds.down, -base["update.w_min"]))
    used = _free_of_bounds(moves, bounds, base["update.cycle_spread"])
    known = {"update.gamma_up": _is_known(bounds.up), "update.gamma_down": _is_known(bounds.down)}
    mixed, active, warnings = _fit(moves.chosen(used), typical, tuple(known.values()), base)
    cells = int(np.unique(moves.cell[used]).size)
    parameters = [*_update_parameters(mixed, active, int(used.sum()), cells, known, base)]
    middle, reach = (float(each[-1]) if active[-1] else 0.0 for each in (mixed.theta, mixed.theta_high - mixed.theta))
    parameters += _bound_parameters(bounds, middle, reach)
    warnings += [
        f"{_BOUND_OF[key]}: fewer than {_LEAST_CELLS} cells stood still at that bound, so it stays as in the base file"
        f" and {key} goes with it: the runs tell their ratio; give more pulses in a branch"
        for key, is_known in known.items()
        if not is_known
    ]
    traces = [
        StateTrace(np.log(one.current_a / one.voltage_v), one.interval_s, one.aperture_s)
        for one in observed.traces
        if np.isfinite(one.current_a).all() and (one.current_a / one.voltage_v).min() > 0.0
    ]
    noise = fit_fluctuations(
        [],
        traces,
        NoiseBank.from_preset(base),
        Relaxation(0.0, 1.0, 1.0),
        spectral_density=base["noise.spectral_density"],
        aperture_s=0.0,
    )
    if noise.noise is None:
        warnings.append("noise.spectral_density: no trace tells it; run read_noise")
    else:
        value = (noise.noise.value,)
        meaning = "1/f noise, S(1 Hz) / G^2"
        parameters.append(
            FittedParameter("noise.spectral_density", noise.noise, meaning, {"noise.spectral_density": value})
        )
    if rest is not None:
        parameters.append(rest)
    is_up = moves.is_up[used]
    goodness = tuple(
        Goodness(
            f"step {name}",
            int(mask.sum()),
            float(mixed.residuals[mask].mean()),
            float(mixed.residuals[mask].std()),
            float(np.mean(np.abs(mixed.residuals[mask]) <= _INSIDE)),
        )
        for name, mask in (("up", is_up), ("down", ~is_up))
    )
    states = base["read.middle"] + base["read.half_range"] * np.where(moves.is_up, moves.place, -moves.place)
    pulses = observed.pulses
    validity = {
        "conductance_s": (float(states.min()), float(states.max())),
        "gate_voltage_v": (float(pulses.voltage_v.min()), float(pulses.voltage_v.max())),
        "width_s": (float(pulses.width_s.min()), float(pulses.width_s.max())),
    }
    return TwinFit(base, tuple(parameters), goodness, validity, (*warnings, *told), cells)


def _is_known(bounds: Array) -> bool:
    return int(np.isfinite(bounds).sum()) >= _LEAST_CELLS


def _filled(bounds: Array, base: float) -> Array:
    """Give cells that stood still nowhere the mean of the others, or the base file's where there are too few."""
    typical = float(np.nanmean(bounds)) if _is_known(bounds) else base
    return np.where(np.isnan(bounds) | (not _is_known(bounds)), typical, bounds)


def _state(current_a: Array, voltage_v: Array | float, base: Preset) -> Array:
    return np.asarray((np.abs(current_a / voltage_v) - base["read.middle"]) / base["read.half_range"])


def _moves(observed: Observations, base: Preset, time_s: float) -> _Moves:
    pulses = observed.pulses
    before = _state(pulses.before_a, pulses.read_voltage_v, base)
    after = _state(pulses.after_a, pulses.read_voltage_v, base)
    # back to the end of the pulse: the cell rested until the reading
    convergence = base["retention.convergence"]
    after = convergence + (after - convergence) * np.exp((pulses.delay_s / time_s) ** base["retention.stretch"])
    is_up = pulses.voltage_v > 0.0
    sign = np.where(is_up, 1.0, -1.0)
    drive = np.maximum(np.abs(pulses.voltage_v) - base["gate.dead_zone"], 0.0)
    count = drive / (base["gate.amplitude"] - base["gate.dead_zone"]) * pulses.width_s / base["gate.width"]
    pairs = [
        float(np.diff(_state(rest.current_a[:2], rest.voltage_v, base))[0])
        for rest in observed.rests
        if rest.age_s[1] - rest.age_s[0] < _PAIR_S
    ]
    if len(pairs) >= _LEAST_PAIRS:
        variance = np.full(before.size, (_MAD_TO_SIGMA * float(np.median(np.abs(pairs)))) ** 2)
    else:
        # three decades of the 1/f noise in each of two readings
        relative = 2.0 * base["noise.spectral_density"] * np.log(1e3)
        variance = relative * (base["read.middle"] / base["read.half_range"] + before) ** 2
    moves = _Moves(pulses.cell, is_up, count, sign * before, sign * (after - before), variance)
    return moves.chosen(count > 0.0)


def _bounds(moves: _Moves) -> _Bounds:
    """Find where cells stood still although they were pulsed."""
    cells = int(moves.cell.max()) + 1
    found = np.full((2, cells), np.nan)
    inner = np.abs(moves.place) < np.quantile(np.abs(moves.place), 0.5)
    step = float(np.median(moves.move[inner] / moves.count[inner]))
    still = (np.abs(moves.move) < _STILL * step * moves.count) & (moves.place > 0.0)
    for row, side in enumerate((moves.is_up, ~moves.is_up)):
        for cell in range(cells):
            mask = still & side & (moves.cell == cell)
            own = moves.place[side & (moves.cell == cell)]
            # at the far end of what the cell ever reached, not where a weak pulse did little
            mask &= moves.place > own.max(initial=0.0) - step
            if mask.sum() >= _LEAST_STILL:
                found[row, cell] = float(np.median((moves.place + moves.move)[mask]))
    return _Bounds(found[0], found[1])


def _free_of_bounds(moves: _Moves, bounds: _Bounds, cycle_spread: float) -> Mask:
    """Return which pulses no bound can have stopped, judged by where they began."""
    inner = np.abs(moves.place) < np.quantile(np.abs(moves.place), 0.5)
    step = float(np.median(moves.move[inner] / moves.count[inner]))
    bound = np.where(moves.is_up, bounds.up[moves.cell], bounds.down[moves.cell])
    # a cell that did not stand still may have touched its bound: what it never left is left out as well
    farthest = np.full((2, bounds.up.size), -np.inf)
    np.maximum.at(farthest, (moves.is_up.astype(int), moves.cell), moves.place + moves.move)
    bound = np.where(np.isnan(bound), farthest[moves.is_up.astype(int), moves.cell], bound)
    reach = step * (moves.count + _CYCLE_REACH * cycle_spread * np.sqrt(moves.count))
    return np.asarray(moves.place + reach < bound)


def _fit(moves: _Moves, bounds: _Bounds, known: tuple[bool, ...], base: Preset) -> tuple[MixedFit, Mask, list[str]]:
    numbers, cell = np.unique(moves.cell, return_inverse=True)
    bound = np.where(moves.is_up, bounds.up[moves.cell], bounds.down[moves.cell])
    sign = np.where(moves.is_up, 1.0, -1.0)
    # a bound that was read moves with the place it is counted from, one of the base file does not
    is_read = np.where(moves.is_up, *known)
    start = np.array([np.log(base["update.step"]), base["update.gamma_up"], base["update.gamma_down"], 0.0])
    inner = np.abs(moves.place) < np.quantile(np.abs(moves.place), 0.5)
    start[0] = np.log(np.median(moves.move[inner] / moves.count[inner]))
    spreads = np.array(
        [
            *(base["spread.step"], base["spread.up_down"], base["spread.gamma"], base["spread.gamma"]),
            base["update.cycle_spread"],
        ]
    )
    warnings: list[str] = []
    few = numbers.size < _LEAST_CELLS
    if few:
        warnings.append(f"spread.step, spread.up_down: {numbers.size} cells, at least {_LEAST_CELLS} are needed")
    # the bend of a single cell is known too badly to tell how bends differ
    held = np.array([few, few, True, True, False])

    def law(theta: Array, effects: Array) -> Array:
        own = effects[cell]
        step = np.exp(theta[0]) * (1.0 + own[:, 0]) * (1.0 + sign * own[:, 1])
        gamma = np.where(moves.is_up, theta[1] * (1.0 + own[:, 2]), theta[2] * (1.0 + own[:, 3]))
        gamma = np.where(np.abs(gamma) < 1e-6, 1e-6, np.minimum(gamma, 0.99))
        away = sign * theta[3]
        ahead = bound - is_read * away
        shrink = np.minimum(gamma * step / ahead, 0.5)
        return np.asarray(-np.expm1(moves.count * np.log1p(-shrink)) * (ahead / gamma - (moves.place - away)))

    active = np.ones(start.size, dtype=bool)
    while True:

        def linear(values: Array, effects: Array) -> Linearised:
            theta = start.copy()
            theta[active] = values
            predicted = law(theta, effects)
            by_theta = [(law(theta + move, effects) - predicted) / _MOVE for move in _MOVE * np.eye(start.size)]
            by_effect = [(law(theta, effects + move) - predicted) / _MOVE for move in _MOVE * np.eye(4)]
            scale = np.abs(predicted) / np.sqrt(moves.count)
            slopes = np.column_stack(by_theta)[:, active]
            return Linearised(predicted, slopes, np.column_stack(by_effect), scale, moves.variance)

        found = fit_mixed(moves.move, cell, linear, theta=start[active], spreads=spreads, held=held)
        errors = np.zeros(start.size)
        errors[active] = np.sqrt(np.diag(found.covariance))
        worst = int(np.argmax(errors / _TOLD))
        if errors[worst] <= _TOLD[worst] or active.sum() == 1:
            return found, active, warnings
        warnings.append(
            f"{_THETA[worst]}: the runs do not tell it (standard error {errors[worst]:.2g}); it stays as in the base"
            " file; give longer branches"
        )
        active[worst] = False
        start[worst] = (np.log(base[_THETA[0]]), base[_THETA[1]], base[_THETA[2]], 0.0)[worst]


def _update_parameters(
    mixed: MixedFit, active: Mask, used: int, cells: int, known: dict[str, bool], base: Preset
) -> list[FittedParameter]:
    found = []
    names = [name for name, is_active in zip(_THETA, active, strict=True) if is_active]
    meanings = {_THETA[0]: "nominal step at w = 0", _THETA[1]: "bend upwards", _THETA[2]: "bend downwards"}
    for name, *ends in zip(names, mixed.theta, mixed.theta_low, mixed.theta_high, strict=True):
        value, low, high = (float(end) for end in (np.exp(ends) if name == _THETA[0] else ends))
        if name == _THETA[3]:
            value, low, high = (base["read.middle"] + base["read.half_range"] * end for end in (value, low, high))
            estimate = Estimate(value, low, high, "S", used)
            found.append(FittedParameter(name, estimate, "where steps up and down are equal", {name: (value,)}))
            continue
        if known.get(name, True):
            found.append(FittedParameter(name, Estimate(value, low, high, "1", used), meanings[name], {name: (value,)}))
            continue
        bound = abs(base[_BOUND_OF[name]])
        ratio = Estimate(value / bound, low / bound, high / bound, "1", used)
        found.append(FittedParameter(f"{name}_over_bound", ratio, f"{meanings[name]} over bound", {name: (value,)}))
    for place, key, meaning, count in (
        (0, "spread.step", "D2D of the step, relative", cells),
        (1, "spread.up_down", "D2D of up against down", cells),
        (4, "update.cycle_spread", "C2C of a nominal step, relative", used),
    ):
        if np.isfinite(mixed.spreads_high[place]):
            ends_of = (float(mixed.spreads_low[place]), float(mixed.spreads_high[place]))
            estimate = Estimate(float(mixed.spreads[place]), *ends_of, "1", count)
            found.append(FittedParameter(key, estimate, meaning, {key: (estimate.value,)}))
    return found


def _bound_parameters(bounds: _Bounds, middle: float, middle_reach: float) -> list[FittedParameter]:
    """Count the bounds from the symmetry point, whose own interval adds to theirs."""
    from scipy.stats import chi2, t

    found, squares, freedom = [], 0.0, 0
    for key, sign, values in (("update.w_max", 1.0, bounds.up), ("update.w_min", -1.0, bounds.down)):
        values = values[np.isfinite(values)] - sign * middle
        if values.size < _LEAST_CELLS:
            continue
        mean = float(values.mean())
        reach = float(t.ppf(0.5 + 0.5 * _LEVEL, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size))
        reach = float(np.hypot(reach, middle_reach))
        ends = sorted((sign * (mean - reach), sign * (mean + reach)))
        estimate = Estimate(sign * mean, ends[0], ends[1], "1", int(values.size))
        found.append(FittedParameter(key, estimate, "bound, mean of the cells", {key: (estimate.value,)}))
        squares += float(np.sum((values / mean - 1.0) ** 2))
        freedom += values.size - 1
    if freedom:
        low, high = (np.sqrt(squares / chi2.ppf(0.5 + s * 0.5 * _LEVEL, freedom)) for s in (1.0, -1.0))
        estimate = Estimate(float(np.sqrt(squares / freedom)), float(low), float(high), "1", freedom)
        meaning = "D2D of the bounds, relative"
        found.append(FittedParameter("spread.bounds", estimate, meaning, {"spread.bounds": (estimate.value,)}))
    return found


def _rest_time(observed: Observations, base: Preset) -> tuple[FittedParameter | None, tuple[str, ...]]:
    """Fit the time of the rest, with stretch and convergence of the base file."""
    from scipy.optimize import minimize_scalar
    from scipy.stats import t

    convergence, stretch = base["retention.convergence"], base["retention.stretch"]
    rests = []
    for rest in observed.rests:
        away = _state(rest.current_a, rest.voltage_v, base) - convergence
        if rest.age_s.size > 2 and rest.age_s[-1] > 10.0**_LEAST_REST_DECADES * max(rest.age_s[0], 1e-3):
            rests.append((rest.age_s, away))
    if not rests:
        return None, ("retention.time: no rest of a decade of time or more; run retention",)

    def misfits(log_time: float) -> Array:
        parts = []
        for age, away in rests:
            shape = np.exp(-((age / np.exp(log_time)) ** stretch))
            parts.append(away - shape * (away @ shape) / (shape @ shape))
        return np.concatenate(parts)

    low, high = np.log(base.valid_range("retention.time"))
    found = minimize_scalar(lambda value: float(np.sum(misfits(value) ** 2)), bounds=(low, high), method="bounded")
    best = float(found.x)
    slope = (misfits(best + _MOVE) - misfits(best - _MOVE)) / (2.0 * _MOVE)
    residual = misfits(best)
    freedom = residual.size - len(rests) - 1
    error = float(np.sqrt(residual @ residual / max(freedom, 1)) / max(float(np.linalg.norm(slope)), 1e-150))
    if freedom < 1 or error > _REST_TOLD:
        return None, (
            f"retention.time: the rests do not tell it (standard error {error:.2g} in ln); run retention longer",
        )
    reach = float(t.ppf(0.5 + 0.5 * _LEVEL, freedom)) * error
    ends = np.exp([best, best - reach, best + reach])
    estimate = Estimate(float(ends[0]), float(ends[1]), float(ends[2]), "s", int(residual.size))
    return FittedParameter("retention.time", estimate, "rest", {"retention.time": (estimate.value,)}), ()
