"""Figures of potentiation and depression: non-linearity, asymmetry, symmetry point, spread of the step, levels.

There is no common definition of non-linearity. Two are given: the constant A of G(p) = Gmin + B (1 - exp(-p / A)), and
NeuroSim's label NL from 0 to 9, which is 10.1 times the largest distance of the normalised curve from a straight line.
The largest of many distances is never 0 where readings are noisy, so a figure that noise alone makes as large is None.
Noise is that of second differences (T. Gasser, L. Sroka, C. Jennen-Steinmetz, Biometrika 73 (1986) 625), the median of
their magnitudes, so that single jumps do not count as noise; drift and 1/f noise, slower than a pulse, are not in it.
Not here: measuring; spread between devices (:mod:`labctl.analysis.variability`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import require
from labctl.analysis.straight_lines import fit_line

__all__ = ["UpdateFigures", "fit_curvature", "neurosim_label", "reading_noise", "step_spread", "update_figures"]

_LEAST = 5
_LABEL_PER_INL = 10.1
# assumed; of white noise alone, fewer than 1 cycle in 500 pass with 4 pulses or more
_RANGE_SIGMAS = 5.0
# assumed: noise alone has a largest distance beyond it in fewer than 1 branch in 20
_DISTANCE_SIGMAS = 4.0
# assumed; standard errors of the difference of the steps at either end of the range
_CROSSING_SIGMAS = 3.0
# assumed; standard deviations of the difference of two readings that a mean step has at least, for its line over G
_STEP_SIGMAS = 3.0
# less is the rounding of numbers, no noise of readings
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class UpdateFigures:
    """Figures of one cycle of N pulses up and N down.

    Attributes
    ----------
    label_up, label_down : float or None, unit 1
        NeuroSim's NL = 10.1 x the integral non-linearity; positive where the curve lies above the straight line in the
        direction in which it runs (early steps larger). None where the distance is within the noise of readings.
    curvature_up, curvature_down : float or None, unit 1
        A / N of the exponential, by least squares; negative where late steps are larger. None as the label.
    asymmetry : float or None, unit 1
        Largest |G_up(n) - G_down(2N - n)| over the range; None where it is within the noise of readings.
    mean_asymmetry : float or None, unit 1
        Its mean; None as the largest.
    symmetry_point_s : float or None, unit S
        Where a step up and a step down are equally large; None where they never are, or where the difference of the
        steps does not change its sign by more than its error.
    range_s : float, unit S
        Largest minus least conductance.
    noise_s : float, unit S
        Standard deviation of a reading, from second differences.
    """

    label_up: float | None
    label_down: float | None
    curvature_up: float | None
    curvature_down: float | None
    asymmetry: float | None
    mean_asymmetry: float | None
    symmetry_point_s: float | None
    range_s: float
    noise_s: float


def update_figures(up_s: ArrayLike, down_s: ArrayLike) -> UpdateFigures:
    """Return the figures of one cycle.

    Parameters
    ----------
    up_s : array_like, shape (N + 1,), unit S
        Conductance before the first pulse up and after each.
    down_s : array_like, shape (N + 1,), unit S
        The same for the pulses down that follow.

    Returns
    -------
    UpdateFigures

    Raises
    ------
    TooFewPoints
        If there are fewer than 5 points in a branch.
    ValueError
        If the branches differ in length, hold something that is no number, or do not each lead to where they should by
        more than 5 standard deviations of a reading.
    """
    up, down = np.asarray(up_s, dtype=float), np.asarray(down_s, dtype=float)
    if up.shape != down.shape or up.ndim != 1:
        raise ValueError(f"update curve: both branches need the same number of points, got {up.shape} and {down.shape}")
    require("an update curve", up.size, _LEAST)
    if not (np.isfinite(up).all() and np.isfinite(down).all()):
        raise ValueError("update curve: every point must be a number; leave out a cycle with flagged readings")
    range_s = float(np.ptp(np.concatenate([up, down])))
    noise_s = reading_noise([up, down])
    if up[-1] <= up[0] or down[-1] >= down[0]:
        raise ValueError("update curve: the branch up must end higher and the branch down lower than it began")
    least_s = min(up[-1] - up[0], down[0] - down[-1])
    if least_s <= _RANGE_SIGMAS * noise_s:
        raise ValueError(
            f"update curve: each branch must lead farther than {_RANGE_SIGMAS:g} standard deviations of a reading"
            f" ({noise_s:.3g} S), one leads {least_s:.3g} S; this is noise: take stronger pulses, or more of them"
        )
    gap_s = np.abs(up - down[::-1])
    is_apart = gap_s.max() >= _DISTANCE_SIGMAS * np.sqrt(2.0) * noise_s
    bends = [_is_bent(branch, noise_s) for branch in (up, down)]
    return UpdateFigures(
        _LABEL_PER_INL * _signed_inl(up) if bends[0] else None,
        _LABEL_PER_INL * _signed_inl(down) if bends[1] else None,
        fit_curvature(up) if bends[0] else None,
        fit_curvature(down) if bends[1] else None,
        float(gap_s.max()) / range_s if is_apart else None,
        float(gap_s.mean()) / range_s if is_apart else None,
        _symmetry_point(up, down, noise_s),
        range_s,
        noise_s,
    )


def reading_noise(curves_s: Sequence[ArrayLike]) -> float:
    """Return the standard deviation of a reading about smooth curves.

    Parameters
    ----------
    curves_s : sequence of array_like, shape (N + 1,) each, unit S
        At least 3 points each.

    Returns
    -------
    float, unit S
        0 where the curves are smooth but for the rounding of numbers.
    """
    bends = np.abs(np.concatenate([np.diff(np.asarray(curve, dtype=float), 2) for curve in curves_s]))
    # 0.6745: median of the magnitude of a normal variable; 6 = 1 + 4 + 1
    noise_s = float(np.median(bends) / 0.6745 / np.sqrt(6.0))
    largest_s = max(float(np.abs(np.asarray(curve, dtype=float)).max()) for curve in curves_s)
    return noise_s if noise_s > _ROUNDING * largest_s else 0.0


def neurosim_label(curvature: float) -> float:
    """Return NeuroSim's label NL of an exponential curve.

    Parameters
    ----------
    curvature : float, unit 1
        A / N, positive.

    Returns
    -------
    float, unit 1

    Raises
    ------
    ValueError
        If the curvature is not positive.
    """
    if not curvature > 0.0:
        raise ValueError(f"curvature must be positive, got {curvature!r}")
    whole = -np.expm1(-1.0 / curvature)
    farthest = -curvature * np.log(curvature * whole)
    return float(_LABEL_PER_INL * (-np.expm1(-farthest / curvature) / whole - farthest))


def fit_curvature(branch_s: ArrayLike) -> float:
    """Fit A / N of G = G0 + B (1 - exp(-p / A)) to one branch by least squares through both ends.

    Parameters
    ----------
    branch_s : array_like, shape (N + 1,), unit S

    Returns
    -------
    float, unit 1
        Negative where the steps grow; its magnitude is at most 100, which is a straight line within noise.

    Raises
    ------
    TooFewPoints
        If there are fewer than 5 points.
    """
    from scipy.optimize import minimize_scalar

    branch = np.asarray(branch_s, dtype=float)
    require("the curvature of an update curve", branch.size, _LEAST)
    place = np.linspace(0.0, 1.0, branch.size)
    normal = (branch - branch[0]) / (branch[-1] - branch[0])

    def misfit(bend: float) -> float:
        # bend = N / A: smooth through the straight line at 0
        curve = place if abs(bend) < 1e-9 else np.expm1(-bend * place) / np.expm1(-bend)
        return float(np.sum((normal - curve) ** 2))

    found = minimize_scalar(misfit, bounds=(-60.0, 60.0), method="bounded", options={"xatol": 1e-10})
    bend = float(found.x)
    return float(np.copysign(1.0 / max(abs(bend), 0.01), bend))


def step_spread(curves_s: ArrayLike) -> float:
    """Return the cycle-to-cycle standard deviation of one step, over the range: NeuroSim's C2C.

    Parameters
    ----------
    curves_s : array_like, shape (cycles, N + 1), unit S
        One branch of every cycle. The mean curve of the cycles is taken out, pulse by pulse.

    Returns
    -------
    float, unit 1
        Root mean square over the pulses, over the mean range of the cycles; read noise is in it.

    Raises
    ------
    TooFewPoints
        If there are fewer than 3 cycles.
    ValueError
        If the curves lead nowhere by more than 5 standard deviations of a reading, or hold something that is no number.
    """
    curves = np.asarray(curves_s, dtype=float)
    require("the spread of a step, cycles", curves.shape[0], 3)
    if not np.isfinite(curves).all():
        raise ValueError("the spread of a step: every point must be a number; leave out a cycle with flagged readings")
    range_s, noise_s = float(np.abs((curves[:, -1] - curves[:, 0]).mean())), reading_noise(list(curves))
    if not range_s > _RANGE_SIGMAS * noise_s:
        raise ValueError(
            f"the spread of a step: the branches must lead somewhere, on the average farther than {_RANGE_SIGMAS:g}"
            f" standard deviations of a reading ({noise_s:.3g} S), got {range_s:.3g} S; this is noise: take stronger"
            " pulses, or more of them"
        )
    return float(np.sqrt(np.diff(curves, axis=1).var(axis=0, ddof=1).mean()) / range_s)


def _is_bent(branch: NDArray[np.float64], noise_s: float) -> bool:
    """Whether a branch parts from the straight line through its ends by more than the noise of three readings."""
    place = np.linspace(0.0, 1.0, branch.size)
    apart_s = np.abs(branch - branch[0] - place * (branch[-1] - branch[0]))
    error_s = noise_s * np.sqrt(1.0 + (1.0 - place) ** 2 + place**2)
    return bool((apart_s >= _DISTANCE_SIGMAS * error_s)[1:-1].any())


def _signed_inl(branch: NDArray[np.float64]) -> float:
    """Largest distance of the normalised curve from a straight line, with its sign."""
    normal = (branch - branch[0]) / (branch[-1] - branch[0])
    distance = normal - np.linspace(0.0, 1.0, branch.size)
    return float(distance[np.argmax(np.abs(distance))])


def _symmetry_point(up: NDArray[np.float64], down: NDArray[np.float64], noise_s: float) -> float | None:
    """Cross the step up with the step down, each a straight line in G by least squares."""
    ends = np.array([min(up.min(), down.min()), max(up.max(), down.max())])
    # steps of so many pulses that they stand out of the noise, but no fewer than 5 in a branch
    pulses = up.size - 1
    stride = int(
        np.clip(np.ceil(_STEP_SIGMAS * np.sqrt(2.0) * noise_s * pulses / np.ptp(ends)), 1, max(1, pulses // 5))
    )
    above, variance = np.zeros(2), np.zeros(2)
    for branch, sign in ((up[::stride], 1.0), (down[::stride], -1.0)):
        middle, step = 0.5 * (branch[1:] + branch[:-1]), sign * np.diff(branch)
        line = fit_line(middle, step, "the steps of an update curve")
        above += sign * (line.intercept + line.slope * ends)
        variance += line.sigma**2 * (1.0 / line.points + (ends - line.centre) ** 2 / line.moment)
    error = np.maximum(_CROSSING_SIGMAS * np.sqrt(variance), _ROUNDING * np.ptp(ends))
    if above[0] * above[1] >= 0.0 or (np.abs(above) <= error).any():
        return None
    return float(ends[0] - above[0] * np.ptp(ends) / (above[1] - above[0]))
