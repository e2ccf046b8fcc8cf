"""Watches a run with the plots and the table of labctl. Arguments: folder, points at once, points/s, seconds."""

import json
import subprocess
import sys
import time
from pathlib import Path

from event_loop import LagProbe, spin, spin_until
from qtpy.QtWidgets import QApplication

from labctl.gui.desk import Desk
from labctl.gui.plots.choice import CELL, Choice, Kind
from labctl.gui.plots.plots_panel import PlotsPanel
from labctl.gui.plots.table_panel import TablePanel


def main():
    folder, at_once, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[4])
    writer = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("write_run.py"), *sys.argv[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    path = Path(writer.stdout.readline().strip())
    application = QApplication([])
    desk = Desk(folder)
    plots, table = PlotsPanel(desk), TablePanel(desk)
    plots.resize(1400, 900)
    plots.show()
    table.resize(900, 600)
    table.show()
    spin(0.5)
    probe = LagProbe()
    desk.watch(path)
    for choice in (
        Choice(Kind.COLUMNS, "Point", ("Conductance (S)", "Current (A)"), log_y=True),
        Choice(Kind.COLUMNS, "Point", ("Conductance (S)",), group=CELL),
        Choice(Kind.LEVELS, "Conductance (S)"),
    ):
        # one click each
        spin(0.05)
        plots.add_plot(choice)
    # buffers that fill once, such as SQLite's, are in the first half
    spin_until(lambda: desk.feed.count >= at_once // 2, 600)
    half = desk.feed.count
    start_s = time.monotonic()
    spin_until(lambda: desk.feed.count >= at_once, 600)
    catching_up = {**probe.figures(), "points_per_s": (desk.feed.count - half) / (time.monotonic() - start_s)}
    spin(1.0)
    probe.restart()
    writer.stdin.write("go\n")
    writer.stdin.flush()
    spin(seconds)
    live = probe.figures()
    written = int(writer.stdout.readline())
    spin_until(lambda: desk.feed.count == written, 30)
    spin_until(lambda: all(frame.taken == written and not frame._is_stale for frame in plots.frames), 30)
    grown_ms = []
    for _ in range(20):
        desk.feed.points_total += 100
        begin_s = time.perf_counter()
        table._grow()
        grown_ms.append(1000.0 * (time.perf_counter() - begin_s))
    desk.feed.points_total = written
    table.close()
    opened_ms = []
    for _ in range(5):
        begin_s = time.perf_counter()
        another = TablePanel(desk)
        another.resize(900, 600)
        another.show()
        another.grab()
        opened_ms.append(1000.0 * (time.perf_counter() - begin_s))
        rows = another.model.total
        another.close()
    jumps_ms = []
    another.show()
    for place in range(1, 20):
        begin_s = time.perf_counter()
        another.jump(rows * place // 20)
        another.grab()
        jumps_ms.append(1000.0 * (time.perf_counter() - begin_s))
    print(
        json.dumps(
            {
                "catching_up": catching_up,
                "live": live,
                "written": written,
                "shown": min(frame.taken for frame in plots.frames),
                "table_rows": rows,
                "table_opens_ms": sorted(opened_ms)[2],
                "table_jumps_ms": max(jumps_ms),
                "table_grows_ms": max(grown_ms),
                "plots": len(plots.frames),
            }
        )
    )
    desk.close()
    del application


if __name__ == "__main__":
    main()
