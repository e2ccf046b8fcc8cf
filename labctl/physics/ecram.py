"""Electrochemical RAM: a channel whose conductance the charge of gate pulses moves, in nearly equal steps.

The state w lies between two soft bounds. A nominal gate pulse moves it by a step that shrinks linearly towards the
bound it goes to; a pulse of another width or amplitude counts as so many nominal ones, not necessarily a whole number,
and the recursion is continued between whole numbers by its exponential, so that a pulse and its two halves do the same.
At rest, with the gate open, w relaxes towards a convergence point. Not here: the currents while the gate is driven,
wires, time.

References
----------
.. [1] J. Tang et al., "ECRAM as scalable synaptic cell for high-speed, low-power neuromorphic computing", IEDM 2018,
   doi:10.1109/IEDM.2018.8614551: the measured device behind the update law.
.. [2] M. J. Rasch et al., "A flexible and fast PyTorch toolkit for simulating training and inference on analog crossbar
   arrays", AICAS 2021, doi:10.1109/AICAS51828.2021.9458494: the linear step with soft bounds.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.presets import Preset
from labctl.physics.random import Stream, normals

__all__ = ["EcramCells"]

_STEP, _UP_DOWN, _MAX, _MIN, _GAMMA_UP, _GAMMA_DOWN = range(6)


class EcramCells:
    """Cells of one die.

    Parameters
    ----------
    preset : Preset
        Of family ``"ecram"``.
    cells : int or ndarray of int64, shape (cells,)
        How many, numbered from 0, or the number of each, the key of its random numbers.
    seed : int
        Of the spread from device to device and from pulse to pulse.
    device_spread, cycle_spread : bool
        False leaves that spread out.

    Attributes
    ----------
    w : ndarray, shape (cells,), unit 1
        State when it was last pulsed; new cells stand at 0.
    w_min, w_max : ndarray, shape (cells,), unit 1
        Bounds of each cell.
    """

    def __init__(
        self,
        preset: Preset,
        *,
        cells: int | NDArray[np.int64],
        seed: int,
        device_spread: bool = True,
        cycle_spread: bool = True,
    ) -> None:
        self._number = np.arange(cells) if isinstance(cells, int) else cells
        drawn = normals(seed, Stream.ECRAM_DEVICE, self._number, lane=np.arange(6)[:, np.newaxis])
        drawn *= float(device_spread)

        def spread(lane: int, kind: str) -> NDArray[np.float64]:
            # a factor that is not positive would turn the device round
            return np.asarray(np.maximum(0.05, 1.0 + preset[f"spread.{kind}"] * drawn[lane]))

        step = preset["update.step"] * spread(_STEP, "step")
        asymmetry = preset["spread.up_down"] * drawn[_UP_DOWN]
        self.w_max = preset["update.w_max"] * spread(_MAX, "bounds")
        self.w_min = preset["update.w_min"] * spread(_MIN, "bounds")
        self._steps = {1: step * (1.0 + asymmetry), -1: step * (1.0 - asymmetry)}
        self._gammas = {
            1: np.minimum(0.99, preset["update.gamma_up"] * spread(_GAMMA_UP, "gamma")),
            -1: np.minimum(0.99, preset["update.gamma_down"] * spread(_GAMMA_DOWN, "gamma")),
        }
        self._cycle_spread = preset["update.cycle_spread"] if cycle_spread else 0.0
        self._amplitude_v, self._dead_zone_v = preset["gate.amplitude"], preset["gate.dead_zone"]
        self._width_s = preset["gate.width"]
        self._middle_s, self._half_range_s = preset["read.middle"], preset["read.half_range"]
        self._convergence = preset["retention.convergence"]
        self._time_s, self._stretch = preset["retention.time"], preset["retention.stretch"]
        self._seed = seed
        self._events = np.zeros(self._number.size, dtype=np.int64)
        self._written_at_s = np.zeros(self._number.size)
        self.w = np.zeros(self._number.size)

    def pulse(self, gate_v: ArrayLike, width_s: float, *, now_s: float) -> None:
        """Drive the gates with one rectangular pulse each.

        Parameters
        ----------
        gate_v : array_like, shape () or (cells,), unit V
            Gate above source; positive raises the conductance, and up to the dead zone nothing happens.
        width_s : float, unit s
            Not negative.
        now_s : float, unit s
            When the pulse begins; the relaxation until then is taken first.

        Raises
        ------
        ValueError
            If the width is negative or a voltage is not finite.
        """
        applied_v = np.broadcast_to(np.asarray(gate_v, dtype=float), self.w.shape)
        if not width_s >= 0.0:
            raise ValueError(f"a pulse width must not be negative, got {width_s!r} s")
        if not np.isfinite(applied_v).all():
            raise ValueError("a gate voltage must be finite")
        self.give(np.sign(applied_v) * self.nominal_pulses(applied_v, width_s), width_s, now_s=now_s)

    def give(self, counts: ArrayLike, duration_s: float, *, now_s: float) -> None:
        """Give each cell so many nominal pulses of one sign; together they are one event with the spread of all.

        Parameters
        ----------
        counts : array_like, shape () or (cells,), unit 1
            Not necessarily whole; negative ones lower the conductance, and cells with 0 rest.
        duration_s : float, unit s
            How long all of it takes, not negative.
        now_s : float, unit s
            When it begins; the relaxation until then is taken first.
        """
        signed = np.broadcast_to(np.asarray(counts, dtype=float), self.w.shape)
        for sign in (1, -1):
            cells = np.flatnonzero(np.sign(signed) == sign)
            if cells.size:
                rest_s = np.maximum(0.0, now_s - self._written_at_s[cells])
                before = self.rested(self.w[cells], rest_s)
                self.w[cells] = self.moved(cells, sign, before, np.abs(signed[cells]), self._events[cells])
                self._events[cells] += 1
                self._written_at_s[cells] = now_s + duration_s

    def nominal_pulses(self, gate_v: ArrayLike, width_s: ArrayLike) -> NDArray[np.float64]:
        """Return how many nominal pulses a pulse counts as, broadcast shape, unit 1; 0 in the dead zone.

        Parameters
        ----------
        gate_v : array_like, unit V
        width_s : array_like, unit s
        """
        drive = np.maximum(0.0, np.abs(np.asarray(gate_v, dtype=float)) - self._dead_zone_v)
        return np.asarray(drive / (self._amplitude_v - self._dead_zone_v) * (np.asarray(width_s) / self._width_s))

    def relaxed(self, now_s: float) -> NDArray[np.float64]:
        """Return the state at a time, shape (cells,), unit 1; a time before the last pulse counts as its end.

        Parameters
        ----------
        now_s : float, unit s
        """
        return self.rested(self.w, np.maximum(0.0, now_s - self._written_at_s))

    def rested(self, w: NDArray[np.float64], rest_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what a rest leaves of states, broadcast shape, unit 1.

        Parameters
        ----------
        w : ndarray, unit 1
            States when they were written.
        rest_s : ndarray, unit s
            Not negative.
        """
        return self._convergence + (w - self._convergence) * np.exp(-((rest_s / self._time_s) ** self._stretch))

    def conductance_s(self, now_s: float) -> NDArray[np.float64]:
        """Return the channel conductance with the gate open, shape (cells,), unit S.

        Parameters
        ----------
        now_s : float, unit s
        """
        return self._middle_s + self._half_range_s * self.relaxed(now_s)

    def moved(
        self,
        cells: NDArray[np.int64],
        sign: int,
        before: NDArray[np.float64],
        count: NDArray[np.float64],
        events: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Return where pulses of one sign bring cells, shape (n,), unit 1; nothing is remembered.

        Parameters
        ----------
        cells : ndarray of int64, shape (n,)
            Which cells, from 0.
        sign : {1, -1}
            Up or down.
        before : ndarray, shape (n,), unit 1
            States before.
        count : ndarray, shape (n,), unit 1
            Nominal pulses that the pulse counts as, positive.
        events : ndarray of int64, shape (n,)
            How-manieth pulse of each cell it is: the key of its spread.
        """
        step, gamma = self._steps[sign][cells], self._gammas[sign][cells]
        ahead, behind = (self.w_max, self.w_min) if sign > 0 else (self.w_min, self.w_max)
        bound, other = np.abs(ahead[cells]), np.abs(behind[cells])
        place = sign * before
        # step (1 - gamma w / bound) is geometric towards bound / gamma; for gamma = 0 it is the plain step
        shrink = gamma * step / bound
        decay = count * np.log1p(-shrink)
        geometric = np.where(
            shrink > 0.0, -np.expm1(decay) * (bound / np.where(gamma > 0.0, gamma, 1.0) - place), count * step
        )
        # independent pulses: the spread of a sum grows with the root of their number
        noise = self._cycle_spread * normals(self._seed, Stream.ECRAM_CYCLE, self._number[cells], events)
        reached = np.minimum(bound, place + geometric * (1.0 + noise / np.sqrt(count)))
        return np.asarray(sign * reached.clip(min=-other))
