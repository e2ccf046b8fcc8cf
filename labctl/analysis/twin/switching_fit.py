r"""SET and RESET of metal oxide out of single pulses: how large steps are, where they begin, and their spreads.

The law of the device file is kept in its form; fitted are its two scales (``set.c0``, ``reset.c0``), a shift of each
polarity's thresholds (all of ``set.c4``, ``reset.c4``), the spread C2C and both spreads D2D. A step, the bound ahead of
it taken out again, is lognormal about the law:

.. math:: \ln \Delta G_k = \ln |\Delta(G_k, V_k, t_k; \delta + o_i)| + \kappa + \ln g_i + \sigma \xi_k

Only pulses count whose step, as the law has it, stands well above the scatter of readings and well below the bound:
chosen by what is predicted, not by what was read, which would lean to one side. Not here: the estimator
(:mod:`labctl.analysis.twin.mixed_effects`), how steps depend on width and state, which stays as the base file says.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.analysis.twin.mixed_effects import Linearised, MixedFit, fit_mixed
from labctl.analysis.twin.observations import Pulses
from labctl.physics.metal_oxide import MetalOxideLaw, conductance_at_current, delta_conductance

__all__ = ["LEAST_CELLS", "PARAMETERS", "SwitchingFit", "fit_switching"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

PARAMETERS = ("set.scale", "set.threshold", "reset.scale", "reset.threshold")
"""Units: ln of a factor on c0 (unit 1), V, and the same for RESET."""
LEAST_CELLS = 4
"""Cells below which a spread D2D is not told."""
_LEAST_PULSES = 20
# a step counts between these bounds: in standard deviations of a reading, and in parts of the room ahead of it
_LEAST_STEP, _MOST_ROOM = 8.0, 0.6
# standard errors above which the data do not tell a parameter: a factor of 2, and two of the spreads D2D of the base
# file
_TOLD = np.array([0.7, 0.1, 0.7, 0.1])
_SINGULAR = 1e-5
_STEP_V = 1e-4
_SELECTIONS = 2


@dataclass(frozen=True, slots=True, eq=False)
class SwitchingFit:
    """What came of a fit.

    Attributes
    ----------
    mixed : MixedFit
        Parameters in the order of ``told``, then spreads D2D of gain and threshold and that C2C.
    told : tuple of str
        Which of :data:`PARAMETERS` the data told.
    used, set_pulses, reset_pulses : int
        Pulses that counted.
    cells : int
    unresponsive : tuple of int
        Cells that pulses did not move: stuck.
    is_used : ndarray of bool, shape (pulses,)
    warnings : tuple of str
    """

    mixed: MixedFit
    told: tuple[str, ...]
    used: int
    set_pulses: int
    reset_pulses: int
    cells: int
    unresponsive: tuple[int, ...]
    is_used: Mask
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Pulses as the law sees them, shape (n,)."""

    cell: NDArray[np.int64]
    voltage_v: Array
    width_s: Array
    before_s: Array
    step_s: Array
    room_s: Array
    scatter_s: Array

    def chosen(self, mask: Mask) -> "_Steps":
        return _Steps(*(getattr(self, name)[mask] for name in self.__slots__))


