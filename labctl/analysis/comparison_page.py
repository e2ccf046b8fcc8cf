"""One self-contained HTML page about several runs, and the plots on it as files.

Not here: the numbers (:mod:`labctl.analysis.comparison`), the plots (:mod:`labctl.analysis.overlay`).
"""

import base64
from pathlib import Path
from typing import Any

from labctl.analysis.comparison import Comparison, Part, Row
from labctl.analysis.overlay import difference_maps, overlaid_plots
from labctl.analysis.page import write_page
from labctl.analysis.plot import Plot, save_plots
from labctl.errors import StoreError

__all__ = ["write_comparison", "write_comparison_plots"]


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write the page of a comparison.

    Parameters
    ----------
    comparison : Comparison
    folder : Path
        Where the page goes; made if it is not there.

    Returns
    -------
    Path
        ``compare-<procedure>-<ends of the run ids>.html`` in ``folder``.

    Raises
    ------
    StoreError
        If ``folder`` is a file or cannot be written to.
    """
    page = folder / f"{_stem(comparison)}.html"
    return write_page(page, "compare", "comparison.html", _content(comparison))


def write_comparison_plots(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the plots of a comparison as SVG, PNG and CSV, and its table of results as CSV.

    Parameters
    ----------
    comparison : Comparison
    folder : Path
        Made if it is not there.

    Returns
    -------
    list of Path
        Three files for each plot, and ``results.csv``.

    Raises
    ------
    StoreError
        If ``folder`` cannot be written to.
    """
    written = []
    for part in comparison.parts:
        stem = f"{part.label}-{part.procedure}" if part.label else part.procedure
        written += save_plots(_plots(comparison, part), folder, stem=stem)
    table = folder / "results.csv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        comparison.table().to_csv(table, index=False, lineterminator="\n")
    except OSError as error:
        raise StoreError(f"compare: cannot write {table} ({error.strerror}); choose another folder with -o") from error
    return [*written, table]


def _stem(comparison: Comparison) -> str:
    procedure = str(comparison.runs[0].header["procedure"])
    return "-".join(["compare", procedure, *(run.run_id[-4:] for run in comparison.runs)])


def _plots(comparison: Comparison, part: Part) -> list[Plot]:
    simulated = [bool(run.header["simulated"]) for run in comparison.runs]
    note = "simulated" if all(simulated) else "some runs simulated" if any(simulated) else ""
    plots = overlaid_plots(part.views, comparison.labels, note=note)
    if len(part.views) == 2:
        plots += difference_maps(part.views, comparison.labels, note=note)
    return plots


def _content(comparison: Comparison) -> dict[str, Any]:
    runs, rows = comparison.runs, [row for part in comparison.parts for row in part.rows]
    simulated = sum(bool(run.header["simulated"]) for run in runs)
    return {
        "procedure": runs[0].header["procedure"],
        "runs": [
            {
                "id": run.run_id,
                "label": label,
                "colour": f"c{number % 10}",
                "station": run.header["station"],
                "started": str(run.header["started_utc"])[:19].replace("T", " "),
                "status": run.status,
            }
            for number, (run, label) in enumerate(zip(runs, comparison.labels, strict=True))
        ],
        "simulated": "all" if simulated == len(runs) else "some" if simulated else "",
        "differing": [row.label for row in rows if row.differs],
        "tested": sum(row.p_value is not None for row in rows),
        "parts": [
            {
                "label": part.label,
                "procedure": part.procedure,
                "rows": [(row, _verdict(row, comparison)) for row in part.rows],
                "pictures": [(plot.title, _address(plot)) for plot in _plots(comparison, part)],
            }
            for part in comparison.parts
        ],
        "differences": comparison.differences,
    }


def _verdict(row: Row, comparison: Comparison) -> str:
    if row.differs is None:
        return ""
    if not row.differs:
        return "no difference told"
    if row.pair is None:
        return "differs"
    return "differs, most " + " from ".join(comparison.runs[number].run_id[-4:] for number in row.pair)


def _address(plot: Plot) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(plot.svg().encode("utf-8")).decode("ascii")
