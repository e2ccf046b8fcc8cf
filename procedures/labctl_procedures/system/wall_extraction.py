"""From walks along tracks to what is known of the devices: states, chances of a step, depinning, a device file.

Not here: the walk (:mod:`labctl.networks.wall_walk`), the counts and the fit (:mod:`labctl.analysis.wall_steps`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labctl.analysis.wall_steps import Depinning, States, WallTrials, find_states, fit_depinning, wall_trials
from labctl.errors import RunError
from labctl.networks.physics_array import PhysicsArray
from labctl.networks.quantised_training import StepChances
from labctl.networks.wall_walk import Place, Walk, walk_walls
from labctl.physics.preset_text import preset_text
from labctl.physics.presets import Parameter, Preset

__all__ = ["Extracted", "Pulses", "device_chances", "extract", "physics_walk", "write_device_file"]

FloatArray = npt.NDArray[np.float64]

# with fewer notches their spread is hardly known: the standard deviation of 20 values has an error of 16 %
_ENOUGH_NOTCHES = 20
_ENOUGH_DEVICES = 5


@dataclass(frozen=True, slots=True)
class Pulses:
    """The pulses of a walk.

    Attributes
    ----------
    places : tuple of Place
        The pulse that programs is the first.
    depinning_v : float, unit V
        Of part 1.
    end, drive : Place
        That brings walls to an end; that drives on a wall which a trial left where it was.
    states : int
        Of a track, by its device file.
    """

    places: tuple[Place, ...]
    depinning_v: float
    end: Place
    drive: Place
    states: int

    @property
    def swept(self) -> list[int]:
        """Numbers of the places that have the width of the programming pulse, in the order of their amplitude."""
        width_s = self.places[0].width_s
        same = [number for number, place in enumerate(self.places) if place.width_s == width_s]
        return sorted(same, key=lambda number: self.places[number].part)

    def number(self, part: float, width_s: float) -> int:
        """Return the number of a place.

        Parameters
        ----------
        part : float, unit 1
            Of the depinning voltage.
        width_s : float, unit s

        Returns
        -------
        int
        """
        return next(
            number
            for number, place in enumerate(self.places)
            if np.isclose(place.part, part) and np.isclose(place.width_s, width_s, rtol=1e-6, atol=0.0)
        )


@dataclass(frozen=True, slots=True)
class Extracted:
    """What walks told of the devices.

    Attributes
    ----------
    ends_s : ndarray, shape (2, walls), unit S
        At both ends of each track.
    states : States
    trials : WallTrials
    depinning : Depinning
    """

    ends_s: FloatArray
    states: States
    trials: WallTrials
    depinning: Depinning

    def state_conductance_s(self) -> FloatArray:
        """Return the mean conductance of each state, shape (states,), unit S."""
        low_s, high_s = self.ends_s.mean(axis=1)
        return np.asarray(low_s + (high_s - low_s) * self.states.centre)


def extract(walks: Sequence[Walk], pulses: Pulses, preset: Preset) -> Extracted:
    """Find states, count steps and fit the depinning, over the tracks of all walks.

    Parameters
    ----------
    walks : sequence of Walk
        With the same pulses.
    pulses : Pulses
    preset : Preset
        Its pitch, speed and attempt time enter the fit.

    Returns
    -------
    Extracted

    Raises
    ------
    RunError
        If walls rest in fewer than two states, or in more than the device file says.
    """
    states = find_states(np.concatenate([walk.relative() for walk in walks], axis=2))
    count = len(states.centre)
    if not 2 <= count <= pulses.states:
        raise RunError(
            f"system.domain_wall: walls rest in {count} states, the device file {preset.name} says {pulses.states}; "
            "look at the noise of the readings, or give the device file of this track"
        )
    upwards = np.concatenate([walk.upwards for walk in walks], axis=1)
    before, after = states.index
    trials = wall_trials(before, after, upwards, walks[0].place, len(pulses.places), count)
    swept = pulses.swept
    parts = [pulses.places[number].part for number in swept]
    # a wall that is not free in time to fly half of the way falls back
    speed_m_s = preset["flight.mobility"] * preset["depinning.critical_current"]
    flight_s = [preset["track.pitch"] / (speed_m_s * part) for part in parts]
    attempts = [
        max(0.0, pulses.places[number].width_s - 0.5 * flown_s) / preset["depinning.attempt_time"]
        for number, flown_s in zip(swept, flight_s, strict=True)
    ]
    depinning = fit_depinning(parts, attempts, trials.tried[swept], trials.moved[swept])
    return Extracted(np.concatenate([walk.ends_s for walk in walks], axis=1), states, trials, depinning)


def physics_walk(preset: Preset, pulses: Pulses, *, side: int, seed: int, read_v: float) -> Walk:
    """Walk the tracks of a die that is physics alone.

    Parameters
    ----------
    preset : Preset
    pulses : Pulses
    side : int
        The die has ``side`` times ``side`` tracks.
    seed : int
        Of the die.
    read_v : float, unit V
        At the junctions.

    Returns
    -------
    Walk
    """
    array = PhysicsArray(preset, side, side, seed, read_voltage_v=read_v)
    cells = list(np.ndindex(side, side))
    return walk_walls(
        array,
        cells,
        pulses.places,
        depinning_v=pulses.depinning_v,
        end=pulses.end,
        drive=pulses.drive,
        states=pulses.states,
    )


def device_chances(extracted: Sequence[Extracted]) -> StepChances:
    """Return what the programming pulse does, track by track.

    Parameters
    ----------
    extracted : sequence of Extracted

    Returns
    -------
    StepChances
    """
    counts = np.concatenate([one.trials.steps[0] for one in extracted])
    counts = counts[counts.sum(axis=1) > 0]
    parts = counts / counts.sum(axis=1, keepdims=True)
    return StepChances(tuple(parts[:, 0].tolist()), tuple(parts[:, 2].tolist()))


def write_device_file(
    path: Path,
    preset: Preset,
    pulses: Pulses,
    measured: Extracted,
    physics: Sequence[Extracted],
    *,
    read_v: float,
    simulated: bool,
) -> None:
    """Write what was extracted as a device file.

    The spread of the notches, and the chances of a step device by device, come from the instruments where these saw
    enough devices; from the physics alone otherwise, and the source says so. A barrier that the trials leave open stays
    as it is.

    Parameters
    ----------
    path : Path
        Ends in ``.toml``; its stem becomes the name.
    preset : Preset
        Of the station; what was not extracted stays as it is there.
    pulses : Pulses
    measured : Extracted
        Through instruments.
    physics : sequence of Extracted
        Of dies that are physics alone.
    read_v : float, unit V
        At the junction.
    simulated : bool
        Whether the instruments were.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    way = "through simulated instruments" if simulated else "through instruments"
    walls = measured.ends_s.shape[1]
    seen = f"{way}: {int(measured.trials.tried.sum())} pulses on {walls} device{'s' * (walls > 1)}"
    alone = f"on the device physics of {preset.name} alone: {sum(one.ends_s.shape[1] for one in physics)} devices"
    fitted, programming = measured.depinning, pulses.places[0]
    is_spread_seen, are_devices_seen = fitted.notches >= _ENOUGH_NOTCHES, walls >= _ENOUGH_DEVICES
    spread = fitted.spread if is_spread_seen else float(np.mean([one.depinning.spread for one in physics]))
    chances = device_chances([measured] if are_devices_seen else physics[:1])
    nominal_a_m2 = pulses.depinning_v / (preset["track.resistance"] * preset["track.area"])
    at_read_s, high_s = (float(value) for value in measured.ends_s.mean(axis=1))
    # the antiparallel branch conducts more at the read voltage: TMR(V) = TMR / (1 + (V / half)^2)
    more = 1.0 + (read_v / preset["read.half_voltage"]) ** 2
    low_s = high_s / (1.0 + (high_s / at_read_s - 1.0) * more)

    def entry(value: float, unit: str, source: str, least: float, most: float) -> Parameter:
        return Parameter((value,), False, unit, source, (least, most))

    def of_devices(values: tuple[float, ...], what: str) -> Parameter:
        source = f"part of the programming pulses that move a wall by {what}, extracted {of_trials}"
        return Parameter(values, True, "1", source, (0.0, 1.0))

    of_trials = seen if are_devices_seen else f"{alone[: alone.rindex(':')]}, die 1: {len(chances.none)} devices"
    changed = {
        "track.states": entry(float(len(measured.states.centre)), "1", f"extracted {seen}", 2, 1024),
        "depinning.critical_current": entry(
            fitted.critical * nominal_a_m2, "A/m^2", f"extracted {seen}, {fitted.notches} notches", 1e8, 1e13
        ),
        "depinning.notch_spread": entry(spread, "1", f"extracted {seen if is_spread_seen else alone}", 0, 0.5),
        "read.antiparallel": entry(
            low_s, "S", f"extracted {seen}, at {read_v:g} V, taken to 0 V with read.half_voltage", 1e-9, 1
        ),
        "read.parallel": entry(high_s, "S", f"extracted {seen}, at {read_v:g} V", 1e-9, 1),
        "steps.none": of_devices(chances.none, "no state"),
        "steps.two": of_devices(chances.two, "two"),
        "steps.voltage": entry(
            programming.part * pulses.depinning_v, "V", "the programming pulse, along the track", 1e-6, 10
        ),
        "steps.width": entry(programming.width_s, "s", "the programming pulse", 1e-10, 1),
    }
    if fitted.is_certain:
        changed["depinning.barrier"] = entry(
            fitted.barrier, "1", f"extracted {seen}, {fitted.notches} notches", 1, 1000
        )
    text = preset_text(
        preset, name=path.stem, title=f"{preset.title}; extracted by system.domain_wall", changed=changed
    )
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise RunError(
            f"system.domain_wall: device_file {path} cannot be written: {error}; check the folder"
        ) from error
