"""Values that are kept under a name come back as they were typed.

Authority: the TOML 1.0 specification, by way of Python's own reader; the contract of `labctl run --preset`.
"""

import json
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from labctl.cli.main import app
from labctl.errors import LabError, RunError, StationError
from labctl.run.presets import load_preset, preset_names, save_preset


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    return tmp_path


def test_preset_comes_back_as_it_was_typed(home):
    values = {"set_stop": "1.2 V", "cells": "0,0;1,1", "target": 'C:\\maps\\"a".csv'}
    path = save_preset("sweep_iv", "gentle", values)
    assert path == home / "presets" / "sweep_iv" / "gentle.toml"
    assert load_preset("sweep_iv", "gentle") == values
    assert tomllib.loads(path.read_text(encoding="utf-8"))["parameters"] == values
    save_preset("sweep_iv", "gentle", {"set_stop": "1 V"})
    assert load_preset("sweep_iv", "gentle") == {"set_stop": "1 V"}
    assert preset_names("sweep_iv") == ["gentle"]
    assert preset_names("read_array") == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_text_survives(text):
    save_preset("sweep_iv", "any", {"cells": text})
    assert load_preset("sweep_iv", "any") == {"cells": text}


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "a\\b", ".hidden", "x" * 65, "end.", "end ", "a\nb", "a:b"])
def test_name_that_is_no_file_is_refused(name, home):
    with pytest.raises(RunError, match="a name has"):
        save_preset("sweep_iv", name, {})
    assert not list(home.rglob("*.toml"))


def test_missing_preset_names_those_that_are_there():
    save_preset("sweep_iv", "gentle", {})
    with pytest.raises(RunError, match=r"has no preset 'rough'; there are: gentle"):
        load_preset("sweep_iv", "rough")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema = 1\n",
        "schema = 2\nprocedure = 'sweep_iv'\n[parameters]\n",
        "schema = 1\nprocedure = 'read_array'\n[parameters]\n",
        "schema = 1\nprocedure = 'sweep_iv'\n[parameters]\nset_stop = [1]\n",
        "schema = 1\nprocedure = 'sweep_iv'\nother = 1\n[parameters]\n",
        "\xff",
    ],
)
def test_damaged_preset_is_refused_with_its_place(text):
    path = save_preset("sweep_iv", "bad", {})
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StationError, match=r"bad\.toml"):
        load_preset("sweep_iv", "bad")


def test_command_line_runs_with_a_preset_and_lists_it(home):
    save_preset("read_array", "corner", {"cells": "0:2,0:2", "averages": "3"})
    runner = CliRunner()
    dry = ["run", "read_array", "-s", "tiox-32x32", "--dry-run", "--json", "--preset", "corner"]
    points = [
        json.loads(runner.invoke(app, arguments, standalone_mode=False).stdout)["cases"][0]["points"]
        for arguments in (dry, [*dry, "-p", "averages=1"])
    ]
    # a row for each of four cells and averages; what is typed wins
    assert points == [12, 4]
    listed = runner.invoke(app, ["presets"])
    assert "corner" in listed.stdout
    assert "averages = 3" in listed.stdout
    only = runner.invoke(app, ["presets", "read_array", "--json"])
    assert json.loads(only.stdout) == {"read_array": {"corner": {"cells": "0:2,0:2", "averages": "3"}}}
    assert "no presets yet" in runner.invoke(app, ["presets", "sweep_iv"]).stdout
    missing = runner.invoke(app, [*dry[:-1], "none"], standalone_mode=False)
    assert isinstance(missing.exception, LabError)
