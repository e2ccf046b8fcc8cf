"""Switching voltages and resistances of DC I-V cycles, one by one and as a series.

One cycle is a staircase 0, +V, 0, -V, 0 (either half first; the SET polarity is an argument). Definitions, after the
characterisation defaults of the field (Lanza et al., ACS Nano 15 (2021) 17214): V_set where the current rises most
steeply or reaches compliance, V_reset at the largest current before it drops. Not here: measuring; laws of the
distributions (:mod:`labctl.analysis.distributions`); the split between devices (:mod:`labctl.analysis.variability`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.distributions import LogNormalFit, WeibullFit, fit_lognormal, fit_weibull
from labctl.analysis.intervals import Estimate, require
from labctl.analysis.variability import correlation, cycle_correlation

__all__ = ["CycleFigures", "SwitchingSeries", "SwitchingStatistics", "cycle_figures", "switching_statistics"]

_LEAST = 5
# a single step that multiplies the conductance by this is a jump, whatever the compliance says later
_JUMP = 2.0


@dataclass(frozen=True, slots=True)
class CycleFigures:
    """Figures of one I-V cycle; None where the cycle does not show them.

    Attributes
    ----------
    set_voltage_v, reset_voltage_v : float or None, unit V
        Signed.
    on_resistance_ohm, off_resistance_ohm : float or None, unit ohm
        At the read voltage on the SET half: on the way back, and on the way up.
    ratio : float or None, unit 1
        Off over on.
    set_by : "jump", "compliance", "slope" or None
        What told the SET voltage: a step that at least doubled I/V, the first point in compliance, or the steepest
        place of a gradual SET.
    flags : tuple of str
        Why something is missing; empty for a cycle that switched both ways.
    """

    set_voltage_v: float | None
    reset_voltage_v: float | None
    on_resistance_ohm: float | None
    off_resistance_ohm: float | None
    ratio: float | None
    set_by: Literal["jump", "compliance", "slope"] | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SwitchingSeries:
    """One quantity over the cycles in which it was seen.

    Attributes
    ----------
    values : ndarray, shape (cycles,), unit as ``unit`` says
        Magnitudes; NaN where a cycle did not show it.
    unit : str
    weibull : WeibullFit or None
    lognormal : LogNormalFit or None
    correlation : Estimate or None, unit 1
        Of successive cycles, both of which showed it.
    flags : tuple of str
        Why a fit is missing, with the number of points that it needs.
    """

    values: NDArray[np.float64]
    unit: str
    weibull: WeibullFit | None
    lognormal: LogNormalFit | None
    correlation: Estimate | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SwitchingStatistics:
    """A device over its cycles.

    Attributes
    ----------
    set_voltage, reset_voltage, on_resistance, off_resistance : SwitchingSeries
    reset_to_next_set : Estimate or None, unit 1
        Correlation of the magnitudes of V_reset and of V_set of the cycle after; None with fewer than 8 pairs, or where
        one of them never changes.
    switched, cycles : int
        Cycles that switched both ways; all.
    """

    set_voltage: SwitchingSeries
    reset_voltage: SwitchingSeries
    on_resistance: SwitchingSeries
    off_resistance: SwitchingSeries
    reset_to_next_set: Estimate | None
    switched: int
    cycles: int


def cycle_figures(
    voltage_v: ArrayLike,
    current_a: ArrayLike,
    compliance: ArrayLike,
    *,
    read_voltage_v: float,
    least_ratio: float = 2.0,
    set_polarity: Literal[1, -1] = 1,
) -> CycleFigures:
    """Take the figures of one cycle.

    V_set is the voltage after the step with the largest d ln(I/V) / dV on the branch up (I/V, because ln I of a plain
    resistor already has the slope 1/V); only steps above the read voltage count, and those above which the current
    never falls back come first. Where no step at least doubles I/V, the first point in compliance is taken if there
    is one. V_reset is the voltage of the largest current on the other half, if the current drops after it.

    Parameters
    ----------
    voltage_v : array_like, shape (n,), unit V
        Programmed, in the order in which it was applied.
    current_a : array_like, shape (n,), unit A
        NaN (over range) is left out.
    compliance : array_like of bool, shape (n,)
        Where the source limited.
    read_voltage_v : float, unit V
        Magnitude at which resistances are taken, by interpolation.
    least_ratio : float, unit 1
        A half has switched when the resistances of its two branches differ by this factor.
    set_polarity : 1 or -1
        Sign of the voltage that sets.

    Returns
    -------
    CycleFigures

    Raises
    ------
    TooFewPoints
        If a branch of the SET half has fewer than 5 points with a current.
    ValueError
        If shapes differ, or the read voltage is not positive or not inside the sweep.
    """
    voltage, current = set_polarity * np.asarray(voltage_v, dtype=float), np.asarray(current_a, dtype=float)
    limited = np.asarray(compliance, dtype=bool)
    if not voltage.ndim == 1 == current.ndim == limited.ndim or len({voltage.size, current.size, limited.size}) > 1:
        raise ValueError(
            f"an I-V cycle: voltage, current and compliance need one shape (n,), got {voltage.shape}, {current.shape}"
            f" and {limited.shape}"
        )
    up, back = _branches(voltage, current)
    for name, branch in (("way up", up), ("way back", back)):
        require(f"an I-V cycle, {name} of the SET half", branch.size, _LEAST)
    if not 0.0 < read_voltage_v < voltage[up[-1]]:
        raise ValueError(
            f"an I-V cycle: read voltage must be between 0 and the end of the SET sweep ({voltage[up[-1]]:.4g} V),"
            f" got {read_voltage_v!r} V"
        )
    flags: list[str] = []
    off, on = (_resistance(voltage[branch], current[branch], read_voltage_v) for branch in (up, back))
    set_v, set_by, ratio = None, None, None
    if off is None or on is None:
        flags.append("no resistance: the current at the read voltage is 0 or against the voltage")
    else:
        ratio = off / on
        if ratio < least_ratio:
            flags.append(f"no SET: off over on is {ratio:.3g}, less than {least_ratio:.3g}")
        else:
            set_v, set_by = _set_voltage(voltage[up], np.abs(current[up]), limited[up], read_voltage_v)
    reset_v = _reset_voltage(-voltage, np.abs(current), read_voltage_v, least_ratio, flags)
    return CycleFigures(
        None if set_v is None else set_polarity * set_v,
        None if reset_v is None else -set_polarity * reset_v,
        on,
        off,
        ratio,
        set_by,
        tuple(flags),
    )


def switching_statistics(cycles: Sequence[CycleFigures], *, seed: int = 0) -> SwitchingStatistics:
    """Fit the distributions over the cycles of one device; cycles without a switch are counted, never fitted.

    Parameters
    ----------
    cycles : sequence of CycleFigures
        In the order in which they were measured.
    seed : int
        Of the bootstrap of the Weibull fits.

    Returns
    -------
    SwitchingStatistics

    Raises
    ------
    TooFewPoints
        If there is no cycle at all.
    """
    require("statistics of I-V cycles", len(cycles), 1)
    switched = [cycle.set_voltage_v is not None and cycle.reset_voltage_v is not None for cycle in cycles]
    sets = _column([cycle.set_voltage_v for cycle in cycles])
    resets = _column([cycle.reset_voltage_v for cycle in cycles])
    # a resistance counts where the half of the cycle that it belongs to switched
    has_set = ~np.isnan(sets)
    on = np.where(has_set, _column([cycle.on_resistance_ohm for cycle in cycles]), np.nan)
    off = np.where(has_set, _column([cycle.off_resistance_ohm for cycle in cycles]), np.nan)
    try:
        follows = correlation(resets[:-1], sets[1:], "the correlation of V_reset with the next V_set")
    except ValueError:
        # too few pairs, or a staircase so coarse that all are equal
        follows = None
    return SwitchingStatistics(
        _series(sets, "V", seed),
        _series(resets, "V", seed),
        _series(on, "ohm", seed),
        _series(off, "ohm", seed),
        follows,
        sum(switched),
        len(cycles),
    )


def _branches(voltage: NDArray[np.float64], current: NDArray[np.float64]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Return the places of the points with a current on the way to the largest voltage and back, the top in both."""
    top = np.flatnonzero(voltage == voltage.max(initial=0.0))
    if top.size == 0:
        return np.empty(0, dtype=int), np.empty(0, dtype=int)
    stops = np.flatnonzero(voltage <= 0.0)
    before, after = stops[stops < top[0]], stops[stops > top[-1]]
    first = before[-1] + 1 if before.size else 0
    last = after[0] if after.size else voltage.size
    places = np.flatnonzero(~np.isnan(current))
    up = places[(places >= first) & (places <= top[0])]
    return up, places[(places >= top[-1]) & (places < last)]


