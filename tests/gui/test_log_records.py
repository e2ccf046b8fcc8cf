"""Authority: issue 5 ("never a frozen or vanishing window"; errors that nobody caught still reach the log)."""

import gc
import logging
import sys
import threading

import pytest
from qtpy.QtCore import QObject, qInstallMessageHandler, qWarning

from labctl.errors import StationError
from labctl.gui.log_records import RecordSignal, catch_the_uncaught, leave_the_uncaught


@pytest.fixture
def caught(qtbot, monkeypatch):
    """Catch as the window's process does, and put everything back."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = qInstallMessageHandler(None)
    records, stops = [], []
    signal = RecordSignal()
    signal.came.connect(records.append)
    catch_the_uncaught(lambda: stops.append(True))
    yield records, stops
    signal.close()
    logging.captureWarnings(False)
    qInstallMessageHandler(before)


def raised(error):
    with pytest.raises(type(error)) as info:
        raise error
    return type(error), error, info.tb


def test_uncaught_error_becomes_a_sentence_with_its_traceback(caught):
    records, stops = caught
    sys.excepthook(*raised(StationError("station x: there is no such file; see `labctl stations`")))
    (record,) = records
    assert (record.severity, record.source) == ("error", "window")
    assert record.sentence == "station x: there is no such file; see `labctl stations`"
    assert "Traceback" in record.details
    assert stops == []


def test_interrupt_stops_instead_of_being_shown(caught):
    records, stops = caught
    sys.excepthook(*raised(KeyboardInterrupt()))
    assert (records, stops) == ([], [True])


def test_uncaught_error_reaches_the_log_when_it_comes_from_a_thread(caught, qtbot):
    records, _ = caught

    def fail():
        raise StationError("from a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bool(records), timeout=2000)
    assert records[0].sentence == "from a thread"


def test_error_of_a_finaliser_reaches_the_log(caught):
    records, _ = caught

    class Broken:
        def __del__(self):
            raise StationError("from a finaliser")

    Broken()
    gc.collect()
    assert [record.sentence for record in records] == ["from a finaliser"]


def test_message_of_qt_reaches_the_log_and_not_the_console(caught, capfd):
    records, _ = caught
    qWarning("QThing: something is odd")
    assert [(record.severity, record.source, record.sentence) for record in records] == [
        ("warning", "Qt", "QThing: something is odd")
    ]
    assert capfd.readouterr().err == ""


def test_notes_of_other_libraries_are_left_out(caught):
    records, _ = caught
    logging.getLogger("matplotlib").setLevel(logging.INFO)
    logging.getLogger("matplotlib").info("building the font cache")
    assert records == []


def test_nothing_of_the_window_is_called_any_more_when_it_has_left(caught, capfd):
    records, stops = caught
    leave_the_uncaught()
    qWarning("QThing: something is odd")
    assert "something is odd" in capfd.readouterr().err
    assert (records, stops) == ([], [])
    assert (sys.excepthook, threading.excepthook) == (sys.__excepthook__, threading.__excepthook__)
    assert sys.unraisablehook is sys.__unraisablehook__


def test_record_that_comes_after_the_panel_was_deleted_goes_nowhere(qtbot):
    owner = QObject()
    signal = RecordSignal(owner)
    owner.deleteLater()
    qtbot.waitUntil(lambda: not signal_is_alive(signal), timeout=2000)
    handlers = list(logging.getLogger().handlers)
    logging.getLogger("labctl.gui").error("said too late")
    # it takes itself away; PyQt6 would crash at the signal of a deleted object
    assert len(logging.getLogger().handlers) == len(handlers) - 1


def signal_is_alive(signal):
    try:
        return signal.parent() is not None
    except RuntimeError:
        return False
