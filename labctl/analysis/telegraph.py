"""Random telegraph noise: how many traps (0, 1 or 2), how large, how fast; or the honest answer that there is none.

Three explanations compete by Bayes' information criterion on the same samples: Gaussian noise without levels (an
autoregressive process of up to 32 terms, which holds white noise, 1/f noise and slow drift), one trap (two levels) and
two independent traps (up to four levels); a trap whose noise is not white is taken where its most probable path and an
autoregressive rest beat the first. Here the convention is that capture lowers the current: tau_c is the mean
time in the high level, tau_e that in the low one. Not here: the hidden Markov model
(:mod:`labctl.analysis.hidden_markov`), spectra (:mod:`labctl.analysis.spectra`).
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.hidden_markov import TrapModel, improve, log_likelihood, smooth
from labctl.analysis.intervals import Estimate
from labctl.analysis.spectra import require_unbroken

__all__ = ["TelegraphNoise", "Trap", "telegraph_noise"]

FloatArray = NDArray[np.float64]

_LEAST_SAMPLES = 500
_LEAST_DWELLS = 10.0
_ORDERS = (0, 1, 2, 4, 8, 16, 32)
_STEPS, _GLANCE, _FIRST_STEPS = 200, 40, 15
# expectation-maximisation ends when a step gains less than this in ln L
_GAIN = 1e-4
_REACH = 1.959963984540054
# up + down beyond which successive samples hardly know of each other: the times cannot be told from the interval
_FASTEST = 0.9


@dataclass(frozen=True, slots=True)
class Trap:
    """One trap, intervals at 95 %.

    Attributes
    ----------
    capture_s : Estimate, unit s
        tau_c, mean time in the high level.
    emission_s : Estimate, unit s
        tau_e, mean time in the low level.
    amplitude : Estimate, unit 1
        dI/I: the step over the magnitude of the current with all traps empty.
    step_a : float, unit A
        The step, dI.
    """

    capture_s: Estimate
    emission_s: Estimate
    amplitude: Estimate
    step_a: float


@dataclass(frozen=True, slots=True)
class TelegraphNoise:
    """The answer for one trace.

    Attributes
    ----------
    traps : tuple of Trap
        Largest step first; empty: no random telegraph noise that could be told.
    levels_a : tuple of float, unit A
        Levels of the current, ascending; only the mean where there is no trap.
    noise_a : float, unit A
        Standard deviation about the levels.
    coloured : bool
        The noise about the two levels is not white (such as 1/f noise); the intervals do not know of it.
    criterion : tuple of float or None, unit 1
        Bayes' information criterion (lower is better) of 0, 1 and 2 traps in white noise (0: in any Gaussian noise);
        None where what one trap leaves gave no reason to look for a second.
    reason : str
        Why there is no trap; empty where there is one.
    """

    traps: tuple[Trap, ...]
    levels_a: tuple[float, ...]
    noise_a: float
    coloured: bool
    criterion: tuple[float, float, float | None]
    reason: str


def telegraph_noise(current_a: ArrayLike, interval_s: float) -> TelegraphNoise:
    """Look for random telegraph noise in a trace at constant voltage.

    Each hidden Markov model is fitted by maximum likelihood. With p the probability of a transition within the
    interval, 1 - p_up - p_down = exp(-interval (1/tau_c + 1/tau_e)) gives the times without the bias of missed
    transitions. Intervals come from the curvature of the exact likelihood, in the logarithm of the times.

    Parameters
    ----------
    current_a : array_like, shape (n,), unit A
        Equally spaced, not averaged over more than the interval.
    interval_s : float, unit s

    Returns
    -------
    TelegraphNoise

    Raises
    ------
    TooFewPoints
        If there are fewer than 500 samples.
    ValueError
        If a sample is missing, the current never changes, or the interval is not positive.
    """
    if not interval_s > 0.0:
        raise ValueError(f"telegraph noise: the interval must be positive, got {interval_s!r} s")
    current = require_unbroken(current_a, "telegraph noise", _LEAST_SAMPLES)
    mean, spread = float(current.mean()), float(current.std())
    # the fit works on numbers of order 1
    trace = (current - mean) / spread
    one = _one_trap(trace)
    null, criterion = _without_levels(trace), _criterion(trace, one)
    rest, path = _without_trap(trace, one)
    rest_null = _without_levels(rest)
    # what one trap leaves must look like a trap rather than like noise before a second one is fitted
    two = _two_traps(trace, one) if _criterion(rest, _one_trap(rest, _GLANCE)) < rest_null else None
    criterion_two = None if two is None else _criterion(trace, two)
    levels = (null, criterion, criterion_two)
    # the same trap about which the noise is not white: the likelihood of one path of states is a lower bound
    coloured = criterion >= null
    reasons = ["Gaussian noise without levels explains the trace better"]
    found = [(rest_null + path if coloured else criterion, one)]
    if two is not None and criterion_two is not None:
        found.append((criterion_two, two))
    for value, model in sorted(found, key=lambda pair: pair[0]):
        if value >= null:
            break
        reason = _not_to_be_told(trace.size, model)
        if not reason:
            return TelegraphNoise(
                _traps(trace, model, interval_s, mean, spread),
                tuple(float(level) for level in np.sort(mean + spread * model.levels_a)),
                spread * model.noise_a,
                coloured and model is one,
                levels,
                "",
            )
        reasons.insert(0, reason)
    return TelegraphNoise((), (mean,), spread, False, levels, reasons[0])


def _without_levels(trace: FloatArray) -> float:
    """Return the least criterion of autoregressive processes, each given the first samples."""
    after = max(_ORDERS)
    target, count = trace[after:], trace.size - after
    found = []
    for order in _ORDERS:
        terms = [trace[after - lag : trace.size - lag] for lag in range(1, order + 1)]
        design = np.stack([np.ones(count), *terms], axis=1)
        # normal equations: the residual is all that counts
        solution = np.linalg.lstsq(design.T @ design, design.T @ target, rcond=None)[0]
        variance = float(((target - design @ solution) ** 2).mean())
        found.append((order + 2) * np.log(count) + count * (np.log(2.0 * np.pi * variance) + 1.0))
    return float(min(found))


def _criterion(trace: FloatArray, model: TrapModel) -> float:
    after = max(_ORDERS)
    parameters = 2 + 3 * model.steps_a.size
    return parameters * float(np.log(trace.size - after)) - 2.0 * log_likelihood(trace, model, after=after)


def _split(values: FloatArray) -> tuple[float, float, float]:
    """Return the means of two clusters and the noise within (the threshold with the least variance)."""
    ordered = np.sort(values)
    count = np.arange(1, ordered.size)
    total = np.cumsum(ordered)
    below, above = total[:-1] / count, (total[-1] - total[:-1]) / (ordered.size - count)
    between = count * (ordered.size - count) * (above - below) ** 2
    place = int(np.argmax(between))
    low, high = float(below[place]), float(above[place])
    threshold = 0.5 * (low + high)
    noise = float(np.sqrt(((values - np.where(values > threshold, high, low)) ** 2).mean()))
    return low, high, noise


def _rates(high: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the shares of low samples that go up and of high ones that go down, never 0 or more than a half."""
    rises, falls = (high[1:] & ~high[:-1]).sum(), (~high[1:] & high[:-1]).sum()
    return (
        float(min(0.5, (rises + 0.5) / ((~high).sum() + 1.0))),
        float(min(0.5, (falls + 0.5) / (high.sum() + 1.0))),
    )


