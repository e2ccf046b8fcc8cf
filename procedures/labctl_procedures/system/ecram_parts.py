"""What the ECRAM system computes beside its instruments: figures of updates, programmed dies, training on the array.

Not here: what goes through instruments (:mod:`labctl_procedures.system.ecram`), figures beside those of the paper
(``ecram_figures``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.analysis.update_curves import neurosim_label, step_spread, update_figures
from labctl.analysis.vector_multiplication import multiplication_error
from labctl.networks.images import Images
from labctl.networks.perceptron import Perceptron, classified
from labctl.networks.physics_array import PhysicsArray
from labctl.networks.read_out import CurrentScaling, calibrated_ratios
from labctl.networks.tiki_taka import EcramLayer, PulseTraining, Reference, train_plain, train_tiki_taka
from labctl.networks.tiled_layer import TiledLayer
from labctl.physics.presets import Preset
from labctl.tuning.counted_pulses import program_by_count

__all__ = [
    "EXPECTED",
    "MIRROR_SPREAD",
    "TRAININGS",
    "ColumnErrors",
    "Training",
    "column_errors",
    "expected_updates",
    "largest_input",
    "layer_accuracies",
    "programmed_block",
    "trained_layer",
    "update_summary",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Training:
    """A way to train.

    Attributes
    ----------
    array : str
        Name of its accuracies in the run file.
    reference : "symmetry", "convergence" or None
        Where the weight 0 lies; None where nothing is shifted and there is no fast array.
    """

    array: str
    reference: Reference | None


TRAININGS: Mapping[str, Training] = {
    "plain": Training("trained_plain", None),
    "TTv2, zero at the symmetry point": Training("trained_symmetry", "symmetry"),
    "TTv2, zero at the convergence point": Training("trained_convergence", "convergence"),
}
"""Ways to train, by what they are called."""
EXPECTED = ("asymmetry", "inl_up", "inl_down")
"""Figures of :func:`update_summary` that the device file foretells."""
MIRROR_SPREAD = 0.01
"""By how much mirrors differ from their nominal ratio; assumed."""
# per cent of the inputs of a layer that are not larger than the largest number stands for
_LARGEST_INPUT = 99.9
# they are calibrated at this part of each range
_CALIBRATED_AT = 0.9
_DAY_S = 86400.0
# NeuroSim's label over the integral non-linearity
# dies of fast and slow arrays are different ones
_OTHER_DIE = 1000


@dataclass(frozen=True, slots=True)
class ColumnErrors:
    """Root mean square errors of sums over random vectors, one for each column, over full scale.

    Attributes
    ----------
    own : ndarray, shape (columns,), unit 1
        Against what the cells said one by one.
    targets : ndarray, shape (columns,), unit 1
        Against the conductances that were wanted.
    read_out : ndarray, shape (columns,), unit 1
        The same after the computed read-out chain.
    vectors : int
    """

    own: FloatArray
    targets: FloatArray
    read_out: FloatArray
    vectors: int


def update_summary(potentiation_s: FloatArray, depression_s: FloatArray) -> dict[str, float]:
    """Return the figures of updates; the first cycle, which comes from where the cell stood, is left out.

    Parameters
    ----------
    potentiation_s, depression_s : ndarray, shape (cells, cycles, pulses + 1), unit S

    Returns
    -------
    dict of str to float, unit 1
        Means over cells and cycles: ``r_squared_up``, ``r_squared_down`` (of a straight line over the pulses);
        ``inl_up``, ``inl_down``, ``asymmetry``, ``mean_asymmetry`` (noise of readings and steps is in them); ``nl_up``,
        ``nl_down`` (NeuroSim's labels of an exponential fit, with their signs; 0 where noise explains the curve);
        ``cycle_spread`` (of one step, over the range);
        ``device_spread`` (of the mean step of a cell). In S: ``up_step``, ``down_step``, ``range``.
    """
    ups, downs = potentiation_s[:, 1:], depression_s[:, 1:]
    pairs = [
        (one, other)
        for cell in range(len(ups))
        for one, other in zip(ups[cell], downs[cell], strict=True)
        if np.isfinite(one).all() and np.isfinite(other).all()
    ]
    figures = [update_figures(one, other) for one, other in pairs]
    gaps = [np.abs(one - other[::-1]) / np.ptp(np.concatenate([one, other])) for one, other in pairs]
    steps = {
        "up": np.diff(ups, axis=2).mean(axis=(1, 2)),
        "down": -np.diff(downs, axis=2).mean(axis=(1, 2)),
    }
    spreads = [step_spread(branch) for branches in (ups, downs) for branch in branches if len(branch) > 2]
    mean_steps = 0.5 * (steps["up"] + steps["down"])
    return {
        "r_squared_up": float(np.mean([_r_squared(one) for one, _ in pairs])),
        "r_squared_down": float(np.mean([_r_squared(other) for _, other in pairs])),
        "inl_up": float(np.mean([_inl(one) for one, _ in pairs])),
        "inl_down": float(np.mean([_inl(other) for _, other in pairs])),
        "nl_up": float(np.mean([_fitted_label(one.curvature_up) for one in figures])),
        "nl_down": float(np.mean([_fitted_label(one.curvature_down) for one in figures])),
        "asymmetry": float(np.mean([gap.max() for gap in gaps])),
        "mean_asymmetry": float(np.mean([gap.mean() for gap in gaps])),
        "cycle_spread": float(np.mean(spreads)) if spreads else float("nan"),
        "device_spread": float(mean_steps.std(ddof=1) / mean_steps.mean()) if len(mean_steps) > 1 else float("nan"),
        "up_step": float(np.mean(steps["up"])),
        "down_step": float(np.mean(steps["down"])),
        "range": float(np.mean([one.range_s for one in figures])),
    }


def expected_updates(
    preset: Preset,
    *,
    cells: int,
    cycles: int,
    pulses: int,
    gates: tuple[float, float, float],
    read_voltage_v: float,
    sets: int,
    seed: int,
    report: Callable[[float], None],
) -> dict[str, float]:
    """Return the figures of the same updates on many sets of fresh cells that are physics alone.

    Parameters
    ----------
    preset : Preset
        Device file.
    cells : int
        Of a set.
    cycles, pulses : int
        As they were measured.
    gates : tuple of three floats
        Voltage up and down, unit V, and width, unit s.
    read_voltage_v : float, unit V
    sets : int
    seed : int
        Of the cells.
    report : callable
        Told the part that is done, 0 to 1, after each pulse; may raise to stop.

    Returns
    -------
    dict of str to float, unit 1
        ``asymmetry 1`` and so on: a figure of :func:`update_summary`, and the number of its set.
    """
    array = PhysicsArray(preset, sets, cells, seed, read_voltage_v=read_voltage_v)
    every = list(np.ndindex(sets, cells))
    curves_s = np.empty((2, len(every), cycles, pulses + 1))
    for cycle in range(cycles):
        for branch, (branch_s, gate_v) in enumerate(zip(curves_s, gates[:2], strict=True)):
            branch_s[:, cycle, 0] = array.read_cells(every)
            for pulse in range(1, pulses + 1):
                array.pulse_cells(every, gate_v, gates[2])
                branch_s[:, cycle, pulse] = array.read_cells(every)
                report((2 * cycle + branch + pulse / pulses) / (2 * cycles))
    found: dict[str, float] = {}
    for number in range(sets):
        one = update_summary(*curves_s[:, number * cells : (number + 1) * cells])
        found |= {f"{name} {number + 1}": one[name] for name in EXPECTED}
    return found


def column_errors(
    vectors: npt.NDArray[np.bool_],
    measured_a: FloatArray,
    weights_s: FloatArray,
    target_s: FloatArray,
    *,
    read_voltage_v: float,
    scaling: CurrentScaling,
    seed: int,
) -> tuple[ColumnErrors, FloatArray, int]:
    """Return the errors of measured sums, and put the sums through a read-out chain with mirrors that differ.

    Parameters
    ----------
    vectors : ndarray of bool, shape (vectors, rows)
    measured_a : ndarray, shape (vectors, columns), unit A
        NaN where there is no reading.
    weights_s, target_s : ndarray, shape (rows, columns), unit S
        What cells said one by one; what was wanted, NaN where no device is, which then counts as what it said.
    read_voltage_v : float, unit V
    scaling : CurrentScaling
    seed : int
        Of the mirrors.

    Returns
    -------
    ColumnErrors
    ndarray, shape (vectors, columns), unit 1
        Ratio of each conversion.
    int
        Conversions.
    """
    nominal = np.asarray(scaling.ratios)
    drawn = np.random.default_rng(seed).normal(size=(measured_a.shape[1], nominal.size))
    # the codes count in units of the smallest ratio: its mirror is exact
    true = nominal * (1.0 + MIRROR_SPREAD * drawn * (nominal > 1.0))
    reference_a = _CALIBRATED_AT * nominal * scaling.step_a * (2**scaling.bits - 1)
    known = calibrated_ratios(scaling, true, reference_a)
    converted = scaling.convert(np.nan_to_num(measured_a), true_ratios=true, known_ratios=known)
    wanted_s = np.where(np.isfinite(target_s), target_s, weights_s)

    def error(current_a: FloatArray, matrix_s: FloatArray) -> FloatArray:
        return multiplication_error(
            read_voltage_v * vectors.astype(float),
            current_a,
            matrix_s,
            largest_conductance_s=float(np.max(matrix_s)),
            largest_voltage_v=read_voltage_v,
        ).rms

    read_out_a = np.where(np.isfinite(measured_a), converted.current_a, np.nan)
    errors = ColumnErrors(
        error(measured_a, weights_s), error(measured_a, wanted_s), error(read_out_a, wanted_s), len(vectors)
    )
    return errors, converted.ratio, converted.conversions


def layer_accuracies(
    images: Images,
    network: Perceptron,
    layer: TiledLayer,
    block_s: FloatArray,
    chain: tuple[float, CurrentScaling] | None,
) -> dict[str, float]:
    """Classify the test images with conductances in place of the last layer.

    Parameters
    ----------
    images : Images
    network : Perceptron
        Its other layers and all biases are used as they are.
    layer : TiledLayer
    block_s : ndarray, shape as that of the layer, unit S
    chain : (float, CurrentScaling) or None
        Read voltage, unit V, and read-out chain of the sums.

    Returns
    -------
    dict of str to float, unit 1
        ``weights``: with exact sums and inputs; with a chain ``read_out``: with bits of inputs and codes of sums.
    """
    inputs, biases = network.layer_outputs(images.x_test)[-2], network.biases[-1]
    outputs = {"weights": inputs @ layer.weights_of(block_s) + biases}
    if chain is not None:
        read_voltage_v, scaling = chain
        sums_a = layer.computed_sums_a(inputs, block_s, read_voltage_v=read_voltage_v, scaling=scaling)
        outputs["read_out"] = layer.outputs(sums_a, read_voltage_v=read_voltage_v) + biases
    return {name: float(np.mean(classified(one) == images.y_test)) for name, one in outputs.items()}


def programmed_block(
    preset: Preset,
    target_s: FloatArray,
    seed: int,
    *,
    shape: tuple[int, int],
    read_voltage_v: float,
    pulses: tuple[float, float, float],
    steps_s: tuple[float, float],
    corrections: int,
) -> FloatArray:
    """Program a block of a fresh die that is physics alone, in the same way as through instruments, and read it.

    Parameters
    ----------
    preset : Preset
    target_s : ndarray, shape (rows, columns), unit S
        NaN where no device is wanted.
    seed : int
        Of the die.
    shape : tuple of two ints
        Of the die.
    read_voltage_v : float, unit V
    pulses : tuple of three floats
        Gate voltage up and down, unit V, and width, unit s.
    steps_s : tuple of two floats, unit S
        Mean change by a pulse up and by one down.
    corrections : int

    Returns
    -------
    ndarray, shape (rows, columns), unit S
        NaN where no device was wanted.
    """
    array = PhysicsArray(preset, *shape, seed, read_voltage_v=read_voltage_v)
    cells = [(int(row), int(column)) for row, column in np.argwhere(np.isfinite(target_s))]
    up_v, down_v, width_s = pulses

    def give(chosen: Sequence[Cell], counts: IntArray) -> None:
        for voltage_v, wanted in ((up_v, counts), (down_v, -counts)):
            for turn in range(int(wanted.max(initial=0))):
                due = [cell for cell, count in zip(chosen, wanted, strict=True) if count > turn]
                array.pulse_cells(due, voltage_v, width_s)

    found_s, _ = program_by_count(
        cells,
        np.array([target_s[cell] for cell in cells]),
        read=array.read_cells,
        give=give,
        up_step_s=steps_s[0],
        down_step_s=steps_s[1],
        corrections=corrections,
    )
    block_s = np.full(target_s.shape, np.nan)
    for cell, value_s in zip(cells, found_s, strict=True):
        block_s[cell] = value_s
    return block_s


def trained_layer(
    preset: Preset,
    way: str,
    network: Perceptron,
    images: Images,
    *,
    part_of_range: float,
    rates: tuple[float, float],
    seed: int,
    report: Callable[[float], None],
) -> dict[str, float]:
    """Train the last layer of a network on fresh dies from weights of 0, and classify the test images.

    Parameters
    ----------
    preset : Preset
    way : str
        One of :data:`TRAININGS`.
    network : Perceptron
        Its other layers are used as they are. How large its last weights are scales the outputs, which must be
        reached with weights inside the range of the cells; nothing else of that layer is used, biases are 0.
    images : Images
        Each of the training part is shown once.
    part_of_range : float, unit 1
        Of the states of the cells that such a weight shall take.
    rates : tuple of two floats, unit 1
        Learning and transfer rate; see :class:`labctl.networks.tiki_taka.PulseTraining`.
    seed : int
        Of dies, order and trains.
    report : callable
        Told the part that is done; may raise to stop.

    Returns
    -------
    dict of str to float, unit 1
        ``accuracy`` at the end of the training, ``accuracy_after_a_day`` of rest; ``points_apart``: root mean square
        distance of symmetry and convergence points over the range of states (Tiki-Taka only).
    """
    shown, tested = (network.layer_outputs(one)[-2].astype(np.float64) for one in (images.x_train, images.x_test))
    largest = largest_input(shown)
    shown, tested = (np.clip(one / largest, 0.0, 1.0) for one in (shown, tested))
    scale = largest * float(np.abs(network.weights[-1]).max()) / part_of_range
    settings = PulseTraining(rates[0], scale, transfer_rate=rates[1])
    reference, shape = TRAININGS[way].reference, network.weights[-1].shape
    slow = EcramLayer(preset, shape[0], shape[1], seed)
    found: dict[str, float] = {}
    if reference is None:
        train_plain(slow, shown, images.y_train, settings, seed=seed, report=report)
    else:
        fast = EcramLayer(preset, shape[0], shape[1], seed + _OTHER_DIE)
        distances = [layer.shift_zero(reference) for layer in (fast, slow)]
        span = preset["update.w_max"] - preset["update.w_min"]
        found["points_apart"] = float(np.sqrt(np.mean(np.square(distances)))) / span
        train_tiki_taka(fast, slow, shown, images.y_train, settings, seed=seed, report=report)
    for name, rest_s in (("accuracy", 0.0), ("accuracy_after_a_day", _DAY_S)):
        right = np.argmax(tested @ slow.weights(rest_s), axis=1) == images.y_test
        found[name] = float(np.mean(right))
    return found


def largest_input(inputs: npt.NDArray[np.floating]) -> float:
    """Return which input of a layer the largest binary number, or pulse rate, stands for.

    Parameters
    ----------
    inputs : ndarray, shape (n, inputs), unit 1
        Of the training images.

    Returns
    -------
    float, unit of the inputs
        Few are larger, and count as it.
    """
    return float(np.percentile(inputs, _LARGEST_INPUT))


def _fitted_label(curvature: float | None) -> float:
    if curvature is None:
        return 0.0
    return float(np.copysign(neurosim_label(abs(curvature)), curvature))


def _inl(branch: FloatArray) -> float:
    """Return the largest distance of the normalised branch from a straight line."""
    normal = (branch - branch[0]) / (branch[-1] - branch[0])
    return float(np.abs(normal - np.linspace(0.0, 1.0, branch.size)).max())


def _r_squared(branch: FloatArray) -> float:
    """Return how much of a branch a straight line over its pulses explains."""
    place = np.arange(branch.size)
    rest = branch - np.polyval(np.polyfit(place, branch, 1), place)
    return float(1.0 - rest.var() / branch.var())