def fit_switching(
    pulses: Pulses, law: MetalOxideLaw, *, scatter: Array, spreads: tuple[float, float, float]
) -> SwitchingFit:
    """Fit the switching of a die.

    Parameters
    ----------
    pulses : Pulses
    law : MetalOxideLaw
        Of the base file.
    scatter : ndarray, shape (pulses,), unit 1
        Standard deviation of the difference of the two readings of each pulse if nothing had switched, relative to G.
    spreads : tuple of three floats, units 1, V and 1
        D2D of gain and threshold, C2C; where to begin, and what stays where the data do not tell it.

    Returns
    -------
    SwitchingFit

    Raises
    ------
    ValueError
        If no polarity has enough pulses that count.
    """
    steps = _steps(pulses, law, scatter)
    unresponsive = _unresponsive(steps, law)
    works = ~np.isin(steps.cell, unresponsive)
    # to begin with, what was seen to move; then what the law so found predicts
    seen = np.abs(steps.step_s)
    is_used = works & (seen > _LEAST_STEP * steps.scatter_s) & (seen < 0.97 * steps.room_s)
    is_used &= steps.step_s * steps.voltage_v > 0.0
    theta, effects, start = np.zeros(4), np.zeros((int(steps.cell.max(initial=0)) + 1, 2)), np.array(spreads)
    for _ in range(_SELECTIONS):
        found, active, numbers, _ = _fit(steps.chosen(is_used), law, theta, start, [])
        theta = np.zeros(4)
        theta[active] = found.theta
        effects[:] = 0.0
        effects[numbers] = found.effects
        predicted = np.abs(_typical(steps, law, theta, effects))
        is_used = works & (predicted > _LEAST_STEP * steps.scatter_s) & (predicted < _MOST_ROOM * steps.room_s)
        is_used &= np.isin(steps.cell, numbers) & (steps.step_s * steps.voltage_v > 0.0)
        start = np.maximum(found.spreads, 0.02 * np.array(spreads))
    warnings: list[str] = []
    found, active, numbers, kept = _fit(steps.chosen(is_used), law, theta, start, warnings)
    is_used[is_used] = kept
    told = tuple(name for name, is_active in zip(PARAMETERS, active, strict=True) if is_active)
    upward = steps.voltage_v[is_used] > 0.0
    return SwitchingFit(
        found,
        told,
        int(is_used.sum()),
        int(upward.sum()),
        int((~upward).sum()),
        numbers.size,
        tuple(int(cell) for cell in unresponsive),
        is_used,
        tuple(warnings),
    )


def _steps(pulses: Pulses, law: MetalOxideLaw, scatter: Array) -> _Steps:
    before, after = (
        conductance_at_current(pulses.read_voltage_v, np.abs(current), law)
        for current in (pulses.before_a, pulses.after_a)
    )
    room = np.where(pulses.voltage_v > 0.0, law.high_s - before, before - law.low_s)
    return _Steps(
        pulses.cell, pulses.voltage_v, pulses.width_s, before, after - before, room, scatter * np.maximum(before, after)
    )


def _typical(steps: _Steps, law: MetalOxideLaw, theta: Array, effects: Array) -> Array:
    """Return the median step of each pulse, before the bound."""
    upward = steps.voltage_v > 0.0
    offset = np.where(upward, theta[1], theta[3]) + effects[steps.cell, 1]
    gain = np.exp(np.where(upward, theta[0], theta[2]) + effects[steps.cell, 0])
    return np.asarray(gain * delta_conductance(steps.before_s, steps.voltage_v, steps.width_s, law, offset_v=offset))


def _unresponsive(steps: _Steps, law: MetalOxideLaw) -> NDArray[np.int64]:
    """Return cells that five pulses or more, meant to change them much, did not move."""
    cells = int(steps.cell.max(initial=-1)) + 1
    meant = np.minimum(np.abs(_typical(steps, law, np.zeros(4), np.zeros((max(cells, 1), 2)))), steps.room_s)
    strong = meant > 5.0 * _LEAST_STEP * steps.scatter_s
    still = np.abs(steps.step_s) < 4.0 * steps.scatter_s
    count = np.bincount(steps.cell[strong], minlength=cells)
    moved = np.bincount(steps.cell[strong & ~still], minlength=cells)
    return np.flatnonzero((count >= 5) & (moved == 0))


