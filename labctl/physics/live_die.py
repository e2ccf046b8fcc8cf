"""What a bench asks of a die, whatever family of devices it is made of, and how such a die is made.

Not here: the families (:mod:`labctl.physics.die` for metal oxide, ``ecram_die``, ``filament_die``, ``domain_wall_die``,
``data_driven_die``, ``pulse_table_die``) and the parts that any of them takes (:mod:`labctl.physics.parts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.errors import StationError
from labctl.physics.fresh_die import Effects
from labctl.physics.presets import Preset

__all__ = ["FAMILIES", "ControlPort", "LiveDie", "make_die", "restore_die"]

Array = NDArray[np.float64]

FAMILIES = ("data_driven", "domain_wall", "ecram", "filament", "metal_oxide", "pulse_table")


@dataclass(frozen=True, slots=True)
class ControlPort:
    """The third terminal of a device.

    Attributes
    ----------
    kind : {"gate", "track"}
        A gate draws no current; a track is a conductor from the control terminal to ground.
    resistance_ohm : float, unit ohm
        Between the control terminal and ground; inf for a gate.
    dead_zone_v : float, unit V
        Up to this magnitude the control voltage changes no state.
    """

    kind: Literal["gate", "track"]
    resistance_ohm: float
    dead_zone_v: float


class LiveDie(Protocol):
    """An array of cells that lives through voltages and time.

    Attributes
    ----------
    preset : Preset
        Device file.
    rows, columns : int
        Size, word lines by bit lines.
    seed : int
        Key of all random numbers; a cell is the same in dies of every size.
    shape : tuple of two ints
        Rows and columns.
    stuck : ndarray of uint8, shape (rows, columns)
        :class:`~labctl.physics.cells.Stuck` of every cell.
    dead_zone_v : float, unit V
        Up to this magnitude the cell voltage changes no cell; inf where it never does.
    control : ControlPort or None
        The third terminal; None for two terminals.
    window_s : tuple of two floats, unit S
        Least and greatest conductance that the typical cell is programmed to.
    temperature_k : float, unit K
        Of the die; 300 unless set. What happened to a cell since it was last looked at or stressed counts as at the
        present temperature: look at all cells (:meth:`coefficients_at`) before changing it.
    effects : Effects
        Imperfections in force.
    """

    preset: Preset
    rows: int
    columns: int
    seed: int
    shape: tuple[int, int]
    stuck: NDArray[np.uint8]
    dead_zone_v: float
    control: ControlPort | None
    window_s: tuple[float, float]
    temperature_k: float
    effects: Effects

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
        """Let cells live through constant voltages; a stress cut into pieces is one stress.

        Parameters
        ----------
        voltage_v : array_like, shape (rows, columns), unit V
            Across every cell, positive towards higher conductance; where there is a control that writes, the read path.
        duration_s : float, unit s
            How long, positive.
        now_s : float, unit s
            When it starts.
        control_v : array_like, shape (rows, columns), unit V, optional
            Gate above the bit line (ECRAM: source; 1T1R: source line), or along the track; NaN where it floats. None
            where no control is driven. Ignored by a device of two terminals.
        current_limit_a : array_like, scalar or shape (rows, columns), unit A, optional
            Compliance of the cell current; None for none.
        limit_lag_s : array_like, scalar or shape (rows, columns), unit s
            How long after the current crossed the compliance it begins to act; only families whose SET is abrupt know
            what happens meanwhile.
        active : array_like of bool, shape (rows, columns), or of int, shape (n,), optional
            Cells to look at, as a mask or as flat indices, each once; None for all.

        Raises
        ------
        ValueError
            If a shape is wrong, a voltage is not finite, a duration or limit is not positive, an index out of range.
        """
        ...

    def coefficients_at(
        self,
        now_s: float,
        cells: ArrayLike | None = None,
        *,
        aperture_s: float = 0.0,
        control_v: ArrayLike | None = None,
        voltage_v: ArrayLike | None = None,
    ) -> tuple[Array, Array]:
        """Return the static characteristic I(v) = a1 v + a3 v^3 of cells at a time.

        Where the true curve is not of that form, a1 is the secant I(v)/v and a3 is 0.

        Parameters
        ----------
        now_s : float, unit s
            End of the aperture.
        cells : array_like of bool, shape (rows, columns), or of int, shape (n,), optional
            Mask or flat indices, each once; None for all.
        aperture_s : float, unit s
            Time over which a meter averages.
        control_v, voltage_v : array_like, shape (rows, columns), unit V, optional
            As in :meth:`stress`; the secant is taken at this cell voltage, without one at low field.

        Returns
        -------
        tuple of two ndarrays, shape (rows, columns) or (n,)
            a1, unit S, and a3, unit S/V^2.

        Raises
        ------
        ValueError
            If an index is out of range, a shape is wrong or the aperture is negative.
        """
        ...

    def programmed_s(self) -> Array:
        """Return what was last written, without what happened to it since, shape (rows, columns), unit S."""
        ...

    def scale(self, cell: int, factor: float) -> None:
        """Multiply the programmed conductance of a cell, as ageing or a disturbance would.

        Parameters
        ----------
        cell : int
            Flat number.
        factor : float, unit 1
            Positive; where the device cannot hold the product, it stands at its bound.

        Raises
        ------
        ValueError
            If there is no such cell or the factor is not positive.
        """
        ...

    def truth(self, now_s: float) -> dict[str, NDArray[np.generic]]:
        """Return what no instrument can see, without disturbing it; no random number is used up.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.

        Returns
        -------
        dict of str to ndarray, shape (rows, columns)
            ``conductance_s`` (low-field, with relaxation and slow noise, unit S), ``programmed_s`` (without, unit S),
            ``formed``, ``stuck`` (boolean).
        """
        ...

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return everything that must be kept of the die, as arrays that need no pickle."""
        ...


