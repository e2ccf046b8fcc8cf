"""Every command on the simulated station. Authority: the README (commands, exit codes, environment)."""

import json
import re
import sqlite3
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from labctl.script import list_runs, open_run, run
from labctl_instruments import drivers
from labctl_procedures import procedures as all_procedures

STATION = "tiox-32x32"
SMALL = ("-p", "cells=0:2,0:3")
SUMMARY_KEYS = {
    "run_id",
    "procedure",
    "status",
    "station",
    "simulated",
    "started_utc",
    "wall_time_s",
    "instrument_time_s",
    "points",
    "parameters",
    "results",
}
PROGRAM_RESULTS = {
    "cells",
    "yield",
    "rmse_relative",
    "rmse_range",
    "rmse_gmax",
    "pulses_per_cell_mean",
    "pulses_per_cell_p95",
    "sets_per_cell_mean",
}


@pytest.fixture
def read_run(labctl):
    """Read six virgin cells; the summary as JSON."""
    return labctl("run", "read_array", "-s", STATION, *SMALL, "--json", "-q").json()


class Page(HTMLParser):
    """Addresses, texts and pictures of a page."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.pictures, self.words, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        self.addresses += [found[name] for name in ("src", "href", "action", "data") if found.get(name)]
        if tag == "img":
            self.pictures.append(found["alt"])

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def assert_same_values(found, want):
    if want.dtype.kind in "fi":
        np.testing.assert_array_equal(found.to_numpy(float), want.to_numpy(float), err_msg=want.name)
    else:
        present = want.notna().to_numpy()
        assert found.notna().to_numpy().tolist() == present.tolist(), want.name
        assert found[present].astype(str).tolist() == want[present].astype(str).tolist(), want.name


def test_run_prints_progress_and_summary(labctl, homes):
    answer = labctl("run", "read_array", "-s", STATION, *SMALL)
    assert answer.code == 0, answer.err
    for word in ("finished", "read_array", STATION, "simulated", "points", "wall time", "instrument time"):
        assert word in answer.out
    for word in ("100.0 %", "left", "instrument"):
        assert word in answer.err
    assert "Traceback" not in answer.err
    assert len(list((homes / "runs").glob("*.run.sqlite"))) == 1


def test_run_prints_only_json_when_asked(labctl):
    summary = labctl("run", "read_array", "-s", STATION, *SMALL, "--json").json()
    assert summary["status"] == "finished"
    assert set(summary) >= SUMMARY_KEYS


def test_run_prints_nothing_when_quiet(labctl):
    answer = labctl("run", "read_array", "-s", STATION, *SMALL, "--quiet")
    assert (answer.code, answer.out, answer.err) == (0, "", "")


def test_run_accepts_si_prefixes_and_stores_si_values(labctl):
    options = ("-p", "read_voltage=150 mV", "-p", "integration=500 m", "-p", "read_range=10uA")
    refused = labctl("run", "read_array", "-s", STATION, *SMALL, *options)
    assert refused.code == 2  # "500 m" is a length, not a pure number
    assert "integration" in refused.err
    options = ("-p", "read_voltage=150 mV", "-p", "integration=50 %", "-p", "read_range=10uA")
    summary = labctl("run", "read_array", "-s", STATION, *SMALL, *options, "--json", "-q").json()
    assert summary["parameters"]["read_voltage"] == 0.15
    assert summary["parameters"]["integration"] == 0.5
    assert summary["parameters"]["read_range"] == 1e-5


def test_program_run_has_the_promised_results(labctl, homes):
    answer = labctl("run", "program_array", "-s", STATION, *SMALL, "-p", "width=100us", "-q", "--json")
    assert answer.code == 0, answer.err
    summary = answer.json()
    assert set(summary) >= SUMMARY_KEYS
    assert set(summary["results"]) >= PROGRAM_RESULTS
    assert summary["results"]["cells"] == 6
    assert summary["simulated"] is True
    assert summary["parameters"]["width"] == 1e-4
    shown = labctl("show", "latest")
    assert "rmse_relative" in shown.out
    assert "100 µs" in shown.out
    page = Page(Path(labctl("report", "latest", "-o", homes / "page").out.strip()).read_text(encoding="utf-8"))
    assert page.tags.count("html") == 1
    assert page.addresses, "there are no pictures"
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not {"script", "link", "iframe"} & set(page.tags)
    for picture in ("target", "achieved", "error", "levels"):
        assert any(picture in alt for alt in page.pictures), picture
    assert "Simulated" in page.text
    for word in (
        summary["run_id"],
        "100 µs",
        "Provenance",
        "4400001",
        "Half-select disturb",
        "Read noise",
        "Wire drop",
    ):
        assert word in page.text, word


def test_show_names_the_run_by_latest_id_beginning_and_path(labctl, read_run):
    for reference in ("latest", read_run["run_id"], read_run["run_id"][:15], read_run["path"]):
        shown = labctl("show", reference, "--json").json()
        assert shown == read_run, reference
    assert labctl("show").code == 0
    text = labctl("show", read_run["run_id"]).out
    assert "200 mV" in text
    assert read_run["run_id"] in text


def test_runs_lists_newest_first(labctl, read_run):
    second = labctl("run", "read_array", "-s", STATION, "-p", "cells=5,5", "--json", "-q").json()
    listed = labctl("runs", "--json").json()
    assert [item["run_id"] for item in listed] == [second["run_id"], read_run["run_id"]]
    text = labctl("runs").out
    assert text.index(second["run_id"]) < text.index(read_run["run_id"])
    assert "simulated" in text


def test_csv_reads_back_with_pandas(labctl, read_run, homes):
    path = labctl("export", "latest", "--to", "csv", "-o", homes / "out.csv").out.strip()
    want = open_run(read_run["run_id"]).table()
    found = pd.read_csv(path, comment="#")
    assert list(found.columns) == list(want.columns)
    for name in want.columns:
        assert_same_values(found[name], want[name])
    assert read_run["run_id"] in Path(path).read_text(encoding="utf-8")


def test_parquet_reads_back_with_pandas(labctl, read_run, homes):
    path = labctl("export", "latest", "--to", "parquet", "-o", homes / "out.parquet").out.strip()
    want = open_run(read_run["run_id"]).table()
    found = pd.read_parquet(path)
    assert list(found.columns) == list(want.columns)
    for name in want.columns:
        assert_same_values(found[name], want[name])


def test_hdf5_reads_back_with_h5py(labctl, read_run, homes):
    path = labctl("export", "latest", "--to", "hdf5", "-o", homes / "out.h5").out.strip()
    opened = open_run(read_run["run_id"])
    want, maps = opened.table(), opened.arrays()
    with h5py.File(path) as file:
        columns = {dataset.attrs["name"]: dataset for dataset in file["points"].values()}
        assert set(columns) == set(want.columns)
        np.testing.assert_array_equal(columns["Conductance (S)"][...], want["Conductance (S)"].to_numpy())
        assert columns["Conductance (S)"].attrs["units"] == "S"
        conductance = file["arrays"]["conductance"]
        np.testing.assert_array_equal(conductance[...], maps["conductance"].to_numpy())


def test_export_refuses_other_formats(labctl, read_run):
    answer = labctl("export", "latest", "--to", "xls")
    assert answer.code == 2
    assert all(word in answer.err for word in ("csv", "parquet", "hdf5"))


def test_report_of_a_reading_is_self_contained(labctl, read_run, homes):
    path = Path(labctl("report", "latest", "-o", homes / "page").out.strip())
    assert path.parent == homes / "page"
    text = path.read_text(encoding="utf-8")
    assert all(address.startswith(("data:", "#")) for address in Page(text).addresses)
    assert "Simulated" in text
    assert any("conductance" in alt for alt in Page(text).pictures)


def test_procedures_are_listed(labctl):
    purposes = labctl("procedures", "--json").json()
    assert set(purposes) == set(all_procedures())
    assert all(purpose.endswith((".", ":")) and "\n" not in purpose for purpose in purposes.values())
    text = labctl("procedures").out
    assert all(name in text for name in purposes)


@pytest.mark.parametrize("name", ["form_array", "read_array", "program_array"])
def test_procedure_shows_units_and_limits(labctl, name):
    described = labctl("procedures", name, "--json").json()
    quantities = [item for item in described if item["unit"] is not None]
    assert {"read_voltage", "integration"} <= {item["name"] for item in quantities}
    voltage = next(item for item in described if item["name"] == "read_voltage")
    assert (voltage["unit"], voltage["default"], voltage["allowed"]) == ("V", "200 mV", "10 mV to 300 mV")
    text = labctl("procedures", name).out
    for item in described:
        assert item["name"] in text
    assert "10 mV to 300 mV" in text


def test_stations_are_listed_and_shown(labctl):
    assert STATION in labctl("stations", "--json").json()
    assert STATION in labctl("stations").out
    content = labctl("stations", STATION, "--json").json()
    assert content["sample"]["rows"] == 32
    text = labctl("stations", STATION).out
    for word in ("keithley.Keithley2636B", "TCPIP0::192.0.2.11::inst0::INSTR", "4400001", "5 V", "smu1.a", "ground"):
        assert word in text, word


def test_station_of_the_user_is_found_in_the_home(labctl, homes):
    folder = homes / "home" / "stations"
    folder.mkdir(parents=True)
    text = Path(labctl("stations", STATION, "--json").json()["file"]).read_text(encoding="utf-8")
    (folder / "mine.toml").write_text(re.sub(r"(?m)^name = .*", 'name = "mine"', text, count=1), encoding="utf-8")
    assert "mine" in labctl("stations", "--json").json()


def test_instruments_are_listed(labctl):
    found = labctl("instruments", "--json").json()
    assert set(found) == set(drivers())
    assert set(found) >= {"keithley.Keithley2636B", "keysight.Keysight33622A", "keithley.Keithley707B"}
    text = labctl("instruments").out
    assert "Keithley2636B" in text
    assert ":class:" not in text


def test_doctor_finds_the_station_well(labctl):
    answer = labctl("doctor", "-s", STATION)
    assert answer.code == 0, answer.err
    assert "64 lines answer as wired" in answer.out


def test_bench_shows_and_resets_its_die(labctl):
    fresh = labctl("bench", "show", STATION, "--json").json()
    assert (fresh["rows"], fresh["columns"], fresh["simulated"]) == (32, 32, True)
    # a fresh die conducts only where it is stuck
    assert fresh["formed"] <= fresh["stuck"]
    assert labctl("run", "form_array", "-s", STATION, "-p", "cells=0:1,0:2", "-q").code == 0
    assert labctl("bench", "show", STATION, "--json").json()["formed"] > fresh["formed"]
    answer = labctl("bench", "reset", STATION, "--seed", "7", "--without", "half_select", "--without", "read_noise")
    assert answer.code == 0
    assert "half_select" in answer.out
    assert "7" in answer.out
    again = labctl("bench", "show", STATION, "--json").json()
    assert again["seed"] == 7
    assert again["formed"] <= again["stuck"]
    assert again["effects"]["half_select"] is False
    assert again["effects"]["read_noise"] is False
    assert again["effects"]["wire_resistance"] is True
    assert again["conductance_s"] != fresh["conductance_s"]
    text = labctl("bench", "show", STATION).out
    assert "half_select" in text
    # a plain reset gives the bench as its file says
    assert labctl("bench", "reset", STATION).code == 0
    assert labctl("bench", "show", STATION, "--json").json()["conductance_s"] == fresh["conductance_s"]


def test_version_and_help(labctl):
    assert re.fullmatch(r"labctl \d+\.\d+\.\d+\S*\n", labctl("--version").out)
    for arguments in ((), ("--help",)):
        answer = labctl(*arguments)
        assert answer.code == 0
        for command in ("demo", "procedures", "stations", "instruments", "run", "runs", "show", "export", "report"):
            assert command in answer.out


def test_exit_code_is_3_when_the_run_fails(labctl):
    # the mains of the meter fail while the cells are read: its settings are gone
    answer = labctl("run", "read_array", "-s", STATION, *SMALL, "-p", "faults=power_cycle@smu1:measure#3", "-q")
    assert answer.code == 3, answer.err
    assert "smu1" in answer.err
    assert "Traceback" not in answer.err
    shown = labctl("show", "latest", "--json").json()
    assert shown["status"] == "failed"
    assert "smu1" in shown["error"]


def test_exit_code_is_2_when_the_parameters_leave_the_envelope(labctl, homes):
    # promise P13: refused before a byte is sent, and before there is a run file
    text = Path(labctl("stations", STATION, "--json").json()["file"]).read_text(encoding="utf-8")
    path = homes / "careful.toml"
    path.write_text(re.sub(r"(?m)^voltage_v = .*", "voltage_v = 1.0", text), encoding="utf-8")
    answer = labctl("run", "form_array", "-s", path, "-p", "cells=0,0", "-q")
    assert answer.code == 2
    assert "asks for 4.4 V where this station allows 1 V (envelope.voltage_v)" in answer.err
    assert labctl("runs", "--json").json() == []


def test_data_root_and_home_are_taken_from_option_and_environment(labctl, homes, monkeypatch):
    small = ("run", "read_array", "-s", STATION, "-p", "cells=0,0", "-q")
    assert labctl(*small).code == 0
    assert len(list((homes / "runs").glob("*.run.sqlite"))) == 1
    assert labctl(*small, "-o", homes / "chosen").code == 0
    assert len(list((homes / "chosen").glob("*.run.sqlite"))) == 1
    assert len(list((homes / "runs").glob("*.run.sqlite"))) == 1
    assert len(labctl("runs", "-o", homes / "chosen", "--json").json()) == 1
    monkeypatch.delenv("LABCTL_DATA_ROOT")
    monkeypatch.setenv("LABCTL_HOME", str(homes / "other"))
    assert labctl(*small).code == 0
    assert list((homes / "other").rglob("*.run.sqlite"))
    assert (homes / "other" / "benches" / STATION).is_dir()
    assert labctl("show", "latest", "--json").json()["path"].startswith(str(homes / "other"))


@pytest.mark.parametrize("arguments", [("--help",), ("procedures",), ("procedures", "program_array"), ("runs",)])
def test_light_command_imports_nothing_heavy(homes, arguments):
    code = (
        "import sys, labctl.cli.main as m\n"
        f"sys.argv = ['labctl', *{list(arguments)!r}]\n"
        "try:\n    m.main()\nexcept SystemExit as left:\n    assert not left.code, left.code\n"
        # pandas, which PyMeasure imports, brings pyarrow along
        "heavy = {'numba', 'matplotlib', 'sklearn', 'PySide6', 'PyQt5', 'PyQt6', 'h5py', 'lupa', 'xarray'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=homes)
    assert "HEAVY []" in done.stdout


def test_command_as_a_process_prints_json_that_pipes(labctl_process, homes):
    child = labctl_process("run", "read_array", "-s", STATION, *SMALL, "--json")
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert json.loads(out)["points"] == 6


def test_script_gives_pandas_and_xarray_in_five_lines(homes):
    done = run("read_array", STATION, cells="0:2,0:3", read_voltage="100 mV", averages=2)
    table, maps = done.table(), done.arrays()
    assert len(table) == 12
    assert table.attrs["units"]["Conductance (S)"] == "S"
    assert maps["conductance"].dims == ("row", "column")
    assert int(np.isfinite(maps["conductance"]).sum()) == 6
    assert list_runs().index[0] == done.run_id
    assert list_runs().loc[done.run_id, "status"] == "finished"


def test_run_file_is_sealed_and_plain_sqlite(labctl, read_run):
    connection = sqlite3.connect(f"{Path(read_run['path']).as_uri()}?mode=ro", uri=True)
    try:
        assert connection.execute("SELECT status FROM seal").fetchall() == [("finished",)]
        assert connection.execute("SELECT count(*) FROM point").fetchone() == (6,)
    finally:
        connection.close()