def _climb(trace: FloatArray, model: TrapModel, steps: int) -> TrapModel:
    """Improve until a step gains next to nothing."""
    reached = -np.inf
    for _ in range(steps):
        better, before = improve(trace, model)
        if before - reached < _GAIN:
            break
        model, reached = better, before
    return model


def _one_trap(trace: FloatArray, steps: int = _STEPS) -> TrapModel:
    low, high, noise = _split(trace)
    up, down = _rates(trace > 0.5 * (low + high))
    start = TrapModel(low, np.array([high - low]), noise, np.array([up]), np.array([down]))
    return _climb(trace, start, steps)


def _two_traps(trace: FloatArray, one: TrapModel) -> TrapModel:
    """Start from the one trap plus a split of what it leaves, and from equal and unequal splits of both clusters."""
    step = float(one.steps_a[0])
    high = trace > one.base_a + 0.5 * step
    rest = trace - np.where(high, one.base_a + step, one.base_a)
    low_rest, high_rest, noise = _split(rest)
    up, down = _rates(rest > 0.5 * (low_rest + high_rest))
    second = high_rest - low_rest
    starts = [
        TrapModel(
            one.base_a + low_rest,
            np.array([step, second]),
            noise,
            np.array([one.up[0], up]),
            np.array([one.down[0], down]),
        ),
        # two equal traps look like three levels: the clusters then lie two thirds of the whole range apart
        TrapModel(
            float(np.quantile(trace, 0.02)),
            np.array([0.6, 0.4]) * float(np.quantile(trace, 0.98) - np.quantile(trace, 0.02)),
            noise,
            np.array([one.up[0], one.up[0]]),
            np.array([one.down[0], one.down[0]]),
        ),
    ]
    tried = [_climb(trace, start, _FIRST_STEPS) for start in starts]
    return _climb(trace, max(tried, key=lambda model: log_likelihood(trace, model)), _STEPS)


