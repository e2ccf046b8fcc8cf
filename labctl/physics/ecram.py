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
    cells : int
        How many.
    seed : int
        Of the spread from device to device and from pulse to pulse.
    device_spread, cycle_spread : bool
        False leaves that spread out.

    Attributes
    ----------
    w : ndarray, shape (cells,), unit 1
        State when it was last pulsed; new cells stand at 0.
    """

    def __init__(
        self, preset: Preset, *, cells: int, seed: int, device_spread: bool = True, cycle_spread: bool = True
    ) -> None:
        drawn = normals(seed, Stream.ECRAM_DEVICE, np.arange(cells), lane=np.arange(6)[:, np.newaxis])
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
        self._events = np.zeros(cells, dtype=np.int64)
        self._written_at_s = np.zeros(cells)
        self.w = np.zeros(cells)

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
        drive = np.maximum(0.0, np.abs(applied_v) - self._dead_zone_v) / (self._amplitude_v - self._dead_zone_v)
        count = drive * width_s / self._width_s
        for sign, bounds in ((1, self.w_max), (-1, self.w_min)):
            cells = np.flatnonzero((np.sign(applied_v) == sign) & (count > 0.0))
            if cells.size:
                before = self.relaxed(now_s)[cells]
                self.w[cells] = self._moved(cells, sign, before, np.abs(bounds[cells]), count[cells])
                self._events[cells] += 1
                self._written_at_s[cells] = now_s + width_s

    def relaxed(self, now_s: float) -> NDArray[np.float64]:
        """Return the state at a time, shape (cells,), unit 1; a time before the last pulse counts as its end.

        Parameters
        ----------
        now_s : float, unit s
        """
        rested = np.maximum(0.0, now_s - self._written_at_s) / self._time_s
        return self._convergence + (self.w - self._convergence) * np.exp(-(rested**self._stretch))

    def conductance_s(self, now_s: float) -> NDArray[np.float64]:
        """Return the channel conductance with the gate open, shape (cells,), unit S.

        Parameters
        ----------
        now_s : float, unit s
        """
        return self._middle_s + self._half_range_s * self.relaxed(now_s)

    def _moved(
        self,
        cells: NDArray[np.int64],
        sign: int,
        before: NDArray[np.float64],
        bound: NDArray[np.float64],
        count: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Move towards the bound of one sign by ``count`` nominal pulses each."""
        step, gamma = self._steps[sign][cells], self._gammas[sign][cells]
        place = sign * before
        # step (1 - gamma w / bound) is geometric towards bound / gamma; for gamma = 0 it is the plain step
        shrink = gamma * step / bound
        decay = count * np.log1p(-shrink)
        geometric = np.where(
            shrink > 0.0, -np.expm1(decay) * (bound / np.where(gamma > 0.0, gamma, 1.0) - place), count * step
        )
        # independent pulses: the spread of a sum grows with the root of their number
        noise = self._cycle_spread * normals(self._seed, Stream.ECRAM_CYCLE, cells, self._events[cells])
        moved = geometric * (1.0 + noise / np.sqrt(count))
        return np.asarray(sign * np.minimum(bound, place + moved).clip(min=-np.abs(self._other(sign)[cells])))

    def _other(self, sign: int) -> NDArray[np.float64]:
        return self.w_min if sign > 0 else self.w_max