def _resistance(voltage: NDArray[np.float64], current: NDArray[np.float64], read_v: float) -> float | None:
    order = np.argsort(voltage)
    if voltage[order[0]] > read_v:
        return None
    found = abs(float(np.interp(read_v, voltage[order], current[order])))
    return read_v / found if found > 0.0 else None


def _set_voltage(
    voltage: NDArray[np.float64], magnitude: NDArray[np.float64], limited: NDArray[np.bool_], read_v: float
) -> tuple[float | None, Literal["jump", "compliance", "slope"] | None]:
    in_compliance = np.flatnonzero(limited)
    end = in_compliance[0] + 1 if in_compliance.size else voltage.size
    keep = np.flatnonzero((voltage[:end] >= read_v) & (magnitude[:end] > 0.0))
    if keep.size >= 2:
        rise = np.diff(np.log(magnitude[keep] / voltage[keep])) / np.diff(voltage[keep])
        gain = rise * np.diff(voltage[keep])
        highest_before = np.maximum.accumulate(magnitude[keep])[:-1]
        lowest_after = np.minimum.accumulate(magnitude[keep][::-1])[::-1][1:]
        lasting = lowest_after >= highest_before
        if lasting.any():
            rise = np.where(lasting, rise, -np.inf)
        steepest = int(np.argmax(rise))
        if gain[steepest] >= np.log(_JUMP):
            return float(voltage[keep[steepest + 1]]), "jump"
        if not in_compliance.size:
            return float(voltage[keep[steepest + 1]]), "slope"
    if in_compliance.size:
        return float(voltage[in_compliance[0]]), "compliance"
    return None, None


