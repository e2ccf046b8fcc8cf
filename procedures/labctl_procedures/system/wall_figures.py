"""The figures of the domain-wall synapse beside those of Dhull 2024 and of the group's sibling devices.

Not here: how they are had (:mod:`labctl_procedures.system.domain_wall`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labctl.analysis.distributions import binomial_yield
from labctl.analysis.reproduction import Figure, spread_figure
from labctl.analysis.synapse_costs import Cost
from labctl.errors import RunError
from labctl_procedures.system.wall_extraction import Extracted, Pulses

__all__ = ["ONE_STEP", "PAPER", "TWO_STEPS", "accuracy_figures", "cost_figures", "device_figures", "vgg8_figures"]

FloatArray = npt.NDArray[np.float64]

PAPER = "Dhull et al., IEEE TNNLS 36 (3), 4996 (2025), doi:10.1109/TNNLS.2024.3369969"
ONE_STEP = ((1.1, 10e-9), (1.1, 12e-9), (1.2, 10e-9), (1.2, 12e-9))
"""Amplitude in parts of the depinning voltage, and width in s, at which a pulse must move a wall by one state."""
TWO_STEPS = ((1.1, 20e-9), (1.2, 20e-9))
"""The same for two states."""

_TARGETS = "acceptance of this reproduction"
_TABLE = "a Monte-Carlo table of the same law, made independently, not the paper"
# 4 million trials each of a plain Monte Carlo of the law, as in tests/system/test_system_domain_wall.py, and its error
_LAW: Mapping[tuple[float, float], tuple[float, float]] = {
    (1.1, 10e-9): (0.99145, 0.00005),
    (1.1, 12e-9): (0.99639, 0.00003),
    (1.2, 10e-9): (0.99695, 0.00003),
    (1.2, 12e-9): (0.98900, 0.00005),
    (1.1, 20e-9): (0.97598, 0.00008),
    (1.2, 20e-9): (0.99429, 0.00004),
}
# the device file whose law that is
_LAW_OF = "dhull2024_domain_wall"
# of one state the acceptance figure, of two, for which it says no number, that of the table
_LEAST: Mapping[tuple[float, float], float] = {**dict.fromkeys(ONE_STEP, 0.99), (1.1, 20e-9): 0.97, (1.2, 20e-9): 0.99}
_LARGEST_LOSS = 0.01
_EQUAL, _SPREAD_BAND, _CYCLES = 0.02, 0.1, (0.01, 0.03)
_PAPER_TRAINING, _PAPER_INFERENCE = 0.924, 0.904


def device_figures(
    measured: Extracted, physics: Sequence[Extracted], pulses: Pulses, *, states: int, spread: float
) -> list[Figure]:
    """Return the figures of the devices.

    Parameters
    ----------
    measured : Extracted
        Through instruments.
    physics : sequence of Extracted
        Of dies that are physics alone.
    pulses : Pulses
    states : int
        That the device file says.
    spread : float, unit 1
        Of the notches, that the device file says.

    Returns
    -------
    list of Figure
    """
    found: list[Figure] = []
    for part, width_s in (*ONE_STEP, *TWO_STEPS):
        number, steps = pulses.number(part, width_s), 1 if (part, width_s) in ONE_STEP else 2
        far, source = ("one state", _TARGETS) if steps == 1 else ("two", _TABLE)
        name = f"pulses of {part:g} Jc, {width_s * 1e9:g} ns that move a wall by {far}"
        least = _LEAST[part, width_s]
        judged: dict[str, Any] = {"rule": f"at least {100.0 * least:g} %", "source": source}
        dies = [float(one.trials.chances(number)[steps]) for one in physics]
        found.append(
            spread_figure(
                name,
                "%",
                dies,
                over="dies",
                way="physics",
                holds=float(np.mean(dies)) >= least,
                note=_law_told(part, width_s),
                **judged,
            )
        )
        counts = measured.trials.steps[number].sum(axis=0)
        found.append(_measured_steps(name, int(counts[steps]), int(counts.sum()), least, judged))
    counted = len(measured.states.centre)
    cycles = [_cycle_spread(one, counted) for one in physics]
    spreads = [one.depinning.spread for one in physics]
    return [
        *found,
        spread_figure(
            "pinned states",
            "1",
            [float(counted)],
            over="devices",
            way="instruments",
            source="Misba et al. 2022 (co-authors): nominally 5 states; the paper's own number is not known",
            rule="as many as the device file has notches",
            holds=counted == states,
        ),
        spread_figure(
            "largest deviation of a state from equal distances",
            "%",
            [measured.states.unequal],
            over="devices",
            way="instruments",
            source=_TARGETS,
            rule=f"at most {100.0 * _EQUAL:g} % of a distance",
            holds=measured.states.unequal <= _EQUAL,
        ),
        spread_figure(
            "cycle-to-cycle variation, sqrt(P0 + P2) / states",
            "%",
            cycles,
            over="dies",
            way="physics",
            source="about 2 %, measured by Hsin et al., Adv. Sci. 2025, PMC12165024, on another kind of device",
            rule="1 to 3 %",
            holds=_CYCLES[0] <= float(np.mean(cycles)) <= _CYCLES[1],
            note="of the programming pulse",
        ),
        spread_figure(
            "cycle-to-cycle variation, sqrt(P0 + P2) / states",
            "%",
            [_cycle_spread(measured, counted)],
            over="devices",
            way="instruments",
            source="as above",
        ),
        spread_figure(
            "spread of the critical current between notches",
            "%",
            spreads,
            over="dies",
            way="physics",
            source="assumed in the device file; the paper's is not known",
            rule=f"within a tenth of the {100.0 * spread:g} % that the device file has",
            holds=abs(float(np.mean(spreads)) / spread - 1.0) <= _SPREAD_BAND if spread > 0.0 else None,
            note="shows that the extraction finds what is there",
        ),
        spread_figure(
            "spread of the critical current between notches",
            "%",
            [measured.depinning.spread],
            over="devices",
            way="instruments",
            source="as above",
            note=f"{measured.depinning.notches} notches",
        ),
    ]


def _law_told(part: float, width_s: float) -> str:
    value, error = _LAW[part, width_s]
    return f"the law of {_LAW_OF} gives {100.0 * value:.3f} ± {100.0 * error:.3f} % (4 million trials)"


def _measured_steps(name: str, moved: int, trials: int, least: float, judged: Mapping[str, Any]) -> Figure:
    part = binomial_yield(moved, trials)
    return spread_figure(
        name,
        "%",
        [part.value],
        over="devices",
        way="instruments",
        rule=judged["rule"],
        source=judged["source"],
        holds=part.value >= least,
        note=f"{moved} of {trials} pulses, 95 % interval {part.low:.1%} to {part.high:.1%}, the bar "
        f"{'is within' if part.low <= least <= part.high else 'is not within'} it; few notches, each with its own "
        "critical current",
    )


def _cycle_spread(extracted: Extracted, states: int) -> float:
    none, _, two = extracted.trials.chances(0)
    return float(np.sqrt(none + two) / states)


def accuracy_figures(title: str, found: Mapping[str, Sequence[Mapping[str, float]]], states: int) -> list[Figure]:
    """Return the figures of the perceptron.

    Parameters
    ----------
    title : str
        Of the images.
    found : mapping of str to sequence of mapping
        What :class:`labctl_procedures.system.wall_networks.WallTraining` returned for each network, by "float",
        "levels" and "walls".
    states : int
        Of a track.

    Returns
    -------
    list of Figure
    """

    def values(kind: str, name: str) -> list[float]:
        return [float(one[name]) for one in found[kind]]

    def accuracy(quantity: str, ours: Sequence[float], **told: Any) -> Figure:
        named = {"over": "networks", "way": "computed", "source": "the paper gives VGG8 on CIFAR-10 only"} | told
        return spread_figure(f"{title} accuracy {quantity}", "%", ours, **named)

    walls = values("walls", "trained")
    against_levels = [one - other for one, other in zip(values("levels", "trained"), walls, strict=True)]
    against_float = [one - other for one, other in zip(values("float", "trained"), walls, strict=True)]
    return [
        accuracy("with float weights", values("float", "trained")),
        accuracy(f"with {states} states that never miss", values("levels", "trained")),
        accuracy(f"trained on walls of {states} states", walls, note="at the extracted chances of a step"),
        accuracy(
            "lost by the devices",
            against_levels,
            source=_TARGETS,
            rule="at most 1 point",
            holds=float(np.mean(against_levels)) <= _LARGEST_LOSS,
            note="against the same network without device errors",
        ),
        accuracy(
            "lost against float weights",
            against_float,
            source=_TARGETS,
            rule="at most 1 point",
            holds=float(np.mean(against_float)) <= _LARGEST_LOSS,
        ),
        accuracy("after transfer to other devices", values("walls", "transferred"), note="written without a look"),
        accuracy(
            "after transfer with one look", values("walls", "looked"), note="walls beside their state pulsed once more"
        ),
    ]


def vgg8_figures(file: str) -> list[Figure]:
    """Return the paper's accuracies of VGG8, and beside them those of a file of ``labctl.networks.vgg8``.

    Parameters
    ----------
    file : str
        Empty for none.

    Returns
    -------
    list of Figure

    Raises
    ------
    RunError
        If the file is none of that script.
    """
    source, asked = "abstract of the paper", "not run here: `python -m labctl.networks.vgg8` (PyTorch), then vgg8_file"
    names = (("training", "trained", _PAPER_TRAINING), ("inference", "transferred", _PAPER_INFERENCE))
    if not file:
        return [
            spread_figure(
                f"VGG8 on CIFAR-10, {name}",
                "%",
                [],
                over="networks",
                way="computed",
                paper=paper,
                source=source,
                note=asked,
            )
            for name, _, paper in names
        ]
    try:
        held = json.loads(Path(file).read_text(encoding="utf-8"))
        runs = [one for one in held["runs"] if one["mode"] == "domain_wall"]
        told = (
            f"{held['images'][0]} training images, width {held['settings']['width']:g}, "
            f"{held['settings']['steps']} steps; the paper: 50,000 images, full width. Test images in both rows"
        )
        return [
            spread_figure(
                f"VGG8 on CIFAR-10, {name}",
                "%",
                [float(one[key]) for one in runs],
                over="networks",
                way="computed",
                paper=paper,
                source=source,
                note=f"{told}; inference is read as transfer to other devices" if key == "transferred" else told,
            )
            for name, key, paper in names
        ] + [
            spread_figure(
                f"VGG8 on CIFAR-10, {title}",
                "%",
                [float(one["trained"]) for one in held["runs"] if one["mode"] == mode],
                over="networks",
                way="computed",
                source="for comparison",
                note=told,
            )
            for mode, title in (("float", "float weights"), ("levels", "states that never miss"))
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"system.domain_wall: vgg8_file {file} is no result of labctl.networks.vgg8: {error!r}; give one, or none"
        ) from error


def cost_figures(walls: Cost, cmos: Cost, device_read_s: float) -> list[Figure]:
    """Return what the network costs on walls in parts of what it costs in CMOS.

    Parameters
    ----------
    walls, cmos : Cost
    device_read_s : float, unit s
        Assumed time of a reading, for the note.

    Returns
    -------
    list of Figure
    """
    unknown = "the abstract claims gains without factors that could be read; both sides from labctl_data/designs"
    named = (
        ("energy of an inference", "J", walls.inference_j, cmos.inference_j),
        ("time of an inference", "s", walls.inference_s, cmos.inference_s),
        ("energy to change a weight by one state", "J", walls.update_j, cmos.update_j),
        ("area", "m²", walls.area_m2, cmos.area_m2),
    )
    return [
        spread_figure(
            f"{name}, in parts of CMOS",
            "1",
            [ours / theirs],
            over="designs",
            way="computed",
            source=unknown,
            note=f"{ours:.3g} {unit} against {theirs:.3g} {unit}; readings of {device_read_s * 1e9:g} ns assumed",
        )
        for name, unit, ours, theirs in named
    ]
