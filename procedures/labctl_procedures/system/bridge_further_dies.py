"""Bridges of further dies, which are physics alone, measured as those of the station are.

Not here: the dies (:mod:`labctl.networks.bridge_dies`), the station (``bridge_station``).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labctl.networks.bridge_dies import BridgeDie, BridgeProgram
from labctl.physics.presets import load_preset
from labctl_procedures.system.bridge_operations import BridgeMiddles

if TYPE_CHECKING:
    from labctl_procedures.system.bridge_bnn import BridgeBnn

__all__ = ["APART", "apart_ohm", "die_rates", "rate_names"]

FloatArray = npt.NDArray[np.float64]

APART = 2.0
"""A bridge whose cells do not come apart by this factor in the first condition is defective, and not used."""


def die_rates(
    system: "BridgeBnn", programs: Sequence[BridgeProgram], levels_v: Sequence[float], seed: int
) -> dict[str, float]:
    """Program the bridges of a die in all conditions, and count what they get wrong.

    Parameters
    ----------
    system : BridgeBnn
        Whose parameters hold.
    programs : sequence of BridgeProgram
        The first tells which bridges are defective.
    levels_v : sequence of float, unit V
    seed : int
        Of the die, its inverters and patterns.

    Returns
    -------
    dict of str to float, unit 1
        By :func:`rate_names`.
    """
    access, sample = system.station.sample.access, system.station.sample
    die = BridgeDie(
        load_preset(sample.device),
        system.die_rows,
        sample.columns,
        seed,
        bridges=system.inputs,
        gate_read_v=access["gate_read_v"],
        gate_reset_v=access["gate_reset_v"],
    )
    is_positive = np.random.default_rng([system.seed, seed]).random(die.shape) < 0.5
    is_good = np.ones(die.shape, dtype=bool)
    rates, wrong = [], []
    for number, program in enumerate(programs):
        cells_ohm, middle_v = [], []
        for weights in (is_positive, ~is_positive):
            die.program(program, weights)
            cells_ohm.append(die.resistances_ohm(system.read_voltage))
            middle_v.append([die.middles_v(level_v) for level_v in levels_v])
        if number == 0:
            low_ohm, high_ohm = apart_ohm(np.stack(cells_ohm), is_positive)
            is_good = np.asarray((high_ohm > APART * low_ohm).all(axis=0))
        # by polarity, voltage, input, row, bridge; one reading each
        all_v = np.array(middle_v)[..., np.newaxis]
        for place, level_v in enumerate(levels_v):
            one = BridgeMiddles(all_v[:, place], level_v, is_positive, is_good)
            rates.append(one.error_rate(system.offset))
            wrong.append(float(one.wrong_operations(system.patterns, system.inputs, system.offset, seed)))
    return dict(zip(rate_names(len(programs), len(levels_v)), [*rates, *wrong], strict=True))


def apart_ohm(cells_ohm: FloatArray, is_positive: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Sort the resistances of bridges by what they are meant to be.

    Parameters
    ----------
    cells_ohm : ndarray, shape (2, rows, bridges, 2), unit ohm
        By polarity of the weights; of both cells.
    is_positive : ndarray of bool, shape (rows, bridges)
        Weights of the first polarity.

    Returns
    -------
    low_ohm, high_ohm : ndarray, shape (2, rows, bridges), unit ohm
    """
    first_is_low = np.stack([is_positive, ~is_positive])
    low_ohm = np.where(first_is_low, cells_ohm[..., 0], cells_ohm[..., 1])
    return low_ohm, np.where(first_is_low, cells_ohm[..., 1], cells_ohm[..., 0])


def rate_names(conditions: int, voltages: int) -> list[str]:
    """Return how the values of a die are called.

    Parameters
    ----------
    conditions, voltages : int

    Returns
    -------
    list of str
        Rates by condition and voltage, then numbers of wrong operations.
    """
    places = [(condition, place) for condition in range(1, conditions + 1) for place in range(1, voltages + 1)]
    return [f"{what}, condition {one}, voltage {other}" for what in ("error rate", "wrong") for one, other in places]
