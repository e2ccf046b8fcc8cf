"""One plot: a figure with the table of numbers that it shows, and the files that it becomes.

Not here: drawing (:mod:`labctl.analysis.curve_figures`), which plots a run has (:mod:`labctl.analysis.run_plots`).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Plot", "save_plots", "svg_text"]

_DOTS_PER_INCH = 300


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure and its numbers.

    Attributes
    ----------
    name : str
        For files, such as ``"iv_log"``.
    title : str
        Heading.
    figure : matplotlib.figure.Figure
    table : pandas.DataFrame
        What is drawn, units in the column names.
    """

    name: str
    title: str
    figure: "Figure"
    table: "pd.DataFrame"

    def svg(self) -> str:
        """Return the figure as SVG text that is the same for the same numbers."""
        return svg_text(self.figure)


def svg_text(figure: "Figure") -> str:
    """Return a figure as SVG that is the same for the same figure.

    Parameters
    ----------
    figure : Figure

    Returns
    -------
    str
    """
    from matplotlib import rc_context

    stream = io.StringIO()
    # without a salt, the names of clips and markers are random
    with rc_context({"svg.hashsalt": "labctl"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def save_plots(plots: Sequence[Plot], folder: Path, *, stem: str) -> list[Path]:
    """Write each plot as SVG, PNG (300 dots per inch) and CSV.

    Parameters
    ----------
    plots : sequence of Plot
    folder : Path
        Made if it is not there.
    stem : str
        Beginning of the file names.

    Returns
    -------
    list of Path
        Three for each plot.

    Raises
    ------
    StoreError
        If the folder cannot be written to.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for plot in plots:
            paths = [folder / f"{stem}-{plot.name}.{kind}" for kind in ("svg", "png", "csv")]
            paths[0].write_text(plot.svg(), encoding="utf-8", newline="\n")
            plot.figure.savefig(paths[1], dpi=_DOTS_PER_INCH)
            plot.table.to_csv(paths[2], index=False, lineterminator="\n")
            written += paths
    except OSError as error:
        raise StoreError(f"report: cannot write to {folder} ({error.strerror}); choose another folder") from error
    return written
