r"""1/f noise and relaxation after programming out of rests and noise traces, by one Gaussian likelihood.

The poles of the 1/f bank, whose common size is fitted, and a random walk in log time after programming say how readings
of a cell at rest vary together; readings have a white scatter of their own. Traces enter by Whittle's likelihood of
their differences, whose spectrum has no steep end to leak. Both look alike over log time, so the intervals are those of
the profile likelihood, which may reach down to 0. What the runs do not tell stays as in the base file; whether they do
is the expected information at the base file's values, not at what was found: a size that came out small by chance would
else be left out, and the rest lean upwards. Not here: single traps (:mod:`labctl.analysis.telegraph`).

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
# first step along the profile, in standard errors expected with the base file; the next ones are longer by a factor
_REACH, _PROFILE_STEP, _LONGER = 12.0, 0.5, 1.3
# so near to the end of the search, a size is that end
_AT_END = 0.01
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

    def criterion(logs: Array) -> tuple[float, Array]:
        noise, walk, scatter, floor = np.exp(logs)
        found = [part.criterion(noise, walk * relaxation.sigma**2, scatter) for part in parts]
        found += [part.criterion(noise, floor) for part in spectra]
        return sum(value for value, _ in found), np.sum([slopes for _, slopes in found], axis=0)

    def least(logs: Array, mask: NDArray[np.bool_]) -> tuple[Array, float]:
        """Return the best of the free logarithms, and minus twice ln likelihood there."""

        def of_free(values: Array) -> tuple[float, Array]:
            tried = logs.copy()
            tried[mask] = values
            value, slopes = criterion(tried)
            return value, slopes[mask]

        if not mask.any():
            return logs, criterion(logs)[0]
        bounds = [(value - _REACH, value + _REACH) for value in start[mask]]
        found = minimize(of_free, logs[mask], jac=True, method="L-BFGS-B", bounds=bounds)
        best = logs.copy()
        best[mask] = found.x
        return best, float(found.fun)

    while True:
        logs, lowest = least(start, free)
        # sizes of the base file, scatter of the meter as found
        noise, walk, scatter, floor = np.exp(np.where([True, True, False, False], start, logs))
        known = [part.information(noise, walk * relaxation.sigma**2, scatter) for part in parts]
        known += [part.information(noise, floor) for part in spectra]
        freedom = _freedom(np.sum(known, axis=0), free)
        weak = [place for place in (0, 1) if free[place] and freedom[place] < _TOLD]
        if not weak:
            break
        place = min(weak, key=lambda one: float(freedom[one]))
        free[place] = False
        warnings.append(
            # rounded down, or the number would be the one that is needed
            f"{names[place]}: the runs do not tell it (as if from {np.floor(10.0 * freedom[place]) / 10.0:g} values,"
            f" {_TOLD:g} are needed);"
            f" run {'read_noise' if place == 0 else 'retention, whose pulses renew the cell'}"
        )
    for place in (0, 1):
        if free[place] and abs(logs[place] - start[place]) > _REACH - _AT_END:
            warnings.append(
                f"{names[place]}: the runs show none; only the high end of its interval tells something"
                if logs[place] < start[place]
                else f"{names[place]}: larger than the search goes; only the low end of its interval tells something"
            )
    counts = (sum(part.size for part in spectra) + sum(part.size for part in parts), sum(part.size for part in parts))

    def estimate(place: int, base: float, unit: str, power: float) -> Estimate | None:
        if not free[place]:
            return None
        step = _PROFILE_STEP * float(np.sqrt(2.0 / freedom[place]))
        ends = [_profile_end(least, logs, lowest, free, place, sign * step) for sign in (-1.0, 1.0)]
        value, low, high = (float((base * np.exp(log)) ** power) for log in (logs[place], *ends))
        return Estimate(value, low, high, unit, counts[place])

    scatter_found = float(np.exp(0.5 * logs[2])) if free[2] else 0.0
    return FluctuationFit(
        estimate(0, spectral_density, "1/Hz", 1.0),
        estimate(1, relaxation.sigma**2, "1", 0.5),
        scatter_found,
        tuple(warnings),
    )


def _profile_end(
    least: Callable[[Array, NDArray[np.bool_]], tuple[Array, float]],
    logs: Array,
    lowest: float,
    free: NDArray[np.bool_],
    place: int,
    step: float,
) -> float:
    """Return where the likelihood, the others at their best, has fallen by what the level allows; infinite: nowhere."""
    from scipy.stats import chi2

    others = free.copy()
    others[place] = False
    allowed = float(np.sqrt(chi2.ppf(_LEVEL, 1)))

    def risen(log: float) -> float:
        tried = logs.copy()
        tried[place] = log
        return float(np.sqrt(max(least(tried, others)[1] - lowest, 0.0)))

    inner, below = float(logs[place]), 0.0
    while (above := risen(inner + step)) < allowed:
        inner, below, step = inner + step, above, _LONGER * step
        if abs(inner - logs[place]) > _REACH:
            return float(np.copysign(np.inf, step))
    # the root of what the criterion has risen by is all but straight
    return inner + step * (allowed - below) / (above - below)


def _freedom(information: Array, free: NDArray[np.bool_]) -> Array:
    """Return from how many values each size might be known, by the information on its logarithm."""
    # what nothing depends on would spoil the inverse
    kept = free & (np.diag(information) > 0.0)
    found = np.zeros(free.size)
    found[kept] = 2.0 / np.diag(np.linalg.pinv(information[np.ix_(kept, kept)]))
    return found


def _span(rest: RestingState) -> float:
    return float(np.log((1.0 + rest.age_s[-1]) / (1.0 + rest.age_s[0])) * rest.age_s.size)


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

    def criterion(self, noise: float, walk: float, scatter: float) -> tuple[float, Array]:
        """Return minus twice ln likelihood, and its slopes by ln of noise, walk, scatter, and floor of traces."""
        sources = self._sources(noise, walk, scatter)
        covariance = sum(sources[1:], sources[0])
        inverse = np.linalg.inv(covariance)
        solved = np.einsum("nij,nj->ni", inverse, self.change)
        value = float(np.linalg.slogdet(covariance)[1].sum() + np.sum(self.change * solved))
        free = inverse - solved[:, :, np.newaxis] * solved[:, np.newaxis, :]
        return value, np.array([*(float(np.sum(free * source)) for source in sources), 0.0])

    def information(self, noise: float, walk: float, scatter: float) -> Array:
        """Return the expected one on the same logarithms, shape (4, 4)."""
        sources = self._sources(noise, walk, scatter)
        shares = [np.linalg.solve(sum(sources[1:], sources[0]), source) for source in sources]
        found = np.zeros((4, 4))
        found[:3, :3] = [[0.5 * np.einsum("nij,nji->", one, other) for other in shares] for one in shares]
        return found

    def _sources(self, noise: float, walk: float, scatter: float) -> list[Array]:
        return [noise * self.noise, walk * self.walk, scatter * np.broadcast_to(self.scatter, self.noise.shape)]


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

    def criterion(self, noise: float, floor: float) -> tuple[float, Array]:
        """Return minus twice ln likelihood, and its slopes by ln of noise, walk and scatter of rests, and floor."""
        density = noise * self.noise + floor * self.white
        value = float(2.0 * self.weight * np.sum(np.log(density) + self.power / density))
        free = 2.0 * self.weight * (1.0 - self.power / density) / density
        return value, np.array([noise * (free @ self.noise), 0.0, 0.0, floor * (free @ self.white)])

    def information(self, noise: float, floor: float) -> Array:
        """Return the expected one on the same logarithms, shape (4, 4)."""
        density = noise * self.noise + floor * self.white
        shares = np.array([noise * self.noise / density, floor * self.white / density])
        found = np.zeros((4, 4))
        found[np.ix_((0, 3), (0, 3))] = self.weight * shares @ shares.T
        return found
