"""A die of any family with parts fitted to it: telegraph noise, retention, wear, heat.

The parts stand between the die and whoever reads it: they change what its cells show, count what is done to them, and
keep stresses away from cells that are worn out. The die itself stays as it is, and so do its numbers. Not here: the
parts one by one (:mod:`labctl.physics.parts.rtn` and its neighbours).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.errors import StationError
from labctl.physics.cells import Stuck
from labctl.physics.fluctuations import State
from labctl.physics.live_die import LiveDie
from labctl.physics.parts.retention import Retention
from labctl.physics.parts.rtn import Traps
from labctl.physics.parts.temperature import Conduction, arrhenius
from labctl.physics.parts.wear import Wear
from labctl.physics.presets import Preset
from labctl.physics.random import cell_ids

__all__ = ["FittedDie"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_PREFIX = "parts_"


class FittedDie:
    """A die with parts; see :class:`~labctl.physics.live_die.LiveDie`.

    Parameters
    ----------
    die : LiveDie
        A new die, or one that was just restored.
    parts : Preset
        Parameter file of family ``parts``.

    Attributes
    ----------
    die : LiveDie
        The die inside.
    parts : Preset
        The parameter file.
    state : dict of str to ndarray, shape (rows, columns) or (rows, columns, traps)
        What the parts remember.

    Raises
    ------
    StationError
        If the file is of another family or lacks a key.
    """

    def __init__(self, die: LiveDie, parts: Preset) -> None:
        if parts.family != "parts":
            raise StationError(f"{parts.place}: family must be parts, got {parts.family!r}")
        parts.require({"rtn.activation": "eV"})
        self.die, self.parts = die, parts
        self.preset, self.rows, self.columns, self.seed = die.preset, die.rows, die.columns, die.seed
        self.shape, self.dead_zone_v, self.control = die.shape, die.dead_zone_v, die.control
        self.window_s, self.effects = die.window_s, die.effects
        number = cell_ids(die.rows, die.columns).ravel()
        self._all = np.arange(number.size)
        self._traps = Traps.from_preset(parts, die.seed, number)
        self._retention = Retention.from_preset(parts)
        self._conduction = Conduction.from_preset(parts)
        self._wear = Wear.from_preset(parts, die.seed, number)
        self._flat: State = {
            **self._traps.fresh(),
            **self._retention.fresh(number.size),
            **self._wear.fresh(),
        }
        self.state: State = {name: flat.reshape(*self.shape, *flat.shape[1:]) for name, flat in self._flat.items()}
        self.stuck = die.stuck.copy()

    @property
    def temperature_k(self) -> float:
        """Temperature of the die, unit K; it counts from the last time that a cell was looked at or stressed."""
        return self.die.temperature_k

    @temperature_k.setter
    def temperature_k(self, temperature_k: float) -> None:
        self.die.temperature_k = temperature_k

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
        """Let cells live through constant voltages; the worn ones are spared.

        Parameters
        ----------
        voltage_v : array_like, shape (rows, columns), unit V
            Across every cell.
        duration_s, now_s : float, unit s
            How long, positive, and from when.
        control_v : array_like, shape (rows, columns), unit V, optional
            At the control.
        current_limit_a : array_like, scalar or shape (rows, columns), unit A, optional
            Compliance.
        limit_lag_s : array_like, scalar or shape (rows, columns), unit s
            When it begins to act.
        active : array_like of bool, shape (rows, columns), or of int, shape (n,), optional
            Cells to look at.

        Raises
        ------
        ValueError
            As the die inside.
        """
        worn = self._wear.worn_out(self._flat)
        before = self.die.programmed_s().reshape(-1)
        self.die.stress(
            voltage_v,
            duration_s,
            now_s,
            control_v=control_v,
            current_limit_a=current_limit_a,
            limit_lag_s=limit_lag_s,
            active=self._unworn(active, worn) if worn.any() else active,
        )
        after = self.die.programmed_s().reshape(-1)
        changed = np.flatnonzero(after != before)
        if not changed.size:
            return
        log_before, log_after = np.log(before[changed]), np.log(after[changed])
        self._retention.grow_old(self._flat, changed, now_s + duration_s, self.temperature_k)
        self._retention.reprogram(self._flat, changed, log_after - log_before)
        self._wear.count(self._flat, changed, log_before, log_after)
        self._mark_worn()

    def coefficients_at(
        self,
        now_s: float,
        cells: ArrayLike | None = None,
        *,
        aperture_s: float = 0.0,
        control_v: ArrayLike | None = None,
        voltage_v: ArrayLike | None = None,
    ) -> tuple[Array, Array]:
        """Return the static characteristic of cells, what the parts make of it.

        Parameters
        ----------
        now_s : float, unit s
            End of the aperture.
        cells : array_like of bool, shape (rows, columns), or of int, shape (n,), optional
            Mask or flat indices; None for all.
        aperture_s : float, unit s
            Time over which a meter averages.
        control_v, voltage_v : array_like, shape (rows, columns), unit V, optional
            Levels at which a secant is taken.

        Returns
        -------
        tuple of two ndarrays, shape (rows, columns) or (n,)
            a1, unit S, and a3, unit S/V^2.

        Raises
        ------
        ValueError
            As the die inside.
        """
        linear, cubic = self.die.coefficients_at(
            now_s, cells, aperture_s=aperture_s, control_v=control_v, voltage_v=voltage_v
        )
        factor = self._factor(self._flat_index(cells), float(now_s), aperture_s).reshape(linear.shape)
        return linear * factor, cubic * factor

    def programmed_s(self) -> Array:
        """Return what was last written, without what the parts make of it, shape (rows, columns), unit S."""
        return self.die.programmed_s()

    def scale(self, cell: int, factor: float) -> None:
        """Multiply the programmed conductance of a cell.

        Parameters
        ----------
        cell : int
            Flat number.
        factor : float, unit 1
            Positive.

        Raises
        ------
        ValueError
            As the die inside.
        """
        self.die.scale(cell, factor)

    def truth(self, now_s: float) -> dict[str, NDArray[np.generic]]:
        """Return what no instrument can see, without disturbing it.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.

        Returns
        -------
        dict of str to ndarray, shape (rows, columns)
            As the die inside, with the parts in ``conductance_s`` and the worn cells in ``stuck``.
        """
        seen = self.die.truth(now_s)
        saved = {name: array.copy() for name, array in self._flat.items()}
        factor = self._factor(self._all, float(now_s), 0.0).reshape(self.shape)
        for name, old in saved.items():
            self._flat[name][...] = old
        shown_s = np.asarray(seen["conductance_s"], dtype=np.float64) * factor
        return {**seen, "conductance_s": shown_s, "stuck": self.stuck != Stuck.NO}

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return everything that must be kept of the die and its parts.

        Returns
        -------
        dict of str to ndarray
            Those of the die inside, and the parts' own, whose names begin with ``parts_``.
        """
        own: dict[str, NDArray[np.generic]] = {f"{_PREFIX}{name}": flat.copy() for name, flat in self.state.items()}
        return {**self.die.to_arrays(), **own, f"{_PREFIX}name": np.array(self.parts.name)}

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over the state of stored parts.

        Parameters
        ----------
        arrays : Mapping of str to ndarray
            From :meth:`to_arrays`.

        Raises
        ------
        ValueError
            If an array is missing, has another shape or type, or belongs to other parts.
        """
        needed = {f"{_PREFIX}{name}" for name in (*self.state, "name")}
        if missing := sorted(needed - set(arrays)):
            raise ValueError(f"stored die: {', '.join(missing)} missing")
        if str(arrays[f"{_PREFIX}name"]) != self.parts.name:
            raise ValueError(f"stored die: fitted with {arrays[f'{_PREFIX}name']}, not with {self.parts.name}")
        for name, own in self.state.items():
            stored = arrays[f"{_PREFIX}{name}"]
            if own.shape != stored.shape or own.dtype != stored.dtype:
                raise ValueError(
                    f"stored die: {_PREFIX}{name} must be {own.dtype} of shape {own.shape}, is {stored.dtype} of shape "
                    f"{stored.shape}"
                )
            own[...] = stored
        self._mark_worn()

    def _unworn(self, active: ArrayLike | None, worn: NDArray[np.bool_]) -> Index:
        index = self._flat_index(active)
        return index[~worn[index]]

    def _mark_worn(self) -> None:
        worn = self._wear.worn_out(self._flat).reshape(self.shape)
        self.stuck[worn & (self.stuck == Stuck.NO)] = Stuck.WORN

    def _flat_index(self, cells: ArrayLike | None) -> Index:
        if cells is None:
            return self._all
        given = np.asarray(cells)
        return np.flatnonzero(given) if given.dtype == np.bool_ else given.astype(np.int64)

    def _factor(self, index: Index, now_s: float, aperture_s: float) -> Array:
        flat, temperature_k = self._flat, self.temperature_k
        programmed = np.log(self.die.programmed_s().reshape(-1)[index])
        from_middle = programmed - 0.5 * float(np.sum(np.log(self.window_s)))
        shown = from_middle * self._wear.width(flat, index)
        if self.effects.relaxation:
            self._retention.grow_old(flat, index, now_s, temperature_k)
            shown = self._retention.log_g(flat, index, shown)
        place = 0.5 + from_middle / float(np.diff(np.log(self.window_s))[0])
        factor = np.exp(shown - from_middle + self._conduction.log_factor(place, temperature_k))
        if self.effects.read_noise:
            speed = arrhenius(self.parts["rtn.activation"], temperature_k)
            factor = factor * self._traps.factor(flat, index, now_s, aperture_s, speed)
        return np.asarray(factor)
