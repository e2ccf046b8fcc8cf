"""Dhull 2024: synapses of pinned domain walls, from the map of one pulse to a network that is trained on them.

Not here: what follows from the pulses (``wall_extraction``), the networks (``wall_networks``), what is held against the
paper (``wall_figures``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pymeasure.experiment import IntegerParameter, ListParameter, Parameter

from labctl.analysis.synapse_costs import MeasuredWalls, cmos_cost, load_design, wall_cost
from labctl.errors import RunError
from labctl.networks.images import check_images, image_folder, load_images
from labctl.networks.quantised_training import StepChances, WallScheme
from labctl.networks.wall_walk import Place, Walk, walk_walls
from labctl.physics.presets import Preset, load_preset
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl.run.procedure import Row
from labctl_procedures.sequence_file import Turn
from labctl_procedures.sequence_turns import DIE, SequenceTurns
from labctl_procedures.system.station_array import StationArray
from labctl_procedures.system.system_procedure import PlannedStep, SystemProcedure
from labctl_procedures.system.wall_extraction import (
    Extracted,
    Pulses,
    device_chances,
    extract,
    physics_walk,
    write_device_file,
)
from labctl_procedures.system.wall_figures import (
    ONE_STEP,
    PAPER,
    TWO_STEPS,
    accuracy_figures,
    cost_figures,
    device_figures,
    vgg8_figures,
)
from labctl_procedures.system.wall_networks import WallPlan, WallTraining, train_all
from labctl_procedures.value_lists import positive_values, values_from_zero

__all__ = ["DomainWall"]

# of Adam, for float weights and for walls; for how the rate was chosen see what _conclude assumes
_LEARNING_RATE, _BATCH, _STEPS = 1e-2, 100, 40
# compliance of the channel at the junction, which carries 10 uA
_LIMIT_A = 1e-3
# measured on the reference rack: a pulse and the reading after it
_TRIAL_S = 0.16
# trials of the physics alone for each wall, in parts of those through the instruments: hundreds of walls take part
_FEWER = 8


class DomainWall(SystemProcedure):
    """Characterise pinned domain walls, write what was found into a device file, and train networks on such walls.

    Applied: the pulses of domain_wall_map, then single pulses up and down the track, amplitudes and widths mixed. Read:
    the tunnel junction, at a low voltage, after every pulse. One device is measured through the instruments, or one
    after another: a name in ``dies`` for each, put in as a sequence does it. How notches differ takes hundreds of
    devices: dies of the device physics alone walk by the same rule. Computed: perceptrons trained on walls that step as
    measured. The wall is left where the last pulse took it; at the end, and after an abort, outputs are off.
    """

    widths = Parameter("Widths", default="8 ns, 10 ns, 12 ns, 15 ns, 20 ns", description="Of the write map")
    amplitudes = Parameter(
        "Amplitudes", default="0.9, 1.0, 1.1, 1.2", description="Of the write map, in parts of the depinning voltage"
    )
    repeats = IntegerParameter("Repeats", default=10, minimum=1, maximum=100000, description="Of the write map")
    depinning_voltage = QuantityParameter(
        "Depinning voltage",
        "V",
        minimum=1e-4,
        maximum=10.0,
        default="48.75 mV",
        description="Along the track: 5e10 A/m2 in 60e-18 m2 and 16.25 kohm (5 notches; KinematicDomainWallModel)",
    )
    programming_amplitude = QuantityParameter(
        "Programming amplitude",
        "1",
        minimum=0.5,
        maximum=3.0,
        default=1.15,
        description="In parts of the depinning voltage; the middle of 1.1 to 1.2, where 10 ns are one state",
    )
    programming_width = QuantityParameter(
        "Programming width",
        "s",
        minimum=1e-9,
        maximum=1e-6,
        default="10 ns",
        description="arXiv 2605.22625 pulses for 10 ns",
    )
    sweep = Parameter(
        "Sweep",
        default="0.85, 0.9, 0.95, 1.0, 1.05",
        description="Further amplitudes at the programming width: the sigmoid of depinning",
    )
    trials = IntegerParameter(
        "Trials", default=100, minimum=8, maximum=100000, description="Of each pulse of the walk; twice to program"
    )
    dies = Parameter(
        "Dies", default="", description="Names, separated by commas, of devices to measure; empty: what is in the rack"
    )
    tracks = IntegerParameter(
        "Tracks", default=20, minimum=2, maximum=100, description="Dies of physics alone have so many times so many"
    )
    device_file = Parameter(
        "Device file", default="", description="File (.toml) to write what was extracted into; empty: none"
    )
    image_set = ListParameter(
        "Images", choices=["mnist", "digits"], default="mnist", description="digits needs no file"
    )
    hidden = IntegerParameter("Hidden units", default=128, minimum=2, maximum=4096)
    epochs = IntegerParameter("Training epochs", default=3, minimum=1, maximum=1000)
    mapping = ListParameter(
        "Mapping",
        choices=["reference", "pair"],
        default="reference",
        description="A weight is one device against a reference, or the difference of two",
    )
    margin = QuantityParameter(
        "Noise margin",
        "1",
        minimum=0.0,
        maximum=0.5,
        default=0.1,
        description="A wall is pulsed when it is further than a half and this from its state, in states (Misba 2022)",
    )
    further_states = Parameter(
        "Further states", default="8, 11, 32", description="Of tracks, besides those of the device; equal step chances"
    )
    failing = Parameter(
        "Failing pulses",
        default="1 %, 3 %, 10 %, 30 %",
        description="That move no wall: noise in place of the extracted",
    )
    curve_seeds = IntegerParameter(
        "Seeds of the curves", default=2, minimum=1, maximum=1000, description="Networks for states and noise"
    )
    vgg8_file = Parameter(
        "VGG8 result",
        default="",
        description="Of `python -m labctl.networks.vgg8`, to stand beside the paper's; or empty",
    )

    parameter_groups: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("widths", "amplitudes", "repeats"), "Write map"),
        **dict.fromkeys(
            ("depinning_voltage", "programming_amplitude", "programming_width", "sweep", "trials", "dies", "tracks"),
            "Pulses",
        ),
        **dict.fromkeys(("image_set", "hidden", "epochs", "mapping", "margin"), "Network"),
        **dict.fromkeys(("further_states", "failing", "curve_seeds", "vgg8_file"), "Network"),
    }
    DATA_COLUMNS: ClassVar[list[str]] = [*SystemProcedure.DATA_COLUMNS, DIE]
    resumable: ClassVar[bool] = True
    default_station: ClassVar[str] = "domain-wall"

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self._turns = SequenceTurns(self)

    def planned_steps(self) -> Sequence[PlannedStep]:
        """Return the write map."""
        named = ("cells", "read_voltage", "integration", "read_range", "widths", "amplitudes", "repeats")
        values = {name: getattr(self, name) for name in (*named, "depinning_voltage")}
        return (("map", "domain_wall_map", values | {"states": self._preset_states()}),)

    def check(self) -> None:
        """Refuse a station without a track, pulses that it cannot give, bad lists, missing images, a file in the way.

        Raises
        ------
        RunError
            For anything but the station and the images, with the remedy.
        LabError
            As the step, the access or the images say.
        """
        sample, direct = self.station.sample, self.station.wiring.direct
        if self._preset().family != "domain_wall" or direct is None or direct.control is None:
            raise RunError(
                f"system.domain_wall: needs a domain-wall track with a generator (wiring.direct.control), station "
                f"{self.station.name} has {sample.device}; choose a station such as domain-wall"
            )
        values_from_zero(self.failing, "1", "system.domain_wall: failing")
        self._further_states()
        self._die_names()
        super().check()
        access = self.open_access(pulse_voltage_v=self._largest_v(), current_limit_a=_LIMIT_A)
        try:
            for place in self._pulses().places:
                access.source_for(place.width_s)
        except ValueError as error:
            raise RunError(f"system.domain_wall: {error}") from error
        if self.device_file:
            path = Path(self.device_file)
            if path.suffix != ".toml" or path.exists() or not path.parent.is_dir():
                raise RunError(
                    f"system.domain_wall: device_file must be a new file .toml in a folder that is there, got {path}; "
                    "choose another name"
                )
        vgg8_figures(self.vgg8_file)
        check_images(self.image_set, image_folder(self.data))

    def estimate(self) -> Estimate | None:
        """Return the map's and that of the walks: a pulse and a reading for each trial; training takes no rack."""
        known = super().estimate()
        trials = max(1, len(self._die_names())) * sum(place.trials for place in self._pulses().places)
        if known is None:
            return None
        return replace(
            known,
            points=known.points + 2 * trials,
            duration_s=known.duration_s + trials * (_TRIAL_S + 2.0 * (self.integration - 1.0) / 50.0),
            voltage_v=max(known.voltage_v or 0.0, self._largest_v()),
        )

    def went_live(self, in_doubt: Row | None) -> None:
        """Have the die of the walk put in again before a resumed run goes on.

        Parameters
        ----------
        in_doubt : mapping of str to float, int, str or None, or None
            Row of the stimulus that was cut.
        """
        self._turns.go_on()
        super().went_live(in_doubt)

    def execute(self) -> None:
        """Map, walk, extract, write the device file, and train."""
        preset, pulses = self._preset(), self._pulses()
        self.ledger.write_path_s = 1.0 / preset["track.resistance"]
        self.step("map", 0.2)
        measured = extract(self._walks(pulses, 0.2), pulses, preset)
        physics = self._physics(preset, pulses, 0.1)
        self._emit_devices(measured, physics, pulses)
        self.compare(
            *device_figures(
                measured,
                physics,
                pulses,
                states=self._preset_states(),
                spread=preset["depinning.notch_spread"],
            )
        )
        training = self._training()
        chances = device_chances(physics)
        found = self._networks(training, chances, 0.5)
        title = training.images.name.upper() if training.images.name == "mnist" else training.images.name
        self.compare(*accuracy_figures(title, found, self._preset_states()), *vgg8_figures(self.vgg8_file))
        self._conclude(preset, training, measured, physics, found)
        if self.device_file:
            path = Path(self.device_file)
            write_device_file(
                path,
                preset,
                pulses,
                measured,
                physics,
                read_v=float(self.read_voltage),
                simulated=bool(self.station.simulated),
            )
            self.emit("event", {"kind": "file", "message": f"device file {path}"})

    def _walks(self, pulses: Pulses, share: float) -> list[Walk]:
        """Walk the wall of each die through the instruments."""
        names: list[str | None] = [*self._die_names()] or [None]
        walks = []
        for number, name in enumerate(names):
            with self.part(f"walk along the track{f' of {name}' if name else ''}", share / len(names)) as report:
                if name is not None:
                    self._turns.go_to(Turn(die=name), "system.domain_wall")
                with self.open_access(pulse_voltage_v=self._largest_v(), current_limit_a=_LIMIT_A) as access:
                    walks.append(
                        walk_walls(
                            StationArray(self, access),
                            self.selected_cells(),
                            pulses.places,
                            depinning_v=pulses.depinning_v,
                            end=pulses.end,
                            drive=pulses.drive,
                            states=pulses.states,
                            report=report,
                        )
                    )
                report((number + 1) / len(names))
        return walks

    def _physics(self, preset: Preset, pulses: Pulses, share: float) -> list[Extracted]:
        """Walk dies that are physics alone."""
        places = tuple(Place(place.part, place.width_s, max(2, place.trials // _FEWER)) for place in pulses.places)
        fewer = replace(pulses, places=places)
        found: list[Extracted] = []
        with self.part(
            f"walk {self.seeds} dies of {self.tracks**2} tracks on the device physics alone", share
        ) as report:
            for seed in range(1, self.seeds + 1):
                walk = physics_walk(preset, fewer, side=self.tracks, seed=seed, read_v=self.read_voltage)
                found.append(extract([walk], fewer, preset))
                self.computed("physics", partial(_told, found[-1]), seed=seed)
                report(seed / self.seeds)
        return found

    def _emit_devices(self, measured: Extracted, physics: Sequence[Extracted], pulses: Pulses) -> None:
        def emit(name: str, data: Any, dims: tuple[str, ...], unit: str) -> None:
            self.emit("array", {"name": name, "data": np.asarray(data, dtype=float), "dims": dims, "unit": unit})

        swept = pulses.swept
        emit("swept_amplitude", [pulses.places[number].part for number in swept], ("swept_amplitude",), "1")
        for steps, name in enumerate(("no_step", "one_step", "two_steps")):
            emit(name, [measured.trials.chances(number)[steps] for number in swept], ("swept_amplitude",), "1")
            dies = [[one.trials.chances(number)[steps] for number in swept] for one in physics]
            emit(f"{name}_physics", dies, ("die", "swept_amplitude"), "1")
        levels_s = measured.state_conductance_s()
        width_s = float(np.ptp(measured.ends_s.mean(axis=1)))
        emit("state", np.arange(1, len(levels_s) + 1), ("state",), "1")
        emit("state_conductance", levels_s, ("state",), "S")
        emit("state_sigma", measured.states.sigma * width_s, ("state",), "S")
        chances = device_chances(physics)
        emit("device_no_step", chances.none, ("device",), "1")
        emit("device_two_steps", chances.two, ("device",), "1")

    def _networks(
        self, training: WallTraining, chances: StepChances, share: float
    ) -> dict[str, list[dict[str, float]]]:
        """Train all networks; the curves over states and noise become arrays."""
        plan = WallPlan(
            self._scheme(self._preset_states()),
            tuple(self._further_states()),
            tuple(values_from_zero(self.failing, "1", "system.domain_wall: failing")),
            chances,
            self.seeds,
            self.curve_seeds,
        )
        with self.part(f"train perceptrons {training.sizes} on {training.images.name}", share) as report:
            found = train_all(training, plan, partial(self.computed, "network"), report)
        for name, axis, curves in (
            ("states", plan.states, found.by_states),
            ("failing", plan.failing, found.by_failing),
        ):
            self.emit("array", {"name": f"network_{name}", "data": np.array(axis, float), "dims": (name,), "unit": "1"})
            for kind in ("trained", "transferred"):
                data = np.array([[one[kind] for one in row] for row in curves])
                self.emit("array", {"name": f"{kind}_by_{name}", "data": data, "dims": ("network", name), "unit": "1"})
        return found.own

    def _conclude(
        self,
        preset: Preset,
        training: WallTraining,
        measured: Extracted,
        physics: Sequence[Extracted],
        found: Mapping[str, Sequence[Mapping[str, float]]],
    ) -> None:
        design, scheme = load_design(), self._scheme(self._preset_states())
        pulse_v = self.programming_amplitude * self.depinning_voltage
        devices = MeasuredWalls(
            self.read_voltage,
            float(measured.state_conductance_s().mean()),
            pulse_v**2 / preset["track.resistance"] * self.programming_width,
        )
        levels = scheme.states if scheme.walls == 1 else 2 * scheme.states - 1
        walls = wall_cost(design, training.sizes, walls=scheme.walls, measured=devices)
        self.compare(*cost_figures(walls, cmos_cost(design, training.sizes, levels=levels), design["wall.read_time"]))
        self.assume(
            f"The device file {preset.name}: states, geometry, currents and TMR of the paper are not known; the "
            "depinning law is the usual thermally activated one, with numbers that make one pulse one state.",
            f"Process variation, and the chances of a step device by device, are those of {self.seeds} dies of "
            f"{self.tracks**2} tracks on the device physics alone; the station holds one device at a time.",
            "Pitch, speed and attempt time of the device file enter the fit of the depinning; barrier, critical current"
            " and spread are found by it.",
            "Gradients are added up in a digital memory, and before each update the state of a wall is known from a "
            "reading; pulses between two readings are not checked. The form of the noise margin is a reconstruction.",
            f"The perceptron {'-'.join(map(str, training.sizes))}: the paper trains VGG8 on CIFAR-10 (92.4 % in"
            " training, 90.4 % in inference); which accuracies these two are is not known.",
            "Tracks of other numbers of states step like those of the device.",
            "The learning rate (of 0.001 to 0.02) is the best for float weights and for walls at the default margin, on"
            " the last 10,000 training images of MNIST, held out, with 3 networks. The default margin (of 0 to 0.5) was"
            " not the best there: without it walls reached 0.2 points more and took 1.4 times the pulses. No test image"
            " took part.",
            "CMOS and converters: the numbers, with sources, of labctl_data/designs/wall_synapse_cmos45.toml.",
        )
        weights = sum(before * after for before, after in pairwise(training.sizes))
        self.ledger.further["training_pulse_energy_j"] = float(
            np.mean([one["pulses"] for one in found["walls"]]) * devices.pulse_j
        )
        self.conclude(
            PAPER,
            {
                "pinned_states": len(measured.states.centre),
                "critical_voltage": measured.depinning.critical * self.depinning_voltage,
                "half_voltage": measured.depinning.half * self.depinning_voltage,
                "barrier": measured.depinning.barrier,
                "notch_spread": float(np.mean([one.depinning.spread for one in physics])),
                "no_step_part": float(np.mean([one.trials.chances(0)[0] for one in physics])),
                "two_steps_part": float(np.mean([one.trials.chances(0)[2] for one in physics])),
                "devices_of_network": weights * scheme.walls,
                "pulses_of_training": float(np.mean([one["pulses"] for one in found["walls"]])),
            },
        )

    def _pulses(self) -> Pulses:
        part, width_s = float(self.programming_amplitude), float(self.programming_width)
        places = {(part, width_s): 2 * self.trials}
        amplitudes = positive_values(self.sweep, "1", "system.domain_wall: sweep")
        for place in (*ONE_STEP, *((one, width_s) for one in amplitudes), *TWO_STEPS):
            places.setdefault(place, self.trials)
        return Pulses(
            tuple(Place(one, long_s, count) for (one, long_s), count in places.items()),
            float(self.depinning_voltage),
            Place(1.15, 20e-9, 0),
            Place(1.2, 12e-9, 0),
            self._preset_states(),
        )

    def _largest_v(self) -> float:
        return float(self.depinning_voltage) * max(place.part for place in self._pulses().places)

    def _preset(self) -> Preset:
        return load_preset(self.station.sample.device)

    def _preset_states(self) -> int:
        preset = self._preset()
        return int(preset["track.states"]) if "track.states" in preset else 2

    def _scheme(self, states: int) -> WallScheme:
        return WallScheme(states, 2 if self.mapping == "pair" else 1, float(self.margin))

    def _further_states(self) -> list[int]:
        own, counts = (
            self._preset_states(),
            positive_values(self.further_states, "1", "system.domain_wall: further_states"),
        )
        if not all(count == int(count) and count >= 3 for count in counts):
            raise RunError(
                f"system.domain_wall: further_states must be whole numbers from 3, got {self.further_states!r}: two "
                "states train with binary weights, which this network is not made for"
            )
        return sorted({own, *(int(count) for count in counts)})

    def _die_names(self) -> list[str]:
        names = [name.strip() for name in str(self.dies).split(",") if name.strip()]
        if len(set(names)) != len(names):
            raise RunError(f"system.domain_wall: dies must name each device once, got {self.dies!r}")
        return names

    def _training(self) -> WallTraining:
        images = load_images(self.image_set, image_folder(self.data))
        batch = min(_BATCH, len(images.y_train) // _STEPS)
        return WallTraining(images, (self.hidden,), self.epochs, _LEARNING_RATE, batch)


def _told(extracted: Extracted) -> dict[str, float]:
    """Return what a die came to, for its rows."""
    none, one, two = extracted.trials.chances(0)
    fitted = extracted.depinning
    return {
        "no step": float(none),
        "one step": float(one),
        "two steps": float(two),
        "critical current, of nominal": fitted.critical,
        "spread of notches": fitted.spread,
        "barrier": fitted.barrier,
    }
