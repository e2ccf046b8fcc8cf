"""A run in a terminal of 80 columns. Authority: what a reader needs whole: the name of every result, every word."""

import pytest

from labctl.cli.summary import print_summary

NAME = "set_energy_by_conductance_before_mean"
SUMMARY = {
    "run_id": "r",
    "procedure": "p",
    "status": "finished",
    "station": "s",
    "simulated": True,
    "started_utc": "2026-11-22T05:47:16",
    "points": 3,
    "segments": 1,
    "in_doubt": 0,
    "wall_time_s": 1.0,
    "instrument_time_s": None,
    "error": None,
    "path": "r.run.sqlite",
}


@pytest.fixture
def printed(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")

    def show(results, **facts):
        print_summary({**SUMMARY, **facts, "results": results})
        lines = capsys.readouterr().out.splitlines()
        assert all(len(line) <= 80 for line in lines)
        return lines

    return show


def test_names_are_whole_and_long_texts_wrap_in_the_last_column(printed):
    reason = "every cycle was read up to 10000, then 10 cycles at each of 20 places, between them no failure is seen"
    lines = printed({NAME: 1.2e-9, "reading_scheme": reason, "lives": [{"row": n, "cycles": 9} for n in range(9)]})
    assert any(line.split()[:3] == [NAME, "1.2", "nJ"] for line in lines)
    told = " ".join(" ".join(line.split()) for line in lines)
    for word in reason.split():
        assert word in told
    assert "and 6 more" in told
    assert "…" not in told


def test_steps_of_a_sequence_have_tables_of_their_own(printed):
    lines = printed(
        {
            "contacts.procedure": "check_contacts",
            "contacts.cells": 1,
            "iv.procedure": "sweep_iv",
            "iv.cells": 2,
            "iv.failed_cells": [{"row": 4, "column": 5, "reason": "shorted"}],
        }
    )
    text = "\n".join(lines)
    first, second = text.index("contacts: check_contacts"), text.index("iv: sweep_iv")
    assert first < text.index(" cells   1") < second < text.index(" cells   2") < text.index("shorted")
    assert "iv.cells" not in text
