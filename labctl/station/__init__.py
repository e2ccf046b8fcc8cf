"""A station: the instruments of one rack, opened from a file, with its wiring and its envelope.

Not here: what is measured (:mod:`labctl.array`, ``labctl_procedures``), the simulated rack (``labctl_mock``).
"""

from labctl.station.station import Station
from labctl.station.station_file import read_station_file, station_names

__all__ = ["Station", "read_station_file", "station_names"]
