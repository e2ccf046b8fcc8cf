"""Noise spectra of a current held at one voltage: density by Welch's method, slope, floor.

Formulas: P. D. Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70 (density and its variance with overlapping
windows). A thermal floor is 4 k T G, shot noise 2 q I. Not here: random telegraph noise in time
(:mod:`labctl.analysis.telegraph`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import Estimate, require

__all__ = ["NoiseSlope", "NoiseSpectrum", "noise_slope", "noise_spectrum", "require_unbroken"]

_LEAST_SAMPLES = 256
_LEAST_BINS = 8
_BINS_PER_DECADE = 10
_RESAMPLES = 2000
_LEVEL = 0.95
# of a likelihood ratio with one more parameter: 0.1 %
_SIGNIFICANT = 10.83
# the window and the removed mean bend the first ordinates; the aliases of what lies beyond bend the last octave
_FIRST_ORDINATE = 3
_TOP_OF_NYQUIST = 0.5
# correlation of neighbouring ordinates under a Hann window, and of half overlapping segments (squares of 2/3, 1/6, 1/6)
_NEXT, _SECOND, _OVERLAP = 4.0 / 9.0, 1.0 / 36.0, 1.0 / 36.0


@dataclass(frozen=True, slots=True)
class NoiseSpectrum:
    """One-sided power spectral density of a current.

    Attributes
    ----------
    frequency_hz : ndarray, shape (n,), unit Hz
        Ascending, without 0.
    density_a2_per_hz : ndarray, shape (n,), unit A^2/Hz
    averages : float, unit 1
        Independent segments that would give the same variance.
    """

    frequency_hz: NDArray[np.float64]
    density_a2_per_hz: NDArray[np.float64]
    averages: float


@dataclass(frozen=True, slots=True)
class NoiseSlope:
    """S(f) = density at 1 Hz x f^slope, above a white floor.

    Attributes
    ----------
    slope : Estimate, unit 1
        Of log S over log f; -1 for 1/f noise.
    density_at_1_hz_a2_per_hz : float, unit A^2/Hz
        Of the power law, extrapolated where 1 Hz lies outside the range.
    lowest_hz, highest_hz : float, unit Hz
        Range that was used.
    decades : float, unit 1
        log10(highest / lowest).
    floor_a2_per_hz : float or None, unit A^2/Hz
        White floor, which has no part in the slope; None where the data show none.
    """

    slope: Estimate
    density_at_1_hz_a2_per_hz: float
    lowest_hz: float
    highest_hz: float
    decades: float
    floor_a2_per_hz: float | None


def require_unbroken(current_a: ArrayLike, what: str, least: int) -> NDArray[np.float64]:
    """Return equally spaced samples as an array, or refuse them.

    Parameters
    ----------
    current_a : array_like, shape (n,), unit A
    what : str
        What is to be analysed, for messages.
    least : int
        Samples it needs.

    Returns
    -------
    ndarray, shape (n,), unit A

    Raises
    ------
    TooFewPoints
        If there are fewer samples.
    ValueError
        If a sample is missing or the current never changes.
    """
    current = np.asarray(current_a, dtype=float).ravel()
    require(what, current.size, least)
    missing = int((~np.isfinite(current)).sum())
    if missing:
        raise ValueError(
            f"{what}: {missing} of {current.size} samples are no number, and a gap breaks the equal spacing;"
            " give the longest stretch without one"
        )
    if np.ptp(current) == 0.0:
        raise ValueError(
            f"{what}: all {current.size} samples are {current[0]:.4g} A, below the resolution of the meter"
        )
    return current


def noise_spectrum(current_a: ArrayLike, interval_s: float, *, segments: int = 4) -> NoiseSpectrum:
    """Return the power spectral density by Welch's method (Hann window, half overlap, mean of each segment removed).

    Parameters
    ----------
    current_a : array_like, shape (n,), unit A
        Equally spaced.
    interval_s : float, unit s
        Between samples.
    segments : int
        Lengths of a segment that fit into the trace; more make the density smoother and cost low frequencies.

    Returns
    -------
    NoiseSpectrum

    Raises
    ------
    TooFewPoints
        If there are fewer than 256 samples in a segment.
    ValueError
        If a sample is missing, the current never changes, the interval is not positive or there is no segment.
    """
    from scipy.signal import welch

    if segments < 1 or not interval_s > 0.0:
        raise ValueError(
            f"a noise spectrum: at least 1 segment and an interval > 0 s must hold, got {segments} and {interval_s!r} s"
        )
    current = require_unbroken(current_a, f"a noise spectrum of {segments} segments", _LEAST_SAMPLES * segments)
    length = current.size // segments
    frequency, density = welch(current, 1.0 / interval_s, "hann", length, detrend="constant")
    count = 2 * segments - 1
    averages = count / (1.0 + 2.0 * _OVERLAP * (count - 1) / count)
    return NoiseSpectrum(np.asarray(frequency)[1:], np.asarray(density, dtype=float)[1:], averages)


def noise_slope(
    spectrum: NoiseSpectrum, *, lowest_hz: float | None = None, highest_hz: float | None = None, seed: int = 0
) -> NoiseSlope:
    """Fit the slope of a spectrum by regression over logarithmic bins.

    Ordinates are averaged in 10 bins a decade, each weighted by how many independent ones it holds, and corrected for
    the mean of the logarithm of a chi-square variable. A white floor is fitted along and kept if it is significant at
    0.1 %; the slope is then that of the power law on top of it, and the range ends where the two are equal.

    Parameters
    ----------
    spectrum : NoiseSpectrum
    lowest_hz, highest_hz : float or None, unit Hz
        Range to use; by default from the third ordinate (window) to half the Nyquist frequency (aliases).
    seed : int
        Of the bootstrap.

    Returns
    -------
    NoiseSlope
        The interval is a bootstrap-t interval over the residuals of the bins.

    Raises
    ------
    TooFewPoints
        If fewer than 8 bins are left.
    """
    frequency, density = spectrum.frequency_hz, spectrum.density_a2_per_hz
    low = frequency[_FIRST_ORDINATE - 1] if lowest_hz is None else lowest_hz
    high = _TOP_OF_NYQUIST * frequency[-1] if highest_hz is None else highest_hz
    # half a spacing of slack: the ends are ordinates themselves
    slack = 0.5 * frequency[0]
    keep = (frequency >= low - slack) & (frequency <= high + slack) & (density > 0.0)
    places, powers, freedom = _logarithmic_bins(frequency[keep], density[keep], spectrum.averages)
    require("the slope of a noise spectrum, logarithmic bins", places.size, _LEAST_BINS)
    fit = _fit(places, powers, freedom)
    law = fit.at_one + fit.slope * places
    floor = None if fit.log_floor is None else float(np.exp(fit.log_floor))
    used = places if fit.log_floor is None else places[law > fit.log_floor]
    require("the slope of a noise spectrum, logarithmic bins above its floor", used.size, _LEAST_BINS)
    low_end, high_end = _bootstrap_t(fit, seed)
    first, last = float(np.exp(used[0])), float(np.exp(used[-1]))
    return NoiseSlope(
        Estimate(fit.slope, low_end, high_end, "1", int(used.size)),
        float(np.exp(fit.at_one)),
        first,
        last,
        float(np.log10(last / first)),
        floor,
    )


def _logarithmic_bins(
    frequency: NDArray[np.float64], density: NDArray[np.float64], averages: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return ln f, ln S without bias, and the shape parameter of S (a gamma variable), by bin."""
    from scipy.special import digamma

    if frequency.size == 0:
        return np.empty(0), np.empty(0), np.empty(0)
    number = np.floor(_BINS_PER_DECADE * np.log10(frequency / frequency[0]) + 1e-9).astype(int)
    _, number = np.unique(number, return_inverse=True)
    count = np.bincount(number).astype(float)
    variance = (
        1.0 + 2.0 * _NEXT * (count - 1.0) / count + 2.0 * _SECOND * np.maximum(count - 2.0, 0.0) / count
    ) / count
    shape = averages / variance
    places = np.bincount(number, np.log(frequency)) / count
    # average f S and not S: within a bin the density falls, and the mean of S would stand too high
    powers = np.log(np.bincount(number, density * frequency) / count) - places
    return places, powers + np.log(shape) - digamma(shape), shape


