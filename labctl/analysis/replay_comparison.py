"""A recorded run beside a run that its stimuli were applied in again: point by point, and as distributions.

Rows are paired by the point that a replayed row names. Each kind of row (its event) and each column is judged by
itself: *identical* where every pair is equal to the last digit; *within tolerance* where 95 % of the pairs differ by
no more than the stated part; *distributions not told apart* where the pairs differ and the medians of the cells are
not told apart by the test of Kolmogorov and Smirnov at 5 %, corrected by Holm's method over the page; else *differs*.
Cells are the independent values: with fewer than four on either side nothing is told of distributions.

Stimuli that were chosen by what was read, as forming, levelling and write-verify do, fit the die that was read. On
another die they bring cells elsewhere, and even at equal stimulus and state the two do not compare: a cell that got
the higher voltage got it because it answered less. Such stimuli show in the recorded run itself: its rows are those of
forming, of verifying and of counted trains, and from there on its cells did not all get the same. What the test tells
apart behind is no judgement of the dies, and the verdict says that. Cells that got different stimuli by parameters, as
aggressors and victims do, or by hand, are compared as any others. Not here: applying the stimuli (``labctl run
replay_run``), the page (:mod:`labctl.analysis.replay_page`).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labctl.analysis.significance import LEAST_VALUES, holm
from labctl.errors import RunError
from labctl.store import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "OF_POINT", "Part", "ReplayComparison", "Verdict", "compare_replay"]

FloatArray = NDArray[np.float64]

OF_POINT = "Of point (1)"
COLUMNS = ("Current (A)", "Conductance (S)", "Time (s)")
LEVEL = 0.05
_SHARE = 0.95
# a residual is relative to the recorded value, but not to less than this part of the largest one of its kind
_FLOOR = 1e-3
# events of rows whose number and voltage hang on a reading of their cell; the name of the procedure would not tell:
# most of them form and level cells only where their parameters say so
_CHOOSING = frozenset({"form", "train", "verify"})
# by hand a verify follows each pulse and chooses none; a replay takes all from its run
_CHOSEN_BEFOREHAND = frozenset({"manual", "replay_run"})


class Verdict(StrEnum):
    """How two runs agree, best first."""

    IDENTICAL = "identical"
    WITHIN = "within tolerance"
    NOT_TOLD_APART = "distributions not told apart"
    CANNOT_TELL = "differs; too few cells to compare distributions"
    CHOSEN = "differs, as stimuli chosen by readings of another die do"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Part:
    """One column of one kind of rows.

    Attributes
    ----------
    column, event : str
    pairs, cells : int
    chosen : int
        Pairs from where on the cells of the recorded run did not all get the same, behind the first row of forming,
        verifying or a counted train: stimuli chosen by what was read.
    equal : int
        Pairs that are equal to the last digit, or have no value in both runs.
    missing : int
        Pairs with a value in one run only.
    median, low, high, largest : float, unit 1
        Of the residuals, replayed over recorded less one: median, 5 % and 95 % quantile, largest magnitude; of times
        the difference over the length of the recorded run. NaN without a value.
    recorded_median, replayed_median : float, unit of the column
    distance : float, unit 1
        Of Kolmogorov and Smirnov, between the medians of the cells; NaN where there are too few, and for times.
    p_value : float or None, unit 1
        After Holm's correction.
    verdict : Verdict
    """

    column: str
    event: str
    pairs: int
    cells: int
    chosen: int
    equal: int
    missing: int
    median: float
    low: float
    high: float
    largest: float
    recorded_median: float
    replayed_median: float
    distance: float
    p_value: float | None
    verdict: Verdict


@dataclass(frozen=True)
class ReplayComparison:
    """Two runs side by side.

    Attributes
    ----------
    recorded, replayed : Run
    tolerance : float, unit 1
        Of :attr:`Verdict.WITHIN`.
    parts : tuple of Part
    pairs : pandas.DataFrame
        One row for each pair: ``Event``, ``Row``, ``Column``, ``Voltage (V)``, ``Width (s)``, ``point``, ``chosen``
        (as in :class:`Part`), and each compared column as ``recorded ...``, ``replayed ...`` and ``residual ...``.
    circumstances : mapping of str to (str, str)
        What the two racks began with, where it differs.
    left_out : tuple of str
        What of the recorded run was not applied again, and what was assumed of it.
    """

    recorded: Run
    replayed: Run
    tolerance: float
    parts: tuple[Part, ...]
    pairs: "pd.DataFrame"
    circumstances: Mapping[str, tuple[str, str]]
    left_out: tuple[str, ...]

    def verdicts(self) -> dict[str, Verdict]:
        """Return the worst verdict of each column.

        Returns
        -------
        dict of str to Verdict
        """
        order = list(Verdict)
        return {
            column: max((part.verdict for part in self.parts if part.column == column), key=order.index)
            for column in dict.fromkeys(part.column for part in self.parts)
        }

    def remark(self) -> str:
        """Say why end values cannot agree where stimuli were chosen by what was read, and what can be compared.

        Returns
        -------
        str
            "" where no stimulus was chosen by what was read, or the runs are identical.
        """
        chosen = int(self.pairs["chosen"].sum())
        if not chosen or all(part.verdict is Verdict.IDENTICAL for part in self.parts):
            return ""
        procedure = self.recorded.header["procedure"]
        return (
            f"{chosen} of {len(self.pairs)} points follow stimuli that {procedure} chose by what it read of the"
            " recorded die: its cells did not all get the same. On another die these stimuli lead elsewhere, so values"
            f" differ even where the dies are alike. To compare the dies, run {procedure} itself on that station and"
            " compare the two runs (labctl compare)"
        )

    def table(self) -> "pd.DataFrame":
        """Return the parts as a table.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd

        return pd.DataFrame([{name: getattr(part, name) for name in Part.__slots__} for part in self.parts])


