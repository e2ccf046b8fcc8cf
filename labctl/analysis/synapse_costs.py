"""Energy, time and area of a network on domain walls, beside the same network in digital CMOS.

The numbers of the circuits, each with its source or "assumed", are those of a file in ``labctl_data/designs``. Not
here: what a run of the rack costs (``labctl_procedures.system.cost_ledger``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from math import ceil, log2
from pathlib import Path

from labctl.physics.presets import Preset, load_preset

__all__ = ["Cost", "MeasuredWalls", "cmos_cost", "load_design", "wall_cost"]

_UNITS = {
    **dict.fromkeys(("cmos.multiply_energy", "cmos.add_energy", "cmos.memory_bit_energy"), "J"),
    **dict.fromkeys(("wall.driver_energy", "wall.converter_energy"), "J"),
    **dict.fromkeys(("cmos.multiply_area", "cmos.add_area", "cmos.memory_cell_area"), "m^2"),
    **dict.fromkeys(("wall.cell_area", "wall.converter_area"), "m^2"),
    **dict.fromkeys(("cmos.clock_period", "wall.read_time", "wall.converter_time"), "s"),
    **dict.fromkeys(("cmos.memory_efficiency", "cmos.units", "wall.columns_for_converter"), "1"),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs.

    Attributes
    ----------
    inference_j : float, unit J
        Of one image.
    inference_s : float, unit s
        Of one image, layer after layer.
    update_j : float, unit J
        To change one weight by one state; in CMOS to write it again.
    area_m2 : float, unit m^2
        Of weights, arithmetic and converters.
    """

    inference_j: float
    inference_s: float
    update_j: float
    area_m2: float


@dataclass(frozen=True, slots=True)
class MeasuredWalls:
    """What was measured of the devices.

    Attributes
    ----------
    read_v : float, unit V
        At the junction.
    conductance_s : float, unit S
        Mean over the states.
    pulse_j : float, unit J
        Of one pulse in the track.
    """

    read_v: float
    conductance_s: float
    pulse_j: float


def load_design(name: str = "wall_synapse_cmos45") -> Preset:
    """Read a design.

    Parameters
    ----------
    name : str
        Of a file in ``labctl_data/designs``.

    Returns
    -------
    Preset

    Raises
    ------
    StationError
        If a number is missing or has another unit.
    """
    design = load_preset(Path(str(files("labctl_data") / "designs" / f"{name}.toml")))
    design.require(_UNITS)
    return design


def wall_cost(design: Preset, sizes: Sequence[int], *, walls: int, measured: MeasuredWalls) -> Cost:
    """Return the cost of a network whose layers are arrays of walls; all inputs are at the read voltage.

    Parameters
    ----------
    design : Preset
    sizes : sequence of int
        Inputs, hidden layers, classes.
    walls : int
        For each weight; a single one shares a column of references in each layer.
    measured : MeasuredWalls

    Returns
    -------
    Cost
    """
    layers = [(before, (after * walls if walls == 2 else after + 1)) for before, after in pairwise(sizes)]
    devices = sum(before * columns for before, columns in layers)
    columns = sum(columns for _, columns in layers)
    shared = design["wall.columns_for_converter"]
    read_j = measured.read_v**2 * measured.conductance_s * design["wall.read_time"]
    turns = [ceil(columns / ceil(columns / shared)) for _, columns in layers]
    converters = sum(ceil(columns / shared) for _, columns in layers)
    return Cost(
        inference_j=devices * read_j + columns * design["wall.converter_energy"],
        inference_s=sum(design["wall.read_time"] + turn * design["wall.converter_time"] for turn in turns),
        update_j=measured.pulse_j + design["wall.driver_energy"],
        area_m2=devices * design["wall.cell_area"] + converters * design["wall.converter_area"],
    )


def cmos_cost(design: Preset, sizes: Sequence[int], *, levels: int) -> Cost:
    """Return the cost of the same network with its weights in SRAM, of as many bits as the levels need.

    Parameters
    ----------
    design : Preset
    sizes : sequence of int
        Inputs, hidden layers, classes.
    levels : int
        That a weight has.

    Returns
    -------
    Cost
    """
    weights = sum(before * after for before, after in pairwise(sizes))
    bits, units = ceil(log2(levels)), design["cmos.units"]
    each_j = design["cmos.multiply_energy"] + design["cmos.add_energy"] + bits * design["cmos.memory_bit_energy"]
    cell_m2 = design["cmos.memory_cell_area"] / design["cmos.memory_efficiency"]
    return Cost(
        inference_j=weights * each_j,
        inference_s=ceil(weights / units) * design["cmos.clock_period"],
        update_j=bits * design["cmos.memory_bit_energy"],
        area_m2=weights * bits * cell_m2 + units * (design["cmos.multiply_area"] + design["cmos.add_area"]),
    )
