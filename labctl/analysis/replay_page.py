"""One self-contained HTML page about a replay against a station: overlay, residuals, distributions, verdicts.

Not here: the numbers (:mod:`labctl.analysis.replay_comparison`).
"""

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labctl.analysis.curve_figures import sign
from labctl.analysis.figures import scaled
from labctl.analysis.page import write_page
from labctl.analysis.plot import Plot
from labctl.analysis.replay_comparison import ReplayComparison
from labctl.units import format_quantity

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["replay_plots", "write_replay"]

_MOST_POINTS = 20_000
_RECORDED, _REPLAYED = "#1f77b4", "#d62728"
_DECADE = 10.0


def write_replay(comparison: ReplayComparison, folder: Path) -> Path:
    """Write the page of a comparison.

    Parameters
    ----------
    comparison : ReplayComparison
    folder : Path
        Made if it is not there.

    Returns
    -------
    Path
        ``replay-<procedure>-<ends of the run ids>.html`` in ``folder``.

    Raises
    ------
    StoreError
        If ``folder`` is a file or cannot be written to.
    """
    ends = (run.run_id[-4:] for run in (comparison.recorded, comparison.replayed))
    page = folder / f"{'-'.join(['replay', str(comparison.recorded.header['procedure']), *ends])}.html"
    return write_page(page, "replay", "replay.html", _content(comparison))


def replay_plots(comparison: ReplayComparison) -> list[Plot]:
    """Draw each kind of rows: both runs laid over one another, residuals, and distributions over the cells.

    Parameters
    ----------
    comparison : ReplayComparison

    Returns
    -------
    list of Plot
        One for each event that measured something: its current where it is a sweep, else its conductance.
    """
    found = []
    for event, of_event in comparison.pairs.groupby("Event", sort=False):
        is_sweep = "Width (s)" in of_event and bool(of_event["Width (s)"].notna().any())
        column = "Current (A)" if is_sweep else "Conductance (S)"
        if f"residual {column}" in of_event and of_event[f"residual {column}"].notna().any():
            found.append(_plot(of_event, str(event), column, comparison, is_sweep=is_sweep))
    return found


def _plot(pairs: "pd.DataFrame", event: str, column: str, comparison: ReplayComparison, *, is_sweep: bool) -> Plot:
    from matplotlib.figure import Figure

    shown = pairs.iloc[:: max(1, len(pairs) // _MOST_POINTS)]
    figure = Figure(figsize=(11.0, 3.4), layout="constrained")
    overlay, residuals, spread = figure.subplots(1, 3)
    quantity, _, rest = column.partition(" (")
    values = {which: shown[f"{which} {column}"].to_numpy(dtype=float) for which in ("recorded", "replayed")}
    if is_sweep:
        values = {which: np.abs(one) for which, one in values.items()}
        quantity = f"|{quantity.lower()}|"
    scale, unit = scaled(np.concatenate(list(values.values())), rest.removesuffix(")"))
    x, x_label = (shown["Voltage (V)"], "voltage / V") if is_sweep else (shown["point"], "point of the recorded run")
    # rings around dots: where both agree, both are seen
    looks = {"recorded": ("o", 5.0, "none", _RECORDED), "replayed": (".", 2.5, _REPLAYED, _REPLAYED)}
    for which, (marker, size, face, edge) in looks.items():
        y = values[which] / scale
        overlay.plot(x, y, marker, markersize=size, markerfacecolor=face, markeredgecolor=edge, label=which)
        medians = np.sort(pairs[f"{which} {column}"].abs().groupby([pairs["Row"], pairs["Column"]]).median().dropna())
        if medians.size:
            share = np.arange(1, medians.size + 1) / medians.size
            spread.step(medians / scale, share, where="post", color=edge, linewidth=2.4 - (which == "replayed"))
    finite = np.concatenate([one[np.isfinite(one) & (one > 0.0)] for one in values.values()])
    if finite.size and finite.max() > _DECADE * finite.min():
        overlay.set_yscale("log")
        spread.set_xscale("log")
    residuals.plot(shown["point"], 100.0 * shown[f"residual {column}"], ".", markersize=2.5, color="0.25")
    bound = 100.0 * comparison.tolerance
    residuals.axhspan(-bound, bound, color="#2ca02c", alpha=0.15, linewidth=0)
    overlay.set(xlabel=x_label, ylabel=f"{quantity} / {unit}", title=f"{event}: both runs")
    residuals.set(xlabel="point of the recorded run", ylabel="replayed / recorded − 1, %", title="residuals")
    spread.set(xlabel=f"median of a cell / {unit}", ylabel="share of cells", title="distribution over cells")
    overlay.legend(fontsize=8)
    for axes in (overlay, residuals, spread):
        axes.title.set_fontsize(10)
    sign(figure, "simulated" if comparison.recorded.header["simulated"] else "")
    return Plot(f"replay-{event}", f"{event}: {column}", figure, pairs)


def _content(comparison: ReplayComparison) -> dict[str, Any]:
    runs = (comparison.recorded, comparison.replayed)
    simulated = [bool(run.header["simulated"]) for run in runs]
    return {
        "procedure": runs[0].header["procedure"],
        "runs": [
            {
                "what": what,
                "id": run.run_id,
                "station": run.header["station"],
                "started": str(run.header["started_utc"])[:19].replace("T", " "),
                "status": run.status,
            }
            for what, run in zip(("recorded", "replayed"), runs, strict=True)
        ],
        "simulated": "all" if all(simulated) else "some" if any(simulated) else "",
        "verdicts": comparison.verdicts(),
        "remark": comparison.remark(),
        "tolerance": f"{100.0 * comparison.tolerance:.3g} %",
        "points": len(comparison.pairs),
        "parts": [
            {
                "part": part,
                "recorded": _written(part.recorded_median, part.column),
                "replayed": _written(part.replayed_median, part.column),
                "residuals": [_percent(value) for value in (part.median, part.low, part.high, part.largest)],
                "distance": "" if np.isnan(part.distance) else f"{part.distance:.2f}",
                "p": "" if part.p_value is None else f"{part.p_value:.2g}",
            }
            for part in comparison.parts
        ],
        "circumstances": comparison.circumstances,
        "left_out": comparison.left_out,
        "pictures": [
            (plot.title, "data:image/svg+xml;base64," + base64.b64encode(plot.svg().encode("utf-8")).decode("ascii"))
            for plot in replay_plots(comparison)
        ],
    }


def _written(value: float, column: str) -> str:
    return "" if np.isnan(value) else format_quantity(value, column.partition("(")[2].removesuffix(")"), digits=4)


def _percent(value: float) -> str:
    return "" if np.isnan(value) else f"{100.0 * value:+.3g} %"
