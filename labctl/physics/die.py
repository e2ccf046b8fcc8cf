"""A die: an array of memristor cells that lives through voltages and time, and keeps its state.

Time and voltages are told from outside; cell voltages come from a circuit. Not here: the wires between the cells
(:mod:`labctl.physics.crossbar`), the steps themselves (:mod:`labctl.physics.plain_steps`), files and clocks (the
bench).
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.cells import DieState, Models, Steps, Stuck
from labctl.physics.forming import FormingLaw
from labctl.physics.fresh_die import Effects, draw_cells, virgin_state
from labctl.physics.live_die import ControlPort
from labctl.physics.metal_oxide import MetalOxideLaw, read_coefficients
from labctl.physics.noise import NoiseBank, Relaxation, aperture_weights
from labctl.physics.plain_steps import PlainSteps
from labctl.physics.presets import Preset
from labctl.physics.random import cell_ids

__all__ = ["Die", "Effects"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_APERTURES_KEPT = 64


class Die:
    """An array of cells; a new one is virgin at time 0.

    Parameters
    ----------
    preset : Preset
        Device file of the family ``metal_oxide``.
    rows, columns : int
        Size, word lines by bit lines.
    seed : int
        0 to 2**64 - 1; a cell is the same in dies of every size with the same seed.
    effects : Effects
        Imperfections in force.
    engine : {"numba", "numpy"}
        Compiled or plain; both draw the same numbers and agree within rounding.

    Attributes
    ----------
    state : DieState
        What is remembered; arrays of shape (rows, columns).
    shape : tuple of two ints
        Rows and columns.
    stuck : ndarray of uint8, shape (rows, columns)
        :class:`~labctl.physics.cells.Stuck` of every cell.
    law : MetalOxideLaw
        Switching and reading law.
    dead_zone_v, control, window_s, temperature_k
        As every :class:`~labctl.physics.live_die.LiveDie` has them; no control, and the law, fitted at one temperature,
        leaves the temperature to the parts.

    Raises
    ------
    StationError
        If the device file lacks a key.
    ValueError
        If size or seed is out of range.
    """

    def __init__(
        self,
        preset: Preset,
        rows: int,
        columns: int,
        seed: int,
        effects: Effects | None = None,
        *,
        engine: Literal["numba", "numpy"] = "numba",
    ) -> None:
        effects = Effects() if effects is None else effects
        preset.require({"spread.cycle": "1", "threshold.same_stress": "V"})
        self.preset, self.rows, self.columns, self.seed, self.effects = preset, rows, columns, seed, effects
        bank = NoiseBank.from_preset(preset)
        self.law = MetalOxideLaw.from_preset(preset)
        self.dead_zone_v = float(self.law.dead_zone_v)
        self.control: ControlPort | None = None
        self.window_s = (float(self.law.low_s), float(self.law.high_s))
        self.temperature_k = 300.0
        self._models = Models(
            law=self.law,
            forming=FormingLaw.from_preset(preset),
            bank=bank if effects.read_noise else None,
            relaxation=Relaxation.from_preset(preset) if effects.relaxation else None,
            cycle_sigma=preset["spread.cycle"] if effects.cycle_spread else 0.0,
            same_stress_v=preset["threshold.same_stress"],
            seed=seed,
        )
        number = cell_ids(rows, columns).ravel()
        self._cells = draw_cells(preset, self._models.forming, seed, number, effects)
        self.shape = (rows, columns)
        self.stuck = self._cells.stuck.reshape(rows, columns)
        self._bank = bank
        self._all = np.arange(rows * columns)
        self._weights_by_aperture: dict[float, Array] = {}
        self.state = virgin_state(preset, self._models.forming, bank, seed, self._cells, effects, self.shape)
        self._flat = self.state.flat()
        self.engine = engine
        self._steps: Steps = PlainSteps(self._models, self._cells)
        if engine == "numba":
            # numba takes part of a second to import: only who asks for it pays
            from labctl.physics.kernels import CompiledSteps

            self._steps = CompiledSteps(self._models, self._cells)

    def stress(
        self,
        voltage_v: ArrayLike,
        duration_s: float,
        now_s: float,
        *,
        control_v: ArrayLike | None = None,
        current_limit_a: ArrayLike | None = None,
        limit_lag_s: ArrayLike = 0.0,
        active: ArrayLike | None = None,
    ) -> None:
        """Let cells live through a constant voltage: SET, RESET or forming, once per call.

        The same voltage going on where the last stress of a cell ended is that stress prolonged: the change is that of
        the whole time from the conductance at its start, so a hold cut into pieces is one hold. In the dead zone of the
        device nothing happens.

        Parameters
        ----------
        voltage_v : array_like, shape (rows, columns), unit V
            Voltage across every cell, word line against bit line; positive for SET.
        duration_s : float, unit s
            How long it lasts, positive.
        now_s : float, unit s
            When it starts.
        control_v : ignored
            Two terminals.
        current_limit_a : array_like, scalar or shape (rows, columns), unit A, optional
            Compliance: a SET stops where the cell would carry more, and breakdown leaves what it allows. None for none.
        limit_lag_s : ignored
            The law has no abrupt SET; its breakdown leaves what the compliance allows.
        active : array_like of bool, shape (rows, columns), or of int, shape (n,), optional
            Cells to look at, as a mask or as flat indices, each once; None for all.

        Raises
        ------
        ValueError
            If a shape is wrong, a voltage is not finite, a duration or limit is not positive, an index out of range.
        """
        voltage = np.ascontiguousarray(voltage_v, dtype=np.float64)
        if voltage.shape != self.shape or not np.isfinite(voltage).all():
            raise ValueError(f"voltages must be finite, shape {self.shape}, got shape {voltage.shape}")
        if not 0.0 < duration_s < np.inf or not np.isfinite(now_s):
            raise ValueError(
                f"a stress must last a positive time from a finite one, got {duration_s!r} s at {now_s!r} s"
            )
        limit = self._limit(current_limit_a)
        voltage = voltage.ravel()
        if active is None:
            index = np.flatnonzero(np.abs(voltage) > self.law.dead_zone_v)
        else:
            index = self._index(active)
        if index.size:
            self._steps.apply_stress(self._flat, index, voltage, float(duration_s), float(now_s), limit)

    def conductance_at(self, now_s: float, cells: ArrayLike | None = None, *, aperture_s: float = 0.0) -> Array:
        """Return the low-field state of cells, relaxation and 1/f noise included, thermal noise not.

        Noise is carried on only for the cells asked for, and only over spans that matter to it.

        Parameters
        ----------
        now_s : float, unit s
            When the cells are looked at; the end of the aperture.
        cells : array_like of bool, shape (rows, columns), or of int, shape (n,), optional
            Mask or flat indices, each once; None for all.
        aperture_s : float, unit s
            Time over which a meter averages; 0 for the value at an instant.

        Returns
        -------
        ndarray, shape (rows, columns) or (n,), unit S
            The variable of the law; A1 of the static characteristic equals it within 3 % above 7 uS.

        Raises
        ------
        ValueError
            If an index is out of range, a shape is wrong or the aperture is negative.
        """
        result = self._looked_at(now_s, self._all if cells is None else self._index(cells), aperture_s)
        return result.reshape(self.shape) if cells is None else result

    def coefficients_at(
        self,
        now_s: float,
        cells: ArrayLike | None = None,
        *,
        aperture_s: float = 0.0,
        control_v: ArrayLike | None = None,
        voltage_v: ArrayLike | None = None,
    ) -> tuple[Array, Array]:
        """Return the static characteristic I(v) = a1 v + a3 v^3 that cells have at a time.

        Parameters
        ----------
        now_s : float, unit s
            When the cells are looked at; the end of the aperture.
        cells : array_like of bool, shape (rows, columns), or of int, shape (n,), optional
            Mask or flat indices, each once; None for all.
        aperture_s : float, unit s
            Time over which a meter averages; 0 for the value at an instant.
        control_v, voltage_v : ignored
            Two terminals, and a curve that is of this form at every voltage.

        Returns
        -------
        tuple of two ndarrays, shape (rows, columns) or (n,)
            a1, unit S, and a3, unit S/V^2, of :meth:`conductance_at`. Virgin cells are ohmic.

        Raises
        ------
        ValueError
            If an index is out of range, a shape is wrong or the aperture is negative.
        """
        index = self._all if cells is None else self._index(cells)
        state = self._looked_at(now_s, index, aperture_s)
        formed = self._flat.formed[index]
        linear, cubic = read_coefficients(state, self.law)
        linear, cubic = np.where(formed, linear, state), np.where(formed, cubic, 0.0)
        return (linear.reshape(self.shape), cubic.reshape(self.shape)) if cells is None else (linear, cubic)

    def programmed_s(self) -> Array:
        """Return what was last written, without relaxation and noise, shape (rows, columns), unit S."""
        return self.state.conductance_s.copy()

    def scale(self, cell: int, factor: float) -> None:
        """Multiply the programmed conductance of a cell, as ageing or a disturbance would.

        Parameters
        ----------
        cell : int
            Flat number.
        factor : float, unit 1
            Positive.

        Raises
        ------
        ValueError
            If there is no such cell or the factor is not positive.
        """
        if not 0.0 < factor < np.inf:
            raise ValueError(f"a factor on a conductance must be positive, got {factor!r}")
        self._flat.conductance_s[self._index([cell])] *= factor

    def truth(self, now_s: float) -> dict[str, NDArray[np.generic]]:
        """Return what no instrument can see, without disturbing it; no random number is used up.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.

        Returns
        -------
        dict of str to ndarray, shape (rows, columns)
            ``conductance_s`` (low-field slope of the static I-V with relaxation and slow noise, unit S),
            ``programmed_s`` (state without them, unit S), ``formed``, ``stuck`` (boolean).
        """
        saved = {f.name: getattr(self.state, f.name).copy() for f in fields(DieState)}
        conductance_s, _ = self.coefficients_at(now_s)
        for name, old in saved.items():
            getattr(self.state, name)[...] = old
        return {
            "conductance_s": conductance_s,
            "programmed_s": saved["conductance_s"],
            "formed": saved["formed"],
            "stuck": self.stuck != Stuck.NO,
        }

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return everything that must be kept of the die, as arrays that need no pickle.

        Returns
        -------
        dict of str to ndarray
            Copies of the fields of ``state``, and ``preset``, ``seed``. The clock is the bench's to keep.
        """
        stored: dict[str, NDArray[np.generic]] = {f.name: getattr(self.state, f.name).copy() for f in fields(DieState)}
        stored["preset"] = np.array(self.preset.name)
        stored["seed"] = np.array(self.seed, dtype=np.uint64)
        return stored

    @classmethod
    def from_arrays(
        cls,
        preset: Preset,
        arrays: Mapping[str, NDArray[np.generic]],
        effects: Effects | None = None,
        *,
        engine: Literal["numba", "numpy"] = "numba",
    ) -> "Die":
        """Bring a stored die back; other effects than those it was made with are allowed.

        Parameters
        ----------
        preset : Preset
            The device file that the die was made from.
        arrays : Mapping of str to ndarray
            From :meth:`to_arrays`.
        effects : Effects, optional
            Imperfections in force from now on.
        engine : {"numba", "numpy"}
            Compiled or plain.

        Returns
        -------
        Die
            A die that goes on where the stored one stopped.

        Raises
        ------
        ValueError
            If an array is missing, has another shape or type, or belongs to another device.
        """
        needed = {*(f.name for f in fields(DieState)), "preset", "seed"}
        if missing := sorted(needed - set(arrays)):
            raise ValueError(f"stored die: {', '.join(missing)} missing")
        if str(arrays["preset"]) != preset.name:
            raise ValueError(f"stored die: made of {arrays['preset']}, not of {preset.name}")
        shape = arrays["conductance_s"].shape
        if len(shape) != 2:
            raise ValueError(f"stored die: conductance_s must have rows and columns, has shape {shape}")
        die = cls(preset, *shape, int(arrays["seed"]), effects, engine=engine)
        for field in fields(DieState):
            own, stored = getattr(die.state, field.name), arrays[field.name]
            if own.shape != stored.shape or own.dtype != stored.dtype:
                raise ValueError(
                    f"stored die: {field.name} must be {own.dtype} of shape {own.shape}, is {stored.dtype} of shape "
                    f"{stored.shape}"
                )
            own[...] = stored
        return die

    def _looked_at(self, now_s: float, index: Index, aperture_s: float) -> Array:
        weights = self._weights_by_aperture.get(aperture_s)
        if weights is None:
            if len(self._weights_by_aperture) >= _APERTURES_KEPT:
                self._weights_by_aperture.clear()
            weights = self._weights_by_aperture[aperture_s] = aperture_weights(self._bank, aperture_s)
        return self._steps.apparent_conductance(self._flat, index, float(now_s), weights)

    def _limit(self, current_limit_a: ArrayLike | None) -> Array:
        if current_limit_a is None:
            return np.array([np.inf])
        limit = np.asarray(current_limit_a, dtype=np.float64, order="C")
        if limit.shape not in ((), self.shape) or not (limit > 0.0).all():
            raise ValueError(f"a current limit must be positive, one or shape {self.shape}, got {limit!r} A")
        return limit.reshape(-1)

    def _index(self, cells: ArrayLike) -> Index:
        given = np.asarray(cells)
        if given.dtype == np.bool_:
            if given.shape != self.shape:
                raise ValueError(f"a mask of cells must have shape {self.shape}, got {given.shape}")
            return np.flatnonzero(given)
        index = np.ascontiguousarray(given, dtype=np.int64)
        # as an unsigned number, a negative index is larger than any size
        if index.ndim != 1 or (index.size and index.view(np.uint64).max() >= len(self._all)):
            raise ValueError(f"cells must be flat indices of 0 to {len(self._all) - 1}, got {given!r}")
        return index
