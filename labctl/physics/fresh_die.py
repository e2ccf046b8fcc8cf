"""What a die is like before anyone touched it: its spread, its defects, its virgin cells.

Not here: what happens to the cells afterwards (:mod:`labctl.physics.plain_steps`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.physics.cells import Cells, DieState, Stuck
from labctl.physics.forming import FormingLaw, life_from_uniform
from labctl.physics.noise import NoiseBank
from labctl.physics.presets import Preset
from labctl.physics.random import Stream, normals, uniforms

__all__ = ["Effects", "draw_cells", "virgin_state"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_SPREAD_UNITS = {
    "spread.device_gain": "1",
    "spread.device_threshold": "V",
    "stuck.fraction": "1",
    "stuck.low_resistance_share": "1",
    "stuck.conductance": "S",
}


@dataclass(frozen=True, slots=True)
class Effects:
    """Which imperfections are in force; switched off, a cell is the typical cell of the device file.

    Attributes
    ----------
    device_spread, cycle_spread, read_noise, relaxation, stuck_cells : bool
        D2D (thresholds, gain, virgin cells, forming), C2C, 1/f noise, drift after programming, defects.
    """

    device_spread: bool = True
    cycle_spread: bool = True
    read_noise: bool = True
    relaxation: bool = True
    stuck_cells: bool = True


def draw_cells(preset: Preset, forming: FormingLaw, seed: int, number: Index, effects: Effects) -> Cells:
    """Draw what differs from cell to cell and never changes.

    Parameters
    ----------
    preset : Preset
        Device file.
    forming : FormingLaw
        Constants of forming.
    seed : int
        Key of all random numbers.
    number : ndarray of int64, shape (cells,)
        From :func:`~labctl.physics.random.cell_ids`.
    effects : Effects
        Imperfections in force.

    Returns
    -------
    Cells
        Properties of the cells.

    Raises
    ------
    StationError
        If the device file lacks a key.
    """
    preset.require(_SPREAD_UNITS)
    ones = np.ones(number.size)
    gain, offset = ones, 0.0 * ones
    voltage, life = forming.voltage_mean_v * ones, ones
    stuck = np.zeros(number.size, dtype=np.uint8)
    if effects.device_spread:
        gain = np.exp(preset["spread.device_gain"] * normals(seed, Stream.DEVICE_GAIN, number))
        offset = preset["spread.device_threshold"] * normals(seed, Stream.DEVICE_THRESHOLD, number)
        voltage = voltage + forming.voltage_sigma_v * normals(seed, Stream.FORMING_VOLTAGE, number)
        life = life_from_uniform(uniforms(seed, Stream.FORMING_LIFE, number), forming)
    if effects.stuck_cells:
        low = uniforms(seed, Stream.STUCK_KIND, number) < preset["stuck.low_resistance_share"]
        kind = np.where(low, Stuck.LOW_RESISTANCE, Stuck.UNFORMABLE)
        stuck = np.where(uniforms(seed, Stream.STUCK, number) < preset["stuck.fraction"], kind, Stuck.NO).astype(
            np.uint8
        )
    return Cells(number, gain, offset, voltage, life, stuck)


def virgin_state(
    preset: Preset,
    forming: FormingLaw,
    bank: NoiseBank,
    seed: int,
    cells: Cells,
    effects: Effects,
    shape: tuple[int, int],
) -> DieState:
    """Return the state of a die as fabricated, at time 0.

    Parameters
    ----------
    preset : Preset
        Device file.
    forming : FormingLaw
        Constants of forming.
    bank : NoiseBank
        Poles of the 1/f noise, which starts stationary.
    seed : int
        Key of all random numbers.
    cells : Cells
        Properties of the cells.
    effects : Effects
        Imperfections in force.
    shape : tuple of two ints
        Rows and columns.

    Returns
    -------
    DieState
        Virgin cells, and conducting ones where a defect shorts them.
    """
    low, high = np.log(forming.virgin_low_s), np.log(forming.virgin_high_s)
    part = uniforms(seed, Stream.VIRGIN_CONDUCTANCE, cells.number) if effects.device_spread else np.array(0.5)
    formed = cells.stuck == Stuck.LOW_RESISTANCE
    conductance = np.where(formed, preset["stuck.conductance"], np.exp(low + (high - low) * part))
    poles = len(bank.tau_s)
    noise = bank.sigma * normals(seed, Stream.NOISE, cells.number[:, np.newaxis], 0, np.arange(poles))

    def zeros() -> Array:
        return np.zeros(shape)

    return DieState(
        conductance_s=conductance.reshape(shape),
        formed=formed.reshape(shape),
        event=np.zeros(shape, dtype=np.int64),
        forming_exposure=zeros(),
        last_program_time_s=zeros(),
        stress_voltage_v=zeros(),
        stress_start_s=zeros(),
        stress_elapsed_s=zeros(),
        stress_end_s=np.full(shape, -np.inf),
        stress_age_s=zeros(),
        drift=zeros(),
        drift_decades=zeros(),
        drift_draws=np.zeros(shape, dtype=np.int64),
        noise=noise.reshape(*shape, poles),
        noise_time_s=np.zeros((*shape, poles)),
        noise_draws=np.ones((*shape, poles), dtype=np.int64),
    )
