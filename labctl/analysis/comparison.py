"""Runs of one procedure side by side: their results, whether these differ, and what else differs between the runs.

Two tests, stated with every row. Results with an interval: the difference of two estimates over its standard error,
taken as normal; the error of each is that of the end of its interval that faces the other (G. Y. Zou, A. Donner,
Statist. Med. 27 (2008) 1693). Arrays with a value for each cell: the rank sum of Mann and Whitney. The cycles of a cell
resemble each other more than those of two cells, so several cells count once each, with the median of their cycles, and
a result whose interval takes all cycles of several cells as independent, as those of older runs do, is not tested. Of a
single cell the cycles are what there is: the page says then that n counts them, and that nothing is told of other
cells. Of more than two runs, the smallest p-value of all pairs times their number counts. Over all rows of all tables
the p-values are corrected by Holm's method (Scand. J. Statist. 6 (1979) 65). That two intervals overlap is no test and
is not used.
Not here: the page and its plots (:mod:`labctl.analysis.comparison_page`, :mod:`labctl.analysis.overlay`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labctl.analysis.result_words import words_of
from labctl.analysis.run_facts import differences
from labctl.analysis.run_view import RunView, views_of
from labctl.analysis.significance import LEAST_VALUES, holm, p_of_estimates, p_of_samples
from labctl.analysis.wording import describe_results
from labctl.errors import RunError
from labctl.store import Run
from labctl.units import format_quantity

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "Part", "Row", "compare"]

FloatArray = NDArray[np.float64]

LEVEL = 0.05
# what was asked for and codes are no results
_NO_RESULTS = frozenset({"cells", "status", "target", "aim", "targets"})
_CELL, _CYCLE = "cell", "cycle"
_ONE_CELL = "n is the number of cycles of one cell, taken as independent; nothing is told of other cells"
_POOLED = "its interval takes the cycles of all cells as independent; see the values of each cell"
_MEANINGS = {_CELL: "the median of its cycles, where it has several", _CYCLE: "of the one cell, taken as independent"}
# results of all cycles of all cells together
_OF_ALL_CYCLES = frozenset(
    {
        "on_off_ratio",
        *(f"{side}_voltage_weibull_{figure}" for side in ("set", "reset") for figure in ("scale", "shape")),
        *(f"{state}_resistance_{figure}" for state in ("low", "high") for figure in ("median", "log_sigma")),
    }
)
_Z_TEST, _RANK_TEST = "difference of estimates", "Mann-Whitney"


@dataclass(frozen=True, slots=True)
class Row:
    """One result of all runs.

    Attributes
    ----------
    name : str
    label, meaning : str
        What people call it; one line, which may be empty.
    texts : tuple of str
        One for each run, with unit and interval.
    test : str
        Name of the test; "" where there is none.
    remark : str
        Why there is none, or what the test does not tell.
    p_value, p_corrected : float or None, unit 1
        Before and after Holm's correction.
    pair : tuple of int or None
        Which two runs differ most, of more than two.
    """

    name: str
    label: str
    meaning: str
    texts: tuple[str, ...]
    test: str = ""
    remark: str = ""
    p_value: float | None = None
    p_corrected: float | None = None
    pair: tuple[int, int] | None = None

    @property
    def differs(self) -> bool | None:
        """Whether the runs differ at 5 % after the correction; None where there was no test."""
        return None if self.p_corrected is None else self.p_corrected < LEVEL


@dataclass(frozen=True, slots=True)
class Part:
    """The results of a procedure, or of a step that all sequences have.

    Attributes
    ----------
    label : str
        Of the step; "" for runs of one procedure.
    procedure : str
    rows : tuple of Row
    views : tuple of RunView
        One for each run.
    """

    label: str
    procedure: str
    rows: tuple[Row, ...]
    views: tuple[RunView, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side.

    Attributes
    ----------
    runs : tuple of Run
    labels : tuple of str
        Short names of the runs: the end of the id, the start, and whether simulated.
    parts : tuple of Part
    differences : Mapping of str to tuple of str
        Parameters and circumstances that are not the same, with the text of each run.
    """

    runs: tuple[Run, ...]
    labels: tuple[str, ...]
    parts: tuple[Part, ...]
    differences: Mapping[str, tuple[str, ...]]

    def table(self) -> "pd.DataFrame":
        """Return the results as a table.

        Returns
        -------
        pandas.DataFrame
            One row per result: ``step``, ``result``, a column of texts for each run id, ``test``, ``p``,
            ``p (Holm)``, ``differs``, ``remark``.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "step": part.label,
                    "result": row.name,
                    **{run.run_id: text for run, text in zip(self.runs, row.texts, strict=True)},
                    "test": row.test,
                    "p": row.p_value,
                    "p (Holm)": row.p_corrected,
                    "differs": row.differs,
                    "remark": row.remark,
                }
                for part in self.parts
                for row in part.rows
            ]
        )


def compare(runs: Sequence[Run]) -> Comparison:
    """Compare runs of one procedure, or sequences that have a step in common.

    Parameters
    ----------
    runs : sequence of Run
        At least two, each once.

    Returns
    -------
    Comparison

    Raises
    ------
    RunError
        If there are fewer than two runs, one is named twice, or they have no procedure in common.
    """
    _check(runs)
    views = [{(view.label, view.procedure): view for view in views_of(run)} for run in runs]
    shared = [key for key in views[0] if all(key in found for found in views)]
    if not shared:
        raise RunError(
            f"compare: sequences need a step of equal name and procedure in all runs, got {_steps(runs, views)}; "
            "choose runs of one sequence file"
        )
    parts = [
        Part(*key, tuple(_rows([found[key] for found in views])), tuple(found[key] for found in views))
        for key in shared
    ]
    corrected = iter(holm([row.p_value for part in parts for row in part.rows if row.p_value is not None]))
    parts = [
        replace(
            part,
            rows=tuple(row if row.p_value is None else replace(row, p_corrected=next(corrected)) for row in part.rows),
        )
        for part in parts
    ]
    return Comparison(tuple(runs), tuple(map(_label, runs)), tuple(parts), differences(runs))


def _check(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise RunError(f"compare: needs at least two runs, got {len(runs)}; name another one")
    ids = [run.run_id for run in runs]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise RunError(f"compare: each run may be named once, got {', '.join(twice)} more than once")
    procedures = {run.run_id: str(run.header["procedure"]) for run in runs}
    if len(set(procedures.values())) > 1:
        given = ", ".join(f"{procedure} ({name})" for name, procedure in procedures.items())
        raise RunError(f"compare: the runs must be of one procedure, got {given}; choose runs of one of them")


def _steps(runs: Sequence[Run], views: Sequence[Mapping[tuple[str, str], RunView]]) -> str:
    return "; ".join(
        f"{run.run_id}: {', '.join(f'{label} ({procedure})' for label, procedure in found) or 'no steps'}"
        for run, found in zip(runs, views, strict=True)
    )


def _label(run: Run) -> str:
    started = str(run.header["started_utc"])[:16].replace("T", " ")
    return f"{run.run_id[-4:]}, {started}{', simulated' if run.header['simulated'] else ''}"


def _rows(views: Sequence[RunView]) -> list[Row]:
    found = [_row_of_result(name, views) for name in _result_names(views)]
    names = [name for name in views[0].arrays if all(name in view.arrays for view in views)]
    return found + [row for name in names if (row := _row_of_array(name, views)) is not None]


def _result_names(views: Sequence[RunView]) -> list[str]:
    names = (name for view in views for name in describe_results(view.results))
    return [name for name in dict.fromkeys(names) if name not in ("failed_cells", "procedure")]


def _row_of_result(name: str, views: Sequence[RunView]) -> Row:
    words = [describe_results(view.results).get(name) for view in views]
    texts = tuple("" if word is None else word.text for word in words)
    known = words_of(name)
    row = Row(name, known.label, known.meaning, texts)
    intervals = [_interval(view.results, name) for view in views]
    present = [interval for interval in intervals if interval is not None]
    if len(present) < len(views):
        return replace(row, remark="no interval in each run" if present else "")
    cells = [_cells_of_cycles(view) for view in views] if name in _OF_ALL_CYCLES else []
    # an interval in which each cell counts once says so
    if any(count > 1 and f"{name}_statement" not in view.results for count, view in zip(cells, views, strict=False)):
        return replace(row, remark=_POOLED)
    p_value, pair = _least(
        [p_of_estimates(present[one], present[other]) for one, other in combinations(range(len(views)), 2)], len(views)
    )
    if p_value is None:
        return replace(row, remark="intervals without width")
    return replace(row, test=_Z_TEST, p_value=p_value, pair=pair, remark=_ONE_CELL if 1 in cells else "")


def _cells_of_cycles(view: RunView) -> int:
    """Return how many cells were cycled, 0 where no array says so."""
    arrays = view.arrays.values()
    return max((array.values.shape[0] for array in arrays if array.dims[:2] == (_CELL, _CYCLE)), default=0)


def _interval(results: Mapping[str, Any], name: str) -> tuple[float, float, float] | None:
    numbers = [results.get(key) for key in (name, f"{name}_low", f"{name}_high")]
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        return None
    value, low, high = (float(number) for number in numbers if number is not None)
    return (value, low, high) if np.isfinite([value, low, high]).all() else None


def _row_of_array(name: str, views: Sequence[RunView]) -> Row | None:
    if name in _NO_RESULTS:
        return None
    samples = [sample for view in views if (sample := _values_of_cells(view, name)) is not None]
    if len(samples) < len(views):
        return None
    values, kinds = [one for one, _ in samples], {kind for _, kind in samples}
    unit = views[0].arrays[name].unit
    # the name of a result about the array, such as "SET voltage, mean", tells what the array is called
    head, comma, _ = words_of(f"{name}_mean").label.partition(",")
    label = head if comma else words_of(name).label
    row = Row(
        name,
        f"{label[:1].upper()}{label[1:]}, each {kinds.pop() if len(kinds) == 1 else 'value'}",
        _MEANINGS.get(samples[0][1], ""),
        tuple(_spread_text(one, unit, kind) for one, kind in samples),
    )
    if kinds:
        return replace(row, meaning="", remark="cycles of one cell are not compared with several cells")
    p_value, pair = _least([p_of_samples(*two) for two in combinations(values, 2)], len(views))
    if p_value is None:
        few = min(one.size for one in values) < LEAST_VALUES
        return replace(row, remark=f"at least {LEAST_VALUES} values needed in each run" if few else "all equal")
    remark = _ONE_CELL if samples[0][1] == _CYCLE else ""
    return replace(row, test=_RANK_TEST, p_value=p_value, pair=pair, remark=remark)


def _values_of_cells(view: RunView, name: str) -> tuple[FloatArray, str] | None:
    """Return a value for each cell, or those of the cycles of a single one; None where the array is no such figure."""
    array = view.arrays[name]
    match array.dims:
        case ("row", "column") | ("cell",):
            values, kind = array.values.ravel(), _CELL
        case ("cell", "cycle") if array.values.shape[0] == 1:
            values, kind = array.values[0], _CYCLE
        case ("cell", "cycle"):
            rows = [row[np.isfinite(row)] for row in array.values]
            values, kind = np.array([np.median(row) if row.size else np.nan for row in rows]), _CELL
        case _:
            return None
    return values[np.isfinite(values)], kind


def _spread_text(values: FloatArray, unit: str, kind: str) -> str:
    if not values.size:
        return "no values"
    low, middle, high = (
        format_quantity(float(one), unit.removeprefix("%") or "1", digits=3)
        for one in np.quantile(values, (0.25, 0.5, 0.75))
    )
    return f"{middle} (quartiles {low} to {high}), n = {values.size}{' cycles' if kind == _CYCLE else ''}"


def _least(p_values: Sequence[float | None], runs: int) -> tuple[float | None, tuple[int, int] | None]:
    """Return the smallest p-value of all pairs of runs, times their number; None where a pair has none."""
    pairs = list(combinations(range(runs), 2))
    known = [(value, pair) for value, pair in zip(p_values, pairs, strict=True) if value is not None]
    if len(known) < len(pairs):
        return None, None
    value, pair = min(known)
    return min(1.0, value * len(pairs)), pair if runs > 2 else None
