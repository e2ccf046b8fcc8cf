"""The figures of sign back-propagation beside what is known of Zhang 2018.

Not here: how they are had (:mod:`labctl_procedures.system.sign_backprop`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from labctl.analysis.reproduction import Figure, spread_figure
from labctl.networks.jump_tables import JumpTables
from labctl_procedures.system.sign_ablation import ABLATIONS, DEFAULT, FALLS_FROM, NO_WINDOW

__all__ = ["PAPER", "ablation_figures", "device_figures", "loop_figures", "network_figures"]

PAPER = "Zhang et al., Neural Networks 108, 217 (2018), doi:10.1016/j.neunet.2018.08.012"

_ABSTRACT = "abstract of the paper: accuracy comparable with that of an MLP; no number is known"
_TARGETS = "acceptance of this reproduction"
_BAND, _WINDOW_COST = 0.02, 0.15

FloatArray = npt.NDArray[np.float64]


def device_figures(tables: JumpTables, pulses: str) -> list[Figure]:
    """Return what was extracted from the cells through the instruments.

    Parameters
    ----------
    tables : JumpTables
    pulses : str
        Which ones, in words.

    Returns
    -------
    list of Figure
    """

    def measured(quantity: str, unit: str, values: Sequence[float], over: str, note: str) -> Figure:
        return spread_figure(quantity, unit, values, over=over, way="instruments", source="", note=f"{pulses}; {note}")

    size = (tables.up_mean + tables.down_mean).mean(axis=1)
    noise = (tables.up_spread + tables.down_spread).mean(axis=1) / size
    return [
        measured("states: range over mean step", "1", (2.0 / size).tolist(), "cells", "the default device has 256"),
        measured(
            "non-linearity of the step",
            "1",
            list(tables.nonlinearity),
            "directions",
            "the step falls as exp(-this) over the range; mean of up and down; the default device has 0",
        ),
        measured("cycle-to-cycle spread of a step", "%", noise.tolist(), "cells", "noise of two readings included"),
    ]


def network_figures(
    images: str, ideal: Sequence[float], extracted: Sequence[float], trained: Sequence[float], same: Sequence[float]
) -> list[Figure]:
    """Return the figures of the large network.

    Parameters
    ----------
    images : str
        Name of the set.
    ideal, extracted : sequence of float, unit 1
        Accuracies after the last epoch, with the default device and with the extracted one.
    trained, same : sequence of float, unit 1
        Float networks on the same black and white inputs: trained to the end, and shown as many images.

    Returns
    -------
    list of Figure
    """
    title = images.upper() if images == "mnist" else images

    def accuracy(quantity: str, values: Sequence[float], **told: Any) -> Figure:
        named = {"over": "networks", "source": _ABSTRACT if "rule" in told else ""} | told
        return spread_figure(f"{title} accuracy {quantity}", "%", values, way="computed", **named)

    wanted = float(np.mean(trained))
    rule = f"within 2 points of the {100.0 * wanted:.2f} % of the float network trained to the end"
    bound = wanted - _BAND
    return [
        accuracy("of a float network, black and white inputs", trained, note="trained to the end"),
        accuracy("of a float network, as many images", same, note="shown as many images as the sign networks"),
        accuracy("by sign back-propagation, default device", ideal, rule=rule, holds=float(np.mean(ideal)) >= bound),
        accuracy(
            "by sign back-propagation, extracted device",
            extracted,
            rule=rule,
            holds=float(np.mean(extracted)) >= bound,
            note="every device is one of the measured cells",
        ),
    ]


def ablation_figures(found: Mapping[str, FloatArray], trained: Sequence[float]) -> list[Figure]:
    """Return what the window is worth, and each setting.

    Parameters
    ----------
    found : mapping of str to ndarray, each of shape (networks,), unit 1
        Accuracies by the name of the setting.
    trained : sequence of float, unit 1
        Of float networks on the same digits.

    Returns
    -------
    list of Figure
    """
    cost = found[DEFAULT] - found[NO_WINDOW]
    reference = {one.name: one.reference for one in ABLATIONS}
    told: dict[str, Any] = {"over": "networks", "way": "computed", "source": _TARGETS}
    settings = []
    for name, values in found.items():
        note, trend = f"an independent run had {100.0 * reference[name]:.1f} %", dict[str, Any]()
        if name in FALLS_FROM and FALLS_FROM[name] in found:
            loss = found[FALLS_FROM[name]] - values
            trend = {"rule": f"falls from {FALLS_FROM[name]} to {name}", "holds": bool(loss.mean() > 0.0)}
            note += f"; it falls in {int(np.sum(loss > 0.0))} of {loss.size} networks"
        settings.append(spread_figure(f"digits accuracy, {name}", "%", values.tolist(), **(told | trend), note=note))
    return [
        spread_figure(
            "digits accuracy lost without the window",
            "%",
            cost.tolist(),
            rule="at least 15 points",
            holds=bool(cost.mean() >= _WINDOW_COST),
            note=f"an independent run lost {100.0 * (reference[DEFAULT] - reference[NO_WINDOW]):.1f} points",
            **told,
        ),
        spread_figure("digits accuracy of a float network", "%", trained, note="an independent run had 92.9 %", **told),
        *settings,
    ]


def loop_figures(
    measured: Mapping[str, float],
    dies: Sequence[Mapping[str, float]],
    computed: Sequence[float],
    trained: Sequence[float],
) -> list[Figure]:
    """Return the figures of the small problem in the loop.

    Parameters
    ----------
    measured : mapping of str to float, unit 1
        ``before`` and ``after``, of test images with cells as they were read through the instruments.
    dies : sequence of mapping
        The same of dies that are physics alone.
    computed : sequence of float, unit 1
        Accuracies of networks of the extracted device after as many images.
    trained : sequence of float, unit 1
        Of float networks.

    Returns
    -------
    list of Figure
    """

    def figure(quantity: str, values: Sequence[float], **told: Any) -> Figure:
        named = {"source": _TARGETS if "rule" in told else ""} | told
        return spread_figure(f"small problem: {quantity}", "%", values, **named)

    gain = measured["after"] - measured["before"]
    return [
        figure("accuracy of a float network", trained, over="networks", way="computed"),
        figure("accuracy before learning", [measured["before"]], over="dies", way="readings"),
        figure(
            "accuracy after learning in the loop",
            [measured["after"]],
            over="dies",
            way="readings",
            rule="better than before",
            holds=gain > 0.0,
            note="computed from cells read back one by one through instruments",
        ),
        figure("accuracy after learning", [one["after"] for one in dies], over="dies", way="physics"),
        figure("accuracy with the extracted tables", computed, over="networks", way="computed"),
    ]