def compare_replay(recorded: Run, replayed: Run, *, tolerance: float = 0.01) -> ReplayComparison:
    """Compare a run with one that applied its stimuli again.

    Parameters
    ----------
    recorded, replayed : Run
    tolerance : float, unit 1
        Allowed relative difference of a pair.

    Returns
    -------
    ReplayComparison

    Raises
    ------
    RunError
        If the second is no replay of the first, or nothing was replayed.
    """
    of_run = replayed.summary().get("results", {}).get("of_run")
    if OF_POINT not in [column.name for column in replayed.columns]:
        raise RunError(f"run {replayed.run_id} is no replay: it has no column {OF_POINT!r}; `labctl replay` makes one")
    if of_run is not None and of_run != recorded.run_id:
        raise RunError(f"run {replayed.run_id} replays {of_run}, not {recorded.run_id}; compare it with that one")
    table = recorded.table()
    pairs = _paired(table, replayed.table())
    if pairs.empty:
        raise RunError(f"run {replayed.run_id} ({replayed.status}) has no point that could be compared")
    pairs["chosen"] = _chosen(table, str(recorded.header["procedure"]))[pairs["point"].to_numpy() - 1]
    duration_s = float(table["Time (s)"].max())
    for column in _columns(pairs):
        pairs[f"residual {column}"] = _residuals(pairs, column, duration_s)
    parts = [
        _part(of_event, str(event), column, tolerance)
        for event, of_event in pairs.groupby("Event", sort=False)
        for column in _columns(pairs)
        if of_event[f"recorded {column}"].notna().any() or of_event[f"replayed {column}"].notna().any()
    ]
    told = replayed.events()
    left_out = told[told["kind"].isin(["left out", "assumed"])]["message"].tolist()
    return ReplayComparison(
        recorded, replayed, tolerance, tuple(_corrected(parts)), pairs, _circumstances(recorded, replayed), (*left_out,)
    )


def _columns(pairs: "pd.DataFrame") -> list[str]:
    return [column for column in COLUMNS if f"recorded {column}" in pairs]