def _without_trap(trace: FloatArray, model: TrapModel) -> tuple[FloatArray, float]:
    """Return the trace less the steps of one trap, and what their path costs in Bayes' criterion."""
    empty = (smooth(trace, model)[0][:, 1] > 0.5).astype(int)
    path = float(np.log(model.transition[empty[:-1], empty[1:]]).sum())
    # three more parameters than noise alone
    return trace - empty * model.steps_a[0], 3.0 * float(np.log(trace.size - max(_ORDERS))) - 2.0 * path


def _not_to_be_told(samples: int, model: TrapModel) -> str:
    """Say why the levels of a model are no statement; nothing where they are."""
    stays = model.stationary
    for trap in range(model.steps_a.size):
        empty = float(stays[model.states[:, trap] > 0.5].sum())
        dwells = samples * empty * float(model.down[trap])
        if model.up[trap] + model.down[trap] > _FASTEST:
            return "levels found, but switching is as fast as the sampling; sample faster"
        if dwells < _LEAST_DWELLS:
            return f"levels found, but about {dwells:.0f} dwells in each, of {_LEAST_DWELLS:.0f} needed; measure longer"
    return ""


def _pack(model: TrapModel, interval: float) -> FloatArray:
    together = model.up + model.down
    rate = -np.log1p(-together) / interval
    return np.concatenate(
        [
            [model.base_a, np.log(model.noise_a)],
            model.steps_a,
            np.log(rate * model.down / together),
            np.log(rate * model.up / together),
        ]
    )


def _unpack(values: FloatArray, interval: float) -> TrapModel:
    steps, capture, emission = np.split(values[2:], 3)
    rate = np.exp(capture) + np.exp(emission)
    together = -np.expm1(-rate * interval)
    return TrapModel(
        float(values[0]),
        steps,
        float(np.exp(values[1])),
        together * np.exp(emission) / rate,
        together * np.exp(capture) / rate,
    )


def _covariance(trace: FloatArray, values: FloatArray) -> FloatArray:
    """Invert the curvature of the exact log likelihood, by central differences about a third of an error wide."""

    def at(place: FloatArray) -> float:
        return log_likelihood(trace, _unpack(place, 1.0))

    size, best = values.size, at(values)
    width, sums = np.full(size, 1e-3), np.empty(size)
    for number in range(size):
        # widen until the likelihood falls by more than rounding, about 0.05
        for attempt in range(5):
            step = np.zeros(size)
            step[number] = width[number]
            sums[number] = at(values + step) + at(values - step)
            fall = best - 0.5 * sums[number]
            if attempt == 4 or 0.02 < fall < 0.2:
                break
            width[number] *= float(np.clip(np.sqrt(0.05 / max(fall, 1e-6)), 0.01, 100.0))
    curvature = np.diag((sums - 2.0 * best) / width**2)
    for one, other in combinations(range(size), 2):
        step = np.zeros(size)
        step[one], step[other] = width[one], width[other]
        change = at(values + step) + at(values - step) - sums[one] - sums[other] + 2.0 * best
        curvature[one, other] = curvature[other, one] = change / (2.0 * width[one] * width[other])
    return np.asarray(np.linalg.inv(-curvature), dtype=float)


def _traps(trace: FloatArray, model: TrapModel, interval_s: float, mean: float, spread: float) -> tuple[Trap, ...]:
    values = _pack(model, 1.0)
    errors = _covariance(trace, values)
    count = model.steps_a.size
    top = mean + spread * (values[0] + values[2 : 2 + count].sum())
    found = []
    for trap in range(count):
        step = spread * float(values[2 + trap])
        # dI/I = step / (base + all steps), by the delta method; base and steps in units of the spread
        slope = np.zeros(values.size)
        slope[0] = -step * spread / top**2
        slope[2 : 2 + count] = -step * spread / top**2
        slope[2 + trap] += spread / top
        amplitude, error = float(abs(step / top)), float(np.sqrt(slope @ errors @ slope))
        times = []
        for place in (2 + count + trap, 2 + 2 * count + trap):
            reach = _REACH * np.sqrt(errors[place, place])
            low, middle, high = (interval_s * float(np.exp(-values[place] + side * reach)) for side in (-1, 0, 1))
            times.append(Estimate(middle, low, high, "s", trace.size))
        bounds = amplitude - _REACH * error, amplitude + _REACH * error
        found.append(Trap(times[0], times[1], Estimate(amplitude, *bounds, "1", trace.size), step))
    return tuple(sorted(found, key=lambda trap: -abs(trap.step_a)))
