"""How long the first look at each part of the window holds the event loop up. Arguments: folder, station."""

import json
import sys
from pathlib import Path

from event_loop import LagProbe, spin
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from labctl.gui.application import _have_all_ready
from labctl.gui.desk import Desk
from labctl.gui.main_window import MainWindow
from labctl.gui.panels import PANELS


def main():
    folder, station = Path(sys.argv[1]), "".join(sys.argv[2:])
    application = QApplication([])
    desk = Desk(folder)
    window = MainWindow(desk)
    probe = LagProbe()
    window.show()
    window.begin(station)
    QTimer.singleShot(0, lambda: _have_all_ready(desk))
    looks = {}

    def look(what, action, seconds):
        before = set(sys.modules)
        probe.restart()
        action()
        spin(seconds)
        fresh = [name for name in set(sys.modules) - before if name.startswith(("labctl.gui.", "pyqtgraph."))]
        looks[what] = {**probe.figures(), "imported": sorted(fresh)}

    look("painted", lambda: None, 4.0)
    if not station:
        look("first curve", window.start_page.curve_button.click, 8.0)
    for entry in PANELS:
        look(entry.title, lambda name=entry.name: window.show_panel(name), 2.0)
    look("long form", lambda: (desk.show("form"), desk.offer("program_array", {})), 2.0)
    print(json.dumps(looks))
    window.close_unasked()
    del application


if __name__ == "__main__":
    main()
