"""A station: the instruments of one rack, opened from a file, with its wiring and its envelope.

Names are loaded when they are asked for: to read a station file takes neither PyVISA nor PyMeasure.

Not here: what is measured (:mod:`labctl.array`, ``labctl_procedures``), the simulated rack (``labctl_mock``).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labctl.station.station import Station
    from labctl.station.station_file import read_station_file, station_names

__all__ = ["Station", "read_station_file", "station_names"]

# a name added here is also imported above, for the type checker
_MODULES = {"Station": "station", "read_station_file": "station_file", "station_names": "station_file"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
