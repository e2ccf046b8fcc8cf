"""What a crossbar circuit is made of: wires, cells, line ends, sources; and what a solution of it holds.

Sign conventions: a cell voltage is word line minus bit line, and its current flows from word to bit line; currents at
line ends flow *into* the array. The near end of a word line is at column 0, its far end at the last column; the near
end of a bit line is at row 0, its far end at the last row. Not here: the solver (:mod:`labctl.physics.crossbar`), the
law of a cell (:mod:`labctl.physics.metal_oxide`), nor which instrument sits on which line (the bench).
"""

from dataclasses import dataclass, field
from enum import IntEnum
from math import isfinite
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Boundaries", "Connections", "OddCells", "Solution", "SourceMode", "SourcedSolution", "Sources", "Wires"]

Number = TypeVar("Number", bound=np.generic)
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_ENDS_V = ("word_near_v", "word_far_v", "bit_near_v", "bit_far_v")
_ENDS_S = ("word_near_s", "word_far_s", "bit_near_s", "bit_far_s")
_ENDS_SOURCE = ("word_near_source", "word_far_source", "bit_near_source", "bit_far_source")


def _joined(
    name: str, kind: type[Number], word_near: ArrayLike, word_far: ArrayLike, bit_near: ArrayLike, bit_far: ArrayLike
) -> tuple[int, int, NDArray[Number]]:
    """Join what belongs to the four groups of line ends; return the numbers of word and bit lines too."""
    groups = [np.asarray(group, dtype=kind) for group in (word_near, word_far, bit_near, bit_far)]
    shapes = [group.shape for group in groups]
    if len(shapes[0]) != 1 or len(shapes[2]) != 1 or shapes[0] != shapes[1] or shapes[2] != shapes[3]:
        raise ValueError(
            f"{name} of line ends must have shape (rows,) for word and (columns,) for bit lines, "
            f"got {shapes} for word near, word far, bit near, bit far"
        )
    return shapes[0][0], shapes[2][0], np.concatenate(groups)


@dataclass(frozen=True, slots=True)
class Wires:
    """Resistances of the lines; 0 is an ideal wire and is solved as such.

    Attributes
    ----------
    segment_word_ohm, segment_bit_ohm : float, unit ohm
        Wire between two neighbouring cells of a line.
    contact_word_ohm, contact_bit_ohm : float, unit ohm
        From the outermost cell of a line to its terminal, at each of its two ends.

    Raises
    ------
    ValueError
        If a resistance is negative or not finite.
    """

    segment_word_ohm: float = 0.0
    segment_bit_ohm: float = 0.0
    contact_word_ohm: float = 0.0
    contact_bit_ohm: float = 0.0

    def __post_init__(self) -> None:
        for name in ("segment_word_ohm", "segment_bit_ohm", "contact_word_ohm", "contact_bit_ohm"):
            value = float(getattr(self, name))
            if not (isfinite(value) and value >= 0.0):
                raise ValueError(f"wires: {name} must be finite and not negative, got {value} ohm")
            # an int would make the compiled engine compile itself once more
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class OddCells:
    """Cells whose current is the odd polynomial ``linear_s * v + cubic_s_per_v2 * v**3``.

    Attributes
    ----------
    linear_s : ndarray, shape (rows, columns), unit S
        Low-field conductance, finite and not negative; 0 is an open cell.
    cubic_s_per_v2 : ndarray, shape (rows, columns), unit S/V^2
        Cubic coefficient, finite and not negative.
    """

    linear_s: Floats
    cubic_s_per_v2: Floats


