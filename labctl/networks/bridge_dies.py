"""Dies of 1T1R cells that are physics alone, programmed as bridges: complementary pairs of neighbours in a row.

No wires, no instruments, no disturb by reading. Not here: bridges of a station
(:mod:`labctl.array.bridge_access`), what bridges compute (:mod:`labctl.networks.bridges`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.physics.live_die import make_die
from labctl.physics.presets import Preset

__all__ = ["BridgeDie", "BridgeProgram"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# of a meter, and between what is done; the next condition comes that much later
_APERTURE_S, _GAP_S, _REST_S = 0.02, 0.05, 1.0
_ROUNDS, _STILL, _DAMPING = 200, 1e-5, 0.7


@dataclass(frozen=True, slots=True)
class BridgeProgram:
    """How complementary pairs are programmed: one SET pulse for every cell, one RESET pulse for one of each pair.

    Attributes
    ----------
    gate_set_v : float, unit V
        Gate of a SET: it limits the current.
    set_v, reset_v : float, unit V
        Bit line above plate; ``reset_v`` is negative.
    width_s : float, unit s
        Of both.
    """

    gate_set_v: float
    set_v: float
    reset_v: float
    width_s: float


class BridgeDie:
    """A die whose cells in columns 2 k and 2 k + 1 of a row are bridge k.

    Parameters
    ----------
    preset : Preset
        Device file, of cells with a transistor.
    rows, columns : int
        Size; the cells are those of a simulated bench with the same size and seed.
    seed : int
    bridges : int
        In each row, from column 0 on.
    gate_read_v, gate_reset_v : float, unit V

    Raises
    ------
    ValueError
        If the bridges do not fit into a row, or the cells have no gate.
    """

    def __init__(
        self,
        preset: Preset,
        rows: int,
        columns: int,
        seed: int,
        *,
        bridges: int,
        gate_read_v: float,
        gate_reset_v: float,
    ) -> None:
        if not 0 < 2 * bridges <= columns:
            raise ValueError(f"bridges: {bridges} in a row need {2 * bridges} columns, the die has {columns}")
        self._die = make_die(preset, rows, columns, seed)
        if self._die.control is None or self._die.control.kind != "gate":
            raise ValueError(f"bridges: cells of {preset.name} have no transistor, whose gate selects them")
        self._gate_read_v, self._gate_reset_v = gate_read_v, gate_reset_v
        # flat numbers, shape (rows, bridges, 2)
        self._cells = (np.arange(rows)[:, np.newaxis] * columns + np.arange(2 * bridges)).reshape(rows, bridges, 2)
        self._now_s = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and bridges in each."""
        return self._cells.shape[0], self._cells.shape[1]

    def program(self, program: BridgeProgram, is_positive: BoolArray) -> None:
        """Program every bridge to a weight.

        Parameters
        ----------
        program : BridgeProgram
        is_positive : ndarray of bool, shape (rows, bridges)
            Whether the weight is +1: the first cell of low, the second of high resistance.
        """
        self._now_s += _REST_S
        self._stress(self._cells.ravel(), program.set_v, program.width_s, program.gate_set_v)
        high = np.where(is_positive, self._cells[:, :, 1], self._cells[:, :, 0])
        self._stress(high.ravel(), program.reset_v, program.width_s, self._gate_reset_v)
        self._now_s += _REST_S

    def resistances_ohm(self, voltage_v: float) -> FloatArray:
        """Return the resistances of the cells, their transistors included.

        Parameters
        ----------
        voltage_v : float, unit V
            Bit line above plate.

        Returns
        -------
        ndarray, shape (rows, bridges, 2), unit ohm
        """
        shape = self._cells.shape
        across_v, gate_v = np.full(shape, voltage_v), np.full(shape, self._gate_read_v)
        return np.asarray(1.0 / self._conductance_s(across_v, gate_v, _APERTURE_S))

    def middles_v(self, voltage_v: float) -> FloatArray:
        """Return the middles of all bridges, for both inputs.

        The plate is where the currents of both cells are equal: curves of the cells bend, and the upper transistor has
        the plate for its source.

        Parameters
        ----------
        voltage_v : float, unit V
            Across each bridge.

        Returns
        -------
        ndarray, shape (2, rows, bridges), unit V
            First for input +1, the first cell at the voltage; then for input -1, the second cell at the voltage.

        Raises
        ------
        ArithmeticError
            If the voltages do not come to rest.
        """
        return np.stack([self._middle_v(voltage_v, upper) for upper in (0, 1)])

    def _middle_v(self, voltage_v: float, upper: int) -> FloatArray:
        plate_v = np.full(self.shape, 0.5 * voltage_v)
        self._now_s += _GAP_S
        for _ in range(_ROUNDS):
            across_v = np.repeat(-plate_v[:, :, np.newaxis], 2, axis=2)
            across_v[:, :, upper] += voltage_v
            conductance_s = self._conductance_s(across_v, self._gate_read_v - np.stack([plate_v] * 2, axis=2), 0.0)
            wanted_v = voltage_v * conductance_s[:, :, upper] / conductance_s.sum(axis=2)
            change_v = wanted_v - plate_v
            plate_v = plate_v + _DAMPING * change_v
            if float(np.abs(change_v).max()) < _STILL:
                return np.asarray(plate_v)
        raise ArithmeticError(f"bridges: plates must come to rest within {_STILL:g} V, not so in {_ROUNDS} rounds")

    def _conductance_s(self, across_v: FloatArray, gate_v: FloatArray, aperture_s: float) -> FloatArray:
        cells = self._cells.ravel()
        self._now_s += aperture_s
        linear_s, cubic = self._die.coefficients_at(
            self._now_s,
            cells,
            aperture_s=aperture_s,
            control_v=self._spread(gate_v),
            voltage_v=self._spread(across_v),
        )
        found: FloatArray = (linear_s + cubic * across_v.ravel() ** 2).reshape(self._cells.shape)
        return found

    def _spread(self, values_v: FloatArray) -> FloatArray:
        """Lay values of the bridges' cells out over the die."""
        laid_v = np.zeros(self._die.shape)
        laid_v.ravel()[self._cells.ravel()] = values_v.ravel()
        return laid_v

    def _stress(self, cells: npt.NDArray[np.int64], voltage_v: float, width_s: float, gate_v: float) -> None:
        levels_v = np.zeros(self._die.shape)
        levels_v.ravel()[cells] = voltage_v
        self._die.stress(
            levels_v, width_s, self._now_s, control_v=np.full(self._die.shape, gate_v), active=np.sort(cells)
        )
        self._now_s += width_s + _GAP_S
