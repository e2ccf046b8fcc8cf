"""Registry of the simulated instruments: the name in a bench file and the class behind it, imported when asked for.

Not here: the instruments (one folder per maker) and bench files (:mod:`labctl_mock.bench`).
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from labctl_mock.messages import SimulatedInstrument

__all__ = ["models"]

_CLASSES = {
    "Keithley2400": "labctl_mock.keithley.keithley2400:SimulatedKeithley2400",
    "Keithley2450": "labctl_mock.keithley.keithley2450:SimulatedKeithley2450",
    "Keithley2636B": "labctl_mock.keithley.keithley2636b:SimulatedKeithley2636B",
    "Keithley707B": "labctl_mock.keithley.keithley707b:SimulatedKeithley707B",
    "Keysight33622A": "labctl_mock.keysight.keysight33622a:SimulatedKeysight33622A",
    "LakeShore335": "labctl_mock.lakeshore.lakeshore335:SimulatedLakeShore335",
}


class _Models(Mapping[str, type[SimulatedInstrument]]):
    """Names to classes; looking a class up imports its module."""

    def __getitem__(self, name: str) -> type[SimulatedInstrument]:
        module, _, class_name = _CLASSES[name].partition(":")
        found: type[SimulatedInstrument] = getattr(import_module(module), class_name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


def models() -> Mapping[str, type[SimulatedInstrument]]:
    """Return the simulated instruments by the name that a bench file uses, such as ``"Keithley2636B"``.

    A class is imported when it is looked up, and is to be called as
    ``cls(key, circuit, serial=..., seed=..., options=...)``.
    """
    return _Models()
