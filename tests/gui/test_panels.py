"""Authority: issue 5 (the event loop is never held up for longer than 250 ms, a panel that fails leaves the others)."""

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel

from labctl.gui import panels


class Turns:
    """Stands for the desk: what is to be done soon is done by hand."""

    def __init__(self):
        self.waiting = []

    def soon(self, action):
        self.waiting.append(action)

    def do_all(self):
        turns = 0
        while self.waiting:
            self.waiting.pop(0)()
            turns += 1
        return turns


def test_desk_does_things_one_at_a_time_and_in_order_when_several_wait(desk, qtbot):
    seen = []
    ticks = QTimer()
    ticks.timeout.connect(lambda: seen.append("."))
    ticks.start(0)
    for number in "abc":
        desk.soon(lambda number=number: seen.append(number))
    assert seen == []
    qtbot.waitUntil(lambda: "c" in seen, timeout=5000)
    ticks.stop()
    words = "".join(seen)
    assert words.replace(".", "") == "abc"
    # the event loop came round in between
    assert ".b" in words
    assert ".c" in words


def test_desk_goes_on_when_one_thing_fails(desk, qtbot):
    seen = []

    def fail():
        raise ValueError("the cells must lie on the die")

    desk.soon(fail)
    desk.soon(lambda: seen.append("after"))
    qtbot.waitUntil(lambda: seen == ["after"], timeout=5000)


def test_desk_does_nothing_more_when_it_is_closed(desk, qtbot):
    seen = []
    desk.soon(lambda: seen.append("too late"))
    desk.close()
    qtbot.wait(50)
    assert seen == []


def test_modules_of_all_panels_are_imported_one_a_turn_when_the_window_has_a_moment(monkeypatch):
    seen = []
    monkeypatch.setattr(panels, "import_module", seen.append)
    turns = Turns()
    panels.import_ahead(turns)
    assert len(seen) == 1
    turns.do_all()
    # the log is there from the first moment
    assert {entry.module for entry in panels.PANELS} - {"labctl.gui.log_panel"} <= set(seen)
    assert len(seen) == len(set(seen))


def test_import_ahead_goes_on_in_silence_when_a_module_cannot_be_imported(monkeypatch):
    seen = []

    def broken(name):
        seen.append(name)
        raise ImportError("libthing.so.1: cannot open shared object file")

    monkeypatch.setattr(panels, "import_module", broken)
    turns = Turns()
    panels.import_ahead(turns)
    turns.do_all()
    assert len(seen) > len(panels.PANELS)


def test_place_imports_and_makes_its_panel_in_turns_of_their_own_when_it_is_painted(desk, qtbot, monkeypatch):
    seen = []

    class Panel(QLabel):
        def __init__(self, desk, parent=None):
            super().__init__("a panel", parent)
            seen.append("made")

    def imported(name):
        seen.append("imported")
        return type("Module", (), {"ManualPanel": Panel})

    monkeypatch.setattr(panels, "import_module", imported)
    turns = Turns()
    monkeypatch.setattr(desk, "soon", turns.soon)
    place = panels.PanelPlace(next(entry for entry in panels.PANELS if entry.name == "manual"), desk)
    qtbot.addWidget(place)
    place.show()
    place.grab()
    place.grab()
    assert seen == []
    assert turns.do_all() == 2
    # the second import finds the module in memory
    assert seen == ["imported", "imported", "made"]
    assert isinstance(place.panel, Panel)
