"""The window's process, from the first line to the last.

Not here: what the window shows (:mod:`labctl.gui.main_window`), whether Qt is there (:mod:`labctl.gui.requirements`).
"""

import signal
from pathlib import Path

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QApplication

from labctl.errors import LabError
from labctl.gui.desk import Desk
from labctl.gui.log_records import catch_the_uncaught, leave_the_uncaught
from labctl.gui.main_window import MainWindow
from labctl.gui.panels import import_ahead
from labctl.run.queue.launch import ensure_worker

__all__ = ["show_window"]

_LISTEN_MS = 200


def show_window(station: str, root: Path) -> int:
    """Open the window and stay until it is closed.

    Parameters
    ----------
    station : str
        Name or path of its file; empty: the start page, or the station that was used last.
    root : Path
        Data root.

    Returns
    -------
    int
        Exit code of the process.
    """
    application = QApplication(["labctl"])
    application.setApplicationName("labctl")
    desk = Desk(root)
    window = MainWindow(desk)

    def leave(*_: object) -> None:
        # not at once: Python may have been called from the middle of a painting
        QTimer.singleShot(0, window.close_unasked)

    catch_the_uncaught(leave)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    # Python runs the handlers of signals only while it runs itself, not inside Qt
    listening = QTimer()
    listening.timeout.connect(lambda: None)
    listening.start(_LISTEN_MS)
    window.show()
    window.begin(station)
    # after the first painting: a run or a panel that is asked for soon finds everything loaded
    QTimer.singleShot(0, lambda: _have_all_ready(desk))
    code = application.exec()
    listening.stop()
    # Python deletes in any order at its end: what Qt still needs, or still calls, would be gone by then
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    for owner in (window, desk):
        owner.deleteLater()
    application.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    leave_the_uncaught()
    return int(code)


def _have_all_ready(desk: Desk) -> None:
    """Import what the panels need, and start the queue's worker before it has work."""
    import_ahead(desk)
    try:
        ensure_worker(desk.root, stay=True)
    except (LabError, OSError) as error:
        desk.tell("warning", f"runs will take longer to start: {error}")
