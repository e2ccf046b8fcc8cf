"""The steps of a die in plain NumPy: the form to read.

Not here: the compiled form, which a die uses by default (:mod:`labctl.physics.kernels`); the tests hold it against
this one.
"""

import numpy as np
from numpy.typing import NDArray

from labctl.physics.cells import (
    NOISE_DEFERRAL,
    RELAXATION_DEFERRAL,
    SHORTEST_S,
    Cells,
    DieState,
    Models,
    Stuck,
    simultaneous_s,
)
from labctl.physics.forming import breakdown_rate, conductance_after_breakdown
from labctl.physics.metal_oxide import conductance_at_current, delta_conductance, saturated_step
from labctl.physics.noise import relaxation_decades
from labctl.physics.random import Stream, normals

__all__ = ["PlainSteps"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class PlainSteps:
    """The steps of one die; see :class:`~labctl.physics.cells.Steps`.

    Parameters
    ----------
    models : Models
        Laws in force.
    cells : Cells
        Properties of the cells.
    """

    def __init__(self, models: Models, cells: Cells) -> None:
        self._models = models
        self._cells = cells

    def apply_stress(
        self, state: DieState, active: Index, voltage_v: Array, duration_s: float, now_s: float, limit_a: Array
    ) -> None:
        """Let some cells live through a constant voltage."""
        strong = np.abs(voltage_v[active]) > self._models.law.dead_zone_v
        active = active[strong & (self._cells.stuck[active] == Stuck.NO)]
        limit = np.broadcast_to(limit_a, voltage_v.shape)
        virgin = ~state.formed[active]
        broken = self._age_virgin(state, active[virgin], voltage_v, duration_s, limit)
        formed = active[~virgin]
        self._begin_or_prolong(state, formed, voltage_v, duration_s, now_s)
        self._finish(state, np.concatenate([formed, broken]), now_s + duration_s, limit)

    def _age_virgin(self, state: DieState, virgin: Index, voltage_v: Array, duration_s: float, limit_a: Array) -> Index:
        """Add exposure; cells that break down go on as formed cells for the rest of the stress. Return those."""
        forming = self._models.forming
        virgin = virgin[voltage_v[virgin] > 0.0]
        rate = breakdown_rate(voltage_v[virgin], self._cells.forming_voltage_v[virgin], forming)
        left = self._cells.forming_life[virgin] - state.forming_exposure[virgin]
        breaks = left <= rate * duration_s
        state.forming_exposure[virgin] += np.where(breaks, left, rate * duration_s)
        broken = virgin[breaks]
        state.conductance_s[broken] = conductance_after_breakdown(limit_a[broken], forming, self._models.law)
        state.formed[broken] = True
        _remember(state, broken, voltage_v[broken], 0.0)
        state.stress_elapsed_s[broken] = np.maximum(duration_s - left[breaks] / rate[breaks], SHORTEST_S)
        return broken

    def _begin_or_prolong(
        self, state: DieState, formed: Index, voltage_v: Array, duration_s: float, now_s: float
    ) -> None:
        """Find out whether this stress goes on with the last one, and note it."""
        same = np.abs(voltage_v[formed] - state.stress_voltage_v[formed]) <= self._models.same_stress_v
        goes_on = same & (np.abs(now_s - state.stress_end_s[formed]) <= simultaneous_s(now_s))
        state.stress_elapsed_s[formed[goes_on]] += duration_s
        fresh = formed[~goes_on]
        if self._models.relaxation is not None:
            law = self._models.law
            self._relax(state, fresh, now_s)
            moved = state.conductance_s[fresh] * np.exp(state.drift[fresh])
            state.conductance_s[fresh] = np.clip(moved, law.low_s, law.high_s)
            state.drift[fresh] = 0.0
        _remember(state, fresh, voltage_v[fresh], np.maximum(now_s - state.last_program_time_s[fresh], 0.0))
        state.stress_elapsed_s[fresh] = duration_s

    def _finish(self, state: DieState, index: Index, end_s: float, limit_a: Array) -> None:
        """Bring the conductance to what the whole stress so far makes of its start."""
        models, cells = self._models, self._cells
        start, voltage = state.stress_start_s[index], state.stress_voltage_v[index]
        factor = cells.gain[index]
        if models.cycle_sigma > 0.0:
            draw = normals(models.seed, Stream.CYCLE, cells.number[index], state.event[index])
            factor = factor * np.exp(models.cycle_sigma * draw)
        elapsed, offset = state.stress_elapsed_s[index], cells.offset_v[index]
        step = factor * delta_conductance(start, voltage, elapsed, models.law, offset_v=offset)
        reached = start + saturated_step(start, step, models.law)
        ceiling = np.maximum(conductance_at_current(voltage, limit_a[index], models.law), state.conductance_s[index])
        reached = np.where(voltage > 0.0, np.minimum(reached, ceiling), reached)
        state.conductance_s[index] = reached
        state.stress_end_s[index] = end_s
        renewal = np.inf if models.relaxation is None else models.relaxation.renewal
        age = state.stress_age_s[index] * np.exp(-np.abs(np.log(reached / start)) / renewal)
        state.last_program_time_s[index] = end_s - age
        if models.relaxation is not None:
            state.drift_decades[index] = relaxation_decades(age, models.relaxation)

    def _relax(self, state: DieState, index: Index, now_s: float) -> None:
        relaxation = self._models.relaxation
        if relaxation is None:
            return
        decades = relaxation_decades(now_s - state.last_program_time_s[index], relaxation)
        passed = decades - state.drift_decades[index]
        due = passed > RELAXATION_DEFERRAL
        index = index[due]
        number = self._cells.number[index]
        draw = normals(self._models.seed, Stream.RELAXATION, number, state.drift_draws[index])
        state.drift[index] += relaxation.sigma * np.sqrt(passed[due]) * draw
        state.drift_decades[index] = decades[due]
        state.drift_draws[index] += 1

    def apparent_conductance(self, state: DieState, index: Index, now_s: float, weights: Array) -> Array:
        """Carry relaxation and 1/f noise of some cells to a time and return their conductance then."""
        models, number = self._models, self._cells.number[index]
        result = state.conductance_s[index]
        if models.relaxation is not None:
            drifts = state.formed[index] & (self._cells.stuck[index] == Stuck.NO)
            self._relax(state, index[drifts], now_s)
            result = np.where(drifts, result * np.exp(state.drift[index]), result)
        if models.bank is not None:
            tau, lanes = models.bank.tau_s, np.arange(len(models.bank.tau_s))
            passed = now_s - state.noise_time_s[index]
            due = passed > NOISE_DEFERRAL * tau
            kept = np.exp(-np.maximum(passed, 0.0) / tau)
            draw = normals(models.seed, Stream.NOISE, number[:, np.newaxis], state.noise_draws[index], lanes)
            moved = kept * state.noise[index] + np.sqrt(1.0 - kept**2) * models.bank.sigma * draw
            state.noise[index] = np.where(due, moved, state.noise[index])
            state.noise_time_s[index] = np.where(due, now_s, state.noise_time_s[index])
            state.noise_draws[index] += due
            result = result * (1.0 + state.noise[index] @ weights)
        return result


def _remember(state: DieState, index: Index, voltage_v: Array, age_s: Array | float) -> None:
    state.event[index] += 1
    state.stress_voltage_v[index] = voltage_v
    state.stress_start_s[index] = state.conductance_s[index]
    state.stress_age_s[index] = age_s
