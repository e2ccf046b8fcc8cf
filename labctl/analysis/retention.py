"""Retention: two laws of G(t), the better one by AICc, ten years ahead, and the activation energy.

A straight line in log time (the integral signature of a broad distribution of relaxation times) and a stretched
exponential compete by Akaike's criterion for few points (N. Sugiura, Commun. Stat. A 7 (1978) 13). An extrapolation
always says how many decades it goes beyond the data. Not here: how the variance of many cells grows
(:mod:`labctl.analysis.relaxation`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import Estimate, require
from labctl.analysis.straight_lines import StraightLine, fit_line, student_quantile

__all__ = [
    "TEN_YEARS_S",
    "Activation",
    "LogTimeLaw",
    "RetentionFit",
    "StretchedLaw",
    "activation_energy",
    "fit_retention",
    "time_to_change",
]

TEN_YEARS_S = 10.0 * 365.25 * 86400.0
_LEAST = 8
_LEAST_DECADES = 2.0
_BOLTZMANN_EV_PER_K = 8.617333262e-5


@dataclass(frozen=True, slots=True)
class LogTimeLaw:
    """G(t) = at_one_second + per_decade log10(t / s).

    Attributes
    ----------
    at_one_second : Estimate, unit S
    per_decade : Estimate, unit S
    aicc : float, unit 1
    """

    at_one_second: Estimate
    per_decade: Estimate
    aicc: float


@dataclass(frozen=True, slots=True)
class StretchedLaw:
    """G(t) = initial exp(-(t / time)^exponent).

    Attributes
    ----------
    initial : Estimate, unit S
    time : Estimate, unit s
    exponent : Estimate, unit 1
    aicc : float, unit 1
    """

    initial: Estimate
    time: Estimate
    exponent: Estimate
    aicc: float


@dataclass(frozen=True, slots=True)
class RetentionFit:
    """Both laws, and where the better one goes.

    Attributes
    ----------
    log_time : LogTimeLaw
    stretched : StretchedLaw or None
        None where the conductance does not decay that way, or its three numbers cannot be told apart.
    chosen : str
        "log time" or "stretched exponential".
    extrapolated : Estimate, unit S
        One reading at the time asked for, with its 95 % prediction interval, if the chosen law goes on to hold.
    decades_beyond : float, unit 1
        Of time, from the last point to the time asked for; negative inside the data.
    statement : str
        The same in words, for a report.
    """

    log_time: LogTimeLaw
    stretched: StretchedLaw | None
    chosen: str
    extrapolated: Estimate
    decades_beyond: float
    statement: str


@dataclass(frozen=True, slots=True)
class Activation:
    """ln(time) = constant + energy / (k T).

    Attributes
    ----------
    energy : Estimate, unit eV
    time_at_use : Estimate, unit s
        At the temperature of use, with the interval of the line.
    kelvin_beyond : float, unit K
        From the nearest measured temperature to that of use; 0 inside the data.
    statement : str
    """

    energy: Estimate
    time_at_use: Estimate
    kelvin_beyond: float
    statement: str


def fit_retention(time_s: ArrayLike, conductance_s: ArrayLike, *, until_s: float = TEN_YEARS_S) -> RetentionFit:
    """Fit one cell (or a mean over cells) over time and extrapolate.

    Parameters
    ----------
    time_s : array_like, shape (n,), unit s
        Since the end of programming; positive.
    conductance_s : array_like, shape (n,), unit S
        NaN is left out.
    until_s : float, unit s
        Where to extrapolate to; ten years of 365.25 days by default.

    Returns
    -------
    RetentionFit

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 points.
    ValueError
        If shapes differ, a time is not positive, or the points span fewer than 2 decades of time.
    """
    times, values = np.asarray(time_s, dtype=float).ravel(), np.asarray(conductance_s, dtype=float).ravel()
    if times.shape != values.shape:
        raise ValueError(f"retention: each conductance needs its time, got {values.size} and {times.size}")
    seen = ~(np.isnan(values) | np.isnan(times))
    times, values = times[seen], values[seen]
    require("retention", times.size, _LEAST)
    if not (times.min() > 0.0 and until_s > 0.0):
        raise ValueError(
            f"retention: times count from the end of programming and must be positive, got {times.min()!r} s"
            f" and an end of {until_s!r} s"
        )
    span = float(np.log10(times.max() / times.min()))
    if span < _LEAST_DECADES:
        raise ValueError(
            f"retention: needs at least {_LEAST_DECADES:.0f} decades of time, got {span:.2g}"
            f" ({times.min():.3g} s to {times.max():.3g} s); read until {times.min() * 10.0**_LEAST_DECADES:.3g} s"
        )
    line = fit_line(np.log10(times), values, "retention")
    log_time = LogTimeLaw(
        line.at(0.0, "S"), line.slope_estimate("S"), _aicc(line.sigma**2 * (times.size - 2), times.size, 3)
    )
    extrapolated, chosen = line.predict(float(np.log10(until_s)), "S"), "log time"
    stretched, ahead = _stretched(times, values, until_s)
    if stretched is not None and ahead is not None and stretched.aicc < log_time.aicc:
        extrapolated, chosen = ahead, "stretched exponential"
    beyond = float(np.log10(until_s / times.max()))
    return RetentionFit(
        log_time, stretched, chosen, extrapolated, beyond, _statement(chosen, extrapolated, until_s, beyond)
    )


def time_to_change(fit: RetentionFit, part: float, *, first_s: float) -> float:
    """Return when the chosen law has changed by a part of what it was at the first reading.

    Parameters
    ----------
    fit : RetentionFit
    part : float, unit 1
        Between 0 and 1; up or down.
    first_s : float, unit s
        Age at the first reading.

    Returns
    -------
    float, unit s
        Since the end of programming; inf where that never comes, or after 1e300 first times.

    Raises
    ------
    ValueError
        If the part is not between 0 and 1, the time is not positive, or the law is not positive at the first reading.
    """
    if not (0.0 < part < 1.0 and first_s > 0.0):
        raise ValueError(f"retention: needs 0 < part < 1 and a positive time, got {part!r} and {first_s!r} s")
    if fit.chosen == "stretched exponential" and fit.stretched is not None:
        time, exponent = fit.stretched.time.value, fit.stretched.exponent.value
        return float(time * ((first_s / time) ** exponent - np.log1p(-part)) ** (1.0 / exponent))
    slope = fit.log_time.per_decade.value
    start = fit.log_time.at_one_second.value + slope * float(np.log10(first_s))
    if not start > 0.0:
        raise ValueError(f"retention: a change needs a conductance to begin with, the law begins at {start:.3g} S")
    decades = part * start / abs(slope) if slope else np.inf
    return float(first_s * 10.0**decades) if decades < 300.0 else np.inf


def activation_energy(temperature_k: ArrayLike, time_s: ArrayLike, *, use_k: float = 358.15) -> Activation:
    """Fit Arrhenius' law to times measured at several temperatures.

    Parameters
    ----------
    temperature_k : array_like, shape (n,), unit K
    time_s : array_like, shape (n,), unit s
        Such as the time to a stated loss, or the time of a stretched exponential; NaN is left out.
    use_k : float, unit K
        Temperature of use; 85 degrees Celsius by default.

    Returns
    -------
    Activation

    Raises
    ------
    TooFewPoints
        If there are fewer than 3 temperatures.
    ValueError
        If shapes differ, or a temperature or time is not positive.
    """
    kelvin, times = np.asarray(temperature_k, dtype=float).ravel(), np.asarray(time_s, dtype=float).ravel()
    if kelvin.shape != times.shape:
        raise ValueError(f"Arrhenius: each time needs its temperature, got {times.size} and {kelvin.size}")
    seen = ~(np.isnan(kelvin) | np.isnan(times))
    kelvin, times = kelvin[seen], times[seen]
    require("Arrhenius, different temperatures", np.unique(kelvin).size, 3)
    if not (kelvin.min() > 0.0 and times.min() > 0.0 and use_k > 0.0):
        raise ValueError("Arrhenius: temperatures (K) and times (s) must be positive")
    line = fit_line(1.0 / (_BOLTZMANN_EV_PER_K * kelvin), np.log(times), "Arrhenius")
    logarithm = line.at(1.0 / (_BOLTZMANN_EV_PER_K * use_k), "1")
    beyond = float(max(0.0, kelvin.min() - use_k, use_k - kelvin.max()))
    value, low, high = (float(np.exp(min(end, 700.0))) for end in (logarithm.value, logarithm.low, logarithm.high))
    at_use = Estimate(value, low, high, "s", line.points)
    where = f"{beyond:.0f} K beyond the data" if beyond else "inside the data"
    return Activation(
        line.slope_estimate("eV"),
        at_use,
        beyond,
        f"{at_use.value:.3g} s ({at_use.low:.3g} to {at_use.high:.3g} s, 95 %) at {use_k:.0f} K, {where},"
        " if one mechanism with one activation energy holds there",
    )


def _aicc(squares: float, count: int, parameters: int) -> float:
    """Return Akaike's criterion for few points; ``parameters`` includes the noise."""
    tiny = np.finfo(float).tiny
    return float(
        count * np.log(max(squares, tiny) / count)
        + 2.0 * parameters
        + 2.0 * parameters * (parameters + 1) / (count - parameters - 1)
    )


