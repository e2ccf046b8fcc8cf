"""What GUI tests share: an offscreen platform, a home and a data root of their own, a desk closed at the end."""

import os

import pytest

# before Qt is loaded
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")


PATIENCE_MS = 60_000


@pytest.fixture
def qtbot(qtbot):
    """pytest-qt's bot with more patience: asked is whether something comes, not how fast this computer is just now."""

    def patient(wait):
        return lambda what, *, timeout=0, **more: wait(what, timeout=max(timeout, PATIENCE_MS), **more)

    qtbot.waitUntil, qtbot.waitSignal = patient(qtbot.waitUntil), patient(qtbot.waitSignal)
    return qtbot


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Per-user state of this test alone; also for the processes that the window starts."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("LABCTL_HOME", str(home))
    monkeypatch.delenv("LABCTL_DATA_ROOT", raising=False)
    return home


@pytest.fixture
def root(tmp_path):
    """The data root."""
    root = tmp_path / "runs"
    root.mkdir()
    return root


@pytest.fixture
def desk(qtbot, root):
    """A desk without a window."""
    from labctl.gui.desk import Desk

    desk = Desk(root)
    desk.sentences = []
    desk.told.connect(lambda severity, sentence: desk.sentences.append((severity, sentence)))
    yield desk
    desk.close()


@pytest.fixture
def answers_here(desk, monkeypatch):
    """Questions are answered in this process, a little later and through JSON: a process takes seconds to start."""
    import json
    from collections.abc import Iterator
    from importlib import import_module

    from qtpy.QtCore import QTimer

    from labctl.errors import LabError
    from labctl.gui.backstage_process import _without_nan

    def ask(keys, told, what, done, failed=None, *, part=None, replaces="", **arguments):
        number = keys[replaces] = keys.get(replaces, 0) + 1
        subject, _, name = what.partition(".")

        def is_dropped():
            return bool(replaces) and keys[replaces] != number

        def answer():
            if is_dropped():
                return
            try:
                given = json.loads(json.dumps(arguments))
                found = import_module(f"labctl.gui.answers.{subject}").ANSWERS[name](**given)
                *parts, last = list(found) if isinstance(found, Iterator) else [found]
            except LabError as error:
                (failed or (lambda why: told.emit("warning", why)))(str(error))
                return
            for item in parts:
                if not is_dropped():
                    (part or done)(json.loads(json.dumps(_without_nan(item))))
            if not is_dropped():
                done(json.loads(json.dumps(_without_nan(last))))

        # of the desk: not later than it
        later = QTimer(desk, singleShot=True, interval=0)
        later.timeout.connect(answer)
        later.timeout.connect(later.deleteLater)
        later.start()
        return number

    for asked in (desk.scanner, desk.backstage):
        keys: dict[str, int] = {}
        monkeypatch.setattr(
            asked, "ask", lambda *what, _keys=keys, _told=asked.told, **more: ask(_keys, _told, *what, **more)
        )


@pytest.fixture
def loaded():
    """Return a function in place of the import of a panel: panels are tested by themselves, and take seconds."""
    from importlib import import_module
    from types import SimpleNamespace

    from qtpy.QtWidgets import QLabel

    from labctl.gui import panels

    class PlainPanel(QLabel):
        def __init__(self, desk, parent=None):
            super().__init__("a panel", parent)
            self.desk = desk

    def loaded(name):
        if name == "labctl.gui.log_panel":
            return import_module(name)
        if name == "labctl.gui.array.array_panel":
            raise ImportError("libthing.so.1: cannot open shared object file")
        entry = next(entry for entry in panels.PANELS if entry.module == name)
        return SimpleNamespace(**{entry.widget: PlainPanel})

    return loaded


@pytest.fixture
def open_window(qtbot, root, monkeypatch, loaded):
    """Return a function that opens a window with plain panels; it is closed at the end whatever runs."""
    from importlib import import_module

    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    from labctl.gui import panels
    from labctl.gui.desk import Desk
    from labctl.gui.main_window import MainWindow

    windows = []
    monkeypatch.setattr(panels, "import_module", loaded)

    def ask(backstage, what, done, failed=None, **rest):
        rest.pop("replaces", None)
        subject, _, name = what.partition(".")
        # answered in this process, a moment later
        answer = import_module(f"labctl.gui.answers.{subject}").ANSWERS[name](**rest)
        later = QTimer(windows[-1] if windows else backstage)
        later.setSingleShot(True)
        later.timeout.connect(lambda: done(answer))
        later.start(0)
        return 1

    monkeypatch.setattr("labctl.gui.backstage.Backstage.ask", ask)

    def open_one(station="", root=root):
        desk = Desk(root)
        window = MainWindow(desk)
        windows.append(window)
        desk.backstage.ask("start.stations", window.station_box._fill)
        window.resize(1280, 800)
        window.show()
        window.begin(station)
        return window

    yield open_one
    for window in windows:
        window.close_unasked()
        window.deleteLater()
    QApplication.processEvents()


@pytest.fixture
def live_run(root):
    """A run of this process, which lives; sealed at the end."""
    from labctl.store import RunHeader, RunWriter, open_run

    header = RunHeader("sweep_iv", ("Row", "Voltage (V)"), station="single-device", simulated=True)
    writer = RunWriter.create(root, header)
    writer.points([{"Row": 0, "Voltage (V)": 0.1}])
    writer.flush()
    yield writer
    if open_run(writer.path).seal is None:
        writer.seal("finished", {})


@pytest.fixture
def answer_question():
    """Return a function that presses a button of the question as soon as it stands there, and notes what it said."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication, QMessageBox

    def answer(button_text, seen):
        def look():
            box = QApplication.activeModalWidget()
            if not isinstance(box, QMessageBox):
                QTimer.singleShot(20, look)
                return
            seen.append(f"{box.text()} {box.informativeText()}")
            next(button for button in box.buttons() if button.text() == button_text).click()

        QTimer.singleShot(0, look)

    return answer


DIE_COLUMNS = (
    "Event",
    "Row",
    "Column",
    "Voltage (V)",
    "Width (s)",
    "Current (A)",
    "Conductance (S)",
    "Target (S)",
    "Time (s)",
    "Flags",
)


@pytest.fixture
def begin_run(root):
    """Begin run files of this very process on the die of the packaged crossbar; what is not sealed is closed.

    The bench is not simulated for it, which takes seconds.
    """
    import contextlib
    import sqlite3

    from labctl.store import ParameterRecord, RunWriter
    from labctl.store.schema import RunHeader

    made = []

    def begin(procedure, die_age_s, tolerance=0.05, place=root):
        facts = {
            "bench": {"name": "tiox-32x32", "die_age_s": die_age_s},
            "seed": 1,
            "sample": {"name": "TiOx/Al2O3 crossbar", "rows": 32, "columns": 32},
        }
        parameters = [ParameterRecord("tolerance", "Tolerance", tolerance, "1", f"{100.0 * tolerance:g} %")]
        writer = RunWriter.create(place, RunHeader(procedure, DIE_COLUMNS, parameters, "tiox-32x32", True, facts))
        made.append(writer)
        return writer

    yield begin
    for writer in made:
        with contextlib.suppress(sqlite3.ProgrammingError):
            writer.close()
