"""The window on a real display server with a window manager, moved by mouse and keyboard alone; judged from outside.

Authority: issue 5, Shows 3: "Under Xvfb with a real window manager: the same start, click, drag, resize, docks; no
warning on the console."
"""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from labctl.gui.theme import LIGHT
from labctl.store.reader import Run

TOOLS = ("Xvfb", "openbox", "xdotool")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
WIDTH, HEIGHT = 1400, 900
PATIENCE_S = 120.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}, which are not installed"),
]


class Screen:
    """A display of its own, its window manager, and the window on it."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "runs"
        self.processes = []
        self.environment = {
            **os.environ,
            "LABCTL_HOME": str(folder / "home"),
            "LABCTL_DATA_ROOT": str(self.root),
            "QT_QPA_PLATFORM": "xcb",
            "QT_SCALE_FACTOR": "1",
            "LC_ALL": "C.UTF-8",
        }

    def start(self):
        reading, writing = os.pipe()
        self._start(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", str(self.folder)],
            pass_fds=(writing,),
        )
        os.close(writing)
        with os.fdopen(reading) as told:
            self.environment["DISPLAY"] = f":{told.readline().strip()}"
        self._start(["openbox"])

    def open_window(self):
        with (self.folder / "out").open("wb") as out, (self.folder / "error").open("wb") as error:
            command = [sys.executable, "-m", "labctl", "gui"]
            self.window = subprocess.Popen(command, env=self.environment, stdout=out, stderr=error)
        self.processes.append(self.window)
        self.until(lambda: self.windows("labctl$"), "the window is there")
        self.main = self.windows("labctl$")[0]

    def _start(self, command, **how):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes.append(subprocess.Popen(command, env=self.environment, **quiet, **how))

    def end(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def do(self, *words):
        done = subprocess.run(
            ["xdotool", *map(str, words)], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout.strip()

    def keys(self, *keys):
        self.do("key", "--delay", "60", *keys)

    def windows(self, name):
        return self.do("search", "--onlyvisible", "--name", name).split()

    def title(self):
        return self.do("getwindowname", self.main)

    def click(self, place):
        self.do("mousemove", *place, "sleep", "0.1", "click", 1)

    def drag(self, start, end):
        steps = np.linspace(start, end, 12).round().astype(int).tolist()
        moves = [word for step in steps for word in ("mousemove", *step, "sleep", "0.04")]
        self.do("mousemove", *start, "sleep", "0.1", "mousedown", 1, "sleep", "0.1", *moves, "mouseup", 1)

    def pixels(self):
        """Return what is on the screen: the dump of X, whose header says where pixels begin."""
        data = (self.folder / "Xvfb_screen0").read_bytes()
        header = np.frombuffer(data, ">u4", 25)
        start = int(header[0]) + 12 * int(header[19])
        picture = np.frombuffer(data, np.uint8, count=int(header[12]) * HEIGHT, offset=start).reshape(HEIGHT, -1, 4)
        return picture[:, :WIDTH, 2::-1]

    def of_colour(self, colour):
        wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        return (self.pixels() == wanted).all(axis=2)

    def block(self, colour, *, where=(0.0, 0.0, 1.0, 1.0), least=30):
        """Return left, top, right and bottom of the place where a colour fills lines; None: it is nowhere."""
        mask = self.of_colour(colour)
        left, top, right, bottom = (round(part * size) for part, size in zip(where, (WIDTH, HEIGHT) * 2, strict=True))
        mask = mask[top:bottom, left:right]
        rows = np.flatnonzero(mask.sum(axis=1) >= least)
        if not len(rows):
            return None
        columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
        return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]), top + int(rows[-1])

    def button(self, colour, **where):
        """Wait for a button of this colour, and return its middle."""
        self.until(lambda: self.block(colour, **where) is not None, f"a button of the colour {colour} is seen")
        left, top, right, bottom = self.block(colour, **where)
        return (left + right) // 2, (top + bottom) // 2

    def until(self, happened, what, patience_s=PATIENCE_S, *, is_closed=False):
        end_s = time.monotonic() + patience_s
        while not happened():
            is_there = self.window.poll() is None
            assert is_closed or is_there, f"the window ended with {self.window.returncode}: {self.said()}"
            assert time.monotonic() < end_s, f"not within {patience_s:g} s: {what}"
            time.sleep(0.2)

    def said(self):
        return "".join((self.folder / name).read_text(encoding="utf-8") for name in ("out", "error"))

    def items(self):
        done = subprocess.run(
            [sys.executable, "-m", "labctl", "queue", "list", "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return json.loads(done.stdout)["items"]

    def state(self, number):
        items = self.items()
        return items[number]["state"] if len(items) > number else ""

    def run_files(self):
        return sorted(self.root.glob("*.run.sqlite"))


@pytest.fixture
def screen(tmp_path):
    screen = Screen(tmp_path)
    try:
        screen.start()
        yield screen
    finally:
        screen.end()


def test_window_is_used_by_mouse_and_keyboard_on_a_real_screen(screen):
    screen.open_window()
    screen.do("windowmove", screen.main, 0, 0)

    # the start page has one button of this colour: the first curve
    screen.click(screen.button(LIGHT.accent, where=(0.0, 0.1, 0.5, 0.5)))
    screen.until(lambda: "single-device (simulated)" in screen.title(), "the title says what is simulated")
    screen.until(screen.run_files, "the curve has its run file")
    # resized while it measures
    screen.do("windowsize", "--sync", screen.main, WIDTH, HEIGHT - 40)
    screen.until(lambda: screen.block(LIGHT.curves[0], where=(0.0, 0.2, 0.6, 0.95), least=5), "the curve is drawn")
    screen.until(lambda: screen.state(0) == "finished", "the first curve is finished")

    # another station
    off = screen.button(LIGHT.danger)
    screen.click((150, off[1]))
    screen.do("type", "--delay", "60", "tiox")
    screen.keys("Return")
    screen.until(lambda: "tiox-32x32 (simulated)" in screen.title(), "the other station is chosen")

    # a selection in the map: the cells that were never measured are hatched
    screen.keys("ctrl+4")
    hatch = {"where": (0.02, 0.15, 0.6, 0.9), "least": 40}
    screen.until(lambda: screen.block(LIGHT.muted, **hatch) is not None, "the map is hatched")
    time.sleep(1.0)
    left, top, right, bottom = screen.block(LIGHT.muted, **hatch)
    middle = (left + right) // 2, (top + bottom) // 2
    screen.drag(middle, (middle[0] + (right - left) // 5, middle[1] + (bottom - top) // 5))
    screen.keys("alt+n")

    # a form, a value by keyboard, a press on Run
    screen.keys("ctrl+1")
    run = {"where": (0.0, 0.7, 0.6, 1.0)}
    screen.button(LIGHT.accent, **run)
    left = screen.block(LIGHT.accent, **run)[0]
    white = screen.of_colour(LIGHT.base)[:, left + 100 : left + 250]
    fields = np.flatnonzero(white.sum(axis=1) > 100)
    screen.click((left + 180, int(fields[fields > 150][0]) + 4))
    screen.keys("ctrl+a")
    screen.do("type", "--delay", "60", "1.25 V")
    time.sleep(1.5)
    # of this colour only while it can be pressed: the form has looked at the value
    screen.click(screen.button(LIGHT.accent, **run))
    screen.until(lambda: screen.state(1) == "running", "the second run is under way")
    parameters = screen.items()[1]["parameters"]
    assert "1.25 V" in parameters.values(), parameters
    rows, columns = (part.split(":") for part in parameters["cells"].split(","))
    assert int(rows[1]) - int(rows[0]) > 3, parameters["cells"]
    assert int(columns[1]) - int(columns[0]) > 3, parameters["cells"]
    screen.until(lambda: len(screen.run_files()) == 2, "the second run has its file")

    # a panel is torn off and put back
    title = off[0], off[1] + round(1.6 * (off[1] - screen.block(LIGHT.danger)[1])) + 8
    screen.drag(title, (WIDTH // 2, HEIGHT // 2))
    screen.until(lambda: screen.windows("^Station$"), "the panel is a window of its own")
    geometry = dict(
        line.split("=") for line in screen.do("getwindowgeometry", "--shell", screen.windows("^Station$")[0]).split()
    )
    bar = int(geometry["X"]) + int(geometry["WIDTH"]) // 3, int(geometry["Y"]) + 10
    screen.do("mousemove", *bar, "click", "--repeat", 2, "--delay", 80, 1)
    screen.until(lambda: not screen.windows("^Station$"), "the panel is back")

    # an abort by keyboard
    screen.keys("ctrl+period")
    screen.until(lambda: screen.state(1) == "aborted", "the run is aborted")

    # closing while a run is under way asks; Stop safely ends the run first
    screen.keys("ctrl+r")
    screen.until(lambda: screen.state(2) == "running", "the third run is under way")
    # at once, also while the queue is still starting it
    screen.keys("ctrl+q")
    screen.until(lambda: screen.windows("A run is under way"), "the window asks")
    screen.keys("alt+s")
    assert screen.window.wait(PATIENCE_S) == 0
    # the run has ended before the window does; the queue hears of it when the process of the run has gone
    assert Run(screen.run_files()[2]).status == "aborted"
    screen.until(lambda: screen.state(2) == "aborted", "the queue knows of the abort", is_closed=True)
    assert screen.said() == ""