@dataclass(frozen=True, slots=True)
class _Fit:
    """A weighted fit of ln S over ln f, linear or linearised; residuals and design are divided by the noise."""

    slope: float
    at_one: float
    log_floor: float | None
    design: NDArray[np.float64]
    residual: NDArray[np.float64]


def _fit(places: NDArray[np.float64], powers: NDArray[np.float64], freedom: NDArray[np.float64]) -> _Fit:
    """Fit a power law, and a power law plus a floor where that is significantly better."""
    from scipy.optimize import least_squares

    weight = np.sqrt(freedom)
    plain = np.stack([np.ones(places.size), places], axis=1) * weight[:, None]
    values = np.linalg.lstsq(plain, weight * powers, rcond=None)[0]
    rest = weight * powers - plain @ values
    half = places.size // 2
    begin = np.linalg.lstsq(plain[:half], (weight * powers)[:half], rcond=None)[0]

    def misfit(three: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(weight * (np.logaddexp(three[0] + three[1] * places, three[2]) - powers))

    start = [float(begin[0]), min(float(begin[1]), -0.3), float(powers[-3:].mean())]
    found = least_squares(misfit, start, x_scale=[1.0, 0.1, 1.0])
    # the variances are known (gamma), so that a difference of sums of squares is a likelihood ratio
    if found.x[1] < 0.0 and float(rest @ rest) - 2.0 * float(found.cost) > _SIGNIFICANT:
        return _Fit(float(found.x[1]), float(found.x[0]), float(found.x[2]), np.asarray(found.jac), -found.fun)
    return _Fit(float(values[1]), float(values[0]), None, plain, rest)


def _bootstrap_t(fit: _Fit, seed: int) -> tuple[float, float]:
    """Resample the residuals, each made of equal variance by its leverage; return the ends of the slope's interval."""
    count, parameters = fit.design.shape
    inverse = np.linalg.inv(fit.design.T @ fit.design)
    leverage = np.einsum("ij,jk,ik->i", fit.design, inverse, fit.design)
    residual = fit.residual / np.sqrt(1.0 - leverage)
    drawn = np.random.default_rng(seed).choice(residual - residual.mean(), (_RESAMPLES, count))
    changes = drawn @ fit.design @ inverse
    rest = drawn - changes @ fit.design.T
    unit = float(np.sqrt(inverse[1, 1] / (count - parameters)))
    ratios = changes[:, 1] / (unit * np.sqrt((rest**2).sum(axis=1)))
    # the noise of a bin is known: a set of residuals that happens to be small does not make the slope more certain
    error = unit * max(float(np.sqrt(fit.residual @ fit.residual)), np.sqrt(count - parameters))
    low, high = np.quantile(ratios, [0.5 * (1.0 + _LEVEL), 0.5 * (1.0 - _LEVEL)])
    return fit.slope - float(low) * error, fit.slope - float(high) * error
