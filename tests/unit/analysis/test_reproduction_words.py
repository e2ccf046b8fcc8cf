"""Figures beside those of a paper, in words, on the page and in a terminal.

Authority: the docstrings of Figure and spread_figure; means and deviations worked out by hand; house style: nothing
that is simulated is called measured.
"""

import pytest

from labctl.analysis.reproduction import Figure, spread_figure
from labctl.analysis.reproduction_page import SystemRun, markdown_table, newest_systems, write_reproduction
from labctl.analysis.reproduction_words import reproduction_words
from labctl.cli.summary import print_summary
from labctl.store import RunHeader, RunWriter

RATE = {"source": "abstract", "paper": 0.0179, "rule": "at most 1.79 %", "holds": False, "note": "programmed cells"}
FIGURES = [
    spread_figure("error | rate", "%", [0.017, 0.018, 0.019], over="dies", way="instruments", **RATE),
    spread_figure("energy", "J", [2e-12], over="networks", way="physics", source="s"),
    spread_figure("ratio", "1", [float("nan")], over="draws", way="computed", source="", rule="r", holds=True),
    Figure("level", "S", 2.5e-5, 1e-7, 2, "dies", None, "even", True, "instruments", "s"),
]
RESULTS = {
    "cells": 4,
    "paper": "A. Author <b>, Journal 1",
    "reproduction": [figure.as_dict() for figure in FIGURES],
    "assumed": ["one thing"],
    "ledger": {"pulses": 12000.0, "device_time_s": 0.0125, "read_energy_j": 3.2e-9, "stored_bits": 7.0},
}


def test_spread_is_the_deviation_of_a_sample_and_values_that_are_not_finite_are_counted():
    figure = spread_figure(
        "q", "1", [1.0, 3.0, float("inf")], over="dies", way="physics", source="s", holds=True, note="n"
    )
    assert (figure.ours, figure.spread, figure.count) == (2.0, pytest.approx(2.0**0.5), 2)
    assert figure.note == "n; 1 of 3 had no value"
    alone = spread_figure("q", "1", [1.0], over="dies", way="physics", source="s")
    assert (alone.ours, alone.spread, alone.count) == (1.0, None, 1)
    nothing = spread_figure("q", "1", [], over="dies", way="physics", source="s", rule="r", holds=True)
    assert (nothing.ours, nothing.holds, nothing.count) == (None, None, 0)


def test_figures_read_with_their_units_spread_and_verdict():
    words, others = reproduction_words(RESULTS, simulated=False)
    assert others == {"cells": 4}
    error, energy, ratio, level = words.figures
    assert (error.paper, error.ours, error.over, error.verdict) == (
        "1.79 %",
        "1.80 ± 0.10 %",
        "3 dies",
        "does not hold",
    )
    assert error.note == "programmed cells; abstract"
    assert (energy.paper, energy.ours, energy.over, energy.verdict) == ("", "2 pJ", "1 network", "")
    assert (ratio.ours, ratio.over, ratio.verdict) == ("no value", "", "not judged")
    assert (level.ours, level.verdict) == ("25 µS ± 100 nS", "holds")
    assert words.verdict == "1 of 3 rules hold"
    assert [one.text for one in words.costs] == ["12,000", "12.5 ms", "3.2 nJ", "7"]
    assert words.costs[3].label == "Stored bits"


def test_instruments_of_a_simulated_bench_are_called_so():
    real, simulated = (reproduction_words(RESULTS, simulated=one)[0].figures for one in (False, True))
    assert [one.way for one in real] == [
        "through instruments",
        "device physics alone",
        "computed",
        "through instruments",
    ]
    assert simulated[0].way == simulated[3].way == "through instruments, simulated"
    assert simulated[1].way == real[1].way


def test_what_is_computed_from_readings_is_not_called_measured():
    one = spread_figure("rate", "%", [0.1], over="draws", way="readings", source="s").as_dict()
    real, simulated = (
        reproduction_words({"reproduction": [one]}, simulated=which)[0].figures[0].way for which in (False, True)
    )
    assert real == "computed from readings through instruments"
    assert simulated == f"{real}, simulated"


def test_run_of_no_system_is_left_as_it_is():
    assert reproduction_words({"cells": 4, "paper": "x"}, simulated=True) == (None, {"cells": 4, "paper": "x"})


def write(folder, procedure, status, results=RESULTS):
    header = RunHeader(
        procedure=procedure, columns=("Conductance (S)",), parameters=[], station="bench", simulated=True
    )
    writer = RunWriter.create(folder, header, instrument_clock=lambda: 0.0)
    writer.seal(status, results)
    return writer.path


def test_table_takes_the_newest_finished_run_of_each_system_and_names_the_missing(tmp_path):
    root = tmp_path / "runs"
    write(root, "system.one", "finished", RESULTS | {"reproduction": []})
    newest = write(root, "system.one", "finished")
    write(root, "system.one", "aborted", {})
    write(root, "system.two", "failed", {})
    write(root, "read_array", "finished", {})
    found = newest_systems({"system.one": "a", "system.two": "b"}, root)
    assert found[0].run_id in newest.name
    assert found[0].words.verdict == "1 of 3 rules hold"
    assert found[1] == SystemRun("system.two", "labctl run system.two -s b")
    lines = markdown_table(found).splitlines()
    assert len([line for line in lines if line.startswith("| system.one")]) == 4
    assert "error \\| rate" in lines[2]
    assert lines[-1] == "No finished run of system.two: `labctl run system.two -s b` makes one."
    page, markdown, table = write_reproduction(found, tmp_path / "out")
    assert "A. Author &lt;b&gt;" in page.read_text(encoding="utf-8")
    assert "none of it from a device" in page.read_text(encoding="utf-8")
    assert markdown.read_text(encoding="utf-8") == markdown_table(found)
    assert len(table.read_text(encoding="utf-8").splitlines()) == 5


def test_terminal_shows_tables_and_no_line_of_a_list(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    facts = {
        "run_id": "r",
        "procedure": "system.one",
        "status": "finished",
        "station": "s",
        "simulated": True,
        "points": 1,
    }
    facts |= {"started_utc": "2026-11-22T05:47:16", "segments": 1, "in_doubt": 0, "wall_time_s": 1.0, "error": None}
    print_summary({**facts, "instrument_time_s": None, "path": "r.run.sqlite", "results": RESULTS})
    text = capsys.readouterr().out
    words = " ".join(text.split())
    assert "1 of 3 rules hold" in words
    assert "1.80 ± 0.10 %" in text
    assert "one thing" in text
    assert "12.5 ms" in text
    assert "quantity" not in text
    assert max(map(len, text.splitlines())) <= 100
