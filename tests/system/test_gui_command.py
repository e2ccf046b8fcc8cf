"""Authority: issue 5 ("no Qt libraries (says which system packages)"); the binding's known faults by version."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="displays and system packages of Linux")

HIDE = """
import importlib.machinery
real = importlib.machinery.PathFinder.find_spec
hidden = {hidden!r}
importlib.machinery.PathFinder.find_spec = staticmethod(
    lambda name, path=None, target=None: None if name.split(".")[0] in hidden else real(name, path, target)
)
"""


@pytest.fixture
def gui(homes, tmp_path):
    """Start ``labctl gui`` offscreen, with a folder of stubs before everything that is installed."""

    def start(*arguments, **environment):
        changed = {
            **os.environ,
            "QT_QPA_PLATFORM": "offscreen",
            "QT_API": "pyside6",
            "PYTHONPATH": str(tmp_path / "stubs"),
            **environment,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "labctl", "gui", *arguments],
            env={key: value for key, value in changed.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def stub(tmp_path, name, text):
    path = tmp_path / "stubs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def refusal(process):
    out, error = process.communicate(timeout=180)
    assert process.returncode == 2, error
    assert out == ""
    # one sentence, no traceback
    assert error.startswith("labctl: ")
    assert error.count("\n") == 1
    return error


def test_gui_says_what_to_install_when_qt_is_not_there(gui, tmp_path):
    stub(tmp_path, "sitecustomize.py", HIDE.format(hidden={"PySide6", "PyQt6", "qtpy", "pyqtgraph"}))
    assert 'pip install "labctl[gui]"' in refusal(gui())


def test_gui_names_the_missing_one_when_only_the_binding_is_not_there(gui, tmp_path):
    stub(tmp_path, "sitecustomize.py", HIDE.format(hidden={"PySide6", "PyQt6"}))
    error = refusal(gui())
    assert "PySide6" in error
    assert "qtpy" not in error


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libEGL.so.1", "libegl1"),
        ("libGL.so.1", "libgl1"),
        ("libxkbcommon.so.0", "libxkbcommon0"),
        ("libdbus-1.so.3", "libdbus-1-3"),
        ("libfontconfig.so.1", "libfontconfig1"),
    ],
)
def test_gui_names_the_system_package_when_a_library_is_missing(gui, tmp_path, library, package):
    stub(tmp_path, "PySide6/__init__.py", "__version__ = '6.11.3'\n")
    stub(tmp_path, "PySide6/QtCore.py", "__version__ = '6.11.3'\n")
    words = f"{library}: cannot open shared object file: No such file or directory"
    # QtGui links it, and every other part of Qt that draws begins with QtGui
    stub(tmp_path, "PySide6/QtGui.py", f"raise ImportError({words!r})\n")
    stub(tmp_path, "PySide6/QtWidgets.py", "import PySide6.QtGui\n")
    error = refusal(gui())
    assert library in error
    assert error.strip().endswith(f"apt install {package}")


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the fault is on older Pythons")
def test_gui_refuses_the_version_that_ends_the_program_on_this_python(gui, tmp_path):
    stub(tmp_path, "PySide6_Essentials-6.12.0.dist-info/METADATA", "Name: PySide6-Essentials\nVersion: 6.12.0\n")
    error = refusal(gui())
    assert "6.12.0" in error
    assert '"PySide6-Essentials<6.12"' in error


def test_gui_says_that_there_is_no_display_instead_of_aborting(gui):
    error = refusal(gui(QT_QPA_PLATFORM=None, DISPLAY=None, WAYLAND_DISPLAY=None))
    assert "DISPLAY" in error


def test_gui_says_what_is_wrong_when_the_display_does_not_answer(gui):
    error = refusal(gui(QT_QPA_PLATFORM=None, DISPLAY=":7654", WAYLAND_DISPLAY=None))
    # on a machine without the libraries of X: which packages
    assert "does not answer" in error or "apt install" in error


def test_gui_refuses_a_data_root_that_is_a_file(gui, tmp_path):
    (tmp_path / "file").write_text("")
    assert "must be a folder" in refusal(gui("-o", str(tmp_path / "file")))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_gui_opens_and_leaves_cleanly_when_it_is_interrupted(gui, homes, number):
    process = gui("-s", "single-device")
    locks = homes / "home" / "windows"
    end = time.monotonic() + 180
    while not any(Path(locks).glob("*.lock")):
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    out, error = process.communicate(timeout=180)
    assert process.returncode == 0, error
    assert (out, error) == ("", "")
    kept = (homes / "home" / "window.ini").read_text()
    assert "single-device" in kept
    assert not any(Path(locks).glob("*.lock"))


# the window's own process with every panel open, which then leaves: by its close button, or by a signal
EVERY_PANEL = """
import os, signal, sys
from pathlib import Path
from qtpy.QtCore import QTimer
from labctl.gui import application
from labctl.gui.panels import PANELS

class Window(application.MainWindow):
    def begin(self, station):
        super().begin(station)
        QTimer.singleShot(50, self.open_all)

    def open_all(self):
        for entry in PANELS:
            self.show_panel(entry.name)
        assert all(place.panel is not None for place in self.panels.places.values())
        leave = self.close if sys.argv[1] == "close" else lambda: os.kill(os.getpid(), signal.SIGTERM)
        QTimer.singleShot(int(sys.argv[2]), leave)

application.MainWindow = Window
sys.exit(application.show_window("tiox-32x32", Path(sys.argv[3])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["close", "signal"])
def test_gui_never_crashes_at_its_end_when_every_panel_was_open(homes, how):
    (homes / "runs").mkdir()
    for wait_ms in (50, 400, 1500, 50, 400):
        command = [sys.executable, "-X", "faulthandler", "-c", EVERY_PANEL, how, str(wait_ms), str(homes / "runs")]
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
