"""Voltage drop along lines: what it does to a neuron that adds up currents, and to one that is made of bridges.

Both have the same complementary pairs. Currents of a whole row meet in its source line; a bridge draws its own current
from two lines that no other bridge of its neuron uses. Not here: the solver (:mod:`labctl.physics.crossbar`), bridges
(:mod:`labctl.networks.bridges`).
"""

import numpy as np
import numpy.typing as npt

from labctl.networks.bridges import middle_v
from labctl.physics.crossbar import Crossbar
from labctl.physics.crossbar_network import Boundaries, Wires

__all__ = ["bridge_shifts_v", "lost_counts"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def lost_counts(low_ohm: FloatArray, high_ohm: FloatArray, agrees: BoolArray, *, segment_ohm: float) -> FloatArray:
    """Return how many counts a current-summing neuron loses to the resistance of its source line.

    Each pair gives the current of its low resistance where input and weight agree, else that of its high one; the line
    is on virtual ground at one end. A count is the difference between both currents, at the mean conductances.

    Parameters
    ----------
    low_ohm, high_ohm : ndarray, shape (cells,), unit ohm
        Of the pair at each place of the line.
    agrees : ndarray of bool, shape (patterns, cells)
    segment_ohm : float, unit ohm
        Of the line from pair to pair.

    Returns
    -------
    ndarray, shape (patterns,), unit 1
        Independent of the voltage.
    """
    cells = len(low_ohm)
    crossbar = Crossbar(1, cells, Wires(segment_word_ohm=segment_ohm))
    ends = {
        "word_near_v": [0.0],
        "word_near_s": [np.inf],
        "word_far_v": [0.0],
        "word_far_s": [0.0],
        "bit_near_v": np.ones(cells),
        "bit_near_s": np.full(cells, np.inf),
        "bit_far_v": np.zeros(cells),
        "bit_far_s": np.zeros(cells),
    }
    boundaries = Boundaries(**ends)  # type: ignore[arg-type]
    count_s = float(np.mean(1.0 / low_ohm) - np.mean(1.0 / high_ohm))
    lost = np.empty(len(agrees))
    for number, pattern in enumerate(agrees):
        conductance_s = 1.0 / np.where(pattern, low_ohm, high_ohm)
        found = crossbar.solve(conductance_s[np.newaxis], boundaries)
        lost[number] = (float(conductance_s.sum()) + float(found.word_near_current_a[0])) / count_s
    return lost


def bridge_shifts_v(
    low_ohm: FloatArray, high_ohm: FloatArray, voltage_v: float, *, segment_ohm: float, segments: int
) -> FloatArray:
    """Return how far the middles of bridges move towards the middle of the voltage by the resistance of their lines.

    Parameters
    ----------
    low_ohm, high_ohm : ndarray, shape (n,), unit ohm
        Of the two cells of each bridge.
    voltage_v : float, unit V
    segment_ohm : float, unit ohm
        Of a line from row to row.
    segments : int
        To the row furthest away.

    Returns
    -------
    ndarray, shape (n,), unit V
    """
    with_lines = middle_v(low_ohm, high_ohm, voltage_v, line_ohm=segment_ohm * segments)
    return middle_v(low_ohm, high_ohm, voltage_v) - with_lines
