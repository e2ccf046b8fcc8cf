"""Ezzadeen 2024: ReRAM bridges as synapses of a binarised network, and neurons that count them by capacitors.

Not here: measuring bridges (``bridge_station``), counting their errors (``bridge_operations``), what is held against
the paper (``bridge_figures``), the circuit equations (:mod:`labctl.networks.bridges`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, ListParameter, Parameter

from labctl.array.bridge_access import BridgeAccess
from labctl.errors import RunError, StationError, UnusableResultError
from labctl.networks.binary_network import SHIPPED, BinaryNetwork
from labctl.networks.bridge_dies import BridgeProgram
from labctl.networks.bridges import CLOCKS, neuron_errors
from labctl.networks.images import Images, check_images, image_folder, load_images
from labctl.networks.line_drop import bridge_shifts_v, lost_counts
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.system.bridge_figures import (
    AT_TARGET,
    LARGE_CELLS,
    PAPER,
    SOFTWARE,
    TARGET_ERROR,
    WITHOUT_ERROR,
    Rates,
    assumptions,
    drop_figures,
    energy_figures,
    network_figures,
    neuron_figures,
    rate_figures,
    resistance_results,
)
from labctl_procedures.system.bridge_further_dies import APART, apart_ohm, die_rates, rate_names
from labctl_procedures.system.bridge_network import erring_accuracies, named_network, network_for
from labctl_procedures.system.bridge_operations import BridgeMiddles, fit_neuron
from labctl_procedures.system.bridge_station import BRIDGE_COLUMNS, MeasuredBridges, RowSum, StationBridges
from labctl_procedures.system.system_procedure import SystemProcedure
from labctl_procedures.value_lists import positive_values

__all__ = ["BridgeBnn"]

FloatArray = npt.NDArray[np.float64]

# of each count of the neuron, and of the sums that the lines take something from
_PATTERNS_PER_COUNT, _DROP_PATTERNS = 400, 20
_DROP_CELLS = (23, 64, 256, 1025)
# of large neurons: counts from the threshold that their errors are shown for
_DISTANCES = 41
# a reading with its relays, on the reference rack
_READING_S = 0.06
# of the progress of a run
_STATION_SHARE = 0.45


class BridgeBnn(SystemProcedure):
    """Program pairs of cells as bridges in conditions from strong to weak, and classify images with their errors.

    Applied: one SET pulse for each cell of the bridges, one RESET pulse for one of each pair, for both polarities of
    its weight and in each condition; then the read voltages across each bridge, for both inputs, while the source plate
    floats. Read: every cell before and after that; the middle of each bridge; the current of some; the currents of a
    row's low resistances together. Computed: wrong operations over random patterns, the counts of a neuron, large
    neurons by the published comparator model, a binarised network. On the device physics alone: the same bridges on
    further dies. Cells are left in the weakest condition, outputs off and relays open, also after an abort.
    """

    image_set = ListParameter(
        "Images", choices=["mnist", "digits"], default="mnist", description="digits needs no file and trains by itself"
    )
    network = Parameter(
        "Network", default=SHIPPED, description="Packaged name, or a file .npz; not used with the images 'digits'"
    )
    draws = IntegerParameter(
        "Draws",
        default=10,
        minimum=2,
        maximum=1000,
        description="Of neurons that err, for each error rate; the paper's code has 30",
    )
    clock = ListParameter("Clock", choices=list(CLOCKS), default="6 ns", description="Of the comparators")
    inputs = IntegerParameter("Inputs", default=23, minimum=1, maximum=1001, description="Bridges of a neuron, odd")
    neurons = IntegerParameter(
        "Neurons",
        default=1,
        minimum=1,
        maximum=64,
        description="Rows with bridges; each takes some minutes of a processor core on the simulated bench",
    )
    patterns = IntegerParameter(
        "Patterns", default=600, minimum=1, maximum=1000000, description="Of inputs, each on one neuron"
    )
    readings = IntegerParameter(
        "Readings",
        default=1,
        minimum=1,
        maximum=1000,
        description="Of each bridge with each weight and input; the patterns take them in turn. 150 are one for each "
        "of the 13,800 operations of one neuron",
    )
    read_levels = Parameter(
        "Read voltages", default="0.2 V, 0.4 V, 0.8 V, 1.2 V", description="Across a bridge, rising"
    )
    gates = Parameter(
        "SET gates", default="1.3 V, 1.1 V, 1 V, 0.9 V", description="One for each condition, from strong to weak"
    )
    resets = Parameter(
        "RESET voltages", default="1.8 V, 1.6 V, 1.6 V, 1.5 V", description="Magnitudes, one for each condition"
    )
    widths = Parameter("Pulse widths", default="1 us, 1 us, 1 us, 1 us", description="One for each condition")
    set_voltage = QuantityParameter(
        "SET voltage",
        "V",
        minimum=0.01,
        maximum=5.0,
        default="2.2 V",
        description="Default: assumed, sets the cells of the station at each of the gates",
    )
    offset = QuantityParameter(
        "Inverter offset", "V", minimum=1e-4, maximum=0.5, default="30 mV", description="Standard deviation, assumed"
    )
    current_limit = QuantityParameter(
        "Current limit",
        "A",
        minimum=1e-9,
        maximum=1.5,
        default="10 mA",
        description="Compliance of both channels. Default: assumed; the transistor limits a cell",
    )
    integration = QuantityParameter(
        "Integration",
        "1",
        minimum=0.001,
        maximum=25.0,
        default=0.01,
        description="In power-line cycles; longer ones stress the cells longer",
    )
    die_rows = IntegerParameter(
        "Rows of further dies", default=16, minimum=1, maximum=4096, description="With bridges, on the physics alone"
    )
    segment = QuantityParameter(
        "Line resistance",
        "ohm",
        minimum=0.0,
        maximum=1e3,
        default="1 ohm",
        description="From cell to cell, assumed: 130 nm process, of the comparison with a current-summing read-out",
    )
    seed = IntegerParameter("Seed", default=1, minimum=0, maximum=2**31 - 1, description="Of weights and patterns")

    parameter_groups: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("image_set", "network", "draws", "clock"), "Network"),
        **dict.fromkeys(("inputs", "neurons", "patterns", "readings", "read_levels", "offset", "seed"), "Bridges"),
        **dict.fromkeys(("gates", "resets", "widths", "set_voltage", "current_limit"), "Programming"),
        **dict.fromkeys(("die_rows", "segment"), "Comparison"),
    }
    DATA_COLUMNS: ClassVar[list[str]] = [*SystemProcedure.DATA_COLUMNS, *BRIDGE_COLUMNS]
    resumable: ClassVar[bool] = True
    default_station: ClassVar[str] = "hfo2-1t1r-64x64"

    def check(self) -> None:
        """Refuse lists that do not fit, a die that is too small, a station without bridges, missing images or network.

        Raises
        ------
        RunError
            If a list, the die, the images or the network do not fit.
        StationError
            If the station has no bridges.
        ValueError
            If a gate voltage or a width cannot be.
        """
        super().check()
        programs, sample = self._programs(), self.station.sample
        if self.inputs % 2 == 0:
            raise RunError(
                f"system.bridge_bnn: inputs must be odd, so that no count is in the middle, got {self.inputs}"
            )
        needed = 2 * self.inputs
        if needed > sample.columns or self.neurons > sample.rows:
            dies = -(-self.neurons // sample.rows) * -(-needed // sample.columns)
            raise RunError(
                f"system.bridge_bnn: {self.neurons} neurons of {self.inputs} bridges need {self.neurons} rows of "
                f"{needed} columns, the die has {sample.rows} x {sample.columns}; that takes {dies} dies, or fewer "
                "neurons or inputs"
            )
        access = self._open()
        access.check_bridges()
        for program in programs:
            access.check_gate(program.gate_set_v)
            access.source_for(program.width_s)
        most_v = max(self._stimuli_v())
        if most_v > self.station.envelope.voltage_v:
            raise RunError(
                f"system.bridge_bnn: {most_v:.4g} V are asked for, the envelope of the station allows "
                f"{self.station.envelope.voltage_v:.4g} V ({self.station.file}); lower read_levels, set_voltage or "
                "resets"
            )
        pixels = check_images(self.image_set, image_folder(self.data))
        if self.image_set != "digits":
            named_network(self.network, self.image_set, pixels)

    def estimate(self) -> Estimate:
        """Return the number of rows and the time that they take."""
        programs = self._programs()
        bridges = len(programs) * 2 * self.neurons * self.inputs
        pulses, reads, middles = 3 * bridges, 4 * bridges, 2 * bridges * self.readings
        rows = pulses + reads + middles * len(self._levels_v()) + 1
        return Estimate(
            rows,
            _READING_S * (pulses + middles) + self.rack_time_s(reads),
            voltage_v=max(self._stimuli_v()),
            current_a=self.current_limit,
            width_s=max(program.width_s for program in programs),
        )

    def execute(self) -> None:
        """Measure the bridges, count their errors, count with neurons, and classify.

        Raises
        ------
        UnusableResultError
            If no bridge works.
        """
        images = self._images()
        network = network_for(images, self.network, self.seed)
        levels_v, programs = self._levels_v(), self._programs()
        rng = np.random.default_rng(self.seed)
        is_positive = rng.random((self.neurons, self.inputs)) < 0.5
        measured, together = self._measure(programs, levels_v, is_positive)
        low_ohm, high_ohm = apart_ohm(measured[0].cells_ohm, is_positive)
        is_good = np.asarray((high_ohm > APART * low_ohm).all(axis=0))
        if not is_good.any():
            raise UnusableResultError(
                "system.bridge_bnn: no bridge has a low and a high resistance in the first condition; form the cells, "
                "or choose a stronger condition (gates, resets)"
            )
        middles = [
            [
                BridgeMiddles(one.middle_v[:, :, place], level_v, is_positive, is_good)
                for place, level_v in enumerate(levels_v)
            ]
            for one in measured
        ]
        rates = self._rates(middles, programs, levels_v)
        self._emit_measured(measured, is_positive, is_good, levels_v, rates)
        fits = self._neurons(middles, rates)
        accuracies = self._accuracies(images, network, rates)
        losses = self._lost(measured[0], is_positive, is_good, levels_v[0])
        readings = 4 * int(is_good.sum()) * self.readings
        self.compare(*rate_figures(rates, self.patterns * self.inputs, readings))
        self.compare(*neuron_figures(self._large_errors(rates), fits))
        self.compare(*network_figures(images.name, accuracies, network.facts))
        self.compare(*drop_figures(together, losses, levels_v[0]))
        energy = [
            np.nanmean(one.current_a, axis=1) * np.asarray(levels_v) * CLOCKS[self.clock].clock_s for one in measured
        ]
        self.compare(*energy_figures(energy, levels_v, self.clock))
        self.ledger.further["bridge_readings"] = float(sum(one.middle_v.size for one in measured))
        self.ledger.further["energy_per_operation_j"] = float(energy[0][0])
        self.assume(*assumptions(self))
        self.conclude(
            PAPER,
            resistance_results(measured, is_positive, is_good)
            | {
                "bridges": int(is_good.size),
                "bridges_defective": int((~is_good).sum()),
                "operations": self.patterns * self.inputs,
                "readings_per_condition_and_voltage": readings,
            },
        )

    def _programs(self) -> list[BridgeProgram]:
        lists = [
            positive_values(text, unit, f"system.bridge_bnn: {name}")
            for text, unit, name in (
                (self.gates, "V", "gates"),
                (self.resets, "V", "resets"),
                (self.widths, "s", "widths"),
            )
        ]
        if len({len(one) for one in lists}) != 1:
            raise RunError(
                "system.bridge_bnn: gates, resets and widths must have one value for each condition, got "
                f"{', '.join(str(len(one)) for one in lists)}"
            )
        return [
            BridgeProgram(gate_v, self.set_voltage, -reset_v, width_s)
            for gate_v, reset_v, width_s in zip(*lists, strict=True)
        ]

    def _levels_v(self) -> list[float]:
        levels_v = positive_values(self.read_levels, "V", "system.bridge_bnn: read_levels")
        if levels_v != sorted(set(levels_v)):
            raise RunError(f"system.bridge_bnn: read_levels must rise, got {self.read_levels!r}")
        return levels_v

    def _stimuli_v(self) -> list[float]:
        """Return the magnitudes of everything that is applied."""
        found: list[float] = [self.set_voltage, *self._levels_v()]
        return found + [-program.reset_v for program in self._programs()]

    def _images(self) -> Images:
        return load_images(self.image_set, image_folder(self.data))

    def _open(self) -> BridgeAccess:
        access = self.open_access(pulse_voltage_v=max(self._stimuli_v()), current_limit_a=self.current_limit)
        if not isinstance(access, BridgeAccess):
            raise StationError(
                "system.bridge_bnn: bridges need cells with a transistor each and one source plate (wiring.control "
                "with common_source = true), such as the station hfo2-1t1r-64x64"
            )
        return access

    def _measure(
        self, programs: Sequence[BridgeProgram], levels_v: Sequence[float], is_positive: npt.NDArray[np.bool_]
    ) -> tuple[list[MeasuredBridges], RowSum]:
        """Measure the bridges of the station in all conditions; in the first, add up the currents of a row as well."""
        begin, measured = self._done, []
        self.note_access()
        with self._open() as access:
            bridges = StationBridges(self, access, is_positive)
            for number, program in enumerate(programs, start=1):
                self.emit("event", {"kind": "part", "message": f"condition {number}: {_told(program)}"})

                def report(done: float, number: int = number) -> None:
                    part = (number - 1 + done) / len(programs)
                    self.emit("progress", 100.0 * (begin + _STATION_SHARE * part))

                measured.append(bridges.measure(program, levels_v, self.readings, report))
                if number == 1:
                    together = bridges.sum_row(0, measured[0].after_ohm[1, 0])
        self._advance(_STATION_SHARE)
        return measured, together

    def _rates(
        self,
        middles: Sequence[Sequence[BridgeMiddles]],
        programs: Sequence[BridgeProgram],
        levels_v: Sequence[float],
    ) -> Rates:
        """Return the error rates of the station's bridges and of further dies."""
        seeds = range(1, self.seeds + 1)
        rate = np.array([[one.error_rate(self.offset) for one in row] for row in middles])
        wrong = np.array(
            [
                [
                    [one.wrong_operations(self.patterns, self.inputs, self.offset, seed) for one in row]
                    for row in middles
                ]
                for seed in seeds
            ]
        )
        found = []
        with self.part(f"program {self.seeds} dies on the device physics alone", 0.25) as report:
            for seed in seeds:
                do = partial(die_rates, self, programs, levels_v, seed)
                values = self.computed("physics", do, seed=seed)
                found.append([values[name] for name in rate_names(len(programs), len(levels_v))])
                report(seed / self.seeds)
        dies = np.array(found).reshape(self.seeds, 2, len(programs), len(levels_v))
        return Rates(np.asarray(levels_v), rate, wrong, dies[:, 0], dies[:, 1])

    def _emit_measured(
        self,
        measured: Sequence[MeasuredBridges],
        is_positive: npt.NDArray[np.bool_],
        is_good: npt.NDArray[np.bool_],
        levels_v: Sequence[float],
        rates: Rates,
    ) -> None:
        low_ohm, high_ohm = zip(*(apart_ohm(one.cells_ohm, is_positive) for one in measured), strict=True)
        for name, values in (("low_resistance", low_ohm), ("high_resistance", high_ohm)):
            data = np.stack([one[:, is_good].ravel() for one in values])
            self.emit("array", {"name": name, "data": data, "dims": ("condition", "reading"), "unit": "ohm"})
        middle_v = np.stack([one.middle_v for one in measured])
        of_middles = ("condition", "polarity", "input", "read_voltage", "neuron", "bridge", "repeat")
        self.emit("array", {"name": "middle", "data": middle_v, "dims": of_middles, "unit": "V"})
        self.emit("array", {"name": "weight", "data": is_positive, "dims": ("neuron", "bridge"), "unit": "1"})
        self.emit("array", {"name": "in_use", "data": is_good, "dims": ("neuron", "bridge"), "unit": "1"})
        self.emit(
            "array", {"name": "read_voltage", "data": np.asarray(levels_v), "dims": ("read_voltage",), "unit": "V"}
        )
        current_a = np.stack([one.current_a for one in measured])
        of_currents = ("condition", "read_voltage", "bridge")
        self.emit("array", {"name": "bridge_current", "data": current_a, "dims": of_currents, "unit": "A"})
        dims = ("condition", "read_voltage")
        self.emit("array", {"name": "error_rate", "data": rates.station, "dims": dims, "unit": "1"})
        for name, data, over in (
            ("error_rate_dies", rates.dies, "die"),
            ("wrong_operations", rates.station_wrong, "seed"),
            ("wrong_operations_dies", rates.dies_wrong, "die"),
        ):
            self.emit("array", {"name": name, "data": data, "dims": (over, *dims), "unit": "1"})

    def _neurons(self, middles: Sequence[Sequence[BridgeMiddles]], rates: Rates) -> FloatArray:
        """Return threshold and smear of neurons of measured bridges, shape (seeds, conditions, 2)."""
        comparator, fits, curves = CLOCKS[self.clock], [], []
        with self.part("count with neurons of the measured bridges", 0.03) as report:
            for seed in range(1, self.seeds + 1):
                one_seed = [
                    row[-1].fires(self.inputs, self.offset, comparator, patterns=_PATTERNS_PER_COUNT, seed=seed)
                    for row in middles
                ]
                curves.append(one_seed)
                fits.append([(fit.threshold, fit.sigma) for fit in map(fit_neuron, one_seed)])
                report(seed / self.seeds)
        dims = ("seed", "condition", "count")
        self.emit("array", {"name": "fires", "data": np.array(curves), "dims": dims, "unit": "1"})
        self.emit("array", {"name": "count", "data": np.arange(self.inputs + 1), "dims": ("count",), "unit": "1"})
        return np.array(fits)

    def _large_errors(self, rates: Rates) -> FloatArray:
        """Return what large neurons err with the rates at the highest voltage, shape (conditions, distances)."""
        found = [
            neuron_errors(LARGE_CELLS, float(rate), CLOCKS[self.clock])[:_DISTANCES] for rate in rates.station[:, -1]
        ]
        self.emit(
            "array", {"name": "neuron_error", "data": np.array(found), "dims": ("condition", "distance"), "unit": "1"}
        )
        self.emit("array", {"name": "distance", "data": np.arange(_DISTANCES), "dims": ("distance",), "unit": "1"})
        return np.array(found)

    def _accuracies(self, images: Images, network: BinaryNetwork, rates: Rates) -> Mapping[str, FloatArray]:
        """Return accuracies by what the bridges do: in software, without errors, at 0.3 %, and as measured."""
        settings = {WITHOUT_ERROR: 0.0, AT_TARGET: TARGET_ERROR}
        for condition, of_voltage in enumerate(rates.station, start=1):
            for place in sorted({0, len(of_voltage) - 1}):
                settings[f"condition {condition}, {rates.levels_v[place]:g} V"] = float(of_voltage[place])
        software = partial(network.accuracy, images.x_test, images.y_test)
        found = {SOFTWARE: np.array([self.computed("software", lambda: {"accuracy": software()})["accuracy"]])}
        with self.part(f"classify {len(images.y_test)} images with neurons that err", 0.22) as report:
            first = network.sums(1, network.first_signs(images.x_test))
            for number, (setting, rate) in enumerate(settings.items()):
                part = partial(_report_turn, report, number, len(settings))
                draw = partial(erring_accuracies, network, first, images.y_test, rate, self, number, part)
                found[setting] = np.array(list(self.computed("accuracy", draw, setting=setting).values()))
        errors, curve = np.array(list(settings.values())), np.stack([found[setting] for setting in settings])
        order = np.argsort(errors, kind="stable")
        self.emit("array", {"name": "error", "data": errors[order], "dims": ("error",), "unit": "1"})
        self.emit("array", {"name": "accuracy", "data": curve[order], "dims": ("error", "draw"), "unit": "1"})
        return found

    def _lost(
        self,
        strong: MeasuredBridges,
        is_positive: npt.NDArray[np.bool_],
        is_good: npt.NDArray[np.bool_],
        level_v: float,
    ) -> dict[int, tuple[FloatArray, FloatArray]]:
        """Return counts that a current-summing read-out loses, and shifts of bridges (V), by the number of cells."""
        low_ohm, high_ohm = (one[:, is_good].ravel() for one in apart_ohm(strong.cells_ohm, is_positive))
        found = {}
        with self.part("compare with a read-out that adds up currents", 0.05) as report:
            for place, cells in enumerate(_DROP_CELLS):
                rng = np.random.default_rng([self.seed, cells])
                drawn = rng.integers(0, len(low_ohm), cells)
                agrees = rng.random((_DROP_PATTERNS, cells)) < 0.5
                lost = lost_counts(low_ohm[drawn], high_ohm[drawn], agrees, segment_ohm=self.segment)
                shifts_v = bridge_shifts_v(
                    low_ohm[drawn], high_ohm[drawn], level_v, segment_ohm=self.segment, segments=cells
                )
                found[cells] = (lost, shifts_v)
                report((place + 1) / len(_DROP_CELLS))
        data = np.stack([lost for lost, _ in found.values()])
        self.emit("array", {"name": "lost_counts", "data": data, "dims": ("cells", "pattern"), "unit": "1"})
        self.emit("array", {"name": "cells", "data": np.array(_DROP_CELLS), "dims": ("cells",), "unit": "1"})
        return found


def _report_turn(report: Callable[[float], None], turn: int, turns: int, done: float) -> None:
    report((turn + done) / turns)


def _told(program: BridgeProgram) -> str:
    return (
        f"SET {program.set_v:.3g} V with the gate at {program.gate_set_v:.3g} V, RESET {program.reset_v:.3g} V, "
        f"{program.width_s * 1e6:.3g} us"
    )