@dataclass(frozen=True, slots=True)
class Boundaries:
    """One independent drive for each end of each line: ``conductance`` to ``voltage``.

    Conductance 0 leaves the end floating (its voltage is ignored); ``inf`` is an ideal drive. The contact resistance
    of the wires lies in series.

    Attributes
    ----------
    word_near_v, word_near_s, word_far_v, word_far_s : array_like, shape (rows,), unit V and S
    bit_near_v, bit_near_s, bit_far_v, bit_far_s : array_like, shape (columns,), unit V and S

    Raises
    ------
    ValueError
        If the shapes of the word ends, or of the bit ends, differ, or a conductance is negative or NaN. Voltages are
        checked by the solver.
    """

    word_near_v: ArrayLike
    word_near_s: ArrayLike
    word_far_v: ArrayLike
    word_far_s: ArrayLike
    bit_near_v: ArrayLike
    bit_near_s: ArrayLike
    bit_far_v: ArrayLike
    bit_far_s: ArrayLike
    rows: int = field(init=False)
    columns: int = field(init=False)
    emf_v: Floats = field(init=False, repr=False)
    tie_ohm: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows, columns, emf_v = _joined("boundaries: voltages", np.float64, *(getattr(self, f) for f in _ENDS_V))
        s_rows, s_columns, conductance_s = _joined(
            "boundaries: conductances", np.float64, *(getattr(self, f) for f in _ENDS_S)
        )
        tie_ohm = _tie_ohm(conductance_s, "boundaries")
        if (s_rows, s_columns) != (rows, columns):
            raise ValueError("boundaries: voltages and conductances must have the same numbers of lines")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "tie_ohm", tie_ohm)
        object.__setattr__(self, "emf_v", np.where(tie_ohm < np.inf, emf_v, 0.0))


def _tie_ohm(conductance_s: Floats, name: str) -> Floats:
    """Resistance of line ends, inf where they float."""
    if not (conductance_s >= 0.0).all():
        raise ValueError(f"{name}: conductances of line ends must not be negative or NaN (0 floats, inf is ideal)")
    ohm: Floats = np.full(conductance_s.shape, np.inf)
    return np.divide(1.0, conductance_s, out=ohm, where=conductance_s > 0.0)


class SourceMode(IntEnum):
    """What a source does to its bus."""

    FLOATING = 0
    VOLTAGE = 1
    CURRENT = 2


_MODES = frozenset(int(mode) for mode in SourceMode)


@dataclass(frozen=True, slots=True)
class Sources:
    """Sources, each between the common ground and a bus of its own; a bus may carry any number of line ends.

    FLOATING: no source; the bus only joins its line ends (net current zero). VOLTAGE: ``emf_v`` behind
    ``resistance_ohm``; when its current would exceed ``current_limit_a`` in magnitude it becomes a current source of
    that magnitude ("in compliance"). CURRENT: ``current_a`` into the bus; when the magnitude of the bus voltage would
    exceed ``voltage_limit_v`` it becomes an ideal voltage source of that magnitude ("in compliance"). Fields that a
    mode does not name are ignored in it.

    Attributes
    ----------
    mode : array_like of SourceMode, shape (sources,)
    emf_v : array_like, shape (sources,), unit V
    resistance_ohm : array_like, shape (sources,) or scalar, unit ohm
        0 is an ideal voltage source.
    current_limit_a : array_like, shape (sources,) or scalar, unit A
        inf: none.
    current_a : array_like, shape (sources,) or scalar, unit A
    voltage_limit_v : array_like, shape (sources,) or scalar, unit V
        inf: none.

    Raises
    ------
    ValueError
        If shapes differ, a level is not finite, or a resistance or a limit is negative or NaN.
    """

    mode: ArrayLike
    emf_v: ArrayLike
    resistance_ohm: ArrayLike = 0.0
    current_limit_a: ArrayLike = np.inf
    current_a: ArrayLike = 0.0
    voltage_limit_v: ArrayLike = np.inf
    modes: Integers = field(init=False, repr=False)
    table: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        modes = np.asarray(self.mode, dtype=np.int64)
        if modes.ndim != 1:
            raise ValueError(f"sources: mode must have shape (sources,), got {modes.shape}")
        if not _MODES.issuperset(modes.tolist()):
            raise ValueError(f"sources: mode must be one of {', '.join(SourceMode.__members__)}, got {modes.tolist()}")
        table = np.empty((5, len(modes)))
        for row, name in enumerate(("emf_v", "current_a", "resistance_ohm", "current_limit_a", "voltage_limit_v")):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if value.shape not in ((), modes.shape):
                raise ValueError(f"sources: {name} must have shape {modes.shape}, got {value.shape}")
            table[row] = value
        if not np.isfinite(table[:3]).all():
            raise ValueError("sources: emf_v, resistance_ohm and current_a must be finite (FLOATING is a mode)")
        if not (table[2:] >= 0.0).all():
            raise ValueError("sources: resistance_ohm, current_limit_a and voltage_limit_v must not be negative or NaN")
        object.__setattr__(self, "modes", modes)
        object.__setattr__(self, "table", table)