def _fit(
    steps: _Steps, law: MetalOxideLaw, theta: Array, start: Array, warnings: list[str]
) -> tuple[MixedFit, Mask, NDArray[np.int64], Mask]:
    """Fit what can be told; say what cannot."""
    upward = steps.voltage_v > 0.0
    active = np.ones(4, dtype=bool)
    for name, first, count in (("SET", 0, int(upward.sum())), ("RESET", 2, int((~upward).sum()))):
        if count < _LEAST_PULSES:
            active[first : first + 2] = False
            warnings.append(
                f"{name}: {count} single pulses count, at least {_LEAST_PULSES} are needed; run map_pulses or "
                "potentiate_depress with larger amplitudes"
            )
    kept = np.where(upward, active[0], active[2])
    steps = steps.chosen(kept)
    if not active.any():
        raise ValueError("; ".join(warnings))
    numbers, cell = np.unique(steps.cell, return_inverse=True)
    held = np.array([numbers.size < LEAST_CELLS] * 2 + [False])
    if held[0]:
        warnings.append(
            f"spread.device_gain, spread.device_threshold: {numbers.size} cells, at least {LEAST_CELLS} are needed"
        )
    while True:
        found = _solved(steps, cell, law, np.where(active, theta, 0.0), active, start, held)
        errors = np.full(4, 0.0)
        errors[active] = np.sqrt(np.diag(found.covariance))
        worst = _not_told(found, active, errors)
        if worst is None or active.sum() == 1:
            return found, active, numbers, kept
        why = (
            "the Fisher information is singular"
            if found.conditioning < _SINGULAR
            else f"its standard error is {errors[worst]:.2g} {'V' if worst % 2 else 'in ln'}"
        )
        warnings.append(
            f"{PARAMETERS[worst]}: the runs do not tell it ({why}; conditioning {found.conditioning:.1g}); it stays as"
            " in the base file. Pulses over more amplitudes, into saturation, tell scale from threshold"
        )
        active[worst] = False


def _not_told(found: MixedFit, active: Mask, errors: Array) -> int | None:
    """Return the parameter that the data tell least, if they do not tell all."""
    if found.conditioning < _SINGULAR:
        information = np.linalg.inv(found.covariance)
        scaled = information / np.sqrt(np.outer(np.diag(information), np.diag(information)))
        return int(np.flatnonzero(active)[np.argmax(np.abs(np.linalg.eigh(scaled)[1][:, 0]))])
    if not (errors > _TOLD).any():
        return None
    return int(np.argmax(errors / _TOLD))


def _solved(
    steps: _Steps,
    cell: NDArray[np.int64],
    law: MetalOxideLaw,
    theta: Array,
    active: Mask,
    start: Array,
    held: Mask,
) -> MixedFit:
    upward = steps.voltage_v > 0.0
    part = np.minimum(np.abs(steps.step_s) / steps.room_s, 0.995)
    # the step before the bound shortened it: the inverse of saturated_step
    unbounded = part / (1.0 - part**law.sharpness) ** (1.0 / law.sharpness) * steps.room_s
    observed = np.log(unbounded)

    def linear(values: Array, effects: Array) -> Linearised:
        full = theta.copy()
        full[active] = values
        offset = np.where(upward, full[1], full[3]) + effects[cell, 1]
        scale = np.where(upward, full[0], full[2]) + effects[cell, 0]

        def log_step(shift_v: float) -> Array:
            step = delta_conductance(steps.before_s, steps.voltage_v, steps.width_s, law, offset_v=offset + shift_v)
            return np.log(np.maximum(np.abs(step), 1e-300))

        middle = log_step(0.0)
        slope = (log_step(_STEP_V) - log_step(-_STEP_V)) / (2.0 * _STEP_V)
        predicted = middle + scale
        slopes = np.column_stack([upward, upward * slope, ~upward, ~upward * slope]).astype(float)
        effect_slopes = np.column_stack([np.ones(cell.size), slope])
        # how a scatter of the reading moves the logarithm of the step, the bound included
        step = np.exp(predicted)
        ratio = np.minimum(step / steps.room_s, 3.0)
        damped = (1.0 + ratio**law.sharpness) ** (1.0 + 1.0 / law.sharpness)
        noise = (steps.scatter_s * damped / step) ** 2
        return Linearised(predicted, slopes[:, active], effect_slopes, np.ones(cell.size), noise)

    return fit_mixed(observed, cell, linear, theta=theta[active], spreads=start, held=held)
