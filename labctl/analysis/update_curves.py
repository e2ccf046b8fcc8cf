"""Figures of potentiation and depression: non-linearity, asymmetry, symmetry point, spread of the step, levels.

There is no common definition of non-linearity. Two are given: the constant A of G(p) = Gmin + B (1 - exp(-p / A)), and
NeuroSim's label NL from 0 to 9, which is 10.1 times the largest distance of the normalised curve from a straight line.
Not here: measuring; spread between devices (:mod:`labctl.analysis.variability`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import require

__all__ = ["UpdateFigures", "fit_curvature", "neurosim_label", "step_spread", "update_figures"]

_LEAST = 5
_LABEL_PER_INL = 10.1


@dataclass(frozen=True, slots=True)
class UpdateFigures:
    """Figures of one cycle of N pulses up and N down.

    Attributes
    ----------
    label_up, label_down : float, unit 1
        NeuroSim's NL = 10.1 x the integral non-linearity; positive where the curve lies above the straight line in the
        direction in which it runs (early steps larger).
    curvature_up, curvature_down : float, unit 1
        A / N of the exponential, by least squares; negative where late steps are larger.
    asymmetry : float, unit 1
        Largest |G_up(n) - G_down(2N - n)| over the range.
    mean_asymmetry : float, unit 1
        Its mean.
    symmetry_point_s : float or None, unit S
        Where a step up and a step down are equally large; None where they never are.
    range_s : float, unit S
        Largest minus least conductance.
    """

    label_up: float
    label_down: float
    curvature_up: float
    curvature_down: float
    asymmetry: float
    mean_asymmetry: float
    symmetry_point_s: float | None
    range_s: float


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
        If the branches differ in length, hold something that is no number, or do not move.
    """
    up, down = np.asarray(up_s, dtype=float), np.asarray(down_s, dtype=float)
    if up.shape != down.shape or up.ndim != 1:
        raise ValueError(f"update curve: both branches need the same number of points, got {up.shape} and {down.shape}")
    require("an update curve", up.size, _LEAST)
    if not (np.isfinite(up).all() and np.isfinite(down).all()):
        raise ValueError("update curve: every point must be a number; leave out a cycle with flagged readings")
    whole = np.concatenate([up, down])
    range_s = float(np.ptp(whole))
    if up[-1] <= up[0] or down[-1] >= down[0]:
        raise ValueError("update curve: the branch up must end higher and the branch down lower than it began")
    gap = np.abs(up - down[::-1]) / range_s
    return UpdateFigures(
        _LABEL_PER_INL * _signed_inl(up),
        _LABEL_PER_INL * _signed_inl(down),
        fit_curvature(up),
        fit_curvature(down),
        float(gap.max()),
        float(gap.mean()),
        _symmetry_point(up, down),
        range_s,
    )


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
        If the curves have no range, or hold something that is no number.
    """
    curves = np.asarray(curves_s, dtype=float)
    require("the spread of a step, cycles", curves.shape[0], 3)
    range_s = float(np.abs(curves[:, -1] - curves[:, 0]).mean())
    if not (np.isfinite(curves).all() and range_s > 0.0):
        raise ValueError("the spread of a step: every point must be a number, and the branches must lead somewhere")
    return float(np.sqrt(np.diff(curves, axis=1).var(axis=0, ddof=1).mean()) / range_s)


def _signed_inl(branch: NDArray[np.float64]) -> float:
    """Largest distance of the normalised curve from a straight line, with its sign."""
    normal = (branch - branch[0]) / (branch[-1] - branch[0])
    distance = normal - np.linspace(0.0, 1.0, branch.size)
    return float(distance[np.argmax(np.abs(distance))])


def _symmetry_point(up: NDArray[np.float64], down: NDArray[np.float64]) -> float | None:
    """Cross the step up with the step down, each a straight line in G by least squares."""
    lines = []
    for branch in (up, down):
        middle, step = 0.5 * (branch[1:] + branch[:-1]), np.abs(np.diff(branch))
        lines.append(np.polyfit(middle, step, 1))
    slope, offset = lines[0] - lines[1]
    if slope == 0.0:
        return None
    crossing = float(-offset / slope)
    low, high = min(up.min(), down.min()), max(up.max(), down.max())
    return crossing if low <= crossing <= high else None