def _reset_voltage(
    voltage: NDArray[np.float64], magnitude: NDArray[np.float64], read_v: float, least_ratio: float, flags: list[str]
) -> float | None:
    up, back = _branches(voltage, magnitude)
    if min(up.size, back.size) < _LEAST or voltage[up[-1]] <= read_v:
        flags.append(f"no RESET half: each of its branches needs {_LEAST} points and must pass the read voltage")
        return None
    before, after = (_resistance(voltage[branch], magnitude[branch], read_v) for branch in (up, back))
    if before is None or (after is not None and after < least_ratio * before):
        flags.append(f"no RESET: the resistance does not rise by the factor {least_ratio:.3g}")
        return None
    largest = int(np.argmax(magnitude[up]))
    if largest == up.size - 1:
        flags.append(f"no RESET voltage: the current still rose at the stop voltage ({-voltage[up[-1]]:.4g} V)")
        return None
    return float(voltage[up[largest]])


def _column(values: list[float | None]) -> NDArray[np.float64]:
    return np.asarray(np.abs([np.nan if value is None else value for value in values]), dtype=float)


def _series(values: NDArray[np.float64], unit: str, seed: int) -> SwitchingSeries:
    flags: list[str] = []
    weibull, lognormal, successive = None, None, None
    try:
        weibull, lognormal = fit_weibull(values, unit, seed=seed), fit_lognormal(values, unit)
        successive = cycle_correlation(values)
    except ValueError as error:
        flags.append(str(error))
    return SwitchingSeries(values, unit, weibull, lognormal, successive, tuple(flags))
