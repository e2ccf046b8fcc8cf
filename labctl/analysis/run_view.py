"""What a page needs of a run: arrays and results, as its procedure handed them out; a view per step it consists of.

Not here: the plots (:mod:`labctl.analysis.run_plots`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labctl.store import Run

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Curves", "RunView", "views_of"]


@dataclass(frozen=True, slots=True)
class Curves:
    """An array of a run.

    Attributes
    ----------
    values : ndarray, unit as ``unit`` says
    dims : tuple of str
        Names of its dimensions; the first is "cell" where it has a curve for each cell.
    unit : str
        SI unit.
    """

    values: npt.NDArray[np.float64]
    dims: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class RunView:
    """The arrays and results of a procedure.

    Attributes
    ----------
    label : str
        Name of the step of a sequence; "" for a run of one procedure.
    procedure : str
    arrays : Mapping of str to Curves
        Numbers only.
    results : Mapping of str to object
        Its part of the summary.
    """

    label: str
    procedure: str
    arrays: Mapping[str, Curves]
    results: Mapping[str, Any]

    def cell_names(self) -> list[str]:
        """Return what the cells of curves are called, in the order of their first dimension."""
        cells = self.arrays.get("cells")
        if cells is None:
            return []
        return [f"({row:.0f}, {column:.0f})" for row, column in cells.values]


def views_of(run: Run) -> list[RunView]:
    """Return the views of a run.

    Parameters
    ----------
    run : Run
        Open.

    Returns
    -------
    list of RunView
        That of the run itself, unless it is a sequence, which has nothing of its own; then one for each step that ran.
    """
    arrays, results = run.arrays(), run.summary()["results"]
    procedure = str(run.header["procedure"])
    labels = [name.removesuffix(".procedure") for name in results if name.endswith(".procedure")]
    if not labels and procedure != "sequence":
        return [RunView("", procedure, _numbers(arrays, ""), results)]
    own = RunView(
        "",
        procedure,
        {name: curves for name, curves in _numbers(arrays, "").items() if "." not in name},
        {name: value for name, value in results.items() if "." not in name},
    )
    return [own] * (procedure != "sequence") + [
        RunView(
            label,
            str(results[f"{label}.procedure"]),
            _numbers(arrays, f"{label}."),
            {name.removeprefix(f"{label}."): value for name, value in results.items() if name.startswith(f"{label}.")},
        )
        for label in labels
    ]


def _numbers(arrays: "xr.Dataset", prefix: str) -> dict[str, Curves]:
    found = {}
    for name, array in arrays.variables.items():
        text = str(name)
        if text.startswith(prefix) and array.dtype.kind in "fiub":
            dims = tuple(str(dim).removeprefix(prefix) for dim in array.dims)
            values = np.asarray(array, dtype=float)
            found[text.removeprefix(prefix)] = Curves(values, dims, str(array.attrs.get("units", "")))
    return found
