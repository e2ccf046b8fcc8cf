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
    "WITHOUT_ERROR",
    "WITH_FAILED",
    "accuracy_figures",
    "array_figures",
]

PAPER = "Kim et al., Nanotechnology 32 (29) (2021), doi:10.1088/1361-6528/abf0cc"
PAPER_RMSE, PAPER_ACCURACY = 0.0179, 0.9812
FLOAT, WITHOUT_ERROR, MEASURED, WITH_FAILED = "float", "without error", "measured", "with failed cells"

_SOURCE = "abstract of the paper"
_TARGETS = "acceptance of this reproduction"
_ACCURACY_BAND, _LARGEST_LOSS, _LEAST_YIELD = 0.003, 0.002, 0.99
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
        named = {"over": "networks", "source": _SOURCE if told.get("paper") is not None else ""} | told
        return spread_figure(f"{title} accuracy {quantity}", "%", values, way="computed", **named)

    def means(setting: str | float) -> list[float]:
        return [float(value) for value in accuracies[setting].mean(axis=1)]

    at_paper = float(np.mean(means(PAPER_RMSE)))
    losses = [before - after for before, after in zip(means(WITHOUT_ERROR), means(MEASURED), strict=True)]
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
        accuracy("at the measured errors", means(MEASURED), paper=paper, note=f"programmed cells, by level; {drawn}"),
        accuracy(
            "lost by programming",
            losses,
            source=_TARGETS,
            rule="below 0.2 points" if is_papers else "",
            holds=float(np.mean(losses)) < _LARGEST_LOSS if is_papers else None,
            note="from the levels without error to the measured errors",
        ),
        accuracy("with failed cells too", means(WITH_FAILED), note=f"as often as the array has them; {drawn}"),
        accuracy(
            "with the array in its part of the last layer",
            [in_place],
            note="cells as they were read, failed ones included; the others without error",
        ),
    ]
