"""Um 2024: an array of electrochemical transistors, its read-out, and the last layer of a network on two of its tiles.

Not here: how a layer lies on a die (:mod:`labctl.networks.tiled_layer`), the read-out chain
(:mod:`labctl.networks.read_out`), what is computed and what is physics alone (``ecram_parts``), what is held against
the paper (``ecram_figures``), what is refused and how cells are programmed (``ecram_station``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, ListParameter, Parameter

from labctl.array import format_cells
from labctl.errors import RunError, UnusableResultError
from labctl.networks.images import Images, check_images, image_folder, load_images
from labctl.networks.perceptron import Perceptron, classified
from labctl.networks.read_out import CurrentScaling
from labctl.networks.tiled_layer import TiledLayer
from labctl.networks.trained import kept_perceptron
from labctl.physics.presets import load_preset
from labctl.run import QuantityParameter
from labctl.run.parameters import CellsParameter
from labctl.run.preflight import Estimate
from labctl_procedures.system.ecram_figures import PAPER, Accuracies, array_figures, assumptions, network_figures
from labctl_procedures.system.ecram_parts import (
    EXPECTED,
    TRAININGS,
    ColumnErrors,
    column_errors,
    expected_updates,
    largest_input,
    layer_accuracies,
    programmed_block,
    trained_layer,
    update_summary,
)
from labctl_procedures.system.ecram_station import program_on_station, refuse_device, refuse_size
from labctl_procedures.system.system_procedure import PlannedStep, SystemProcedure
from labctl_procedures.value_lists import positive_values

__all__ = ["Ecram"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_NAME = "system.ecram"
# 8 epochs of 784-128-64-10 end at 97.8 to 98.1 % on MNIST
_BATCH, _LEARNING_RATE = 200, 2e-3
_OUTPUTS = 10
_SIBLING = "W/YSZ/WOx, Nat. Commun. 2023, s41467-023-41958-4"
_CHOSEN = "Chosen on 10,000 training images of MNIST that were held out"
_LIMIT_A = 0.05
# dies that are physics alone are numbered from here: none is that of a bench
_FURTHER_DIES = 100
# sets of cells whose updates are foretold, and the most cells of a set: a whole die would take minutes
_SETS, _MOST_CELLS = 50, 64
# measured on the reference rack: a train, the reading after it not included
_TRAIN_S = 1.0


class Ecram(SystemProcedure):
    """Program the last layer of a network onto ECRAM tiles, read it by column sums, and train it on the array.

    Applied: gate pulses up and down to a few cells beside the tiles (ecram_update, endurance); counted pulses to the
    cells of the layer, then corrections; the read voltage on the drains of several rows at once (multiply_vectors).
    Read: channels with their gates open, and sums in the source lines, with the automatic range of the source-measure
    unit, which is what feedback-based current scaling does. Computed: accuracy with the conductances that were read,
    through a converter with few bits. On the device physics alone: the same layer on further dies, and training of the
    layer by stochastic pulses. Cells are left programmed, outputs off and relays open, also after an abort.
    """

    image_set = ListParameter(
        "Images", choices=["mnist", "digits"], default="mnist", description="digits needs no file"
    )
    hidden = Parameter(
        "Hidden units", default="128, 64", description="Of each hidden layer; the last are the inputs of the layer"
    )
    epochs = IntegerParameter("Training epochs", default=8, minimum=1, maximum=1000)
    levels = IntegerParameter("Levels", default=100, minimum=3, maximum=1024, description="The paper: 100")
    g_min = QuantityParameter(
        "Lowest level", "S", minimum=1e-9, maximum=1e-2, default="17.5 uS", description="Assumed; sibling: 15 to 30 uS"
    )
    g_max = QuantityParameter(
        "Highest level", "S", minimum=1e-9, maximum=1e-2, default="27.5 uS", description="Assumed; sibling: 15 to 30 uS"
    )
    corrections = IntegerParameter("Corrections", default=2, minimum=0, maximum=20, description="After open loop")
    up_voltage = QuantityParameter(
        "Potentiation voltage", "V", minimum=0.01, maximum=10.0, default=5.0, description=f"{_SIBLING}: 5 V"
    )
    down_voltage = QuantityParameter(
        "Depression voltage", "V", minimum=-10.0, maximum=-0.01, default=-5.0, description=f"{_SIBLING}: -5 V"
    )
    width = QuantityParameter(
        "Pulse width", "s", minimum=1e-8, maximum=10.0, default="100 ms", description=f"{_SIBLING}: 100 ms"
    )
    cells = CellsParameter(
        "Cells for updates", default="0,24;8,26;16,28;24,30", description="Best beside the tiles of the layer"
    )
    update_pulses = IntegerParameter("Pulses", default=100, minimum=5, maximum=100000, description="Of each branch")
    update_cycles = IntegerParameter(
        "Cycles", default=4, minimum=2, maximum=1000, description="The first one brings the cell there and is left out"
    )
    endurance_cycles = IntegerParameter("Endurance cycles", default=30, minimum=1, maximum=1000000)
    vectors = IntegerParameter(
        "Random vectors", default=1000, minimum=30, maximum=100000, description="W/YSZ/WOx ECRAM: 1000"
    )
    images_measured = IntegerParameter(
        "Images through the array", default=10, minimum=0, maximum=10000, description="Sums measured bit by bit"
    )
    input_bits = IntegerParameter("Input bits", default=4, minimum=1, maximum=12, description="Assumed")
    converter_bits = IntegerParameter("Converter bits", default=8, minimum=2, maximum=24, description="Assumed")
    ratios = Parameter("Scaling ratios", default="1, 2, 4, 8", description="Of the current mirror; assumed")
    training_images = IntegerParameter(
        "Images for training on the array", default=5000, minimum=10, maximum=10000000, description="Each shown once"
    )
    plain_rate = QuantityParameter(
        "Learning rate, plain", "1", minimum=1e-4, maximum=10.0, default=0.1, description=_CHOSEN
    )
    learning_rate = QuantityParameter(
        "Learning rate, TTv2", "1", minimum=1e-4, maximum=10.0, default=0.2, description=_CHOSEN
    )
    transfer_rate = QuantityParameter(
        "Transfer rate, TTv2", "1", minimum=1e-3, maximum=100.0, default=0.25, description=_CHOSEN
    )

    parameter_groups: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("image_set", "hidden", "epochs", "images_measured", "input_bits"), "Network"),
        **dict.fromkeys(
            ("levels", "g_min", "g_max", "corrections", "up_voltage", "down_voltage", "width"), "Programming"
        ),
        **dict.fromkeys(("cells", "update_pulses", "update_cycles", "endurance_cycles"), "Updates"),
        **dict.fromkeys(("vectors", "converter_bits", "ratios"), "Read-out"),
        **dict.fromkeys(("training_images", "plain_rate", "learning_rate", "transfer_rate"), "Training on the array"),
    }
    resumable: ClassVar[bool] = True
    default_station: ClassVar[str] = "ecram-32x32"

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.ledger.trains = frozenset({"endurance"})

    def planned_steps(self) -> Sequence[PlannedStep]:
        """Return updates, endurance, the sums of images tile by tile, and those of random vectors."""
        where = {name: getattr(self, name) for name in ("scheme", "read_voltage", "integration", "read_range")}
        pulses = {"width": self.width, "form_unformed": False}
        update = where | pulses | {"up_voltage": self.up_voltage, "down_voltage": self.down_voltage}
        one = format_cells(self.selected_cells()[:1], (self.station.sample.rows, self.station.sample.columns))
        cycling = {"set_voltage": self.up_voltage, "reset_voltage": self.down_voltage, "cycles": self.endurance_cycles}
        steps: list[PlannedStep] = [
            (
                "update",
                "ecram_update",
                update | {"cells": self.cells, "pulses": self.update_pulses, "cycles": self.update_cycles},
            ),
            ("endurance", "endurance", where | pulses | cycling | {"cells": one}),
        ]
        if self.images_measured:
            count = self.images_measured * self.input_bits
            steps += [
                (f"images_{number}", "multiply_vectors", where | {"cells": _block(place), "vectors": count})
                for number, place in enumerate(self._places(), start=1)
            ]
        whole = f"0:{max(rows.stop for rows, _ in self._places())},0:{self._places()[-1][1].stop}"
        return [*steps, ("columns", "multiply_vectors", where | {"cells": whole, "vectors": self.vectors})]

    def check(self) -> None:
        """Refuse a device that cannot make the levels, a layer too large for the die, and missing images.

        Raises
        ------
        LabError
            With the remedy.
        """
        sample, preset = self.station.sample, load_preset(self.station.sample.device)
        refuse_device(_NAME, preset, levels=self.levels, g_min_s=self.g_min, g_max_s=self.g_max)
        refuse_size(_NAME, self._hidden()[-1], _OUTPUTS, rows=sample.rows, columns=sample.columns)
        self._scaling()
        super().check()
        check_images(self.image_set, image_folder(self.data))

    def estimate(self) -> Estimate | None:
        """Return what the steps take, and the programming between them."""
        steps = super().estimate()
        if steps is None:
            return None
        cells = sum(rows.stop * (columns.stop - columns.start) for rows, columns in self._places())
        passes = 1 + self.corrections
        readings_s = self.rack_time_s((passes + 1) * cells)
        return replace(
            steps,
            points=steps.points + (2 * passes + 1) * cells,
            duration_s=steps.duration_s + readings_s + passes * cells * _TRAIN_S,
        )

    def execute(self) -> None:
        """Train, measure updates, program, read, classify; then further dies and training, on the physics alone.

        Raises
        ------
        UnusableResultError
            If no cell took the pulses of the update.
        """
        images = self._images()
        networks = self._networks(images)
        layers = [self._layer(network, images) for network in networks]
        update = self.step("update", 0.12)
        if "potentiation" not in update.arrays:
            raise UnusableResultError(f"{_NAME}: step 'update': no cell took its pulses; look at the failed cells")
        told = update_summary(update.arrays["potentiation"], update.arrays["depression"])
        endurance = self.step("endurance", 0.03)
        found_s = self._program(layers[0], (told["up_step"], told["down_step"]))
        accuracies = self._accuracies(images, networks, layers, found_s, (told["up_step"], told["down_step"]))
        if self.images_measured:
            self._images_through(images, networks[0], layers[0], found_s, accuracies)
        errors = self._columns(layers[0])
        trained = self._train(images, networks)
        target_s = layers[0].targets_s()
        residual = (found_s - target_s) / (self.g_max - self.g_min)
        expected = self._expected(len(update.arrays["potentiation"]))
        self.compare(*array_figures(told, expected, residual, errors, device=self.station.sample.device))
        self.compare(*network_figures(images.name, accuracies, trained, images_shown=self.training_images))
        self._conclude(told, layers[0], residual, endurance.results)

    def _hidden(self) -> list[int]:
        sizes = positive_values(self.hidden, "1", f"{_NAME}: hidden")
        if not all(size == int(size) for size in sizes):
            raise RunError(f"{_NAME}: hidden must be whole numbers from 1, got {self.hidden!r}")
        return [int(size) for size in sizes]

    def _places(self) -> list[tuple[slice, slice]]:
        """Return where the tiles stand on the die."""
        blank = np.ones((self._hidden()[-1], _OUTPUTS))
        return self._tiled(blank, 1.0).places()

    def _tiled(self, weights: npt.NDArray[np.floating], largest: float) -> TiledLayer:
        return TiledLayer.of(
            weights,
            rows=self.station.sample.rows,
            columns=_OUTPUTS + 1,
            levels=self.levels,
            g_min_s=self.g_min,
            g_max_s=self.g_max,
            largest_input=largest,
            input_bits=self.input_bits,
        )

    def _layer(self, network: Perceptron, images: Images) -> TiledLayer:
        inputs = network.layer_outputs(images.x_train)[-2]
        return self._tiled(network.weights[-1], largest_input(inputs))

    def _scaling(self) -> CurrentScaling:
        """Return the read-out chain, wide enough for all rows at the highest level."""
        full_scale_a = self.station.sample.rows * self.g_max * self.read_voltage
        ratios = tuple(positive_values(self.ratios, "1", f"{_NAME}: ratios"))
        try:
            return CurrentScaling(full_scale_a, bits=self.converter_bits, ratios=ratios)
        except ValueError as error:
            raise RunError(f"{_NAME}: {error}") from error

    def _images(self) -> Images:
        return load_images(self.image_set, image_folder(self.data))

    def _networks(self, images: Images) -> list[Perceptron]:
        with self.part(f"train {self.seeds} networks on {images.name}, or take trained ones", 0.11) as report:
            return [
                kept_perceptron(
                    images,
                    self._hidden(),
                    seed=seed,
                    # no stimulus of a rehearsal hangs on the weights
                    epochs=0 if self.is_rehearsed else self.epochs,
                    batch=_BATCH,
                    learning_rate=_LEARNING_RATE,
                    report=partial(_report_turn, report, seed, self.seeds),
                )
                for seed in range(self.seeds)
            ]

    def _expected(self, cells: int) -> dict[str, list[float]]:
        """Return the figures of the updates on sets of cells that are physics alone, by name."""
        of_set = min(cells, _MOST_CELLS)
        update = partial(
            expected_updates,
            load_preset(self.station.sample.device),
            cells=of_set,
            cycles=self.update_cycles,
            pulses=self.update_pulses,
            gates=(self.up_voltage, self.down_voltage, self.width),
            read_voltage_v=self.read_voltage,
            sets=_SETS,
            seed=_FURTHER_DIES,
        )
        if of_set < cells:
            self.assume(
                f"The updates of {cells} cells are held against sets of {of_set} that are physics alone: their figures"
                f" scatter {np.sqrt(cells / of_set):.2g} times as much as those of sets of {cells} would."
            )
        with self.part(f"the same updates on {_SETS} sets of {of_set} cells, physics alone", 0.01) as report:
            found = self.computed("updates", partial(update, report=report))
        return {name: [found[f"{name} {number}"] for number in range(1, _SETS + 1)] for name in EXPECTED}

    def _program(self, layer: TiledLayer, steps_s: tuple[float, float]) -> FloatArray:
        """Program the layer through instruments and return what was read at the end, shape of its block."""
        target_s = layer.targets_s()
        self.emit("event", {"kind": "part", "message": "program the cells of the layer by counted pulses"})
        largest_v, begin = max(self.up_voltage, -self.down_voltage), self._done
        with self.open_access(pulse_voltage_v=largest_v, current_limit_a=_LIMIT_A) as access:
            found_s, given = program_on_station(
                self,
                access,
                target_s,
                pulses=(self.up_voltage, self.down_voltage, self.width),
                steps_s=steps_s,
                corrections=self.corrections,
                report=lambda part: self.emit("progress", 100.0 * (begin + 0.2 * part)),
            )
        self._advance(0.2)
        residual = (found_s - target_s) / (self.g_max - self.g_min)
        maps = (("target", target_s, "S"), ("conductance", found_s, "S"), ("pulses", given, "1"))
        for name, data, unit in (*maps, ("residual", residual, "1")):
            self._emit_block(name, data, unit)
        return found_s

    def _emit_block(self, name: str, block: FloatArray, unit: str) -> None:
        whole = np.full((self.station.sample.rows, self.station.sample.columns), np.nan)
        whole[: block.shape[0], : block.shape[1]] = block
        self.emit_map(name, whole, unit)

    def _accuracies(
        self,
        images: Images,
        networks: Sequence[Perceptron],
        layers: Sequence[TiledLayer],
        found_s: FloatArray,
        steps_s: tuple[float, float],
    ) -> Accuracies:
        """Classify with the conductances that were read, and with those of further dies, physics alone."""
        preset, sample = load_preset(self.station.sample.device), self.station.sample
        pulses = (self.up_voltage, self.down_voltage, self.width)
        software, quantised, physics = [], [], []

        scaling = self._scaling()

        def classify(number: int, block_s: FloatArray, *, is_read_out: bool = True) -> dict[str, float]:
            chain = (self.read_voltage, scaling) if is_read_out else None
            return layer_accuracies(images, networks[number], layers[number], block_s, chain)

        def on_die(number: int) -> dict[str, float]:
            block_s = programmed_block(
                preset,
                layers[number].targets_s(),
                _FURTHER_DIES + number,
                shape=(sample.rows, sample.columns),
                read_voltage_v=self.read_voltage,
                pulses=pulses,
                steps_s=steps_s,
                corrections=self.corrections,
            )
            return classify(number, block_s)

        with self.part(f"classify {len(images.y_test)} images, the layer on {self.seeds} further dies", 0.07) as report:
            measured = self.computed("station", partial(classify, 0, found_s), seed=0)
            for number, (network, layer) in enumerate(zip(networks, layers, strict=True)):
                plain = self.computed("software", partial(_own_accuracy, network, images), seed=number)
                software.append(plain["accuracy"])
                exact = partial(classify, number, layer.targets_s(), is_read_out=False)
                quantised.append(self.computed("levels", exact, seed=number)["weights"])
                physics.append(self.computed("physics", partial(on_die, number), seed=number))
                report((number + 1) / self.seeds)
        return Accuracies(software, quantised, measured, physics)

    def _images_through(
        self, images: Images, network: Perceptron, layer: TiledLayer, found_s: FloatArray, accuracies: Accuracies
    ) -> None:
        """Let images go through the array: the sums of their bits, measured tile by tile."""
        chosen = images.first(0, self.images_measured)
        inputs = network.layer_outputs(chosen.x_test)[-2]
        sums_a = []
        for number, ones in enumerate(layer.planes(inputs), start=1):

            def give(procedure: Any, ones: IntArray = ones) -> None:
                procedure.given_vectors = ones.astype(bool)

            sums_a.append(self.step(f"images_{number}", 0.03 / len(layer.tiles), give).arrays["measured"])
        outputs = layer.outputs(sums_a, read_voltage_v=self.read_voltage) + network.biases[-1]
        expected_a = layer.computed_sums_a(inputs, found_s, read_voltage_v=self.read_voltage)
        computed = layer.outputs(expected_a, read_voltage_v=self.read_voltage) + network.biases[-1]
        self.emit("array", {"name": "outputs", "data": outputs, "dims": ("image", "class"), "unit": "1"})
        self.emit("array", {"name": "outputs_computed", "data": computed, "dims": ("image", "class"), "unit": "1"})
        accuracies.images = len(chosen.y_test)
        accuracies.images_right = int(np.sum(classified(outputs) == chosen.y_test))
        accuracies.images_agreed = int(np.sum(classified(outputs) == classified(computed)))

    def _columns(self, layer: TiledLayer) -> ColumnErrors:
        """Measure random vectors, and put what was measured through the read-out chain."""
        columns = self.step("columns", 0.25)
        measured_a, weights_s = columns.arrays["measured"], columns.arrays["weights"]
        errors, ratio, conversions = column_errors(
            columns.arrays["vectors"],
            measured_a,
            weights_s,
            layer.targets_s(),
            read_voltage_v=self.read_voltage,
            scaling=self._scaling(),
            seed=self.seeds,
        )
        self.emit("array", {"name": "ratio", "data": ratio, "dims": ("vector", "output"), "unit": "1"})
        self.ledger.further["conversions"] = conversions
        named = (("own", errors.own), ("target", errors.targets), ("read_out", errors.read_out))
        for name, data in named:
            self.emit("array", {"name": f"column_error_{name}", "data": data, "dims": ("output",), "unit": "1"})
        return errors

    def _train(self, images: Images, networks: Sequence[Perceptron]) -> dict[str, list[dict[str, float]]]:
        """Train the layer on arrays that are physics alone."""
        preset = load_preset(self.station.sample.device)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in TRAININGS}
        turns = len(TRAININGS) * self.seeds

        def train(seed: int, way: str, report: Callable[[float], None]) -> dict[str, float]:
            return trained_layer(
                preset,
                way,
                networks[seed],
                images.first(self.training_images, 0),
                part_of_range=(self.g_max - self.g_min) / (2.0 * preset["read.half_range"]),
                rates=(
                    self.plain_rate if TRAININGS[way].reference is None else self.learning_rate,
                    self.transfer_rate,
                ),
                seed=seed,
                report=report,
            )

        with self.part(f"train the layer by pulses on {self.seeds} dies, {len(TRAININGS)} ways", 0.18) as report:
            for seed in range(self.seeds):
                for place, way in enumerate(TRAININGS):
                    turn = partial(_report_turn, report, seed * len(TRAININGS) + place, turns)
                    once = partial(train, seed, way, turn)
                    found[way].append(self.computed("training", once, seed=seed, setting=way))
        for way, runs in found.items():
            data = np.array([one["accuracy"] for one in runs])
            self.emit("array", {"name": TRAININGS[way].array, "data": data, "dims": ("network",), "unit": "1"})
        return found

    def _conclude(
        self,
        told: Mapping[str, float],
        layer: TiledLayer,
        residual: FloatArray,
        endurance: Mapping[str, Any],
    ) -> None:
        network = "-".join(str(size) for size in [*self._hidden(), _OUTPUTS])
        self.assume(
            *assumptions(
                layer,
                network,
                device=self.station.sample.device,
                columns=self.station.sample.columns,
                pulses=(self.up_voltage, self.down_voltage, self.width),
                chain=f"{self.converter_bits} bits, ratios {self.ratios}",
            )
        )
        # no current flows into a gate: the channels of the column carry one at half of the voltage
        channels_j = self.ledger.pulse_energy_j * self.station.sample.rows / 4.0
        self.ledger.pulse_energy_j, self.ledger.further["energy_of_the_channels_j"] = 0.0, channels_j
        self.ledger.further["chip_power_of_the_paper_w"] = 5.9e-3
        self.conclude(
            PAPER,
            {
                "tiles": len(layer.tiles),
                "up_step_conductance": told["up_step"],
                "down_step_conductance": told["down_step"],
                "update_range_conductance": told["range"],
                "residual_in_levels": float(np.sqrt(np.nanmean(residual**2))) * (self.levels - 1),
                "endurance_window_least": endurance.get("window_least"),
            },
        )


def _own_accuracy(network: Perceptron, images: Images) -> dict[str, float]:
    return {"accuracy": network.accuracy(images.x_test, images.y_test)}


def _block(place: tuple[slice, slice]) -> str:
    rows, columns = place
    return f"{rows.start}:{rows.stop},{columns.start}:{columns.stop}"


def _report_turn(report: Callable[[float], None], turn: int, turns: int, done: float) -> None:
    report((turn + done) / turns)
