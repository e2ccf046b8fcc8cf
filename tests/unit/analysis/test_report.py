"""The words and the page of a run. Authority: what the page promises to hold; values worked out by hand."""

import numpy as np
import pytest

from labctl.analysis import figures
from labctl.analysis.report import write_plots, write_report
from labctl.analysis.wording import describe_result, format_value
from labctl.errors import StoreError
from labctl.store import ParameterRecord, RunHeader, RunWriter, open_run


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("yield", 0.99316, "99.3 %"),
        ("wire_drop_per_segment", 0.00708, "7.08 mV per segment"),
        ("conductance_mean", 7.105e-5, "71 µS"),
        ("cells", 1024, "1024"),
        ("pulses_per_cell_mean", 34.1113, "34.1"),
        ("read_noise", None, "not measured"),
        ("of_my_own", 1.23456789, "1.23457"),
    ],
)
def test_result_has_its_unit(name, value, text):
    assert describe_result(name, value).text == text


def test_unknown_result_keeps_its_name():
    assert describe_result("of_my_own", 1).label == "of my own"
    assert (format_value(True), format_value(None), format_value(1e-5)) == ("yes", "", "1e-05")


def test_robust_bound_is_not_stretched_by_one_far_value():
    values = np.append(np.linspace(-0.01, 0.01, 999), 11.0)
    assert figures.robust_bound(values) <= 0.01
    assert figures.robust_bound(np.array([np.nan])) == 1.0
    assert figures.robust_bound(np.zeros(4)) == 1.0


@pytest.fixture
def write_run(tmp_path):
    """Write a run of 2 x 2 cells, one of which is stuck."""

    def write(*, simulated=True, status="finished", message="one"):
        parameters = [ParameterRecord(name="tolerance", label="Tolerance", value=0.03, unit="1", text="three per cent")]
        header = RunHeader(
            procedure="program_array",
            columns=("Conductance (S)",),
            parameters=parameters,
            station="bench <b>",
            simulated=simulated,
            facts={"sample": {"name": "mine"}, "seed": 3},
        )
        writer = RunWriter.create(tmp_path, header, instrument_clock=lambda: 0.0)
        target = np.array([[25e-6, 50e-6], [25e-6, 50e-6]])
        achieved = np.array([[25.5e-6, 49e-6], [300e-6, np.nan]])
        maps = {"target": target, "achieved": achieved, "status": np.array([[1, 1], [3, 6]]), "sets": achieved * 0 + 1}
        for name, data in maps.items():
            writer.array(name, data, ("row", "column"), "S" if name in ("target", "achieved") else "1")
        writer.event("note", message)
        writer.event("traceback", "Traceback ...")
        failed = [{"row": 1, "column": 0, "reason": "stuck"}]
        writer.seal(status, {"yield": 0.5, "read_noise": None, "failed_cells": failed}, "it broke")
        return open_run("latest", tmp_path)

    return write


def test_page_escapes_what_it_is_told(write_run, tmp_path):
    text = write_report(write_run(message="<script>alert(1)</script>"), tmp_path).read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "bench &lt;b&gt;" in text


def test_page_says_simulated_only_when_it_is(write_run, tmp_path):
    assert "Simulated" in write_report(write_run(), tmp_path).read_text(encoding="utf-8")
    text = write_report(write_run(simulated=False), tmp_path).read_text(encoding="utf-8")
    assert "Simulated" not in text
    assert "(simulated)" not in text


def test_page_shows_why_a_run_failed_and_which_cells(write_run, tmp_path):
    text = write_report(write_run(status="failed"), tmp_path).read_text(encoding="utf-8")
    for word in ("failed: it broke", "Failed cells (1)", "stuck", "not measured", "25 µS", "25.5 µS", "2.00 %"):
        assert word in text, word


def test_parameters_stand_as_people_write_them(write_run, tmp_path):
    run = write_run()
    assert run.parameter_texts == {"tolerance": "three per cent"}
    assert "three per cent" in write_report(run, tmp_path).read_text(encoding="utf-8")


def test_report_refuses_a_folder_that_is_a_file(write_run, tmp_path):
    (tmp_path / "page").write_text("mine", encoding="utf-8")
    with pytest.raises(StoreError, match="-o"):
        write_report(write_run(), tmp_path / "page")


@pytest.fixture
def sequence_run(tmp_path):
    """Write a sequence of two steps, the second of which has a curve and a failed cell."""
    header = RunHeader(procedure="sequence", columns=("Item",), station="bench", simulated=True)
    writer = RunWriter.create(tmp_path, header)
    voltage = np.array([[[0.1, 1.0, -1.0]]])
    for name, data, unit in (("voltage", voltage, "V"), ("current", voltage * 1e-4, "A")):
        writer.array(f"iv.{name}", data, ("iv.cell", "iv.cycle", "iv.step"), unit)
    writer.seal(
        "finished",
        {
            "contacts.procedure": "check_contacts",
            "contacts.leaking_cells": 3,
            "iv.procedure": "sweep_iv",
            "iv.set_voltage_mean": 0.81,
            "iv.failed_cells": [{"row": 4, "column": 5, "reason": "shorted <early>"}],
        },
    )
    return open_run("latest", tmp_path)


def test_page_of_a_sequence_has_a_part_for_each_step(sequence_run, tmp_path):
    text = write_report(sequence_run, tmp_path).read_text(encoding="utf-8")
    first, second = text.index("contacts: check_contacts"), text.index("iv: sweep_iv")
    assert first < text.index("contacted, not formed") < second < text.index("810 mV")
    assert "cell (4, 5): shorted &lt;early&gt;" in text
    assert text.count("<img") == 2


def test_plots_of_a_sequence_have_the_name_of_their_step(sequence_run, tmp_path):
    names = {path.name for path in write_plots(sequence_run, tmp_path / "plots")}
    assert names == {f"iv-sweep_iv-{plot}.{kind}" for plot in ("iv", "iv-log") for kind in ("svg", "png", "csv")}
