"""The files of a plot. Authority: the numbers that were drawn, read back by pandas; the signatures of SVG and PNG."""

import numpy as np
import pandas as pd
import pytest

from labctl.analysis.curve_figures import Axis, Line, draw_lines
from labctl.analysis.plot import Plot, save_plots
from labctl.errors import StoreError


def make_plot():
    line = Line("one", np.array([1e-9, 0.1, 3.0]), np.array([1e-12, 0.1 + 0.2, -5.0]))
    figure, table = draw_lines([line], Axis("time", "s"), Axis("voltage", "V"), title="A title", note="simulated")
    return Plot("curve", "A title", figure, table)


def test_plot_is_written_as_picture_in_two_kinds_and_as_table(tmp_path):
    svg, png, csv = save_plots([make_plot()], tmp_path / "new" / "folder", stem="run")
    assert [path.name for path in (svg, png, csv)] == ["run-curve.svg", "run-curve.png", "run-curve.csv"]
    text = svg.read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert "simulated" in text
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    table = pd.read_csv(csv)
    assert list(table.columns) == ["group", "time (s)", "voltage (V)"]
    # to the bit, in SI units, whatever prefix the axis has
    assert table["voltage (V)"].tolist() == [1e-12, 0.1 + 0.2, -5.0]


def test_files_are_the_same_when_written_twice(tmp_path):
    first, second = (save_plots([make_plot()], tmp_path / name, stem="run") for name in ("a", "b"))
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.suffix


def test_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    with pytest.raises(StoreError, match="choose another folder"):
        save_plots([make_plot()], tmp_path / "taken", stem="run")
