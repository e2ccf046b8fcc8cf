"""The figures of the 3-bit crossbar beside those of Kim 2021.

Not here: how they are had (:mod:`labctl_procedures.system.rvc_3bit`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from labctl.analysis.programming import Rmse
from labctl.analysis.reproduction import Figure, spread_figure

__all__ = [
    "FLOAT",
    "MEASURED",
    "PAPER",
    "PAPER_RMSE",
    "RAMPS",
    "RAMP_SHAPE",
    "RAMP_STEP_V",
    "WITHOUT_ERROR",
    "WITH_FAILED",
    "accuracy_figures",
    "array_figures",
    "ramp_figures",
]

PAPER = "Kim et al., Nanotechnology 32 (29) (2021), doi:10.1088/1361-6528/abf0cc"
PAPER_RMSE, PAPER_ACCURACY = 0.0179, 0.9812
FLOAT, WITHOUT_ERROR, MEASURED, WITH_FAILED = "float", "without error", "measured", "with failed cells"

RAMPS = ((0.03, 10e-6), (0.03, 100e-6), (0.02, 100e-6))
"""Tolerance and width in s of ramps of equal steps, as the acceptance figures have them."""
RAMP_STEP_V, RAMP_SHAPE = 10e-3, (8, 8)

_SOURCE = "abstract of the paper"
_TARGETS = "acceptance of this reproduction"
_ACCURACY_BAND, _LARGEST_LOSS, _LEAST_YIELD = 0.003, 0.002, 0.99
_RAMP_RMSE, _MORE_PULSES = (0.017, 0.021), 1.3
_SIBLING = "a sibling array reports more than 98 % (ACS Appl. Electron. Mater. 6 (2024) 4099)"

FloatArray = npt.NDArray[np.float64]


def array_figures(error: Rmse, part_done: float, dies: Sequence[Mapping[str, float]]) -> list[Figure]:
    """Return the figures of the array.

    Parameters
    ----------
    error : Rmse
        Of the programmed cells, in the reading that is separate from the programming.
    part_done : float, unit 1
        Programmed cells, of all.
    dies : sequence of mapping
        What :func:`labctl_procedures.system.rvc_dies.programmed_die` returned for each die.

    Returns
    -------
    list of Figure
    """

    def measured(quantity: str, value: float, **told: Any) -> Figure:
        return spread_figure(quantity, "%", [value], over="dies", way="instruments", **told)

    def physics(quantity: str, name: str, **told: Any) -> Figure:
        note = "the same loop with half-selected neighbours, without wires"
        values = [die[name] for die in dies]
        return spread_figure(quantity, "%", values, over="dies", way="physics", note=note, **told)

    paper = {"paper": PAPER_RMSE, "source": _SOURCE}
    unknown = "programmed cells; which RMSE the paper means is not known"
    return [
        measured(
            "RMSE relative to the target",
            error.relative,
            rule="at most 1.79 %",
            holds=error.relative <= PAPER_RMSE,
            note=f"{unknown}; follows from the tolerance, which is assumed",
            **paper,
        ),
        measured("RMSE of the range Gmax - Gmin", error.range, note=unknown, **paper),
        measured("RMSE of Gmax", error.gmax, note=unknown, **paper),
        measured(
            "cells within the tolerance",
            part_done,
            rule="at least 99 %",
            holds=part_done >= _LEAST_YIELD,
            source=_TARGETS,
            note=_SIBLING,
        ),
        physics("RMSE relative to the target", "rmse_relative", **paper),
        physics("cells within the tolerance", "yield", source=_TARGETS),
    ]


def ramp_figures(ramps: Sequence[Sequence[Mapping[str, float]]]) -> list[Figure]:
    """Return the figures of ramps of equal steps, in place of the steps that follow what the last pulse did.

    Parameters
    ----------
    ramps : sequence of sequence of mapping
        What :func:`labctl_procedures.system.rvc_dies.programmed_die` returned for each die, by the conditions of
        :data:`RAMPS`.

    Returns
    -------
    list of Figure
    """
    steps = f"equal steps of {RAMP_STEP_V * 1e3:g} mV"
    first, wide, narrow = ramps
    alone = f"dies of {RAMP_SHAPE[0]} x {RAMP_SHAPE[1]} cells; in passes, with half-selected neighbours, without wires"
    rmse, done = ([die[name] for die in first] for name in ("rmse_relative", "yield"))
    more = [die["pulses_per_cell"] / other["pulses_per_cell"] for die, other in zip(narrow, wide, strict=True)]
    told: dict[str, Any] = {"over": "dies", "way": "physics", "source": _TARGETS}
    return [
        spread_figure(
            f"RMSE relative to the target, {steps}, 3 %, 10 µs",
            "%",
            rmse,
            rule="1.7 to 2.1 %",
            holds=_RAMP_RMSE[0] <= float(np.mean(rmse)) <= _RAMP_RMSE[1],
            note=f"{alone}; an independent reconstruction of single cells had 1.86 %",
            **told,
        ),
        spread_figure(
            f"cells within the tolerance, {steps}, 3 %, 10 µs",
            "%",
            done,
            rule="more than 99 %",
            holds=float(np.mean(done)) > _LEAST_YIELD,
            note=f"{alone}; an independent reconstruction of single cells had 99.9 %",
            **told,
        ),
        spread_figure(
            f"pulses at a tolerance of 2 % over those at 3 %, {steps}, 100 µs",
            "1",
            more,
            rule="at least 1.3",
            holds=float(np.mean(more)) >= _MORE_PULSES,
            note=f"{alone}; an independent reconstruction of single cells had 221 over 165 pulses",
            **told,
        ),
    ]


def accuracy_figures(
    images: str, accuracies: Mapping[str | float, FloatArray], in_place: float, *, draws: int, levels: int
) -> list[Figure]:
    """Return the figures of the network; without a comparison where the images are not those of the paper.

    Parameters
    ----------
    images : str
        Name of the set.
    accuracies : mapping of str or float to ndarray, each of shape (networks, draws), unit 1
        By the constants of this module, and by the RMSE of normal errors.
    in_place : float, unit 1
        Accuracy of the first network with the cells of the array in place of their part of the last layer.
    draws, levels : int
        For the notes.

    Returns
    -------
    list of Figure
    """
    is_papers = images == "mnist"
    title = images.upper() if is_papers else images
    paper = PAPER_ACCURACY if is_papers else None
    drawn = f"mean of {draws} draws for each network"

    def accuracy(quantity: str, values: Sequence[float], **told: Any) -> Figure:
        known = _SOURCE if told.get("paper") is not None else ""
        named: dict[str, Any] = {"over": "networks", "way": "computed", "source": known} | told
        return spread_figure(f"{title} accuracy {quantity}", "%", values, **named)

    def means(setting: str | float) -> list[float]:
        return [float(value) for value in accuracies[setting].mean(axis=1)]

    at_paper = float(np.mean(means(PAPER_RMSE)))

    def lost(quantity: str, setting: str, note: str) -> Figure:
        losses = [before - after for before, after in zip(means(WITHOUT_ERROR), means(setting), strict=True)]
        return accuracy(
            quantity,
            losses,
            source=_TARGETS,
            rule="below 0.2 points" if is_papers else "",
            holds=float(np.mean(losses)) < _LARGEST_LOSS if is_papers else None,
            note=f"from the levels without error to {note}",
        )

    return [
        accuracy("with float weights", means(FLOAT)),
        accuracy(f"with {levels} levels, no error", means(WITHOUT_ERROR)),
        accuracy(
            "at an RMSE of 1.79 %",
            means(PAPER_RMSE),
            paper=paper,
            rule="within 0.3 points of the paper" if is_papers else "",
            holds=abs(at_paper - PAPER_ACCURACY) <= _ACCURACY_BAND if is_papers else None,
            note=f"normal errors; {drawn}",
        ),
        accuracy(
            "at the measured errors, failed cells left out",
            means(MEASURED),
            paper=paper,
            note=f"programmed cells, by level; {drawn}",
        ),
        accuracy(
            "at the measured errors, failed cells included",
            means(WITH_FAILED),
            paper=paper,
            note=f"as often as the array has them; {drawn}",
        ),
        lost("lost by programming", WITH_FAILED, "all measured errors, failed cells as often as the array has them"),
        lost("lost by programming, failed cells left out", MEASURED, "the errors of programmed cells"),
        accuracy(
            "with the array in its part of the last layer",
            [in_place],
            way="readings",
            note="cells as they were read through instruments, failed ones included; the others without error",
        ),
    ]