def _stretched(
    times: NDArray[np.float64], values: NDArray[np.float64], until_s: float
) -> tuple[StretchedLaw | None, Estimate | None]:
    """Fit G0 exp(-exp(b (ln t - ln tau))) by least squares in ln G0, ln tau, ln b; None where that fails."""
    from scipy.optimize import least_squares

    scale = float(np.median(np.abs(values)))
    logs = np.log(times)
    line: StraightLine = fit_line(logs, values, "retention")
    if scale == 0.0 or line.slope >= 0.0 or values.max() <= 0.0:
        return None, None

    def misfit(three: NDArray[np.float64]) -> NDArray[np.float64]:
        stretch = np.exp(np.clip(np.exp(three[2]) * (logs - three[1]), -700.0, 50.0))
        return np.asarray(np.exp(three[0] - stretch) - values / scale)

    def slopes(three: NDArray[np.float64]) -> NDArray[np.float64]:
        exponent = np.exp(three[2])
        stretch = np.exp(np.clip(exponent * (logs - three[1]), -700.0, 50.0))
        level = np.exp(three[0] - stretch)
        return np.stack([level, level * stretch * exponent, -level * stretch * exponent * (logs - three[1])], axis=1)

    # the line loses a unit of its own height per 1 / (relative slope) of ln t
    distance = float(np.clip(scale / -line.slope, 1.0, 30.0))
    starts = [(np.log(max(values.max(), scale) / scale), logs.mean() + 0.5 * distance, np.log(b)) for b in (0.2, 0.6)]
    bounds = ([-5.0, logs[0] - 60.0, np.log(0.005)], [5.0, logs.max() + 500.0, np.log(3.0)])
    tried = [
        least_squares(misfit, np.clip(start, *bounds), jac=slopes, bounds=bounds, x_scale=[0.1, 1.0, 0.3], max_nfev=40)
        for start in starts
    ]
    found = min(tried, key=lambda item: float(item.cost))
    free = times.size - 3
    jacobian = np.asarray(found.jac, dtype=float)
    curvature = jacobian.T @ jacobian
    if found.active_mask.any() or np.linalg.cond(curvature) > 1e14:
        return None, None
    variance = 2.0 * float(found.cost) / free
    covariance = np.linalg.inv(curvature) * variance
    quantile = student_quantile(free)
    reach = quantile * np.sqrt(np.diag(covariance))
    # 30 in the logarithm is a factor of 1e13: such an end says that nothing is known, without an overflow
    ends = np.exp(np.clip(np.stack([found.x, found.x - reach, found.x + reach]), found.x - 30.0, found.x + 30.0))
    ends[:, 0] *= scale
    initial, time, exponent_found = (
        Estimate(float(ends[0, place]), float(ends[1, place]), float(ends[2, place]), unit, int(times.size))
        for place, unit in enumerate(("S", "s", "1"))
    )
    law = StretchedLaw(initial, time, exponent_found, _aicc(2.0 * float(found.cost) * scale**2, times.size, 4))
    # the exponent of the exponential is a straight line in ln t, so its logarithm is nearly Gaussian; G itself is not
    exponent = float(np.exp(found.x[2]))
    stretch = exponent * (np.log(until_s) - float(found.x[1]))
    gradient = np.array([0.0, -exponent, stretch])
    spread = quantile * float(np.sqrt(gradient @ covariance @ gradient))
    middle, high, low = (
        scale * float(np.exp(found.x[0] - np.exp(min(place, 50.0))))
        for place in (stretch, stretch - spread, stretch + spread)
    )
    noise = scale * quantile * float(np.sqrt(variance))
    top = float(reach[0])
    low_end = middle - np.hypot(middle - low, np.hypot(noise, middle * top))
    high_end = middle + np.hypot(high - middle, np.hypot(noise, middle * top))
    return law, Estimate(middle, float(low_end), float(high_end), "S", int(times.size))


def _statement(chosen: str, at_end: Estimate, until_s: float, beyond: float) -> str:
    where = f"{beyond:.1f} decades of time beyond the last point" if beyond > 0.0 else "inside the data"
    years = until_s / (TEN_YEARS_S / 10.0)
    when = f"{years:.3g} years" if years >= 1.0 else f"{until_s:.3g} s"
    text = (
        f"{at_end.value:.3g} S ({at_end.low:.3g} to {at_end.high:.3g} S, 95 % prediction) after {when}, {where},"
        f" if the law ({chosen}) goes on to hold"
    )
    return text + ("; it reaches 0 S before, so the state is lost" if at_end.value <= 0.0 else "")