def make_die(
    preset: Preset,
    rows: int,
    columns: int,
    seed: int,
    effects: Effects | None = None,
    *,
    parts: Preset | None = None,
) -> LiveDie:
    """Return a new die of the family that a device file belongs to.

    Parameters
    ----------
    preset : Preset
        Device file.
    rows, columns : int
        Size.
    seed : int
        0 to 2**64 - 1.
    effects : Effects, optional
        Imperfections in force; all of them unless given.
    parts : Preset, optional
        Parameter file of family ``parts``: random telegraph noise, retention, wear and heat, put onto the family's own.

    Returns
    -------
    LiveDie
        At time 0.

    Raises
    ------
    StationError
        If no die is known of that family, or a file lacks a key.
    ValueError
        If size or seed is out of range.
    """
    die = _made(preset, rows, columns, seed, effects)
    if parts is None:
        return die
    from labctl.physics.parts.fitted import FittedDie

    return FittedDie(die, parts)


def restore_die(
    preset: Preset,
    arrays: Mapping[str, NDArray[np.generic]],
    effects: Effects | None = None,
    *,
    parts: Preset | None = None,
) -> LiveDie:
    """Bring a stored die back.

    Parameters
    ----------
    preset : Preset
        The device file that the die was made from.
    arrays : Mapping of str to ndarray
        From :meth:`LiveDie.to_arrays`.
    effects : Effects, optional
        Imperfections in force from now on.
    parts : Preset, optional
        The parts that it was made with.

    Returns
    -------
    LiveDie
        A die that goes on where the stored one stopped.

    Raises
    ------
    StationError
        If no die is known of that family, or a file lacks a key.
    ValueError
        If an array is missing, has another shape or type, or belongs to another device or other parts.
    """
    die = _restored(preset, arrays, effects)
    if parts is None:
        return die
    from labctl.physics.parts.fitted import FittedDie

    fitted = FittedDie(die, parts)
    fitted.restore(arrays)
    return fitted


def _made(preset: Preset, rows: int, columns: int, seed: int, effects: Effects | None) -> LiveDie:
    # a family is imported only where it is used: numba alone takes part of a second
    if preset.family == "metal_oxide":
        from labctl.physics.die import Die

        return Die(preset, rows, columns, seed, effects)
    if preset.family == "ecram":
        from labctl.physics.ecram_die import EcramDie

        return EcramDie(preset, rows, columns, seed, effects)
    if preset.family == "filament":
        from labctl.physics.filament_die import FilamentDie

        return FilamentDie(preset, rows, columns, seed, effects)
    if preset.family == "domain_wall":
        from labctl.physics.domain_wall_die import DomainWallDie

        return DomainWallDie(preset, rows, columns, seed, effects)
    if preset.family == "data_driven":
        from labctl.physics.data_driven_die import DataDrivenDie

        return DataDrivenDie(preset, rows, columns, seed, effects)
    if preset.family == "pulse_table":
        from labctl.physics.pulse_table_die import PulseTableDie

        return PulseTableDie(preset, rows, columns, seed, effects)
    raise _unknown(preset)


def _restored(preset: Preset, arrays: Mapping[str, NDArray[np.generic]], effects: Effects | None) -> LiveDie:
    if preset.family == "metal_oxide":
        from labctl.physics.die import Die

        return Die.from_arrays(preset, arrays, effects)
    if preset.family == "ecram":
        from labctl.physics.ecram_die import EcramDie

        return EcramDie.from_arrays(preset, arrays, effects)
    if preset.family == "filament":
        from labctl.physics.filament_die import FilamentDie

        return FilamentDie.from_arrays(preset, arrays, effects)
    if preset.family == "domain_wall":
        from labctl.physics.domain_wall_die import DomainWallDie

        return DomainWallDie.from_arrays(preset, arrays, effects)
    if preset.family == "data_driven":
        from labctl.physics.data_driven_die import DataDrivenDie

        return DataDrivenDie.from_arrays(preset, arrays, effects)
    if preset.family == "pulse_table":
        from labctl.physics.pulse_table_die import PulseTableDie

        return PulseTableDie.from_arrays(preset, arrays, effects)
    raise _unknown(preset)


def _unknown(preset: Preset) -> StationError:
    return StationError(f"{preset.place}: no die is made of family {preset.family!r}; known: {', '.join(FAMILIES)}")
