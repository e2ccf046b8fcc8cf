"""An array of device physics whose pulses reach half-selected neighbours, as in a crossbar without wires.

Not here: wires (:mod:`labctl.physics.crossbar`), cells on their own (:mod:`labctl.networks.physics_array`).
"""

import numpy as np

from labctl.networks.physics_array import PhysicsArray
from labctl.tuning import Note, Pulse, Staircase

__all__ = ["HalfSelectedArray"]


class HalfSelectedArray(PhysicsArray):
    """Cells of a crossbar under the scheme V/2; see :class:`labctl.networks.physics_array.PhysicsArray`.

    A stimulus of :meth:`apply` puts half of its voltage on the other cells of its row and column; the pulses of
    :meth:`pulse_cells` stay with their cells.
    """

    def apply(self, row: int, column: int, stimulus: Pulse | Staircase, note: Note | None = None) -> None:
        """Pulse a cell, and its neighbours with half the voltage.

        Parameters
        ----------
        row, column : int
        stimulus : Pulse or Staircase
        note : Note or None
            For records; there are none here.
        """
        if isinstance(stimulus, Pulse):
            pieces = [(stimulus.voltage_v, stimulus.width_s)]
        else:
            pieces = [(level_v, stimulus.dwell_s) for level_v in stimulus.levels_v()]
        share = np.zeros(self.shape)
        share[row, :] = share[:, column] = 0.5
        share[row, column] = 1.0
        reached = np.flatnonzero(share)
        for voltage_v, width_s in pieces:
            self.die.stress(share * voltage_v, width_s, self.now_s, active=reached)
            self.now_s += width_s
        self.rest(self.gap_s)
