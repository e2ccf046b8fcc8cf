"""What a die remembers of its cells, what its cells are like, and which steps change the one by the other.

Not here: the steps, plain (:mod:`labctl.physics.plain_steps`) and compiled (:mod:`labctl.physics.kernels`), and the die
itself (:mod:`labctl.physics.die`).
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from labctl.physics.forming import FormingLaw
from labctl.physics.metal_oxide import MetalOxideLaw
from labctl.physics.noise import NoiseBank, Relaxation

__all__ = [
    "NOISE_DEFERRAL",
    "RELAXATION_DEFERRAL",
    "SHORTEST_S",
    "Cells",
    "DieState",
    "Models",
    "Steps",
    "Stuck",
    "simultaneous_s",
]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# a pole is not carried over spans below this part of its time constant, relaxation not below this many decades: what is
# left out (0.14 and 0.03 of their sigma at most) is made up by the next look that comes late enough
NOISE_DEFERRAL = 0.01
RELAXATION_DEFERRAL = 1e-3
SHORTEST_S = 1e-300


class Stuck(IntEnum):
    """Whether a cell works: a defect of the die that is there from the start, or wear that ended its switching."""

    NO = 0
    LOW_RESISTANCE = 1
    UNFORMABLE = 2
    WORN = 3


@dataclass(slots=True)
class DieState:
    """What is stored of a die; every array has the shape (rows, columns) or (rows, columns, poles).

    Attributes
    ----------
    conductance_s : ndarray of float, unit S
        Programmed conductance, without relaxation and noise.
    formed : ndarray of bool
        Whether the oxide broke down.
    event : ndarray of int64
        Number of stresses that a formed cell went through; one hold counts once.
    forming_exposure : ndarray of float, unit 1
        Used-up life of virgin cells, in characteristic lives.
    last_program_time_s : ndarray of float, unit s
        Effective time of programming: relaxation counts from here.
    stress_voltage_v, stress_start_s, stress_elapsed_s, stress_end_s, stress_age_s : ndarray of float
        The last stress: its voltage (V), the conductance at its start (S), how long it has lasted (s), when it
        ended (s), and the age of the relaxation at its start (s).
    drift, drift_decades : ndarray of float, unit 1
        Relaxation: ln of its factor on G, and the decades that it has been carried over.
    drift_draws : ndarray of int64
        Numbers drawn for it.
    noise, noise_time_s : ndarray of float, units 1 and s
        State of each pole relative to G, and the time that it has been carried to.
    noise_draws : ndarray of int64
        Numbers drawn for each pole.
    """

    conductance_s: Array
    formed: NDArray[np.bool_]
    event: Index
    forming_exposure: Array
    last_program_time_s: Array
    stress_voltage_v: Array
    stress_start_s: Array
    stress_elapsed_s: Array
    stress_end_s: Array
    stress_age_s: Array
    drift: Array
    drift_decades: Array
    drift_draws: Index
    noise: Array
    noise_time_s: Array
    noise_draws: Index

    def flat(self) -> "DieState":
        """Return views of the same memory with the cells along one axis."""
        cells = self.conductance_s.size
        return DieState(*(getattr(self, f.name).reshape(cells, *getattr(self, f.name).shape[2:]) for f in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """What differs from cell to cell and never changes; flat arrays, shape (cells,).

    Attributes
    ----------
    number : ndarray of int64
        Key of the cell's random numbers.
    gain : ndarray, unit 1
        Factor on every step.
    offset_v : ndarray, unit V
        Offset of its thresholds.
    forming_voltage_v : ndarray, unit V
        Forming voltage.
    forming_life : ndarray, unit 1
        Exposure at which it breaks down, in characteristic lives.
    stuck : ndarray of uint8
        :class:`Stuck`.
    """

    number: Index
    gain: Array
    offset_v: Array
    forming_voltage_v: Array
    forming_life: Array
    stuck: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The laws that all cells share, as the effects in force leave them.

    Attributes
    ----------
    law : MetalOxideLaw
        Switching and reading.
    forming : FormingLaw
        Breakdown.
    bank : NoiseBank or None
        1/f noise; None where it is switched off.
    relaxation : Relaxation or None
        Drift after programming; None where it is switched off.
    cycle_sigma : float, unit 1
        Lognormal sigma of a step.
    same_stress_v : float, unit V
        Two stresses without a pause between them are one if their voltages differ by no more.
    seed : int
        Key of all random numbers.
    """

    law: MetalOxideLaw
    forming: FormingLaw
    bank: NoiseBank | None
    relaxation: Relaxation | None
    cycle_sigma: float
    same_stress_v: float
    seed: int


def simultaneous_s(now_s: float) -> float:
    """Return the pause, unit s, below which two times near ``now_s`` count as the same."""
    return 1e-9 + 1e-15 * abs(now_s)


class Steps(Protocol):
    """How stress and time change a state; made for the laws and cells of one die."""

    def apply_stress(
        self, state: DieState, active: Index, voltage_v: Array, duration_s: float, now_s: float, limit_a: Array
    ) -> None:
        """Let some cells live through a constant voltage.

        Parameters
        ----------
        state : DieState
            Flat state, changed in place.
        active : ndarray of int64, shape (n,)
            Cells to look at, each once.
        voltage_v : ndarray, shape (cells,), unit V
            Voltage across every cell.
        duration_s, now_s : float, unit s
            Length and start of the stress.
        limit_a : ndarray, shape (cells,) or (1,), unit A
            Compliance; inf where there is none.
        """
        ...

    def apparent_conductance(self, state: DieState, index: Index, now_s: float, weights: Array) -> Array:
        """Carry relaxation and 1/f noise of some cells to a time and return their conductance then.

        Parameters
        ----------
        state : DieState
            Flat state; its noise is changed in place.
        index : ndarray of int64, shape (n,)
            Cells to look at, each once.
        now_s : float, unit s
            Time of the look; a time before the last look leaves the noise as it is.
        weights : ndarray, shape (poles,), unit 1
            From :func:`~labctl.physics.noise.aperture_weights`.

        Returns
        -------
        ndarray, shape (n,), unit S
            Low-field state of the cells.
        """
        ...
