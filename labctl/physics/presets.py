"""Device parameter sets: TOML files in which every number has a value, a unit, a source and a valid range.

The loader is strict: what is missing, superfluous, of the wrong type or out of its own range is refused with the file
and the key. Not here: what the numbers mean (:mod:`labctl.physics.metal_oxide` and its neighbours) and the files
themselves (``labctl_data/devices``, whose README says how to add one).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from labctl.errors import StationError
from labctl.toml_file import parse_toml_text

__all__ = ["DEFAULT_PRESET", "Parameter", "Preset", "load_preset", "preset_names"]

DEFAULT_PRESET = "kim2021_tiox_al2o3"

_HEADER = ("schema", "name", "family", "title")
_LEAF = frozenset({"value", "unit", "source", "range"})
_UNITS = frozenset(
    {
        "1",
        "1/Hz",
        "1/K",
        "1/V",
        "1/m^3",
        "1/ohm",
        "A",
        "A/V^2",
        "A/m^2",
        "J",
        "K",
        "K/W",
        "S",
        "V",
        "eV",
        "m",
        "m^2",
        "m/s",
        "m^3/(As)",
    }
    | {"ohm", "ohm/V", "ohm/V^2", "ohm/s", "s"}
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of a device file.

    Attributes
    ----------
    values : tuple of float, unit as ``unit`` says
        One number, or one per conductance bin.
    is_table : bool
        True where the file holds a list.
    unit : str
        SI unit, ``"1"`` for a pure number.
    source : str
        Paper, table or equation, or ``"assumed: <why>"``.
    valid_range : tuple of two floats
        Least and greatest value that may be set.
    """

    values: tuple[float, ...]
    is_table: bool
    unit: str
    source: str
    valid_range: tuple[float, float]


class Preset(Mapping[str, float]):
    """The parameters of one device, read only; iterating gives the keys.

    Parameters
    ----------
    name : str
        Name of the parameter set.
    family : str
        Which model the parameters belong to, such as ``"metal_oxide"``.
    title : str
        What the device is.
    place : str
        File that the parameters came from; it appears in every message.
    parameters : Mapping of str to Parameter
        By dotted key, such as ``"set.c0"``.
    fit : Mapping of str to object
        Table ``[fit]`` of a file that ``labctl fit`` wrote: runs, intervals, goodness, validity. Nothing computes with
        it.
    """

    def __init__(
        self,
        name: str,
        family: str,
        title: str,
        place: str,
        parameters: Mapping[str, Parameter],
        fit: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.family = family
        self.title = title
        self.place = place
        self.fit = fit
        self._parameters = dict(parameters)

    def __getitem__(self, key: str) -> float:
        """Return the number under ``key``, in SI.

        Raises
        ------
        KeyError
            If there is no such key; the message lists the known keys of that section.
        TypeError
            If the key holds one number per conductance bin; :meth:`table` returns those.
        """
        parameter = self._parameter(key)
        if parameter.is_table:
            raise TypeError(f"{self.place}: {key} holds {len(parameter.values)} numbers, one per bin; use table()")
        return parameter.values[0]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._parameters)

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._parameters)

    def table(self, key: str) -> NDArray[np.float64]:
        """Return the numbers under ``key``, shape (n,), in SI.

        Raises
        ------
        KeyError
            If there is no such key.
        """
        return np.array(self._parameter(key).values)

    def is_table(self, key: str) -> bool:
        """Return whether ``key`` holds one number per conductance bin.

        Raises
        ------
        KeyError
            If there is no such key.
        """
        return self._parameter(key).is_table

    def unit(self, key: str) -> str:
        """Return the unit of ``key``.

        Raises
        ------
        KeyError
            If there is no such key.
        """
        return self._parameter(key).unit

    def source(self, key: str) -> str:
        """Return where the value of ``key`` comes from.

        Raises
        ------
        KeyError
            If there is no such key.
        """
        return self._parameter(key).source

    def valid_range(self, key: str) -> tuple[float, float]:
        """Return the least and the greatest value that ``key`` may have.

        Raises
        ------
        KeyError
            If there is no such key.
        """
        return self._parameter(key).valid_range

    def require(self, units: Mapping[str, str]) -> None:
        """Check that the keys a model needs are there in the units it expects.

        Parameters
        ----------
        units : Mapping of str to str
            Unit by key.

        Raises
        ------
        StationError
            If a key is missing or has another unit; all faults are told together.
        """
        faults = [f"{key} is missing (unit {unit})" for key, unit in units.items() if key not in self._parameters]
        faults += [
            f"{key} must be in {unit}, is in {self._parameters[key].unit}"
            for key, unit in units.items()
            if key in self._parameters and self._parameters[key].unit != unit
        ]
        if faults:
            raise StationError(f"{self.place}: {'; '.join(faults)}")

    def with_overrides(self, overrides: Mapping[str, float]) -> "Preset":
        """Return a copy in which some single numbers are replaced.

        Parameters
        ----------
        overrides : Mapping of str to float, in the unit of each key
            New values.

        Raises
        ------
        StationError
            If a key is unknown, holds a table, or the value lies outside the key's range.
        """
        replaced = dict(self._parameters)
        for key, value in overrides.items():
            if key not in replaced:
                raise StationError(f"{self.place}: unknown parameter {key!r}; {self._known(key)}")
            old = replaced[key]
            if old.is_table:
                raise StationError(
                    f"{self.place}: {key} holds one number per bin; change it in a device file of its own"
                )
            new = Parameter((_number(value, self.place, key),), False, old.unit, old.source, old.valid_range)
            _check_range(new, self.place, key)
            replaced[key] = new
        return Preset(self.name, self.family, self.title, self.place, replaced, self.fit)

    def _parameter(self, key: str) -> Parameter:
        try:
            return self._parameters[key]
        except KeyError:
            raise KeyError(f"{self.place}: no parameter {key!r}; {self._known(key)}") from None

    def _known(self, key: str) -> str:
        section = key.split(".", 1)[0]
        near = sorted(k for k in self._parameters if k.startswith(f"{section}.")) or sorted(self._parameters)
        return f"known: {', '.join(near)}"