@dataclass(frozen=True, slots=True)
class Connections:
    """Which source's bus each line end is tied to, and through what conductance.

    Source ``-1`` (or conductance 0) leaves the end floating. Conductance ``inf`` is an ideal tie; the contact
    resistance of the wires lies in series. Build it once per setting of the switches and reuse it for many solutions.

    Attributes
    ----------
    word_near_source, word_far_source : array_like of int, shape (rows,)
    word_near_s, word_far_s : array_like, shape (rows,), unit S
    bit_near_source, bit_far_source : array_like of int, shape (columns,)
    bit_near_s, bit_far_s : array_like, shape (columns,), unit S

    Raises
    ------
    ValueError
        If shapes differ, a conductance is negative or NaN, or an index is below -1.
    """

    word_near_source: ArrayLike
    word_near_s: ArrayLike
    word_far_source: ArrayLike
    word_far_s: ArrayLike
    bit_near_source: ArrayLike
    bit_near_s: ArrayLike
    bit_far_source: ArrayLike
    bit_far_s: ArrayLike
    rows: int = field(init=False)
    columns: int = field(init=False)
    source: Integers = field(init=False, repr=False)
    tie_ohm: Floats = field(init=False, repr=False)
    count: Integers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows, columns, indices = _joined("connections: sources", np.int64, *(getattr(self, f) for f in _ENDS_SOURCE))
        s_rows, s_columns, conductance_s = _joined(
            "connections: conductances", np.float64, *(getattr(self, f) for f in _ENDS_S)
        )
        if (s_rows, s_columns) != (rows, columns):
            raise ValueError("connections: sources and conductances must have the same numbers of lines")
        tie_ohm = _tie_ohm(conductance_s, "connections")
        source = np.where(tie_ohm < np.inf, indices, -1)
        if len(source) and source.min() < -1:
            raise ValueError(f"connections: a source index is 0 or more, or -1 for a floating end, got {source.min()}")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "tie_ohm", np.where(source >= 0, tie_ohm, np.inf))
        # entry 0 counts the floating ends
        object.__setattr__(self, "count", np.bincount(source + 1))


@dataclass(frozen=True, slots=True)
class Solution:
    """Voltages and currents of an array; pass it as ``start`` of the next solution.

    Attributes
    ----------
    cell_voltage_v : ndarray, shape (rows, columns), unit V
        Word minus bit line at each cell.
    word_voltage_v, bit_voltage_v : ndarray, shape (rows, columns), unit V
        Voltage of the line at each cell, against ground.
    word_near_current_a, word_far_current_a : ndarray, shape (rows,), unit A
        Into the array.
    bit_near_current_a, bit_far_current_a : ndarray, shape (columns,), unit A
        Into the array.
    residual : float, unit 1
        2-norm of the current missing at the nodes (Kirchhoff), over the largest cell current (or 1e-5 of largest
        conductance times largest voltage, where that is more).
    newton_steps, iterations : int
        Linear systems solved, and conjugate-gradient steps in all of them.
    """

    cell_voltage_v: Floats
    word_voltage_v: Floats
    bit_voltage_v: Floats
    word_near_current_a: Floats
    word_far_current_a: Floats
    bit_near_current_a: Floats
    bit_far_current_a: Floats
    residual: float
    newton_steps: int
    iterations: int


@dataclass(frozen=True, slots=True)
class SourcedSolution(Solution):
    """A solution with shared sources.

    Attributes
    ----------
    source_current_a : ndarray, shape (sources,), unit A
        Out of each source, into its bus.
    bus_voltage_v : ndarray, shape (sources,), unit V
        At the bus, behind the series resistance; 0 for a FLOATING or CURRENT 0 A source with nothing on its bus.
    in_compliance : ndarray of bool, shape (sources,)
        True where a limit, not the level, rules.
    """

    source_current_a: Floats
    bus_voltage_v: Floats
    in_compliance: NDArray[np.bool_]
