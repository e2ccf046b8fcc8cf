"""The figures of the ECRAM system beside those of Um 2024.

Not here: how they are had (:mod:`labctl_procedures.system.ecram`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labctl.analysis.reproduction import Figure, spread_figure
from labctl.networks.tiled_layer import TiledLayer
from labctl_procedures.system.ecram_parts import MIRROR_SPREAD, ColumnErrors

__all__ = ["PAPER", "Accuracies", "array_figures", "assumptions", "network_figures"]

PAPER = "Um et al., IEEE Trans. Biomed. Circuits Syst. 19 (3) 590 (2025), doi:10.1109/TBCAS.2024.3465610"
PAPER_ERROR, PAPER_SOFTWARE, PAPER_ACCURACY = 0.0259, 0.9778, 0.973

_SOURCE = "abstract of the paper"
_TARGETS = "acceptance of this reproduction"
_LARGEST_LOSS, _LARGEST_ASYMMETRY = 0.005, 0.1
# standard deviations of the sets of cells that a measured figure may be away from their mean
_BAND = 2.0

FloatArray = npt.NDArray[np.float64]


@dataclass(slots=True)
class Accuracies:
    """Parts of the test images that were classified rightly, one for each network, unit 1.

    Attributes
    ----------
    software, quantised : list of float
        Trained weights; those rounded to levels.
    measured : dict of str to float
        With what was read of the die of the station: ``weights``, and ``read_out`` with the read-out chain.
    physics : list of dict of str to float
        The same of further dies, physics alone.
    images, images_right, images_agreed : int
        Whose sums were measured; classified rightly; classified as computed from the conductances.
    """

    software: list[float]
    quantised: list[float]
    measured: dict[str, float]
    physics: list[dict[str, float]]
    images: int = 0
    images_right: int = 0
    images_agreed: int = 0


def array_figures(
    update: Mapping[str, float],
    expected: Mapping[str, Sequence[float]],
    residual: FloatArray,
    errors: ColumnErrors,
    *,
    device: str,
) -> list[Figure]:
    """Return the figures of the array.

    Parameters
    ----------
    update : mapping of str to float
        From ``update_summary``.
    expected : mapping of str to sequence of float
        The same of sets of cells that are physics alone, by the names of ``EXPECTED``.
    residual : ndarray, unit 1
        Conductance less target, over the range of levels; NaN where there is no device.
    errors : ColumnErrors
    device : str
        Name of the device file.

    Returns
    -------
    list of Figure
    """

    def measured(quantity: str, values: Sequence[float] | FloatArray, unit: str = "%", **told: Any) -> Figure:
        named = {"over": "dies", "source": _TARGETS, "way": "instruments"} | told
        return spread_figure(quantity, unit, list(values), **named)

    def worst(quantity: str, columns: FloatArray, **told: Any) -> Figure:
        largest = float(np.nanmax(columns))
        return measured(
            quantity,
            [largest],
            paper=PAPER_ERROR,
            rule="at most 2.59 %",
            holds=largest <= PAPER_ERROR,
            source=_SOURCE,
            **told,
        )

    def foretold(name: str, quantity: str, unit: str, note: str) -> list[Figure]:
        alone = np.asarray(expected[name], dtype=float)
        distance = abs(update[name] - float(alone.mean()))
        return [
            measured(
                quantity,
                [update[name]],
                unit=unit,
                rule="within two standard deviations of what the device file gives",
                holds=distance <= _BAND * float(alone.std(ddof=1)),
                note=note,
            ),
            measured(
                quantity,
                alone,
                unit=unit,
                way="physics",
                over="sets of cells",
                source="",
                note=f"what {device} gives for as many cells, pulses and cycles",
            ),
        ]

    over = f"{errors.vectors} random vectors; mean of the columns "
    return [
        measured("R^2 of the pulses up", [update["r_squared_up"]], "1"),
        measured("R^2 of the pulses down", [update["r_squared_down"]], "1"),
        *foretold("inl_up", "integral non-linearity, up", "%", "of the range"),
        *foretold("inl_down", "integral non-linearity, down", "%", "of the range"),
        *(
            measured(
                f"non-linearity NL of an exponential fit, {way}",
                [update[f"nl_{way}"]],
                "1",
                note="NeuroSim's label of the fitted A / N, mean of cells and cycles, above 0 where early steps are "
                f"larger; 10.1 times the integral non-linearity is {10.1 * update[f'inl_{way}']:.2f}",
            )
            for way in ("up", "down")
        ),
        *foretold(
            "asymmetry",
            "asymmetry of up and down",
            "1",
            "largest distance of the branches over the range, mean of cells and cycles; mean distance "
            f"{update['mean_asymmetry']:.3f}; a step that shrinks faster downwards than upwards makes it",
        ),
        measured(
            "asymmetry of up and down, as an update that is called symmetric",
            [update["asymmetry"]],
            unit="1",
            rule="below 0.1",
            holds=update["asymmetry"] < _LARGEST_ASYMMETRY,
            note="the paper claims symmetric updates without a number",
        ),
        measured("spread of a step from cycle to cycle", [update["cycle_spread"]], note="over the range"),
        measured("spread of the step from device to device", [update["device_spread"]]),
        measured(
            "programming error, root mean square",
            [float(np.sqrt(np.nanmean(residual**2)))],
            note="of the range of the levels, open loop and corrections",
        ),
        worst(
            "error of the worst column",
            errors.own,
            note=f"{over}{float(np.nanmean(errors.own)):.3%}; against what the cells said one by one",
        ),
        worst(
            "error of the worst column against the targets",
            errors.targets,
            note=f"{over}{float(np.nanmean(errors.targets)):.3%}; programming, retention and read-out",
        ),
        worst(
            "error of the worst column with the read-out chain",
            errors.read_out,
            way="readings",
            note=f"{over}{float(np.nanmean(errors.read_out)):.3%}; measured sums through a computed chain",
        ),
    ]


def network_figures(
    images: str, accuracies: Accuracies, trained: Mapping[str, Sequence[Mapping[str, float]]], *, images_shown: int
) -> list[Figure]:
    """Return the figures of the network; without a comparison where the images are not those of the paper.

    Parameters
    ----------
    images : str
        Name of the set.
    accuracies : Accuracies
    trained : mapping of str to sequence of mapping
        Accuracies of training on the array, by its way.
    images_shown : int
        In that training.

    Returns
    -------
    list of Figure
    """
    is_papers = images == "mnist"
    title = images.upper() if is_papers else images

    def accuracy(quantity: str, values: Sequence[float], **told: Any) -> Figure:
        named = {"over": "networks", "source": _SOURCE, "way": "computed"} | told
        if not is_papers:
            named |= {"paper": None, "rule": "", "holds": None}
        return spread_figure(f"{title} accuracy {quantity}", "%", list(values), **named)

    losses = [before - after["read_out"] for before, after in zip(accuracies.software, accuracies.physics, strict=True)]
    on_station = accuracies.software[0] - accuracies.measured["read_out"]
    limit = {"rule": "at most 0.5 points", "source": _TARGETS}
    found = [
        accuracy("in software", accuracies.software, paper=PAPER_SOFTWARE),
        accuracy("with the layer in levels, no error", accuracies.quantised),
        accuracy(
            "with the layer that was read",
            [accuracies.measured["read_out"]],
            paper=PAPER_ACCURACY,
            rule="at most 0.5 points below the paper",
            holds=accuracies.measured["read_out"] >= PAPER_ACCURACY - _LARGEST_LOSS,
            way="readings",
            note="conductances read through instruments, first network; images, sums and read-out chain computed; "
            f"exact sums: {accuracies.measured['weights']:.2%}",
        ),
        accuracy(
            "lost by the layer that was read",
            [on_station],
            holds=on_station <= _LARGEST_LOSS,
            way="readings",
            note="from software to the computed read-out chain, first network",
            **limit,
        ),
        accuracy(
            "with the layer on further dies",
            [one["read_out"] for one in accuracies.physics],
            paper=PAPER_ACCURACY,
            way="physics",
            note="one network and one die each, without wires",
        ),
        accuracy(
            "lost by the layer on further dies",
            losses,
            holds=float(np.mean(losses)) <= _LARGEST_LOSS,
            way="physics",
            **limit,
        ),
    ]
    if accuracies.images:
        count = accuracies.images
        found.append(
            spread_figure(
                f"{title} images with measured sums: classes as computed",
                "%",
                [accuracies.images_agreed / count],
                over="dies",
                way="instruments",
                source=_TARGETS,
                note=f"{count} images bit by bit through the array, {accuracies.images_right} classified rightly",
            )
        )
    for way, runs in trained.items():
        day = float(np.mean([one["accuracy_after_a_day"] for one in runs]))
        apart = [one["points_apart"] for one in runs if "points_apart" in one]
        note = f"{images_shown} images, each shown once; after a day of rest {day:.2%}"
        if apart:
            note += f"; symmetry and convergence points {float(np.mean(apart)):.2%} of the range apart"
        found.append(
            accuracy(
                f"trained on the array: {way}",
                [one["accuracy"] for one in runs],
                way="physics",
                source="not in the abstract of the paper",
                note=note,
            )
        )
    return found


def assumptions(
    layer: TiledLayer,
    network: str,
    *,
    device: str,
    columns: int,
    pulses: tuple[float, float, float],
    chain: str,
) -> list[str]:
    """Say what the run took for granted.

    Parameters
    ----------
    layer : TiledLayer
    network : str
        Sizes of its layers, without the inputs.
    device : str
        Name of the device file.
    columns : int
        Of the die.
    pulses : tuple of three floats
        Gate voltage up and down, unit V, and width, unit s.
    chain : str
        Converter and ratios, in words.

    Returns
    -------
    list of str
    """
    up_v, down_v, width_s = pulses
    tiles = "1 tile" if len(layer.tiles) == 1 else f"{len(layer.tiles)} tiles side by side"
    return [
        f"Gate pulses of {up_v:.3g} and {down_v:.3g} V, {width_s * 1e3:.4g} ms, and 15 to 30 µS: those of a sibling "
        "device (Nat. Commun. 2023, s41467-023-41958-4); the paper's are not public.",
        f"{tiles}, {layer.weights.values.shape[1]} columns of weights and one of references in each: {layer.shape[1]} "
        f"of {columns} columns. The paper's mapping is not public.",
        f"{layer.levels} levels from {layer.g_min_s * 1e6:.4g} to {layer.g_max_s * 1e6:.4g} µS, where all cells of the "
        "die can go, a weight 0 in the middle.",
        f"The network before the layer, inputs-{network}, rectified, in software, as are biases; inputs of the layer "
        f"come as {layer.input_bits} bits, one after another.",
        "Through the instruments current scaling is the automatic range of the source-measure unit; the chip's own "
        f"chain is computed: {chain}, mirrors that differ by {MIRROR_SPREAD:.0%} and are calibrated with a known "
        "current.",
        "Error of a column: (measured - ideal) / (inputs x largest conductance x read voltage), root mean square over "
        "vectors of zeros and ones; the paper's definition is not public.",
        "Training on the array: every coincidence of trains is a nominal pulse, references and readings are exact, a "
        "train in each direction goes with every image, and retention goes on meanwhile.",
        "The default rates of learning (of 0.005 to 0.4) and of transfer (of 0.125 to 2) were chosen on the last "
        "10,000 training images of MNIST, held out, with 3 networks that had not seen them: the best mean of plain "
        "learning, and that of both forms of TTv2. No test image took part.",
        "No current flows into a gate, so that its pulses take no energy; the channels of the column carry a current "
        "at half of the voltage meanwhile, each taken to conduct what the cell does.",
        "The 5.9 mW of the chip's own electronics cannot be measured by the suite; it is the paper's.",
        "The paper claims linear and symmetric updates without a number. The soft bounds of the device file "
        "um2024_ecram are those fitted to another ECRAM (Tang et al., IEDM 2018): 0.12 upwards and 0.51 downwards, "
        "which by themselves give an asymmetry of 0.18; with 0.05 to 0.1 both ways, and the same spreads, four cells "
        "would have 0.10 to 0.12.",
        f"What a simulated cell is like (update law, spreads, retention) is assumed where the device file {device} "
        "says so.",
    ]