def preset_names() -> list[str]:
    """Return the names of the device files that come with labctl, sorted."""
    return sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml"))


def load_preset(name_or_path: str | Path = DEFAULT_PRESET) -> Preset:
    """Read a device file.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a device file that comes with labctl, or the path of a ``.toml`` file.

    Returns
    -------
    Preset
        The parameters, each checked against its own range.

    Raises
    ------
    StationError
        If there is no such file, or if it breaks a rule; the message names file and key, for a fault of TOML syntax
        file and line.
    """
    text, place = _read(name_or_path)
    document = parse_toml_text(text, place)
    header = {key: document.pop(key, None) for key in _HEADER}
    if header["schema"] != 1:
        raise StationError(f"{place}: schema: this labctl reads schema 1, got {header['schema']!r}")
    name, family, title = (_text(header[key], place, key) for key in ("name", "family", "title"))
    fit = document.pop("fit", {})
    if not isinstance(fit, dict):
        raise StationError(f"{place}: fit: must be a table, got {fit!r}")
    parameters: dict[str, Parameter] = {}
    for section, entries in document.items():
        if not isinstance(entries, dict):
            raise StationError(f"{place}: {section}: unknown key; the header has {', '.join(_HEADER)}")
        for key, leaf in entries.items():
            parameters[f"{section}.{key}"] = _leaf(leaf, place, f"{section}.{key}")
    return Preset(name, family, title, place, parameters, fit)


def _folder() -> Traversable:
    return files("labctl_data") / "devices"


def _read(name_or_path: str | Path) -> tuple[str, str]:
    if Path(name_or_path).suffix != ".toml":
        if name_or_path not in preset_names():
            raise StationError(
                f"device {str(name_or_path)!r}: unknown; known: {', '.join(preset_names())}; or give the path of a "
                ".toml file"
            )
        return (_folder() / f"{name_or_path}.toml").read_text(encoding="utf-8"), f"devices/{name_or_path}.toml"
    try:
        return Path(name_or_path).read_text(encoding="utf-8"), str(name_or_path)
    except (OSError, UnicodeDecodeError) as error:
        raise StationError(f"{name_or_path}: cannot be read as a device file: {error}") from error


def _leaf(leaf: object, place: str, key: str) -> Parameter:
    if not isinstance(leaf, dict) or set(leaf) != _LEAF:
        got = sorted(leaf) if isinstance(leaf, dict) else leaf
        raise StationError(f"{place}: {key}: must have exactly {', '.join(sorted(_LEAF))}; got {got!r}")
    unit, source, bounds = leaf["unit"], leaf["source"], leaf["range"]
    if not isinstance(unit, str) or unit not in _UNITS:
        raise StationError(f"{place}: {key}: unit {unit!r} is not one of {', '.join(sorted(_UNITS))}")
    if not isinstance(source, str) or not source.strip() or source.strip().removeprefix("assumed").strip(": ") == "":
        raise StationError(f'{place}: {key}: source must name a paper, table or equation, or be "assumed: <why>"')
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise StationError(f"{place}: {key}: range must be [least, greatest], got {bounds!r}")
    low, high = (_number(bound, place, f"{key}.range") for bound in bounds)
    if low > high:
        raise StationError(f"{place}: {key}: range must ascend, got {bounds!r}")
    is_table = isinstance(leaf["value"], list)
    values = tuple(_number(v, place, key) for v in (leaf["value"] if is_table else [leaf["value"]]))
    if not values:
        raise StationError(f"{place}: {key}: value must not be an empty list")
    parameter = Parameter(values, is_table, unit, source, (low, high))
    _check_range(parameter, place, key)
    return parameter


def _text(value: object, place: str, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise StationError(f"{place}: {key}: must be a text, got {value!r}")
    return value


def _number(value: object, place: str, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise StationError(f"{place}: {key}: must be a finite number, got {value!r}")
    return float(value)


def _check_range(parameter: Parameter, place: str, key: str) -> None:
    low, high = parameter.valid_range
    for value in parameter.values:
        if not low <= value <= high:
            raise StationError(f"{place}: {key}: must be {low:g} to {high:g} {parameter.unit}, got {value:g}")
