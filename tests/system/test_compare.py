"""``labctl compare`` on the simulated station. Authority: the README and the command's own help."""

from pathlib import Path

import pytest

SMALL = ("-p", "cells=0,0", "-p", "cycles=1", "-p", "step=0.25 V", "-q")


@pytest.fixture
def two_runs(labctl):
    """Sweep one cell twice, with two compliances; the ids."""
    found = []
    for limit in ("300 uA", "150 uA"):
        made = labctl("run", "sweep_iv", "-s", "tiox-32x32", *SMALL, "-p", f"set_limit={limit}", "--json")
        assert made.code == 0, made.err
        found.append(made.json()["run_id"])
    return found


def test_two_runs_make_a_page_and_plots(labctl, two_runs, homes):
    answer = labctl("compare", *two_runs, "-o", homes / "pages", "--plots")
    assert answer.code == 0, answer.err
    page, *plots = map(Path, answer.out.split("\n")[:-1])
    text = page.read_text(encoding="utf-8")
    for word in (*two_runs, "Simulated", "parameter set_limit", "300 µA", "150 µA"):
        assert word in text, word
    assert page.parent == homes / "pages"
    assert {path.suffix for path in plots} == {".svg", ".png", ".csv"}
    assert all(path.stat().st_size for path in plots)


def test_wrong_runs_are_refused_before_anything_is_written(labctl, two_runs, homes):
    other = labctl("run", "read_array", "-s", "tiox-32x32", "-p", "cells=0,0", "-q", "--json").json()["run_id"]
    answer = labctl("compare", two_runs[0], other, "-o", homes / "pages")
    assert answer.code == 2
    assert "sweep_iv" in answer.err
    assert "read_array" in answer.err
    assert labctl("compare", two_runs[0], "-o", homes / "pages").code == 2
    assert not (homes / "pages").exists()
