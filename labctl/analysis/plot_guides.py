"""Laws and references that stand beside curves, with the numbers that the results of the run hold: nothing is fitted.

Each takes the view and the curves of a plot, and returns lines; none where the results have no such number. Not here:
the curves (:mod:`labctl.analysis.plot_specs`), the fits (:mod:`labctl.analysis`).
"""

from collections.abc import Sequence

import numpy as np

from labctl.analysis.curve_figures import Line
from labctl.analysis.run_view import RunView

__all__ = ["drift_of_states", "level_before", "no_error", "same", "spectrum_slope", "ten_years", "timing_window"]

TEN_YEARS_S = 10.0 * 365.25 * 86400.0


def spectrum_slope(view: RunView, lines: Sequence[Line]) -> list[Line]:
    """Return a line of the slope of the results, through the middle of the spectra.

    Parameters
    ----------
    view : RunView
    lines : sequence of Line

    Returns
    -------
    list of Line
    """
    slope = view.results.get("psd_slope")
    if slope is None:
        return []
    x, y = (np.concatenate([getattr(line, name) for line in lines]) for name in ("x", "y"))
    ends = np.array([x.min(), x.max()])
    middle = np.mean(np.log(y)) - slope * np.mean(np.log(x))
    return [Line(f"slope {slope:.2f}", ends, np.exp(middle) * ends**slope, is_guide=True)]


def drift_of_states(view: RunView, lines: Sequence[Line]) -> list[Line]:
    """Return, for each state, a line of its drift per decade through the middle of its readings.

    Parameters
    ----------
    view : RunView
    lines : sequence of Line

    Returns
    -------
    list of Line
    """
    guides = []
    for group, number in _states(lines).items():
        drift = view.results.get(f"drift_per_decade_{number}")
        if drift is None:
            continue
        x, y = (np.concatenate([getattr(line, name) for line in lines if line.group == group]) for name in ("x", "y"))
        ends = np.array([x.min(), max(x.max(), TEN_YEARS_S)])
        guides.append(
            Line(group, ends, y.mean() * (1.0 + drift * (np.log10(ends) - np.log10(x).mean())), is_guide=True)
        )
    return guides


def ten_years(view: RunView, lines: Sequence[Line]) -> list[Line]:
    """Return, for each state, what its law says of ten years, with the prediction interval.

    Parameters
    ----------
    view : RunView
    lines : sequence of Line

    Returns
    -------
    list of Line
    """
    points = []
    for group, number in _states(lines).items():
        name = f"conductance_ten_years_{number}"
        ends = [view.results.get(key) for key in (name, f"{name}_low", f"{name}_high")]
        if None not in ends:
            value, low, high = (np.array([end], dtype=float) for end in ends)
            points.append(Line(group, np.array([TEN_YEARS_S]), value, low, high, number + 1.0))
    return points


def timing_window(view: RunView, lines: Sequence[Line]) -> list[Line]:
    """Return both exponentials of a spike-timing window.

    Parameters
    ----------
    view : RunView
    lines : sequence of Line

    Returns
    -------
    list of Line
    """
    guides = []
    x = np.concatenate([line.x for line in lines])
    for name, sign, label in (("causal", 1.0, "pre before post"), ("acausal", -1.0, "post before pre")):
        amplitude, time_s = (view.results.get(f"{name}_{part}") for part in ("amplitude", "time"))
        own = sign * x[sign * x > 0.0]
        if amplitude is None or time_s is None or not own.size:
            continue
        # no further than the data: at 0 the law says much that nobody measured
        distance_s = np.linspace(own.min(), own.max(), 101)
        # older runs tell the amplitude at distance 0
        nearest_s = view.results.get(f"{name}_nearest_time", 0.0)
        law = f"{label}: {100.0 * amplitude:.3g} % at {1e3 * nearest_s:.3g} ms, τ {1e3 * time_s:.3g} ms"
        change = amplitude * np.exp((nearest_s - distance_s) / time_s)
        guides.append(Line(law, sign * distance_s, change, is_guide=True))
    return guides


def same(view: RunView, lines: Sequence[Line]) -> list[Line]:
    """Return the line on which ordinate and abscissa are equal.

    Parameters
    ----------
    view : RunView
    lines : sequence of Line

    Returns
    -------
    list of Line
    """
    x = np.concatenate([line.x for line in lines])
    ends = np.array([x.min(), x.max()])
    return [Line("equal", ends, ends, is_guide=True)]


def no_error(view: RunView, lines: Sequence[Line]) -> list[Line]:
    """Return the line at 0.

    Parameters
    ----------
    view : RunView
    lines : sequence of Line

    Returns
    -------
    list of Line
    """
    x = np.concatenate([line.x for line in lines])
    return [Line("", np.array([x.min(), x.max()]), np.zeros(2), is_guide=True)]


def level_before(view: RunView, lines: Sequence[Line]) -> list[Line]:
    """Return the mean of the readings before the pulse, of a single cell.

    Parameters
    ----------
    view : RunView
    lines : sequence of Line

    Returns
    -------
    list of Line
    """
    before = view.arrays.get("before")
    if before is None or before.values.shape[0] != 1 or not np.isfinite(before.values).any():
        return []
    x = np.concatenate([line.x for line in lines])
    return [
        Line("before the pulse", np.array([x.min(), x.max()]), np.full(2, np.nanmean(before.values)), is_guide=True)
    ]


def _states(lines: Sequence[Line]) -> dict[str, int]:
    """Return the number of each state, from 0, by the name of its curves."""
    return {line.group: round(line.order) - 1 for line in lines if np.isfinite(line.order)}
