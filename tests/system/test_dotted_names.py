"""A procedure with a dot in its name: presets, dry runs, the queue, filters, resume.

Authority: systems.md and issue 6: each system is one command, and whatever the other procedures can, it can.
"""

from pathlib import Path

import pytest

from labctl.run import RunControl, execute_procedure
from labctl.run.presets import load_preset, save_preset
from labctl.store import open_run
from labctl_procedures import find_procedure

NAME, STATION = "system.rvc_3bit", "tiox-32x32"
SMALL = {
    "image_set": "digits",
    "hidden": "8",
    "epochs": "2",
    "draws": "2",
    "seeds": "1",
    "cells": "0:1,0:2",
    "tolerance": "6 %",
    "errors": "0",
}
OPTIONS = [text for key, value in SMALL.items() for text in ("-p", f"{key}={value}")]


def test_presets_are_kept_listed_and_taken(labctl, homes):
    save_preset(NAME, "quick", SMALL)
    assert load_preset(NAME, "quick") == SMALL
    assert labctl("presets", NAME, "--json").json() == {NAME: {"quick": SMALL}}
    assert labctl("presets", "--json").json() == {NAME: {"quick": SMALL}}


@pytest.mark.slow
def test_dry_run_takes_a_preset_and_trains_nothing(labctl, homes):
    save_preset(NAME, "quick", SMALL)
    rehearsed = labctl("run", NAME, "-s", STATION, "--preset", "quick", "--dry-run", "--json")
    assert rehearsed.code == 0, rehearsed.err
    assert rehearsed.json()["procedure"] == NAME
    assert not (homes / "home" / "networks").exists()
    # forming is what applies most
    assert rehearsed.json()["worst"]["largest_terminal_v"]["smu1.a"] == pytest.approx(4.4)


def test_queue_takes_it_and_shows_it(labctl, homes):
    (homes / "runs").mkdir()
    labctl("queue", "hold")
    added = labctl("queue", "add", NAME, "-s", STATION, *OPTIONS)
    assert added.code == 0, added.err
    (item,) = labctl("queue", "list", "--json").json()["items"]
    assert item["procedure"] == NAME


def test_station_gives_defaults_to_it(homes):
    from labctl.run.dry_run import estimate_run
    from labctl.run.station_defaults import describe_defaults
    from labctl.station import read_station_file

    packaged = read_station_file(STATION)
    text = Path(packaged.file).read_text(encoding="utf-8")
    file = homes / "mine.toml"
    file.write_text(text + f'\n[defaults."{NAME}"]\ntolerance = "5 %"\n', encoding="utf-8")
    described = describe_defaults(find_procedure(NAME), read_station_file(file).defaults)
    (tolerance,) = [one for one in described if one["name"] == "tolerance"]
    assert tolerance["default"] == "0.05"
    assert tolerance["from_station"]
    assert estimate_run(find_procedure(NAME), file, SMALL) is not None


@pytest.mark.slow
def test_aborted_run_is_listed_resumed_and_reported_by_the_command_line(labctl, homes):
    control = RunControl()

    class Stops:
        """An observer that asks for an abort when the cells are being formed."""

        def started(self, run_id, path): ...

        def progress(self, percent, wall_s, instrument_s): ...

        def event(self, kind, message):
            if "forming" in message:
                control.abort()

        def finished(self, status): ...

    cut = execute_procedure(find_procedure(NAME), STATION, SMALL, out=homes / "runs", observer=Stops(), control=control)
    assert cut.status == "aborted"
    (listed,) = labctl("runs", "--procedure", NAME, "--json").json()
    assert listed["run_id"] == cut.run_id
    resumed = labctl("resume", "latest", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json()["run_id"] == cut.run_id
    assert resumed.json()["results"]["reproduction"]
    assert open_run(cut.path).status == "finished"
