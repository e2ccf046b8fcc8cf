"""Zhang 2018: learning on the chip by sign back-propagation, with one identical pulse on each device for an update.

Not here: the rule and the networks (:mod:`labctl.networks`), dies that are physics alone (``sign_dies``), the settings
of the ablation (``sign_ablation``), what is held against the paper (``sign_figures``).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, ListParameter, Parameter

from labctl.array.cell_access import TransposedAccess
from labctl.array.selection import format_cells
from labctl.errors import RunError, StationError, UnusableResultError
from labctl.networks.few_pixels import few_pixels
from labctl.networks.images import Images, check_images, image_folder, load_images
from labctl.networks.jump_tables import JumpTables, exponential_tables, tables_of_curves
from labctl.networks.sign_loop import LoopLayout, LoopPulses
from labctl.networks.sign_rule import SignRule
from labctl.physics.live_die import make_die
from labctl.physics.presets import load_preset
from labctl.run import LabProcedure, QuantityParameter
from labctl.run.parameters import CellsParameter
from labctl_procedures.program_array import ProgramArray
from labctl_procedures.system.sign_ablation import ABLATIONS, HIDDEN_OF_DIGITS
from labctl_procedures.system.sign_costs import costs_per_image
from labctl_procedures.system.sign_dies import SmallProblem, learn_on_die
from labctl_procedures.system.sign_figures import (
    PAPER,
    ablation_figures,
    device_figures,
    loop_figures,
    network_figures,
)
from labctl_procedures.system.sign_parts import (
    ablated_values,
    described,
    float_values,
    most_even,
    running_mean,
    trained_values,
)
from labctl_procedures.system.station_array import StationArray
from labctl_procedures.system.system_procedure import PlannedStep, SystemProcedure
from labctl_procedures.value_lists import positive_values

__all__ = ["SignBackprop"]

FloatArray = npt.NDArray[np.float64]

# the small problem: few outputs send small errors back
_LOOP_RULE = SignRule(hidden_threshold=0.1)
_NAME = "system.sign_backprop"
_CHOSEN = "chosen on 10,000 training images of MNIST that were held out"


class SignBackprop(SystemProcedure):
    """Measure what identical pulses do, teach a network on the array by sign back-propagation, and larger ones with it.

    Applied: what potentiate_depress applies to a few cells, for each pair of amplitudes; what program_array applies to
    the cells of the small network; then the read voltage on word or bit lines, and SET and RESET pulses of one kind.
    Read: cells after each pulse, before and after learning; sums of word and of bit lines while it learns. The pair of
    amplitudes whose steps depend least on the conductance and on the direction is used; its steps, cell by cell, are
    the device of the computed networks, beside an ideal one. Computed: MNIST, an ablation on digits. On the device
    physics alone: the small network on further dies. Cells are left as they learned, outputs off and relays open, also
    after an abort.
    """

    image_set = ListParameter(
        "Images", choices=["mnist", "digits"], default="mnist", description="digits needs no file"
    )
    hidden = IntegerParameter(
        "Hidden units",
        default=100,
        minimum=1,
        maximum=2000,
        description="Those of the paper are not known; MLP_NeuroSim V3.0: 100",
    )
    epochs = IntegerParameter("Training epochs", default=6, minimum=1, maximum=1000)
    float_epochs = IntegerParameter(
        "Epochs of float networks", default=8, minimum=1, maximum=1000, description="For those trained to the end"
    )
    output_threshold = QuantityParameter(
        "Output threshold", "1", minimum=0.0, maximum=1.0, default=0.3, description=f"Assumed; {_CHOSEN}"
    )
    hidden_threshold = QuantityParameter(
        "Hidden threshold", "1", minimum=0.0, maximum=100.0, default=0.1, description=f"Assumed; {_CHOSEN}"
    )
    window = QuantityParameter(
        "Window",
        "1",
        minimum=0.01,
        maximum=1000.0,
        default=2.0,
        description=f"Assumed; {_CHOSEN}; 1 suits 64 inputs, and sums of 784 spread about twice as far",
    )
    states = IntegerParameter(
        "States of the ideal device", default=256, minimum=2, maximum=100000, description="Assumed; 128 and more work"
    )
    cycle_spread = QuantityParameter(
        "C2C of the ideal device", "1", minimum=0.0, maximum=10.0, default="30 %", description="Assumed; of one step"
    )
    set_voltages = Parameter(
        "SET pulses", default="0.62 V, 0.66 V, 0.7 V", description="One with each of the RESET pulses"
    )
    reset_voltages = Parameter(
        "RESET pulses", default="0.92 V, 0.95 V, 1 V", description="Magnitudes; as many as SET pulses"
    )
    width = QuantityParameter(
        "Pulse width",
        "s",
        minimum=1e-8,
        maximum=1.0,
        default="100 us",
        description="Default: assumed, that of the other procedures on TiOx/Al2O3",
    )
    g_low = QuantityParameter(
        "Working range from",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="30 uS",
        description="Default: assumed, a window of one decade",
    )
    g_high = QuantityParameter(
        "Working range to",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="300 uS",
        description="Default: assumed, a window of one decade",
    )
    jump_cells = CellsParameter("Cells for the steps", default="24:30,31:32", description="As 'cells' has them")
    jump_pulses = IntegerParameter("Pulses of a branch", default=240, minimum=5, maximum=100000)
    jump_cycles = IntegerParameter("Cycles", default=1, minimum=1, maximum=1000)
    loop_classes = Parameter("Classes in the loop", default="0, 1, 2", description="Of the digits of scikit-learn")
    loop_pixels = IntegerParameter(
        "Pixels in the loop", default=16, minimum=1, maximum=64, description="Those that vary most"
    )
    loop_hidden = IntegerParameter("Hidden units in the loop", default=8, minimum=1, maximum=1000)
    loop_images = IntegerParameter("Images in the loop", default=150, minimum=1, maximum=1000000)
    ablation_epochs = IntegerParameter(
        "Epochs of the ablation", default=20, minimum=1, maximum=1000, description="The last five count"
    )
    full_bits = IntegerParameter(
        "Bits of full precision",
        default=8,
        minimum=1,
        maximum=64,
        description="For the costs; assumed, as DNN+NeuroSim has activations and errors",
    )

    parameter_groups: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            (
                *("image_set", "hidden", "epochs", "float_epochs", "output_threshold", "hidden_threshold", "window"),
                *("states", "cycle_spread", "ablation_epochs", "full_bits"),
            ),
            "Network",
        ),
        **dict.fromkeys(
            ("set_voltages", "reset_voltages", "width", "g_low", "g_high", "jump_cells", "jump_pulses", "jump_cycles"),
            "Steps of identical pulses",
        ),
        **dict.fromkeys(("loop_classes", "loop_pixels", "loop_hidden", "loop_images"), "Array in the loop"),
    }
    resumable: ClassVar[bool] = True
    default_station: ClassVar[str] = "tiox-32x32"

    def planned_steps(self) -> Sequence[PlannedStep]:
        """Return the measurements of the steps, one for each pair of amplitudes, and the programming."""
        reading = {name: getattr(self, name) for name in ("scheme", "read_voltage", "integration", "read_range")}
        common = reading | {
            "cells": self.jump_cells,
            "pulses": self.jump_pulses,
            "cycles": self.jump_cycles,
            "width": self.width,
            "initial": self.g_low + 0.1 * (self.g_high - self.g_low),
        }
        steps: list[PlannedStep] = [
            (f"pulses_{number}", "potentiate_depress", common | {"up_voltage": up_v, "down_voltage": -down_v})
            for number, (up_v, down_v) in enumerate(self._pairs(), start=1)
        ]
        return [*steps, ("program", "program_array", reading | {"cells": self._loop_cells()} | self._programming())]

    def stand_in(self, label: str, procedure: LabProcedure) -> None:
        """Give the programming its map: the middle of three levels for every cell."""
        if isinstance(procedure, ProgramArray):
            procedure.target_levels = np.ones((self.station.sample.rows, self.station.sample.columns), dtype=np.int64)

    def check(self) -> None:
        """Refuse a network that does not fit, a device or a station that cannot do this, missing images, bad lists.

        Raises
        ------
        RunError
            If a list, the images, the working range, or the size of the network in the loop cannot be.
        StationError
            If the station is no crossbar on a switch matrix, or cells are not there.
        """
        sample, layout = self.station.sample, self._layout()
        rows, columns = layout.shape
        if rows > sample.rows or columns > sample.columns:
            tiles = -(-rows // sample.rows) * -(-columns // sample.columns)
            raise RunError(
                f"{_NAME}: the network in the loop takes {rows} x {columns} cells, {tiles} tiles of the {sample.rows} "
                f"x {sample.columns} array of this station; take fewer loop_pixels, loop_hidden or loop_classes"
            )
        low_s, high_s = make_die(load_preset(sample.device), 1, 1, 0).window_s
        if not low_s <= self.g_low < self.g_high <= high_s:
            raise RunError(
                f"{_NAME}: {sample.device} is programmed between {low_s:.4g} S and {high_s:.4g} S, asked for a working "
                f"range from {self.g_low:.4g} S to {self.g_high:.4g} S; change g_low and g_high"
            )
        if not isinstance(self._open(0.1), TransposedAccess):
            raise StationError(
                f"{_NAME}: sums over word lines and over bit lines need a crossbar on a switch matrix; this station "
                "has none; choose tiox-32x32 or one like it"
            )
        super().check()
        check_images(self.image_set, image_folder(self.data))
        few_pixels(load_images("digits"), self._classes(), self.loop_pixels)

    def execute(self) -> None:
        """Measure the steps, teach the array, then compute."""
        tables, chosen = self._measured_steps()
        up_v, down_v = self._pairs()[chosen]
        pulses = LoopPulses(up_v, -down_v, self.width, self.g_low, self.g_high)
        problem = SmallProblem(
            few_pixels(load_images("digits"), self._classes(), self.loop_pixels),
            self._layout(),
            pulses,
            _LOOP_RULE,
            self.loop_images,
        )
        told = f"{up_v:.4g} V and {-down_v:.4g} V, {self.width * 1e6:.4g} µs"
        self.compare(*device_figures(tables, told))
        self._loop(problem, tables)
        updates = self._network(tables)
        self._ablation()
        self._costs(pulses, updates)
        self._conclude(tables, told)

    def _measured_steps(self) -> tuple[JumpTables, int]:
        """Run identical pulses of each pair; return the tables of the most even one, and its number from 0."""
        found: dict[int, JumpTables] = {}
        cells, own, reasons = {}, {}, []
        pairs = self._pairs()
        for number in range(len(pairs)):
            label = f"pulses_{number + 1}"
            curves = self.step(label, 0.2 / len(pairs)).arrays
            if "potentiation" not in curves:
                reasons.append(f"{label}: every cell was stopped")
                continue
            try:
                found[number], usable, own[number] = tables_of_curves(
                    curves["potentiation"], curves["depression"], low_s=self.g_low, high_s=self.g_high
                )
            except ValueError as error:
                reasons.append(f"{label}: {error}")
                continue
            cells[number] = curves["cells"][usable]
        if not found:
            raise UnusableResultError(f"{_NAME}: no pulses gave steps in the working range: {'; '.join(reasons)}")
        chosen = most_even(found, own)
        self._store_tables(found[chosen], cells[chosen])
        told = [described(*pairs[number], one, own[number]) for number, one in found.items()]
        self.emit("summary", {"pulse_pairs": told, "step_own_part": float(own[chosen].mean())})
        return found[chosen], chosen

    def _store_tables(self, tables: JumpTables, cells: npt.NDArray[Any]) -> None:
        range_s = self.g_high - self.g_low
        place_s = np.linspace(self.g_low, self.g_high, tables.up_mean.shape[1])
        self.emit("array", {"name": "jump_place", "data": place_s, "dims": ("place",), "unit": "S"})
        self.emit("array", {"name": "jump_cells", "data": cells, "dims": ("device", "line"), "unit": "1"})
        for name in ("up_mean", "up_spread", "down_mean", "down_spread"):
            data = getattr(tables, name) * range_s
            self.emit("array", {"name": f"jump_{name}", "data": data, "dims": ("device", "place"), "unit": "S"})

    def _loop(self, problem: SmallProblem, tables: JumpTables) -> None:
        """Teach the array through the instruments, further dies on the physics, and networks with the tables."""
        self.step("program", 0.12, partial(self.stand_in, "program"))
        largest_v = max(problem.pulses.up_v, -problem.pulses.down_v)
        message = f"learn {problem.count} images of {problem.images.name} on the array"
        with self.part(message, 0.2) as report, self._open(largest_v) as access:
            array = StationArray(self, access)
            before = problem.accuracy(array)
            right, updates = problem.learn(array, 0, report=report)
            measured = {"before": before, "after": problem.accuracy(array)}
        dies = self._loop_dies(problem)
        with self.part("the same problem with the extracted tables, and in floating point", 0.03):
            images = problem.images.first(problem.count, 0)
            computed = []
            for seed in range(self.seeds):
                work = partial(trained_values, images, self.loop_hidden, tables, _LOOP_RULE, seed, 1, lambda done: None)
                computed.append(self.computed("small problem, tables", work, seed=seed)["epoch 1"])
            floats = [
                self._float("small problem, float", problem.images, self.loop_hidden, seed, 100)
                for seed in range(self.seeds)
            ]
        of_dies = np.array([[one[f"image {number}"] for number in range(1, problem.count + 1)] for one in dies])
        for name, data, dims in (
            ("loop_right", running_mean(right.astype(float)), ("image",)),
            ("loop_right_of_dies", running_mean(of_dies), ("die", "image")),
        ):
            self.emit("array", {"name": name, "data": data, "dims": dims, "unit": "1"})
        self.compare(*loop_figures(measured, dies, computed, floats))
        self.emit("summary", {"loop_updates": updates, "loop_right_in_all": float(right.mean())})

    def _loop_dies(self, problem: SmallProblem) -> list[dict[str, float]]:
        preset, programming = load_preset(self.station.sample.device), ProgramArray(**self._programming())
        with self.part(f"teach {self.seeds} dies on the device physics alone", 0.05) as report:
            return [
                self.computed(
                    "small problem, physics",
                    partial(
                        learn_on_die,
                        preset,
                        programming,
                        problem,
                        seed,
                        self.read_voltage,
                        report=partial(_report_turn, report, seed - 1, self.seeds),
                    ),
                    seed=seed,
                )
                for seed in range(1, self.seeds + 1)
            ]

    def _network(self, tables: JumpTables) -> float:
        """Train the large network with both devices; return how many weights an image changes, with the ideal one."""
        images = self._images()
        rule = SignRule(self.output_threshold, self.hidden_threshold, self.window)
        devices = {"ideal": exponential_tables(self.states, self.cycle_spread), "extracted": tables}
        found: dict[str, list[dict[str, float]]] = {name: [] for name in devices}
        with self.part(f"train {self.seeds} networks on {images.name} with each device", 0.2) as report:
            for seed in range(self.seeds):
                for number, (name, device) in enumerate(devices.items()):
                    turn = partial(_report_turn, report, 2 * seed + number, 2 * self.seeds)
                    work = partial(trained_values, images, self.hidden, device, rule, seed, self.epochs, turn)
                    found[name].append(self.computed(f"{images.name} network", work, seed=seed, setting=name))
        shares = dict(zip(("trained", "same"), (self.float_epochs, self.epochs), strict=True))
        floats: dict[str, list[float]] = {name: [] for name in shares}
        with self.part(f"train {self.seeds} float networks on the same black and white inputs", 0.1) as report:
            for seed in range(self.seeds):
                for number, (name, epochs) in enumerate(shares.items()):
                    turn = partial(_report_turn, report, 2 * seed + number, 2 * self.seeds)
                    label = f"{images.name} float network"
                    floats[name].append(self._float(label, images, self.hidden, seed, epochs, turn))
        curves = {
            name: np.array([[one[f"epoch {epoch}"] for epoch in range(1, self.epochs + 1)] for one in values])
            for name, values in found.items()
        }
        for name, data in curves.items():
            self.emit("array", {"name": f"accuracy_{name}", "data": data, "dims": ("network", "epoch"), "unit": "1"})
        last = {name: data[:, -1].tolist() for name, data in curves.items()}
        self.compare(*network_figures(images.name, last["ideal"], last["extracted"], floats["trained"], floats["same"]))
        return float(np.mean([one["updates per image"] for one in found["ideal"]]))

    def _ablation(self) -> None:
        digits = load_images("digits")
        found: dict[str, FloatArray] = {}
        pulses: dict[str, float] = {}
        with self.part(f"ablation on digits: {len(ABLATIONS)} settings, {self.seeds} networks each", 0.1) as report:
            for number, one in enumerate(ABLATIONS):
                runs = []
                for seed in range(self.seeds):
                    turn = partial(_report_turn, report, number * self.seeds + seed, len(ABLATIONS) * self.seeds)
                    work = partial(ablated_values, digits, one, seed, self.ablation_epochs, turn)
                    runs.append(self.computed("ablation", work, seed=seed, setting=one.name))
                found[one.name] = np.array([run["accuracy"] for run in runs])
                pulses[one.name] = float(np.mean([run["pulses per image"] for run in runs]))
            floats = [
                self._float("digits float network", digits, HIDDEN_OF_DIGITS, seed, 60) for seed in range(self.seeds)
            ]
        for name, data, dims in (
            ("ablation_accuracy", np.stack(list(found.values()), axis=-1), ("network", "setting")),
            ("ablation_reference", np.array([one.reference for one in ABLATIONS]), ("setting",)),
            ("ablation_pulses", np.array(list(pulses.values())), ("setting",)),
        ):
            self.emit("array", {"name": name, "data": data, "dims": dims, "unit": "1"})
        self.compare(*ablation_figures(found, floats))

    def _float(
        self,
        label: str,
        images: Images,
        hidden: int,
        seed: int,
        epochs: int,
        report: Callable[[float], None] = lambda done: None,
    ) -> float:
        work = partial(float_values, images, hidden, seed, epochs, report)
        return self.computed(label, work, seed=seed, setting=f"{epochs} epochs")["accuracy"]

    def _costs(self, pulses: LoopPulses, updates: float) -> None:
        """Add to the ledger what one image costs the large network."""
        images = self._images()
        pixels, classes = images.x_train.shape[1], int(images.y_train.max()) + 1
        middle_s = 0.5 * (pulses.low_s + pulses.high_s)
        energy_j = (pulses.up_v**2 + pulses.down_v**2) * middle_s * pulses.width_s
        counted = costs_per_image(pixels, self.hidden, classes, self.full_bits)
        counted["update_pulses"] = 2.0 * updates
        self.ledger.further |= {f"{name}_per_image": value for name, value in counted.items()}
        self.ledger.further["update_energy_per_image_j"] = updates * energy_j

    def _conclude(self, tables: JumpTables, told: str) -> None:
        rule = f"{self.output_threshold:.3g} (outputs), {self.hidden_threshold:.3g} (hidden), window {self.window:.3g}"
        self.assume(
            "Layer sizes, thresholds and window of the paper are not known; only its abstract could be read. Here: "
            f"{self.hidden} hidden units, thresholds {rule}, logistic outputs, no biases, one image at a time.",
            "The default thresholds and window were chosen on the last 10,000 training images of MNIST, held out: the "
            "best of output thresholds 0.1 to 0.5, hidden thresholds 0.03 to 1 and windows 0.5 to 4 after 3 epochs of "
            "20,000 images, and not to be told from the best after 6 of 50,000. No test image took part.",
            f"The default device has {self.states} states, linear, with a cycle-to-cycle spread of "
            f"{self.cycle_spread:.0%} of a step.",
            f"Pulses of {told}: of the pairs that were measured over the working range, {self.g_low * 1e6:.4g} to "
            f"{self.g_high * 1e6:.4g} µS, those with the most even steps.",
            "The ablation starts from thresholds of 0.3, a window of 1 and 256 states; the independent run beside it, "
            "in plain NumPy, had 64-100-10, 20 epochs of which the last five count, and 2 networks.",
            "Every device of the computed networks is one of the measured cells, drawn at random; where a cell was not "
            "measured it has the shape of the others; sums are exact and comparators without offset.",
            "The energy of an update is that of both pulses at the middle of the working range; full precision has "
            f"{self.full_bits} bits.",
            "What a simulated die is like (switching law, spreads, wires, stuck cells) is assumed where the device "
            f"file {self.station.sample.device} says so.",
        )
        up, down = tables.nonlinearity
        spread_up, spread_down = tables.device_spread
        self.conclude(
            PAPER,
            {
                "step_states": tables.states,
                "step_nonlinearity_up": up,
                "step_nonlinearity_down": down,
                "step_imbalance": tables.imbalance,
                "step_cycle_spread": tables.cycle_spread,
                "step_device_spread_up": spread_up,
                "step_device_spread_down": spread_down,
            },
        )

    def _open(self, largest_v: float) -> Any:
        return self.open_access(pulse_voltage_v=largest_v, current_limit_a=0.05)

    def _images(self) -> Images:
        return load_images(self.image_set, image_folder(self.data))

    def _classes(self) -> list[int]:
        try:
            return [int(part) for part in self.loop_classes.split(",")]
        except ValueError as error:
            raise RunError(
                f"{_NAME}: loop_classes must be digits such as '0, 1, 2', got {self.loop_classes!r}"
            ) from error

    def _layout(self) -> LoopLayout:
        return LoopLayout(self.loop_pixels, self.loop_hidden, len(self._classes()))

    def _loop_cells(self) -> str:
        layout, sample = self._layout(), self.station.sample
        return format_cells([*layout.cells(0), *layout.cells(1)], (sample.rows, sample.columns))

    def _programming(self) -> dict[str, Any]:
        """Settings of program_array that bring cells near the middle with few pulses: learning does the rest."""
        return {
            "g_min": self.g_low,
            "g_max": self.g_high,
            "levels": 3,
            "tolerance": 0.15,
            "width": self.width,
            "max_change": 0.2,
            "passes": 1,
        }

    def _pairs(self) -> list[tuple[float, float]]:
        """Return the amplitudes of SET and RESET, both positive, unit V."""
        up_v, down_v = (
            positive_values(getattr(self, name), "V", f"{_NAME}: {name}") for name in ("set_voltages", "reset_voltages")
        )
        if len(up_v) != len(down_v):
            raise RunError(
                f"{_NAME}: set_voltages and reset_voltages must be as many, got {len(up_v)} and {len(down_v)}"
            )
        return list(zip(up_v, down_v, strict=True))


def _report_turn(report: Callable[[float], None], turn: int, turns: int, done: float) -> None:
    report((turn + done) / turns)
