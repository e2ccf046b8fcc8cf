"""Watches a growing file with the plot of PyMeasure's ManagedWindow, and opens its table.

Arguments: folder, points at once, points/s, seconds, rows of the table.
"""

import json
import sys
import threading
import time
from pathlib import Path

from event_loop import LagProbe, kept_mb, spin
from pymeasure.display.widgets import PlotWidget, TableWidget
from pymeasure.experiment import Procedure, Results
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication
from write_run import row

NUMBERS = ["Row", "Column", "Voltage (V)", "Current (A)", "Conductance (S)", "Time (s)"]


class Watched(Procedure):
    DATA_COLUMNS = NUMBERS


def line(number):
    values = row(number)
    return ",".join("nan" if values[name] is None else repr(values[name]) for name in NUMBERS) + "\n"


def new_results(path, points):
    results = Results(Watched(), str(path))
    # otherwise the plot does not look for new points
    results.procedure.status = Procedure.RUNNING
    with path.open("a", encoding="utf-8") as file:
        file.writelines(line(number) for number in range(points))
    return results


def main():
    folder, at_once, rate, seconds, table_rows = Path(sys.argv[1]), *map(float, sys.argv[2:])
    application = QApplication([])
    path = folder / "watched.csv"
    results = new_results(path, int(at_once))
    plot = PlotWidget("plot", NUMBERS, x_axis="Time (s)", y_axis="Conductance (S)")
    plot.resize(1400, 900)
    plot.show()
    spin(0.5)
    early_mb = kept_mb()
    start_s = time.perf_counter()
    curve = plot.new_curve(results, color=QColor("blue"))
    plot.load(curve)
    curve.update_data()
    opened_s = time.perf_counter() - start_s
    spin(1.0)
    grown_mb = kept_mb() - early_mb

    def write():
        number, begin_s = int(at_once), time.monotonic()
        with path.open("a", encoding="utf-8") as file:
            while (passed_s := time.monotonic() - begin_s) < seconds:
                while number < at_once + passed_s * rate:
                    file.write(line(number))
                    number += 1
                file.flush()
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    probe = LagProbe()
    writer.start()
    spin(seconds)
    live = probe.figures()
    writer.join()
    small = new_results(folder / "table.csv", int(table_rows))
    table = TableWidget("table", NUMBERS)
    table.resize(900, 600)
    table.show()
    spin(0.2)
    start_s = time.perf_counter()
    table.load(table.new_curve(small))
    table.grab()
    spin(0.0)
    opened_table_s = time.perf_counter() - start_s
    shown = len(curve.xData)
    print(
        json.dumps(
            {
                "points": at_once,
                "shown": shown,
                "live": live,
                "opens_ms": 1000.0 * opened_s,
                "memory_mb_per_million": grown_mb / (at_once / 1e6),
                "table_rows": table_rows,
                "table_opens_ms": 1000.0 * opened_table_s,
            }
        )
    )
    del application


if __name__ == "__main__":
    main()
