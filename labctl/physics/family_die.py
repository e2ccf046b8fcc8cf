"""What the dies of all families but metal oxide have in common: checks, holds, noise, and the way to a file and back.

A family says which drive writes (``_drive``), what a drive does (``_write``) and what a cell conducts (``_low_field``,
``_curve``). Not here: the laws (:mod:`labctl.physics.ecram` and its neighbours) and what a bench may ask for
(:mod:`labctl.physics.live_die`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.errors import StationError
from labctl.physics.cells import Stuck, simultaneous_s
from labctl.physics.fluctuations import Flicker, State
from labctl.physics.fresh_die import Effects
from labctl.physics.live_die import ControlPort
from labctl.physics.noise import NoiseBank
from labctl.physics.presets import Preset
from labctl.physics.random import Stream, cell_ids, uniforms

__all__ = ["FamilyDie", "Stress"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Stress:
    """Constant levels that some cells live through; arrays of shape (n,) in the order of ``index``.

    Parameters
    ----------
    index : ndarray of int64, shape (n,)
        Cells whose state may change.
    voltage_v, control_v : ndarray, shape (n,), unit V
        Across the cell; at its control, NaN where that floats.
    limit_a : ndarray, shape (n,), unit A
        Compliance, inf without one.
    lag_s : ndarray, shape (n,), unit s
        How long after the current crossed it the compliance begins to act.
    is_controlled : bool
        Whether a control is driven at all.
    duration_s, now_s : float, unit s
        How long and from when.
    goes_on : ndarray of bool, shape (n,)
        Whether the last stress of a cell goes on in this one.
    """

    __slots__ = (
        "control_v",
        "duration_s",
        "goes_on",
        "index",
        "is_controlled",
        "lag_s",
        "limit_a",
        "now_s",
        "voltage_v",
    )

    def __init__(
        self,
        index: Index,
        voltage_v: Array,
        control_v: Array,
        limit_a: Array,
        lag_s: Array,
        *,
        is_controlled: bool,
        duration_s: float,
        now_s: float,
        goes_on: NDArray[np.bool_],
    ) -> None:
        self.index, self.voltage_v, self.control_v = index, voltage_v, control_v
        self.limit_a, self.lag_s = limit_a, lag_s
        self.is_controlled, self.duration_s, self.now_s, self.goes_on = is_controlled, duration_s, now_s, goes_on


class FamilyDie(ABC):
    """An array of cells of one family; a new one is at time 0.

    Parameters
    ----------
    preset : Preset
        Device file of the family.
    rows, columns : int
        Size, word lines by bit lines.
    seed : int
        0 to 2**64 - 1; a cell is the same in dies of every size with the same seed.
    effects : Effects, optional
        Imperfections in force; all of them unless given.

    Attributes
    ----------
    state : dict of str to ndarray
        What is remembered; arrays of shape (rows, columns) or (rows, columns, n), views of what the die works on.
    dead_zone_v, control, window_s, temperature_k, stuck, shape
        See :class:`~labctl.physics.live_die.LiveDie`.

    Raises
    ------
    StationError
        If the device file is of another family or lacks a key.
    ValueError
        If size or seed is out of range.
    """

    family: ClassVar[str]
    required: ClassVar[Mapping[str, str]]
    """Unit by key of the device file; what the parts of the law check themselves is not repeated."""
    control: ControlPort | None
    dead_zone_v: float
    window_s: tuple[float, float]

    def __init__(self, preset: Preset, rows: int, columns: int, seed: int, effects: Effects | None = None) -> None:
        if preset.family != self.family:
            raise StationError(f"{preset.place}: family must be {self.family}, got {preset.family!r}")
        preset.require({**self.required, "stuck.fraction": "1", "threshold.same_stress": "V"})
        self.preset, self.rows, self.columns, self.seed = preset, rows, columns, seed
        self.effects = Effects() if effects is None else effects
        self.shape = (rows, columns)
        self.temperature_k = 300.0
        self._number: Index = cell_ids(rows, columns).ravel()
        self._all = np.arange(rows * columns)
        is_stuck = uniforms(seed, Stream.STUCK, self._number) < preset["stuck.fraction"] * self.effects.stuck_cells
        self.stuck = self._stuck_kinds(is_stuck).reshape(self.shape)
        self._flicker = Flicker(NoiseBank.from_preset(preset), seed, self._number)
        self._same_stress_v = preset["threshold.same_stress"]
        cells = self._all.size
        self._flat: State = {
            "event": np.zeros(cells, dtype=np.int64),
            "drive_v": np.zeros(cells),
            "stress_elapsed_s": np.zeros(cells),
            "stress_end_s": np.full(cells, -np.inf),
            **self._flicker.fresh(),
            **self._fresh(),
        }
        self.state: State = {name: flat.reshape(*self.shape, *flat.shape[1:]) for name, flat in self._flat.items()}

    @abstractmethod
    def _fresh(self) -> State:
        """Draw the cells and return the state that is the family's own, arrays of shape (cells, ...)."""

    @abstractmethod
    def _drive(self, voltage_v: Array, control_v: Array, is_controlled: bool) -> Array:
        """Return what writes each cell, unit V: 0 where nothing does, dead zone taken into account."""

    @abstractmethod
    def _write(self, stress: Stress) -> None:
        """Change the state of cells that a drive reaches; ``event`` and ``stress_elapsed_s`` are up to date."""

    @abstractmethod
    def _programmed(self, index: Index) -> Array:
        """Return what was last written, unit S."""

    @abstractmethod
    def _low_field(self, index: Index, now_s: float) -> Array:
        """Carry cells to a time and return what they conduct there at low field, without 1/f noise, unit S."""

    @abstractmethod
    def _set_programmed(self, index: Index, conductance_s: Array) -> None:
        """Write conductances without a stress."""

    def _noisy(self, index: Index, low_field_s: Array, now_s: float, aperture_s: float) -> Array:
        """Return the factor of 1/f noise, alike for all conductances unless a family knows better."""
        return self._flicker.factor(self._flat, index, now_s, aperture_s)

    def _stuck_kinds(self, is_stuck: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return how cells are stuck; a defect leaves them where they are unless a family knows more."""
        return np.where(is_stuck, Stuck.LOW_RESISTANCE, Stuck.NO).astype(np.uint8)

    def _curve(self, index: Index, low_field_s: Array, voltage_v: Array, control_v: Array | None) -> Array:
        """Return the secant I(v)/v at voltages of shape (n,), unit S; a straight line unless a family knows better."""
        return low_field_s

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
        """Let cells live through constant voltages; see :class:`~labctl.physics.live_die.LiveDie`.

        Parameters
        ----------
        voltage_v : array_like, shape (rows, columns), unit V
            Across every cell.
        duration_s, now_s : float, unit s
            How long, positive, and from when.
        control_v : array_like, shape (rows, columns), unit V, optional
            At the control; NaN where it floats.
        current_limit_a : array_like, scalar or shape (rows, columns), unit A, optional
            Compliance.
        limit_lag_s : array_like, scalar or shape (rows, columns), unit s
            When it begins to act.
        active : array_like of bool, shape (rows, columns), or of int, shape (n,), optional
            Cells to look at.

        Raises
        ------
        ValueError
            If a shape is wrong, a voltage is not finite, a duration or limit is not positive, an index out of range.
        """
        voltage = self._levels(voltage_v, "voltages")
        if not np.isfinite(voltage).all():
            raise ValueError("voltages must be finite")
        if not 0.0 < duration_s < np.inf or not np.isfinite(now_s):
            raise ValueError(
                f"a stress must last a positive time from a finite one, got {duration_s!r} s at {now_s!r} s"
            )
        control = np.full(voltage.shape, np.nan) if control_v is None else self._levels(control_v, "control voltages")
        if np.isinf(control).any():
            raise ValueError("control voltages must be finite, or NaN where the control floats")
        limit = self._limit(current_limit_a)
        index = self._all if active is None else self._index(active)
        drive = self._drive(voltage[index], control[index], control_v is not None)
        writes = (drive != 0.0) & (self.stuck.reshape(-1)[index] == Stuck.NO)
        index, drive = index[writes], drive[writes]
        if not index.size:
            return
        state = self._flat
        goes_on = self._goes_on(index, drive, now_s)
        state["event"][index] += ~goes_on
        state["drive_v"][index] = np.where(goes_on, state["drive_v"][index], drive)
        state["stress_elapsed_s"][index] = np.where(goes_on, state["stress_elapsed_s"][index], 0.0) + duration_s
        self._write(
            Stress(
                index,
                voltage[index],
                control[index],
                limit[index],
                np.broadcast_to(np.asarray(limit_lag_s, dtype=np.float64).reshape(-1), self._all.shape)[index],
                is_controlled=control_v is not None,
                duration_s=float(duration_s),
                now_s=float(now_s),
                goes_on=goes_on,
            )
        )
        state["stress_end_s"][index] = now_s + duration_s

    def coefficients_at(
        self,
        now_s: float,
        cells: ArrayLike | None = None,
        *,
        aperture_s: float = 0.0,
        control_v: ArrayLike | None = None,
        voltage_v: ArrayLike | None = None,
    ) -> tuple[Array, Array]:
        """Return the static characteristic of cells; see :class:`~labctl.physics.live_die.LiveDie`.

        Parameters
        ----------
        now_s : float, unit s
            End of the aperture.
        cells : array_like of bool, shape (rows, columns), or of int, shape (n,), optional
            Mask or flat indices; None for all.
        aperture_s : float, unit s
            Time over which a meter averages.
        control_v, voltage_v : array_like, shape (rows, columns), unit V, optional
            Levels at which the secant is taken.

        Returns
        -------
        tuple of two ndarrays, shape (rows, columns) or (n,)
            The secant, unit S, and 0, unit S/V^2.

        Raises
        ------
        ValueError
            If an index is out of range, a shape is wrong or the aperture is negative.
        """
        if not aperture_s >= 0.0:
            raise ValueError(f"an aperture must not be negative, got {aperture_s!r} s")
        index = self._all if cells is None else self._index(cells)
        voltage = np.zeros(index.size) if voltage_v is None else self._levels(voltage_v, "voltages")[index]
        control = None if control_v is None else self._levels(control_v, "control voltages")[index]
        low_field = self._low_field(index, float(now_s))
        if self.effects.read_noise:
            low_field = low_field * self._noisy(index, low_field, float(now_s), aperture_s)
        secant = self._curve(index, low_field, voltage, control)
        shape = self.shape if cells is None else index.shape
        return secant.reshape(shape), np.zeros(shape)

    def programmed_s(self) -> Array:
        """Return what was last written, shape (rows, columns), unit S."""
        return self._programmed(self._all).reshape(self.shape)

    def scale(self, cell: int, factor: float) -> None:
        """Multiply the programmed conductance of a cell; where the device cannot hold the product, to its bound.

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
        index = self._index([cell])
        self._set_programmed(index, factor * self._programmed(index))
        # what goes on after this is another stress
        self._flat["stress_end_s"][index] = -np.inf

    def truth(self, now_s: float) -> dict[str, NDArray[np.generic]]:
        """Return what no instrument can see, without disturbing it.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.

        Returns
        -------
        dict of str to ndarray, shape (rows, columns)
            ``conductance_s``, ``programmed_s`` (unit S), ``formed``, ``stuck`` (boolean).
        """
        saved = {name: array.copy() for name, array in self._flat.items()}
        conductance_s, _ = self.coefficients_at(now_s)
        for name, old in saved.items():
            self._flat[name][...] = old
        formed = self.state["formed"].copy() if "formed" in self.state else np.ones(self.shape, dtype=bool)
        return {
            "conductance_s": conductance_s,
            "programmed_s": self.programmed_s(),
            "formed": formed,
            "stuck": self.stuck != Stuck.NO,
        }

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return everything that must be kept of the die, as arrays that need no pickle.

        Returns
        -------
        dict of str to ndarray
            Copies of ``state``, and ``preset``, ``seed``. The clock is the bench's to keep.
        """
        stored: dict[str, NDArray[np.generic]] = {name: array.copy() for name, array in self.state.items()}
        stored["preset"] = np.array(self.preset.name)
        stored["seed"] = np.array(self.seed, dtype=np.uint64)
        stored["temperature_k"] = np.array(self.temperature_k)
        return stored

    @classmethod
    def from_arrays(
        cls, preset: Preset, arrays: Mapping[str, NDArray[np.generic]], effects: Effects | None = None
    ) -> Self:
        """Bring a stored die back; other effects than those it was made with are allowed.

        Parameters
        ----------
        preset : Preset
            The device file that the die was made from.
        arrays : Mapping of str to ndarray
            From :meth:`to_arrays`.
        effects : Effects, optional
            Imperfections in force from now on.

        Returns
        -------
        FamilyDie
            A die that goes on where the stored one stopped.

        Raises
        ------
        ValueError
            If an array is missing, has another shape or type, holds what no die of the family can, or belongs to
            another device.
        """
        if missing := sorted({"event", "preset", "seed", "temperature_k"} - set(arrays)):
            raise ValueError(f"stored die: {', '.join(missing)} missing")
        if str(arrays["preset"]) != preset.name:
            raise ValueError(f"stored die: made of {arrays['preset']}, not of {preset.name}")
        shape = arrays["event"].shape
        if len(shape) != 2:
            raise ValueError(f"stored die: event must have rows and columns, has shape {shape}")
        die = cls(preset, *shape, int(arrays["seed"]), effects)
        if missing := sorted(set(die.state) - set(arrays)):
            raise ValueError(f"stored die: {', '.join(missing)} missing")
        for name, own in die.state.items():
            stored = arrays[name]
            if own.shape != stored.shape or own.dtype != stored.dtype:
                raise ValueError(
                    f"stored die: {name} must be {own.dtype} of shape {own.shape}, is {stored.dtype} of shape "
                    f"{stored.shape}"
                )
            own[...] = stored
        die._check()
        die.temperature_k = float(arrays["temperature_k"])
        return die

    def _check(self) -> None:
        """Refuse a state that no cell can be in."""
        low, high = self.window_s
        programmed = self._programmed(self._all)
        if not (np.isfinite(programmed) & (programmed > 0.0) & (programmed < 1e3 * high)).all():
            raise ValueError(f"stored die: conductances must be positive and of the order of {low:g} to {high:g} S")

    def _goes_on(self, index: Index, drive_v: Array, now_s: float) -> NDArray[np.bool_]:
        state = self._flat
        same = np.abs(drive_v - state["drive_v"][index]) <= self._same_stress_v
        return np.asarray(same & (np.abs(now_s - state["stress_end_s"][index]) <= simultaneous_s(now_s)))

    def _levels(self, levels_v: ArrayLike, what: str) -> Array:
        levels = np.asarray(levels_v, dtype=np.float64)
        if levels.shape != self.shape:
            raise ValueError(f"{what} must have shape {self.shape}, got shape {levels.shape}")
        return levels.ravel()

    def _limit(self, current_limit_a: ArrayLike | None) -> Array:
        if current_limit_a is None:
            return np.full(self._all.size, np.inf)
        limit = np.asarray(current_limit_a, dtype=np.float64)
        if limit.shape not in ((), self.shape, self._all.shape) or not (limit > 0.0).all():
            raise ValueError(f"a current limit must be positive, one or shape {self.shape}, got {limit!r} A")
        return np.broadcast_to(limit.reshape(-1), self._all.shape)

    def _index(self, cells: ArrayLike) -> Index:
        given = np.asarray(cells)
        if given.dtype == np.bool_:
            if given.shape != self.shape:
                raise ValueError(f"a mask of cells must have shape {self.shape}, got {given.shape}")
            return np.flatnonzero(given)
        index = given.astype(np.int64)
        if index.ndim != 1 or (index.size and not (index.min() >= 0 and index.max() < self._all.size)):
            raise ValueError(f"cells must be flat indices of 0 to {self._all.size - 1}, got {given!r}")
        return index
