"""Address, bias, pulse and read the cells of an array through a station, and say which cells and targets are meant.

Not here: closed-loop programming (:mod:`labctl.tuning`), figures of merit (:mod:`labctl.analysis.programming`).
"""

from labctl.array.access import CrossbarAccess
from labctl.array.readings import CellMap, CellReading, PulseRecord, as_map
from labctl.array.schemes import LineVoltages, Scheme, line_voltages
from labctl.array.selection import format_cells, parse_cells
from labctl.array.targets import Levels, load_target, target_names

__all__ = [
    "CellMap",
    "CellReading",
    "CrossbarAccess",
    "Levels",
    "LineVoltages",
    "PulseRecord",
    "Scheme",
    "as_map",
    "format_cells",
    "line_voltages",
    "load_target",
    "parse_cells",
    "target_names",
]
