"""Target maps: a CSV of level numbers or of siemens becomes an array of conductances.

Packaged maps lie in ``labctl_data/targets`` and are known by their file name without ``.csv``. Not here: how weights
become a map (:mod:`labctl.networks`).
"""

import csv
import re
from dataclasses import dataclass
from importlib.resources import files
from math import isfinite
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labctl.errors import StationError

__all__ = ["Levels", "load_target", "target_names"]

_LEVEL = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Levels:
    """Equally spaced conductance levels; ``lowest_s`` is level 0.

    Attributes
    ----------
    lowest_s, highest_s : float, unit S
        The two end levels, 0 < lowest < highest.
    count : int
        Number of levels, at least 2.

    Raises
    ------
    StationError
        If a value breaks its rule.
    """

    lowest_s: float
    highest_s: float
    count: int

    def __post_init__(self) -> None:
        if not 0.0 < self.lowest_s < self.highest_s:
            raise StationError(
                f"levels: g_min must be positive and below g_max, got {self.lowest_s:.4g} S and {self.highest_s:.4g} S"
            )
        if self.count < 2:
            raise StationError(f"levels: there must be at least 2 levels, got {self.count}")

    def conductances_s(self) -> npt.NDArray[np.float64]:
        """Return the conductance of each level, shape (count,), unit S."""
        return np.linspace(self.lowest_s, self.highest_s, self.count)

    def of_numbers(self, numbers: npt.NDArray[np.int64], shape: tuple[int, int]) -> npt.NDArray[np.float64]:
        """Return the conductances of a map of level numbers.

        Parameters
        ----------
        numbers : ndarray of int, shape (rows, columns), unit 1
            From 0.
        shape : tuple of int
            Rows and columns of the array.

        Returns
        -------
        ndarray, shape (rows, columns), unit S

        Raises
        ------
        StationError
            If the shape is another, or there is no such level.
        """
        if numbers.shape != shape:
            raise StationError(f"target levels: the map must be {shape} as the array is, got {numbers.shape}")
        if numbers.min() < 0 or numbers.max() >= self.count:
            raise StationError(
                f"target levels: levels must lie in 0 to {self.count - 1}, got {numbers.min()} to {numbers.max()}; "
                "change the map or 'levels'"
            )
        return self.conductances_s()[numbers]


def target_names() -> list[str]:
    """Return the names of the packaged target maps."""
    folder = files("labctl_data") / "targets"
    return sorted(entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv"))


def load_target(name_or_path: str, shape: tuple[int, int], levels: Levels) -> npt.NDArray[np.float64]:
    """Read a target map.

    Parameters
    ----------
    name_or_path : str
        A packaged name, or the path of a CSV: one line per word line, one field per bit line, no header. If every
        field is an integer without sign, point or exponent, they are level numbers, else siemens.
    shape : tuple of int
        Rows and columns of the array.
    levels : Levels
        What level numbers mean, and the range that siemens must lie in.

    Returns
    -------
    ndarray, shape (rows, columns), unit S
        Target conductances.

    Raises
    ------
    StationError
        If there is no such map, or its shape, a field or a value is wrong; line and field are named.
    """
    text, place = _read(name_or_path)
    try:
        rows = [[field.strip() for field in row] for row in csv.reader(text.splitlines()) if row]
    except csv.Error as error:
        raise StationError(f"target {place}: no valid CSV: {error}") from error
    widths = sorted({len(row) for row in rows})
    if len(rows) != shape[0] or widths != [shape[1]]:
        raise StationError(
            f"target {place}: must have {shape[0]} lines of {shape[1]} fields as the array has, "
            f"got {len(rows)} lines of {', '.join(map(str, widths)) or '0'}"
        )
    is_levels = all(_LEVEL.fullmatch(field) for row in rows for field in row)
    level_s = levels.conductances_s()
    target = np.empty(shape)
    for r, row in enumerate(rows):
        for c, field in enumerate(row):
            where = f"target {place}: line {r + 1}, field {c + 1}"
            target[r, c] = _level(field, level_s, where) if is_levels else _siemens(field, levels, where)
    return target


def _read(name_or_path: str) -> tuple[str, str]:
    path = Path(name_or_path)
    if path.suffix.lower() == ".csv":
        try:
            return path.read_text(encoding="utf-8-sig"), str(path)
        except (OSError, ValueError) as error:
            raise StationError(f"target {path}: cannot be read: {error}") from error
    if name_or_path not in target_names():
        raise StationError(
            f"target {name_or_path!r}: there is no such map; packaged are {', '.join(target_names())}; "
            "or give the path of a .csv file"
        )
    entry = files("labctl_data") / "targets" / f"{name_or_path}.csv"
    return entry.read_text(encoding="utf-8"), f"{name_or_path}.csv"


def _level(field: str, level_s: npt.NDArray[np.float64], where: str) -> float:
    if int(field) >= level_s.size:
        raise StationError(f"{where}: level {field} must lie in 0 to {level_s.size - 1}; change the map or 'levels'")
    return float(level_s[int(field)])


def _siemens(field: str, levels: Levels, where: str) -> float:
    try:
        value = float(field)
    except ValueError as error:
        raise StationError(f"{where}: {field!r} is neither a level number nor a number in siemens") from error
    # NaN and infinities fail here too; a rounding in the last place of the end levels is allowed for
    if not (isfinite(value) and levels.lowest_s * (1 - 1e-9) <= value <= levels.highest_s * (1 + 1e-9)):
        raise StationError(
            f"{where}: {field} S must lie in {levels.lowest_s:.4g} to {levels.highest_s:.4g} S (g_min to g_max)"
        )
    return value