def _paired(recorded: "pd.DataFrame", replayed: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    points = replayed[OF_POINT].to_numpy(dtype=int)
    of_recorded = recorded.iloc[points - 1]
    columns: dict[str, Any] = {"point": points}
    for name in ("Event", "Row", "Column", "Voltage (V)", "Width (s)"):
        if name in replayed:
            columns[name] = replayed[name].to_numpy()
    for name in COLUMNS:
        if name in recorded and name in replayed:
            columns[f"recorded {name}"] = of_recorded[name].to_numpy(dtype=float)
            columns[f"replayed {name}"] = replayed[name].to_numpy(dtype=float)
    return pd.DataFrame(columns)


def _chosen(table: "pd.DataFrame", procedure: str) -> NDArray[np.bool_]:
    """Return which rows of a run stand where its readings no longer let all cells get the same, or behind."""
    if procedure in _CHOSEN_BEFOREHAND:
        return np.zeros(len(table), dtype=bool)
    stimulus = table[[name for name in ("Event", "Voltage (V)", "Width (s)") if name in table]]
    kind = stimulus.groupby(list(stimulus), dropna=False, sort=False).ngroup()
    # rows that belong to no cell have no place
    place = table.groupby(["Row", "Column"], sort=False).cumcount().where(table["Row"].notna())
    # a cell that was given up ends early, which is no difference
    kinds = kind.groupby(place).nunique()
    # NaN where there is none, and nothing stands behind that
    begin = place[table["Event"].isin(_CHOOSING)].min()
    first = kinds.index[(kinds > 1) & (kinds.index >= begin)].min()
    chosen: NDArray[np.bool_] = (place >= first).to_numpy(dtype=bool)
    return chosen


def _residuals(pairs: "pd.DataFrame", column: str, duration_s: float) -> FloatArray:
    recorded, replayed = (pairs[f"{which} {column}"] for which in ("recorded", "replayed"))
    difference = replayed - recorded
    if column == "Time (s)":
        return (difference / max(duration_s, np.finfo(float).tiny)).to_numpy(dtype=float)
    largest = recorded.abs().groupby(pairs["Event"], sort=False).transform("max")
    scale = np.maximum(recorded.abs().to_numpy(dtype=float), _FLOOR * largest.to_numpy(dtype=float))
    relative: FloatArray = difference.to_numpy(dtype=float) / np.where(scale == 0.0, np.nan, scale)
    return relative


def _part(pairs: "pd.DataFrame", event: str, column: str, tolerance: float) -> Part:
    recorded, replayed, residual = (
        pairs[f"{which} {column}"].to_numpy(dtype=float) for which in ("recorded", "replayed", "residual")
    )
    known = np.isfinite(recorded) & np.isfinite(replayed)
    is_neither = np.isnan(recorded) & np.isnan(replayed)
    equal = int((known & (recorded == replayed)).sum() + is_neither.sum())
    missing = int((~known & ~is_neither).sum())
    found = residual[known & np.isfinite(residual)]
    low, median, high = np.quantile(found, [0.05, 0.5, 0.95]) if found.size else (np.nan,) * 3
    cells = pairs.groupby(["Row", "Column"], sort=False)
    one, other = (
        cells[f"{which} {column}"].median().dropna().to_numpy(dtype=float) for which in ("recorded", "replayed")
    )
    distance, p_value = _kolmogorov_smirnov(one, other) if column != "Time (s)" else (np.nan, None)
    if equal == len(pairs):
        verdict = Verdict.IDENTICAL
    elif not missing and found.size and np.mean(np.abs(found) <= tolerance) >= _SHARE:
        verdict = Verdict.WITHIN
    else:
        # the test has the last word, in :func:`_corrected`
        verdict = Verdict.DIFFERS if p_value is not None or column == "Time (s)" else Verdict.CANNOT_TELL
    return Part(
        column,
        event,
        len(pairs),
        cells.ngroups,
        int(pairs["chosen"].sum()),
        equal,
        missing,
        float(median),
        float(low),
        float(high),
        float(np.abs(found).max()) if found.size else float("nan"),
        _median(recorded),
        _median(replayed),
        distance,
        p_value,
        verdict,
    )


def _median(values: FloatArray) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def _kolmogorov_smirnov(one: FloatArray, other: FloatArray) -> tuple[float, float | None]:
    from scipy.stats import ks_2samp

    if min(one.size, other.size) < LEAST_VALUES:
        return float("nan"), None
    with warnings.catch_warnings():
        # where the samples interleave, rounding can lift SciPy's exact probability above 1; it then says so and takes
        # the asymptotic one, which is as good there
        warnings.simplefilter("ignore", RuntimeWarning)
        found = ks_2samp(one, other)
    return float(found.statistic), float(found.pvalue)


def _corrected(parts: list[Part]) -> list[Part]:
    """Correct the p-values over all parts, and let them decide where the pairs differ."""
    tested = [part for part in parts if part.p_value is not None]
    values = iter(holm([part.p_value for part in tested if part.p_value is not None]))
    judged = []
    for part in parts:
        if part.p_value is None:
            judged.append(part)
            continue
        p_value = next(values)
        verdict = part.verdict
        if verdict is Verdict.DIFFERS:
            verdict = Verdict.NOT_TOLD_APART if p_value >= LEVEL else Verdict.CHOSEN if part.chosen else verdict
        judged.append(replace(part, p_value=p_value, verdict=verdict))
    return judged


def _circumstances(recorded: Run, replayed: Run) -> dict[str, tuple[str, str]]:
    """What the racks began with, where it differs."""
    found = {}
    for name in ("station", "simulated"):
        found[name] = recorded.header.get(name), replayed.header.get(name)
    for name in ("name", "device", "seed", "die", "die_age_s", "effects"):
        found[f"bench {name}"] = (
            (recorded.header.get("bench") or {}).get(name),
            (replayed.header.get("bench") or {}).get(name),
        )
    versions = [(run.header.get("versions") or {}).get("labctl") for run in (recorded, replayed)]
    found["labctl"] = versions[0], versions[1]
    return {name: (str(one), str(other)) for name, (one, other) in found.items() if one != other}
