"""The steps of :mod:`labctl.physics.plain_steps`, compiled: a loop over the few cells that are under stress.

The formulas are written out a second time on purpose: compiled code that is cached on disk must lie in one file to be
compiled anew when it changes, and the tests hold the two forms against each other. Not here: what the steps mean.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from labctl.physics.cells import (
    NOISE_DEFERRAL,
    RELAXATION_DEFERRAL,
    SHORTEST_S,
    Cells,
    DieState,
    Models,
    simultaneous_s,
)
from labctl.physics.random import Stream

__all__ = ["CompiledSteps"]

F = TypeVar("F", bound=Callable[..., object])

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Integer = int | np.int64

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_MASK, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
# a plain int would be a type of its own to numba, which would compile what takes it once more for every value
_CYCLE, _NOISE, _RELAXATION = np.int64(Stream.CYCLE), np.int64(Stream.NOISE), np.int64(Stream.RELAXATION)
_FIRST_LANE = np.int64(0)


def _compiled(function: F) -> F:
    return cast(F, numba.njit(cache=True, error_model="numpy")(function))


class _Constants(NamedTuple):
    """The laws in force as compiled code takes them; the names are those of the laws, in SI."""

    seed: np.uint64
    log_centre: Array
    set_c2: Array
    set_c3: Array
    set_c4: Array
    reset_c1: Array
    reset_c2: Array
    reset_c4: Array
    set_c0: float
    set_c1: float
    reset_c0: float
    reset_c3: float
    low_s: float
    high_s: float
    sharpness: float
    dead_zone_v: float
    a1_offset_s: float
    a1_gain: float
    a3_gain: float
    a3_square: float
    a3_offset_s: float
    cycle_sigma: float
    same_stress_v: float
    forming_time_s: float
    forming_acceleration_per_v: float
    forming_voltage_after_v: float
    relaxes: bool
    relaxation_sigma: float
    relaxation_onset_s: float
    relaxation_renewal: float
    tau_s: Array
    noise_sigma: float


def _pack(models: Models) -> _Constants:
    """Gather the laws in force for the compiled steps."""
    law, form, relax, bank = models.law, models.forming, models.relaxation, models.bank
    return _Constants(
        seed=np.uint64(models.seed),
        **{
            name: getattr(law, name)
            for name in (
                *("log_centre", "set_c2", "set_c3", "set_c4", "reset_c1", "reset_c2", "reset_c4", "set_c0", "set_c1"),
                *("reset_c0", "reset_c3", "low_s", "high_s", "sharpness", "dead_zone_v"),
                *("a1_offset_s", "a1_gain", "a3_gain", "a3_square", "a3_offset_s"),
            )
        },
        cycle_sigma=models.cycle_sigma,
        same_stress_v=models.same_stress_v,
        forming_time_s=form.time_s,
        forming_acceleration_per_v=form.acceleration_per_v,
        forming_voltage_after_v=form.voltage_after_v,
        relaxes=relax is not None,
        relaxation_sigma=0.0 if relax is None else relax.sigma,
        relaxation_onset_s=1.0 if relax is None else relax.onset_s,
        relaxation_renewal=math.inf if relax is None else relax.renewal,
        tau_s=np.empty(0) if bank is None else bank.tau_s,
        noise_sigma=0.0 if bank is None else bank.sigma,
    )


@_compiled
def _normal(seed: np.uint64, stream: Integer, cell: Integer, event: Integer, lane: Integer) -> float:
    c0, c1, c2, c3 = np.uint64(event), np.uint64(lane), np.uint64(cell), np.uint64(stream)
    k0, k1 = seed & _MASK, seed >> _SHIFT
    for _ in range(10):
        first, second = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (second >> _SHIFT) ^ c1 ^ k0, second & _MASK, (first >> _SHIFT) ^ c3 ^ k1, first & _MASK
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    radius = math.sqrt(-2.0 * math.log((float(c0) + 0.5) * 2.0**-32))
    return radius * math.cos(2.0 * math.pi * ((float(c1) + 0.5) * 2.0**-32))


@_compiled
def _step(c: _Constants, conductance_s: float, voltage_v: float, duration_s: float, offset_v: float) -> float:
    """Return dG of one cell before any bound is felt."""
    log_g = math.log10(conductance_s)
    last = len(c.log_centre) - 1
    low = 0
    while low < last - 1 and log_g >= c.log_centre[low + 1]:
        low += 1
    part = (log_g - c.log_centre[low]) / (c.log_centre[low + 1] - c.log_centre[low])
    part = min(max(part, 0.0), 1.0)
    rest = 1.0 - part
    decades = math.log10(duration_s)
    drive, idle = abs(voltage_v) - offset_v, c.dead_zone_v - offset_v
    if voltage_v > 0.0:
        c2 = rest * c.set_c2[low] + part * c.set_c2[low + 1]
        c3 = rest * c.set_c3[low] + part * c.set_c3[low + 1]
        c4 = rest * c.set_c4[low] + part * c.set_c4[low + 1]
        pace = c.set_c0 * (1.0 - math.tanh(c.set_c1 * (decades - c2)))
        return pace * (math.tanh(c3 * drive - c4) - math.tanh(c3 * idle - c4))
    c1 = rest * c.reset_c1[low] + part * c.reset_c1[low + 1]
    c2 = rest * c.reset_c2[low] + part * c.reset_c2[low + 1]
    c4 = rest * c.reset_c4[low] + part * c.reset_c4[low + 1]
    pace = c.reset_c0 * (1.0 + math.tanh(c1 * (decades - c2)))
    return pace * (math.tanh(c.reset_c3 * drive + c4) - math.tanh(c.reset_c3 * idle + c4))


@_compiled
def _bounded(c: _Constants, conductance_s: float, step_s: float) -> float:
    """Return the conductance after a step that feels the end of the range."""
    room = max(c.high_s - conductance_s if step_s > 0.0 else conductance_s - c.low_s, 0.0)
    size = abs(step_s)
    large = max(size, room)
    if large == 0.0:
        return conductance_s
    small = min(size, room)
    made = small / (1.0 + (small / large) ** c.sharpness) ** (1.0 / c.sharpness)
    return conductance_s + math.copysign(made, step_s)


@_compiled
def _ceiling(c: _Constants, voltage_v: float, limit_a: float) -> float:
    """Return the conductance at which a SET meets compliance."""
    if math.isinf(limit_a):
        return math.inf
    drive = abs(voltage_v)
    square = c.a3_square * drive**3
    linear = (c.a1_gain + c.a3_gain * drive**2) * drive
    missing = max(limit_a - (c.a1_offset_s + c.a3_offset_s * drive**2) * drive, 0.0)
    return 2.0 * missing / (linear + math.sqrt(linear**2 + 4.0 * square * missing))


@_compiled
def _decades(c: _Constants, age_s: float) -> float:
    return math.log10(1.0 + max(age_s, 0.0) / c.relaxation_onset_s)


@_compiled
def _apply_stress(
    c: _Constants,
    active: Index,
    voltage_v: Array,
    duration_s: float,
    now_s: float,
    tolerance_s: float,
    limit_a: Array,
    number: Index,
    gain: Array,
    offset_v: Array,
    forming_voltage_v: Array,
    forming_life: Array,
    stuck: NDArray[np.uint8],
    conductance_s: Array,
    formed: NDArray[np.bool_],
    event: Index,
    exposure: Array,
    program_time_s: Array,
    stress_voltage_v: Array,
    stress_start_s: Array,
    stress_elapsed_s: Array,
    stress_end_s: Array,
    stress_age_s: Array,
    drift: Array,
    drift_decades: Array,
    drift_draws: Index,
) -> None:
    """Do what ``PlainSteps.apply_stress`` does; the arrays are the fields of cells and state."""
    end_s = now_s + duration_s
    for i in active:
        voltage = voltage_v[i]
        if abs(voltage) <= c.dead_zone_v or stuck[i] != 0:
            continue
        limit = limit_a[i if len(limit_a) > 1 else 0]
        if not formed[i]:
            if voltage <= 0.0:
                continue
            rate = math.exp(c.forming_acceleration_per_v * (voltage - forming_voltage_v[i])) / c.forming_time_s
            left = forming_life[i] - exposure[i]
            if left > rate * duration_s:
                exposure[i] += rate * duration_s
                continue
            exposure[i] += left
            formed[i] = True
            conductance_s[i] = min(max(limit / c.forming_voltage_after_v, c.low_s), c.high_s)
            event[i] += 1
            stress_voltage_v[i], stress_start_s[i], stress_age_s[i] = voltage, conductance_s[i], 0.0
            stress_elapsed_s[i] = max(duration_s - left / rate, SHORTEST_S)
        elif abs(voltage - stress_voltage_v[i]) <= c.same_stress_v and abs(now_s - stress_end_s[i]) <= tolerance_s:
            stress_elapsed_s[i] += duration_s
        else:
            age = max(now_s - program_time_s[i], 0.0)
            if c.relaxes:
                decades = _decades(c, age)
                passed = decades - drift_decades[i]
                if passed > RELAXATION_DEFERRAL:
                    draw = _normal(c.seed, _RELAXATION, number[i], drift_draws[i], _FIRST_LANE)
                    drift[i] += c.relaxation_sigma * math.sqrt(passed) * draw
                    drift_draws[i] += 1
                conductance_s[i] = min(max(conductance_s[i] * math.exp(drift[i]), c.low_s), c.high_s)
                drift[i] = 0.0
            event[i] += 1
            stress_voltage_v[i], stress_start_s[i], stress_age_s[i] = voltage, conductance_s[i], age
            stress_elapsed_s[i] = duration_s
        start, voltage = stress_start_s[i], stress_voltage_v[i]
        factor = gain[i]
        if c.cycle_sigma > 0.0:
            factor *= math.exp(c.cycle_sigma * _normal(c.seed, _CYCLE, number[i], event[i], _FIRST_LANE))
        reached = _bounded(c, start, factor * _step(c, start, voltage, stress_elapsed_s[i], offset_v[i]))
        if voltage > 0.0:
            reached = min(reached, max(_ceiling(c, voltage, limit), conductance_s[i]))
        conductance_s[i] = reached
        stress_end_s[i] = end_s
        age = stress_age_s[i] * math.exp(-abs(math.log(reached / start)) / c.relaxation_renewal)
        program_time_s[i] = end_s - age
        if c.relaxes:
            drift_decades[i] = _decades(c, age)


@_compiled
def _apparent_conductance(
    c: _Constants,
    index: Index,
    now_s: float,
    weights: Array,
    number: Index,
    stuck: NDArray[np.uint8],
    conductance_s: Array,
    formed: NDArray[np.bool_],
    program_time_s: Array,
    drift: Array,
    drift_decades: Array,
    drift_draws: Index,
    noise: Array,
    noise_time_s: Array,
    noise_draws: Index,
) -> Array:
    """Do what ``PlainSteps.apparent_conductance`` does; the arrays are the fields of cells and state."""
    result = np.empty(len(index))
    poles = len(c.tau_s)
    for k in range(len(index)):
        i = index[k]
        value = conductance_s[i]
        if c.relaxes and formed[i] and stuck[i] == 0:
            age = max(now_s - program_time_s[i], 0.0)
            decades = _decades(c, age)
            passed = decades - drift_decades[i]
            if passed > RELAXATION_DEFERRAL:
                draw = _normal(c.seed, _RELAXATION, number[i], drift_draws[i], _FIRST_LANE)
                drift[i] += c.relaxation_sigma * math.sqrt(passed) * draw
                drift_decades[i] = decades
                drift_draws[i] += 1
            value *= math.exp(drift[i])
        total = 1.0
        for p in range(poles):
            passed = now_s - noise_time_s[i, p]
            if passed > NOISE_DEFERRAL * c.tau_s[p]:
                kept = math.exp(-passed / c.tau_s[p])
                draw = _normal(c.seed, _NOISE, number[i], noise_draws[i, p], p)
                noise[i, p] = kept * noise[i, p] + math.sqrt(1.0 - kept**2) * c.noise_sigma * draw
                noise_time_s[i, p] = now_s
                noise_draws[i, p] += 1
            total += weights[p] * noise[i, p]
        result[k] = value * total
    return result


class CompiledSteps:
    """The steps of one die; see :class:`~labctl.physics.cells.Steps`.

    Parameters
    ----------
    models : Models
        Laws in force.
    cells : Cells
        Properties of the cells.
    """

    def __init__(self, models: Models, cells: Cells) -> None:
        self._constants = _pack(models)
        self._cells = cells

    def apply_stress(
        self, state: DieState, active: Index, voltage_v: Array, duration_s: float, now_s: float, limit_a: Array
    ) -> None:
        """Let some cells live through a constant voltage."""
        cells = self._cells
        _apply_stress(
            self._constants,
            active,
            voltage_v,
            duration_s,
            now_s,
            simultaneous_s(now_s),
            limit_a,
            cells.number,
            cells.gain,
            cells.offset_v,
            cells.forming_voltage_v,
            cells.forming_life,
            cells.stuck,
            state.conductance_s,
            state.formed,
            state.event,
            state.forming_exposure,
            state.last_program_time_s,
            state.stress_voltage_v,
            state.stress_start_s,
            state.stress_elapsed_s,
            state.stress_end_s,
            state.stress_age_s,
            state.drift,
            state.drift_decades,
            state.drift_draws,
        )

    def apparent_conductance(self, state: DieState, index: Index, now_s: float, weights: Array) -> Array:
        """Carry relaxation and 1/f noise of some cells to a time and return their conductance then."""
        return _apparent_conductance(
            self._constants,
            index,
            now_s,
            weights,
            self._cells.number,
            self._cells.stuck,
            state.conductance_s,
            state.formed,
            state.last_program_time_s,
            state.drift,
            state.drift_decades,
            state.drift_draws,
            state.noise,
            state.noise_time_s,
            state.noise_draws,
        )
