r"""1/f noise and relaxation after programming out of rests and noise traces, by one Gaussian likelihood.

The poles of the 1/f bank, whose common size is fitted, and a random walk in log time after programming say how readings
of a cell at rest vary together; readings have a white scatter of their own. Traces enter by Whittle's likelihood of
their differences, whose spectrum has no steep end to leak. What the runs do not tell stays as in the base file. Both
look alike over log time: where relaxation is no larger than the 1/f noise over the same decades it is often not told at
all, and where it is, its interval holds the truth in some 80 % of draws, not 95. Not here: single traps
(:mod:`labctl.analysis.telegraph`).

References
----------
.. [1] P. Whittle, "The analysis of multiple stationary time series", J. R. Stat. Soc. B 15 (1953) 125: likelihood of a
   spectrum.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.analysis.intervals import Estimate
from labctl.physics.noise import NoiseBank, Relaxation, aperture_weights, relaxation_decades

__all__ = ["FluctuationFit", "RestingState", "StateTrace", "fit_fluctuations"]

Array = NDArray[np.float64]

_LEVEL = 0.95
# effective degrees of freedom below which a variance counts as not told by the data
_TOLD = 3.0
# long rests say most; a pair may be there because its first reading ended a visit, which leans it to one side
_LEAST_READINGS, _MOST_RESTS = 4, 150
_MOST_READINGS = 40
_STEP, _FLAT = 0.15, 0.1
_TAPERED = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class RestingState:
    """Readings of one cell that nothing was done to.

    Attributes
    ----------
    age_s : ndarray, shape (readings,), unit s
        Since programming, ascending.
    log_state : ndarray, shape (readings,), unit 1
        ln of the conductance.
    """

    age_s: Array
    log_state: Array


@dataclass(frozen=True, slots=True, eq=False)
class StateTrace:
    """Equally spaced samples of one cell.

    Attributes
    ----------
    log_state : ndarray, shape (samples,), unit 1
    interval_s, aperture_s : float, unit s
    """

    log_state: Array
    interval_s: float
    aperture_s: float


@dataclass(frozen=True, slots=True, eq=False)
class FluctuationFit:
    """What came of a fit.

    Attributes
    ----------
    noise : Estimate or None, unit 1/Hz
        S(1 Hz) / G^2 of the 1/f noise; None where the data do not tell it.
    relaxation : Estimate or None, unit 1
        Relative standard deviation after one decade.
    reading_scatter : float, unit 1
        White relative standard deviation of a reading, the meter's.
    warnings : tuple of str
    """

    noise: Estimate | None
    relaxation: Estimate | None
    reading_scatter: float
    warnings: tuple[str, ...]


def fit_fluctuations(
    rests: Sequence[RestingState],
    traces: Sequence[StateTrace],
    bank: NoiseBank,
    relaxation: Relaxation,
    *,
    spectral_density: float,
    aperture_s: float,
) -> FluctuationFit:
    """Fit the size of the 1/f noise and of the relaxation.

    Parameters
    ----------
    rests : sequence of RestingState
    traces : sequence of StateTrace
    bank : NoiseBank
        Poles and size of the base file.
    relaxation : Relaxation
        Of the base file; its onset stays.
    spectral_density : float, unit 1/Hz
        ``noise.spectral_density`` of the base file.
    aperture_s : float, unit s
        Time that a reading in a rest is averaged over.

    Returns
    -------
    FluctuationFit
    """
    from scipy.optimize import minimize

    long = [rest for rest in rests if rest.age_s.size >= _LEAST_READINGS]
    chosen = sorted(long, key=_span, reverse=True)[:_MOST_RESTS]
    lengths = {min(rest.age_s.size, _MOST_READINGS) for rest in chosen}
    alike = [[rest for rest in chosen if min(rest.age_s.size, _MOST_READINGS) == length] for length in sorted(lengths)]
    parts = [_RestPart.of(group, bank, relaxation, aperture_s) for group in alike]
    spectra = [_TracePart.of(trace, bank) for trace in traces if trace.log_state.size > _MOST_READINGS]
    names = ("noise.spectral_density", "relaxation.sigma")
    start = np.array([0.0, 0.0, np.log(1e-6), np.log(1e-6)])
    free = np.array([bool(spectra or parts), bool(parts), bool(parts), bool(spectra)])
    warnings: list[str] = []
    if not free.any():
        warnings.append(
            f"{', '.join(names)}: no rest of {_LEAST_READINGS} readings and no trace; run read_noise and retention"
        )
        return FluctuationFit(None, None, 0.0, tuple(warnings))

    def criterion(values: Array, mask: NDArray[np.bool_]) -> float:
        logs = start.copy()
        logs[mask] = values
        noise, walk, scatter, floor = np.exp(logs)
        total = sum(part.criterion(noise, walk * relaxation.sigma**2, scatter) for part in parts)
        return float(total + sum(part.criterion(noise, floor) for part in spectra))

    while True:
        bounds = [(value - 12.0, value + 12.0) for value in start[free]]
        found = minimize(criterion, start[free], args=(free,), method="L-BFGS-B", bounds=bounds)
        variance = np.full(4, np.inf)
        variance[free] = _variances(lambda values: criterion(values, free), found.x)
        freedom = 2.0 / variance
        weak = [place for place in (0, 1) if free[place] and freedom[place] < _TOLD]
        logs = start.copy()
        logs[free] = found.x
        if not weak:
            break
        place = min(weak, key=lambda one: float(freedom[one]))
        free[place] = False
        warnings.append(
            f"{names[place]}: the runs do not tell it (as if from {freedom[place]:.1g} values, {_TOLD:g} are needed);"
            f" run {'read_noise' if place == 0 else 'retention, whose pulses renew the cell'}"
        )
    counts = (sum(part.size for part in spectra) + sum(part.size for part in parts), sum(part.size for part in parts))
    noise = _estimate(spectral_density * np.exp(logs[0]), freedom[0], "1/Hz", counts[0], power=1.0)
    walk = _estimate(relaxation.sigma**2 * np.exp(logs[1]), freedom[1], "1", counts[1], power=0.5)
    scatter = float(np.exp(0.5 * logs[2])) if free[2] else 0.0
    return FluctuationFit(noise if free[0] else None, walk if free[1] else None, scatter, tuple(warnings))


def _span(rest: RestingState) -> float:
    return float(np.log((1.0 + rest.age_s[-1]) / (1.0 + rest.age_s[0])) * rest.age_s.size)


def _estimate(variance: float, freedom: float, unit: str, points: int, *, power: float) -> Estimate:
    from scipy.stats import chi2

    ends = [freedom * variance / chi2.ppf(0.5 + sign * 0.5 * _LEVEL, freedom) for sign in (1.0, -1.0)]
    return Estimate(float(variance**power), float(ends[0] ** power), float(ends[1] ** power), unit, points)


def _variances(criterion: Callable[[Array], float], at: Array) -> Array:
    """Return the variances of parameters by the curvature of a criterion that is minus twice ln likelihood."""
    size = at.size
    curvature = np.empty((size, size))
    steps = _STEP * np.eye(size)
    middle = criterion(at)
    for i in range(size):
        curvature[i, i] = (criterion(at + steps[i]) - 2.0 * middle + criterion(at - steps[i])) / _STEP**2
        for j in range(i):
            mixed = criterion(at + steps[i] + steps[j]) - criterion(at + steps[i] - steps[j])
            mixed += criterion(at - steps[i] - steps[j]) - criterion(at - steps[i] + steps[j])
            curvature[i, j] = curvature[j, i] = mixed / (4.0 * _STEP**2)
    # what the criterion does not depend on has no variance, and would spoil that of the others
    kept = np.diag(curvature) > _FLAT
    values, vectors = np.linalg.eigh(0.5 * curvature[np.ix_(kept, kept)])
    variances = np.full(size, np.inf)
    variances[kept] = np.einsum("ij,j,ij->i", vectors, 1.0 / np.maximum(values, 1e-6), vectors)
    return variances


@dataclass(frozen=True, slots=True, eq=False)
class _RestPart:
    """Rests of one length: differences of readings from the first, and what each source of variance makes of them."""

    change: Array  # (rests, m)
    noise: Array  # (rests, m, m), as the next
    walk: Array
    scatter: Array  # (m, m)

    @classmethod
    def of(
        cls, rests: Sequence[RestingState], bank: NoiseBank, relaxation: Relaxation, aperture_s: float
    ) -> "_RestPart":
        age = np.array([rest.age_s[:_MOST_READINGS] for rest in rests])
        log_state = np.array([rest.log_state[:_MOST_READINGS] for rest in rests])
        power = (bank.sigma * aperture_weights(bank, aperture_s)) ** 2
        apart = np.abs(age[:, :, np.newaxis] - age[:, np.newaxis, :])
        covariance = np.exp(-apart[..., np.newaxis] / bank.tau_s) @ power
        decades = relaxation_decades(age, relaxation)
        walk = np.minimum(decades[:, :, np.newaxis], decades[:, np.newaxis, :])
        readings = age.shape[1]
        away = np.column_stack([-np.ones(readings - 1), np.eye(readings - 1)])
        return cls(log_state @ away.T, away @ covariance @ away.T, away @ walk @ away.T, away @ away.T)

    @property
    def size(self) -> int:
        return int(self.change.size)

    def criterion(self, noise: float, walk: float, scatter: float) -> float:
        covariance = noise * self.noise + walk * self.walk + scatter * self.scatter
        solved = np.linalg.solve(covariance, self.change[..., np.newaxis])[..., 0]
        return float(np.linalg.slogdet(covariance)[1].sum() + np.sum(self.change * solved))


@dataclass(frozen=True, slots=True, eq=False)
class _TracePart:
    """Periodogram of the differences of a trace, and the spectra of its sources."""

    power: Array
    noise: Array
    white: Array
    weight: float  # of an ordinate, less than 1 because a taper makes neighbours alike

    @classmethod
    def of(cls, trace: StateTrace, bank: NoiseBank) -> "_TracePart":
        from scipy.signal.windows import tukey

        change = np.diff(trace.log_state)
        # the difference of white noise does not vanish at the ends, and would leak to where its spectrum does
        window = tukey(change.size, _TAPERED)
        angle = 2.0 * np.pi * np.fft.rfftfreq(change.size)[1:]
        power = np.abs(np.fft.rfft(window * change)[1:]) ** 2 / np.sum(window**2)
        weight = float(np.sum(window**2) ** 2 / np.sum(window**4) / change.size)
        # of a sampled pole, exactly, times that of a difference
        kept = np.exp(-trace.interval_s / bank.tau_s)
        share = (bank.sigma * aperture_weights(bank, trace.aperture_s)) ** 2 * (1.0 - kept**2)
        poles = share / (1.0 - 2.0 * kept * np.cos(angle)[:, np.newaxis] + kept**2)
        difference = 2.0 - 2.0 * np.cos(angle)
        return cls(power, poles.sum(axis=1) * difference, difference, weight)

    @property
    def size(self) -> int:
        return int(self.power.size)

    def criterion(self, noise: float, floor: float) -> float:
        density = noise * self.noise + floor * self.white
        return float(2.0 * self.weight * np.sum(np.log(density) + self.power / density))
