"""The plots that a run gets at first. Authority: a run file may lack any column, as one of another program or an older
one does; what a plot shows must then be in the file.
"""

import json

import numpy as np
import pytest

from labctl.gui.plots.choice import CELL, Choice, Kind, choice_of, first_choices, is_possible, kinds_of, needed_columns
from labctl.gui.plots.plots_panel import PlotsPanel
from labctl.gui.plots.series import Series
from labctl.store import RunHeader, RunWriter
from labctl.store.columns import parse_columns
from labctl_procedures import procedures

NAMES = sorted(procedures())


def rows_of(columns):
    return {column.name: np.array([0.5, 1.5]) if column.unit else np.array(["1", "2"]) for column in columns}


@pytest.mark.parametrize("name", NAMES)
def test_first_plots_show_only_columns_of_the_run_whichever_is_missing(name):
    labels = procedures()[name].DATA_COLUMNS
    for missing in ({}, *({label} for label in labels), {"Event", "Cycle"}, {"Row", "Column"}, {"Time (s)", "Flags"}):
        columns = parse_columns([label for label in labels if label not in missing])
        rows = rows_of(columns)
        offered = [choice_of(kind, columns) for kind in kinds_of(columns)]
        for choice in (*first_choices(name, columns), *offered):
            assert is_possible(choice, columns), (missing, choice)
            needed = {label: rows[label] for label in needed_columns(choice, rows)}
            for y in choice.ys if choice.kind is not Kind.LEVELS else ():
                Series(choice, y).take(np.array([1, 2]), needed)


@pytest.mark.parametrize(
    "choice",
    [
        Choice(Kind.COLUMNS, "Time (s)", ("Current (A)",)),
        Choice(Kind.COLUMNS, "Point", ("Voltage (V)",)),
        Choice(Kind.COLUMNS, "Point", ("Current (A)",), group="Cycle"),
        Choice(Kind.COLUMNS, "Point", ("Current (A)",), group=CELL),
        Choice(Kind.COLUMNS, "Point", ("Current (A)",), event="sweep"),
        Choice(Kind.IV, "Current (A)", ("Current (A)",)),
        Choice(Kind.LEVELS, "Current (A)"),
    ],
)
def test_plot_is_not_possible_when_the_run_lacks_what_it_shows(choice):
    assert not is_possible(choice, parse_columns(["Current (A)"]))
    assert is_possible(Choice(Kind.COLUMNS, "Point", ("Current (A)",)), parse_columns(["Current (A)"]))


@pytest.mark.parametrize("labels", [("Voltage (V)", "Current (A)"), ("Cycle", "Voltage (V)", "Current (A)")])
def test_sweep_of_another_program_is_drawn_without_the_columns_that_it_lacks(qtbot, desk, root, labels):
    writer = RunWriter.create(root, RunHeader("sweep_iv", labels))
    writer.points([dict(zip(reversed(labels), (1e-6 * n, 0.1 * n, 0), strict=False)) for n in range(1, 9)])
    writer.seal("finished", {})
    # kept of runs that had them
    kept = {"kind": "I-V curve", "x": "Voltage (V)", "ys": ["Current (A)"], "group": "Cycle", "event": "sweep"}
    desk.settings.setValue("plots/sweep_iv", json.dumps({"choices": {"plot-1": kept}}))
    panel = PlotsPanel(desk)
    qtbot.addWidget(panel)
    panel.resize(1200, 500)
    panel.show()
    desk.watch(writer.path)
    assert [(frame.choice.log_y, frame.choice.event) for frame in panel.frames] == [(False, ""), (True, "")]
    qtbot.waitUntil(lambda: all(frame.count == 8 and not frame._is_stale for frame in panel.frames))
    (curve,) = panel.frames[0].panes[0]._curves.values()
    np.testing.assert_allclose(curve.xData, 0.1 * np.arange(1, 9))
    assert [sentence for severity, sentence in desk.sentences if severity == "error"] == []
