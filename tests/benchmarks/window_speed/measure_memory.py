"""How much memory the whole window keeps while it watches a run grow by millions. Arguments: folder, millions.

All panels are open, three plots more than at first are shown and a cell is selected, whose history is kept.
"""

import json
import subprocess
import sys
from pathlib import Path

from event_loop import kept_mb, spin, spin_until
from qtpy.QtWidgets import QApplication

from labctl.gui.desk import Desk
from labctl.gui.main_window import MainWindow
from labctl.gui.panels import PANELS
from labctl.gui.plots.choice import CELL, Choice, Kind

MILLION = 1_000_000


def main():
    folder, millions = Path(sys.argv[1]), int(sys.argv[2])
    writer = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("write_long_run.py"), folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    path = Path(writer.stdout.readline().strip())
    application = QApplication([])
    desk = Desk(folder)
    window = MainWindow(desk)
    window.resize(1600, 900)
    window.show()
    window.begin("tiox-32x32")
    spin_until(lambda: desk.facts is not None, 60)
    for entry in PANELS:
        window.show_panel(entry.name)
        spin(0.2)
    desk.watch(path)
    desk.select([(3, 3)])
    plots, array = (window.panels.places[name].panel for name in ("plots", "array"))
    for choice in (
        Choice(Kind.COLUMNS, "Point", ("Conductance (S)", "Current (A)"), log_y=True),
        Choice(Kind.COLUMNS, "Point", ("Conductance (S)",), group=CELL),
        Choice(Kind.LEVELS, "Conductance (S)"),
    ):
        plots.add_plot(choice)
    watched, kept = [], []
    for _ in range(millions):
        writer.stdin.write(f"{MILLION}\n")
        writer.stdin.flush()
        written = int(writer.stdout.readline())
        spin_until(lambda written=written: desk.feed.count == written, 600)
        # each draws what came, once
        for name in ("array", "table", "plots"):
            window.show_panel(name)
            spin(0.5)
        spin_until(lambda written=written: all(frame.taken == written for frame in plots.frames), 60)
        watched.append(desk.feed.count)
        kept.append(kept_mb())
    rows = array.history.rows.rowCount()
    print(json.dumps({"watched": watched, "kept_mb": kept, "plots": len(plots.frames), "history_rows": rows}))
    writer.stdin.close()
    writer.wait()
    window.close_unasked()
    del application


if __name__ == "__main__":
    main()
