"""Kim 2021: a crossbar programmed to eight levels by reset-voltage control, and what its errors do to a larger network.

Not here: programming (:mod:`labctl_procedures.program_array`), errors on networks (:mod:`labctl.networks.residuals`),
dies that are physics alone (``rvc_dies``), what is held against the paper (``rvc_figures``).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import ceil
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, ListParameter, Parameter

from labctl.analysis.programming import rmse
from labctl.array import Levels
from labctl.errors import RunError
from labctl.networks.images import Images, check_images, image_folder, load_images
from labctl.networks.perceptron import drawn_perceptron
from labctl.networks.quantised_network import QuantisedNetwork
from labctl.networks.residuals import ErrorSource, Residuals, normal_errors
from labctl.networks.trained import kept_perceptron
from labctl.physics.live_die import make_die
from labctl.physics.presets import load_preset
from labctl.run import LabProcedure, QuantityParameter
from labctl_procedures.program_array import CellStatus, ProgramArray
from labctl_procedures.system.rvc_dies import programmed_die
from labctl_procedures.system.rvc_figures import (
    FLOAT,
    MEASURED,
    PAPER,
    PAPER_RMSE,
    RAMP_SHAPE,
    RAMP_STEP_V,
    RAMPS,
    WITH_FAILED,
    WITHOUT_ERROR,
    accuracy_figures,
    array_figures,
    ramp_figures,
)
from labctl_procedures.system.system_procedure import PlannedStep, SystemProcedure
from labctl_procedures.value_lists import positive_values, values_from_zero

__all__ = ["Rvc3Bit"]

# with these, 12 epochs end at 98.1 to 98.3 % on MNIST; a small set has at least so many steps in an epoch
_BATCH, _STEPS, _LEARNING_RATE = 200, 40, 2e-3

FloatArray = npt.NDArray[np.float64]
Source = Callable[[np.random.Generator], ErrorSource]


class Rvc3Bit(SystemProcedure):
    """Program a crossbar to 3-bit weights by reset-voltage control, and classify MNIST with the errors it made.

    Applied: what program_array applies, then the readings of read_array. Read: all cells, before, while and after they
    are programmed. The map is a part of a network's last layer, and beside it columns that hold all levels equally
    often, so that each level shows its errors. They are drawn again for every weight of post-training quantised,
    differential networks. Computed: accuracy against the programming error. On the device physics alone: the same
    programming on further dies, and ramps of equal steps on small ones. Cells are left at their targets, outputs off
    and relays open, also after an abort.
    """

    image_set = ListParameter(
        "Images", choices=["mnist", "digits"], default="mnist", description="digits needs no file"
    )
    hidden = Parameter("Hidden units", default="256", description="Of each hidden layer, such as '256' or '128, 64'")
    epochs = IntegerParameter("Training epochs", default=12, minimum=1, maximum=1000)
    draws = IntegerParameter("Draws", default=10, minimum=1, maximum=1000, description="Of errors, for each network")
    errors = Parameter(
        "Programming errors", default="0, 1 %, 1.79 %, 3 %, 5 %, 10 %, 20 %", description="Relative RMSE, normal errors"
    )
    g_min = QuantityParameter(
        "Lowest level",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="25 uS",
        description="Default: assumed, 8 levels 25 uS apart",
    )
    g_max = QuantityParameter(
        "Highest level",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="200 uS",
        description="Default: assumed, below a sibling's low state of 225 uS (Micromachines 16, 718 (2025))",
    )
    levels = IntegerParameter("Levels", default=8, minimum=2, maximum=1024)
    tolerance = QuantityParameter(
        "Verify tolerance",
        "1",
        minimum=1e-3,
        maximum=0.5,
        default="3 %",
        description="Relative to the target; an error that is uniform within ± 3.1 % has the paper's RMSE",
    )
    width = QuantityParameter(
        "Pulse width",
        "s",
        minimum=1e-8,
        maximum=1.0,
        default="100 us",
        description="A sibling's RESET pulses: 100 us to 100 ns (Micromachines 16, 718 (2025))",
    )

    parameter_groups: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("image_set", "hidden", "epochs", "draws", "errors"), "Network"),
        **dict.fromkeys(("g_min", "g_max", "levels", "tolerance", "width"), "Programming"),
    }
    resumable: ClassVar[bool] = True
    default_station: ClassVar[str] = "tiox-32x32"

    def planned_steps(self) -> Sequence[PlannedStep]:
        """Return the programming and the reading that is separate from it."""
        where = {name: getattr(self, name) for name in ("cells", "scheme", "read_voltage", "integration", "read_range")}
        return (("program", "program_array", where | self._programming()), ("read", "read_array", where))

    def stand_in(self, label: str, procedure: LabProcedure) -> None:
        """Let the programming be checked before the network is there: with a map of lowest levels."""
        if isinstance(procedure, ProgramArray):
            procedure.target_levels = np.zeros((self.station.sample.rows, self.station.sample.columns), dtype=np.int64)

    def check(self) -> None:
        """Refuse a device that cannot make the levels, a die without a pair of columns, missing images, bad lists.

        Raises
        ------
        RunError
            With the remedy; or if a step is refused. Levels are too near where their verify windows overlap.
        """
        sample = self.station.sample
        low_s, high_s = make_die(load_preset(sample.device), 1, 1, 0).window_s
        if not (low_s <= self.g_min and self.g_max <= high_s):
            raise RunError(
                f"system.rvc_3bit: {sample.device} is programmed between {low_s:.4g} S and {high_s:.4g} S, asked for "
                f"{self.levels} levels from {self.g_min:.4g} S to {self.g_max:.4g} S; change g_min and g_max"
            )
        if sample.columns < 2:
            raise RunError(
                f"system.rvc_3bit: a differential pair needs two columns, the array of this station has "
                f"{sample.rows} x {sample.columns}; choose a station with an array"
            )
        self._hidden()
        self._errors()
        super().check()
        self._refuse_levels()
        check_images(self.image_set, image_folder(self.data))

    def execute(self) -> None:
        """Train, program, read, classify, and program further dies on the physics alone.

        Raises
        ------
        RunError
            If no cell could be programmed.
        """
        images, sample = self._images(), self.station.sample
        networks = self._networks(images)
        part = networks[0].part_of_last_layer(sample.rows, sample.columns)
        programmed = self.step("program", 0.55, lambda procedure: setattr(procedure, "target_levels", part.levels))
        read = self.step("read", 0.02)
        if self.is_rehearsed:
            return
        target_s, all_s = programmed.arrays["target"], read.arrays["conductance"]
        done_s = np.where(programmed.arrays["status"] == CellStatus.PROGRAMMED, all_s, np.nan)
        error = rmse(done_s, target_s, lowest_s=self.g_min, highest_s=self.g_max)
        if error is None:
            raise RunError("system.rvc_3bit: no cell could be programmed; look at the failed cells of step 'program'")
        self.emit_map("residual", done_s / target_s - 1.0, "1")
        done, with_failed = (
            Residuals.measured(found_s, target_s, part.levels, levels=self.levels) for found_s in (done_s, all_s)
        )
        accuracies = self._accuracies(images, networks, {MEASURED: done.drawn, WITH_FAILED: with_failed.drawn})
        in_place = self.computed(
            "cells in place",
            lambda: {"accuracy": networks[0].with_cells(part, all_s).accuracy(images.x_test, images.y_test)},
            seed=0,
        )["accuracy"]
        dies = self._dies(part.levels)
        self.compare(*array_figures(error, float(programmed.results["yield"]), dies))
        self.compare(*ramp_figures(self._ramps()))
        self.compare(*accuracy_figures(images.name, accuracies, in_place, draws=self.draws, levels=self.levels))
        self._conclude(networks[0], sum(done.is_own), programmed.results)

    def _programming(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("g_min", "g_max", "levels", "tolerance", "width")}

    def _refuse_levels(self) -> None:
        """Refuse levels whose windows of the verify tolerance overlap, so that neighbours cannot be told apart."""
        spacing_s = (self.g_max - self.g_min) / (self.levels - 1)
        # the two highest are the nearest, relative to their windows
        window_s = self.tolerance * (2.0 * self.g_max - spacing_s)
        if spacing_s <= window_s:
            least_s = 2.0 * self.tolerance * self.g_max / (1.0 + self.tolerance)
            most = ceil((self.g_max - self.g_min) / least_s)
            remedy = f"take at most {most} levels, or lower the tolerance" if most > 1 else "lower the tolerance"
            raise RunError(
                f"system.rvc_3bit: neighbouring levels must be farther apart than half of both verify windows, "
                f"± {self.tolerance:.3g} of each, {window_s:.3g} S at the highest two; {self.levels} levels from "
                f"{self.g_min:.4g} S to {self.g_max:.4g} S are {spacing_s:.3g} S apart; {remedy}"
            )

    def _hidden(self) -> list[int]:
        sizes = positive_values(self.hidden, "1", "system.rvc_3bit: hidden")
        if not all(size == int(size) for size in sizes):
            raise RunError(f"system.rvc_3bit: hidden must be whole numbers from 1, got {self.hidden!r}")
        return [int(size) for size in sizes]

    def _errors(self) -> list[float]:
        """Return the errors asked for, and the paper's."""
        return sorted({*values_from_zero(self.errors, "1", "system.rvc_3bit: errors"), PAPER_RMSE})

    def _images(self) -> Images:
        return load_images(self.image_set, image_folder(self.data))

    def _networks(self, images: Images) -> list[QuantisedNetwork]:
        scale, networks = Levels(self.g_min, self.g_max, self.levels), []
        if self.is_rehearsed:
            sizes = [images.x_train.shape[1], *self._hidden(), int(images.y_train.max()) + 1]
            return [QuantisedNetwork.of(drawn_perceptron(sizes, np.random.default_rng(0)), scale)]
        with self.part(
            f"train {self.seeds} networks on {images.name}, or take those that were trained", 0.15
        ) as report:
            for seed in range(self.seeds):
                network = kept_perceptron(
                    images,
                    self._hidden(),
                    seed=seed,
                    epochs=self.epochs,
                    batch=min(_BATCH, len(images.y_train) // _STEPS),
                    learning_rate=_LEARNING_RATE,
                    report=partial(_report_turn, report, seed, self.seeds),
                )
                networks.append(QuantisedNetwork.of(network, scale))
        return networks

    def _accuracies(
        self, images: Images, networks: Sequence[QuantisedNetwork], measured: Mapping[str | float, Source]
    ) -> dict[str | float, FloatArray]:
        """Return accuracies, shape (networks, draws), by what was done to the weights; the errors by their RMSE."""
        errors = self._errors()
        sources = dict(measured)
        sources.update({error: partial(normal_errors, error) for error in errors})
        found: dict[str | float, list[list[float]]] = {}

        def draw(network: QuantisedNetwork, source: Source, place: tuple[int, int]) -> dict[str, float]:
            # without an error, all draws are one
            count = 1 if source is sources.get(0.0) else self.draws
            drawn = (network.with_errors(source(np.random.default_rng([*place, number]))) for number in range(count))
            return {f"draw {number}": one.accuracy(images.x_test, images.y_test) for number, one in enumerate(drawn)}

        def plain(network: QuantisedNetwork) -> dict[str, float]:
            both = {FLOAT: network.network, WITHOUT_ERROR: network.without_error()}
            return {name: one.accuracy(images.x_test, images.y_test) for name, one in both.items()}

        with self.part(f"classify {len(images.y_test)} images with programming errors", 0.15) as report:
            for seed, network in enumerate(networks):
                bare = self.computed("accuracy", partial(plain, network), seed=seed)
                for name, value in bare.items():
                    found.setdefault(name, []).append([value])
                for number, (setting, source) in enumerate(sources.items()):
                    values = self.computed(
                        "accuracy", partial(draw, network, source, (seed, number)), seed=seed, setting=setting
                    )
                    found.setdefault(setting, []).append(list(values.values()))
                    report((seed + (number + 1) / len(sources)) / self.seeds)
        accuracies = {setting: np.array(values) for setting, values in found.items()}
        curve = np.stack([np.broadcast_to(accuracies[one], (self.seeds, self.draws)) for one in errors], axis=-1)
        self.emit("array", {"name": "rmse", "data": np.array(errors), "dims": ("rmse",), "unit": "1"})
        self.emit("array", {"name": "accuracy", "data": curve, "dims": ("network", "draw", "rmse"), "unit": "1"})
        return accuracies

    def _dies(self, target: npt.NDArray[np.int64]) -> list[dict[str, float]]:
        """Program dies that are physics alone."""
        preset, loop = load_preset(self.station.sample.device), ProgramArray(**self._programming())
        cells = self.selected_cells()
        with self.part(f"program {self.seeds} dies on the device physics alone", 0.11) as report:
            return [
                self.computed(
                    "physics",
                    partial(
                        programmed_die,
                        preset,
                        loop,
                        {cell: int(target[cell]) for cell in cells},
                        target.shape,
                        seed,
                        self.read_voltage,
                        report=partial(_report_turn, report, seed - 1, self.seeds),
                    ),
                    seed=seed,
                )
                for seed in range(1, self.seeds + 1)
            ]

    def _ramps(self) -> list[list[dict[str, float]]]:
        """Program small dies that are physics alone with ramps of equal steps, by the conditions of RAMPS."""
        preset, found = load_preset(self.station.sample.device), []
        cells = list(np.ndindex(RAMP_SHAPE))[: len(self.selected_cells())]
        with self.part(f"ramps of equal steps on {self.seeds} small dies, the device physics alone", 0.02) as report:
            for number, (tolerance, width_s) in enumerate(RAMPS):
                changed = {"tolerance": tolerance, "width": width_s, "step": RAMP_STEP_V, "adaptive": False}
                loop, dies = ProgramArray(**self._programming() | changed), []
                for seed in range(1, self.seeds + 1):
                    level = np.random.default_rng(seed).permutation(np.arange(len(cells)) % self.levels)
                    turn = number * self.seeds + seed - 1
                    work = partial(
                        programmed_die,
                        preset,
                        loop,
                        dict(zip(cells, level.tolist(), strict=True)),
                        RAMP_SHAPE,
                        seed,
                        self.read_voltage,
                        report=partial(_report_turn, report, turn, len(RAMPS) * self.seeds),
                    )
                    setting = f"{100.0 * tolerance:g} %, {width_s * 1e6:g} µs"
                    dies.append(self.computed("ramp", work, seed=seed, setting=setting))
                found.append(dies)
        return found

    def _conclude(self, network: QuantisedNetwork, own: int, programmed: Mapping[str, Any]) -> None:
        sample, sizes = self.station.sample, [layer.values.shape for layer in network.layers]
        told = "-".join(str(size) for size in (sizes[0][0], *(outputs for _, outputs in sizes)))
        self.assume(
            f"The verify tolerance of {100.0 * self.tolerance:.3g} %, and with it the RMSE: an error that is uniform "
            "within ± 3.1 % has an RMSE of 1.79 %; the paper's tolerance is not known.",
            f"{self.levels} levels, equally spaced from {self.g_min * 1e6:.4g} to {self.g_max * 1e6:.4g} µS, and "
            f"pulses of {self.width * 1e6:.4g} µs: those of the paper are not known.",
            f"The network, {told}, rectified, with biases in software: its sizes are not known of the paper.",
            "Every cell of the network errs as the cells of the one array did, independently of its neighbours; inputs "
            "and sums are exact.",
            "What a simulated die is like (switching law, spreads, wires, stuck cells) is assumed where the device "
            f"file {sample.device} says so.",
        )
        tiles = sum(ceil(inputs / sample.rows) * ceil(outputs / (sample.columns // 2)) for inputs, outputs in sizes)
        self.conclude(
            PAPER,
            {
                "tiles_of_network": tiles,
                "levels_with_own_errors": own,
                "pulses_per_cell_mean": programmed["pulses_per_cell_mean"],
            },
        )


def _report_turn(report: Callable[[float], None], turn: int, turns: int, done: float) -> None:
    report((turn + done) / turns)
